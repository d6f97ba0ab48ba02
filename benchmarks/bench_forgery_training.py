"""Training of ForgeryEmbedder: how much of the time the model works, and how much it waits.

EfficientNet-Lite0 on all the techniques with augmentation, 128-pixel crops, batches of 16 real
crops and their fakes, with and without sharpness-aware minimisation, for 0 (the fakes are made
between the steps) and more processes beside the training. Goal: on the CPU the model works at
least 90 % of the time. Then the same training with the loader's work taken away (every batch is at
hand), by turns: what the loader costs in all, the cores it shares with the model included. On a GPU
in mixed precision, at 224 pixels.
"""

import os

import torch
from _yardstick import by_turns, report, smooth_images

from sklearn_diffake.embedding import ForgeryEmbedder, _forgery_train
from sklearn_diffake.embedding._forgery_feed import Feed

ON_GPU = torch.cuda.is_available()
SIZE, BATCH, STEPS = (224, 64, 60) if ON_GPU else (128, 16, 4)
feeds = []


class Watched(Feed):
    """A feed that can be looked at afterwards."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        feeds.append(self)


class AtHand(Feed):
    """A feed that makes one batch for every size and gives it again and again."""

    ready: dict = {}

    def __call__(self, plan):
        for keys in plan:
            if len(keys) not in self.ready:
                self.ready[len(keys)] = self.loader.collate_fn(
                    [self.loader.dataset[key] for key in keys]
                )
            yield self.ready[len(keys)]


def train(images, n_jobs, rho, feed=Watched, epochs=2):
    """Train and return the share of the time in which the model worked, and the images/s."""
    _forgery_train.Feed = feed
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
    if feed is AtHand:
        return None
    seen = feeds.pop()
    total = seen.worked + seen.waited
    return {
        "model works": round(1 - seen.waiting, 4),
        "real and fake images/s": round(2 * epochs * len(images) / total, 1),
    }


def main():
    images = smooth_images(BATCH * STEPS, SIZE)
    workers = (None, 4, os.cpu_count()) if ON_GPU else (None, 1)
    figures = {
        "crops": f"{len(images)} of {SIZE} pixels, batches of {BATCH} and their fakes",
        "goal": "model works >= 0.90 on the CPU, with processes",
        "waits included": {
            f"rho={rho}, n_jobs={n_jobs}": train(images, n_jobs, rho)
            for rho in (0.05, 0.0)
            for n_jobs in workers
        },
        "rho=0.0, n_jobs=1, whole fit / batches at hand": by_turns(
            lambda: train(images, 1, 0.0),
            lambda: train(images, 1, 0.0, AtHand),
            repeats=2,
        ),
    }
    report("forgery_training", figures)


if __name__ == "__main__":
    main()
