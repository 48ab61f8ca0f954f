"""Names of tensors that libraries add to a state dict and that no model computes with."""

from __future__ import annotations

COUNTER = "num_batches_tracked"
"""Name of a BatchNorm buffer that evaluation never uses, and that torch before 0.4.1 did not have."""

BOOKKEEPING = {
    *(COUNTER, "n_averaged"),  # torch.optim.swa_utils.AveragedModel
    *("total_ops", "total_params"),  # thop
    *("num_updates", "decay", "initted", "step"),  # averages of weights: ema_pytorch, timm, diffusers, Lightning
    *("_extra_state", "_device_anchor", "_dummy", "dummy_param", "_dummy_tensor", "device_indicator"),
    *("global_step", "iteration", "iterations", "epoch", "best_loss", "save_counter"),
}


def is_bookkeeping(name: str) -> bool:
    """Tells whether the last part of a tensor's dotted name is one of `BOOKKEEPING`."""
    return name.rpartition(".")[2].lower() in BOOKKEEPING
