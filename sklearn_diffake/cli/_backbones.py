"""The command ``backbones``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from sklearn_diffake.cli._exit_codes import SUCCESS
from sklearn_diffake.embedding.backbones import BackboneEntry, entries, names
from sklearn_diffake.utils._messages import printable

BACKBONES_HELP = """\
examples:
  sklearn-diffake backbones
  sklearn-diffake backbones --json > backbones.json

CROP is the side of the face crop in pixels and the margin around the ArcFace crop, as FaceAligner
takes them. EER is the equal error rate in percent on face swaps of people that the network has not
seen, with one and with three references; - stands for what was not measured or is not fixed.
"""

_HEADER = ("name", "for", "width", "input", "crop", "weights M", "EER 1", "EER 3", "offline")


def backbone_names() -> str:
    """Return the names that ``--backbone`` takes, for its help."""
    *first, last = names()
    return f"{', '.join(first)} or {last}"


def add_backbones_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--json", action="store_true", help="write a JSON array of objects")


def backbones_command(args: argparse.Namespace) -> int:
    """List the networks that can be named."""
    if args.json:
        print(json.dumps([entry.describe() for entry in entries()], indent=1))
        return SUCCESS
    print(_table([_HEADER, *map(_cells, entries())]))
    print()
    for entry in entries():
        extra = f" (extra {', '.join(entry.requires)})" if entry.requires else ""
        print(printable(f"{entry.name}: {entry.weights}{extra}. License: {entry.license}"))
    return SUCCESS


def _cells(entry: BackboneEntry) -> tuple[str, ...]:
    millions = None if entry.n_parameters is None else f"{entry.n_parameters / 1e6:.1f}"
    size = None if entry.input_size is None else "x".join(map(str, dict.fromkeys(entry.input_size)))
    crop = None if entry.crop is None else f"{entry.crop.size} {entry.crop.margin:g}"
    rates = [f"{100 * entry.eer[k]:.1f}" if k in entry.eer else None for k in (1, 3)]
    offline = "yes" if entry.offline else "no"
    cells = (entry.name, entry.purpose, entry.width, size, crop, millions, *rates, offline)
    return tuple("-" if cell is None else str(cell) for cell in cells)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
