"""Records as a small class of submissions would leave them, and a sample grid drawn from scikit-learn's digits."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from harness.run.kept import save_arrays
from harness.types import Evidence, Failure, Figure, Gate, Metric, Record, Role, Score, Status

GATE = [0.17, 0.08, 0.17, 0.15, 0.14, 0.16, 0.15, 0.13, 0.15, 0.13]
REAL = [0.1735, 0.0919, 0.1819, 0.1650, 0.1582, 0.1730, 0.1611, 0.1468, 0.1652, 0.1448]


def wilson(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's 95 % interval, by its closed form."""
    p, z2 = hits / n, z * z
    centre, half = (p + z2 / (2 * n)) / (1 + z2 / n), z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return centre - half, centre + half


def sample_grid(path: Path, seed: int, collapsed: bool = False, noise: float = 0.0) -> None:
    """Write a 280 × 280 PNG, ten columns, one class a column."""
    rng = np.random.default_rng(seed)
    digits = load_digits()
    grid = np.zeros((280, 280), dtype=np.uint8)
    for digit in range(10):
        own = np.flatnonzero(digits.target == digit)
        for row, index in enumerate(rng.choice(own, 10, replace=False)):
            picture = digits.images[own[0] if collapsed else index] / 16.0
            picture = np.clip(picture + noise * rng.standard_normal(picture.shape), 0, 1)
            large = Image.fromarray((255 * picture).astype(np.uint8)).resize((20, 20), Image.Resampling.BICUBIC)
            grid[28 * row + 4 : 28 * row + 24, 28 * digit + 4 : 28 * digit + 24] = np.asarray(large)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid).save(path)


def confusion(accuracy: float, seed: int) -> list[list[int]]:
    """A confusion matrix of 1,000 a class; hits differ between classes, errors go to a few neighbours."""
    rng = np.random.default_rng(seed)
    matrix = np.zeros((10, 10), dtype=int)
    weights = rng.dirichlet(np.full(10, 2.0))
    errors = rng.multinomial(round(10_000 * (1 - accuracy)), weights)
    for digit in range(10):
        others = np.delete(np.arange(10), digit)
        matrix[digit, others] = rng.multinomial(errors[digit], rng.dirichlet(np.full(9, 0.4)))
        matrix[digit, digit] = 1000 - errors[digit]
    return [[int(value) for value in row] for row in matrix]


def samples(file: str) -> Figure:
    """The picture of a record's samples."""
    digits = tuple(map(str, range(10)))
    return Figure(
        "samples", "picture", "Samples", {}, "One column a digit.", columns=digits, strip=(0.0, 0.2), file=file
    )


def diversity_figure(values: list[float]) -> Figure:
    """Bars with a gate and what real data give."""
    data = {"values": values, "gate": GATE, "real": REAL}
    caption = "One row a class. The value must exceed its gate."
    return Figure("diversity", "bars", "Diversity", data, caption, x="class", unit="gray value")


def with_scores(results: Path, record: Record, scores: Any) -> Record:
    """The record with its scores question by question kept beside it."""
    return replace(record, arrays=save_arrays(results, record, np.asarray(scores, dtype=np.float64), {}))


def cgan(record: Record) -> Record:
    """The same record as one of the part cgan, without pictures of its own."""
    title = "Conditional generative adversarial network"
    return replace(record, part="cgan", model="cgan", part_title=title, model_title="Conditional GAN", order=1)


def scored(submission: str, name: str, accuracy: float, **changes: Any) -> Record:
    """A record of conditional generation with a score, complete in every field."""
    matrix = confusion(accuracy, seed=len(submission) + round(1e4 * accuracy))
    hits = sum(matrix[digit][digit] for digit in range(10))
    low, high = wilson(hits, 10_000)
    rng = np.random.default_rng(hits)
    diversity = [round(float(real * factor), 4) for real, factor in zip(REAL, rng.uniform(0.95, 1.02, 10), strict=True)]
    passed = hits / 10_000 >= 0.98
    record = Record(
        submission=submission,
        name=name,
        role=Role.STUDENT,
        part="cvae",
        task="conditional-generation",
        kind="weights",
        model="cvae",
        assignment="tsinghua-hw3",
        protocol=1,
        status=Status.SCORED,
        failure=None,
        score=Score(
            20.0 if passed else 12.5,
            20.0,
            passed,
            f"Accuracy {hits / 100:.2f} % {'reaches' if passed else 'is below'} the pass mark of 98 %"
            + ("." if passed else ": 12.5 points for more than 95 %."),
            pass_mark=0.98,
        ),
        primary="accuracy",
        metrics={
            "accuracy": Metric(hits / 10_000, "share", "higher", 10_000, low, high, title="accuracy"),
            "diversity": Metric(float(np.mean(diversity)), "std", "higher", 10_000, title="diversity"),
            "milliseconds": Metric(41.7, "ms", "lower", 9, 40.9, 43.0, title="milliseconds"),
        },
        evidence=(
            Evidence(
                "mode-collapse",
                False,
                float(np.mean(diversity)),
                0.151,
                0.168,
                "Samples of one digit vary as much as real test digits do.",
                "mode collapse",
            ),
            Evidence(
                "copied-training-images",
                False,
                0.004,
                None,
                0.02,
                "Few samples are near copies of training images.",
                "copied training images",
            ),
        ),
        gates={"diversity": Gate(True, "diversity")},
        figures=(
            samples(f"{submission}/cvae-samples.png"),
            Figure(
                "confusion",
                "matrix",
                "Confusion",
                {"counts": matrix},
                "Rows: what was asked for. Columns: what the judge saw. Shaded by share of the row.",
                y="asked",
            ),
            Figure(
                "per-class-accuracy",
                "bars",
                "Per-class accuracy",
                {"values": [matrix[digit][digit] / 1000 for digit in range(10)]},
                "One row a class.",
                x="class",
                unit="share",
            ),
            diversity_figure(diversity),
        ),
        data="mnist",
        seed=0,
        keys={"ask": "1a" * 32, "mark": "2b" * 32, "score": "3c" * 32},
        digests={
            "data": "5f" * 32,
            "judge": "a7c1" * 16,
            "checkpoint": f"{hits:064x}",
            "grader": "0d" * 32,
        },
        versions={"gradebench": "0.1.0", "python": "3.11.9", "torch": "2.13.0", "numpy": "2.3.4"},
        device="cpu",
        isolation="full",
        timings={"intake": 0.02, "sampling": 1.31, "judging": 2.84},
        assignment_title="Deep Learning, homework 3: deep generative models",
        part_title="Conditional variational autoencoder",
        task_title="Conditional generation",
        model_title="Conditional VAE",
        graded_at="2026-03-02T10:15:00Z",
    )
    return replace(record, **changes)


def unscored(submission: str, name: str, failure: Failure, **changes: Any) -> Record:
    """A record without a score, by whoever's fault."""
    base = scored(submission, name, 0.99)
    given = {
        "status": failure.status,
        "failure": failure,
        "score": None,
        "primary": None,
        "metrics": {},
        "evidence": (),
        "gates": {},
        "figures": (),
        "digests": {"data": "5f" * 32, "checkpoint": "c0ffee" + "00" * 29},
    }
    return replace(base, **{**given, **changes})


def a_class(results: Path, data: str = "mnist") -> list[Record]:
    """Strong, mediocre, collapsed, corrupt, hostile, not gradable and a reference, with their pictures on disk."""
    collapsed = scored("s1003", "Mode Zero", 1.0)
    flat = [0.0301, 0.0122, 0.0287, 0.0198, 0.0244, 0.0263, 0.0251, 0.0190, 0.0277, 0.0215]
    collapsed = replace(
        collapsed,
        evidence=(
            Evidence(
                "mode-collapse",
                True,
                0.0235,
                0.151,
                0.168,
                "Samples of one digit hardly differ from each other: the model writes one picture a digit.",
                "mode collapse",
            ),
            *collapsed.evidence[1:],
        ),
        gates={"diversity": Gate(False, "diversity")},
        figures=(*collapsed.figures[:-1], diversity_figure(flat)),
    )
    rgan = cgan(scored("s1001", "Team Gauss", 0.9951))
    records = [
        scored("cvae", "Reference cVAE", 0.9972, role=Role.REFERENCE),
        scored(
            "s1001",
            "Team Gauss",
            0.9962,
            stage_notes={"ask": ("The checkpoint is a whole pickled module; its weights were read, nothing was run.",)},
        ),
        replace(rgan, figures=(samples("s1001/cgan-samples.png"), *rgan.figures[1:])),
        scored("s1002", "Bayes & Söhne", 0.9948),
        scored("s1008", "Latent Lovers", 0.9871),
        collapsed,
        scored("s1004", "Kullback und die Leiblers", 0.9604),
        cgan(
            unscored(
                "s1004",
                "Kullback und die Leiblers",
                Failure(
                    "answers",
                    "not-finite",
                    "sample returned 784,000 values that are not finite (NaN) for labels 3 and 8; "
                    "every pixel must lie in [0, 1].",
                ),
            )
        ),
        scored("s1009", "Nocturne", 0.6212),
        unscored(
            "s1005",
            "Overnight Upload",
            Failure(
                "checkpoint",
                "truncated",
                "vae/best.pt ends after 1,048,576 of 7,163,904 bytes: the zip directory at its end is missing.",
                detail="vae/best.pt\n  size on disk: 1,048,576\n"
                "  first bytes: 50 4b 03 04\n  end of central directory: not found",
            ),
        ),
        unscored(
            "s1006",
            "<script>alert(1)</script>",
            Failure(
                "checkpoint",
                "forbidden-global",
                "model.pt calls posix.system in its pickle; a checkpoint may hold tensors, numbers and texts only. "
                "Nothing of it was run.",
                detail="opcode 14: GLOBAL 'posix system'\nopcode 15: BINUNICODE 'curl … | sh'\nopcode 17: REDUCE",
            ),
        ),
        unscored(
            "s1007",
            "The Unlucky",
            Failure(
                "marking",
                "judge-unreadable",
                "The judge's weights could not be read: judge.safetensors does not match its SHA-256.",
                fault="harness",
                detail="Traceback (most recent call last):\n"
                '  File "harness/run/run.py", line 88, in mark\nValueError: digest mismatch',
            ),
        ),
    ]
    for index, record in enumerate(records):
        for file in (figure.file for figure in record.figures if figure.file):
            sample_grid(
                results / file,
                seed=index,
                collapsed=record is collapsed,
                noise=0.12 if record.submission == "s1009" else 0.02,
            )
    if data != "mnist":
        records = [replace(record, data=data) for record in records]
    return records
