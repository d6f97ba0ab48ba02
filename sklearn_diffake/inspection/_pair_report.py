"""PairReport: write an explanation as a picture or as a page."""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..utils._atomic_files import atomic_write, check_output
from ._drawing import load_matplotlib, png_bytes

if TYPE_CHECKING:
    from ._explain import PairExplanation


class PairReport:
    """Report that explains the verdict on a pair.

    Needs matplotlib (extra ``plots``).

    Parameters
    ----------
    explanation : PairExplanation
        Result of `explain_pair`.
    title : str, default="Why this verdict?"
        Headline.
    date : str or datetime.date, default=None
        Shown as text. None shows no date, so that equal explanations give equal bytes.

    Attributes
    ----------
    explanation : PairExplanation
    title : str
    date : str or None

    See Also
    --------
    explain_pair : Computes the explanation.

    Notes
    -----
    A page is one file with embedded pictures. It runs no script and loads nothing from a network;
    its Content-Security-Policy forbids both. It holds thumbnails of the two photographs, their
    faces, and faces of the nearest genuine pairs if known: protect it as you protect the
    photographs.

    Colors are vermilion and blue of Okabe and Ito, which color-blind people can distinguish; an
    outline encloses values above half of the maximum of a map.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from sklearn_diffake import make_difffake_pipeline
    >>> from sklearn_diffake.inspection import PairReport, explain_pair
    >>> from sklearn_diffake.novelty import SumRuleDetector
    >>> crops = np.random.default_rng(0).integers(0, 256, (8, 2, 32, 32, 3), dtype=np.uint8)
    >>> pipe = make_difffake_pipeline(
    ...     "difffake-lite0-identity", aligner=False, detector=SumRuleDetector(), device="cpu"
    ... ).fit(crops)
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
            The file, replaced atomically. A new file is readable by its owner only.

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
        """Write the report as a self-contained HTML page.

        Parameters
        ----------
        path : str or Path
            The file, in UTF-8, replaced atomically. A new file is readable by its owner only.

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
        """Return the photographs of the report, which it must not overwrite."""
        explanation = self.explanation
        nearest = explanation.nearest.names if explanation.nearest is not None else None
        return [
            explanation.reference.name,
            explanation.probe.name,
            *chain.from_iterable(nearest or []),
        ]

    def _repr_html_(self) -> str | None:
        """Return the report for a notebook; None, which shows it as text, without matplotlib."""
        try:
            load_matplotlib()
        except ImportError:
            return None
        from ._page import fragment

        return fragment(self)

    def __repr__(self) -> str:
        return f"PairReport({self.explanation!r})"
