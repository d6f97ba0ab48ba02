"""skops is imported without its walk over scikit-learn, and nobody else notices."""

import sys
from importlib import resources

import forked_programs
import joblib
import pytest
from sklearn.utils import all_estimators

from sklearn_diffake import persistence
from sklearn_diffake.persistence import _load, _trust

LEAN = """
import sys
import sklearn.utils
walk = sklearn.utils.all_estimators
from sklearn_diffake import load_default, persistence
model = load_default()
persistence.save(model, sys.argv[1])
persistence.load(sys.argv[1])
assert sklearn.utils.all_estimators is walk
walked = {"dask", "pytest", "sklearn.gaussian_process", "skops.io"} & set(sys.modules)
assert not walked, walked
"""
THEN_SKOPS = """
import skops.io
from skops.io._trusted_types import SKLEARN_ESTIMATOR_TYPE_NAMES as names
assert len(names) > 150
persistence.load(sys.argv[1])
"""


def test_a_model_is_loaded_and_saved_without_the_walk(tmp_path):
    forked_programs.run(LEAN, tmp_path / "m", cwd=tmp_path, libraries=forked_programs.TORCH)


@pytest.mark.slow
def test_skops_walks_when_it_is_imported_later(tmp_path):
    code = LEAN + THEN_SKOPS
    forked_programs.run(code, tmp_path / "m", cwd=tmp_path, libraries=forked_programs.TORCH)


def test_estimators_that_need_no_trust_are_those_of_the_walk():
    walked = {f"{kind.__module__}.{kind.__qualname__}": kind for _, kind in all_estimators()}
    entries = {
        name
        for name in walked
        if (module := name.rpartition(".")[0]) in _trust._ESTIMATORS
        and name.rpartition(".")[2] in (_trust._ESTIMATORS[module] or {name.rpartition(".")[2]})
    }
    assert len(entries) > 80
    for module in _trust._ESTIMATORS:
        members = vars(sys.modules[module])
        names = {f"{module}.{name}" for name in members}
        accepted = {name for name in names if _trust._is_listed_estimator(name)}
        assert accepted == {name for name in entries if name.rpartition(".")[0] == module}


@pytest.mark.parametrize("name", ["default", "same_video"])
def test_models_of_plain_data_are_created_as_skops_creates_them(monkeypatch, name):
    file = resources.files("sklearn_diffake").joinpath("data", f"{name}.diffake")
    monkeypatch.setattr(_load, "skops_io", lambda: pytest.fail("skops is not needed"))
    plain = persistence.load(file)
    monkeypatch.undo()
    monkeypatch.setattr(_load, "is_plain", lambda schema: False)
    assert joblib.hash(plain) == joblib.hash(persistence.load(file))
