"""PairExplanation: the explanation of a pair, and its report."""

from __future__ import annotations

import os
from functools import partial
from itertools import chain
from typing import Any

from sklearn_diffake.inspection._explanation_data import ExplanationData


class PairExplanation(ExplanationData):
    """Explanation of the verdict on a pair; returned by `explain_pair`.

    Attributes
    ----------
    score : float
        Score of the pair; higher = more genuine.
    threshold : float
        Scores below it mean deepfake.
    p_value : float or None
        P-value of the score among genuine pairs, in (0, 1], if the last step is a
        :class:`~sklearn_diffake.novelty.ConformalDetector`.
    reference, probe : ExplainedPhoto
        The photographs with their maps, by method:

        - ``"joint occlusion"``: rise of the score if a region is hidden in both photographs and so
          left out of the comparison, less the rise in a comparison of the reference with itself.
          Positive: the region is evidence against the pair. Both photographs have the same map.
          Of both occlusion maps, it finds manipulated regions far better;
        - ``"occlusion"``: rise of the score if a region is hidden in this photograph alone;
        - ``"gradient"``: sensitivity of the score to a pixel, in squared score per squared RGB
          level (levels from 0 to 1), never negative.

    contributions : list of Contribution
        Contributions of several embedders to the score; empty if there is only one, or genuine
        means are unknown.
    base_score : float or None
        Score of a pair with the genuine mean of every embedder.
    nearest : NearestGenuine or None
        The most similar genuine pairs, if genuine pairs are known.
    calibration : Calibration or None
        The calibration of the threshold, if the last step is a
        :class:`~sklearn_diffake.novelty.ConformalDetector`: ``(n_pairs, n, target_bpcer,
        level)``, where `n` is the number of groups if these were passed to fit.
    threshold_warning : str or None
        A warning if the threshold was set on few genuine pairs.
    provenance : dict
        Versions, steps and networks of the pipeline, digests of the photographs, and settings:
        values that JSON can hold.

    See Also
    --------
    explain_pair : Computes it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake import make_difffake_pipeline
    >>> from sklearn_diffake.inspection import explain_pair
    >>> from sklearn_diffake.novelty import SumRuleDetector
    >>> crops = np.random.default_rng(0).integers(0, 256, (8, 2, 32, 32, 3), dtype=np.uint8)
    >>> pipe = make_difffake_pipeline(
    ...     "difffake-lite0-identity", aligner=False, detector=SumRuleDetector(), device="cpu"
    ... ).fit(crops)
    >>> explanation = explain_pair(pipe, *crops[0], method="gradient", n_smooth=1, random_state=0)
    >>> explanation.decision == explanation.score - explanation.threshold
    True
    >>> explanation.provenance["networks"][0]["name"]
    'difffake-lite0-identity'
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "report.html")
    >>> explanation.report(path)
    >>> os.path.getsize(path) > 1000
    True
    """

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        title: str = "Why this verdict?",
        date: Any = None,
    ) -> None:
        """Write the explanation as a page of HTML or as a picture.

        Needs matplotlib (extra ``plots``).

        Parameters
        ----------
        path : str or Path
            A file whose name ends in ``.html`` (a page, in UTF-8) or in ``.png``, replaced
            atomically. A new one is readable by its owner only.
        title : str, default="Why this verdict?"
            Headline.
        date : str or datetime.date, default=None
            Shown as text. None shows no date, so that equal explanations give equal bytes.

        Raises
        ------
        ValueError
            If the name has another ending; or the file is one of the photographs, a directory, a
            device, a named pipe or a symbolic link of another user.
        ImportError
            If matplotlib is not installed; the message names the extra.
        OSError
            If the file cannot be written.

        Notes
        -----
        A page is one file with embedded pictures. It runs no script and loads nothing from a
        network; its Content-Security-Policy forbids both. It holds thumbnails of the two
        photographs, their faces, and faces of the nearest genuine pairs if known: protect it as
        you protect the photographs.

        Colors are vermilion and blue of Okabe and Ito, which color-blind people can distinguish; an
        outline encloses values above half of the maximum of a map.
        """
        from sklearn_diffake.inspection._report.figure import load_matplotlib
        from sklearn_diffake.inspection._report.page import (
            explanation_page,
            explanation_picture,
            write_report,
        )

        suffix = os.path.splitext(os.fspath(path))[1].lower()
        if suffix not in (".html", ".htm", ".png"):
            raise ValueError(
                f"{os.fspath(path)!r}: expected a name that ends in .html (a page) or .png"
            )
        load_matplotlib()
        render = explanation_picture if suffix == ".png" else explanation_page
        date = None if date is None else str(date)
        write_report(path, partial(render, self, title, date), inputs=self._inputs())

    def _inputs(self) -> list[str | None]:
        """Return the photographs, which a report must not overwrite."""
        names = self.nearest.names if self.nearest is not None else None
        return [self.reference.name, self.probe.name, *chain.from_iterable(names or [])]

    def _repr_html_(self) -> str | None:
        """Return the report for a notebook; None, which shows it as text, without matplotlib."""
        from sklearn_diffake.inspection._report.figure import load_matplotlib
        from sklearn_diffake.inspection._report.page import explanation_fragment

        try:
            load_matplotlib()
        except ImportError:
            return None
        return explanation_fragment(self)
