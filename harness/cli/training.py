"""Commands that train and evaluate reference models and judges."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from harness import assignments, scratch
from harness.cli.console import console, fail, listing, note, print_json, print_reasons, progress
from harness.cli.grading import DataOption, JobsOption, JsonOption, SeedOption, prepared, trained_on
from harness.cli.interrupt import stoppable
from harness.cli.live import shown

# All else is imported where it is used, so that the help of a command is printed at once.
if TYPE_CHECKING:
    import torch

    from classifiers.judge import Judge
    from reference.train import Epoch

reference = typer.Typer(help="Train and evaluate the reference models.", no_args_is_help=True)
judge = typer.Typer(help="Train and evaluate judges.", no_args_is_help=True)

TrainingSeed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the training.")]
EpochsOption = Annotated[int | None, typer.Option("--epochs", min=1, help="Instead of the recipe's number.")]


@reference.command("train")
def train_reference(
    model: Annotated[list[str], typer.Argument(help="Names of models (gradebench models).", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Where weights and checkpoints go.")] = Path("trained"),
    data: DataOption = None,
    seed: TrainingSeed = 1,
    epochs: EpochsOption = None,
) -> None:
    """Train reference models by their recipes; an interrupted training is resumed.

    Example: [bold]gradebench reference train cvae --out trained[/]
    """
    import torch
    from safetensors.torch import save_file

    from reference import architecture, trainings

    recipes = trainings()
    if unknown := [name for name in model if name not in recipes]:
        raise fail(f"no recipe for {unknown[0]!r}; there are {', '.join(recipes)}")
    images, labels, name = _training_data(data)
    for wanted in model:
        training = recipes[wanted](seed)
        if epochs is not None:
            training.epochs = epochs
        _fit(training, images, labels, out / f"{wanted}.checkpoint", wanted)
        result = training.result()
        tensors = {key: value.contiguous() for key, value in result.state_dict().items()}
        # Several recipes may train one architecture, so a recipe says which, unless it goes by that name itself.
        of_model = getattr(training, "architecture", wanted)
        facts = {"model": of_model, "seed": seed, "epochs": training.epochs}
        facts |= {"data": getattr(training, "data", name)}
        facts |= {"variants": training.variants} if hasattr(training, "variants") else {}
        facts |= {"options": dict(training.options), "title": getattr(training, "title", architecture(of_model).title)}
        save_file(
            {key: value.half() if value.is_floating_point() else value for key, value in tensors.items()},
            out / f"{wanted}.safetensors",
            metadata={"gradebench": json.dumps(facts, sort_keys=True)},
        )
        torch.save({architecture(of_model).checkpoint_key: tensors}, out / f"{wanted}.pt")
        console.print(f"{wanted}: {escape(str(out / wanted))}.safetensors and .pt", highlight=False, soft_wrap=True)


@reference.command("evaluate")
def evaluate_reference(
    data: DataOption = None,
    seed: SeedOption = 0,
    write: Annotated[Path | None, typer.Option("--write", help="Rewrite the tables in this MODELS.md.")] = None,
    also: Annotated[
        Path | None,
        typer.Option("--also", help="Folder with weights of your own training, graded, too."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Grade the shipped reference models, each on its own task, as if they had been submitted.

    Exit code 0: all were scored. 1: one failed. 3: one could not be graded.

    Example: [bold]gradebench reference evaluate --json[/]
    """
    from classifiers import card
    from harness.rubric import AssignmentError
    from harness.run import plan as planning
    from harness.run import reference_assignment, references
    from harness.run import run as run_module
    from harness.run.prepare import Request
    from harness.summary import exit_code_unmarked, summary
    from harness.tasks import TASKS
    from reports import models_table

    if write is not None and not write.is_file():
        raise fail(f"--write {write}: no such file")
    if also is not None and not any(also.glob("*.safetensors")):
        raise fail(f"--also {also}: no *.safetensors there; gradebench reference train writes them")
    started = time.monotonic()
    with scratch.folder("reference") as folder:
        # Fresh, for they are measured here, and kept for classes.
        run = prepared(Request(assignments.DEFAULT, folder, data, seed, fresh=True))
        entries = references.submissions()
        if also is not None:
            shipped = {submission.id for submission in entries}
            entries += [submission for submission in references.submissions(also) if submission.id not in shipped]
        try:
            run = replace(run.beside_class, coursework=reference_assignment.of_models(entries))
        except AssignmentError as error:
            raise fail(str(error)) from error
        planned = planning.plans(entries, run)
        with (
            stoppable(lambda: "Interrupted. Nothing is kept of an evaluation.", run.activity.stop),
            shown("reference models", planned, run.activity, run.jobs) as on_record,
        ):
            graded = run_module.grade(entries, run, on_record, planned=planned)
    # In the summary a model goes by its own name.
    graded = [replace(record, submission=record.part) for record in graded]
    columns = ("model", "task", "score", "95 % interval", "answered in")
    console.print(listing(columns, models_table.rows(graded)))
    print_reasons([record for record in graded if record.failure is not None])
    if write is not None:
        ordered = sorted(graded, key=lambda record: list(TASKS).index(record.task))
        card.replace_figures(write, models_table.tables(ordered))
    if as_json:
        print_json(summary(graded, run.assignment, run.context.data, run.isolation.level, time.monotonic() - started))
    raise typer.Exit(exit_code_unmarked(graded))


@reference.command("records")
def reference_records(
    check: Annotated[bool, typer.Option("--check", help="Only say which are stale; exit code 1 if any is.")] = False,
    data: DataOption = None,
    jobs: JobsOption = 2,
) -> None:
    """Renew the shipped results of baselines and reference models, where they are stale. Needs MNIST.

    They spare every class on MNIST with seed 0 and the shipped judge the time to compute them. An interrupted renewal
    goes on where it was.

    Example: [bold]gradebench reference records[/]
    """
    from harness.assignments.coursework import shipped as shipped_courseworks
    from harness.run import shipping
    from harness.run.beside_results import SHIPPED
    from harness.run.prepare import Request
    from harness.summary import EXIT_NOT_GRADABLE

    with scratch.folder("records") as folder:
        runs = [
            prepared(Request(name, folder / name, data, 0, jobs=jobs, beside="all")) for name in shipped_courseworks()
        ]
        if runs[0].context.data.name != "mnist":
            raise fail("the shipped results are of MNIST, which was not found (gradebench data status)")
        stale = [(run, shipping.stale(run)) for run in runs]
        of = [each for _, planned in stale for whole in planned for each in whole]
        others = shipping.superfluous(runs)
        for each in of:
            console.print(f"stale: {each.submission.id} · {each.entry.task} · {each.entry.part}", highlight=False)
        for path in others:
            console.print(f"superfluous: {escape(str(path))}", highlight=False, soft_wrap=True)
        if check:
            raise typer.Exit(1 if of or others else 0)
        for path in others:
            path.unlink()
        failed = []
        for run, planned in stale:
            with (
                stoppable(lambda: "Interrupted. The same command goes on.", run.activity.stop),
                shown(run.assignment.name, planned, run.activity, jobs) as on_record,
            ):
                failed += shipping.renew(planned, run, on_record)
    print_reasons(failed)
    console.print(f"{len(of) - len(failed)} renewed in {escape(str(SHIPPED))}", highlight=False, soft_wrap=True)
    raise typer.Exit(EXIT_NOT_GRADABLE if failed else 0)


@judge.command("train")
def train_judge(
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of the training; else a secret one.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Where the judge and its checkpoints go.")] = Path("judge"),
    network: Annotated[
        list[str] | None, typer.Option("--network", help="Train this member alone, to a file of its name.")
    ] = None,
    data: DataOption = None,
    epochs: EpochsOption = None,
) -> None:
    """Train a judge of your own, whose weights no submission knows; an interruption is resumed.

    Whoever has the seed can train the same judge: keep seed and file to yourself.

    Without --seed a secret one is drawn and kept in the folder, for the resumption.

    Example: [bold]gradebench judge train --out my-judge[/], then
    [bold]gradebench grade PATH --judge my-judge/judge.safetensors[/]
    """
    from classifiers import card, weights_file
    from classifiers.calibrate import calibrate
    from classifiers.judge import Judge
    from classifiers.train import COMMITTEE, Training, logits_of, split
    from classifiers.weights_file import Facts, MemberFacts
    from harness.metrics.feature_spread import feature_spread

    recipes = {recipe.name: recipe for recipe in COMMITTEE}
    if unknown := [n for n in network or () if n not in recipes]:
        raise fail(f"no member {unknown[0]!r}; there are {', '.join(recipes)}")
    images, labels, name = _training_data(data)
    try:
        out.mkdir(parents=True, exist_ok=True)
        seed = _own_seed(out) if seed is None else seed
    except OSError as error:
        raise fail(f"--out {out}: {error.strerror}") from error
    if seed in {recipe.seed for recipe in COMMITTEE}:
        console.print(f"[yellow]note:[/] seed {seed} is the public judge's, so this one is not private")
    (fit_images, fit_labels), (held_images, held_labels) = split(images, labels)
    networks, members = [], []
    for wanted in dict.fromkeys(network or recipes):
        recipe = replace(recipes[wanted], seed=seed, epochs=epochs or recipes[wanted].epochs)
        training = Training(recipe, len(fit_images))
        _fit(training, fit_images, fit_labels, out / f"{wanted}.checkpoint", wanted)
        accuracy = (logits_of(training.averaged, held_images).argmax(1) == held_labels).double().mean().item()
        networks.append(training.averaged)
        members.append(
            MemberFacts(name=wanted, network=recipe.network, recipe=asdict(recipe), held_out_accuracy=accuracy)
        )
        console.print(f"{wanted}: {accuracy:.2%} of {len(held_labels)} held-out images", highlight=False)
    held = held_images.numpy(), held_labels.numpy()
    with console.status("calibrating"):
        facts = calibrate(networks, Facts(data=name, members=tuple(members)), *held)
        if name == "mnist":
            spread = feature_spread(Judge(networks, facts).features(held[0]), held[1])
            facts = facts.model_copy(update={"real_spread": tuple(float(value) for value in spread.round(4))})
    # A member alone stands beside the committee, which may have taken hours.
    path = out / f"{'-'.join(member.name for member in members) if network else 'judge'}.safetensors"
    about = out / "MODEL_CARD.md" if not network else path.with_suffix(".md")
    weights_file.save(path, networks, facts)
    about.write_text(card.of_training(facts), encoding="utf-8")
    console.print(f"judge: {escape(str(path))}, with its {about.name}", highlight=False, soft_wrap=True)


def _own_seed(out: Path) -> int:
    """A seed that nobody can guess, the same one for every call with this folder."""
    kept = out / "seed"
    try:
        return int(kept.read_text(encoding="utf-8"))
    except ValueError as error:
        raise fail(f"{kept}: holds no seed; remove it, or give --seed") from error
    except FileNotFoundError:
        seed = secrets.randbits(62)
        kept.write_text(f"{seed}\n", encoding="utf-8")
        kept.chmod(0o600)
        return seed


@judge.command("evaluate")
def evaluate_command(
    data: DataOption = None,
    judge_file: Annotated[Path | None, typer.Option("--judge", help="A judge's file; else the shipped one.")] = None,
    write: Annotated[Path | None, typer.Option("--write", help="Rewrite figures and pictures of this card.")] = None,
    generated: Annotated[
        int, typer.Option("--generated", min=0, help="Compare with the whole committee on so many samples, too.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure a judge: accuracy, calibration, what it says of things that are no digits, speed.

    Example: [bold]gradebench judge evaluate --json[/]
    """
    import numpy as np

    from classifiers import card
    from classifiers.evaluate import evaluate as evaluate_judge
    from classifiers.judge import Judge
    from classifiers.weights_file import WeightsError
    from harness import mnist
    from harness.types import GradingError

    try:
        digits = mnist.load(data)
        referee = Judge.read(judge_file) if judge_file else Judge.shipped()
    except GradingError as error:
        raise fail(error.failure.message) from error
    except WeightsError as error:
        raise fail(str(error)) from error
    trained_on(referee.facts)
    if write is not None and not (write.is_file() and card.takes_figures(write)):
        raise fail(f"--write {write}: no such file, or without the marks {card.BEGIN} and {card.END}")
    # A judge that was not trained on them is measured on all of these digits.
    train, test = (small := mnist.embedded()).train, small.test
    others = test.images, test.labels
    if referee.facts.data != small.name:
        others = np.concatenate([train.images, test.images]), np.concatenate([train.labels, test.labels])
    with console.status("measuring"):
        figures = evaluate_judge(referee, digits.test.images, digits.test.labels, *others)
    if generated:
        figures |= _agreement(referee, generated)
    if write is not None:
        card.write(write, referee, figures, digits.test.images, digits.test.labels, digits.name)
    if as_json:
        print_json({"schema": 1, "data": {"name": digits.name, "digest": digits.digest}, **figures})
        return
    rows = [(key, _plain(value)) for key, value in figures.items() if key not in ("members", "optimised")]
    rows += [
        (
            f"optimised against {name}",
            f"{o['reached']} of {o['tried']} read as wanted, {o['flagged_of_reached']} flagged",
        )
        for name, o in figures["optimised"].items()
    ]
    members: list[dict[str, Any]] = figures["members"]
    rows += [(f"member {m['name']}", f"{m['accuracy']:.2%}, {m['parameters']:,} parameters") for m in members]
    console.print(listing(("figure", f"on {digits.name}"), rows))


@judge.command("floors")
def floors_command(
    data: DataOption = None,
    judge_file: Annotated[Path | None, typer.Option("--judge", help="A judge's file; else the shipped one.")] = None,
) -> None:
    """Measure what real digits and noise give in a judge's features, and write it beside the judge's file.

    Measures of samples are shown between these; those of another judge, or of other digits, are never used. Takes
    minutes.

    Example: [bold]gradebench judge floors --judge my-judge/judge.safetensors[/]
    """
    from classifiers.facts import SHIPPED
    from classifiers.judge import Judge
    from classifiers.weights_file import WeightsError
    from harness import mnist
    from harness.run import floors
    from harness.tasks.samples.floors import measured
    from harness.types import GradingError

    path = judge_file or SHIPPED
    try:
        digits, referee = mnist.load(data), Judge.read(path)
    except GradingError as error:
        raise fail(error.failure.message) from error
    except WeightsError as error:
        raise fail(str(error)) from error
    with progress("floors") as bar:
        found = measured(digits, referee, bar)
    place = floors.path_of(path)
    try:
        floors.write(found, place)
    except OSError as error:
        raise fail(f"{place}: {error.strerror}") from error
    rows = [
        (
            name,
            *(f"{value:.5g}" for value in (of.low, of.mean, of.high, found.test[name], *found.ceilings[name].values())),
        )
        for name, of in found.real.items()
    ]
    columns = ("measure", "real, low", "real, mean", "real, high", "test digits", *next(iter(found.ceilings.values())))
    console.print(listing(columns, rows))
    console.print(f"floors: {escape(str(place))}", highlight=False, soft_wrap=True)


def _agreement(referee: Judge, n: int) -> dict[str, Any]:
    """Compare the judge's labels of n samples of the reference models with the whole committee's."""
    from harness.run import references

    equal = asked = 0
    samplers = references.samplers()
    share = max(n // len(samplers), 1)
    with progress("samples") as bar:
        for name, sampler in samplers.items():
            for start in range(0, share, 1000):
                images = sampler(min(1000, share - start), start)
                equal += int((referee.labels(images) == referee.committee(images).argmax(1)).sum())
                asked += len(images)
                bar(asked, n, name)
    return {"generated_samples": asked, "generated_labels_equal": equal / asked}


def _training_data(directory: Path | None) -> tuple[torch.Tensor, torch.Tensor, str]:
    import torch

    from harness import mnist
    from harness.types import GradingError

    try:
        digits = mnist.load(directory)
    except GradingError as error:
        raise fail(error.failure.message) from error
    if digits.name != "mnist":
        note(digits.source)
    return torch.from_numpy(digits.train.images), torch.from_numpy(digits.train.labels), digits.name


def _fit(training: Any, images: torch.Tensor, labels: torch.Tensor, checkpoint: Path, name: str) -> None:
    """Train with a progress bar and a line an epoch; Ctrl-C keeps the last whole epoch."""
    from reference.train import CheckpointError, fit

    with progress(name) as bar:
        said = ""

        def on_epoch(epoch: Epoch) -> None:
            nonlocal said
            said = ", ".join(f"{key} {value:.4g}" for key, value in epoch.losses.items())
            console.print(f"{name}: epoch {epoch.number} of {epoch.of}: {said}", highlight=False, soft_wrap=True)

        try:
            fit(training, images, labels, checkpoint, lambda done, total: bar(done, total, said), on_epoch)
        except CheckpointError as error:
            raise fail(str(error)) from error


def _plain(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
