"""The option ``--report``: why one pair was judged as it was."""

from __future__ import annotations

import argparse
import os
import shlex
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
    ImportError
        If matplotlib is not installed.
    """
    if args.report is None:
        return
    if len(pairs) != 1:
        raise ValueError(f"--report shows one pair, there are {len(pairs)}: give one PROBE")
    if os.path.splitext(args.report)[1].lower() not in _SUFFIXES:
        raise ValueError(f"--report {args.report!r}: expected a name that ends in .html")
    check_writable(args.report, inputs=inputs)
    from ..inspection._drawing import load_matplotlib

    load_matplotlib()


def write_report(args: argparse.Namespace, verdict: Verdict) -> None:
    """Write the page on one verdict, if there is anything to explain."""
    if verdict.outcome == "error":
        return
    verdict.report(args.report)
    if not args.quiet:
        sys.stdout.flush()
        print(f"report: {printable(args.report)}", file=sys.stderr)


def command_line(words: Sequence[str] | None = None) -> str:
    """Return the command as it was typed, for the report."""
    return shlex.join([PROGRAM, *(sys.argv[1:] if words is None else words)])
