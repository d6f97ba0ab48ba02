"""The page of a verdict: the values of its template."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sklearn_diffake.inspection._provenance import package_versions
from sklearn_diffake.inspection._report.page import Figure, environment, html_page
from sklearn_diffake.inspection._report.text import MAPS, short
from sklearn_diffake.verdict._evidence import FEWEST_TESTED, ImageEvidence, VerdictData
from sklearn_diffake.verdict._report.figure import Timeline, boxed_png, is_below, timeline
from sklearn_diffake.verdict._report.maps import EVIDENCE, Maps, least_genuine, maps_of
from sklearn_diffake.verdict._report.rates import (
    PrevalenceRow,
    RateRow,
    prevalence_rows,
    rate_rows,
)
from sklearn_diffake.verdict._report.sources import (
    FileFacts,
    Picture,
    Pictures,
    ReportSource,
    State,
    sources_of,
)
from sklearn_diffake.verdict._report.text import (
    CAUTION,
    MODE_TEXTS,
    clock,
    count,
    expected_count,
    look_alikes,
    outcome_text,
)

_PICTURE, _THUMBNAIL = 480, 150  # pixels of the longer side
_MOST_PICTURES = 12  # of each side, shown as a whole
_MOST_FRAMES = 24  # of each clip, shown as thumbnails
_MOST_ROWS = 600  # of the table of images
_ROWS_INSIDE = 16  # a longer table of images stands at the end


@dataclass(frozen=True)
class Thumbnail:
    """One frame of a clip, cut down to the surroundings of its face."""

    png: bytes
    description: str
    moment: str
    image: ImageEvidence
    below: bool


@dataclass(frozen=True)
class ClipSection:
    """One probe clip: its frames over time, and some of them as pictures."""

    title: str
    name: str
    timeline: Timeline | None
    thumbnails: list[Thumbnail]
    n_used: int


@dataclass(frozen=True)
class SourceSection:
    """One picture or clip as it was compared."""

    title: str
    name: str
    facts: FileFacts
    pixels: str
    images: str
    figure: Figure | None
    state: State | None


def report_page(
    verdict: VerdictData, *, command: str | None, case: str | None, date: str, maps: bool
) -> str:
    """Write the page of a verdict.

    Parameters
    ----------
    verdict : VerdictData
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
    pair_maps = maps_of(verdict, pictures, requested=maps)
    rates = rate_rows(verdict)
    rows = [(source, row) for source in sources for row in source.rows]
    texts = MODE_TEXTS[verdict.mode]
    headline = outcome_text(verdict.outcome, verdict.mode, measured=bool(rates))
    has_apcer = any(rate.apcer is not None for rate in rates)
    title = f"{texts.title}: {headline[0].lower()}"
    content = (
        environment(__package__)
        .get_template("verdict.html")
        .render(
            verdict=verdict,
            headline=headline,
            texts=texts,
            look_alikes=look_alikes(verdict.mode, measured=has_apcer),
            fewest_tested=FEWEST_TESTED,
            case=case,
            date=date,
            command=command,
            clips=[_clip_section(verdict, source, pictures, probe_clips) for source in probe_clips],
            maps=pair_maps,
            map_subject=_map_subject(verdict, sources, pair_maps),
            map_pictures=_map_pictures(verdict, pictures, pair_maps) if probe_clips else [],
            map_kinds=[MAPS["joint occlusion"]],
            evidence=EVIDENCE,
            caution=CAUTION,
            sources=_source_sections(verdict, sources, pictures),
            pictures_available=pictures.available,
            unused_images=_unused_images(verdict, sources),
            image_rows=[_image_row(verdict, source, row) for source, row in rows[:_MOST_ROWS]],
            n_images=len(rows),
            images_inside=len(rows) <= _ROWS_INSIDE,
            rates=rates,
            prevalence=_prevalence_tables(rates),
            versions=package_versions(),
            clock=clock,
            count=count,
            expected_count=expected_count,
        )
    )
    return html_page(title, content)


def _prevalence_tables(rates: list[RateRow]) -> list[tuple[RateRow, list[PrevalenceRow]]]:
    """Count suspicious verdicts by prevalence, at the rates nearest to the case."""
    return [
        (rate, prevalence_rows(rate.apcer, rate.bpcer))
        for rate in rates
        if rate.nearest
        and rate.apcer is not None
        and rate.bpcer is not None
        and rate.n >= FEWEST_TESTED
    ]


def _clip_section(
    verdict: VerdictData, source: ReportSource, pictures: Pictures, probe_clips: list[ReportSource]
) -> ClipSection:
    """Lay out the timeline and the thumbnails of a probe clip."""
    images = [verdict.images[row] for row in source.rows]
    evidence = verdict.clip if len(probe_clips) == 1 else None  # its times are those of one clip
    used_rows = [row for row in source.rows if verdict.images[row].used]
    thumbnails = [
        _thumbnail(verdict, verdict.images[row], picture)
        for row in _sampled_frames(verdict, used_rows)
        if (picture := pictures.picture(row)) is not None
    ]
    name = os.path.basename(_name(source))
    return ClipSection(
        source.title, name, timeline(images, verdict, evidence), thumbnails, len(used_rows)
    )


def _thumbnail(verdict: VerdictData, image: ImageEvidence, picture: Picture) -> Thumbnail:
    return Thumbnail(
        boxed_png(picture, image, side=_THUMBNAIL, zoom=True),
        f"The surroundings of the face in {_frame_name(image)}, the face in a box",
        f"frame {image.frame}" if image.time is None else clock(image.time),
        image,
        is_below(image, verdict),
    )


def _sampled_frames(verdict: VerdictData, rows: list[int]) -> list[int]:
    """Choose frames evenly over a clip, and the least genuine one."""
    if len(rows) <= _MOST_FRAMES:
        return rows
    step = (len(rows) - 1) / (_MOST_FRAMES - 2)
    sample = {rows[round(number * step)] for number in range(_MOST_FRAMES - 1)}
    row = least_genuine(verdict)
    return sorted(sample if row is None or row not in rows else sample | {row})


def _frame_name(image: ImageEvidence) -> str:
    return f"frame {image.frame}" if image.time is None else f"the frame at {clock(image.time)}"


def _map_subject(verdict: VerdictData, sources: list[ReportSource], maps: Maps) -> str:
    """Name the two images that the maps compare."""
    if maps.probe_row is None or maps.reference_row is None:
        return ""
    probe = _image_title(verdict, sources, maps.probe_row)
    reference = _image_title(verdict, sources, maps.reference_row)
    n_probes = sum(image.side == "probe" and image.used for image in verdict.images)
    of_probes = f", the least genuine of {n_probes} probe images" if n_probes > 1 else ""
    n = maps.n_references
    of_references = f", the most alike of {n} reference images" if n > 1 else ""
    return f"Shown: {probe}{of_probes}; compared with {reference}{of_references}."


def _image_title(verdict: VerdictData, sources: list[ReportSource], row: int) -> str:
    source = next(source for source in sources if row in source.rows)
    if not source.is_clip:
        return source.title
    return f"{_frame_name(verdict.images[row])} of {source.title}"


def _map_pictures(verdict: VerdictData, pictures: Pictures, maps: Maps) -> list[Figure]:
    """Show the whole frame that the maps are of."""
    if maps.probe_row is None or (picture := pictures.picture(maps.probe_row)) is None:
        return []
    image = verdict.images[maps.probe_row]
    caption = f"The whole of {_frame_name(image)}"
    return [(boxed_png(picture, image, side=_PICTURE), f"{caption}, the face in a box", caption)]


def _source_sections(
    verdict: VerdictData, sources: list[ReportSource], pictures: Pictures
) -> list[SourceSection]:
    """Describe every picture and clip, and show the first of each side."""
    sections = []
    for source in sources:
        row = next((r for r in source.rows if verdict.images[r].used), source.rows[0])
        picture = pictures.picture(row)
        state = pictures.state(row) if verdict.images[row].used else None
        pixels, figure = "", None
        if picture is not None:
            pixels = f"{picture.shape[1]} \N{MULTIPLICATION SIGN} {picture.shape[0]}"
            if source.number <= _MOST_PICTURES and state != "changed":
                figure = _source_figure(verdict, source, row, picture)
        sections.append(
            SourceSection(
                source.title, _name(source), pictures.facts(source), pixels,
                _images_used(verdict, source), figure, state,
            )
        )  # fmt: skip
    return sections


def _images_used(verdict: VerdictData, source: ReportSource) -> str:
    n_used = sum(verdict.images[row].used for row in source.rows)
    if source.is_clip:
        return f"{n_used} of {count(len(source.rows), 'frame')} used"
    return "used" if n_used else "not used"


def _source_figure(
    verdict: VerdictData, source: ReportSource, row: int, picture: Picture
) -> Figure:
    image = verdict.images[row]
    boxed = "no face marked" if image.box is None else "the face that was compared in a box"
    caption = f"{source.title}: {short(os.path.basename(_name(source)), 60)}"
    if source.is_clip:
        caption += f", {_frame_name(image)}"
    return boxed_png(picture, image, side=_PICTURE), f"{source.title} as a whole, {boxed}", caption


def _name(source: ReportSource) -> str:
    return source.path if source.path is not None else "not from a file"


def _unused_images(verdict: VerdictData, sources: list[ReportSource]) -> list[tuple[str, str, str]]:
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


def _image_row(verdict: VerdictData, source: ReportSource, row: int) -> dict[str, Any]:
    image = verdict.images[row]
    moment = ""
    if source.is_clip:
        moment = f", frame {image.frame}" if image.time is None else f" at {clock(image.time)}"
    return {"title": source.title + moment, "image": image, "below": is_below(image, verdict)}
