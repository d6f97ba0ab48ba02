"""Verdicts as rows: nested for JSON, flat for tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn_diffake.cli._pairs import Pair

if TYPE_CHECKING:
    from sklearn_diffake.verdict import Verdict

_CLIP: dict[str, type] = {
    "n_frames": int,
    "fraction_below": float,
    "n_windows": int,
    "p_value_whole": float,
    "p_value_worst_window": float,
    "decided_by": str,
}
_INTERVALS = ("longest_interval", "worst_window")
#: Columns of a flat row that hold the verdict, and their types.
RESULT_COLUMNS: dict[str, type] = {
    "outcome": str,
    "reason": str,
    "score": float,
    "threshold": float,
    "p_value": float,
    "level": float,
    "n_references": int,
    "n_probes": int,
    "category_references": int,
    "category_probes": int,
    "warnings": str,
    **{f"clip_{name}": kind for name, kind in _CLIP.items()},
    **{f"clip_{name}_{end}": float for name in _INTERVALS for end in ("start", "end")},
    "mode": str,
    "model": str,
    "model_fingerprint": str,
}
#: Columns of the input.
INPUT_COLUMNS: dict[str, type] = {"reference": str, "probe": str, "label": int, "person": str}


def full_row(pair: Pair, verdict: Verdict) -> dict[str, Any]:
    """Return a pair and its verdict, for JSON.

    Parameters
    ----------
    pair : Pair
    verdict : Verdict

    Returns
    -------
    dict
        ``reference`` (None where it is missing) and ``probe`` as the user wrote them; ``label``,
        ``person`` and ``extra`` if the table has them; and all fields of the verdict.
    """
    row: dict[str, Any] = {"reference": pair.reference or None, "probe": pair.probe}
    if pair.label is not None:
        row["label"] = pair.label
    if pair.person is not None:
        row["person"] = pair.person
    if pair.extra:
        row["extra"] = pair.extra
    return row | verdict.to_dict()


def flat_row(pair: Pair, verdict: Verdict) -> dict[str, Any]:
    """Return a pair and its verdict, one plain value for each column of a table.

    Parameters
    ----------
    pair : Pair
    verdict : Verdict

    Returns
    -------
    dict
        Keys are those of `INPUT_COLUMNS`, the other columns of the user's table, and those of
        `RESULT_COLUMNS`; None where there is no value. A column of the user's that has the name of
        a result begins with ``input_``.
    """
    reserved = INPUT_COLUMNS.keys() | RESULT_COLUMNS.keys()
    row: dict[str, Any] = {name: getattr(pair, name) for name in INPUT_COLUMNS}
    for name, text in pair.extra.items():
        row[f"input_{name}" if name in reserved else name] = text
    return {name: encodable(value) for name, value in (row | _results(verdict)).items()}


def _results(verdict: Verdict) -> dict[str, Any]:
    category, clip, model = verdict.category, verdict.clip, verdict.model
    row: dict[str, Any] = dict.fromkeys(RESULT_COLUMNS)
    for name in RESULT_COLUMNS.keys() & vars(verdict).keys():
        row[name] = getattr(verdict, name)
    row["warnings"] = ";".join(warning.code for warning in verdict.warnings)
    row["category_references"], row["category_probes"] = category or (None, None)
    for name in _CLIP if clip else ():
        row[f"clip_{name}"] = getattr(clip, name)
    for name in _INTERVALS if clip else ():
        row[f"clip_{name}_start"], row[f"clip_{name}_end"] = getattr(clip, name) or (None, None)
    row["model"] = model.name if model else None
    row["model_fingerprint"] = model.fingerprint if model else None
    return row


def encodable(value: Any) -> Any:
    r"""Return a value that UTF-8 can hold: a file name may have bytes that are no text.

    Parameters
    ----------
    value : object

    Returns
    -------
    object
        Texts with such bytes written as ``\xff``; anything else as it is.
    """
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value
