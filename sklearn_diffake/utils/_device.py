"""Choose the device and number format that torch computes with."""


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
