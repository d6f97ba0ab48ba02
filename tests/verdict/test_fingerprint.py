"""The fingerprint of a model: of what decides scores, and of nothing else."""

import numpy as np
from sklearn.base import BaseEstimator
from verdict_helpers import fitted

from sklearn_diffake import load_default, persistence
from sklearn_diffake.verdict._fingerprint import fingerprint_model
from sklearn_diffake.verdict._model import error_rates_of, prepare_model


def test_it_survives_a_file_and_depends_on_no_machine(tmp_path):
    model = load_default()
    expected = fingerprint_model(model)
    persistence.save(model, tmp_path / "model.diffake")
    loaded = persistence.load(tmp_path / "model.diffake")
    assert fingerprint_model(loaded) == expected
    loaded.set_params(align__n_jobs=1, align__device="cpu", align__cache=str(tmp_path))
    assert fingerprint_model(loaded) == expected
    loaded.set_params(align__select="central")
    assert fingerprint_model(loaded) != expected


def test_it_depends_on_what_was_fitted_and_set():
    fingerprints = {
        fingerprint_model(fitted()),
        fingerprint_model(fitted(seed=2)),
        fingerprint_model(fitted(two_branches=True)),
        fingerprint_model(fitted().set_params(detect__abstain=0.2)),
    }
    assert len(fingerprints) == 4
    assert fingerprint_model(fitted()) in fingerprints


class Threshold:
    """An object that is no estimator."""

    def __init__(self, level):
        self.level = level


def test_arrays_and_containers_have_different_fingerprints():
    values = [[1, 2], [[1], 2], np.array([1, 2]), np.array([1.0, 2]), {"a": 1}, {"a": 2}, None, "1"]
    values += [{1, 2}, {1, 3}, np.mean, np.median, float, int, Threshold(1), Threshold(2)]
    assert len({fingerprint_model(value) for value in values}) == len(values)
    assert fingerprint_model(Threshold(1)) == fingerprint_model(Threshold(1))
    assert fingerprint_model({"b", "a"}) == fingerprint_model({"a", "b"})
    cycle = [1]
    cycle.append(cycle)
    assert fingerprint_model(cycle)


def test_error_rates_are_those_of_the_fingerprint():
    assert error_rates_of("unknown") == ()
    rates = prepare_model(load_default()).info.error_rates
    assert {rate.metric for rate in rates} == {"apcer", "bpcer", "eer"}, (
        "the packaged model has changed: run benchmarks/training/record_error_rates.py"
    )
    for rate in rates:
        assert 0 <= rate.low <= rate.estimate <= rate.high <= 1


def test_a_parameter_that_is_added_later_changes_nothing():
    class Former(BaseEstimator):
        def __init__(self, size=224):
            self.size = size

    class Later(BaseEstimator):
        def __init__(self, size=224, *, added=None):
            self.size, self.added = size, added

    for cls in (Former, Later):
        cls.__module__, cls.__qualname__ = "package", "Estimator"
    assert fingerprint_model(Former(160)) == fingerprint_model(Later(160))
    assert fingerprint_model(Former(160)) != fingerprint_model(Later(160, added=1))
    assert fingerprint_model(Former(160)) != fingerprint_model(Later(112))
    assert fingerprint_model(Former()) == fingerprint_model(Later())
