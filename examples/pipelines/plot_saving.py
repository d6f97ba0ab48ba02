"""
Save a model, load it elsewhere
===============================

A fitted pipeline becomes one file, and is loaded again without running anything that the file
brings. One will see what is in such a file and how large it is, with and without the weights of
the network; that the loaded pipeline gives the same scores; and what is said of files that were
tampered with.
"""

# %%
# A model
# -------
# Fitted on genuine pairs of rendered people; asked about pairs of which half are deepfakes.

import json
import os
import pickle
import shutil
import tempfile
import textwrap
import zipfile

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import FunctionTransformer

from sklearn_diffake import make_difffake_pipeline, persistence
from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.novelty import ConformalDetector, GaussianMixtureDetector

faces = make_face_pairs(
    96, n_identities=16, n_videos=2, n_frames=2, techniques="swap", size=128, random_state=0
)
detector = GaussianMixtureDetector(1, shrinkage="auto", random_state=0)
pipe = make_difffake_pipeline(
    "difffake-lite0-identity",
    aligner=False,
    operator="absolute",
    detector=ConformalDetector(detector, target_bpcer=0.2, random_state=0),
)
is_train = np.isin(faces.groups, np.unique(faces.groups)[:8])
pipe.fit(faces.data[is_train], faces.target[is_train])
test_pairs, labels = faces.data[~is_train], faces.target[~is_train]
scores_before = pipe.score_samples(test_pairs)

# %%
# Save
# ----
# By default the file holds what was fitted, and of the network only its *fingerprint*: where it is
# loaded, the same network must be at hand. ``include_weights=True`` takes the weights along.

folder = tempfile.TemporaryDirectory()
small = os.path.join(folder.name, "small.diffake")
with_weights = os.path.join(folder.name, "whole.diffake")
persistence.save(pipe, small)
persistence.save(pipe, with_weights, include_weights=True)

with zipfile.ZipFile(small) as file:
    manifest = json.loads(file.read("manifest.json"))
for key, value in manifest.items():
    print(f"{key}: {value if key != 'backbones' else [entry['name'] for entry in value]}")

# %%
# Load
# ----
# Parameters and what was fitted are kept to the last bit. Scores are equal as well, as long as
# device, batches and libraries are.

loaded = persistence.load(small)
scores_after = loaded.score_samples(test_pairs)
largest = np.abs(scores_after - scores_before).max()
print(f"Largest difference of {len(scores_after)} scores: {largest:.1g}")
print(f"Same verdicts: {np.array_equal(loaded.predict(test_pairs), pipe.predict(test_pairs))}")

# %%
# On the left, what the two files are made of; note the logarithmic axis. On the right, the scores
# before saving and after loading.

GENUINE, FAKE = "#0072B2", "#D55E00"  # distinct for color-blind people, and by their marks
figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4.2), width_ratios=[1.4, 1], layout="constrained"
)
position, ticks = 0, []
for path, color in ((small, "#56B4E9"), (with_weights, "#E69F00")):
    with zipfile.ZipFile(path) as file:
        sizes = {entry.filename.split("/")[0]: entry.file_size for entry in file.infolist()}
    for member, size in sorted(sizes.items(), key=lambda item: item[1]):
        left.barh(position, size / 1e3, color=color, label=os.path.basename(path))
        left.text(1.15 * size / 1e3, position, f"{size / 1e3:,.1f} kB", va="center")
        ticks.append(member)
        position += 1
left.set_yticks(range(position), ticks)
left.set(xscale="log", xlim=(0.1, 2e5), xlabel="size (kB)", title="What is in the file")
handles, names = left.get_legend_handles_labels()
unique = dict(zip(names, handles, strict=True))
left.legend(unique.values(), unique, loc="lower right")

for label, name, color, marker in ((1, "genuine", GENUINE, "o"), (-1, "swap", FAKE, "X")):
    rows = labels == label
    right.scatter(
        scores_before[rows], scores_after[rows], 45, color, marker=marker, alpha=0.7, label=name
    )
right.axline((scores_before[0], scores_before[0]), slope=1, color="black", linewidth=1, zorder=0)
right.set(xlabel="score before saving", ylabel="score after loading", title="Equal scores")
right.legend()
plt.show()

# %%
# Fitted detectors are small; it is the network that weighs. The scores lie on the diagonal. Many
# swaps score as genuine pairs do, before and after: loading makes a model neither worse nor better.
#
# Tampered files
# --------------
# A byte was changed on the way; a file asks for a function that deletes folders; a pickle, which
# runs what its author likes as soon as it is opened, comes under an innocent name. None is loaded.


class Intruder:
    """What an attacker may send: unpickling it calls a function of their choice."""

    def __reduce__(self):
        return print, ("This would be run.",)


with open(small, "rb") as file:
    content = bytearray(file.read())
content[len(content) // 2] ^= 1  # one bit of one byte
paths = [os.path.join(folder.name, f"{name}.diffake") for name in ("changed", "foreign", "pickle")]
with open(paths[0], "wb") as file:
    file.write(content)
persistence.save(FunctionTransformer(shutil.rmtree), paths[1])
with open(paths[2], "wb") as file:
    pickle.dump(Intruder(), file)

for path in paths:
    try:
        persistence.load(path)
    except ValueError as error:
        message = str(error).replace(folder.name + os.sep, "")
        print(textwrap.fill(message, 90, subsequent_indent="    "))

folder.cleanup()

# %%
# A fingerprint, like the check sum that found the changed byte, is no signature: it does not say
# who made a file. Where that matters, sign the file; see :doc:`/guide/saving`.
