"""Deep SVDD: that it learns, as the paper says, and from which rows."""

import warnings

import numpy as np
import pytest
import torch
from deep_svdd_cases import SETTINGS, Conv, PairConv, gratings, losses, subspace
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from sklearn_diffake.novelty import DeepSVDD, _svdd_train
from sklearn_diffake.novelty._svdd_net import CollapseProbe, initialize, make_mlp
from sklearn_diffake.novelty._svdd_train import Batches, ReconstructionLoss, Rows, first_center
from sklearn_diffake.pairs import PairDifference

OBJECTIVES = ["one-class", "soft-boundary"]


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_norm": True},
        {"pretrain_epochs": 10},
        {"early_stopping": True},
        {"hidden_layer_sizes": (128, 64), "representation_size": 32},
    ],
)
def test_planted_fakes_are_found(objective, options):
    detector = DeepSVDD(objective, **options, **SETTINGS).fit(subspace(600))
    X = np.vstack([subspace(200, seed=1), subspace(200, seed=2, noise=1.5)])
    y = np.repeat([1, -1], 200)
    scores = detector.score_samples(X)
    assert roc_auc_score(y, scores) > 0.9
    assert len(np.unique(scores)) == 400
    assert (detector.predict(X[y == 1]) == 1).mean() > 0.85
    loss = losses(detector)
    assert loss[-1] < 0.3 * loss[0]
    assert detector.n_iter_ == len(loss) <= 50


def test_training_makes_the_difference():
    X, y = np.vstack([subspace(200, seed=1), subspace(200, seed=2, noise=1.0)]), [1, -1]
    auc = [
        roc_auc_score(
            np.repeat(y, 200),
            DeepSVDD(max_epochs=n, **SETTINGS).fit(subspace(600)).score_samples(X),
        )
        for n in (1, 5, 50)
    ]
    assert auc[0] + 0.1 < auc[2]
    assert auc[0] < auc[1] < auc[2]


@pytest.mark.slow
def test_better_than_the_deep_svdd_of_pyod():
    pyod = pytest.importorskip("pyod.models.deep_svdd")
    images, digits = load_digits(return_X_y=True)
    our_value, reference_value = [], []
    for digit in range(10):
        rng = np.random.default_rng(digit)
        rows = rng.permutation(np.flatnonzero(digits == digit))
        train, remainder = rows[:120], np.r_[rows[120:], np.flatnonzero(digits != digit)]
        y = np.where(digits[remainder] == digit, 1, -1)
        common = {"batch_size": 32, "random_state": digit}
        detector = DeepSVDD(
            hidden_layer_sizes=(64,), representation_size=32, max_epochs=30, device="cpu", **common
        ).fit(images[train])
        our_value.append(roc_auc_score(y, detector.score_samples(images[remainder])))
        assert losses(detector)[-1] < 0.2 * losses(detector)[0]
        state = np.random.get_state()
        peer = pyod.DeepSVDD(64, hidden_neurons=[64, 32], epochs=30, verbose=0, **common)
        peer.fit(images[train])
        np.random.set_state(state)
        reference_value.append(roc_auc_score(-y, peer.decision_function(images[remainder])))
    assert np.mean(our_value) > 0.97
    assert np.mean(our_value) > np.mean(reference_value)


@pytest.mark.parametrize("form", [pytest.param("function", marks=pytest.mark.slow), "name"])
def test_an_encoder_learns_from_images(form):
    encoder = Conv if form == "function" else "deep_svdd_cases:Conv"
    X = np.concatenate([gratings(100, 1, axis=1), gratings(100, 2, axis=2)])
    y = np.repeat([1, -1], 100)
    detector = DeepSVDD(encoder=encoder, max_epochs=40, batch_size=32, **SETTINGS)
    detector.fit(gratings(300, 0, axis=1))
    assert detector.input_shape_ == (16, 16, 3)
    assert roc_auc_score(y, detector.score_samples(X)) > 0.95
    assert losses(detector)[-1] < 0.1 * losses(detector)[0]
    single = np.concatenate([detector.score_samples(X[i : i + 1]) for i in range(10)])
    np.testing.assert_allclose(single, detector.score_samples(X)[:10], rtol=1e-9)
    for wrong in (X[:, :, :15], np.concatenate([X, X], axis=2)):
        with pytest.raises(ValueError, match=r"rows of shape \(16, 16, 3\), as in fit, got"):
            detector.score_samples(wrong)
    as_floats = clone(detector).fit(gratings(300, 0, axis=1).astype(np.float32))
    assert roc_auc_score(y, as_floats.score_samples(X.astype(np.float32))) > 0.95


def test_a_factory_may_hand_out_one_module_again_and_again():
    module, X = Conv(), gratings(40, 0, axis=1)
    original = [value.clone() for value in module.parameters()]
    detector = DeepSVDD(encoder=lambda: module, max_epochs=2, **SETTINGS)
    scores = detector.fit(X).score_samples(X)
    assert all(map(torch.equal, module.parameters(), original))
    np.testing.assert_array_equal(clone(detector).fit(X).score_samples(X), scores)


def test_an_encoder_of_pairs():
    X = gratings(60, 0, axis=1)
    pairs = np.stack([X, gratings(60, 1, axis=1)], axis=1)
    detector = DeepSVDD(
        encoder=PairConv, max_epochs=5, pretrain_epochs=3, batch_size=16, **SETTINGS
    ).fit(pairs)
    identical = np.stack([X, X], axis=1)  # both halves alike: zero, whatever the weights
    np.testing.assert_allclose(
        detector.score_samples(identical), -np.square(detector.center_).sum(), rtol=1e-9
    )
    assert len(detector.pretrain_history_) == 3


def test_the_one_class_loss_is_the_mean_score():
    X = subspace(128)
    detector = DeepSVDD(max_epochs=1, lr=1e-12, **SETTINGS).fit(X)
    assert -detector.score_samples(X).mean() == pytest.approx(losses(detector)[0], rel=1e-5)


def test_the_soft_boundary_loss_by_hand():
    X = subspace(256)
    detector = DeepSVDD(
        "soft-boundary", nu=0.2, max_epochs=3, warm_up_epochs=1, lr=1e-12, **SETTINGS
    ).fit(X)
    radius = detector.radius_
    distance2 = radius**2 - detector.score_samples(X)
    assert radius**2 == pytest.approx(np.quantile(distance2, 0.8))
    np.testing.assert_allclose(losses(detector, "radius"), [0, radius, radius], rtol=1e-5)
    expected = radius**2 + np.maximum(0, distance2 - radius**2).mean() / 0.2
    np.testing.assert_allclose(losses(detector), [distance2.mean() / 0.2, expected, expected], 1e-5)


@pytest.mark.parametrize("nu", [0.05, 0.3])
def test_nu_is_the_share_outside(nu):
    X = subspace(400)
    detector = DeepSVDD("soft-boundary", nu=nu, **SETTINGS).fit(X)
    assert np.mean(detector.score_samples(X) < 0) == pytest.approx(nu, abs=0.005)
    radius = losses(detector, "radius")
    assert (radius[:10] == 0).all()  # the warm-up
    assert (radius[10:] > 0).all()
    assert detector.radius_ == pytest.approx(radius[-1], rel=0.2)


def test_center_is_the_first_mean_moved_off_zero():
    X = np.array([[3.0, 0, -0.02, 0.02, -0.7], [1.0, 0, -0.02, 0.02, -0.7]])
    rows = Rows(X, np.zeros(5), np.ones(5), "cpu")
    center = first_center(torch.nn.Identity(), rows)
    np.testing.assert_allclose(center, [2.0, 0.1, -0.1, 0.1, -0.7], rtol=1e-6)


def test_zero_stays_zero():
    X = subspace(200)
    for options in ({}, {"hidden_layer_sizes": ()}, {"hidden_layer_sizes": (8, 8, 8)}):
        detector = DeepSVDD(max_epochs=5, **options, **SETTINGS).fit(X)
        assert not any("bias" in name for name in detector.weights_)
        assert (np.abs(detector.center_) >= 0.1 - 1e-7).all()
        score = detector.score_samples(detector.location_[None])
        np.testing.assert_allclose(score, -np.square(detector.center_).sum(), rtol=1e-12)


def test_batch_norm_is_not_affine_and_takes_any_number_of_rows():
    for n in (128, 129, 130, 3):  # of 129, the last batch would have one row
        detector = DeepSVDD(batch_norm=True, max_epochs=2, **SETTINGS).fit(subspace(n))
    assert set(detector.weights_) == {
        "0.weight", "1.running_mean", "1.running_var", "1.num_batches_tracked", "3.weight",
    }  # fmt: skip


def test_every_pass_takes_all_rows_in_another_order():
    rows = Rows(np.arange(50.0)[:, None], np.zeros(1), np.ones(1), "cpu")

    def orders(seed):
        batches = Batches(rows, 20, torch.Generator().manual_seed(seed))
        return [torch.cat([x.flatten().clone() for x, _ in batches]).numpy() for _ in range(2)]

    first, second = orders(0)
    assert sorted(first) == sorted(second) == list(range(50))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, orders(0)[0])
    assert not np.array_equal(first, orders(1)[0])
    assert [len(x) for x, _ in Batches(rows, 20)] == [20, 20, 10]
    assert [len(x) for x, _ in Batches(rows, 7)][-1] == 2  # of which one was in the batch before


def test_rows_come_in_an_order_that_the_seed_decides(monkeypatch):
    seeds = []
    make_batches = _svdd_train.Batches

    def batches(dataset, batch_size, generator=None):
        seeds.append(generator and generator.initial_seed())
        return make_batches(dataset, batch_size, generator)

    monkeypatch.setattr(_svdd_train, "Batches", batches)
    for seed in (0, 0, 1):
        DeepSVDD(max_epochs=1, device="cpu", random_state=seed).fit(subspace(50))
    assert seeds[0] == seeds[1] != seeds[2]
    assert None not in seeds


def test_pretraining_reconstructs():
    X = subspace(400)
    detector = DeepSVDD(pretrain_epochs=20, max_epochs=5, **SETTINGS).fit(X)
    errors = [epoch["train_loss"] for epoch in detector.pretrain_history_]
    assert len(errors) == 20
    assert errors[-1] < 0.1 < errors[0]
    output, target = torch.zeros(2, 4), torch.tensor([[[1.0, 2], [3, 4]], [[0, 0], [0, 0]]])
    assert ReconstructionLoss()(output, target) == 30 / 8
    plain = DeepSVDD(max_epochs=5, **SETTINGS).fit(X)
    assert plain.pretrain_history_ == []
    assert not np.array_equal(plain.center_, detector.center_)


def test_early_stopping_returns_to_the_best_epoch():
    X = np.random.default_rng(0).normal(size=(60, 100))  # far too few rows to learn from
    settings = {"early_stopping": True, "validation_fraction": 0.3, "lr": 0.01, **SETTINGS}
    detector = DeepSVDD(max_epochs=300, n_iter_no_change=7, **settings).fit(X)
    held_out = losses(detector, "valid_loss")
    best = int(held_out.argmin())
    assert detector.n_iter_ == best + 1 + 7 < 300
    shorter = DeepSVDD(max_epochs=best + 1, **settings).fit(X)
    assert shorter.score_samples(X).tobytes() == detector.score_samples(X).tobytes()


def test_held_out_rows_are_not_trained_on():
    X = subspace(50)
    settings = {"early_stopping": True, "max_epochs": 3, **SETTINGS}
    scores = DeepSVDD(**settings).fit(X).score_samples(X)
    assert not np.array_equal(scores, DeepSVDD(max_epochs=3, **SETTINGS).fit(X).score_samples(X))
    for n, message in ((1, "n_samples=1"), (2, "early stopping holds out 1")):
        with pytest.raises(ValueError, match=message):
            DeepSVDD(**settings).fit(X[:n])


@pytest.mark.parametrize(
    "options", [{}, {"objective": "soft-boundary"}, {"early_stopping": True}, {"batch_norm": True}]
)
def test_fakes_are_never_learned_from(options):
    genuine, fake = subspace(150), subspace(50, seed=1, noise=2.0)
    X = np.insert(genuine, np.linspace(0, 150, 50).astype(int), fake, axis=0)
    y = np.where((X[:, np.newaxis] == fake).all(axis=2).any(axis=1), -1, 1)
    assert (y == -1).sum() == 50
    settings = {"max_epochs": 12, **options, **SETTINGS}
    single, mixed = DeepSVDD(**settings).fit(genuine), DeepSVDD(**settings).fit(X, y)
    assert mixed.score_samples(X).tobytes() == single.score_samples(X).tobytes()
    assert (mixed.offset_, mixed.history_) == (single.offset_, single.history_)
    assert not np.array_equal(DeepSVDD(**settings).fit(X).score_samples(X), single.score_samples(X))


@pytest.mark.parametrize("scale", [2.0**-30, 2.0**30])
def test_scale_of_the_data_does_not_matter(scale):
    # Squared differences of unit embeddings are about 1e-8 and less.
    X, new = subspace(200), subspace(50, seed=1)
    scores = DeepSVDD(max_epochs=5, **SETTINGS).fit(X).score_samples(new)
    scaled = DeepSVDD(max_epochs=5, **SETTINGS).fit(X * scale).score_samples(new * scale)
    np.testing.assert_allclose(scaled, scores, rtol=1e-12)


def test_a_feature_that_does_not_vary_counts_when_it_does():
    X = np.column_stack([subspace(200), np.full(200, 0.1)]) * 1e-8
    detector = DeepSVDD(**SETTINGS).fit(X)
    shifted = X[:1].copy()
    shifted[0, -1] += 1e-7
    assert detector.score_samples(shifted) < detector.offset_ < detector.score_samples(X).max()


@pytest.mark.parametrize("options", [{}, {"objective": "soft-boundary", "batch_norm": True}])
def test_a_row_does_not_depend_on_its_batch(options):
    X = subspace(5000, d=500)
    detector = DeepSVDD(max_epochs=2, **options, **SETTINGS).fit(X)
    scores = detector.score_samples(X)
    assert scores.dtype == np.float64
    single = np.concatenate([detector.score_samples(X[i : i + 1]) for i in range(0, 5000, 250)])
    np.testing.assert_allclose(scores[::250], single, rtol=1e-9)


@pytest.mark.parametrize("contamination", [0.01, 0.5])
def test_offset_rejects_the_requested_fraction(contamination):
    X = subspace(300)
    detector = DeepSVDD(max_epochs=3, contamination=contamination, **SETTINGS).fit(X)
    assert np.mean(detector.predict(X) == -1) == pytest.approx(contamination)


def test_search_over_objectives():
    rng = np.random.default_rng(0)
    noise = np.repeat([0.3, 1.0], 120)[:, None, None]
    X = rng.normal(size=(240, 1, 16)) + noise * rng.normal(size=(240, 2, 16))
    y = np.repeat([1, -1], 120)
    pipe = Pipeline([("diff", PairDifference()), ("detect", DeepSVDD(max_epochs=10, **SETTINGS))])
    search = GridSearchCV(
        pipe,
        {"diff__operator": ["subtract", "squared"], "detect__objective": OBJECTIVES},
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
        scoring="roc_auc",
        error_score="raise",
    ).fit(X, y)
    assert search.best_score_ > 0.95
    repeated = clone(search.best_estimator_).fit(X[y == 1])  # the refit saw no fake either
    np.testing.assert_array_equal(search.score_samples(X), repeated.score_samples(X))


def test_layers_of_the_network():
    plain, normed = (make_mlp([5, 4, 3, 2], batch_norm=norm) for norm in (False, True))
    assert [type(layer).__name__ for layer in plain] == [
        *("_UninitializedLinear", "LeakyReLU") * 2,
        "_UninitializedLinear",
    ]
    assert [layer.negative_slope for layer in plain[1::2]] == [0.1, 0.1]
    assert [tuple(layer.weight.shape) for layer in plain[::2]] == [(4, 5), (3, 4), (2, 3)]
    assert all(layer.bias is None for layer in plain[::2])
    norms = [layer for layer in normed if isinstance(layer, torch.nn.BatchNorm1d)]
    assert [(norm.num_features, norm.eps, norm.affine) for norm in norms] == [
        (4, 1e-4, False),
        (3, 1e-4, False),
    ]


def test_initial_weights_are_orthogonal_and_keep_the_scale():
    network = initialize(make_mlp([6, 4, 4], batch_norm=False), torch.Generator().manual_seed(0))
    gain = np.sqrt(2 / (1 + 0.1**2))
    for layer in network[::2]:
        product = (layer.weight @ layer.weight.T).detach().numpy()
        np.testing.assert_allclose(product, gain**2 * np.eye(4), atol=1e-5)


@pytest.mark.parametrize(("fraction", "collapsed"), [(0.009, True), (0.011, False)])
def test_collapse_is_a_hundredth_of_the_spread(fraction, collapsed):
    initial = torch.tensor([[1.0, 0.0], [-1.0, 2.0]], dtype=torch.float64)
    if collapsed:
        with pytest.raises(RuntimeError, match=r"collapsed.* from 1\.41 to 0\.0127; final loss 3"):
            CollapseProbe.compare(initial, fraction * initial, 3.0)
    else:
        CollapseProbe.compare(initial, fraction * initial, 3.0)


def test_the_probe_of_collapse_is_rows_and_wider_noise():
    X = np.zeros((400, 3))
    probe = CollapseProbe(X, 0)
    assert probe.rows.shape == (800, 3)
    np.testing.assert_array_equal(probe.rows[:400].numpy(), X)
    assert probe.rows[400:].std() == pytest.approx(3.0, rel=0.1)


@pytest.mark.parametrize(("last", "n_warnings"), [(0.0101, 0), (0.0099, 1)])
def test_a_loss_that_shrinks_to_a_hundredth_is_warned_about(last, n_warnings):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _svdd_train._warn_of_shrinking(2.0, 2.0 * last)
    assert len(caught) == n_warnings


@pytest.mark.parametrize("pretrain_epochs", [0, 3])
def test_the_progress_bar_counts_the_epochs_of_a_fit(monkeypatch, pretrain_epochs):
    totals, progress_bar = [], _svdd_train.progress_bar

    def recorded(**options):
        totals.append(options["total"])
        return progress_bar(**options)

    monkeypatch.setattr(_svdd_train, "progress_bar", recorded)
    detector = DeepSVDD(max_epochs=5, pretrain_epochs=pretrain_epochs, warm_start=True, **SETTINGS)
    X = subspace(60)
    assert len(losses(detector.fit(X))) == 5
    assert len(losses(detector.fit(X))) == 10
    assert totals == [5 + pretrain_epochs, 5]
