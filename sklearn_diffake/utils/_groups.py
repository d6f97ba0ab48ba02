"""Number names, and groups of rows."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sklearn_diffake.utils._messages import warn_caller
from sklearn_diffake.utils._names import is_missing, lookalike_key, name_key

_MOST_SHOWN = 5


class NameCodes(NamedTuple):
    """Distinct names and the number of each value.

    Parameters
    ----------
    codes : ndarray of shape (n,), int64
        Position of each value in `names`; -1 where it is missing.
    names : list
        The distinct names in order of appearance. Text is written as :func:`.name_key` does.
    """

    codes: NDArray[np.int64]
    names: list[Any]

    def values(self, original: Iterable[Any]) -> list[Any]:
        """Return the name of each value; missing ones as they are in `original`."""
        return [
            value if code < 0 else self.names[code]
            for code, value in zip(self.codes.tolist(), original, strict=True)
        ]


def value_codes(values: Iterable[Hashable]) -> NDArray[np.int64]:
    """Assign numbers to values from 0 in order of appearance; equal values share one.

    Parameters
    ----------
    values : iterable of hashable
        Of any types, which need no order.

    Returns
    -------
    codes : ndarray of shape (n,), int64
    """
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)


def name_codes(values: Iterable[Any], *, kind: str | None) -> NameCodes:
    """Assign numbers to names from 0 in order of appearance; spellings of one name share one.

    Parameters
    ----------
    values : iterable
        Names of any types, which need no order.
    kind : str or None
        What the names are called in warnings, such as "groups"; None warns of nothing.

    Returns
    -------
    coded : NameCodes

    Warns
    -----
    UserWarning
        If names are spelled in several ways, and if different names look alike: one warning of
        each kind per call.
    """
    items = [value.item() if isinstance(value, np.generic) else value for value in values]
    keys = {value: None if is_missing(value) else name_key(value) for value in dict.fromkeys(items)}
    numbers: dict[Any, int] = {}
    names: list[Any] = []
    for value, key in keys.items():
        if key is not None and key not in numbers:
            numbers[key] = len(numbers)
            names.append(key if isinstance(value, str) else value)
    number = {value: -1 if key is None else numbers[key] for value, key in keys.items()}
    if kind is not None:
        _warn_of_spellings(keys, kind)
        _warn_of_lookalikes(numbers, kind)
    return NameCodes(np.array([number[value] for value in items], dtype=np.int64), names)


def group_codes(values: Iterable[Any], *, kind: str = "groups") -> NDArray[np.int64]:
    """Assign numbers to groups from 0 in order of appearance; rows without a name are one group.

    Parameters
    ----------
    values : iterable
        Names of any types.
    kind : str, default="groups"
        What the names are called in warnings.

    Returns
    -------
    codes : ndarray of shape (n,), int64
    """
    codes = name_codes(values, kind=kind).codes
    return codes if codes.min(initial=0) >= 0 else value_codes(codes.tolist())


def connected_rows(
    rows: NDArray[np.integer], items: NDArray[np.integer], n_rows: int
) -> NDArray[np.int64]:
    """Assign a number to each set of rows that share an item, directly or through other rows.

    Parameters
    ----------
    rows, items : ndarray of shape (n_links,), int
        Row ``rows[i]`` has item ``items[i]``; both count from 0.
    n_rows : int

    Returns
    -------
    number : ndarray of shape (n_rows,), int64
        From 0, in order of appearance.
    """
    total = n_rows + int(items.max(initial=-1)) + 1
    links = (np.ones(len(rows), dtype=bool), (rows, n_rows + items))
    graph = coo_array(links, shape=(total, total))
    return value_codes(connected_components(graph, directed=False)[1][:n_rows].tolist())


def _warn_of_spellings(keys: dict[Any, Any], kind: str) -> None:
    """Warn of the spellings that are taken for one name."""
    spellings: dict[Any, list[Any]] = {}
    for value, key in keys.items():
        if key is not None:
            spellings.setdefault(key, []).append(value)
    duplicates = [values for values in spellings.values() if len(values) > 1]
    if duplicates:
        warn_caller(
            f"{kind}: {len(duplicates)} {_plural('name is', 'names are', duplicates)} spelled in "
            f"several ways, each taken for one: {_format_spellings(duplicates)}. They differ in "
            "white space, in invisible characters, in the encoding of accents, or in being a "
            "number."
        )


def _warn_of_lookalikes(names: Iterable[Any], kind: str) -> None:
    """Warn of names that count as different although they are probably the same."""
    alike: dict[Any, list[Any]] = {}
    for name in names:
        alike.setdefault(lookalike_key(name), []).append(name)
    duplicates = [values for values in alike.values() if len(values) > 1]
    if duplicates:
        warn_caller(
            f"{kind}: names differ in nothing but upper and lower case or the form of letters, and "
            f"count as different: {_format_spellings(duplicates)}. Spell them alike if they are "
            "the same."
        )


def _plural(singular: str, plural: str, items: list[Any]) -> str:
    return singular if len(items) == 1 else plural


def _format_spellings(groups: list[list[Any]]) -> str:
    """Write spellings in ASCII, which shows how they differ."""
    texts = [" = ".join(map(ascii, values[:_MOST_SHOWN])) for values in groups[:_MOST_SHOWN]]
    n_hidden = len(groups) - _MOST_SHOWN
    return "; ".join(texts) + (f"; and {n_hidden} more" if n_hidden > 0 else "")
