"""Small networks for tests: backbones are named as "tiny_backbones:<function>"."""

import time

import torch
from torch import nn


class Grid(nn.Module):
    """Mean colors of a 4 x 4 grid, mixed: an embedding of 8 numbers."""

    input_size = 16
    license = "public domain"

    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.mix = nn.Linear(48, 8)

    def forward(self, x):
        return self.mix(self.pool(x).flatten(1))


class Colors(Grid):
    """Declares the normalization of ImageNet."""

    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Declared(Grid):
    """Declares everything, in the types that come naturally in torch."""

    input_size = (12, 20)

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.5, 0.25, 0.125]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.full((1, 3, 1, 1), 0.25))

    def forward(self, x):
        assert x.shape[1:] == (3, 12, 20)
        return super().forward(x)


class Means(nn.Module):
    """The mean of each channel, as the network gets it."""

    input_size = 8
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

    def forward(self, x):
        return x.mean(dim=(2, 3))


class NanOnWhite(Means):
    """Breaks down on white images."""

    def forward(self, x):
        y = super().forward(x)
        return torch.where(y > 0.99, torch.nan, y)


class FeatureMap(Means):
    """Returns a map, not a vector."""

    def forward(self, x):
        return x


class OneShort(Means):
    """Forgets the last image of a batch of several."""

    def forward(self, x):
        y = super().forward(x)
        return y[:-1] if len(y) > 1 else y


class Tied(Colors):
    """Two layers that share their weights."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = nn.Linear(8, 8)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(super().forward(x)))


def colors():
    return Colors()


def slow():
    time.sleep(0.3)
    return Colors()


def declared():
    return Declared()


def means():
    return Means()


def nan_on_white():
    return NanOnWhite()


def feature_map():
    return FeatureMap()


def one_short():
    return OneShort()


def tied():
    return Tied()


def undeclared():
    return Grid()


def half():
    return Colors().half()


def training():
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.5)).train()


def no_module():
    return {"weights": 1}


def bad_mean():
    module = Means()
    module.mean = (0.5, 0.5)
    return module


def bad_std():
    module = Means()
    module.std = (0.5, 0.0, 0.5)
    return module


def bad_size():
    module = Means()
    module.input_size = (8, 8, 3)
    return module


class Convolved(nn.Module):
    """Strided convolutions, whose weights depend on nothing but a seed."""

    input_size = (12, 20)
    mean, std = (0.5, 0.25, 0.125), (0.25, 0.25, 0.25)

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 6, 3, stride=2), nn.Conv2d(6, 8, 3)
        for parameter in self.parameters():
            parameter.data.normal_(0, 0.2, generator=generator)

    def forward(self, x):
        return self.second(self.first(x).relu()).mean(dim=(2, 3))
