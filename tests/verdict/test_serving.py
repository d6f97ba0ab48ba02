"""The service of examples/serving: what it answers, what it refuses, what it leaves behind."""

import contextlib
import importlib.util
import io
import json
import logging
import os
import stat
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import pytest
from image_helpers import faces, noise
from log_helpers import log_records
from PIL import Image
from verdict_helpers import altered, fitted
from video_files import write_video

import sklearn_diffake
from sklearn_diffake import verify

pytest.importorskip("fastapi", reason="needs fastapi, of the extra serving")
pytest.importorskip("python_multipart", reason="needs python-multipart, of the extra serving")
pytest.importorskip("httpx2", reason="the test client needs httpx2")
from fastapi.testclient import TestClient

APP = Path(__file__).parents[2] / "examples" / "serving" / "app.py"
if not APP.exists():
    pytest.skip("the examples come with the sources only", allow_module_level=True)


def load_app():
    spec = importlib.util.spec_from_file_location("serving_app", APP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


app = load_app()
PHOTOS = faces(8, seed=7)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def upload(**sides):
    """Return the fields of a form, whose files have names that must not matter."""
    return [
        (name, ("../../secret_name.png", content if isinstance(content, bytes) else png(content)))
        for name, contents in sides.items()
        for content in contents
    ]


@pytest.fixture(scope="module")
def model():
    return fitted()


@contextlib.contextmanager
def serving(model, **settings):
    with TestClient(app.create_app(app.Settings(model=model, **settings))) as client:
        yield client


@pytest.fixture(scope="module")
def client(model):
    with serving(model) as client:
        yield client


def detail(response, status):
    assert response.status_code == status, response.text
    return response.json()["detail"]


def test_health_names_the_model(client, model):
    result = client.get("/health").json()
    verdict = verify(PHOTOS[0], PHOTOS[1], model=model)
    assert result == {
        "status": "ok",
        "model": verdict.model.name,
        "fingerprint": verdict.model.fingerprint,
    }


@pytest.mark.parametrize("probe", [PHOTOS[3], altered(PHOTOS[3])], ids=["genuine", "altered"])
def test_the_answer_is_the_verdict(client, model, probe):
    response = client.post("/verify", files=upload(references=PHOTOS[:2], probes=[probe]))
    assert response.status_code == 200
    expected = verify([png(p) for p in PHOTOS[:2]], png(probe), model=model)
    assert response.json() == json.loads(expected.to_json())
    assert "secret_name" not in response.text


def test_a_clip_is_judged_and_leaves_no_file(client, model, tmp_path, monkeypatch):
    frames = [np.ascontiguousarray(face[:128, :104]) for face in faces(12, seed=11)]
    path = write_video(tmp_path / "c.mp4", len(frames), images=frames, size=(104, 128))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    files = upload(references=PHOTOS[:1], probes=[path.read_bytes()])
    response = client.post("/verify", files=files)
    assert response.json()["clip"]["n_frames"] == 12
    assert not list((tmp_path / "tmp").iterdir())


def test_people_are_enrolled_verified_and_removed(model, tmp_path):
    with serving(model, people=str(tmp_path / "people")) as client:
        unexpected = client.post("/people/ann/verify", files=upload(probes=PHOTOS[4:5]))
        assert "not enrolled" in detail(unexpected, 404)
        blank = noise(1, (60, 60))[0]
        enrolled = client.put("/people/ann", files=upload(references=[*PHOTOS[:3], blank]))
        assert enrolled.json()["n_images"] == 3
        assert enrolled.json()["unused"] == ["no face was found"]
        (file,) = (tmp_path / "people").iterdir()
        if os.name == "posix":
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        result = client.post("/people/ann/verify", files=upload(probes=PHOTOS[4:5])).json()
        expected = verify(PHOTOS[:3], PHOTOS[4], model=model)
        assert result["score"] == pytest.approx(expected.score, abs=1e-6)  # another batch
        assert (result["n_references"], result["outcome"]) == (3, expected.outcome)
    with serving(model, people=str(tmp_path / "people")) as client:  # it is there after a restart
        assert client.post("/people/ann/verify", files=upload(probes=PHOTOS[4:5])).json() == result
        assert client.delete("/people/ann").status_code == 204
        assert not list((tmp_path / "people").iterdir())
        detail(client.delete("/people/ann"), 404)


def test_a_person_enrolled_with_another_model_is_enrolled_again(model, tmp_path):
    with serving(model, people=str(tmp_path)) as client:
        client.put("/people/ann", files=upload(references=PHOTOS[:1]))
    with serving(fitted(times=2), people=str(tmp_path)) as client:
        response = client.post("/people/ann/verify", files=upload(probes=PHOTOS[4:5]))
        assert "enroll" in detail(response, 409)


@pytest.mark.parametrize("person", ["..", "a.b", "a%2Fb", "a%00b", "x" * 65, "%C3%A4"])
def test_other_names_of_people_are_refused(client, person):
    response = client.put(f"/people/{person}", files=upload(references=PHOTOS[:1]))
    assert response.status_code in (404, 405, 422)


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        (png(noise(1, (60, 60))[0]), "no face was found"),
        (b"%PDF-1.7 ...", "PDF document"),
        (b"", "empty"),
        (png(PHOTOS[0])[:500], "cannot be decoded"),
    ],
    ids=["no face", "PDF", "empty", "cut off"],
)
def test_unusable_uploads_get_the_text_of_the_verdict(client, content, arguments):
    response = client.post("/verify", files=upload(references=PHOTOS[:1], probes=[content]))
    assert arguments in detail(response, 422)
    assert response.json()["verdict"]["outcome"] == "error"
    enrolled = client.put("/people/bob", files=upload(references=[content]))
    assert arguments in detail(enrolled, 422)


def test_a_missing_side_is_named(client):
    response = client.post("/verify", files=upload(probes=PHOTOS[:1]))
    assert detail(response, 422)[0]["loc"] == ["body", "references"]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_too_much_is_refused(model):
    with serving(model, upload_bytes=100_000, n_files=3, pixels=20_000) as client:
        assert client.post(
            "/verify", files=upload(references=PHOTOS[:1], probes=[bytes(110_000)])
        ).json() == {"detail": "the request has more than 100000 bytes"}
        numerous = upload(references=[b"x"] * 2, probes=[b"x"] * 2)
        assert "4 files" in detail(client.post("/verify", files=numerous), 413)
        large = png(np.zeros((150, 150, 3), np.uint8))
        response = client.post("/verify", files=upload(references=PHOTOS[:1], probes=[large]))
        assert "too large to be decoded safely" in detail(response, 422)
        fits = upload(references=PHOTOS[:1], probes=PHOTOS[1:2])
        assert client.post("/verify", files=fits).status_code == 200
    assert Image.MAX_IMAGE_PIXELS > 20_000


def test_an_upload_is_refused_while_it_arrives(model):
    sent = []

    def endless():
        yield b"--x\r\nContent-Disposition: form-data; name=probes; filename=a\r\n\r\n"
        while True:
            sent.append(1)
            assert len(sent) < 100
            yield bytes(10_000)

    async def request(service):
        chunks, answers = endless(), []

        async def receive():
            return {"type": "http.request", "body": next(chunks), "more_body": True}

        async def send(message):
            answers.append(message)

        headers = [(b"content-type", b"multipart/form-data; boundary=x")]
        scope = {"type": "http", "method": "POST", "path": "/verify", "headers": headers,
                 "query_string": b"", "root_path": "", "scheme": "http",
                 "server": ("test", 80), "client": ("test", 1), "http_version": "1.1"}  # fmt: skip
        await service(scope, receive, send)
        return answers[0]["status"]

    with serving(model, upload_bytes=50_000) as client:
        assert client.portal.call(request, client.app) == 413
    assert len(sent) < 10


@pytest.fixture
def slow(monkeypatch):
    """Let verdicts wait until the test is done with them."""
    go_on, begun = threading.Event(), []

    def wait(*args, **options):
        if args[0] is not None and isinstance(args[0], list):
            begun.append(1)
            assert go_on.wait(60)
        return verify(*args, **options)

    monkeypatch.setattr(app, "verify", wait)
    yield go_on, begun
    go_on.set()


def test_a_late_answer_is_an_error_and_what_has_not_begun_never_begins(model, slow):
    go_on, begun = slow
    files = upload(references=PHOTOS[:1], probes=PHOTOS[1:2])
    with serving(model, seconds=0.2, n_threads=1, n_waiting=5) as client:
        for _ in range(2):
            assert "after 0.2 seconds" in detail(client.post("/verify", files=files), 504)
        go_on.set()
    assert len(begun) == 1


def test_more_requests_than_may_wait_are_refused(model, slow):
    go_on, _ = slow
    files = upload(references=PHOTOS[:1], probes=PHOTOS[1:2])
    with (
        serving(model, n_threads=1, n_waiting=1) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        futures = [pool.submit(client.post, "/verify", files=files) for _ in range(4)]
        refused = as_completed(futures, timeout=60)
        assert [next(refused).result().status_code for _ in range(2)] == [503, 503]
        go_on.set()
        responses = [future.result() for future in futures]
    assert sorted(response.status_code for response in responses) == [200, 200, 503, 503]
    assert {r.headers.get("Retry-After") for r in responses} == {None, "5"}


def test_callers_at_the_same_time_get_the_same_verdicts(client):
    requests = [
        upload(references=PHOTOS[i : i + 1], probes=PHOTOS[i + 1 : i + 2]) for i in range(4)
    ]
    expected = [client.post("/verify", files=files).content for files in requests]
    with ThreadPoolExecutor(4) as pool:
        result = list(pool.map(lambda files: client.post("/verify", files=files).content, requests))
    assert result == expected


def test_the_log_has_numbers_and_no_names(client):
    with log_records(logging.INFO) as records:
        client.put("/people/ann", files=upload(references=PHOTOS[:1]))
        client.post("/people/ann/verify", files=upload(probes=PHOTOS[1:2]))
    own_values = [record.getMessage() for record in records if "diffake" in record.name]
    (line,) = [text for text in own_values if text.startswith("outcome=")]
    assert "p_value=" in line
    assert not any("ann" in text.split() or "secret" in text for text in own_values)


def test_settings_come_from_the_environment(monkeypatch):
    path = Path(sklearn_diffake.__file__).parent / "data" / "default.diffake"
    monkeypatch.setenv("DIFFAKE_MODEL", str(path))
    monkeypatch.setenv("DIFFAKE_N_FILES", "1")
    monkeypatch.setenv("DIFFAKE_SECONDS", "2.5")
    settings = app.Settings.from_environment()
    assert (settings.n_files, settings.seconds) == (1, 2.5)
    assert settings.upload_bytes == app.Settings.upload_bytes
    blank = noise(1, (60, 60))[0]
    with TestClient(app.create_app(settings)) as client:
        fingerprint = verify(blank, blank).model.fingerprint
        assert client.get("/health").json()["fingerprint"] == fingerprint
