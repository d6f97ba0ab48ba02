"""FaceAligner: photographs become canonical face crops."""

import logging
import os
import warnings
from importlib.metadata import version
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from ..images.errors import ImageError
from ..images.table import ImageTable, image_table
from ..utils._device import resolve_device
from ..utils._links import DocumentedMixin
from ..utils._progress import progress_bar, tell
from ..utils._store import EmbeddingStore, as_store
from ._detection import detect_faces
from ._geometry import centre_square, fit_similarity, template, warp
from ._map import ImageMap

_logger = logging.getLogger(__name__)
_SHOWN = 5  # rows named in a message
_DECIMALS = 2  # of landmarks, in pixels


class FaceAligner(DocumentedMixin, TransformerMixin, BaseEstimator):
    """Detect the face of each image and warp it to a canonical square crop.

    MTCNN finds faces and five landmarks [1]_; the chosen face is brought to the canonical
    position of the ArcFace crop [2]_ by the similarity transform (rotation, scale, shift) that
    fits its landmarks best in the sense of least squares. An image that occurs in many pairs is
    detected and warped once.

    Parameters
    ----------
    size : int, default=224
        Side of the crop in pixels.

    margin : float, default=0.0
        Room around the ArcFace crop on each side, as a share of its side; negative values cut
        closer. With 0 the crop reaches from the middle of the forehead to the chin.

    select : {"largest", "confident", "central"}, default="largest"
        Which face is taken when there are several: the largest one, the one that MTCNN is most
        confident of, or the one closest to the centre of the image.

    min_face_size : float, default=0.08
        Smallest face looked for, as a share of the shorter side of the image, in (0, 1].

    min_probability : float, default=0.9
        Faces that MTCNN is less confident of are ignored, in [0, 1].

    max_size : int, default=1024
        A photo is scaled down for the detection until its longer side has this many pixels.
        The crop itself is always cut from the photo as given.

    on_missing : {"raise", "warn", "crop"}, default="raise"
        What to do with an image in which no face is found: raise an error, take the largest
        central square of the image and warn, or take it without a word. The images are counted
        in `counts_` in any case.

    shared : bool, default=False
        If True, the output is an object array in which pairs with the same photo hold the same
        crop, so that memory grows with the number of photos and not with that of pairs.

    keep_landmarks : bool, default=False
        Keep boxes and landmarks of the last call of `transform` as attributes.

    device : str, default="auto"
        Device of MTCNN; "auto" takes cuda, then mps, then cpu.

    batch_size : int, default=32
        Images that are read ahead; those of equal size are detected together.

    cache : str, Path or EmbeddingStore, default=None
        Keeps crops on disk, so that no photo is detected twice in a search or a second run.

    n_jobs : int, default=None
        Threads that decode files, as joblib counts them.

    verbose : int, default=0
        Show a progress bar; with 2 also say what was found.

    Attributes
    ----------
    counts_ : dict
        Of the last call of `transform`: `images` (paths and objects, each counted once), `found`,
        `missing` (without a face), `several` (with more than one).

    missing_ : ndarray of shape (m, 2) or (m,)
        Row and column (for single images: row) of every image without a face.

    boxes_ : ndarray of shape (n, 2, 4) or (n, 4), float32
        Left, top, right and bottom of the face in the photo, in pixels; NaN where no face was
        found. Only with ``keep_landmarks=True``.

    landmarks_ : ndarray of shape (n, 2, 5, 2) or (n, 5, 2), float32
        (x, y) of left eye, right eye, nose, left and right corner of the mouth in the photo, in
        pixels. Only with ``keep_landmarks=True``.

    crop_landmarks_ : ndarray of shape (n, 2, 5, 2) or (n, 5, 2), float32
        The same points in the crop. Only with ``keep_landmarks=True``.

    matrices_ : ndarray of shape (n, 2, 2, 3) or (n, 2, 3), float64
        Affine maps from the photo's pixels to the crop's. Only with ``keep_landmarks=True``.

    probabilities_ : ndarray of shape (n, 2) or (n,), float32
        MTCNN's confidence. Only with ``keep_landmarks=True``.

    Raises
    ------
    ImageError
        If an image cannot be read, or has no face and ``on_missing="raise"``; the message names
        row, column and file.

    References
    ----------
    .. [1] Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded
       Convolutional Networks", IEEE Signal Processing Letters 2016.
    .. [2] Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition",
       CVPR 2019; the five points are those of its 112 x 112 crop.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sklearn_diffake.faces import FaceAligner
    >>> photo = astronaut()
    >>> FaceAligner(size=112).fit_transform([(photo, photo)]).shape
    (1, 2, 112, 112, 3)
    """

    _parameter_constraints: dict[str, Any] = {
        "size": [Interval(Integral, 8, None, closed="left")],
        "margin": [Interval(Real, -0.45, 5, closed="both")],
        "select": [StrOptions({"largest", "confident", "central"})],
        "min_face_size": [Interval(Real, 0, 1, closed="right")],
        "min_probability": [Interval(Real, 0, 1, closed="both")],
        "max_size": [Interval(Integral, 64, None, closed="left")],
        "on_missing": [StrOptions({"raise", "warn", "crop"})],
        "shared": ["boolean"],
        "keep_landmarks": ["boolean"],
        "device": [str],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "cache": [None, str, os.PathLike, EmbeddingStore],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    boxes_: np.ndarray
    landmarks_: np.ndarray
    matrices_: np.ndarray
    probabilities_: np.ndarray
    crop_landmarks_: np.ndarray
    counts_: dict[str, int]
    missing_: np.ndarray

    def __init__(
        self,
        size: int = 224,
        *,
        margin: float = 0.0,
        select: str = "largest",
        min_face_size: float = 0.08,
        min_probability: float = 0.9,
        max_size: int = 1024,
        on_missing: str = "raise",
        shared: bool = False,
        keep_landmarks: bool = False,
        device: str = "auto",
        batch_size: int = 32,
        cache: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.size = size
        self.margin = margin
        self.select = select
        self.min_face_size = min_face_size
        self.min_probability = min_probability
        self.max_size = max_size
        self.on_missing = on_missing
        self.shared = shared
        self.keep_landmarks = keep_landmarks
        self.device = device
        self.batch_size = batch_size
        self.cache = cache
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> "FaceAligner":
        """Check the parameters; nothing is learned.

        Parameters
        ----------
        X : table of pairs or of single images
            Paths, PIL images or arrays; only its form is looked at.
        y : None
            Ignored.

        Returns
        -------
        FaceAligner
            The aligner itself.
        """
        image_table(X)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Align the face of every image.

        Parameters
        ----------
        X : table of n pairs or of n single images
            (n, 2) DataFrame, array or list of paths, PIL images or (H, W, 3) uint8 arrays, or
            an (n, 2, H, W, 3) array; for single images one dimension less.

        Returns
        -------
        ndarray of shape (n, 2, size, size, 3) or (n, size, size, 3), uint8
            RGB crops; with ``shared=True`` an object array of shape (n, 2) or (n,) of crops.

        Raises
        ------
        ImageError
            If an image cannot be read, or has no face and ``on_missing="raise"``; the message
            names row, column and file.
        """
        self._validate_params()
        table = image_table(X)
        job = ImageMap(
            self._align,
            dtype=self._record,
            namespace=self._namespace,
            store=as_store(self.cache),
            batch_size=self.batch_size,
            n_jobs=self.n_jobs,
        )
        with progress_bar(
            total=len(table.sources), desc="aligning", unit="image", verbose=self.verbose
        ) as bar:
            records = job(table, bar)
        if self.keep_landmarks:
            self._keep(records, table.index)
        self._report(records["n_faces"], table, job.n_computed)
        if not self.shared:
            return records["crop"][table.index]
        crops = np.empty(len(records), dtype=object)
        crops[:] = list(records["crop"])
        return crops[table.index]

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> np.ndarray:
        """Align the face of every image; as `transform`.

        Parameters
        ----------
        X : table of n pairs or of n single images
            As for `transform`.
        y : None
            Ignored.
        **fit_params : dict
            Ignored.

        Returns
        -------
        ndarray of shape (n, 2, size, size, 3) or (n, size, size, 3), uint8
            As from `transform`.
        """
        return self.fit(X, y).transform(X)

    def set_output(self, *, transform: Any = None) -> "FaceAligner":
        """Do nothing: crops are images, they stay numpy arrays in every configuration.

        Parameters
        ----------
        transform : str, default=None
            Ignored.

        Returns
        -------
        FaceAligner
            The aligner itself.
        """
        return self

    @property
    def _record(self) -> np.dtype:
        return np.dtype(
            [
                ("crop", np.uint8, (self.size, self.size, 3)),
                ("box", np.float32, (4,)),
                ("probability", np.float32),
                ("landmarks", np.float32, (5, 2)),
                ("matrix", np.float64, (2, 3)),
                ("n_faces", np.int32),
            ]
        )

    @property
    def _namespace(self) -> str:
        names = ("size", "margin", "select", "min_face_size", "min_probability", "max_size")
        settings = tuple(getattr(self, name) for name in names)
        return f"aligned:2:mtcnn-{version('facenet-pytorch')}:{settings}"

    def _align(self, images: list[np.ndarray]) -> np.ndarray:
        found = detect_faces(
            images,
            min_face_size=self.min_face_size,
            min_probability=self.min_probability,
            max_size=self.max_size,
            device=resolve_device(self.device),
        )
        records = np.empty(len(images), dtype=self._record)
        target = template(self.size, self.margin)
        for record, image, faces in zip(records, images, found, strict=True):
            record["n_faces"] = len(faces.boxes)
            if len(faces.boxes):
                best = faces.choose(self.select, image.shape)
                record["box"] = faces.boxes[best]
                record["probability"] = faces.probabilities[best]
                # coarser than what the number of threads and the size of a batch change
                record["landmarks"] = np.round(faces.landmarks[best], _DECIMALS)
                record["matrix"] = fit_similarity(record["landmarks"], target)
            else:
                record["box"] = record["probability"] = record["landmarks"] = np.nan
                record["matrix"] = centre_square(image.shape, self.size)
            record["crop"] = warp(image, record["matrix"], self.size)
        return records

    def _keep(self, records: np.ndarray, index: np.ndarray) -> None:
        self.boxes_ = records["box"][index]
        self.landmarks_ = records["landmarks"][index]
        self.matrices_ = records["matrix"][index]
        self.probabilities_ = records["probability"][index]
        linear, shift = self.matrices_[..., :2], self.matrices_[..., 2]
        points = self.landmarks_ @ linear.swapaxes(-1, -2) + shift[..., None, :]
        self.crop_landmarks_ = points.astype(np.float32)

    def _report(self, n_faces: np.ndarray, table: ImageTable, n_computed: int) -> None:
        """Count what was found, and say which images have no face."""
        without = np.flatnonzero(n_faces == 0)
        self.counts_ = {
            "images": len(n_faces),
            "found": int((n_faces > 0).sum()),
            "missing": len(without),
            "several": int((n_faces > 1).sum()),
        }
        tell(
            _logger,
            self.verbose,
            "%d images: a face in %d, none in %d, several in %d; %d searched%s, %d repeated or in "
            "the store",
            *self.counts_.values(),
            n_computed,
            f" on {resolve_device(self.device)}" if n_computed else "",
            len(n_faces) - n_computed,
        )
        self.missing_ = np.argwhere(np.isin(table.index, without))
        if not table.is_pairs:
            self.missing_ = self.missing_[:, 0]
        if not len(without) or self.on_missing == "crop":
            return
        more = []
        if len(without) > _SHOWN:
            more = [f"and {len(without) - _SHOWN} more (see missing_)"]
        message = f"no face was found in {len(without)} of {len(n_faces)} images"
        if self.on_missing == "warn":
            places = [table.place(source) for source in without[:_SHOWN]]
            warnings.warn(
                f"{message}: {'; '.join(places + more)}. Their centre is used.",
                RuntimeWarning,
                stacklevel=3,
            )
            return
        if len(without) > 1:
            others = [table.name(source) for source in without[1:_SHOWN]]
            message += f": this one; {'; '.join(others + more)}"
        raise ImageError(
            f"{message}. Take photographs in which the face is upright, seen from the "
            "front and not small. A smaller min_face_size or min_probability of FaceAligner finds "
            'more; with on_missing="warn" or "crop" it takes the centre of such images instead.',
            **table.where(without[0]),
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.no_validation = True
        return tags
