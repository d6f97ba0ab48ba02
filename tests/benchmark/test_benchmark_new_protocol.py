"""A protocol is one source file: that of CONTRIBUTING.md is written, imported and run."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest
from benchmark_cases import TRUSTED, write_config, write_dataset

from sklearn_diffake.benchmark import ConfigError, protocols, read_config, run_benchmark

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SOURCE = re.search(
    r"^```python\n# few_pairs\.py\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE
).group(1)


@pytest.fixture
def few_pairs(tmp_path, monkeypatch):
    """Put the file into the folder of the protocols, as far as Python can tell."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "_few_pairs.py").write_text(SOURCE, encoding="utf-8")
    registered = dict(protocols.PROTOCOLS)
    monkeypatch.setattr(protocols, "__path__", [*protocols.__path__, str(tmp_path / "package")])
    protocols.import_protocols()
    yield protocols.PROTOCOLS["few-pairs"]
    protocols.PROTOCOLS.clear()
    protocols.PROTOCOLS.update(registered)
    sys.modules.pop(f"{protocols.__name__}._few_pairs")


@pytest.fixture
def config(tmp_path):
    write_dataset(tmp_path, n_people=6, genuine=3)
    texts = {"few-pairs": "sizes = [4, 6]\nfolds = 2", "within-dataset": "folds = 2"}
    return write_config(tmp_path, texts, datasets=["faces"])


def test_one_file_is_a_protocol(few_pairs, config):
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    settings = read_config(config, trusted=TRUSTED)
    assert [spec.name for spec in settings.protocols] == ["within-dataset", "few-pairs"]
    assert settings.protocols[1].options == {"sizes": (4, 6)}
    result = run_benchmark(settings)
    assert result.failures == {}
    results = json.loads((result.folder / "results.json").read_text())
    rows = [row for row in results["summary"] if row["protocol"] == "few-pairs"]
    assert [(row["candidate"], row["condition"]) for row in rows] == [
        ("one", ["4"]), ("two", ["4"]), ("one", ["6"]), ("two", ["6"]),
    ]  # fmt: skip
    jobs = [job for job in results["cells"] if job["protocol"] == "few-pairs"]
    assert {(*job["condition"], job["n_fit"]) for job in jobs} == {("4", 4), ("6", 6)}
    report = (result.folder / "report.md").read_text()
    assert "## few-pairs\n\n| candidate | 4 | 6 |" in report
    assert "![few-pairs](few-pairs.png)" in report
    assert (result.folder / "few-pairs.png").read_bytes().startswith(b"\x89PNG")
    assert run_benchmark(settings).n_before == result.n_cells


def test_its_keys_are_checked(few_pairs, config):
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("sizes = [4, 6]", "size = [4, 6]"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"\[protocols.few-pairs\] size: .* 'sizes'"):
        read_config(config, trusted=TRUSTED)


def test_without_the_file_there_is_no_such_protocol(config):
    with pytest.raises(ConfigError, match=r"\[protocols.few-pairs\]: there is no such"):
        read_config(config, trusted=TRUSTED)


def test_a_name_is_registered_once():
    module = importlib.import_module("sklearn_diffake.benchmark.protocols._ablation")
    with pytest.raises(ValueError, match="there is a protocol 'ablation' already"):
        protocols.register(module.Ablation)


def test_a_run_executes_no_file_of_another_protocol(config):
    """As read in a profile: reader, jobs, table and figure are in the protocol's own file."""
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("[protocols.few-pairs]\nsizes = [4, 6]\nfolds = 2", ""))
    folder = Path(protocols.__file__).parent
    executed = set()

    def note(frame, event, argument):
        if event == "call":
            executed.add(frame.f_code)

    profile = sys.getprofile()
    sys.setprofile(note)
    try:
        result = run_benchmark(read_config(config, trusted=TRUSTED))
    finally:
        sys.setprofile(profile)
    assert result.failures == {}
    files = {Path(code.co_filename) for code in executed}
    executed_files = {file.name for file in files if file.parent == folder}
    assert executed_files == {"_base.py", "_registry.py", "_within_dataset.py"}
