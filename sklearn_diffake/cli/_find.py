"""The command ``find``: which of many pictures do not fit the template of a person."""

from __future__ import annotations

import argparse
import contextlib
import glob
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from sklearn_diffake.cli._exit_codes import code_of_outcomes
from sklearn_diffake.cli._judge import calibration_note, load_model, set_everywhere, with_name
from sklearn_diffake.cli._options import (
    add_abstain,
    add_frames,
    add_reference,
    add_trust,
    computing,
    files_in,
    positive_number,
    shows_progress,
)
from sklearn_diffake.cli._outputs import check_output_option, write_rows
from sklearn_diffake.cli._verdict_printer import (
    colored_outcome,
    escape_names,
    p_text,
    print_line,
    score_text,
)
from sklearn_diffake.cli._verdict_rows import encodable
from sklearn_diffake.utils._json import json_text
from sklearn_diffake.utils._messages import list_first, nearest, printable
from sklearn_diffake.utils._numbers import significant
from sklearn_diffake.utils._progress import write_line

if TYPE_CHECKING:
    from sklearn_diffake.verdict import ModelInfo, RankedPicture
    from sklearn_diffake.verdict._listing import Listing

FIND_HELP = """\
examples:
  sklearn-diffake find photos/ --reference passport.jpg card.jpg --cache store -o found.csv
  sklearn-diffake find --reference passport.jpg card.jpg photos/
  sklearn-diffake find "photos/**/*.jpg" --reference passport.jpg --adjust bh --top 20
  sklearn-diffake find --csv posts.csv --column file --reference refs/ --json > found.jsonl

What is searched: folders with all folders in them, patterns, pictures and videos. They come first,
or, as with cp, last after the references, if that is a folder or a pattern. Each picture is judged
by itself. Pictures that fit least come first, those that could not be judged last, with the reason.

Many pictures need care: at a level of 5 %, about 500 of 10,000 genuine pictures are suspicious by
chance. --adjust bh limits the expected fraction of genuine ones among those that are suspicious;
what would be suspicious alone is then inconclusive. A file that is named twice counts once.

With --cache DIR a second run computes nothing again, and a run that was stopped continues.
"""
#: Columns of a row, and their types; all others are texts.
COLUMNS: dict[str, type] = {
    "rank": int,
    "probe": str,
    "outcome": str,
    "reason": str,
    "score": float,
    "threshold": float,
    "p_value": float,
    "adjusted_p_value": float,
    "level": float,
    "n_references": int,
    "n_probes": int,
    "n_faces": int,
    "warnings": str,
    "model": str,
    "model_fingerprint": str,
}
_NUMBERS = {"score": 9, "p-value": 7, "adjusted": 8}  # columns, and their widths


def add_find_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what the command takes."""
    inputs = parser.add_argument_group("what is judged")
    inputs.add_argument(
        "pictures", nargs="*", metavar="PROBE", help="folders, patterns, pictures and videos"
    )
    add_reference(inputs)
    inputs.add_argument("--csv", metavar="FILE", help="judge the files that a table names instead")
    inputs.add_argument(
        "--column", metavar="NAME", help="column of the table with the files (default: probe)"
    )
    options = parser.add_argument_group("how it is judged")
    options.add_argument(
        "--model", metavar="MODEL", help="file that fit has saved (default: the packaged model)"
    )
    add_trust(options)
    options.add_argument(
        "--adjust",
        choices=("bh", "by"),
        help="adjust p-values for the number of pictures: bh (Benjamini-Hochberg), or by "
        "(Benjamini-Yekutieli), which needs no assumption and finds less",
    )
    add_frames(options)
    add_abstain(options)
    results = parser.add_argument_group("results")
    results.add_argument("--json", action="store_true", help="write one JSON object a line")
    results.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write all rows to FILE.csv, FILE.parquet or FILE.jsonl too",
    )
    results.add_argument(
        "--top", type=positive_number, metavar="N", help="show the first N rows only"
    )


def find_command(args: argparse.Namespace) -> int:
    """Rank pictures by how badly they fit the template of a person."""
    _split_arguments(args)
    from sklearn_diffake.verdict._listing import Listing, list_probes

    if args.csv:
        names, paths = _read_column(args.csv, args.column)
        listing = Listing(paths)
    else:
        listing = list_probes(args.pictures)
        names = listing.probes
    inputs = _input_files(args, listing.probes)
    check_output_option(args.output, inputs)
    pictures, info, n_references = _search(args, listing)
    rows = [_flat_row(names[p.position], p, info, n_references) for p in pictures]
    if args.output:
        write_rows(args.output, rows, COLUMNS, inputs)
    _show(args, rows)
    if not args.quiet:
        _print_notes(args, pictures, listing.skipped, info, n_references)
    return code_of_outcomes({picture.outcome for picture in pictures})


def _split_arguments(args: argparse.Namespace) -> None:
    """Check what is searched; without another argument it is the last one of ``--reference``."""
    if not args.reference:
        raise ValueError("--reference is missing: give pictures of the trusted person")
    if args.column is not None and not args.csv:
        raise ValueError("--column names a column of a table: give --csv FILE too")
    if args.csv:
        if args.pictures:
            raise ValueError("give pictures in one way, not in two: PROBE ..., or --csv FILE")
        return
    last = args.reference[-1]
    is_many = os.path.isdir(last) or (glob.has_magic(last) and not os.path.lexists(last))
    if not args.pictures and len(args.reference) > 1 and is_many:
        args.pictures = [args.reference.pop()]
    if not args.pictures:
        raise ValueError(
            "there is nothing to search: give folders, patterns or pictures before --reference, "
            "or --csv FILE"
        )


def _read_column(path: str, column: str | None) -> tuple[list[str], list[str]]:
    """Return the names in a column of a table, and the paths that they stand for."""
    from sklearn_diffake.utils._delimited import plain_name, read_columns, resolve

    columns = read_columns(path)
    name = plain_name(column or "probe")
    if name not in columns:
        raise ValueError(f"{path}: it has no column {name!r}; {nearest(name, columns)}")
    return columns[name], [resolve(path, cell) if cell else "" for cell in columns[name]]


def _input_files(args: argparse.Namespace, probes: Sequence[str]) -> list[str]:
    """List all files that the command reads: no output may replace them."""
    arguments = [file for file in (args.csv, args.model) if file]
    return [*arguments, *args.reference, *probes, *files_in([args.cache, *args.reference])]


def _search(
    args: argparse.Namespace, listing: Listing
) -> tuple[list[RankedPicture], ModelInfo, int]:
    """Judge pictures; return them ranked, the model, and how many references it used."""
    from sklearn_diffake.verdict import Reference, find_misfits

    args.mode = "reference"
    frames = {} if args.frames is None else {"n_frames": args.frames}
    with contextlib.redirect_stdout(sys.stderr):  # libraries may print, which is no result
        model = load_model(args)
        set_everywhere(model, **(computing(args) | {"verbose": 0}))
        ready: Any = with_name(model, args)
        reference = Reference(args.reference, ready, **frames)
        try:
            pictures = find_misfits(
                reference,
                listing,  # as it is: a row of a table is never several
                model=ready,
                adjust=args.adjust,
                abstain=args.abstain,
                verbose=shows_progress(args),
                **frames,
            )
        except KeyboardInterrupt:
            advice = (
                "the same command continues" if args.cache else "with --cache DIR it would go on"
            )
            write_line(f"stopped before all pictures were judged: nothing was written; {advice}")
            raise
    info = ready.info
    if ready.conformal is not None:
        info = replace(info, n_calibration=ready.n_calibration(reference.n_sources, 1))
    return pictures, info, reference.n_images


def _flat_row(
    name: str, picture: RankedPicture, model: ModelInfo, n_references: int
) -> dict[str, Any]:
    """Return one plain value for each column of `COLUMNS`."""
    values = asdict(picture) | {
        "probe": name,
        "n_references": n_references,
        "warnings": ";".join(picture.warnings),
        "model": model.name,
        "model_fingerprint": model.fingerprint,
    }
    return {column: encodable(values[column]) for column in COLUMNS}


def _show(args: argparse.Namespace, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows to standard output: lines of JSON, or a table for people."""
    visible_rows = rows if args.top is None else rows[: args.top]
    if args.json:
        for row in visible_rows:
            print_line(json_text(row))
        return
    escape_names()
    numbers = list(_NUMBERS) if args.adjust else list(_NUMBERS)[:2]
    width = max(len(str(len(rows))), len("rank"))
    header = [name.rjust(_NUMBERS[name]) for name in numbers]
    print_line("  ".join(["rank".rjust(width), *header, f"{'verdict':12}", "probe"]))
    common = _common_warnings(rows)
    for row in visible_rows:
        print_line("  ".join([_number(row["rank"]).rjust(width), *_cells(row, numbers, common)]))
    if len(visible_rows) < len(rows):
        print_line(f"and {len(rows) - len(visible_rows):,} more")


def _common_warnings(rows: Sequence[dict[str, Any]]) -> set[str]:
    """Return the codes that all pictures with a score share, which the notes name once."""
    codes = [set(row["warnings"].split(";")) for row in rows if row["score"] is not None]
    return set.intersection(*codes) if codes else set()


def _cells(row: dict[str, Any], numbers: Sequence[str], common: set[str]) -> list[str]:
    texts = [score_text(row["score"]), p_text(row["p_value"]), p_text(row["adjusted_p_value"])]
    cells = [text.rjust(_NUMBERS[name]) for text, name in zip(texts, numbers, strict=False)]
    outcome = colored_outcome(row["outcome"]) + " " * (12 - len(row["outcome"]))
    name = printable(row["probe"]) or "-"
    if row["outcome"] == "error":
        name += f": {printable(row['reason'])}"
    elif codes := [code for code in row["warnings"].split(";") if code and code not in common]:
        name += f" ({', '.join(codes)})"
    return [*cells, outcome, name]


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _print_notes(
    args: argparse.Namespace,
    pictures: Sequence[RankedPicture],
    skipped: Sequence[str],
    model: ModelInfo,
    n_references: int,
) -> None:
    """Write to standard error what was judged, and what chance would give."""
    from sklearn_diffake.verdict._evidence import SUSPICIOUS_MEANS
    from sklearn_diffake.verdict._warnings import CODES

    sys.stdout.flush()
    counts = Counter(picture.outcome for picture in pictures)
    warnings = Counter(code for picture in pictures for code in picture.warnings)
    for code, count in warnings.most_common():
        repeated = f" (so in {count:,} pictures)" if count > 1 else ""
        write_line(f"warning: {code}: {CODES[code].meaning}{repeated}")
    if skipped:
        names = list_first(skipped, n_shown=3)
        write_line(f"left out, as they are neither pictures nor videos: {names}")
    outcomes = [f"{counts[o]:,} {o}" for o in ("suspicious", "inconclusive", "genuine")]
    not_judged = f"; {counts['error']:,} could not be judged" if counts["error"] else ""
    write_line(
        f"{len(pictures):,} pictures against a template of {n_references}: "
        f"{', '.join(outcomes)}{not_judged}"
    )
    if counts["suspicious"]:
        write_line(f"suspicious means: {SUSPICIOUS_MEANS['reference']}")
    write_line(f"note: {_chance_note(args.adjust, pictures)}")
    if model.n_calibration:
        write_line(f"note: {calibration_note(model, {model.n_calibration})}")


def _chance_note(adjust: Any, pictures: Sequence[RankedPicture]) -> str:
    """Write how many pictures are suspicious by chance."""
    from sklearn_diffake.verdict._find_misfits import ADJUSTMENTS, tested_files

    levels = [p.level for p in tested_files(pictures).values() if p.level is not None]
    if not levels:
        return "the model gives no p-values: how many pictures are suspicious by chance is unknown"
    n, level = len(levels), significant(max(levels), 2)
    if adjust is None:
        return (
            f"p-values are not adjusted: of {n:,} genuine pictures about {sum(levels):,.3g} would "
            f"be suspicious by chance (level {level}); see --adjust"
        )
    return (
        f"p-values are adjusted for {n:,} pictures ({ADJUSTMENTS[adjust]}): of those that are "
        f"suspicious, a fraction of at most {level} is expected to be genuine"
    )
