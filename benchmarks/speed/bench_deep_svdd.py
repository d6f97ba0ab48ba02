"""DeepSVDD against a bare torch loop, and against PyOD's: time, and ROC-AUC on digits.

The same network, rows, batch and threads each time; by default one thread, as DeepSVDD takes by
default (``--threads N`` for more). The bare loop is a good one: fused Adam, rows taken by
index_select, no wait for the loss of each step. Goals: an epoch takes at most 1.10
times as long as one of the bare loop (ratio >= 0.909), a fit is at least 2.5 times as fast as
PyOD's, and the mean ROC-AUC over digits one-vs-rest is higher. On a GPU, also an epoch of a million
rows.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from pyod.models.deep_svdd import DeepSVDD as PyODDeepSVDD
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import option, row, run_alone, time_alternately, timed
from sklearn_diffake.novelty import DeepSVDD
from sklearn_diffake.novelty._svdd_net import initialize, make_mlp
from sklearn_diffake.novelty._svdd_train import Rows, SVDDLoss, SVDDSettings, train

THREADS = int(option("--threads", 1))
HIDDEN, SIZE, LR, DECAY = 128, 64, 1e-3, 1e-6


def network(n_features, device):
    generator = torch.Generator().manual_seed(0)
    return initialize(make_mlp([n_features, HIDDEN, SIZE], batch_norm=False), generator).to(device)


def bare_loop(X, epochs, batch):
    """Train as one would by hand."""
    net = network(X.shape[1], X.device)
    center = torch.full((SIZE,), 0.1, device=X.device)
    optimizer = torch.optim.Adam(net.parameters(), LR, weight_decay=DECAY, fused=True)
    for _ in range(epochs):
        total, order = 0.0, torch.randperm(len(X), device=X.device)
        for start in range(0, len(X), batch):
            optimizer.zero_grad()
            rows = order[start : start + batch]
            loss = (net(X.index_select(0, rows)) - center).square().sum(dim=1).mean()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        float(total)


def our_loop(rows, epochs, batch):
    """Train through skorch, as DeepSVDD does."""
    device = rows.X.device
    detector = DeepSVDD(lr=LR, weight_decay=DECAY, batch_size=batch)
    settings = SVDDSettings.from_parameters(detector)
    loss = SVDDLoss(torch.full((SIZE,), 0.1, device=device), None)
    shuffle = torch.Generator(device).manual_seed(0)
    net = network(rows.X.shape[1], device)
    train(settings, net, loss, rows, max_epochs=epochs, shuffle=shuffle, callbacks=[])


def per_epoch(n, device, batch, epochs, repeats):
    rows = Rows(np.zeros((n, 1)), np.zeros(1), np.ones(1), device)
    rows.X = torch.randn(n, 512, device=device)
    times = time_alternately(
        lambda: our_loop(rows, epochs, batch),
        lambda: bare_loop(rows.X, epochs, batch),
        repeats=repeats,
        work=(epochs, epochs),
    )
    goal = ">= 0.909" if device == "cpu" else None
    measure = f"DeepSVDD, an epoch of {n:,} x 512, batch {batch}, {device}"
    return timed(measure, "bare torch loop", times, goal=goal)


def fit_of(batch, epochs):
    """Make our detector, to be timed with all that surrounds the epochs."""
    return DeepSVDD(
        hidden_layer_sizes=(HIDDEN,), representation_size=SIZE, max_epochs=epochs,
        batch_size=batch, lr=LR, device="cpu", n_jobs=THREADS, random_state=0,
    ).fit  # fmt: skip


def against_pyod(X, batch, epochs):
    """Time ours, and the bare loop, which asks autograd for gradients and does nothing else."""
    pyod_svdd = PyODDeepSVDD(
        X.shape[1], hidden_neurons=[HIDDEN, SIZE], epochs=epochs, batch_size=batch, verbose=0
    )
    our_fit, ready = fit_of(batch, epochs), torch.from_numpy(X.astype(np.float32))
    size = f"{epochs} epochs of {len(X):,} x {X.shape[1]}, batch {batch}"
    times = time_alternately(lambda: our_fit(X), lambda: pyod_svdd.fit(X), repeats=3)
    limit = time_alternately(
        lambda: bare_loop(ready, epochs, batch), lambda: pyod_svdd.fit(X), repeats=3
    )
    return [
        timed(f"DeepSVDD, fit of {size}", "PyOD's DeepSVDD", times, goal=">= 2.5"),
        timed(f"bare torch loop, {size}", "PyOD's DeepSVDD", limit),
    ]


def against_bare_loop(X, batch=256, epochs=50):
    our_fit, rows = fit_of(batch, epochs), torch.from_numpy(X.astype(np.float32))
    times = time_alternately(lambda: our_fit(X), lambda: bare_loop(rows, epochs, batch), repeats=3)
    return timed(
        f"DeepSVDD, a whole fit of {epochs} epochs, batch {batch}", "bare torch loop", times
    )


def digits(n_digits=10, seeds=5):
    """Mean ROC-AUC over digits one-vs-rest: width (64, 32), 50 epochs, batches of 32."""
    images, labels = load_digits(return_X_y=True)
    auc = {"ours": [], "PyOD's DeepSVDD": [], "PyOD's DeepSVDD, our learning rate": []}
    rates = dict(zip(list(auc)[1:], (1e-4, LR), strict=True))
    for digit, seed in np.ndindex(n_digits, seeds):
        rng = np.random.default_rng(seed)
        rows = rng.permutation(np.flatnonzero(labels == digit))
        train_rows, own_rows = np.split(rows, [int(0.7 * len(rows))])
        other_rows = np.r_[own_rows, np.flatnonzero(labels != digit)]
        y = np.where(labels[other_rows] == digit, 1, -1)
        common = {"batch_size": 32, "random_state": seed}
        our_svdd = DeepSVDD(
            hidden_layer_sizes=(64,), representation_size=32, device="cpu", **common
        )
        our_svdd.fit(images[train_rows])
        auc["ours"].append(roc_auc_score(y, our_svdd.score_samples(images[other_rows])))
        for name, lr in rates.items():
            pyod_svdd = PyODDeepSVDD(
                64, hidden_neurons=[64, 32], epochs=50, learning_rate=lr, verbose=0, **common
            ).fit(images[train_rows])
            auc[name].append(roc_auc_score(-y, pyod_svdd.decision_function(images[other_rows])))
    measure = f"DeepSVDD, mean AUC of {n_digits} digits one-vs-rest, {seeds} seeds"
    our_auc = float(np.mean(auc["ours"]))
    return [
        row(
            measure,
            name,
            our_auc,
            float(np.mean(auc[name])),
            "AUC",
            goal="> 1",
            more_is_better=True,
        )
        for name in rates
    ]


def figures(quick=False):
    torch.set_num_threads(THREADS)
    n, repeats = (2_500, 3) if quick else (20_000, 9)
    X = np.random.default_rng(0).normal(size=(n, 512))
    rows = digits(*((2, 1) if quick else (10, 5)))
    rows += [per_epoch(n, "cpu", batch, 4, repeats) for batch in (256, 4096)]
    rows.append(against_bare_loop(X, epochs=10 if quick else 50))
    for batch in (32, 256, 4096):
        rows += against_pyod(X, batch, epochs=5 if quick else 10)
    if torch.cuda.is_available() and not quick:
        rows += [per_epoch(1_000_000, "cuda", batch, 3, 5) for batch in (4096, 65536)]
    return rows


if __name__ == "__main__":
    run_alone(figures)
