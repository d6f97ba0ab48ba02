"""Examples in docstrings and in the guide run in an empty folder."""

from pathlib import Path

import pytest

collect_ignore_glob = ["**/conftest.py"]  # they hold no examples

# The configuration that the docstring of `read_config` writes, for the other examples of benchmark.
_BENCHMARK = """
bootstrap = 10
datasets.faces.loader = "make_face_pairs"
datasets.faces.arguments = { n_pairs = 24, size = 64, techniques = ["swap", "splice"] }
candidates.one.embedder = "difffake-lite0-identity"
candidates.one.align = false
candidates.one.detector = "MahalanobisDetector"
protocols.cross-manipulation.folds = 2
"""


@pytest.fixture(autouse=True)
def _empty_folder_for_examples(request):
    if isinstance(request.node, pytest.DoctestItem):
        request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))
        if "sklearn_diffake.benchmark" in request.node.name:
            Path("small.toml").write_text(_BENCHMARK, encoding="utf-8")
