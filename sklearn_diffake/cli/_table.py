"""Pairs of photographs and videos, from the command line or from a table."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    """

    reference: str
    probe: str
    paths: tuple[str | tuple[str, ...], str | tuple[str, ...]]
    label: int | None = None
    line: int = 0
    person: str | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        """All files of both templates."""
        cells = [(cell,) if isinstance(cell, str) else cell for cell in self.paths]
        return [file for cell in cells for file in cell]

    @property
    def written(self) -> list[str]:
        """The names of `files` as the user wrote them."""
        cells = zip((self.reference, self.probe), self.paths, strict=True)
        names = [[text] if isinstance(cell, str) else text.split("|") for text, cell in cells]
        return [name.strip() for cell in names for name in cell]


def read_pairs(path: str, *, labelled: bool = False) -> list[Pair]:
    """Read a table of pairs.

    Parameters
    ----------
    path : str
        As for :func:`.load_pairs`.
    labelled : bool, default=False
        Whether, if there is a column of labels, every pair must have one.

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
    from ..pairs._pair_table import iter_pairs
    from ..utils._delimited import open_table, plain_name

    with open_table(path) as table:
        pairs = []
        for row in iter_pairs(table):
            pairs.append(Pair(**row._asdict()))
        if not pairs:
            raise table.error("it has a header and no pairs")
    unknown = [pair.line for pair in pairs if pair.label is None]
    if labelled and unknown and "label" in map(plain_name, table.header.cells):
        raise table.error(
            "the label is empty; expected 1 (genuine) or -1 (deepfake)", unknown[0], "label"
        )
    return pairs
