"""What all tests share: threads that do not fight, and tests that say why they are skipped."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("slow", deadline=None)  # machines may be busy
settings.register_profile("default", deadline=None, max_examples=30)

# Workers of pytest-xdist share the cores. The numeric libraries read this when they are loaded,
# which is after this file; an explicit setting wins.
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 0)):
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, threads)

ROOT = Path(__file__).resolve().parents[1]


def _runs_slow_tests(config):
    return "slow" in config.option.markexpr


def pytest_configure(config):
    if _runs_slow_tests(config):
        settings.load_profile("slow")
        return
    settings.load_profile("default")
    # PyOD's loops are compiled for seconds in each process, and run for milliseconds.
    os.environ.setdefault("NUMBA_DISABLE_JIT", "1")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Spare the garbage collector the million objects that collection makes: they all stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(1000, 20, 50)  # full collections take a third of a second


def pytest_itemcollected(item):
    if "shared_data" in getattr(item, "fixturenames", ()):
        item.add_marker("realdata")


def pytest_runtest_setup(item):
    if item.get_closest_marker("slow") and not _runs_slow_tests(item.config):
        pytest.skip("takes long: runs with -m slow")
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA GPU")


@pytest.fixture(scope="session")
def shared_data():
    """Folder with real photographs in data/ and model weights in weights/."""
    folder = Path(os.environ.get("SKLEARN_DIFFAKE_REAL_DATA", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real photographs in {folder}: set SKLEARN_DIFFAKE_REAL_DATA to use some")
    return folder
