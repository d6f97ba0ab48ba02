"""What a benchmark's configuration says, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
        Columns with what must be kept on one side of a split; None takes what there is.
    distinct_people : bool
        Whether its names mean other people than the same names of other datasets.
    limit : int or None
        Most pairs to keep, drawn by whole people.
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
        ``scales``; or ``extractor``, the name of one that is trained, in place of the first two.
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
class Protocol:
    """A way of judging.

    Attributes
    ----------
    name : str
        One of `PROTOCOLS`.
    datasets : tuple of str
        Names of datasets; empty for all that suit.
    candidates : tuple of Candidate
    folds : int
        Parts into which people are dealt.
    split : {"identities", "official"}
        Whether people are assigned to folds at random, or by the lists of the dataset.
    options : mapping
        What only this protocol has.
    """

    name: str
    datasets: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    folds: int
    split: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """All that decides a benchmark's results, and where they go.

    Attributes
    ----------
    file : Path
        What was read.
    values : mapping
        The file's content as it was written.
    output, cache : Path
        Folders of results and of embeddings.
    seed, bootstrap, batch_size : int
        What seeds everything; resamples of an interval; images embedded together.
    confidence : float
        Of the intervals, in [0.5, 0.999].
    device : str
        Where to embed.
    level : {"pairs", "videos"}
        What is judged.
    datasets : tuple of DatasetSpec
        Where pairs come from.
    protocols : tuple of Protocol
        What is done with them.
    extractors : tuple of ExtractorSpec
        What is trained first.

    See Also
    --------
    read_config : Reads one from a file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sklearn_diffake.benchmark import read_config
    >>> _ = Path("small.toml").write_text('''
    ... datasets.faces.loader = "make_face_pairs"
    ... datasets.faces.arguments = { n_pairs = 24, techniques = ["swap", "splice"] }
    ... candidates.one.embedder = "difffake-lite0-identity"
    ... protocols.cross-manipulation.folds = 2
    ... ''')
    >>> config = read_config("small.toml").place(output="elsewhere")
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
    protocols: tuple[Protocol, ...]
    extractors: tuple[ExtractorSpec, ...] = ()

    def place(self, output: Any = None, cache: Any = None, device: str | None = None) -> Config:
        """Return the same with other folders, or for another device; None changes nothing.

        Parameters
        ----------
        output, cache : str or Path, default=None
            Folders of results and of embeddings; a cache that lies in the former goes with it.
        device : str, default=None
            Where to embed.

        Returns
        -------
        Config
            A new one.
        """
        folder = Path(output) if output is not None else self.output
        kept = self.cache if self.cache != self.output / "cache" else folder / "cache"
        where = Path(cache) if cache is not None else kept
        return replace(self, output=folder, cache=where, device=device or self.device)
