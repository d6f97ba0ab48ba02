"""A benchmark trains its extractors: once, resumed after a kill, and judged on other people."""

import json
import signal
import time
from dataclasses import replace
from pathlib import Path

import forked_programs
import numpy as np
import pytest
import torch
from benchmark_cases import TINY, TRUSTED, events, result_files, write_dataset
from image_helpers import faces, noise

from sklearn_diffake.benchmark import (
    ConfigError,
    _extractors,
    plan_benchmark,
    read_config,
    run_benchmark,
)
from sklearn_diffake.cli import main
from sklearn_diffake.embedding import ForgeryEmbedder

pytest.importorskip("cv2", reason="needs the extra generation")

ROOT = Path(__file__).resolve().parents[2]
TRUST = [argument for name in TRUSTED for argument in ("--trust", name)]
CONFIG = f"""
bootstrap = 3
device = "cpu"

[datasets.faces]
images = "faces.csv"

[extractors.small]
dataset = "faces"
splits = ["train"]
backbone = "{TINY}"
align = false
input_size = 16
max_epochs = 2
batch_size = 4

[candidates.trained]
embedder = "small"
detector = "MahalanobisDetector"

[candidates.usual]
embedder = "{TINY}"
align = false
detector = "MahalanobisDetector"

[protocols.within-dataset]
split = "official"
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extractors")
    write_dataset(folder, name="faces")
    write_dataset(folder, name="others", seed=1)
    return folder


def config_of(data, *changes, name="extractors.toml"):
    text = CONFIG
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (data / name).write_text(text, encoding="utf-8")
    return read_config(data / name, trusted=TRUSTED)


def run(data, output, *changes):
    return run_benchmark(config_of(data, *changes).replace(output))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    return run(data, tmp_path_factory.mktemp("finished"))


def read(file):
    return json.loads(file.read_text())


def results_of(folder):
    return read(folder / "results.json")


def test_a_trained_extractor_is_judged_and_described(finished):
    assert finished.failures == {}
    results = results_of(finished.folder)
    (extractor,) = results["extractors"]
    assert (extractor["images"], extractor["people"], extractor["epochs"]) == (16, 4, 2)
    assert len(extractor["history"]) == 2
    decisions = [read(path)["decisions"] for path in (finished.folder / "cells").glob("*.json")]
    assert len(decisions) == 2
    assert decisions[0] != decisions[1]
    report = (finished.folder / "report.md").read_text()
    assert "## Extractors" in report
    assert "| small | tiny\\_backbones:colors | faces \\(train\\) | 16 | 4 | 2 |" in report


def test_it_is_trained_once(data, finished):
    original = result_files(finished.folder)
    repeated = run(data, finished.folder)
    assert repeated.n_before == repeated.n_cells
    assert len(events(finished.folder, "trained")) == 1
    assert result_files(finished.folder) == original
    cached_files = {path.name for path in (finished.folder / "cache" / "extractors").rglob("*.*")}
    assert cached_files == {"weights.safetensors", "training.json"}  # checkpoints have served


def test_another_benchmark_with_that_cache_takes_it_over(data, finished, tmp_path):
    config = config_of(data).replace(tmp_path, cache=finished.folder / "cache")
    run_benchmark(config)
    assert events(tmp_path, "trained") == []
    assert result_files(tmp_path) == result_files(finished.folder)


def test_a_plan_trains_nothing(data, tmp_path, capsys):
    config_of(data)
    arguments = ["benchmark", str(data / "extractors.toml"), "-o", str(tmp_path), "--list", *TRUST]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("to do  train the extractor small, before the cells that need it\n")
    assert "2 different: 0 done" in printed
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def start(data, folder):
    """Start a benchmark as a user does."""
    arguments = ["benchmark", str(data / "extractors.toml"), "-o", str(folder), "--quiet", *TRUST]
    code = f"import sys; from sklearn_diffake.cli import main; sys.exit(main({arguments!r}))"
    return forked_programs.start(code, cwd=data)


def epochs_done(folder):
    for file in (folder / "cache" / "extractors").glob("*/checkpoints/checkpoint.json"):
        return read(file)["epoch"]
    return 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals of POSIX")
def test_killed_while_training_it_ends_with_the_same_results(data, tmp_path, monkeypatch):
    from sklearn_diffake.embedding.forgery._checkpoint import Progress

    longer, killed = ("max_epochs = 2", "max_epochs = 8"), tmp_path / "killed"
    config_of(data, longer)
    process = start(data, killed)
    while epochs_done(killed) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    n_epochs = epochs_done(killed)
    assert 2 <= n_epochs < 8
    epochs, close_epoch = [], Progress.close_epoch

    def note(progress, net):
        epochs.append(progress.epoch)
        return close_epoch(progress, net)

    monkeypatch.setattr(Progress, "close_epoch", note)
    run(data, killed, longer)
    assert epochs == list(range(n_epochs + 1, 9))  # none is trained a second time
    assert len(events(killed, "train")) == 2
    run(data, tmp_path / "in one go", longer)
    assert result_files(killed) == result_files(tmp_path / "in one go")
    (extractor,) = results_of(killed)["extractors"]
    assert [epoch["epoch"] for epoch in extractor["history"]] == list(range(1, 9))


def digest(data, *changes):
    (training,) = plan_benchmark(config_of(data, *changes)).trainings.values()
    return training.folder.name


CHANGES = {
    "parameter": ("max_epochs = 2", "max_epochs = 3"),
    "split": ('splits = ["train"]', 'splits = ["test"]'),
    "backbone": (f'backbone = "{TINY}"', 'backbone = "tiny_backbones:tied"'),
    "crops": ("align = false\ninput", "align = { size = 24 }\ninput"),
    "seed": ("bootstrap = 3", "bootstrap = 3\nseed = 1"),
    "pictures": ('"faces.csv"', '"others.csv"'),
}


@pytest.mark.parametrize("name", CHANGES)
def test_all_that_changes_the_weights_makes_another_training(data, name):
    trusted = ("tiny_backbones:tied",)
    if name == "split":  # so that some remain to be judged
        changes = [CHANGES[name], ('split = "official"', "folds = 2")]
    else:
        changes = [CHANGES[name]]
    text = CONFIG
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (data / "changed.toml").write_text(text, encoding="utf-8")
    config = read_config(data / "changed.toml", trusted=[*TRUSTED, *trusted])
    (training,) = plan_benchmark(config).trainings.values()
    assert training.folder.name != digest(data)


@pytest.mark.parametrize(
    "change",
    [
        ("[candidates.trained]", "[candidates.renamed]"),
        ("bootstrap = 3", "bootstrap = 4"),
        ('detector = "MahalanobisDetector"\n\n[candidates.usual]',
         'detector = "GaussianMixtureDetector"\n\n[candidates.usual]'),
    ],
)  # fmt: skip
def test_what_does_not_change_the_weights_keeps_the_training(data, change):
    assert digest(data, change) == digest(data)


def test_people_it_was_trained_on_are_not_judged(data):
    """Not even with identities dealt into folds, nor with the candidates that do not use it."""
    plan = plan_benchmark(config_of(data, ('split = "official"', "folds = 2")))
    table = plan.tables["faces"]
    fitted_rows = set(table.columns["identity"][table.columns["split"] == "train"])
    evaluated = [cell.steps[0].score.rows for cell in plan.jobs]
    assert len(plan.jobs) == 4
    people = set(table.columns["identity"][np.concatenate(evaluated)])
    assert len(fitted_rows) == 4
    assert len(people) == 8
    assert people.isdisjoint(fitted_rows)


def test_of_another_dataset_too(data):
    """Both have people of the same names."""
    replacement = (
        'images = "faces.csv"',
        'images = "faces.csv"\n[datasets.copy]\nimages = "faces.csv"',
    )
    cross = ('[protocols.within-dataset]\nsplit = "official"', "[protocols.cross-dataset]")
    with pytest.raises(ValueError, match="leaves no genuine row"):
        plan_benchmark(
            config_of(data, replacement, cross)
        )  # the very same people: nothing to learn from
    distinct = (replacement[0], replacement[1] + "\ndistinct_people = true")
    plan = plan_benchmark(config_of(data, distinct, cross))
    evaluated = {cell.test: set() for cell in plan.jobs}
    for cell in plan.jobs:
        table = plan.tables[cell.test]
        evaluated[cell.test] |= set(table.columns["split"][cell.steps[0].score.rows])
    assert evaluated == {"faces": {"test"}, "copy": {"test", "train"}}


def test_nobody_left_to_judge_is_an_error(data):
    all_of_it = ('splits = ["train"]\n', "")
    with pytest.raises(ValueError, match=r"within-dataset.*no genuine pairs and deepfakes remain"):
        plan_benchmark(config_of(data, all_of_it))
    with pytest.raises(ValueError, match=r"\[extractors.small\] splits: .*no genuine pairs in"):
        plan_benchmark(config_of(data, ('splits = ["train"]', 'splits = ["val"]')))


@pytest.mark.parametrize(
    ("change", "printed"),
    [
        (("max_epochs = 2", "epochs = 2"), r"\[extractors.small\] epochs: .*mean 'max_epochs'"),
        (("max_epochs = 2", "max_epochs = 0"), "max_epochs: 0 trains nothing"),
        (("max_epochs = 2", "device = 'cpu'"), "device: ForgeryEmbedder has no such parameter"),
        (("batch_size = 4", "batch_size = 'x'"), "parameters: .*batch_size"),
        (("batch_size = 4", "techniques = ['swap']"), r"techniques must be .* got \['swap'\]"),
        (('dataset = "faces"', 'dataset = "face"'), "dataset: 'face' is not known"),
        (('dataset = "faces"\n', ""), "dataset: is missing"),
        (('"small"', '"smal"'), "smal"),
        (("[extractors.small]", "[extractors.difffake-lite0]"), "is a backbone already"),
        (('embedder = "small"', 'embedder = {backbone = "small", weights = "w.safetensors"}'),
         "weights: an extractor has the weights that it is trained to"),
        ((f'backbone = "{TINY}"\nalign = false\ninput', 'backbone = "a.onnx"\nalign=false\ninput'),
         "an .onnx file cannot be trained"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(data, tmp_path, change, printed):
    with pytest.raises((ConfigError, ValueError), match=printed):
        plan_benchmark(config_of(data, change).replace(tmp_path))


def test_code_in_an_extractor_is_refused(data):
    config_of(data)
    text = (data / "extractors.toml").read_text().replace(f'embedder = "{TINY}"', 'embedder = "x"')
    (data / "code.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"\[extractors.small\] backbone: .*--trust"):
        read_config(data / "code.toml")


@pytest.mark.parametrize("content", ["{", "{}"])
def test_a_training_without_its_facts_is_done_again(data, tmp_path, content):
    run(data, tmp_path)
    original = result_files(tmp_path)
    (file,) = (tmp_path / "cache" / "extractors").glob("*/training.json")
    file.write_text(content)
    run(data, tmp_path)
    assert len(events(tmp_path, "trained")) == 2
    assert result_files(tmp_path) == original


def test_a_candidate_cuts_the_crops_of_its_extractor(data):
    crops = ("align = false\ninput", "align = { size = 24, margin = 0.25 }\ninput")
    config = config_of(data, crops)
    trained, usual = config.protocols[0].candidates
    assert trained.align == {"on_missing": "crop", "size": 24, "margin": 0.25}
    assert usual.align is None
    (training,) = plan_benchmark(config).trainings.values()
    assert training.aligner.margin == training.embedder.margin == 0.25
    assert training.aligner.on_missing == "skip"


def training_of(data, **changes):
    crops = ("align = false\ninput", "align = { size = 24, margin = 0.25 }\ninput")
    (training,) = plan_benchmark(config_of(data, crops)).trainings.values()
    return replace(training, **changes)


def test_people_without_a_face_are_not_trained_on(data, tmp_path):
    sources = [*faces(2), noise(1, shape=(105, 130))[0], *faces(1)]
    people = np.array([5, 6, 7, 8])
    training = training_of(data, folder=tmp_path, sources=sources, people=people)
    crops, kept = _extractors._cut(training, verbose=False)
    assert kept.tolist() == [5, 6, 8]
    assert [crop.shape for crop in crops] == [(24, 24, 3)] * 3


def test_pictures_without_any_face_are_an_error_of_the_extractor(data, tmp_path):
    sources, people = noise(3, shape=(105, 130)), np.arange(3)
    training = training_of(data, folder=tmp_path / "run", sources=sources, people=people)
    message = r"^\[extractors.small\] no face was found in any of the 3 pictures"
    with pytest.raises(ValueError, match=message):
        _extractors.train(training)
    assert training.facts() is None


def test_errors_of_a_training_keep_their_kind(data, tmp_path, monkeypatch):
    def fail(self, X, y=None, groups=None):
        raise torch.OutOfMemoryError("no memory is left")

    (training,) = plan_benchmark(config_of(data)).trainings.values()
    monkeypatch.setattr(ForgeryEmbedder, "fit", fail)
    with pytest.raises(RuntimeError, match=r"^\[extractors.small\] no memory is left"):
        _extractors.train(replace(training, folder=tmp_path / "run"))


def test_extractors_of_different_crops_need_one_choice(data):
    second = f"""[extractors.second]
dataset = "faces"
backbone = "{TINY}"
align = {{ size = 24 }}
input_size = 16

[candidates.trained]
embedder = ["small", "second"]
"""
    change = ('[candidates.trained]\nembedder = "small"\n', second)
    message = r"\[candidates.trained\] align: is missing; the extractors learned from different"
    with pytest.raises(ConfigError, match=message):
        config_of(data, change)
    both = (change[0], second + "align = false\n")
    assert config_of(data, both).protocols[0].candidates[0].align is None


def test_weights_to_start_from_are_found_beside_the_configuration(data):
    start = ("batch_size = 4", 'batch_size = 4\nweights = "start.safetensors"')
    (extractor,) = config_of(data, start).extractors
    assert extractor.params["weights"] == str(data / "start.safetensors")
