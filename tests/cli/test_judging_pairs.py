"""What ``compare`` and ``score`` take for a pair: arguments, flags, tables."""

import json

import pytest
from cli_helpers import error_of, write_table
from image_helpers import astronaut
from PIL import Image

from sklearn_diffake.cli import main
from sklearn_diffake.verdict import ErrorRate, ModelInfo, Verdict, VerdictWarning


@pytest.mark.parametrize(
    ("arguments", "pairs"),
    [
        (["a", "good"], [("a", "good")]),
        (["a", "good", "good2"], [("a", "good"), ("a", "good2")]),
        (["--reference", "a", "--probe", "good"], [("a", "good")]),
        (["--reference", "a", "b", "refs/", "--probe", "good"], [(["a", "b", "refs/"], "good")]),
        (["--probe", "good", "--reference", "a", "--reference", "b"], [(["a", "b"], "good")]),
        (
            ["--reference", "a", "b", "--probe", "good", "good/", "--probe", "good.mp4"],
            [(["a", "b"], probe) for probe in ("good", "good/", "good.mp4")],
        ),
    ],
)
def test_arguments(recorder, arguments, pairs):
    assert main(["compare", *arguments]) == 0
    assert recorder.calls == pairs


def test_a_template_is_written_as_in_a_table(recorder, capsys):
    main(["compare", "--reference", "a.jpg", "b.jpg", "--probe", "good", "--json"])
    assert json.loads(capsys.readouterr().out)["reference"] == "a.jpg | b.jpg"


def test_a_table_with_templates(recorder, tmp_path):
    table = write_table(tmp_path / "t.csv", [("a|b", "good"), ("c", "good|good2")])
    assert main(["compare", "--csv", table]) == 0
    names = [str(tmp_path / name) for name in ("a", "b", "good", "c", "good2")]
    first, second, good, third, good2 = names
    assert recorder.calls == [([first, second], good), (third, [good, good2])]


def test_what_is_passed_on(recorder):
    assert main(["compare", "a", "good"]) == 0
    assert main(["compare", "a", "good", "--frames", "5", "--abstain", "0.2"]) == 0
    assert main(["compare", "a", "good", "--abstain", "0"]) == 0
    assert recorder.options == [{}, {"n_frames": 5, "abstain": 0.2}, {"abstain": 0.0}]


@pytest.mark.parametrize("text", ["1", "-0.1", "2", "x", "nan", ""])
def test_wrong_bands_are_refused(text, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["compare", "a", "b", f"--abstain={text}"])
    assert stop.value.code == 2
    assert "--abstain" in error_of(capsys)


@pytest.fixture
def clip(tmp_path):
    pytest.importorskip("av", reason="videos need the extra video")
    from test_videos import flat, write_clip

    return str(write_clip(tmp_path / "good.mp4", [flat(100)] * 2))


def test_one_video_is_judged_by_itself(recorder, clip, capsys):
    assert main(["compare", clip, "--json"]) == 0
    assert recorder.calls == [("", clip)]
    assert recorder.modes == ["same-video"]
    out, err = capsys.readouterr()
    assert json.loads(out)["reference"] is None
    assert "without a reference" in err


def test_two_videos_are_a_reference_and_a_probe(recorder, clip):
    assert main(["compare", clip, clip]) == 0
    assert recorder.calls == [(clip, clip)]
    assert recorder.modes == ["reference"]


@pytest.mark.parametrize("arguments", [["good", "fake"], ["--probe", "good", "fake"]])
def test_clips_are_judged_by_themselves_where_that_is_asked_for(recorder, arguments, capsys):
    assert main(["compare", "--mode", "same-video", *arguments]) == 1
    assert recorder.calls == [("", "good"), ("", "fake")]
    assert recorder.modes == ["same-video"]
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["reference", "-", "-"]
    assert "suspicious means: not like frames of genuine videos" in err


def test_a_table_of_clips_has_no_references(recorder, tmp_path, capsys):
    table = write_table(tmp_path / "t.csv", [("", "good"), ("", "good2")])
    assert main(["compare", "--csv", table, "--mode", "same-video"]) == 0
    assert recorder.calls == [("", str(tmp_path / name)) for name in ("good", "good2")]
    assert recorder.modes == ["same-video"]
    capsys.readouterr()
    mixed = write_table(tmp_path / "m.csv", [("", "good"), ("a", "good2")])
    assert main(["compare", "--csv", mixed, "--mode", "same-video"]) == 2
    output = error_of(capsys)
    assert "line 3" in output
    assert "'a'" in output
    assert len(recorder.modes) == 1


def test_an_empty_reference_without_the_mode_is_judged_in_reference_mode(recorder, tmp_path):
    table = write_table(tmp_path / "t.csv", [("", "good")])
    main(["compare", "--csv", table])
    assert recorder.modes == ["reference"]


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["--reference", "a", "--probe", "b"], "--reference: there is none in same-video mode"),
        ([], "give at least one VIDEO"),
    ],
)
def test_what_same_video_mode_refuses(recorder, arguments, output, capsys):
    assert main(["compare", "--mode", "same-video", *arguments]) == 2
    assert output in error_of(capsys)
    assert recorder.calls == []


def test_one_photograph_is_not_judged_by_itself(recorder, tmp_path, capsys):
    Image.fromarray(astronaut()).save(tmp_path / "a.png")
    assert main(["compare", str(tmp_path / "a.png")]) == 2
    assert "there is one photograph only" in error_of(capsys)
    assert recorder.calls == []


def test_the_number_of_frames_in_the_help_is_that_of_verify(capsys):
    from sklearn_diffake.verdict._inputs import N_FRAMES

    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"frames that are looked at of a video, evenly spaced (default: {N_FRAMES})" in text


def test_the_help_says_what_suspicious_means(capsys):
    from sklearn_diffake.verdict._evidence import SUSPICIOUS_MEANS

    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    assert SUSPICIOUS_MEANS["reference"] in capsys.readouterr().out


def test_notes_on_one_verdict(recorder, capsys):
    assert main(["compare", "a", "fake"]) == 1
    assert capsys.readouterr().err.splitlines()[1:] == ["suspicious: fake: it is suspicious"]
    assert main(["compare", "a", "fake", "good"]) == 1
    (line,) = capsys.readouterr().err.splitlines()[1:]
    assert line.startswith("suspicious means: ")
    assert line.endswith("altered, or somebody else")
    assert main(["compare", "a", "unsure", "good"]) == 5
    assert "suspicious" not in capsys.readouterr().err


def test_what_is_known_of_the_model(recorder, monkeypatch, capsys):
    rates = (
        ErrorRate("other people", 1, 1, "apcer", 0.25, 0.2, 0.305, 1234),
        ErrorRate("other people", 3, 1, "apcer", 0.1, 0.0, 0.2, 99),
    )
    model = ModelInfo("m.diffake", "ab" * 32, (), 0.05, 1500, rates)
    verdict = Verdict(
        "genuine", "it is good", score=1.0, p_value=0.5, level=0.05, category=(1, 1), model=model
    )
    monkeypatch.setattr(recorder, "judge", lambda reference, probe: verdict)
    main(["compare", "a", "b", "c"])
    assert capsys.readouterr().err.splitlines()[1:] == [
        "note: the threshold of model m.diffake (abababababab) was set on 1,500 genuine pairs or "
        "persons, to reject 5.0% of them",
        "note: measured on other people, one photograph against one: APCER 25.0% (95 %: 20.0% to "
        "30.5%, 1,234 pairs)",
    ]


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        ((1, 1), "one photograph against one"),
        ((2, 1), "one photograph against one"),
        ((3, 1), "one photograph against 3 references"),
        ((5, 2), "2 photographs of one probe against 3 references"),
    ],
)
def test_error_rates_are_those_for_the_number_of_images(
    recorder, monkeypatch, capsys, category, kind
):
    measured = ((1, 1), (3, 1), (3, 2), (8, 1))
    rates = tuple(ErrorRate("other people", k, m, "eer", 0.1, 0.0, 0.2, 99) for k, m in measured)
    model = ModelInfo("m.diffake", "ab" * 32, (), 0.05, 1500, rates)
    verdict = Verdict("genuine", "good", score=1.0, category=category, model=model)
    monkeypatch.setattr(recorder, "judge", lambda reference, probe: verdict)
    main(["compare", "a", "b"])
    lines = capsys.readouterr().err.splitlines()
    (note,) = [line for line in lines if line.startswith("note: measured")]
    assert (
        note == f"note: measured on other people, {kind}: EER 10.0% (95 %: 0.0% to 20.0%, 99 pairs)"
    )


def test_warnings_of_many_pairs_are_counted(recorder, monkeypatch, capsys):
    from named_verdicts import verdict_of

    def judge(reference, probe):
        verdict = verdict_of(probe)
        verdict.warnings = (VerdictWarning("small_face", f"the face in {probe} is small"),)
        return verdict

    monkeypatch.setattr(recorder, "judge", judge)
    main(["compare", "a", "good1", "good2", "good3"])
    assert "warning: small_face: the face in good1 is small (so in 3 pairs)\n" in (
        capsys.readouterr().err
    )
    main(["compare", "a", "good1", "-q"])
    assert capsys.readouterr().err == ""


def test_rows_are_written_while_the_work_goes_on(recorder, monkeypatch, capsys):
    from named_verdicts import verdict_of

    output = []

    def judge(reference, probe):
        output.append(capsys.readouterr().out)
        return verdict_of(probe)

    monkeypatch.setattr(recorder, "judge", judge)
    main(["compare", "a", "good1", "good2", "--json"])
    assert output[0] == ""
    assert json.loads(output[1])["probe"] == "good1"
    main(["compare", "a", "good1", "good2"])
    assert output[3].splitlines()[1].split()[:2] == ["a", "good1"]


def test_an_empty_cell_costs_its_own_row_only(tmp_path, capsys):
    for name, picture in (("a.png", astronaut()), ("b.png", astronaut()[:, ::-1])):
        Image.fromarray(picture).save(tmp_path / name)
    table = write_table(tmp_path / "t.csv", [("a.png", ""), ("a.png", "b.png")])
    assert main(["compare", "--csv", table, "--json"]) == 2
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["outcome"] == "error" for row in rows] == [True, False]
    assert "empty" in rows[0]["reason"]
