"""Images are turned upright by tag 274, whatever the other tags hold."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sklearn_diffake.faces import read_image

DATA = Path(__file__).parents[1] / "data" / "images"
MALFORMED = sorted(DATA.glob("*.jpg"))
TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def directory(*entries, order="<", remainder=b""):
    """Write EXIF with raw entries (tag, type, count, value bytes)."""
    header = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    rows = b"".join(struct.pack(f"{order}HHI", *entry[:3]) + entry[3] for entry in entries)
    return header + struct.pack(f"{order}H", len(entries)) + rows + bytes(4) + remainder


def oriented(value, order="<"):
    return 274, 3, 1, struct.pack(f"{order}HH", value, 0)


def as_jpeg(exif):
    """Return a JPEG that holds these bytes as they are, and what is seen in it."""
    file = io.BytesIO()
    Image.effect_noise((24, 16), 90).convert("RGB").save(file, "JPEG")
    plain = file.getvalue()
    segment = b"Exif\0\0" + exif
    marker = b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
    return plain[:2] + marker + plain[2:], np.asarray(Image.open(io.BytesIO(plain)))


@pytest.mark.parametrize("path", MALFORMED, ids=lambda path: path.stem)
def test_a_malformed_tag_beside_the_orientation_does_not_matter(path):
    with Image.open(path) as image:
        saved = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read_image(path), TURNED[6](saved))


def test_all_malformed_files_are_there():
    assert len(MALFORMED) == 5


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("suffix", ["png", "tiff", "webp", "jpg", "mpo", "avif"])
def test_every_orientation_of_every_format(tmp_path, orientation, suffix, photo):
    Image.init()
    if suffix == "avif" and "AVIF" not in Image.OPEN:
        pytest.skip("this Pillow has no AVIF")
    exif = Image.Exif()
    exif[274] = orientation
    path, plain = tmp_path / f"photo.{suffix}", tmp_path / f"plain.{suffix}"
    photo = np.kron(photo, np.ones((8, 8, 1), np.uint8))
    options = {"webp": {"lossless": True}, "jpg": {"quality": 95}, "avif": {"quality": 95}}
    options |= {"mpo": {"save_all": True, "append_images": [Image.fromarray(photo)]}}
    Image.fromarray(photo).save(plain, **options.get(suffix, {}))
    Image.fromarray(photo).save(path, exif=exif, **options.get(suffix, {}))
    expected = TURNED[orientation](read_image(plain).astype(int))
    assert expected.shape == read_image(path).shape
    assert np.abs(read_image(path) - expected).max() <= (8 if suffix == "avif" else 0)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["B", "H", "I"])
def test_both_byte_orders_and_all_whole_numbers(tmp_path, order, kind):
    value = struct.pack(f"{order}{kind}", 6).ljust(4, b"\0")
    number = {"B": 1, "H": 3, "I": 4}[kind]
    content, saved = as_jpeg(directory((274, number, 1, value), order=order))
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_image(path), TURNED[6](saved))


@pytest.mark.parametrize("exif", [
    directory(oriented(0)),
    directory(oriented(9)),
    directory(oriented(65535)),
    directory((274, 2, 2, b"6\0\0\0")),
    directory((274, 3, 0, b"\6\0\0\0")),
    directory((274, 3, 2**31, b"\6\0\0\0")),
    directory((274, 99, 1, b"\6\0\0\0")),
    directory(oriented(6))[:12],
    b"II*\0\xff\xff\xff\xff",
    b"II*\0",
    b"XX*\0" + directory(oriented(6))[4:],
    b"",
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow reads the resolution
def test_an_orientation_that_is_not_valid_leaves_the_image_as_it_is(tmp_path, exif):
    content, saved = as_jpeg(exif)
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_image(path), saved)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow reads the resolution
@settings(max_examples=200)
@given(tag=st.integers(0, 65535).filter(lambda tag: tag != 274), kind=st.integers(0, 20),
       count=st.integers(0, 2**32 - 1), value=st.binary(min_size=4, max_size=4),
       remainder=st.binary(max_size=40), first=st.booleans())  # fmt: skip
def test_no_other_tag_matters(tmp_path_factory, tag, kind, count, value, remainder, first):
    entries = [(tag, kind, count, value), oriented(6)]
    content, saved = as_jpeg(directory(*(entries if first else entries[::-1]), remainder=remainder))
    path = tmp_path_factory.getbasetemp() / "any_tag.jpg"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_image(path), TURNED[6](saved))


def test_exif_as_imagemagick_writes_it_in_png(tmp_path, photo):
    from PIL.PngImagePlugin import PngInfo

    exif = b"Exif\0\0" + directory(oriented(8))
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(exif):8}\n{exif.hex()}\n", zip=True)
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path, pnginfo=text)
    np.testing.assert_array_equal(read_image(path), TURNED[8](photo))


def test_a_malformed_tag_of_tiff(tmp_path, photo):
    path = tmp_path / "photo.tif"
    Image.fromarray(photo).save(path, tiffinfo={270: "text", 274: 6})
    content = bytearray(path.read_bytes())
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    for offset in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, offset)[0] == 270:
            struct.pack_into("<HHI4s", content, offset, 34665, 4, 1, b"\xff\xff\xff\x7f")
    path.write_bytes(content)
    np.testing.assert_array_equal(read_image(path), TURNED[6](photo))
