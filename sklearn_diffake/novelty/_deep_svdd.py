"""Deep SVDD: a network trained to map genuine rows close to one point."""

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
from sklearn.utils.validation import validate_data

from sklearn_diffake.base import BaseDetector, check_finite
from sklearn_diffake.novelty._standardize import mean_and_scale
from sklearn_diffake.utils._callbacks import CallbacksMixin
from sklearn_diffake.utils._device import resolve_device
from sklearn_diffake.utils._sklearn_compat import Interval, StrOptions
from sklearn_diffake.utils._threads import torch_threads


class DeepSVDD(CallbacksMixin, BaseDetector):
    """Score a row by its distance to the point to which a network maps genuine rows.

    Deep Support Vector Data Description [1]_: a network `phi` is trained so that the
    representations of genuine rows get close to a fixed center `c`, while other rows stay
    farther away. The score is ``R**2 - ||phi(x) - c||**2``, with the radius `R` of a sphere around
    the center.

    Parameters
    ----------
    objective : {"one-class", "soft-boundary"}, default="one-class"
        Minimize the mean squared distance to the center (equation 4 of [1]_), or the sphere around
        the center that holds all but a fraction `nu` of the rows (equation 3). The second was
        proposed for training rows of which a few are not genuine; a measurement on a small
        problem did not confirm this (the gallery's example on the two objectives).
    nu : float in (0, 1), default=0.1
        Fraction of the training rows outside of the soft boundary.
    hidden_layer_sizes : sequence of int, default=(128,)
        Widths of the hidden layers.
    representation_size : int, default=64
        Width of the representation.
    encoder : str or callable, default=None
        Your own network instead of the above two: a function (or class) that returns a new
        :class:`torch.nn.Module`, or its name ``"module:function"``. It is called with the shape
        of one row if it has a required argument, otherwise without arguments. The module gets a
        batch of standardized rows in the layout of `X` (images stay channels last), and returns
        one vector per row, of the dtype of its input. It should have no biases, no affine norms
        and no bounded activations, because they allow the network to collapse to a constant. To
        save the detector, the function must be importable by its name; loading the file imports
        it only if it is trusted.
    batch_norm : bool, default=False
        Whether to add batch normalization without affine parameters before each activation.
    pretrain_epochs : int, default=0
        Epochs in which the encoder is first trained as a part of an autoencoder, whose decoder
        mirrors `hidden_layer_sizes`, to reconstruct the standardized rows.
    max_epochs : int, default=50
        Epochs of the main training.
    warm_up_epochs : int, default=10
        Epochs before the radius of the soft boundary is first set.
    lr : float, default=1e-3
        Learning rate of Adam.
    weight_decay : float, default=1e-6
        Adam's L2 penalty.
    batch_size : int, default=128
        Rows per step.
    early_stopping : bool, default=False
        Whether to hold out `validation_fraction` of the genuine rows, stop if the loss on them has
        not improved for `n_iter_no_change` epochs, and restore the best epoch.
    validation_fraction : float in (0, 1), default=0.1
        Fraction of the genuine rows held out for `early_stopping`.
    n_iter_no_change : int, default=10
        Patience of `early_stopping`, in epochs.
    contamination : float in (0, 0.5], default=0.05
        Fraction of the genuine training rows that the threshold rejects, for which ``predict``
        returns -1.
    callbacks : list, default=None
        Callbacks of skorch for the main training, functions without arguments that return one and
        are called by each fit, or pairs of a name and one of these. Numbers that they record in
        the net's history are in ``history_``. A batch that is passed to them is overwritten by
        later batches. With a callback that has events of batches (``on_batch_begin``,
        ``on_batch_end`` or ``on_grad_computed``), training in small batches takes about twice as
        long, and results may differ in the last bits of float32. Read more in
        :ref:`Watching a training <training_callbacks>`.
    warm_start : bool, default=False
        Whether another ``fit`` continues: with the fitted weights, center, radius and
        standardization, for `max_epochs` more, without pretraining. Adam's moments begin at zero,
        so that two fits of 10 epochs are not one fit of 20. Parameters of the network must stay,
        and `pretrain_epochs` must stay or be 0.
        With an int as `random_state` and the same `X`, the same rows are held out.
    device : str, default="auto"
        Device of the training; "auto" takes cuda, then mps, then cpu. All rows are moved to it at
        once. Scores are computed on the CPU.
    n_jobs : int, default=None
        Number of threads of torch on the CPU, as joblib counts them: None is 1, -1 is one per core.
        One is best for small networks. Unlike elsewhere, another number changes rounding, so that
        results may differ in the last bits.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights, of the order of rows and of the held-out rows. Pass an int for the
        same result on every fit.
    verbose : int, default=0
        Show a progress bar; 2 also logs the training.

    Attributes
    ----------
    weights_ : dict of str to ndarray
        Parameters and buffers of the network, under torch's names.
    center_ : ndarray of shape (representation_size,)
        The center `c`: mean representation of the training rows before the main training (but
        after pretraining), with no coordinate closer to zero than 0.1.
    radius_ : float
        The radius `R`: the 1 - `nu` quantile of the distances of the genuine training rows,
        including held-out rows; 0 for ``objective="one-class"``.
    history_ : list of dict
        Per epoch: `epoch`, `train_loss`, `valid_loss` (None without `early_stopping`), `radius`
        (used for these losses), and the records of `callbacks`. With the soft boundary, losses
        during and after the warm-up are not comparable. With `warm_start`, of all fits.
    pretrain_history_ : list of dict
        Per epoch of pretraining: `epoch` and `train_loss`, the mean squared error.
    n_iter_ : int
        Number of epochs in `history_`.
    location_, scale_ : ndarray of shape (n_features,) or (1,)
        Mean that is subtracted from rows, and scale by which they are divided.
    input_shape_ : tuple of int
        Shape of one row.
    offset_ : float
        The `contamination` quantile of ``score_samples`` over the genuine training rows;
        ``decision_function = score_samples - offset_``.
    n_genuine_ : int
        Number of genuine rows in fit.
    n_features_in_ : int
        Number of features seen during fit (for images, the size of the first axis).
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit, if all of them are strings.

    Raises
    ------
    RuntimeError
        If the loss becomes NaN or infinite, or if the network has collapsed: the spread of its
        outputs, also of those for noise, has become a hundred times smaller in training.

    Warns
    -----
    UserWarning
        If the one-class loss has fallen below a hundredth of that of the first epoch.

    See Also
    --------
    GaussianMixtureDetector : Deterministic, and fast with few features.

    Notes
    -----
    Rows are standardized with the mean and standard deviation of the genuine rows, because squared
    differences of unit embeddings are too small to train on. Two-dimensional input is standardized
    by feature; a constant feature is divided by the mean standard deviation of the others. Other
    input is standardized by one mean and one standard deviation of all values.

    The minimum of the one-class objective is a constant network, so longer training is not better:
    the number of steps matters. If the loss falls to a few hundredths of its first value, reduce
    `max_epochs`, especially with thousands of rows.

    With your own `encoder`, `X` may be an array of shape (n_samples, ...) such as images or pairs
    of images; uint8 is standardized batch by batch. Random layers draw from torch's global
    generators, which are seeded for the fit and restored after it. Such fits run one at a time, so
    that threads do not disturb each other.

    Results are equal in all processes and threads for the same `random_state`, versions and
    hardware. Scores are computed in float64 and do not depend on the batch.

    References
    ----------
    .. [1] L. Ruff et al., "Deep One-Class Classification", ICML 2018.

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
        "warm_start": ["boolean"],
        "device": [str],
        "n_jobs": [None, Integral],
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
        warm_start: bool = False,
        device: str = "auto",
        n_jobs: int | None = None,
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
        self.warm_start = warm_start
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
                f"X must have rows of shape {tuple(self.input_shape_)}, as in fit, got "
                f"{X.shape[1:]}."
            )
        if X.dtype != np.uint8:
            check_finite(X)
        return X

    @property
    def _n_threads(self) -> int:
        """Number of threads; None is 1 inside a ``parallel_config`` too, as it changes rounding."""
        return 1 if self.n_jobs is None else effective_n_jobs(self.n_jobs)

    def _fit(self, X: NDArray[Any], **per_row: Any) -> None:
        from sklearn_diffake.novelty._svdd_train import SVDDSettings, train_network
        from sklearn_diffake.utils._device import seeded

        if not all(isinstance(n, Integral) and n > 0 for n in self.hidden_layer_sizes):
            raise ValueError(
                "hidden_layer_sizes must hold integers of at least 1, got "
                f"{self.hidden_layer_sizes!r}."
            )
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(np.iinfo(np.int32).max))
        X_train, X_valid = self._split(X, rng)
        device = resolve_device(self.device)
        earlier_fit = self._earlier_fit(X.shape[1:]) if self.warm_start else None
        if earlier_fit is None:
            self.input_shape_ = X.shape[1:]
            self.location_, self.scale_ = mean_and_scale(X)
        with ExitStack() as stack:
            stack.enter_context(torch_threads(self._n_threads))
            if self.encoder is not None:
                stack.enter_context(seeded(seed, device))
            settings = SVDDSettings.from_parameters(self)
            scaling = self.location_, self.scale_
            result = train_network(
                settings, X_train, X_valid, scaling, device, seed, earlier_fit=earlier_fit
            )
        self.weights_, self.center_, self.history_, self.pretrain_history_ = result
        self.n_iter_ = len(self.history_)
        self.radius_ = 0.0
        if self.objective == "soft-boundary":
            self.radius_ = math.sqrt(np.quantile(-self._score(X), 1 - self.nu))

    def _earlier_fit(self, shape: tuple[int, ...]) -> Any:
        """Return the `EarlierFit` that a warm start continues; None before the first fit."""
        from sklearn_diffake.novelty._svdd_train import EarlierFit

        if not hasattr(self, "weights_"):
            return None
        if shape != tuple(self.input_shape_):
            raise ValueError(
                f"warm_start=True continues with a network for rows of shape "
                f"{tuple(self.input_shape_)}, got rows of shape {shape}."
            )
        if self.pretrain_epochs not in (0, len(self.pretrain_history_)):
            raise ValueError(
                f"warm_start=True continues without pretraining: pretrain_epochs must be 0 or stay "
                f"{len(self.pretrain_history_)}, got {self.pretrain_epochs}."
            )
        return EarlierFit(
            self.weights_, self.center_, self.radius_, self.history_, self.pretrain_history_
        )

    def _score(self, X: NDArray[Any]) -> NDArray[np.float64]:
        from sklearn_diffake.novelty._svdd_net import represent, restore

        with torch_threads(self._n_threads):
            module = restore(self.encoder, tuple(self.input_shape_), self.weights_)
            Z = represent(module, X, self.location_, self.scale_)
        return self.radius_**2 - np.square(Z - self.center_).sum(axis=1)

    def _split(self, X: NDArray[Any], rng: RandomState) -> tuple[NDArray, NDArray | None]:
        """Return the training rows, and the rows held out for early stopping or None."""
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
