"""How often conformal p-values reject new genuine rows, by simulation.

    python benchmarks/quality/conformal_rates.py [--quick] [--jobs N]
                                                 [-o benchmarks/results/conformal_rates.json]

Every repetition draws genuine rows, fits a detector and its calibration, and draws new genuine
rows. Their p-values must not be too small: at most a fraction `a` may have ``p <= a``, for every
`a`, on average over calibration sets. Settings:

- ``rows``: independent rows; p-values of a score without ties are uniform on the possible values;
- ``few rows``: as few calibration rows as the level needs;
- ``tied scores``: scores take few values, so that p-values are larger than uniform ones;
- ``cv+``: cross-validation in place of one split, with the bound that is proven for it;
- ``templates``: the noise of a row falls with the numbers of reference and probe images, and each
  category has its own calibration. Category (4, 2) is not calibrated, and takes that of (3, 1);
- ``people``: groups of 1, 2, 3, 5 and 9 rows that are much alike; groups are passed to ``fit``, and
  one row of each new group is judged;
- ``people, not passed``: the same rows without groups. Nothing is promised then; it shows what
  groups are for. It does not count as a violation.

A row of the result is a setting, a category and a level: the rate that was allowed, the rate that
was measured, and its standard error over repetitions. A rate above the allowed one by more than
four standard errors is a violation.
"""

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import machine, versions
from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector

LEVELS = (0.01, 0.05, 0.1, 0.2, 0.5)
N_FEATURES = 3
N_NEW = 200  # new genuine rows, or groups, of a repetition
BETWEEN = 0.7  # of the variance lies between groups
GROUP_SIZES = (1, 2, 3, 5, 9)
CATEGORIES = ((1, 1), (1, 3), (3, 1), (8, 2))
NOT_CALIBRATED = (4, 2)
TOLERANCE = 4  # standard errors


class Setting(NamedTuple):
    """What is simulated.

    Parameters
    ----------
    name : str
    n_genuine : int
        Number of genuine rows, or of groups, of ``fit``.
    n_calibration : int
        How many of them calibrate.
    method : {"split", "cv+"}
    promised : bool
        Whether the package promises anything.
    """

    name: str
    n_genuine: int
    n_calibration: int
    method: str = "split"
    promised: bool = True


SETTINGS = (
    Setting("rows", 299, 199),
    Setting("few rows", 119, 19),
    Setting("tied scores", 299, 199),
    Setting("cv+", 200, 200, "cv+"),
    Setting("templates", 1200, 800),
    Setting("people", 299, 199),
    Setting("people, not passed", 299, 199, promised=False),
)


class Sample(NamedTuple):
    """Genuine rows: features, groups or None, numbers of images or None."""

    X: np.ndarray
    groups: np.ndarray | None = None
    n_images: np.ndarray | None = None


def draw(setting, n_rows, rng, *, categories=CATEGORIES):
    """Draw genuine rows, or groups of rows."""
    if setting.name.startswith("people"):
        sizes = rng.choice(GROUP_SIZES, n_rows)
        groups = np.repeat(np.arange(n_rows), sizes)
        shared = rng.normal(size=(n_rows, N_FEATURES))[groups]
        noise = rng.normal(size=shared.shape)
        X = np.sqrt(BETWEEN) * shared + np.sqrt(1 - BETWEEN) * noise
        return Sample(X, groups)
    X = rng.normal(size=(n_rows, N_FEATURES))
    if setting.name == "tied scores":
        return Sample(np.round(X / 2))
    if setting.name == "templates":
        n_images = rng.permutation(np.resize(categories, (n_rows, 2)))
        return Sample(X * np.sqrt((1 / n_images).sum(axis=1, keepdims=True)), n_images=n_images)
    return Sample(X)


def new_rows(setting, rng):
    """Draw new genuine rows, one of each new group."""
    if setting.name == "templates":
        return draw(setting, N_NEW * 2, rng, categories=(*CATEGORIES, NOT_CALIBRATED))
    sample = draw(setting, N_NEW, rng)
    if sample.groups is None:
        return sample
    order = rng.permutation(len(sample.X))  # a row of a group is drawn at random
    _, first = np.unique(sample.groups[order], return_index=True)
    return Sample(sample.X[order[first]])


def repeat_once(setting, seed):
    """Return the rate of each category and level, and the rate allowed, in one repetition."""
    rng = np.random.default_rng([seed, SETTINGS.index(setting)])
    sample = draw(setting, setting.n_genuine, rng)
    detector = ConformalDetector(
        MahalanobisDetector(),
        method=setting.method,
        target_bpcer=0.05,
        calibration_size=setting.n_calibration,
        random_state=seed,
    )
    groups = sample.groups if setting.promised else None
    detector.fit(sample.X, groups=groups, n_images=sample.n_images)
    probes = new_rows(setting, rng)
    p = detector.p_values(probes.X, n_images=probes.n_images)
    codes = np.ones((len(p), 2), dtype=int) if probes.n_images is None else probes.n_images
    allowed = np.asarray(LEVELS)
    if setting.method == "cv+":
        allowed = np.minimum(
            1, 2 * (allowed * (setting.n_genuine + 1) + 4) / (setting.n_genuine + 5)
        )
    return {
        category: (allowed, (p[(codes == category).all(axis=1), np.newaxis] <= LEVELS).mean(axis=0))
        for category in map(tuple, np.unique(codes, axis=0).tolist())
    }


def repeat(setting, seeds):
    """Run some repetitions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of calibration sets below the target's size
        return [repeat_once(setting, seed) for seed in seeds]


def summarize(setting, repetitions):
    """Return the rows of a setting."""
    rows = []
    for category in sorted(repetitions[0]):
        rates = np.array([rates[category][1] for rates in repetitions])
        allowed = repetitions[0][category][0]
        errors = rates.std(axis=0, ddof=1) / np.sqrt(len(rates))
        for level, limit, rate, error in zip(
            LEVELS, allowed, rates.mean(axis=0), errors, strict=True
        ):
            rows.append(
                {
                    "setting": setting.name,
                    "category": list(category),
                    "calibrated": tuple(category) != NOT_CALIBRATED,
                    "promised": setting.promised,
                    "level": level,
                    "allowed": float(limit),
                    "rate": float(rate),
                    "standard error": float(error),
                    "repetitions": len(rates),
                }
            )
    return rows


def is_violation(row):
    """Return whether a promise was broken by more than chance."""
    excess = row["rate"] - row["allowed"]
    return row["promised"] and excess > TOLERANCE * row["standard error"]


def main(argv=None):
    """Run all settings."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="50 repetitions in place of 2,000")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args(argv)
    n_repetitions = 50 if args.quick else 2000
    start = time.perf_counter()
    rows = []
    for setting in SETTINGS:
        blocks = np.array_split(np.arange(n_repetitions), max(1, n_repetitions // 50))
        results = Parallel(args.jobs)(delayed(repeat)(setting, block.tolist()) for block in blocks)
        rows += summarize(setting, [rates for block in results for rates in block])
        print(f"{setting.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    violations = [row for row in rows if is_violation(row)]
    content = {"quick": args.quick, "machine": machine(), "versions": versions(), "rows": rows}
    if args.output:
        args.output.write_text(json.dumps(content, indent=1) + "\n")
    for row in violations:
        print(f"rejects too often: {row}", file=sys.stderr)
    return bool(violations)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
