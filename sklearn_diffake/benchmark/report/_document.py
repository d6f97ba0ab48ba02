"""The report of a benchmark, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sklearn_diffake.benchmark.report._markdown import Markup, escape, table
from sklearn_diffake.benchmark.report._tables import COUNTS, NONE, Row
from sklearn_diffake.embedding import ForgeryEmbedder
from sklearn_diffake.utils._messages import list_first
from sklearn_diffake.utils._numbers import fraction

_DEFINITIONS = """\
Areas are fractions of 1, error rates percentages; in brackets the {percent:g} % interval of a
bootstrap over people, given where each class is in at least five groups of them. AUC: area under
the ROC curve. EER: equal error rate. AP: average precision with deepfakes as what is looked for.
BPCER10, 20, 100: fraction of genuine pairs rejected where 10, 5, 1 % of deepfakes are accepted, in
the style of ISO/IEC 30107-3. APCER and BPCER: fraction of deepfakes accepted and of genuine pairs
rejected at the threshold that the detector set on its own training pairs. Figures are means over
folds; nobody is both learned from and judged, and no detector has seen a deepfake in training.
"""


def document(
    results: Mapping[str, Any],
    sections: Mapping[str, Iterable[str]],
    pictures: Mapping[str, Sequence[str]],
    *,
    confidence: float,
) -> Iterator[str]:
    """Write the report.

    Parameters
    ----------
    results : mapping
        The content of ``results.json``.
    sections : mapping of str to iterable of str
        The lines of each protocol's section.
    pictures : mapping of str to sequence of str
        The names of each protocol's figures.
    confidence : float
        Of the intervals.

    Yields
    ------
    str
        Lines.
    """
    versions = results["versions"]
    yield "# Benchmark\n"
    yield (
        f"sklearn-diffake {versions['sklearn-diffake']}, scikit-learn {versions['scikit-learn']}, "
        f"torch {versions['torch']}, Python {versions['python'].split()[0]}; device "
        f"{escape(results['device'])}, seed {results['seed']}. {len(results['cells'])} cells, "
        f"{results['images']} image embeddings.\n"
    )
    yield _DEFINITIONS.format(percent=100 * confidence)
    yield "## Datasets\n"
    yield from datasets_table(results["datasets"], results["summary"])
    if results["extractors"]:
        yield "## Extractors\n"
        yield from extractors_table(results["extractors"])
    if results["failures"]:
        yield f"## {len(results['failures'])} cells failed\n"
        for label, problem in results["failures"].items():
            yield f"- {escape(label)}: {escape(problem)}"
        yield ""
    for name, lines in sections.items():
        yield f"## {name}\n"
        for dataset, count in results["not_judged"].get(name, {}).items():
            yield (
                f"Of {escape(dataset)}, {count} pairs are not judged: an extractor was trained on "
                "people in them.\n"
            )
        yield from lines
        yield from (f"![{name}]({file})\n" for file in pictures.get(name, ()))


def datasets_table(datasets: Mapping[str, Any], rows: Sequence[Row]) -> Iterator[str]:
    """Write the table of the datasets; `rows` are those of the summary."""
    header = ["dataset", "mode", "pairs", "genuine", "deepfakes", "people", "videos", "images",
              "techniques", "fingerprint", *COUNTS.values()]  # fmt: skip
    lines = []
    for name, facts in datasets.items():
        counts = [facts[k] for k in ("pairs", "genuine", "deepfakes", "identity", "video")]
        techniques = [technique for technique in facts["technique"] if technique != "genuine"]
        images = f"{facts['images']}"
        if facts["unreadable"]:
            images += f", {facts['unreadable']} unreadable"
        technique_names = list_first(techniques, n_shown=8).replace("'", "") or "none"
        digest = Markup(f"`{facts['fingerprint'][:12]}`")
        of_dataset = [row["n_faceless"] for row in rows if row["test"] == name]
        lines.append([
            name, facts["mode"], *counts, images, technique_names, digest,
            max(of_dataset, default=NONE), facts["skipped_videos"],
        ])  # fmt: skip
    yield from table(header, lines, 2)


def extractors_table(extractors: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Write the table of the extractors that were trained."""
    header = ["extractor", "backbone", "trained on", "images", "people", "epochs",
              "validation AUC", "images without a face", COUNTS["n_skipped_videos"]]  # fmt: skip
    lines = []
    for facts in extractors:
        splits = f" ({', '.join(facts['splits'])})" if facts["splits"] else ""
        area = facts["validation_auc"]
        lines.append([
            facts["name"],
            facts["parameters"].get("backbone", ForgeryEmbedder().backbone),
            facts["dataset"] + splits,
            facts["images"],
            facts["people"],
            facts["epochs"],
            NONE if area is None else fraction(area),
            facts["without_face"],
            facts["skipped_videos"],
        ])  # fmt: skip
    yield from table(header, lines, 3)
