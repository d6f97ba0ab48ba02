"""Import facenet-pytorch without what a detection does not use of its imports."""

import importlib
from types import ModuleType
from typing import Any

from sklearn_diffake.utils._deferred_imports import deferred
from sklearn_diffake.utils._torchvision import import_torchvision


def import_facenet_pytorch() -> ModuleType:
    """Return the module ``facenet_pytorch``.

    requests, which downloads its weights of FaceNet, and OpenCV, which resizes its crops, are
    imported when they are used.

    Returns
    -------
    module
        ``facenet_pytorch``.

    Raises
    ------
    ImportError
        If facenet-pytorch or torchvision cannot be imported.
    """
    import_torchvision()
    with (
        deferred(("requests", "requests.adapters"), HTTPAdapter=_http_adapter),
        deferred(("cv2",)),
    ):
        return importlib.import_module("facenet_pytorch")


def _http_adapter(*args: Any, **kwargs: Any) -> Any:
    from requests.adapters import HTTPAdapter

    return HTTPAdapter(*args, **kwargs)
