"""Where the least genuine probe image differs, if such a map was shown to mean something."""

from __future__ import annotations

from dataclasses import dataclass, field

from sklearn_diffake.inspection._occlusion import JOINT, joint_occlusion
from sklearn_diffake.inspection._report.figure import limit_of, load_matplotlib
from sklearn_diffake.inspection._report.page import Figure, map_figure
from sklearn_diffake.inspection._split_pipeline import SplitPipeline
from sklearn_diffake.verdict._evidence import SideName, VerdictData
from sklearn_diffake.verdict._report.sources import Picture, Pictures

#: Networks whose maps were compared with known altered places (benchmarks/quality/explanations.py).
MEASURED_NETWORKS = frozenset({"dlib-resnet", "difffake-lite0-identity", "difffake-lite0-verdict"})
#: The result. `tests/verdict/test_report_maps.py` holds it against the results.
EVIDENCE = (
    "This kind of map is shown because it was measured on altered pictures of other people, whose "
    "altered places were known: it finds a replaced inner face far more often than chance would; "
    "for altered eyes or an altered mouth alone it is little better than a guess, and it is weaker "
    "in frames of videos than in photographs."
)
_MOST_REFERENCES = 12  # among which the most alike is looked for
_NEAR = 2.0  # levels: p-values up to this are near the line


@dataclass(frozen=True)
class Maps:
    """The maps of one pair of images, or why there are none.

    Parameters
    ----------
    reason : str or None
        Why there is no map.
    reference_row, probe_row : int or None
        Rows of the two images in `Verdict.images`.
    n_references : int
        Reference images among which the most alike was looked for.
    figures : list of (bytes, str, str)
        PNG, text that stands for it, and caption.
    """

    reason: str | None = None
    reference_row: int | None = None
    probe_row: int | None = None
    n_references: int = 0
    figures: list[Figure] = field(default_factory=list)


def maps_of(verdict: VerdictData, pictures: Pictures, *, requested: bool) -> Maps:
    """Make the maps of the least genuine probe image, against a reference that is most like it.

    Parameters
    ----------
    verdict : VerdictData
    pictures : Pictures
    requested : bool

    Returns
    -------
    Maps
    """
    reason = _reason_for_none(verdict) if requested else "Maps were left out on request."
    if reason is not None:
        return Maps(reason)
    probe_row = least_genuine(verdict)
    references = {
        row: crop
        for row in _sampled_references(verdict)
        if (crop := pictures.crop(row)) is not None
    }
    probe = None if probe_row is None else pictures.crop(probe_row)
    pipeline = pictures.pipeline
    if pipeline is None or not references or probe_row is None or probe is None:
        return Maps("No map is shown: this verdict does not hold the faces that were compared.")
    try:
        load_matplotlib()
    except ImportError as error:
        return Maps(f"No map is shown: {error}")
    return _draw_maps(verdict, pipeline, references, probe_row, probe)


def least_genuine(verdict: VerdictData) -> int | None:
    """Return the row of the used probe image with the lowest score; of one image, that image."""
    rows = _used_rows(verdict, "probe")
    scored = [row for row in rows if verdict.images[row].score is not None]
    if scored:
        return min(scored, key=lambda row: verdict.images[row].score or 0.0)
    return rows[0] if len(rows) == 1 else None


def _sampled_references(verdict: VerdictData) -> list[int]:
    """Return rows of used reference images, evenly chosen if there are many."""
    rows = _used_rows(verdict, "reference")
    step = max(1.0, (len(rows) - 1) / (_MOST_REFERENCES - 1))
    positions = {round(number * step) for number in range(min(len(rows), _MOST_REFERENCES))}
    return [rows[position] for position in sorted(positions)]


def _used_rows(verdict: VerdictData, side: SideName) -> list[int]:
    images = enumerate(verdict.images)
    return [row for row, image in images if image.side == side and image.used]


def _reason_for_none(verdict: VerdictData) -> str | None:
    """Return why no map would mean something; None if one would."""
    if verdict.outcome == "error":
        return "No map is shown: there was nothing to compare."
    if not (verdict.outcome == "suspicious" or _is_near(verdict)):
        return (
            "No map is shown: maps were measured on altered pictures only, so that nobody knows "
            "what they mean where the score does not speak against the pair."
        )
    if verdict.mode != "reference":
        return "No map is shown: maps were measured in reference mode only."
    networks = () if verdict.model is None else verdict.model.networks
    unmeasured = sorted(set(networks) - MEASURED_NETWORKS)
    if unmeasured or not networks:
        names = ", ".join(unmeasured) or "this model"
        return f"No map is shown: whether maps find altered places was not measured for {names}."
    return None


def _is_near(verdict: VerdictData) -> bool:
    """Whether an inconclusive verdict is so because its p-value is near the level."""
    if verdict.outcome != "inconclusive" or verdict.p_value is None or verdict.level is None:
        return False
    return verdict.p_value <= _NEAR * verdict.level


def _draw_maps(
    verdict: VerdictData,
    pipeline: SplitPipeline,
    references: dict[int, Picture],
    probe_row: int,
    probe: Picture,
) -> Maps:
    """Make and draw the maps of a probe face and the most alike of some reference faces."""
    rows, crops = list(references), list(references.values())
    index, *photos = joint_occlusion(pipeline, crops, probe)
    limit = limit_of(photos, JOINT)
    decision = 0.0
    if verdict.n_references == verdict.n_probes == 1 and verdict.clip is None:
        decision = (verdict.score or 0.0) - (verdict.threshold or 0.0)
    figures = []
    for photo, side in zip(photos, ("reference", "probe"), strict=True):
        png, description, caption = map_figure(photo, side, JOINT, limit=limit, decision=decision)
        figures.append((png, description, f"The face of the {side}. {caption}"))
    return Maps(None, rows[index], probe_row, len(rows), figures)
