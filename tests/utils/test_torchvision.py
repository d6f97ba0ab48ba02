"""torchvision is imported where it can be, and remedied where its operators do not fit."""

import json
import os
import subprocess
import sys

import forked_programs
import numpy as np
import pytest
import torch

from sklearn_diffake.utils import _torchvision

IMPORT = "from sklearn_diffake.utils._torchvision import import_torchvision"


def run(code, *paths):
    path = os.pathsep.join([*map(str, paths), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def run_with_torch(code, *arguments):
    """Run a program to its end, in a process that has imported torch only."""
    return forked_programs.run(code, *arguments, cwd=os.curdir, libraries=forked_programs.TORCH)


def brute_force_nms(boxes, scores, threshold):
    """Walk down by score, and keep what overlaps no kept box by more than the threshold."""
    remaining = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        for j in remaining:
            width = min(boxes[i][2], boxes[j][2]) - max(boxes[i][0], boxes[j][0])
            height = min(boxes[i][3], boxes[j][3]) - max(boxes[i][1], boxes[j][1])
            shared = max(width, 0) * max(height, 0)
            area = [(b[2] - b[0]) * (b[3] - b[1]) for b in (boxes[i], boxes[j])]
            if shared > threshold * (sum(area) - shared):
                break
        else:
            remaining.append(i)
    return remaining


def random_boxes(n, seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 40, (n, 2))
    boxes = np.hstack([corner, corner + rng.uniform(1, 30, (n, 2))]).astype(np.float32)
    return boxes, rng.permutation(n).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("n", [0, 1, 2, 60])
def test_nms(n, threshold):
    for seed in range(5):
        boxes, scores = random_boxes(n, seed)
        remaining = _torchvision._nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold)
        assert remaining.dtype == torch.int64
        assert remaining.tolist() == brute_force_nms(boxes.tolist(), scores.tolist(), threshold)


def test_nms_of_equal_scores_and_empty_boxes():
    boxes = torch.tensor([[0, 0, 4, 4], [0, 0, 4, 4], [2, 2, 2, 2], [2, 2, 2, 2]]).float()
    assert _torchvision._nms(boxes, torch.ones(4), 0.5).tolist() == [0, 2, 3]


@pytest.fixture(scope="module")
def plain_import():
    return run("import torchvision")


REMEDY = f"""
{IMPORT}
torchvision = import_torchvision()
assert torchvision is import_torchvision()
import json, sys
import facenet_pytorch, timm, torch
from torchvision.ops import batched_nms, nms
boxes, scores = (torch.tensor(json.loads(argument)) for argument in sys.argv[1:3])
classes = torch.arange(len(boxes)) % 3
for kept in nms(boxes, scores, 0.4), batched_nms(boxes, scores, classes, 0.4):
    print(kept.tolist())
"""


def test_remedy_where_the_plain_import_fails(plain_import):
    if plain_import.returncode == 0:
        pytest.skip("here torchvision fits torch: there is nothing to remedy")
    assert "operator torchvision::nms does not exist" in plain_import.stderr
    boxes, scores = random_boxes(80, seed=9)
    printed = run_with_torch(REMEDY, boxes.tolist(), scores.tolist())
    plain, by_class = map(json.loads, printed.splitlines())
    assert plain == brute_force_nms(boxes.tolist(), scores.tolist(), 0.4)
    separate_boxes = boxes + 1000 * (np.arange(80, dtype=np.float32) % 3)[:, None]
    assert by_class == brute_force_nms(separate_boxes.tolist(), scores.tolist(), 0.4)


def test_remedy_after_a_failed_import_of_the_user(plain_import):
    if plain_import.returncode == 0:
        pytest.skip("here torchvision fits torch: there is nothing to remedy")
    code = (
        "try:\n    import torchvision\nexcept RuntimeError:\n    pass\n"
        f"{IMPORT}\nimport_torchvision()\nimport torchvision.transforms.functional"
    )
    run_with_torch(code)


def test_operators_are_defined_once(plain_import):
    if plain_import.returncode == 0:
        pytest.skip("here torchvision fits torch: there is nothing to remedy")
    _torchvision.import_torchvision()
    original = list(_torchvision._LIBRARY)
    _torchvision._define_operators()
    assert original == _torchvision._LIBRARY
    assert len(original) == 1


def stub(tmp_path, content):
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(content)
    return tmp_path


def test_nothing_is_touched_where_the_plain_import_works(tmp_path):
    code = f"""
{IMPORT}
import sys
module = import_torchvision()
assert module.mine, module
assert module is sys.modules["torchvision"]
assert not [name for name in sys.modules if name.startswith("torchvision.")]
assert "torch" not in sys.modules
from sklearn_diffake.utils import _torchvision
assert _torchvision._LIBRARY == []
"""
    completed = run(code, stub(tmp_path, "mine = True"))
    assert completed.returncode == 0, completed.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("raise RuntimeError('some other trouble')", "torchvision cannot be imported: some other"),
        ("import no_such_module", "No module named 'no_such_module'"),
    ],
)
def test_other_failures_are_import_errors(tmp_path, content, message):
    code = f"{IMPORT}\ntry:\n    import_torchvision()\nexcept ImportError as e:\n    print(e)"
    completed = run(code, stub(tmp_path, content))
    assert message in completed.stdout, completed.stderr


DEFERRED = f"""
import sys
{IMPORT}
torchvision = import_torchvision()
import facenet_pytorch
assert "torch._dynamo" not in sys.modules
roi_align = sys.modules["torchvision.ops.roi_align"]
assert roi_align.is_compile_supported("cpu") in (True, False)
import torch._dynamo
assert torch._dynamo.utils.is_compile_supported("cpu") == roi_align.is_compile_supported("cpu")
"""

MEANWHILE = """
import sys
from sklearn_diffake.utils._deferred_imports import DeferredModule, deferred
from sklearn_diffake.utils._torchvision import _COMPILER
with deferred(_COMPILER):
    import torch._dynamo.config
    from torch._dynamo import disable
    from torch._dynamo.utils import counters
assert sys.modules["torch._dynamo"].disable is disable
assert sys.modules["torch._dynamo.utils"].counters is counters
assert not isinstance(sys.modules["torch._dynamo"], DeferredModule)
assert not isinstance(sys.modules["torch._dynamo.utils"], DeferredModule)
with deferred(_COMPILER):
    assert not isinstance(sys.modules["torch._dynamo"], DeferredModule)
"""


@pytest.mark.parametrize("code", [DEFERRED, MEANWHILE], ids=["deferred", "meanwhile"])
def test_the_compiler_of_torch_is_imported_when_it_is_needed(code):
    run_with_torch(code)


@pytest.mark.parametrize(
    "use",
    [
        "torchvision.{package}.__path__",
        pytest.param(
            "importlib.import_module('torchvision.{package}').__path__", marks=pytest.mark.slow
        ),
        pytest.param(
            "from torchvision import {package}; {package}.__path__", marks=pytest.mark.slow
        ),
    ],
)
def test_networks_and_datasets_are_imported_when_they_are_used(use):
    code = f"""
{IMPORT}
import importlib, sys
torchvision = import_torchvision()
import torchvision.transforms.functional
assert not {{"torchvision.models", "torchvision.datasets"}} & set(sys.modules)
{use.format(package="models")}
assert sys.modules["torchvision.models"] is torchvision.models
assert torchvision.models.__file__
assert "torchvision.datasets" not in sys.modules
{use.format(package="datasets")}
assert sys.modules["torchvision.datasets"] is torchvision.datasets
assert torchvision.datasets.__file__
"""
    run_with_torch(code)
