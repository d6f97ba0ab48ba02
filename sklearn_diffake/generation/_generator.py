"""PseudoDeepfakeGenerator: pseudo-deepfakes of aligned crops."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Bunch, Tags, check_random_state

from sklearn_diffake.generation._cv2 import load_cv2
from sklearn_diffake.generation._rows import PseudoDeepfakeRows, check_crops
from sklearn_diffake.generation._techniques import TECHNIQUES, technique_weights
from sklearn_diffake.utils._doc_links import DocumentedMixin
from sklearn_diffake.utils._output import ImageOutputMixin
from sklearn_diffake.utils._progress import progress_bar
from sklearn_diffake.utils._sklearn_compat import Interval, StrOptions, _fit_context


class PseudoDeepfakeGenerator(  # type: ignore[call-arg]
    DocumentedMixin, ImageOutputMixin, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Make pseudo-deepfakes out of aligned crops of genuine faces.

    A face is blended with a changed copy of itself [1]_, over the whole face or a part of it [2]_,
    or with the face of somebody else; or it gets the artifacts of up-sampling networks, spectra,
    textures, light and poor seams. Parameters are drawn first and applied second,
    so that each fake can be made again from its record, bit for bit.

    Parameters
    ----------
    techniques : None, "difffake", str, list of str or dict of str to float, default=None
        What to draw from: all techniques, the four of the paper, one, several, or several with
        weights; see `technique_weights`.

    landmarks : {"mean-shape", "dlib"}, default="mean-shape"
        Where the 68 landmarks come from: a mean shape at the canonical place, or dlib (extra
        ``dlib``).

    margin : float, default=0.0
        `margin` of the `FaceAligner` that made the crops.

    augment : bool or "video", default=False
        Flip, color shift and JPEG after blending, applied alike to the genuine image and its
        fake. ``"video"`` adds degradation by a video to both: sharpening or denoising, a chain of
        sizes, noise, a round trip through H.264, HEVC or VP9 as one frame of a short clip at a
        drawn quality and chroma subsampling, and an edge of the picture (needs PyAV, extra
        ``video``). In half of the draws the two are also moved a little, each in its own way, as
        two frames of one video are.

    blending : {"rgb", "yuv420", "mixed"}, default="rgb"
        Colors in which source and target are blended. ``"yuv420"`` is how video holds them:
        limited-range YUV whose colors have half the resolution; ``"mixed"`` draws one of the two
        for every fake.

    match_sharpness : float in [0, 1], default=0
        Probability that the genuine image is blurred or sharpened until it is as sharp as its
        fake under the mask, so that sharpness alone does not distinguish them.

    random_state : int, RandomState instance or None, default=None
        An int gives the same fakes in every call. The fake of a row depends on this and on the
        row's number, and on other rows only as far as one of them is its donor.

    n_jobs : int, default=None
        Number of threads that make fakes, as joblib counts them: None is 1, -1 is one per core. The
        result does not depend on it.

    verbose : int, default=0
        Show a progress bar.

    Attributes
    ----------
    technique_weights_ : dict of str to float
        Probability of every technique.

    See Also
    --------
    PseudoDeepfakeDataset : The same, one item at a time, for training.

    Notes
    -----
    There is no `n_features_in_`: a row holds a picture, not features.

    References
    ----------
    .. [1] Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022.
    .. [2] S. Stamnas, V. Sanchez, "DiffFake: Exposing Deepfakes using Differential Anomaly
       Detection", WACVW 2025, arXiv:2502.16247.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.generation import PseudoDeepfakeGenerator
    >>> crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    >>> generator = PseudoDeepfakeGenerator("difffake", random_state=0)
    >>> fakes = generator.fit(crops).generate(crops)
    >>> fakes.images.shape, fakes.masks.shape
    ((3, 64, 64, 3), (3, 64, 64))
    >>> bool((generator.replay(crops, fakes.records).images == fakes.images).all())
    True
    """

    _parameter_constraints: dict[str, Any] = {
        "techniques": [None, str, dict, list, tuple],
        "landmarks": [StrOptions({"mean-shape", "dlib"})],
        "margin": [Interval(Real, -0.45, 5, closed="both")],
        "augment": ["boolean", StrOptions({"video"})],
        "blending": [StrOptions({"rgb", "yuv420", "mixed"})],
        "match_sharpness": [Interval(Real, 0, 1, closed="both")],
        "random_state": ["random_state"],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    technique_weights_: dict[str, float]

    def __init__(
        self,
        techniques: Any = None,
        *,
        landmarks: str = "mean-shape",
        margin: float = 0.0,
        augment: bool | str = False,
        blending: str = "rgb",
        match_sharpness: float = 0.0,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.techniques = techniques
        self.landmarks = landmarks
        self.margin = margin
        self.augment = augment
        self.blending = blending
        self.match_sharpness = match_sharpness
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters and the crops; nothing is learned.

        Parameters
        ----------
        X : ndarray of shape (n, S, S, 3), uint8, or sequence of n such crops
            Aligned RGB crops.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        load_cv2()
        check_crops(X)
        self.technique_weights_ = technique_weights(self.techniques)
        return self

    def transform(self, X: Any) -> NDArray[np.uint8]:
        """Make one fake of every crop.

        Parameters
        ----------
        X : ndarray of shape (n, S, S, 3), uint8, or sequence of n such crops
            Aligned RGB crops; every row is taken for another person. See `generate` for more.

        Returns
        -------
        ndarray of shape (n, S, S, 3), uint8
            Pseudo-deepfakes.
        """
        return self.generate(X).images

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> NDArray[np.uint8]:
        """Make one fake of every crop; as `transform`.

        Parameters
        ----------
        X : ndarray of shape (n, S, S, 3), uint8, or sequence of n such crops
            As for `transform`.
        y : None
            Ignored.
        **fit_params : dict
            Ignored.

        Returns
        -------
        ndarray of shape (n, S, S, 3), uint8
            As from `transform`.
        """
        return self.fit(X, y).transform(X)

    def generate(
        self, X: Any, identity: ArrayLike | None = None, *, points: ArrayLike | None = None
    ) -> Bunch:
        """Make one fake of every crop, with the record of its parameters.

        Parameters
        ----------
        X : ndarray of shape (n, S, S, 3), uint8, or sequence of n such crops
            Aligned RGB crops.
        identity : array-like of shape (n,), default=None
            Who is seen in each row; donors come from other identities. None takes every row for
            another person.
        points : array-like of shape (n, 5, 2) or (n, 68, 2), default=None
            Known landmarks in the crops, as ``AlignedFaces.crop_landmarks``; None for the
            canonical ones.

        Returns
        -------
        Bunch
            With the fields

            images : ndarray of shape (n, S, S, 3), uint8
                The fakes.
            reals : ndarray of shape (n, S, S, 3), uint8
                The genuine counterpart of each fake: the crop, after the augmentation, after the
                change of color and detail where the target was changed, and as sharp as the fake
                where that is requested. Without augmentation and `match_sharpness`, equal to the
                fake wherever the mask is zero.
            masks : ndarray of shape (n, S, S), uint8
                Weight of the source in the fake, 255 for all of it.
            records : list of dict
                Parameters, which JSON can hold; `donor` is the row of the other face,
                `landmarks` what those of the row come from.

        Raises
        ------
        ValueError
            If the crops are not as described, or no technique remains.

        Warns
        -----
        RuntimeWarning
            If techniques are left out because there is one identity only.
        """
        rows = self._rows(X, identity, points)
        seed = self._seed()
        return self._render(rows, [rows.draw(row, seed, row) for row in range(len(rows.crops))])

    def replay(
        self, X: Any, records: Sequence[dict[str, Any]], *, points: ArrayLike | None = None
    ) -> Bunch:
        """Make fakes again from their records.

        Parameters
        ----------
        X : ndarray of shape (n, S, S, 3), uint8, or sequence of n such crops
            The crops that `generate` was called with.
        records : list of n dict
            The records that `generate` returned.
        points : array-like of shape (n, 5, 2) or (n, 68, 2), default=None
            The landmarks that `generate` was called with.

        Returns
        -------
        Bunch
            As from `generate`, bit for bit.

        Raises
        ------
        ValueError
            If there is not one record for each crop, one of them cannot be applied, or was made
            with another `landmarks` or `margin`, or with other points.
        """
        check_crops(X)
        if len(records) != len(X):
            raise ValueError(
                f"records must hold one record for each of {len(X)} crops, got {len(records)}."
            )
        for row, record in enumerate(records):
            if not isinstance(record, dict) or record.get("technique") not in TECHNIQUES:
                raise ValueError(f"records[{row}] must name a known technique.")
        rows = self._rows(X, None, points, replayed=True)
        for row, record in enumerate(records):
            rows.check_replayed(row, record)
        return self._render(rows, records)

    def _rows(
        self,
        X: Any,
        identity: ArrayLike | None,
        points: ArrayLike | None,
        *,
        replayed: bool = False,
    ) -> PseudoDeepfakeRows:
        load_cv2()
        self._validate_params()
        return PseudoDeepfakeRows(
            X,
            techniques="difffake" if replayed else self.techniques,  # not drawn from in a replay
            identity=identity,
            landmarks=self.landmarks,
            margin=self.margin,
            augment=self.augment,
            blending=self.blending,
            match_sharpness=self.match_sharpness,
            points=points,
        )

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _render(self, rows: PseudoDeepfakeRows, records: Sequence[dict[str, Any]]) -> Bunch:
        results = Parallel(n_jobs=self.n_jobs, prefer="threads", return_as="generator")(
            delayed(rows.render)(row, record) for row, record in enumerate(records)
        )
        triples = []
        with progress_bar(
            total=len(records), desc="making fakes", unit="image", verbose=self.verbose
        ) as bar:
            for triple in results:
                triples.append(triple)
                bar.update()
        reals, fakes, masks = (np.stack(arrays) for arrays in zip(*triples, strict=True))
        return Bunch(images=fakes, reals=reals, masks=masks, records=list(records))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.no_validation = True
        return tags
