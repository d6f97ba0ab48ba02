"""torch's global generators, lent out and put back. Loads torch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_GLOBAL_GENERATORS = threading.Lock()


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Seed torch's global generators, one thread at a time, and restore them afterwards."""
    cuda = [torch.device(device)] if device.startswith("cuda") else []
    with _GLOBAL_GENERATORS, torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)
        for one in cuda:
            with torch.cuda.device(one):
                torch.cuda.manual_seed(seed)
        yield
