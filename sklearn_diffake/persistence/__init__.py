"""Save fitted pipelines, and load them without running code from the file.

A saved model is one zip file: ``model.skops`` (parameters and fitted state), ``manifest.json``
(versions and backbones) and, optionally, the weights of the backbones as safetensors or onnx. No
pickle is ever written or read.
"""

from sklearn_diffake.persistence._load import load
from sklearn_diffake.persistence._onnx import export_onnx
from sklearn_diffake.persistence._save import save

__all__ = ["export_onnx", "load", "save"]
