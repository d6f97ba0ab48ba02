"""What the commands do."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..utils._atomic_files import check_writable
from ..utils._messages import listed
from ..utils._printable import printable
from ._certainty import add_calibration, rate_of, say_accuracy
from ._clips import FramePair, Numbers, least_genuine, moments, pool, unfolded
from ._exit_codes import BAD_INPUT, DONE, NOT_GENUINE
from ._report import check_report, write_report
from ._rows import DEEPFAKE, ERROR, make_row, print_json, print_table
from ._table import Pair, read_pairs

_DEFAULT_NOTE = (
    "note: the model that comes with the package is small, and lets two of three face swaps pass "
    "(see its model card); fit one on a better identity embedding for real work"
)


def fit_command(args: argparse.Namespace) -> int:
    """Fit a pipeline on the genuine pairs of a table, and save it."""
    pairs = read_pairs(args.pairs, labelled=True)
    genuine = [pair for pair in pairs if pair.label != -1]
    if not genuine:
        raise ValueError(f"{args.pairs}: all {len(pairs)} pairs are labelled -1, none is genuine")
    _check_files(args.pairs, genuine)
    photos = sorted({file for pair in pairs for file in pair.files})
    check_writable(args.output, inputs=[*_files_of(args), *photos])

    from .. import make_difffake_pipeline, persistence
    from ..base import missing_rows
    from ..images.errors import ImageError

    start = time.perf_counter()
    pipe = make_difffake_pipeline(
        args.backbone,
        aligner=not args.no_align,
        operator=args.operator,
        select=args.select,
        on_missing=args.on_missing,
        random_state=args.seed,
        **_computing(args),
    ).set_params(detect__n_components=args.components, detect__contamination=args.contamination)
    if not args.no_align:
        pipe.set_params(align__n_frames=args.frames)
    _check_pipeline(pipe, genuine[0])
    try:
        differences = pipe[:-1].fit_transform([pair.paths for pair in genuine])
    except ImageError as error:
        raise ValueError(_in_table(error, args.pairs, genuine)) from error
    missing = missing_rows(differences)
    if missing.all():
        raise ValueError(f"{args.pairs}: none of the {len(genuine)} genuine pairs has two faces")
    rejected = pipe["detect"].fit(differences[~missing]).predict(differences[~missing]) == -1
    options = {"include_weights": args.include_weights, "public": args.public}
    persistence.save(pipe, args.output, **options)

    n_photos = len({file for pair in genuine for file in pair.files})
    counts = getattr(pipe["align"], "counts_", None)
    faces = f"{counts['found']} faces found" if counts else "not aligned"
    seconds = time.perf_counter() - start
    n_pairs = len(rejected)
    print(f"fitted on {n_pairs} pairs of {n_photos} photographs ({faces}) in {seconds:.1f} s")
    if len(genuine) < len(pairs):
        print(f"left out: {len(pairs) - len(genuine)} labelled -1")
    if missing.any():
        lines = [pair.line for pair, is_missing in zip(genuine, missing, strict=True) if is_missing]
        plural = "s" * (len(lines) > 1)
        print(f"left out: {len(lines)} without a face, of line{plural} {listed(lines)}")
    print(f"training pairs below the threshold: {rate_of(int(rejected.sum()), n_pairs)}")
    print(f"saved: {printable(args.output)} ({os.path.getsize(args.output) / 1e6:.1f} MB)")
    return DONE


def score_command(args: argparse.Namespace) -> int:
    """Judge pairs with a saved model, or with the one that comes with the package."""
    pairs = _pairs_to_score(args)
    check_report(args, pairs, inputs=_files_of(args))
    with contextlib.ExitStack() as stack:
        with contextlib.redirect_stdout(sys.stderr):  # what libraries print is no result
            model = _load_model(args)
            _set_everywhere(model, n_frames=args.frames, **_computing(args))
            threshold = _threshold_of(model, args.model)
            options = {"n_frames": args.frames, "cache": args.cache, "verbose": _verbosity(args)}
            parts = stack.enter_context(unfolded(pairs, model, **options))
            results = _score_parts(model, parts)
        rows = [
            make_row(pair, result, threshold) for pair, result in zip(pairs, results, strict=True)
        ]
        add_calibration(rows, _detector_of(model), quiet=args.quiet)
        (print_json if args.json else print_table)(rows)
        if not args.quiet:
            say_accuracy(rows)
        if args.report and rows[0]["verdict"] != ERROR:
            pair = least_genuine(parts[0], rows[0])
            if moments(pair) and not args.quiet:
                print(f"the frames that look least genuine: {moments(pair)}", file=sys.stderr)
            with contextlib.redirect_stdout(sys.stderr):
                write_report(args, model, pair, verbose=shows_progress(args))
    verdicts = {row["verdict"] for row in rows}
    return BAD_INPUT if ERROR in verdicts else NOT_GENUINE if DEEPFAKE in verdicts else DONE


def _load_model(args: argparse.Namespace) -> Any:
    if args.model is None:
        from .. import load_default

        model = load_default()
        if not args.quiet:
            print(_DEFAULT_NOTE, file=sys.stderr)
        return model
    from ..persistence import load

    return load(args.model, trusted=args.trust)


def _detector_of(model: Any) -> Any:
    return model[-1] if hasattr(model, "steps") else model


def _threshold_of(model: Any, name: str) -> float:
    detector = _detector_of(model)
    if not (hasattr(model, "score_samples") and hasattr(detector, "offset_")):
        raise ValueError(f"{name} holds a {type(model).__name__}, which gives no verdicts")
    threshold = float(detector.offset_)
    if not math.isfinite(threshold):
        raise ValueError(f"{name} has the threshold {threshold}, expected a finite number")
    return threshold


def _files_of(args: argparse.Namespace) -> list[str]:
    """List the files, photographs apart, that a command reads: no output may replace them."""
    names = ("pairs", "csv", "model", "backbone")
    files = [value for name in names if isinstance(value := getattr(args, name, None), str)]
    if args.cache and os.path.isdir(args.cache):
        files += [entry.path for entry in os.scandir(args.cache)]
    return files


def demo_command(args: argparse.Namespace) -> int:
    """Run the demo."""
    from ..demo import run_demo

    result = run_demo(args.output, verbose=shows_progress(args))
    names = ("model.diffake", "probes.csv", "demo.png")
    model, pairs, picture = (printable(str(result.folder / name)) for name in names)
    print(result.table())
    print(f"\nTook {result.seconds:.0f} s. The picture is {picture}. Now try")
    print(f"  {_command()} score {model} --csv {pairs}")
    return DONE


def _command() -> str:
    """Return what to type to get this program: its path, if its name alone is not found."""
    own = Path(sys.argv[0])
    if own.name == "__main__.py":
        return "python -m sklearn_diffake"
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
        for written, path in zip(pair.written, pair.files, strict=True)
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


def _score_parts(model: Any, parts: Sequence[list[FramePair] | str]) -> list[Numbers | str]:
    """Score pairs that may be of videos; a part that is a str is an error, and stays so."""
    flat = [pair for part in parts if not isinstance(part, str) for pair in part]
    scored = iter(_score_pairs(model, flat) if flat else [])
    return [
        part if isinstance(part, str) else pool(part, [next(scored) for _ in part])
        for part in parts
    ]


def _score_pairs(model: Any, pairs: Sequence[Pair]) -> list[Numbers | str]:
    """Score pairs; in place of its numbers, say why a pair has none."""
    from ..pipeline import score_pairs

    scores = score_pairs(model, [pair.paths for pair in pairs])
    results: list[Numbers | str] = []
    for i, reason in enumerate(scores.reason):
        numbers = {"score": float(scores.score[i])}
        if scores.p_value is not None:
            numbers["p_value"] = float(scores.p_value[i])
        results.append(reason or _finite_or_reason(numbers))
    return results


def _finite_or_reason(result: Numbers) -> Numbers | str:
    score = result["score"]
    return result if math.isfinite(score) else f"the model's score is {score}, no finite number"


def _in_table(error: Any, table: str, pairs: Sequence[Pair]) -> str:
    """Say on which line of a table an image stands that cannot be used."""
    if error.row is None:
        return f"{table}: {error}"
    return f"{table}, line {pairs[error.row].line}: {error.at(row=None)}"
