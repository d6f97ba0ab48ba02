"""Set the threshold of any model on genuine pairs of the user."""

from __future__ import annotations

import copy
from numbers import Integral, Real
from typing import Any, Literal, overload

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length

from sklearn_diffake.base import genuine_mask
from sklearn_diffake.inspection._split_pipeline import split_pipeline
from sklearn_diffake.novelty._calibration import FEW
from sklearn_diffake.novelty._p_values import least_n
from sklearn_diffake.novelty._recalibrated import recalibrated, target_of
from sklearn_diffake.pairs import check_mode
from sklearn_diffake.utils._groups import name_codes
from sklearn_diffake.utils._messages import list_first, warn_caller
from sklearn_diffake.utils._sklearn_compat import (
    Interval,
    _num_samples,
    _safe_indexing,
    validate_params,
)
from sklearn_diffake.verdict._calibration_evidence import Evidence, Templates, plain_evidence
from sklearn_diffake.verdict._calibration_report import CalibrationReport, report_of


@overload
def recalibrate(
    model: Any,
    pairs: Any,
    groups: ArrayLike | None = ...,
    *,
    y: ArrayLike | None = ...,
    target_bpcer: float | None = ...,
    interchangeable: bool = ...,
    max_references: int = ...,
    max_probes: int = ...,
    n_draws: int = ...,
    random_state: int | RandomState | None = ...,
    return_report: Literal[False] = ...,
    verbose: int = ...,
) -> Any: ...


@overload
def recalibrate(
    model: Any,
    pairs: Any,
    groups: ArrayLike | None = ...,
    *,
    y: ArrayLike | None = ...,
    target_bpcer: float | None = ...,
    interchangeable: bool = ...,
    max_references: int = ...,
    max_probes: int = ...,
    n_draws: int = ...,
    random_state: int | RandomState | None = ...,
    return_report: Literal[True],
    verbose: int = ...,
) -> tuple[Any, CalibrationReport]: ...


@validate_params(
    {
        "model": [object],
        "pairs": [object],
        "groups": ["array-like", None],
        "y": ["array-like", None],
        "target_bpcer": [Interval(Real, 0, 1, closed="neither"), None],
        "interchangeable": ["boolean"],
        "max_references": [Interval(Integral, 1, None, closed="left")],
        "max_probes": [Interval(Integral, 1, None, closed="left")],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "return_report": ["boolean"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=False,
)
def recalibrate(
    model: Any,
    pairs: Any,
    groups: ArrayLike | None = None,
    *,
    y: ArrayLike | None = None,
    target_bpcer: float | None = None,
    interchangeable: bool = False,
    max_references: int = 5,
    max_probes: int = 4,
    n_draws: int = 8,
    random_state: int | RandomState | None = 0,
    return_report: bool = False,
    verbose: int = 0,
) -> Any:
    """Set the threshold of a fitted model on genuine pairs of your own.

    Thresholds and p-values of the result rest on these pairs alone; features and scores stay as
    they are. Read more in the :ref:`User Guide <calibrating>`.

    With `groups`, the distinct pictures of each person are also put together at random to
    templates of 1, 2, 3 and 5 references and 1, 2 and 4 probes, and each of these categories gets
    a threshold of its own (Mondrian conformal calibration [1]_): the more images, the higher
    genuine pairs score. A category needs as many people with enough pictures as the target needs,
    and 19 at least; others are judged by the nearest one below. Every person has the weight one in
    each category.

    Parameters
    ----------
    model : Pipeline or detector
        Fitted, the packaged one too: its last step is a
        :class:`~sklearn_diffake.novelty.ConformalDetector`, or anything with scores. It is not
        changed.
    pairs : table of n pairs
        Anything that `model` takes. Genuine pairs of people whom `model` was not fitted on. Where a
        cell is a template, pairs of single images are drawn from it.
    groups : array-like of shape (n,), default=None
        The person of each pair; strongly advised where a person comes in several pairs. None means
        that every pair stands alone: then templates are formed within the cells of a pair only.
    y : array-like of shape (n,), default=None
        +1 for genuine, -1 for deepfake; rows labeled -1 are not used. None means all genuine.
    target_bpcer : float in (0, 1), default=None
        Fraction of genuine pairs that may be rejected. None keeps the target of the model: its
        `target_bpcer`, or the `contamination` of a detector of this package, or else 0.05.
    interchangeable : bool, default=False
        Whether references and probes are pictures of one kind, so that each may stand on either
        side. By default a picture stays on the side (or sides) where `pairs` has it, since passport
        photos and selfies must not be mixed.
    max_references, max_probes : int, default=5 and 4
        Largest templates to calibrate.
    n_draws : int, default=8
        Random templates of each person and category.
    random_state : int, RandomState instance or None, default=0
        Seeds them.
    return_report : bool, default=False
        Whether to return the report too.
    verbose : int, default=0
        Show a progress bar; with 2 also print the report.

    Returns
    -------
    calibrated : as `model`
        A copy whose last step is a fitted :class:`~sklearn_diffake.novelty.ConformalDetector`; of a
        search the best pipeline.
    report : CalibrationReport
        Only with `return_report`: people, pairs, thresholds, how sure they are, what was left out.

    Raises
    ------
    ModeError
        If `model` judges clips by themselves (same-video mode): templates are of reference mode.
    TypeError
        If `model` gives no scores.
    ValueError
        If fewer than two people (or pairs) can be used, a person is missing in `groups`, or `y` or
        `groups` have another length.

    Warns
    -----
    UserWarning
        If rows or pictures were left out; if there are so few people that the true BPCER may be
        more than twice the target (the text begins with ``unsure-threshold``).

    See Also
    --------
    sklearn_diffake.metrics.p_value_drift : Tests later whether the calibration still fits.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World", 2005,
       section 4.5.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake import make_difffake_pipeline, recalibrate
    >>> rng = np.random.default_rng(0)
    >>> steps = make_difffake_pipeline(operator="squared", random_state=0)[2:]
    >>> steps = steps.fit(rng.normal(size=(200, 2, 8)))
    >>> pairs, person = rng.normal(size=(300, 2, 8)), np.repeat(np.arange(150), 2)
    >>> calibrated, report = recalibrate(steps, pairs, person, target_bpcer=0.1, return_report=True)
    >>> calibrated[-1].n_calibration_
    150
    >>> print(report)
    references  probes  people  pairs  threshold  level     true BPCER
             1       1     150    300     -6.973    0.1  5.7% to 15.2%
    with 150 people, the true BPCER of the threshold lies between 5.7% and 15.2% in 95 of 100
    calibrations (target 10.0%), for genuine pairs like these
    """
    check_mode(model, "reference", unstated=True)
    model = getattr(model, "best_estimator_", model)
    pipeline = model if isinstance(model, Pipeline) else Pipeline([("detect", model)])
    split = split_pipeline(pipeline, stores=True)
    target = target_of(split.detector) if target_bpcer is None else float(target_bpcer)
    rows = np.flatnonzero(genuine_mask(y, _num_samples(pairs)))
    codes = _people(groups, pairs, rows)
    if split.branches:
        templates = Templates(split, pairs, rows, codes, verbose)
        limits = max_references, max_probes
        min_people = max(FEW, least_n(target))
        rng = check_random_state(random_state)
        evidence = templates.evidence(interchangeable, limits, min_people, n_draws, rng)
    else:
        evidence = plain_evidence(split, pairs, rows, codes)
    _warn_of_left_out(evidence, len(rows))
    _refuse_few(evidence, groups is not None)
    detector = recalibrated(
        split.detector, evidence.scores, evidence.codes, evidence.n_images, target
    )
    report = report_of(
        detector,
        grouped=groups is not None,
        n_pictures=evidence.n_pictures,
        left_out_rows=evidence.left_out_rows,
        left_out_pictures=evidence.left_out_pictures,
    )
    if (message := report.warning()) is not None:
        warn_caller(message)
    if verbose > 1:
        print(report)
    calibrated = with_last_step(model, detector)
    return (calibrated, report) if return_report else calibrated


def _people(groups: ArrayLike | None, pairs: Any, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the number of the person of each genuine row."""
    if groups is None:
        return np.arange(len(rows), dtype=np.int64)
    check_consistent_length(pairs, groups)
    names = _safe_indexing(np.asarray(groups, dtype=object), rows)
    codes = name_codes(names.tolist(), kind="groups").codes
    if (codes < 0).any():
        unnamed = rows[codes < 0].tolist()
        raise ValueError(
            f"groups has no person for {len(unnamed)} genuine rows: {list_first(unnamed)}. "
            "Pictures of different people must not be put into one template: name the person, "
            "or leave these rows out"
        )
    return codes


def _refuse_few(evidence: Evidence, grouped: bool) -> None:
    """Raise an error if there are fewer than two people (or pairs) to calibrate on."""
    n = len(np.unique(evidence.codes))
    if n < 2:
        unit = "people" if grouped else "pairs"
        raise ValueError(
            f"{n} {unit} can be used, and at least 2 are needed to calibrate; 20 are a start, and "
            "some hundred are better"
        )


def _warn_of_left_out(evidence: Evidence, n_rows: int) -> None:
    """Count and name the rows, and the pictures of templates, that are not used."""
    rows, pictures = evidence.left_out_rows, evidence.left_out_pictures
    if rows:
        reasons = _first_reasons({f"row {row}": reason for row, reason in rows.items()})
        warn_caller(f"{len(rows)} of {n_rows} genuine rows are left out: {reasons}")
    elif pictures:
        reasons = _first_reasons(pictures)
        warn_caller(f"{len(pictures)} pictures are left out of templates: {reasons}")


def _first_reasons(reasons: dict[str, str]) -> str:
    """Write the first five reasons by name, and how many more there are."""
    text = "; ".join(f"{name}: {reason}" for name, reason in list(reasons.items())[:5])
    return text + (f"; and {len(reasons) - 5} more" if len(reasons) > 5 else "")


def with_last_step(model: Any, calibrated: Any) -> Any:
    """Return a copy of a fitted model with the last step of another one.

    Parameters
    ----------
    model : Pipeline, search or detector
    calibrated : Pipeline or detector
        Result of `recalibrate` for `model`, or of a copy with other settings.

    Returns
    -------
    as `calibrated`
    """
    model = getattr(model, "best_estimator_", model)
    if not isinstance(model, Pipeline):
        return calibrated
    detector = calibrated[-1] if isinstance(calibrated, Pipeline) else calibrated
    result = copy.copy(model)
    result.steps = [*copy.deepcopy(model.steps[:-1]), (model.steps[-1][0], detector)]
    return result
