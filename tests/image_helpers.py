"""Images for tests: a real face, its variants, and every form in which a table may come."""

import functools
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

PAIR_FORMS = (
    "frame of paths",
    "array of paths",
    "list of tuples of Paths",
    "array of PIL images",
    "list of tuples of arrays",
    "array of arrays",
    "dense array",
)
SINGLE_FORMS = (
    "series of paths",
    "list of paths",
    "array of paths",
    "list of PIL images",
    "list of arrays",
    "array of arrays",
    "dense array",
)


@functools.cache
def astronaut():
    """A public-domain portrait, 512 x 512, with one large face."""
    from skimage import data

    image = data.astronaut()
    image.setflags(write=False)
    return image


@functools.cache
def small_face():
    """The head of the portrait, 130 x 105: found quickly."""
    face = Image.fromarray(astronaut()[0:260, 120:330]).resize((105, 130))
    image = np.asarray(face)
    image.setflags(write=False)
    return image


def faces(n, seed=0):
    """Return n different retakes of the small face, all found by the detector."""
    rng = np.random.default_rng(seed)
    gains = rng.uniform(0.75, 1.0, size=(n, 3))
    return [np.round(small_face() * gain).astype(np.uint8) for gain in gains]


def noise(n, shape=(20, 20), seed=0):
    """Return n images without faces, all different."""
    return list(np.random.default_rng(seed).integers(0, 256, (n, *shape, 3), dtype=np.uint8))


def save_all(images, folder):
    """Write images as lossless files; return their paths."""
    paths = [str(Path(folder) / f"{i:03}.png") for i in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        Image.fromarray(image).save(path)
    return paths


def objects(rows):
    """Put images into an object array, one in each cell."""
    shape = (len(rows), 2) if isinstance(rows[0], tuple) else (len(rows),)
    array = np.empty(shape, dtype=object)
    for i, row in enumerate(rows):
        if isinstance(row, tuple):
            array[i, 0], array[i, 1] = row
        else:
            array[i] = row
    return array


def as_pairs(form, images, paths):
    """Give consecutive images in pairs, in one of `PAIR_FORMS`."""

    def pairs(items):
        return list(zip(items[::2], items[1::2], strict=True))

    return {
        "frame of paths": lambda: pd.DataFrame(pairs(paths), columns=["reference", "probe"]),
        "array of paths": lambda: np.array(pairs(paths)),
        "list of tuples of Paths": lambda: pairs([Path(path) for path in paths]),
        "array of PIL images": lambda: objects(pairs([Image.fromarray(i) for i in images])),
        "list of tuples of arrays": lambda: pairs(images),
        "array of arrays": lambda: objects(pairs(images)),
        "dense array": lambda: np.stack([np.stack(pair) for pair in pairs(images)]),
    }[form]()


def as_singles(form, images, paths):
    """Give single images in one of `SINGLE_FORMS`."""
    return {
        "series of paths": lambda: pd.Series(paths, index=range(7, 7 + len(paths))),
        "list of paths": lambda: list(paths),
        "array of paths": lambda: np.array(paths),
        "list of PIL images": lambda: [Image.fromarray(image) for image in images],
        "list of arrays": lambda: list(images),
        "array of arrays": lambda: objects(list(images)),
        "dense array": lambda: np.stack(images),
    }[form]()


def snapshot(X):
    """Copy everything in a table, for a later comparison with `is_same`."""
    cells = X.to_numpy(dtype=object) if hasattr(X, "iloc") else X
    if isinstance(cells, np.ndarray) and cells.dtype != object:
        return cells.copy()
    rows = (row if isinstance(row, (tuple, np.ndarray)) else [row] for row in cells)
    flat = [item for row in rows for item in row]
    return [item if isinstance(item, (str, Path)) else np.array(item) for item in flat]


def is_same(original, after):
    """Tell whether two snapshots hold the same."""
    return len(original) == len(after) and all(
        np.array_equal(a, b) for a, b in zip(original, after, strict=True)
    )


def png(header, lines):
    """Write a PNG file by hand, from the fields of its header and its raw lines."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            chunk(b"IHDR", struct.pack(">IIBBBBB", *header)),
            chunk(b"IDAT", zlib.compress(lines)),
            chunk(b"IEND", b""),
        ]
    )


def _cut(path, kind):
    Image.fromarray(astronaut()).save(path, format=kind)
    path.write_bytes(path.read_bytes()[:9000])


#: What is no image file: how to make it, and what is said about it.
BAD_FILES = {
    "missing": (lambda path: None, "no such file"),
    "directory": (lambda path: path.mkdir(), "this is a directory, where an image is expected"),
    "empty": (lambda path: path.touch(), "the file is empty"),
    "text": (
        lambda path: path.write_text("my cat"),
        "this is a text file, where an image is expected",
    ),
    "postscript": (
        lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n"),
        "this is a PostScript image: convert",
    ),
    "stub": (lambda path: path.write_bytes(b"\xff\xd8\xff"), "cannot be decoded|not an image"),
    "truncated jpeg": (lambda path: _cut(path, "JPEG"), r"cannot be decoded \(truncated"),
    "truncated png": (lambda path: _cut(path, "PNG"), r"cannot be decoded \(truncated"),
    "bomb": (
        lambda path: path.write_bytes(png((60_000, 60_000, 8, 2, 0, 0, 0), bytes(999))),
        "too large to be decoded safely",
    ),
}


def bad_file(kind, path):
    """Make one of `BAD_FILES`; return its path and what is said about it."""
    make, message = BAD_FILES[kind]
    make(path)
    return path, message
