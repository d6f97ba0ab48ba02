"""Colour, on terminals that want it."""

import os
from typing import TextIO

_CODES = {"green": 32, "red": 31, "yellow": 33}


def coloured(words: str, colour: str, file: TextIO) -> str:
    """Colour words if they go to a terminal.

    Parameters
    ----------
    words : str
        What is written.
    colour : {"green", "red", "yellow"}
        Its colour.
    file : file object
        Where it is written to.

    Returns
    -------
    str
        The words, between the escape sequences of ANSI terminals if `file` takes them.
    """
    return f"\033[{_CODES[colour]}m{words}\033[0m" if takes_colour(file) else words


def takes_colour(file: TextIO) -> bool:
    """Tell whether to colour: not with NO_COLOR, with FORCE_COLOR, else if it is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return file.isatty() and os.environ.get("TERM") != "dumb"
