"""FaceNet: InceptionResnetV1 of facenet-pytorch (Schroff et al., CVPR 2015)."""

from __future__ import annotations

import logging
import os
from typing import Any

from sklearn_diffake.embedding.backbones._base import Crop
from sklearn_diffake.embedding.backbones._registry import BackboneEntry, entry_of, register

_logger = logging.getLogger(__name__)
#: Checkpoints of facenet-pytorch, by the name of the backbone.
FACENET_FILES = {
    "facenet-vggface2": "20180402-114759-vggface2.pt",
    "facenet-casia-webface": "20180408-102900-casia-webface.pt",
}
_RELEASE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"


def _build(name: str, weights: Any) -> Any:
    from sklearn_diffake.embedding.backbones._torch import torch_backbone
    from sklearn_diffake.embedding.backbones._weights import load_state, read_weights
    from sklearn_diffake.utils._torchvision import import_torchvision

    import_torchvision()
    from facenet_pytorch import InceptionResnetV1

    module = InceptionResnetV1()
    state = read_weights(weights) if weights else _checkpoint(name)
    state = {key: value for key, value in state.items() if not key.startswith("logits.")}
    load_state(module, state, name, weights or FACENET_FILES[name])
    entry = entry_of(name)
    assert entry is not None
    return torch_backbone(name, module, **entry.declarations)


def _checkpoint(name: str) -> dict[str, Any]:
    import torch

    file = FACENET_FILES[name]
    folder = os.path.join(
        os.environ.get("TORCH_HOME")
        or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "torch"),
        "checkpoints",
    )
    path = os.path.join(os.path.expanduser(folder), file)
    if not os.path.exists(path):
        from facenet_pytorch import InceptionResnetV1

        _logger.info("downloading the weights of %s to %s", name, path)
        try:
            InceptionResnetV1(pretrained=name.removeprefix("facenet-"))
        except Exception as error:  # urllib, ssl and requests each have errors of their own
            raise FileNotFoundError(
                f"the weights of {name!r} are not here and could not be downloaded ({error}). "
                f"Put {_RELEASE}{file} at {path}, or choose a backbone that works offline: "
                "'difffake-lite0-identity', which comes along, or an .onnx file."
            ) from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive fails in many ways
        raise ValueError(f"weights file {path!r} is damaged, remove it: {error}") from error


for _name in FACENET_FILES:
    register(
        BackboneEntry(
            _name,
            purpose="identity",
            license=(
                f"MIT (facenet-pytorch); trained on {_name.removeprefix('facenet-')}, whose own "
                "terms apply"
            ),
            weights="downloaded on first use",
            offline=False,
            build=_build,
            width=512,
            input_size=(160, 160),
            mean=(127.5 / 255,) * 3,
            std=(128 / 255,) * 3,
            crop=Crop(160, 0.0),
            n_parameters=23_482_624,
        )
    )
