"""Write the table of one-class heads from the classes themselves and the committed benchmark."""

import inspect
import json
from pathlib import Path

from sklearn_diffake import novelty

ROOT = Path(__file__).resolve().parents[2]

#: When to take which: the one column that no code can know.
USE = {
    "ConformalDetector": "Around any head, when the share of genuine pairs rejected must be "
    "guaranteed, or p-values are wanted.",
    "DeepSVDD": "Thousands of pairs or more, a GPU, or images in place of differences.",
    "GaussianMixtureDetector": "DiffFake's choice and the default: differences of several kinds, "
    "as of several cameras.",
    "GenuineOnly": "Around a detector of scikit-learn, so that it never learns from fakes.",
    "MahalanobisDetector": "The strong simple baseline; few pairs, more features than rows.",
    "NearestReferenceDetector": "Several trusted photos for each probe; nothing is learned but "
    "the threshold.",
    "PyODDetector": "Around any of the detectors of PyOD.",
}
#: The row of the benchmark that stands for a head.
MEASURED = {
    "DeepSVDD": "DeepSVDD, one-class",
    "GaussianMixtureDetector": "GaussianMixtureDetector",
    "MahalanobisDetector": "MahalanobisDetector",
    "GenuineOnly": "GenuineOnly(OneClassSVM)",
    "PyODDetector": "PyODDetector(ECOD)",
}


def heads():
    """Return every head, by name."""
    found = {name: getattr(novelty, name) for name in novelty.__all__}
    return {name: head for name, head in found.items() if inspect.isclass(head)}


def rows(results):
    """Yield the cells of the table, a row for each head."""
    seconds = {entry["head"]: entry for entry in results["summary"]}
    for name, head in heads().items():
        parameters = [p for p in inspect.signature(head).parameters if p != "verbose"]
        wraps = {"detector", "estimator"} & set(parameters)
        gpu = "as what it wraps" if wraps else "yes" if "device" in parameters else "no"
        random = "for a seed" if "random_state" in parameters else "yes"
        if wraps and random == "yes":
            random = "as what it wraps"
        cost = "—"
        if name in MEASURED:
            entry = seconds[MEASURED[name]]
            cost = f"{entry['fit_s']:.2g} s, {1e3 * entry['score_s']:.2g} ms"
            if wraps:
                cost += f" ({MEASURED[name].split('(')[1][:-1]})"
        yield (
            f"{{py:class}}`~sklearn_diffake.novelty.{name}`",
            ", ".join(f"`{p}`" for p in parameters),
            cost,
            USE[name],
            gpu,
            random,
        )


def table(header, body):
    """Lay cells out as a Markdown table."""
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def write(app):
    """Write docs/generated/heads.md before the build."""
    results = json.loads((ROOT / "benchmarks/results/novelty.json").read_text(encoding="utf-8"))
    header = ["head", "parameters", "fit, score", "when to use", "GPU", "deterministic"]
    text = ["# One-class heads", "", table(header, rows(results)), ""]
    text += [
        "Fit and score are seconds and milliseconds on the tasks below, on one core; a wrapper "
        "costs what it wraps, plus little.",
        "",
        "## Do they learn?",
        "",
        "Area under the ROC curve on fifteen one-class tasks (digits one against the rest, breast "
        f"cancer, wine, three synthetic ones), mean of {results['seeds']} seeds; spread is the "
        "standard deviation over seeds. `peer` marks the raw detectors of PyOD. Made by "
        "`benchmarks/novelty.py`.",
        "",
    ]
    names = ["head", "AUC", "spread", "worst task", "digits", "fit (s)", "loss"]
    text.append(
        table(
            names,
            [
                (
                    entry["head"],
                    f"{entry['auc']:.3f}",
                    f"{entry['spread']:.3f}",
                    f"{entry['worst_task']:.3f}",
                    f"{entry['digits_auc']:.3f}",
                    f"{entry['fit_s']:.2f}",
                    f"{entry['first_loss']:.3g} → {entry['last_loss']:.3g}"
                    if "first_loss" in entry
                    else "",
                )
                for entry in results["summary"]
            ],
        )
    )
    target = ROOT / "docs/generated/heads.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(text) + "\n", encoding="utf-8")


def setup(app):
    """Register with Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
