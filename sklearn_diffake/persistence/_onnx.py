"""Export the network and the linear steps of a pipeline as one ONNX model."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.utils._atomic_files import atomic_write
from sklearn_diffake.utils._estimators import active_steps
from sklearn_diffake.utils._optional import import_extra

_OPSET = 17  # of onnxruntime 1.13 and later


def export_onnx(pipeline: Any, path: str | os.PathLike[str], *, public: bool = False) -> None:
    """Write the network and the linear steps of a fitted pipeline as one ONNX model.

    A :class:`~sklearn_diffake.faces.FaceAligner` at the beginning is left out: the model takes
    aligned crops. The file runs without Python, torch and scikit-learn, in any runtime of ONNX.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted. After the aligner, if there is one: a `FaceEmbedder` with a network of torch, then
        optionally a `PairDifference`, then any of `DifferenceScaler`, ``StandardScaler`` and
        ``PCA``, then optionally a `MahalanobisDetector` or `SumRuleDetector`, also inside a
        `ConformalDetector`.
    path : str or Path
        The file, replaced atomically. ``.onnx`` is the usual suffix.
    public : bool, default=False
        Whether the umask determines who may read a new file; by default only its owner may.

    Raises
    ------
    TypeError
        If a step cannot be exported; the message names it.
    NotFittedError
        If the pipeline is not fitted.
    ImportError
        If ``onnx`` or ``onnxruntime`` is not installed (extra ``export``).
    RuntimeError
        If the written model does not give the numbers of the pipeline; nothing is written.

    See Also
    --------
    save : Writes a model that this package can load again.

    Notes
    -----
    The input ``crops`` has shape (n, 2, H, W, 3), uint8, RGB, with the `input_size` of the network.
    The output is named by the last step: ``embeddings`` of shape (n, 2, d), ``differences`` of
    shape (n, k), or ``scores`` of shape (n,). Scores are those of ``score_samples``: a threshold
    or a p-value is not part of the model, since both depend on the numbers of images. Crops of
    another size are not resized, and templates are not pooled. The written model is run by
    onnxruntime on crops of noise; its output must be equal to 1e-5 to that of the pipeline,
    relative to the largest value.

    Examples
    --------
    >>> from sklearn_diffake import load_default
    >>> from sklearn_diffake.persistence import export_onnx
    >>> export_onnx(load_default(), "default.onnx")  # doctest: +SKIP
    """
    import_extra("onnx", "export", "Exports to ONNX")  # torch writes with it
    runtime = import_extra("onnxruntime", "export", "Exports to ONNX")
    steps = _exported_steps(pipeline)
    content = _graph(steps)
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    _compare(steps, session)
    atomic_write(Path(path), content, public=public)


def _exported_steps(pipeline: Any) -> list[tuple[str, Any]]:
    """Return names and estimators of the steps after the aligner, of which the first embeds."""
    if not isinstance(pipeline, Pipeline):
        raise TypeError(f"pipeline must be a Pipeline, got {type(pipeline).__name__}")
    check_is_fitted(pipeline)
    steps = active_steps(pipeline.steps)
    if steps and isinstance(steps[0][1], FaceAligner):
        del steps[0]
    if not steps or not isinstance(steps[0][1], FaceEmbedder):
        first = type(steps[0][1]).__name__ if steps else "nothing"
        raise TypeError(f"the pipeline must embed faces with a FaceEmbedder first, got {first}")
    return steps


def _graph(steps: list[tuple[str, Any]]) -> bytes:
    """Return the ONNX model of steps."""
    import torch

    from sklearn_diffake.persistence._onnx_modules import step_module

    module = torch.nn.Sequential(*(step_module(name, step) for name, step in steps)).eval()
    height, width = steps[0][1].backbone_info_["input_size"]
    crops = torch.zeros((3, 2, height, width, 3), dtype=torch.uint8)
    output = _output_name(steps)
    with tempfile.TemporaryDirectory() as folder, _quiet(), torch.inference_mode():
        file = Path(folder) / "model.onnx"
        torch.onnx.export(
            module,
            (crops,),
            str(file),
            dynamo=False,  # the other exporter needs a package more
            opset_version=_OPSET,
            input_names=["crops"],
            output_names=[output],
            dynamic_axes={"crops": {0: "n"}, output: {0: "n"}},
        )
        return file.read_bytes()


def _output_name(steps: list[tuple[str, Any]]) -> str:
    if hasattr(steps[-1][1], "score_samples") and hasattr(steps[-1][1], "offset_"):
        return "scores"
    return "embeddings" if len(steps) == 1 else "differences"


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what the exporter says about shapes that are fixed here on purpose."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _compare(steps: list[tuple[str, Any]], session: Any) -> None:
    """Raise an error unless the model gives the numbers of the steps."""
    height, width = steps[0][1].backbone_info_["input_size"]
    crops = np.random.default_rng(0).integers(0, 256, (2, 2, height, width, 3), dtype=np.uint8)
    pipeline = Pipeline(steps)
    is_detector = _output_name(steps) == "scores"
    numbers = pipeline.score_samples(crops) if is_detector else pipeline.transform(crops)
    expected = np.asarray(numbers)  # of a DataFrame, if set_output asks for it
    written = session.run(None, {"crops": crops})[0]
    error = np.abs(written - expected).max() / max(np.abs(expected).max(), 1e-12)
    if not error <= 1e-5:
        raise RuntimeError(f"the ONNX model differs from the pipeline by {error:.2g}, relatively")
