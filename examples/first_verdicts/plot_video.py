"""
A video in which some frames are manipulated
============================================

Without a photograph of the person to compare with, the frames of a video are compared with each
other. Here a video is written in which another face is put in for a while. Every two of its frames
are a pair; the matrix of their scores shows which frames belong together, and a frame that fits
few of the others stands out over time.
"""

# %%
# A small video, and some to learn from
# -------------------------------------
# Eight rendered people, a video of each. In the eighth person's video, frames in the middle show
# the swapped face of somebody else. The frames are ordered by the angle of the face, and written by
# PyAV as any camera would write them: compressed.

import os
from tempfile import TemporaryDirectory

import av
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.datasets import load_video_table, make_face_pairs
from sklearn_diffake.faces import read_image
from sklearn_diffake.novelty import SumRuleDetector

FRAMES, RATE = 24, 6  # per video, and per second
folder = TemporaryDirectory()


def frames_of(**options):
    """Render frames of the same people; return one row per frame, the picture in `pixels`."""
    faces = make_face_pairs(
        mode="same-video",
        n_identities=8,
        n_videos=1,
        n_frames=FRAMES,
        recompressed_share=0,
        size=128,
        random_state=4,
        **options,
    )
    table = faces.images.copy()
    pixels = np.empty((len(table), *faces.data.shape[2:]), np.uint8)
    pixels[faces.index] = faces.data
    table["pixels"] = list(pixels)
    return table


def write_video(name, pixels):
    """Write pictures as an MPEG-4 video; return its path."""
    path = os.path.join(folder.name, f"{name}.mp4")
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE, bit_rate=2_000_000)
        stream.height, stream.width = pixels[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pixels:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


genuine = frames_of(n_pairs=160, fake_share=0)
forged = frames_of(n_pairs=64, fake_share=1, techniques=["swap"])
suspect = genuine["identity"].max()
rows = []
for person, frames in genuine.groupby("identity"):
    frames, fake_frames = frames.sort_values("yaw"), ""
    if person == suspect:
        third = len(frames) // 3
        middle = forged[forged["identity"] == person].sort_values("yaw")[::2]
        fake_frames = f"{third}:{third + len(middle)}"
        frames = pd.concat([frames[:third], middle, frames[-third:]])
    path = write_video(person, frames["pixels"].tolist())
    rows.append({"path": path, "label": 1, "identity": person, "fake_frames": fake_frames})
table = pd.DataFrame(rows)
table.loc[table["fake_frames"] != "", "label"] = -1
table[["label", "identity", "fake_frames"]]

# %%
# Pairs of frames
# ---------------
# The loader reads the videos, stores their frames as pictures and pairs them: every two frames of
# the video in question, and of the other seven some to learn from. A pair counts as a deepfake if
# either of its frames is one.

options = {"mode": "same-video", "cache": os.path.join(folder.name, "frames"), "random_state": 0}
training = load_video_table(table[table["label"] == 1], n_frames=8, k=3, **options)
test = load_video_table(table[table["label"] == -1], n_frames=99, k="all", **options)
pipeline = make_difffake_pipeline(
    "difffake-lite0-identity",
    operator="cosine",
    detector=SumRuleDetector(contamination=0.05),
    on_missing="crop",
).set_params(align__min_face_size=0.4)
pipeline.fit(training.data, training.target)
scores = pipeline.decision_function(test.data)
print(f"Learned from {len(training.data)} pairs of {len(table) - 1} people; {len(scores)} judged.")

# %%
# Which frames belong together
# ----------------------------
# The score of a frame is its median over all pairs that it is in. As most frames are genuine, those
# that are not fit most of the others badly. With most frames manipulated it would be the other way
# round: frames alone do not tell which of two faces is the person's own.

times = test.images["number"].to_numpy() / RATE
n = len(times)
matrix = np.full((n, n), np.nan)
order = pd.Index(test.images["number"])
rows = order.get_indexer(test.frame["reference_frame"])
columns = order.get_indexer(test.frame["probe_frame"])
for i, j, score in zip(rows, columns, scores, strict=True):
    matrix[i, j] = matrix[j, i] = score
per_frame = np.nanmedian(matrix, axis=1)
low, high = np.nanquantile(matrix, [0.25, 0.75], axis=1)
fake = (test.images["label"] == -1).to_numpy()

BLUE, VERMILION = "#0072B2", "#D55E00"
figure = plt.figure(figsize=(11, 6), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=[1, 3.4])
shown_frames = np.linspace(0, n - 1, 10).astype(int)
for axes, position in zip(top.subplots(1, len(shown_frames)), shown_frames, strict=True):
    axes.imshow(read_image(test.images["path"][position]))
    axes.set_title(f"{times[position]:.1f} s", color=VERMILION if fake[position] else BLUE)
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(color=VERMILION if fake[position] else BLUE, linewidth=4)

left, right = bottom.subplots(1, 2, width_ratios=[1, 1.45])
limit = np.nanmax(np.abs(matrix))
ends = (times[0] - 0.5 / RATE, times[-1] + 0.5 / RATE)
image = left.imshow(
    matrix, cmap="PuOr", vmin=-limit, vmax=limit, extent=(*ends, *ends[::-1]), interpolation="none"
)
left.set(xlabel="time, s", ylabel="time, s", title="Score of every pair of frames")
bottom.colorbar(image, ax=left, label="score less threshold")
right.axvspan(
    times[fake][0] - 0.5 / RATE,
    times[fake][-1] + 0.5 / RATE,
    color=VERMILION,
    alpha=0.15,
    label="manipulated",
)
error = [per_frame - low, high - per_frame]
right.errorbar(
    times, per_frame, yerr=error, fmt="o-", color=BLUE, capsize=3, label="median, quartiles"
)
right.axhline(0, color="black", linestyle=":", label="threshold")
right.set(xlabel="time, s", ylabel="score less threshold", title="Score over time", xlim=ends)
right.legend(loc="lower left")
plt.show()

# %%

print(
    f"Median score of manipulated frames {np.median(per_frame[fake]):.2f}, "
    f"of genuine ones {np.median(per_frame[~fake]):.2f}."
)
print(
    f"Below the threshold: {np.mean(per_frame[fake] < 0):.0%} of the manipulated frames, "
    f"{np.mean(per_frame[~fake] < 0):.0%} of the genuine ones."
)
folder.cleanup()

# %%
# The matrix tells more than the curve. The manipulated frames go well with each other, a block on
# the diagonal, and less well with those before and after. Two of them fall below the threshold; the
# others only lie somewhat lower than most, as a genuine frame near the end does as well. These are
# small, compressed frames of one rendered person: take them as a way to look at a video, not as a
# measure of how often it works.
