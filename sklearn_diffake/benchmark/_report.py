"""Write down what a benchmark found: JSON for machines, Markdown and pictures for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_diffake.benchmark._cells import CellStore, write_file, write_json
from sklearn_diffake.benchmark._degrade import UNITS
from sklearn_diffake.benchmark._markdown import Markup, escape, table
from sklearn_diffake.benchmark._protocols import CALIBRATED
from sklearn_diffake.benchmark._summary import FIGURES, POOLED, WORST, Settings, figures, summarise
from sklearn_diffake.utils._messages import list_first
from sklearn_diffake.utils._numbers import fraction, percent

if TYPE_CHECKING:
    from sklearn_diffake.benchmark._run import Plan

Row = Mapping[str, Any]
_NONE = Markup("-")

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
_WORDS = """\
Areas are shares of 1, error rates percentages; in brackets the {percent:g} % interval of a
bootstrap over people, given where each class is in at least five groups of them. AUC: area under
the ROC curve. EER: equal error rate. AP: average precision with deepfakes as what is looked for.
BPCER10, 20, 100: share of genuine pairs rejected where 10, 5, 1 % of deepfakes are accepted, in the
style of ISO/IEC 30107-3. APCER and BPCER: share of deepfakes accepted and of genuine pairs rejected
at the threshold that the detector set on its own training pairs. Figures are means over folds;
nobody is both learned from and judged, and no detector has seen a deepfake in training.
"""


def write_results(
    plan: Plan,
    store: CellStore,
    failures: Mapping[str, str],
    n_images: int,
    versions: Mapping[str, Any],
    *,
    verbose: bool = False,
) -> None:
    """Write ``results.json``, ``report.md`` and the figures.

    Parameters
    ----------
    plan : Plan
    store : CellStore
        With the finished cells.
    failures : mapping of str to str
        What failed, and why.
    n_images : int
        Distinct images, degraded or not, times embedders.
    versions : mapping of str to str
    verbose : bool, default=False
        Show a progress bar.
    """
    from sklearn_diffake.benchmark._figures import draw_figures

    config, output = plan.config, plan.config.output
    done = [
        (cell, record)
        for key, cell in zip(plan.keys, plan.cells, strict=True)
        if (record := store.read(key)) is not None
    ]
    settings = Settings(config.bootstrap, config.confidence, config.seed, config.level)
    options = {protocol.name: protocol.options for protocol in config.protocols}
    bpcer = options.get("cross-dataset", {}).get("bpcer", 0.05)
    rows = summarise(done, plan.tables, settings, bpcer=bpcer, verbose=verbose)
    results = {
        "versions": versions,
        "device": config.device,
        "seed": config.seed,
        "config": config.values,
        "datasets": {name: _describe(plan, name) for name in plan.tables},
        "images": n_images,
        "summary": rows,
        "cells": list(_cells(plan, done)),
        "failures": failures,
    }
    write_json(output / "results.json", results)
    drawn = draw_figures(rows, done, plan.tables)
    for name, picture in drawn.items():
        write_file(output / name, picture)
    text = "\n".join(_report(results, rows, list(drawn), config.confidence))
    write_file(output / "report.md", text.encode())


def _describe(plan: Plan, name: str) -> dict[str, Any]:
    """Count what a dataset holds."""
    table, images = plan.tables[name], plan.embeddings.images[name]
    counts: dict[str, Any] = {
        "fingerprint": plan.fingerprints[name],
        "pairs": len(table),
        "genuine": int(np.sum(table.target == 1)),
        "deepfakes": int(np.sum(table.target == -1)),
        "images": len({digest for digest in images.digests if digest}),
        "unreadable": len(images.problems),
    }
    for column in ("identity", "video"):
        counts[column] = len(set(table.columns[column]) - {""})
    for column in ("technique", "compression", "split"):
        found, sizes = np.unique(table.columns[column].astype(str), return_counts=True)
        counts[column] = {
            str(one): int(size) for one, size in zip(found, sizes, strict=True) if one
        }
    return counts


def _cells(plan: Plan, done: Iterable[tuple[Any, Row]]) -> Iterator[dict[str, Any]]:
    """Describe every finished cell; its figures are those of its own fold."""
    for cell, record in done:
        first = cell.steps[0]
        y = plan.tables[cell.test].target[first.score.rows]
        decision = np.asarray(record["decisions"][0])
        both = len(np.unique(y)) == 2
        yield {
            "key": record["key"],
            "protocol": cell.protocol,
            "fit": cell.fit,
            "test": cell.test,
            "candidate": cell.candidate,
            "split": cell.split,
            "condition": list(cell.condition),
            "n_fit": sum(len(rows.rows) for rows in first.fit),
            "n_genuine": int(np.sum(y == 1)),
            "n_fake": int(np.sum(y == -1)),
            "threshold": record["thresholds"][0],
            "figures": figures(y, decision, np.zeros(len(y), dtype=np.int64)) if both else None,
        }


def _report(
    results: Mapping[str, Any], rows: Sequence[Row], pictures: Sequence[str], confidence: float
) -> Iterator[str]:
    versions = results["versions"]
    yield "# Benchmark\n"
    yield (
        f"sklearn-diffake {versions['sklearn-diffake']}, scikit-learn {versions['scikit-learn']}, "
        f"torch {versions['torch']}, Python {versions['python'].split()[0]}; device "
        f"{escape(results['device'])}, seed {results['seed']}. {len(results['cells'])} cells, "
        f"{results['images']} image embeddings.\n"
    )
    yield _WORDS.format(percent=100 * confidence)
    yield "## Datasets\n"
    yield from _datasets_table(results["datasets"])
    if results["failures"]:
        yield f"## {len(results['failures'])} cells failed\n"
        yield from (f"- {escape(what)}: {escape(why)}" for what, why in results["failures"].items())
        yield ""
    for name in dict.fromkeys(row["protocol"] for row in rows):
        yield f"## {name}\n"
        yield from _SECTIONS[name]([row for row in rows if row["protocol"] == name])
        yield from (f"![{name}]({file})\n" for file in pictures if file.startswith(name))


def _datasets_table(datasets: Mapping[str, Any]) -> Iterator[str]:
    head = ["dataset", "pairs", "genuine", "deepfakes", "people", "videos", "images",
            "techniques", "fingerprint"]  # fmt: skip
    lines = []
    for name, about in datasets.items():
        counts = [about[k] for k in ("pairs", "genuine", "deepfakes", "identity", "video")]
        fakes = [one for one in about["technique"] if one != "genuine"]
        images = f"{about['images']}"
        if about["unreadable"]:
            images += f", {about['unreadable']} unreadable"
        named = list_first(fakes, n_shown=8).replace("'", "") or "none"
        lines.append([name, *counts, images, named, Markup(f"`{about['fingerprint'][:12]}`")])
    yield from table(head, lines)


def written(row: Row | None, name: str, *, interval: bool = True) -> Markup:
    """Write a figure as people read it."""
    if row is None:
        return _NONE
    values = row["figures"][name]
    area = name in ("auc", "ap_fake")
    text = [_NONE if v is None else fraction(v) if area else percent(v, sign="") for v in values]
    if interval and values[1] is not None:
        return Markup(f"{text[0]} [{text[1]}, {text[2]}]")
    return Markup(text[0])


def _full_lines(rows: Sequence[Row], names: Sequence[str]) -> Iterator[list[str]]:
    for row in rows:
        yield [*(row[name] for name in names), *(written(row, figure) for figure in FIGURES)]


def _of(rows: Iterable[Row], key: str) -> dict[Any, list[Row]]:
    """Sort rows by a key, in order of appearance."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def _one(rows: Iterable[Row], **wanted: Any) -> Row | None:
    """Return the first row that has some values, None if there is none."""
    for row in rows:
        if all(row[key] == value for key, value in wanted.items()):
            return row
    return None


def _matrix(
    rows: Sequence[Row], down: Sequence[Any], across: Sequence[Any], find: Any, corner: str
) -> Iterator[str]:
    """Write the AUC of everything down against everything across."""
    lines = [
        [_name(one), *(written(find(rows, one, two), "auc", interval=False) for two in across)]
        for one in down
    ]
    yield from table([corner, *map(_name, across)], lines)


def _name(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _full(rows: Sequence[Row], names: Mapping[str, str]) -> Iterator[str]:
    """Write all figures of some rows."""
    yield from table([*names.values(), *HEADS.values()], _full_lines(rows, list(names)), len(names))


def _manipulation(rows: Sequence[Row]) -> Iterator[str]:
    for dataset, part in _of(rows, "test").items():
        plain = [row for row in part if not row["condition"]]
        yield f"### {escape(dataset)}\n"
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
    head = ["technique left out", "chosen", "AUC it was chosen by", "AUC", "APCER", "BPCER"]
    yield from table(
        head,
        [
            [
                row["condition"][1],
                row["candidate"],
                fraction(row["held_out_auc"]),
                written(row, "auc"),
                *(percent(row["transfer_eer"][rate], sign="") for rate in ("apcer", "bpcer")),
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
        yield from _full(pooled, {"fit": "learned from", "test": "judged on"})
        yield from _thresholds([row for row in pooled if "transfer_bpcer" in row])


def _thresholds(rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        return
    yield (
        "Thresholds fixed on held-out people of the dataset learned from, where a given share of "
        "genuine pairs is rejected, or where both error rates are equal; and what they do "
        "elsewhere:\n"
    )
    head = ["learned from", "judged on", "APCER", "BPCER", "APCER, equal", "BPCER, equal"]
    lines = []
    for row in rows:
        carried = [row["transfer_bpcer"], row.get("transfer_eer")]
        rates = [
            Markup(percent(errors[rate], sign="")) if errors else _NONE
            for errors in carried
            for rate in ("apcer", "bpcer")
        ]
        lines.append([row["fit"], row["test"], *rates])
    yield from table(head, lines, 2)


def _compression(rows: Sequence[Row]) -> Iterator[str]:
    for dataset, of_dataset in _of(rows, "test").items():
        for candidate, part in _of(of_dataset, "candidate").items():
            yield f"### {escape(dataset)}, {escape(candidate)}\n"
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
        yield f"### {escape(dataset)}\n"
        yield "AUC where the pictures judged are degraded, and those learned from are not:\n"
        names = list(_of(of_dataset, "candidate"))
        lines = []
        for kind, strength in dict.fromkeys(tuple(row["condition"]) for row in of_dataset):
            found = [_one(of_dataset, candidate=c, condition=[kind, strength]) for c in names]
            faceless = max(row["n_faceless"] for row in found if row)
            label = f"{UNITS[kind][0]} {strength}" if strength else "as they are"
            lines.append([label, *(written(row, "auc") for row in found), faceless])
        yield from table(["condition", *names, "pairs without a face"], lines)


def _ablation(rows: Sequence[Row]) -> Iterator[str]:
    for dataset, part in _of(rows, "test").items():
        yield f"### {escape(dataset)}\n"
        yield from _full(part, {"candidate": "variant"})


_SECTIONS = {
    "cross-manipulation": _manipulation,
    "cross-dataset": _datasets,
    "compression": _compression,
    "robustness": _robustness,
    "ablation": _ablation,
}
