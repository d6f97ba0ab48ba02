"""Write down what a benchmark found: JSON for machines, Markdown and pictures for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_diffake.benchmark._cells import CellStore, write_file, write_json
from sklearn_diffake.benchmark._markdown import Markup, escape, table
from sklearn_diffake.benchmark._protocols import rows_trained_on
from sklearn_diffake.benchmark._report_sections import COUNTS, NONE, SECTIONS
from sklearn_diffake.benchmark._summary import Settings, figures, summarise
from sklearn_diffake.embedding import ForgeryEmbedder
from sklearn_diffake.utils._messages import list_first
from sklearn_diffake.utils._numbers import fraction

if TYPE_CHECKING:
    from sklearn_diffake.benchmark._plan import Plan

Row = Mapping[str, Any]

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
        "extractors": list(_extractors(plan)),
        "not_judged": _not_judged(plan),
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
        "mode": table.mode,
        "skipped_videos": table.skipped_videos,
    }
    for column in ("identity", "video"):
        counts[column] = len(set(table.columns[column]) - {""})
    for column in ("technique", "compression", "split"):
        found, sizes = np.unique(table.columns[column].astype(str), return_counts=True)
        counts[column] = {
            str(one): int(size) for one, size in zip(found, sizes, strict=True) if one
        }
    return counts


def _extractors(plan: Plan) -> Iterator[dict[str, Any]]:
    """Describe the extractors that were trained, and on what."""
    for name, training in plan.trainings.items():
        spec, table = training.spec, plan.tables[training.spec.dataset]
        yield {
            "name": name,
            "dataset": spec.dataset,
            "splits": list(spec.splits),
            "parameters": dict(spec.params),
            "skipped_videos": table.skipped_videos,
            **(training.facts() or {}),
        }


def _not_judged(plan: Plan) -> dict[str, dict[str, int]]:
    """Count the pairs not judged, as an extractor was trained on their people."""
    counts: dict[str, dict[str, int]] = {}
    for protocol in plan.config.protocols:
        judged = {cell.test: None for cell in plan.cells if cell.protocol == protocol.name}
        for name in judged:
            rows = rows_trained_on(protocol, name, plan.trained_on)
            if rows is not None and rows.any():
                counts.setdefault(protocol.name, {})[name] = int(rows.sum())
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
    yield from _datasets_table(results["datasets"], rows)
    if results["extractors"]:
        yield "## Extractors\n"
        yield from _extractors_table(results["extractors"])
    if results["failures"]:
        yield f"## {len(results['failures'])} cells failed\n"
        yield from (f"- {escape(what)}: {escape(why)}" for what, why in results["failures"].items())
        yield ""
    for name in dict.fromkeys(row["protocol"] for row in rows):
        yield f"## {name}\n"
        yield from (
            f"Of {escape(dataset)}, {count} pairs are not judged: an extractor was trained on "
            "people in them.\n"
            for dataset, count in results["not_judged"].get(name, {}).items()
        )
        yield from SECTIONS[name]([row for row in rows if row["protocol"] == name])
        yield from (f"![{name}]({file})\n" for file in pictures if file.startswith(name))


def _datasets_table(datasets: Mapping[str, Any], rows: Sequence[Row]) -> Iterator[str]:
    head = ["dataset", "mode", "pairs", "genuine", "deepfakes", "people", "videos", "images",
            "techniques", "fingerprint", *COUNTS.values()]  # fmt: skip
    lines = []
    for name, about in datasets.items():
        counts = [about[k] for k in ("pairs", "genuine", "deepfakes", "identity", "video")]
        fakes = [one for one in about["technique"] if one != "genuine"]
        images = f"{about['images']}"
        if about["unreadable"]:
            images += f", {about['unreadable']} unreadable"
        named = list_first(fakes, n_shown=8).replace("'", "") or "none"
        digest = Markup(f"`{about['fingerprint'][:12]}`")
        judged = [row for row in rows if row["test"] == name]
        faceless = max((row["n_faceless"] for row in judged), default=NONE)
        skipped = about["skipped_videos"]
        lines.append([name, about["mode"], *counts, images, named, digest, faceless, skipped])
    yield from table(head, lines, 2)


def _extractors_table(extractors: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    head = ["extractor", "backbone", "trained on", "images", "people", "epochs", "validation AUC",
            "images without a face", COUNTS["n_skipped_videos"]]  # fmt: skip
    lines = []
    for one in extractors:
        backbone = one["parameters"].get("backbone", ForgeryEmbedder().backbone)
        splits = f" ({', '.join(one['splits'])})" if one["splits"] else ""
        area = one["validation_auc"]
        lines.append([
            one["name"],
            backbone,
            one["dataset"] + splits,
            one["images"],
            one["people"],
            one["epochs"],
            NONE if area is None else fraction(area),
            one["without_face"],
            one["skipped_videos"],
        ])  # fmt: skip
    yield from table(head, lines, 3)
