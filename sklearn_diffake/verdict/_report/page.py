"""The page of a verdict: what its template shows."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..inspection._html import html_content, html_page
from ..inspection._page import Figure
from ..inspection._provenance import package_versions
from ..inspection._words import MAPS, short
from ._evidence import ImageEvidence
from ._report_figures import Timeline, is_below, marked_png, timeline
from ._report_maps import EVIDENCE, Maps, least_genuine, maps_of
from ._report_rates import FEWEST_TESTED, prevalence_rows, rate_rows
from ._report_sources import FileFacts, Picture, Pictures, Source, State, sources_of
from ._report_words import CAUTION, MODE_WORDS, clock, count, expected, outcome_words

if TYPE_CHECKING:
    from ._verdict import Verdict

_PACKAGES = ("sklearn_diffake.verdict",)
_PICTURE, _THUMBNAIL = 480, 150  # pixels of the longer side
_MOST_PICTURES = 12  # of each side, shown as a whole
_MOST_FRAMES = 24  # of each clip, shown as thumbnails
_MOST_ROWS = 600  # of the table of images
_ROWS_INSIDE = 16  # a longer table of images stands at the end


@dataclass(frozen=True)
class Thumbnail:
    """One frame of a clip, cut down to the surroundings of its face."""

    png: bytes
    words: str
    place: str
    image: ImageEvidence
    below: bool


@dataclass(frozen=True)
class ClipPart:
    """One probe clip: its frames over time, and some of them as pictures."""

    title: str
    name: str
    timeline: Timeline | None
    thumbnails: list[Thumbnail]
    n_used: int


@dataclass(frozen=True)
class SourcePart:
    """One picture or clip as it was compared."""

    title: str
    name: str
    facts: FileFacts
    pixels: str
    images: str
    figure: Figure | None
    state: State | None


def report_page(
    verdict: Verdict, *, command: str | None, case: str | None, date: str, maps: bool
) -> str:
    """Write the page of a verdict.

    Parameters
    ----------
    verdict : Verdict
    command, case : str or None
    date : str
    maps : bool

    Returns
    -------
    str
    """
    pictures = Pictures(verdict)
    sources = sources_of(verdict.images)
    probe_clips = [s for s in sources if s.is_clip and s.side == "probe"]
    made = maps_of(verdict, pictures, wanted=maps)
    rates = rate_rows(verdict)
    rows = [(source, row) for source in sources for row in source.rows]
    words, headline = MODE_WORDS[verdict.mode], outcome_words(verdict.outcome, verdict.mode)
    title = f"{words.title}: {headline[0].lower()}"
    content = html_content(
        "verdict.html",
        packages=_PACKAGES,
        verdict=verdict,
        headline=headline,
        words=words,
        case=case,
        date=date,
        command=command,
        clips=[_clip_part(verdict, source, pictures, probe_clips) for source in probe_clips],
        maps=made,
        map_words=_map_words(verdict, sources, made),
        map_pictures=_map_pictures(verdict, pictures, made) if probe_clips else [],
        how_to_read=[MAPS["joint occlusion"]],
        evidence=EVIDENCE,
        caution=CAUTION,
        sources=_source_parts(verdict, sources, pictures),
        pictures_available=pictures.available,
        left_out=_left_out(verdict, sources),
        image_rows=[_image_row(verdict, source, row) for source, row in rows[:_MOST_ROWS]],
        n_images=len(rows),
        images_inside=len(rows) <= _ROWS_INSIDE,
        rates=rates,
        prevalence=[
            (rate, prevalence_rows(rate.apcer, rate.bpcer))
            for rate in rates
            if rate.nearest
            and rate.apcer is not None
            and rate.bpcer is not None
            and rate.n >= FEWEST_TESTED
        ],
        versions=package_versions(),
        clock=clock,
        count=count,
        expected=expected,
    )
    return html_page(title, content, packages=_PACKAGES)


def _clip_part(
    verdict: Verdict, source: Source, pictures: Pictures, probe_clips: list[Source]
) -> ClipPart:
    """Lay out the timeline and the thumbnails of a probe clip."""
    images = [verdict.images[row] for row in source.rows]
    evidence = verdict.clip if len(probe_clips) == 1 else None  # its times are those of one clip
    used = [row for row in source.rows if verdict.images[row].used]
    thumbnails = [
        _thumbnail(verdict, verdict.images[row], picture)
        for row in _chosen_frames(verdict, used)
        if (picture := pictures.picture(row)) is not None
    ]
    name = os.path.basename(_name(source))
    return ClipPart(source.title, name, timeline(images, verdict, evidence), thumbnails, len(used))


def _thumbnail(verdict: Verdict, image: ImageEvidence, picture: Picture) -> Thumbnail:
    place = _frame_place(image)
    return Thumbnail(
        marked_png(picture, image, side=_THUMBNAIL, zoom=True),
        f"The surroundings of the face in {place}, the face in a box",
        f"frame {image.frame}" if image.time is None else clock(image.time),
        image,
        is_below(image, verdict),
    )


def _chosen_frames(verdict: Verdict, used: list[int]) -> list[int]:
    """Choose frames evenly over a clip, and the least genuine one."""
    if len(used) <= _MOST_FRAMES:
        return used
    step = (len(used) - 1) / (_MOST_FRAMES - 2)
    chosen = {used[round(place * step)] for place in range(_MOST_FRAMES - 1)}
    least = least_genuine(verdict)
    return sorted(chosen | {least} if least in used else chosen)


def _frame_place(image: ImageEvidence) -> str:
    return f"frame {image.frame}" if image.time is None else f"the frame at {clock(image.time)}"


def _map_words(verdict: Verdict, sources: list[Source], made: Maps) -> str:
    """Name the two images that the maps compare."""
    if made.probe_row is None or made.reference_row is None:
        return ""
    probe = _image_title(verdict, sources, made.probe_row)
    reference = _image_title(verdict, sources, made.reference_row)
    n_probes = sum(image.side == "probe" and image.used for image in verdict.images)
    least = f", the least genuine of {n_probes} probe images" if n_probes > 1 else ""
    n = made.n_references
    likest = f", the most alike of {n} reference images" if n > 1 else ""
    return f"Shown: {probe}{least}; compared with {reference}{likest}."


def _image_title(verdict: Verdict, sources: list[Source], row: int) -> str:
    source = next(source for source in sources if row in source.rows)
    if not source.is_clip:
        return source.title
    return f"{_frame_place(verdict.images[row])} of {source.title}"


def _map_pictures(verdict: Verdict, pictures: Pictures, made: Maps) -> list[Figure]:
    """Show the whole frame that the maps are of."""
    if made.probe_row is None or (picture := pictures.picture(made.probe_row)) is None:
        return []
    image = verdict.images[made.probe_row]
    words = f"The whole of {_frame_place(image)}, the face in a box"
    return [
        (marked_png(picture, image, side=_PICTURE), words, f"The whole of {_frame_place(image)}")
    ]


def _source_parts(verdict: Verdict, sources: list[Source], pictures: Pictures) -> list[SourcePart]:
    """Describe every picture and clip, and show those there is room for."""
    parts = []
    for source in sources:
        shown = next((r for r in source.rows if verdict.images[r].used), source.rows[0])
        picture = pictures.picture(shown)
        state = pictures.state(shown) if verdict.images[shown].used else None
        pixels, figure = "", None
        if picture is not None:
            pixels = f"{picture.shape[1]} \N{MULTIPLICATION SIGN} {picture.shape[0]}"
            if source.number <= _MOST_PICTURES and state != "changed":
                figure = _source_figure(verdict, source, shown, picture)
        parts.append(
            SourcePart(
                source.title, _name(source), pictures.facts(source), pixels,
                _images_used(verdict, source), figure, state,
            )
        )  # fmt: skip
    return parts


def _images_used(verdict: Verdict, source: Source) -> str:
    used = sum(verdict.images[row].used for row in source.rows)
    if source.is_clip:
        return f"{used} of {count(len(source.rows), 'frame')} used"
    return "used" if used else "not used"


def _source_figure(verdict: Verdict, source: Source, row: int, picture: Picture) -> Figure:
    image = verdict.images[row]
    boxed = "no face marked" if image.box is None else "the face that was compared in a box"
    caption = f"{source.title}: {short(os.path.basename(_name(source)), 60)}"
    if source.is_clip:
        caption += f", {_frame_place(image)}"
    return marked_png(picture, image, side=_PICTURE), f"{source.title} as a whole, {boxed}", caption


def _name(source: Source) -> str:
    return source.path if source.path is not None else "not from a file"


def _left_out(verdict: Verdict, sources: list[Source]) -> list[tuple[str, str, str]]:
    """Count the images that were not used, by source and reason."""
    rows = []
    for source in sources:
        reasons = Counter(reason for row in source.rows if (reason := verdict.images[row].reason))
        for reason, n in reasons.most_common():
            images = (
                f"{n} of {count(len(source.rows), 'frame')}" if source.is_clip else "the picture"
            )
            rows.append((source.title, images, reason))
    return rows


def _image_row(verdict: Verdict, source: Source, row: int) -> dict[str, Any]:
    image = verdict.images[row]
    place = f" at {clock(image.time)}" if source.is_clip and image.time is not None else ""
    if source.is_clip and image.time is None:
        place = f", frame {image.frame}"
    return {"title": source.title + place, "image": image, "below": is_below(image, verdict)}
