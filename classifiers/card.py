"""A judge's model card: tables between two markers of a Markdown file, and two pictures beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from classifiers.batches import Images
from classifiers.fool import NEW_KINDS
from classifiers.judge import Judge
from classifiers.weights_file import Facts

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
Labels = NDArray[np.int64]


def of_training(facts: Facts) -> str:
    """Write the card of a newly trained judge: its recipes and held-out figures."""
    rows = [
        f"| {m.name} | {m.recipe.get('seed', '')} | {m.recipe.get('epochs', '')} | {m.held_out_accuracy:.2%} "
        f"| {m.temperature:.3f} |"
        for m in facts.members
    ]
    return "\n".join(
        [
            "# A private judge",
            "",
            f"Trained by `gradebench judge train` on {facts.data}; the figures are from the held-out training images.",
            "",
            "| member | seed | epochs | held-out accuracy | temperature |",
            "|---|---|---|---|---|",
            *rows,
            "",
            BEGIN,
            END,
            "",
            f"The first member decides alone from a confidence of {facts.sure:.4f}. A doubt above {facts.doubt:.4f} is "
            "rare for real digits. `gradebench judge evaluate --judge FILE --write CARD` measures the judge on test "
            "images and writes the figures above.",
            "",
        ]
    )


def write(path: Path, judge: Judge, figures: Mapping[str, Any], images: Images, labels: Labels, data: str) -> None:
    """Rewrite the figures between the markers of the card at `path`, and the pictures in `pictures/` beside it.

    Parameters
    ----------
    figures : result of `classifiers.evaluate.evaluate`
    images, labels : test images (N, 1, 28, 28) and labels (N,) of that evaluation
    """
    probabilities = judge.probabilities(images)
    folder = path.parent / "pictures"
    folder.mkdir(exist_ok=True)
    _reliability(probabilities, labels, folder / "reliability.png")
    wrong = np.flatnonzero(probabilities.argmax(1) != labels)
    _misread(images, labels, probabilities, wrong, folder / "misread.png")
    replace_figures(path, _tables(figures, labels, probabilities.argmax(1), data))


def takes_figures(path: Path) -> bool:
    """Check that the file at `path` has the two markers of `replace_figures`, once each and in order."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return text.count(BEGIN) == text.count(END) == 1 and text.index(BEGIN) < text.index(END)


def replace_figures(path: Path, figures: str) -> None:
    """Replace the text between the two markers in `path` by `figures`, lines of Markdown."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    path.write_text(before + BEGIN + "\n" + figures + END + after, encoding="utf-8")


def _tables(figures: Mapping[str, Any], labels: Labels, judged: Labels, data: str) -> str:
    lines = [
        f"| figure | on {data} |",
        "|---|---|",
        f"| accuracy of the committee, {len(labels):,} test images | {figures['accuracy']:.2%} |",
        f"| expected calibration error, 15 bins | {figures['expected_calibration_error']:.2%} |",
        f"| accuracy on scikit-learn's 1,797 digits, resampled, never trained on | {figures['digits_accuracy']:.1%} |",
        f"| mean confidence on what is no digit | {figures['not_digits_confidence']:.3f} |",
        f"| mean confidence on what is no digit, of kinds that no member learnt from | "
        f"{figures['new_kinds_confidence']:.3f} |",
        f"| images optimised against a member that it reads as was wanted, flagged by the committee "
        f"| {_share(figures['optimised_flagged'])} |",
        f"| the same of attacks that know how the judge doubts | {_share(figures['adaptive_flagged'])} |",
        f"| real test digits whose doubt is out of range | {figures['real_digits_flagged']:.2%} |",
        f"| the first member decides alone | {figures['first_member_decides']:.1%} of images |",
        f"| labels equal to the whole committee's | {figures['first_member_agrees']:.2%} |",
        *(
            [
                f"| labels equal to the whole committee's, {figures['generated_samples']:,} generated samples "
                f"| {figures['generated_labels_equal']:.3%} |"
            ]
            if "generated_samples" in figures
            else []
        ),
        f"| speed, against PyTorch's plain example CNN of 1,199,882 weights | {figures['times_plain_example']:.1f} × |",
        f"| weights, in float16 | {figures['weights']:,}, {figures['weights'] * 2 / 1e6:.2f} MB |",
        f"| SHA-256 | `{figures['sha256']}` |",
        "",
        "| member | parameters | seed | epochs | accuracy |",
        "|---|---|---|---|---|",
        *(
            f"| {m['name']} | {m['parameters']:,} | {m['recipe'].get('seed', '')} | {m['recipe'].get('epochs', '')} "
            f"| {m['accuracy']:.2%} |"
            for m in figures["members"]
        ),
        "",
        "| not a digit | mean confidence |",
        "|---|---|",
        *(
            f"| {kind}{' (not learnt from)' if kind in NEW_KINDS else ''} | {value:.3f} |"
            for kind, value in figures["not_digits"].items()
        ),
        *(f"| {kind} (some are readable) | {value:.3f} |" for kind, value in figures["half_digits"].items()),
        "",
        "| optimised against, starting from | tried | read as was wanted | of these flagged | flagged of all |",
        "|---|---|---|---|---|",
        *(
            f"| {kind} | {o['tried']} | {o['reached']} | {o['flagged_of_reached']} | {o['flagged']} |"
            for kind, o in figures["optimised"].items()
        ),
        "",
        "Confused pairs (label → read as): " + _confused(labels, judged) + ".",
        "",
    ]
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "none was read so" if value is None else f"{value:.1%}"


def _confused(labels: Labels, judged: Labels) -> str:
    pairs = [f"{a} → {b}" for a, b in zip(labels, judged, strict=True) if a != b]
    counts = sorted({pair: pairs.count(pair) for pair in pairs}.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{pair} ({count})" for pair, count in counts) or "none"


def _reliability(probabilities: NDArray[np.float32], labels: Labels, path: Path) -> None:
    from matplotlib.figure import Figure

    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    # Bins are narrow near 1, where nearly all images lie; equal ones would put all but one point in a corner.
    edges = np.array([0, 0.6, 0.8, 0.9, 0.95, 0.99, 1.001])
    of_bin = np.digitize(confidence, edges) - 1
    filled = np.unique(of_bin)
    counts = [binomtest(int(right[of_bin == b].sum()), int((of_bin == b).sum())) for b in filled]
    shares = np.array([count.statistic for count in counts])
    bounds = np.array([count.proportion_ci(method="wilson") for count in counts])
    means = np.array([confidence[of_bin == b].mean() for b in filled])
    figure = Figure(figsize=(5, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="perfect")
    reach = np.abs(bounds.T - shares)
    axes.errorbar(means, shares, reach, fmt="o", markersize=4, capsize=2, label="judge, with Wilson's 95 % intervals")
    for x, y, count in zip(means, bounds[:, 0], counts, strict=True):
        axes.annotate(f"{count.n:,}", (x, y), (0, -10), textcoords="offset points", ha="center", fontsize=7)
    axes.set(
        xlabel="confidence", ylabel="accuracy", xlim=(0.3, 1.03), ylim=(0, 1.05), title="Reliability, images a bin"
    )
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=110)


def _misread(
    images: Images, labels: Labels, probabilities: NDArray[np.float32], wrong: NDArray[np.intp], path: Path
) -> None:
    from matplotlib.figure import Figure

    columns = 10
    rows = max(1, -(-len(wrong) // columns))
    figure = Figure(figsize=(columns * 0.9, rows * 1.15), layout="constrained")
    for place, index in enumerate(wrong):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.imshow(images[index, 0], cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(f"{labels[index]} → {probabilities[index].argmax()}", fontsize=8)
        axes.axis("off")
    figure.savefig(path, dpi=110)
