"""Interfaces of models: the methods that the tasks' questions call.

A student's class need not inherit anything; it only has to have the method. Arrays arrive as CPU tensors and may be
returned as tensors or numpy arrays of any float width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

Load = Callable[[str | None], Any]
"""The function that a code entry names: gets the checkpoint's absolute path (None without one), gives the model."""


@runtime_checkable
class Inpainter(Protocol):
    """Recovers the corrupted pixels of images: PCA, energy-based models, flows, and their like."""

    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """The images (N, 1, 28, 28) with the pixels recovered where `mask` (N, 1, 28, 28), bool, is True.

        `images` are float in [0, 1], corrupted where the mask says so. Known pixels come back unchanged.
        """
        ...


@runtime_checkable
class ConditionalGenerator(Protocol):
    """Draws digits of the classes that it is asked for: cVAE, cGAN and their like."""

    def sample(self, noise: Tensor, labels_one_hot: Tensor) -> Tensor:
        """Images (N, 1, 28, 28), float in [0, 1], for noise (N, 100) ~ N(0, I) and one-hot labels (N, 10)."""
        ...


@runtime_checkable
class Generator(Protocol):
    """Draws digits from noise: GANs, variational autoencoders, flows. A `ConditionalGenerator` may stand for one.

    `noise_dimension`, an attribute, says how many numbers of noise an image takes, up to 784; 100 without it.
    """

    def sample(self, noise: Tensor) -> Tensor:
        """Images (N, 1, 28, 28), float in [0, 1], for noise (N, noise_dimension) ~ N(0, I)."""
        ...


@runtime_checkable
class ImageSampler(Protocol):
    """Draws digits by noise of its own: energy-based and autoregressive models, and whatever has no `sample`."""

    def sample_images(self, n: int, seed: int) -> Tensor:
        """Images (n, 1, 28, 28), float in [0, 1]; the same for the same n and seed."""
        ...


@runtime_checkable
class Autoencoder(Protocol):
    """Codes images by k numbers: linear, stacked and other autoencoders, principal components."""

    def encode(self, images: Tensor) -> Tensor:
        """The codes (N, k) of images (N, 1, 28, 28) in [0, 1]. Of a tuple the first value is the code."""
        ...

    def decode(self, codes: Tensor) -> Tensor:
        """The images (N, 1, 28, 28) of codes (N, k), which may have been rounded and come from anywhere."""
        ...


@runtime_checkable
class LatentVariableModel(Protocol):
    """A variational autoencoder, whose p(x | z) is a product of Bernoulli distributions."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (N, k) of q(z | x), a Gaussian with diagonal covariance, for images (N, 1, 28, 28)."""
        ...

    def decode(self, codes: Tensor) -> Tensor:
        """The probabilities (N, 1, 28, 28) that pixels are lit under p(x | z), for codes (N, k)."""
        ...


@runtime_checkable
class ConditionalLatentVariableModel(Protocol):
    """A variational autoencoder that is told the digit's class."""

    def encode(self, images: Tensor, labels_one_hot: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (N, k) of q(z | x, y) for images (N, 1, 28, 28) and one-hot labels (N, 10)."""
        ...

    def decode(self, codes: Tensor, labels_one_hot: Tensor) -> Tensor:
        """The probabilities (N, 1, 28, 28) that pixels are lit under p(x | z, y), for codes (N, k)."""
        ...


@runtime_checkable
class Flow(Protocol):
    """A bijection between logits of pixels and codes with a standard normal distribution."""

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The codes z (N, 784) and log |det ∂z/∂values| (N,) of logits (N, 784)."""
        ...

    def inverse(self, z: Tensor) -> Tensor:
        """The logits (N, 784) of codes (N, 784)."""
        ...


@runtime_checkable
class PixelPredictor(Protocol):
    """Predicts the next pixel of a binarised image, read row by row, from those before it.

    Either this or `PixelStepper` is enough; the other follows from it. A model may also offer
    `missing_posterior(images (N, 784)) -> (N, 2ᵏ)`, logarithms of the probabilities of all values of the k pixels that
    are −1, the first of them counting most; it is derived for those that don't.
    """

    def next_pixel_probabilities(self, binary: Tensor) -> Tensor:
        """P(x_{t+1} = 1 | x_1 … x_t), t = 1 … 783, (N, 783), for images (N, 784) of 0 and 1, float.

        A prediction depends on earlier pixels alone, and on no other image.
        """
        ...


@runtime_checkable
class PixelStepper(Protocol):
    """Predicts pixel by pixel; far quicker at drawing completions than a model of whole sequences.

    A state is made of tensors, in tuples, lists or dictionaries; the first dimension of each counts the images, or the
    second one as in torch's (layers, N, H). All that a model remembers lies in it. Two more methods save time where a
    model has them: `select(state, rows) -> state`, the state of some rows (R,), and
    `scan(state, pixels (N, T)) -> (probabilities (N, T), state)`, T steps at once, which several threads may call.
    """

    def start(self, n: int) -> Any:
        """The state of n images of which no pixel is known."""
        ...

    def step(self, state: Any, pixel: Tensor) -> tuple[Tensor, Any]:
        """P(next pixel = 1) (N,) and the new state, once `pixel` (N,), 0 or 1, is known."""
        ...


@runtime_checkable
class SymbolPredictor(Protocol):
    """Predicts the next symbol of a stream from those before it."""

    def next_symbol_probabilities(self, one_hot: Tensor) -> Tensor:
        """P(x_{t+1} | x_1 … x_t), t = 1 … 99, (N, 99, 4), for streams (N, 100, 4) of one-hot symbols 1, 2, 3, RESET.

        The probabilities of a prediction sum to 1. Every stream begins anew; none goes on where another ended.
        """
        ...
