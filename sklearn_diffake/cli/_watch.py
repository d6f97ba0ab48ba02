"""The command ``watch``: verdicts on the files of a folder, or on a stream, as they arrive."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sklearn_diffake.cli._exit_codes import code_of_outcomes
from sklearn_diffake.cli._judge import load_model, quietly, set_everywhere, with_name
from sklearn_diffake.cli._options import (
    add_abstain,
    add_frames,
    add_reference,
    add_trust,
    check_video,
    computing,
    files_in,
    positive_number,
)
from sklearn_diffake.cli._pairs import Pair
from sklearn_diffake.cli._verdict_printer import colored_outcome, escape_names, p_text, print_line
from sklearn_diffake.cli._verdict_rows import encodable, flat_row
from sklearn_diffake.cli._watch_log import JudgedFile, WatchLog
from sklearn_diffake.cli._watched_folder import Stamp, WatchedFolder
from sklearn_diffake.utils._json import json_text
from sklearn_diffake.utils._messages import printable
from sklearn_diffake.utils._progress import write_line

if TYPE_CHECKING:
    from sklearn_diffake.verdict import Reference, Verdict

WATCH_HELP = """\
examples:
  sklearn-diffake watch inbox/ --reference passport.jpg card.jpg --jsonl verdicts.jsonl
  sklearn-diffake watch --camera 0 --reference passport.jpg card.jpg
  sklearn-diffake watch rtsp://camera.local/stream --reference passport.jpg --every 1 --window 12
  sklearn-diffake watch call.mp4 --reference passport.jpg card.jpg --json

A folder: every picture and video in it and in its folders is judged by itself as soon as it is
complete. A file that cannot be judged is reported, and the watch goes on. With --jsonl FILE of an
earlier run, files that it judged are not judged again if they, the reference, the model and the
options are the same; the exit code counts their verdicts too.

A camera, a network stream, or a video file that is played: a frame is taken every --every seconds,
and after every --step frames there is a verdict on the last --window of them. Each p-value is valid
for its window. Over hours there are many windows: at a level of 5 %, about one in twenty windows of
a genuine stream is suspicious by chance.

Ctrl-C ends the watch, with a summary. Videos, cameras and streams need the extra video.
"""
_SETTLE, _POLL, _INTERVAL = 2.0, 1.0, 0.5  # seconds


def add_watch_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what the command takes."""
    _add_inputs(parser.add_argument_group("what is watched"))
    _add_rules(parser.add_argument_group("how it is judged"))
    results = parser.add_argument_group("results")
    results.add_argument("--json", action="store_true", help="write one JSON object a line")
    results.add_argument(
        "--jsonl", metavar="FILE", help="add these lines to FILE too, which may be an earlier one"
    )


def _add_inputs(inputs: Any) -> None:
    inputs.add_argument(
        "source", nargs="?", metavar="PROBE", help="a folder, a video, or an address (rtsp://...)"
    )
    inputs.add_argument(
        "--camera", metavar="NUMBER", help="a camera of this computer; on Windows its name"
    )
    add_reference(inputs)
    inputs.add_argument(
        "--new-only", action="store_true", help="leave out the files that are in the folder already"
    )
    inputs.add_argument(
        "--settle",
        type=seconds,
        default=_SETTLE,
        metavar="S",
        help="a file is complete when it was not changed for so many seconds (default: 2)",
    )
    inputs.add_argument(
        "--duration", type=seconds, metavar="S", help="end after so many seconds (default: never)"
    )


def _add_rules(options: Any) -> None:
    options.add_argument(
        "--model", metavar="MODEL", help="file that fit has saved (default: the packaged model)"
    )
    add_trust(options)
    add_frames(options)
    add_abstain(options)
    options.add_argument(
        "--every",
        type=seconds,
        default=_INTERVAL,
        metavar="S",
        help="seconds between two frames of a stream (default: 0.5)",
    )
    options.add_argument(
        "--window",
        type=positive_number,
        default=24,
        metavar="N",
        help="frames of a stream that a verdict is about (default: 24)",
    )
    options.add_argument(
        "--step",
        type=positive_number,
        default=4,
        metavar="N",
        help="frames of a stream from one verdict to the next (default: 4)",
    )


def seconds(text: str) -> float:
    """Read a time in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def watch_command(args: argparse.Namespace) -> int:
    """Judge files or windows of a stream as they arrive."""
    _check_arguments(args)
    inputs = [*args.reference, *([args.model] if args.model else []), *files_in(args.reference)]
    inputs += [args.source] if args.source and os.path.isfile(args.source) else []
    log = WatchLog(args.jsonl, inputs)
    with contextlib.redirect_stdout(sys.stderr):  # libraries may print, which is no result
        reference = _enroll(args)
    rules = _rules(args, reference)
    writer = _VerdictWriter(args, log, rules)
    try:
        if args.source and os.path.isdir(args.source):
            _watch_folder(args, reference, writer, log.judged_files(rules))
        else:
            _watch_stream(args, reference, writer)
    except BaseException as error:
        if writer.all_outcomes or isinstance(error, KeyboardInterrupt):  # how most watches end
            writer.print_summary()
        raise
    writer.print_summary()
    return code_of_outcomes(writer.all_outcomes)


def _check_arguments(args: argparse.Namespace) -> None:
    if not args.reference:
        raise ValueError("--reference is missing: give pictures of the trusted person")
    if (args.source is None) == (args.camera is None):
        raise ValueError("give one thing to watch: a folder, a video, an address, or --camera 0")
    if args.step > args.window:
        raise ValueError(f"--step {args.step} is more than --window {args.window}")
    from sklearn_diffake.images.live import is_address

    if args.source is None or is_address(args.source) or os.path.isdir(args.source):
        return
    check_video(args.source)


def _enroll(args: argparse.Namespace) -> Reference:
    from sklearn_diffake.verdict import Reference

    args.mode = "reference"
    model = load_model(args)
    set_everywhere(model, **(computing(args) | {"verbose": 0}))
    frames = {} if args.frames is None else {"n_frames": args.frames}
    return Reference(args.reference, with_name(model, args), **frames)


def _rules(args: argparse.Namespace, reference: Reference) -> dict[str, Any]:
    """Return what decides a verdict besides the probe, as columns of a row."""
    template = reference.template_for(reference.model)
    images = zip(template.sources.tolist(), template.digests, strict=True)
    content = [(source, None if digest is None else digest.hex()) for source, digest in images]
    return {
        "reference": encodable(" | ".join(args.reference)),
        "reference_checksum": hashlib.sha256(json_text(content).encode()).hexdigest(),
        "model_fingerprint": reference.fingerprint,
        "abstain": args.abstain,
        "frames": args.frames,
    }


class _VerdictWriter:
    """Shows and keeps verdicts, and counts them."""

    def __init__(self, args: argparse.Namespace, log: WatchLog, rules: dict[str, Any]) -> None:
        self._as_json, self._quiet = args.json, args.quiet
        self._log, self._rules = log, rules
        self._reference = " | ".join(args.reference)
        self._start = time.monotonic()
        self._limit = float("inf") if args.duration is None else self._start + args.duration
        self.outcomes: Counter[str] = Counter()
        self.earlier_outcomes: Counter[str] = Counter()  # of files that are not judged again
        escape_names()

    @property
    def all_outcomes(self) -> set[str]:
        """Outcomes of this run, and of the files that it did not judge again."""
        return set(self.outcomes + self.earlier_outcomes)

    @property
    def is_over(self) -> bool:
        """Whether the duration has passed."""
        return time.monotonic() >= self._limit

    def pause(self, duration: float) -> None:
        """Wait, but not past the end of the watch."""
        time.sleep(max(0.0, min(duration, self._limit - time.monotonic())))

    def add(self, probe: str, verdict: Verdict, **location: Any) -> None:
        """Show and keep one verdict."""
        pair = Pair(self._reference, probe, (self._reference, probe))
        row = location | flat_row(pair, verdict) | self._rules
        self._log.add(row)
        self.outcomes[verdict.outcome] += 1  # first, so that the summary counts what is shown
        print_line(json_text(row) if self._as_json else _text(probe, verdict, location))

    def print_summary(self) -> None:
        """Write to standard error how many verdicts of which outcome there were."""
        if self._quiet:
            return
        sys.stdout.flush()
        n_earlier = sum(self.earlier_outcomes.values())
        if n_earlier:
            files = "1 file was" if n_earlier == 1 else f"{n_earlier:,} files were"
            write_line(f"{files} judged in an earlier run: {_counts(self.earlier_outcomes)}")
        n_errors = self.outcomes["error"]
        not_judged = f"; {n_errors:,} could not be judged" if n_errors else ""
        total = sum(self.outcomes.values())
        duration = time.monotonic() - self._start
        unit = "verdict" if total == 1 else "verdicts"
        counts = _counts(self.outcomes) + not_judged
        write_line(f"watched for {duration:.0f} s, {total:,} {unit}: {counts}")


def _counts(outcomes: Counter[str]) -> str:
    return ", ".join(f"{outcomes[n]:,} {n}" for n in ("suspicious", "inconclusive", "genuine"))


def _text(probe: str, verdict: Verdict, location: dict[str, Any]) -> str:
    """Write a verdict as one line for people."""
    subject = printable(probe)
    if "start" in location:
        subject = f"{location['start']:.1f} to {location['end']:.1f} s"
    outcome = colored_outcome(verdict.outcome) + " " * (12 - len(verdict.outcome))
    line = f"{time.strftime('%H:%M:%S')}  {p_text(verdict.p_value):>7}  {outcome}  {subject}"
    if verdict.p_value is None:
        return f"{line}: {printable(verdict.reason)}"
    codes = dict.fromkeys(warning.code for warning in verdict.warnings)
    return f"{line} ({', '.join(codes)})" if codes else line


def _watch_folder(
    args: argparse.Namespace,
    reference: Reference,
    writer: _VerdictWriter,
    judged_files: dict[str, JudgedFile],
) -> None:
    """Judge the files of a folder that are complete, until the watch is over."""
    stamps = {key: file.stamp for key, file in judged_files.items()}
    folder = WatchedFolder(args.source, args.settle, stamps)
    if args.new_only:
        folder.skip_present()
    while not writer.is_over:
        files = [item for item in folder.complete_files() if _is_probe(item[0])]
        writer.earlier_outcomes = Counter(judged_files[key].outcome for key in folder.skipped)
        for (path, stamp), verdict in zip(files, _verdicts(args, reference, files), strict=True):
            writer.add(path, verdict, size=stamp[0], mtime_ns=stamp[1])
        writer.pause(min(_POLL, args.settle))


def _is_probe(path: str) -> bool:
    from sklearn_diffake.verdict._listing import may_be_judged

    return may_be_judged(path)


def _verdicts(
    args: argparse.Namespace, reference: Reference, files: Sequence[tuple[str, Stamp]]
) -> Iterator[Verdict]:
    from sklearn_diffake.verdict import verify_many

    frames = {} if args.frames is None else {"n_frames": args.frames}
    pairs = [(reference, path) for path, _ in files]
    with contextlib.redirect_stdout(sys.stderr):
        verdicts = verify_many(pairs, model=reference.model, abstain=args.abstain, **frames)
    yield from quietly(verdicts)


def _watch_stream(args: argparse.Namespace, reference: Reference, writer: _VerdictWriter) -> None:
    """Judge the windows of a stream, until it ends or the watch is over."""
    from sklearn_diffake.verdict import verify_stream

    name = args.source or f"camera {args.camera}"
    verdicts = verify_stream(
        reference,
        _frames(args, writer),
        window=args.window,
        step=args.step,
        abstain=args.abstain,
    )
    for verdict in quietly(verdicts):
        times = [i.time for i in verdict.images if i.side == "probe" and i.time is not None]
        writer.add(name, verdict, start=times[0], end=times[-1])


def _frames(args: argparse.Namespace, writer: _VerdictWriter) -> Iterator[Any]:
    from sklearn_diffake.images import live

    if args.camera is not None:
        frames = live.read_camera(args.camera, args.every)
    elif live.is_address(args.source):
        frames = live.read_address(args.source, args.every)
    else:
        frames = live.play_file(args.source, args.every)
    for frame in frames:
        yield frame
        if writer.is_over:
            return
