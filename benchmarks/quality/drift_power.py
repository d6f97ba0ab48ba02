"""How many p-values the test for drift needs, by simulation.

    python benchmarks/quality/drift_power.py [-o benchmarks/results/drift_power.json]

Scores are normally distributed. A calibration sets the threshold for a BPCER of 10 %. Then scores
fall so far that the BPCER is 30 %, and `p_value_drift` tests recent p-values for it, at its level
of 1 %. A row of the result is the fraction of repetitions in which the drift is detected, and in
which there is a false alarm without drift.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import versions
from sklearn_diffake.metrics import p_value_drift

BPCER, BPCER_WITH_DRIFT = 0.1, 0.3
N_CALIBRATION = (30, 150)
N_RECENT = (10, 30, 100)


def p_values(scores, calibration):
    """Return the conformal p-values of scores."""
    ranks = np.searchsorted(np.sort(calibration), scores, side="right")
    return (ranks + 1) / (len(calibration) + 1)


def detection_rate(n_calibration, n_recent, shift, n_repetitions, rng):
    """Return the fraction of repetitions in which drift is reported."""
    n_detected = 0
    for _ in range(n_repetitions):
        calibration = rng.normal(size=n_calibration)
        recent = rng.normal(-shift, size=n_recent)
        n_detected += p_value_drift(p_values(recent, calibration), n_calibration).drifted
    return n_detected / n_repetitions


def simulate(n_repetitions, seed=0):
    shift = norm.ppf(BPCER_WITH_DRIFT) - norm.ppf(BPCER)
    rng = np.random.default_rng(seed)
    return [
        {
            "n_calibration": n_calibration,
            "n_recent": n_recent,
            "detected": detection_rate(n_calibration, n_recent, shift, n_repetitions, rng),
            "false_alarms": detection_rate(n_calibration, n_recent, 0.0, n_repetitions, rng),
        }
        for n_calibration in N_CALIBRATION
        for n_recent in N_RECENT
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=300)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    results = {
        "bpcer": BPCER,
        "bpcer_with_drift": BPCER_WITH_DRIFT,
        "n_repetitions": args.repetitions,
        "rows": simulate(args.repetitions),
        "versions": versions(),
    }
    text = json.dumps(results, indent=2)
    print(text)
    if args.output:
        args.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
