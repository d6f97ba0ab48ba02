"""Datasets for benchmarks, and one benchmark that has run to its end."""

import functools

import pytest
from benchmark_cases import TRUSTED, write_config, write_datasets

from sklearn_diffake.benchmark import _plan, read_config, run_benchmark


@pytest.fixture(scope="session", autouse=True)
def _versions_are_read_once():
    """Each of some hundred plans reads them, in 30 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_plan, "show_versions", functools.cache(_plan.show_versions))
        yield


@pytest.fixture
def unrendered_figures(monkeypatch):
    """Paint the figures of a benchmark, and do not render them: for tests of other results."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *arguments, **options: None)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Three datasets, and benchmark.toml with all protocols."""
    folder = tmp_path_factory.mktemp("benchmark")
    write_datasets(folder)
    write_config(folder)
    return folder


@pytest.fixture(scope="session")
def finished(data, tmp_path_factory):
    """What the benchmark gives in one go, in this process."""
    config = read_config(data / "benchmark.toml", trusted=TRUSTED)
    return run_benchmark(config.replace(tmp_path_factory.mktemp("finished")))
