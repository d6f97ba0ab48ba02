"""write_verdict_report: a verdict as a page for people."""

from __future__ import annotations

import datetime
import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..utils._atomic_files import atomic_write, check_output

if TYPE_CHECKING:
    from ._verdict import Verdict

_SUFFIXES = (".html", ".htm")


def write_verdict_report(
    verdict: Verdict,
    path: str | os.PathLike[str],
    *,
    command: str | Sequence[str] | None = None,
    case: str | None = None,
    date: Any = None,
    maps: bool = True,
) -> None:
    """Write a verdict as a page of HTML that needs nothing but itself, and prints.

    Read more in the :ref:`User Guide <verdict_reports>`.

    Parameters
    ----------
    verdict : Verdict
        Of any outcome. Every number on the page is one of its fields.
    path : str or Path
        The file, in UTF-8, whose name ends in ``.html``; written completely or not at all. A
        new one is readable by its owner only.
    command : str or list of str, default=None
        The command that gave the verdict, shown as it is; arguments are quoted as for a shell.
    case : str, default=None
        Number of the case. None leaves room to write one.
    date : str or datetime.date, default=None
        Shown as it is. None takes the current time, in UTC.
    maps : bool, default=True
        Show where the least genuine probe image differs from a reference, where such a map was
        shown to mean something; needs matplotlib (extra ``plots``). The page says why there is no
        map.

    Raises
    ------
    ValueError
        If the name does not end in ``.html``; or the file is one of the pictures that were
        compared, a directory, a device, a named pipe or a symbolic link of another user.
    OSError
        If the file cannot be written.

    Notes
    -----
    The page holds no script and asks nothing of a network, which a Content-Security-Policy in it
    forbids besides. It holds the pictures that were compared, made smaller, and faces: treat it as
    you treat the pictures.

    SHA-256 checksums are those of the files when the report is written.
    """
    name = os.fspath(path)
    if os.path.splitext(name)[1].lower() not in _SUFFIXES:
        raise ValueError(
            f"{name!r}: a report is a page, expected a name that ends in .html; a browser prints "
            "it to PDF"
        )
    inputs = _inputs(verdict)
    check_output(path, inputs=inputs)
    from ._report_page import report_page

    page = report_page(
        verdict,
        command=command if command is None or isinstance(command, str) else shlex.join(command),
        case=case,
        date=_now() if date is None else str(date),
        maps=maps,
    )
    atomic_write(path, page.encode("utf-8"), inputs=inputs)


def _inputs(verdict: Verdict) -> list[Any]:
    """List the files that the verdict is about; a report must not take the place of one."""
    material = getattr(verdict, "_material", None)
    sources = [] if material is None else material.sources
    files = [source for source in sources if isinstance(source, (str, os.PathLike))]
    return list(dict.fromkeys([*(image.path for image in verdict.images if image.path), *files]))


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
