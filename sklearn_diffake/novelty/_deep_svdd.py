"""Deep SVDD: a network that learns to map genuine rows close to one point."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from joblib import effective_n_jobs
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from sklearn_diffake.base import BaseDetector, check_finite
from sklearn_diffake.novelty._standardise import standardisation
from sklearn_diffake.utils._device import resolve_device
from sklearn_diffake.utils._threads import torch_threads


class DeepSVDD(BaseDetector):
    """Score a row by its distance to the point that a network maps genuine rows to.

    Deep Support Vector Data Description [1]_: a network `phi` is trained so that the
    representations of genuine rows come close to a fixed centre `c`; what it was not trained on
    stays away from it. The score is ``R**2 - ||phi(x) - c||**2``, with the radius `R` of a sphere
    around the centre.

    Parameters
    ----------
    objective : {"one-class", "soft-boundary"}, default="one-class"
        Minimise the mean squared distance to the centre (equation 4 of [1]_), or the sphere around
        the centre that holds all but a share `nu` of the rows (equation 3). The second was meant
        for training rows of which a few are not genuine; that it bears them better is not what
        was measured on a small problem (the gallery's example on the two objectives).
    nu : float in (0, 1), default=0.1
        Share of the training rows that the soft boundary leaves outside.
    hidden_layer_sizes : sequence of int, default=(128,)
        Widths of the hidden layers.
    representation_size : int, default=64
        Width of the representation.
    encoder : str or callable, default=None
        A network of your own in place of the above two: a function (or class) that returns a new
        :class:`torch.nn.Module`, given itself or as ``"module:function"``. It is called with the
        shape of one row if it has a required argument, else without any. The module gets a batch
        of standardised rows, laid out as in `X` (images stay channels last), and returns one
        vector per row, in the number format of its input. It should have no biases, no affine
        norms and no bounded activations: with any of them, the network can learn to answer
        every input alike. To be saved, it must be importable by its name; a model file that is
        loaded imports it only if trusted to.
    batch_norm : bool, default=False
        Put batch normalisation without affine parameters before each activation.
    pretrain_epochs : int, default=0
        Epochs in which the encoder is first trained as one half of an autoencoder, whose other
        half mirrors `hidden_layer_sizes`, to reconstruct the standardised rows.
    max_epochs : int, default=50
        Epochs of training proper.
    warm_up_epochs : int, default=10
        Epochs before the soft boundary sets its radius for the first time.
    lr : float, default=1e-3
        Learning rate of Adam.
    weight_decay : float, default=1e-6
        Adam's L2 penalty.
    batch_size : int, default=128
        Rows in one step.
    early_stopping : bool, default=False
        Hold out `validation_fraction` of the genuine rows, stop when the loss on them has not
        improved for `n_iter_no_change` epochs, and return to the best epoch.
    validation_fraction : float in (0, 1), default=0.1
        Share of the genuine rows held out for `early_stopping`.
    n_iter_no_change : int, default=10
        Patience of `early_stopping`, in epochs.
    contamination : float in (0, 0.5], default=0.05
        Share of the genuine training rows that the threshold gives up, that is, which
        ``predict`` calls -1.
    callbacks : list, default=None
        Callbacks of skorch for the training proper. As they stand they are not touched: each fit
        takes a copy. Numbers that they record in the net's history are in ``history_``. Batches
        that they are shown are overwritten by later ones.
    device : str, default="auto"
        Where to train; "auto" takes cuda, then mps, then cpu. The rows are moved there at once.
        Scores are computed on the CPU.
    n_jobs : int, default=1
        Threads of torch on the CPU, -1 for all. One is best for small networks. Another number
        changes rounding, so that results may no longer be the same bit for bit in every process.
    random_state : int, RandomState instance or None, default=None
        Seeds the weights, the order of rows and which of them are held out. Pass an int for the
        same result on every fit.
    verbose : int, default=0
        Show a progress bar; with 2 also say how the training went.

    Attributes
    ----------
    weights_ : dict of str to ndarray
        Parameters and buffers of the network, under torch's names.
    center_ : ndarray of shape (representation_size,)
        The centre `c`: mean representation of the training rows before training (but
        after pretraining), no coordinate closer to zero than 0.1.
    radius_ : float
        The radius `R`: the 1 - `nu` quantile of the distances of the genuine training rows,
        held-out ones included; 0 for ``objective="one-class"``.
    history_ : list of dict
        Per epoch: `epoch`, `train_loss`, `valid_loss` (None without `early_stopping`), `radius`
        (the one that these losses were computed with) and what `callbacks` recorded. With the soft
        boundary, losses of the warm-up and after it are not comparable.
    pretrain_history_ : list of dict
        Per epoch of pretraining: `epoch` and `train_loss`, the mean squared error.
    n_iter_ : int
        Number of epochs of training proper.
    location_, scale_ : ndarray of shape (n_features,) or (1,)
        Subtracted from rows, and what they are then divided by.
    input_shape_ : tuple of int
        Shape of one row.
    offset_ : float
        The `contamination` quantile of ``score_samples`` over the genuine training rows;
        ``decision_function = score_samples - offset_``.
    n_genuine_ : int
        Number of genuine rows that were learned from.
    n_features_in_ : int
        Number of features seen during fit (of images, the size of the first axis of one).
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit, if all of them are strings.

    Raises
    ------
    RuntimeError
        If the loss becomes NaN or infinite, or if the network has collapsed: all its outputs,
        those for noise included, have come a hundred times closer to one another in training.

    Warns
    -----
    UserWarning
        If the one-class loss has fallen below a hundredth of that of the first epoch.

    See Also
    --------
    GaussianMixtureDetector : Deterministic, and fast where there are few features.

    Notes
    -----
    Rows are standardised with the mean and standard deviation of the genuine ones, since squared
    differences of unit embeddings are far too small to train on. Two-dimensional input is
    standardised feature by feature, a feature that does not vary being divided by the mean
    standard deviation of the others; other input by one mean and one standard deviation
    for all its values.

    The one-class objective has no lower end but a constant network, so that longer training is not
    better training: what counts is the number of steps. If the loss falls to a few hundredths of
    what it was, reduce `max_epochs`, above all where there are thousands of rows.

    With an `encoder` of your own, `X` may be an array of shape (n_samples, ...) such as images or
    pairs of them; integers of type uint8 are standardised a batch at a time. Its random layers draw
    from torch's global generators, which are seeded for it and restored afterwards; so that
    threads do not disturb each other meanwhile, such fits take turns.

    Results are the same in any process and thread for the same `random_state`, versions and
    hardware. Scores are computed in float64, and do not depend on the batch.

    References
    ----------
    .. [1] Ruff et al., "Deep One-Class Classification", ICML 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.novelty import DeepSVDD
    >>> rng = np.random.default_rng(0)
    >>> genuine, fake = rng.normal(size=(300, 8)), rng.normal(5.0, size=(3, 8))
    >>> detector = DeepSVDD(max_epochs=20, device="cpu", random_state=0).fit(genuine)
    >>> detector.predict(fake)
    array([-1, -1, -1])
    >>> detector.history_[-1]["train_loss"] < 0.5 * detector.history_[0]["train_loss"]
    True
    """

    _parameter_constraints: dict = {
        **BaseDetector._parameter_constraints,
        "objective": [StrOptions({"one-class", "soft-boundary"})],
        "nu": [Interval(Real, 0, 1, closed="neither")],
        "hidden_layer_sizes": ["array-like"],
        "representation_size": [Interval(Integral, 1, None, closed="left")],
        "encoder": [str, callable, None],
        "batch_norm": ["boolean"],
        "pretrain_epochs": [Interval(Integral, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "warm_up_epochs": [Interval(Integral, 0, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [list, None],
        "device": [str],
        "n_jobs": [Integral],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    weights_: dict[str, NDArray[Any]]
    center_: NDArray[Any]
    radius_: float
    history_: list[dict[str, Any]]
    pretrain_history_: list[dict[str, Any]]
    n_iter_: int
    location_: NDArray[Any]
    scale_: NDArray[Any]
    input_shape_: tuple[int, ...]

    def __init__(
        self,
        objective: Literal["one-class", "soft-boundary"] = "one-class",
        *,
        nu: float = 0.1,
        hidden_layer_sizes: Sequence[int] = (128,),
        representation_size: int = 64,
        encoder: str | Callable[..., Any] | None = None,
        batch_norm: bool = False,
        pretrain_epochs: int = 0,
        max_epochs: int = 50,
        warm_up_epochs: int = 10,
        lr: float = 1e-3,
        weight_decay: float = 1e-6,
        batch_size: int = 128,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        contamination: float = 0.05,
        callbacks: list[Any] | None = None,
        device: str = "auto",
        n_jobs: int = 1,
        random_state: int | RandomState | None = None,
        verbose: int = 0,
    ):
        self.objective = objective
        self.nu = nu
        self.hidden_layer_sizes = hidden_layer_sizes
        self.representation_size = representation_size
        self.encoder = encoder
        self.batch_norm = batch_norm
        self.pretrain_epochs = pretrain_epochs
        self.max_epochs = max_epochs
        self.warm_up_epochs = warm_up_epochs
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.contamination = contamination
        self.callbacks = callbacks
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _validate(self, X: Any, *, reset: bool) -> Any:
        """Return `X` as numbers; with an `encoder`, in any shape (n_samples, ...)."""
        if self.encoder is None:
            return super()._validate(X, reset=reset)
        X = validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32, np.uint8],
            order="C",
            allow_nd=True,
            ensure_all_finite=False,
        )
        if not reset and X.shape[1:] != tuple(self.input_shape_):
            raise ValueError(
                f"X has rows of shape {X.shape[1:]}, but DeepSVDD was fitted on rows of shape "
                f"{tuple(self.input_shape_)}."
            )
        if X.dtype != np.uint8:
            check_finite(X)
        return X

    def _fit(self, X: NDArray[Any], **per_row: Any) -> None:
        from sklearn_diffake.novelty._svdd_train import learn
        from sklearn_diffake.utils._seeded import seeded

        if not all(isinstance(n, Integral) and n > 0 for n in self.hidden_layer_sizes):
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r} must hold integers of at least 1."
            )
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(np.iinfo(np.int32).max))
        X_train, X_valid = self._split(X, rng)
        device = resolve_device(self.device)
        self.input_shape_ = X.shape[1:]
        self.location_, self.scale_ = standardisation(X)
        with ExitStack() as stack:
            stack.enter_context(torch_threads(effective_n_jobs(self.n_jobs)))
            if self.encoder is not None:
                stack.enter_context(seeded(seed, device))
            learned = learn(self, X_train, X_valid, device, seed)
        self.weights_, self.center_, self.history_, self.pretrain_history_ = learned
        self.n_iter_ = len(self.history_)
        self.radius_ = 0.0
        if self.objective == "soft-boundary":
            self.radius_ = math.sqrt(np.quantile(-self._score(X), 1 - self.nu))

    def _score(self, X: NDArray[Any]) -> NDArray[np.float64]:
        from sklearn_diffake.novelty._svdd_net import represent, restore

        with torch_threads(effective_n_jobs(self.n_jobs)):
            module = restore(self.encoder, tuple(self.input_shape_), self.weights_)
            Z = represent(module, X, self.location_, self.scale_)
        return self.radius_**2 - np.square(Z - self.center_).sum(axis=1)

    def _split(self, X: NDArray[Any], rng: RandomState) -> tuple[NDArray, NDArray | None]:
        """Return the rows to train on, and those held out to stop early, if any are."""
        n_valid = math.ceil(self.validation_fraction * len(X)) if self.early_stopping else 0
        if len(X) - n_valid < 2:
            held_out = f", of which early stopping holds out {n_valid}" if n_valid else ""
            raise ValueError(
                f"Too few genuine rows: got n_samples={len(X)}{held_out}; at least 2 are needed "
                "to train on."
            )
        if not n_valid:
            return X, None
        order = rng.permutation(len(X))
        return X[order[n_valid:]], X[order[:n_valid]]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = self.encoder is not None
        return tags
