"""Deep SVDD without autograd: the same gradients, training and history as with it."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sklearn_diffake.novelty import DeepSVDD
from sklearn_diffake.novelty._svdd_closed_form import ClosedFormGradients, ClosedFormNet
from sklearn_diffake.novelty._svdd_losses import ReconstructionLoss, SVDDLoss
from sklearn_diffake.novelty._svdd_net import initialize, make_mlp
from tests.novelty.deep_svdd_cases import SETTINGS, subspace

WIDTHS = {"no hidden layer": (6, 4), "one": (6, 9, 4), "three": (6, 12, 5, 8, 4)}


def network(sizes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return initialize(make_mlp(sizes, batch_norm=False), generator).to(dtype)


def loss_of(name, size):
    if name == "reconstruction":
        return ReconstructionLoss().train()
    loss = SVDDLoss(torch.full((size,), 0.3, dtype=torch.float64), 0.2 if "soft" in name else None)
    loss.radius2 = 2.0 if name == "soft boundary" else 0.0
    return loss.train()


class WaitsForBatches(Callback):
    """Has an event of batches, so that skorch's own training is taken."""

    def on_batch_end(self, net, **kwargs):
        """Count the batches."""
        self.n_batches = getattr(self, "n_batches", 0) + 1


@pytest.fixture
def closed_form_epochs(monkeypatch):
    """Count the epochs that are trained in closed form."""
    epochs, train_plain = [], ClosedFormNet._train_plain

    def counted(net, iterator):
        epochs.append(net)
        return train_plain(net, iterator)

    monkeypatch.setattr(ClosedFormNet, "_train_plain", counted)
    return epochs


@pytest.mark.parametrize("name", ["one class", "reconstruction", "soft boundary", "soft warm-up"])
@pytest.mark.parametrize("widths", sorted(WIDTHS))
@pytest.mark.parametrize("n_rows", [1, 7])
def test_gradients_are_those_of_autograd(name, widths, n_rows):
    sizes = WIDTHS[widths] if name != "reconstruction" else (*WIDTHS[widths], 6)
    mlp, criterion = network(sizes), loss_of(name, sizes[-1])
    rows = torch.from_numpy(np.random.default_rng(n_rows).normal(size=(n_rows, sizes[0])))
    expected_loss = criterion(mlp(rows), rows)
    expected = torch.autograd.grad(expected_loss, list(mlp.parameters()))
    distances = getattr(criterion, "distances", [])
    expected_distances = [distance.clone() for distance in distances] * 2
    distances.clear()
    gradients = ClosedFormGradients(mlp, criterion, largest_batch=7)
    gradients.attach()
    with torch.no_grad():
        for _ in range(2):  # the second overwrites what the first has left
            loss = gradients(rows, rows)
    torch.testing.assert_close(loss, expected_loss.detach(), rtol=1e-12, atol=0)
    for weight, gradient in zip(mlp.parameters(), expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-10, atol=1e-12)
    for distance, expected_distance in zip(distances, expected_distances, strict=True):
        torch.testing.assert_close(distance, expected_distance, rtol=1e-12, atol=0)


def test_rows_on_the_soft_boundary_or_at_zero_have_the_gradient_of_autograd():
    mlp = network((2, 2, 2))
    with torch.no_grad():
        for weight in mlp.parameters():
            weight.copy_(torch.eye(2))
    criterion = SVDDLoss(torch.zeros(2, dtype=torch.float64), 0.5).train()
    criterion.radius2 = 25.0
    rows = torch.tensor([[3.0, 4.0], [0.0, 6.0], [0.0, 0.0]], dtype=torch.float64)
    expected = torch.autograd.grad(criterion(mlp(rows), rows), list(mlp.parameters()))
    gradients = ClosedFormGradients(mlp, criterion, largest_batch=3)
    gradients.attach()
    with torch.no_grad():
        gradients(rows, rows)
    for weight, gradient in zip(mlp.parameters(), expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"objective": "soft-boundary", "warm_up_epochs": 2, "hidden_layer_sizes": (24, 12)},
        {"early_stopping": True, "weight_decay": 0.1, "lr": 3e-3},
        {"pretrain_epochs": 2, "hidden_layer_sizes": ()},
    ],
    ids=["defaults", "soft boundary", "early stopping", "pretraining"],
)
def test_a_fit_is_that_of_autograd(options, closed_form_epochs):
    X, new = subspace(133), subspace(40, seed=1, noise=1.0)
    settings = {"max_epochs": 6, "batch_size": 33, **SETTINGS, **options}
    plain = DeepSVDD(**settings).fit(X)
    n_closed_form = len(closed_form_epochs)
    assert n_closed_form == 6 + options.get("pretrain_epochs", 0)
    observer = WaitsForBatches()
    autograd = DeepSVDD(callbacks=[observer], **settings).fit(X)
    assert len(closed_form_epochs) == n_closed_form + options.get("pretrain_epochs", 0)
    assert observer.n_batches > 0
    for name, weights in autograd.weights_.items():
        np.testing.assert_allclose(plain.weights_[name], weights, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(plain.score_samples(new), autograd.score_samples(new), rtol=1e-4)
    assert plain.radius_ == pytest.approx(autograd.radius_, rel=1e-4)
    for epoch, expected in zip(plain.history_, autograd.history_, strict=True):
        assert list(epoch) == list(expected)
        assert epoch["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-4)


def test_the_batches_are_recorded_as_skorch_does(closed_form_epochs):
    class Batches(Callback):
        def on_epoch_end(self, net, **kwargs):
            recorded.append([dict(batch) for batch in net.history[-1]["batches"]])
            counts.append(net.history[-1, "train_batch_count"])

    recorded, counts, settings = [], [], {"max_epochs": 2, "batch_size": 30, **SETTINGS}
    for callbacks in ([Batches()], [Batches(), WaitsForBatches()]):
        DeepSVDD(callbacks=callbacks, **settings).fit(subspace(100))
    assert len(closed_form_epochs) == 2
    assert counts == [4] * 4
    for batches, expected in zip(recorded[:2], recorded[2:], strict=True):
        assert [batch["train_batch_size"] for batch in batches] == [30, 30, 30, 10]
        for batch, expected_batch in zip(batches, expected, strict=True):
            assert list(batch) == list(expected_batch)
            assert batch["train_loss"] == pytest.approx(expected_batch["train_loss"], rel=1e-5)


def hook_on_a_layer(net):
    net.module_[0].register_forward_hook(lambda *_: None)


def hook_on_a_weight(net):
    net.module_[0].weight.register_hook(lambda gradient: gradient)


def hook_on_the_optimizer(net):
    net.optimizer_.register_step_post_hook(lambda *_: None)


def frozen_layer(net):
    net.module_[0].weight.requires_grad_(requires_grad=False)


@pytest.mark.parametrize(
    "change", [frozen_layer, hook_on_a_layer, hook_on_a_weight, hook_on_the_optimizer]
)
def test_a_changed_net_is_trained_by_autograd(change, closed_form_epochs):
    class FromTheSecondEpoch(Callback):
        def on_epoch_end(self, net, **kwargs):
            first_weights.append(net.module_[0].weight.detach().clone())
            change(net)

    first_weights = []
    settings = {"max_epochs": 3, "batch_size": 16, **SETTINGS}
    DeepSVDD(callbacks=[FromTheSecondEpoch()], **settings).fit(subspace(64))
    assert len(closed_form_epochs) == 1
    assert torch.equal(first_weights[0], first_weights[2]) == (change is frozen_layer)


def test_a_callback_may_change_the_learning_rate(closed_form_epochs):
    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            weights.append(net.module_[0].weight.detach().clone())
            net.optimizer_.param_groups[0]["lr"] = 0.0

    weights = []
    DeepSVDD(max_epochs=3, callbacks=[Stop()], **SETTINGS).fit(subspace(64))
    assert len(closed_form_epochs) == 3
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])


def test_memory_is_for_the_rows_there_are_whatever_the_batch_size(closed_form_epochs):
    X = subspace(40)
    detectors = [
        DeepSVDD(max_epochs=2, batch_size=size, **SETTINGS).fit(X) for size in (40, 10**12)
    ]
    assert len(closed_form_epochs) == 4
    first, second = (detector.score_samples(X) for detector in detectors)
    np.testing.assert_array_equal(first, second)


def own_network(shape):
    return nn.Sequential(nn.Linear(*shape, 8, bias=False))


@pytest.mark.parametrize("options", [{"batch_norm": True}, {"encoder": own_network}])
def test_other_networks_are_trained_by_autograd(options, closed_form_epochs):
    DeepSVDD(max_epochs=1, **options, **SETTINGS).fit(subspace(64))
    assert not closed_form_epochs
