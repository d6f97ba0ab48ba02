"""Examples in docstrings and in the guide run in an empty folder."""

import pytest

collect_ignore_glob = ["**/conftest.py"]  # they hold no examples


@pytest.fixture(autouse=True)
def _empty_folder_for_examples(request):
    if isinstance(request.node, pytest.DoctestItem):
        request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))
