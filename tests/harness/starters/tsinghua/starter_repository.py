"""Writes a repository as students hand it in: in the starter's layout, trained on a GPU, not made for a grader."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.sandbox.outside import CODE_LIMITS, Isolation, Worker
from harness.types import ArraySpec, Question

ROOT = Path(__file__).parents[4]
EBM = ("starter:ebm", "ebm/models/ebm_checkpoint_9.pth")
FLOW = ("starter:flow", "flow/models/checkpoint_best.pt")
"""Code and checkpoint of the entries."""

FILES = {
    "README.md": """
        # Homework 3
        cd ebm && python main.py --logdir out --langevin_lr 10 --langevin_k 3
        cd flow && python train.py --run r1
        """,
    "utils.py": "raise ImportError('the repository has a utils.py at its top as well')\n",
    "vae/vae.py": "",
    "vae/utils.py": "SIDE = 28\n",
    "ebm/utils.py": """
        STEP_SIGN = -1.0

        def swap(energy):
            return -energy
        """,
    "ebm/notes.txt": """
        python main.py --logdir a --l2_coef 1 --langevin_k 60
        python main.py --play --logdir a --load_dir models/x.pth --langevin_lr 10 --langevin_k 7
        """,
    "ebm/ebm.py": """
        from collections import deque

        import matplotlib.pyplot as plt
        import numpy as np
        import tensorboardX
        import torch
        from torch import nn
        from tqdm import tqdm
        from utils import STEP_SIGN, swap


        class MlpBackbone(nn.Module):
            def __init__(self, input_shape, hidden_size):
                super().__init__()
                self.fc1 = nn.Linear(int(np.prod(input_shape)), hidden_size)
                self.fc2 = nn.Linear(hidden_size, 1)

            def forward(self, x):
                return self.fc2(nn.functional.leaky_relu(self.fc1(x.flatten(1))))


        class Trainer:
            def __init__(self, model, device, buffer_size, langevin_k, langevin_lr, lr, l2_coef):
                self.model, self.device = model, device
                self.replay_buffer = deque(maxlen=buffer_size)
                self.langevin_k, self.langevin_lr, self.l2_coef = langevin_k, langevin_lr, l2_coef
                self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)
                self.log = tensorboardX.SummaryWriter("runs")

            def energy(self, x):
                return swap(self.model(x))

            def inpainting(self, corrupted, mask):
                x = corrupted.cuda()
                shift = torch.zeros(x.shape, device="cuda", requires_grad=True)
                for _ in tqdm(range(self.langevin_k)):
                    grad, = torch.autograd.grad(self.energy(x + shift * mask).sum(), shift)
                    shift = (shift + STEP_SIGN * self.langevin_lr * grad * mask).detach().requires_grad_()
                    self.log.add_scalar("energy", 0.0)
                with open("last.png", "w") as file:
                    file.write("a picture")
                return (x + shift * mask).clamp(0, 1).detach().cpu().numpy(), self.langevin_k

            def save(self, path):
                torch.save({"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                            "replay_buffer": self.replay_buffer}, path)

            def load(self, path):
                checkpoint = torch.load(path, map_location=self.device)
                self.model.load_state_dict(checkpoint["model"])
                self.optimizer.load_state_dict(checkpoint["optimizer"])
                self.replay_buffer = checkpoint["replay_buffer"]
        """,
    "ebm/main.py": """
        import argparse

        import torch
        import torchvision
        from torch.utils.data import DataLoader
        from torchvision import transforms
        from torchvision.datasets import MNIST
        from ebm import MlpBackbone, Trainer


        def main(args):
            torch.cuda.manual_seed(args.seed)
            if args.dataset == "mnist":
                dataset = MNIST(root="../data", transform=transforms.ToTensor(), train=not args.play)
                dataloader = DataLoader(dataset, args.batch_size, shuffle=True, drop_last=True)
            device = torch.device("cuda")
            if args.wide:
                hidden = 4 * args.hidden_size
            else:
                hidden = args.hidden_size
            model = MlpBackbone(input_shape=(1, 28, 28), hidden_size=hidden)
            model = model.to(device)
            trainer = Trainer(model, device, args.buffer_size, args.langevin_k, args.langevin_lr, args.lr,
                              l2_coef=args.l2_coef)
            if args.play:
                trainer.load(args.load_dir)


        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            parser.add_argument("--dataset", choices=["mnist"], default="mnist")
            parser.add_argument("--logdir", type=str, required=True)
            parser.add_argument("--play", action="store_true")
            parser.add_argument("--wide", action="store_true")
            parser.add_argument("--load_dir", default=None)
            parser.add_argument("--seed", type=int, default=42)
            parser.add_argument("--batch_size", type=int, default=128)
            parser.add_argument("--hidden_size", type=int, default=64)
            parser.add_argument("--buffer_size", type=int, default=10000)
            parser.add_argument("--langevin_k", type=int, default=1)
            parser.add_argument("--langevin_lr", type=float, default=1)
            parser.add_argument("--lr", type=float, default=1e-4)
            parser.add_argument("--l2_coef", type=float, default=0)
            args = parser.parse_args()
            main(args)
        """,
    "flow/utils.py": "BOUND = 10.0\n",
    "flow/realnvp.py": """
        import os

        import numpy as np
        import torch
        import torchvision
        from torch import nn
        from torch.distributions.normal import Normal
        from torch.utils.tensorboard import SummaryWriter
        from utils import BOUND


        class CouplingLayer(nn.Module):
            def __init__(self, num_inputs, num_hidden, mask):
                super().__init__()
                self.mask = mask
                self.scale_net, self.translate_net = (
                    nn.Sequential(nn.Linear(num_inputs, num_hidden), act, nn.Linear(num_hidden, num_hidden), act,
                                  nn.Linear(num_hidden, num_inputs)) for act in (nn.Tanh(), nn.ReLU()))

            def forward(self, x, mode="direct"):
                held, free = x * self.mask, 1 - self.mask
                s, t = torch.tanh(self.scale_net(held)) * free, self.translate_net(held) * free
                if mode == "direct":
                    return held + free * (x * s.exp() + t), s.sum(1, keepdim=True)
                return held + free * (x - t) * (-s).exp(), -s.sum(1, keepdim=True)


        class Shuffle(nn.Module):
            def __init__(self, num_inputs):
                super().__init__()
                self.perm = np.random.permutation(num_inputs)
                self.inv_perm = np.argsort(self.perm)

            def forward(self, x, mode="direct"):
                return x[:, self.perm if mode == "direct" else self.inv_perm], 0


        class FlowSequential(nn.Sequential):
            def __init__(self, device, *layers):
                super().__init__(*layers)
                self.prior = Normal(torch.tensor([0.0]), torch.tensor([1.0]))
                self.device = device

            def log_probs(self, x):
                total = 0
                for layer in self:
                    x, logdet = layer(x)
                    total = total + logdet
                return self.prior.log_prob(x).sum(1, keepdim=True) + total

            def inpainting(self, num_samples, inputs, mask, savedir):
                from tqdm import tqdm
                os.makedirs(savedir, exist_ok=True)
                self.cuda()
                inputs = inputs.to(self.device).requires_grad_(True)
                inputs = inputs.log() - (1. - inputs).log()
                for i in tqdm(range(5)):
                    dx, = torch.autograd.grad(self.log_probs(inputs).sum(), inputs)
                    with torch.no_grad():
                        inputs[mask] += .2 * dx.clip(-BOUND, BOUND)[mask]
                        inputs[mask] = inputs[mask].clip(-BOUND, BOUND)
                    imgs = torch.sigmoid(inputs.view(num_samples, 1, 28, 28))
                    torchvision.utils.save_image(imgs, os.path.join(savedir, "img_%d.png" % i))
                return imgs
        """,
    "flow/train.py": """
        import argparse

        import torch
        import torchvision
        from tqdm import tqdm

        import realnvp

        parser = argparse.ArgumentParser()
        parser.add_argument("--run", required=True)
        args = parser.parse_args()
        device = torch.device("cuda:0")
        loader = torch.utils.data.DataLoader(
            torchvision.datasets.MNIST(root="../data", train=True, transform=torchvision.transforms.ToTensor()))
        for data, _ in tqdm(loader):
            raise SystemExit("this trains for hours")
        """,
}
"""Files of the repository besides its checkpoints, by path."""

_GPU = """
import sys
sys.path.insert(0, {root!r})
from harness.student_code import cpu_only, stand_ins
stand_ins.install()
sys.path.insert(0, ".")
import numpy as np, torch
torch.set_num_threads(1)
torch.manual_seed(1)
np.random.seed(1)
"""
"""Makes checkpoints say that they lie on cuda:0, as on the student's machine."""
_ON_GPU = "torch.serialization.register_package(1, lambda storage: 'cuda:0', lambda storage, place: None)\n"

TRAIN_EBM = """
from collections import deque
from ebm import MlpBackbone, Trainer
trainer = Trainer(MlpBackbone((1, 28, 28), 96), "cpu", 100, 1, 1.0, 1e-4, 0.0)
trainer.replay_buffer.append(torch.rand(1, 28, 28))
trainer.save("models/ebm_checkpoint_9.pth")
"""
TRAIN_FLOW = """
import realnvp
half = (torch.arange(784) % 2).float()
layers = []
for i in range(8):
    layers += [realnvp.CouplingLayer(784, {hidden}, half if i % 2 else 1 - half), realnvp.Shuffle(784)]
torch.save(realnvp.FlowSequential(torch.device("cuda:0"), *layers), "models/checkpoint_best.pt")
"""


def write(folder: Path, hidden: int = 1000, parts: str = "ebm flow", changed: Mapping[str, str] | None = None) -> Path:
    """Write the repository, "trained": eight couplings of `hidden` units are 41 million parameters at 1,000.

    `parts` are those with a checkpoint; `changed` are files by path that differ.
    """
    texts = FILES | dict(changed or {})
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")
    for part in parts.split():
        (folder / part / "models").mkdir()
        as_student(folder / part, _ON_GPU + {"ebm": TRAIN_EBM, "flow": TRAIN_FLOW.format(hidden=hidden)}[part])
    return folder


def as_student(folder: Path, script: str) -> None:
    """Run a script in a folder of the repository, as its author would."""
    program = _GPU.format(root=str(ROOT)) + textwrap.dedent(script)
    subprocess.run([sys.executable, "-B", "-W", "ignore", "-c", program], cwd=folder, check=True, timeout=600)


def digest(folder: Path) -> str:
    """Calculate a digest of every path, mode, time and content below a folder."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        whole.update(f"{path.relative_to(folder)} {stat.st_mode} {stat.st_mtime_ns}".encode())
        if path.is_file():
            whole.update(path.read_bytes())
    return whole.hexdigest()


def asked(rows: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return images, and a mask of every other row and some more pixels."""
    random = np.random.default_rng(5)
    images = random.random((rows, 1, 28, 28), dtype=np.float32)
    mask = np.zeros(images.shape, bool)
    mask[:, :, ::2] = True
    mask[0, 0, 1, :5] = True
    return images, mask


def inpainted(
    isolation: Isolation, root: Path, entry: tuple[str, str], images: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, str]:
    """Return the model's images and the notes."""
    with Worker(isolation, limits=CODE_LIMITS) as worker:
        worker.open_code(root, *entry)
        answer = worker.ask(
            Question("inpaint", {"images": images, "mask": mask}, {"images": ArraySpec(images.shape)}), 300.0
        )
        return answer["images"], "\n".join(worker.notes)
