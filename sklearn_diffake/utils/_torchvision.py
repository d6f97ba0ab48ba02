"""Import torchvision, even if its compiled operators do not fit the installed torch.

The torchvision wheel of the main package index is built for CUDA. Beside a CPU-only torch its
extension does not load and ``import torchvision`` ends in ``operator torchvision::nms does not
exist``. Only two operators are missed at import, so they are declared here and non-maximum
suppression is implemented; the plain import is always tried first.
"""

import importlib
import sys
import threading
from types import ModuleType
from typing import Any

from sklearn_diffake.utils._deferred_imports import DeferredModule, deferred

_LOCK = threading.Lock()
_LIBRARY: list[Any] = []  # keeps the registrations alive
# What is deferred takes longer to import than all else of torchvision, and is seldom used: its
# networks, its datasets and torch's compiler. torchvision.ops.roi_align takes one function from
# the compiler, which it calls when regions are pooled.
_COMPILER = ("torch._dynamo", "torch._dynamo.utils")
_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def import_torchvision() -> ModuleType:
    """Return the torchvision module, remedied when its own operators cannot be loaded.

    Returns
    -------
    module
        ``torchvision``.

    Raises
    ------
    ImportError
        If torchvision is missing or fails for any other reason.
    """
    with _LOCK:
        if "torchvision" in sys.modules:
            return sys.modules["torchvision"]
        with (
            deferred(_COMPILER, is_compile_supported=_is_compile_supported),
            deferred(("torchvision.models",)),
            deferred(("torchvision.datasets",)),
        ):
            return import_whole_torchvision()


def import_whole_torchvision() -> ModuleType:
    """Return the torchvision module with all that it imports, remedied if need be."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise ImportError(f"torchvision cannot be imported: {error}") from error
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "torchvision" and not isinstance(module, DeferredModule):
            del sys.modules[name]
    _define_operators()
    extension: Any = importlib.import_module("torchvision.extension")
    extension._has_ops = lambda: True
    return importlib.import_module("torchvision")


def _is_compile_supported(device_type: Any) -> Any:
    from torch._dynamo.utils import is_compile_supported

    return is_compile_supported(device_type)


def _define_operators() -> None:
    import torch

    if _LIBRARY:
        return
    # torchvision.extension runs before the operators are used; importing it needs the package,
    # whose import in turn needs the operators: they are declared first.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
            library.impl(name, _nms, "CompositeExplicitAutograd")
    _LIBRARY.append(library)


def _nms(dets: Any, scores: Any, iou_threshold: float) -> Any:
    """Greedy non-maximum suppression: indices of the boxes kept, best score first.

    Parameters
    ----------
    dets : torch.Tensor of shape (n, 4)
        Boxes as (x1, y1, x2, y2).
    scores : torch.Tensor of shape (n,)
        One score per box.
    iou_threshold : float
        A box is dropped when its intersection over union with a kept one is larger.

    Returns
    -------
    torch.Tensor of shape (m,), int64
        Rows of `dets` that are kept, by falling score.
    """
    import numpy as np
    import torch

    order = torch.argsort(scores, descending=True, stable=True)
    x1, y1, x2, y2 = dets[order].detach().double().cpu().numpy().T
    area = (x2 - x1) * (y2 - y1)
    alive = np.ones(len(area), dtype=bool)
    keep = []
    for i in range(len(area)):
        if not alive[i]:
            continue
        keep.append(i)
        later = slice(i + 1, None)
        width = np.minimum(x2[i], x2[later]) - np.maximum(x1[i], x1[later])
        height = np.minimum(y2[i], y2[later]) - np.maximum(y1[i], y1[later])
        shared = width.clip(min=0) * height.clip(min=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            alive[later] &= ~(shared / (area[i] + area[later] - shared) > iou_threshold)
    return order[torch.as_tensor(keep, dtype=torch.int64, device=order.device)]
