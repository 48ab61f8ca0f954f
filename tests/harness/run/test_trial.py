"""Tests of options that neither weights nor manifest tell: they are tried, and the honest model gets its score."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from classifiers.judge import Judge
from harness import intake
from harness.run import kept, workers
from harness.run import run as grading
from harness.run.remark import remark
from harness.run.settings import Run
from harness.run.trial import Choice, choose, combinations, shared, sheltered
from harness.sandbox.outside import WeightsWorkers
from harness.tasks import TASKS, task
from harness.tasks.base import Context, Trial
from harness.types import Evidence, Metric, Record, Status
from reference import MODELS, architecture, shipped
from tests.data import embedded_digits
from tests.harness.run.grading import collect, run_of


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(embedded_digits(), Judge.shipped(), seed=0)


def hand_in(folder: Path, options: str, model: str = "cvae", name: str = "cvae", task_name: str = "") -> None:
    place = folder / "class" / "one"
    place.mkdir(parents=True, exist_ok=True)
    torch.save({architecture(model).checkpoint_key: shipped.state(name)}, place / "best.pt")
    task_name = task_name or architecture(model).task
    (place / "submission.toml").write_text(
        f'[[entry]]\ntask = "{task_name}"\nmodel = "{model}"\ncheckpoint = "best.pt"\n{options}\n', encoding="utf-8"
    )


def grade(run: Run, folder: Path) -> list[Record]:
    found = grading.grade(collect(folder / "class", folder / "work"), run)
    return [record for record in found if record.status is not Status.NOT_HANDED_IN]


def test_a_model_whose_manifest_is_silent_gets_the_score_of_one_that_states_its_option(
    context: Context, tmp_path: Path
) -> None:
    hand_in(tmp_path, 'options = { concat_activation = "relu", z_log = "std" }')
    (stated,) = grade(run_of(context, tmp_path / "stated"), tmp_path)
    hand_in(tmp_path, "")
    (silent,) = grade(run_of(context, tmp_path / "silent"), tmp_path)
    assert stated.tried == ()
    assert silent.metrics == stated.metrics
    assert silent.options["concat_activation"] == "relu"
    assert len(silent.tried) == 4
    assert [one.options for one in silent.tried if one.chosen] == [silent.options]
    note = silent.stage_notes["try"][0]
    # z_log says how the encoder samples; it changes nothing that is asked, and is not spoken of.
    assert "z_log" not in note
    assert 'options = { concat_activation = "relu" }' in note
    assert "concat_activation = none" in note


def test_a_model_without_the_activation_is_not_given_one(context: Context, tmp_path: Path) -> None:
    hand_in(tmp_path, "")
    run = run_of(context, tmp_path / "results")
    planned = grading.plans(collect(tmp_path / "class", tmp_path / "work"), run)[0][0]
    trial = task("conditional-generation").trial(context, planned.entry)
    choices = combinations(planned, run)
    assert [choice["concat_activation"] for choice in choices] == ["none", "none", "relu", "relu"]

    def answers(share: float) -> list[dict[str, object]]:
        digits = context.data.test
        rows = [int((digits.labels == label).argmax()) for label in range(10)] * 50
        images = digits.images[rows].copy()
        images[: int(500 * (1 - share))] = 0
        return [{"images": images}]

    plain = choose(trial, choices, [answers(1.0), answers(1.0), answers(0.2), answers(0.2)])
    assert plain.options["concat_activation"] == "none"
    failed = choose(trial, choices, [None, answers(0.5), None, answers(0.9)])
    assert failed.options == choices[3]
    assert [one.value is None for one in failed.tried] == [True, False, True, False]
    nothing = choose(trial, choices, [None] * 4)
    assert nothing.options == choices[0] and nothing.note == ""


def test_of_errors_the_smallest_is_taken() -> None:
    trial = Trial([], lambda answers: Metric(answers[0]["x"], "nats", "lower", 1, title="error"))
    choices = [{"a": "1"}, {"a": "2"}, {"a": "3"}]
    chosen = choose(trial, choices, [[{"x": 0.5}], [{"x": 0.2}], [{"x": 0.3}]])
    assert chosen.options == {"a": "2"}
    assert "a = 2 (error 0.2000; next: a = 3, 0.3000)" in chosen.note


@pytest.mark.parametrize("name", TASKS)
def test_every_task_that_weights_answer_has_a_trial_of_few_questions(name: str, context: Context) -> None:
    from harness.run.kept import asked_bytes
    from harness.types import Entry, Kind

    if not any(name in (one.task, *one.also) for one in map(architecture, MODELS)):
        pytest.skip("no architecture's weights answer it")
    entry = Entry(name, Kind.WEIGHTS, "symbols-m2", None, "a.pt", options={"code": "10"})
    trial = task(name).trial(context, entry)
    assert 0 < asked_bytes(trial.questions) < 2 << 20
    again = task(name).trial(context, entry)
    for one, other in zip(trial.questions, again.questions, strict=True):
        assert all((one.inputs[key] == other.inputs[key]).all() for key in one.inputs)


@pytest.mark.parametrize("model", MODELS)
def test_defaults_are_tried_first(model: str, context: Context, tmp_path: Path) -> None:
    run = run_of(context, tmp_path)
    from harness.run.plan import Planned
    from harness.types import Entry, Kind, Submission

    of = architecture(model)
    part = run.assignment.part[0]
    entry = Entry(of.task, Kind.WEIGHTS, "one", model, "a.pt")
    first = combinations(Planned(Submission("s", "S", tmp_path), entry, part), run)[0]
    assert of.choose(first) == of.choose({})


def test_a_choice_is_taken_over_and_another_judge_makes_it_anew_from_kept_answers(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in(tmp_path, "")
    run = run_of(context, tmp_path / "results", keep_answers=True)
    (before,) = grade(run, tmp_path)
    assert (run.results / before.trial_answers).is_file()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a worker was started, or a checkpoint opened")

    monkeypatch.setattr(WeightsWorkers, "worker", refuse)
    monkeypatch.setattr(workers, "Worker", refuse)
    monkeypatch.setattr(intake, "open_file", refuse)
    assert grade(run, tmp_path) == [before]

    class Other:
        digest = "1" * 64

        def __getattr__(self, name: str) -> object:
            return getattr(context.judge, name)

    other = dataclasses.replace(run, context=dataclasses.replace(context, judge=Other()))
    done = remark([before], other)
    assert done.to_ask == []
    assert done.records[0].options == before.options
    assert done.records[0].keys["try"] != before.keys["try"]

    class Contrary(Other):
        """Reads nothing where the true judge reads most."""

        digest = "2" * 64

        def decide(self, images):
            read, features = context.judge.decide(images)
            if len(images) == 500 and (read == [i % 10 for i in range(500)]).mean() > 0.5:
                read = 9 - read
            return read, features

    contrary = dataclasses.replace(run, context=dataclasses.replace(context, judge=Contrary()))
    assert [r.part for r in remark([before], contrary).to_ask] == ["cvae"]
    assert kept.load_trial(run.results, dataclasses.replace(before, trial_answers="../x")) is None


def test_a_broken_checkpoint_fails_with_its_own_reason(context: Context, tmp_path: Path) -> None:
    hand_in(tmp_path, "")
    (tmp_path / "class" / "one" / "best.pt").write_bytes(b"PK\x03\x04 cut")
    (record,) = grade(run_of(context, tmp_path / "results"), tmp_path)
    assert record.status is Status.FAILED
    assert record.failure.stage == "checkpoint"
    assert "best.pt" in record.failure.message


def test_sign_and_activations_of_other_models_are_tried(context: Context, tmp_path: Path) -> None:
    hand_in(tmp_path, "", "dirichlet-lstm-m1", "dirichlet-lstm-m1")
    run = run_of(context, tmp_path / "results", "ucl-hw4")
    (record,) = grade(run, tmp_path)
    assert record.status is Status.SCORED, record.failure
    assert record.score.points == record.score.max_points
    assert len(record.tried) == 4


@pytest.mark.parametrize("options", ["", 'options = { concat_activation = "relu" }'])
def test_far_from_the_mark_a_collapsed_model_is_no_cheat(options: str, context: Context, tmp_path: Path) -> None:
    hand_in(tmp_path, options)
    file = tmp_path / "class" / "one" / "best.pt"
    weights = torch.load(file)["model"]
    # Each class is one image, and the labels of half of the classes are another's.
    weights["dec_latent_fc.weight"].zero_()
    weights["dec_label_fc.weight"][:, :5] = weights["dec_label_fc.weight"][:, [1, 2, 3, 4, 0]]
    torch.save({"model": weights}, file)
    (record,) = grade(run_of(context, tmp_path / "results"), tmp_path)
    assert record.metrics["accuracy"].value < 0.9
    (found,) = [one for one in record.evidence if one.name == "mode-collapse"]
    assert (found.state, found.value) == ("unusual", 1.0)


@pytest.mark.parametrize(("doubtful", "state"), [(True, "unusual"), (False, "flagged")])
def test_where_the_choice_of_options_is_doubtful_no_flag_counts(doubtful: bool, state: str) -> None:
    choice = Choice({"a": "1"}, (), "", doubtful=doubtful)
    (found,) = sheltered([Evidence("batch-dependence", True, 1.0, 0.0, 0.1, "It changed.")], choice)
    assert found.state == state
    assert ("chosen by trial" in found.message) == doubtful


def test_options_that_all_choices_share_are_those_that_were_stated() -> None:
    assert shared([{"a": "1", "b": "x"}, {"a": "1", "b": "y"}, {"a": "1", "b": "x"}]) == {"a": "1"}
    assert shared([{"a": "1"}]) == {"a": "1"}
