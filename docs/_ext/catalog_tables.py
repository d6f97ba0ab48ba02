"""Tables of detectors and backbones, made from the classes and the registry themselves."""

import inspect
import re

from result_tables import (
    Column,
    Table,
    area_of,
    code,
    milliseconds,
    rate,
)

from sklearn_diffake import novelty
from sklearn_diffake.embedding.backbones import entries

# What no code can tell. A detector without a line here fails the build.
WHEN = {
    "ConformalDetector": "The share of genuine pairs rejected must keep to a number; p-values are "
    'wanted, or an answer "don\'t know".',
    "DeepSVDD": "Thousands of genuine rows or more, and a structure that no ellipsoid follows; "
    "images, by an encoder of your own.",
    "GaussianMixtureDetector": "DiffFake's choice, and the default for operators that keep whole "
    "vectors: genuine changes of several kinds, and rows enough for full covariances.",
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
INNER = {  # whose cost is shown for a detector that has none of its own
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


def detectors(result):
    """Return name, class and measured times of each public detector."""
    times = {row["head"]: row for row in result["summary"]}
    classes = {name: getattr(novelty, name) for name in novelty.__all__}
    return [
        (name, detector, times) for name, detector in classes.items() if inspect.isclass(detector)
    ]


def cost(row):
    """Show what a detector costs, if need be that of an example inside it."""
    name, _, times = row
    if name in COST:
        return COST[name]
    example = INNER.get(name, name)
    inner = "" if example == name else f" ({re.split('[(), ]+', example)[1]})"
    fit, score = (1000 * times[example][key] for key in ("fit_s", "score_s"))
    return f"fit {fit:.1f} ms, score {score:.1f} ms{inner}"


def parameters(row):
    """Return the names of a detector's parameters."""
    return list(inspect.signature(row[1]).parameters)


def deterministic(row):
    """Say when a detector gives the same numbers again."""
    seeded = "by ``random_state``" if "random_state" in parameters(row) else "always"
    return DETERMINISTIC.get(row[0], seeded)


def at_threshold(title, width, key):
    """Declare a column of rates at the fitted threshold, which not every detector has."""
    return Column(title, width, lambda row: f"{100 * row[key]:.1f} %" if key in row else "")


def shown_if(value, form="{}"):
    """Show a property of a backbone; empty where it is not fixed or not measured."""
    return "" if value is None else form.format(value)


def weights(entry):
    """Say what a backbone's weights are, what they need, and under which license they come."""
    purpose = entry.purpose if entry.purpose != "any" else "yours to know"
    extra = f", extra {', '.join(f'``{name}``' for name in entry.requires)}"
    network = "" if entry.offline else " (needs a network once)"
    source = f"{entry.weights}{extra if entry.requires else ''}"
    return f"{purpose}; {source}. {entry.license}{network}"


TABLES = (
    Table(
        "install_sizes",
        "install_sizes",
        (
            Column("Extra", 16, lambda row: f"``{row['name']}``"),
            Column("Packages", 12, lambda row: str(row["packages"])),
            Column("MB", 12, lambda row: f"{row['MB']:,.0f}"),
            Column(
                "The largest of them (MB)",
                60,
                lambda row: ", ".join(f"{name} {mb:,.0f}" for name, mb in row["largest"].items()),
            ),
        ),
    ),
    Table(
        "heads_all",
        "novelty",
        (
            Column("Detector", 16, lambda row: f":class:`~sklearn_diffake.novelty.{row[0]}`"),
            Column("When to use", 26, lambda row: WHEN[row[0]]),
            Column("Cost", 16, cost),
            Column("GPU", 5, lambda row: "fit" if "device" in parameters(row) else "no"),
            Column("Deterministic", 11, deterministic),
            Column(
                "Parameters", 26, lambda row: ", ".join(f"``{name}``" for name in parameters(row))
            ),
        ),
        detectors,
    ),
    Table(
        "heads_learned",
        "novelty",
        (
            code("Detector", 34, "head"),
            Column("Mean AUC", 18, lambda row: f"{row['auc']:.3f} ± {row['spread']:.3f}"),
            area_of("Digits", 12, "digits_auc"),
            area_of("Worst task", 12, "worst_task"),
            milliseconds("Fit (ms)", 12, "fit_s"),
            milliseconds("Score (ms)", 12, "score_s"),
        ),
        lambda result: result["summary"],
    ),
    Table(
        "heads_real",
        "real_detectors",
        (
            code("Detector", 30, "head"),
            area_of("AUC (95 %)", 20, "AUC"),
            rate("EER (95 %)", 22, "EER"),
            at_threshold("BPCER", 10, "BPCER at the fitted threshold"),
            at_threshold("APCER", 10, "APCER at the fitted threshold"),
            Column("Fit (s)", 8, lambda row: f"{row['fit_s']:.1f}"),
        ),
    ),
    Table(
        "backbones_all",
        None,
        (
            Column("Backbone", 24, lambda entry: f"``{entry.name}``"),
            Column("Width", 7, lambda entry: str(entry.width or "")),
            Column("Input", 8, lambda entry: shown_if(entry.input_size, "{0[0]}")),
            Column("Crop", 12, lambda entry: shown_if(entry.crop, "{0.size}, margin {0.margin:g}")),
            Column(
                "Weights, M", 8,
                lambda entry: (entry.n_parameters and f"{entry.n_parameters / 1e6:.1f}") or "",
            ),
            Column(
                "EER", 12,
                lambda entry: " / ".join(f"{100 * rate:.1f} %" for rate in entry.eer.values()),
            ),
            Column("Weights and their license", 29, weights),
        ),
        lambda result: list(entries()),
    ),
)  # fmt: skip
