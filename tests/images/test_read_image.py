"""Reading one image, from whatever it comes as."""

import os
import struct
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from image_helpers import BAD_FILES, astronaut, bad_file, png
from permissions import unprivileged
from PIL import Image

from sklearn_diffake.embedding import EmbeddingStore
from sklearn_diffake.faces import ImageError, read_image
from sklearn_diffake.images import read

RED, WHITE = (255, 0, 0), (255, 255, 255)


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "ppm", "gif"])
@pytest.mark.parametrize("kind", [str, Path])
def test_lossless_files(tmp_path, suffix, kind):
    image = np.zeros((5, 7, 3), np.uint8)
    image[:2], image[:, 3:] = RED, (0, 0, 255)
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(image).save(path, **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(read_image(kind(path)), image)


def test_jpeg(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(astronaut()).save(path, quality=95)
    read = read_image(path)
    assert read.shape == (512, 512, 3)
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - astronaut()).mean() < 3


def test_the_type_of_a_file_is_in_its_content_not_its_name(tmp_path, photo):
    path = tmp_path / "photo.jpg"
    Image.fromarray(photo).save(path, format="PNG")
    np.testing.assert_array_equal(read_image(path), photo)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation, photo):
    turned = {
        1: photo,
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: photo.transpose(1, 0, 2),
        6: np.rot90(photo, -1),
        7: photo[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(photo),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path, exif=exif)
    np.testing.assert_array_equal(read_image(path), turned)
    with Image.open(path) as image:
        np.testing.assert_array_equal(read_image(image), turned)
        assert image.size == (8, 6)  # the user's object is as it was


def test_sixteen_bit_png_is_scaled(tmp_path):
    deep = np.array([[0, 257, 65535], [128, 129, 32768]], dtype=np.uint16)
    path = tmp_path / "deep.png"
    Image.fromarray(deep).save(path)
    expected = np.array([[0, 1, 255], [0, 1, 128]], dtype=np.uint8)
    np.testing.assert_array_equal(read_image(path), np.repeat(expected[..., None], 3, axis=2))


def test_sixteen_bit_rgb_png_is_scaled(tmp_path):
    path = tmp_path / "deep.png"
    path.write_bytes(rgb16_png(np.array([[[65535, 0, 32896]]], dtype=np.uint16)))
    np.testing.assert_array_equal(read_image(path), [[[255, 0, 128]]])


def tiff(samples, *, bits, kind, photometric=1):
    """Write an uncompressed TIFF of any sample format: 1 whole numbers, 3 floats."""
    samples = np.asarray(samples)
    height, width, channels = samples.shape
    data = samples.tobytes() if bits != 12 else bytes(samples.ravel().tolist())
    extra = struct.pack(f"<{channels}H", *[bits] * channels)
    offset = 8 + 2 + 12 * 10 + 4
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, bits), (259, 3, 1, 1),
               (262, 3, 1, photometric), (273, 4, 1, offset + len(extra)), (277, 3, 1, channels),
               (278, 4, 1, height), (279, 4, 1, len(data)), (339, 3, 1, kind)]  # fmt: skip
    if channels > 2:
        entries[2] = (258, 3, channels, offset)
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + rows + bytes(4) + extra + data


def test_sixteen_bit_rgb_tiff_is_scaled(tmp_path):
    path = tmp_path / "deep.tif"
    deep = np.array([[[65535, 0, 32896], [257, 65535, 514]]], dtype="<u2")
    path.write_bytes(tiff(deep, bits=16, kind=1, photometric=2))
    np.testing.assert_array_equal(read_image(path), [[[255, 0, 128], [1, 255, 2]]])


def test_twelve_bit_tiff_is_scaled(tmp_path):
    path = tmp_path / "deep.tif"
    content = tiff(np.array([[[0xFF], [0xF8], [0x00]]], np.uint8), bits=12, kind=1)
    content = content.replace(
        struct.pack("<HHII", 256, 4, 1, 3), struct.pack("<HHII", 256, 4, 1, 2)
    )
    path.write_bytes(content)  # 4095 and 2048, in three bytes
    np.testing.assert_array_equal(read_image(path)[..., 0], [[255, 128]])


def test_float_tiff_in_zero_to_one(tmp_path):
    path = tmp_path / "float.tif"
    path.write_bytes(tiff(np.array([[[0.0], [0.5], [1.0]]], "<f4"), bits=32, kind=3))
    np.testing.assert_array_equal(read_image(path)[..., 0], [[0, 128, 255]])


@pytest.mark.parametrize(("samples", "photometric", "message"), [
    ([[[0.0], [200.0]]], 1, "float32 values must be in 0..1 .*got 0 to 200"),
    ([[[0.0], [np.nan]]], 1, "NaN"),
    ([[[0.0, 0.5, 1.0]]], 2, "corrupt TIFF, or of a kind .* such as 32-bit float RGB"),
])  # fmt: skip
def test_float_tiff_that_is_refused_by_name(tmp_path, samples, photometric, message):
    path = tmp_path / "float.tif"
    path.write_bytes(tiff(np.array(samples, "<f4"), bits=32, kind=3, photometric=photometric))
    with pytest.raises(ImageError, match=message):
        read_image(path)


def test_inks_that_are_not_inverted_as_adobe_does(tmp_path):
    path = tmp_path / "print.jpg"
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red.save(path, quality=100)
    content = path.read_bytes()
    start = content.index(b"\xff\xee")
    assert content[start + 4 :].startswith(b"Adobe")
    length = 2 + int.from_bytes(content[start + 2 : start + 4], "big")
    np.testing.assert_allclose(read_image(path), np.broadcast_to(RED, (16, 16, 3)), atol=4)
    path.write_bytes(content[:start] + content[start + length :])
    inverted = np.broadcast_to((0, 0, 0), (16, 16, 3))  # the file now says: cyan and black ink
    np.testing.assert_allclose(read_image(path), inverted, atol=4)


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_cmyk(tmp_path, suffix):
    path = tmp_path / f"print.{suffix}"
    Image.new("RGB", (16, 16), (200, 40, 90)).convert("CMYK").save(path)
    assert np.abs(read_image(path).astype(int) - (200, 40, 90)).max() <= 4


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("1", 1, WHITE),
        ("L", 77, (77, 77, 77)),
        ("LA", (77, 255), (77, 77, 77)),
        ("LA", (77, 0), WHITE),
        ("RGBA", (255, 0, 0, 255), RED),
        ("RGBA", (255, 0, 0, 0), WHITE),
        ("RGBA", (255, 0, 0, 128), (255, 127, 127)),
        ("RGBa", (0, 0, 0, 0), WHITE),
        ("CMYK", (0, 255, 255, 0), RED),
        ("HSV", (0, 255, 255), RED),
        ("La", (0, 0), WHITE),
        ("RGBX", (255, 0, 0, 9), RED),
        ("YCbCr", (76, 85, 255), RED),
        ("I;16", 65535, WHITE),
        ("I;16", 200, (200, 200, 200)),
        ("I;16B", 65535, WHITE),
        ("I;16L", 257, (1, 1, 1)),
        ("I", 65535, WHITE),
        ("I", 200, (200, 200, 200)),  # 8 bits in a wider type
        ("I", 256, (1, 1, 1)),
        ("F", 1.0, WHITE),
        ("F", 0.5, (128, 128, 128)),
    ],
)
def test_modes_of_pil(mode, value, expected):
    read = read_image(Image.new(mode, (3, 2), value))
    assert (read.shape, read.dtype) == ((2, 3, 3), np.uint8)
    np.testing.assert_allclose(read, np.broadcast_to(expected, read.shape), atol=mode == "YCbCr")


@pytest.mark.parametrize("color", [0, 1])
def test_palette_with_transparency(tmp_path, color):
    image = Image.new("P", (2, 2), color)
    image.putpalette([255, 0, 0, 0, 0, 255])
    path = tmp_path / "icon.gif"
    image.save(path, transparency=0)
    np.testing.assert_array_equal(read_image(path)[0, 0], [WHITE, (0, 0, 255)][color])


@pytest.mark.parametrize(
    "convert",
    [
        lambda a: a,
        lambda a: a.astype(np.int64),
        lambda a: a.astype(np.float32) / 255,
        lambda a: a / 255,
        lambda a: np.dstack([a, np.full(a.shape[:2], 255, np.uint8)]),
        lambda a: np.asfortranarray(a),
        lambda a: Image.fromarray(a),
    ],
    ids=["uint8", "int64", "float32", "float64", "rgba", "fortran", "pil"],
)
def test_the_same_image_in_other_types(photo, convert):
    np.testing.assert_array_equal(read_image(convert(photo)), photo)
    assert read.image_digest(read_image(convert(photo))) == read.image_digest(photo)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1)])
def test_gray_arrays(shape):
    gray = np.arange(20, dtype=np.uint8).reshape(shape)
    expected = np.repeat(gray.reshape(4, 5, 1), 3, axis=2)
    np.testing.assert_array_equal(read_image(gray), expected)


def test_transparent_arrays_are_shown_on_white():
    image = np.array([[[255, 0, 0, 0], [255, 0, 0, 128], [255, 0, 0, 255]]], dtype=np.uint8)
    np.testing.assert_array_equal(read_image(image), [[WHITE, (255, 127, 127), RED]])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 2, 3), 1.01), r"float64 values must be in 0..1 .*got 0 to 1.01"),
        (np.full((2, 2, 3), -0.1), r"must be in 0..1 .*got -0.1 to 0"),
        (np.full((2, 2, 3), 200.0), r"uint8 in 0..255, or floats in.*got 0 to 200"),
        (np.full((2, 2, 3), np.nan), "contains NaN or infinity"),
        (np.full((2, 2, 3), np.inf), "contains NaN or infinity"),
        (np.full((2, 2, 3), 256), "int64 values must be in 0..255 .*got 0 to 256"),
        (np.full((2, 2, 3), -1), r"must be in 0..255 .*got -1 to"),
        (np.full((2, 2, 3), True), "got bool"),
        (np.full((2, 2, 3), 1j), "got complex128"),
        (np.zeros((3, 20, 30), np.uint8), "channels seem to be first, but must be last"),
        (
            np.zeros((20, 30, 2), np.uint8),
            r"an image must have the shape \(H, W.*, got \(20, 30, 2\)",
        ),
        (np.zeros((0, 5, 3), np.uint8), "has no pixels"),
        (np.zeros((1, 2, 3, 3, 3), np.uint8), "an image must have the shape"),
        (np.zeros(3, np.uint8), "must be a path, bytes, a PIL image or an array"),
        (None, "must be a path, .*, got NoneType 'None'"),
        (float("nan"), "got float 'nan'"),
        (np.float64("nan"), "got float64 'nan'"),
        (7, "got int '7'"),
        (b"photo.png", "this is a text file"),
        (["photo.png"], "got list"),
    ],
)
def test_no_images(array, message):
    with pytest.raises(ImageError, match=message):
        read_image(array)


@pytest.mark.parametrize("kind", BAD_FILES)
def test_no_image_files(tmp_path, kind):
    path, message = bad_file(kind, tmp_path / "photo.jpg")
    with pytest.raises(ImageError, match=message):
        read_image(path)


def test_pixels_are_limited_although_pillow_has_no_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    path = tmp_path / "bomb.png"
    bad_file("bomb", path)
    with pytest.raises(ImageError, match="60000 x 60000 pixels are too many"):
        read_image(path)
    with Image.open(path) as image, pytest.raises(ImageError, match="too many"):
        read_image(image)


def test_levels_beyond_sixteen_bits():
    with pytest.raises(ImageError, match="pixel values must have 8 or 16 bits, got 70000"):
        read_image(Image.new("I", (3, 2), 70_000))


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_a_file_without_permission(photo):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # any user can reach it, unlike pytest's own
        path = Path(folder, "photo.png")
        Image.fromarray(photo).save(path)
        path.chmod(0o000)
        with unprivileged(), pytest.raises(ImageError, match="no permission to read the file"):
            read_image(path)


def test_path_with_a_null_character():
    with pytest.raises(ImageError, match="no such file"):
        read_image("photo\0.png")
    assert read.file_key("photo\0.png") is None


def test_pil_images_that_break_when_they_are_loaded(tmp_path):
    path = tmp_path / "photo.jpg"
    bad_file("truncated jpeg", path)
    with Image.open(path) as image, pytest.raises(ImageError, match="truncated"):
        read_image(image)
    closed = Image.open(path)
    closed.close()
    with pytest.raises(ImageError, match="cannot be decoded"):
        read_image(closed)


def test_damaged_exif_does_not_matter(tmp_path, recwarn):
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (8, 8), "red").save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_image(path).shape == (8, 8, 3)


def test_memory_errors_are_not_hidden(tmp_path, monkeypatch, photo):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)

    def fail(image):
        raise MemoryError

    monkeypatch.setattr(read, "_from_pil", fail)
    with pytest.raises(MemoryError):
        read_image(path)


def test_input_is_not_changed(photo):
    for image in (photo.copy(), photo / 255, np.dstack([photo, photo[..., :1]])):
        original = image.copy()
        image.setflags(write=False)
        read_image(image)
        np.testing.assert_array_equal(image, original)


def test_digest_depends_on_shape_and_pixels():
    single_row = np.zeros((2, 6, 3), np.uint8)
    digests = {
        read.image_digest(i) for i in (single_row, single_row.reshape(6, 2, 3), single_row + 1)
    }
    assert len(digests) == 3
    assert {len(digest) for digest in digests} == {20}


def test_file_key(tmp_path, monkeypatch):
    path = tmp_path / "photo.png"
    assert read.file_key(path) is None  # no such file
    path.write_bytes(b"one")
    assert read.file_key(path) is None  # a change within the clock's tick would go unseen
    current_time = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: current_time + 10**10)
    key = read.file_key(str(path))
    assert key is not None
    assert (key[0], key[1]) == (str(path), 3)
    with monkeypatch.context() as patch:
        patch.setattr(read, "_DECODING", read._DECODING + 1)  # other pixels from the same file
        assert read.file_key(str(path)) != key
    monkeypatch.chdir(tmp_path)
    assert read.file_key("photo.png") == key
    assert read.file_key(np.zeros((2, 2, 3), np.uint8)) is None


def test_digests_of_an_earlier_decoding_are_not_used(tmp_path, monkeypatch, photo):
    monkeypatch.setattr(read, "_RACY_NS", 0)
    path, store = tmp_path / "photo.png", EmbeddingStore(tmp_path / "store")
    Image.fromarray(photo).save(path)
    key = read.file_key(path)
    store.put_file_digests({key[:-1]: b"as 0.1 decoded it"})
    assert store.get_file_digests([key]) == {}
    store.put_file_digests({key: read.image_digest(read_image(path))})
    assert store.get_file_digests([key]) == {key: read.image_digest(photo)}
    monkeypatch.setattr(read, "_DECODING", read._DECODING + 1)
    assert store.get_file_digests([read.file_key(path)]) == {}


def test_file_key_sees_a_change_that_keeps_size_and_time(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "_RACY_NS", 0)
    path = tmp_path / "photo.bmp"
    path.write_bytes(b"one")
    original, status = read.file_key(path), path.stat()
    time.sleep(0.02)
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert read.file_key(path) != original


def rgb16_png(array):
    """Write what Pillow can read but not write: a PNG of 16 bits a channel."""
    height, width = array.shape[:2]
    lines = b"".join(b"\0" + line.tobytes() for line in array.astype(">u2"))
    return png((width, height, 16, 2, 0, 0, 0), lines)


def test_a_missing_file_is_not_suggested_itself(tmp_path):
    """A link to nothing is among the names of its folder, and the folder near to no name at all."""
    for name, target in (("gone.png", "nowhere.png"), ("circle.png", "circle.png")):
        (tmp_path / name).symlink_to(target)
        with pytest.raises(ImageError, match=rf"symbolic link to '{target}', which is not there"):
            read.read_image(tmp_path / name)
    with pytest.raises(ImageError, match="no such file: the path is empty"):
        read.read_image("")
