"""The command ``doctor``: check an installation."""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from sklearn_diffake.cli._exit_codes import FAILED, SUCCESS
from sklearn_diffake.utils._messages import printable

DOCTOR_HELP = """\
examples:
  sklearn-diffake doctor
  sklearn-diffake doctor --json > doctor.json

Every line begins with ok, FAILED, or -, which stands for an optional part that is not installed.
The code is 0 if nothing failed. Add the output to a bug report.
"""

_MARKS = {"ok": "ok", "failed": "FAILED", "absent": "-"}
_LEAST_TORCH = (2, 3)  # facenet-pytorch 2.6.0 lets pip install only older ones


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes
    ----------
    name : str
        What was checked.
    state : {"ok", "failed", "absent"}
        "absent" is an optional part that is not installed.
    detail : str
        Version, path, measured value, or why it failed and what to do.
    """

    name: str
    state: str
    detail: str


def add_doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what the command takes."""
    parser.add_argument("--json", action="store_true", help="write a JSON array of objects")


def doctor_command(args: argparse.Namespace) -> int:
    """Check the installation, and print a line for each check."""
    checks = []
    for check in run_checks():
        checks.append(check)
        if not args.json:
            print(format_check(check), flush=True)  # the last check takes seconds
    if args.json:
        print(json.dumps([asdict(check) for check in checks], indent=1))
    n_failed = sum(check.state == "failed" for check in checks)
    if not args.json:
        print(f"\n{n_failed} of {len(checks)} checks failed." if n_failed else "\nAll is well.")
    return FAILED if n_failed else SUCCESS


def format_check(check: Check) -> str:
    """Return a check as one line."""
    return printable(f"{_MARKS[check.state]:<7} {check.name}: {check.detail}")


def run_checks() -> Iterator[Check]:
    """Check versions, devices, weights, and one pair of photographs.

    Yields
    ------
    Check
        As soon as its result is there.
    """
    yield from _check_versions()
    yield _run("facenet-pytorch and torch fit together", _check_facenet_pytorch)
    yield _run("device", _check_device)
    yield from _check_weights()
    yield _run("self-test", _check_pair)


def _run(name: str, function: Callable[[], str]) -> Check:
    """Return the result of a function that raises if its check fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Check(name, "ok", function())
    except Exception as error:  # whatever is wrong with the installation
        return Check(name, "failed", f"{type(error).__name__}: {error}")


def _check_versions() -> Iterator[Check]:
    from sklearn_diffake._versions import show_versions

    versions: dict[str, dict[str, Any]] = show_versions(as_dict=True) or {}
    system = versions["system"]
    yield Check("Python", "ok", f"{system['python']} on {system['platform']}")
    yield Check("sklearn-diffake", "ok", system["sklearn-diffake"])
    for section, absent in (("dependencies", "failed"), ("extras", "absent")):
        for name, version in versions[section].items():
            remedy = f": pip install {name}" if absent == "failed" else ""
            state, detail = ("ok", version) if version else (absent, f"not installed{remedy}")
            yield Check(name, state, detail)


def _check_facenet_pytorch() -> str:
    from importlib.metadata import version

    import torch

    from sklearn_diffake.utils._facenet_pytorch import import_facenet_pytorch

    installed = version("facenet-pytorch")
    release = tuple(int(number) for number in torch.__version__.split(".")[:2])
    if installed == "2.6.0" and release < _LEAST_TORCH:
        raise RuntimeError(
            f"facenet-pytorch 2.6.0 holds torch back at {torch.__version__}: "
            "pip install -U 'facenet-pytorch==2.5.3' torch torchvision (the models are the same)"
        )
    import_facenet_pytorch()
    return f"{installed} with torch {torch.__version__}"


def _check_device() -> str:
    import torch

    from sklearn_diffake.utils._device import resolve_device

    device = resolve_device("auto")
    ones = torch.ones(64, 64, device=device)
    total = float((ones @ ones).sum())
    if total != 64.0**3:
        raise RuntimeError(f"{device} computes {total:g} where {64**3} is right")
    name = torch.cuda.get_device_name() if device.startswith("cuda") else sys.platform
    return f"{device} ({name}), {torch.get_num_threads()} threads"


def _check_weights() -> Iterator[Check]:
    from sklearn_diffake.embedding.backbones import entries

    for entry in entries():
        if entry.offline and entry.matches is None and not entry.requires:
            yield _run(f"network {entry.name}", partial(_embed_once, entry.name))
    yield from _check_downloads()


def _check_downloads() -> Iterator[Check]:
    """Check the weights that `fetch_weights` downloads."""
    from sklearn_diffake.embedding.backbones._fetch import DOWNLOADS

    for name, download in DOWNLOADS.items():
        if download.size is None:
            continue
        if download.path.exists():
            yield _run(f"weights {name}", partial(_check_download, name))
        else:
            detail = (
                f"not downloaded ({download.size / 1e6:.0f} MB): "
                f"sklearn_diffake.embedding.fetch_weights({name!r})"
            )
            yield Check(f"weights {name}", "absent", detail)


def _check_download(name: str) -> str:
    from sklearn_diffake.embedding.backbones._fetch import DOWNLOADS, check_weights

    check_weights(name)
    return f"{DOWNLOADS[name].path}, as released"


def _embed_once(backbone: str) -> str:
    """Load a network and embed a gray crop."""
    import numpy as np

    from sklearn_diffake.embedding import FaceEmbedder

    start = time.perf_counter()
    crops = np.full((1, 2, 160, 160, 3), 128, dtype=np.uint8)
    embedding = FaceEmbedder(backbone).fit_transform(crops)
    return f"{embedding.shape[-1]} features, {time.perf_counter() - start:.1f} s"


def _check_pair() -> str:
    """Judge a photograph and a smaller, rotated, compressed copy of it."""
    import io
    from importlib import resources

    from PIL import Image

    from sklearn_diffake import verify

    start = time.perf_counter()
    with (resources.files("sklearn_diffake.demo") / "astronaut.jpg").open("rb") as file:
        photo = Image.open(file).convert("RGB")
    width, height = photo.size
    content = io.BytesIO()
    copy = photo.resize((width * 2 // 3, height * 2 // 3)).rotate(4, Image.Resampling.BICUBIC)
    copy.save(content, format="JPEG", quality=80)
    verdict = verify(photo, Image.open(content))
    if verdict.outcome == "suspicious" or verdict.p_value is None:
        raise RuntimeError(f"two copies of one photograph are {verdict.outcome}: {verdict}")
    seconds = time.perf_counter() - start
    return f"{verdict.outcome}, p-value {verdict.p_value:.3g}, {seconds:.1f} s"
