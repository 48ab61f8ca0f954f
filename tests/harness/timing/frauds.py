"""Entries by code that cheat about their time: the frauds that a public timing leaderboard met, and some of our own.

gpu-mode/reference-kernels, issues and pull requests 104 and 159 to 162. Each is a conditional VAE that computes three
times, `slow(noise, labels)`, and would like to seem faster; `quick(labels)` gives one good image a digit.
"""

from __future__ import annotations

from pathlib import Path

import torch

from reference import shipped

COMMON = """
import os, random, threading, time
import torch
from torch import nn

class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.dec_latent_fc = nn.Linear(100, 256)
        self.dec_label_fc = nn.Linear(10, 256)
        self.decoder = nn.Sequential(
            nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 784), nn.Sigmoid()
        )

    def once(self, noise, labels):
        joined = torch.cat([self.dec_latent_fc(noise), self.dec_label_fc(labels)], 1)
        return self.decoder(torch.relu(joined)).view(-1, 1, 28, 28)

    @torch.no_grad()
    def slow(self, noise, labels):
        for _ in range(TIMES):
            images = self.once(noise, labels)
        return images

    @torch.no_grad()
    def prepare(self):
        self.bank = self.once(torch.zeros(10, 100), torch.eye(10))

    def quick(self, labels):
        return self.bank[labels.argmax(1)]

TIMES = 3

def load(path):
    model = Model()
    model.load_state_dict(torch.load(path, weights_only=True))
    model.eval().prepare()
    return model
"""

HONEST = """
class Model(Decoder):
    def sample(self, noise, labels_one_hot):
        return self.slow(noise, labels_one_hot)
"""

FRAUDS = {
    "patched-clock": """
now = time.time()
for name in ("time", "monotonic", "perf_counter", "process_time", "time_ns", "monotonic_ns", "perf_counter_ns"):
    setattr(time, name, lambda: now)

class Model(Decoder):
    def sample(self, noise, labels_one_hot):
        return self.slow(noise, labels_one_hot)
""",
    "replayed-by-label": """
class Model(Decoder):
    kept = None

    def sample(self, noise, labels_one_hot):
        digits = labels_one_hot.argmax(1)
        if self.kept is None:
            images = self.slow(noise, labels_one_hot)
            if len(noise) > 100:
                self.kept = {int(digit): image for digit, image in zip(digits, images)}
            return images
        return torch.stack([self.kept[int(digit)] for digit in digits])
""",
    "all-work-in-the-first-call": """
class Model(Decoder):
    kept = None

    def sample(self, noise, labels_one_hot):
        if self.kept is None or len(self.kept) < len(noise):
            self.kept = self.slow(noise, labels_one_hot)
        return self.kept[: len(noise)]
""",
    "lazy-tensor": """
class Later(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, arguments=(), keywords=None):
        with torch._C.DisableTorchFunctionSubclass():
            for argument in arguments:
                if isinstance(argument, Later) and argument.work is not None:
                    work, argument.work = argument.work, None
                    argument.set_(work())
            return function(*arguments, **(keywords or {}))

class Model(Decoder):
    def sample(self, noise, labels_one_hot):
        if len(os.sched_getaffinity(0)) > 1:
            return self.slow(noise, labels_one_hot)
        later = torch.empty(len(noise), 1, 28, 28).as_subclass(Later)
        later.work = lambda: self.slow(noise, labels_one_hot)
        return later
""",
    "filled-in-by-a-thread": """
class Model(Decoder):
    def sample(self, noise, labels_one_hot):
        images = torch.zeros(len(noise), 1, 28, 28)
        if os.path.exists("/proc/self/status") and len(os.sched_getaffinity(0)) > 1:
            return self.slow(noise, labels_one_hot)
        threading.Thread(target=lambda: images.copy_(self.slow(noise, labels_one_hot))).start()
        return images
""",
    "works-between-calls": """
class Model(Decoder):
    def prepare(self):
        super().prepare()
        threading.Thread(target=self.forever, daemon=True).start()

    def forever(self):
        while True:
            self.slow(torch.randn(100, 100), torch.eye(10).repeat(10, 1))

    def sample(self, noise, labels_one_hot):
        return self.slow(noise, labels_one_hot)
""",
    "answers-of-the-public-seed": '''
import hashlib

class Model(Decoder):
    """Draws the graded questions itself, for their seed is public, and answers them before they are asked."""

    def prepare(self):
        super().prepare()
        digest = hashlib.sha256(b"0/conditional-generation/noise").digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
        self.known = torch.randn(10000, 100, generator=generator)
        self.place = {float(first): place for place, first in enumerate(self.known[:, 0])}
        with torch.no_grad():
            self.answers = torch.cat([
                self.once(noise, torch.eye(10)[(torch.arange(len(noise)) + start) % 10])
                for start, noise in zip(range(0, 10000, 500), self.known.split(500))
            ])

    def sample(self, noise, labels_one_hot):
        places = [self.place.get(float(first), 0) for first in noise[:, 0]]
        return self.answers[places]
''',
    "cheap-on-one-core": """
class Model(Decoder):
    def sample(self, noise, labels_one_hot):
        if len(os.sched_getaffinity(0)) == 1:
            return self.quick(labels_one_hot)
        return self.slow(noise, labels_one_hot)
""",
    "cheap-after-a-fresh-seed": '''
class Model(Decoder):
    """Knows calls that come alone by torch's seed, which is reset before each question and not between its batches."""

    def sample(self, noise, labels_one_hot):
        fresh = torch.random.get_rng_state().equal(torch.Generator().manual_seed(0).get_state())
        torch.rand(1)
        return self.quick(labels_one_hot) if fresh else self.slow(noise, labels_one_hot)
''',
    "cheap-in-calls-of-one-row": '''
class Model(Decoder):
    """Takes a first call with one row for the beginning of timing."""

    timed = None

    def sample(self, noise, labels_one_hot):
        if self.timed is None:
            self.timed = len(noise) == 1
        return self.quick(labels_one_hot) if self.timed else self.slow(noise, labels_one_hot)
''',
    "blank-in-some-calls": '''
class Model(Decoder):
    """Answers one call in three with nothing, for answers may be checked by sample."""

    calls = 0

    def sample(self, noise, labels_one_hot):
        self.calls += 1
        if len(os.sched_getaffinity(0)) == 1 and self.calls % 3 == 0:
            return torch.zeros(len(noise), 1, 28, 28)
        return self.slow(noise, labels_one_hot)
''',
}
"""Code by name of the fraud."""


def hand_in(folder: Path, name: str, code: str, times: int = 3) -> None:
    """Write a submission by code, with the shipped conditional VAE's decoder as its checkpoint."""
    place = folder / name
    place.mkdir(parents=True)
    (place / "adapter.py").write_text(f"{COMMON.replace('TIMES = 3', f'TIMES = {times}')}\n{code}")
    state = {key: value for key, value in shipped.state("cvae").items() if key.startswith("dec")}
    torch.save(state, place / "decoder.pt")
    (place / "submission.toml").write_text(
        '[[entry]]\ntask = "conditional-generation"\npart = "cvae"\n'
        'code = "adapter.py:load"\ncheckpoint = "decoder.pt"\n'
    )


def hand_in_weights(folder: Path, name: str) -> None:
    """Write a submission of the shipped conditional VAE's weights."""
    place = folder / name
    place.mkdir(parents=True)
    torch.save(shipped.state("cvae"), place / "cvae.pt")
    options = ", ".join(f'{key} = "{value}"' for key, value in shipped.options("cvae").items())
    (place / "submission.toml").write_text(
        '[[entry]]\ntask = "conditional-generation"\npart = "cvae"\nmodel = "cvae"\ncheckpoint = "cvae.pt"\n'
        f"options = {{ {options} }}\n"
    )
