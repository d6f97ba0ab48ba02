"""Who is learned from, who is judged: never the same people, never a deepfake learned from."""

import numpy as np
import pytest

from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._degrade import Degradation
from sklearn_diffake.benchmark._settings import Candidate, ProtocolSpec
from sklearn_diffake.benchmark.protocols import make_jobs
from sklearn_diffake.benchmark.protocols._cross_dataset import ALL_OTHERS
from sklearn_diffake.benchmark.protocols._cross_manipulation import CALIBRATED
from sklearn_diffake.model_selection import LeakageError

SINGLE = Candidate("one", ({"backbone": "x"},), None, "squared", "embeddings", {"name": "x"})
TWO = Candidate("two", ({"backbone": "x"},), None, "subtract", "embeddings", {"name": "x"})
LOSSES = (Degradation("jpeg", 50), Degradation("blur", 2.0))
OPTIONS = {
    "within-dataset": {},
    "cross-manipulation": {"calibrate": True},
    "cross-dataset": {"bpcer": 0.05},
    "compression": {"levels": (), "jpeg": LOSSES[:1]},
    "robustness": {"degrade": "probe", "degradations": LOSSES},
    "ablation": {},
}


def table(name, *, n_people=9, people=None, fakes=True, levels=("c23", "c40")):
    """Four genuine pairs and a fake by each of two techniques, of every person."""
    techniques = ["genuine"] * 4 + ["swap", "warp"] * fakes
    names = people or [f"{name}{i}" for i in range(n_people)]
    rows = [(person, technique, i) for person in names for i, technique in enumerate(techniques)]
    columns = {
        "identity": [person for person, _, _ in rows],
        "technique": [technique for _, technique, _ in rows],
        "compression": [levels[i % len(levels)] for _, _, i in rows],
        "split": [("train", "val", "test")[names.index(person) % 3] for person, _, _ in rows],
        "video": [""] * len(rows),
        "original": [""] * len(rows),
    }
    arrays = {key: np.array(values, dtype=object) for key, values in columns.items()}
    target = np.where(arrays["technique"] == "genuine", 1, -1)
    return PairTable(name, np.empty((len(rows), 2)), target, arrays, arrays["identity"][:, None])


def protocol(name, *, datasets=(), candidates=(SINGLE,), folds=3, split="identities", **options):
    return ProtocolSpec(name, datasets, candidates, folds, split, {**OPTIONS[name], **options})


def jobs_of(name, *tables, **options):
    tables = {t.name: t for t in tables}
    return make_jobs([protocol(name, **options)], tables, seed=0), tables


@pytest.mark.parametrize("name", OPTIONS)
def test_no_deepfake_is_learned_from_and_nobody_is_on_both_sides(name):
    tables = [table("a"), table("b", people=["a0", "a1", *(f"b{i}" for i in range(7))])]
    jobs, tables = jobs_of(name, *tables)
    assert jobs
    for job in jobs:
        for step in job.steps:
            evaluated = tables[step.score.dataset]
            received = set(evaluated.columns["identity"][step.score.rows])
            assert len(step.score.rows)
            for rows in step.fit:
                fitted_rows = tables[rows.dataset]
                assert len(rows.rows)
                assert (fitted_rows.target[rows.rows] == 1).all()
                assert received.isdisjoint(fitted_rows.columns["identity"][rows.rows])


def test_every_pair_is_judged_once():
    jobs, tables = jobs_of("ablation", table("a"), candidates=(SINGLE, TWO))
    for name in ("one", "two"):
        first_object = [c for c in jobs if c.candidate == name]
        assert [c.split for c in first_object] == [f"fold {i} of 3" for i in (1, 2, 3)]
        evaluated = np.concatenate([c.steps[0].score.rows for c in first_object])
        assert sorted(evaluated) == list(range(len(tables["a"])))


def test_within_a_dataset_others_are_judged_than_are_learned_from():
    jobs, tables = jobs_of("within-dataset", table("a"), table("b"), candidates=(SINGLE, TWO))
    assert [(c.fit, c.test, c.candidate) for c in jobs] == [
        (name, name, candidate) for name in "ab" for _ in range(3) for candidate in ("one", "two")
    ]
    for name in "ab":
        first_object = [
            c.steps[0].score.rows for c in jobs if (c.test, c.candidate) == (name, "one")
        ]
        assert sorted(np.concatenate(first_object)) == list(range(len(tables[name])))


def test_only_chosen_datasets_are_learned_from():
    jobs, _ = jobs_of("cross-dataset", table("a"), table("b"), table("c"), fit=("a",))
    assert {(c.fit, c.test) for c in jobs} == {("a", "a"), ("a", "b"), ("a", "c")}


def test_official_splits_are_kept():
    (job,), tables = jobs_of("ablation", table("a"), split="official")
    split = tables["a"].columns["split"]
    (step,) = job.steps
    assert set(split[step.fit[0].rows]) == {"train", "val"}
    assert step.score.rows.tolist() == np.flatnonzero(split == "test").tolist()


def test_an_official_split_that_leaks_is_refused():
    leaky = table("a")
    leaky.columns["split"][0] = "test"
    with pytest.raises(ValueError, match=r"^\[protocols.ablation\] Split 0 has 'a0' on both") as e:
        jobs_of("ablation", leaky, split="official")
    assert isinstance(e.value.__cause__, LeakageError)
    leaky.columns["split"][:] = "train"
    with pytest.raises(ValueError, match="'a' has no official splits train and test, but"):
        jobs_of("ablation", leaky, split="official")


def test_thresholds_never_see_the_technique_left_out():
    jobs, tables = jobs_of("cross-manipulation", table("a"))
    technique = tables["a"].columns["technique"]
    excluded = [job for job in jobs if job.condition]
    assert [job.condition for job in excluded] == [(CALIBRATED, "swap"), (CALIBRATED, "warp")]
    for job in excluded:
        main, *remaining = job.steps
        out = job.condition[1]
        assert set(technique[main.score.rows]) == {"genuine", out}
        evaluated = set(tables["a"].columns["identity"][main.score.rows])
        for step in remaining:
            assert set(technique[step.score.rows]) == {"genuine", "swap", "warp"} - {out}
            for rows in (*step.fit, step.score):
                assert evaluated.isdisjoint(tables["a"].columns["identity"][rows.rows])
        held_out = np.concatenate([step.score.rows for step in remaining])
        assert len(held_out) == len(set(held_out))
    plain, _ = jobs_of("cross-manipulation", table("a"), calibrate=False)
    assert plain == [job for job in plain if not job.condition]
    assert len(plain) == len(jobs) - len(excluded) == 3


def test_one_technique_calibrates_nothing():
    single = table("a")
    single.columns["technique"][single.target == -1] = "swap"
    jobs, _ = jobs_of("cross-manipulation", single)
    assert [job.condition for job in jobs] == [()] * 3


def test_datasets_are_crossed():
    jobs, tables = jobs_of("cross-dataset", table("a"), table("b"), table("g", fakes=False))
    across = [(job.fit, job.test) for job in jobs if job.fit != job.test]
    assert across == [
        ("b", "a"), ("g", "a"), (ALL_OTHERS, "a"), ("a", "b"), ("g", "b"), (ALL_OTHERS, "b")
    ]  # fmt: skip
    inner = [(job.fit, job.test) for job in jobs if job.fit == job.test]
    assert inner == [("a", "a")] * 3 + [("b", "b")] * 3
    for job in jobs:
        main, *remaining = job.steps
        if job.fit != job.test:
            assert len(main.score.rows) == len(tables[job.test])
        if job.fit == ALL_OTHERS:
            assert {rows.dataset for rows in main.fit} == set(tables) - {job.test}
        elif job.fit != job.test:
            assert {step.score.dataset for step in remaining} == {job.fit}


def test_people_of_two_datasets_are_learned_from_in_neither():
    shared = table("b", people=["a0", "a1", *(f"b{i}" for i in range(7))])
    jobs, tables = jobs_of("cross-dataset", table("a"), shared)
    (job,) = [c for c in jobs if (c.fit, c.test) == ("b", "a")]
    fitted_rows = set(tables["b"].columns["identity"][job.steps[0].fit[0].rows])
    assert fitted_rows == {f"b{i}" for i in range(7)}


def test_a_dataset_of_the_same_people_is_refused():
    identical = table("b", people=[f"a{i}" for i in range(9)])
    with pytest.raises(ValueError, match=r"^\[protocols.cross-dataset\] .* no genuine row"):
        jobs_of("cross-dataset", table("a"), identical, table("c"))


def test_a_level_without_pairs_to_learn_from_is_named():
    sparse = table("a")
    sparse.columns["compression"][sparse.target == 1] = "c23"
    with pytest.raises(ValueError, match="dataset 'a' has no pairs of level 'c40' to learn from"):
        jobs_of("compression", sparse)


def test_levels_are_crossed_within_folds():
    jobs, tables = jobs_of("compression", table("a"))
    assert len(jobs) == 3 * 4
    level = tables["a"].columns["compression"]
    for job in jobs:
        (step,) = job.steps
        assert set(level[step.fit[0].rows]) == {job.condition[0]}
        assert set(level[step.score.rows]) == {job.condition[1]}
    with pytest.raises(ValueError, match="levels: dataset 'a' has no compression 'c11', but"):
        jobs_of("compression", table("a"), levels=("c23", "c11"))


def test_levels_are_made_where_there_is_but_one():
    jobs, _ = jobs_of("compression", table("a", levels=("raw",)))
    assert {job.condition for job in jobs} == {
        (a, b) for a in ("as it is", "jpeg 50") for b in ("as it is", "jpeg 50")
    }
    for job in jobs:
        (step,) = job.steps
        for name, rows in zip(job.condition, (step.fit[0], step.score), strict=True):
            loss = None if name == "as it is" else LOSSES[0]
            assert rows.condition == (loss, loss)


@pytest.mark.parametrize("degrade", ["probe", "both"])
def test_only_what_is_judged_is_degraded(degrade):
    jobs, _ = jobs_of("robustness", table("a"), degrade=degrade)
    assert [job.condition for job in jobs[:3]] == [("none", ""), ("jpeg", "50"), ("blur", "2")]
    for job, loss in zip(jobs, (None, *LOSSES) * 3, strict=True):
        (step,) = job.steps
        assert step.fit[0].condition == (None, None)
        assert step.score.condition == (loss if degrade == "both" else None, loss)


def test_datasets_of_one_class_are_left_out_unless_named():
    jobs, _ = jobs_of("ablation", table("a"), table("g", fakes=False))
    assert {job.test for job in jobs} == {"a"}
    with pytest.raises(ValueError, match=r"\[protocols.ablation\] datasets: 'g' has not both"):
        jobs_of("ablation", table("a"), table("g", fakes=False), datasets=("a", "g"))
    with pytest.raises(ValueError, match="needs two datasets at least, there is 'a'"):
        jobs_of("cross-dataset", table("a"))
    with pytest.raises(ValueError, match="no dataset has both"):
        jobs_of("cross-dataset", table("g", fakes=False), table("h", fakes=False))


def test_the_seed_deals_the_people():
    tables = {"a": table("a")}
    deals = [
        [job.steps[0].score.rows.tolist() for job in make_jobs([protocol("ablation")], tables,
                                                                  seed=seed)]
        for seed in (0, 0, 1)
    ]  # fmt: skip
    assert deals[0] == deals[1] != deals[2]
