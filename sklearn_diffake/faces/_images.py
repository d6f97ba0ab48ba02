"""Read one image from whatever a user has: a path, a PIL image, an array."""

import contextlib
import difflib
import hashlib
import itertools
import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..images.errors import ImageError
from ._video import is_video

#: An image with more pixels is refused before it is decoded.
MAX_PIXELS = 178_956_970

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "MPO")
_MOST_NAMES = 1000  # of a folder that are compared with the name of a missing file
_PEEK = 1024  # characters that are looked at to tell a text file
_RACY_NS = 2_000_000_000  # a file younger than this may change again within one clock tick


def read_image(source: Any) -> np.ndarray:
    """Read an image as 8-bit RGB.

    Parameters
    ----------
    source : str, Path, PIL.Image.Image or ndarray
        A file in a raster format, a PIL image of any mode, or an array of shape (H, W),
        (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA: integers in 0..255 or floats in [0, 1].
        The EXIF orientation is honoured, transparency is shown on white, 16 bits are scaled
        to 8.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        The image, RGB.

    Raises
    ------
    ImageError
        If the source is not an image, is damaged, or has more than `MAX_PIXELS` pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.faces import read_image
    >>> read_image(np.array([[0.0, 0.5, 1.0]]))           # gray, one row of three pixels
    array([[[  0,   0,   0],
            [128, 128, 128],
            [255, 255, 255]]], dtype=uint8)
    """
    from PIL import Image

    if isinstance(source, (str, os.PathLike)):
        return _read_file(os.fspath(source))
    if isinstance(source, Image.Image):
        with _clear_errors():
            return _from_pil(source)
    if hasattr(source, "__array__") and np.ndim(source) >= 2:
        return _from_array(np.asarray(source))
    raise ImageError(
        "expected a path, a PIL image or an array of shape (H, W, 3), "
        f"got {type(source).__name__} {str(source)[:60]!r}"
    )


def image_digest(image: np.ndarray) -> bytes:
    """Return the content address of a decoded image: 20 bytes that depend on its pixels alone."""
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=20)
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def file_key(source: Any) -> tuple[str, int, int, int] | None:
    """Return what tells that a file is unchanged: path, size, time of change and inode.

    None for a source that is no file, or that was changed so lately that a further change could
    go unseen.
    """
    if not isinstance(source, (str, os.PathLike)):
        return None
    path = os.path.abspath(os.fspath(source))
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # a ValueError if there is a null character in the path
        return None
    changed = max(status.st_mtime_ns, status.st_ctime_ns)  # copying tools set the former back
    if time.time_ns() - changed < _RACY_NS:
        return None
    return path, status.st_size, changed, status.st_ino


def _read_file(path: str) -> np.ndarray:
    from PIL import Image

    if not os.path.exists(path):
        raise ImageError(f"no such file{_nearest(path)}")
    if os.path.isdir(path):
        raise ImageError("this is a directory, expected an image file")
    if os.path.getsize(path) == 0:
        raise ImageError("the file is empty")
    Image.init()
    known = tuple(name for name in _FORMATS if name in Image.OPEN)
    with _clear_errors(path), Image.open(path, formats=known) as image:
        return _from_pil(image)


def _nearest(path: str) -> str:
    """Say where a missing file was looked for, and what is there instead."""
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        return f": there is no folder {folder!r}"
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        names = [entry.name for entry in itertools.islice(entries, _MOST_NAMES)]
        if near := difflib.get_close_matches(name, names, n=1):
            return f"; did you mean {near[0]!r}?"
    return "" if os.path.isabs(path) else f" in the folder {folder!r}"


def _unknown(path: str | None) -> str:
    """Say what to do with a file that is no image."""
    if path and is_video(path):
        return (
            "this is a video, where an image is expected: sklearn_diffake.datasets.extract_frames "
            "takes frames from it, and `sklearn-diffake compare` and `score` judge videos as well"
        )
    words = f"not an image file (expected {', '.join(_FORMATS)})"
    if path and _is_text(path):
        words += (
            "; it is a text file: read a table of pairs with pandas.read_csv, or give it to "
            "`sklearn-diffake compare` and `score` as --csv"
        )
    return words


def _is_text(path: str) -> bool:
    with contextlib.suppress(OSError, UnicodeDecodeError), open(path, encoding="utf-8") as file:
        return "\0" not in file.read(_PEEK)
    return False


@contextlib.contextmanager
def _clear_errors(path: str | None = None) -> Iterator[None]:
    """Say what a decoder's error means."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise ImageError(_unknown(path)) from None
    except PermissionError:
        raise ImageError("no permission to read the file") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"too large to be decoded safely: {error}") from None
    except Exception as error:  # decoders fail in many ways: OSError, SyntaxError, struct.error
        raise ImageError(
            f"the image cannot be decoded (truncated, damaged or of a rare kind): {error}"
        ) from error


def _from_pil(image: Any) -> np.ndarray:
    from PIL import Image, ImageOps

    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"{image.width} x {image.height} pixels are too many to be decoded safely "
            f"(limit {MAX_PIXELS:,})"
        )
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        return _from_sixteen_bits(np.asarray(image))
    if image.mode == "F":
        return _from_array(np.asarray(image))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def _from_sixteen_bits(values: np.ndarray) -> np.ndarray:
    if values.min(initial=0) < 0 or values.max(initial=0) > 65535:
        raise ImageError(f"pixel values reach {values.max()}, expected 8 or 16 bits")
    gray = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)  # in half a float's space
    return np.repeat(gray[..., None], 3, axis=2)


def _from_array(array: np.ndarray) -> np.ndarray:
    array = _to_uint8(array)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        hint = ""
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            hint = "; the channels seem to come first, they belong last"
        raise ImageError(
            f"an array of shape {array.shape} is not an image, "
            f"expected (H, W), (H, W, 3) or (H, W, 4){hint}"
        )
    if array.size == 0:
        raise ImageError(f"an image of shape {array.shape} has no pixels")
    if array.shape[2] == 4:
        alpha = array[..., 3:].astype(np.float32) / 255
        return np.round(array[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def _to_uint8(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "iuf":
        raise ImageError(f"an array of dtype {array.dtype} is not an image, expected uint8")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ImageError("the image contains NaN or infinity")
    low, high = array.min(initial=0), array.max(initial=0)
    top = 1 if array.dtype.kind == "f" else 255
    if low < 0 or high > top:
        raise ImageError(
            f"{array.dtype} values range from {low:g} to {high:g}, expected 0 to {top} "
            "(uint8 in 0..255, or floats in [0, 1])"
        )
    return np.round(array * 255).astype(np.uint8) if top == 1 else array.astype(np.uint8)
