"""Compose messages for users, escape untrusted text, and warn at the line of the caller."""

from __future__ import annotations

import difflib
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any


@cache
def _library_folders() -> tuple[str, ...]:
    """Return the folders whose lines are not the caller's: those of this package and of two others.

    scikit-learn, and joblib, through which its pipelines call, are located, not imported: the
    command line imports this module to print its help.
    """
    folders = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
    for spec in map(find_spec, ("sklearn", "joblib")):
        folders += map(os.path.abspath, (spec and spec.submodule_search_locations) or [])
    return tuple(folder + os.sep for folder in folders)


def list_first(items: Sequence[Any], *, n_shown: int = 5) -> str:
    """Write the first items of a sequence, for a message.

    Parameters
    ----------
    items : sequence
        Names or numbers.
    n_shown : int, default=5
        How many to write.

    Returns
    -------
    text : str
    """
    suffix = f" and {len(items) - n_shown} more" if len(items) > n_shown else ""
    return ", ".join(repr(item) for item in items[:n_shown]) + suffix


def nearest(name: object, names: Iterable[str]) -> str:
    """Return which name was probably meant, or all names if none is close.

    Parameters
    ----------
    name : object
        As given; all names are listed for what is no text.
    names : iterable of str
        Those that exist.

    Returns
    -------
    advice : str
    """
    candidates = sorted(names)
    text = name if isinstance(name, str) else ""
    close = difflib.get_close_matches(text, candidates, n=1)
    if not close:  # difflib is case-sensitive
        close = [candidate for candidate in candidates if candidate.lower() == text.lower()]
    return f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(candidates)}"


def warn_caller(message: str) -> None:
    """Warn at the line of the caller's code that called into this package.

    Parameters
    ----------
    message : str
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_library_folders()):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)


def printable(text: str) -> str:
    r"""Escape invisible characters and control sequences, as ``repr`` does.

    Parameters
    ----------
    text : str
        One line, such as the name of a file; may hold lone surrogates.

    Returns
    -------
    str
        The text with every character that is not :meth:`str.isprintable` escaped: control
        characters, line ends, marks that change the direction of writing. Backslashes stay as
        they are.

    Examples
    --------
    >>> print(printable("a\x1b[2Jb\n.png"))
    a\x1b[2Jb\n.png
    >>> printable("Zoë.png")
    'Zoë.png'
    """
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )
