"""Deep SVDD: that failures are noticed, skorch has its say, and results are the same anywhere."""

import copy
import pickle
import warnings
from pathlib import Path

import forked_programs
import joblib
import numpy as np
import pytest
import torch
from deep_svdd_cases import SETTINGS, Conv, gratings, losses, sigmoids, subspace
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback, LRScheduler

from sklearn_diffake import persistence
from sklearn_diffake.novelty import DeepSVDD

FOLDER = Path(__file__).resolve().parent


def test_collapse_is_an_error():
    X = np.random.default_rng(0).normal(size=(500, 20))
    with pytest.raises(RuntimeError, match=r"collapsed.*noise included.*without biases"):
        DeepSVDD(encoder=sigmoids, weight_decay=0.1, max_epochs=150, lr=0.01, **SETTINGS).fit(X)
    with pytest.raises(RuntimeError, match="collapsed"):  # all weights decay
        DeepSVDD(lr=0.01, weight_decay=10.0, **SETTINGS).fit(X)


def test_long_training_is_not_taken_for_collapse():
    X = subspace(100, d=6, noise=0.01)
    detector = DeepSVDD(max_epochs=400, lr=0.01, batch_size=32, **SETTINGS).fit(X)
    assert losses(detector)[-1] < 0.1 * losses(detector)[0]
    assert len(np.unique(detector.score_samples(X))) == 100


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8 / 3])
def test_rows_that_are_all_the_same(value):
    with pytest.raises(ValueError, match="All 30 genuine rows are the same"):
        DeepSVDD(**SETTINGS).fit(np.full((30, 4), value))


def test_a_loss_that_is_no_number_is_an_error():
    with pytest.raises(RuntimeError, match=r"became (nan|inf) in epoch [12] of training"):
        DeepSVDD(lr=1e30, **SETTINGS).fit(subspace(200))
    with pytest.raises(RuntimeError, match=r"became (nan|inf) in epoch [12] of pretraining"):
        DeepSVDD(lr=1e30, pretrain_epochs=3, **SETTINGS).fit(subspace(200))


def _fixed_format(shape):
    class Fixed(torch.nn.Linear):
        def forward(self, rows):
            return super().forward(rows.float())

    return Fixed(*shape, 3, bias=False)


@pytest.mark.parametrize(
    ("encoder", "error", "message"),
    [
        ("module", ValueError, "must be of the form 'module:function', got 'module'"),
        ("no_such_module:make", ValueError, "cannot be imported: No module named 'no_such"),
        ("math:no_such", ValueError, "cannot be imported: .*no attribute 'no_such'"),
        ("math:floor", TypeError, "must be real number"),
        (lambda: 3, TypeError, "must return a torch.nn.Module, got int"),
        (torch.nn.Linear(16, 3), TypeError, "a function that returns a new torch module"),
        (torch.nn.Identity, ValueError, "must have parameters to train, got none"),
        (lambda: torch.nn.Linear(5, 3), RuntimeError, r"failed on 128 rows of shape \(16,\)"),
        (
            lambda: torch.nn.Unflatten(1, (4, 4)),
            ValueError,
            r"one vector per row, .* got \(128, 4, 4\)",
        ),
        (_fixed_format, RuntimeError, r"must keep the number format.*\.float\(\)"),
    ],
)
def test_encoders_that_cannot_work(encoder, error, message):
    with pytest.raises(error, match=message):
        DeepSVDD(encoder=encoder, **SETTINGS).fit(subspace(80))


def test_rows_of_another_shape():
    detector = DeepSVDD(encoder=Conv, max_epochs=1, **SETTINGS)
    detector.fit(gratings(20, 0, axis=1))
    with pytest.raises(ValueError, match=r"rows of shape \(16, 16, 3\), .* got \(16, 8, 3\)"):
        detector.score_samples(gratings(20, 0, axis=1)[:, :, :8])
    broken = gratings(20, 0, axis=1).astype(float)
    broken[7, 3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="NaN in row 7"):
        detector.score_samples(broken)


@pytest.mark.parametrize(
    "options",
    [{"nu": 0}, {"nu": 1.0}, {"objective": "hard"}, {"max_epochs": 0}, {"lr": 0.0},
     {"hidden_layer_sizes": 5}, {"hidden_layer_sizes": (5, 0)}, {"batch_size": 0},
     {"encoder": 3}, {"callbacks": "all"}, {"weight_decay": -1e-6}],
)  # fmt: skip
def test_parameters_are_checked(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        DeepSVDD(**options, **SETTINGS).fit(subspace(60))


class CountEpochs(Callback):
    """Records a number, and stops in the middle or at the end of an epoch if told to."""

    def __init__(self, stop_after=None, mid_epoch=False):
        self.stop_after, self.mid_epoch = stop_after, mid_epoch

    def on_train_begin(self, net, **kwargs):
        self.count_ = 0

    def on_batch_end(self, net, **kwargs):
        if self.mid_epoch and self.count_ == self.stop_after:
            raise KeyboardInterrupt

    def on_epoch_end(self, net, **kwargs):
        self.count_ += 1
        net.history.record("rows", len(kwargs["dataset_train"]) * self.count_)
        if not self.mid_epoch and self.count_ == self.stop_after:
            raise KeyboardInterrupt


def test_callbacks_get_the_events_and_clones_get_none_of_their_state():
    callback = CountEpochs()
    rate = LRScheduler(policy="ExponentialLR", gamma=0.5)
    detector = DeepSVDD(callbacks=[callback, ("rate", rate)], max_epochs=4, **SETTINGS)
    original = joblib.hash(detector)
    detector.fit(subspace(70))
    assert list(losses(detector, "rows")) == [70, 140, 210, 280]
    np.testing.assert_allclose(losses(detector, "event_lr"), 1e-3 * 0.5 ** np.arange(4))
    assert callback.count_ == 4
    assert joblib.hash(clone(detector)) == original
    assert not hasattr(clone(detector).callbacks[0], "count_")
    another_detector = DeepSVDD(max_epochs=4, **SETTINGS).fit(subspace(70))
    # the learning rate had its say
    assert not np.array_equal(losses(detector), losses(another_detector))


def test_a_callback_may_stop_training_but_ctrl_c_is_not_taken_for_it():
    stopped = DeepSVDD(callbacks=[CountEpochs(3)], **SETTINGS).fit(subspace(70))
    assert stopped.n_iter_ == 3
    short = DeepSVDD(max_epochs=3, **SETTINGS).fit(subspace(70))
    np.testing.assert_array_equal(
        stopped.score_samples(np.eye(16)), short.score_samples(np.eye(16))
    )
    for epoch in (0, 2):
        with pytest.raises(KeyboardInterrupt):
            DeepSVDD(callbacks=[CountEpochs(epoch, mid_epoch=True)], **SETTINGS).fit(subspace(70))


class Failing(Callback):
    """Raises an error at the end of an epoch, as a full disk would."""

    def on_epoch_end(self, net, **kwargs):
        raise OSError("no space left on device")


def test_a_fit_that_failed_leaves_an_unfitted_detector():
    detector = DeepSVDD(callbacks=[Failing()], **SETTINGS)
    with pytest.raises(OSError, match="no space left"):
        detector.fit(subspace(70))
    with pytest.raises(NotFittedError):
        detector.score_samples(subspace(5))


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_refit_that_failed_leaves_the_earlier_fit(warm_start):
    X = subspace(70)
    detector = DeepSVDD(max_epochs=3, warm_start=warm_start, **SETTINGS).fit(X)
    scores, state = detector.score_samples(X), joblib.hash(detector)
    detector.set_params(callbacks=[Failing()])
    for refit_rows in (5.0 + 3.0 * X, X if warm_start else X[:, :4]):
        with pytest.raises(OSError, match="no space left"):
            detector.fit(refit_rows)
    assert joblib.hash(detector.set_params(callbacks=None)) == state
    np.testing.assert_array_equal(detector.score_samples(X), scores)


def test_progress_is_shown_on_request(capsys):
    DeepSVDD(max_epochs=3, pretrain_epochs=2, verbose=2, **SETTINGS).fit(subspace(50))
    displayed = capsys.readouterr()
    assert "5/5" in displayed.err
    assert "loss=" in displayed.err
    DeepSVDD(max_epochs=3, early_stopping=True, **SETTINGS).fit(subspace(50))
    displayed = capsys.readouterr()
    assert (displayed.out, displayed.err) == ("", "")


def _scores(seed, **options):
    X = subspace(600, d=100)
    detector = DeepSVDD(max_epochs=3, device="cpu", random_state=seed, **options).fit(X)
    return detector.score_samples(X).tobytes()


@pytest.mark.parametrize("options", [{}, {"batch_size": 512, "early_stopping": True}])
@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_serial_loky_and_threads_agree(backend, options):
    serial = [_scores(seed, **options) for seed in range(4)]
    assert len(set(serial)) == 4
    scores = Parallel(2, backend=backend)(delayed(_scores)(i, **options) for i in range(4))
    assert scores == serial


def test_random_layers_do_not_disturb_each_other_in_threads():
    X = gratings(60, 0, axis=1)

    def scores(seed):
        detector = DeepSVDD(encoder="deep_svdd_cases:Conv", max_epochs=3, random_state=seed)
        return detector.set_params(device="cpu").fit(X).score_samples(X).tobytes()

    serial = [scores(seed) for seed in range(6)]
    assert Parallel(3, backend="threading")(delayed(scores)(i) for i in range(6)) == serial


def test_global_state_is_left_alone():
    torch.set_num_threads(2)
    torch.rand(7)  # on to a state that no seed leads to
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()
    for options in ({"encoder": Conv}, {}):
        X = gratings(30, 0, axis=1)
        X = X if options else X.reshape(30, -1)
        DeepSVDD(max_epochs=2, pretrain_epochs=1, **options, **SETTINGS).fit(X).predict(X)
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])
    assert torch.get_num_threads() == states[2]


def _types(item):
    yield type(item)
    children = item.items() if isinstance(item, dict) else item
    if isinstance(children, (list, tuple, type({}.items()))):
        for child in children:
            yield from _types(child)


def test_state_is_numpy_and_hashes_alike():
    X = subspace(100)
    fits = [DeepSVDD(max_epochs=3, **SETTINGS).fit(X) for _ in range(2)]
    assert joblib.hash(fits[0]) == joblib.hash(fits[1])
    assert {t.__module__ for t in _types(vars(fits[0]))} <= {"builtins", "numpy"}
    for another_one in (pickle.loads(pickle.dumps(fits[0])), copy.deepcopy(fits[0])):
        assert another_one.score_samples(X).tobytes() == fits[0].score_samples(X).tobytes()
    state = np.random.RandomState(5)
    first = DeepSVDD(max_epochs=1, device="cpu", random_state=state).fit(X).center_
    second = DeepSVDD(max_epochs=1, device="cpu", random_state=state).fit(X).center_
    assert not np.array_equal(first, second)


SCORE = """
import sys, numpy as np
from sklearn_diffake import persistence
model = persistence.load(sys.argv[1], trusted=sys.argv[3:])
np.save(sys.argv[1] + ".npy", model.score_samples(np.load(sys.argv[2])))
"""


def test_saved_and_loaded_elsewhere(tmp_path):
    cases = [
        ({"objective": "soft-boundary", "batch_norm": True}, subspace(100), []),
        ({"encoder": "deep_svdd_cases:Conv"}, gratings(40, 0, axis=1), ["deep_svdd_cases:Conv"]),
    ]
    for options, X, trusted in cases:
        detector = DeepSVDD(max_epochs=2, **options, **SETTINGS).fit(X)
        model, rows = str(tmp_path / "model"), str(tmp_path / "rows.npy")
        persistence.save(detector, model)
        np.save(rows, X)
        forked_programs.run(SCORE, model, rows, *trusted, cwd=tmp_path)
        assert np.load(model + ".npy").tobytes() == detector.score_samples(X).tobytes()
        if trusted:
            with pytest.raises(ValueError, match=r"deep_svdd_cases:Conv.*not trusted"):
                persistence.load(model)


def test_an_encoder_without_a_name_cannot_be_saved(tmp_path):
    detector = DeepSVDD(encoder=lambda: Conv(), max_epochs=1, **SETTINGS)
    detector.fit(gratings(20, 0, axis=1))
    with pytest.raises(TypeError, match="cannot be saved"):
        persistence.save(detector, tmp_path / "model")


def test_scores_come_from_the_fitted_state():
    X = subspace(100)
    detector = DeepSVDD(max_epochs=2, batch_norm=True, **SETTINGS).fit(X)
    scores = detector.score_samples(X)
    modified = {"hidden_layer_sizes": (3,), "representation_size": 2, "batch_norm": False}
    np.testing.assert_array_equal(detector.set_params(**modified).score_samples(X), scores)


@pytest.mark.gpu
def test_fitted_on_a_gpu_scored_without_one():
    X = np.vstack([subspace(200, seed=1), subspace(200, seed=2, noise=1.0)])
    for options in ({}, {"objective": "soft-boundary", "early_stopping": True}):
        detector = DeepSVDD(device="cuda", random_state=0, **options).fit(subspace(600))
        scores = detector.score_samples(X)
        assert roc_auc_score(np.repeat([1, -1], 200), scores) > 0.9
        loaded = pickle.loads(pickle.dumps(detector)).set_params(device="cpu")
        assert loaded.score_samples(X).tobytes() == scores.tobytes()
        repeated = clone(detector).fit(subspace(600))
        np.testing.assert_allclose(repeated.score_samples(X), scores, rtol=1e-3)
        assert np.isfinite(detector.offset_)
    images = gratings(60, 0, axis=1)
    DeepSVDD(encoder=Conv, device="cuda", max_epochs=2).fit(images).predict(images)


def test_a_loss_that_falls_to_almost_zero_gives_a_warning():
    X = np.random.default_rng(0).normal(size=(400, 64)) ** 2
    with pytest.warns(UserWarning, match="Reduce max_epochs or lr"):
        DeepSVDD(max_epochs=40, batch_size=16, lr=3e-3, device="cpu", random_state=0).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DeepSVDD(max_epochs=3, device="cpu", random_state=0).fit(X)
