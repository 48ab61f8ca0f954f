"""Stacked autoencoder of the IST coursework (Deep Structured Learning, homework 5): 784-512-k-512-784.

Hinton and Salakhutdinov 2006 ("Reducing the dimensionality of data with neural networks"): a network that narrows to k
linear units and widens again. It is trained as a whole, since with today's initial values and optimisers it no longer
needs to be stacked layer by layer. The loss is the cross-entropy with gray values as targets.
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


class StackedAutoencoder(nn.Module):
    """A hidden layer on each side of the code.

    Parameters
    ----------
    activation : of both hidden layers, one of `ACTIVATIONS`
    code_activation : of the code
    output_activation : of the images
    code : k that is asked for; 0 for that of the weights
    numbers : k, numbers in a code
    hidden, hidden_back : units of the hidden layers
    """

    def __init__(
        self,
        activation: str = "relu",
        code_activation: str = "none",
        output_activation: str = "sigmoid",
        code: float = 0,
        numbers: int = 10,
        hidden: int = 512,
        hidden_back: int = 512,
    ) -> None:
        super().__init__()
        refuse_other_size(code, numbers)
        self.activation = ACTIVATIONS[activation]
        self.code_activation = ACTIVATIONS[code_activation]
        self.output_activation = ACTIVATIONS[output_activation]
        self.encoder = nn.Linear(PIXELS, hidden)
        self.code = nn.Linear(hidden, numbers)
        self.decoder = nn.Linear(numbers, hidden_back)
        self.output = nn.Linear(hidden_back, PIXELS)

    def encode(self, images: Tensor) -> Tensor:
        """Compute codes (N, k) of images (N, 1, 28, 28) in [0, 1]."""
        return self.code_activation(self.code(self.activation(self.encoder(images.flatten(1)))))

    def logits(self, codes: Tensor) -> Tensor:
        """Compute the pixels (N, 784) before their activation, for codes (N, k)."""
        logits: Tensor = self.output(self.activation(self.decoder(codes)))
        return logits

    def decode(self, codes: Tensor) -> Tensor:
        """Compute images (N, 1, 28, 28) of codes (N, k)."""
        return self.output_activation(self.logits(codes)).view(-1, 1, 28, 28)


class Training(CrossEntropyTraining[StackedAutoencoder]):
    """Adam on the cross-entropy, the learning rate along a cosine; the averaged weights are kept."""

    architecture = "stacked-autoencoder"
    epochs = 40

    def __init__(self, seed: int = 1, code: int = 10) -> None:
        self.name = f"stacked autoencoder {code}"
        self.title = f"stacked autoencoder, {code} numbers"
        self.seed = seed
        self.options: Mapping[str, str] = {
            "activation": "relu",
            "code_activation": "none",
            "output_activation": "sigmoid",
            "code": str(code),
        }
        self._begin(lambda: StackedAutoencoder(numbers=code))


ARCHITECTURE = Architecture(
    title="Stacked autoencoder",
    summary="Codes of digits by a stacked autoencoder with one hidden layer on each side",
    task="reconstruction",
    checkpoint_key="model",
    module=StackedAutoencoder,
    options={
        "activation": ("relu", "sigmoid", "tanh", "elu"),
        "code_activation": ("none", "relu", "sigmoid", "tanh"),
        "output_activation": ("sigmoid", "none"),
        "code": code_option(),
    },
    adapt=partial(
        adapt,
        {
            "encoder": (PIXELS, "hidden"),
            "code": ("hidden", "numbers"),
            "decoder": ("numbers", "hidden_back"),
            "output": ("hidden_back", PIXELS),
        },
    ),
    trainings={f"stacked-autoencoder-{code}": partial(Training, code=code) for code in CODE_SIZES},
)
