"""A web service that answers with verdicts: pictures and clips are uploaded, JSON comes back.

    uvicorn --factory app:create_app --no-access-log --limit-concurrency 32

=======  ========================  =====================================================
PUT      /people/{person}          enroll `references` of a person, to be used later
DELETE   /people/{person}          forget them
POST     /people/{person}/verify   judge `probes` against the enrolled references
POST     /verify                   judge `probes` against `references` of the same request
GET      /health                   whether it is ready, and with which model
=======  ========================  =====================================================

Settings are the attributes of `Settings`, read from environment variables such as
``DIFFAKE_UPLOAD_BYTES``. Who may call the service is not checked here: put it behind something
that does. Pictures are neither logged nor kept.
"""

import asyncio
import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, FastAPI, File, HTTPException, Request, Response, UploadFile
from fastapi import Path as PathParameter
from fastapi.responses import JSONResponse
from PIL import Image

from sklearn_diffake import Reference, Verdict, persistence, verify
from sklearn_diffake.faces import ImageError

logger = logging.getLogger("diffake.serving")
router = APIRouter()


@dataclass(frozen=True)
class Settings:
    """What the service uses, and how much it takes.

    Attributes
    ----------
    model : Pipeline, str or None
        Fitted, or a file of one; None is the model that comes with the package.
    people : str or None
        Folder of enrolled references; None is a temporary one that is removed at the end.
    upload_bytes : int
        Bytes of one request.
    n_files : int
        Files of one request.
    pixels : int
        Pixels of a picture; frames of clips have the limit of the package.
    n_frames : int
        Frames of a clip that are looked at.
    seconds : float
        After this time the caller gets an answer; the computation goes on, and holds its thread.
    n_threads, n_waiting : int
        Requests that are computed at the same time, and those that may wait for them.
    """

    model: Any = None
    people: str | None = None
    upload_bytes: int = 32 * 2**20
    n_files: int = 16
    pixels: int = 40_000_000
    n_frames: int = 24
    seconds: float = 30.0
    n_threads: int = 2
    n_waiting: int = 8

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read each setting from ``DIFFAKE_`` and its name in capitals, where that is set."""
        values = {}
        for field in fields(cls):
            if text := os.environ.get(f"DIFFAKE_{field.name.upper()}"):
                kind = str if field.default is None else type(field.default)
                values[field.name] = kind(text)
        return cls(**values)


class UploadLimit:
    """Middleware that refuses a request as soon as more bytes than the limit have arrived."""

    def __init__(self, app: Any, n_bytes: int) -> None:
        self.app, self.n_bytes = app, n_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        n_received = 0

        async def receive_limited() -> Any:
            nonlocal n_received
            message = await receive()
            n_received += len(message.get("body", b""))
            if n_received > self.n_bytes:
                raise HTTPException(413, f"the request has more than {self.n_bytes} bytes")
            return message

        await self.app(scope, receive_limited, send)


class Workers:
    """Threads for computations: few run, some wait, more are refused."""

    def __init__(self, settings: Settings) -> None:
        self.pool = ThreadPoolExecutor(settings.n_threads, thread_name_prefix="verdict")
        self.slots = threading.Semaphore(settings.n_threads + settings.n_waiting)
        self.seconds = settings.seconds

    async def run(self, function: Callable[[], Any]) -> Any:
        """Return what a function returns; one that has not begun in time never begins."""
        if not self.slots.acquire(blocking=False):
            raise HTTPException(503, "all threads are busy", headers={"Retry-After": "5"})
        future = self.pool.submit(function)
        future.add_done_callback(lambda _: self.slots.release())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.seconds)
        except TimeoutError:
            message = f"there was no result after {self.seconds:g} seconds"
            raise HTTPException(504, message) from None


class People:
    """Enrolled references: one file for each person, readable by the service alone."""

    def __init__(self, folder: str, model: Any) -> None:
        self.folder, self.model = Path(folder), model
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def enroll(self, person: str, pictures: list[bytes], n_frames: int) -> Reference:
        reference = Reference(pictures, self.model, n_frames=n_frames)
        reference.save(self._path(person))
        return reference

    def find(self, person: str) -> Reference:
        try:
            return Reference.load(self._path(person), self.model)
        except FileNotFoundError:
            raise HTTPException(404, "this person is not enrolled") from None
        except ValueError as error:  # such as that of another model
            raise HTTPException(409, f"enroll this person again: {error}") from None

    def remove(self, person: str) -> None:
        try:
            self._path(person).unlink()
        except FileNotFoundError:
            raise HTTPException(404, "this person is not enrolled") from None

    def _path(self, person: str) -> Path:
        return self.folder / f"{person}.safetensors"  # the route admits no dots and slashes


class Service:
    """The model, loaded once, and what is needed around it."""

    def __init__(self, settings: Settings, folder: str) -> None:
        self.settings = settings
        model = settings.model  # a file would be read again by every call
        self.model = persistence.load(model) if isinstance(model, str) else model
        self.people = People(settings.people or folder, self.model)
        self.workers = Workers(settings)
        gray = np.full((64, 64, 3), 128, dtype=np.uint8)
        self.info = self._verify(gray, gray).model  # and the face detector is warm

    async def read(self, *sides: list[UploadFile]) -> list[list[bytes]]:
        """Return the contents of the files of each side; their names are not looked at."""
        n_files = sum(len(side) for side in sides)
        if n_files > self.settings.n_files:
            raise HTTPException(
                413, f"the request has {n_files} files, expected at most {self.settings.n_files}"
            )
        return [[await file.read() for file in side] for side in sides]

    async def answer(self, find_reference: Callable[[], Any], probes: list[bytes]) -> Response:
        """Judge probes, and log the numbers."""
        start = time.perf_counter()
        verdict = await self.workers.run(lambda: self._verify(find_reference(), probes))
        logger.info(
            "outcome=%s p_value=%s category=%s model=%.12s seconds=%.3f",
            verdict.outcome,
            verdict.p_value,
            verdict.category,
            self.info.fingerprint,
            time.perf_counter() - start,
        )
        if verdict.outcome != "error":
            return Response(verdict.to_json(), media_type="application/json")
        content = {"detail": verdict.reason, "verdict": json.loads(verdict.to_json())}
        return JSONResponse(content, status_code=422)

    def _verify(self, reference: Any, probe: Any) -> Verdict:
        return verify(reference, probe, model=self.model, n_frames=self.settings.n_frames)


def get_service(request: Request) -> Service:
    return request.app.state.service


Files = Annotated[list[UploadFile], File()]
Person = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
TheService = Annotated[Service, Depends(get_service)]


@router.get("/health")
async def health(service: TheService) -> dict[str, str]:
    return {"status": "ok", "model": service.info.name, "fingerprint": service.info.fingerprint}


@router.post("/verify")
async def verify_pictures(service: TheService, references: Files, probes: Files) -> Response:
    reference, probe = await service.read(references, probes)
    return await service.answer(lambda: reference, probe)


@router.put("/people/{person}")
async def enroll(service: TheService, person: Person, references: Files) -> dict[str, Any]:
    (pictures,) = await service.read(references)
    n_frames = service.settings.n_frames
    reference = await service.workers.run(lambda: service.people.enroll(person, pictures, n_frames))
    unused = [image.reason for image in reference.images if not image.used]
    return {"n_images": reference.n_images, "fingerprint": reference.fingerprint, "unused": unused}


@router.post("/people/{person}/verify")
async def verify_person(service: TheService, person: Person, probes: Files) -> Response:
    (probe,) = await service.read(probes)
    return await service.answer(lambda: service.people.find(person), probe)


@router.delete("/people/{person}", status_code=204)
async def remove(service: TheService, person: Person) -> None:
    service.people.remove(person)


async def image_error(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=422)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the service; the model is loaded when it starts, before the first request."""
    settings = settings or Settings.from_environment()
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s")  # unless it is set up already
    logger.setLevel(logging.INFO)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        limit_before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = settings.pixels // 2  # Pillow warns here, and refuses the double
        with tempfile.TemporaryDirectory() as folder:
            service = app.state.service = Service(settings, folder)
            yield
            service.workers.pool.shutdown(cancel_futures=True)
        Image.MAX_IMAGE_PIXELS = limit_before

    app = FastAPI(title="sklearn-diffake", lifespan=lifespan)
    app.add_middleware(UploadLimit, n_bytes=settings.upload_bytes)
    app.add_exception_handler(ImageError, image_error)
    app.include_router(router)
    return app
