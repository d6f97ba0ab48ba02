"""ForgeryEmbedder after an interruption: the same weights, or a clear refusal."""

import json
import os
import shutil
import signal
import time

import forked_programs
import numpy as np
import pytest
from forgery_cases import crops, embedder, pairs, same_weights
from safetensors.numpy import load_file, save_file

from sklearn_diffake.embedding.forgery._checkpoint import SEED, _checksum
from sklearn_diffake.embedding.forgery._sam import SAM

SETTINGS = {"max_epochs": 5, "n_best": 2, "augment": True, "techniques": None}


@pytest.fixture(scope="module")
def uninterrupted():
    return embedder(**SETTINGS).fit(pairs())


@pytest.fixture
def interrupt(monkeypatch):
    """Interrupt the next fit after a number of steps."""

    def arm(n_steps, error=KeyboardInterrupt):
        step = SAM.step
        steps = []

        def interrupted(self, closure):
            if len(steps) == n_steps:
                raise error
            steps.append(1)
            return step(self, closure)

        monkeypatch.setattr(SAM, "step", interrupted)

    return arm


def steps_of(monkeypatch):
    """Count the steps from here on."""
    steps, step = [], SAM.step
    monkeypatch.setattr(SAM, "step", lambda self, closure: steps.append(1) or step(self, closure))
    return steps


@pytest.mark.parametrize("n_steps", [0, 2, 3, 7, 14])  # of 15, three in each epoch
def test_resumed_is_as_if_uninterrupted(n_steps, uninterrupted, interrupt, monkeypatch, tmp_path):
    interrupt(n_steps)
    with pytest.raises(KeyboardInterrupt):
        embedder(**SETTINGS, checkpoint_dir=tmp_path).fit(pairs())
    monkeypatch.undo()
    steps = steps_of(monkeypatch)
    resumed = embedder(**SETTINGS, checkpoint_dir=tmp_path).fit(pairs())
    assert len(steps) == 15 - n_steps // 3 * 3
    assert same_weights(resumed, uninterrupted)
    assert resumed.history_ == uninterrupted.history_
    assert resumed.best_epochs_ == uninterrupted.best_epochs_
    assert resumed.fingerprint_ == uninterrupted.fingerprint_


def test_interrupted_again_and_again(uninterrupted, interrupt, monkeypatch, tmp_path):
    for _ in range(5):
        interrupt(4)
        with pytest.raises(KeyboardInterrupt):
            embedder(**SETTINGS, checkpoint_dir=tmp_path, n_jobs=1).fit(pairs())
        monkeypatch.undo()
        if len(list(tmp_path.glob("epoch-0004*"))):
            break
    assert same_weights(embedder(**SETTINGS, checkpoint_dir=tmp_path).fit(pairs()), uninterrupted)


TRAIN = """
import time
from forgery_cases import embedder, pairs
from sklearn_diffake.embedding.forgery._sam import SAM
step = SAM.step
SAM.step = lambda self, closure: time.sleep(0.05) or step(self, closure)
embedder(**{settings!r}, checkpoint_dir="kept", n_jobs=1).fit(pairs())
"""


def test_killed_and_resumed(uninterrupted, tmp_path):
    code = TRAIN.format(settings=SETTINGS)
    process = forked_programs.start(code, cwd=tmp_path)
    commit = tmp_path / "kept" / "checkpoint.json"
    until = time.time() + 60
    while time.time() < until and process.poll() is None:
        if commit.exists() and json.loads(commit.read_text())["epoch"] >= 2:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 2 <= json.loads(commit.read_text())["epoch"] < 5
    resumed = embedder(**SETTINGS, checkpoint_dir=tmp_path / "kept").fit(pairs())
    assert same_weights(resumed, uninterrupted)


@pytest.mark.parametrize("call", range(8))
def test_killed_while_the_state_is_written(call, uninterrupted, interrupt, monkeypatch, tmp_path):
    """Whichever file was the last to be replaced, the folder holds one epoch or the next."""
    replace, replaced_files = os.replace, []

    def cut(source, target):
        if len(replaced_files) == 3 + call:  # three files precede the first epoch
            raise KeyboardInterrupt
        replaced_files.append(target)
        return replace(source, target)

    monkeypatch.setattr(os, "replace", cut)
    with pytest.raises(KeyboardInterrupt):
        embedder(**SETTINGS, checkpoint_dir=tmp_path).fit(pairs())
    monkeypatch.undo()
    resumed = embedder(**SETTINGS, checkpoint_dir=tmp_path).fit(pairs())
    assert same_weights(resumed, uninterrupted)


def test_early_stopping_counts_on(interrupt, monkeypatch, tmp_path):
    settings = {**SETTINGS, "max_epochs": 12, "n_iter_no_change": 3}
    expected = embedder(**settings).fit(pairs())
    assert expected.n_iter_ < 12
    interrupt(3 * (expected.n_iter_ - 1) + 1)
    with pytest.raises(KeyboardInterrupt):
        embedder(**settings, checkpoint_dir=tmp_path).fit(pairs())
    monkeypatch.undo()
    resumed = embedder(**settings, checkpoint_dir=tmp_path).fit(pairs())
    assert resumed.n_iter_ == expected.n_iter_
    assert same_weights(resumed, expected)


def test_a_finished_training_is_not_repeated(uninterrupted, monkeypatch, tmp_path):
    embedder(**SETTINGS, checkpoint_dir=tmp_path).fit(pairs())
    steps = steps_of(monkeypatch)
    second = embedder(**SETTINGS, checkpoint_dir=tmp_path).fit(pairs())
    assert steps == []
    assert same_weights(second, uninterrupted)


def test_what_is_kept(tmp_path):
    model = embedder(**SETTINGS, checkpoint_dir=tmp_path).fit(pairs())
    epochs = {5, *(e["epoch"] for e in sorted(model.history_, key=lambda f: -f["valid_auc"])[:2])}
    names = {f"epoch-{e:04}.safetensors" for e in epochs}
    assert {file.name for file in tmp_path.iterdir()} == {
        "checkpoint.json",
        "momentum-0005.safetensors",
        *names,
    }
    usable = embedder(weights=tmp_path / "epoch-0005.safetensors", max_epochs=0).fit(pairs())
    assert usable.score_images(crops(2)).shape == (2,)


def test_no_seed_resumes_with_the_one_that_was_drawn(interrupt, monkeypatch, tmp_path):
    settings = {**SETTINGS, "random_state": None, "checkpoint_dir": tmp_path}
    interrupt(7)
    with pytest.raises(KeyboardInterrupt):
        embedder(**settings).fit(pairs())
    monkeypatch.undo()
    resumed = embedder(**settings).fit(pairs())
    saved = json.loads((tmp_path / "checkpoint.json").read_text())
    assert resumed.n_iter_ == 5
    assert isinstance(saved["settings"][SEED], int)
    assert same_weights(embedder(**settings).fit(pairs()), resumed)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    embedder(**SETTINGS, checkpoint_dir=folder).fit(pairs())
    return folder


@pytest.fixture
def own_finished(finished, tmp_path):
    """The folder of a finished training, for a test that changes its files."""
    return shutil.copytree(finished, tmp_path / "finished")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.01}, r"lr=0\.05 there, 0\.01 here"),
        ({"max_epochs": 6}, "max_epochs=5 there, 6 here"),
        ({"images_per_epoch": 9}, "images_per_epoch=None there, 9 here"),
        ({"blending": "yuv420"}, "blending='rgb' there, 'yuv420' here"),
        ({"techniques": ["spectral_notch"]}, r"techniques=None there, \['spectral_notch'\] here"),
        ({"random_state": 1}, "seed drawn from random_state="),
        ({"input_size": 24}, "input_size=32 there, 24 here"),
        ({"weights": True}, "first weights='[0-9a-f]+' there, '[0-9a-f]+' here"),
        ({"backbone": "tiny_backbones:colors", "input_size": 32}, "backbone='forgery_cases:tiny'"),
    ],
)
def test_another_training_is_refused(change, message, finished, tmp_path):
    if "weights" in change:
        change = {"weights": tmp_path / "other.safetensors"}
        embedder(max_epochs=1).fit(pairs()).save_weights(change["weights"])
    model = embedder(**{**SETTINGS, "checkpoint_dir": finished, **change})
    with pytest.raises(ValueError, match=rf"holds another training, which .*{message}"):
        model.fit(pairs())


def test_a_folder_of_release_0_1_goes_on(uninterrupted, interrupt, monkeypatch, tmp_path):
    interrupt(7)
    with pytest.raises(KeyboardInterrupt):
        embedder(**SETTINGS, checkpoint_dir=tmp_path).fit(pairs())
    monkeypatch.undo()
    file = tmp_path / "checkpoint.json"
    content = json.loads(file.read_text())
    for name in ("blending", "match_sharpness", "images_per_epoch"):
        del content["settings"][name]
    del content["checksum"]
    content["checksum"] = _checksum(content)
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="blending='rgb' there, 'mixed' here"):
        embedder(**SETTINGS, blending="mixed", checkpoint_dir=tmp_path).fit(pairs())
    resumed = embedder(**SETTINGS, checkpoint_dir=tmp_path).fit(pairs())
    assert same_weights(resumed, uninterrupted)


def test_other_images_are_refused(finished):
    model = embedder(**SETTINGS, checkpoint_dir=finished)
    with pytest.raises(ValueError, match=r"holds another training, .*genuine images="):
        model.fit(pairs(seed=1))
    with pytest.raises(ValueError, match=r"holds another training, .*genuine images="):
        model.fit(pairs(), groups=np.arange(12) // 2)


def test_processes_and_batches_of_transform_may_differ(finished, uninterrupted):
    model = embedder(**SETTINGS, checkpoint_dir=finished, n_jobs=2, verbose=0, cache=None)
    assert same_weights(model.fit(pairs()), uninterrupted)


@pytest.mark.parametrize("name", ["checkpoint.json", "epoch-0005", "momentum-0005"])
@pytest.mark.parametrize("corruption", ["cut", "gone"])
def test_a_damaged_folder_is_named(name, corruption, own_finished):
    (file,) = own_finished.glob(f"{name}*")
    if corruption == "cut":
        file.write_bytes(file.read_bytes()[:100])
    else:
        file.unlink()
    model = embedder(**SETTINGS, checkpoint_dir=own_finished)
    if (name, corruption) == ("checkpoint.json", "gone"):
        assert model.fit(pairs()).n_iter_ == 5  # nothing to resume
        return
    with pytest.raises(ValueError, match=rf"is damaged: {name}.* cannot be read .*Remove the fold"):
        model.fit(pairs())


@pytest.mark.parametrize(
    ("old", "new"), [('"best"', '"rest"'), ("0.", "1."), ('"epoch": 5', '"epoch": 4')]
)
def test_a_state_that_was_altered_is_refused(old, new, own_finished):
    file = own_finished / "checkpoint.json"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"is damaged: checkpoint\.json cannot be read .*checksum"):
        embedder(**SETTINGS, checkpoint_dir=own_finished).fit(pairs())


@pytest.mark.parametrize("key", ["epoch", "best"])
@pytest.mark.parametrize("value", ["/../../outside", -1, True, 1.0])
def test_a_state_names_no_other_file(key, value, own_finished):
    file = own_finished / "checkpoint.json"
    content = json.loads(file.read_text())
    content[key] = [value] if key == "best" else value
    del content["checksum"]
    file.write_text(json.dumps({**content, "checksum": _checksum(content)}))
    with pytest.raises(ValueError, match=r"checkpoint\.json cannot be read .*no number"):
        embedder(**SETTINGS, checkpoint_dir=own_finished).fit(pairs())


# --- a loss that is no number ------------------------------------------------------------------


@pytest.mark.parametrize("keep", [True, False])
def test_nan_loss_stops_and_keeps_the_last_good_weights(keep, interrupt, monkeypatch, tmp_path):
    good = embedder(**{**SETTINGS, "max_epochs": 5}, checkpoint_dir=tmp_path / "good")
    interrupt(6)
    with pytest.raises(KeyboardInterrupt):
        good.fit(pairs())
    monkeypatch.undo()
    expected = load_file(tmp_path / "good" / "epoch-0002.safetensors")

    step, steps = SAM.step, []

    def poisoned(self, closure):
        steps.append(1)
        if len(steps) == 8:  # the second step of the third epoch
            for group in self.param_groups:
                group["params"][0].data.fill_(np.nan)
        return step(self, closure)

    monkeypatch.setattr(SAM, "step", poisoned)
    folder = tmp_path / "bad"
    model = embedder(**SETTINGS, checkpoint_dir=folder if keep else None)
    with pytest.raises(RuntimeError, match=r"^The loss became nan in step 2 of epoch 3\.") as error:
        model.fit(pairs())
    assert not hasattr(model, "weights_")
    if not keep:
        assert "nothing was kept, since checkpoint_dir=None" in str(error.value)
        return
    last = folder / "epoch-0002.safetensors"
    assert f"weights after epoch 2 are kept in {str(last)!r}" in str(error.value)
    network = load_file(last)
    assert all(np.array_equal(network[name], expected[name]) for name in expected)
    monkeypatch.undo()
    assert same_weights(model.fit(pairs()), embedder(**SETTINGS).fit(pairs()))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_huge_learning_rate_blows_up_by_name(tmp_path):
    with pytest.raises(RuntimeError, match=r"epoch 1\. Reduce lr=1e\+30, .*epoch-0000"):
        embedder(lr=1e30, checkpoint_dir=tmp_path).fit(pairs())
    first = load_file(tmp_path / "epoch-0000.safetensors")
    assert all(np.isfinite(array).all() for array in first.values())


def test_a_checkpoint_with_foreign_tensors_is_refused(finished, tmp_path):
    save_file({"layers.0.weight": np.zeros(3, np.float32)}, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="does not hold the weights of 'forgery_cases:tiny'"):
        embedder(weights=tmp_path / "w.safetensors").fit(pairs())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "The weights became NaN or infinite in epoch 2"),
     (1e38, "The validation loss became (nan|inf) in epoch 2")],
)  # fmt: skip
def test_what_goes_wrong_in_the_last_step_of_an_epoch_is_seen(
    value, message, monkeypatch, tmp_path
):
    """The loss of the step was still a number; the weights after it are no good."""
    step, steps = SAM.step, []

    def poisoned(self, closure):
        loss = step(self, closure)
        steps.append(1)
        if len(steps) == 6:  # the last step of the second epoch
            self.param_groups[0]["params"][-2].data.fill_(value)  # weights of the classifier
        return loss

    monkeypatch.setattr(SAM, "step", poisoned)
    with pytest.raises(RuntimeError, match=message):
        embedder(checkpoint_dir=tmp_path).fit(pairs())
    network = load_file(tmp_path / "epoch-0001.safetensors")
    assert all(np.isfinite(array).all() for array in network.values())
    assert not (tmp_path / "epoch-0002.safetensors").exists()


def test_the_same_settings_in_other_types_go_on(finished, monkeypatch):
    """Numbers of NumPy are distinguished neither in the file nor by it."""
    steps = steps_of(monkeypatch)
    settings = {**SETTINGS, "lr": np.float64(0.05), "n_best": np.int64(2)}
    embedder(**settings, checkpoint_dir=finished).fit(pairs())
    assert not steps


def test_weights_of_techniques_are_part_of_a_training(tmp_path):
    settings = {"techniques": {"upsampling_grid": 1.0}, "max_epochs": 1}
    embedder(**settings, checkpoint_dir=tmp_path).fit(pairs())
    settings["techniques"] = {"upsampling_grid": 1.0, "self_blend_eyes": 1.0}
    with pytest.raises(ValueError, match="techniques"):
        embedder(**settings, checkpoint_dir=tmp_path).fit(pairs())


def test_the_names_in_a_checkpoint_do_not_change(finished):
    """Folders of earlier versions hold these names; another one would not be resumed."""
    settings = json.loads((finished / "checkpoint.json").read_text())["settings"]
    assert set(settings) == {
        "techniques", "landmarks", "margin", "augment", "blending", "match_sharpness",
        "max_epochs", "images_per_epoch", "batch_size", "lr", "momentum", "rho", "weight_decay",
        "validation_fraction", "early_stopping", "n_iter_no_change", "n_best", "dtype",
        "backbone", "input_size", "seed drawn from random_state", "first weights",
        "genuine images",
    }  # fmt: skip
    momentum = load_file(finished / "momentum-0005.safetensors")
    assert {"head.weight", "head.bias", "backbone.layers.0.weight"} <= set(momentum)
    network = load_file(finished / "epoch-0005.safetensors")
    assert {"forgery_head.weight", "forgery_head.bias", "layers.0.weight"} <= set(network)
