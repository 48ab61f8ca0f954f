"""Causal convolutional network over the pixels of a binarised digit: the best reference model of next-pixel prediction.

Masked convolutions as in van den Oord, Kalchbrenner and Kavukcuoglu 2016, arXiv:1601.06759: a feature at a pixel
depends on no later pixel in raster order, so that all 784 predictions of an image take one pass. A stack of small
masked convolutions has a blind spot to the upper right (arXiv:1606.05328); the first layer here is so large that it
sees that part directly. There is no normalisation: the answer for an image never depends on another image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference.architecture import Architecture
from reference.pixel_rnn import COMPLETION_TASKS, binarised, cross_entropy
from reference.precision import fast_products
from reference.seeding import generator_for
from reference.train import Averaged, average, one_cycle, set_rate

SIDE = 28
PIXELS = SIDE * SIDE
ROWS = 128
"""Images in a batch, whose features fit the processor's caches."""
LONG = 28
"""Number of pixels from which one pass over the image is faster than a step for each."""

State = tuple[Tensor, int, Tensor]
"""The pixels (N, 784), 0 where unknown; the number of known ones; and the blocks' inputs at the last of them."""


class CausalConv2d(nn.Conv2d):
    """A masked convolution: its window ends at the pixel itself, or just before it.

    Parameters
    ----------
    rows, columns : size of the window: the pixel's own row and `rows` − 1 above it, `columns` (odd) around its column
    own : include the pixel itself
    """

    def __init__(self, inputs: int, outputs: int, rows: int, columns: int, own: bool) -> None:
        super().__init__(inputs, outputs, (rows, columns))
        mask = torch.ones(rows, columns)
        mask[-1, columns // 2 + own :] = 0
        self.register_buffer("mask", mask, persistent=False)
        self.mask: Tensor

    @property
    def visible(self) -> Tensor:
        """The weight, (outputs, inputs, rows, columns), 0 at masked positions."""
        return (self.weight * self.mask).contiguous(memory_format=torch.channels_last)

    def forward(self, features: Tensor) -> Tensor:
        """Convolve (N, inputs, H, W) → (N, outputs, H, W)."""
        return functional.conv2d(self.padded(features), self.visible, self.bias)

    def padded(self, features: Tensor) -> Tensor:
        """Pad with zeros above, to the left and to the right."""
        rows, columns = self.kernel_size
        return functional.pad(features, (columns // 2, columns // 2, rows - 1, 0))


class Block(nn.Module):
    """Residual block: ReLU, causal convolution, ReLU, 1 × 1 convolution."""

    ROWS, COLUMNS = 3, 5

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.causal = CausalConv2d(channels, channels, self.ROWS, self.COLUMNS, own=True)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        mixed: Tensor = self.mix(self.causal(features.relu()).relu())
        return features + mixed


TAPS = tuple(
    (up, across)
    for up in reversed(range(Block.ROWS))
    for across in range(-(Block.COLUMNS // 2), Block.COLUMNS // 2 + 1)
    if up or across <= 0
)
"""Positions that a block sees: rows up, columns to the right."""
MEMORY = SIDE * (Block.ROWS - 1) + Block.COLUMNS // 2
"""Distance in raster order, in pixels, to the farthest of these positions."""


class PixelCNN(nn.Module):
    """Predicts P(x_{t+1} = 1 | x_1 … x_t) for all t in one pass.

    Parameters
    ----------
    channels, blocks : width and number of the residual blocks
    window : rows and columns that the first layer sees, of the image itself
    """

    def __init__(self, channels: int = 64, blocks: int = 4, window: tuple[int, int] = (7, 13)) -> None:
        super().__init__()
        self.first = CausalConv2d(1, channels, *window, own=False)
        self.place = nn.Parameter(torch.zeros(1, channels, SIDE, SIDE))  # digits are centred: position informs
        self.blocks = nn.ModuleList(Block(channels) for _ in range(blocks))
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, 1, 1))

    def logits(self, binary: Tensor) -> Tensor:
        """Compute the log-odds (N, 784) that each pixel is lit given those before it, for images (N, 784)."""
        features = self.seen(binary.view(-1, 1, SIDE, SIDE))[-1]
        odds: Tensor = self.head(features)  # (N, 1, 28, 28)
        return odds.flatten(1).float()

    def seen(self, images: Tensor) -> list[Tensor]:
        """Compute the blocks' inputs and the last output, (N, C, H, 28), for the upper H rows (N, 1, H, 28)."""
        features = self.first(images)
        features = features + self.place[:, :, : images.shape[2]].to(features.dtype)
        features = features.contiguous(memory_format=torch.channels_last)
        through = [features]
        for block in self.blocks:
            features = block(features)
            through.append(features)
        return through

    def next_pixel_probabilities(self, binary: Tensor) -> Tensor:
        """Compute P(x_{t+1} = 1 | x_1 … x_t), t = 1 … 783, (N, 783), for binarised images (N, 784)."""
        return torch.cat([self.logits(some)[:, 1:].sigmoid() for some in torch.split(binary, ROWS)])

    def start(self, n: int) -> State:
        """Return the state of n images before their first pixel."""
        nothing = self.place.new_zeros(n, len(self.blocks), MEMORY, self.first.out_channels)
        pixels = self.place.new_zeros(n, PIXELS)
        return pixels, 0, self._advanced(pixels, 0, nothing)[1]

    def step(self, state: State, pixel: Tensor) -> tuple[Tensor, State]:
        """Take `pixel` (N,); return the probability (N,) that the next one is lit, and the new state."""
        odds, state = self._followed(state, pixel)
        return odds.sigmoid(), state

    def scan(self, state: State, pixels: Tensor) -> tuple[Tensor, State]:
        """Take `pixels` (N, T); return the probabilities (N, T), double, after each, and the state after the last."""
        if pixels.shape[1] < LONG:
            odds = torch.empty_like(pixels)
            for t, pixel in enumerate(pixels.unbind(1)):
                odds[:, t], state = self._followed(state, pixel)
            return odds.double().sigmoid(), state
        image, known, _ = state
        after = known + pixels.shape[1]
        image = torch.cat([image[:, :known], pixels, image[:, after:]], 1)
        parts = [self._read(some, known, after) for some in torch.split(image, ROWS)]
        odds, memory = (torch.cat(same) for same in zip(*parts, strict=True))
        return odds.double().sigmoid(), (image, after, memory)

    def _followed(self, state: State, pixel: Tensor) -> tuple[Tensor, State]:
        """Take `pixel` (N,); return the log-odds (N,) of the next one, and the new state."""
        pixels, known, memory = state
        pixels = pixels.clone()
        pixels[:, known] = pixel
        odds, memory = self._advanced(pixels, known + 1, memory)
        return odds, (pixels, known + 1, memory)

    def _read(self, image: Tensor, known: int, after: int) -> tuple[Tensor, Tensor]:
        """Compute log-odds (N, after − known) of pixels known + 1 … after in one pass, and the memory after them."""
        rows = min(after // SIDE + 1, SIDE)
        through = self.seen(image.view(-1, 1, SIDE, SIDE)[:, :, :rows])
        odds: Tensor = self.head(through[-1]).flatten(1)
        odds = functional.pad(odds, (0, 1))[:, known + 1 : after + 1]  # after the last pixel there is none
        entered = torch.stack([features.relu().flatten(2) for features in through[:-1]], 1)  # (N, blocks, C, rows 28)
        memory = functional.pad(entered, (MEMORY, 0))[..., after + 1 : after + 1 + MEMORY]
        return odds, memory.transpose(2, 3).contiguous()

    def _advanced(self, pixels: Tensor, at: int, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the log-odds (N,) of pixel `at` of (N, 784), counted from 0, and the memory including that pixel.

        `memory` (N, blocks, MEMORY, C) holds the blocks' inputs, after their ReLU, at the pixels before `at`.
        """
        if at >= PIXELS:
            return pixels.new_zeros(len(pixels)), memory
        row, column = divmod(at, SIDE)
        rows, columns = self.first.kernel_size
        top, left, right = max(row - rows + 1, 0), max(column - columns // 2, 0), min(column + columns // 2 + 1, SIDE)
        window = pixels.view(-1, SIDE, SIDE)[:, top : row + 1, left:right].flatten(1)
        from_left = left - column + columns // 2
        weight = self.first.visible[:, 0, rows - 1 - row + top :, from_left : from_left + right - left]
        features = functional.linear(window, weight.flatten(1), self.first.bias) + self.place[0, :, row, column]
        taps = [(up, across) for up, across in TAPS if up <= row and 0 <= column + across < SIDE]
        places = torch.tensor([MEMORY - SIDE * up + across for up, across in taps])
        rows_up = [Block.ROWS - 1 - up for up, _ in taps]
        columns_across = [Block.COLUMNS // 2 + across for _, across in taps]
        kept = []
        for index, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            entered = features.relu()
            remembered = torch.cat([memory[:, index], entered[:, None]], 1)  # (N, MEMORY + 1, C)
            context = remembered[:, places].flatten(1)  # (N, taps C)
            weight = block.causal.weight[:, :, rows_up, columns_across].transpose(1, 2)  # (C, taps, C)
            mixed = functional.linear(context, weight.flatten(1), block.causal.bias).relu()
            features = features + functional.linear(mixed, block.mix.weight.flatten(1), block.mix.bias)
            kept.append(remembered[:, 1:])
        odds: Tensor = self.head(features[:, :, None, None])  # (N, 1, 1, 1)
        return odds.flatten(), torch.stack(kept, 1)


class Training(Averaged[PixelCNN]):
    """AdamW on the cross-entropy, one learning-rate cycle; the averaged weights are kept."""

    epochs = 6
    batch = 64
    rate = 4e-3
    decay = 0.998
    clip = 1.0
    """Norm to which gradients are clipped."""
    options: Mapping[str, str] = {}

    def __init__(self, seed: int = 1) -> None:
        self.name = "pixelcnn"
        self.seed = seed
        self.model, self.averaged = PixelCNN(), PixelCNN()
        _initialise(self.model, generator_for("weights", self.name, seed))
        self.averaged.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(self.model.parameters(), self.rate, weight_decay=1e-4)

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28); return nats a pixel."""
        set_rate(self.optimizer, self.rate * one_cycle(progress))
        binary = binarised(images)
        with fast_products():
            logits = self.model.logits(binary)
        loss = cross_entropy(logits[:, 1:], binary)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        average(self.averaged, self.model, self.decay)
        return {"cross-entropy": loss.item()}


def _initialise(model: PixelCNN, generator: torch.Generator) -> None:
    """Draw He's normal values for the unmasked weights; the blocks start as the identity."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            seen = module.mask.sum().item() if isinstance(module, CausalConv2d) else 1.0
            nn.init.normal_(module.weight, std=math.sqrt(2 / (module.in_channels * seen)), generator=generator)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    for block in model.blocks:
        nn.init.zeros_(block.mix.weight)  # type: ignore[union-attr, arg-type]


ARCHITECTURE = Architecture(
    title="Causal convolutional network",
    summary="Next pixel of a binarised digit by masked convolutions",
    task="next-pixel",
    checkpoint_key="model",
    module=PixelCNN,
    also=COMPLETION_TASKS,
    trainings={"pixelcnn": Training},
)
