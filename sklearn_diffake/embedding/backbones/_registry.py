"""The registry of networks: names, and the properties of each before it is loaded.

Only the standard library is imported here, so that a help text is fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sklearn_diffake.embedding.backbones._base import ONE_SCALE, Backbone, Crop
from sklearn_diffake.utils._messages import nearest


@dataclass(frozen=True)
class BackboneEntry:
    """Properties of a network, or of a family of networks, before it is loaded.

    Attributes
    ----------
    name : str
        As `FaceEmbedder` takes it; of a family, a pattern such as ``"timm:<model>"``.
    purpose : {"identity", "forgery", "objects", "any"}
        What it was trained to recognize.
    license : str
        Terms of the weights.
    weights : str
        Source of the weights.
    offline : bool
        Whether it works without any download after the installation.
    build : callable
        Maps name and weights (a ``.safetensors`` file, tensors, or None) to a `Backbone`.
    requires : tuple of str
        Optional dependencies: extras of this package.
    width : int or None
        Length of the embedding; None if it differs within the family, as for the following.
    input_size : tuple of int or None
        Height and width of the input in pixels.
    mean, std : tuple of float or None
        Normalization of each RGB channel, for values in [0, 1].
    crop : Crop or None
        How faces are cut for it; None is `FaceAligner` as it is.
    mirror : bool
        Whether `make_difffake_pipeline` embeds each crop and its mirror image with it.
    scales : tuple of float
        Sides of the views of a crop that it embeds with it, as fractions of the crop's side.
    n_parameters : int or None
        Number of its weights.
    eer : mapping of int to float
        Equal error rate on face swaps of people not in its training, by the number of references;
        empty where it was not measured. From ``benchmarks/results/identity_networks.json``.
    matches : callable or None
        Of a family: whether a name belongs to it.
    """

    name: str
    purpose: str
    license: str
    weights: str
    offline: bool
    build: Callable[[Any, Any], Backbone] = field(repr=False, compare=False)
    requires: tuple[str, ...] = ()
    width: int | None = None
    input_size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    crop: Crop | None = None
    mirror: bool = False
    scales: tuple[float, ...] = ONE_SCALE
    n_parameters: int | None = None
    eer: Mapping[int, float] = field(default_factory=dict)
    matches: Callable[[str], bool] | None = field(default=None, repr=False, compare=False)

    @property
    def declarations(self) -> dict[str, Any]:
        """Arguments of `torch_backbone` beside its module."""
        return {
            "input_size": self.input_size,
            "mean": self.mean,
            "std": self.std,
            "license": self.license,
            "crop": self.crop,
        }

    def describe(self) -> dict[str, Any]:
        """Return the entry as plain values."""
        return {
            "name": self.name,
            "purpose": self.purpose,
            "width": self.width,
            "input_size": None if self.input_size is None else list(self.input_size),
            "mean": None if self.mean is None else list(self.mean),
            "std": None if self.std is None else list(self.std),
            "crop": None if self.crop is None else self.crop._asdict(),
            "mirror": self.mirror,
            "scales": list(self.scales),
            "parameters": self.n_parameters,
            "eer": {str(references): rate for references, rate in self.eer.items()},
            "offline": self.offline,
            "requires": list(self.requires),
            "license": self.license,
            "weights": self.weights,
        }


_ENTRIES: dict[str, BackboneEntry] = {}


def register(entry: BackboneEntry) -> BackboneEntry:
    """Add an entry to the registry, and return it."""
    _ENTRIES[entry.name] = entry
    return entry


def entries() -> list[BackboneEntry]:
    """Return all entries: identity networks first, the best first, families last."""
    purposes = ("identity", "forgery", "objects", "any")
    return sorted(
        _ENTRIES.values(),
        key=lambda e: (e.matches is not None, purposes.index(e.purpose), e.eer.get(1, 1.0)),
    )


def names() -> list[str]:
    """Return the names of all entries, in the order of `entries`."""
    return [entry.name for entry in entries()]


def entry_of(name: str) -> BackboneEntry | None:
    """Return the entry to which a name belongs, None for an unknown name."""
    if name in _ENTRIES:
        return _ENTRIES[name]
    families = (e for e in _ENTRIES.values() if e.matches is not None and e.matches(name))
    return next(families, None)


def unknown_name(name: str) -> ValueError:
    """Make the error for a name without an entry."""
    return ValueError(f"backbone={name!r} is unknown: {nearest(name, names())}")
