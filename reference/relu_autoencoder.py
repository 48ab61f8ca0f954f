"""Non-linear autoencoder of the IST coursework (homework 5): one layer with a ReLU, 784-k, one with a sigmoid, k-784.

Rumelhart, Hinton and Williams 1986 ("Learning internal representations by error propagation"); Bourlard and Kamp 1988
show that with a linear output the activation of the code could not help, hence the sigmoid. The loss is the
cross-entropy with gray values as targets. With few units some may never be active again: they then carry nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn

from reference.activations import ACTIVATIONS
from reference.architecture import Architecture
from reference.code_size import CODE_SIZES, PIXELS, code_option, refuse_other_size
from reference.code_training import CrossEntropyTraining
from reference.dense_layers import adapt


class ReluAutoencoder(nn.Module):
    """A layer there and a layer back.

    Parameters
    ----------
    code_activation : of the code, one of `ACTIVATIONS`
    output_activation : of the images
    code : k that is asked for; 0 for that of the weights
    numbers : k, numbers in a code
    """

    def __init__(
        self,
        code_activation: str = "relu",
        output_activation: str = "sigmoid",
        code: float = 0,
        numbers: int = 10,
    ) -> None:
        super().__init__()
        refuse_other_size(code, numbers)
        self.code_activation = ACTIVATIONS[code_activation]
        self.output_activation = ACTIVATIONS[output_activation]
        self.encoder = nn.Linear(PIXELS, numbers)
        self.decoder = nn.Linear(numbers, PIXELS)

    def encode(self, images: Tensor) -> Tensor:
        """Compute codes (N, k) of images (N, 1, 28, 28) in [0, 1]."""
        return self.code_activation(self.encoder(images.flatten(1)))

    def logits(self, codes: Tensor) -> Tensor:
        """Compute the pixels (N, 784) before their activation, for codes (N, k)."""
        logits: Tensor = self.decoder(codes)
        return logits

    def decode(self, codes: Tensor) -> Tensor:
        """Compute images (N, 1, 28, 28) of codes (N, k)."""
        return self.output_activation(self.logits(codes)).view(-1, 1, 28, 28)


class Training(CrossEntropyTraining[ReluAutoencoder]):
    """Adam on the cross-entropy, the learning rate along a cosine; the averaged weights are kept."""

    architecture = "relu-autoencoder"
    epochs = 30

    def __init__(self, seed: int = 1, code: int = 10) -> None:
        self.name = f"relu autoencoder {code}"
        self.title = f"ReLU autoencoder, {code} numbers"
        self.seed = seed
        self.options: Mapping[str, str] = {
            "code_activation": "relu",
            "output_activation": "sigmoid",
            "code": str(code),
        }
        self._begin(lambda: ReluAutoencoder(numbers=code))


ARCHITECTURE = Architecture(
    title="Non-linear autoencoder",
    summary="Codes of digits by a layer with a ReLU and one with a sigmoid",
    task="reconstruction",
    checkpoint_key="model",
    module=ReluAutoencoder,
    options={
        "code_activation": ("relu", "sigmoid", "tanh", "elu", "none"),
        "output_activation": ("sigmoid", "none", "relu"),
        "code": code_option(),
    },
    adapt=partial(adapt, {"encoder": (PIXELS, "numbers"), "decoder": ("numbers", PIXELS)}),
    trainings={f"relu-autoencoder-{code}": partial(Training, code=code) for code in CODE_SIZES},
)
