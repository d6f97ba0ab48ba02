"""Escape text from untrusted files for a terminal."""


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
