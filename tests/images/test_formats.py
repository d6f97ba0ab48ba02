"""Only raster formats for photographs are decoded, whatever else Pillow can read."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFile

from sklearn_diffake.faces import ImageError, read_image

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))
POSTSCRIPT = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 32 24
%%EndComments
0 0 moveto 32 24 lineto stroke
%%EOF
"""


def photoshop():
    """Write the least PSD file: 8 bits, RGB, not compressed."""
    header = b"8BPS" + (1).to_bytes(2, "big") + bytes(6) + (3).to_bytes(2, "big")
    header += (24).to_bytes(4, "big") + (32).to_bytes(4, "big")
    header += (8).to_bytes(2, "big") + (3).to_bytes(2, "big")
    planes = np.asarray(PHOTO).transpose(2, 0, 1).tobytes()
    return header + bytes(12) + bytes(2) + planes


def fits():
    """Write the least FITS file: one plane of bytes."""
    cards = ["SIMPLE  =                    T", "BITPIX  =                    8",
             "NAXIS   =                    2", "NAXIS1  =                   32",
             "NAXIS2  =                   24", "END"]  # fmt: skip
    header = "".join(card.ljust(80) for card in cards).encode().ljust(2880)
    return header + np.asarray(PHOTO.convert("L")).tobytes().ljust(2880, b"\0")


def write_text(name):
    file = io.BytesIO()
    PHOTO.save(file, name)
    return file.getvalue()


REFUSED = {
    "EPS": lambda: POSTSCRIPT,
    "PSD": photoshop,
    "FITS": fits,
    **{
        name: lambda name=name: write_text(name)
        for name in ("ICO", "ICNS", "TGA", "PCX", "SGI", "DDS")
    },
}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ""])
@pytest.mark.parametrize("name", REFUSED)
def test_other_formats_are_refused(name, suffix, tmp_path):
    file = tmp_path / f"face{suffix}"
    file.write_bytes(REFUSED[name]())
    with Image.open(file) as image:  # so Pillow would read it
        assert image.format == name
    with pytest.raises(ImageError, match=r"not an image file|convert it to PNG or JPEG"):
        read_image(file)


@pytest.fixture
def plugin():
    """Register a format of somebody else's, as installed packages do; say how often it was run."""
    runs = []

    class Plugin(ImageFile.ImageFile):
        format = "MADEUP"
        format_description = "a format made up"

        def _open(self):
            runs.append("opened")
            self._mode, self._size = "RGB", (32, 24)
            self.tile = [("raw", (0, 0, 32, 24), 6, ("RGB", 0, 1))]

    Image.init()
    Image.register_open("MADEUP", Plugin, lambda prefix: prefix.startswith(b"MADEUP"))
    Image.register_extension("MADEUP", ".madeup")
    yield runs
    Image.ID.remove("MADEUP")
    del Image.OPEN["MADEUP"], Image.EXTENSION[".madeup"]


@pytest.mark.parametrize("suffix", [".madeup", ".png"])
def test_the_decoder_of_another_package_is_not_run(plugin, suffix, tmp_path):
    file = tmp_path / f"face{suffix}"
    file.write_bytes(b"MADEUP" + np.asarray(PHOTO).tobytes())
    with pytest.raises(ImageError, match="not an image file"):
        read_image(file)
    assert plugin == []
    with Image.open(file) as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(PHOTO))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000"])
def test_photographs_are_read_whatever_their_name(name, tmp_path):
    file = tmp_path / "face.madeup"
    file.write_bytes(write_text(name))
    assert read_image(file).shape == (24, 32, 3)
