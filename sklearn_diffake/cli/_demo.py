"""The command ``demo``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sklearn_diffake.cli._exit_codes import SUCCESS
from sklearn_diffake.cli._options import shows_progress
from sklearn_diffake.cli._parser import command_to_type
from sklearn_diffake.utils._messages import printable

if TYPE_CHECKING:
    from sklearn_diffake.demo import DemoResult

DEMO_HELP = """\
examples:
  sklearn-diffake demo
  sklearn-diffake demo -o results

The picture needs the extra demo, pip install 'sklearn-diffake[demo]'; all else comes without.
"""


def add_demo_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        default="sklearn-diffake-demo",
        help="where pictures, tables and model go (default: %(default)s)",
    )


def demo_command(args: argparse.Namespace) -> int:
    """Run the demo."""
    from sklearn_diffake.demo import run_demo

    result = run_demo(args.output, verbose=shows_progress(args))
    names = ("model.diffake", "probes.csv")
    model, pairs = (printable(str(result.folder / name)) for name in names)
    print(result.table())
    print(f"\nTook {result.seconds:.0f} s. {_about_picture(result)} Now try")
    print(f"  {command_to_type()} score {model} --csv {pairs}")
    return SUCCESS


def _about_picture(result: DemoResult) -> str:
    if result.picture is None:
        return "No picture, for it needs matplotlib: pip install 'sklearn-diffake[demo]'."
    return f"The picture is {printable(str(result.picture))}."
