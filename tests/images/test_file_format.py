"""What a file is, is decided by its content."""

import errno
import io
import os
import socket
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from sklearn_diffake.faces import ImageError, read_image
from sklearn_diffake.images import formats
from sklearn_diffake.images.formats import file_format, is_image, is_video

WHITE = Image.new("RGB", (16, 16), "white")
SAVED = {"JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP", "BMP": "BMP", "TIFF": "TIFF", "GIF": "GIF",
         "PPM": "PPM", "JPEG2000": "JPEG 2000", "AVIF": "AVIF", "MPO": "JPEG"}  # fmt: skip
ANIMATED = {"PNG": "PNG", "GIF": "GIF", "WEBP": "WebP", "AVIF": "AVIF"}
Image.init()
needs_avif = pytest.mark.skipif("AVIF" not in Image.OPEN, reason="this Pillow has no AVIF")


def saved(name, image=WHITE, **options):
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "text")
    return file.getvalue()


def packed(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def boxed(brand, *remaining):
    brands = b"".join(second.encode() for second in remaining)
    return (16 + len(brands)).to_bytes(4, "big") + b"ftyp" + brand.encode() + bytes(4) + brands


#: Content, kind, name, and what is said where an image is expected.
REMAINING = {
    "html": (b"\n<!DOCTYPE HTML><html><title>404</title>", "html", "HTML",
             r"a web page \(HTML\), where an image is expected: the download gave a page"),
    "html after a comment": (b"<!-- saved --><html>", "html", "HTML", "web page"),
    "html with a mark": (b"\xef\xbb\xbf<html>", "html", "HTML", "web page"),
    "xhtml": (b'<?xml version="1.0"?><html xmlns="x">', "html", "XHTML", "web page"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
                "git-lfs pointer", "git-lfs", "a git-lfs pointer.*git lfs pull"),
    "git-annex": (b"/annex/objects/SHA256E-s1--ab.jpg\n", "git-lfs pointer", "git-annex",
                  "git annex get"),
    "heic": (boxed("heic", "mif1", "heic"), "heic", "HEIC",
             "a HEIC image: `pip install pillow-heif"),
    "heic of another brand": (boxed("mif1", "heic", "miaf"), "heic", "HEIC",
                              "pillow_heif.register"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", "pdf", "PDF", "a PDF document.*export its pages"),
    "mp3": (b"ID3\x04\0\0\0\0\0\0", "audio", "MP3", "an MP3 audio file"),
    "mp3 without a tag": (b"\xff\xfb\x90\x64" + bytes(40), "audio", "MP3", "MP3"),
    "wav": (b"RIFF\x24\0\0\0WAVEfmt ", "audio", "WAV", "a WAV audio file"),
    "aiff": (b"FORM\0\0\0\x2eAIFFCOMM", "audio", "AIFF", "an AIFF audio file"),
    "m4a": (boxed("M4A ", "isom"), "audio", "M4A", "an M4A audio file"),
    "flac": (b"fLaC" + bytes(40), "audio", "FLAC", "FLAC"),
    "ogg": (b"OggS\0\2" + bytes(22) + b"\x01vorbis", "audio", "Ogg", "Ogg audio"),
    "zip": (zipped("a.jpg"), "archive", "ZIP", "a ZIP archive.*unpack it"),
    "excel": (zipped("[Content_Types].xml"), "document", "Office", "an Office document.*as CSV"),
    "npz": (zipped("X.npy"), "array", "NumPy", "a NumPy array file.*load it"),
    "npy": (packed(np.zeros((2, 2))), "array", "NumPy", "load it, and give the arrays"),
    "gzip": (b"\x1f\x8b\x08\0" + bytes(9), "archive", "gzip", "gzip archive"),
    "tar": (bytes(257) + b"ustar\x0000" + bytes(300), "archive", "tar", "tar archive"),
    "csv": (b"reference,probe\na.jpg,b.jpg\n", "table", "CSV", "a CSV table.*--csv"),
    "csv of excel": (b"sep=;\na;b\n1;2\n", "table", "CSV", "CSV"),
    "csv in utf-16": ("a\tb\n1\t2\n".encode("utf-16"), "table", "CSV", "CSV"),
    "parquet": (b"PAR1\x15\x04", "table", "Parquet", "read_parquet"),
    "text": ("Zoë\nhas a cat".encode(), "text", "text", "a text file, where"),
    "latin text": ("Zoë has a cat".encode("latin-1"), "text", "text", "a text file, where"),
    "link": (b"https://example.org/face.jpg\n", "text", "URL", "text file that holds a URL"),
    "playlist": (b"#EXTM3U\na.ts\n", "text", "playlist", "a playlist of videos"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg">', "unsupported image", "SVG", "SVG drawing"),
    "svg as xml": (b'<?xml version="1.0"?><!DOCTYPE svg><svg>', "unsupported image", "SVG", "SVG"),
    "jpeg xl": (b"\0\0\0\x0cJXL \r\n\x87\n", "unsupported image", "JPEG XL", "JPEG XL image: conv"),
    "photoshop": (b"8BPS\0\1", "unsupported image", "Photoshop", "Photoshop image"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "unsupported image", "PostScript", "PostScript image"),
    "pam": (b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 3\nMAXVAL 255\nENDHDR\n", "unsupported image", "PAM",
            "PAM image: conv"),
    "start code of no known stream": (b"\0\0\0\1\x13\x13" + bytes(40), "unknown", "",
                                      "not an image"),
    "utf-8 that is broken": ("Zoë ".encode()[:3] + b"\xe2\x28\xa1 \x81\x8d\x8f" * 9, "unknown", "",
                             "not an image"),
    "dicom": (bytes(128) + b"DICM", "unsupported image", "DICOM", "DICOM image"),
    "noise": (b"\x00\x01\x02\x03", "unknown", "", r"not an image file \(expected JPEG, PNG"),
    "empty": (b"", "empty", "", "the file is empty"),
}  # fmt: skip
VIDEOS = {
    "mp4": (boxed("isom", "avc1"), "MP4"),
    "mov": (boxed("qt  "), "QuickTime"),
    "old mov": (b"\0\0\x10\0moov" + bytes(50), "QuickTime"),
    "3gp": (boxed("3gp5"), "3GPP"),
    "avi": (b"RIFF\0\0\1\0AVI LIST", "AVI"),
    "mkv": (b"\x1aE\xdf\xa3\x93\x42\x82\x88matroska", "Matroska"),
    "webm": (b"\x1aE\xdf\xa3\x93\x42\x82\x84webm", "WebM"),
    "wmv": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(20), "ASF (WMV)"),
    "flv": (b"FLV\x01\x05\0\0\0\x09", "Flash video"),
    "mpg": (b"\0\0\1\xba\x44", "MPEG program stream"),
    "ts": ((b"G" + bytes(187)) * 6, "MPEG-TS"),
    "m2ts": ((bytes(4) + b"G" + bytes(187)) * 6, "MPEG-TS"),
    "ts from within a packet": (bytes(77) + (b"G" + bytes(187)) * 6, "MPEG-TS"),
    "ogv": (b"OggS\0\2" + bytes(22) + b"\x80theora", "Ogg"),
    "h264": (b"\0\0\0\1\x67\x42\0\x1e", "H.264"),
    "h265": (b"\0\0\0\1\x40\1\x0c\1", "H.265"),
    "mxf": (b"\x06\x0e\x2b\x34\2\5\1\1\x0d\1\2\1\1\2\4\0", "MXF"),
}


@pytest.mark.parametrize("name", [name for name in SAVED if name in Image.OPEN])
def test_images(tmp_path, name):
    path = tmp_path / "clip.mp4"  # the name does not matter
    path.write_bytes(saved(name))
    result = file_format(path)
    assert (result.kind, result.name) == ("image", SAVED[name])
    assert (is_image(path), is_video(path)) == (True, False)
    assert file_format(path.read_bytes()) == result
    assert read_image(path).shape == (16, 16, 3)


@pytest.mark.parametrize("name", [name for name in ANIMATED if name in Image.OPEN])
def test_animations_are_videos(tmp_path, name):
    path = tmp_path / "photo.jpg"
    black = Image.new("RGB", (16, 16))
    path.write_bytes(saved(name, save_all=True, append_images=[black]))
    assert file_format(path) == formats.FileFormat("animation", ANIMATED[name])
    assert (is_image(path), is_video(path)) == (False, True)
    with pytest.raises(ImageError, match=f"{ANIMATED[name]} animation, where an image.*extract_fr"):
        read_image(path)
    first = saved(name, save_all=True, append_images=[])
    assert file_format(first).kind == "image"


def test_animations_whose_second_frame_comes_late(tmp_path):
    noise = [Image.effect_noise((300, 300), 90).convert("P") for _ in range(2)]
    gif = saved("GIF", noise[0], save_all=True, append_images=noise[1:], comment=b"x" * 3000)
    assert len(gif) > 50_000
    assert file_format(gif).kind == "animation"
    assert file_format(gif[:1500]).kind == "image"  # cut: the decoder says more
    exif = Image.Exif()
    exif[270] = "x" * 5000
    for name in ("PNG", "WEBP"):
        profile = {"icc_profile": b"x" * 5000, "exif": exif}
        content = saved(name, noise[0], save_all=True, append_images=noise[1:], **profile)
        assert file_format(content).kind == "animation"
        assert file_format(saved(name, WHITE, **profile)).kind == "image"


@pytest.fixture
def without_heic(monkeypatch):
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)  # other packages may register it


@pytest.mark.usefixtures("without_heic")
@pytest.mark.parametrize("case", REMAINING)
def test_other_files_are_called_what_they_are(tmp_path, case):
    content, kind, name, arguments = REMAINING[case]
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    assert (file_format(path).kind, file_format(path).name) == (kind, name)
    assert (is_image(path), is_video(path)) == (False, False)
    with pytest.raises(ImageError, match=arguments):
        read_image(path)
    for expected in ("video", "image or video"):
        assert file_format(path).describe(expected)


@pytest.mark.parametrize("case", VIDEOS)
def test_videos(tmp_path, case):
    content, name = VIDEOS[case]
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    assert file_format(path) == formats.FileFormat("video", name)
    assert is_video(path)
    with pytest.raises(ImageError, match=r"this is a video \(.*, where an image is expected: skl"):
        read_image(path)


def test_text_is_no_image_of_a_short_signature():
    for text in ("BMW makes cars\n" * 99, "P1 Report of 2020\n" * 99, "Great!\n" * 200, "ID: 3\n"):
        assert file_format(text.encode()).kind == "text"


@pytest.mark.parametrize("path", ["https://example.org/a.jpg", "s3://bucket/a.jpg",
                                  "file:///home/a.jpg", "data:image/png;base64,iVBO"])  # fmt: skip
def test_a_url_is_no_path(path):
    assert file_format(path).kind == "url"
    with pytest.raises(ImageError, match="this is a URL, where an image is expected: download"):
        read_image(path)


def test_what_is_no_file(tmp_path):
    assert file_format(tmp_path / "absent.jpg").kind == "missing"
    assert file_format(tmp_path / ("x" * 5000)).kind == "missing"
    assert file_format("a\0b").kind == "missing"
    assert file_format(tmp_path).kind == "directory"
    with pytest.raises(ImageError, match="this is a directory, where an image is expected: give"):
        read_image(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_pipes_and_sockets_are_not_opened(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for name in ("pipe", "socket"):
            with pytest.raises(ImageError, match="this is a pipe or device"):
                read_image(name)


def test_reading_an_endless_gif_stops(monkeypatch):
    monkeypatch.setattr(formats, "_MOST_BLOCKS", 10)
    content = b"GIF89a\1\0\1\0\0\0\0" + b"\x2c" + bytes(9) + b"\x02" + b"\1x" * 10**6
    assert file_format(content).kind == "image"


@pytest.mark.parametrize(
    ("brands", "kind"), [(("mif1", "avif"), "image"), (("msf1", "avif"), "animation")]
)
def test_avif_of_a_general_brand_is_no_heic(brands, kind):
    result = file_format(boxed(*brands))
    assert (result.kind, result.name) == (kind, "AVIF")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\x89PNG\r\n\x1a\n" + (b"\0\0\0\0tEXt" + bytes(4)) * 50, "PNG"),
        (b"RIFF\0\1\0\0WEBP" + b"EXIF\0\0\0\0" * 50, "WebP"),
        (b"GIF89a\1\0\1\0\0\0\0" + b"\x21\xf9\0" * 50, "GIF"),
    ],
)
def test_reading_endless_chunks_stops(content, name, monkeypatch):
    reads = []
    monkeypatch.setattr(formats, "_MOST_CHUNKS", 10)

    class Counted(io.BytesIO):
        def read(self, size=-1):
            reads.append(size)
            return super().read(size)

    counters = formats._FRAME_COUNTERS
    assert not counters[name](Counted(content))
    assert 10 <= len(reads) <= 25
    assert file_format(content) == formats.FileFormat("image", name)


def test_the_error_of_a_failing_disk_is_not_that_of_a_missing_file(tmp_path, monkeypatch):
    def fail(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    path = tmp_path / "photo.jpg"
    monkeypatch.setattr(formats.os, "stat", fail)
    result = file_format(path)
    assert result.kind == "unreadable"
    assert os.strerror(errno.EIO) in result.describe("image")


def test_a_picture_is_not_read_whole(tmp_path):
    path = tmp_path / "photo.jpg"
    with open(path, "wb") as file:
        file.write(saved("JPEG"))
        file.truncate(2**34)  # sparse
    start = time.perf_counter()
    assert file_format(path).name == "JPEG"
    assert time.perf_counter() - start < 1


@pytest.mark.usefixtures("without_heic")
def test_heic_is_read_where_an_opener_is_registered(tmp_path, monkeypatch):
    from PIL import ImageFile

    class HeifImageFile(ImageFile.ImageFile):
        format = "HEIF"

        def _open(self):
            self._size, self._mode = (2, 1), "RGB"
            self.tile = [("raw", (0, 0, 2, 1), len(REMAINING["heic"][0]), ("RGB", 0, 1))]

    path = tmp_path / "photo.heic"
    path.write_bytes(REMAINING["heic"][0] + bytes([1, 2, 3, 4, 5, 6]))
    assert not is_image(path)
    monkeypatch.setitem(Image.OPEN, "HEIF", (HeifImageFile, lambda header: header[4:8] == b"ftyp"))
    monkeypatch.setattr(Image, "ID", [*Image.ID, "HEIF"])
    assert is_image(path)
    assert read_image(path).tolist() == [[[1, 2, 3], [4, 5, 6]]]


def test_heic_is_read_by_pillow_heif(tmp_path, monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif")
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    pillow_heif.register_heif_opener()
    photo = np.zeros((64, 48, 3), np.uint8)
    photo[:32, :24] = 255
    Image.fromarray(photo).save(tmp_path / "photo.jpg", format="HEIF", quality=100)
    read = read_image(tmp_path / "photo.jpg")
    assert np.abs(read.astype(int) - photo).mean() < 4


@needs_avif
def test_avif_where_pillow_cannot_read_it(tmp_path, monkeypatch):
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved("AVIF"))
    monkeypatch.delitem(Image.OPEN, "AVIF")
    assert not is_image(path)
    with pytest.raises(ImageError, match="this is an AVIF image: this Pillow cannot read it: `pip"):
        read_image(path)
