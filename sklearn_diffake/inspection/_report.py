"""PairReport: an explanation as a picture or as a page."""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..utils._atomic_files import atomic_write, check_output
from ._drawing import load_matplotlib, png_bytes

if TYPE_CHECKING:
    from ._explain import PairExplanation


class PairReport:
    """Show why a pair was called genuine or manipulated.

    Needs matplotlib (extra ``plots``).

    Parameters
    ----------
    explanation : PairExplanation
        Of `explain_pair`.
    title : str, default="Why this verdict?"
        Headline.
    date : str or datetime.date, default=None
        Shown as it is. None shows none, so that the same explanation gives the same bytes.

    Attributes
    ----------
    explanation : PairExplanation
    title : str
    date : str or None

    See Also
    --------
    explain_pair : Makes the explanation.

    Notes
    -----
    A page is one file: its pictures are in it, it runs no script and asks nothing of a network,
    which a Content-Security-Policy in it forbids besides. It holds the two photographs at the size
    of a thumbnail, their faces, and faces of the nearest genuine pairs where they are known: treat
    it as you treat the photographs.

    Colours are Okabe and Ito's vermilion and blue, which colour-blind people tell apart; an outline
    encloses where a map is above half of its greatest value.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from sklearn_diffake import make_difffake_pipeline
    >>> from sklearn_diffake.inspection import PairReport, explain_pair
    >>> crops = np.random.default_rng(0).integers(0, 256, (8, 2, 32, 32, 3), dtype=np.uint8)
    >>> pipe = make_difffake_pipeline("difffake-lite0-identity", aligner=False, device="cpu")
    >>> pipe = pipe.set_params(detect__n_components=1).fit(crops)
    >>> report = PairReport(explain_pair(pipe, *crops[0], method="occlusion", patch=0.5))
    >>> path = os.path.join(tempfile.mkdtemp(), "report.html")
    >>> report.to_html(path)
    >>> os.path.getsize(path) > 1000
    True
    """

    def __init__(
        self,
        explanation: PairExplanation,
        *,
        title: str = "Why this verdict?",
        date: Any = None,
    ) -> None:
        self.explanation = explanation
        self.title = title
        self.date = None if date is None else str(date)

    def to_png(self, path: str | os.PathLike[str]) -> None:
        """Write the report as a picture.

        Parameters
        ----------
        path : str or Path
            The file, replaced whole or not at all. A new one is readable by its owner only.

        Raises
        ------
        ValueError
            If it is one of the photographs, a directory, a device, a named pipe or a symbolic
            link of another user.
        ImportError
            If matplotlib is not installed; the message names the extra.
        OSError
            If the file cannot be written.
        """
        load_matplotlib()
        check_output(path, inputs=self._photos())
        from ._picture import draw_report

        atomic_write(path, png_bytes(draw_report(self)), inputs=self._photos())

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as a page that needs nothing but itself.

        Parameters
        ----------
        path : str or Path
            The file, in UTF-8, replaced whole or not at all. A new one is readable by its owner
            only.

        Raises
        ------
        ValueError
            If it is one of the photographs, a directory, a device, a named pipe or a symbolic
            link of another user.
        ImportError
            If matplotlib is not installed; the message names the extra.
        OSError
            If the file cannot be written.
        """
        load_matplotlib()
        check_output(path, inputs=self._photos())
        from ._page import page

        atomic_write(path, page(self).encode("utf-8"), inputs=self._photos())

    def _photos(self) -> list[str | None]:
        """List the files that the report is about; it must not take the place of one."""
        shown = self.explanation
        nearest = shown.nearest.names if shown.nearest is not None else None
        return [shown.reference.name, shown.probe.name, *chain.from_iterable(nearest or [])]

    def _repr_html_(self) -> str | None:
        """Show the report in a notebook; None, that is, as text, without matplotlib."""
        try:
            load_matplotlib()
        except ImportError:
            return None
        from ._page import fragment

        return fragment(self)

    def __repr__(self) -> str:
        return f"PairReport({self.explanation!r})"
