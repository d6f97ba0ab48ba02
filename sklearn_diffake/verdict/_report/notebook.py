"""The notebook view of a verdict."""

from __future__ import annotations

from html import escape

from sklearn_diffake.utils._colors import BLUE, BROWN, DARK_GRAY, ORANGE
from sklearn_diffake.utils._messages import printable
from sklearn_diffake.utils._numbers import significant
from sklearn_diffake.verdict._evidence import VerdictData

_COLORS = {
    "genuine": BLUE,
    "suspicious": ORANGE,
    "inconclusive": BROWN,
    "error": DARK_GRAY,
}
_MOST_IMAGES = 12


def verdict_html(verdict: VerdictData) -> str:
    """Return a compact table of a verdict as HTML.

    Parameters
    ----------
    verdict : VerdictData

    Returns
    -------
    str
        Self-contained and escaped.
    """
    color = _COLORS[verdict.outcome]
    numbers = {
        "score": verdict.score,
        "threshold": verdict.threshold,
        "p-value": verdict.p_value,
        "level": verdict.level,
        "references": verdict.n_references if verdict.mode == "reference" else None,
        "probe images": verdict.n_probes,
    }
    facts: dict[str, str] = {"mode": verdict.mode}
    facts |= {name: _number(value) for name, value in numbers.items() if value is not None}
    cells = "".join(
        f"<tr><th style='text-align:left'>{name}</th><td>{text}</td></tr>"
        for name, text in facts.items()
    )
    warnings = "".join(
        f"<li><code>{escape(warning.code)}</code> {_text(warning.message)}</li>"
        for warning in verdict.warnings
    )
    return (
        f"<div><strong style='color:{color}'>{verdict.outcome}</strong>: {_text(verdict.reason)}"
        f"<table>{cells}</table>"
        + (f"<ul>{warnings}</ul>" if warnings else "")
        + _images(verdict)
        + "</div>"
    )


def _images(verdict: VerdictData) -> str:
    rows = []
    for image in verdict.images[:_MOST_IMAGES]:
        name = _text(image.path or "array")
        time = "" if image.time is None else f" at {image.time:.2f} s"
        size = "" if image.face_size is None else f"{image.face_size:.0f} px"
        note = _text(image.reason) if image.reason else _number(image.score)
        rows.append(
            f"<tr><td>{image.side}</td><td>{name}{time}</td><td>{size}</td><td>{note}</td></tr>"
        )
    hidden = len(verdict.images) - len(rows)
    last_row = f"<tr><td colspan='4'>and {hidden} more images</td></tr>" if hidden > 0 else ""
    header = "<tr><th>side</th><th>image</th><th>face</th><th>score of this image only</th></tr>"
    return f"<table>{header}{''.join(rows)}{last_row}</table>" if rows else ""


def _number(value: float | None) -> str:
    return "" if value is None else significant(value)


def _text(text: str) -> str:
    return escape(printable(text))
