"""Text from files of strangers, made fit for a terminal."""


def printable(text: str) -> str:
    r"""Escape what would not be seen, and what a terminal might obey, as ``repr`` does.

    Parameters
    ----------
    text : str
        One line, such as the name of a file; may hold lone surrogates.

    Returns
    -------
    str
        The text with every character that is not :meth:`str.isprintable` escaped: control
        characters, line ends, marks that turn the direction of writing. Backslashes stay as
        they are.

    Examples
    --------
    >>> print(printable("a\x1b[2Jb\n.png"))
    a\x1b[2Jb\n.png
    >>> printable("Zoë.png")
    'Zoë.png'
    """
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)
