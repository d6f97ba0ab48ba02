"""Write a clip in which the face and the p-values of its frames are drawn."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.images._damage import DamageAccount
from sklearn_diffake.images._decoding import import_av
from sklearn_diffake.images.video import VideoFrame, read_accounted
from sklearn_diffake.utils._atomic_files import atomic_open
from sklearn_diffake.utils._messages import list_first
from sklearn_diffake.utils._progress import progress_bar
from sklearn_diffake.verdict._annotated_frames import FramePainter, TimedEvidence
from sklearn_diffake.verdict._evidence import ImageEvidence
from sklearn_diffake.verdict._verdict import Verdict

_CODECS = ("libx264", "mpeg4")  # the second one is in every build of FFmpeg
_TICKS = 90_000  # a second, as in MPEG


def annotate_clip(
    verdict: Verdict,
    output: str | os.PathLike[str],
    *,
    clip: str | os.PathLike[str] | None = None,
    public: bool = False,
    verbose: bool | int = False,
) -> None:
    """Write a copy of a judged clip that shows the face, and p-values over time.

    A box around the face is solid and blue where the p-value of the nearest frame that was judged
    is above the level, and dashed and orange where it is not. Between two judged frames the box
    moves evenly. Below the picture the p-values of all judged frames are drawn over time, on a
    logarithmic axis, with the level as a dashed line.

    Parameters
    ----------
    verdict : Verdict
        Of a probe that holds a clip, as `verify` returns it.
    output : str or Path
        An MP4 file, replaced atomically. It has no sound.
    clip : str or Path, default=None
        Which clip, if the probe holds several.
    public : bool, default=False
        Whether the umask determines who may read a new file; by default only its owner may.
    verbose : bool or int, default=False
        Whether to show a progress bar.

    Raises
    ------
    ValueError
        If no clip of the verdict has a judged frame, `clip` is not one of its clips, or it holds
        several and `clip` is None; or the output is one of the inputs.
    VideoError
        If the clip cannot be read any more.
    ImportError
        If PyAV is not installed (extra ``video``).

    See Also
    --------
    sklearn_diffake.verify : Judges the clip.
    ClipEvidence : What is drawn.

    Notes
    -----
    Read more in the :ref:`User Guide <verdicts>`. A p-value of one frame is less certain than that
    of the clip; the outcome rests on the clip.

    Examples
    --------
    >>> from sklearn_diffake import verify
    >>> from sklearn_diffake.verdict import annotate_clip
    >>> annotate_clip(verify("passport.jpg", "call.mp4"), "annotated.mp4")  # doctest: +SKIP
    """
    path, images = _frames_of_clip(verdict, clip)
    painter = FramePainter(verdict.outcome, verdict.level, TimedEvidence.of_images(images))
    times: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def choose_all(frame_times: NDArray[np.int64], end: int) -> list[int]:
        nonlocal times
        times = frame_times
        return list(range(len(frame_times)))

    inputs = sorted({image.path for image in verdict.images if image.path is not None})
    frames = read_accounted(path, choose_all, DamageAccount("skip"))
    with (
        atomic_open(output, inputs=inputs, public=public) as file,
        progress_bar(total=None, desc="annotating", unit="frame", verbose=verbose) as bar,
    ):
        writer = None
        for frame in frames:
            if writer is None:
                bar.total = len(times)
                writer = _ClipWriter(file, painter, frame)
            writer.write(frame)
            bar.update()
        if writer is not None:
            writer.close()


def _frames_of_clip(
    verdict: Verdict, clip: str | os.PathLike[str] | None
) -> tuple[str, list[ImageEvidence]]:
    """Return the path of a clip of the probe, and its frames that were looked at."""
    clips: dict[str, list[ImageEvidence]] = {}
    for image in verdict.images:
        if image.side == "probe" and image.frame is not None and image.path is not None:
            clips.setdefault(image.path, []).append(image)
    if not clips:
        pictures = [image.path for image in verdict.images if image.side == "probe" and image.path]
        files = f", got {list_first(pictures, n_shown=3)}" if pictures else ""
        raise ValueError(f"the probe of the verdict must be a clip in a file{files}")
    judged = [path for path, images in clips.items() if any(image.used for image in images)]
    if not judged:
        raise ValueError(f"no usable face in {list_first(sorted(clips), n_shown=3)}")
    if clip is not None:
        judged = [path for path in judged if os.path.abspath(path) == os.path.abspath(clip)]
        if not judged:
            raise ValueError(f"clip must be one of {sorted(clips)}, got {os.fspath(clip)!r}")
    if len(judged) > 1:
        raise ValueError(f"the probe holds several clips: clip must be one of {judged}")
    return judged[0], clips[judged[0]]


class _ClipWriter:
    """Encode painted frames as MP4 into a file object.

    Parameters
    ----------
    file : file object
        Open for writing bytes.
    painter : FramePainter
    first : VideoFrame
        Decides the size; all frames of a clip have the same.
    """

    def __init__(self, file: Any, painter: FramePainter, first: VideoFrame) -> None:
        self._av = import_av()
        self._painter = painter
        self._container = self._av.open(file, "w", format="mp4")
        codec = next(name for name in _CODECS if name in self._av.codecs_available)
        height, width = painter.size_of(first.image)
        stream = self._container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if codec == "libx264":
            stream.options = {"crf": "20"}
        stream.codec_context.time_base = Fraction(1, _TICKS if codec == "libx264" else 1000)
        self._stream = stream
        self._size = (height, width)
        self._last = -1

    def write(self, frame: VideoFrame) -> None:
        """Paint and encode a frame."""
        painted = self._painter.paint(frame.image, frame.number, frame.time, self._size)
        picture = self._av.VideoFrame.from_ndarray(painted, format="rgb24")
        time_base = self._stream.codec_context.time_base
        self._last = max(self._last + 1, round(frame.time / time_base))
        picture.pts, picture.time_base = self._last, time_base
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Write what the encoder has kept, and the index of the file."""
        self._container.mux(self._stream.encode())
        self._container.close()
