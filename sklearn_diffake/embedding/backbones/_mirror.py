"""Embeddings averaged over a crop and its mirror image."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

from ._backbone import Backbone, Forward


def mirrored(backbone: Backbone) -> Backbone:
    """Return a backbone whose embeddings are means over a crop and its mirror image.

    Parameters
    ----------
    backbone : Backbone

    Returns
    -------
    Backbone
        With a fingerprint of its own; its weights, and what `export` writes, are the same.
    """

    def build(device: str, dtype: str) -> Forward:
        forward = backbone.build(device, dtype)

        def forward_both(crops: np.ndarray) -> np.ndarray:
            return (forward(crops) + forward(crops[:, :, ::-1])) / 2

        return forward_both

    fingerprint = hashlib.blake2b(f"mirror:1:{backbone.fingerprint}".encode(), digest_size=16)
    return dataclasses.replace(
        backbone,
        build=build,
        fingerprint=fingerprint.hexdigest(),
        module=None if backbone.module is None else _mirrored_module(backbone.module),
        mirror=True,
    )


def _mirrored_module(module: Any) -> Any:
    """Return a torch module that computes the same, for gradients."""
    import torch

    class Mirrored(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return (self.network(images) + self.network(images.flip(3))) / 2

    return Mirrored().eval()
