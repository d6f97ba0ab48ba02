"""From protocols to cells: who is learned from, who is judged, and in which condition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.benchmark._cells import AS_THEY_ARE, Cell, Condition, Rows, Step
from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._specs import Protocol
from sklearn_diffake.model_selection import (
    IdentityGroupKFold,
    LeaveOneDatasetOut,
    LeaveOneTechniqueOut,
    check_no_leakage,
)

CALIBRATED = "calibrated without"  # the condition of cells with a technique left out
ALL_OTHERS = "all others"

Tables = Mapping[str, PairTable]
Ints = NDArray[np.int64]


def make_cells(
    protocols: Sequence[Protocol],
    tables: Tables,
    *,
    seed: int,
    trained_on: Mapping[str, Mapping[str, NDArray[np.bool_]]] | None = None,
) -> list[Cell]:
    """List the cells of some protocols.

    Parameters
    ----------
    protocols : sequence of Protocol
    tables : mapping of str to PairTable
        The datasets.
    seed : int
        Of the deal of people into folds.
    trained_on : mapping of str to mapping of str to ndarray of bool, default=None
        For each extractor and dataset, the rows that show somebody it was trained on. They are not
        judged in a protocol that has a candidate with that extractor.

    Returns
    -------
    cells : list of Cell

    Raises
    ------
    ValueError
        If a dataset does not suit a protocol, or people cannot be kept apart; the message names
        the protocol's table in the configuration.
    """
    cells = []
    for protocol in protocols:
        chosen = _suitable(protocol, tables)
        try:
            _check_modes(protocol, chosen)
            made = _MAKERS[protocol.name](protocol, chosen, seed)
            cells += _without_trained_on(list(made), protocol, tables, trained_on or {})
        except ValueError as error:
            raise ValueError(f"[protocols.{protocol.name}] {error}") from error
    return cells


def _suitable(protocol: Protocol, tables: Tables) -> Tables:
    """Choose the datasets of a protocol: those named, or all that can be judged on."""
    names = protocol.datasets or tuple(tables)
    judged = [name for name in names if len(np.unique(tables[name].target)) == 2]
    where = f"[protocols.{protocol.name}] datasets:"
    if protocol.name == "cross-dataset":  # genuine pairs alone are enough to learn from
        if len(names) < 2:
            raise ValueError(f"{where} needs two datasets at least, there is {names[0]!r}")
        if not judged:
            raise ValueError(f"{where} no dataset has both genuine pairs and deepfakes")
        return {name: tables[name] for name in names}
    one_class = [name for name in names if name not in judged]
    if not judged or (protocol.datasets and one_class):
        raise ValueError(f"{where} {one_class[0]!r} has not both genuine pairs and deepfakes")
    return {name: tables[name] for name in judged}


def _check_modes(protocol: Protocol, tables: Tables) -> None:
    """Refuse to learn from pairs of one mode and to judge those of the other."""
    if protocol.name != "cross-dataset" or protocol.options.get("mixed_modes"):
        return
    by_mode = {table.mode: name for name, table in tables.items()}
    if len(by_mode) > 1:
        (one, first), (other, second) = by_mode.items()
        raise ValueError(
            f"datasets: {first!r} has pairs of the {one} mode, {second!r} of the {other} mode, and "
            "what is natural in one says nothing about the other. List datasets of one mode, or "
            "say mixed_modes = true to compare them all the same, labelled as such"
        )


def rows_trained_on(
    protocol: Protocol, dataset: str, trained_on: Mapping[str, Mapping[str, NDArray[np.bool_]]]
) -> NDArray[np.bool_] | None:
    """Mark the rows of a dataset that show people an extractor of a protocol was trained on.

    Parameters
    ----------
    protocol : Protocol
    dataset : str
    trained_on : mapping of str to mapping of str to ndarray of bool
        As for :func:`make_cells`.

    Returns
    -------
    ndarray of shape (n,), bool, or None
        None if no candidate has an extractor.
    """
    used = {name for candidate in protocol.candidates for name in candidate.extractors}
    masks = [trained_on[name][dataset] for name in sorted(used)]
    return np.logical_or.reduce(masks) if masks else None


def _without_trained_on(
    cells: Sequence[Cell],
    protocol: Protocol,
    tables: Tables,
    trained_on: Mapping[str, Mapping[str, NDArray[np.bool_]]],
) -> list[Cell]:
    """Judge only people whom no extractor of the protocol was trained on."""
    marked = {name: rows_trained_on(protocol, name, trained_on) for name in tables}
    masks = {name: mask for name, mask in marked.items() if mask is not None and mask.any()}
    changed = [replace(cell, steps=tuple(_judge_others(cell.steps, masks))) for cell in cells]
    for cell in changed if masks else ():
        table, rows = tables[cell.test], cell.steps[0].score.rows
        if cell.test in masks and len(np.unique(table.target[rows])) < 2:
            raise ValueError(
                f"datasets: of {cell}, no genuine pairs and deepfakes remain to be judged, as an "
                "extractor was trained on their people: let it learn from some splits, as in "
                'splits = ["train"], and judge others with split = "official", or let it learn '
                "from another dataset"
            )
    return changed


def _judge_others(steps: Iterable[Step], masks: Mapping[str, NDArray[np.bool_]]) -> Iterator[Step]:
    for number, step in enumerate(steps):
        score = step.score
        if score.dataset in masks:
            score = replace(score, rows=score.rows[~masks[score.dataset][score.rows]])
        if number == 0 or len(score.rows):  # thresholds are set on what remains
            yield Step(step.fit, score)


def _splits(protocol: Protocol, table: PairTable, seed: int) -> Iterator[tuple[str, Ints, Ints]]:
    """Yield name, genuine rows to learn from, and rows to judge; nobody is in both."""
    if protocol.split == "official":
        named = table.columns["split"]
        train = np.flatnonzero(np.isin(named, ["train", "val"]))
        test = np.flatnonzero(named == "test")
        if not len(train) or not len(test):
            raise ValueError(
                f"split: dataset {table.name!r} has no official splits train and test, but "
                f"{sorted(set(named))}"
            )
        splits = [("official split", train, test)]
    else:
        deal = _folds(protocol, seed).split(np.zeros(len(table)), table.target, table.groups)
        splits = [
            (f"fold {i + 1} of {protocol.folds}", train, test)
            for i, (train, test) in enumerate(deal)
        ]
    check_no_leakage([(train, test) for _, train, test in splits], table.groups)
    for name, train, test in splits:
        yield name, _genuine(table, train), test


def _folds(protocol: Protocol, seed: int) -> IdentityGroupKFold:
    return IdentityGroupKFold(protocol.folds, shuffle=True, random_state=seed)


def _genuine(table: PairTable, rows: Ints) -> Ints:
    return rows[table.target[rows] == 1]


def _held_out_steps(
    protocol: Protocol, table: PairTable, rows: Ints, seed: int
) -> tuple[Step, ...]:
    """Score some rows by fits without them, which is what a threshold may be fixed by."""
    deal = _folds(protocol, seed).split(np.zeros(len(rows)), table.target[rows], table.groups[rows])
    return tuple(
        Step((Rows(table.name, _genuine(table, rows[train])),), Rows(table.name, rows[test]))
        for train, test in deal
    )


def _within_dataset(protocol: Protocol, tables: Tables, seed: int) -> Iterator[Cell]:
    """Learn from some people of each dataset, judge the others of the same dataset."""
    for table in tables.values():
        yield from _plain(protocol, table, seed)


def _cross_manipulation(protocol: Protocol, tables: Tables, seed: int) -> Iterator[Cell]:
    for name, table in tables.items():
        yield from _plain(protocol, table, seed)
        if protocol.options["calibrate"]:
            yield from _calibrated(protocol, name, table, seed)


def _plain(protocol: Protocol, table: PairTable, seed: int) -> Iterator[Cell]:
    """Judge every candidate on held-out people."""
    name = table.name
    for split, fit, test in _splits(protocol, table, seed):
        step = Step((Rows(name, fit),), Rows(name, test))
        for candidate in protocol.candidates:
            yield Cell(protocol.name, candidate.name, name, name, split, (), (step,))


def _calibrated(protocol: Protocol, name: str, table: PairTable, seed: int) -> Iterator[Cell]:
    """Leave a technique out: fakes of the others may choose a candidate and fix its threshold."""
    groups = np.column_stack([table.columns["technique"], table.groups])
    if len(set(table.columns["technique"][table.target == -1])) < 2:
        return  # without fakes of another technique there is nothing to calibrate with
    splitter = LeaveOneTechniqueOut(0, n_folds=protocol.folds, shuffle=True, random_state=seed)
    X = np.zeros(len(table))
    names = splitter.held_out(X, table.target, groups)
    splits = list(splitter.split(X, table.target, groups))
    check_no_leakage(splits, table.groups)
    for technique, (train, test) in zip(names, splits, strict=True):
        main = Step((Rows(name, _genuine(table, train)),), Rows(name, test))
        steps = (main, *_held_out_steps(protocol, table, train, seed))
        condition = (CALIBRATED, technique)
        for candidate in protocol.candidates:
            yield Cell(protocol.name, candidate.name, name, name, "", condition, steps)


def _cross_dataset(protocol: Protocol, tables: Tables, seed: int) -> Iterator[Cell]:
    learned_from = protocol.options.get("fit") or tuple(tables)
    for test, table in tables.items():
        if len(np.unique(table.target)) < 2:
            continue  # nothing to judge on
        others = [name for name in learned_from if name != test]
        fits = {name: [name] for name in others}
        if len(others) > 1:
            fits[ALL_OTHERS] = others
        if test in learned_from:
            yield from _plain(protocol, table, seed)
        for fit, names in fits.items():
            learned = _apart_from(table, [tables[name] for name in names])
            genuine = tuple(Rows(t.name, _genuine(t, rows)) for t, rows in learned)
            steps = [Step(genuine, Rows(test, np.arange(len(table))))]
            if len(learned) == 1:
                steps += _held_out_steps(protocol, *learned[0], seed)
            for candidate in protocol.candidates:
                yield Cell(protocol.name, candidate.name, fit, test, "", (), tuple(steps))


def _apart_from(test: PairTable, others: Sequence[PairTable]) -> list[tuple[PairTable, Ints]]:
    """Return the rows of other datasets that share nobody with one that is judged on."""
    tables = [test, *others]
    width = max(table.groups.shape[1] for table in tables)
    filled = [np.pad(t.groups, ((0, 0), (0, width - t.groups.shape[1])), constant_values="")
              for t in tables]  # fmt: skip
    names = np.repeat(["held out", *["others"] * len(others)], [len(t) for t in tables])
    groups = np.column_stack([names.astype(object), np.concatenate(filled)])
    target = np.concatenate([table.target for table in tables])
    splitter = LeaveOneDatasetOut(0, one_class="keep")
    train = next(splitter.split(np.zeros(len(target)), target, groups))[0]  # "held out" is first
    check_no_leakage([(train, np.arange(len(test)))], groups[:, 1:])
    start, found = len(test), []
    for table in others:
        rows = train[(train >= start) & (train < start + len(table))] - start
        found.append((table, rows))
        start += len(table)
    return found


def _compression(protocol: Protocol, tables: Tables, seed: int) -> Iterator[Cell]:
    for name, table in tables.items():
        levels = _levels(protocol, table)
        for split, fit, test in _splits(protocol, table, seed):
            for level, (fit_mask, fit_condition) in levels.items():
                for other, (test_mask, test_condition) in levels.items():
                    learned = Rows(name, fit[fit_mask[fit]], fit_condition)
                    judged = Rows(name, test[test_mask[test]], test_condition)
                    _check_level(table, learned, level, "learn from")
                    for candidate in protocol.candidates:
                        yield Cell(
                            protocol.name, candidate.name, name, name, split, (level, other),
                            (Step((learned,), judged),),
                        )  # fmt: skip


def _levels(protocol: Protocol, table: PairTable) -> dict[str, tuple[NDArray[np.bool_], Condition]]:
    """Return rows and condition of each level: those the dataset has, or made here."""
    named = table.columns["compression"]
    there = sorted(set(named) - {""})
    wanted = protocol.options["levels"]
    if not wanted and len(there) < 2:
        everything = np.ones(len(table), dtype=bool)
        made = {"as it is": (everything, AS_THEY_ARE)}
        for loss in protocol.options["jpeg"]:
            made[str(loss)] = (everything, Condition(loss, loss))
        return made
    for level in wanted:
        if level not in there:
            raise ValueError(
                f"levels: dataset {table.name!r} has no compression {level!r}, but {there}"
            )
    return {level: (named == level, AS_THEY_ARE) for level in wanted or there}


def _check_level(table: PairTable, rows: Rows, level: str, what: str) -> None:
    if not len(rows.rows):
        raise ValueError(f"dataset {table.name!r} has no pairs of level {level!r} to {what}")


def _robustness(protocol: Protocol, tables: Tables, seed: int) -> Iterator[Cell]:
    losses = protocol.options["degradations"]
    both = protocol.options["degrade"] == "both"
    for name, table in tables.items():
        for split, fit, test in _splits(protocol, table, seed):
            for loss in (None, *losses):
                condition = Condition(loss if both else None, loss)
                step = Step((Rows(name, fit),), Rows(name, test, condition))
                label = (loss.kind, loss.amount) if loss else ("none", "")
                for candidate in protocol.candidates:
                    yield Cell(protocol.name, candidate.name, name, name, split, label, (step,))


_MAKERS: dict[str, Callable[[Protocol, Tables, int], Iterator[Cell]]] = {
    "within-dataset": _within_dataset,
    "cross-manipulation": _cross_manipulation,
    "cross-dataset": _cross_dataset,
    "compression": _compression,
    "robustness": _robustness,
    "ablation": _within_dataset,  # its candidates make the difference
}
