"""Pairs of photographs and videos, from the command line or from a table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field

from sklearn_diffake.utils._modes import Mode

TEMPLATE_MARK = "|"  # between the pictures of a template
CSV_FORM = """\
PAIRS.csv has a header and one pair a line: the columns reference and probe, in any order, or two
columns in this one; and, if there are any, label (1 genuine, -1 deepfake, empty unknown), person,
and others, which come back with --json and --output. A cell may name several pictures of one
person, separated by |: they make one template. A column mode says what pairs are: reference, or
same-video for two pictures of the video under suspicion. With --mode same-video each probe is one
video, and the column reference stays empty. Relative paths start at the folder of PAIRS.csv; - is
standard input. Commas, semicolons or tabs may separate the columns; UTF-8 and UTF-16 are read.
"""


@dataclass(frozen=True)
class Pair:
    """One pair of photographs.

    Attributes
    ----------
    reference, probe : str
        As the user wrote them.
    paths : tuple of (cell, cell)
        The two files; a tuple of files for a template.
    label : int or None
        +1 genuine, -1 deepfake, None where it is unknown.
    line : int
        Line of the table on which the pair ends; 0 for a pair from the command line.
    person : str or None
        Who is, or is claimed to be, seen.
    extra : dict of str to str
        All other columns of the table.
    mode : {"reference", "same-video"} or None
        As in the table; None without such a column.
    """

    reference: str
    probe: str
    paths: tuple[str | tuple[str, ...], str | tuple[str, ...]]
    label: int | None = None
    line: int = 0
    person: str | None = None
    extra: dict[str, str] = field(default_factory=dict)
    mode: Mode | None = None

    @property
    def files(self) -> list[str]:
        """All files of both templates."""
        cells = [(cell,) if isinstance(cell, str) else cell for cell in self.paths]
        return [file for cell in cells for file in cell if file]

    @property
    def names(self) -> list[str]:
        """The names of `files` as the user wrote them."""
        cells = zip((self.reference, self.probe), self.paths, strict=True)
        names = [
            [text] if isinstance(cell, str) else text.split(TEMPLATE_MARK) for text, cell in cells
        ]
        return [name.strip() for cell in names for name in cell]


def pairs_of_arguments(args: argparse.Namespace, table: Sequence[Pair] | None) -> list[Pair]:
    """Return the pairs that the arguments ask to be judged.

    Parameters
    ----------
    args : argparse.Namespace
        With `photos`, `reference`, `probe` and `mode`.
    table : sequence of Pair or None
        Pairs of ``--csv``; None without it.

    Returns
    -------
    list of Pair
        At least one. In same-video mode their references are empty.

    Raises
    ------
    ValueError
        If there is nothing to judge, it is given in two ways, or there is a reference in
        same-video mode.
    """
    flags = bool(args.reference or args.probe)
    if (table is not None) + flags + bool(args.photos) > 1:
        raise ValueError(
            "give photographs in one way, not in two: REFERENCE PROBE ..., or --reference and "
            "--probe, or --csv"
        )
    if args.mode == "same-video":
        return _clips(args, table)
    if table is not None:
        return list(table)
    if flags:
        if not (args.reference and args.probe):
            lacking = "--probe" if args.reference else "--reference"
            raise ValueError(f"{lacking} is missing: give both --reference and --probe")
        return [_pair(args.reference, probe) for probe in args.probe]
    if len(args.photos) == 1:
        raise ValueError("give REFERENCE and at least one PROBE; there is one photograph only")
    if not args.photos:
        raise ValueError("give REFERENCE and at least one PROBE, or --csv PAIRS.csv")
    reference, *probes = args.photos
    return [_pair([reference], probe) for probe in probes]


def _pair(references: Sequence[str], probe: str) -> Pair:
    """Pair a template, whose files are written as in a cell of a table, with a probe."""
    name = f" {TEMPLATE_MARK} ".join(references)
    return Pair(name, probe, (references[0] if len(references) == 1 else tuple(references), probe))


def _clips(args: argparse.Namespace, table: Sequence[Pair] | None) -> list[Pair]:
    """Return the clips that are to be judged by themselves, as pairs without a reference."""
    if args.reference:
        raise ValueError("--reference: there is none in same-video mode; give --probe alone")
    if table is None:
        clips = [Pair("", clip, ("", clip)) for clip in args.probe or args.photos]
        if not clips:
            raise ValueError("give at least one VIDEO, or --csv PAIRS.csv")
        return clips
    for pair in table:
        if pair.reference:
            raise ValueError(
                f"{args.csv}, line {pair.line}: in same-video mode the column of references stays "
                f"empty, and it holds {pair.reference!r}"
            )
    return list(table)


def choose_mode(args: argparse.Namespace) -> Mode:
    """Return the requested mode; one video and nothing else means same-video mode.

    Parameters
    ----------
    args : argparse.Namespace
        With `photos`, `reference`, `probe`, `csv` and `mode`.

    Returns
    -------
    {"reference", "same-video"}
    """
    if args.mode is not None:
        mode: Mode = args.mode
        return mode
    if len(args.photos) == 1 and not (args.csv or args.reference or args.probe):
        from sklearn_diffake.images.formats import is_video

        return "same-video" if is_video(args.photos[0]) else "reference"
    return "reference"


def read_pairs(path: str, *, labeled: bool = False, keep_empty: bool = False) -> list[Pair]:
    """Read a table of pairs.

    Parameters
    ----------
    path : str
        As for :func:`.load_pairs`.
    labeled : bool, default=False
        Whether, if there is a column of labels, every pair must have one.
    keep_empty : bool, default=False
        Whether a pair may lack a file; its path is then empty.

    Returns
    -------
    list of Pair
        At least one.

    Raises
    ------
    TableError
        If the file is not such a table; the message names the line.
    OSError
        If it cannot be read.
    """
    from sklearn_diffake.pairs._pair_table import iter_pairs
    from sklearn_diffake.utils._delimited import open_table, plain_name

    with open_table(path) as table:
        pairs = []
        for row in iter_pairs(table, keep_empty=keep_empty):
            pairs.append(Pair(**row._asdict()))
        if not pairs:
            raise table.error("it has a header and no pairs")
    unlabeled = [pair.line for pair in pairs if pair.label is None]
    if labeled and unlabeled and "label" in map(plain_name, table.header.cells):
        raise table.error(
            "the label is empty; expected 1 (genuine) or -1 (deepfake)", unlabeled[0], "label"
        )
    return pairs


def read_genuine(path: str) -> tuple[list[Pair], list[Pair]]:
    """Read a table of pairs to learn from.

    Parameters
    ----------
    path : str
        As for :func:`.load_pairs`.

    Returns
    -------
    pairs, genuine : lists of Pair
        All of them, and those not labeled -1.

    Raises
    ------
    TableError
        If the file is not such a table; the message names the line.
    ValueError
        If no pair is genuine.
    OSError
        If it cannot be read.
    """
    pairs = read_pairs(path, labeled=True)
    genuine = [pair for pair in pairs if pair.label != -1]
    if not genuine:
        raise ValueError(f"{path}: all {len(pairs)} pairs are labeled -1, none is genuine")
    return pairs, genuine
