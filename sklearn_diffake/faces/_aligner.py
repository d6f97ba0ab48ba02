"""FaceAligner: cut aligned face crops from photographs."""

import logging
import os
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from sklearn_diffake.faces._aligned import AlignedFaces, VideoDamage
from sklearn_diffake.faces._cells import Alignment
from sklearn_diffake.faces._finding import FaceFinder
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.results import Results
from sklearn_diffake.images.table import ImageTable, image_table
from sklearn_diffake.store import EmbeddingStore
from sklearn_diffake.utils._device import resolve_device
from sklearn_diffake.utils._doc_links import DocumentedMixin
from sklearn_diffake.utils._estimators import AddedParametersMixin
from sklearn_diffake.utils._messages import warn_caller
from sklearn_diffake.utils._output import ImageOutputMixin, keep_index
from sklearn_diffake.utils._progress import log_step, progress_bar
from sklearn_diffake.utils._sklearn_compat import HasMethods, Interval, StrOptions, _fit_context

_logger = logging.getLogger(__name__)
_CHOICES = {
    "largest": "the largest one",
    "confident": "the most certain one",
    "central": "the most central one",
    "match": "the one most like a face of the other cell",
}


class FaceAligner(  # type: ignore[call-arg]
    AddedParametersMixin,
    DocumentedMixin,
    ImageOutputMixin,
    FaceFinder,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,
):
    """Detect the face of each image and warp it to a canonical square crop.

    MTCNN detects faces and five landmarks [1]_. The chosen face is warped to the canonical position
    of the ArcFace crop [2]_ by the similarity transform (rotation, scale, shift) that fits its
    landmarks by least squares. An image that occurs in several pairs is processed once.

    Parameters
    ----------
    size : int, default=224
        Side of the crop in pixels.

    margin : float, default=0.0
        Border around the ArcFace crop on each side, as a fraction of its side; negative values cut
        closer. With 0 the crop extends from the middle of the forehead to the chin.

    landmarks : array-like of shape (5, 2), default=None
        Positions of left eye, right eye, nose tip, left and right corner of the mouth in the crop:
        (x, y) as fractions of the side of the crop without margin. None is the ArcFace crop; other
        networks may need other positions.

    select : {"largest", "confident", "central", "match"}, default="largest"
        Which of several faces is taken: the largest one, the one with the highest confidence of
        MTCNN, or the one closest to the center of the picture. ``"match"`` takes the most similar
        faces of the two cells of a pair, according to `matcher`, and in every further picture of
        a template (or frame of a video) the face most similar to these two. Up to 16 faces of a
        picture are compared: the largest ones, and the most confident and central one. Only
        pairs can be matched.

    matcher : transformer, default=None
        Embeds crops for ``select="match"``, such as ``FaceEmbedder("difffake-lite0-identity")``. An
        unfitted matcher is fitted on the crops of each call. So fit it before, if it depends on
        its training data. :func:`~sklearn_diffake.make_difffake_pipeline` sets the embedder of
        the pipeline.

    min_face_size : float, default=0.08
        Smallest face to detect, as a fraction of the shorter side of the image, in (0, 1].

    min_probability : float, default=0.9
        Faces with a lower confidence of MTCNN are ignored, in [0, 1].

    max_size : int, default=1024
        For detection, a photo is scaled down until its longer side has this many pixels. The crop
        is always cut from the original photo.

    n_frames : int, default=8
        A video in a cell is a template of this number of frames, evenly spaced in time. Frames
        without a face are skipped.

    on_missing : {"raise", "skip", "warn", "crop"}, default="raise"
        What to do with a picture without a detected face. ``"raise"`` raises an error. ``"skip"``
        removes it from its template; an empty cell becomes a `MissingFace`, and its pair gets no
        score and is ignored by ``fit``. ``"warn"`` takes the largest central square of the
        picture and warns, ``"crop"`` does so silently: the scores of such pairs are meaningless.
        Damaged frames of a video are an error with ``"raise"``, otherwise skipped with a
        warning.

    shared : bool, default=False
        If True, the output is an object array in which pairs with the same photo hold the same
        array, so that memory grows with the number of photos instead of pairs.

    device : str, default="auto"
        Device of MTCNN; "auto" takes cuda, then mps, then cpu.

    batch_size : int, default=32
        Images per batch; images of equal size are detected together.

    cache : str, Path or EmbeddingStore, default=None
        Store of crops on disk, so that a search or a second run detects no photo again.

    n_jobs : int, default=None
        Number of threads that decode pictures and (on a CPU) search them for faces, as joblib
        counts them: None is 1, -1 is one per core. The result does not depend on it.

    verbose : int, default=0
        Show a progress bar; 2 also logs the numbers of faces.

    Attributes
    ----------
    counts_ : dict of str to int
        Numbers of distinct pictures in `fit_transform`: `images`, `found` (with a face), `missing`
        (without a face), `several` (with several faces). `align` returns them for every call.

    Raises
    ------
    ImageError
        If an image cannot be read, or has no face and ``on_missing="raise"``; the message names
        row, column and file.

    See Also
    --------
    AlignedFaces : Result of `align`, with boxes and landmarks.

    Notes
    -----
    There is no `n_features_in_`: a row holds pictures, not features.

    References
    ----------
    .. [1] K. Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded
       Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016.
    .. [2] J. Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition",
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
        "landmarks": [None, "array-like"],
        "select": [StrOptions({"largest", "confident", "central", "match"})],
        "matcher": [None, HasMethods(["fit", "transform"])],
        "min_face_size": [Interval(Real, 0, 1, closed="right")],
        "min_probability": [Interval(Real, 0, 1, closed="both")],
        "max_size": [Interval(Integral, 64, None, closed="left")],
        "n_frames": [Interval(Integral, 1, None, closed="left")],
        "on_missing": [StrOptions({"raise", "skip", "warn", "crop"})],
        "shared": ["boolean"],
        "device": [str],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "cache": [None, str, os.PathLike, EmbeddingStore],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    _former_attributes = (
        "keep_landmarks",
        "missing_",
        "boxes_",
        "landmarks_",
        "crop_landmarks_",
        "matrices_",
        "probabilities_",
    )
    counts_: dict[str, int]

    def __init__(
        self,
        size: int = 224,
        *,
        margin: float = 0.0,
        landmarks: Any = None,
        select: str = "largest",
        matcher: Any = None,
        min_face_size: float = 0.08,
        min_probability: float = 0.9,
        max_size: int = 1024,
        n_frames: int = 8,
        on_missing: str = "raise",
        shared: bool = False,
        device: str = "auto",
        batch_size: int = 32,
        cache: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.size = size
        self.margin = margin
        self.landmarks = landmarks
        self.select = select
        self.matcher = matcher
        self.min_face_size = min_face_size
        self.min_probability = min_probability
        self.max_size = max_size
        self.n_frames = n_frames
        self.on_missing = on_missing
        self.shared = shared
        self.device = device
        self.batch_size = batch_size
        self.cache = cache
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters; there is nothing to fit.

        Parameters
        ----------
        X : table of pairs or of single images
            Paths, PIL images or arrays; only the form of the table is checked.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._check_select(image_table(X, templates=True))
        return self

    def align(
        self, X: Any, *, errors: Literal["raise", "return"] = "raise", opposite: Any = None
    ) -> AlignedFaces:
        """Align faces, and return the detected faces of each picture.

        Parameters
        ----------
        X : table of n pairs or of n single pictures
            As for `transform`.
        errors : {"raise", "return"}, default="raise"
            With ``"return"``, no error is raised for a file that cannot be read, nor for a picture
            without a face if ``on_missing="raise"``. They are skipped as with
            ``on_missing="skip"``, and `AlignedFaces` has the reason.
        opposite : ndarray of shape (k, d), default=None
            With ``select="match"``, unit embeddings by `matcher` of faces to compare with the faces
            of each cell; None compares the two cells of a pair.

        Returns
        -------
        AlignedFaces
            The estimator does not change.

        Raises
        ------
        ImageError
            If an image cannot be read, or has no face and ``on_missing="raise"``; the message
            names row, column and file.
        """
        return self._align(X, errors, opposite)[0]

    def _align(
        self, X: Any, errors: Literal["raise", "return"], opposite: Any = None
    ) -> tuple[AlignedFaces, Alignment]:
        self._validate_params()
        if errors not in ("raise", "return"):
            raise ValueError(f'errors must be "raise" or "return", got {errors!r}')
        table = image_table(X, templates=True)
        self._check_select(table)
        with progress_bar(
            total=len(table.sources), desc="aligning", unit="image", verbose=self.verbose
        ) as bar:
            video_damage: dict[str, VideoDamage] = {}
            results = self._engine(table.is_pairs, video_damage)(table, bar, errors=errors)
        on_missing = self.on_missing
        if errors == "return" and on_missing == "raise":
            on_missing = "skip"
        alignment = Alignment(
            table,
            results,
            self._chosen_face,
            on_missing=on_missing,
            select=self.select,
            matcher=self.matcher,
            crop_of=self._target,
            size=self.size,
            opposite=opposite,
        )
        faces = alignment.assemble(shared=self.shared, video_damage=video_damage)
        self._log_result(faces, results)
        alignment.report_missing()
        return faces, alignment

    def transform(self, X: Any) -> np.ndarray:
        """Align the face of every picture.

        Parameters
        ----------
        X : table of n pairs or of n single pictures
            (n, 2) DataFrame, array or list of paths, PIL images or (H, W, 3) uint8 arrays, or
            an (n, 2, H, W, 3) array; for single pictures one dimension less. A cell of a pair may
            be a template: a list of these, a video file, or a list with videos in it.

        Returns
        -------
        ndarray of shape (n, 2, size, size, 3) or (n, size, size, 3), uint8
            RGB crops. With templates, ``shared=True``, or cells without a face, an object array of
            shape (n, 2) or (n,) of crops, lists of crops and `MissingFace` objects; a picture
            that occurs several times is the same array.

        Raises
        ------
        ImageError
            If an image cannot be read, or has no face and ``on_missing="raise"``; the message
            names row, column and file.
        """
        return keep_index(self._align(X, "raise")[0].crops, X)

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> np.ndarray:
        """Align the face of every picture, as `transform` does.

        Parameters
        ----------
        X : table of n pairs or of n single pictures
            As for `transform`.
        y : None
            Ignored.
        **fit_params : dict
            Ignored.

        Returns
        -------
        ndarray of shape (n, 2, size, size, 3) or (n, size, size, 3), uint8
            As from `transform`.

        Warns
        -----
        UserWarning
            If pictures show several faces: their number, and how the face was chosen.
        """
        faces, _ = self.fit(X, y)._align(X, "raise")
        self.counts_ = faces.counts
        if faces.counts["several"]:
            warn_caller(
                f"{faces.counts['several']} of {faces.counts['images']} pictures show several "
                f"faces; {_CHOICES[self.select]} was taken. FaceAligner.align returns the "
                "chosen face of each picture."
            )
        return keep_index(faces.crops, X)

    def _check_select(self, table: ImageTable) -> None:
        if self.select != "match":
            return
        if self.matcher is None:
            raise ValueError(
                'select="match" needs an embedder: give matcher=FaceEmbedder(...), or use '
                'make_difffake_pipeline(select="match"), which gives its own'
            )
        if not table.is_pairs:
            raise ImageError(
                'with select="match", X must hold pairs, got single pictures; '
                "one pair is written [(reference, probe)]"
            )

    def _log_result(self, faces: AlignedFaces, results: Results) -> None:
        log_step(
            _logger,
            self.verbose,
            "%d images: a face in %d, none in %d, several in %d; %d searched%s, %d repeated or in "
            "the store",
            *faces.counts.values(),
            results.n_computed,
            f" on {resolve_device(self.device)}" if results.n_computed else "",
            results.n_pictures - results.n_computed,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.no_validation = True
        return tags
