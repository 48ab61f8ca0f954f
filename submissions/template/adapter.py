"""Your own model, as gradebench asks it. Runs in a sandbox: no network, no files but this submission's.

`load` gets the path of the checkpoint that submission.toml names and returns an object with the task's interface, here
`sample(noise, labels_one_hot) -> images`. Replace the decoder by your own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Decoder(nn.Module):
    """Code and label to image, as in the coursework's conditional VAE."""

    def __init__(self) -> None:
        super().__init__()
        self.dec_latent_fc = nn.Linear(100, 256)
        self.dec_label_fc = nn.Linear(10, 256)
        self.decoder = nn.Sequential(
            nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 784), nn.Sigmoid()
        )

    def sample(self, noise: Tensor, labels_one_hot: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) in [0, 1] for noise (N, 100) ~ N(0, I) and one-hot labels (N, 10)."""
        joined = torch.cat([self.dec_latent_fc(noise), self.dec_label_fc(labels_one_hot)], 1)
        images: Tensor = self.decoder(torch.relu(joined))
        return images.view(-1, 1, 28, 28)


def load(checkpoint_path: str) -> Decoder:
    """Read the checkpoint and return the model, ready to be asked."""
    saved = torch.load(checkpoint_path, map_location="cpu", weights_only=True)
    model = Decoder()
    wanted = model.state_dict()
    model.load_state_dict({name: value for name, value in saved["state"].items() if name in wanted})
    return model.eval()
