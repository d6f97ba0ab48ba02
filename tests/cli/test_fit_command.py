"""``sklearn-diffake fit``: what it learns from, says and saves."""

import pytest
from cli_helpers import FIT, TINY, N, error_of, write_table
from image_helpers import astronaut
from PIL import Image

from sklearn_diffake import persistence
from sklearn_diffake.cli import main
from sklearn_diffake.pairs import PairDifference


def test_fit_says_what_was_used(folder, tmp_path, capsys):
    rows = [(f"{i:03}.png", "000.png", 1) for i in range(1, N)] + [("no-such", "red.png", -1)] * 3
    rows = [(*(folder / cell for cell in row[:2]), row[2]) for row in rows]
    table = write_table(tmp_path / "p.csv", rows, ("reference", "probe", "label"))
    assert main(["fit", table, "-o", str(tmp_path / "m"), *FIT, "--contamination", "0.2"]) == 0
    said = capsys.readouterr()
    assert f"fitted on {N - 1} pairs of {N} photographs (not aligned)" in said.out
    assert "left out: 3 labelled -1" in said.out
    assert "below the threshold: 21.7% (5 of 23)" in said.out
    assert said.err == ""
    model = persistence.load(tmp_path / "m", trusted=[TINY])
    genuine = [tuple(map(str, row[:2])) for row in rows[: N - 1]]
    assert (model.predict(genuine) == -1).mean() == pytest.approx(5 / 23)


def test_fit_passes_its_options_on(folder, tmp_path):
    options = ["--operator", "absolute", "--components", "2", "--seed", "7", "--include-weights"]
    pairs, output = str(folder / "pairs.csv"), tmp_path / "m"
    assert main(["fit", pairs, "-o", str(output), *FIT[:3], *options, "--jobs", "2"]) == 0
    model = persistence.load(output, trusted=[TINY])
    assert model["diff"].operator == "absolute"
    assert model["detect"].n_components == 2
    assert model["detect"].random_state == 7
    assert output.stat().st_size > (folder / "model").stat().st_size
    assert model["align"] == "passthrough"


def test_fit_aligns_and_counts_faces(tmp_path, capsys):
    head = Image.fromarray(astronaut()[0:260, 120:330]).resize((105, 130))
    for i in range(4):
        head.point(lambda value, i=i: value * (10 - i) // 10).save(tmp_path / f"{i}.png")
    rows = [("0.png", "1.png"), ("1.png", "2.png"), ("2.png", "3.png"), ("3.png", "0.png")]
    table = write_table(tmp_path / "p.csv", rows)
    words = ["fit", table, "-o", str(tmp_path / "m"), *FIT[1:], "--cache", str(tmp_path / "cache")]
    assert main(words) == 0
    assert "4 pairs of 4 photographs (4 faces found)" in capsys.readouterr().out
    assert any((tmp_path / "cache").iterdir())


def test_fit_names_the_line_of_a_photograph_without_face(folder, tmp_path, capsys):
    Image.fromarray(astronaut()[0:260, 120:330]).save(tmp_path / "face.png")
    rows = [("face.png", "face.png"), ("face.png", folder / "red.png")]
    table = write_table(tmp_path / "p.csv", rows)
    assert main(["fit", table, "-o", str(tmp_path / "m"), "--backbone", TINY]) == 2
    assert "line 3: probe, file" in error_of(capsys)
    words = ["fit", table, "-o", str(tmp_path / "m"), "--backbone", TINY, "--on-missing", "crop"]
    assert main([*words, "--components", "1"]) == 0
    assert "(1 faces found)" in capsys.readouterr().out


def shades(folder, n):
    """Save one portrait at n brightnesses."""
    head = Image.fromarray(astronaut()[0:260, 120:330]).resize((105, 130))
    for i in range(n):
        head.point(lambda value, i=i: value * (20 - i) // 20).save(folder / f"{i}.png")


def test_fit_leaves_out_pairs_without_a_face(folder, tmp_path, capsys):
    shades(tmp_path, 6)
    red = folder / "red.png"
    rows = [("0.png", "1.png"), (red, "1.png"), ("1.png", "2.png"), ("2.png", "3.png"),
            ("3.png", "4.png"), ("4.png|5.png", f"{red}|0.png"), ("4.png", red)]  # fmt: skip
    table = write_table(tmp_path / "p.csv", rows)
    words = ["fit", table, "-o", str(tmp_path / "m"), *FIT[1:], "--on-missing", "skip"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "fitted on 5 pairs of 7 photographs (6 faces found)" in said.out
    assert "left out: 2 without a face, of lines 3, 8\n" in said.out
    assert " of 5)\n" in said.out
    model = persistence.load(tmp_path / "m", trusted=[TINY])
    assert model["align"].on_missing == "skip"
    write_table(tmp_path / "p.csv", rows[1:2])
    assert main(words) == 2
    assert "none of the 1 genuine pairs has two faces" in error_of(capsys)


def test_fit_chooses_the_face_that_matches(tmp_path, capsys):
    shades(tmp_path, 4)
    head = Image.open(tmp_path / "0.png")
    for i in range(4):  # somebody larger stands beside the person
        group = Image.new("RGB", (360, 200), (90, 90, 90))
        group.paste(head.resize((160, 198)).point(lambda value: value // 2), (0, 0))
        group.paste(Image.open(tmp_path / f"{i}.png"), (230, 30))
        group.save(tmp_path / f"group{i}.png")
    table = write_table(tmp_path / "p.csv", [(f"{i}.png", f"group{i}.png") for i in range(4)])
    words = ["fit", table, "-o", str(tmp_path / "m"), *FIT[1:], "--select", "match"]
    assert main([*words, "--frames", "3"]) == 0
    assert "the one most like a face of the other cell was taken" in capsys.readouterr().err
    model = persistence.load(tmp_path / "m", trusted=[TINY])
    assert model["align"].select == "match"
    assert model["align"].n_frames == 3
    pair = (str(tmp_path / "0.png"), str(tmp_path / "group0.png"))
    assert model["align"].align([pair]).box[1, 0] > 200
    words = ["score", str(tmp_path / "m"), *pair, "--trust", TINY, "--device", "cpu"]
    assert main(words) in (0, 1)
    assert pair[1] in capsys.readouterr().out


def test_fit_names_the_line_of_a_broken_photograph(folder, tmp_path, capsys):
    names = ("000.png,{0}/001.png", "broken.png,{0}/002.png")
    first, second = (f"{{0}}/{name}".format(folder) for name in names)
    (tmp_path / "p.csv").write_text(f"reference,probe\n{first}\n\n{second}\n")
    assert main(["fit", str(tmp_path / "p.csv"), "-o", str(tmp_path / "m"), *FIT]) == 2
    assert "line 4: reference, file" in error_of(capsys)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--operator", "sum"], "operator"),
        (["--components", "0"], "n_components"),
        (["--contamination", "0.9"], "contamination"),
        (["--backbone", "resnet"], "backbone='resnet' is unknown"),
        (["-o", "no-such-folder/model"], "no-such-folder"),
        (["-o", "."], "it is a directory"),
    ],
)
def test_fit_finds_wrong_options_before_it_reads_photographs(
    folder, tmp_path, capsys, monkeypatch, options, words
):
    def fail(*_, **__):
        raise AssertionError("a photograph was read")

    monkeypatch.setattr("sklearn_diffake.images.engine.read_image", fail)
    arguments = ["fit", str(folder / "pairs.csv"), "-o", str(tmp_path / "m"), *FIT, *options]
    assert main(arguments) == 2
    assert words in error_of(capsys)


def test_fit_needs_genuine_pairs_and_files_that_exist(folder, tmp_path, capsys):
    header = ("reference", "probe", "label")
    only_fakes = write_table(tmp_path / "a.csv", [("a.png", "b.png", -1)], header)
    assert main(["fit", only_fakes, "-o", str(tmp_path / "m")]) == 2
    assert "none is genuine" in error_of(capsys)
    missing = write_table(tmp_path / "b.csv", [(folder / "000.png", "b.png"), ("c", "d")])
    assert main(["fit", missing, "-o", str(tmp_path / "m")]) == 2
    assert "line 2: no such file 'b.png' (and 2 more)" in error_of(capsys)
    unlabelled = write_table(tmp_path / "c.csv", [("a", "b", 1), ("a", "b", "")], header)
    assert main(["fit", unlabelled, "-o", str(tmp_path / "m")]) == 2
    assert "line 3: the label is empty" in error_of(capsys)


def test_operators_in_the_help_are_those_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    text = capsys.readouterr().out.replace("\n", " ")
    for operator in next(iter(PairDifference._parameter_constraints["operator"])).options:
        assert operator in text
