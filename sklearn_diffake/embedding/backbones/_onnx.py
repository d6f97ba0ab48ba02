"""Networks in .onnx files."""

from __future__ import annotations

from typing import Any

from ._registry import BackboneEntry, register


def _build(name: str, weights: Any) -> Any:
    from ._onnx_runtime import onnx_backbone

    return onnx_backbone(name)


register(
    BackboneEntry(
        "<file>.onnx",
        purpose="any",
        license="what its metadata declares",
        weights="your file",
        offline=True,
        build=_build,
        requires=("onnx",),
        matches=lambda name: name.lower().endswith(".onnx"),
    )
)
