"""Tables of the one-class heads, made from the classes themselves and from committed figures.

Before a build, ``docs/generated/heads_*.rst`` are written, which the page ``heads`` includes.
"""

import inspect
import json
import re
from pathlib import Path

from sklearn_diffake import novelty

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"

# What no code can tell. A head without a line here fails the build.
WHEN = {
    "ConformalDetector": "The share of genuine pairs rejected must keep to a number; p-values are "
    'wanted, or an answer "don\'t know".',
    "DeepSVDD": "Thousands of genuine rows or more, and a structure that no ellipsoid follows; "
    "images, by an encoder of your own.",
    "GaussianMixtureDetector": "DiffFake's choice and the default of the pipeline: genuine "
    "changes of several kinds, and rows enough for full covariances.",
    "GenuineOnly": "scikit-learn's own detectors, or any estimator that scores rows and ignores "
    "labels.",
    "MahalanobisDetector": "The first thing to try, also with fewer rows than features: nothing "
    "to choose, closed form.",
    "NearestReferenceDetector": "An identity embedding and one or more references: nothing is "
    "learned but the threshold.",
    "PyODDetector": "Any other detector: some forty of PyOD's, fifteen of which are tested here.",
    "SumRuleDetector": "Several measures of unnaturalness in one unit, such as the distance of two "
    "identities and the verdict of a forgery classifier.",
}
INNER = {  # whose cost is shown for a head that has none of its own
    "DeepSVDD": "DeepSVDD, one-class",
    "GenuineOnly": "GenuineOnly(LocalOutlierFactor)",
    "PyODDetector": "PyODDetector(ECOD)",
}
COST = {
    "ConformalDetector": "that of its detector; cv+: times the folds",
    "NearestReferenceDetector": "none: distances only",
    "SumRuleDetector": "none: a sum",
}
DETERMINISTIC = {"GenuineOnly": "as its estimator", "PyODDetector": "as its detector"}


def heads():
    """Return the public detectors, by name."""
    return {
        name: getattr(novelty, name)
        for name in novelty.__all__
        if inspect.isclass(getattr(novelty, name))
    }


def list_table(header, rows, widths):
    """Write a table in reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [header, *rows]:
        lines += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def describe(name, head, summary):
    """Return one row of the table of heads."""
    parameters = inspect.signature(head).parameters
    if name in COST:
        cost = COST[name]
    else:
        shown = INNER.get(name, name)
        entry = next(row for row in summary if row["head"] == shown)
        what = "" if shown == name else f" ({re.split('[(), ]+', shown)[1]})"
        cost = f"fit {1000 * entry['fit_s']:.1f} ms, score {1000 * entry['score_s']:.1f} ms{what}"
    seeded = "by ``random_state``" if "random_state" in parameters else "always"
    return [
        f":class:`~sklearn_diffake.novelty.{name}`",
        WHEN[name],
        cost,
        "fit" if "device" in parameters else "no",
        DETERMINISTIC.get(name, seeded),
        ", ".join(f"``{parameter}``" for parameter in parameters),
    ]


def per_cent(figures):
    """Show an estimate and its interval."""
    estimate, low, high = (100 * value for value in figures)
    return f"{estimate:.1f} % ({low:.1f}-{high:.1f})"


def auc(figures):
    """Show an estimate and its interval."""
    return "{:.3f} ({:.3f}-{:.3f})".format(*figures)


def save(app, tables):
    """Write tables to files that pages include, unless they are there already."""
    folder = Path(app.srcdir) / "generated"
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        file = folder / f"{name}.rst"
        if not file.exists() or file.read_text() != table:
            file.write_text(table)


def write_tables(app):
    """Write all tables."""
    learned = json.loads((RESULTS / "novelty.json").read_text())
    real = json.loads((RESULTS / "real_detectors.json").read_text())
    header = ["Head", "When to use", "Cost", "GPU", "Deterministic", "Parameters"]
    rows = [describe(name, head, learned["summary"]) for name, head in heads().items()]
    tables = {"heads_all": list_table(header, rows, "16 26 16 5 11 26")}
    rows = [
        [
            f"``{row['head']}``",
            f"{row['auc']:.3f} ± {row['spread']:.3f}",
            f"{row['digits_auc']:.3f}",
            f"{row['worst_task']:.3f}",
            f"{1000 * row['fit_s']:.1f}",
            f"{1000 * row['score_s']:.1f}",
        ]
        for row in learned["summary"]
    ]
    header = ["Head", "Mean AUC", "Digits", "Worst task", "Fit (ms)", "Score (ms)"]
    tables["heads_learned"] = list_table(header, rows, "34 18 12 12 12 12")
    rows = [
        [
            f"``{row['head']}``",
            auc(row["AUC"]),
            per_cent(row["EER"]),
            *(
                f"{100 * row[key]:.1f} %" if key in row else ""
                for key in ("BPCER at the fitted threshold", "APCER at the fitted threshold")
            ),
            f"{row['fit_s']:.1f}",
        ]
        for row in real["rows"]
    ]
    header = ["Head", "AUC (95 %)", "EER (95 %)", "BPCER", "APCER", "Fit (s)"]
    tables["heads_real"] = list_table(header, rows, "30 20 22 10 10 8")
    save(app, tables)


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_tables)
    return {"parallel_read_safe": True}
