"""The option ``--report``: why one pair was judged as it was."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from ..utils._atomic_files import check_writable
from ._table import Pair

_SUFFIXES = (".html", ".png")
_SEED = 0  # of the noise: the same pair gives the same report


def check_report(
    args: argparse.Namespace, pairs: Sequence[Pair], *, inputs: Sequence[str] = ()
) -> None:
    """Find a wrong ``--report`` before any photograph is read.

    Parameters
    ----------
    args : argparse.Namespace
    pairs : sequence of Pair
        Which are to be judged.
    inputs : sequence of str, default=()
        Further files that the report must not replace.

    Raises
    ------
    ValueError
        If there is not one pair of two pictures, or the file is neither a page nor a picture, has
        no folder or is an input.
    ImportError
        If matplotlib is not installed.
    """
    if args.report is None:
        return
    if len(pairs) != 1:
        raise ValueError(f"--report shows one pair, there are {len(pairs)}: give one PROBE")
    if len(pairs[0].files) != 2:
        raise ValueError("--report shows two pictures; it cannot show templates yet")
    if os.path.splitext(args.report)[1].lower() not in _SUFFIXES:
        raise ValueError(f"--report {args.report!r}: expected a name that ends in .html or .png")
    check_writable(args.report, inputs=[*pairs[0].files, *inputs])
    from ..inspection._drawing import load_matplotlib

    load_matplotlib()


def write_report(args: argparse.Namespace, model: Any, pair: Pair, *, verbose: bool) -> None:
    """Explain a pair, and write page or picture."""
    from ..inspection import PairReport, explain_pair

    explanation = explain_pair(model, *pair.paths, random_state=_SEED, verbose=int(verbose))
    report = PairReport(explanation)
    if args.report.lower().endswith(".html"):
        report.to_html(args.report)
    else:
        report.to_png(args.report)
    if not args.quiet:
        sys.stdout.flush()
        print(f"report: {args.report}", file=sys.stderr)
