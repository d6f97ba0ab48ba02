"""Which device is computed on."""

import pytest
import torch

from sklearn_diffake.utils._device import resolve_device


def machine(monkeypatch, *, cuda=0, mps=False):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("present", "selected"),
    [
        ({}, "cpu"),
        ({"mps": True}, "mps"),
        ({"cuda": 1}, "cuda"),
        ({"cuda": 2, "mps": True}, "cuda"),
    ],
)
def test_auto_takes_the_best_that_is_there(monkeypatch, present, selected):
    machine(monkeypatch, **present)
    assert resolve_device() == resolve_device("auto") == selected


@pytest.mark.parametrize("device", ["cpu", "cpu:0", "cuda", "cuda:0", "cuda:1", "mps"])
def test_devices_that_are_there(monkeypatch, device):
    machine(monkeypatch, cuda=2, mps=True)
    assert resolve_device(device) == device


@pytest.mark.parametrize(
    ("device", "present", "message"),
    [
        ("cuda", {}, r"device='cuda' is not available: torch sees cpu \(1\)\. Use device=\"auto\""),
        ("cuda:7", {"cuda": 2}, r"'cuda:7' is not available: torch sees cpu \(1\), cuda \(2\)"),
        ("mps", {"cuda": 1}, "'mps' is not available"),
        ("cpu:1", {}, "'cpu:1' is not available"),
        ("meta", {}, "'meta' is not available"),
        ("gpu", {}, "device must be a device of torch, got 'gpu'"),
        ("", {}, "device must be a device of torch, got ''"),
        ("cuda:-1", {"cuda": 1}, "must be a device of torch, got 'cuda:-1'"),
    ],
)
def test_devices_that_are_not(monkeypatch, device, present, message):
    machine(monkeypatch, **present)
    with pytest.raises(ValueError, match=message):
        resolve_device(device)


@pytest.mark.gpu
def test_on_a_real_gpu():
    assert resolve_device("auto") == "cuda"
    with pytest.raises(ValueError, match="is not available"):
        resolve_device(f"cuda:{torch.cuda.device_count()}")
