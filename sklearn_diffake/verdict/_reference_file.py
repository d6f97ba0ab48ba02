"""The file of a reference: safetensors with JSON in its header, checked when it is read."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.utils._checksums import verify_checksum, with_checksum
from sklearn_diffake.utils._json import json_text
from sklearn_diffake.verdict._evidence import ImageEvidence
from sklearn_diffake.verdict._model import JudgingModel
from sklearn_diffake.verdict._templates import Template

_FORMAT = 1
_MOST_BYTES = 256 * 2**20
_DIGEST = 20  # bytes
_TEXTS = ("side", "path", "reason")
_INTEGERS = ("frame", "n_faces")


def pack_reference(template: Template, fingerprint: str) -> bytes:
    """Return the content of the file of a reference.

    Parameters
    ----------
    template : Template
    fingerprint : str
        Of the model.

    Returns
    -------
    bytes
    """
    arrays: dict[str, NDArray[Any]] = {
        f"branch_{i}": embeddings for i, embeddings in enumerate(template.embeddings)
    }
    arrays["sources"] = template.sources.astype(np.int64)
    if template.matching_embeddings is not None:
        arrays["matched"] = template.matching_embeddings
    header = {
        "format": _FORMAT,
        "fingerprint": fingerprint,
        "images": [asdict(image) for image in template.images],
        "digests": [None if d is None else d.hex() for d in template.digests],
    }
    return with_checksum(arrays, {"reference": json_text(header)})


def unpack_reference(path: str | os.PathLike[str], model: JudgingModel) -> Template:
    """Read the file of a reference.

    Parameters
    ----------
    path : str or Path
    model : JudgingModel
        Must be the one that it was made by.

    Returns
    -------
    Template
        Without sources and matrices.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not one that `pack_reference` made for this model.
    """
    file = Path(path)
    if file.is_file() and file.stat().st_size > _MOST_BYTES:
        raise ValueError(f"reference file {str(file)!r} has more than {_MOST_BYTES:,} bytes")
    content = file.read_bytes()
    try:
        return _unpack(content, model)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"reference file {str(file)!r} is refused: {error}; expected one that Reference.save "
            "wrote"
        ) from error


def _unpack(content: bytes, model: JudgingModel) -> Template:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    verify_checksum(content)  # one without a checksum passes
    try:
        arrays = load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    end = 8 + int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8:end])["__metadata__"]
    if set(metadata) != {"checksum", "reference"}:
        raise ValueError("its header lacks the checksum, or holds more than the reference")
    header = json.loads(metadata["reference"])
    if header["format"] != _FORMAT:
        raise ValueError(f"its format is {header['format']!r}, this version reads {_FORMAT}")
    if header["fingerprint"] != model.info.fingerprint:
        raise ValueError(
            f"it was enrolled with the model {header['fingerprint']!s:.12}, not with "
            f"{model.info.fingerprint:.12} ({model.info.name}): enroll its pictures again"
        )
    images = tuple(_image(fields_of) for fields_of in header["images"])
    embeddings, matched = _embeddings(arrays, images, model)
    digests = tuple(None if d is None else bytes.fromhex(d) for d in header["digests"])
    if len(digests) != len(images) or any(d is not None and len(d) != _DIGEST for d in digests):
        raise ValueError("its digests are not those of its images")
    sources = _sources(arrays["sources"], len(images))
    matrices = np.full((len(images), 2, 3), np.nan)
    return Template(
        images, sources, embeddings, digests, matrices, None, matching_embeddings=matched
    )


def _embeddings(
    arrays: dict[str, NDArray[Any]], images: tuple[ImageEvidence, ...], model: JudgingModel
) -> tuple[tuple[NDArray[np.float32], ...], NDArray[np.float64] | None]:
    """Return the embeddings of each branch, and those that faces are compared with."""
    is_used = np.array([image.used for image in images], dtype=bool)
    if not is_used.any():
        raise ValueError("it has no image")
    widths = [branch.embedder.backbone_info_["width"] for branch in model.pipeline.branches]
    names = {f"branch_{i}" for i in range(len(widths))} | {"sources"}
    if model.matches:
        names.add("matched")
    if set(arrays) != names:
        raise ValueError(f"it holds {sorted(arrays)}, expected {sorted(names)}")
    embeddings = []
    for i, width in enumerate(widths):
        array = arrays[f"branch_{i}"]
        if array.dtype != np.float32 or array.shape != (len(images), width):
            raise ValueError(f"its embeddings have shape {array.shape} of {array.dtype}")
        if not np.isfinite(array[is_used]).all():
            raise ValueError("its embeddings are not finite")
        embeddings.append(array)
    if not model.matches:
        return tuple(embeddings), None
    matched = arrays["matched"]
    shaped = matched.ndim == 2 and len(matched) == is_used.sum() and matched.dtype == np.float64
    if not shaped or not np.isfinite(matched).all():
        raise ValueError("its embeddings for comparison are not those of its images")
    return tuple(embeddings), matched


def _sources(array: NDArray[Any], n_images: int) -> NDArray[np.intp]:
    ascending = array.ndim == 1 and array.dtype == np.int64 and len(array) == n_images
    if not ascending or (np.diff(array) < 0).any() or array.min() < 0:
        raise ValueError("its sources are not those of its images")
    return array.astype(np.intp)


def _image(values: Any) -> ImageEvidence:
    """Build the evidence of one image from plain values of the right kinds."""
    if not isinstance(values, dict) or set(values) != {f.name for f in fields(ImageEvidence)}:
        raise ValueError("an image of it lacks fields, or has others")
    if values["side"] != "reference" or values["score"] is not None:
        raise ValueError("an image of it is not that of a reference")
    for name, value in values.items():
        if value is None or name == "box":
            continue
        if name in _TEXTS:
            valid = isinstance(value, str)
        elif name in _INTEGERS:
            valid = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        else:
            valid = _is_finite(value)
        if not valid:
            raise ValueError(f"an image of it has {name}={value!r:.40}")
    box = values["box"]
    if box is not None:
        if not (isinstance(box, list) and len(box) == 4 and all(map(_is_finite, box))):
            raise ValueError(f"an image of it has box={box!r:.40}")
        values["box"] = tuple(box)
    return ImageEvidence(**values)


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
