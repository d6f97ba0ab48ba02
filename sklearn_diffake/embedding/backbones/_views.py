"""Resize crops, and average embeddings over views of a crop: mirror image, tighter crops."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from sklearn_diffake.embedding.backbones._base import ONE_SCALE, Backbone, Forward

#: Images that a network takes at once when a batch is small, which is faster than one view at a
#: time; a usual batch is as large, so it takes no more memory.
_SMALL_BATCH = 32


def averaged_over_views(backbone: Backbone, *, mirror: bool, scales: tuple[float, ...]) -> Backbone:
    """Return a backbone whose embeddings are means over views of each crop.

    Parameters
    ----------
    backbone : Backbone
    mirror : bool
        Whether each view is also embedded as its mirror image.
    scales : tuple of float
        Sides of the views, as fractions of the crop's side, in (0, 1]. A view shares its center
        with the crop and is resized to the crop's size.

    Returns
    -------
    Backbone
        The same backbone if the crop itself is the only view. Otherwise one with another
        fingerprint; its weights, and what `export` writes, are the same.
    """
    if not mirror and scales == ONE_SCALE:
        return backbone

    def build(device: str, dtype: str) -> Forward:
        forward = backbone.build(device, dtype)
        n_views = len(scales) * (2 if mirror else 1)

        def forward_views(crops: np.ndarray) -> np.ndarray:
            views = views_of(crops, mirror=mirror, scales=scales)
            if len(crops) * n_views <= _SMALL_BATCH:
                embeddings = np.split(forward(np.concatenate(list(views))), n_views)
            else:
                embeddings = [forward(view) for view in views]
            return sum(embeddings[1:], embeddings[0]) / n_views

        return forward_views

    return dataclasses.replace(
        backbone,
        build=build,
        fingerprint=_fingerprint(backbone.fingerprint, mirror, scales),
        module=None if backbone.module is None else _module(backbone.module, mirror, scales),
        mirror=mirror,
        scales=scales,
    )


def _fingerprint(fingerprint: str, mirror: bool, scales: tuple[float, ...]) -> str:
    # the name of a mirrored backbone is older than scales: embeddings in stores keep their keys
    views = "mirror" if scales == ONE_SCALE else f"views:{mirror}:{scales}"
    return hashlib.blake2b(f"{views}:1:{fingerprint}".encode(), digest_size=16).hexdigest()


def border(side: int, scale: float) -> int:
    """Return the number of pixels that a view omits at each edge."""
    return min(round(side * (1 - scale) / 2), (side - 1) // 2)


def views_of(crops: np.ndarray, *, mirror: bool, scales: tuple[float, ...]) -> Iterator[np.ndarray]:
    """Yield the views of crops of shape (n, H, W, 3), all of that shape."""
    height, width = crops.shape[1:3]
    for scale in scales:
        view = crops
        if scale != 1:
            y, x = border(height, scale), border(width, scale)
            inner = crops[:, y : height - y, x : width - x]
            view = np.stack([resize(np.ascontiguousarray(crop), (height, width)) for crop in inner])
        yield view
        if mirror:
            yield view[:, :, ::-1]


def _module(module: Any, mirror: bool, scales: tuple[float, ...]) -> Any:
    """Return a torch module that computes the same, for gradients."""
    import torch

    class AveragedOverViews(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            views = []
            height, width = images.shape[2:]
            for scale in scales:
                y, x = border(height, scale), border(width, scale)
                view = images
                if scale != 1:
                    view = torch.nn.functional.interpolate(
                        images[:, :, y : height - y, x : width - x],
                        size=(height, width),
                        mode="bilinear",
                        align_corners=False,
                    )
                views += [view, view.flip(3)] if mirror else [view]
            return torch.stack([self.network(view) for view in views]).mean(0)

    return AveragedOverViews().eval()


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image to (height, width) pixels, bilinearly."""
    from PIL import Image

    if image.shape[:2] == size:
        return image
    resized = Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(resized)
