"""Seed generators that a whole process shares, for one user at a time, and restore them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Hold this lock while seeding a global generator of numpy, Python or torch.
SHARED_GENERATORS = threading.RLock()


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Seed torch's global generators, one thread at a time, and restore them afterwards."""
    import torch

    cuda = [torch.device(device)] if device.startswith("cuda") else []
    with SHARED_GENERATORS, torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)
        for gpu in cuda:  # pragma: no cover - tests marked gpu
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield
