"""Generators that all of a process share: lent to one user at a time, and put back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Held by whoever seeds a generator of numpy, Python or torch that is not its own.
SHARED_GENERATORS = threading.RLock()


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Seed torch's global generators, one thread at a time, and restore them afterwards."""
    import torch

    cuda = [torch.device(device)] if device.startswith("cuda") else []
    with SHARED_GENERATORS, torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)
        for one in cuda:  # pragma: no cover - tests marked gpu
            with torch.cuda.device(one):
                torch.cuda.manual_seed(seed)
        yield
