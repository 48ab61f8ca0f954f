"""Runs a network over images in batches of one size, several batches at a time, each in one thread.

A batch's layers are too small to share: threads would wait for one another after each, and long where another process
holds a core. The composition of the batches does not depend on the number of threads, and so no bit of an answer does.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from classifiers.fused import Fused
from classifiers.network import CLASSES
from classifiers.threads import taken

BATCH = 50
"""Images in a batch: few, so that activations stay in the processor's second-level cache."""

Images = NDArray[np.float32]
"""(N, 1, 28, 28), in [0, 1]."""


def in_batches(network: Fused, images: Images, width: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute logits (N, 10) and the first `width` features (N, width) of images (N, 1, 28, 28).

    The last batch is filled up with blanks. Takes as many threads as torch has, or as `classifiers.threads` says.
    """
    logits = np.empty((len(images), CLASSES), np.float32)
    features = np.empty((len(images), width), np.float32)
    starts = range(0, len(images), BATCH)
    left = iter(starts)

    @torch.inference_mode()
    def answer() -> None:
        # Each thread takes the next batch until none is left.
        for start in left:
            shown = np.ascontiguousarray(images[start : start + BATCH], np.float32)
            count = len(shown)
            if count < BATCH:
                shown = np.concatenate([shown, np.zeros((BATCH - count, *shown.shape[1:]), np.float32)])
            of_features, of_logits = network(torch.from_numpy(shown))
            logits[start : start + count] = of_logits[:count].numpy()
            if width:
                features[start : start + count] = of_features[:count].numpy()

    threads = min(taken() or torch.get_num_threads(), len(starts))
    if threads < 2 and (torch.get_num_threads() < 2 or not starts):
        answer()
    else:
        with ThreadPoolExecutor(threads, initializer=_one_thread) as pool:
            for answered in [pool.submit(answer) for _ in range(threads)]:
                answered.result()
    return logits, features


@cache
def _controller() -> ThreadpoolController:
    """Find the OpenMP libraries of this process, once."""
    return ThreadpoolController()


def _one_thread() -> None:
    """Have the calling thread compute alone; OpenMP keeps that number for each thread of its own."""
    torch.get_num_threads()  # torch sets the number when a thread first asks for it
    _controller().limit(limits=1, user_api="openmp")
