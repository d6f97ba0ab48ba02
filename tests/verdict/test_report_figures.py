"""Pictures with boxes, and timelines: each mark is where the number says."""

import io
from dataclasses import replace

import numpy as np
import pytest
from page_elements import Elements
from PIL import Image
from report_cases import clip_verdict, with_pictures

from sklearn_diffake.verdict import ClipEvidence, ImageEvidence
from sklearn_diffake.verdict._report.figure import _Scale, boxed_png, timeline
from sklearn_diffake.verdict._report.page import report_page

GRAY = np.full((100, 200, 3), 128, np.uint8)


def decoded(png):
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def box(*corners):
    return ImageEvidence("probe", box=corners)


def test_a_box_is_drawn_where_the_face_is():
    sample = decoded(boxed_png(GRAY, box(40.0, 20.0, 90.0, 80.0), side=200))
    assert sample.shape == GRAY.shape
    modified = np.argwhere((sample != 128).any(axis=2))
    assert modified.min(axis=0).tolist() == pytest.approx([20, 40], abs=5)
    assert modified.max(axis=0).tolist() == pytest.approx([80, 90], abs=5)
    assert (sample[30:70, 50:80] == 128).all()  # the face itself stays as it is
    assert {0, 255} <= set(sample[50].ravel().tolist())  # black and white: seen on any ground


def test_a_box_shrinks_with_its_picture():
    sample = decoded(boxed_png(GRAY, box(40.0, 20.0, 90.0, 80.0), side=100))
    assert sample.shape == (50, 100, 3)
    modified = np.argwhere((sample != 128).any(axis=2))
    assert modified.min(axis=0).tolist() == pytest.approx([10, 20], abs=5)


def test_the_surroundings_of_a_face_are_cut_out():
    picture = GRAY.copy()
    picture[40:60, 95:105] = 255
    sample = decoded(boxed_png(picture, box(95.0, 40.0, 105.0, 60.0), side=200, zoom=True))
    assert sample.shape == (44, 44, 3)  # 2.2 sides of 20 pixels
    assert (sample[22, 22] == 255).all()


@pytest.mark.parametrize("zoom", [False, True])
@pytest.mark.parametrize(
    "corners",
    [(-50.0, -50.0, 500.0, 500.0), (90.0, 80.0, 40.0, 20.0), (300.0, 300.0, 310.0, 310.0)],
)
def test_boxes_outside_the_picture_do_no_harm(corners, zoom):
    assert decoded(boxed_png(GRAY, box(*corners), side=50, zoom=zoom)).size


def test_without_a_box_nothing_is_drawn():
    sample = decoded(boxed_png(GRAY, ImageEvidence("probe"), side=200, zoom=True))
    assert (sample == 128).all()


def frames(verdict):
    return [image for image in verdict.images if image.side == "probe"]


def test_a_timeline_has_a_mark_for_every_frame():
    verdict = clip_verdict(n=30, missing=(3, 4), low=range(10, 16))
    line = timeline(frames(verdict), verdict, verdict.clip)
    assert len(line.points) == 28
    assert len(line.missing) == 2
    assert [point.below for point in line.points] == [8 <= k < 14 for k in range(28)]
    xs = [point.x for point in line.points]
    assert xs == sorted(xs)
    assert line.left + 6 < xs[0] < line.left + 40  # no mark is cut by the axis
    assert line.right - 40 < xs[-1] < line.right - 6
    assert all(line.top <= point.y <= line.bottom for point in line.points)
    # higher scores stand higher, and the threshold of -2.25 between -3.5 and -1.29
    low, high = line.points[8], line.points[-1]
    assert low.y > line.threshold > high.y
    fraction = (low.y - line.threshold) / (low.y - high.y)
    assert fraction == pytest.approx((3.5 - 2.25) / (3.5 - 1.29), abs=0.01)
    assert low.label == "5.00 s: score \N{MINUS SIGN}3.5"
    # frames 9 and 16 are at 4.5 and 8 seconds
    assert line.window == (xs[7], xs[14])
    assert line.interval == (xs[8], xs[13])


def test_what_is_drawn_is_what_was_laid_out(tmp_path):
    verdict = clip_verdict()
    page = report_page(verdict, command=None, case=None, date="today", maps=False)
    elements = Elements(page)
    line = timeline(frames(verdict), verdict, verdict.clip)
    below = [result for result in elements.attributes("path") if result.get("class") == "below"]
    circles = [result for result in elements.attributes("circle") if result.get("class") == "above"]
    crosses = [result for result in elements.attributes("path") if result.get("class") == "missing"]
    assert len(below) == sum(point.below for point in line.points)
    assert [(float(c["cx"]), float(c["cy"])) for c in circles] == [
        (point.x, point.y) for point in line.points if not point.below
    ]
    assert len(crosses) == len(line.missing)
    assert len(elements.attributes("rect", **{"class": "window"})) == 1


def test_thumbnails_are_few_and_hold_the_least_genuine_frame():
    verdict = clip_verdict(n=200, missing=(), low=(101,))
    page = Elements(report_page(verdict, command=None, case=None, date="today", maps=False))
    captions = [text for text in page.all("figcaption") if ":" in text[:3]]
    assert len(captions) == 24
    (minimum,) = [text for text in captions if "\N{BLACK DOWN-POINTING TRIANGLE}" in text]
    assert minimum.startswith("0:50.5")
    assert "24 of 200 frames used" in page.text


def test_one_frame_is_no_timeline():
    verdict = clip_verdict(n=1, missing=())
    assert timeline(frames(verdict), verdict, verdict.clip) is None


def test_of_two_clips_neither_shows_the_window():
    verdict = clip_verdict()
    second = [replace(image, path="other.mp4") for image in frames(verdict)]
    combined = replace(verdict, images=(*verdict.images, *second))
    combined = with_pictures(combined, [GRAY] * len(combined.images))
    page = Elements(report_page(combined, command=None, case=None, date="today", maps=False))
    assert page.all("h2")[:2] == ["Probe 1 over time: clip.mp4", "Probe 2 over time: other.mp4"]
    assert len(page.attributes("svg", **{"class": "timeline"})) == 2
    assert not page.attributes("rect", **{"class": "window"})


def test_frames_without_times_are_numbered():
    verdict = clip_verdict()
    images = [replace(image, time=None) for image in frames(verdict)]
    line = timeline(images, verdict, verdict.clip)
    assert line.unit == "number of the frame"
    assert line.window is None
    assert line.points[0].label.startswith("frame 0")


def test_equal_scores_are_drawn():
    images = [ImageEvidence("probe", "c", k, 0.0, score=-1.0) for k in range(3)]
    verdict = clip_verdict(threshold=None, clip=None)
    line = timeline(images, verdict, ClipEvidence(3, 0.0, None, None, 0, None, None))
    assert len({(point.x, point.y) for point in line.points}) == 1
    assert line.threshold is None


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.0, 10.0, ["0", "2", "4", "6", "8", "10"]),
        (-0.31, 0.12, ["-0.3", "-0.2", "-0.1", "0.0", "0.1"]),
        (12000.0, 61000.0, ["20000", "30000", "40000", "50000", "60000"]),
    ],
)
def test_ticks_are_round_numbers(low, high, texts):
    ticks = _Scale(low, high, 0.0, 100.0).ticks()
    assert [tick.text.replace("\N{MINUS SIGN}", "-") for tick in ticks] == texts
    assert all(0 <= tick.position <= 100 for tick in ticks)
