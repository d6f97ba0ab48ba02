"""Random templates of one person, for calibration."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.random import RandomState

from ._sources import Template


@dataclass(frozen=True)
class Pool:
    """Distinct pictures of one person.

    Attributes
    ----------
    references, probes : list of int
        Those that may stand on either side; a picture may be in both.
    """

    references: list[int]
    probes: list[int]

    def allows(self, k: int, m: int) -> bool:
        """Return whether k references and m probes can be taken, no picture on both sides."""
        return (
            len(self.references) >= k
            and len(self.probes) >= m
            and len({*self.references, *self.probes}) >= k + m
        )

    def draw(self, k: int, m: int, rng: RandomState) -> Template:
        """Draw k references and m probes, no picture on both sides.

        Parameters
        ----------
        k, m : int
            Such that :meth:`allows` them.
        rng : RandomState

        Returns
        -------
        references, probes : list of int
        """
        spare = len(self.probes) - m  # pictures that the references may take from the probes
        both = set(self.references) & set(self.probes)
        references: list[int] = []
        for picture in rng.permutation(self.references).tolist():
            if len(references) == k:
                break
            if picture in both and not spare:
                continue
            spare -= picture in both
            references.append(picture)
        remaining = [picture for picture in self.probes if picture not in references]
        return references, rng.permutation(remaining)[:m].tolist()
