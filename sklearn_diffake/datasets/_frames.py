"""Frames of a video as picture files, extracted once."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from sklearn_diffake.datasets._crop_key import crop_key
from sklearn_diffake.datasets._tracks import follow_face
from sklearn_diffake.images.errors import VideoError
from sklearn_diffake.images.video import DamageAccount, OnDamage, evenly_spaced, read_accounted
from sklearn_diffake.utils._atomic_files import (
    atomic_write,
    errors_with_path,
    private_file,
    private_folder,
)
from sklearn_diffake.utils._json import json_text
from sklearn_diffake.utils._progress import log_step, progress_bar

_logger = logging.getLogger(__name__)
_FORMAT = 2  # raised whenever other pictures would come out of the same video
_MARGIN = 0.65  # kept around a face on every side, in face widths
_INDEX = "frames.json"
_STEM_BYTES = 60  # of the title of a video; file systems limit the bytes of a name

Crop = Literal["face"] | Callable[[np.ndarray], Any] | None


class Extraction(NamedTuple):
    """How frames are taken from a video, see `extract_frames`."""

    n_frames: int
    crop: Crop = None
    on_damage: OnDamage = "raise"


class Frames(NamedTuple):
    """Frames of one video.

    Attributes
    ----------
    paths : list of str
        PNG files, one per frame.
    numbers : list of int
        Number of each frame in the video, from 0.
    times : list of float
        Seconds from the first frame of the video to each.
    n_without_face : int
        Frames that were left out because the face was not found.
    n_lost : int
        Frames that were left out because they cannot be decoded, and those that are missing at
        the end of a file that is cut off.

    See Also
    --------
    extract_frames : Makes them.

    Examples
    --------
    >>> from sklearn_diffake.datasets import Frames
    >>> frames = Frames(["000000.png", "000012.png"], [0, 12], [0.0, 0.5], n_without_face=0)
    >>> frames.times[-1]
    0.5
    """

    paths: list[str]
    numbers: list[int]
    times: list[float]
    n_without_face: int
    n_lost: int = 0


def extract_frames(
    video: str | os.PathLike[str],
    *,
    cache: str | os.PathLike[str] | None = None,
    n_frames: int = 16,
    crop: Crop = None,
    on_damage: OnDamage = "raise",
    verbose: int = 0,
) -> Frames:
    """Store frames of a video as PNG files, or find those stored before.

    Parameters
    ----------
    video : str or Path
        A video file in any format that FFmpeg reads, or an animated GIF, PNG or WebP; its name
        does not matter. It counts as another one when its path, size or time of change differ.
    cache : str or Path, default=None
        Folder of the pictures. None stands for ``sklearn_diffake_frames`` in scikit-learn's data
        home, see :func:`sklearn.datasets.get_data_home`. It only grows: delete it when the
        frames are no longer needed.
    n_frames : int, default=16
        Number of frames, evenly spaced in time over the whole video; all if it has fewer.
    crop : "face", callable or None, default=None
        With ``"face"``, MTCNN looks for faces, one person is followed by :func:`.follow_face`,
        and only the square around that person's face is stored; frames without it are left out.
        A callable takes an RGB image of shape (H, W, 3) and returns the boxes of its faces,
        array-like of shape (k, 4); it counts as another one when its name, its code, its
        defaults or the values it was made with differ, but not when a global value or a file
        that it reads does. None stores whole frames.
    on_damage : {"raise", "skip"}, default="raise"
        What to do where the file is cut off, or a frame cannot be decoded without fault:
        ``"skip"`` leaves such frames out and counts them in ``n_lost``.
    verbose : int, default=0
        Show a progress bar; with 2 also say what was stored, or found stored before.

    Returns
    -------
    Frames
        Paths, numbers and times of the frames. A folder of pictures appears whole or not at all,
        and several processes may work on one `cache`.

    Raises
    ------
    VideoError
        If the video cannot be read, or with `crop`, if no frame shows a face. Its attributes
        ``path`` and ``frame`` name the file, and the frame if it is about one.
    ImportError
        If PyAV (extra ``video``) is not installed.

    Warns
    -----
    UserWarning
        With ``on_damage="skip"``, if frames are lost.

    See Also
    --------
    load_video_table : Pairs of frames of many videos.

    Examples
    --------
    >>> import av
    >>> import numpy as np
    >>> from sklearn_diffake.datasets import extract_frames
    >>> with av.open("clip.mp4", "w") as file:                    # two seconds, ever brighter
    ...     stream = file.add_stream("mpeg4", rate=10)
    ...     stream.width, stream.height = 64, 48
    ...     for level in range(0, 200, 10):
    ...         image = np.full((48, 64, 3), level, dtype=np.uint8)
    ...         file.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
    ...     file.mux(stream.encode())
    >>> frames = extract_frames("clip.mp4", cache="frames", n_frames=4)
    >>> frames.numbers, frames.times[0]
    ([2, 7, 12, 17], 0.2)
    """
    frames = store_frames(video, cache, Extraction(n_frames, crop, on_damage), verbose)
    if frames.n_lost:
        counted = "1 frame is" if frames.n_lost == 1 else f"{frames.n_lost} frames are"
        warnings.warn(
            f"{os.fspath(video)}: {counted} damaged or missing, and left out",
            UserWarning,
            stacklevel=2,
        )
    return frames


def store_frames(
    video: str | os.PathLike[str],
    cache: str | os.PathLike[str] | None,
    extraction: Extraction,
    verbose: int = 0,
) -> Frames:
    """Do what `extract_frames` does, and leave the warning to the caller."""
    folder = _frames_folder(video, cache, extraction)
    frames = _find_frames(folder)
    if frames is None:
        frames = _extract_to(folder, video, extraction, verbose)
        message = "%s: stored %d frames in %s, %d without a face left out"
    else:
        message = "%s: found %d frames in %s, %d without a face left out"
    name = os.path.basename(os.fspath(video))
    log_step(_logger, verbose, message, name, len(frames.paths), folder, frames.n_without_face)
    if not frames.paths:
        raise VideoError(f"no face was found in any of {frames.n_without_face} frames", path=video)
    return frames


def _extract_to(
    folder: Path, video: str | os.PathLike[str], extraction: Extraction, verbose: int
) -> Frames:
    """Store the frames of a video; none of them if no face is found."""
    private_folder(folder.parent)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder.parent) as temporary:
        work = Path(temporary, "frames")
        work.mkdir(0o700)
        with errors_with_path(folder):
            _write_frames(work, video, extraction, verbose)
            _publish(work, folder)
    frames = _find_frames(folder)
    if frames is None:
        raise OSError(f"{folder} was changed by another program while frames were written to it.")
    return frames


def default_cache() -> str:
    """Return the folder of frames in scikit-learn's data home."""
    from sklearn.datasets import get_data_home

    return os.path.join(get_data_home(), "sklearn_diffake_frames")


def _frames_folder(
    video: str | os.PathLike[str], cache: str | os.PathLike[str] | None, extraction: Extraction
) -> Path:
    """Name the folder of a video's frames by all that they depend on."""
    path = os.path.abspath(os.fspath(video))
    try:
        status = os.stat(path)
    except OSError:
        raise VideoError("no such file", path=path) from None
    change_time = max(status.st_mtime_ns, status.st_ctime_ns)  # copying tools set the former back
    n_frames, crop, on_damage = extraction
    key = [_FORMAT, path, status.st_size, change_time, n_frames, crop_key(crop)]
    key += [_MARGIN if crop else None, on_damage]
    digest = hashlib.blake2b(json.dumps(key).encode(), digest_size=10).hexdigest()
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in Path(path).stem)
    stem = stem.encode("utf-8", "replace")[:_STEM_BYTES].decode("utf-8", "ignore")
    return Path(default_cache() if cache is None else cache).absolute() / f"{stem}-{digest}"


def _find_frames(folder: Path) -> Frames | None:
    """Return the frames of a folder if they are all there."""
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        if any(name != _frame_name(int(name[:-4])) for name in index["names"]):
            return None  # a picture elsewhere
        paths = [str(folder / name) for name in index["names"]]
        sizes = [os.path.getsize(path) for path in paths]
        if sizes == index["sizes"]:
            return Frames(
                paths, index["numbers"], index["times"], index["n_without_face"], index["n_lost"]
            )
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _write_frames(
    work: Path, video: str | os.PathLike[str], extraction: Extraction, verbose: int
) -> None:
    """Write pictures and their index into a folder."""
    from PIL import Image

    numbers, times, boxes = [], [], []
    n_frames, crop, on_damage = extraction
    damage_account = DamageAccount(on_damage)
    detect = _detect_by_mtcnn if crop == "face" else crop
    with progress_bar(total=n_frames, desc="reading", unit="frame", verbose=verbose) as bar:
        for frame in read_accounted(video, evenly_spaced(n_frames), damage_account):
            _save_frame(Image.fromarray(frame.image), work, frame.number)
            numbers.append(frame.number)
            times.append(frame.time)
            if callable(detect):
                boxes.append(np.asarray(detect(frame.image), dtype=np.float64).reshape(-1, 4))
            bar.update()
    positions = list(range(len(numbers)))
    if crop is not None:
        positions = _crop_faces(work, numbers, boxes)
    names = [_frame_name(numbers[i]) for i in positions]
    index = {
        "names": names,
        "sizes": [os.path.getsize(work / name) for name in names],
        "numbers": [numbers[i] for i in positions],
        "times": [times[i] for i in positions],
        "n_without_face": len(numbers) - len(positions),
        "n_lost": damage_account.n_lost,
    }
    atomic_write(work / _INDEX, json_text(index).encode())


def _crop_faces(work: Path, numbers: list[int], boxes: list[np.ndarray]) -> list[int]:
    """Crop the face of one person from every picture; return the positions of these pictures."""
    from PIL import Image

    positions = []
    for i, face in enumerate(follow_face(boxes)):
        path = work / _frame_name(numbers[i])
        if face is None:
            path.unlink()
            continue
        left, top, right, bottom = boxes[i][face]
        half = max(right - left, bottom - top) * (0.5 + _MARGIN)
        x, y = (left + right) / 2, (top + bottom) / 2
        with Image.open(path) as image:
            left, top = round(max(x - half, 0)), round(max(y - half, 0))
            right, bottom = round(min(x + half, image.width)), round(min(y + half, image.height))
            if right <= left or bottom <= top:
                raise VideoError("the face in this frame lies outside of it", frame=numbers[i])
            face_image = image.crop((left, top, right, bottom))
        _save_frame(face_image, work, numbers[i])
        positions.append(i)
    return positions


def _frame_name(number: int) -> str:
    return f"{number:06d}.png"


def _save_frame(image: Any, work: Path, number: int) -> None:
    path = work / _frame_name(number)
    path.unlink(missing_ok=True)
    with private_file(path) as file:  # level 1 is lossless, and three times as fast as 6
        image.save(file, format="PNG", compress_level=1)


def _publish(work: Path, folder: Path) -> None:
    """Move a finished folder to its place, unless another process was faster."""
    for _ in range(3):
        try:
            os.rename(work, folder)
            return
        except OSError:
            if _find_frames(folder) is not None:
                return
            shutil.rmtree(folder, ignore_errors=True)  # a damaged one is in the way
    os.rename(work, folder)


def _detect_by_mtcnn(image: np.ndarray) -> np.ndarray:
    """Find the faces of one frame, as FaceAligner does by default."""
    from sklearn_diffake.faces._detection import detect_faces
    from sklearn_diffake.utils._device import resolve_device

    detections = detect_faces(
        [image],
        min_face_size=0.08,
        min_probability=0.9,
        max_size=1024,
        device=resolve_device("auto"),
    )
    return detections[0].boxes
