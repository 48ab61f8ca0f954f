"""Writes the part `vae/` of a repository in the starter's layout: code as students complete it, and a checkpoint."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import torch

from reference import shipped
from tests.harness.starters.tsinghua.starter_repository import as_student

MODEL = """
import argparse
import numpy as np
import torch
from torch import nn, optim


class CVAE(nn.Module):
    def __init__(self, img_size, label_size, latent_size, hidden_size=256):
        super().__init__()
        self.img_size, self.label_size, self.latent_size = img_size, label_size, latent_size
        pixels, wide = int(np.prod(img_size)), 2 * hidden_size
        self.enc_img_fc = nn.Linear(pixels, hidden_size)
        self.enc_label_fc = nn.Linear(label_size, hidden_size)
        self.encoder = nn.Sequential(nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, wide), nn.ReLU())
        self.z_mean, self.z_logstd = nn.Linear(wide, latent_size), nn.Linear(wide, latent_size)
        self.dec_latent_fc = nn.Linear(latent_size, hidden_size)
        self.dec_label_fc = nn.Linear(label_size, hidden_size)
        self.decoder = nn.Sequential(
            nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, pixels), nn.Sigmoid())
        self.recon_logstd = nn.Parameter(torch.zeros(1))

    def decode(self, latent, label):
        joined = torch.cat([self.dec_latent_fc(latent), self.dec_label_fc(label)], dim=1)
        return self.decoder({joined})

    def sample(self, latent, label):
        with torch.no_grad():
            return {images}.view(-1, *self.img_size)
"""
SCRIPT = """

def main(args):
    label_dim = 10
    img_dim = (1, 28, 28)
    latent_dim = 100
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    cvae = CVAE(img_dim, label_dim, latent_dim{sizes})
    cvae.to(device)
    optimizer = optim.Adam(cvae.parameters(), lr=args.lr)
    if args.eval:
        cvae.load_state_dict(torch.load(args.load_path)["model"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--eval", action="store_true")
    parser.add_argument("--load_path", type=str, default=None)
    parser.add_argument("--hidden", type=int, default=256)
    main(parser.parse_args())
"""
FILE = "vae/models/best.pt"


def write(
    folder: Path,
    *,
    joined: str = "torch.relu(joined)",
    images: str = "self.decode(latent, label)",
    whole: bool = True,
    notebook: bool = False,
    sizes: str = "",
) -> Path:
    """Write `vae/` with the shipped weights, or untrained ones of other `sizes`.

    `joined` and `images` are expressions that the weights do not show; `whole` pickles the module, else its state dict
    is saved under "model"; with `notebook`, the code is a notebook's.
    """
    part = folder / "vae"
    (part / "models").mkdir(parents=True)
    text = textwrap.dedent(MODEL).replace("{joined}", joined).replace("{images}", images)
    script = SCRIPT.replace("{sizes}", sizes)
    torch.save(shipped.state("cvae"), part / "models" / "state.pt")
    (part / "vae.py").write_text(text + script, encoding="utf-8")
    load = "" if sizes else 'model.load_state_dict(torch.load("models/state.pt"), strict=False)\n'
    saved = "model" if whole else '{"model": model.state_dict()}'
    arguments = f"(1, 28, 28), 10, 100{sizes}".replace("args.hidden", "64")
    in_main = "exec(open('vae.py').read().partition('def main')[0], globals())\n"
    made = in_main if notebook else "from vae import CVAE\n"
    as_student(part, f'{made}model = CVAE({arguments})\n{load}torch.save({saved}, "models/best.pt")\n')
    (part / "models" / "state.pt").unlink()
    if notebook:
        cells = [text, script, "%matplotlib inline\nfor epoch in range(50):\n    train(epoch)\n"]
        document = {"nbformat": 4, "cells": [{"cell_type": "code", "source": cell} for cell in cells]}
        (part / "vae.py").unlink()
        (part / "hw3.ipynb").write_text(json.dumps(document), encoding="utf-8")
    return folder
