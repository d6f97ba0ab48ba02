"""Callbacks of skorch watch the trainings of DeepSVDD and of ForgeryEmbedder."""

import types
from pathlib import Path

import numpy as np
import pytest
from forgery_cases import embedder, pairs, same_weights
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    LRScheduler,
    MlflowLogger,
    TensorBoard,
    WandbLogger,
)

from sklearn_diffake import persistence
from sklearn_diffake.novelty import DeepSVDD

ROWS = np.random.default_rng(0).normal(size=(60, 8)) @ np.diag(np.linspace(0.1, 2, 8))
LOSSES = {"Loss/train_loss": "train_loss", "Loss/valid_loss": "valid_loss"}
TAGS = {
    "DeepSVDD": {**LOSSES, "radius": "radius"},
    "ForgeryEmbedder": {**LOSSES, "Loss/valid_auc": "valid_auc", "lr": "lr"},
}


def detector(**options):
    usual = {"max_epochs": 3, "early_stopping": True, "device": "cpu", "random_state": 0}
    return DeepSVDD(**{**usual, **options})


TRAININGS = {"DeepSVDD": (detector, ROWS), "ForgeryEmbedder": (embedder, pairs())}


@pytest.fixture(params=TRAININGS)
def training(request):
    """Name, a function that makes an estimator, and what it is fitted to."""
    return request.param, *TRAININGS[request.param]


@pytest.fixture
def summary_writer():
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter


def scalars(folder):
    """Read the event files in a folder: of each tag, the steps and the values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder)).Reload()
    events = {tag: accumulator.Scalars(tag) for tag in accumulator.Tags()["scalars"]}
    return {tag: ([e.step for e in es], [e.value for e in es]) for tag, es in events.items()}


class Recorder(Callback):
    """Records the names of events, and the history at the end of each epoch."""

    def __init__(self, sink=None):
        self.sink = sink
        self.events, self.rows = [], []

    def on_train_begin(self, net, **kwargs):
        self.count_ = 0
        self.events.append("train_begin")

    def on_epoch_begin(self, net, **kwargs):
        self.events.append("epoch_begin")

    def on_batch_end(self, net, training=None, **kwargs):
        self.events.append(f"batch_end {training}")

    def on_epoch_end(self, net, **kwargs):
        self.count_ += 1
        self.events.append("epoch_end")
        self.rows.append({k: v for k, v in net.history[-1].items() if k != "batches"})

    def on_train_end(self, net, **kwargs):
        self.events.append("train_end")


class EpochRecorder(Callback):
    """Has events of epochs only, as most callbacks."""

    def on_epoch_end(self, net, **kwargs):
        self.last_loss_ = net.history[-1, "train_loss"]


class Uncopyable:
    def __deepcopy__(self, memo):
        raise TypeError("cannot be copied")


@pytest.mark.parametrize("as_function", [False, True])
def test_tensorboard_files_hold_the_figures_of_the_training(
    training, as_function, summary_writer, tmp_path
):
    name, make, X = training

    def board():
        return TensorBoard(summary_writer(tmp_path))

    model = make(callbacks=[board if as_function else board()]).fit(X)
    written = scalars(tmp_path)
    assert TAGS[name].keys() <= written.keys()
    for tag, key in TAGS[name].items():
        steps, values = written[tag]
        assert steps == [1, 2, 3]
        np.testing.assert_allclose(values, [row[key] for row in model.history_], rtol=1e-6)


def test_a_writer_is_shared_by_clones_in_cross_validation(summary_writer, tmp_path):
    board = TensorBoard(summary_writer(tmp_path), close_after_train=False)
    pipeline = Pipeline([("detect", detector(callbacks=[("board", board)]))])
    cross_val_score(pipeline, ROWS, cv=3, scoring=lambda model, X, y=None: 0.0)
    board.writer.close()
    assert sorted(scalars(tmp_path)["Loss/train_loss"][0]) == sorted([1, 2, 3] * 3)
    assert not hasattr(pipeline["detect"], "weights_")


def test_every_event_reaches_the_object_of_the_caller(training):
    _, make, X = training
    recorder = Recorder()
    model = make(callbacks=[recorder]).fit(X)
    assert recorder.events[:2] == ["train_begin", "epoch_begin"]
    assert recorder.events[-2:] == ["epoch_end", "train_end"]
    assert {"batch_end True", "batch_end False"} <= set(recorder.events)
    assert recorder.events.count("epoch_end") == recorder.count_ == 3
    for row, figures in zip(recorder.rows, model.history_, strict=True):
        assert {name: row[name] for name in figures} == figures


def test_a_callback_of_epochs_changes_no_number(training):
    _, make, X = training
    first, second = make().fit(X), make(callbacks=[EpochRecorder]).fit(X)
    assert first.history_ == second.history_
    for name, array in first.weights_.items():
        np.testing.assert_array_equal(second.weights_[name], array)


def test_a_callback_of_batches_changes_the_rounding_at_most(training):
    name, make, X = training
    first, second = make().fit(X), make(callbacks=[Recorder]).fit(X)
    tolerance = 1e-5 if name == "DeepSVDD" else 0.0  # which trains by autograd then
    for row, other_row in zip(first.history_, second.history_, strict=True):
        assert row == pytest.approx(other_row, rel=tolerance, abs=0.0)
    for key, array in first.weights_.items():
        np.testing.assert_allclose(second.weights_[key], array, rtol=tolerance, atol=tolerance)


def test_a_clone_shares_what_cannot_be_copied_but_no_state(training):
    _, make, X = training
    sink = Uncopyable()
    model = make(callbacks=[Recorder(sink), ("named", Recorder(sink)), Recorder]).fit(X)
    first, (name, second), made_by_fit = clone(model).callbacks
    assert first.sink is second.sink is sink
    assert first is not model.callbacks[0]
    assert (name, made_by_fit) == ("named", Recorder)
    assert not hasattr(first, "count_")
    assert not hasattr(clone(model), "weights_")


@pytest.mark.parametrize("value", [3, [3], [lambda: 3], [("name", 3)]])
def test_what_is_no_callback_is_refused(training, value):
    _, make, X = training
    with pytest.raises((TypeError, ValueError), match="callbacks"):
        make(callbacks=value).fit(X)


def test_a_saved_model_has_no_callbacks(training, tmp_path):
    _, make, X = training
    model = make(callbacks=[Recorder(Uncopyable())]).fit(X)
    persistence.save(Pipeline([("model", model)]), tmp_path / "model.diffake")
    loaded = persistence.load(tmp_path / "model.diffake", trusted=["forgery_cases:tiny"])["model"]
    assert loaded.callbacks is None
    assert len(model.callbacks) == 1
    for name, array in model.weights_.items():
        np.testing.assert_array_equal(loaded.weights_[name], array)


def test_mlflow_gets_every_figure(training):
    _, make, X = training
    calls = []
    client = types.SimpleNamespace(
        log_metric=lambda *args, step: calls.append((*args, step)),
        log_artifact=lambda run, path: calls.append((run, path.name)),
        set_terminated=lambda run: calls.append((run, "end")),
    )
    run = types.SimpleNamespace(info=types.SimpleNamespace(run_id="r1"))
    model = make(callbacks=[MlflowLogger(run, client)]).fit(X)
    losses = [row["train_loss"] for row in model.history_]
    logged = [call[2:] for call in calls if call[:2] == ("r1", "train_loss")]
    assert logged == list(zip(losses, [1, 2, 3], strict=True))
    assert ("r1", "history.json") in calls
    assert calls[-1] == ("r1", "end")


def test_weights_and_biases_gets_every_figure(training, tmp_path):
    _, make, X = training
    logged, watched = [], []
    run = types.SimpleNamespace(log=logged.append, watch=watched.append, dir=str(tmp_path))
    model = make(callbacks=[WandbLogger(run)]).fit(X)
    assert [row["train_loss"] for row in logged] == [row["train_loss"] for row in model.history_]
    assert len(logged) == 3
    assert len(watched) == 1
    assert (tmp_path / "best_model.pth").exists()


def test_a_callback_may_stop_a_training_at_the_end_of_an_epoch(training):
    _, make, X = training
    stop = EarlyStopping(monitor="train_loss", patience=1, threshold=1e9, threshold_mode="abs")
    recorder = Recorder()
    model = make(callbacks=[stop, recorder], max_epochs=9).fit(X)
    assert model.n_iter_ == 2
    assert recorder.events[-1] == "train_end"


def test_ctrl_c_in_the_middle_of_an_epoch_is_not_taken_for_a_stop():
    class Interrupt(Callback):
        def on_batch_begin(self, net, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedder(callbacks=[Interrupt]).fit(pairs())


def test_a_scheduler_that_would_have_no_effect_is_refused():
    with pytest.raises(ValueError, match=r"LRScheduler.* Use the parameter lr"):
        embedder(callbacks=[("rate", LRScheduler)]).fit(pairs())


def test_callbacks_of_a_resumed_training_get_the_remaining_epochs(tmp_path):
    class Crash(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise RuntimeError("power failure")

    whole = embedder(max_epochs=4, callbacks=[Recorder]).fit(pairs())
    with pytest.raises(RuntimeError, match="power failure"):
        embedder(max_epochs=4, checkpoint_dir=tmp_path, callbacks=[Crash]).fit(pairs())
    recorder = Recorder()
    model = embedder(max_epochs=4, checkpoint_dir=tmp_path, callbacks=[recorder]).fit(pairs())
    assert same_weights(model, whole)
    assert [row["epoch"] for row in recorder.rows] == [3, 4]
    losses = [row["valid_loss"] for row in model.history_]
    best = [loss == min(losses[: i + 1]) for i, loss in enumerate(losses)]
    assert [row["valid_loss_best"] for row in recorder.rows] == best[2:]


# --- warm start ---------------------------------------------------------------------------------


def test_a_warm_start_goes_on_numbering_epochs(training):
    _, make, X = training
    recorder = Recorder()
    model = make(warm_start=True, callbacks=[recorder]).fit(X)
    earlier = model.history_
    model.fit(X)
    assert model.history_[:3] == earlier
    assert [row["epoch"] for row in model.history_] == [1, 2, 3, 4, 5, 6]
    assert [row["epoch"] for row in recorder.rows] == [1, 2, 3, 4, 5, 6]
    assert model.n_iter_ == 6
    cold = make(warm_start=False, callbacks=[Recorder]).fit(X)
    np.testing.assert_equal(cold.fit(X).history_, earlier)
    assert clone(model).fit(X).history_ == earlier


def test_a_warm_start_of_forgery_embedder_equals_one_from_its_file(tmp_path):
    model = embedder(warm_start=True).fit(pairs())
    model.save_weights(tmp_path / "first.safetensors")
    other = embedder(weights=tmp_path / "first.safetensors").fit(pairs())
    first_weights, validation_rows = model.weights_, model.validation_rows_
    model.fit(pairs())
    assert same_weights(model, other)
    assert model.history_[3:] == [{**row, "epoch": row["epoch"] + 3} for row in other.history_]
    assert model.best_epochs_ == [epoch + 3 for epoch in other.best_epochs_]
    np.testing.assert_array_equal(model.validation_rows_, validation_rows)
    assert any(not np.array_equal(model.weights_[k], first_weights[k]) for k in first_weights)


def test_a_warm_start_without_epochs_keeps_forgery_embedder_as_it_is():
    model = embedder(warm_start=True).fit(pairs())
    before = model.transform(pairs())
    model.set_params(max_epochs=0).fit(pairs())
    np.testing.assert_array_equal(model.transform(pairs()), before)
    assert model.n_iter_ == 3


@pytest.mark.parametrize("change", [{"input_size": 48}, {"backbone": "forgery_cases:wide"}])
def test_a_warm_start_needs_the_same_network(change):
    model = embedder(warm_start=True).fit(pairs())
    with pytest.raises(ValueError, match="warm_start=True continues the training of backbone"):
        model.set_params(**change).fit(pairs())


def test_a_warm_start_does_not_ignore_other_weights(tmp_path):
    first = str(tmp_path / "first.safetensors")
    embedder().fit(pairs()).save_weights(first)
    model = embedder(warm_start=True).fit(pairs())
    with pytest.raises(ValueError, match=r"weights must stay None, .*, got '.*first.safetensors'"):
        model.set_params(weights=first).fit(pairs())
    model = embedder(warm_start=True, weights=first).fit(pairs())
    assert model.set_params(weights=Path(first)).fit(pairs()).n_iter_ == 6


def test_a_warm_start_does_not_ignore_other_epochs_of_pretraining():
    model = detector(warm_start=True, pretrain_epochs=2).fit(ROWS)
    with pytest.raises(ValueError, match="must be 0 or stay 2, got 3"):
        model.set_params(pretrain_epochs=3).fit(ROWS)
    assert len(model.set_params(pretrain_epochs=0).fit(ROWS).pretrain_history_) == 2


@pytest.mark.parametrize("objective", ["one-class", "soft-boundary"])
def test_a_warm_start_of_deep_svdd_continues_from_the_fitted_state(objective):
    options = {"warm_start": True, "objective": objective, "pretrain_epochs": 2}
    model = detector(early_stopping=False, **options).fit(ROWS)
    weights, center, scores = model.weights_, model.center_, model.score_samples(ROWS)
    model.set_params(lr=1e-12, weight_decay=0.0).fit(1.5 * ROWS)
    np.testing.assert_array_equal(model.center_, center)
    for name, array in weights.items():
        np.testing.assert_allclose(model.weights_[name], array, atol=1e-6)
    assert len(model.pretrain_history_) == 2
    shifts = model.score_samples(ROWS) - scores  # that of the square of the radius
    np.testing.assert_allclose(shifts, shifts[0], atol=1e-4)
    assert (abs(shifts[0]) > 1e-3) == (objective == "soft-boundary")


def test_more_epochs_by_warm_starts_lower_the_loss_of_deep_svdd():
    model = detector(warm_start=True, early_stopping=False)
    losses = [model.fit(ROWS).history_[-1]["train_loss"] for _ in range(3)]
    assert losses[0] > losses[1] > losses[2]
    again = detector(warm_start=True, early_stopping=False)
    for _ in range(3):
        again.fit(ROWS)
    np.testing.assert_array_equal(again.score_samples(ROWS), model.score_samples(ROWS))


def test_a_warm_start_of_deep_svdd_needs_the_same_network():
    model = detector(warm_start=True).fit(ROWS)
    with pytest.raises(ValueError, match=r"parameters must stay.*size mismatch"):
        model.set_params(representation_size=5).fit(ROWS)
    with pytest.raises(ValueError, match=r"rows of shape \(8,\), got rows of shape \(5,\)"):
        model.set_params(representation_size=64).fit(ROWS[:, :5])
