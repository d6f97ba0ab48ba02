"""A cluster gives the numbers of one process."""

import pytest
from benchmark_cases import TRUSTED, events, result_files, write_config, write_dataset

from sklearn_diffake.benchmark import read_config, run_benchmark
from sklearn_diffake.cli import main

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0"
    ) as cluster:
        yield cluster


@pytest.mark.slow
def test_two_workers_give_the_same(data, finished, tmp_path, cluster):
    config = read_config(data / "benchmark.toml", trusted=TRUSTED)
    result = run_benchmark(config.replace(tmp_path), dask=cluster.scheduler_address)
    assert result.images == finished.images
    assert result_files(tmp_path) == result_files(finished.folder)
    assert len(events(tmp_path, "cell")) == finished.n_cells

    with distributed.Client(cluster) as client:
        workers = client.run(lambda: sorted(__import__("sys").modules))
    assert len(workers) == 2
    for modules in workers.values():  # both have embedded
        assert "sklearn_diffake.embedding.backbones._torch" in modules


def test_threads_of_one_worker_give_the_same(tmp_path):
    write_dataset(tmp_path, n_people=8, genuine=3)
    protocols = {"ablation": "detectors = ['knn', 'DeepSVDD']\noperators = ['absolute']"}
    config = read_config(write_config(tmp_path, protocols, datasets=["faces"]), trusted=TRUSTED)
    options = {"n_workers": 1, "threads_per_worker": 3, "dashboard_address": ":0"}
    with distributed.LocalCluster(processes=False, protocol="tcp://", **options) as cluster:
        run_benchmark(config.replace(tmp_path / "threads"), dask=cluster.scheduler_address)
    run_benchmark(config.replace(tmp_path / "serial"))
    assert result_files(tmp_path / "threads") == result_files(tmp_path / "serial")


def test_no_scheduler_is_one_line(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sklearn_diffake.benchmark._workers._CONNECT_SECONDS", 1)
    arguments = ["benchmark", str(data / "benchmark.toml"), "-o", str(tmp_path), "--quiet"]
    arguments += [argument for name in TRUSTED for argument in ("--trust", name)]
    assert main([*arguments, "--dask", "tcp://127.0.0.1:1"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "no dask scheduler answers at 'tcp://127.0.0.1:1'" in error
