"""Both templates of many pairs; each picture and each repeated reference is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._model import JudgingModel
from ._sides import Side
from ._templates import FoundImage, Template, embed_templates, find_faces, with_matched

#: Templates of references by model, number of frames and sources; those used last come last.
Memory = dict[Any, Template]
_Found = tuple[list[FoundImage], list[FoundImage]]


def gather_templates(
    model: JudgingModel,
    pairs: Sequence[tuple[Side | Template, Side]],
    n_frames: int,
    memory: Memory,
) -> list[tuple[Template, Template]]:
    """Return the templates of both sides of pairs.

    Parameters
    ----------
    model : JudgingModel
    pairs : sequence of (Side or Template, Side)
        Reference and probe.
    n_frames : int
        Frames of a clip.
    memory : dict
        Templates of references of earlier calls, to which those of this call are added. Where
        faces are chosen by comparison, only references that leave no choice are remembered.

    Returns
    -------
    list of (Template, Template)
    """
    keys = [
        (id(model), n_frames, reference.key()) if isinstance(reference, Side) else None
        for reference, _ in pairs
    ]
    known = [
        reference if isinstance(reference, Template) else _recall(memory, key)
        for (reference, _), key in zip(pairs, keys, strict=True)
    ]
    found = _find_all(model, pairs, known, n_frames)
    jobs: list[tuple[Side, list[FoundImage]]] = []
    for (reference, probe), template, (first, second) in zip(pairs, known, found, strict=True):
        if template is None and isinstance(reference, Side):
            jobs.append((reference, first))
        jobs.append((probe, second))
    made = iter(embed_templates(model, jobs))
    both = []
    for template, key, (first, _) in zip(known, keys, found, strict=True):
        if template is None:
            template = next(made)
            if template.is_fixed or not model.matches:
                memory[key] = with_matched(model, template, first)
        both.append((template, next(made)))
    return both


def _recall(memory: Memory, key: Any) -> Template | None:
    template = memory.pop(key, None)
    if template is not None:
        memory[key] = template
    return template


def _find_all(
    model: JudgingModel,
    pairs: Sequence[tuple[Side | Template, Side]],
    known: Sequence[Template | None],
    n_frames: int,
) -> list[_Found]:
    """Find faces: of both sides, or of the probe alone where the reference is known."""
    found: dict[int, _Found] = {}
    together: dict[int, tuple[Side, Side]] = {}
    for i, ((reference, probe), template) in enumerate(zip(pairs, known, strict=True)):
        if template is not None and model.matches:
            found[i] = find_faces(model, [(probe, probe)], n_frames, template)[0]
        else:
            is_new = template is None and isinstance(reference, Side)
            together[i] = (reference if is_new else probe, probe)  # type: ignore[assignment]
    found |= zip(together, find_faces(model, list(together.values()), n_frames), strict=True)
    return [found[i] for i in range(len(pairs))]
