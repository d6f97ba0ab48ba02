"""The option ``--report``: why one pair was judged as it was."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..utils._atomic_files import check_writable
from ..utils._printable import printable
from ._parser import PROGRAM
from ._table import Pair

if TYPE_CHECKING:
    from ..verdict import Verdict

_SUFFIXES = (".html", ".htm")


def check_report_option(
    args: argparse.Namespace, pairs: Sequence[Pair], inputs: Sequence[str]
) -> None:
    """Find a wrong ``--report`` before any photograph is read.

    Parameters
    ----------
    args : argparse.Namespace
    pairs : sequence of Pair
        Which are to be judged.
    inputs : sequence of str
        Files that the report must not replace.

    Raises
    ------
    ValueError
        If there is not one pair, or the file is no page, has no folder or is an input.
    """
    if args.report is None:
        if args.case is not None:
            raise ValueError("--case is shown in the report: give --report FILE.html too")
        return
    if len(pairs) != 1:
        raise ValueError(f"--report shows one pair, there are {len(pairs)}: give one PROBE")
    if os.path.splitext(args.report)[1].lower() not in _SUFFIXES:
        raise ValueError(
            f"--report {args.report!r}: expected a name that ends in .html; a browser prints it "
            "to PDF"
        )
    if args.output is not None and os.path.abspath(args.output) == os.path.abspath(args.report):
        raise ValueError(f"--report and --output name the same file, {args.report!r}")
    check_writable(args.report, inputs=inputs)


def write_report(args: argparse.Namespace, verdict: Verdict) -> None:
    """Write the page on one verdict.

    Parameters
    ----------
    args : argparse.Namespace
    verdict : Verdict
        Of any outcome.
    """
    verdict.report(args.report, command=[PROGRAM, *args.words], case=args.case)
    if not args.quiet:
        sys.stdout.flush()
        print(f"report: {printable(args.report)}", file=sys.stderr)
