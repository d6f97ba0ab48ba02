"""Cost of networks of ArcFace's size as ONNX files, through FaceEmbedder, on one CPU thread.

The networks have the layers of IResNet (Duta et al., "Improved Residual Networks", ICPR 2020),
which InsightFace's recognition models use, with random weights: speed depends on the layers, and
not on what was learned. Nothing here says how well such a network recognizes people. Each is
exported to ONNX, and embeds crops of 112 pixels; the yardstick is the same module in a bare torch
loop. Counted are seconds of the processor, on one thread.
"""

from sklearn_diffake.utils._torchvision import import_torchvision  # isort: skip

import_torchvision()
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._images import smooth_images
from benchmarks.speed._timing import run_alone, time_alternately, timed
from sklearn_diffake.embedding import RECIPES, FaceEmbedder

SIZE, WIDTH = 112, 512
DEPTHS = {"IResNet-18": (2, 2, 2, 2), "IResNet-50": (3, 4, 14, 3), "IResNet-100": (3, 13, 30, 3)}


class Block(nn.Module):
    """A residual block: batch norm first, and no activation after the sum."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.path = nn.Sequential(
            nn.BatchNorm2d(n_in),
            nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.PReLU(n_out),
            nn.Conv2d(n_out, n_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut = nn.Identity()
        if stride > 1 or n_in != n_out:
            project = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(project, nn.BatchNorm2d(n_out))

    def forward(self, x):
        return self.path(x) + self.shortcut(x)


def make_network(depths):
    """Return an IResNet with random weights: crops of 112 pixels to 512 features."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)]
    n_in = 64
    for n_out, depth in zip((64, 128, 256, 512), depths, strict=True):
        layers += [Block(n_in if i == 0 else n_out, n_out, 1 + (i == 0)) for i in range(depth)]
        n_in = n_out
    layers += [nn.BatchNorm2d(n_in), nn.Flatten(), nn.Linear(n_in * 7 * 7, WIDTH)]
    return nn.Sequential(*layers, nn.BatchNorm1d(WIDTH)).eval()


def export(module, path):
    """Write a module as an ONNX file that takes any number of crops."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter is the older one
        torch.onnx.export(
            module,
            (torch.zeros(1, 3, SIZE, SIZE),),
            str(path),
            input_names=["image"],
            output_names=["embedding"],
            dynamic_axes={"image": {0: "n"}, "embedding": {0: "n"}},
            dynamo=False,  # the other exporter needs a package more
        )


def bare_loop(module, crops, batch):
    """Embed crops as one would by hand."""
    with torch.inference_mode():
        for start in range(0, len(crops), batch):
            x = torch.from_numpy(crops[start : start + batch]).permute(0, 3, 1, 2)
            module(x.float().sub(127.5).div(127.5))


def compare(name, depths, folder, n, repeats):
    """Return the row of a network."""
    module, file = make_network(depths), Path(folder) / f"{name}.onnx"
    export(module, file)
    crops = smooth_images(n, SIZE)
    embedder = FaceEmbedder(file, batch_size=n, **RECIPES["arcface"]).fit(crops[:1])
    times = time_alternately(
        lambda: embedder.transform(crops),
        lambda: bare_loop(module, crops, n),
        repeats=repeats,
        work=(n, n),
        clock=time.process_time,
    )
    size = file.stat().st_size / 2**20
    what = f"FaceEmbedder, {name} as ONNX ({size:.0f} MiB), crops of {SIZE} pixels"
    return timed(what, "bare torch loop, one thread", times, unit="images/s")


def figures(quick=False):
    n, repeats = (4, 2) if quick else (8, 5)
    chosen = {"IResNet-18": DEPTHS["IResNet-18"]} if quick else DEPTHS
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        torch.set_num_threads(1)
        return [compare(name, depths, folder, n, repeats) for name, depths in chosen.items()]


if __name__ == "__main__":
    run_alone(figures)
