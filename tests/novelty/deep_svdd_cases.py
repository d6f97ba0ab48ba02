"""Data, and encoders as a user would write them, for the tests of Deep SVDD."""

import numpy as np
from torch import nn

SETTINGS = {"device": "cpu", "random_state": 0}


def subspace(n, d=16, seed=0, *, noise=0.1):
    """Rows close to a plane of four dimensions; a larger `noise` for deepfakes."""
    rng = np.random.default_rng(seed)
    plane = np.random.default_rng(99).normal(size=(4, d))
    return rng.normal(size=(n, 4)) @ plane + noise * rng.normal(size=(n, d))


def gratings(n, seed, axis):
    """Waves along one axis of the image, as uint8 (n, 16, 16, 3)."""
    rng = np.random.default_rng(seed)
    phase = np.arange(16) * rng.uniform(0.1, 0.25, (n, 1)) + rng.uniform(size=(n, 1))
    waves = np.expand_dims(np.sin(2 * np.pi * phase), 3 - axis).repeat(16, axis=3 - axis)
    images = 128 + 80 * waves[..., None] + rng.normal(0, 5, (n, 16, 16, 3))
    return images.clip(0, 255).astype(np.uint8)


def losses(detector, name="train_loss"):
    return np.array([epoch[name] for epoch in detector.history_])


class Conv(nn.Module):
    """Images (n, 16, 16, 3) become vectors of 16 numbers."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, bias=False),
            nn.LeakyReLU(0.1),
            nn.Dropout(0.1),
            nn.Conv2d(8, 16, 3, stride=2, bias=False),
            nn.LeakyReLU(0.1),
            nn.Flatten(),
            nn.Linear(144, 16, bias=False),
        )

    def forward(self, images):
        return self.layers(images.permute(0, 3, 1, 2))


class PairConv(nn.Module):
    """Pairs of images (n, 2, 16, 16, 3) become vectors; wants to know their shape."""

    def __init__(self, shape):
        super().__init__()
        assert shape == (2, 16, 16, 3)
        self.one = Conv()

    def forward(self, pairs):
        return self.one(pairs[:, 0]) - self.one(pairs[:, 1])


def sigmoids(shape):
    return nn.Sequential(nn.Linear(*shape, 32), nn.Sigmoid(), nn.Linear(32, 8))
