"""Networks in .onnx files."""

from __future__ import annotations

from typing import Any

from sklearn_diffake.embedding.backbones._registry import BackboneEntry, register

#: Keyword arguments of `FaceEmbedder` for files that declare no normalization and no crop:
#:
#: - ``"arcface"``: InsightFace's ArcFace networks in ONNX ("buffalo_l", "glintr100", ...): RGB,
#:   ``(x - 127.5) / 127.5``, as ``insightface.model_zoo.arcface_onnx`` feeds them unless the graph
#:   itself begins with Sub and Mul.
#: - ``"arcface-mxnet"``: those whose graph does (such as "arcface_r100_v1"): RGB from 0 to 255.
#: - ``"sface"``: ``face_recognition_sface_*.onnx`` of OpenCV's model zoo: RGB from 0 to 255, as
#:   ``cv::FaceRecognizerSF::feature`` feeds it (scale 1, mean 0, red and blue swapped from BGR).
#: - ``"facenet"``: InceptionResnetV1 of facenet-pytorch, exported: RGB, ``(x - 127.5) / 128``.
#:
#: The first three are trained on the ArcFace crop of 112 x 112 pixels.
RECIPES: dict[str, dict[str, Any]] = {
    "arcface": {"mean": 0.5, "std": 0.5, "input_size": 112, "crop": (112, 0.0)},
    "arcface-mxnet": {"mean": 0.0, "std": 1 / 255, "input_size": 112, "crop": (112, 0.0)},
    "sface": {"mean": 0.0, "std": 1 / 255, "input_size": 112, "crop": (112, 0.0)},
    "facenet": {"mean": 127.5 / 255, "std": 128 / 255, "input_size": 160, "crop": (160, 0.0)},
}


def _build(name: str, weights: Any) -> Any:
    from sklearn_diffake.embedding.backbones._onnx_runtime import onnx_backbone

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
