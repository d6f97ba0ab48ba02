"""The base class of protocols, and the jobs and tables that several of them share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.benchmark._candidates import DetectorSpec
from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._degrade import UNITS, Degradation
from sklearn_diffake.benchmark._jobs import Job, Rows, Step
from sklearn_diffake.benchmark._scores import POOLED, WORST, FinishedJob, Scores, Tables, figures
from sklearn_diffake.benchmark._settings import Candidate, ProtocolSpec
from sklearn_diffake.benchmark._toml import Table
from sklearn_diffake.benchmark.report._figures import Drawing
from sklearn_diffake.benchmark.report._tables import Row, dataset_title, full_table, group_by
from sklearn_diffake.metrics import threshold_transfer
from sklearn_diffake.model_selection import IdentityGroupKFold, check_no_leakage

Ints = NDArray[np.int64]


class ReadContext(NamedTuple):
    """What else a configuration holds, when the table of a protocol is read.

    Parameters
    ----------
    datasets : sequence of str
        Names of the datasets of the protocol.
    candidates : mapping of str to Candidate
    detectors : mapping of str to mapping
        Those that have a table of their own.
    """

    datasets: Sequence[str]
    candidates: Mapping[str, Candidate]
    detectors: Mapping[str, DetectorSpec]


class Protocol:
    """A way of judging candidates. Subclasses override what differs from the defaults.

    By default some people of each dataset are learned from and the others are judged, there are no
    options, figures are given of all techniques together, and the report has one table for each
    dataset and no figure.
    """

    #: Name of its table in a configuration, ``[protocols.NAME]``.
    name: ClassVar[str]
    #: Where it comes among the protocols of a benchmark, lower first.
    rank: ClassVar[int] = 100
    #: Whether the configuration names the candidates; else `read_options` returns them.
    has_candidates: ClassVar[bool] = True
    #: Whether the configuration may name the way to split, by people or by official lists.
    has_split: ClassVar[bool] = True
    #: Whether figures are given of the worst technique, and of each by itself.
    pools_worst: ClassVar[bool] = False
    pools_techniques: ClassVar[bool] = False

    def read_options(self, table: Table, context: ReadContext) -> dict[str, Any]:
        """Read the keys that only this protocol has.

        Parameters
        ----------
        table : Table
            Its table in the configuration; a key that is not read is an error.
        context : ReadContext

        Returns
        -------
        options : dict of str to object
            They become the `options` of a `ProtocolSpec`.

        Raises
        ------
        ConfigError
            If a value cannot be used.
        """
        return {}

    def datasets(self, spec: ProtocolSpec, tables: Tables) -> Tables:
        """Return the datasets it is run on: those that the configuration names, or all that suit.

        Raises
        ------
        ValueError
            If there is none, or one that is named does not suit.
        """
        names = spec.datasets or tuple(tables)
        suitable = [name for name in names if has_both_classes(tables[name])]
        unsuitable = [name for name in names if name not in suitable]
        if not suitable or (spec.datasets and unsuitable):
            raise ValueError(
                f"datasets: {unsuitable[0]!r} has not both genuine pairs and deepfakes"
            )
        return {name: tables[name] for name in suitable}

    def jobs(self, spec: ProtocolSpec, tables: Tables, seed: int) -> Iterator[Job]:
        """Yield its jobs.

        Parameters
        ----------
        spec : ProtocolSpec
        tables : mapping of str to PairTable
            As `datasets` returns them.
        seed : int
            Of the assignment of people to folds.

        Yields
        ------
        job : Job
        """
        for table in tables.values():
            yield from within_dataset_jobs(spec, table, seed)

    def pool(self, scores: Scores) -> Iterator[tuple[str, Scores]]:
        """Yield the groups of deepfakes that figures are given of, by name of the technique."""
        yield POOLED, scores
        if len(scores.techniques) > 1:
            if self.pools_worst:
                yield WORST, scores
            if self.pools_techniques:
                for name in scores.techniques:
                    yield name, scores.select((scores.y == 1) | (scores.technique == name))

    def threshold_errors(
        self,
        folds: Sequence[FinishedJob],
        scores: Scores,
        tables: Tables,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return further values for the summary, of thresholds that were set on held-out pairs.

        Parameters
        ----------
        folds : sequence of (Job, record)
            Of one candidate, dataset and condition.
        scores : Scores
            On the judged pairs of these folds.
        tables : mapping of str to PairTable
        options : mapping
            Of the `ProtocolSpec`.

        Returns
        -------
        values : dict of str to object
        """
        return {}

    def compare_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add values to the rows of the summary that depend on several of them."""

    def section(self, rows: Sequence[Row]) -> Iterator[str]:
        """Yield the lines of its section in the report, as Markdown."""
        for of_dataset in group_by(rows, "test").values():
            yield dataset_title(of_dataset)
            yield from full_table(of_dataset, {"candidate": "candidate", "technique": "technique"})

    def drawings(
        self, rows: Sequence[Row], finished: Sequence[FinishedJob], tables: Tables
    ) -> Iterator[Drawing]:
        """Yield its figures.

        Parameters
        ----------
        rows : sequence of dict
            Of the summary.
        finished : sequence of (Job, record)
        tables : mapping of str to PairTable

        Yields
        ------
        drawing : Drawing
        """
        yield from ()


def has_both_classes(table: PairTable) -> bool:
    """Return whether a dataset has genuine pairs and deepfakes."""
    return len(np.unique(table.target)) == 2


def genuine_rows(table: PairTable, rows: Ints) -> Ints:
    """Return those of some rows of a dataset that are genuine."""
    return rows[table.target[rows] == 1]


def splits(spec: ProtocolSpec, table: PairTable, seed: int) -> Iterator[tuple[str, Ints, Ints]]:
    """Yield name, genuine rows to learn from, and rows to judge; no person is in both."""
    if spec.split == "official":
        lists = table.columns["split"]
        train = np.flatnonzero(np.isin(lists, ["train", "val"]))
        test = np.flatnonzero(lists == "test")
        if not len(train) or not len(test):
            raise ValueError(
                f"split: dataset {table.name!r} has no official splits train and test, but "
                f"{sorted(set(lists))}"
            )
        by_name = [("official split", train, test)]
    else:
        folds = people_folds(spec, seed).split(np.zeros(len(table)), table.target, table.groups)
        by_name = [
            (f"fold {i + 1} of {spec.folds}", train, test) for i, (train, test) in enumerate(folds)
        ]
    check_no_leakage([(train, test) for _, train, test in by_name], table.groups)
    for name, train, test in by_name:
        yield name, genuine_rows(table, train), test


def people_folds(spec: ProtocolSpec, seed: int) -> IdentityGroupKFold:
    """Return the splitter that assigns people to folds."""
    return IdentityGroupKFold(spec.folds, shuffle=True, random_state=seed)


def held_out_steps(spec: ProtocolSpec, table: PairTable, rows: Ints, seed: int) -> tuple[Step, ...]:
    """Score some rows by fits without their people; a threshold may be set on these scores."""
    folds = people_folds(spec, seed).split(
        np.zeros(len(rows)), table.target[rows], table.groups[rows]
    )
    return tuple(
        Step((Rows(table.name, genuine_rows(table, rows[train])),), Rows(table.name, rows[test]))
        for train, test in folds
    )


def candidate_jobs(
    spec: ProtocolSpec,
    steps: Sequence[Step],
    *,
    fit: str,
    test: str,
    split: str = "",
    condition: tuple[str, ...] = (),
) -> Iterator[Job]:
    """Yield a job with some steps for every candidate; the other parameters are labels of `Job`."""
    for candidate in spec.candidates:
        yield Job(spec.name, candidate.name, fit, test, split, condition, tuple(steps))


def within_dataset_jobs(spec: ProtocolSpec, table: PairTable, seed: int) -> Iterator[Job]:
    """Judge every candidate on people of a dataset that it did not learn from."""
    for split, fit, test in splits(spec, table, seed):
        step = Step((Rows(table.name, fit),), Rows(table.name, test))
        yield from candidate_jobs(spec, [step], fit=table.name, test=table.name, split=split)


def transferred_thresholds(
    folds: Sequence[FinishedJob], scores: Scores, tables: Tables, *, bpcer: float | None = None
) -> dict[str, Any]:
    """Set thresholds on held-out scores, and return their error rates on the judged pairs.

    Parameters
    ----------
    folds : sequence of (Job, record)
        The first has the held-out scores, in its steps after the first.
    scores : Scores
        On the judged pairs.
    tables : mapping of str to PairTable
    bpcer : float, default=None
        Fraction of held-out genuine pairs that a threshold rejects; None sets no such threshold.

    Returns
    -------
    values : dict of str to object
        ``transfer_bpcer`` with `bpcer`; ``transfer_eer`` and ``held_out_auc`` if deepfakes are
        held out, too.
    """
    (job, record), *_ = folds
    table = tables[job.steps[1].score.dataset]
    rows = [step.score.rows for step in job.steps[1:]]
    y = table.target[np.concatenate(rows)]
    held_out = np.concatenate([np.asarray(decisions) for decisions in record["decisions"][1:]])
    fold = np.repeat(np.arange(len(rows)), [len(numbers) for numbers in rows])
    judged_pairs: dict[str, Any] = {"y_test": scores.y, "score_test": scores.decision}
    values: dict[str, Any] = {}
    if bpcer is not None:
        errors = threshold_transfer(y, held_out, **judged_pairs, at="bpcer", rate=bpcer)
        values["transfer_bpcer"] = errors._asdict()
    if len(np.unique(y)) == 2:
        errors = threshold_transfer(y, held_out, **judged_pairs, at="eer")
        values["transfer_eer"] = errors._asdict()
        values["held_out_auc"] = figures(y, held_out, fold)["auc"]
    return values


def read_degradations(table: Table, kind: str, default: Sequence[float]) -> tuple[Degradation, ...]:
    """Read the strengths of a kind of degradation, at the key of its name."""
    _, minimum, maximum = UNITS[kind]
    number: type = int if kind == "jpeg" else float
    values = table.get_list(kind, number, default, minimum=minimum, maximum=maximum)
    return tuple(Degradation(kind, value) for value in values)
