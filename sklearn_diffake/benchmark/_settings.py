"""The settings of a benchmark, as frozen values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class DatasetSpec:
    """Where pairs come from.

    Attributes
    ----------
    name : str
        What the configuration calls the dataset.
    source : {"loader", "images", "pairs"}
        A function of `sklearn_diffake.datasets`, a table of images, or one of pairs.
    value : str
        Name of the function, or path of the table.
    arguments : mapping
        Arguments of the function, or how the images are paired.
    groups : tuple of str or None
        Columns of names that a split must not separate; None takes the usual ones.
    distinct_people : bool
        Whether equal names in this and another dataset are different people.
    limit : int or None
        Maximum number of pairs, drawn person by person.
    """

    name: str
    source: str
    value: str
    arguments: Mapping[str, Any]
    groups: tuple[str, ...] | None = None
    distinct_people: bool = False
    limit: int | None = None


@dataclass(frozen=True)
class ExtractorSpec:
    """A network that is trained before candidates are judged.

    Attributes
    ----------
    name : str
        What candidates call it.
    dataset : str
        Name of the dataset whose genuine faces it learns from.
    splits : tuple of str
        Official splits of that dataset that it learns from; empty for all.
    align : mapping or None
        As of `Candidate`.
    params : mapping
        Parameters of `ForgeryEmbedder` that are not its defaults.
    """

    name: str
    dataset: str
    splits: tuple[str, ...]
    align: Mapping[str, Any] | None
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Candidate:
    """A pipeline that is judged.

    Attributes
    ----------
    name : str
    embedders : tuple of mapping
        Parameters of a `FaceEmbedder` each: ``backbone``, ``weights``, ``dtype``, ``mirror``,
        ``scales``; or, instead of the first two, ``extractor``, the name of one that is trained.
    align : mapping or None
        Parameters of the `FaceAligner` that are not its defaults; None for aligned crops.
    operator : str
    normalize : str or None
        As of `PairDifference`.
    detector : mapping
        ``name`` and parameters.
    """

    name: str
    embedders: tuple[Mapping[str, Any], ...]
    align: Mapping[str, Any] | None
    operator: str
    normalize: str | None
    detector: Mapping[str, Any]

    @property
    def extractors(self) -> list[str]:
        """Names of the extractors that it needs trained."""
        return [params["extractor"] for params in self.embedders if "extractor" in params]


@dataclass(frozen=True)
class ProtocolSpec:
    """How one protocol is run.

    Attributes
    ----------
    name : str
        One of those that are registered.
    datasets : tuple of str
        Names of datasets; empty for all that suit.
    candidates : tuple of Candidate
    folds : int
        Number of folds that people are assigned to.
    split : {"identities", "official"}
        Whether people are assigned to folds at random, or by the lists of the dataset.
    options : mapping
        Options that only this protocol has.
    """

    name: str
    datasets: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    folds: int
    split: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """The settings of a benchmark, and the folders of its results.

    Attributes
    ----------
    file : Path
        What was read.
    values : mapping
        The file's content as it was written.
    output, cache : Path
        Folders of results and of embeddings.
    seed, bootstrap, batch_size : int
        The seed of all randomness; resamples of an interval; images embedded together.
    confidence : float
        Of the intervals, in [0.5, 0.999].
    device : str
        Where to embed.
    level : {"pairs", "videos"}
        Whether pairs are judged, or videos by the mean over their pairs.
    datasets : tuple of DatasetSpec
        Where pairs come from.
    protocols : tuple of ProtocolSpec
        How candidates are judged on them.
    extractors : tuple of ExtractorSpec
        Networks that are trained first.

    See Also
    --------
    read_config : Reads one from a file.

    Examples
    --------
    The configuration is that of :func:`read_config`.

    >>> from sklearn_diffake.benchmark import read_config
    >>> config = read_config("small.toml").replace(output="elsewhere")
    >>> config.seed, config.output.name, config.cache.name
    (0, 'elsewhere', 'cache')
    """

    file: Path
    values: Mapping[str, Any]
    output: Path
    cache: Path
    seed: int
    device: str
    batch_size: int
    bootstrap: int
    confidence: float
    level: str
    datasets: tuple[DatasetSpec, ...]
    protocols: tuple[ProtocolSpec, ...]
    extractors: tuple[ExtractorSpec, ...] = ()

    def replace(self, output: Any = None, cache: Any = None, device: str | None = None) -> Config:
        """Return a configuration with other folders, or for another device.

        Parameters
        ----------
        output, cache : str or Path, default=None
            Folders of results and of embeddings; None keeps them. A cache in the folder of results
            moves with it.
        device : str, default=None
            Where to embed; None keeps it.

        Returns
        -------
        config : Config
            A new one.
        """
        new_output = self.output if output is None else Path(output)
        if cache is not None:
            new_cache = Path(cache)
        else:
            is_inside = self.cache == self.output / "cache"
            new_cache = new_output / "cache" if is_inside else self.cache
        return dataclasses.replace(
            self, output=new_output, cache=new_cache, device=device or self.device
        )
