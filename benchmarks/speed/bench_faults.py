"""Faults of all kinds, as rows of the harness; what is done is said in faults.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import row, run_alone
from benchmarks.stress import faults


def figures(quick=False):
    rows = []
    for case in faults.cases(4 if quick else faults.TIMES, seed=0):
        sound = case["cases"] - case["findings"]
        measure = f"sound after {case['cases']} cases: {case['what']}, {case['fault']}"
        rows.append(row(measure, "all", sound, case["cases"], "cases", more_is_better=True,
                        goal=None if case["skipped"] else ">= 1"))  # fmt: skip
    return rows


if __name__ == "__main__":
    run_alone(figures)
