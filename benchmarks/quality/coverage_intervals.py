"""How often 95 % confidence intervals hold the true value, by simulation.

    python benchmarks/quality/coverage_intervals.py [--quick] [--jobs N] [--only NAME]
                                            [-o benchmarks/results/intervals.json]

Scores are normal, so that every true value is known. Rows stand alone or come in groups whose rows
are much alike: seven tenths of the variance lie between groups. Structures:

- ``rows``: no groups;
- ``groups of 5``: groups of five rows, each of one class;
- ``unequal groups``: groups of 1, 2, 3, 5 and 9 rows, each of one class;
- ``people, opposed``: five genuine rows and five deepfakes of each person; where genuine rows
  score high, so do the deepfakes;
- ``people, aligned``: the same, but hard people have low genuine and high deepfake scores.

A row of the result holds the coverage, the fraction of intervals above and below the true value,
the average width, and the fraction without any width. The named cases are run with the plain
percentile bootstrap too.
"""

import argparse
import json
import os
import sys
import time
import warnings
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import norm
from sklearn import config_context
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import machine, versions
from sklearn_diffake.metrics import (
    apcer,
    bootstrap_interval,
    bpcer,
    bpcer_at_apcer,
    confidence_interval,
    equal_error_rate,
    worst_apcer,
)

N_REPEATED, DOUBTFUL = 2000, 0.94
BETWEEN = 0.7  # of the variance lies between groups
UNEQUAL = (1, 2, 3, 5, 9)
PEOPLE = ("people, opposed", "people, aligned")
CLUSTERED = ("groups of 5", "unequal groups")


class Cell(NamedTuple):
    """One setting: what is estimated, its true value, and how rows come.

    Parameters
    ----------
    figure : str
        Name in :data:`FIGURES`.
    truth : float
    n_genuine, n_fake : int
        Number of rows.
    structure : str
    method : {"closed", "bootstrap", "percentile"}
    spread : float
        Standard deviation of genuine scores; that of deepfakes is 1.
    """

    figure: str
    truth: float
    n_genuine: int
    n_fake: int
    structure: str = "rows"
    method: str = "closed"
    spread: float = 1.0


class Figure(NamedTuple):
    """A metric, and where the genuine scores lie for a true value; deepfakes lie at zero."""

    metric: object
    center: object
    metadata: object = None


def plain_auc(y_true, score):
    """Return the area under the ROC curve, as a metric of the user's own."""
    fake = np.sort(score[y_true == -1])
    genuine = score[y_true == 1]
    below = [np.searchsorted(fake, genuine, side=side) for side in ("left", "right")]
    return float(np.mean(below)) / len(fake)


def gain(y_true, score, other_score):
    """Return by how much an area is larger than another detector's."""
    return plain_auc(y_true, score) - plain_auc(y_true, other_score)


def plain_rate(y_true, score):
    """Return the fraction of genuine rows below zero, as a metric of the user's own."""
    return float(np.mean(score[y_true == 1] < 0.0))


def at_rate(allowed):
    """Return BPCER at an APCER."""
    center = lambda truth, spread: norm.isf(allowed) - spread * norm.ppf(truth)  # noqa: E731
    return Figure(partial(bpcer_at_apcer, apcer=allowed), center)


def area_center(truth, spread):
    """Return the center of genuine scores for an area."""
    return norm.ppf(truth) * np.hypot(1.0, spread)


def rate_center(truth, spread):
    """Return the center of genuine scores of which a fraction lies below zero."""
    return -spread * norm.ppf(truth) if truth > 0 else 50.0


FIGURES = {
    "AUC": Figure(roc_auc_score, area_center),
    "EER": Figure(equal_error_rate, lambda truth, spread: -norm.ppf(truth) * (1.0 + spread)),
    "BPCER": Figure(bpcer, rate_center),
    # deepfakes at zero, the threshold above them: the center of genuine scores does not matter
    "APCER": Figure(apcer, lambda truth, spread: 4.0),
    "BPCER10": at_rate(0.10),
    "BPCER20": at_rate(0.05),
    "BPCER100": at_rate(0.01),
    "AUC, any callable": Figure(plain_auc, area_center),
    "BPCER, any callable": Figure(plain_rate, rate_center),
    "EER, any callable": Figure(
        lambda y_true, score: equal_error_rate(y_true, score),
        lambda truth, spread: -norm.ppf(truth) * (1.0 + spread),
    ),
    "AUC less another's": Figure(gain, area_center, "other"),
    "worst APCER of 3": Figure(worst_apcer, lambda truth, spread: 4.0, "technique"),
}


def group_sizes(structure, n_rows):
    """Return the sizes of groups that hold so many rows."""
    if structure == "rows":
        return np.ones(n_rows, dtype=int)
    if structure != "unequal groups":
        return np.full(n_rows // 5, 5)
    ends = np.cumsum(np.resize(UNEQUAL, n_rows))
    ends = np.append(ends[ends < n_rows], n_rows)
    return np.diff(ends, prepend=0)


def draw(cell, rng):
    """Draw labels, standard normal scores (one column for each detector), and groups."""
    codes, noises, start = [], [], 0
    between = 0.0 if cell.structure == "rows" else BETWEEN
    shared = None
    for n_rows in (cell.n_genuine, cell.n_fake):
        sizes = group_sizes(cell.structure, n_rows)
        group = np.repeat(np.arange(len(sizes)), sizes)
        effect = rng.normal(size=(len(sizes), 2))
        if cell.structure in PEOPLE and shared is not None:
            effect[: len(shared)] = shared if cell.structure == PEOPLE[0] else -shared
        noise = rng.normal(size=(n_rows, 2))
        for setting in (
            (noise,) if shared is not None and cell.structure in PEOPLE else (effect, noise)
        ):
            setting[:, 1] = 0.6 * setting[:, 0] + 0.8 * setting[:, 1]
        shared = effect
        noises.append(np.sqrt(between) * effect[group] + np.sqrt(1.0 - between) * noise)
        codes.append(group + start)
        start += 0 if cell.structure in PEOPLE else len(sizes)
    y = np.repeat([1, -1], [cell.n_genuine, cell.n_fake])
    score = np.concatenate(noises)
    score[y == 1] *= cell.spread
    return y, score, None if cell.structure == "rows" else np.concatenate(codes)


def percentile_interval(metric, y, score, *, groups, metadata, n_resamples, random_state):
    """Return the plain percentile bootstrap over groups: the yardstick."""
    rng = np.random.default_rng(random_state)
    codes = np.arange(len(y)) if groups is None else groups
    members = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    figures = []
    while len(figures) < n_resamples:
        rows = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        if len(np.unique(y[rows])) == 2:
            extras = {name: values[rows] for name, values in metadata.items()}
            figures.append(metric(y[rows], score[rows], **extras))
    low, high = np.quantile(figures, [0.025, 0.975])
    return metric(y, score, **metadata), low, high


def interval(cell, y, scores, groups, seed, n_resamples):
    """Compute one interval."""
    figure = FIGURES[cell.figure]
    scores = scores + np.where(y == 1, figure.center(cell.truth, cell.spread), 0.0)[:, np.newaxis]
    score, metadata, metric = scores[:, 0], {}, figure.metric
    if cell.figure.endswith("APCER") or cell.figure == "worst APCER of 3":
        metric = partial(metric, threshold=norm.isf(cell.truth) if cell.truth > 0 else 50.0)
    if figure.metadata == "technique":
        metadata = {"technique": np.resize([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2], len(y))}
    elif figure.metadata == "other":  # as good as the first: the true difference is zero
        metadata = {"other": scores[:, 1]}
    options = {"groups": groups, "metadata": metadata}
    if cell.method == "closed":
        return confidence_interval(metric, y, score, **options)
    options |= {"n_resamples": n_resamples, "random_state": seed}
    if cell.method == "percentile":
        metric = plain_auc if metric is roc_auc_score else metric
        return percentile_interval(metric, y, score, **options)
    return bootstrap_interval(metric, y, score, **options)


def simulate(cell, repetitions, n_resamples=100):
    """Repeat a setting, and return how its intervals do."""
    rng = np.random.default_rng([abs(hash_of(cell)), repetitions])
    ends = np.empty((repetitions, 2))
    with warnings.catch_warnings(), config_context(skip_parameter_validation=True):
        warnings.simplefilter("ignore")
        for repetition in range(repetitions):
            y, scores, groups = draw(cell, rng)
            ends[repetition] = interval(cell, y, scores, groups, repetition, n_resamples)[1:]
    truth = 0.0 if FIGURES[cell.figure].metadata == "other" else cell.truth
    low, high = ends.T
    edge = 1e-12
    return {
        **cell._asdict(),
        "repetitions": repetitions,
        "coverage": float(np.mean((low <= truth + edge) & (truth - edge <= high))),
        "above": float(np.mean(low > truth + edge)),
        "below": float(np.mean(high < truth - edge)),
        "width": float(np.mean(high - low)),
        "no width": float(np.mean(high == low)),
        "no interval": float(np.mean(np.isnan(low))),
    }


def hash_of(cell):
    """Return a number that names a setting, the same in every process."""
    return int.from_bytes(repr(cell).encode()[-64:], "little") % 2**63


#: The settings at which the percentile bootstrap failed.
NAMED_CELLS = [
    Cell("AUC", 0.98, 10, 10),
    Cell("AUC", 0.995, 30, 30),
    Cell("EER", 0.04, 20, 20),
    Cell("BPCER100", 0.05, 50, 50),
]


def settings():
    """Return all settings."""
    cells = list(NAMED_CELLS)
    structures = [("rows", n) for n in (10, 50, 500)]
    clustered = [(structure, n) for structure in (*CLUSTERED, PEOPLE[1]) for n in (50, 200)]
    for name, truths in (("AUC", (0.5, 0.8, 0.95, 0.98, 0.995)), ("EER", (0.02, 0.04, 0.2))):
        for truth, (structure, n) in product(truths, structures + clustered):
            if name == "AUC" or (structure, n) not in clustered[1:4]:
                cells.append(Cell(name, truth, n, n, structure))
        cells.append(Cell(name, truths[1], 200, 200, PEOPLE[0]))
        cells.append(Cell(name, truths[1], 30, 150, spread=2.0))
        cells.append(Cell(name, truths[1], 30, 150, spread=0.5))
    structures = [("rows", n) for n in (10, 50, 500)]
    structures += [(CLUSTERED[0], 50), (CLUSTERED[0], 500), (CLUSTERED[1], 50)]
    for truth, (structure, n) in product((0.0, 0.01, 0.05, 0.2), structures):
        cells.append(Cell("BPCER", truth, n, n, structure))
    for truth, n in product((0.0, 0.05), (20, 200)):
        cells.append(Cell("APCER", truth, n, n, "groups of 5"))
        cells.append(Cell("worst APCER of 3", truth, 3 * n, 3 * n, "groups of 5"))
    structures = [("rows", 50), ("rows", 500), (PEOPLE[1], 200)]
    for name, truth, (structure, n) in product(
        ("BPCER10", "BPCER20", "BPCER100"), (0.05, 0.2), structures
    ):
        cells.append(Cell(name, truth, n, n, structure))
    for (name, truth), (structure, n) in product(
        (
            ("AUC, any callable", 0.98),
            ("EER, any callable", 0.04),
            ("BPCER, any callable", 0.05),
            ("AUC less another's", 0.95),
        ),
        (("rows", 10), ("groups of 5", 50)),
    ):
        cells.append(Cell(name, truth, n, n, structure, "bootstrap"))
    cells.append(Cell("AUC less another's", 0.95, 50, 50, PEOPLE[1], "bootstrap"))
    cells += [cell._replace(method="percentile") for cell in NAMED_CELLS]
    return list(dict.fromkeys(cells))


def simulate_cell(cell, quick):
    """Simulate a setting with as many repetitions as it gets.

    Among many settings some fall short by chance. A setting that covers less than 94 % of 500 is
    simulated again, and only the new repetitions count.
    """
    if quick:
        return simulate(cell, 20)
    if cell.method == "percentile":
        return simulate(cell, 200)
    first = simulate(cell, 1000 if cell in NAMED_CELLS else 500)
    return simulate(cell, N_REPEATED) if first["coverage"] < DOUBTFUL else first


def finished(path):
    """Return the rows that an interrupted run printed, except those to be simulated again."""
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]
    return [
        row
        for row in rows
        if row["method"] == "percentile"
        or row["repetitions"] == N_REPEATED
        or row["coverage"] >= DOUBTFUL
    ]


def matches(row, cell):
    """Return whether a row is that of a setting."""
    return all(row[name] == value for name, value in cell._asdict().items())


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", help="figures whose name begins so")
    parser.add_argument("--resume", type=Path, help="lines that an interrupted run printed")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args(argv)
    cells = [cell for cell in settings() if cell.figure.startswith(args.only or "")]
    earlier = finished(args.resume) if args.resume else []
    rows = [row for cell in cells for row in earlier if matches(row, cell)]
    cells = [cell for cell in cells if not any(matches(row, cell) for row in rows)]
    start = time.perf_counter()
    results = Parallel(args.jobs, batch_size=1, return_as="generator")(
        delayed(simulate_cell)(cell, args.quick) for cell in cells
    )
    for row in results:
        rows.append(row)
        print(json.dumps(row), flush=True)
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    if args.output:
        content = {"quick": args.quick, "machine": machine(), "versions": versions(), "rows": rows}
        args.output.write_text(json.dumps(content) + "\n")
    weak = [row for row in rows if row["method"] != "percentile" and row["coverage"] < 0.93]
    for row in weak:
        print(f"covers too rarely: {row}", file=sys.stderr)
    return bool(weak)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
