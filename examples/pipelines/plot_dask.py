"""
A search on a cluster
=====================

scikit-learn hands its work to joblib, and joblib hands it to whoever is asked to do it: this
process, or the workers of a dask cluster. The same grid search runs in both ways. One will see that
the numbers are the same, which worker did what and when, and what is gained on one machine: little,
if anything.
"""

# %%
# Embed first
# -----------
# The network is nearly all of the cost, so the images of rendered people are embedded once, here,
# and the search works on the embeddings.

import os
import tempfile
import time

import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster, get_task_stream
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.model_selection import IdentityGroupKFold

faces = make_face_pairs(
    120, n_identities=20, n_videos=2, n_frames=2, techniques="swap", size=128, random_state=0
)
pipe = make_difffake_pipeline(
    "difffake-lite0-identity", aligner=False, operator="squared", random_state=0
)
embeddings = pipe["embed"].fit_transform(faces.data)
search = GridSearchCV(
    pipe[2:],  # without the aligner and the embedder
    {"diff__operator": ["absolute", "squared"], "detect__n_components": [1, 2, 3, 4, 6, 8]},
    scoring="roc_auc",
    cv=IdentityGroupKFold(4),
    refit=False,
)


def timed():
    """Search; return seconds and the mean AUC of every candidate."""
    start = time.perf_counter()
    search.fit(embeddings, faces.target, groups=faces.groups)
    return time.perf_counter() - start, search.cv_results_["mean_test_score"]


serial_seconds, serial = timed()

# %%
# The cluster
# -----------
# Two workers, each a thread of this process; that keeps the example to one process. With
# ``processes=True`` each would be a process of its own, in a script below
# ``if __name__ == "__main__":``. For a cluster that is there already give ``Client`` the address of
# its scheduler; the rest stays as it is.

with (
    tempfile.TemporaryDirectory() as folder,
    LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        dashboard_address=None,
        local_directory=folder,
    ) as cluster,
    Client(cluster) as client,
):
    with get_task_stream(client, plot=False) as stream, parallel_config("dask"):
        dask_seconds, on_cluster = timed()
    tasks = stream.data

print(f"{len(serial)} candidates on 4 folds, {len(tasks)} tasks, {os.cpu_count()} cores")
print(f"Same numbers: {np.array_equal(serial, on_cluster)}")
print(f"Best: {search.cv_results_['params'][np.argmax(serial)]}, mean AUC {serial.max():.3f}")

# %%
# Who did what, and when
# ----------------------
# Joblib decides how many fits make one task: dask's workers get a fit, or several, at a time.

BLUE, ORANGE = "#0072B2", "#E69F00"
workers = sorted({task["worker"] for task in tasks})
spans = [
    (workers.index(task["worker"]), interval["start"], interval["stop"])
    for task in tasks
    for interval in task["startstops"]
    if interval["action"] == "compute"
]
begin = min(start for _, start, _ in spans)
figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 3.8), width_ratios=[2.4, 1], layout="constrained"
)
for worker, start, stop in spans:
    left.barh(
        worker,
        stop - start,
        left=start - begin,
        height=0.6,
        color=(BLUE, ORANGE)[worker],
        edgecolor="white",
    )
for worker in range(len(workers)):
    durations = [stop - start for position, start, stop in spans if position == worker]
    left.text(
        0, worker - 0.34, f"{len(durations)} tasks, {sum(durations):.1f} s at work", va="bottom"
    )
left.set_yticks(range(len(workers)), [f"worker {position + 1}" for position in range(len(workers))])
left.set(xlabel="time (s)", ylim=(len(workers) - 0.5, -0.75), title="Tasks")

for position, seconds in enumerate((serial_seconds, dask_seconds)):
    right.bar(position, seconds, color="#999999", width=0.6)
    right.text(position, seconds, f"{seconds:.1f} s", ha="center", va="bottom", fontsize=12)
right.set_xticks([0, 1], ["this process,\none by one", "dask,\ntwo workers"])
right.set(ylabel="time (s)", title="The same search")
right.margins(y=0.15)
plt.show()

# %%
# Times are those of the machine on which this page was made, once, and vary. Two threads of one
# process share its interpreter, and libraries for linear algebra may use all cores already in the
# serial search: a second worker can gain a little, or lose it to the handing out of tasks. A
# cluster pays where one task takes minutes and there are more machines; for less, embed once and
# search serially. See :doc:`/guide/scaling_out`.
