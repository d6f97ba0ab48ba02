"""Write and verify a checksum in the metadata of safetensors files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np

_NAME = "checksum"


def with_checksum(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """Return the content of a .safetensors file with a checksum in its metadata.

    Parameters
    ----------
    arrays : mapping of str to ndarray
    metadata : mapping of str to str

    Returns
    -------
    bytes
    """
    from safetensors.numpy import save

    contiguous = {name: np.ascontiguousarray(a).reshape(a.shape) for name, a in arrays.items()}
    checksum = _checksums(save(contiguous, dict(metadata)))[1]
    return save(contiguous, {**metadata, _NAME: checksum})


def verify_checksum(content: bytes) -> None:
    """Raise an error if a .safetensors file does not match its checksum; one without passes.

    Parameters
    ----------
    content : bytes
        Of the file.

    Raises
    ------
    ValueError
        If the recorded checksum differs from that of the content, or there is no header.
    """
    recorded, actual = _checksums(content)
    if recorded is not None and recorded != actual:
        raise ValueError("its checksum is not that of its content")


def _checksums(content: bytes) -> tuple[str | None, str]:
    """Return the recorded checksum, and the checksum of everything else in the file."""
    end = 8 + int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8:end])
    except RecursionError as error:
        raise ValueError("its header is nested too deep") from error
    metadata = header.pop("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        raise ValueError("its header is not that of a safetensors file")
    recorded = metadata.pop(_NAME, None)
    if metadata:
        header["__metadata__"] = metadata
    digest = hashlib.blake2b(json.dumps(header, sort_keys=True).encode(), digest_size=16)
    digest.update(content[end:])
    return recorded, digest.hexdigest()
