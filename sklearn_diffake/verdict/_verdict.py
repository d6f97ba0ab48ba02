"""Verdict: an outcome, and what it rests on."""

from __future__ import annotations

import datetime
import os
import shlex
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from sklearn_diffake.utils._json import json_text
from sklearn_diffake.verdict._evidence import VerdictData

_PAGE_SUFFIXES = (".html", ".htm")


class Verdict(VerdictData):
    """An outcome, and what it rests on.

    Attributes
    ----------
    outcome : {"genuine", "suspicious", "inconclusive", "error"}
        "suspicious" means: not like genuine pairs of one person: altered, or somebody else; in
        same-video mode: not like frames of genuine videos: altered, or recorded or compressed
        otherwise.
    reason : str
        One sentence: why this outcome.
    score : float or None
        Higher is more genuine.
    threshold : float or None
        Scores below it are suspicious, for this number of images.
    p_value : float or None
        Valid for this number of images; None if the model gives none.
    level : float or None
        ``p_value <= level`` is suspicious.
    n_references, n_probes : int
        Images used: a clip counts its frames.
    category : tuple of (int, int) or None
        Numbers of reference and probe images for which threshold and p-value were calibrated. None
        in same-video mode, where they were calibrated on single frames or pairs of frames.
    images : tuple of ImageEvidence
    warnings : tuple of VerdictWarning
    clip : ClipEvidence or None
        If the probe holds a clip.
    model : ModelInfo or None
    mode : {"reference", "same-video"}
        What the probe was compared with: a reference, or, for a clip by itself, its own frames.
    _compared_images : ComparedImages or None
        The pictures, for `report`; not compared, and not among the plain values.

    See Also
    --------
    sklearn_diffake.verify : Makes verdicts.

    Examples
    --------
    >>> from sklearn_diffake import Verdict
    >>> verdict = Verdict("error", "probe: no face was found")
    >>> verdict.to_dict()["outcome"], verdict.score
    ('error', None)
    """

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain values.

        Returns
        -------
        dict
            Of dicts, lists, texts, numbers and None.
        """
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name[0] != "_"}
        return {name: _plain(value) for name, value in values.items()}

    def to_json(self) -> str:
        """Return all fields as JSON; a number that is not finite becomes null.

        Returns
        -------
        str
            One line.
        """
        return json_text(self.to_dict())

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        command: str | Sequence[str] | None = None,
        case: str | None = None,
        date: Any = None,
        maps: bool = True,
    ) -> None:
        """Write a page that shows what was compared, the outcome, and why.

        Read more in the :ref:`User Guide <verdict_reports>`.

        Parameters
        ----------
        path : str or Path
            A file whose name ends in ``.html``, in UTF-8, replaced atomically. A new one is
            readable by its owner only.
        command : str or list of str, default=None
            The command that gave the verdict, shown as it is; arguments are quoted as for a shell.
        case : str, default=None
            Number of the case. None leaves room to write one.
        date : str or datetime.date, default=None
            Shown as it is. None takes the current time, in UTC.
        maps : bool, default=True
            Show where the least genuine probe image differs from a reference, where such a map was
            shown to mean something; needs matplotlib (extra ``plots``). The page says why there is
            no map.

        Raises
        ------
        ValueError
            If the name does not end in ``.html``; or the file is one of those that were compared,
            a directory, a device, a named pipe or a symbolic link of another user.
        OSError
            If the file cannot be written.

        Notes
        -----
        Every number on the page is a field of the verdict. The page holds no script and asks
        nothing of a network, which a Content-Security-Policy in it forbids besides. It holds the
        pictures that were compared, made smaller, and faces: treat it as you treat the pictures.

        Files are read again: those that were changed or removed since the verdict are not shown,
        nor are the pictures of a verdict that was pickled. SHA-256 checksums are those of the files
        when the report is written.
        """
        from sklearn_diffake.inspection._report.page import write_report
        from sklearn_diffake.verdict._report.page import report_page

        name = os.fspath(path)
        if os.path.splitext(name)[1].lower() not in _PAGE_SUFFIXES:
            raise ValueError(
                f"{name!r}: a report is a page, expected a name that ends in .html; a browser "
                "prints it to PDF"
            )
        if date is None:
            date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
        if command is not None and not isinstance(command, str):
            command = shlex.join(command)
        write_report(
            path,
            lambda: report_page(self, command=command, case=case, date=str(date), maps=maps),
            inputs=self._inputs(),
        )

    def _inputs(self) -> list[Any]:
        """List the files that the verdict is about; a report must not replace one."""
        images = self._compared_images
        sources = [] if images is None else images.sources
        files = [source for source in sources if isinstance(source, (str, os.PathLike))]
        return list(dict.fromkeys([*(image.path for image in self.images if image.path), *files]))

    def _repr_html_(self) -> str:
        from sklearn_diffake.verdict._report.notebook import verdict_html

        return verdict_html(self)

    def __getstate__(self) -> dict[str, Any]:
        """Leave pictures and model behind: a verdict travels as its fields."""
        return {**vars(self), "_compared_images": None}


def _plain(value: Any) -> Any:
    """Turn dataclasses and tuples into dicts and lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
