"""Any image model of timm, without its classifier."""

from __future__ import annotations

import difflib
from typing import Any

from sklearn_diffake.embedding.backbones._registry import BackboneEntry, register

_PREFIX = "timm:"
_HUB = ("hf-hub:", "hf_hub:")  # timm's prefixes of a model on the Hugging Face hub


def _build(name: str, weights: Any) -> Any:
    from sklearn_diffake.embedding.backbones._torch import torch_backbone
    from sklearn_diffake.embedding.backbones._weights import load_state, read_weights

    timm = import_timm()
    model = name.removeprefix(_PREFIX)
    is_on_hub = model.startswith(_HUB)
    if not is_on_hub and not timm.is_model(model):
        near = difflib.get_close_matches(model, timm.list_models(), n=5, cutoff=0.4)
        raise ValueError(f"timm has no model {model!r}; the nearest are {near}")
    try:
        module = timm.create_model(model, pretrained=weights is None, num_classes=0)
    except Exception as error:  # the hub's errors are many
        if is_on_hub:
            raise _not_loaded(name, model[len(_HUB[0]) :], error) from error
        raise FileNotFoundError(
            f"the weights of {name!r} are not here and could not be downloaded ({error}). "
            "Give weights=<a .safetensors file>, or use 'efficientnet-lite0'."
        ) from error
    if weights:
        classifiers = module.pretrained_cfg.get("classifier") or ()
        classifiers = (classifiers,) if isinstance(classifiers, str) else classifiers
        prefixes = tuple(f"{name}." for name in classifiers)
        state = read_weights(weights)
        state = {key: t for key, t in state.items() if not key.startswith(prefixes)}
        load_state(module, state, name, weights)
    config = timm.data.resolve_model_data_config(module)
    return torch_backbone(
        name,
        module,
        input_size=tuple(config["input_size"][1:]),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        license=module.pretrained_cfg.get("license") or "see the model's card",
    )


def _not_loaded(name: str, repository: str, error: Exception) -> FileNotFoundError:
    """Make the error for a model of the hub."""
    reason = " ".join(str(error).split())
    return FileNotFoundError(
        f"backbone={name!r} is neither in the local cache nor could it be loaded from the Hugging "
        f"Face hub, where https://huggingface.co/{repository} must be a model of timm ({reason}). "
        f"On a machine with a network, 'hf download {repository}' fills the cache, which is "
        "$HF_HOME/hub."
    )


def import_timm() -> Any:
    """Import timm, with an error that names the extra if it is missing."""
    from sklearn_diffake.utils._optional import import_extra
    from sklearn_diffake.utils._torchvision import import_torchvision

    import_torchvision()
    return import_extra("timm", "timm", "The networks of timm")


register(
    BackboneEntry(
        f"{_PREFIX}<model>",
        purpose="any",
        license="as the model's card says",
        weights="downloaded by timm, or weights=",
        offline=False,
        build=_build,
        requires=("timm",),
        matches=lambda name: name.startswith(_PREFIX),
    )
)
