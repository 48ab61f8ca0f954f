import numpy as np
from PIL import Image

from classifiers import card
from classifiers.evaluate import evaluate
from classifiers.judge import Judge
from tests.data import embedded_digits


def test_a_card_is_rewritten_between_its_marks_with_figures_and_pictures(tmp_path):
    path = tmp_path / "CARD.md"
    path.write_text(f"before\n{card.BEGIN}\nold\n{card.END}\nafter\n", encoding="utf-8")
    judge, test = Judge.shipped(), embedded_digits().test
    images, labels = test.images[:120], test.labels[:120].copy()
    read = judge.labels(images)
    labels[:] = read
    labels[5] = (read[5] + 1) % 10  # exactly one image counts as misread
    figures = evaluate(judge, images, labels, images[:50], read[:50], attacked=3)
    card.write(path, judge, figures, images, labels, "digits")
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{card.BEGIN}\n")
    assert text.endswith(f"{card.END}\nafter\n")
    assert "old" not in text
    assert f"| accuracy of the committee, 120 test images | {119 / 120:.2%} |" in text
    assert f"{labels[5]} → {read[5]} (1)." in text
    assert figures["digits_accuracy"] == 1.0
    for name in ("reliability", "misread"):
        assert np.asarray(Image.open(tmp_path / "pictures" / f"{name}.png")).std() > 1


def test_the_card_of_a_training_names_members_seeds_and_bounds():
    facts = Judge.shipped().facts
    text = card.of_training(facts)
    for member in facts.members:
        assert f"| {member.name} | {member.recipe['seed']} | {member.recipe['epochs']} |" in text
    assert f"{facts.doubt:.4f}" in text
