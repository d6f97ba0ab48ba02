"""PairExplanation.report: pictures and pages that say all, and let nothing in."""

import base64
import hashlib
import os
import re
import sys
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from explain_cases import CORNER, RIGHT, build, explain, genuine_crops, pair_that_differs
from image_helpers import save_all
from page_elements import Elements
from PIL import Image

from sklearn_diffake.inspection._report import figure as figures
from sklearn_diffake.inspection._report.page import TITLE, explanation_page
from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector
from sklearn_diffake.novelty._calibration import Calibration
from sklearn_diffake.utils._numbers import percent

HOSTILE = '"><script>alert(1)</script>&$\\frac{a$.png'


@pytest.fixture(scope="module")
def explanation(tmp_path_factory):
    """Of files with a hostile name, by two networks, with neighbors and a p-value."""
    folder = tmp_path_factory.mktemp("photos") / "x"
    folder.mkdir()
    # no slash may be in the name of a file, so the name ends in what is left of the tag
    paths = [folder / f"{side}{HOSTILE.replace('/', '')}" for side in ("a", "b")]
    for path, crop in zip(paths, pair_that_differs(), strict=True):
        Image.fromarray(crop).save(path)
    genuine = np.array(save_all(list(genuine_crops(4).reshape(-1, 32, 32, 3)), folder))
    detector = ConformalDetector(MahalanobisDetector(), target_bpcer=0.2, random_state=0)
    return explain(build([CORNER, RIGHT], detector), *paths, genuine=genuine.reshape(-1, 2))


@pytest.fixture(scope="module")
def html(explanation):
    return explanation_page(explanation, HOSTILE, HOSTILE)


def test_hostile_names_are_text(html):
    assert "<script" not in html.lower()
    page = Elements(html)
    assert page.depth == []
    reference = {"html", "head", "meta", "title", "style", "body", "main", "div", "h1", "h2", "p"}
    reference |= {"table", "tr", "th", "td", "figure", "figcaption", "img", "svg", "rect"}
    assert {tag for tag, _ in page.tags} <= reference
    assert page.text.count(HOSTILE) == 3  # title, headline and date
    assert page.text.count(HOSTILE.replace("/", "")) >= 4  # both photographs, twice
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_nothing_comes_from_outside(html):
    assert not re.search(r"https?:|url\(|@import|//[a-z]", re.sub(r"base64,[^\"]*", "", html))
    for tag, attributes in Elements(html).tags:
        assert "href" not in attributes
        if "src" in attributes:
            assert tag == "img"
            assert attributes["src"].startswith("data:image/png;base64,")


def test_the_policy_lets_in_its_own_style_alone(html):
    (policy,) = (
        attributes["content"]
        for tag, attributes in Elements(html).tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'; img-src data:;" in policy
    assert ' style="' not in html  # which the policy would drop
    assert html.index("Content-Security-Policy") < html.index("<style>")


def test_every_picture_has_words_and_is_one(html):
    images = [attributes for tag, attributes in Elements(html).tags if tag == "img"]
    assert len(images) == 2 * 4 + 3 * 2  # photographs with three maps each, three genuine pairs
    for image in images:
        assert len(image["alt"]) > 10
        content = base64.b64decode(image["src"].partition(",")[2])
        assert content.startswith(b"\x89PNG")
    arguments = [image["alt"] for image in images]
    assert any("map of the probe is greatest" in alt for alt in arguments)


def test_the_page_says_what_was_found(html, explanation):
    text = Elements(html).text
    assert "The model calls the probe suspicious" in text
    for value in (explanation.score, explanation.threshold):
        assert f"{value:.4g}".replace("-", "\N{MINUS SIGN}") in text
    calibration = explanation.calibration
    assert calibration.p_value_in_words(explanation.p_value) in text
    assert calibration.basis() in text
    for piece in explanation.contributions:
        assert piece.backbone in text
        assert percent(piece.fraction, 0) in text
    for row in explanation.nearest.indices:
        assert f"Genuine pair {row} (" in text
    for network in explanation.provenance["networks"]:
        assert network["fingerprint"] in text
    for name, version in explanation.provenance["versions"].items():
        assert f"{name} {version}" in text


@pytest.mark.parametrize("n", [1, 3, 19, 20, 1000])
def test_few_calibration_pairs_are_warned_about(explanation, n, monkeypatch):
    monkeypatch.setattr(figures, "png_bytes", lambda figure: b"")  # the text only is looked at
    calibration = Calibration(n, n, target_bpcer=0.2, level=max(0.2, 1 / (n + 1)))
    minimum = replace(explanation, calibration=calibration, p_value=1 / (n + 1))
    text = Elements(explanation_page(minimum, TITLE, None)).text
    foot = figures.draw_report(minimum, TITLE, None).texts[-1].get_text().replace("\n", " ")
    for arguments in (text, foot):
        assert f"0 of {n} genuine calibration" in arguments
        assert ("Warning: few-calibration-pairs" in arguments) == (n < 19)
        assert "About" not in arguments
    assert len(minimum.warnings) == (n < 19)
    assert "of people" not in text


def test_the_same_explanation_gives_the_same_bytes(explanation, tmp_path):
    for name in ("first", "second"):
        explanation.report(tmp_path / f"{name}.html")
        explanation.report(tmp_path / f"{name}.png")
    for suffix in ("html", "png"):
        first, second = ((tmp_path / f"{n}.{suffix}").read_bytes() for n in ("first", "second"))
        assert first == second
    assert "Date" not in (tmp_path / "first.html").read_text(encoding="utf-8")
    explanation.report(tmp_path / "dated.HTML", date=date(2031, 5, 6))
    assert "2031-05-06" in (tmp_path / "dated.HTML").read_text(encoding="utf-8")


def test_png_is_a_picture_with_all_panels(explanation, tmp_path):
    explanation.report(tmp_path / "report.png", title=HOSTILE)
    with Image.open(tmp_path / "report.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000
    figure = figures.draw_report(explanation, HOSTILE, None)
    assert len(figure.axes) == 2 * 4
    assert HOSTILE in [text.get_text() for text in figure.texts]
    foot = figure.texts[-1].get_text()
    assert "p-value" in foot
    assert explanation.provenance["networks"][0]["fingerprint"] in foot


def test_maps_are_drawn_where_they_are(explanation):
    """The panel is orange in the corner where the probe differs, and gray elsewhere."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    photo = explanation.probe
    limit = figures.limit_of([photo], "joint occlusion")
    figure = figures.new_figure(3.2, 3.2)
    figures.draw_map(figure.add_axes((0, 0, 1, 1)), photo, "joint occlusion", limit)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    sample = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    orange = sample[..., 0] - sample[..., 2]
    assert orange[20:60, 20:60].mean() > 60
    assert np.abs(orange[160:, 160:]).max() < 5


@pytest.mark.parametrize("kind", ["png", "html"])
def test_a_report_that_fails_leaves_the_file_as_it_was(explanation, tmp_path, monkeypatch, kind):
    path = tmp_path / f"report.{kind}"
    path.write_text("before")

    def broken(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr("sklearn_diffake.utils._atomic_files.os.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        explanation.report(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX links")
@pytest.mark.parametrize("link", [None, os.symlink, os.link])
@pytest.mark.parametrize("side", ["reference", "probe", "nearest"])
@pytest.mark.parametrize("kind", ["html", "png"])
def test_a_report_replaces_no_photograph(explanation, tmp_path, side, link, kind):
    photo = tmp_path / f"photo.{kind}"
    photo.write_bytes(b"a face")
    if side == "nearest":
        nearest = replace(explanation.nearest, names=[("a.png", str(photo))] * 9)
        displayed = replace(explanation, nearest=nearest)
    else:
        displayed = replace(
            explanation, **{side: replace(getattr(explanation, side), name=str(photo))}
        )
    output = tmp_path / f"why.{kind}" if link else photo
    if link:
        link(photo, output)
    with pytest.raises(ValueError, match="it is the input"):
        displayed.report(output)
    assert photo.read_bytes() == b"a face"


def test_without_matplotlib(explanation, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for name in ("report.png", "report.html"):
        with pytest.raises(ImportError, match=r"pip install 'sklearn-diffake\[plots\]'"):
            explanation.report(tmp_path / name)
    assert explanation._repr_html_() is None
    assert not list(tmp_path.iterdir())


def test_notebooks_show_the_report(explanation):
    html = explanation._repr_html_()
    page = Elements(html)
    assert {"html", "head", "body", "script"}.isdisjoint(tag for tag, _ in page.tags)
    assert "The model calls the probe suspicious" in page.text
    # no rule reaches beyond the report
    rules = re.findall(
        r"^\s*([^{}@]+?)\s*\{", re.search(r"<style>(.*?)</style>", html, re.S)[1], re.M
    )
    assert rules
    assert all(rule.strip().startswith(".diffake-report") for rule in rules)
    assert repr(explanation).startswith("PairExplanation(deepfake")


@pytest.mark.filterwarnings("error")
def test_names_that_no_encoding_and_no_font_knows(explanation, tmp_path):
    odd = replace(explanation.probe, name="\udcff\n\N{CJK UNIFIED IDEOGRAPH-4E00}.png")
    odd_explanation = replace(explanation, probe=odd)
    odd_explanation.report(tmp_path / "report.html")
    odd_explanation.report(tmp_path / "report.png")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    displayed = 2 * "\N{REPLACEMENT CHARACTER}" + "\N{CJK UNIFIED IDEOGRAPH-4E00}.png"
    assert f"Probe: {displayed}" in page


def test_genuine_pairs_of_one_network_make_a_shorter_page():
    result = explain(build(), *genuine_crops(1)[0], method="gradient")
    text = Elements(explanation_page(result, TITLE, None)).text
    assert "The model calls the probe genuine" in text
    for section in ("Which network", "most like this one", "p-value", "Left out of"):
        assert section not in text


@pytest.mark.parametrize("name", ["report", "report.pdf", "report.html.txt"])
def test_reports_of_other_kinds_are_refused(explanation, tmp_path, name):
    with pytest.raises(
        ValueError, match=r"expected a name that ends in \.html \(a page\) or \.png"
    ):
        explanation.report(tmp_path / name)
    assert not list(tmp_path.iterdir())
