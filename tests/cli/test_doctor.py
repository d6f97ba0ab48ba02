"""The command ``doctor``."""

import json
from importlib import metadata

import pytest
import torch

from sklearn_diffake.cli import _doctor, main


@pytest.fixture(scope="module")
def checks():
    return {check.name: check for check in _doctor.run_checks()}


def test_a_whole_installation_passes(checks):
    assert [check for check in checks.values() if check.state == "failed"] == []
    assert checks["torch"].detail == metadata.version("torch")
    assert checks["self-test"].detail.startswith("genuine, p-value ")
    assert checks["network dlib-resnet"].detail.startswith("128 features")


def fail():
    raise RuntimeError("weights are corrupt\x1b[2J")


@pytest.fixture
def two_checks(monkeypatch):
    def run_checks():
        yield _doctor.Check("pyod", "absent", "not installed")
        yield _doctor._run("network", fail)

    monkeypatch.setattr(_doctor, "run_checks", run_checks)


@pytest.mark.usefixtures("two_checks")
def test_a_failed_check_decides_the_exit_code(capsys):
    assert main(["doctor"]) == 3
    assert capsys.readouterr().out.splitlines() == [
        "-       pyod: not installed",
        r"FAILED  network: RuntimeError: weights are corrupt\x1b[2J",
        "",
        "1 of 2 checks failed.",
    ]


@pytest.mark.usefixtures("two_checks")
def test_results_are_written_as_json(capsys):
    assert main(["doctor", "--json"]) == 3
    absent, failed = json.loads(capsys.readouterr().out)
    assert absent == {"name": "pyod", "state": "absent", "detail": "not installed"}
    assert failed["state"] == "failed"


def test_an_optional_package_may_be_absent_but_a_dependency_may_not(monkeypatch):
    facts = {
        "system": {"sklearn-diffake": "1", "python": "3", "platform": "Linux"},
        "dependencies": {"skops": None},
        "extras": {"pyod": None},
    }
    monkeypatch.setattr("sklearn_diffake._versions.show_versions", lambda as_dict: facts)
    states = {check.name: check for check in _doctor._check_versions()}
    assert states["pyod"].state == "absent"
    assert states["skops"].state == "failed"
    assert "pip install skops" in states["skops"].detail


def test_the_release_of_facenet_pytorch_that_holds_torch_back_is_named(monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.6.0")
    monkeypatch.setattr(torch, "__version__", "2.2.2+cu121")
    check = _doctor._run("together", _doctor._check_facenet_pytorch)
    assert check.state == "failed"
    assert "facenet-pytorch==2.5.3" in check.detail


def test_a_device_that_computes_wrongly_fails(monkeypatch):
    monkeypatch.setattr(torch, "ones", torch.zeros)
    check = _doctor._run("device", _doctor._check_device)
    assert check.state == "failed"
    assert "computes 0 where 262144 is right" in check.detail
