"""Training of ForgeryEmbedder: it learns, from genuine faces only, the same in every way."""

import multiprocessing

import numpy as np
import pytest
import torch
from forgery_cases import EasyFakes, crops, embedder, pairs, same_weights
from image_helpers import save_all
from sklearn.metrics import roc_auc_score

from sklearn_diffake import generation
from sklearn_diffake.embedding.forgery._checkpoint import Progress
from sklearn_diffake.embedding.forgery._crops import BatchLoader, EpochBatches, FakeDataset
from sklearn_diffake.embedding.forgery._sam import SAM, batch_norms
from sklearn_diffake.embedding.forgery._training import RealOrFakeLoss
from sklearn_diffake.faces import MissingFace


@pytest.fixture
def easy(monkeypatch):
    """Fakes that a small network tells from real crops within seconds."""
    monkeypatch.setattr(generation, "PseudoDeepfakeDataset", EasyFakes)
    monkeypatch.setattr(EasyFakes, "instances", [])
    return EasyFakes


# --- it learns ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [0, 0.05])
def test_loss_falls_and_validation_rises(easy, rho):
    model = embedder(max_epochs=12, lr=0.2, rho=rho).fit(pairs(24))
    first, last = model.history_[0], model.history_[-1]
    assert first["valid_auc"] < 0.8 < 0.99 < model.validation_auc_
    assert last["train_loss"] < 0.2 * first["train_loss"]
    assert last["valid_loss"] < 0.5 * first["valid_loss"]
    real = crops(16, seed=5)
    fake = np.stack([pair[1] for pair in easy(real, identity=None, seed=9)])
    scores = np.concatenate([model.score_images(real), model.score_images(fake)])
    assert roc_auc_score(np.repeat([1, -1], 16), scores) > 0.99
    assert model.score_images(real).min() > 0 > model.score_images(fake).max()


def test_scores_are_the_classifier_on_the_embeddings(easy):
    model = embedder(max_epochs=6, lr=0.2).fit(pairs())
    X = pairs(3, seed=1)
    scores = model.score_images(X)
    assert scores.shape == (3, 2)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, model.transform(X) @ model.coef_ + model.intercept_, 1e-5)
    np.testing.assert_allclose(model.score_images(X[:, 1]), scores[:, 1], rtol=1e-5)


def test_settings_reach_what_makes_the_fakes(easy):
    expected = {
        "techniques": ["a"],
        "landmarks": "dlib",
        "margin": 0.3,
        "augment": "video",
        "blending": "mixed",
        "match_sharpness": 0.5,
    }
    embedder(**expected).fit(pairs())
    train, valid = easy.instances
    assert train.settings == valid.settings == expected
    assert train.seed != valid.seed
    assert valid.crops[0].shape == (32, 32, 3)


def test_every_epoch_has_other_fakes_and_another_order(monkeypatch, easy):
    requests = []
    getitem = easy.__getitem__
    monkeypatch.setattr(
        easy,
        "__getitem__",
        lambda self, i: requests.append((self, self.epoch, i)) or getitem(self, i),
    )
    embedder(n_best=1).fit(pairs())
    train, valid = easy.instances
    epochs = [
        [i for dataset, epoch, i in requests if dataset is train and epoch == e] for e in (1, 2, 3)
    ]
    assert all(sorted(order) == list(range(len(train))) for order in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    valid_requests = [(epoch, i) for dataset, epoch, i in requests if dataset is valid]
    assert valid_requests == [(0, i) for i in range(6)] * 3


def test_short_epochs_take_other_images_each(monkeypatch, easy):
    requests = {}
    getitem = easy.__getitem__

    def noting(self, i):
        requests.setdefault((self, self.epoch), []).append(i)
        return getitem(self, i)

    monkeypatch.setattr(easy, "__getitem__", noting)
    embedder(n_best=1, images_per_epoch=10).fit(pairs())
    train, valid = easy.instances
    epochs = [sorted(requests[train, epoch]) for epoch in (1, 2, 3)]
    assert all(len(set(rows)) == 10 for rows in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert requests[valid, 0] == list(range(6)) * 3


def test_an_epoch_is_never_longer_than_the_data(easy):
    all_images, longer = (
        embedder(max_epochs=2, images_per_epoch=number).fit(pairs()) for number in (None, 1000)
    )
    assert same_weights(all_images, longer)


def test_training_on_video_is_resumed_bit_for_bit(tmp_path):
    pytest.importorskip("av")
    settings = {"augment": "video", "blending": "mixed", "match_sharpness": 0.5, "techniques": None}
    settings |= {"images_per_epoch": 8, "max_epochs": 2, "checkpoint_dir": tmp_path}
    uninterrupted = embedder(**{**settings, "checkpoint_dir": None}).fit(pairs())
    close = Progress.close_epoch

    def interrupted(self, net):
        if self.history:
            raise KeyboardInterrupt
        return close(self, net)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Progress, "close_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            embedder(**settings).fit(pairs())
    assert same_weights(embedder(**settings).fit(pairs()), uninterrupted)


def test_learning_rate_falls_over_the_last_quarter(easy):
    model = embedder(max_epochs=8, lr=0.1, validation_fraction=0, batch_size=6).fit(pairs())
    steps = np.arange(1, 9) * 4 - 1  # the last step of each epoch, of 32 steps
    expected = 0.1 * np.minimum(1, (32 - steps) / 8)
    np.testing.assert_allclose([epoch["lr"] for epoch in model.history_], expected)
    assert expected[5] == 0.1 > expected[6] > expected[7] > 0


# --- sharpness-aware minimization --------------------------------------------------------------


@pytest.mark.parametrize(("rho", "momentum"), [(0, 0), (0.1, 0), (0.1, 0.9)])
def test_sam_steps_by_hand(rho, momentum):
    curvature, w = np.array([1.0, 10.0]), np.array([2.0, -1.0])
    weights = torch.nn.Parameter(torch.tensor(w))
    sam = SAM([weights], lr=0.01, momentum=momentum, rho=rho)

    def closure():
        sam.zero_grad()
        loss = (torch.tensor(curvature) * weights**2).sum() / 2
        loss.backward()
        return loss

    speed = np.zeros(2)
    for _ in range(3):
        at_weights = (curvature * w**2).sum() / 2
        gradient = curvature * w
        worst = w + rho * gradient / np.linalg.norm(gradient)
        speed = momentum * speed + curvature * worst
        w = w - 0.01 * speed
        assert float(sam.step(closure).detach()) == pytest.approx(at_weights)
        np.testing.assert_allclose(weights.detach(), w)


def test_sam_leaves_running_statistics_of_the_second_pass_out():
    torch.manual_seed(0)
    norm = torch.nn.BatchNorm1d(2)
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), norm, torch.nn.Linear(2, 1))
    x = torch.randn(8, 2)
    once = 0.1 * module[0](x).mean(dim=0)
    passes = []
    sam = SAM(module.parameters(), lr=0.1, rho=0.5, batch_norms=batch_norms(module))

    def closure():
        sam.zero_grad()
        loss = module(x).square().mean()
        loss.backward()
        passes.append(float(loss.detach()))
        return loss

    sam.step(closure)
    assert len(passes) == 2
    assert passes[1] > passes[0]
    torch.testing.assert_close(norm.running_mean, once)
    assert norm.num_batches_tracked == 1
    assert norm.momentum == 0.1


def test_sam_survives_a_gradient_of_zero():
    weight = torch.nn.Parameter(torch.ones(2))
    sam = SAM([weight], lr=0.1)

    def closure():
        sam.zero_grad()
        loss = (0 * weight).sum()
        loss.backward()
        return loss

    sam.step(closure)
    torch.testing.assert_close(weight.detach(), torch.ones(2))


# --- whom it learns from -----------------------------------------------------------------------


def test_fakes_are_not_even_read(easy, tmp_path):
    genuine, poison = crops(16), crops(8, seed=7)
    paths = save_all(genuine, tmp_path)
    clean = [(paths[2 * i], paths[2 * i + 1]) for i in range(8)]
    mixed = [row for i in range(4) for row in (*clean[2 * i : 2 * i + 2], (poison[i], "gone.png"))]
    y = np.tile([1, 1, -1], 4)
    model = embedder().fit(mixed, y)
    assert same_weights(model, embedder().fit(clean))
    assert set(y[model.validation_rows_]) == {1}
    training_crops = {crop.tobytes() for dataset in easy.instances for crop in dataset.crops}
    assert training_crops == {crop.tobytes() for crop in genuine}
    with pytest.raises(ValueError, match=r"^row 2, column 1, file 'gone.png': no such file"):
        embedder().fit(mixed, np.ones(12))


def test_pictures_of_templates_are_learned_from_like_those_of_pairs(easy, tmp_path):
    genuine = save_all(crops(16), tmp_path)
    templates = [([genuine[4 * i], genuine[4 * i + 1]], genuine[4 * i + 2 :][:2]) for i in range(4)]
    mixed = [templates[0], ([genuine[0], "gone.png"], "gone.png"), *templates[1:]]
    model = embedder().fit(mixed, [1, -1, 1, 1, 1])
    assert same_weights(model, embedder().fit(templates))
    assert 1 not in model.validation_rows_
    training_crops = {crop.tobytes() for dataset in easy.instances for crop in dataset.crops}
    assert training_crops == {crop.tobytes() for crop in crops(16)}


def test_rows_without_a_face_are_not_learned_from(easy):
    rows = [(crops(2)[0], MissingFace("no face was found")) for _ in range(3)]
    with (
        pytest.warns(UserWarning, match="3 of 3 rows are not learned from"),
        pytest.raises(ValueError, match="No genuine row to learn from: none of them has a face"),
    ):
        embedder().fit(rows)


def test_each_distinct_image_counts_once(easy):
    images = crops(10)
    often = np.concatenate([images, images[::-1], images[:4]])
    model = embedder(validation_fraction=0).fit(often)
    assert [len(dataset) for dataset in easy.instances] == [10]
    assert same_weights(model, embedder(validation_fraction=0).fit(list(images)))


def parts_of(easy, images):
    """Return the numbers of the images that were trained and validated on."""
    number = {image.tobytes(): i for i, image in enumerate(images)}
    return [[number[crop.tobytes()] for crop in dataset.crops] for dataset in easy.instances]


@pytest.mark.parametrize("seed", range(5))
def test_nobody_is_on_both_sides(easy, seed):
    """Eight people of four images, in two pairs each; every pair comes a second time."""
    images, person = crops(32), np.repeat(np.arange(8), 4)
    X = np.concatenate([images, images]).reshape(32, 2, 32, 32, 3)
    model = embedder(random_state=seed, max_epochs=1).fit(X, groups=np.tile(person[::2], 2))
    train, valid = parts_of(easy, images)
    assert sorted(train + valid) == list(range(32))
    assert len(valid) == 8
    assert {*person[train]}.isdisjoint(person[valid])
    for dataset, numbers in zip(easy.instances, (train, valid), strict=True):
        people = set(zip(dataset.identity, person[numbers], strict=True))
        assert len(people) == len({name for name, _ in people}) == len({p for _, p in people})
    held_out = {i % 32 for row in model.validation_rows_ for i in (2 * row, 2 * row + 1)}
    assert held_out == set(valid)
    assert len(model.validation_rows_) == 8


def test_rows_that_share_an_image_stay_together(easy):
    """Without groups: a chain of pairs is one person, whichever way it is linked."""
    images = crops(15)
    chains = [range(start, start + 5) for start in (0, 5, 10)]
    X = [(images[i], images[i + 1]) for chain in chains for i in chain[:-1]]
    model = embedder(max_epochs=1).fit(X)
    train, valid = parts_of(easy, images)
    assert sorted(valid) in [list(chain) for chain in chains]
    assert sorted(train + valid) == list(range(15))
    rows = model.validation_rows_
    assert list(rows) == list(range(rows[0], rows[0] + 4))
    assert rows[0] * 5 // 4 == min(valid)
    assert [len(set(dataset.identity)) for dataset in easy.instances] == [2, 1]


@pytest.mark.parametrize(("n", "fraction", "n_valid"), [(8, 0.01, 2), (8, 0.99, 6), (3, 0.01, 1)])
def test_blends_find_two_people_on_either_side(easy, n, fraction, n_valid):
    embedder(max_epochs=1, validation_fraction=fraction).fit(crops(n))
    assert [len(dataset) for dataset in easy.instances] == [n - n_valid, n_valid]


def test_groups_join_what_rows_do_not(easy):
    images = crops(12)
    embedder(max_epochs=1).fit(images, groups=[0, 1, 2] * 4)
    train, valid = parts_of(easy, images)
    assert {i % 3 for i in valid}.isdisjoint({i % 3 for i in train})
    assert len(valid) == 4


# --- the same everywhere -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference():
    return embedder(augment=True, techniques=None).fit(pairs())


def test_seeds(reference):
    def fit(seed):
        return embedder(augment=True, techniques=None, random_state=seed).fit(pairs())

    assert same_weights(fit(0), reference)
    assert not same_weights(fit(1), reference)
    assert not same_weights(fit(None), fit(None))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_processes_do_not_matter(reference, n_jobs):
    model = embedder(augment=True, techniques=None, n_jobs=n_jobs).fit(pairs())
    assert same_weights(model, reference)
    assert model.history_ == reference.history_


@pytest.mark.filterwarnings("ignore:Loky-backed parallel loops")
def test_a_daemon_makes_the_fakes_itself(reference, monkeypatch):
    """A process in a pool of multiprocessing must not have children."""
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    model = embedder(augment=True, techniques=None, n_jobs=2).fit(pairs())
    assert same_weights(model, reference)


def test_global_random_state_is_left_alone_and_not_used(reference):
    np.random.seed(3)
    torch.manual_seed(3)
    states_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    model = embedder(augment=True, techniques=None).fit(pairs())
    np.testing.assert_array_equal(np.random.get_state()[1], states_before[0])
    torch.testing.assert_close(torch.get_rng_state(), states_before[1])
    assert same_weights(model, reference)


def test_the_shared_backbone_is_not_trained(reference):
    from sklearn_diffake.embedding import FaceEmbedder

    images = crops(4)
    fresh = FaceEmbedder("forgery_cases:tiny", device="cpu").fit(images)
    embeddings_before = fresh.transform(images)
    embedder(lr=0.5).fit(pairs())
    np.testing.assert_array_equal(fresh.transform(images), embeddings_before)


def test_mixed_precision_trains_nearly_the_same(reference):
    model = embedder(augment=True, techniques=None, dtype="bfloat16").fit(pairs())
    assert not same_weights(model, reference)
    for name, array in model.weights_.items():
        np.testing.assert_allclose(array, reference.weights_[name], atol=0.04)
    losses = [[f["train_loss"] for f in m.history_] for m in (model, reference)]
    np.testing.assert_allclose(*losses, atol=0.01)


# --- the best epochs ---------------------------------------------------------------------------


def test_best_epochs_are_averaged(easy):
    best_only = embedder(max_epochs=6, lr=0.1, n_best=1).fit(pairs())
    ranked = sorted(best_only.history_, key=lambda f: (-f["valid_auc"], f["valid_loss"]))
    assert best_only.best_epochs_ == [ranked[0]["epoch"]]
    assert best_only.validation_auc_ == ranked[0]["valid_auc"]
    model = embedder(max_epochs=6, lr=0.1, n_best=3).fit(pairs())
    assert model.best_epochs_ == [figures["epoch"] for figures in ranked[:3]]
    assert model.validation_auc_ >= ranked[0]["valid_auc"]
    assert not same_weights(model, best_only)


def test_the_average_is_that_of_the_checkpoints(easy, tmp_path):
    from safetensors.numpy import load_file

    model = embedder(max_epochs=6, lr=0.1, checkpoint_dir=tmp_path).fit(pairs())
    networks = [load_file(tmp_path / f"epoch-{e:04}.safetensors") for e in model.best_epochs_]
    assert len(networks) == 3
    for name, array in model.weights_.items():
        mean = np.mean([arrays[name] for arrays in networks], axis=0)
        np.testing.assert_allclose(array, mean.astype(array.dtype), rtol=1e-6, atol=1e-9)


def test_an_average_that_is_worse_is_not_taken(easy, monkeypatch):
    from sklearn_diffake.embedding.forgery import _training

    monkeypatch.setattr(_training, "validate", lambda net, valid: 0.0)
    model = embedder(max_epochs=6, lr=0.1, n_best=3).fit(pairs())
    monkeypatch.undo()
    monkeypatch.setattr(generation, "PseudoDeepfakeDataset", EasyFakes)
    assert same_weights(model, embedder(max_epochs=6, lr=0.1, n_best=1).fit(pairs()))
    assert len(model.best_epochs_) == 1


def test_logits_that_are_no_numbers_rank_nothing():
    right = torch.tensor([3.0, -1.0]), torch.tensor([1.0, 0.0])
    infinite = torch.tensor([torch.inf]), torch.ones(1)
    for batches, auc in (([right], 1.0), ([right, infinite], 0.0)):
        loss = RealOrFakeLoss().eval()
        for logits, targets in batches:
            loss(logits, targets)
        assert loss.pop_auc() == auc
        assert loss.validation_batches == []


def test_without_validation_the_last_epoch_is_taken(easy, tmp_path):
    from safetensors.numpy import load_file

    model = embedder(validation_fraction=0, checkpoint_dir=tmp_path).fit(pairs())
    assert model.best_epochs_ == [3]
    assert model.validation_auc_ is None
    assert len(model.validation_rows_) == 0
    assert {f["valid_auc"] for f in model.history_} == {None}
    last = load_file(tmp_path / "epoch-0003.safetensors")
    assert all(np.array_equal(last[name], array) for name, array in model.weights_.items())


def test_early_stopping(easy):
    settings = {"max_epochs": 30, "lr": 0.2, "n_iter_no_change": 2}
    model = embedder(**settings).fit(pairs())
    aucs = [figures["valid_auc"] for figures in model.history_]
    assert 3 <= model.n_iter_ == int(np.argmax(aucs)) + 3 < 30
    longer = embedder(**settings, early_stopping=False, rho=0).fit(pairs())
    assert longer.n_iter_ == 30


# --- batches -----------------------------------------------------------------------------------


def test_batches_hold_real_crops_and_their_own_fakes():
    images = crops(10)
    fakes = FakeDataset({"train": EasyFakes(images, identity=None, seed=0)})
    loader = BatchLoader(fakes, 0, pin_memory=False)
    batches = EpochBatches(loader, "train", 10, 4, seed=1)
    sizes = []
    for batch, target in batches:
        half = len(batch) // 2
        sizes.append(half)
        assert target.tolist() == [1] * half + [0] * half
        change = np.abs(batch[:half].numpy().astype(int) - batch[half:].numpy()).sum(axis=-1)
        assert (change[:, 8:24, 8:24] > 0).mean() > 0.95
        assert (change[:, :8] == 0).all()
    assert sizes == [4, 3, 3]
    assert 0 < loader.waiting_fraction < 1


def test_progress_is_shown_only_if_asked_for(capsys):
    embedder(verbose=1, max_epochs=1).fit(pairs())
    output = capsys.readouterr().err
    assert "ForgeryEmbedder" in output
    assert "AUC=" in output
    embedder(max_epochs=1).fit(pairs())
    assert capsys.readouterr().err == ""
