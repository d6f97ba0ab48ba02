"""The page of a verdict: it says what the verdict holds, and nothing in it is believed."""

import base64
import datetime
import hashlib
import os
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from page_elements import Elements
from report_cases import (
    INFO,
    MINUS,
    PicturesInMemory,
    clip_verdict,
    lone_clip_verdict,
    noisy,
    pair_verdict,
    with_pictures,
)

from sklearn_diffake.faces import ImageError
from sklearn_diffake.utils._numbers import significant
from sklearn_diffake.verdict import ErrorRate, ImageEvidence, ModelInfo, Verdict, VerdictWarning

HOSTILE = "\"><script>alert('1')</script>&{{ 7 * 7 }}{% raw %}"
UNSEEN = "a\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe\x1b[2J\n\udcff"
ESCAPED = r"a\u202egpj.exe\x1b[2J\n\udcff"
ERROR = Verdict("error", "probe, file 'x.jpg': no face was detected", model=INFO)
ALL = [pair_verdict(), clip_verdict(), ERROR]


def write_text(verdict, tmp_path, **options):
    """Write a report, and return its page."""
    path = tmp_path / "why.html"
    verdict.report(path, **options)
    return path.read_text(encoding="utf-8")


def page_of(verdict, tmp_path, **options):
    return Elements(write_text(verdict, tmp_path, **options))


def display_text(value):
    return significant(value).replace("-", MINUS)


NUMBERS = ("score", "threshold", "p_value", "level", "n_references", "n_probes")
CLIP_NUMBERS = ("n_frames", "fraction_below", "p_value_whole", "p_value_worst_window")


@pytest.mark.parametrize("verdict", ALL, ids=["pair", "clip", "error"])
def test_every_number_is_that_of_the_verdict(verdict, tmp_path):
    page = page_of(verdict, tmp_path)
    expected = {name: getattr(verdict, name) for name in NUMBERS}
    if verdict.clip is not None:
        expected |= {name: getattr(verdict.clip, name) for name in CLIP_NUMBERS}
        for name in ("longest_interval", "worst_window"):
            interval = getattr(verdict.clip, name)
            assert [float(value) for value in page.fields[name]] == list(interval)
    for name, value in expected.items():
        if value is None:
            assert name not in page.fields
        else:
            assert [float(text) for text in page.fields[name]] == [value]
    for name in ("score", "threshold", "p_value"):
        value = expected[name]
        assert value is None or any(text.startswith(display_text(value)) for text in page.all("td"))


@pytest.mark.parametrize("verdict", ALL[:2], ids=["pair", "clip"])
def test_every_image_has_its_numbers(verdict, tmp_path):
    page = write_text(verdict, tmp_path, maps=False)
    table = re.search(r'<table class="images">.*?</table>', page, re.DOTALL)[0]
    values = Elements(table).numbers()
    names = ("face_size", "eye_distance", "probability", "n_faces", "score", "p_value")
    expected = [getattr(image, name) for image in verdict.images for name in names]
    assert values == [value for value in expected if value is not None]
    assert table.count("not used: no face was detected") == sum(
        image.reason is not None for image in verdict.images
    )


HEADINGS = [
    "What was compared", "Numbers", "Warnings", "How often this model is wrong",
    "What else looks the same", "How many suspicious verdicts are right", "Model and record",
]  # fmt: skip


def test_sections_stand_in_their_order(tmp_path):
    pair = page_of(pair_verdict(), tmp_path).all("h2")
    assert pair == [HEADINGS[0], "Where the pictures differ", *HEADINGS[1:]]
    clip = page_of(clip_verdict(), tmp_path).all("h2")
    first = ["Probe 1 over time: clip.mp4", "Where the least genuine frame differs"]
    assert clip == [*first, *HEADINGS, "All images"]
    page = write_text(clip_verdict(), tmp_path)
    assert page.index("<h1>") < page.index('<svg class="timeline"') < page.index('thumbnails"')


def test_the_page_of_a_clip_by_itself_speaks_of_no_reference(tmp_path):
    page = page_of(lone_clip_verdict(outcome="genuine"), tmp_path)
    assert "Examination of a clip by sklearn-diffake" in page.text
    assert "There is no trusted reference" in page.text
    assert "What was judged" in page.all("h2")
    assert "No map is shown" in page.text
    for arguments in ("or somebody else", "genuine pairs", "Face comparison", "What was compared"):
        assert arguments not in page.text
    kinds = ["clips, 24 frames of each", "single frames"]
    assert all(any(row.startswith(kind) for row in page.all("th")) for kind in kinds)
    assert "410 frames" in page.text
    assert "5 clips" in page.text


def test_five_clips_say_nothing_of_cases_to_come(tmp_path):
    page = page_of(lone_clip_verdict(), tmp_path)
    assert "At the error rates on frames of A (single frames)" in page.text
    assert "At the error rates on clips of B" not in page.text


@pytest.mark.parametrize("outcome", ["genuine", "suspicious", "inconclusive", "error"])
def test_an_outcome_is_a_word_a_symbol_and_a_frame(outcome, tmp_path):
    page = page_of(pair_verdict(outcome=outcome), tmp_path)
    assert page.all("h1") == [outcome.capitalize()]
    (box,) = [result for result in page.attributes("div") if "outcome" in result.get("class", "")]
    assert box["class"] == f"outcome {outcome}"
    assert "fake" not in page.text.lower().replace("sklearn-diffake", "")
    assert ("altered, or somebody else" in page.text) == (outcome == "suspicious")


def test_symbols_and_frames_differ_without_color(tmp_path):
    symbols, borders = set(), set()
    for outcome in ("genuine", "suspicious", "inconclusive", "error"):
        page = write_text(pair_verdict(outcome=outcome), tmp_path)
        symbols.add(re.search(r'<svg class="symbol".*?</svg>', page, re.DOTALL)[0])
        rule = re.search(rf"\.outcome\.{outcome} {{([^}}]*)}}", page)[1]
        borders.add(re.search(r"border-style: (\w+)", rule)[1] if "style" in rule else "solid")
    assert len(symbols) == len(borders) == 4


def hostile_verdict(text):
    """Put a text wherever a verdict has one."""
    warnings = (VerdictWarning(text, text),)
    rates = tuple(
        ErrorRate(text, 1, 1, metric, 0.1, 0.05, 0.2, 10) for metric in ("apcer", "bpcer", "eer")
    )
    verdict = clip_verdict()
    frames = [replace(image, path=text, reason=image.reason and text) for image in verdict.images]
    model = ModelInfo(text, text, (text,), 0.05, 10, rates)
    changes = {"images": tuple(frames), "warnings": warnings, "model": model, "reason": text}
    return with_pictures(replace(verdict, **changes), verdict._compared_images.pictures)


def test_hostile_text_is_text(tmp_path):
    html = write_text(
        hostile_verdict(HOSTILE), tmp_path, command=HOSTILE, case=HOSTILE, date=HOSTILE, maps=True
    )
    page = Elements(html)
    assert page.depth == []
    assert "script" not in {tag for tag, _ in page.tags}
    assert "<script" not in html.lower()
    assert "49" not in re.findall(r"&amp;(\d+)", html)  # text is no template
    for _, attributes in page.tags:
        assert not any(name.startswith("on") or name in ("href", "style") for name in attributes)
    # reason, warning and code, model, networks, data twice or more, case twice, date twice, command
    assert page.text.count(HOSTILE) >= 12


def test_characters_that_cannot_be_seen_are_shown(tmp_path):
    verdict = hostile_verdict(UNSEEN)
    page = page_of(verdict, tmp_path, command=["compare", UNSEEN], case=UNSEEN, date=UNSEEN)
    assert page.text.count(ESCAPED) >= 12
    for marker in ("\N{RIGHT-TO-LEFT OVERRIDE}", "\x1b"):
        assert marker not in page.text
        assert not any(marker in str(value) for _, result in page.tags for value in result.values())


def test_nothing_comes_from_outside(tmp_path):
    html = write_text(pair_verdict(), tmp_path)
    assert not re.search(r"https?:|url\(|@import|//[a-z]", re.sub(r"base64,[^\"]*", "", html))
    page = Elements(html)
    for image in page.attributes("img"):
        assert image["src"].startswith("data:image/png;base64,")
        assert base64.b64decode(image["src"].partition(",")[2]).startswith(b"\x89PNG")
        assert len(image["alt"]) > 10
    (policy,) = [result for result in page.attributes("meta") if "http-equiv" in result]
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy["content"] == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'"
    )


def test_the_page_prints(tmp_path):
    (style,) = re.findall(r"<style>(.*?)</style>", write_text(clip_verdict(), tmp_path), re.DOTALL)
    printed = style[style.index("@media print {\n  .diffake") :]
    assert ".scroll { overflow: visible; }" in printed  # no table is cut off
    assert ".appendix { break-before: page; }" in printed
    assert "@page { size: A4" in style


def test_files_are_named_with_size_and_checksum(tmp_path):
    verdict = pair_verdict(tmp_path)
    page = page_of(verdict, tmp_path)
    for image in verdict.images:
        content = Path(image.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() in page.text
        assert f"{image.path}, {len(content):,} bytes" in page.text
    assert page.text.count("64 \N{MULTIPLICATION SIGN} 48") == 2
    assert page.all("figcaption")[:2] == ["Reference 1: a.png", "Probe 1: b.png"]
    assert "No image was left out." in page.text
    assert "Not what was compared" not in page.text


def test_files_that_changed_or_are_gone_are_not_shown(tmp_path):
    verdict = pair_verdict(tmp_path)
    removed = ImageError("no such file")
    images = PicturesInMemory([noisy(1), removed], crops=[ImageError("changed"), removed])
    os.unlink(verdict.images[1].path)
    page = page_of(replace(verdict, _compared_images=images), tmp_path)
    assert page.text.count("Not what was compared: it was changed since the verdict") == 2
    assert page.text.count("not available, the source cannot be read any more") == 1
    assert not page.attributes("img")
    assert "does not hold the faces" in page.text or "not measured" in page.text


def test_a_verdict_without_pictures_has_a_page(tmp_path):
    page = page_of(replace(pair_verdict(tmp_path), _compared_images=None), tmp_path)
    assert "Pictures are not shown" in page.text
    assert "was not kept with the verdict" in page.text
    assert not page.attributes("img")


def test_pictures_that_are_no_files_have_a_digest_of_pixels(tmp_path):
    page = page_of(pair_verdict(), tmp_path)
    assert page.text.count("not from a file") >= 2
    digests = re.findall(r"digest of the pixels: ([0-9a-f]{40})", page.text)
    assert len(set(digests)) == 2


def test_content_without_a_file_has_a_checksum_and_a_size(tmp_path):
    content = b"the content of a clip" * 99
    verdict = clip_verdict()
    images = [replace(image, path=None) for image in verdict.images]
    sources = [noisy(), *[content] * (len(images) - 1)]
    verdict = replace(verdict, images=tuple(images))
    page = page_of(with_pictures(verdict, [noisy()] * len(images), sources=sources), tmp_path)
    assert f"SHA-256 of the content: {hashlib.sha256(content).hexdigest()}" in page.text
    assert "not from a file, 2,079 bytes" in page.text


def test_images_that_were_left_out_are_counted_with_their_reasons(tmp_path):
    page = page_of(clip_verdict(missing=(3, 4, 9)), tmp_path)
    assert "Probe 13 of 30 framesno face was detected" in page.all("tr")  # three cells
    assert "27 of 30 frames used" in page.text


@pytest.mark.parametrize("n", [16, 17, 700])
def test_a_long_table_of_images_stands_at_the_end(n, tmp_path):
    images = tuple(ImageEvidence("probe", f"{k}.png", score=-float(k)) for k in range(n))
    page = page_of(replace(pair_verdict(), images=images, _compared_images=None), tmp_path)
    assert ("All images" in page.all("h2")) == (n > 16)
    assert ("The first 600 of 700 images are listed." in page.text) == (n == 700)


def test_case_command_and_date_are_recorded(tmp_path):
    page = page_of(
        pair_verdict(), tmp_path,
        command=["sklearn-diffake", "compare", "my photo.jpg"], case="2031/5",
        date=datetime.date(2031, 5, 6),
    )  # fmt: skip
    assert "sklearn-diffake compare 'my photo.jpg'" in page.all("code")
    assert page.text.count("2031/5") == 2
    assert page.text.count("2031-05-06") == 2
    for fact in (INFO.fingerprint, "corner, right", "1,234", "sklearn-diffake 0."):
        assert fact in page.text
    assert page.attributes("span", **{"class": "blank"}) != []  # for a signature
    unnamed = page_of(pair_verdict(), tmp_path)
    assert len(unnamed.attributes("span", **{"class": "blank"})) == 2  # and for a number
    assert datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d") in unnamed.text


def test_the_same_verdict_gives_the_same_bytes(tmp_path):
    first, second = (write_text(clip_verdict(), tmp_path, date="2031-05-06") for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["why.png", "why.pdf", "why", "why.html.txt"])
def test_other_kinds_of_files_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"expected a name that ends in \.html"):
        ERROR.report(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX modes")
def test_a_report_is_its_owners_alone(tmp_path):
    write_text(ERROR, tmp_path)
    assert os.stat(tmp_path / "why.html").st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX links")
@pytest.mark.parametrize("link", [None, os.symlink, os.link])
@pytest.mark.parametrize("remaining", ["path", "source"])
def test_a_report_replaces_no_input(link, remaining, tmp_path):
    photo = tmp_path / "photo.html"
    photo.write_bytes(b"a face")
    output = tmp_path / "why.html" if link else photo
    if link:
        link(photo, output)
    image = ImageEvidence("probe", str(photo) if remaining == "path" else None)
    images = PicturesInMemory([noisy()], [b"\0", noisy(), photo] if remaining == "source" else [])
    verdict = replace(ERROR, images=(image,), _compared_images=images)
    with pytest.raises(ValueError, match="it is the input"):
        verdict.report(output)
    assert photo.read_bytes() == b"a face"


def test_a_report_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "why.html"
    path.write_text("before")

    def broken(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr("sklearn_diffake.utils._atomic_files.os.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        ERROR.report(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_every_field_of_a_verdict_is_shown():
    """A field that is added must be thought of here, and in the page."""
    assert {field.name for field in fields(Verdict)} == {
        "outcome", "reason", "score", "threshold", "p_value", "level", "n_references", "n_probes",
        "category", "images", "warnings", "clip", "model", "mode", "_compared_images",
    }  # fmt: skip


def test_real_photographs_and_a_clip(shared_data, tmp_path):
    from sklearn_diffake import verify

    data = shared_data / "data"
    photos = [data / "london" / number / "neutral.jpg" for number in ("001", "002")]
    for probe in (photos[1], data / "clips" / "fake" / "id0_id1_0000.mp4"):
        verdict = verify(photos[0], probe, n_frames=6)
        verdict.report(tmp_path / "why.html", maps=probe is photos[1])
        page = Elements((tmp_path / "why.html").read_text(encoding="utf-8"))
        values = verdict.to_dict()
        for name in NUMBERS:
            assert [float(text) for text in page.fields[name]] == [values[name]]
        scores = [image["score"] for image in values["images"] if image["score"] is not None]
        assert set(scores) <= set(page.numbers())
        assert page.all("h1") == [verdict.outcome.capitalize()]
        assert len(page.attributes("img")) >= 2
        assert "Not what was compared" not in page.text
