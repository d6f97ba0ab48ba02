"""Import torchvision, even if its compiled operators do not fit the installed torch.

The torchvision wheel of the main package index is built for CUDA. Beside a CPU-only torch its
extension does not load and ``import torchvision`` ends in ``operator torchvision::nms does not
exist``. Only two operators are missed at import, so they are declared here and non-maximum
suppression is implemented; the plain import is always tried first.
"""

import contextlib
import importlib
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

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
    with (
        _LOCK,
        _deferred(_COMPILER, is_compile_supported=_is_compile_supported),
        _deferred(("torchvision.models",)),
        _deferred(("torchvision.datasets",)),
    ):
        try:
            return importlib.import_module("torchvision")
        except RuntimeError as error:
            if "torchvision::" not in str(error):
                raise ImportError(f"torchvision cannot be imported: {error}") from error
        for name, module in list(sys.modules.items()):
            if name.split(".")[0] == "torchvision" and not isinstance(module, _Deferred):
                del sys.modules[name]
        _define_operators()
        extension: Any = importlib.import_module("torchvision.extension")
        extension._has_ops = lambda: True
        return importlib.import_module("torchvision")


@contextlib.contextmanager
def _deferred(names: tuple[str, ...], **functions: Any) -> Iterator[None]:
    """Keep a package from being imported until an attribute of it is read.

    Parameters
    ----------
    names : tuple of str
        A package and submodules of it that are imported by name.
    **functions
        Attributes of the last of them that are imported by name.
    """
    if names[0] in sys.modules or "torchvision" in sys.modules:
        yield
        return
    placeholders = {name: _Deferred(name, names) for name in names}
    vars(placeholders[names[-1]]).update(functions)
    sys.modules |= placeholders
    try:
        yield
    finally:
        for name, module in placeholders.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


class _Deferred(ModuleType):
    """A placeholder of a module that is imported when another attribute of it is read."""

    def __init__(self, name: str, names: tuple[str, ...]) -> None:
        super().__init__(name)
        self.__dict__["_names"] = names

    def __getattr__(self, name: str) -> Any:
        no_package = name == "__path__" and self.__name__ != self._names[0]
        if no_package or name in ("__spec__", "__file__"):  # the machinery of imports looks at them
            raise AttributeError(name)
        for module in self._names:
            if isinstance(sys.modules.get(module), _Deferred):
                del sys.modules[module]
        return getattr(importlib.import_module(self.__name__), name)


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
