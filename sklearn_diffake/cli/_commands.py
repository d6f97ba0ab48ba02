"""What the commands do."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from ._report import check_report, write_report
from ._table import Pair, read_pairs

GENUINE, DEEPFAKE, ERROR = "genuine", "deepfake", "error"
_DEFAULT_NOTE = (
    "note: the model that comes with the package is small, and lets two of three face swaps pass "
    "(see its model card); fit one on a better identity embedding for real work"
)
_COLOURS = {GENUINE: "32", DEEPFAKE: "31", ERROR: "33"}


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
    rejected = (pipe["detect"].fit(differences).predict(differences) == -1).mean()
    persistence.save(pipe, args.output, include_weights=args.include_weights)

    photos = len({path for pair in genuine for path in pair.paths})
    counts = getattr(pipe["align"], "counts_", None)
    faces = f"{counts['found']} faces found" if counts else "not aligned"
    seconds = time.perf_counter() - start
    print(f"fitted on {len(genuine)} pairs of {photos} photographs ({faces}) in {seconds:.1f} s")
    if len(genuine) < len(pairs):
        print(f"left out: {len(pairs) - len(genuine)} labelled -1")
    print(f"training pairs below the threshold: {rejected:.1%}")
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
    scores = _score_pairs(model, pairs, args.cache)
    rows = [_make_row(pair, score, threshold) for pair, score in zip(pairs, scores, strict=True)]
    if args.json:
        for row in rows:
            print(json.dumps(row))
    else:
        _print_table(rows)
    if not args.quiet:
        _say_accuracy(rows)
    if args.report and rows[0]["verdict"] != ERROR:
        write_report(args, model, pairs[0], verbose=_shows_progress(args))
    verdicts = {row["verdict"] for row in rows}
    return 2 if ERROR in verdicts else 1 if DEEPFAKE in verdicts else 0


def demo_command(args: argparse.Namespace) -> int:
    """Run the demo."""
    from ..demo import run_demo

    result = run_demo(args.output, verbose=_shows_progress(args))
    model, pairs = result.folder / "model.diffake", result.folder / "probes.csv"
    print(result.table())
    print(f"\nTook {result.seconds:.0f} s. The picture is {result.folder / 'demo.png'}. Now try")
    print(f"  sklearn-diffake score {model} --csv {pairs}")
    return 0


def _computing(args: argparse.Namespace) -> dict[str, Any]:
    """Turn shared options into parameters of estimators."""
    return {
        "device": args.device,
        "n_jobs": args.jobs,
        "cache": args.cache,
        "verbose": int(_shows_progress(args)),
    }


def _shows_progress(args: argparse.Namespace) -> bool:
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


def _score_pairs(model: Any, pairs: Sequence[Pair], cache: str | None) -> list[float | str]:
    """Score pairs; in place of a score, say why a pair has none.

    All are scored at once. Only if one of them cannot be used they are scored one by one, with
    a store, so that no photograph is computed twice.
    """
    from ..faces import ImageError

    try:
        return [float(score) for score in model.score_samples([pair.paths for pair in pairs])]
    except ImageError as error:
        if len(pairs) == 1:
            return [_name_sides(str(error))]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        _set_everywhere(model, cache=cache or folder, verbose=0)
        return [score for pair in pairs for score in _score_pairs(model, [pair], cache)]


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


def _make_row(pair: Pair, score: float | str, threshold: float) -> dict[str, Any]:
    row: dict[str, Any] = {"reference": pair.reference, "probe": pair.probe}
    if isinstance(score, str):
        row |= {"score": None, "threshold": threshold, "decision": None}
        row |= {"verdict": ERROR, "error": score}
    else:
        decision = score - threshold
        row |= {"score": score, "threshold": threshold, "decision": decision}
        row |= {"verdict": GENUINE if decision >= 0 else DEEPFAKE}
    if pair.label is not None:
        row["label"] = pair.label
    return row


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    head = ["reference", "probe", "score", "threshold", "verdict"]
    lines = [
        [
            row["reference"],
            row["probe"],
            "-" if row["score"] is None else f"{row['score']:.3f}",
            f"{row['threshold']:.3f}",
            row["verdict"],
        ]
        for row in rows
    ]
    widths = [max(len(cell) for cell in column) for column in zip(head, *lines, strict=True)]
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names the terminal cannot show
    for cells, row in zip([head, *lines], [None, *rows], strict=True):
        paths = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
        numbers = [cell.rjust(width) for cell, width in zip(cells[2:4], widths[2:4], strict=True)]
        verdict = _coloured(cells[4]) + (f": {row['error']}" if row and "error" in row else "")
        print("  ".join([*paths, *numbers, verdict]))


def _coloured(verdict: str) -> str:
    if verdict in _COLOURS and sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return f"\033[{_COLOURS[verdict]}m{verdict}\033[0m"
    return verdict


def _say_accuracy(rows: Sequence[dict[str, Any]]) -> None:
    """Compare scores with labels, where there are any, on standard error."""
    known = [row for row in rows if "label" in row and row["score"] is not None]
    if not known:
        return
    labels, scores = [row["label"] for row in known], [row["score"] for row in known]
    counts = f"{labels.count(1)} genuine, {labels.count(-1)} deepfake"
    sys.stdout.flush()
    if len(set(labels)) < 2:
        print(f"no AUC: the labelled pairs are {counts}", file=sys.stderr)
        return
    from sklearn.metrics import roc_auc_score

    from ..metrics import equal_error_rate

    auc, eer = roc_auc_score(labels, scores), equal_error_rate(labels, scores)
    print(f"AUC {auc:.3f}, EER {eer:.1%} ({counts})", file=sys.stderr)
