"""Training of ForgeryEmbedder: how much of the time the model works, and how much it waits.

EfficientNet-Lite0 on all the techniques with augmentation, 128-pixel crops, batches of 16 real
crops and their fakes, with and without sharpness-aware minimization, for 0 (the fakes are made
between the steps) and more processes beside the training. Goal: on the CPU the model works at
least 90 % of the time. Then the same training with the loader's work taken away (every batch is at
hand), alternately: what the loader costs in all, the cores it shares with the model included. On a
GPU in mixed precision, at 224 pixels.
"""

import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._images import smooth_images
from benchmarks.speed._timing import row, run_alone, time_alternately, timed
from sklearn_diffake.embedding import ForgeryEmbedder
from sklearn_diffake.embedding.forgery import _training
from sklearn_diffake.embedding.forgery._crops import BatchLoader

ON_GPU = torch.cuda.is_available()
SIZE, BATCH, STEPS = (224, 64, 60) if ON_GPU else (128, 16, 4)
loaders = []


class Watched(BatchLoader):
    """A loader that can be looked at afterwards."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        loaders.append(self)


class AtHand(BatchLoader):
    """A loader that makes one batch for every size and gives it again and again."""

    ready: dict = {}

    def __call__(self, plan):
        for keys in plan:
            if len(keys) not in self.ready:
                self.ready[len(keys)] = self.loader.collate_fn(
                    [self.loader.dataset[key] for key in keys]
                )
            yield self.ready[len(keys)]


def train(images, n_jobs, rho, loader_class=Watched, epochs=2):
    """Train and return the fraction of the time in which the model worked."""
    _training.BatchLoader = loader_class
    ForgeryEmbedder(
        input_size=SIZE,
        max_epochs=epochs,
        batch_size=BATCH,
        rho=rho,
        validation_fraction=0,
        n_jobs=n_jobs,
        dtype="bfloat16" if ON_GPU else "float32",
        random_state=0,
    ).fit(images)
    if loader_class is AtHand:
        return None
    loader = loaders.pop()
    return 1 - loader.waiting_fraction


def figures(quick=False):
    images = smooth_images(BATCH * (1 if quick else STEPS), SIZE)
    workers = (1,) if quick else (None, 4, os.cpu_count()) if ON_GPU else (None, 1)
    crops = f"{len(images)} crops of {SIZE} pixels"
    rows = []
    for rho in (0.0,) if quick else (0.05, 0.0):
        for n_jobs in workers:
            works = train(images, n_jobs, rho)
            settings = f"{crops}, rho={rho}, n_jobs={n_jobs}"
            measure = f"fraction of the time in which the model works, {settings}"
            goal = ">= 0.9" if n_jobs else None
            rows.append(row(measure, "a model that never waits", works, 1.0, "share",
                            goal=goal, more_is_better=True))  # fmt: skip
    work = 4 * len(images)  # real and fake, two epochs
    times = time_alternately(
        lambda: train(images, 1, 0.0),
        lambda: train(images, 1, 0.0, AtHand),
        repeats=1 if quick else 3,
        work=(work, work),
    )
    measure = f"training, {crops}, the loader's work included"
    return [*rows, timed(measure, "all batches at hand", times, unit="images/s")]


if __name__ == "__main__":
    run_alone(figures)
