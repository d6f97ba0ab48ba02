"""Read the EXIF orientation of an image, and no other tag."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

_ORIENTATION = 274
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 8: "h", 9: "i"}  # types of EXIF
_MEANING = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


def upright_by(image: Any) -> Any:
    """Return Pillow's transposition that makes an image upright.

    Only tag 274 is read, so a malformed tag elsewhere has no effect.

    Parameters
    ----------
    image : PIL.Image.Image
        With loaded pixels: loading rotates a TIFF.

    Returns
    -------
    PIL.Image.Transpose or None
        None if the image is upright, or the tag is absent or not valid.
    """
    from PIL.Image import Transpose

    try:
        value = _read_tag(_exif(image), _ORIENTATION)
    except struct.error:  # the data end within a tag
        return None
    return Transpose[_MEANING[value]] if value in _MEANING else None


def _exif(image: Any) -> bytes:
    """Return the TIFF structure of the EXIF data, or nothing."""
    exif = image.info.get("exif")
    if exif is None and "Raw profile type exif" in image.info:  # PNG as ImageMagick writes it
        with contextlib.suppress(ValueError):
            exif = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
    if not isinstance(exif, bytes) or image.format == "TIFF":
        return b""
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    return exif


def _read_tag(exif: bytes, number: int) -> int | None:
    """Read one integer tag from the first directory of EXIF."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return None
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, n_values = struct.unpack_from(f"{order}HHI", exif, entry)
        if tag == number and kind in _WHOLE_NUMBERS and n_values == 1:
            return int(struct.unpack_from(order + _WHOLE_NUMBERS[kind], exif, entry + 8)[0])
    return None
