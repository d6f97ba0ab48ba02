"""FaceEmbedder: face crops become vectors."""

import logging
import os
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..base import mark_single_pictures
from ..images.engine import ComputeOnce
from ..images.results import ArrayResults, Results
from ..images.table import ImageTable, image_table
from ..store import EmbeddingStore, as_store
from ..utils._device import resolve_device
from ..utils._links import DocumentedMixin
from ..utils._progress import progress_bar, tell
from ..utils._saved import AddedParametersMixin
from ._backbones import Backbone, build_forward, find_backbone

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
    backbone : str or Path, default="efficientnet-lite0"
        Which network:

        - ``"difffake-lite0-identity"``, ``"difffake-lite0"``: the networks that come with this
          package, 128-d for identity and 1280-d for forgery; they need crops of
          ``FaceAligner(160, margin=0.2)`` and the extra ``timm``, but no download;
        - ``"difffake-lite0-verdict"``: one number, what the classifier of the latter thinks of the
          image; the logit of a pseudo-deepfake, higher for less natural;
        - ``"facenet-vggface2"``, ``"facenet-casia-webface"``: InceptionResnetV1 of
          facenet-pytorch, 512-d identity embeddings; the weights are downloaded on first use;
        - ``"efficientnet-lite0"``: 1280-d ImageNet features; the weights come with the extra
          ``timm``, so that it works offline;
        - ``"timm:<model>"``: any image model of timm, without its classifier;
        - a path to an ``.onnx`` file, run by onnxruntime (extra ``onnx``); it is normalised as
          its metadata entries ``mean`` and ``std`` say, else as ImageNet; on CUDA where
          onnxruntime can, else on the CPU;
        - ``"module:function"``: a function without arguments that returns a torch module; the
          module may declare ``input_size``, ``mean``, ``std`` and ``licence``. It is known by
          its name, declarations and weights: after a change of its code alone, clear the cache.

    weights : str or Path, default=None
        A ``.safetensors`` file with other weights for a torch backbone. Pickled checkpoints are
        not read.

    device : str, default="auto"
        Where to compute; "auto" takes cuda, then mps, then cpu.

    batch_size : int, default=32
        Images in one forward pass.

    dtype : {"float32", "float16", "bfloat16"}, default="float32"
        Number format of the network; embeddings are float32 in any case.

    pooling : {"mean"}, default="mean"
        How the pictures of a template become one vector: the mean of their embeddings after each
        is scaled to L2 norm 1, times the mean of the norms that they had. Only the direction
        counts where embeddings are normalized later, as `PairDifference` does by default. The
        embedding of one picture stays as it is, and of numbers (one per picture) the plain mean
        is taken.

    cache : str, Path or EmbeddingStore, default=None
        Folder that keeps embeddings, by image content and model fingerprint.

    n_jobs : int, default=None
        Threads that decode and resize images, as joblib counts them.

    verbose : int, default=0
        Show a progress bar; with 2 also say which network computes what, and where.

    Attributes
    ----------
    backbone_info_ : dict
        What the backbone declares: `name`, `input_size` (height, width), `mean` and `std` (of
        values in [0, 1]), `width` of the embedding, `licence` of the weights, `fingerprint`.

    fingerprint_ : str
        Identifies weights and normalisation; an embedder that was saved refuses to go on with
        others.

    n_embedded_ : int
        Images that went through the network in the last call of `transform`; the others were
        duplicates or in the store.

    References
    ----------
    .. [1] Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and Clustering",
       CVPR 2015.
    .. [2] Stamnas and Sanchez, "DiffFake: Exposing Deepfakes using Differential Anomaly
       Detection", WACVW 2025, arXiv 2502.16247.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.embedding import FaceEmbedder
    >>> crops = np.random.default_rng(0).integers(0, 256, (3, 2, 64, 64, 3), dtype=np.uint8)
    >>> FaceEmbedder("efficientnet-lite0").fit_transform(crops).shape
    (3, 2, 1280)
    """

    _parameter_constraints: dict[str, Any] = {
        "backbone": [str, os.PathLike],
        "weights": [None, str, os.PathLike],
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
        backbone: str | os.PathLike[str] = "efficientnet-lite0",
        *,
        weights: str | os.PathLike[str] | None = None,
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
        self.device = device
        self.batch_size = batch_size
        self.dtype = dtype
        self.pooling = pooling
        self.cache = cache
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> "FaceEmbedder":
        """Load the backbone; nothing is learned.

        Parameters
        ----------
        X : table of pairs or of single images
            Only its form is looked at.
        y : None
            Ignored.

        Returns
        -------
        FaceEmbedder
            The embedder itself.
        """
        image_table(X, templates=True)
        resolve_device(self.device)
        found = find_backbone(self.backbone, self.weights)
        self.backbone_info_ = found.describe()
        self.fingerprint_ = found.fingerprint
        self._n_features_out = found.width
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Embed every image.

        Parameters
        ----------
        X : table of n pairs or of n single images
            (n, 2) DataFrame, array or list of paths, PIL images or (H, W, 3) uint8 arrays, or
            an (n, 2, H, W, 3) array; for single images one dimension less. A cell of a pair may
            be a template, a list of these. Crops are resized to the input of the backbone.

        Returns
        -------
        ndarray of shape (n, 2, d) or (n, d), float32
            Embeddings; NaN for a cell in which `FaceAligner` left no usable face.

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
        tell(
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
        return result if table.is_pairs else mark_single_pictures(result)

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
        found = self.find_backbone()
        store = as_store(self.cache)

        def compute(crops: list[np.ndarray], digests: list[bytes]) -> np.ndarray:
            return build_forward(found, resolve_device(self.device), self.dtype)(np.stack(crops))

        job = ComputeOnce(
            compute,
            dtype=np.dtype((np.float32, (found.width,))),
            prepare=lambda image: resize(image, found.input_size),
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

    def set_output(self, *, transform: Any = None) -> "FaceEmbedder":
        """Do nothing: embeddings of pairs have three axes, they stay numpy arrays.

        Parameters
        ----------
        transform : str, default=None
            Ignored.

        Returns
        -------
        FaceEmbedder
            The embedder itself.
        """
        return self

    def find_backbone(self) -> Backbone:
        """Look the backbone up again, and see that it is the one of `fit`.

        Returns
        -------
        Backbone
            With the weights that the embedder was fitted with.

        Raises
        ------
        ValueError
            If `backbone` or `weights` now lead to other weights.
        """
        check_is_fitted(self)
        found = find_backbone(self.backbone, self.weights)
        if found.fingerprint != self.fingerprint_:
            raise ValueError(
                f"backbone={self.backbone!r}, weights={self.weights!r} now has the fingerprint "
                f"{found.fingerprint}, but the embedder was fitted with {self.fingerprint_}: "
                "these are other weights. Restore the former ones, or fit again."
            )
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


def pool_templates(embeddings: np.ndarray, table: ImageTable) -> np.ndarray:
    """Return one embedding for each template of a table.

    Parameters
    ----------
    embeddings : ndarray of shape (n_sources, d), float32
        Those of single pictures.
    table : ImageTable

    Returns
    -------
    ndarray of shape (n_templates, d), float32
        For a template of one picture its embedding; for others the mean of the unit vectors, times
        the mean of the lengths; for ``d == 1``, where a unit vector would only say the sign, the
        plain mean. Pictures without an embedding (NaN) are left out.
    """
    n_sources = len(table.sources)
    pooled = np.empty((table.n_templates, embeddings.shape[1]), dtype=embeddings.dtype)
    pooled[:n_sources] = embeddings
    for number in range(n_sources, table.n_templates):
        pooled[number] = pool_embeddings(embeddings[table.template(number)])
    return pooled


def pool_embeddings(embeddings: np.ndarray) -> np.ndarray:
    """Return one embedding for several of one person.

    Parameters
    ----------
    embeddings : ndarray of shape (m, d), float

    Returns
    -------
    ndarray of shape (d,), float64
        The mean of the unit vectors, times the mean of the lengths; for ``d == 1``, where a unit
        vector would only say the sign, the plain mean. Rows with NaN or infinity are left out;
        NaN if none remains.
    """
    rows = embeddings.astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        return np.full(rows.shape[1], np.nan)
    if rows.shape[1] == 1:
        return np.asarray(rows.mean(axis=0))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units = rows / np.where(lengths == 0, 1, lengths)
    return np.asarray(units.mean(axis=0) * lengths.mean())


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image to (height, width) pixels, bilinearly."""
    from PIL import Image

    if image.shape[:2] == size:
        return image
    resized = Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(resized)
