"""
DiffFake's protocol, in small
=============================

The protocol of the paper from end to end, on rendered clips: networks are trained on
pseudo-deepfakes, frames of one video are paired, a mixture learns how genuine pairs differ, and the
mean over the pairs of a video is its score. The file ``examples/paper.toml`` says all
of it; what each line is for is in :doc:`/guide/paper`.
"""

# %%
# One file says what is done
# --------------------------
# The same file runs from the command line: ``sklearn-diffake benchmark examples/paper.toml``. Three
# networks are trained, each once: on masks over the whole face, over parts of it, and on both.

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np

from sklearn_diffake.benchmark import read_config, run_benchmark

script_folder = Path(__file__).parent if "__file__" in globals() else Path.cwd()
folder = TemporaryDirectory()
config = read_config(script_folder.parent / "paper.toml").replace(output=folder.name)
result = run_benchmark(config)
results = json.loads((result.folder / "results.json").read_text())
for extractor in results["extractors"]:
    print(
        f"{extractor['name']}: {extractor['images']} images of {extractor['people']} people, "
        f"validation AUC {extractor['validation_auc']:.2f}"
    )
print(f"{results['not_judged']['within-dataset']['clips']} pairs show these people: not judged")

# %%
# Which masks, which difference, which detector
# ---------------------------------------------
# Each point is an area under the ROC curve, over videos of people whom neither a network nor a
# detector has seen. The bars are intervals over people.


def areas(protocol):
    """Return names, areas and intervals of what a protocol has judged."""
    rows = [
        row
        for row in results["summary"]
        if row["protocol"] == protocol and row["technique"] == "all techniques"
    ]
    values = np.array([row["figures"]["auc"] for row in rows], dtype=float)
    return [row["candidate"] for row in rows], values


figure, axes = plt.subplots(
    2, 1, figsize=(8, 4.6), layout="constrained", sharex=True, height_ratios=[3, 6]
)
for axis, (protocol, title) in zip(
    axes,
    {
        "within-dataset": "Masks that the network was trained on",
        "ablation": "From the first, another operator or detector",
    }.items(),
    strict=True,
):
    names, values = areas(protocol)
    positions = np.arange(len(names))
    axis.plot(values[:, 0], positions, "o", color="#0072B2")
    axis.hlines(positions, values[:, 1], values[:, 2], color="#0072B2")
    axis.axvline(0.5, color="#666666", linestyle=":", label="chance")
    axis.set(yticks=positions, yticklabels=names, title=title)
    axis.invert_yaxis()
axes[0].legend()
axes[1].set_xlabel("AUC on videos")
plt.show()
folder.cleanup()

# %%
# Two epochs on some hundred rendered faces make no detector of forgery, and intervals over six
# people are wide: read nothing into the order. What runs here in a minute is what
# ``benchmarks/quality/paper.toml`` does with published datasets, EfficientNet-B4 and 100 epochs.
