"""One thread for the numeric libraries, and one look at which of them there are."""

import os
import sys

import forked_programs
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from sklearn_diffake.utils import _threads


def numbers():
    return {
        piece["filepath"]: (piece["user_api"], piece["num_threads"]) for piece in threadpool_info()
    }


@pytest.mark.parametrize("user_api", [None, "openmp", "blas"])
def test_one_thread_meanwhile(user_api):
    _threads._controller.cache_clear()  # other tests may have loaded more libraries since
    with threadpool_limits(2):
        original = numbers()
        with _threads.one_thread(user_api):
            for file, (api, n) in numbers().items():
                assert n == (1 if user_api in (None, api) else original[file][1])
        assert numbers() == original


def test_libraries_are_looked_for_before_and_after_torch_is_loaded(monkeypatch):
    """In a thread, each look may wait for ever for another thread that imports something."""
    looks = []

    class Watched(ThreadpoolController):
        def __init__(self):
            looks.append(1)
            super().__init__()

    monkeypatch.setattr(_threads, "ThreadpoolController", Watched)
    _threads._controller.cache_clear()
    try:
        for loaded, expected in ((False, 1), (False, 1), (True, 2), (True, 2)):
            if loaded:
                monkeypatch.setitem(sys.modules, "torch", sys)
            else:
                monkeypatch.delitem(sys.modules, "torch", raising=False)
            _threads.one_thread().restore_original_limits()
            assert len(looks) == expected
    finally:
        _threads._controller.cache_clear()


def test_torch_threads_can_be_nested():
    torch = pytest.importorskip("torch")
    original = torch.get_num_threads()
    with _threads.torch_threads(2):
        with _threads.torch_threads(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == original


def test_single_thread_until_the_last_user_leaves():
    torch = pytest.importorskip("torch")
    with threadpool_limits(2):
        original = numbers()
        with _threads.single_thread():
            with _threads.single_thread():
                assert torch.get_num_threads() == 1
            assert {n for _, n in numbers().values()} == {1}
            assert torch.get_num_threads() == 1
        assert numbers() == original


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_thread_map_keeps_the_order(n_jobs):
    assert _threads.thread_map(pow, [2, 3, 4], [1, 2, 3], n_jobs=n_jobs) == [2, 9, 64]
    assert _threads.thread_map(pow, [], [], n_jobs=n_jobs) == []


def test_a_shared_limit_is_set_by_each_block_and_restored_by_the_last():
    calls = []

    def set_limit():
        number = len(calls)
        calls.append(f"set {number}")
        return lambda: calls.append(f"restore {number}")

    limit = _threads.SharedLimit(set_limit)
    first, second = limit.apply(), limit.apply()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)  # leaves before the second, as threads may
    assert calls == ["set 0", "set 1"]
    second.__exit__(None, None, None)
    assert calls == ["set 0", "set 1", "restore 0"]


FORK = """
import os, sys, time
import torch
from sklearn_diffake.utils._threads import torch_threads
images, weights = torch.ones(4, 16, 64, 64), torch.ones(32, 16, 3, 3)
def compute(n_threads):
    with torch_threads(n_threads):
        return torch.nn.functional.conv2d(images, weights).sum().item()
total = compute(2)
torch.set_num_threads(2)
with torch_threads(2):
    child = os.fork()
    if not child:
        alone = torch.get_num_threads() == 1 and torch.conv2d(images, weights).sum().item() == total
        os._exit(not alone or compute(1) != total or torch.get_num_threads() != 1)
end = time.monotonic() + 30
while not (ended := os.waitpid(child, os.WNOHANG))[0]:
    if time.monotonic() > end:
        os.kill(child, 9)
        sys.exit("the child waits")
    time.sleep(0.02)
sys.exit(os.waitstatus_to_exitcode(ended[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_computes_with_one_thread():
    forked_programs.run(FORK, cwd=os.curdir, libraries=forked_programs.TORCH)
