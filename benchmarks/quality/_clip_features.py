"""Features of frames of clips, pairs of frames, and differences of features."""

import itertools

import numpy as np
import torch

from benchmarks.quality._clip_faces import LAGS
from benchmarks.quality._stand_in_clips import N_FRAMES
from sklearn_diffake.embedding.backbones._views import resize

PAPER = "pooled, L2 of the difference"  # squared, then normalized, as DiffFake does
FORMS = ("pooled, L2", "pooled", "before pooling, L2", "before pooling")


class Features:
    """Features of images in three forms.

    Parameters
    ----------
    embedder : ForgeryEmbedder
        Fitted.
    crops : ndarray of shape (..., S, S, 3), uint8

    Attributes
    ----------
    maps : ndarray of shape (..., d, places), float16
        Before pooling.
    pooled : ndarray of shape (..., d), float32
    verdicts : ndarray of shape (...,), float64
        Logits of being genuine.
    """

    def __init__(self, embedder, crops):
        shape = crops.shape[:-3]
        flat = crops.reshape(-1, *crops.shape[-3:])
        feature_maps = []
        backbone = embedder.find_backbone()
        hook = backbone.module.bn2.register_forward_hook(  # the layer before pooling
            lambda module, inputs, maps: feature_maps.append(maps.flatten(2).half())
        )
        try:
            pooled = self._run(backbone, flat)
        finally:
            hook.remove()
        maps = torch.cat(feature_maps).numpy()
        self.maps = maps.reshape(*shape, *maps.shape[1:])
        self.pooled = pooled.reshape(*shape, -1)
        verdicts = pooled.astype(float) @ embedder.coef_ + embedder.intercept_
        self.verdicts = verdicts.reshape(shape)

    @staticmethod
    def _run(backbone, crops):
        size = tuple(backbone.input_size)
        mean, std = (torch.tensor(v).view(3, 1, 1) * 255 for v in (backbone.mean, backbone.std))
        blocks = []
        with torch.inference_mode():
            for start in range(0, len(crops), 32):
                batch = np.stack([resize(crop, size) for crop in crops[start : start + 32]])
                images = torch.from_numpy(batch).permute(0, 3, 1, 2).float()
                blocks.append(backbone.module((images - mean) / std).numpy())
        return np.concatenate(blocks)


def difference(features, first, second, form):
    """Return squared differences between images of one clip.

    Parameters
    ----------
    features : Features
    first, second : tuple of ndarray of int
        Indices of the images of each pair.
    form : str
        `PAPER`, "pooled", or "before pooling" (the mean over places of the squared differences
        there); with ", L2" each image's features are divided by their norm.

    Returns
    -------
    ndarray of shape (pairs, d)
    """
    pooled = form.startswith("pooled")
    images = [
        features.pooled[index] if pooled else features.maps[index].astype(np.float32)
        for index in (first, second)
    ]
    if form.endswith(", L2"):
        axes = -1 if pooled else (-2, -1)
        images = [image / np.linalg.norm(image, axis=axes, keepdims=True) for image in images]
    change = (images[0] - images[1]) ** 2
    if form == PAPER:
        return change / np.linalg.norm(change, axis=-1, keepdims=True)
    return change if pooled else change.mean(axis=-1)


def real_pairs(clip, choice, rng):
    """Return indices (moment, lag) of both images of the pairs of one real clip.

    Parameters
    ----------
    clip : ClipFaces
    choice : str
        "moments" (any two), "lag N" or "like pose" (the tenth of all moments' pairs whose
        landmarks are nearest).
    rng : numpy.random.Generator

    Returns
    -------
    first, second : tuple of two ndarray of int
    """
    n = len(clip.crops)
    if choice.startswith("lag"):
        lag_index = LAGS.index(int(choice.split()[1]))
        moments = np.arange(n)
        return (moments, np.zeros(n, int)), (moments, np.full(n, lag_index))
    couples = np.array(list(itertools.combinations(range(n), 2)))
    if choice == "like pose":
        order = np.argsort(pose_distance(clip, couples))[: len(couples) // 10]
    else:
        order = rng.permutation(len(couples))[: 4 * n]
    none = np.zeros(len(order), int)
    return (couples[order, 0], none), (couples[order, 1], none)


def pose_distance(clip, couples):
    """Return the root mean square distance of the landmarks of two moments, in pixels."""
    points = clip.landmarks[:, 0]
    change = points[couples[:, 0]] - points[couples[:, 1]]
    return np.sqrt((change**2).sum(axis=-1).mean(axis=-1))


def stand_in_pairs(n):
    """Return indices of all pairs of frames of n stand-in clips, clip by clip."""
    couples = np.array(list(itertools.combinations(range(N_FRAMES), 2)))
    clips = np.repeat(np.arange(n), len(couples))
    first, second = np.tile(couples.T, n)
    return (clips, first), (clips, second)
