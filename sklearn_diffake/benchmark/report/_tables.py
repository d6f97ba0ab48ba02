"""The tables of each protocol in a benchmark's report, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sklearn_diffake.benchmark._degrade import UNITS
from sklearn_diffake.benchmark._markdown import Markup, escape, table
from sklearn_diffake.benchmark._protocols import CALIBRATED
from sklearn_diffake.benchmark._summary import FIGURES, POOLED, WORST
from sklearn_diffake.utils._numbers import fraction, percent

Row = Mapping[str, Any]
#: Stands in a table for what is not known.
NONE = Markup("-")

#: Columns of every table: what was judged without a face, and what was not judged.
COUNTS = {"n_faceless": "pairs without a face", "n_skipped_videos": "videos skipped"}
HEADS = {
    "auc": "AUC",
    "eer": "EER",
    "ap_fake": "AP, fake positive",
    "bpcer10": "BPCER10",
    "bpcer20": "BPCER20",
    "bpcer100": "BPCER100",
    "apcer": "APCER",
    "bpcer": "BPCER",
}


def written(row: Row | None, name: str, *, interval: bool = True) -> Markup:
    """Write a figure as people read it."""
    if row is None:
        return NONE
    values = row["figures"][name]
    area = name in ("auc", "ap_fake")
    text = [NONE if v is None else fraction(v) if area else percent(v, sign="") for v in values]
    if interval and values[1] is not None:
        return Markup(f"{text[0]} [{text[1]}, {text[2]}]")
    return Markup(text[0])


def _full_lines(rows: Sequence[Row], names: Sequence[str]) -> Iterator[list[str]]:
    for row in rows:
        figures = (written(row, figure) for figure in FIGURES)
        yield [*(row[name] for name in names), *figures, *(row[name] for name in COUNTS)]


def _counts(rows: Sequence[Row]) -> list[int]:
    """Count pairs without a face, and skipped videos, of what some rows were judged on."""
    faceless: dict[Any, int] = {}
    skipped: dict[Any, int] = {}
    for row in rows:
        judged = (row["test"], *row["condition"])
        faceless[judged] = max(faceless.get(judged, 0), row["n_faceless"])
        skipped[row["test"]] = row["n_skipped_videos"]
    return [sum(faceless.values()), sum(skipped.values())]


def _of(rows: Iterable[Row], key: str) -> dict[Any, list[Row]]:
    """Sort rows by a key, in order of appearance."""
    rows_by_value: dict[Any, list[Row]] = {}
    for row in rows:
        rows_by_value.setdefault(row[key], []).append(row)
    return rows_by_value


def _one(rows: Iterable[Row], **wanted: Any) -> Row | None:
    """Return the first row that has some values, None if there is none."""
    for row in rows:
        if all(row[key] == value for key, value in wanted.items()):
            return row
    return None


def _matrix(
    rows: Sequence[Row],
    down: Sequence[Any],
    across: Sequence[Any],
    find: Any,
    corner: str,
    figure: str = "auc",
) -> Iterator[str]:
    """Write a figure of everything down against everything across."""
    lines = []
    for one in down:
        line = [find(rows, one, two) for two in across]
        figures = (written(row, figure, interval=False) for row in line)
        lines.append([_name(one), *figures, *_counts([row for row in line if row is not None])])
    yield from table([corner, *map(_name, across), *COUNTS.values()], lines)


def _name(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _full(rows: Sequence[Row], names: Mapping[str, str]) -> Iterator[str]:
    """Write all figures of some rows."""
    head = [*names.values(), *HEADS.values(), *COUNTS.values()]
    yield from table(head, _full_lines(rows, list(names)), len(names))


def _of_mode(rows: Sequence[Row]) -> str:
    """Say of which mode the pairs are that some rows were judged on, for a title."""
    return " and ".join(sorted({escape(row["mode"]) for row in rows})) + " mode"


def _within(rows: Sequence[Row]) -> Iterator[str]:
    pooled = [row for row in rows if row["technique"] == POOLED]
    for figure in ("auc", "eer"):
        yield f"{HEADS[figure]} on people of the dataset who were not learned from:\n"
        yield from _matrix(
            pooled,
            list(_of(pooled, "candidate")),
            list(_of(pooled, "test")),
            lambda rows, c, t: _one(rows, candidate=c, test=t),
            "candidate",
            figure,
        )
    for dataset, part in _of(rows, "test").items():
        yield f"### {escape(dataset)}, {_of_mode(part)}\n"
        yield from _full(part, {"candidate": "candidate", "technique": "technique"})


def _manipulation(rows: Sequence[Row]) -> Iterator[str]:
    for dataset, part in _of(rows, "test").items():
        plain = [row for row in part if not row["condition"]]
        yield f"### {escape(dataset)}, {_of_mode(part)}\n"
        techniques = list(dict.fromkeys(row["technique"] for row in plain))
        order = [t for t in techniques if t not in (POOLED, WORST)]
        yield "AUC of every technique by itself, and of all together:\n"
        yield from _matrix(
            plain,
            list(_of(plain, "candidate")),
            [*order, *(t for t in (POOLED, WORST) if t in techniques)],
            lambda rows, c, t: _one(rows, candidate=c, technique=t),
            "candidate",
        )
        yield "All techniques together, and the worst:\n"
        both = [row for row in plain if row["technique"] in (POOLED, WORST)]
        yield from _full(both, {"candidate": "candidate", "technique": "technique"})
        yield from _left_out([row for row in part if row["condition"][:1] == [CALIBRATED]])


def _left_out(rows: Sequence[Row]) -> Iterator[str]:
    """Say which candidate fakes of other techniques choose, and how it and its threshold do."""
    if not rows:
        return
    yield (
        "One technique left out: the candidate is chosen, by its AUC, and its threshold fixed, "
        "where both error rates are equal, on deepfakes of the other techniques and other "
        "people; then it is judged on the technique left out:\n"
    )
    head = ["technique left out", "chosen", "AUC it was chosen by", "AUC", "APCER", "BPCER",
            *COUNTS.values()]  # fmt: skip
    yield from table(
        head,
        [
            [
                row["condition"][1],
                row["candidate"],
                fraction(row["held_out_auc"]),
                written(row, "auc"),
                *(percent(row["transfer_eer"][rate], sign="") for rate in ("apcer", "bpcer")),
                *(row[name] for name in COUNTS),
            ]
            for row in rows
            if row["chosen"]
        ],
        2,
    )


def _datasets(rows: Sequence[Row]) -> Iterator[str]:
    for candidate, part in _of(rows, "candidate").items():
        yield f"### {escape(candidate)}\n"
        yield "AUC, learned from the datasets down, judged on those across:\n"
        yield from _matrix(
            part,
            list(_of(part, "fit")),
            list(_of(part, "test")),
            lambda rows, f, t: _one(rows, fit=f, test=t, technique=POOLED),
            "learned from",
        )
        pooled = [row for row in part if row["technique"] == POOLED]
        yield from _full(pooled, {"fit": "learned from", "test": "judged on", "mode": "mode"})
        yield from _thresholds([row for row in pooled if "transfer_bpcer" in row])


def _thresholds(rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        return
    yield (
        "Thresholds fixed on held-out people of the dataset learned from, where a given share of "
        "genuine pairs is rejected, or where both error rates are equal; and what they do "
        "elsewhere:\n"
    )
    head = ["learned from", "judged on", "mode", "APCER", "BPCER", "APCER, equal", "BPCER, equal",
            *COUNTS.values()]  # fmt: skip
    lines = []
    for row in rows:
        carried = [row["transfer_bpcer"], row.get("transfer_eer")]
        rates = [
            Markup(percent(errors[rate], sign="")) if errors else NONE
            for errors in carried
            for rate in ("apcer", "bpcer")
        ]
        counts = (row[name] for name in COUNTS)
        lines.append([row["fit"], row["test"], row["mode"], *rates, *counts])
    yield from table(head, lines, 3)


def _compression(rows: Sequence[Row]) -> Iterator[str]:
    for dataset, of_dataset in _of(rows, "test").items():
        for candidate, part in _of(of_dataset, "candidate").items():
            yield f"### {escape(dataset)}, {_of_mode(part)}, {escape(candidate)}\n"
            yield "AUC, learned from the levels down, judged on those across:\n"
            levels = list(dict.fromkeys(row["condition"][0] for row in part))
            yield from _matrix(
                part,
                levels,
                levels,
                lambda rows, one, two: _one(rows, condition=[one, two]),
                "learned from",
            )


def _robustness(rows: Sequence[Row]) -> Iterator[str]:
    for dataset, of_dataset in _of(rows, "test").items():
        yield f"### {escape(dataset)}, {_of_mode(of_dataset)}\n"
        yield "AUC where the pictures judged are degraded, and those learned from are not:\n"
        names = list(_of(of_dataset, "candidate"))
        lines = []
        for kind, strength in dict.fromkeys(tuple(row["condition"]) for row in of_dataset):
            line = [_one(of_dataset, candidate=c, condition=[kind, strength]) for c in names]
            label = f"{UNITS[kind][0]} {strength}" if strength else "as they are"
            counts = _counts([row for row in line if row])
            lines.append([label, *(written(row, "auc") for row in line), *counts])
        yield from table(["condition", *names, *COUNTS.values()], lines)


def _ablation(rows: Sequence[Row]) -> Iterator[str]:
    for dataset, part in _of(rows, "test").items():
        yield f"### {escape(dataset)}, {_of_mode(part)}\n"
        yield from _full(part, {"candidate": "variant"})


#: How the rows of each protocol are written.
SECTIONS = {
    "within-dataset": _within,
    "cross-manipulation": _manipulation,
    "cross-dataset": _datasets,
    "compression": _compression,
    "robustness": _robustness,
    "ablation": _ablation,
}
