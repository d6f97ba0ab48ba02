"""Faces per second of FaceEmbedder("dlib-resnet") against a bare torch loop, and against dlib.

All run with the same threads on the same crops, every one different. dlib gets its own chips of 150
pixels, and is measured where it is installed, on the CPU. Goals: 0.95 of the bare loop of the same
module, and twice the speed of dlib. What the number format bfloat16 and the mirrored average cost
is reported.
"""

from sklearn_diffake.utils._torchvision import import_torchvision  # isort: skip

import_torchvision()
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._images import smooth_images
from benchmarks.speed._timing import run_alone, time_alternately, timed
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.embedding.backbones.networks._dlib_resnet import INPUT_SIZE, dlib_resnet_file

SIZE, BATCH = 160, 32


def bare_loop(backbone, crops, device):
    """Embed crops as one would by hand, with the channels last."""
    module = backbone.module.to(device).to(memory_format=torch.channels_last)
    mean, std = (255 * torch.tensor(v, device=device) for v in (backbone.mean, backbone.std))
    with torch.inference_mode():
        for start in range(0, len(crops), BATCH):
            x = torch.from_numpy(crops[start : start + BATCH]).to(device)
            module(x.float().sub(mean).div(std).permute(0, 3, 1, 2)).cpu()


def by_dlib(crops):
    """Return what embeds crops with dlib."""
    import dlib

    model = dlib.face_recognition_model_v1(str(dlib_resnet_file()))
    chips = [np.ascontiguousarray(crop[:INPUT_SIZE, :INPUT_SIZE]) for crop in crops]
    return lambda: model.compute_face_descriptor(chips)


def figures(quick=False):
    n, repeats = (32, 3) if quick else (128, 7)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    crops = smooth_images(n, SIZE)
    embedder, mirrored, halved = (
        FaceEmbedder("dlib-resnet", batch_size=BATCH, n_jobs=2, **settings).fit(crops)
        for settings in ({}, {"mirror": True}, {"dtype": "bfloat16"})
    )
    measure = f"FaceEmbedder, dlib-resnet, {n} crops of {SIZE} pixels"
    backbone = embedder.find_backbone()

    def against(function, yardstick, name, their_function, goal=None):
        times = time_alternately(
            lambda: function.transform(crops), yardstick, repeats=repeats, work=(n, n)
        )
        return timed(name, their_function, times, goal=goal, unit="images/s")

    threads = torch.get_num_threads()
    rows = [
        against(
            embedder,
            lambda: bare_loop(backbone, crops, device),
            measure,
            "bare torch loop",
            ">= 0.95",
        ),
        against(halved, lambda: embedder.transform(crops), f"{measure}, bfloat16", "float32"),
        against(
            mirrored, lambda: embedder.transform(crops), f"{measure}, mirrored", "not mirrored"
        ),
    ]
    if device == "cpu" and find_spec("dlib") is not None:
        embed = by_dlib(crops)
        with threadpool_limits(threads):  # of the BLAS that dlib may use
            rows.append(
                against(embedder, embed, measure, f"dlib's CPU code, {threads} threads", ">= 2")
            )
    return rows


if __name__ == "__main__":
    run_alone(figures)
