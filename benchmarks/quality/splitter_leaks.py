"""Look for leaks in the splits of random tables.

    python benchmarks/quality/splitter_leaks.py [--tables 10000] [--jobs N]
                                                [-o benchmarks/results/splitter_leaks.json]

A table has 6 to 80 rows with the person of the reference, the person of the probe, the video, the
dataset and the technique of each. Names are few or many, some are blank, and some persons are in
several datasets. Each splitter splits each table. A split leaks if a person or a video is on both
sides, which is looked for by comparing sets of names, without code of the package. Other faults
that are counted: a row on both sides, a test set of one class, a training set without genuine rows,
folds that are not a partition, a test set with rows of another dataset or technique. A splitter may
refuse a table with a ValueError, which is counted too. ``LeakageGuard`` wraps scikit-learn's
``KFold``, which does leak: there, what is counted is a leak that is not refused, and a refusal of
splits that have none.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.model_selection import KFold

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import machine, versions
from sklearn_diffake.model_selection import (
    IdentityGroupKFold,
    LeakageError,
    LeakageGuard,
    LeaveOneDatasetOut,
    LeaveOneTechniqueOut,
)

NAMES = ["reference_person", "probe_person", "video"]
BLANKS = [None, "", float("nan")]


def draw_table(seed):
    """Draw the labels and the columns of a table."""
    rng = np.random.default_rng(seed)
    n_rows = int(rng.integers(6, 81))
    y = rng.choice([1, -1], n_rows, p=(bias := rng.uniform(0.2, 0.8), 1 - bias))
    y[:2] = 1, -1
    n_persons, n_videos = rng.integers(2, 3 * n_rows, size=2)
    columns = {
        "dataset": rng.integers(rng.integers(2, 6), size=n_rows),
        "technique": rng.integers(rng.integers(1, 5), size=n_rows),
        "reference_person": [f"p{i}" for i in rng.integers(n_persons, size=n_rows)],
        "probe_person": [f"p{i}" for i in rng.integers(n_persons, size=n_rows)],
        "video": [f"v{i}" for i in rng.integers(n_videos, size=n_rows)],
    }
    table = pd.DataFrame(columns)
    same = rng.random(n_rows) < rng.uniform(0, 1)  # the probe shows the person of the reference
    table.loc[same, "probe_person"] = table.loc[same, "reference_person"]
    for column in NAMES[1:]:
        is_blank = rng.random(n_rows) < rng.choice([0.0, 0.3])
        table[column] = table[column].astype(object)
        for row in np.flatnonzero(is_blank):
            table.at[row, column] = BLANKS[rng.integers(len(BLANKS))]
    if rng.random() < 0.5:  # people of a dataset are of no other dataset
        for column in NAMES:
            table[column] = [
                f"{name}-{dataset}" if isinstance(name, str) and name else name
                for name, dataset in zip(table[column], table["dataset"], strict=True)
            ]
    return y, table


def names_of(table, rows):
    """Return the names of persons and videos in some rows."""
    cells = table.loc[rows, NAMES].to_numpy().ravel().tolist()
    return {cell for cell in cells if isinstance(cell, str) and cell}


def faults_of_split(y, table, train, test):
    """Return the faults that no split may have."""
    faults = Counter()
    faults["leaks"] += bool(names_of(table, train) & names_of(table, test))
    faults["rows on both sides"] += bool(set(train) & set(test))
    faults["training sets without genuine rows"] += not (y[train] == 1).any()
    return faults


def has_one_class(y, rows):
    """Return whether rows are all genuine or all deepfakes."""
    return len(set(y[rows].tolist())) < 2


def check_identity_folds(y, table, seed):
    """Check the folds of IdentityGroupKFold."""
    cv = IdentityGroupKFold(2 + seed % 4, shuffle=bool(seed % 2), random_state=seed)
    splits = list(cv.split(y, y, table[NAMES]))
    faults = Counter(splits=len(splits))
    for train, test in splits:
        faults += faults_of_split(y, table, train, test)
        faults["test sets of one class"] += has_one_class(y, test)
        faults["folds that are no partition"] += len(train) + len(test) != len(y)
    rows = np.sort(np.concatenate([test for _, test in splits]))
    faults["folds that are no partition"] += not np.array_equal(rows, np.arange(len(y)))
    return faults


def held_out_splits(cv, y, table, groups, faults):
    """Yield what each split holds out and its rows, after counting the faults of all splits."""
    names = cv.held_out(y, y, groups)
    for name, (train, test) in zip(names, cv.split(y, y, groups), strict=True):
        faults["splits"] += 1
        faults.update(faults_of_split(y, table, train, test))
        faults["test sets of one class"] += has_one_class(y, test)
        yield name, train, test


def check_datasets(y, table, seed):
    """Check the splits of LeaveOneDatasetOut."""
    cv = LeaveOneDatasetOut("dataset", disjoint=NAMES, one_class="skip")
    groups = table[["dataset", *NAMES]]
    faults = Counter()
    for name, _, test in held_out_splits(cv, y, table, groups, faults):
        in_dataset = np.flatnonzero(table["dataset"] == name)
        faults["rows of another dataset"] += not np.array_equal(np.sort(test), in_dataset)
    return faults


def check_techniques(y, table, seed):
    """Check the splits of LeaveOneTechniqueOut."""
    cv = LeaveOneTechniqueOut(
        "technique", n_folds=2 + seed % 3, rotate=bool(seed % 2), disjoint=NAMES
    )
    groups = table[["technique", *NAMES]]
    faults = Counter()
    for name, train, test in held_out_splits(cv, y, table, groups, faults):
        made_with = table["technique"].to_numpy()
        fakes_of_test = made_with[test][y[test] == -1]
        fakes_of_train = made_with[train][y[train] == -1]
        faults["rows of another technique"] += bool((fakes_of_test != name).any())
        faults["rows of another technique"] += bool((fakes_of_train == name).any())
    return faults


def check_guard(y, table, seed):
    """Check that LeakageGuard refuses the splits of KFold that leak, and no others."""
    inner = KFold(2, shuffle=True, random_state=seed)
    has_leak = any(names_of(table, train) & names_of(table, test) for train, test in inner.split(y))
    faults = Counter(splits=2)
    try:
        list(LeakageGuard(inner, disjoint=NAMES).split(y, y, table[NAMES]))
    except LeakageError:
        faults["refused without a leak"] += not has_leak
        faults["refused leaks"] += has_leak
    else:
        faults["leaks"] += has_leak
    return faults


CHECKS = {
    "IdentityGroupKFold": check_identity_folds,
    "LeaveOneDatasetOut": check_datasets,
    "LeaveOneTechniqueOut": check_techniques,
    "LeakageGuard(KFold)": check_guard,
}
NO_FAULTS = {"splits", "refused tables", "refused leaks", "tables"}


def check_tables(seeds):
    """Return the counts of each splitter over some tables."""
    counts = {name: Counter(tables=len(seeds)) for name in CHECKS}
    for seed in seeds:
        y, table = draw_table(seed)
        for name, check in CHECKS.items():
            try:
                counts[name] += check(y, table, seed)
            except LeakageError:
                raise
            except ValueError:
                counts[name]["refused tables"] += 1
    return counts


def main(argv=None):
    """Check all splitters."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args(argv)
    start = time.perf_counter()
    blocks = np.array_split(np.arange(args.tables), max(1, args.tables // 100))
    totals = {name: Counter() for name in CHECKS}
    for counts in Parallel(args.jobs)(delayed(check_tables)(block.tolist()) for block in blocks):
        for name, count in counts.items():
            totals[name] += count
    rows = [
        {
            "splitter": name,
            **{key: int(total[key]) for key in sorted(NO_FAULTS)},
            "faults": (faults := {k: int(n) for k, n in total.items() if k not in NO_FAULTS and n}),
            "n_faults": sum(faults.values()),
        }
        for name, total in totals.items()
    ]
    print(json.dumps(rows, indent=1))
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    if args.output:
        content = {"machine": machine(), "versions": versions(), "rows": rows}
        args.output.write_text(json.dumps(content, indent=1) + "\n")
    return any(row["faults"] for row in rows)


if __name__ == "__main__":
    sys.exit(main())
