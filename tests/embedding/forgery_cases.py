"""Crops and small networks to train for the tests of ForgeryEmbedder."""

import functools
from itertools import pairwise

import numpy as np
from torch import nn

from sklearn_diffake.embedding import ForgeryEmbedder

SIZE = 32


class Tiny(nn.Module):
    """Three convolutions with all that a training has to keep: running statistics, dropout."""

    input_size = SIZE

    def __init__(self, dropout=0.1):
        super().__init__()
        widths = (3, 8, 16, 16)
        layers = []
        for n_in, n_out in pairwise(widths):
            layers += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(n_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout(self.layers(x))


def tiny():
    return Tiny()


def wide():
    """The same network under another name."""
    return Tiny()


def fixed():
    """Takes images of one size only, as many transformers do."""

    class Fixed(Tiny):
        def forward(self, x):
            assert x.shape[2:] == (SIZE, SIZE), f"made for {SIZE} pixels"
            return super().forward(x)

    return Fixed()


def oblong():
    module = Tiny()
    module.input_size = (SIZE, 2 * SIZE)
    return module


@functools.cache
def crops(n=24, seed=0, size=SIZE):
    """Return n smooth crops, all different."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 5, 5, 3), dtype=np.uint8)
    images = [
        Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC) for pixels in coarse
    ]
    stacked = np.stack([np.asarray(image) for image in images])
    stacked.setflags(write=False)
    return stacked


def pairs(n=12, seed=0):
    """Return n pairs of different images."""
    return crops(2 * n, seed).reshape(n, 2, SIZE, SIZE, 3)


def embedder(**settings):
    usual = {
        "backbone": "forgery_cases:tiny",
        "techniques": "upsampling_grid",
        "augment": False,
        "max_epochs": 3,
        "batch_size": 8,
        "lr": 0.05,
        "validation_fraction": 0.25,
        "device": "cpu",
        "random_state": 0,
    }
    return ForgeryEmbedder(**{**usual, **settings})


def same_weights(a, b):
    """Tell whether two fitted embedders hold the same network bit for bit."""
    assert a.weights_.keys() == b.weights_.keys()
    equal = [np.array_equal(a.weights_[name], b.weights_[name]) for name in a.weights_]
    return all(equal) and np.array_equal(a.coef_, b.coef_) and a.intercept_ == b.intercept_


class EasyFakes:
    """Stands in for PseudoDeepfakeDataset: checks the middle, more or less, and nothing else.

    Its instances are listed in `instances`.
    """

    instances = []

    def __init__(self, crops, *, identity, seed, **settings):
        self.crops, self.identity, self.seed, self.settings = crops, identity, seed, settings
        self.epoch = 0
        EasyFakes.instances.append(self)

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return len(self.crops)

    def __getitem__(self, i):
        rng = np.random.default_rng([self.seed, self.epoch, i])
        real, q = self.crops[i], SIZE // 4
        checks = np.indices((2 * q, 2 * q)).sum(axis=0)[..., None] % 2
        fake = real.astype(int)
        fake[q:-q, q:-q] += (checks * 2 - 1) * rng.integers(15, 40)
        return real, np.clip(fake, 0, 255).astype(np.uint8)
