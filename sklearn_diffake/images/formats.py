"""Recognize the format of a file by its content. No other module does this."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from dataclasses import dataclass
from typing import BinaryIO

from sklearn_diffake.images._signatures import Format, match_signature

__all__ = ["IMAGE_FORMATS", "FileFormat", "file_format", "is_image", "is_video", "pillow_formats"]

#: Formats of images that are read, by Pillow's names. None of them runs a program.
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "MPO")

_HEADER_BYTES = 1024  # bytes of a file that are read; more only if a picture may be animated
_MOST_BLOCKS = 2**20  # blocks of at most 255 bytes in the first image of a GIF
_MOST_CHUNKS = 10_000  # chunks to search for a second frame
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+://|data:image/)")

_NOUNS = {
    "image": "{name} image",
    "unsupported image": "{name} image",
    "heic": "HEIC image",
    "animation": "{name} animation",
    "video": "video ({name})",
    "audio": "{name} audio file",
    "text": "text file",
    "table": "{name} table",
    "html": "web page (HTML)",
    "pdf": "PDF document",
    "document": "{name} document",
    "archive": "{name} archive",
    "array": "{name} array file",
    "git-lfs pointer": "{name} pointer, not the file itself",
    "url": "URL",
    "directory": "directory",
    "special": "pipe or device",
}
_NOUNS_BY_NAME = {
    "playlist": "playlist of videos",
    "URL": "text file that holds a URL",
    "SVG": "SVG drawing",
}
_CONVERT = "convert it to PNG or JPEG"
_REMEDIES = {
    "heic": "`pip install pillow-heif` and call `pillow_heif.register_heif_opener()` before, or "
    + _CONVERT,
    "unsupported image": _CONVERT,
    "html": "the download gave a page instead of the file; log in, or follow the link in a browser",
    "pdf": "export its pages as PNG or JPEG",
    "url": "download the file and give its path",
    "document": "save its table as CSV, or its pictures as PNG or JPEG",
    "archive": "unpack it and give the files in it",
    "array": "load it, and give the arrays of shape (H, W, 3)",
    "table": "read a table of pairs with pandas.read_csv, or give it to `sklearn-diffake compare` "
    "and `score` as --csv",
    "text": "if it is a table of pairs, read it with pandas.read_csv, or give it to "
    "`sklearn-diffake compare` and `score` as --csv",
    "directory": "give the files in it",
}
_REMEDIES_BY_NAME = {
    "git-lfs": "run `git lfs pull` in its repository",
    "git-annex": "run `git annex get` in its repository",
    "playlist": "give the video that it names",
    "URL": "download the file that it names",
    "SVG": "it has shapes, not pixels",
    "Parquet": "read it with pandas.read_parquet",
    "Arrow": "read it with pandas.read_feather",
}
_FRAMES = (
    "sklearn_diffake.datasets.extract_frames takes frames from it, and "
    "`sklearn-diffake compare` and `score` judge videos as well"
)
_STILL_PICTURES = frozenset({"image", "heic", "unsupported image"})
_NEWER_PILLOW = "this Pillow cannot read it: `pip install --upgrade pillow`"


@dataclass(frozen=True)
class FileFormat:
    """The format of a file.

    Attributes
    ----------
    kind : str
        ``"image"`` (one that :func:`.read_image` may read), ``"animation"`` (a picture with more
        than one frame: GIF, WebP, PNG, AVIF), ``"video"``, ``"heic"`` (read if an opener is
        registered), ``"unsupported image"``, ``"audio"``, ``"text"``, ``"table"``, ``"html"``,
        ``"pdf"``, ``"document"``, ``"archive"``, ``"array"``, ``"git-lfs pointer"``, ``"url"``,
        ``"empty"``, ``"directory"``, ``"missing"``, ``"unreadable"`` (no permission, or an error
        of the disk), ``"special"`` (a pipe or device) or ``"unknown"``.
    name : str
        Of the format, such as ``"JPEG"`` or ``"MP4"``; empty if there is none.
    """

    kind: str
    name: str = ""

    @property
    def is_video(self) -> bool:
        """Whether it has frames: a video, or an animated GIF, WebP, PNG or AVIF."""
        return self.kind in ("video", "animation")

    @property
    def is_image(self) -> bool:
        """Whether it is one picture that can be read here."""
        if self.name in ("AVIF", "HEIC"):
            return self.kind in ("image", "heic") and _has_opener(self.name)
        return self.kind == "image"

    def describe(self, expected: str = "image") -> str:
        """Describe the file, what is expected, and the remedy.

        Parameters
        ----------
        expected : {"image", "video", "image or video"}, default="image"
            What the caller can use.

        Returns
        -------
        sentence : str
            Lower case, without a full stop; for an error message.
        """
        if self.kind == "missing":
            return "no such file"
        if self.kind == "empty":
            return "the file is empty"
        if self.kind == "unreadable":
            return self.name or "no permission to read the file"
        if self.kind == "unknown":
            formats = f" (expected {', '.join(IMAGE_FORMATS)})" if expected == "image" else ""
            return f"not {_with_article(expected)} file{formats}"
        noun = _NOUNS_BY_NAME.get(self.name, _NOUNS[self.kind]).format(name=self.name)
        sentence = f"this is {_with_article(noun)}"
        if "image" not in expected or self.kind not in _STILL_PICTURES:
            sentence += f", where {_with_article(expected)} is expected"
        remedy = self._remedy(expected)
        return f"{sentence}: {remedy}" if remedy else sentence

    def _remedy(self, expected: str) -> str:
        if self.is_video and "video" not in expected:
            return _FRAMES
        if self.name == "AVIF" and not self.is_image:
            return _NEWER_PILLOW
        return _REMEDIES_BY_NAME.get(self.name, _REMEDIES.get(self.kind, ""))


def file_format(source: str | os.PathLike[str] | bytes) -> FileFormat:
    """Recognize the format of a file by its content; its name does not matter.

    At most a kilobyte is read, except of GIF, WebP and PNG files, which are searched for a second
    frame.

    Parameters
    ----------
    source : str, path-like or bytes
        A file, or the content of one.

    Returns
    -------
    FileFormat
        Never raises: a file that cannot be opened is ``"missing"``, ``"unreadable"`` and so on.

    Examples
    --------
    >>> from sklearn_diffake.images.formats import file_format
    >>> file_format(b"GIF89a").name
    'GIF'
    >>> print(file_format("https://example.org/face.jpg").describe())
    this is a URL, where an image is expected: download the file and give its path
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        with io.BytesIO(source) as file:
            return _read_format(file)
    path = os.fspath(source)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            return FileFormat("directory")
        if not stat.S_ISREG(status.st_mode):
            return FileFormat("special")  # opening a pipe would wait forever
        with open(path, "rb", buffering=_HEADER_BYTES) as file:
            return _read_format(file)
    except PermissionError:
        return FileFormat("unreadable")
    except (OSError, ValueError) as error:  # a ValueError if there is a null character in the path
        if getattr(error, "errno", None) == errno.EIO:
            return FileFormat("unreadable", f"the file cannot be read: {os.strerror(errno.EIO)}")
        return FileFormat("url" if _URL.match(os.fsdecode(path)) else "missing")


def is_video(source: str | os.PathLike[str] | bytes) -> bool:
    """Return whether a file has frames: a video, or an animated GIF, WebP, PNG or AVIF.

    Parameters
    ----------
    source : str, path-like or bytes
        A file, or the content of one.

    Returns
    -------
    bool
        False for a file that is missing or cannot be opened.
    """
    return file_format(source).is_video


def is_image(source: str | os.PathLike[str] | bytes) -> bool:
    """Return whether a file is one picture that can be read here.

    Parameters
    ----------
    source : str, path-like or bytes
        A file, or the content of one.

    Returns
    -------
    bool
        False for animations, and for a file that is missing or cannot be opened.
    """
    return file_format(source).is_image


def pillow_formats() -> tuple[str, ...]:
    """Return Pillow's names of the formats that may be opened.

    HEIC is one of them if pillow-heif's opener is registered.
    """
    from PIL import Image

    Image.init()
    return tuple(name for name in (*IMAGE_FORMATS, "HEIF") if name in Image.OPEN)


def _read_format(file: BinaryIO) -> FileFormat:
    header = file.read(_HEADER_BYTES)
    if not header:
        return FileFormat("empty")
    detected = match_signature(header)
    return FileFormat(*_with_frames(file, detected))


def _with_frames(file: BinaryIO, detected: Format) -> Format:
    """Return the format, "animation" if a picture has a second frame."""
    kind, name = detected
    count = _FRAME_COUNTERS.get(name)
    return ("animation", name) if kind == "image" and count and count(file) else detected


def _is_animated_png(file: BinaryIO) -> bool:
    """Return whether the animation control chunk, before the pixels, states several frames."""
    file.seek(8)
    for _ in range(_MOST_CHUNKS):
        header = file.read(8)
        if len(header) < 8 or header[4:] in (b"IDAT", b"IEND"):
            return False
        if header[4:] == b"acTL":
            return int.from_bytes(file.read(4), "big") > 1
        file.seek(int.from_bytes(header[:4], "big") + 4, os.SEEK_CUR)
    return False


def _is_animated_webp(file: BinaryIO) -> bool:
    """Return whether there is a second animation frame chunk."""
    file.seek(12)
    frames = 0
    for _ in range(_MOST_CHUNKS):
        header = file.read(8)
        if len(header) < 8 or header[:4] in (b"VP8 ", b"VP8L"):
            return False
        frames += header[:4] == b"ANMF"
        if frames > 1:
            return True
        size = int.from_bytes(header[4:], "little")
        file.seek(size + size % 2, os.SEEK_CUR)
    return False


def _is_animated_gif(file: BinaryIO) -> bool:
    """Return whether there is a second image after the pixels of the first."""
    file.seek(10)
    _skip_colors(file, file.read(3)[:1])
    images = 0
    for _ in range(_MOST_CHUNKS):
        block = file.read(1)
        if block == b"\x2c":  # an image
            images += 1
            if images > 1:
                return True
            _skip_colors(file, file.read(9)[8:])
        elif block != b"\x21":  # an extension
            return False
        file.seek(1, os.SEEK_CUR)
        for _ in range(_MOST_BLOCKS):
            size = file.read(1)
            if size in (b"", b"\0"):
                break
            file.seek(size[0], os.SEEK_CUR)
    return False


def _skip_colors(file: BinaryIO, flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        file.seek(3 << (flags[0] & 7) + 1, os.SEEK_CUR)


_FRAME_COUNTERS = {"PNG": _is_animated_png, "WebP": _is_animated_webp, "GIF": _is_animated_gif}


def _has_opener(name: str) -> bool:
    return {"HEIC": "HEIF"}.get(name, name) in pillow_formats()


def _with_article(noun: str) -> str:
    vowel = noun[0] in "aeiouAEIOF8" or noun.startswith(
        ("HDF5", "H.26", "MP3", "M4A", "MIDI", "SVG", "XML")
    )
    return f"{'an' if vowel else 'a'} {noun}"
