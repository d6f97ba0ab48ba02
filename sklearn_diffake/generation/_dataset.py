"""PseudoDeepfakeDataset: genuine crops with fakes made on the fly, for a DataLoader."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_diffake.generation._cv2 import load_cv2
from sklearn_diffake.generation._rows import PseudoDeepfakeRows


class PseudoDeepfakeDataset:
    """Genuine crops, each with a pseudo-deepfake that is made on access.

    A map-style dataset for ``torch.utils.data.DataLoader``; torch itself is not needed. An item
    depends on `seed`, the epoch and its index, not on the loader's workers, order or batches.

    Parameters
    ----------
    crops : ndarray of shape (n, S, S, 3), uint8, or sequence of n such crops
        Aligned RGB crops of genuine faces, such as `FaceAligner` returns; a memory-mapped array
        stays memory-mapped.

    techniques : None, "difffake", str, list of str or dict of str to float, default=None
        What to draw from; see `technique_weights`.

    identity : array-like of shape (n,), default=None
        Who is seen in each row: the donor of a blend between identities is somebody else. None
        takes every row for another person.

    landmarks : {"mean-shape", "dlib"}, default="mean-shape"
        Where the 68 landmarks come from.

    margin : float, default=0.0
        `margin` of the `FaceAligner` that made the crops.

    augment : bool or "video", default=False
        Flip, color shift and JPEG, applied alike to the genuine image and its fake; ``"video"``
        adds degradation by a video, see `PseudoDeepfakeGenerator`.

    blending : {"rgb", "yuv420", "mixed"}, default="rgb"
        Colors in which source and target are blended.

    match_sharpness : float in [0, 1], default=0
        Probability that the genuine image is made as sharp as its fake.

    seed : int, default=0
        With the epoch and the index it determines an item.

    points : array-like of shape (n, 5, 2) or (n, 68, 2), default=None
        Known landmarks in the crops, as ``AlignedFaces.crop_landmarks``.

    Raises
    ------
    ImportError
        If OpenCV is not installed, or dlib where it is requested.
    ValueError
        If crops or landmarks are not as described, or no technique remains.

    See Also
    --------
    PseudoDeepfakeGenerator : Makes all pseudo-deepfakes at once, as a transformer.
    sklearn_diffake.embedding.ForgeryEmbedder : Trains a network on pseudo-deepfakes.
    torch.utils.data.DataLoader : Makes batches of the items.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.generation import PseudoDeepfakeDataset
    >>> crops = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    >>> dataset = PseudoDeepfakeDataset(crops, techniques="difffake")
    >>> dataset.set_epoch(1)
    >>> real, fake = dataset[2]
    >>> real.shape, fake.shape
    ((64, 64, 3), (64, 64, 3))
    """

    def __init__(
        self,
        crops: Any,
        *,
        techniques: Any = None,
        identity: ArrayLike | None = None,
        landmarks: str = "mean-shape",
        margin: float = 0.0,
        augment: bool | str = False,
        blending: str = "rgb",
        match_sharpness: float = 0.0,
        seed: int = 0,
        points: ArrayLike | None = None,
    ) -> None:
        load_cv2()
        if landmarks not in ("mean-shape", "dlib"):
            raise ValueError(f'landmarks must be "mean-shape" or "dlib", got {landmarks!r}.')
        self._rows = PseudoDeepfakeRows(
            crops,
            techniques=techniques,
            identity=identity,
            landmarks=landmarks,
            margin=margin,
            augment=augment,
            blending=blending,
            match_sharpness=match_sharpness,
            points=points,
        )
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch: every epoch draws other fakes.

        Workers that are already running (``persistent_workers=True``) keep the epoch they started
        with; leave that off.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0.
        """
        self.epoch = int(epoch)

    def __len__(self) -> int:
        return len(self._rows.crops)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the genuine image and its fake, each (S, S, 3) uint8 RGB."""
        row = range(len(self))[index]
        real, fake, _ = self._rows.render(row, self.record(row))
        return real, fake

    def record(self, index: int) -> dict[str, Any]:
        """Return the parameters of an item's fake in this epoch; see `draw`.

        Parameters
        ----------
        index : int
            Position of the item; negative ones count from the end.

        Returns
        -------
        dict
            What `draw` returns; `donor`, the row of the other face; and `landmarks`, the source
            of the row's landmarks.

        Raises
        ------
        IndexError
            If there is no such item.
        """
        row = range(len(self))[index]
        return self._rows.draw(row, self.seed, self.epoch, row)
