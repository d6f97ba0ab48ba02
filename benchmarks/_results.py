"""What every committed result says of its making: the machine, the versions, and where it lies."""

import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    *("sklearn-diffake", "numpy", "scipy", "scikit-learn", "pandas", "joblib", "pillow", "torch"),
    *("torchvision", "timm", "facenet-pytorch", "skorch", "pyod", "onnxruntime", "av"),
    *("opencv-python-headless", "distributed"),
)


def machine():
    """Return what the figures depend on: processor, cores, memory, Python, device."""
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "memory_GB": round(memory / 2**30, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions():
    """Return the versions of this package, and of those it is measured with."""
    measures = {}
    for package in PACKAGES:
        try:
            measures[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return measures


def report(name, figures):
    """Print figures as JSON, and keep them beside the benchmarks when asked with --save."""
    import torch

    environment = {**machine(), "torch": torch.__version__, "threads": torch.get_num_threads()}
    text = json.dumps({"benchmark": name, "machine": environment, **figures}, indent=1)
    print(text)
    if "--save" in sys.argv:
        (RESULTS / f"{name}.json").write_text(text + "\n")
