"""Many pictures against the template of one person."""

import dataclasses

import numpy as np
import pytest
from image_helpers import faces, save_all
from verdict_helpers import altered, fitted

from sklearn_diffake import verify_many
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.novelty import MahalanobisDetector
from sklearn_diffake.verdict import Reference, find_misfits
from sklearn_diffake.verdict import _find_misfits as module
from sklearn_diffake.verdict._listing import list_probes


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture(scope="module")
def photos():
    return faces(8, seed=5)


def test_the_least_fitting_come_first_and_nothing_is_lost(model, photos):
    blank = np.full((64, 64, 3), 90, np.uint8)
    pictures = [photos[2], altered(photos[3]), blank, photos[4], "missing.jpg", altered(photos[5])]
    rows = find_misfits(photos[:2], pictures, model=model)
    assert sorted(row.position for row in rows) == list(range(6))
    assert {row.position for row in rows[:2]} == {1, 5}
    assert [row.outcome for row in rows[:2]] == ["suspicious"] * 2
    assert [row.rank for row in rows] == [1, 2, 3, 4, None, None]
    assert [(row.position, row.outcome) for row in rows[4:]] == [(2, "error"), (4, "error")]
    assert "no face" in rows[4].reason
    assert "missing.jpg" in rows[5].reason
    assert rows[5].path == "missing.jpg"
    assert rows[0].path is None
    keys = [(row.p_value, row.score) for row in rows[:4]]
    assert keys == sorted(keys)


def test_numbers_are_those_of_verify_many(model, photos):
    verdicts = list(verify_many([(photos[:2], photo) for photo in photos[2:]], model=model))
    rows = find_misfits(photos[:2], photos[2:], model=model)
    for row in rows:
        verdict = verdicts[row.position]
        for name in ("outcome", "reason", "threshold", "p_value", "level", "n_probes"):
            assert getattr(row, name) == getattr(verdict, name), name
        assert row.score == pytest.approx(verdict.score, rel=1e-5)  # other batches, other rounding
        assert row.adjusted_p_value is None
        assert row.n_faces == 1
        assert set(row.warnings) == {warning.code for warning in verdict.warnings}


def test_a_reference_is_enrolled_once(model, photos, monkeypatch):
    calls = []
    enroll = Reference.__init__

    def counted(self, *arguments, **options):
        calls.append(arguments)
        enroll(self, *arguments, **options)

    monkeypatch.setattr(Reference, "__init__", counted)
    reference = Reference(photos[:2], model)
    from_reference = find_misfits(reference, photos[2:])
    assert len(calls) == 1
    assert find_misfits(photos[:2], photos[2:], model=model) == from_reference
    assert len(calls) == 2


def row(position, p, outcome="suspicious", level=0.1):
    return module.RankedPicture(None, None, position, outcome, "it is", p, 0.0, p, level=level)


def test_adjusted_p_values_are_those_of_benjamini_and_hochberg():
    rows = [row(0, 0.01), row(1, 0.04), row(2, 0.08), row(3, 0.5, "genuine")]
    rows.append(dataclasses.replace(rows[0], position=4, outcome="error", score=None, p_value=None))
    adjusted = module._adjusted(rows, "bh")
    expected = [0.04, 0.08, 0.08 * 4 / 3, 0.5]  # p * n / rank
    np.testing.assert_allclose([r.adjusted_p_value for r in adjusted[:4]], expected)
    assert [r.outcome for r in adjusted] == [
        "suspicious", "suspicious", "inconclusive", "genuine", "error",
    ]  # fmt: skip
    assert adjusted[2].reason == (
        "suspicious alone, but not among 4 pictures (adjusted p = 0.1067): it is"
    )
    assert adjusted[4].adjusted_p_value is None
    harmonic = 1 + 1 / 2 + 1 / 3 + 1 / 4
    cautious = module._adjusted(rows, "by")
    np.testing.assert_allclose(cautious[0].adjusted_p_value, 0.04 * harmonic)


def test_an_adjustment_that_can_find_nothing_warns(model, photos):
    copies = [photos[2][: -1 - i] for i in range(40)]
    with pytest.warns(UserWarning, match="pictures must have it before any is suspicious"):
        rows = find_misfits(photos[:2], [altered(photos[3]), *copies], model=model, adjust="bh")
    assert rows[0].position == 0
    assert rows[0].outcome == "inconclusive"
    assert rows[0].p_value <= rows[0].level < rows[0].adjusted_p_value


def test_an_adjustment_with_enough_misfits_keeps_them(model, photos):
    pictures = [altered(photos[3])[: -1 - i] for i in range(4)]
    rows = find_misfits(photos[:2], pictures, model=model, adjust="bh")
    assert {row.outcome for row in rows} == {"suspicious"}


def test_wrong_arguments(photos):
    model = fitted(detector=MahalanobisDetector())
    with pytest.raises(ValueError, match=r"adjust must be None or one of .*, got 'fdr'"):
        find_misfits(photos[0], photos[1:], model=model, adjust="fdr")
    with pytest.raises(ValueError, match="the model gives none"):
        find_misfits(photos[0], photos[1:], model=model, adjust="bh")
    rows = find_misfits(photos[0], [altered(photos[2]), *photos[3:5]], model=model)
    assert [rows[0].position, rows[0].p_value] == [0, None]
    with pytest.raises(ImageError, match="expected one picture at least"):
        find_misfits(photos[0], [], model=model)


def test_folders_are_searched_with_those_in_them(photos, tmp_path):
    inner = tmp_path / "trip" / "day 2"
    inner.mkdir(parents=True)
    (tmp_path / ".thumbnails").mkdir()
    save_all(photos[:2], tmp_path / "trip")
    save_all(photos[2:3], inner)
    save_all(photos[3:4], tmp_path / ".thumbnails")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes((inner / "000.png").read_bytes())
    listing = list_probes(tmp_path)
    names = ["broken.jpg", "trip/000.png", "trip/001.png", "trip/day 2/000.png"]
    assert listing.probes == [str(tmp_path / name) for name in names]
    assert listing.skipped == [str(tmp_path / "notes.txt")]
    pattern = list_probes([str(tmp_path / "trip" / "*.png"), photos[0]])
    assert pattern.probes[:2] == listing.probes[1:3]
    assert pattern.probes[2] is photos[0]


@pytest.mark.parametrize("name", ["empty", "*.jpg"])
def test_nothing_to_search_is_an_error(name, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no picture")
    with pytest.raises(ImageError, match="no picture or video") as caught:
        list_probes(tmp_path / name)
    assert caught.value.path == str(tmp_path / name)


@pytest.mark.parametrize(
    "form", [np.array, tuple, iter, set, lambda names: np.array(names, dtype=object)]
)
def test_names_in_any_container_are_judged_one_by_one(photos, model, tmp_path, form):
    names = list(map(str, save_all(photos[2:4], tmp_path)))
    rows = find_misfits(photos[:2], form(names), model=model)
    assert {row.path for row in rows} == set(names)


def test_an_array_of_pictures_is_a_list(photos, model):
    rows = find_misfits(photos[:2], np.stack(photos[2:5]), model=model)
    assert sorted(row.position for row in rows) == [0, 1, 2]


def test_a_table_is_refused():
    import pandas as pd

    with pytest.raises(TypeError, match="got a DataFrame: give one of its columns"):
        list_probes(pd.DataFrame({"file": ["a.png"]}))


def test_an_item_that_matches_nothing_stops_no_search(photos, model, tmp_path):
    (tmp_path / "empty").mkdir()
    gone = [str(tmp_path / "empty"), str(tmp_path / "gone[1].png")]
    rows = find_misfits(photos[:2], [gone[0], photos[2], gone[1]], model=model)
    assert [row.position for row in rows] == [1, 0, 2]
    assert [row.path for row in rows if row.outcome == "error"] == gone


def test_linked_folders_are_searched_once(photos, tmp_path):
    (tmp_path / "album" / "inner").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (file,) = save_all(photos[:1], tmp_path / "elsewhere")
    (tmp_path / "album" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "album" / "inner" / "loop").symlink_to(tmp_path / "album")
    name = str(file).rpartition("/")[2]
    assert list_probes(str(tmp_path / "album")).probes == [
        str(tmp_path / "album" / "linked" / name)
    ]


def test_links_to_missing_files_are_not_left_out(photos, model, tmp_path):
    folder = tmp_path / "album"
    folder.mkdir()
    (picture,) = save_all(photos[2:3], folder)
    (folder / "gone.png").symlink_to(tmp_path / "gone.png")
    (folder / "notes.txt").symlink_to(tmp_path / "gone.txt")
    expected = [str(picture), str(folder / "gone.png")]
    for source in (folder, folder / "*"):
        listing = list_probes(str(source))
        assert (listing.probes, listing.skipped) == (expected, [str(folder / "notes.txt")])
    rows = find_misfits(photos[:2], folder, model=model)
    assert (rows[1].path, rows[1].outcome) == (expected[1], "error")


def test_a_file_that_is_listed_twice_is_one_test(photos, model, tmp_path):
    files = [str(path) for path in save_all([altered(photos[3]), *photos[4:7]], tmp_path)]
    (tmp_path / "link.png").symlink_to(files[0])
    expected = {row.path: row for row in find_misfits(photos[:2], files, model=model, adjust="bh")}
    twice = [*files, files[0], str(tmp_path / "link.png")]
    rows = find_misfits(photos[:2], twice, model=model, adjust="bh")
    assert len(rows) == 6
    for row in rows:
        single = expected.get(row.path, expected[files[0]])
        assert row.adjusted_p_value == single.adjusted_p_value
        assert row.outcome == single.outcome


def test_a_folder_that_cannot_be_read_is_a_row(photos, tmp_path, monkeypatch):
    from sklearn_diffake.verdict import _listing

    def walk(folder, onerror, **options):
        onerror(PermissionError(13, "Permission denied", f"{folder}/locked"))
        return iter([(folder, [], ["a.png"])])

    save_all(photos[:1], tmp_path)
    (tmp_path / "a.png").write_bytes(next(tmp_path.glob("*.png")).read_bytes())
    monkeypatch.setattr(_listing.os, "walk", walk)
    folder = str(tmp_path)
    assert list_probes(folder).probes == [f"{folder}/a.png", f"{folder}/locked"]
