"""What SECURITY.md promises about pictures, videos, tables and stores."""

import contextlib
import io
import re
import socket
import sqlite3
import struct
import subprocess
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_helpers import noise, save_all, small_face
from model_helpers import BACKBONE
from PIL import EpsImagePlugin, Image

from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.cli import main
from sklearn_diffake.cli._pairs import read_pairs
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner, ImageError, read_image


def encoded(image, kind):
    file = io.BytesIO()
    Image.fromarray(image).save(file, format=kind)
    return file.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".own"])
@pytest.mark.parametrize("kind", ["EPS", "ICO", "PCX", "SGI", "TGA", "SVG"])
def test_formats_that_are_not_on_the_list_are_not_opened(tmp_path, monkeypatch, kind, suffix):
    """EPS runs Ghostscript, SVG opens further files; the others have decoders that few look at."""
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args, **kw: started.append("gs"))
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **kw: started.append(args))
    content = SVG if kind == "SVG" else encoded(small_face(), kind)
    path = tmp_path / f"photo{suffix if suffix != '.own' else '.' + kind.lower()}"
    path.write_bytes(content)
    with pytest.raises(ImageError):
        read_image(path)
    assert started == []


def png_header(width, height):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + checksum


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    def decode(self):
        raise AssertionError("it was decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    for size in [(13378, 13377), (100_000, 100_000), (2**31 - 1, 1)]:
        (tmp_path / "bomb.png").write_bytes(png_header(*size) + b"\0\0\0\0IDAT" + bytes(4))
        with pytest.raises(ImageError, match=r"too (many|large) to be decoded safely"):
            read_image(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", png_header(8, 8), bytes(1000), b"\xff\xd8\xff"]
)
def test_a_corrupt_picture_is_named_by_row_column_and_file(tmp_path, content):
    good = save_all(noise(3, (16, 16)), tmp_path)
    bad = tmp_path / "row 99, column 0.jpg"
    bad.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        FaceEmbedder(BACKBONE).fit_transform([good[:2], (good[2], str(bad))])
    error = caught.value
    assert (error.row, error.column, error.path) == (1, 1, str(bad))
    assert str(error).startswith(f"row 1, column 1, file {str(bad)!r}: ")


@pytest.fixture
def listener():
    """A server that notes who calls."""
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve():
            with contextlib.suppress(OSError):
                calls.append(server.accept()[1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], calls


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.avi"])
@pytest.mark.parametrize("form", ["hls", "concat", "sdp"])
def test_a_playlist_reaches_neither_the_network_nor_another_file(tmp_path, listener, name, form):
    pytest.importorskip("av", reason="videos need the extra video")
    from sklearn_diffake.datasets import VideoError, extract_frames

    port, calls = listener
    content = {
        "hls": f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/x.ts\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile http://127.0.0.1:{port}/x.mp4\n",
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n",
    }
    (tmp_path / name).write_text(content[form], encoding="utf-8")
    with pytest.raises(VideoError):
        extract_frames(tmp_path / name, cache=tmp_path / "cache")
    assert calls == []


@pytest.fixture
def clip(tmp_path):
    av = pytest.importorskip("av", reason="videos need the extra video")
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for image in noise(20, (48, 64)):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize("fraction", [0.02, 0.5, 0.9])
def test_a_video_that_is_cut_off_raises_an_error(clip, tmp_path, fraction):
    from sklearn_diffake.datasets import VideoError, extract_frames

    content = clip.read_bytes()
    clip.write_bytes(content[: int(len(content) * fraction)])
    with pytest.raises(VideoError):
        extract_frames(clip, cache=tmp_path / "cache", n_frames=2)


CODE = "__import__('pathlib').Path('ran').touch()"


@pytest.mark.parametrize(
    "cell", [CODE, f"{{{CODE}}}", f"={CODE}", "$(touch ran)", "`touch ran`", "%(x)s", "~root/x"]
)
def test_cells_of_a_table_are_names(tmp_path, monkeypatch, cell):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").write_text(f'reference,probe\n"{cell}",b\n', encoding="utf-8")
    (pair,) = read_pairs("p.csv")
    assert pair.reference == cell
    assert Path(pair.paths[0]) == tmp_path / cell
    assert main(["compare", "-q", "--csv", "p.csv"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


def test_a_store_holds_what_is_said_of_it(tmp_path):
    """Crops of faces, embeddings, and paths of photographs with digests of their pixels."""
    paths = save_all([small_face()] * 2, tmp_path)
    store = tmp_path / "store"
    pipe = make_difffake_pipeline(BACKBONE, cache=str(store), on_missing="crop", device="cpu")
    with pytest.MonkeyPatch.context() as patch:  # a file may be remembered once it is old enough
        patch.setattr("time.time_ns", lambda: 2**62)
        crops = FaceAligner(cache=str(store), on_missing="crop", device="cpu").fit_transform(paths)
        pipe[:2].fit_transform([paths])
    (file,) = store.glob("*.sqlite")
    with sqlite3.connect(file) as connection:
        values = [row[0] for row in connection.execute("SELECT value FROM blobs")]
        files = dict(connection.execute("SELECT path, digest FROM files").fetchall())
    connection.close()
    assert any(np.asarray(crops[0]).tobytes() in value for value in values)
    assert {path.decode() for path in files} == set(paths)
    assert len(values) >= 2
    output = (Path(__file__).resolve().parents[1] / "SECURITY.md").read_text(encoding="utf-8")
    assert re.search(r"holds\s+embeddings\s+of\s+faces,\s+crops\s+of\s+faces,\s+paths", output)
