"""ForgeryEmbedder: a face network that has learned what forgery looks like."""

from __future__ import annotations

import os
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_diffake.embedding._face_embedder import FaceEmbedder
from sklearn_diffake.embedding.backbones._base import Backbone
from sklearn_diffake.embedding.backbones._lookup import (
    TrainedWeights,
    find_backbone,
    trained_backbone,
)
from sklearn_diffake.embedding.backbones._packaged import PACKAGED_FILES, packaged_file
from sklearn_diffake.images.table import image_table
from sklearn_diffake.utils._callbacks import CallbacksMixin
from sklearn_diffake.utils._device import resolve_device
from sklearn_diffake.utils._sklearn_compat import Interval, StrOptions, _fit_context


class ForgeryEmbedder(CallbacksMixin, FaceEmbedder, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    r"""Embed faces with a network trained to tell them from pseudo-deepfakes of themselves.

    ``fit`` needs genuine faces only: fakes are made from them on the fly, new in every epoch, and
    the network learns to distinguish each from its original, which is in the same batch [1]_ [2]_.
    ``transform`` returns the network's pooled features, as `FaceEmbedder` does; `score_images`
    the scores of its classifier for single images.

    Parameters
    ----------
    backbone : str or Path, default="efficientnet-lite0"
        The network to train, as in `FaceEmbedder` (``"timm:efficientnet_b4"`` is the paper's);
        an ``.onnx`` file cannot be trained.

    weights : str or Path, default=None
        A ``.safetensors`` file with other weights to start from. A file of `save_weights` holds a
        classifier as well; with ``max_epochs=0`` it is used as it is.

    techniques : None, str, list of str or dict of str to float, default=None
        Which pseudo-deepfakes to train on, see
        :class:`~sklearn_diffake.generation.PseudoDeepfakeDataset`; None for all.

    landmarks : {"mean-shape", "dlib"}, default="mean-shape"
        Source of the landmarks that the masks follow.

    margin : float, default=0.0
        `margin` of the `FaceAligner` that made the crops.

    augment : bool or "video", default=True
        Flip, change the colors and compress as JPEG, real crops and fakes alike. ``"video"``
        adds what a video does to them: sharpening, denoising, chains of sizes, noise and a round
        trip through H.264, HEVC or VP9 (needs PyAV, extra ``video``), as in
        :class:`~sklearn_diffake.generation.PseudoDeepfakeGenerator`.

    blending : {"rgb", "yuv420", "mixed"}, default="rgb"
        Colors in which source and target are blended: ``"yuv420"`` is how video holds them;
        ``"mixed"`` draws one of the two for every fake.

    match_sharpness : float in [0, 1], default=0
        Probability that the real crop is blurred or sharpened until it is as sharp as its fake,
        so that the network cannot use sharpness.

    input_size : int, default=None
        Height and width, in pixels, to which crops are resized for training and `transform`; None
        is the size with which the file in `weights` was trained, else the declared one. Smaller is
        faster: 128 takes about a third of the time of 224.

    max_epochs : int, default=20
        Number of epochs; 0 trains nothing, and `weights` must hold a classifier.

    images_per_epoch : int, default=None
        Real crops in an epoch, drawn for each epoch; None takes all. With fewer, checkpoints and
        validations come more often.

    batch_size : int, default=32
        Real crops in one step, each with its fake: twice as many images. In `transform`, images in
        one forward pass.

    lr : float, default=1e-3
        Learning rate, which falls linearly to 0 over the last quarter of the steps.

    momentum : float in [0, 1), default=0.9
        Momentum of stochastic gradient descent.

    rho : float, default=0.05
        Radius of sharpness-aware minimization [3]_; 0 is plain gradient descent, at half the
        cost.

    weight_decay : float, default=0.0
        L2 penalty.

    validation_fraction : float in [0, 1), default=0.1
        Fraction of the images held out for validation, by identity: images of one group, of one
        row, or of rows linked by shared images are on one side. 0 trains on all images, and the
        last epoch is used.

    early_stopping : bool, default=True
        Stop when the validation AUC has not risen for `n_iter_no_change` epochs.

    n_iter_no_change : int, default=10
        Patience of `early_stopping`, in epochs.

    n_best : int, default=3
        The weights of this many epochs, those of highest validation AUC, are averaged; if the
        average does not validate at least as well as the best of them, the best is used alone.

    checkpoint_dir : str or Path, default=None
        Folder for the state after every epoch. A training that was interrupted, even killed, is
        resumed when ``fit`` is called with the same data and settings, and on a CPU ends with the
        same weights as an uninterrupted one; a finished training is not repeated. A folder with
        another training is refused.

    callbacks : list, default=None
        Callbacks of skorch, functions without arguments that return one and are called by each
        fit, or pairs of a name and one of these. Read more in
        :ref:`Watching a training <training_callbacks>`.

    warm_start : bool, default=False
        Whether another ``fit`` continues with the trained network, as a new training that starts
        from `weights` written by `save_weights` does; its epochs are added to `history_`.
        `backbone`, `input_size` and `weights` must stay. With an int as `random_state` and the
        same `X`, the same images are held out. Each fit needs a `checkpoint_dir` of its own.

    device : str, default="auto"
        Where to compute; "auto" takes cuda, then mps, then cpu.

    dtype : {"float32", "float16", "bfloat16"}, default="float32"
        Number format of the network in `transform`. Both half formats also train in mixed
        precision, for which bfloat16 is taken: on a GPU it is faster, on a CPU only where that has
        instructions for it.

    pooling : {"mean"}, default="mean"
        As for `FaceEmbedder`.

    n_jobs : int, default=None
        Number of processes that make fakes beside the training, as joblib counts them: None is 1,
        -1 is one per core. But None starts no process: fakes are made between the steps. As many
        threads decode images before and in `transform`. The result does not depend on it.

    cache : str, Path or EmbeddingStore, default=None
        Folder that keeps embeddings, by image content and trained weights.

    random_state : int, RandomState instance or None, default=None
        Draws the held-out people, the order of images, and the fakes. Pass an int for the same
        result on every fit.

    verbose : int, default=0
        Show a progress bar, with the fraction of the time spent waiting for fakes; with 2 also the
        figures of every epoch.

    Attributes
    ----------
    weights_ : dict of str to ndarray
        Weights of the trained backbone, under torch's names; they are part of the model, and are
        saved with it.
    coef_ : ndarray of shape (d,), float32
        The classifier: ``score_images`` is the embedding times `coef_` plus `intercept_`.
    intercept_ : float
        See `coef_`.
    history_ : list of dict
        Per epoch: `epoch`, `train_loss`, `valid_loss` and `valid_auc` (None without validation),
        and `lr` of the last step. With `warm_start`, of all fits.
    initial_weights_ : str or None
        The `weights` with which the training began.
    n_iter_ : int
        Number of epochs in `history_`.
    best_epochs_ : list of int
        The epochs whose weights were averaged, the best first.
    validation_auc_ : float or None
        ROC-AUC of the resulting network, held-out real crops against their fakes.
    validation_rows_ : ndarray of int
        Rows of `X` that were held out.
    backbone_info_ : dict
        What the backbone declares, as in `FaceEmbedder`, with the fingerprint of the trained
        weights.
    fingerprint_ : str
        Identifies the trained weights.
    n_embedded_ : int
        Images that went through the network in the last call of `transform`.

    Raises
    ------
    RuntimeError
        If the loss or the weights become NaN or infinite; the message names the epoch and the
        step, and where in `checkpoint_dir` the last good weights are.

    See Also
    --------
    FaceEmbedder : Embeds faces with a network for the recognition of people.
    sklearn_diffake.generation.PseudoDeepfakeGenerator : Makes the pseudo-deepfakes to train on.

    Notes
    -----
    All crops are held in memory at `input_size`: 10,000 of 128 pixels take 0.5 GB. Results are the
    same bit for bit for the same `random_state`, versions, hardware and number of torch's threads.
    Random layers draw from torch's global generators, which are seeded for them and restored
    afterwards; fits in threads of one process run one at a time.

    There is no `n_features_in_`: a row holds pictures, not features.

    References
    ----------
    .. [1] K. Shiohara, T. Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022.
    .. [2] S. Stamnas, V. Sanchez, "DiffFake: Exposing Deepfakes using Differential Anomaly
       Detection", WACVW 2025, arXiv:2502.16247.
    .. [3] P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur, "Sharpness-Aware Minimization for
       Efficiently Improving Generalization", ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.embedding import ForgeryEmbedder
    >>> crops = np.random.default_rng(0).integers(0, 256, (4, 2, 32, 32, 3), dtype=np.uint8)
    >>> embedder = ForgeryEmbedder(max_epochs=1, input_size=32, device="cpu", random_state=0)
    >>> embedder.fit_transform(crops).shape
    (4, 2, 1280)
    >>> embedder.score_images(crops[:, 0]).shape
    (4,)
    """

    __module__ = "sklearn_diffake.embedding._forgery_embedder"  # saved models have this name

    _parameter_constraints: dict[str, Any] = {
        **{
            name: allowed
            for name, allowed in FaceEmbedder._parameter_constraints.items()
            if name not in ("mean", "std", "crop", "mirror", "scales")
        },
        "backbone": [str, os.PathLike],
        "techniques": [None, str, list, tuple, dict],
        "landmarks": [StrOptions({"mean-shape", "dlib"})],
        "margin": [Interval(Real, 0, None, closed="left")],
        "augment": ["boolean", StrOptions({"video"})],
        "blending": [StrOptions({"rgb", "yuv420", "mixed"})],
        "match_sharpness": [Interval(Real, 0, 1, closed="both")],
        "input_size": [None, Interval(Integral, 16, None, closed="left")],
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "images_per_epoch": [None, Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "rho": [Interval(Real, 0, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "n_best": [Interval(Integral, 1, None, closed="left")],
        "checkpoint_dir": [None, str, os.PathLike],
        "callbacks": [None, list],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    history_: list[dict[str, Any]]
    initial_weights_: str | None
    best_epochs_: list[int]
    n_iter_: int
    validation_auc_: float | None
    validation_rows_: NDArray[Any]
    weights_: dict[str, NDArray[Any]]
    coef_: NDArray[Any]
    intercept_: float

    def __init__(
        self,
        backbone: str | os.PathLike[str] = "efficientnet-lite0",
        *,
        weights: str | os.PathLike[str] | None = None,
        techniques: Any = None,
        landmarks: str = "mean-shape",
        margin: float = 0.0,
        augment: bool | str = True,
        blending: str = "rgb",
        match_sharpness: float = 0.0,
        input_size: int | None = None,
        max_epochs: int = 20,
        images_per_epoch: int | None = None,
        batch_size: int = 32,
        lr: float = 1e-3,
        momentum: float = 0.9,
        rho: float = 0.05,
        weight_decay: float = 0.0,
        validation_fraction: float = 0.1,
        early_stopping: bool = True,
        n_iter_no_change: int = 10,
        n_best: int = 3,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        callbacks: list[Any] | None = None,
        warm_start: bool = False,
        device: str = "auto",
        dtype: str = "float32",
        pooling: str = "mean",
        n_jobs: int | None = None,
        cache: Any = None,
        random_state: int | RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.device = device
        self.batch_size = batch_size
        self.dtype = dtype
        self.pooling = pooling
        self.cache = cache
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.techniques = techniques
        self.landmarks = landmarks
        self.margin = margin
        self.augment = augment
        self.blending = blending
        self.match_sharpness = match_sharpness
        self.input_size = input_size
        self.max_epochs = max_epochs
        self.images_per_epoch = images_per_epoch
        self.lr = lr
        self.momentum = momentum
        self.rho = rho
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.n_best = n_best
        self.checkpoint_dir = checkpoint_dir
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: ArrayLike | None = None, groups: ArrayLike | None = None) -> Self:
        """Train the network on the genuine faces and fakes made of them.

        Parameters
        ----------
        X : table of n pairs or of n single images
            Aligned crops, in every form that `transform` takes. Each distinct image is used once.
        y : array-like of shape (n,), default=None
            +1 for genuine, -1 for deepfake. Rows labeled -1 are never learned from, and not even
            read. None means that all rows are genuine.
        groups : array-like of shape (n,), default=None
            The person in each row, so that no person is both trained and validated on, and a
            blend has two identities. None treats rows that share an image as one person.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ImageError
            If an image cannot be read; the message names row, column and file.
        ValueError
            If no row is genuine, there is only one distinct image, no person can be held out,
            `checkpoint_dir` holds another training, or, with `warm_start`, `backbone`,
            `input_size` or `weights` is not that of the last fit.
        """
        from sklearn_diffake.embedding.backbones._torch import module_arrays

        device = resolve_device(self.device)
        image_table(X, templates=True)
        continues = self.warm_start and hasattr(self, "weights_")
        backbone, classifier = self._trained_network() if continues else self._starting_point()
        if not continues:
            self.history_ = []
            self.initial_weights_ = None if self.weights is None else os.fspath(self.weights)
        if self.max_epochs:
            return self._train(X, y, groups, backbone, classifier, device)
        if not classifier:
            raise ValueError(
                f"max_epochs=0 trains nothing, but weights={self.weights!r} holds no classifier: "
                "give a file that save_weights wrote, or use FaceEmbedder for the features alone"
            )
        self._set_network(backbone, {**module_arrays(backbone.module), **classifier})
        self.n_iter_, self.best_epochs_ = len(self.history_), []
        self.validation_auc_, self.validation_rows_ = None, np.arange(0)
        return self

    def score_images(self, X: Any) -> NDArray[np.float64]:
        """Score single images with the classifier: higher means more genuine.

        Parameters
        ----------
        X : table of n pairs or of n single images
            Aligned crops, in every form that `transform` takes.

        Returns
        -------
        ndarray of shape (n, 2) or (n,), float64
            The logit of being a real face rather than a pseudo-deepfake: 0 where the classifier
            is undecided, ``1 / (1 + exp(-score))`` is its probability of being real.

        Raises
        ------
        ImageError
            If an image cannot be read; the message names row, column and file.
        """
        embeddings = np.asarray(self.transform(X), dtype=np.float64)
        return (embeddings * self.coef_.astype(np.float64)).sum(axis=-1) + self.intercept_

    def save_weights(self, path: str | os.PathLike[str], *, dtype: str = "float32") -> None:
        """Write the trained network, its classifier included, for use as `weights`.

        Parameters
        ----------
        path : str or Path
            A ``.safetensors`` file; it is replaced atomically.
        dtype : {"float32", "float16"}, default="float32"
            Number format; float16 takes half the space.

        Raises
        ------
        ValueError
            If `dtype` is neither.
        OSError
            If the file cannot be written.
        """
        from sklearn_diffake.embedding.backbones._weights import join_classifier
        from sklearn_diffake.embedding.forgery._checkpoint import write_network
        from sklearn_diffake.embedding.forgery._training import describe

        if dtype not in ("float32", "float16"):
            raise ValueError(f'dtype={dtype!r}, expected "float32" or "float16"')
        backbone = self.find_backbone()
        arrays = join_classifier(self.weights_, self._classifier())
        arrays = {k: a.astype(dtype) if a.dtype.kind == "f" else a for k, a in arrays.items()}
        write_network(Path(path), arrays, describe(backbone))

    def find_backbone(self) -> Backbone:
        """Build the trained backbone.

        Returns
        -------
        Backbone
            With the weights in `weights_`.

        Raises
        ------
        ValueError
            If the installed libraries now make another network of them.
        """
        check_is_fitted(self)
        name, size = self.backbone_info_["name"], self.backbone_info_["input_size"][0]
        weights = TrainedWeights(name, size, self.fingerprint_, self.weights_)
        backbone = trained_backbone(weights)
        if backbone.fingerprint != self.fingerprint_:
            raise ValueError(
                f"the trained weights of {name!r} now make a network with the fingerprint "
                f"{backbone.fingerprint}, but fit made one with {self.fingerprint_}: the network "
                "is defined differently here. Install the version of the training, or fit again."
            )
        return backbone

    def _starting_point(self) -> tuple[Backbone, dict[str, NDArray[Any]]]:
        """Return the backbone to train, at its input size, and the classifier of its weights."""
        backbone = find_backbone(self.backbone, self.weights)
        if backbone.module is None:
            raise ValueError(
                f"backbone={self.backbone!r} cannot be trained: expected a torch network, such as "
                "'efficientnet-lite0' or 'timm:<model>'"
            )
        from sklearn_diffake.embedding.backbones._torch import redeclared
        from sklearn_diffake.embedding.backbones._weights import read_classifier

        weights = self.weights
        if weights is None and self.backbone in PACKAGED_FILES:
            weights = packaged_file(str(self.backbone))
        classifier, size = read_classifier(weights)
        size = self.input_size or size  # type: ignore[assignment]
        if size is None and backbone.input_size[0] != backbone.input_size[1]:
            raise ValueError(
                f"backbone={self.backbone!r} takes images of {backbone.input_size}, but aligned "
                "crops are square: give input_size"
            )
        side = size or backbone.input_size[0]
        return redeclared(backbone, input_size=(side, side)), classifier

    def _trained_network(self) -> tuple[Backbone, dict[str, NDArray[Any]]]:
        """Return the backbone and the classifier of the last fit, to continue with them."""
        from sklearn_diffake.embedding.backbones._weights import join_classifier

        backbone = self.find_backbone()
        size = self.input_size or backbone.input_size[0]
        if (str(self.backbone), size) != (backbone.name, backbone.input_size[0]):
            raise ValueError(
                f"warm_start=True continues the training of backbone={backbone.name!r} with "
                f"input_size={backbone.input_size[0]}, got backbone={self.backbone!r} and "
                f"input_size={self.input_size!r}: use another estimator for another network"
            )
        weights = None if self.weights is None else os.fspath(self.weights)
        if weights != getattr(self, "initial_weights_", weights):  # models of 0.1.0 do not have it
            raise ValueError(
                f"warm_start=True continues from the trained network: weights must stay "
                f"{self.initial_weights_!r}, with which the training began, got {weights!r}"
            )
        return backbone, join_classifier({}, self._classifier())

    def _classifier(self) -> dict[str, NDArray[Any]]:
        bias = np.array([self.intercept_], dtype=np.float32)
        return {"weight": self.coef_[None], "bias": bias}

    def _train(
        self,
        X: Any,
        y: ArrayLike | None,
        groups: ArrayLike | None,
        backbone: Backbone,
        classifier: dict[str, NDArray[Any]],
        device: str,
    ) -> Self:
        from sklearn_diffake.embedding.forgery._checkpoint import TrainingSettings, stored_seed
        from sklearn_diffake.embedding.forgery._crops import genuine_crops, hold_out
        from sklearn_diffake.embedding.forgery._training import train_network

        seed = stored_seed(self.checkpoint_dir) if self.random_state is None else None
        if seed is None:
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        crops = genuine_crops(
            X, y, groups, backbone.input_size[0], n_jobs=self.n_jobs, verbose=self.verbose
        )
        split = hold_out(crops, self.validation_fraction, np.random.default_rng(seed))
        settings = TrainingSettings.from_parameters(self, device=device, seed=seed)
        result = train_network(settings, backbone, classifier, crops, split, self.history_)
        self._set_network(backbone, result.network)
        self.history_, self.n_iter_ = result.history, len(result.history)
        self.best_epochs_, self.validation_auc_ = result.best_epochs, result.validation_auc
        self.validation_rows_ = np.flatnonzero(np.isin(crops.rows, crops.people[split[1]]))
        return self

    def _set_network(self, backbone: Backbone, network: dict[str, NDArray[Any]]) -> None:
        from sklearn_diffake.embedding.backbones._weights import split_classifier

        features, classifier = split_classifier(network)
        self.weights_ = {name: _compact(array) for name, array in features.items()}
        self.coef_ = classifier["weight"].astype(np.float32).ravel()
        self.intercept_ = float(classifier["bias"].item())
        weights = TrainedWeights(backbone.name, backbone.input_size[0], "", self.weights_)
        trained = trained_backbone(weights)
        self.backbone_info_ = trained.describe()
        self.fingerprint_ = trained.fingerprint
        self._n_features_out = trained.width


def _compact(array: NDArray[Any]) -> NDArray[Any]:
    """Halve the size of float32 weights that came from a float16 file; no value is changed."""
    if array.dtype != np.float32:
        return array
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return half if np.array_equal(half, array) else array
