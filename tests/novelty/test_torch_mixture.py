"""The mixture fitted with torch is the one that scikit-learn fits."""

import warnings
from pathlib import Path

import forked_programs
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from sklearn_diffake.novelty import GaussianMixtureDetector
from sklearn_diffake.novelty import _gaussian_mixture as gaussian_mixture
from sklearn_diffake.utils import _device

torch_mixture = pytest.importorskip("sklearn_diffake.novelty._torch_mixture")

ROOT = Path(__file__).resolve().parents[2]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
ATTRIBUTES = ["weights_", "means_", "covariances_", "precisions_cholesky_", "precisions_"]


def overlapping(n, d, seed=0):
    """Three clusters near each other, so that k-means and the mixture need many steps."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * rng.uniform(0.5, 2.0, d)
    return X + 2.0 * np.eye(3, d)[rng.integers(0, 3, n)]


def fitted_by_both(X, device, **settings):
    settings = {"max_iter": 200, "random_state": 0, **settings}
    reference_value = GaussianMixture(**settings).fit(X)
    our_value = GaussianMixture(**settings)
    torch_mixture.fit(our_value, X, device)
    return our_value, reference_value


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("covariance_type", ["full", "tied"])
@pytest.mark.parametrize("n_components", [1, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_same_fit_as_scikit_learn(device, covariance_type, n_components, seed):
    X = overlapping(900, 12, seed)
    our_value, reference_value = fitted_by_both(
        X, device, n_components=n_components, covariance_type=covariance_type, random_state=seed
    )
    assert our_value.n_iter_ == reference_value.n_iter_
    assert n_components == 1 or our_value.n_iter_ > 3
    assert our_value.converged_
    assert reference_value.converged_
    assert our_value.lower_bound_ == pytest.approx(reference_value.lower_bound_, abs=1e-9)
    for name in ATTRIBUTES:
        np.testing.assert_allclose(
            getattr(our_value, name), getattr(reference_value, name), atol=1e-8
        )
    new = overlapping(100, 12, seed=9)
    np.testing.assert_allclose(
        our_value.score_samples(new), reference_value.score_samples(new), atol=1e-8
    )
    np.testing.assert_allclose(
        torch_mixture.score_samples(our_value, new, device),
        reference_value.score_samples(new),
        atol=1e-8,
    )


@pytest.mark.parametrize("device", DEVICES)
def test_many_features_and_small_variances(device):
    rng = np.random.default_rng(0)
    pairs = rng.normal(size=(700, 2, 128)) + 2 * rng.normal(size=(700, 1, 128))
    pairs /= np.linalg.norm(pairs, axis=2, keepdims=True)
    X = (pairs[:, 0] - pairs[:, 1]) ** 2  # variances near 1e-4 and below
    X -= X.mean(axis=0)
    our_value, reference_value = fitted_by_both(X, device, n_components=2, reg_covar=1e-6 * X.var())
    np.testing.assert_allclose(
        our_value.score_samples(X), reference_value.score_samples(X), atol=1e-6
    )


def test_the_best_of_several_starts_is_kept():
    X = overlapping(300, 4)
    our_value, reference_value = fitted_by_both(X, "cpu", n_components=6, n_init=5)
    once, _ = fitted_by_both(X, "cpu", n_components=6, n_init=1)
    assert our_value.lower_bound_ > once.lower_bound_
    assert our_value.lower_bound_ == pytest.approx(reference_value.lower_bound_, abs=1e-9)
    assert our_value.n_iter_ == reference_value.n_iter_


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("n", "n_clusters"), [(400, 2), (400, 7), (5000, 8)])
def test_same_clusters_as_scikit_learn(seed, n, n_clusters):
    X = overlapping(n, 5, seed)  # the larger stop by their tolerance, the smaller at a standstill
    reference_value = torch_mixture.KMeans(n_clusters, n_init=1, random_state=seed).fit(X).labels_
    random_state = np.random.RandomState(seed)
    data = torch_mixture.torch.as_tensor(X)
    our_value = torch_mixture._clusters(X, data, n_clusters, random_state).argmax(dim=1)
    np.testing.assert_array_equal(our_value, reference_value)


def test_empty_clusters_are_left_to_scikit_learn():
    X = np.repeat(np.eye(2), 20, axis=0)
    with pytest.warns(ConvergenceWarning, match="distinct clusters"):
        our_value = torch_mixture._clusters(
            X, torch_mixture.torch.as_tensor(X), 3, np.random.RandomState(0)
        ).argmax(dim=1)
    with pytest.warns(ConvergenceWarning, match="distinct clusters"):
        reference_value = torch_mixture.KMeans(3, n_init=1, random_state=0).fit(X).labels_
    np.testing.assert_array_equal(our_value, reference_value)


def test_input_is_left_as_it_was():
    X = overlapping(200, 4)
    original = X.copy()
    X.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch: the array is not writable
        our_value, _ = fitted_by_both(X, "cpu", n_components=2)
        torch_mixture.score_samples(our_value, X, "cpu")
    np.testing.assert_array_equal(X, original)


def test_a_fit_that_does_not_converge_says_so():
    X = overlapping(400, 4)
    mixture = GaussianMixture(5, max_iter=2, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        torch_mixture.fit(mixture, X, "cpu")
    assert not mixture.converged_
    assert mixture.n_iter_ == 2


def test_singular_covariance_is_an_error():
    X = overlapping(100, 4)
    X[:, 3] = X[:, 2]
    with pytest.raises(ValueError, match="ill-defined empirical covariance"):
        torch_mixture.fit(GaussianMixture(2, reg_covar=0, random_state=0), X, "cpu")


@pytest.fixture
def torch_on_cpu(monkeypatch):
    """Let the detector take the way of a GPU, on the CPU."""
    monkeypatch.setattr(GaussianMixtureDetector, "_accelerator", lambda self: "cpu")


@pytest.mark.parametrize("options", [{}, {"covariance_type": "tied"}, {"shrinkage": "auto"}])
def test_detector_is_the_same_either_way(monkeypatch, torch_on_cpu, options):
    X = overlapping(600, 8)
    calls = []
    fit = torch_mixture.fit
    monkeypatch.setattr(torch_mixture, "fit", lambda *args: calls.append(1) or fit(*args))
    our_value = GaussianMixtureDetector(random_state=0, **options).fit(X)
    monkeypatch.undo()
    reference_value = GaussianMixtureDetector(random_state=0, **options).fit(X)
    assert calls == [1]
    assert our_value.offset_ == pytest.approx(reference_value.offset_, abs=1e-8)
    assert our_value.n_iter_ == reference_value.n_iter_
    assert our_value.converged_ == reference_value.converged_
    np.testing.assert_allclose(
        our_value.score_samples(X), reference_value.score_samples(X), atol=1e-8
    )


def test_saved_state_is_of_the_same_kind_either_way(monkeypatch, torch_on_cpu):
    skops_io = pytest.importorskip("skops.io")
    X = overlapping(300, 6)
    our_value = GaussianMixtureDetector(random_state=0).fit(X)
    data = skops_io.dumps(our_value)
    monkeypatch.undo()
    reference_value = GaussianMixtureDetector(random_state=0).fit(X)
    untrusted = skops_io.get_untrusted_types(data=data)
    assert untrusted == skops_io.get_untrusted_types(data=skops_io.dumps(reference_value))
    loaded = skops_io.loads(data, trusted=untrusted)
    assert loaded.decision_function(X).tobytes() == our_value.decision_function(X).tobytes()
    assert vars(reference_value.mixture_).keys() <= vars(our_value.mixture_).keys()
    for name in ATTRIBUTES:
        created, expected = (
            getattr(our_value.mixture_, name),
            getattr(reference_value.mixture_, name),
        )
        assert (type(created), created.dtype, created.shape) == (
            np.ndarray,
            np.float64,
            expected.shape,
        )
        assert created.flags.c_contiguous


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_detector_on_a_gpu(device):
    X = overlapping(3000, 64)
    our_value = GaussianMixtureDetector(device=device, random_state=0).fit(X)
    reference_value = GaussianMixtureDetector(random_state=0).fit(X)
    assert our_value.offset_ == pytest.approx(reference_value.offset_, abs=1e-6)
    np.testing.assert_allclose(
        our_value.score_samples(X), reference_value.score_samples(X), atol=1e-6
    )
    repeated = GaussianMixtureDetector(device=device, random_state=0).fit(X)
    assert repeated.score_samples(X).tobytes() == our_value.score_samples(X).tobytes()


@pytest.mark.parametrize(
    ("present", "requested", "covariance_type", "used_device"),
    [
        ("cuda", "auto", "full", "cuda"),
        ("cuda", "cuda", "tied", "cuda"),
        ("cuda", "cuda", "diag", None),
        ("cpu", "auto", "full", None),
        ("mps", "auto", "full", None),  # mps has no float64
        ("cuda", "cpu", "full", None),
    ],
)
def test_choice_of_device(monkeypatch, present, requested, covariance_type, used_device):
    monkeypatch.setattr(_device, "resolve_device", lambda device: present)
    detector = GaussianMixtureDetector(device=requested, covariance_type=covariance_type)
    assert detector._accelerator() == used_device


def test_devices_that_cannot_be_used(monkeypatch):
    X = overlapping(100, 4)
    with pytest.raises(ValueError, match="device must be a device of torch, got 'quantum'"):
        GaussianMixtureDetector(device="quantum").fit(X)
    with pytest.raises(ValueError, match="'device' parameter of GaussianMixtureDetector must be"):
        GaussianMixtureDetector(device=None).fit(X)
    monkeypatch.setattr(_device, "resolve_device", lambda device: "mps")
    with pytest.raises(ValueError, match="device='mps' cannot fit a mixture, which needs float64"):
        GaussianMixtureDetector(device="mps").fit(X)


def test_the_default_loads_no_torch():
    code = (
        "import sys, numpy as np\n"
        f"from {gaussian_mixture.__name__} import GaussianMixtureDetector\n"
        "GaussianMixtureDetector(1).fit(np.random.default_rng(0).normal(size=(50, 3)))\n"
        "assert 'torch' not in sys.modules"
    )
    forked_programs.run(code, cwd=ROOT, libraries=forked_programs.SCIKIT_LEARN)
