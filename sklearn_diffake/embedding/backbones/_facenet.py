"""FaceNet: InceptionResnetV1 of facenet-pytorch (Schroff et al., CVPR 2015)."""

from __future__ import annotations

import logging
from typing import Any

from sklearn_diffake.embedding.backbones._base import Crop
from sklearn_diffake.embedding.backbones._fetch import DOWNLOADS, download_weights
from sklearn_diffake.embedding.backbones._registry import BackboneEntry, entry_of, register

_logger = logging.getLogger(__name__)


def _build(name: str, weights: Any) -> Any:
    from sklearn_diffake.embedding.backbones._torch import torch_backbone
    from sklearn_diffake.embedding.backbones._weights import load_state, read_weights
    from sklearn_diffake.utils._facenet_pytorch import import_facenet_pytorch

    module = import_facenet_pytorch().InceptionResnetV1()
    state = read_weights(weights) if weights else _checkpoint(name)
    state = {key: value for key, value in state.items() if not key.startswith("logits.")}
    load_state(module, state, name, weights or DOWNLOADS[name].path.name)
    entry = entry_of(name)
    assert entry is not None
    return torch_backbone(name, module, **entry.declarations)


def _checkpoint(name: str) -> dict[str, Any]:
    import torch

    path = DOWNLOADS[name].path
    if not path.exists():
        _logger.info("downloading the weights of %s to %s", name, path)
        download_weights(name, verbose=1)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive fails in many ways
        raise ValueError(f"weights file {str(path)!r} is damaged, remove it: {error}") from error


for _name in DOWNLOADS:
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
