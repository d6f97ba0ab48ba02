"""Weights are downloaded whole and checked, or not at all."""

import dataclasses
import hashlib
import http.server
import threading

import pytest
import torch.hub

from sklearn_diffake.cli import _doctor
from sklearn_diffake.embedding import fetch_weights
from sklearn_diffake.embedding.backbones import _fetch, names

NAME, FILE = "facenet-vggface2", "20180402-114759-vggface2.pt"
CONTENT = bytes(range(256)) * 2000


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends the first bytes of the content, or an error."""

    def do_GET(self):
        self.server.requests.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: self.server.n_bytes])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server in place of the release, and an empty cache."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.status, server.n_bytes, server.requests = 200, len(CONTENT), []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        download = dataclasses.replace(
            _fetch.DOWNLOADS[NAME],
            url=f"http://127.0.0.1:{server.server_port}/{FILE}",
            sha256=hashlib.sha256(CONTENT).hexdigest(),
        )
        monkeypatch.setitem(_fetch.DOWNLOADS, NAME, download)
        yield server
        server.shutdown()
        thread.join()


def kept_files(folder):
    return [path.name for path in (folder / "checkpoints").glob("*")]


@pytest.mark.parametrize("verbose", [0, 1])
def test_weights_are_downloaded_once(server, tmp_path, capsys, verbose):
    path = fetch_weights(NAME, verbose=verbose)
    assert path == tmp_path / "checkpoints" / FILE
    assert path.read_bytes() == CONTENT
    assert ("100%" in capsys.readouterr().err) == bool(verbose)
    assert fetch_weights(NAME) == path
    assert server.requests == [f"/{FILE}"]
    assert kept_files(tmp_path) == [FILE]


def test_of_an_interrupted_download_nothing_is_kept(server, tmp_path):
    server.n_bytes = 100_000
    with pytest.raises(ValueError, match=r"is incomplete, or is another file, and was not kept"):
        fetch_weights(NAME, verbose=0)
    assert kept_files(tmp_path) == []
    server.n_bytes = len(CONTENT)
    assert fetch_weights(NAME, verbose=0).read_bytes() == CONTENT


def test_ctrl_c_keeps_nothing(server, tmp_path, monkeypatch):
    class Interrupted:
        def __init__(self, **settings):
            raise KeyboardInterrupt

    monkeypatch.setattr(torch.hub, "tqdm", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch_weights(NAME)
    assert kept_files(tmp_path) == []


def test_a_file_with_another_checksum_is_not_kept(server, tmp_path, monkeypatch):
    wrong = dataclasses.replace(_fetch.DOWNLOADS[NAME], sha256="0" * 64)
    monkeypatch.setitem(_fetch.DOWNLOADS, NAME, wrong)
    with pytest.raises(ValueError, match=hashlib.sha256(CONTENT).hexdigest()):
        fetch_weights(NAME, verbose=0)
    assert kept_files(tmp_path) == []


def test_another_file_in_its_place_is_refused_and_stays(server, tmp_path):
    path = tmp_path / "checkpoints" / FILE
    path.parent.mkdir()
    path.write_bytes(b"my own")
    with pytest.raises(ValueError, match=r"its SHA-256 is .*Remove it, and fetch it again"):
        fetch_weights(NAME, verbose=0)
    assert path.read_bytes() == b"my own"
    assert server.requests == []


def test_an_error_of_the_server_says_where_to_put_the_file(server, tmp_path):
    server.status = 404
    with pytest.raises(
        FileNotFoundError, match=r"could not be downloaded \(HTTP Error 404"
    ) as caught:
        fetch_weights(NAME, verbose=0)
    assert str(tmp_path / "checkpoints" / FILE) in str(caught.value)
    assert kept_files(tmp_path) == []


@pytest.mark.parametrize("name", ["facenet-vggface", "facenet-casia-webface", "dlib-resnet"])
def test_a_name_without_a_checksum_is_refused(server, name):
    with pytest.raises(ValueError, match=r"has no weights to fetch.*facenet-vggface2"):
        fetch_weights(name)
    assert server.requests == []


def test_each_download_is_that_of_a_backbone():
    assert set(_fetch.DOWNLOADS) <= set(names())
    for download in _fetch.DOWNLOADS.values():
        assert download.url.startswith("https://")
        assert (download.sha256 is None) == (download.size is None)


def test_doctor_names_missing_weights(server, tmp_path):
    (check,) = _doctor._check_downloads()
    assert (check.name, check.state) == ("weights facenet-vggface2", "absent")
    assert "(112 MB): sklearn_diffake.embedding.fetch_weights('facenet-vggface2')" in check.detail
    path = fetch_weights(NAME, verbose=0)
    (check,) = _doctor._check_downloads()
    assert (check.state, check.detail) == ("ok", f"{path}, as released")
    path.write_bytes(b"cut off")
    (check,) = _doctor._check_downloads()
    assert check.state == "failed"
    assert "Remove it" in check.detail


@pytest.mark.parametrize("name", [None, 3, "sphereface", ["facenet-vggface2"]])
def test_a_name_without_weights_is_a_clear_error(name):
    with pytest.raises(ValueError, match="has no weights to fetch: expected one of facenet-"):
        fetch_weights(name)
