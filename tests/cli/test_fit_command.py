"""``sklearn-diffake fit``: what it learns from, says and saves."""

import pytest
from cli_helpers import FIT, TINY, N, error_of, write_table
from image_helpers import astronaut
from PIL import Image

from sklearn_diffake import make_difffake_pipeline, persistence
from sklearn_diffake.cli import main
from sklearn_diffake.novelty import ConformalDetector
from sklearn_diffake.pairs import PairDifference


def test_fit_says_what_was_used(folder, tmp_path, capsys):
    rows = [(f"{i:03}.png", "000.png", 1) for i in range(1, N)] + [("no-such", "red.png", -1)] * 3
    rows = [(*(folder / cell for cell in row[:2]), row[2]) for row in rows]
    table = write_table(tmp_path / "p.csv", rows, ("reference", "probe", "label"))
    assert main(["fit", table, "-o", str(tmp_path / "m"), *FIT, "--target-bpcer", "0.2"]) == 0
    printed = capsys.readouterr()
    assert f"fitted on {N - 1} pairs of {N} photographs (not aligned)" in printed.out
    assert "left out: 3 labeled -1" in printed.out
    assert "the threshold rests on 7 genuine pairs that were held out" in printed.out
    assert "rejects at most 20.0% of genuine pairs" in printed.out
    assert printed.err == ""
    model = persistence.load(tmp_path / "m", trusted=[TINY])
    assert isinstance(model["detect"], ConformalDetector)
    assert model["detect"].target_bpcer == 0.2
    assert model["detect"].n_genuine_ == N - 1


def people_table(folder, path, header):
    """Write 20 pairs of 10 persons."""
    names = [(folder / f"{i:03}.png", folder / f"{i + 1:03}.png") for i in range(20)]
    rows = [(*pair, f"p{i // 2}") for i, pair in enumerate(names)]
    return write_table(path, rows, ("reference", "probe", header))


@pytest.mark.parametrize(
    ("header", "options"),
    [
        ("person", []),
        ("identity", []),
        ("Who", ["--person", "Who"]),
        ("person", ["--person", "person"]),
    ],
)
def test_persons_are_kept_together(folder, tmp_path, capsys, header, options):
    table = people_table(folder, tmp_path / "p.csv", header)
    message = ["fit", table, "-o", str(tmp_path / "m"), *FIT, "--target-bpcer", "0.3", *options]
    assert main(message) == 0
    assert "rests on 6 genuine pairs of 3 groups" in capsys.readouterr().out
    model = persistence.load(tmp_path / "m", trusted=[TINY])
    assert model["detect"].n_calibration_ == 3


def test_without_a_column_of_persons_every_pair_counts(folder, tmp_path, capsys):
    table = people_table(folder, tmp_path / "p.csv", "Who")
    assert main(["fit", table, "-o", str(tmp_path / "m"), *FIT, "--target-bpcer", "0.3"]) == 0
    assert "rests on 6 genuine pairs that" in capsys.readouterr().out
    assert main(["fit", table, "-o", str(tmp_path / "m"), *FIT, "--person", "who"]) == 2
    assert "--person who: " in (printed := error_of(capsys))
    assert "did you mean 'Who'?" in printed


def test_too_few_pairs_for_the_target_are_warned_of_by_flags(folder, tmp_path, capsys):
    message = ["fit", str(folder / "pairs.csv"), "-o", str(tmp_path / "m"), *FIT]
    assert main([*message, "--target-bpcer", "0.01"]) == 0
    printed = capsys.readouterr().err
    assert "warning: --target-bpcer 0.01 needs at least 99 genuine calibration pairs" in printed
    assert "or raise --target-bpcer." in printed
    assert "target_bpcer" not in printed


def test_the_old_name_of_the_target_still_works(folder, tmp_path):
    message = ["fit", str(folder / "pairs.csv"), "-o", str(tmp_path / "m"), *FIT]
    assert main([*message, "--contamination", "0.25"]) == 0
    assert persistence.load(tmp_path / "m", trusted=[TINY])["detect"].target_bpcer == 0.25


@pytest.mark.parametrize(
    ("name", "kind", "inner"),
    [
        ("mahalanobis", "MahalanobisDetector", None),
        ("SumRule", "SumRuleDetector", None),
        ("one-class-svm", "GenuineOnly", "OneClassSVM"),
        pytest.param(  # saves and loads a hundred trees
            "isolation-forest", "GenuineOnly", "IsolationForest", marks=pytest.mark.slow
        ),
        ("pyod.HBOS", "PyODDetector", "HBOS"),
    ],
)
def test_the_detector_is_chosen(folder, tmp_path, name, kind, inner):
    if inner == "HBOS":
        pytest.importorskip("pyod")
    message = ["fit", str(folder / "pairs.csv"), "-o", str(tmp_path / "m"), "--no-align"]
    message += ["--backbone", TINY, "--device", "cpu", "--operator", "absolute"]
    assert main([*message, "--detector", name]) == 0
    detector = persistence.load(tmp_path / "m", trusted=[TINY])["detect"].detector
    assert type(detector).__name__ == kind
    if inner:
        inner_detector = getattr(detector, "estimator" if kind == "GenuineOnly" else "detector")
        assert type(inner_detector).__name__ == inner
    message = ["score", str(tmp_path / "m"), str(folder / "000.png"), str(folder / "001.png")]
    assert main([*message, "--trust", TINY, "--device", "cpu"]) in (0, 1, 5)


@pytest.mark.parametrize(
    ("options", "detector", "operator"),
    [
        ([], "SumRuleDetector", "cosine"),
        (["--operator", "squared"], "GaussianMixtureDetector", "squared"),
        (["--detector", "gaussian-mixture"], "GaussianMixtureDetector", "cosine"),
    ],
)
def test_the_detector_follows_the_operator(folder, tmp_path, options, detector, operator):
    message = ["fit", str(folder / "pairs.csv"), "-o", str(tmp_path / "m"), "--no-align"]
    message += ["--backbone", TINY, "--device", "cpu", "--target-bpcer", "0.1", *options]
    assert main(message) == 0
    model = persistence.load(tmp_path / "m", trusted=[TINY])
    assert model["diff"].operator == operator
    assert type(model["detect"].detector).__name__ == detector
    assert model["detect"].target_bpcer == 0.1


def test_without_options_it_is_the_recipe_of_the_packaged_model(folder, tmp_path, capsys):
    message = ["fit", str(folder / "pairs.csv"), "-o", str(tmp_path / "m"), "--on-missing", "crop"]
    assert main(message) == 0
    default = make_difffake_pipeline(mode="reference", random_state=0, on_missing="crop")
    assert repr(persistence.load(tmp_path / "m")) == repr(default)


def test_features_of_several_backbones_are_joined(folder, tmp_path, capsys):
    message = ["fit", str(folder / "pairs.csv"), "-o", str(tmp_path / "m"), "--no-align"]
    message += ["--backbone", TINY, "--backbone", TINY, "--device", "cpu", "--components", "1"]
    assert main([*message, "--operator", "absolute", "--operator", "cosine"]) == 0
    model = persistence.load(tmp_path / "m", trusted=[TINY])
    operators = [branch["diff"].operator for _, branch in model["features"].transformer_list]
    assert operators == ["absolute", "cosine"]
    pair = [str(folder / "000.png"), str(folder / "red.png")]
    assert main(["score", str(tmp_path / "m"), *pair, "--trust", TINY, "--device", "cpu"]) == 1
    capsys.readouterr()
    assert main([*message, *["--operator", "absolute"] * 3]) == 2
    assert "--operator is given 3 times for 2 backbones" in error_of(capsys)


def test_fit_passes_its_options_on(folder, tmp_path):
    options = ["--operator", "absolute", "--components", "2", "--seed", "7", "--include-weights"]
    pairs, output = str(folder / "pairs.csv"), tmp_path / "m"
    assert main(["fit", pairs, "-o", str(output), *FIT[:3], *options, "--jobs", "2"]) == 0
    model = persistence.load(output, trusted=[TINY])
    assert model["diff"].operator == "absolute"
    assert model["detect"].random_state == 7
    assert model["detect"].detector.n_components == 2
    assert model["detect"].detector.random_state == 7
    assert output.stat().st_size > (folder / "model").stat().st_size
    assert model["align"] == "passthrough"


def test_fit_aligns_and_counts_faces(tmp_path, capsys):
    face = Image.fromarray(astronaut()[0:260, 120:330]).resize((105, 130))
    for i in range(4):
        face.point(lambda value, i=i: value * (10 - i) // 10).save(tmp_path / f"{i}.png")
    rows = [("0.png", "1.png"), ("1.png", "2.png"), ("2.png", "3.png"), ("3.png", "0.png")]
    table = write_table(tmp_path / "p.csv", rows)
    message = [
        "fit",
        table,
        "-o",
        str(tmp_path / "m"),
        *FIT[1:],
        "--cache",
        str(tmp_path / "cache"),
    ]
    assert main(message) == 0
    assert "4 pairs of 4 photographs (4 faces found)" in capsys.readouterr().out
    assert any((tmp_path / "cache").iterdir())


def test_fit_names_the_line_of_a_photograph_without_face(folder, tmp_path, capsys):
    Image.fromarray(astronaut()[0:260, 120:330]).save(tmp_path / "face.png")
    rows = [("face.png", "face.png"), ("face.png", folder / "red.png")]
    rows += [("face.png", folder / "000.png"), ("face.png", folder / "001.png")]
    table = write_table(tmp_path / "p.csv", rows)
    assert main(["fit", table, "-o", str(tmp_path / "m"), "--backbone", TINY]) == 2
    assert "line 3: probe, file" in error_of(capsys)
    message = ["fit", table, "-o", str(tmp_path / "m"), "--backbone", TINY, "--on-missing", "crop"]
    assert main(message) == 0
    assert "(1 faces found)" in capsys.readouterr().out


def shades(folder, n):
    """Save one portrait at n brightnesses."""
    face = Image.fromarray(astronaut()[0:260, 120:330]).resize((105, 130))
    for i in range(n):
        face.point(lambda value, i=i: value * (20 - i) // 20).save(folder / f"{i}.png")


def test_fit_leaves_out_pairs_without_a_face(folder, tmp_path, capsys):
    shades(tmp_path, 6)
    red = folder / "red.png"
    rows = [("0.png", "1.png"), (red, "1.png"), ("1.png", "2.png"), ("2.png", "3.png"),
            ("3.png", "4.png"), ("4.png|5.png", f"{red}|0.png"), ("4.png", red)]  # fmt: skip
    table = write_table(tmp_path / "p.csv", rows)
    message = ["fit", table, "-o", str(tmp_path / "m"), *FIT[1:], "--on-missing", "skip"]
    assert main(message) == 0
    printed = capsys.readouterr()
    assert "fitted on 5 pairs of 7 photographs (6 faces found)" in printed.out
    assert "left out: 2 without a face, of lines 3, 8\n" in printed.out
    assert "rests on 2 genuine pairs that were held out" in printed.out
    model = persistence.load(tmp_path / "m", trusted=[TINY])
    assert model["align"].on_missing == "skip"
    write_table(tmp_path / "p.csv", rows[1:2])
    assert main(message) == 2
    assert "none of the 1 genuine pairs has two faces" in error_of(capsys)


def test_fit_chooses_the_face_that_matches(tmp_path, capsys):
    shades(tmp_path, 4)
    face = Image.open(tmp_path / "0.png")
    for i in range(4):  # somebody larger stands beside the person
        group = Image.new("RGB", (360, 200), (90, 90, 90))
        group.paste(face.resize((160, 198)).point(lambda value: value // 2), (0, 0))
        group.paste(Image.open(tmp_path / f"{i}.png"), (230, 30))
        group.save(tmp_path / f"group{i}.png")
    table = write_table(tmp_path / "p.csv", [(f"{i}.png", f"group{i}.png") for i in range(4)])
    message = ["fit", table, "-o", str(tmp_path / "m"), *FIT[1:], "--select", "match"]
    assert main([*message, "--frames", "3"]) == 0
    assert "the one most like a face of the other cell was taken" in capsys.readouterr().err
    model = persistence.load(tmp_path / "m", trusted=[TINY])
    assert model["align"].select == "match"
    assert model["align"].n_frames == 3
    pair = (str(tmp_path / "0.png"), str(tmp_path / "group0.png"))
    assert model["align"].align([pair]).box[1, 0] > 200
    message = ["score", str(tmp_path / "m"), *pair, "--trust", TINY, "--device", "cpu"]
    assert main(message) in (0, 1)
    assert pair[1] in capsys.readouterr().out


def test_fit_names_the_line_of_a_broken_photograph(folder, tmp_path, capsys):
    names = ("000.png,{0}/001.png", "broken.png,{0}/002.png")
    first, second = (f"{{0}}/{name}".format(folder) for name in names)
    (tmp_path / "p.csv").write_text(f"reference,probe\n{first}\n\n{second}\n")
    assert main(["fit", str(tmp_path / "p.csv"), "-o", str(tmp_path / "m"), *FIT]) == 2
    assert "line 4: reference, file" in error_of(capsys)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--operator", "sum"], "operator"),
        (["--detector", "mahalanobi"], "did you mean 'MahalanobisDetector'?"),
        (["--detector", "ConformalDetector"], "--detector: ConformalDetector cannot be chosen"),
        (["--detector", "mahalanobis"], "--components is for the detector gaussian-mixture"),
        (["--backbone", "facenet-vgface2"], "did you mean 'facenet-vggface2'?"),
        (["--backbone", "resnet"], "--backbone 'resnet' is unknown"),
        (["-o", "no-such-folder/model"], "no-such-folder"),
        (["-o", "."], "it is a directory"),
    ],
)
def test_fit_finds_wrong_options_before_it_reads_photographs(
    folder, tmp_path, capsys, monkeypatch, options, message
):
    def fail(*_, **__):
        raise AssertionError("a photograph was read")

    monkeypatch.setattr("sklearn_diffake.images.engine.read_image", fail)
    own_values = ["--no-align"]
    own_values += [] if "--backbone" in options else ["--backbone", TINY, "--components", "1"]
    own_values += [] if "--operator" in options else ["--operator", "squared"]
    arguments = ["fit", str(folder / "pairs.csv"), "-o", str(tmp_path / "m"), *own_values, *options]
    assert main(arguments) == 2
    assert message in error_of(capsys)


@pytest.mark.parametrize("flag", ["--target-bpcer", "--components", "--frames"])
@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5"])
def test_numbers_out_of_range_are_refused(flag, text, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["fit", "p.csv", "-o", "m", f"{flag}={text}"])
    assert stop.value.code == 2
    assert flag in error_of(capsys)


def test_fit_needs_genuine_pairs_and_files_that_exist(folder, tmp_path, capsys):
    header = ("reference", "probe", "label")
    only_fakes = write_table(tmp_path / "a.csv", [("a.png", "b.png", -1)], header)
    assert main(["fit", only_fakes, "-o", str(tmp_path / "m")]) == 2
    assert "none is genuine" in error_of(capsys)
    missing = write_table(tmp_path / "b.csv", [(folder / "000.png", "b.png"), ("c", "d")])
    assert main(["fit", missing, "-o", str(tmp_path / "m")]) == 2
    assert "line 2: no such file 'b.png' (and 2 more)" in error_of(capsys)
    unlabeled = write_table(tmp_path / "c.csv", [("a", "b", 1), ("a", "b", "")], header)
    assert main(["fit", unlabeled, "-o", str(tmp_path / "m")]) == 2
    assert "line 3: the label is empty" in error_of(capsys)


def test_operators_in_the_help_are_those_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    text = capsys.readouterr().out.replace("\n", " ")
    for operator in next(iter(PairDifference._parameter_constraints["operator"])).options:
        assert operator in text
