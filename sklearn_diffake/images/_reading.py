"""Decode frames of a video by number: by seeking if that is exact, otherwise from the start.

The number of a frame is its position in the sequence that decoding the whole file gives. All ways
of reading give the same frame for the same number:

- If the container stores the time of every frame, the number is the position in the list of times.
  Each seek is checked against the list, frame by frame. At the first difference, reading restarts
  at the start of the file, and frames are identified by their time.
- Otherwise frames are counted from the start of the file. Packets give their number. A file in
  which packets are not one frame each is decoded twice, the first time to count.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.images._damage import DamageAccount
from sklearn_diffake.images._decoding import Decoder, FrameState, OpenVideo, open_video
from sklearn_diffake.images._frame_pixels import Display, read_display, to_image
from sklearn_diffake.images._packets import PacketIndex, read_index
from sklearn_diffake.images.errors import VideoError

_N_COMPARED = 4  # first frames, which must agree with the list before any seek
_MOST_SEEKS = 3  # each to an earlier key frame, before reading from the start
_N_SHORT = 150  # videos of at most so many packets are decoded to count their frames
_N_TRIAL = 48  # packets after which the numbers of packets and frames are compared
_MOST_DELAYED = 17  # frames that a decoder keeps: 16 references and the current one

#: Chooses frame numbers, given the start of each frame and the end of the last one.
Choice = Callable[[NDArray[np.int64], int], list[int]]


class DecodedFrame(NamedTuple):
    """A frame, its number and its time."""

    number: int
    time: float
    image: np.ndarray


def read_chosen(path: str, choose: Choice, account: DamageAccount) -> Iterator[DecodedFrame]:
    """Decode the frames that a function chooses.

    Parameters
    ----------
    path : str
        A video file.
    choose : callable
        Gets the times of all frames, shape (n,), ascending, and the end of the last one in the
        same unit; returns ascending numbers.
    account : DamageAccount
        Decides whether damaged frames raise an error, and collects them.

    Yields
    ------
    DecodedFrame
        In display order.
    """
    index = read_index(path)
    account.add_cut(index.summary, index.n_cut_off)
    if index.is_seekable:
        with open_video(path) as video:
            cursor = _Cursor(video, index)
            display = cursor.start()
            if display is not None:
                numbers = choose(index.times, index.end)
                remaining = yield from _read_by_seeking(cursor, numbers, display, account)
                if remaining:
                    yield from _read_by_time(path, index, remaining, display, account)
                return
    elif len(index.times) > _N_SHORT:
        display = _compare_counts(path)
        if display is not None:
            numbers = choose(index.times, index.end)
            yield from _read_by_position(path, index, numbers, display, account)
            return
    yield from _read_counted(path, choose, account)


def _read_by_seeking(
    cursor: _Cursor, numbers: list[int], display: Display, account: DamageAccount
) -> Generator[DecodedFrame, None, list[int]]:
    """Decode each frame from the key frame before it; return the numbers not reached."""
    index = cursor.index
    for i, number in enumerate(numbers):
        frame = cursor.read(number)
        if frame is None:
            return numbers[i:]
        if account.accepts(number, FrameState.GOOD):
            yield DecodedFrame(number, index.time(number), to_image(frame, display))
    return []


class _Cursor:
    """A position in a video that moves by decoding, and by seeking to key frames."""

    def __init__(self, video: OpenVideo, index: PacketIndex) -> None:
        self.index = index
        self._video = video
        self._decoder = Decoder(video)
        self._frames = self._decoder.frames()
        self._rank = -1  # of the frame that was decoded last

    def start(self) -> Display | None:
        """Decode the first frames; return None if they do not agree with the list.

        Some decoders need the first frame to read all others, so this comes before any seek. A
        damaged frame is not a disagreement.
        """
        first = frame = self._step()
        for _ in range(1, min(_N_COMPARED, len(self.index.times))):
            frame = self._step() if frame is not None else None
        if first is None or (frame is None and not self._decoder.n_damaged):
            return None
        return read_display(self._video, first)

    def read(self, number: int) -> Any | None:
        """Decode the frame of a number; return None if a frame does not agree with the list."""
        keys = self.index.keys_before(number)
        can_continue = keys[0] <= self._rank + 1 and self._rank < number
        frame = self._step() if can_continue else self._seek(keys, number)
        while frame is not None and self._rank < number:
            frame = self._step()
        return frame

    def _step(self) -> Any | None:
        """Decode the next frame; return None if the list has another one, or it is damaged."""
        frame, state = next(self._frames, (None, FrameState.GOOD))
        if state is not FrameState.GOOD or frame is None:
            return None  # its invented pixels may differ after a seek
        if frame.pts != self.index.times[self._rank + 1]:
            return None
        self._rank += 1
        return frame

    def _seek(self, keys: list[int], number: int) -> Any | None:
        """Decode a key frame from which the frame of a number can be reached."""
        for key in keys[:_MOST_SEEKS]:
            pts = int(self.index.times[key])
            self._video.container.seek(pts, stream=self._video.stream, backward=True)
            self._frames = self._decoder.frames()
            frame, state = next(self._frames, (None, FrameState.GOOD))
            start = self.index.rank(self._decoder.first_pts)
            if start in keys:
                return self._skip_to(start, frame, state)
        return None

    def _skip_to(self, start: int, frame: Any | None, state: FrameState) -> Any | None:
        """Skip frames shown before the key frame, which depend on earlier frames."""
        while frame is not None and frame.pts is not None and frame.pts < self.index.times[start]:
            frame, state = next(self._frames, (None, FrameState.GOOD))
        if frame is None or frame.pts != self.index.times[start]:
            return None
        self._rank = start
        return frame if frame.key_frame and state is FrameState.GOOD else None


def _read_by_time(
    path: str, index: PacketIndex, numbers: list[int], display: Display, account: DamageAccount
) -> Iterator[DecodedFrame]:
    """Decode the whole file, and identify frames by their times."""
    remaining = numbers[::-1]
    with open_video(path) as video:
        for frame, state in Decoder(video).frames():
            if not remaining:
                return
            number = index.rank(frame.pts)
            while number is not None and remaining and remaining[-1] < number:
                account.add_missing(remaining.pop())
            if remaining and number == remaining[-1]:
                remaining.pop()
                if account.accepts(number, state):
                    yield DecodedFrame(number, index.time(number), to_image(frame, display))
    for number in reversed(remaining):
        account.add_missing(number)


def _compare_counts(path: str) -> Display | None:
    """Decode the first frames; return None if packets are not one frame each."""
    with open_video(path) as video:
        decoder, n, display = Decoder(video), 0, None
        for frame, _ in decoder.frames():
            if n == 0 and decoder.first_pts is not None and frame.pts != decoder.first_pts:
                return None
            display = display or read_display(video, frame)
            n += 1
            if decoder.n_packets >= _N_TRIAL:
                break
        is_equal = 0 <= decoder.n_packets - n <= _MOST_DELAYED and not decoder.n_refused
        return display if is_equal else None


def _read_by_position(
    path: str, index: PacketIndex, numbers: list[int], display: Display, account: DamageAccount
) -> Iterator[DecodedFrame]:
    """Decode from the start and count."""
    counted = yield from _count_to(path, numbers, index.time, display, account)
    missing = [number for number in numbers if number >= counted.total]
    if counted.n_refused:
        for number in missing:
            account.add_missing(number)
    elif missing:  # fewer frames than packets: take the last ones instead
        first = max((n for n in numbers if n < counted.total), default=-1) + 1
        replacements = list(range(first, counted.total))[-len(missing) :]
        yield from _count_to(path, replacements, index.time, display, account)


class _Counted(NamedTuple):
    """Number of frames counted, and of packets refused meanwhile."""

    total: int
    n_refused: int


def _count_to(
    path: str,
    numbers: list[int],
    time: Callable[[int], float],
    display: Display,
    account: DamageAccount,
) -> Generator[DecodedFrame, None, _Counted]:
    """Decode up to the last of some numbers."""
    requested, last, position = set(numbers), max(numbers, default=-1), -1
    with open_video(path) as video:
        decoder = Decoder(video)
        for position, (frame, state) in enumerate(decoder.frames()):
            if position in requested and account.accepts(position, state):
                yield DecodedFrame(position, time(position), to_image(frame, display))
            if position >= last:
                break
        return _Counted(position + 1, decoder.n_refused)


class _Count(NamedTuple):
    """Times and numbers of all frames, from decoding the whole file."""

    times: NDArray[np.int64]
    end: int
    seconds: float  # length of a unit of the times
    display: Display
    n_refused: int


def _read_counted(path: str, choose: Choice, account: DamageAccount) -> Iterator[DecodedFrame]:
    """Decode the whole file to count its frames, and again up to the last requested one."""
    count = _count_all(path)
    account.add_refused(count.n_refused)
    first = int(count.times[0])

    def time(number: int) -> float:
        return float(count.times[number] - first) * count.seconds

    numbers = choose(count.times, count.end)
    yield from _count_to(path, numbers, time, count.display, account)


def _count_all(path: str) -> _Count:
    pts, display = array("q"), None
    in_order = True
    with open_video(path) as video:
        decoder = Decoder(video)
        for frame, _ in decoder.frames():
            display = display or read_display(video, frame)
            in_order &= frame.pts is not None and (not pts or frame.pts > pts[-1])
            pts.append(frame.pts if in_order else 0)
        if display is None:
            raise VideoError("damaged: none of its frames can be decoded")
        seconds, rate = float(video.stream.time_base or 0), video.frame_rate
    times = np.array(pts, dtype=np.int64)
    if not in_order:
        times, seconds = np.arange(len(pts), dtype=np.int64), 1 / rate
    gap = int(np.median(np.diff(times))) if len(times) > 1 else 1
    return _Count(times, int(times[-1]) + gap, seconds, display, decoder.n_refused)
