"""Figures that pages quote in their own words are those of the committed results."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
README = "README.md"
EMBEDDINGS = "docs/guide/embeddings.rst"
LANDING = "docs/index.rst"
ANALYST = "docs/tutorials/analyst.rst"
ENGINEER = "docs/tutorials/identity_verification.rst"
INSTALLING = "docs/guide/installing.rst"
LIMITS = "docs/guide/limits.rst"
CARD = "sklearn_diffake/data/default.md"
CALIBRATING = "docs/guide/calibrating.rst"
SCALING = "docs/guide/scaling_out.rst"
CLIP_CARD = "sklearn_diffake/data/same_video.md"
VIDEO_NETWORK_CARD = "sklearn_diffake/data/difffake-lite0-video.md"


def read_page(name):
    """Return a page without emphasis and line breaks."""
    return re.sub(r"\s+", " ", (ROOT / name).read_text(encoding="utf-8").replace("**", ""))


def figures_of(system, references, probes=1):
    rows = json.loads((RESULTS / "verification_quality.json").read_text(encoding="utf-8"))["rows"]
    (row,) = [
        row
        for row in rows
        if (row["labels"], row["part"], row["system"]) == ("cleaned", "test", system)
        and (row["references"], row["probes"]) == (references, probes)
    ]
    return row


def percent(value):
    return f"{100 * value:.1f} %"


def with_interval(figure):
    estimate, low, high = (100 * value for value in figure)
    return f"{estimate:.1f} % ({low:.1f} to {high:.1f})"


def rates_in_readme(system, references):
    row = figures_of(system, references)
    rates = f"{percent(row['APCER'][0])} / {percent(row['BPCER'][0])}"
    return f"| {references} | {with_interval(row['EER'])} | {rates} |"


@pytest.mark.parametrize("system", ["default", "small network", "ArcFace ONNX"])
@pytest.mark.parametrize("references", [1, 3])
def test_rates_in_the_readme(system, references):
    assert rates_in_readme(system, references) in read_page(README)


def test_rates_of_the_weakest_network_in_the_readme():
    assert rates_in_readme("ImageNet", 1) in read_page(README)


def test_rates_with_several_probe_images_in_the_readme():
    row = figures_of("default", 3, 4)
    text = f"EER of {percent(row['EER'][0])}, and accepts {percent(row['APCER'][0])} of deepfakes"
    assert text in read_page(README)


@pytest.mark.parametrize("page", [LIMITS, CARD])
@pytest.mark.parametrize("references", [1, 3])
@pytest.mark.parametrize("figure", ["EER", "APCER", "BPCER"])
def test_error_rates_of_the_default(page, references, figure):
    assert with_interval(figures_of("default", references)[figure]) in read_page(page)


@pytest.mark.parametrize(("references", "probes"), [(1, 1), (3, 1), (3, 4)])
@pytest.mark.parametrize("figure", ["EER", "APCER", "BPCER"])
def test_error_rates_on_the_landing_page(references, probes, figure):
    assert with_interval(figures_of("default", references, probes)[figure]) in read_page(LANDING)


@pytest.mark.parametrize("page", [ANALYST, ENGINEER])
def test_error_rates_in_the_tutorials(page):
    one, three = (figures_of("default", k)["APCER"] for k in (1, 3))
    text = read_page(page)
    assert percent(one[0]) in text
    assert with_interval(three) in text
    for figure in (one, three):
        assert with_interval(figure).partition("(")[2].rstrip(")") in text


@pytest.mark.parametrize("references", [1, 3])
def test_equal_error_rates_in_the_tutorial_for_engineers(references):
    assert with_interval(figures_of("default", references)["EER"]) in read_page(ENGINEER)


def test_sizes_on_the_page_on_installing():
    rows = json.loads((RESULTS / "install_sizes.json").read_text(encoding="utf-8"))["rows"]
    size = {row["name"]: row["MB"] for row in rows}
    (torch,) = [row["largest"]["torch"] for row in rows if row["name"] == "no extra"]
    text = (
        f"takes {size['no extra'] / 1000:.1f} GB with the CPU build; {torch / 1000:.1f} GB of it "
        f"is torch. The extra ``serving`` adds {size['serving']:.0f} MB, ``video`` "
        f"{size['video']:.0f} MB, ``generation`` {size['generation']:.0f} MB and ``plots`` "
        f"{size['plots']:.0f} MB."
    )
    assert text in read_page(INSTALLING)


def read_demo():
    return json.loads((RESULTS / "demo_portrait.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [README, LANDING])
def test_rates_of_the_demo(name):
    genuine, *manipulated = read_demo()["kinds"]
    n, passed = (sum(row[key] for row in manipulated) for key in ("n", "accepted"))
    page = read_page(name)
    assert f"{genuine['accepted']} of {genuine['n']} genuine re-takes" in page
    assert f"{n - passed} of {n} manipulated ones" in page


def test_verdicts_below_the_pictures_of_the_landing_page():
    page = read_page(LANDING)
    demo = read_demo()
    for probe in demo["shown"]:
        _, _, card = page.partition(f"_static/portrait/{probe['file']}")
        word = "genuine" if probe["decision"] >= 0 else "suspicious"
        text = f"{word} {probe['decision']:+.4f}".replace("-", "\N{MINUS SIGN}")
        assert f":text-align: center {text}" in card.partition("grid-item-card")[0]
    auc, low, high = demo["auc"]
    assert f"AUC {auc:.3f} (95 % interval {low:.3f} to {high:.3f}, of this photograph)" in page


@pytest.mark.parametrize("page", [LIMITS, CARD])
@pytest.mark.parametrize("references", [1, 3])
def test_auc_of_the_default(page, references):
    assert f"{figures_of('default', references)['AUC'][0]:.3f}" in read_page(page)


def test_settings_of_the_table_of_prevalences():
    row = figures_of("default", 1)
    own = f'"own threshold": ({row["APCER"][0]:.3f}, {row["BPCER"][0]:.3f})'
    strict = f'"5 % of fakes pass": (0.05, {row["BPCER@APCER5"][0]:.3f})'
    assert f"{{{own}, {strict}}}" in read_page(LIMITS)


def test_fakes_that_keep_the_identity():
    first, three = (figures_of("default", k)["AUC, hard quarter"][0] for k in (1, 3))
    text = f"an AUC of {first:.3f} with one reference and of {three:.3f} with three"
    assert text in read_page(LIMITS)


def test_rates_on_the_page_on_thresholds():
    row = figures_of("default", 1)
    text = (
        f"rejects {percent(row['BPCER'][0])} of genuine pairs and lets {percent(row['APCER'][0])} "
        "of the fakes pass"
    )
    assert text in read_page(CALIBRATING)


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        (CALIBRATING, "on crops of other videos it rejects {} of genuine pairs"),
        (LIMITS, "on video crops it rejects {}:"),
    ],
)
def test_rejected_pairs_of_video_crops(page, sentence):
    assert sentence.format(percent(figures_of("default", 1)["BPCER"][0])) in read_page(page)


def test_rejected_pairs_of_people_left_out():
    checks = json.loads((RESULTS / "default_calibration.json").read_text(encoding="utf-8"))["check"]
    (row,) = [row for row in checks if (row["references"], row["probes"]) == (1, 1)]
    bpcer, low, high = (100 * value for value in row["BPCER"])
    text = f"{bpcer:.1f} % are rejected (95 % interval {low:.1f} to {high:.1f} %, "
    text += f"{row['pairs of templates']} pairs of {row['people']} people"
    assert text in read_page(CARD)


def compositions_for_clips():
    """Return what was measured of each composition for clips alone, on the test part."""
    result = json.loads((RESULTS / "same_video.json").read_text(encoding="utf-8"))
    for composition in (result, *result["other compositions"]):
        (row,) = [row for row in composition["frames"] if row["part"] == "test"]
        yield row


@pytest.mark.parametrize("page", [LIMITS, CLIP_CARD])
@pytest.mark.parametrize("figure", ["APCER", "BPCER", "EER"])
def test_error_rates_of_a_clip_by_itself(page, figure):
    shipped, *_ = compositions_for_clips()
    assert with_interval(shipped[figure]) in read_page(page)


def test_other_compositions_for_a_clip_by_itself():
    _, video, combined = compositions_for_clips()
    page = read_page(CLIP_CARD)
    for figure in ("APCER", "BPCER"):
        assert with_interval(video[figure]) in page
    for row in (video, combined):
        assert f"AUC of {row['AUC'][0]:.3f}" in page


def test_figures_of_the_forgery_network_for_video():
    result = json.loads((RESULTS / "forgery_experiments.json").read_text(encoding="utf-8"))
    networks = {row["name"]: row for row in result["networks"]}
    page = read_page(VIDEO_NETWORK_CARD)
    for name in ("shipped", "third stage, mean"):
        row = networks[name]
        for key, values in row.items():
            if isinstance(values, list):
                assert "{:.3f} ({:.3f} to {:.3f})".format(*values) in page, key
        assert f"{row['clips']:.3f} / {row['clips, single frames']:.3f}" in page
        assert f"| {row['identity_kept']:.3f}" in page


def test_milliseconds_of_onnx_networks():
    rows = json.loads((RESULTS / "onnx_network.json").read_text(encoding="utf-8"))["rows"]
    page = read_page(EMBEDDINGS)
    assert len(rows) == 3
    for row in rows:
        name, size = re.search(r"(IResNet-\d+) as ONNX \((\d+ MiB)\)", row["what"]).groups()
        ours, theirs = (f"{1000 / row[key]:.0f} ms" for key in ("ours", "theirs"))
        assert f"* - {name} - {size} - {ours} - {theirs}" in page


def test_power_of_the_test_for_drift_in_the_tutorial():
    result = json.loads((RESULTS / "drift_power.json").read_text(encoding="utf-8"))
    rates = [f"{100 * row['detected']:.0f}" for row in result["rows"]]
    page = " ".join(read_page("docs/tutorials/identity_verification.rst").split())
    assert (
        f"({result['n_repetitions']} repetitions, ``benchmarks/quality/drift_power.py``), the test "
        f"(at its level of 1 %) detected this drift in {rates[0]} % of the cases with 10 p-values "
        f"and a calibration by 30 people, in {rates[1]} % with 30, and in {rates[2]} % with 100. "
        f"With a calibration by 150 people it was {rates[3]}, {rates[4]} and {rates[5]} %."
    ) in page


def test_parts_of_a_large_fit():
    (row,) = json.loads((RESULTS / "parts.json").read_text(encoding="utf-8"))["rows"]
    text = f"{100 * row['ratio']:.0f} % of the CPU time of a fit on 6,000 pairs"
    assert text in read_page(SCALING)
    assert "6,000 pairs" in row["what"]
