"""Images per second of FaceEmbedder.transform against a bare torch loop.

Same network (EfficientNet-Lite0, 224 pixels), batch and threads; every crop is different, so that
nothing is saved. Both run with the channels last in memory, the faster layout by far. Goal: the
ratio is at least 0.95.
"""

from sklearn_diffake.utils._torchvision import import_torchvision  # isort: skip

import_torchvision()
import sys
import tempfile
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import run_alone, time_alternately, timed
from sklearn_diffake.embedding import FaceEmbedder

SIZE, BATCH = 224, 32


def bare_loop(model, crops, device):
    """Embed crops as one would by hand."""
    with torch.inference_mode():
        for start in range(0, len(crops), BATCH):
            x = torch.from_numpy(crops[start : start + BATCH]).to(device).permute(0, 3, 1, 2)
            model(x.float().sub(127).div(128)).cpu()


def figures(quick=False):
    n, repeats = (32, 3) if quick else (128, 7)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    crops = torch.randint(0, 256, (n, SIZE, SIZE, 3), dtype=torch.uint8).numpy()
    embedder = FaceEmbedder("efficientnet-lite0", batch_size=BATCH, n_jobs=2).fit(crops)
    model = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval().to(device)
    with tempfile.TemporaryDirectory() as folder:  # the same weights: tiny ones cost more time
        embedder.find_backbone().export(f"{folder}/lite0.safetensors")
        model.load_state_dict(load_file(f"{folder}/lite0.safetensors"))
    times = time_alternately(
        lambda: embedder.transform(crops),
        lambda: bare_loop(model, crops, device),
        repeats=repeats,
        work=(n, n),
    )
    measure = f"FaceEmbedder, EfficientNet-Lite0, {n} crops of {SIZE} pixels"
    return [timed(measure, "bare torch loop", times, goal=">= 0.95", unit="images/s")]


if __name__ == "__main__":
    run_alone(figures)
