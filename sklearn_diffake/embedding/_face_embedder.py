"""FaceEmbedder: face crops become vectors."""

import logging
import os
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklearn_diffake.base import mark_single_pictures
from sklearn_diffake.embedding._pooling import pool_templates
from sklearn_diffake.embedding.backbones._base import FORMER_LICENSE_KEY, ONE_SCALE, Backbone
from sklearn_diffake.embedding.backbones._lookup import (
    BackboneLike,
    Overrides,
    build_forward,
    find_backbone,
)
from sklearn_diffake.embedding.backbones._views import resize
from sklearn_diffake.images.engine import ComputeOnce
from sklearn_diffake.images.results import ArrayResults, Results
from sklearn_diffake.images.table import ImageTable, image_table
from sklearn_diffake.store import EmbeddingStore, as_store
from sklearn_diffake.utils._device import resolve_device
from sklearn_diffake.utils._doc_links import DocumentedMixin
from sklearn_diffake.utils._estimators import AddedParametersMixin
from sklearn_diffake.utils._messages import warn_caller
from sklearn_diffake.utils._output import in_container, keep_index
from sklearn_diffake.utils._progress import log_step, progress_bar
from sklearn_diffake.utils._sklearn_compat import Interval, StrOptions, _fit_context

_logger = logging.getLogger(__name__)


class FaceEmbedder(  # type: ignore[call-arg]
    AddedParametersMixin,
    DocumentedMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,
):
    """Embed every face crop with a deep network, each distinct image once.

    An image that occurs in many pairs is decoded and embedded once in a call; with `cache` once
    in all folds, candidates, processes and runs. The network is held by the process, not by the
    estimator, so that clones share it and saving or hashing the estimator never touches it.

    Parameters
    ----------
    backbone : str, Path or callable, default="dlib-resnet"
        Which network; ``sklearn-diffake backbones`` lists them with their crops, licenses and
        measured error rates:

        - ``"dlib-resnet"``: dlib's face recognition network, 128-d for identity; its weights, in
          the public domain, come with the package ``face_recognition_models``;
        - ``"difffake-lite0-identity"``, ``"difffake-lite0"``: the networks that come with this
          package, 128-d for identity and 1280-d for forgery, the latter after [2]_; they need no
          download;
        - ``"difffake-lite0-video"``: the forgery network trained on for compressed video, 1280-d;
        - ``"difffake-lite0-verdict"``, ``"difffake-lite0-video-verdict"``: one number, the logit of
          a pseudo-deepfake by the classifier of a forgery network, higher for less natural images;
        - ``"facenet-vggface2"``, ``"facenet-casia-webface"``: InceptionResnetV1 of
          facenet-pytorch, 512-d identity embeddings [1]_; the weights are downloaded on first use;
        - ``"efficientnet-lite0"``: 1280-d ImageNet features, for comparison only: it recognizes
          objects, and is the weakest network measured (AUC 0.62). The weights come with the
          extra ``timm``;
        - ``"timm:<model>"``: any image model of timm, without its classifier, also one of the
          Hugging Face hub, ``"timm:hf-hub:owner/name"``;
        - a path to an ``.onnx`` file, run by onnxruntime (extra ``onnx``); on CUDA where
          onnxruntime can, else on the CPU. Its metadata may hold ``mean``, ``std``, ``crop`` and
          ``license``;
        - ``"module:function"``, or the function itself: it takes no arguments and returns a torch
          module, which may declare ``input_size``, ``mean``, ``std``, ``crop`` and ``license``. Its
          fingerprint depends on its name, declarations and weights: after a change of its code
          alone, clear the cache. A model is saved only if the function can be imported.

        If mean or std is not declared, that of ImageNet is used, with a warning.

    weights : str or Path, default=None
        A ``.safetensors`` file with other weights for a torch backbone. Pickled checkpoints are
        not read.

    mean : float or three floats, default=None
        Means that are subtracted from RGB values in [0, 1], instead of the declared ones.
        ``RECIPES`` holds the normalization of well-known networks.

    std : float or three floats, default=None
        Standard deviations by which they are divided then, instead of the declared ones.

    input_size : int or (height, width), default=None
        Size to which crops are resized, in pixels, instead of the declared one.

    crop : (size, margin) or (size, margin, landmarks), default=None
        Parameters of the `FaceAligner` whose crops the network was trained on, instead of the
        declared ones. The embedder does not cut crops itself;
        :func:`~sklearn_diffake.make_difffake_pipeline` makes its aligner with them.

    mirror : bool, default=False
        Embed every crop and its mirror image, and take the mean of both: more accurate identity at
        twice the cost.

    scales : sequence of float, default=(1.0,)
        Embed several views of every crop and take their mean, at the cost of one embedding each.
        A view is a square about the center of the crop, whose side is this fraction of the crop's
        side, in (0, 1]. ``(1.0, 0.9)`` adds a slightly tighter crop.

    device : str, default="auto"
        Where to compute; "auto" takes cuda, then mps, then cpu.

    batch_size : int, default=32
        Images in one forward pass.

    dtype : {"float32", "float16", "bfloat16"}, default="float32"
        Number format of the network; embeddings are float32 in any case.

    pooling : {"mean"}, default="mean"
        How the pictures of a template become one vector: the mean of their embeddings after each
        is scaled to L2 norm 1, times the mean of their original norms. Only the direction
        counts where embeddings are normalized later, as `PairDifference` does by default. The
        embedding of one picture does not change, and numbers (one per picture) have their plain
        mean.

    cache : str, Path or EmbeddingStore, default=None
        Folder that keeps embeddings, by image content and model fingerprint.

    n_jobs : int, default=None
        Number of threads that decode and resize images, as joblib counts them: None is 1, -1 is one
        per core. The result does not depend on it.

    verbose : int, default=0
        Show a progress bar; with 2 also say which network computes what, and where.

    Attributes
    ----------
    backbone_info_ : dict
        What the backbone declares: `name`, `input_size` (height, width), `mean` and `std` (of
        values in [0, 1]), `width` of the embedding, `license` of the weights, `crop` (`size`,
        `margin` and `landmarks` of `FaceAligner`, or None), `mirror`, `scales`, `fingerprint`.

    fingerprint_ : str
        Identifies weights, normalization and views; a saved embedder raises an error if they have
        changed.

    n_embedded_ : int
        Images that went through the network in the last call of `transform`; the others were
        duplicates or in the store.

    See Also
    --------
    ForgeryEmbedder : A network trained to detect manipulation, not to recognize people.
    EmbeddingStore : Keeps embeddings between runs.
    sklearn_diffake.faces.FaceAligner : Makes the crops to embed.
    sklearn_diffake.pairs.PairDifference : Takes the difference of the two embeddings of a pair.

    Notes
    -----
    There is no `n_features_in_`: a row holds pictures, not features.

    Embeddings of single pictures, one per row, fit into a DataFrame: ``set_output`` gives one, with
    the index of the input. Those of pairs have three axes and are always numpy arrays.

    References
    ----------
    .. [1] F. Schroff, D. Kalenichenko, J. Philbin, "FaceNet: A Unified Embedding for Face
       Recognition and Clustering", CVPR 2015.
    .. [2] S. Stamnas, V. Sanchez, "DiffFake: Exposing Deepfakes using Differential Anomaly
       Detection", WACVW 2025, arXiv:2502.16247.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.embedding import FaceEmbedder
    >>> crops = np.random.default_rng(0).integers(0, 256, (3, 2, 64, 64, 3), dtype=np.uint8)
    >>> FaceEmbedder().fit_transform(crops).shape
    (3, 2, 128)
    """

    _parameter_constraints: dict[str, Any] = {
        "backbone": [str, os.PathLike, callable],
        "weights": [None, str, os.PathLike],
        "mean": [None, Real, "array-like"],
        "std": [None, Real, "array-like"],
        "input_size": [None, Interval(Integral, 1, None, closed="left"), tuple, list],
        "crop": [None, tuple, list],
        "mirror": ["boolean"],
        "scales": ["array-like"],
        "device": [str],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"float32", "float16", "bfloat16"})],
        "pooling": [StrOptions({"mean"})],
        "cache": [None, str, os.PathLike, EmbeddingStore],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    backbone_info_: dict[str, Any]
    fingerprint_: str
    n_embedded_: int
    _n_features_out: int

    def __init__(
        self,
        backbone: BackboneLike = "dlib-resnet",
        *,
        weights: str | os.PathLike[str] | None = None,
        mean: Any = None,
        std: Any = None,
        input_size: int | tuple[int, int] | None = None,
        crop: Any = None,
        mirror: bool = False,
        scales: Sequence[float] = ONE_SCALE,
        device: str = "auto",
        batch_size: int = 32,
        dtype: str = "float32",
        pooling: str = "mean",
        cache: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.mean = mean
        self.std = std
        self.input_size = input_size
        self.crop = crop
        self.mirror = mirror
        self.scales = scales
        self.device = device
        self.batch_size = batch_size
        self.dtype = dtype
        self.pooling = pooling
        self.cache = cache
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the backbone.

        Parameters
        ----------
        X : table of pairs or of single images
            Only its form is checked.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        image_table(X, templates=True)
        resolve_device(self.device)
        backbone = find_backbone(self.backbone, self.weights, self.overrides())
        if backbone.undeclared:
            warn_caller(
                f"{str(self.backbone)!r} declares no {' and no '.join(backbone.undeclared)}: that "
                f"of ImageNet is taken, mean={list(backbone.mean)}, std={list(backbone.std)}. Face "
                "networks often want others. Give mean and std, for example by "
                "**RECIPES['arcface'] (sklearn_diffake.embedding), or declare them in the file or "
                "module."
            )
        self.backbone_info_ = backbone.describe()
        self.fingerprint_ = backbone.fingerprint
        self._n_features_out = backbone.width
        return self

    def transform(self, X: Any) -> Any:
        """Embed every image.

        Parameters
        ----------
        X : table of n pairs or of n single images
            (n, 2) DataFrame, array or list of paths, PIL images or (H, W, 3) uint8 arrays, or
            an (n, 2, H, W, 3) array; for single images one dimension less. A cell of a pair may
            be a template, a list of these. Crops are resized to the input of the backbone.

        Returns
        -------
        ndarray of shape (n, 2, d), or ndarray or DataFrame of shape (n, d), float32
            Embeddings; NaN for a cell in which `FaceAligner` left no usable face. Those of single
            pictures are a DataFrame if `set_output` asks for it.

        Raises
        ------
        ImageError
            If an image cannot be read; the message names row, column and file.
        ValueError
            If the backbone no longer has the weights that the embedder was fitted with.
        """
        self._validate_params()
        table = image_table(X, templates=True)
        results = self._embed_pictures(table)
        self.n_embedded_ = results.n_computed
        results.values[list(results.errors)] = np.nan  # of cells without a face
        result = pool_templates(results.values, table)[table.index]
        log_step(
            _logger,
            self.verbose,
            "%d images: %d computed by %s (%d x %d pixels to %d-d, weights %.12s)%s, %d repeated "
            "or in the store",
            len(table.sources),
            self.n_embedded_,
            self.backbone_info_["name"],
            *self.backbone_info_["input_size"],
            self.backbone_info_["width"],
            self.fingerprint_,
            f" on {resolve_device(self.device)}" if self.n_embedded_ else "",
            len(table.sources) - self.n_embedded_,
        )
        if table.is_pairs:
            return keep_index(result, X)
        return mark_single_pictures(in_container(self, result, X))

    def _embed_pictures(self, table: ImageTable, *, errors: str = "raise") -> Results:
        """Embed the pictures of a table one by one, without pooling templates.

        Parameters
        ----------
        table : ImageTable
        errors : {"raise", "return"}, default="raise"
            Whether the first picture without an embedding raises an error, or all such errors are
            in the results.

        Returns
        -------
        Results
            Its `values` has shape (n_sources, d), float32.
        """
        backbone = self.find_backbone()
        store = as_store(self.cache)

        def compute(crops: list[np.ndarray], digests: list[bytes]) -> np.ndarray:
            return build_forward(backbone, resolve_device(self.device), self.dtype)(np.stack(crops))

        job = ComputeOnce(
            compute,
            dtype=np.dtype((np.float32, (backbone.width,))),
            prepare=lambda image: resize(image, backbone.input_size),
            results=None if store is None else self._stored_embeddings(store),
            store=store,
            batch_size=self.batch_size,
            n_jobs=self.n_jobs,
        )
        with progress_bar(
            total=len(table.sources), desc="embedding", unit="image", verbose=self.verbose
        ) as bar:
            return job(table, bar, errors=errors)  # type: ignore[arg-type]

    def _stored_embeddings(self, store: EmbeddingStore) -> ArrayResults:
        """Return the embeddings of this network in a store, by the digest of their crop.

        Parameters
        ----------
        store : EmbeddingStore

        Returns
        -------
        ArrayResults
        """
        check_is_fitted(self)
        namespace = f"embedding:1:{self.fingerprint_}:{self.dtype}"
        dtype = np.dtype((np.float32, (self.backbone_info_["width"],)))
        return ArrayResults(store, namespace, dtype)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the coordinates of an embedding.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of shape (d,), object
            ``"faceembedder0"`` and so on.
        """
        check_is_fitted(self)
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{i}" for i in range(self._n_features_out)], dtype=object)

    def set_output(self, *, transform: Any = None) -> Self:
        """Set the container of embeddings of single pictures.

        Embeddings of pairs have three axes, which no DataFrame has: they stay numpy arrays in every
        configuration, and `PairDifference` makes the DataFrame.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            "default" is numpy arrays; None changes nothing.

        Returns
        -------
        self : object
            The estimator.
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}  # the name that `clone` copies
        return self

    def find_backbone(self) -> Backbone:
        """Load the backbone again, and check that its fingerprint is that of `fit`.

        Returns
        -------
        Backbone
            With the weights that the embedder was fitted with.

        Raises
        ------
        ValueError
            If the weights of `backbone` or `weights` have changed since.
        """
        check_is_fitted(self)
        backbone = find_backbone(self.backbone, self.weights, self.overrides())
        if backbone.fingerprint != self.fingerprint_:
            raise ValueError(
                f"backbone={self.backbone!r}, weights={self.weights!r} now has the fingerprint "
                f"{backbone.fingerprint}, but the embedder was fitted with {self.fingerprint_}: "
                "these are other weights. Restore the former ones, or fit again."
            )
        return backbone

    def overrides(self) -> Overrides:
        """Return the declarations that parameters give instead of those of the backbone.

        Returns
        -------
        Overrides
            `mean`, `std`, `input_size`, `crop`, `mirror` and `scales`; None for the declared
            value.

        Raises
        ------
        ValueError
            If a parameter is out of its range; the message names it.
        """
        return Overrides.checked(
            mean=self.mean,
            std=self.std,
            input_size=self.input_size,
            crop=self.crop,
            mirror=self.mirror,
            scales=self.scales,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        info = state.get("backbone_info_")
        if info and FORMER_LICENSE_KEY in info:  # as version 0.1.0 wrote it
            info = {"license" if key == FORMER_LICENSE_KEY else key: info[key] for key in info}
            state = {**state, "backbone_info_": info}
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.no_validation = True
        return tags
