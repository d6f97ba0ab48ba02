"""Maps: shown where they were shown to mean something, else the page says why not."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from explain_cases import CORNER, build, genuine_crops, pair_that_differs
from page_elements import Elements
from report_cases import INFO, clip_verdict, pair_verdict, split_with_stores, with_pictures

from sklearn_diffake.inspection import explain_pair
from sklearn_diffake.inspection._occlusion import joint_occlusion
from sklearn_diffake.verdict._report import maps as report_maps
from sklearn_diffake.verdict._report.maps import EVIDENCE, MEASURED_NETWORKS, maps_of
from sklearn_diffake.verdict._report.page import report_page
from sklearn_diffake.verdict._report.sources import Pictures

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "explanations.json"
MEASURED = replace(INFO, networks=("difffake-lite0-identity",))


@pytest.fixture(scope="module")
def pipeline():
    return build(CORNER)


@pytest.fixture(autouse=True)
def few_places(monkeypatch):
    """Hide few, large places."""
    monkeypatch.setattr("sklearn_diffake.inspection._occlusion.PATCHES", (0.25,))


def make_output(verdict, requested=True):
    return maps_of(verdict, Pictures(verdict), requested=requested)


def differing(pipeline, **fields):
    """A pair that differs in a corner, and a model that looks there."""
    verdict = pair_verdict(**{"model": MEASURED, **fields})
    return with_pictures(verdict, list(pair_that_differs()), pipeline=split_with_stores(pipeline))


def test_a_suspicious_pair_has_maps(pipeline):
    maps = make_output(differing(pipeline))
    assert maps.reason is None
    assert (maps.reference_row, maps.probe_row) == (0, 1)
    assert [arguments.split(":")[0] for _, arguments, _ in maps.figures] == [
        "Left out of the comparison"
    ] * 2
    assert maps.figures[1][2].startswith("The face of the probe. Left out of the comparison.")
    assert "of the distance from the score to the threshold" in maps.figures[0][2]
    # the place that differs is the top left corner
    assert "greatest 2 pixels from the left and 2 from the top" in maps.figures[1][1]


@pytest.mark.parametrize(
    ("fields", "arguments"),
    [
        ({"outcome": "genuine"}, "does not speak against the pair"),
        ({"outcome": "inconclusive", "p_value": 0.6}, "does not speak against the pair"),
        ({"outcome": "inconclusive", "p_value": None}, "does not speak against the pair"),
        ({"outcome": "error"}, "nothing to compare"),
        ({"mode": "same-video"}, "reference mode only"),
        ({"model": replace(INFO, networks=("facenet",))}, "was not measured for facenet"),
        ({"model": replace(INFO, networks=())}, "was not measured for this model"),
        ({"model": None}, "was not measured for this model"),
    ],
)
def test_where_a_map_would_mean_nothing_there_is_none(pipeline, fields, arguments):
    verdict = differing(pipeline, **fields)
    assert arguments in make_output(verdict).reason
    if verdict.outcome != "error":
        page = report_page(verdict, command=None, case=None, date="today", maps=True)
        assert arguments in Elements(page).text


def test_near_the_line_there_is_a_map(pipeline):
    assert make_output(differing(pipeline, outcome="inconclusive", p_value=0.08)).reason is None


def test_maps_may_be_left_out(pipeline):
    assert (
        make_output(differing(pipeline), requested=False).reason == "Maps were left out on request."
    )


def test_without_matplotlib_the_page_says_what_to_install(pipeline, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    verdict = differing(pipeline)
    page = Elements(report_page(verdict, command=None, case=None, date="today", maps=True))
    assert "pip install 'sklearn-diffake[plots]'" in page.text
    assert len(page.attributes("img")) == 2  # the pictures themselves


def test_without_faces_there_is_no_map():
    assert (
        "does not hold the faces"
        in make_output(replace(pair_verdict(model=MEASURED), _compared_images=None)).reason
    )


def test_of_a_clip_the_least_genuine_frame_is_shown(pipeline):
    verdict = clip_verdict(n=6, missing=(0,), low=(4,), model=MEASURED)
    crops = list(genuine_crops(7)[:, 0])
    verdict = with_pictures(verdict, crops, pipeline=split_with_stores(pipeline))
    maps = make_output(verdict)
    assert verdict.images[maps.probe_row].time == 2.0
    page = Elements(report_page(verdict, command=None, case=None, date="today", maps=True))
    assert (
        "Shown: the frame at 0:02.0 of Probe 1, the least genuine of 5 probe images; "
        "compared with Reference 1." in page.text
    )
    assert EVIDENCE in page.text


def test_the_reference_most_like_the_probe_is_taken(pipeline):
    reference, probe = pair_that_differs()
    verdict = pair_verdict(model=MEASURED, n_references=3)
    first, last = verdict.images
    verdict = replace(verdict, images=(first, first, first, last))
    remaining = list(genuine_crops(2, seed=5)[:, 0])
    alike = reference.copy()
    alike[:8, :8] = probe[:8, :8]
    crops = [remaining[0], alike, remaining[1], probe]
    maps = make_output(with_pictures(verdict, crops, pipeline=split_with_stores(pipeline)))
    assert (maps.reference_row, maps.n_references) == (1, 3)


def test_of_many_references_some_are_tried(pipeline, monkeypatch):
    monkeypatch.setattr(report_maps, "_MOST_REFERENCES", 4)
    verdict = pair_verdict(model=MEASURED, n_references=30)
    first, last = verdict.images
    verdict = replace(verdict, images=(*[first] * 30, last))
    crops = [*genuine_crops(30)[:, 0], pair_that_differs()[1]]
    assert (
        make_output(
            with_pictures(verdict, crops, pipeline=split_with_stores(pipeline))
        ).n_references
        == 4
    )


def test_the_map_is_that_of_explain_pair(pipeline):
    pair = pair_that_differs()
    index, reference, probe = joint_occlusion(split_with_stores(pipeline), [pair[0]], pair[1])
    result = explain_pair(pipeline, *pair, method="occlusion", patch=0.25)
    assert index == 0
    for first_object, reference_value in ((reference, result.reference), (probe, result.probe)):
        np.testing.assert_allclose(
            first_object.maps["joint occlusion"],
            reference_value.maps["joint occlusion"],
            rtol=1e-6,
            atol=1e-6,
        )


def test_nothing_is_stored_of_hidden_places(tmp_path):
    saved = build(CORNER, cache=tmp_path / "store")
    split = split_with_stores(saved)
    original = sorted((file, file.stat().st_size) for file in tmp_path.rglob("*") if file.is_file())
    joint_occlusion(split, [pair_that_differs()[0]], pair_that_differs()[1])
    after = sorted((file, file.stat().st_size) for file in tmp_path.rglob("*") if file.is_file())
    assert after == original
    assert split.branches[0].embedder.cache is not None


SYSTEMS = {
    "default": {"dlib-resnet"},
    "small network": {"difffake-lite0-identity"},
    "verdict": {"difffake-lite0-verdict"},
}


def test_what_a_report_says_of_maps_is_what_was_measured():
    rows = json.loads(RESULTS.read_text())["rows"]
    maps = {(r["map"], r["system"]): r for r in rows if r["probes"] == "all"}
    for system in SYSTEMS:
        joint, single = maps["joint occlusion", system], maps["occlusion", system]
        for control in ("random maps", "other masks"):
            assert joint[f"mass less {control}"][1] > 0
        assert single["peak near"][0] < joint["peak near"][0]
    assert maps["gradient", "default"]["mass less other masks"][1] < 0
    result = {(r["system"], r["probes"]): r for r in rows if r["map"] == "joint occlusion"}
    assert set.union(*SYSTEMS.values()) == MEASURED_NETWORKS
    for system in SYSTEMS:
        swap = result[system, "identity_swap"]
        for measure in ("mass", "peak near"):  # "finds a replaced inner face"
            for control in ("random maps", "other masks"):
                assert swap[f"{measure} less {control}"][1] > 0
    for system in ("small network", "default"):  # of which packaged models consist mostly
        for probes in ("self_blend_eyes", "self_blend_mouth"):  # "little better than a guess"
            assert result[system, probes]["mass less other masks"][1] < 0
        video, studio = result[system, "video"], result[system, "studio"]  # "weaker in frames"
        assert video["mass less other masks"][0] < studio["mass less other masks"][0]
