"""What the commands do."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..utils._printable import printable
from ._certainty import add_calibration, rate_of, say_accuracy, written
from ._clips import FramePair, Numbers, least_genuine, moments, pool, unfolded
from ._colour import coloured
from ._report import check_report, write_report
from ._table import Pair, read_pairs

GENUINE, DEEPFAKE, ERROR = "genuine", "deepfake", "error"
_DEFAULT_NOTE = (
    "note: the model that comes with the package is small, and lets two of three face swaps pass "
    "(see its model card); fit one on a better identity embedding for real work"
)
_COLOURS = {GENUINE: "green", DEEPFAKE: "red", ERROR: "yellow"}


def fit_command(args: argparse.Namespace) -> int:
    """Fit a pipeline on the genuine pairs of a table, and save it."""
    pairs = read_pairs(args.pairs, labelled=True)
    genuine = [pair for pair in pairs if pair.label != -1]
    if not genuine:
        raise ValueError(f"{args.pairs}: all {len(pairs)} pairs are labelled -1, none is genuine")
    _check_files(args.pairs, genuine)
    _check_output(args.output)

    from .. import make_difffake_pipeline, persistence
    from ..faces import ImageError

    start = time.perf_counter()
    pipe = make_difffake_pipeline(
        args.backbone,
        aligner=not args.no_align,
        operator=args.operator,
        on_missing=args.on_missing,
        random_state=args.seed,
        **_computing(args),
    ).set_params(detect__n_components=args.components, detect__contamination=args.contamination)
    _check_pipeline(pipe, genuine[0])
    try:
        differences = pipe[:-1].fit_transform([pair.paths for pair in genuine])
    except ImageError as error:
        raise ValueError(f"{args.pairs}: {_name_lines(str(error), genuine)}") from error
    rejected = int((pipe["detect"].fit(differences).predict(differences) == -1).sum())
    persistence.save(pipe, args.output, include_weights=args.include_weights)

    photos = len({path for pair in genuine for path in pair.paths})
    counts = getattr(pipe["align"], "counts_", None)
    faces = f"{counts['found']} faces found" if counts else "not aligned"
    seconds = time.perf_counter() - start
    print(f"fitted on {len(genuine)} pairs of {photos} photographs ({faces}) in {seconds:.1f} s")
    if len(genuine) < len(pairs):
        print(f"left out: {len(pairs) - len(genuine)} labelled -1")
    print(f"training pairs below the threshold: {rate_of(rejected, len(differences))}")
    print(f"saved: {args.output} ({os.path.getsize(args.output) / 1e6:.1f} MB)")
    return 0


def score_command(args: argparse.Namespace) -> int:
    """Judge pairs with a saved model, or with the one that comes with the package."""
    pairs = _pairs_to_score(args)
    check_report(args, pairs)
    if args.model is None:
        from .. import load_default

        model = load_default()
        if not args.quiet:
            print(_DEFAULT_NOTE, file=sys.stderr)
    else:
        from ..persistence import load

        model = load(args.model, trusted=args.trust)
    detector = model[-1] if hasattr(model, "steps") else model
    if not (hasattr(model, "score_samples") and hasattr(detector, "offset_")):
        raise ValueError(f"{args.model} holds a {type(model).__name__}, which gives no verdicts")
    _set_everywhere(model, **_computing(args))
    threshold = float(detector.offset_)
    options = {"n_frames": args.frames, "cache": args.cache, "verbose": _verbosity(args)}
    with unfolded(pairs, model, **options) as parts:
        found = _score_parts(model, parts, args.cache)
        rows = [_make_row(pair, one, threshold) for pair, one in zip(pairs, found, strict=True)]
        add_calibration(rows, detector, quiet=args.quiet)
        if args.json:
            for row in rows:
                print(json.dumps(row))
        else:
            _print_table(rows)
        if not args.quiet:
            say_accuracy(rows)
        if args.report and rows[0]["verdict"] != ERROR:
            pair = least_genuine(parts[0], rows[0])
            if moments(pair) and not args.quiet:
                print(f"the frames that look least genuine: {moments(pair)}", file=sys.stderr)
            write_report(args, model, pair, verbose=shows_progress(args))
    verdicts = {row["verdict"] for row in rows}
    return 2 if ERROR in verdicts else 1 if DEEPFAKE in verdicts else 0


def demo_command(args: argparse.Namespace) -> int:
    """Run the demo."""
    from ..demo import run_demo

    result = run_demo(args.output, verbose=shows_progress(args))
    model, pairs = result.folder / "model.diffake", result.folder / "probes.csv"
    print(result.table())
    print(f"\nTook {result.seconds:.0f} s. The picture is {result.folder / 'demo.png'}. Now try")
    print(f"  {_command()} score {model} --csv {pairs}")
    return 0


def _command() -> str:
    """Return what to type to get this program: its path, if its name alone is not found."""
    own = Path(sys.argv[0])
    return "sklearn-diffake" if shutil.which(own.name) else os.path.relpath(own)


def _computing(args: argparse.Namespace) -> dict[str, Any]:
    """Turn shared options into parameters of estimators."""
    return {
        "device": args.device,
        "n_jobs": args.jobs,
        "cache": args.cache,
        "verbose": _verbosity(args),
    }


def _verbosity(args: argparse.Namespace) -> int:
    """Return what estimators take; the lines of -vv come through the log."""
    return max(args.verbose, int(shows_progress(args)))


def shows_progress(args: argparse.Namespace) -> bool:
    """Tell whether bars are asked for, or there is a terminal to show them on."""
    return bool(args.verbose or (sys.stderr.isatty() and not args.quiet))


def _check_files(table: str, pairs: Sequence[Pair]) -> None:
    """Miss a photograph before the work begins, not in the middle of it."""
    missing = [
        (pair.line, written)
        for pair in pairs
        for written, path in zip((pair.reference, pair.probe), pair.paths, strict=True)
        if not os.path.exists(path)
    ]
    if missing:
        line, written = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise ValueError(f"{table}, line {line}: no such file {written!r}{more}")


def _check_pipeline(pipe: Any, pair: Pair) -> None:
    """Find a wrong option or a missing backbone before any photograph is read."""
    for _, step in pipe.steps:
        if hasattr(step, "_validate_params"):
            step._validate_params()
    pipe["embed"].fit([pair.paths])


def _check_output(path: str) -> None:
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise ValueError(f"{path!r} is a folder; expected the name of a file to write")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"cannot write to {folder!r}: no such folder, or no permission")


def _pairs_to_score(args: argparse.Namespace) -> list[Pair]:
    if args.csv and args.photos:
        raise ValueError("give photographs or --csv, not both")
    if args.csv:
        return read_pairs(args.csv)
    if len(args.photos) < 2:
        raise ValueError("give REFERENCE and at least one PROBE, or --csv PAIRS.csv")
    reference, *probes = args.photos
    return [Pair(reference, probe, (reference, probe)) for probe in probes]


def _set_everywhere(model: Any, **params: Any) -> None:
    """Set parameters on every step that has them, those of joined embedders included."""
    parts = getattr(model, "steps", None) or getattr(model, "transformer_list", None)
    if parts:
        for _, part in parts:
            _set_everywhere(part, **params)
    elif hasattr(model, "get_params"):
        known = model.get_params(deep=False)
        model.set_params(**{name: value for name, value in params.items() if name in known})


def _score_parts(
    model: Any, parts: Sequence[list[FramePair] | str], cache: str | None
) -> list[Numbers | str]:
    """Score pairs that may be of videos; a part that is a str is an error, and stays so."""
    flat = [pair for part in parts if not isinstance(part, str) for pair in part]
    scored = iter(_score_pairs(model, flat, cache) if flat else [])
    return [
        part if isinstance(part, str) else pool(part, [next(scored) for _ in part])
        for part in parts
    ]


def _score_pairs(model: Any, pairs: Sequence[Pair], cache: str | None) -> list[Numbers | str]:
    """Score pairs; in place of its numbers, say why a pair has none.

    All are scored at once. Only if one of them cannot be used they are scored one by one, with
    a store, so that no photograph is computed twice.
    """
    from ..faces import ImageError

    try:
        return _numbers(model, [pair.paths for pair in pairs])
    except ImageError as error:
        if len(pairs) == 1:
            return [_name_sides(str(error))]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        _set_everywhere(model, cache=cache or folder, verbose=0)
        return [one for pair in pairs for one in _score_pairs(model, [pair], cache)]


def _numbers(model: Any, paths: Sequence[tuple[str, str]]) -> list[Numbers | str]:
    """Return the score of every pair, and its p-value where the detector gives one."""
    if not (hasattr(model, "steps") and hasattr(model[-1], "p_values")):
        return [{"score": float(score)} for score in model.score_samples(paths)]
    rows = model[:-1].transform(paths)
    both = zip(model[-1].score_samples(rows), model[-1].p_values(rows), strict=True)
    return [{"score": float(score), "p_value": float(p_value)} for score, p_value in both]


def _name_lines(message: str, pairs: Sequence[Pair]) -> str:
    """Put lines of the CSV file in place of the rows that an error names."""

    def line(found: re.Match[str]) -> str:
        return f"line {pairs[int(found[1])].line} ({('reference', 'probe')[int(found[2])]})"

    return re.sub(r"\brow (\d+), column ([01])\b", line, message)


def _name_sides(message: str) -> str:
    """Say reference or probe, where an error speaks of a column of a single row."""
    return re.sub(
        r"\brow 0, column ([01])\b", lambda found: ("reference", "probe")[int(found[1])], message
    )


def _make_row(pair: Pair, found: Numbers | str, threshold: float) -> dict[str, Any]:
    row: dict[str, Any] = {"reference": pair.reference, "probe": pair.probe}
    if isinstance(found, str):
        row |= {"score": None, "threshold": threshold, "decision": None}
        row |= {"verdict": ERROR, "error": found}
    else:
        decision = found["score"] - threshold
        row |= found | {"threshold": threshold, "decision": decision}
        row |= {"verdict": GENUINE if decision >= 0 else DEEPFAKE}
    if pair.label is not None:
        row["label"] = pair.label
    return row


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    numbers = {"score": "score", "threshold": "threshold"}
    if any("p_value" in row for row in rows):
        numbers["p_value"] = "p-value"
    head = ["reference", "probe", *numbers.values(), "verdict"]
    lines = [
        [printable(row["reference"]), printable(row["probe"])]
        + [written(name, row.get(name)) for name in numbers]
        + [row["verdict"]]
        for row in rows
    ]
    widths = [max(len(cell) for cell in column) for column in zip(head, *lines, strict=True)]
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names the terminal cannot show
    for cells, row in zip([head, *lines], [None, *rows], strict=True):
        paths = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(cells[2:-1], widths[2:-1], strict=True)]
        print("  ".join([*paths, *right, _show_verdict(row) if row else cells[-1]]))


def _show_verdict(row: dict[str, Any]) -> str:
    """Return the verdict, what it rests on if that is a video, and why there is none."""
    verdict = coloured(row["verdict"], _COLOURS[row["verdict"]], sys.stdout)
    if "frames" in row:
        scored = sum(frame["score"] is not None for frame in row["frames"])
        verdict += f" (mean of {scored} pairs of frames)"
    return verdict + (f": {printable(row['error'])}" if "error" in row else "")
