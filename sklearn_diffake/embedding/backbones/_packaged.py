"""The networks that come with the package, trained by the scripts in ``benchmarks/training``."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Any

from sklearn_diffake.embedding.backbones._base import Crop
from sklearn_diffake.embedding.backbones._lite0 import EFFICIENTNET_LITE0
from sklearn_diffake.embedding.backbones._registry import BackboneEntry, entry_of, register

_LICENSE = "BSD-3-Clause; trained on Labeled Faces in the Wild, whose own terms apply"
#: Files of the weights, by the name of the network.
PACKAGED_FILES = {
    "difffake-lite0": "forgery.safetensors",
    "difffake-lite0-verdict": "forgery.safetensors",
    "difffake-lite0-video": "forgery_video.safetensors",
    "difffake-lite0-video-verdict": "forgery_video.safetensors",
    "difffake-lite0-identity": "identity.safetensors",
}
SHA256 = {
    "forgery.safetensors": "9fcd17ee9711b706f4a29184aaee709e7b3fd4d2b1e4d9eec901d7bf3a299eab",
    "forgery_video.safetensors": "1d34cabfcb3fad1c1da3269df7771402a035d35a587ea20bc5f690999c0121d5",
    "identity.safetensors": "7701a2ad5b10f9aaae4da371018ddafd59bad2143b7ed726df0ecd196859a78c",
}
#: Crop of the faces that they were trained on.
CROP = Crop(160, 0.2)


def packaged_file(name: str) -> str:
    """Return the path of the weights of a packaged network."""
    return str(resources.files("sklearn_diffake") / "data" / PACKAGED_FILES[name])


def packaged_backbone(name: str, weights: Any) -> Any:
    """Build a packaged network, with its own weights or with others."""
    from sklearn_diffake.embedding.backbones._torch import torch_backbone
    from sklearn_diffake.embedding.backbones._weights import load_state, read_weights
    from sklearn_diffake.embedding.backbones.networks._packaged import (
        forgery_module,
        identity_module,
    )

    verdict = name.endswith("-verdict")
    is_identity = name == "difffake-lite0-identity"
    module = identity_module() if is_identity else forgery_module(verdict=verdict)
    source = weights or _checked_file(name)
    load_state(module, read_weights(source, with_classifier=verdict), name, source)
    entry = entry_of(name)
    assert entry is not None
    return torch_backbone(name, module, **entry.declarations)


def _checked_file(name: str) -> str:
    """Return the path of the weights; raises ValueError if the file is not that of the release."""
    path = packaged_file(name)
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256[PACKAGED_FILES[name]]:
            raise ValueError(
                f"weights file {path!r} is damaged: its checksum is not that of the release. "
                "Install sklearn-diffake again."
            )
    return path


def _register(
    name: str,
    purpose: str,
    width: int,
    size: int,
    n_parameters: int,
    eer: dict[int, float] | None = None,
) -> None:
    register(
        BackboneEntry(
            name,
            purpose=purpose,
            license=_LICENSE,
            weights="in this package",
            offline=True,
            build=packaged_backbone,
            width=width,
            input_size=(size, size),
            mean=EFFICIENTNET_LITE0.mean,
            std=EFFICIENTNET_LITE0.std,
            crop=CROP,
            n_parameters=n_parameters,
            eer=eer or {},
        )
    )


_register("difffake-lite0-identity", "identity", 128, 160, 3_614_848, {1: 0.1913, 3: 0.1305})
_register("difffake-lite0", "forgery", 1280, 128, 3_371_008)
_register("difffake-lite0-verdict", "forgery", 1, 128, 3_372_289)
_register("difffake-lite0-video", "forgery", 1280, 160, 3_371_008)
_register("difffake-lite0-video-verdict", "forgery", 1, 160, 3_372_289)
