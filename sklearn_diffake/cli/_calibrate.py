"""The command ``calibrate``."""

from __future__ import annotations

import argparse
import copy
import os
import sys
import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn_diffake.cli._exit_codes import SUCCESS
from sklearn_diffake.cli._fit import people_of
from sklearn_diffake.cli._judge import set_everywhere
from sklearn_diffake.cli._modes import pairs_of_other_mode
from sklearn_diffake.cli._options import (
    add_saving,
    add_trust,
    computing,
    files_in,
    positive_number,
    rate,
)
from sklearn_diffake.cli._pairs import CSV_FORM, Pair, read_genuine
from sklearn_diffake.utils._atomic_files import check_writable
from sklearn_diffake.utils._messages import list_first, printable

if TYPE_CHECKING:
    from sklearn_diffake.verdict import CalibrationReport

DEFAULT = "default"
CALIBRATE_HELP = f"""\
examples:
  sklearn-diffake calibrate default genuine.csv -o mine.diffake
  sklearn-diffake calibrate default genuine.csv -o mine.diffake --target-bpcer 0.02 --person id
  sklearn-diffake calibrate model.diffake photos.csv -o mine.diffake --interchangeable

Thresholds and p-values of the new model rest on GENUINE.csv alone; what it computes stays as it is.
Take pairs like those that will be judged, of people whom MODEL was not fitted on: 20 people are a
start, 150 or so keep a target of 0.05 below 0.1. The pictures of a person are also put together at
random, so that several references and probes are judged by thresholds of their own.

{CSV_FORM}"""
_MOST_LINES = 20


def add_calibrate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL",
        help=f"file that fit or calibrate has saved, or {DEFAULT}: the model of the package",
    )
    add("pairs", metavar="GENUINE.csv", help="genuine pairs; those labeled -1 are left out")
    add(
        "-o",
        "--output",
        metavar="MODEL",
        required=True,
        help="file to write; no input of the command",
    )
    threshold = parser.add_argument_group("threshold").add_argument
    threshold(
        "--target-bpcer",
        type=rate,
        metavar="RATE",
        help="fraction of genuine pairs that may be rejected (default: as MODEL has it)",
    )
    threshold(
        "--person",
        metavar="COLUMN",
        help="column of GENUINE.csv that tells persons apart; persons count alike (default: the "
        "column person or identity, if any)",
    )
    threshold(
        "--interchangeable",
        action="store_true",
        help="references and probes are pictures of one kind: let each stand on either side",
    )
    threshold("--seed", type=int, default=0, help="of random templates (default: %(default)s)")
    add(
        "--frames",
        type=positive_number,
        metavar="N",
        help="frames of a video, evenly spaced, whose embeddings are averaged (default: as MODEL "
        "has it)",
    )
    add_trust(parser)
    add_saving(parser)


def calibrate_command(args: argparse.Namespace) -> int:
    """Set the threshold of a model on the genuine pairs of a table, and save it."""
    pairs, genuine = read_genuine(args.pairs)
    people = _people_of_pairs(args, genuine)
    photos = sorted({file for pair in pairs for file in pair.files})
    inputs = [args.model, args.pairs, *files_in([args.cache]), *photos]
    check_writable(args.output, inputs=inputs)

    from sklearn_diffake import persistence
    from sklearn_diffake.verdict import recalibrate
    from sklearn_diffake.verdict._recalibrate import with_last_step

    model = _load_model(args)
    _check_abstain(args, model)
    pairs_of_other_mode(model, genuine, args.pairs, allowed=False)
    configured = copy.deepcopy(model)
    frames = {} if args.frames is None else {"n_frames": args.frames}
    set_everywhere(configured, **computing(args), **frames)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* left out")  # they are listed by line below
        try:
            calibrated, report = recalibrate(
                configured,
                [pair.paths for pair in genuine],
                people,
                target_bpcer=args.target_bpcer,
                interchangeable=args.interchangeable,
                random_state=args.seed,
                return_report=True,
                verbose=int(computing(args)["verbose"] > 0),
            )
        except ValueError as error:
            raise ValueError(f"{args.pairs}: {error}") from error
    seconds = time.perf_counter() - start
    result = with_last_step(model, calibrated)  # without --device, --cache and the like
    persistence.save(result, args.output, include_weights=args.include_weights, public=args.public)
    _print_calibration(report, pairs, genuine, seconds)
    print(f"saved: {printable(args.output)} ({os.path.getsize(args.output) / 1e6:.1f} MB)")
    return SUCCESS


def _people_of_pairs(args: argparse.Namespace, pairs: Sequence[Pair]) -> list[str] | None:
    """Return the person of each pair; None if the table names none."""
    people = people_of(args, pairs)
    if people is None:
        if not args.quiet:
            print(
                "note: every pair counts as a person of its own; if people come in several pairs, "
                "name them in a column, see --person",
                file=sys.stderr,
            )
        return None
    unnamed = [pair.line for pair, person in zip(pairs, people, strict=True) if not person]
    if unnamed:
        raise ValueError(
            f"{args.pairs}: the person is missing on line{'s' * (len(unnamed) > 1)} "
            f"{list_first(unnamed)}; name it, or leave these pairs out"
        )
    return [str(person) for person in people]


def _load_model(args: argparse.Namespace) -> Any:
    if args.model == DEFAULT:
        from sklearn_diffake import load_default

        return load_default()
    from sklearn_diffake.persistence import load

    return load(args.model, trusted=args.trust)


def _check_abstain(args: argparse.Namespace, model: Any) -> None:
    """Refuse a target that is not below the band in which the model leaves verdicts open."""
    detector = model[-1] if hasattr(model, "steps") else model
    abstain = getattr(detector, "abstain", None)
    if args.target_bpcer is not None and abstain is not None and abstain <= args.target_bpcer:
        raise ValueError(
            f"--target-bpcer {args.target_bpcer:g} must be below {abstain:g}: up to this p-value "
            f"{args.model} leaves a verdict open"
        )


def _print_calibration(
    report: CalibrationReport, pairs: Sequence[Pair], genuine: Sequence[Pair], seconds: float
) -> None:
    people = f" of {report.n} people" if report.grouped else ""
    pictures = f" ({report.n_pictures} pictures)" if report.n_pictures else ""
    n_pairs = len(genuine) - len(report.left_out_rows)
    print(f"calibrated on {n_pairs} genuine pairs{people}{pictures} in {seconds:.1f} s")
    if len(genuine) < len(pairs):
        print(f"left out: {len(pairs) - len(genuine)} labeled -1")
    rows = list(report.left_out_rows.items())
    for row, reason in rows[:_MOST_LINES]:
        print(f"left out: line {genuine[row].line}: {printable(reason)}")
    if len(rows) > _MOST_LINES:
        print(f"left out: {len(rows) - _MOST_LINES} more pairs")
    single = report.categories[0]
    print(f"threshold {single.threshold:.4g}, which rejects p-values up to {single.level:.4g}")
    print(report.table())
    if report.warning() is None:
        print(report.sureness())
