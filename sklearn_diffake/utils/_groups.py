"""Numbers for names, and for rows that belong together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sklearn_diffake.utils._messages import warn_caller
from sklearn_diffake.utils._missing import is_missing
from sklearn_diffake.utils._spelling import lookalike_key, name_key

_MOST_SHOWN = 5


class NameCodes(NamedTuple):
    """Names, numbered.

    Parameters
    ----------
    codes : ndarray of shape (n,), int64
        Position of each value in `names`; -1 where it is missing.
    names : list
        The different names in order of appearance. Text is written as :func:`.name_key` does.
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
    """Give equal values equal numbers, from 0 in order of appearance.

    Parameters
    ----------
    values : iterable of hashable
        Of any types, which need no order.

    Returns
    -------
    codes : ndarray of shape (n,), int64
    """
    seen: dict[Any, int] = {}
    return np.array([seen.setdefault(value, len(seen)) for value in values], dtype=np.int64)


def name_codes(values: Iterable[Any], *, kind: str | None) -> NameCodes:
    """Give spellings of one name one number, from 0 in order of appearance.

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
        If names are spelled in several ways, and if different names look alike. Each is said
        once per call.
    """
    given = [value.item() if isinstance(value, np.generic) else value for value in values]
    keys = {value: None if is_missing(value) else name_key(value) for value in dict.fromkeys(given)}
    seen: dict[Any, int] = {}
    names: list[Any] = []
    for value, key in keys.items():
        if key is not None and key not in seen:
            seen[key] = len(seen)
            names.append(key if isinstance(value, str) else value)
    number = {value: -1 if key is None else seen[key] for value, key in keys.items()}
    if kind is not None:
        _warn_of_spellings(keys, kind)
        _warn_of_lookalikes(seen, kind)
    return NameCodes(np.array([number[value] for value in given], dtype=np.int64), names)


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
    """Name the spellings that are taken for one name."""
    spelled: dict[Any, list[Any]] = {}
    for value, key in keys.items():
        if key is not None:
            spelled.setdefault(key, []).append(value)
    several = [values for values in spelled.values() if len(values) > 1]
    if several:
        warn_caller(
            f"{kind}: {len(several)} {_plural('name is', 'names are', several)} spelled in several "
            f"ways, each taken for one: {_shown(several)}. They differ in white space, in "
            "invisible characters, in the encoding of accents, or in being a number."
        )


def _warn_of_lookalikes(names: Iterable[Any], kind: str) -> None:
    """Name the names that are taken for different ones and are probably not."""
    alike: dict[Any, list[Any]] = {}
    for name in names:
        alike.setdefault(lookalike_key(name), []).append(name)
    several = [values for values in alike.values() if len(values) > 1]
    if several:
        warn_caller(
            f"{kind}: names differ in nothing but upper and lower case or the form of letters, and "
            f"count as different: {_shown(several)}. Spell them alike if they are the same."
        )


def _plural(one: str, many: str, items: list[Any]) -> str:
    return one if len(items) == 1 else many


def _shown(several: list[list[Any]]) -> str:
    """Write spellings so that those which look the same can be told apart."""
    texts = [" = ".join(map(ascii, values[:_MOST_SHOWN])) for values in several[:_MOST_SHOWN]]
    more = len(several) - _MOST_SHOWN
    return "; ".join(texts) + (f"; and {more} more" if more > 0 else "")
