"""Connects your own model to gradebench. Replace `Decoder` by your model.

gradebench calls `load` with the path of the checkpoint that submission.toml names. `load` returns an object with the
methods that the task calls, here `sample(noise, labels_one_hot) -> images`. Your code runs in a sandbox without network
and sees only the files of this submission.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Decoder(nn.Module):
    """The decoder of the coursework's conditional VAE: draws an image from a noise vector and a label."""

    def __init__(self) -> None:
        super().__init__()
        self.dec_latent_fc = nn.Linear(100, 256)
        self.dec_label_fc = nn.Linear(10, 256)
        self.decoder = nn.Sequential(
            nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 784), nn.Sigmoid()
        )

    def sample(self, noise: Tensor, labels_one_hot: Tensor) -> Tensor:
        """Draws images (N, 1, 28, 28) in [0, 1] from noise (N, 100) ~ N(0, I) and one-hot labels (N, 10)."""
        joined = torch.cat([self.dec_latent_fc(noise), self.dec_label_fc(labels_one_hot)], 1)
        images: Tensor = self.decoder(torch.relu(joined))
        return images.view(-1, 1, 28, 28)


def load(checkpoint_path: str) -> Decoder:
    """Reads the checkpoint and returns the model in evaluation mode."""
    saved = torch.load(checkpoint_path, map_location="cpu", weights_only=True)
    model = Decoder()
    # The checkpoint also holds the encoder, which drawing does not need.
    needed = model.state_dict()
    model.load_state_dict({name: value for name, value in saved["state"].items() if name in needed})
    return model.eval()
