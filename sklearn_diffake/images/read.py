"""Read one image from a path, bytes, a PIL image or an array."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import io
import itertools
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_diffake.images._arrays import rgb_array, scale_to_uint8, to_uint8
from sklearn_diffake.images._color import to_srgb
from sklearn_diffake.images._orientation import upright_by
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.formats import file_format, pillow_formats

if TYPE_CHECKING:
    from sklearn_diffake.store import FileKey

__all__ = ["MAX_PIXELS", "file_key", "image_digest", "read_image"]

#: An image with more pixels is refused before it is decoded.
MAX_PIXELS = 178_956_970

_DECODING = 2  # version; increase it whenever the same file gives other pixels
_MOST_NAMES = 1000  # names of a folder to compare with that of a missing file
_RACY_NS = 2_000_000_000  # a file younger than this may change again within one clock tick
_BITS_PER_SAMPLE = 258  # tag of TIFF


def read_image(source: Any) -> np.ndarray:
    """Read an image as 8-bit RGB in the color space sRGB.

    Parameters
    ----------
    source : str, Path, bytes, PIL.Image.Image or ndarray
        A file in a raster format, the content of one, a PIL image of any mode, or an array of
        shape (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA: integers in 0..255 or floats in
        [0, 1].
        The format of a file is recognized by its content. The EXIF orientation (tag 274) is
        applied, an embedded ICC profile is converted to sRGB (a corrupt one is ignored),
        transparent pixels are blended with white, 16 bits are scaled to 8. HEIC is read if the
        opener of pillow-heif is registered.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        The image, RGB.

    Raises
    ------
    ImageError
        If the source is not an image, is corrupt, is an animation, or has more than `MAX_PIXELS`
        pixels.

    See Also
    --------
    FaceAligner : Reads images and aligns their faces.
    sklearn_diffake.datasets.extract_frames : Stores frames of a video.

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
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _read_content(bytes(source))
    if isinstance(source, Image.Image):
        with _clear_errors():
            return _from_pil(source)
    if hasattr(source, "__array__") and np.ndim(source) >= 2:
        return rgb_array(np.asarray(source))
    raise ImageError(
        "an image must be a path, bytes, a PIL image or an array of shape (H, W, 3), "
        f"got {type(source).__name__} {str(source)[:60]!r}"
    )


def image_digest(image: np.ndarray) -> bytes:
    """Return the content address of a decoded image: 20 bytes that depend on its pixels alone."""
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=20)
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def file_key(source: Any) -> FileKey | None:
    """Return the key of a file's digest in the store; the key changes with the file.

    Parameters
    ----------
    source : object
        An image of any form.

    Returns
    -------
    tuple of (str, int, int, int, int) or None
        Path, size, time of change, inode, and the version of the rules by which files are
        decoded. None for a source that is not a file, or that was changed so recently that another
        change could be missed.
    """
    if not isinstance(source, (str, os.PathLike)):
        return None
    path = os.path.abspath(os.fspath(source))
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # a ValueError if there is a null character in the path
        return None
    changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)  # copying tools set the former back
    if time.time_ns() - changed_ns < _RACY_NS:
        return None
    return path, status.st_size, changed_ns, status.st_ino, _DECODING


def _read_file(path: str) -> np.ndarray:
    from PIL import Image

    content = file_format(path)
    if not content.is_image:
        hint = _nearest(path) if content.kind == "missing" else ""
        raise ImageError(content.describe() + hint)
    with _clear_errors(content.name), Image.open(path, formats=pillow_formats()) as image:
        return _from_pil(image)


def _read_content(content: bytes) -> np.ndarray:
    from PIL import Image

    kind = file_format(content)
    if not kind.is_image:
        raise ImageError(kind.describe())
    file = io.BytesIO(content)
    with _clear_errors(kind.name), Image.open(file, formats=pillow_formats()) as image:
        return _from_pil(image)


def _nearest(path: str) -> str:
    """Describe where a missing file was expected, and which file has a similar name."""
    if not path:
        return ": the path is empty"
    if os.path.islink(path):
        return f": it is a symbolic link to {os.readlink(path)!r}, which is not there"
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        return f": there is no folder {folder!r}"
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        names = [entry.name for entry in itertools.islice(entries, _MOST_NAMES)]
        if near := difflib.get_close_matches(name, names, n=1):
            return f"; did you mean {near[0]!r}?"
    return "" if os.path.isabs(path) else f" in the folder {folder!r}"


@contextlib.contextmanager
def _clear_errors(name: str = "") -> Iterator[None]:
    """Convert a decoder's error to an ImageError that explains it."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise ImageError(
            f"the image cannot be decoded: it is a corrupt {name}, or of a kind that Pillow does "
            "not read, such as 32-bit float RGB in TIFF; convert it to 8 bits"
        ) from None
    except PermissionError:
        raise ImageError("no permission to read the file") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"too large to be decoded safely: {error}") from None
    except Exception as error:  # decoders fail in many ways: OSError, SyntaxError, struct.error
        raise ImageError(
            f"the image cannot be decoded (truncated, corrupt or of a rare kind): {error}"
        ) from error


def _from_pil(image: Any) -> np.ndarray:
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"{image.width} x {image.height} pixels are too many to be decoded safely "
            f"(limit {MAX_PIXELS:,})"
        )
    # before the orientation is read: loading rotates a TIFF, and a PNG may store it last
    image.load()
    method = upright_by(image)
    image = _to_rgb(image)
    return np.asarray(image if method is None else image.transpose(method))


def _to_rgb(image: Any) -> Any:
    """Convert an image of any mode to sRGB; transparent pixels are blended with white."""
    from PIL import Image, ImageChops

    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):
        image = Image.fromarray(scale_to_uint8(np.asarray(image), _white_level(image)))
    elif image.mode == "F":
        image = Image.fromarray(to_uint8(np.asarray(image)))
    elif image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow takes 255 for no ink, as only Adobe does
    elif image.has_transparency_data:
        return _on_white(image, profile)
    return to_srgb(image, profile)


def _on_white(image: Any, profile: bytes | None) -> Any:
    """Blend a transparent image with white."""
    from PIL import Image

    image = image.convert("LA" if image.mode in ("La", "LA") else "RGBA")
    opaque = image.getchannel("L") if image.mode == "LA" else image.convert("RGB")
    front = to_srgb(opaque, profile)
    front.putalpha(image.getchannel("A"))
    back = Image.new("RGBA", front.size, "white")
    return Image.alpha_composite(back, front).convert("RGB")


def _white_level(image: Any) -> int:
    """Return the level of white: of 16 bits, or of 12 in a TIFF, which Pillow does not scale."""
    tags = getattr(image, "tag_v2", {})
    return 4095 if tags.get(_BITS_PER_SAMPLE) == (12,) else 65535
