"""Choose the device that torch computes on, and seed its generators."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


def resolve_device(device: str = "auto") -> str:
    """Name the device to compute on.

    Parameters
    ----------
    device : str, default="auto"
        ``"auto"`` takes the first of cuda, mps and cpu that is available; any other string is a
        torch device such as ``"cpu"`` or ``"cuda:1"``.

    Returns
    -------
    str
        A device that exists on this machine.

    Raises
    ------
    ValueError
        If the device is unknown to torch or not available.
    """
    import torch

    counts = {"cpu": 1, "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0}
    counts["mps"] = int(torch.backends.mps.is_available())
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if counts[name])
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device must be a device of torch, got {device!r}: {error}") from error
    if (resolved.index or 0) >= counts.get(resolved.type, 0):
        present = [f"{name} ({count})" for name, count in counts.items() if count]
        raise ValueError(
            f"device={device!r} is not available: torch sees {', '.join(present)}. "
            'Use device="auto" to take the best device.'
        )
    return str(resolved)


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
