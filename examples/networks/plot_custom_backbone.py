"""
A network of your own, in torch and as ONNX
===========================================

The embedder takes any network that turns an image into a vector: a module of torch, by the name of
a function that returns it, or a file in the ONNX format, which other frameworks write. Here one
small network is given in both ways. One will see that the embeddings agree up to rounding, that the
verdicts are the same, and what such a network is worth beside one that has learned to tell people
apart.
"""

# %%
# The function
# ------------
# A function without arguments returns the module; the module declares what it expects of an image.
# This one has learned nothing: it looks for edges in four directions and keeps how strong they are
# in 49 places. In a project of yours the function lies in a file, ``my_networks.py`` say; the
# example makes that module on the spot.

import os
import sys
import tempfile
import types

import matplotlib.pyplot as plt
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.metrics import roc_auc_score
from torch import nn

from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.metrics import confidence_interval
from sklearn_diffake.novelty import SumRuleDetector

SIZE, HALF = 112, (0.5, 0.5, 0.5)
ANGLES = np.deg2rad([0, 45, 90, 135])
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 24  # over three colors
KERNELS = np.stack([np.cos(turn) * SOBEL + np.sin(turn) * SOBEL.T for turn in ANGLES])
KERNELS = np.repeat(KERNELS[:, np.newaxis], 3, axis=1).astype(np.float32)


def edges():
    """Return a network that measures edges in four directions."""
    convolution = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
    convolution.weight.data = torch.from_numpy(KERNELS)
    module = nn.Sequential(convolution, Magnitude(), nn.AvgPool2d(8), nn.Flatten())
    module.input_size, module.mean, module.std = SIZE, HALF, HALF
    module.license = "BSD-3-Clause"
    return module


class Magnitude(nn.Module):
    """How strong, whatever the sign."""

    def forward(self, x):
        return x.abs()


my_module = types.ModuleType("my_networks")  # in place of a file on the search path
my_module.edges = edges
sys.modules["my_networks"] = my_module

# %%
# The same as ONNX
# ----------------
# Mean and standard deviation go into the file's metadata; without them the embedder would take
# those of ImageNet. ``torch.onnx.export`` writes such a file for any module; this network is so
# small that it is put together by hand, and needs no exporter.

folder = tempfile.TemporaryDirectory()
path = os.path.join(folder.name, "edges.onnx")
nodes = [
    helper.make_node("Conv", ["image", "kernels"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
    helper.make_node("Abs", ["c"], ["a"]),
    helper.make_node("AveragePool", ["a"], ["p"], kernel_shape=[8, 8], strides=[8, 8]),
    helper.make_node("Flatten", ["p"], ["vector"]),
]
graph = helper.make_graph(
    nodes,
    "edges",
    [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
    [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", 196])],
    [numpy_helper.from_array(KERNELS, "kernels")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
declared = {"mean": str(list(HALF)), "std": str(list(HALF)), "license": "BSD-3-Clause"}
helper.set_model_props(model, declared)
onnx.save(model, path)

# %%
# The same verdicts
# -----------------
# One pipeline for each, and one for the identity network of the package, all fitted on the genuine
# pairs of twelve rendered people and asked about twelve others.

faces = make_face_pairs(
    160, n_identities=24, n_videos=2, n_frames=2, techniques=["swap", "splice"], size=128,
    random_state=0,
)  # fmt: skip
is_train = np.isin(faces.groups, np.unique(faces.groups)[:12])
test_pairs, y, people = faces.data[~is_train], faces.target[~is_train], faces.groups[~is_train]
backbones = {
    "torch module": "my_networks:edges",
    "ONNX file": path,
    "difffake-lite0-identity": "difffake-lite0-identity",
}
embeddings, scores, verdicts = {}, {}, {}
for name, backbone in backbones.items():
    pipe = make_difffake_pipeline(
        backbone,
        aligner=False,
        operator="cosine",
        detector=SumRuleDetector(contamination=0.1),
        device="cpu",
    )
    pipe.fit(faces.data[is_train], faces.target[is_train])
    embeddings[name] = pipe["embed"].transform(test_pairs)
    differences = pipe["diff"].transform(embeddings[name])
    scores[name] = pipe["detect"].score_samples(differences)
    verdicts[name] = pipe["detect"].predict(differences)
    info = pipe["embed"].backbone_info_
    print(f"{name}: {info['width']} numbers per image, license {info['license'].split(';')[0]}")
folder.cleanup()
first_name, second_name = list(backbones)[:2]
largest = np.abs(embeddings[first_name] - embeddings[second_name]).max()
print(f"Largest difference of the embeddings: {largest:.0e}")
print(f"Same verdicts: {np.sum(verdicts[first_name] == verdicts[second_name])} of {len(y)}")

# %%
# On the left, every pair's score by both; all lie on the diagonal. On the right, what the networks
# are worth, with an interval over people.

GENUINE, FAKE = "#0072B2", "#D55E00"  # distinct for color-blind people, and by their marks
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
for label, name, color, marker in ((1, "genuine", GENUINE, "o"), (-1, "deepfake", FAKE, "X")):
    rows = y == label
    left.scatter(
        scores[first_name][rows],
        scores[second_name][rows],
        45,
        color,
        marker=marker,
        alpha=0.7,
        label=name,
    )
corner = (scores[first_name].max(),) * 2
left.axline(corner, slope=1, color="black", linewidth=1, zorder=0, label="equal")
left.set(xlabel="score, torch module", ylabel="score, ONNX file", title="One network, two formats")
left.legend()
for position, values in enumerate(scores.values()):
    estimate, low, high = confidence_interval(roc_auc_score, y, values, groups=people)
    error = [[estimate - low], [high - estimate]]
    right.errorbar(estimate, position, xerr=error, fmt="o", color=GENUINE, capsize=5, markersize=9)
    right.text(estimate, position - 0.12, f"{estimate:.2f}", ha="center", va="bottom", fontsize=11)
right.axvline(0.5, color="black", linestyle=":", label="chance")
right.set_yticks(range(len(scores)), list(scores), fontsize=11)
right.set(xlabel="AUC, 95 % interval", xlim=(0.2, 1.02), ylim=(2.5, -0.6), title="What it is worth")
right.legend(loc="lower left")
plt.show()

# %%
# The formats round differently, in the last digit of a float32, and nothing else differs. The
# network is worth nothing here, 0.49 where chance is 0.5: edges move with pose and light, and say
# little of who is seen. Any network fits in; which one it is decides. Those that tell people apart
# are in :doc:`/guide/embeddings`.
