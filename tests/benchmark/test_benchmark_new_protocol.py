"""A protocol is one source file: this one is written, imported and run."""

import importlib
import json
import sys

import pytest
from benchmark_cases import TRUSTED, write_config, write_dataset

from sklearn_diffake.benchmark import ConfigError, protocols, read_config, run_benchmark

NAME = "few_references"
SOURCE = '''
"""The protocol ``few-references``: learn from few of the genuine pairs."""

from sklearn_diffake.benchmark._jobs import Rows, Step
from sklearn_diffake.benchmark.protocols._base import Protocol, candidate_jobs, splits
from sklearn_diffake.benchmark.protocols._registry import register
from sklearn_diffake.benchmark.report._figures import auc_of, heat_map
from sklearn_diffake.benchmark.report._tables import distinct, first_row, matrix


@register
class FewReferences(Protocol):
    """Learn from the first pairs only."""

    name = "few-references"
    rank = 25

    def read_options(self, table, context):
        return {"sizes": table.get_list("sizes", int, (10, 20), minimum=2)}

    def jobs(self, spec, tables, seed):
        for name, table in tables.items():
            for split, fit, test in splits(spec, table, seed):
                for size in spec.options["sizes"]:
                    step = Step((Rows(name, fit[:size]),), Rows(name, test))
                    yield from candidate_jobs(
                        spec, [step], fit=name, test=name, split=split, condition=(str(size),)
                    )

    def section(self, rows):
        sizes = list(dict.fromkeys(row["condition"][0] for row in rows))
        yield from matrix(
            distinct(rows, "candidate"),
            sizes,
            lambda name, size: first_row(rows, candidate=name, condition=[size]),
            "candidate",
        )

    def drawings(self, rows, finished, tables):
        sizes = list(dict.fromkeys(row["condition"][0] for row in rows))
        yield heat_map(
            "",
            distinct(rows, "candidate"),
            sizes,
            lambda name, size: auc_of(rows, candidate=name, condition=[size]),
            xlabel="pairs",
            ylabel="candidate",
        )
'''


@pytest.fixture
def few_references(tmp_path, monkeypatch):
    """Put the file into the folder of the protocols, as far as Python can tell."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / f"_{NAME}.py").write_text(SOURCE, encoding="utf-8")
    registered = dict(protocols.PROTOCOLS)
    monkeypatch.setattr(protocols, "__path__", [*protocols.__path__, str(tmp_path / "package")])
    protocols.import_protocols()
    yield protocols.PROTOCOLS["few-references"]
    protocols.PROTOCOLS.clear()
    protocols.PROTOCOLS.update(registered)
    sys.modules.pop(f"{protocols.__name__}._{NAME}")


@pytest.fixture
def config(tmp_path):
    write_dataset(tmp_path, n_people=6, genuine=3)
    texts = {"few-references": "sizes = [4, 6]\nfolds = 2", "within-dataset": "folds = 2"}
    return write_config(tmp_path, texts, datasets=["faces"])


def test_one_file_is_a_protocol(few_references, config):
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    settings = read_config(config, trusted=TRUSTED)
    assert [spec.name for spec in settings.protocols] == ["within-dataset", "few-references"]
    assert settings.protocols[1].options == {"sizes": (4, 6)}
    result = run_benchmark(settings)
    assert result.failures == {}
    results = json.loads((result.folder / "results.json").read_text())
    rows = [row for row in results["summary"] if row["protocol"] == "few-references"]
    assert [(row["candidate"], row["condition"]) for row in rows] == [
        ("one", ["4"]), ("two", ["4"]), ("one", ["6"]), ("two", ["6"]),
    ]  # fmt: skip
    jobs = [job for job in results["cells"] if job["protocol"] == "few-references"]
    assert {(*job["condition"], job["n_fit"]) for job in jobs} == {("4", 4), ("6", 6)}
    report = (result.folder / "report.md").read_text()
    assert "## few-references\n\n| candidate | 4 | 6 |" in report
    assert "![few-references](few-references.png)" in report
    assert (result.folder / "few-references.png").read_bytes().startswith(b"\x89PNG")
    assert run_benchmark(settings).n_before == result.n_cells


def test_its_keys_are_checked(few_references, config):
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("sizes = [4, 6]", "size = [4, 6]"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"\[protocols.few-references\] size: .* 'sizes'"):
        read_config(config, trusted=TRUSTED)


def test_without_the_file_there_is_no_such_protocol(config):
    with pytest.raises(ConfigError, match=r"\[protocols.few-references\]: there is no such"):
        read_config(config, trusted=TRUSTED)


def test_a_name_is_registered_once():
    module = importlib.import_module("sklearn_diffake.benchmark.protocols._ablation")
    with pytest.raises(ValueError, match="there is a protocol 'ablation' already"):
        protocols.register(module.Ablation)
