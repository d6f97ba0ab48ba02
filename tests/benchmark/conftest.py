"""Datasets for benchmarks, and one benchmark that has run to its end."""

import pytest
from benchmark_cases import TRUSTED, write_config, write_datasets

from sklearn_diffake.benchmark import read_config, run_benchmark


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
