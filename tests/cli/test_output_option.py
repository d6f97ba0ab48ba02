"""``--output``: verdicts as CSV, Parquet and lines of JSON."""

import csv
import json
import os
import sys

import pytest
from cli_helpers import error_of, write_table
from named_verdicts import verdict_of

from sklearn_diffake.cli import main
from sklearn_diffake.cli._outputs import check_output_option, open_output
from sklearn_diffake.cli._pairs import Pair
from sklearn_diffake.cli._verdict_rows import INPUT_COLUMNS, RESULT_COLUMNS, flat_row
from sklearn_diffake.verdict import ClipEvidence, ModelInfo, Verdict, VerdictWarning

HEADER = ("id", "reference", "probe", "label", "person", "score")
ROWS = [("7", "a", "good", 1, "Zoë", "x"), ("8", "a|b", "fake", -1, "", "y"),
        ("9", "a", "broken", "", "", "")]  # fmt: skip

VERDICT = Verdict(
    outcome="suspicious",
    reason="it is far below",
    score=0.1 + 0.2,
    threshold=-1e-300,
    p_value=1 / 3,
    level=0.05,
    n_references=3,
    n_probes=8,
    category=(3, 1),
    warnings=(VerdictWarning("blurred", "b"), VerdictWarning("same_file", "s")),
    clip=ClipEvidence(8, 0.25, (1.5, 2.5), None, 5, 0.5, None, "window"),
    model=ModelInfo("m.diffake", "ab" * 32),
)
FLAT = {
    "reference": "a", "probe": "c.mp4", "label": -1, "person": None, "id": "7", "input_score": "x",
    "outcome": "suspicious", "reason": "it is far below", "score": 0.1 + 0.2, "threshold": -1e-300,
    "p_value": 1 / 3, "level": 0.05, "n_references": 3, "n_probes": 8, "category_references": 3,
    "category_probes": 1, "warnings": "blurred;same_file", "clip_n_frames": 8,
    "clip_fraction_below": 0.25, "clip_n_windows": 5, "clip_p_value_whole": 0.5,
    "clip_p_value_worst_window": None, "clip_decided_by": "window",
    "clip_longest_interval_start": 1.5, "clip_longest_interval_end": 2.5,
    "clip_worst_window_start": None, "clip_worst_window_end": None, "mode": "reference",
    "model": "m.diffake", "model_fingerprint": "ab" * 32,
}  # fmt: skip


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "t.csv", ROWS, HEADER)


def test_a_flat_row():
    pair = Pair("a", "c.mp4", ("a", "c.mp4"), label=-1, extra={"id": "7", "score": "x"})
    row = flat_row(pair, VERDICT)
    assert row == FLAT
    for name, kind in (INPUT_COLUMNS | RESULT_COLUMNS).items():
        assert row[name] is None or type(row[name]) is kind, name


def test_csv(recorder, table, tmp_path):
    output = tmp_path / "scores.csv"
    assert main(["compare", "--csv", table, "-o", str(output), "-q"]) == 2
    with open(output, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["7", "8", "9"]
    assert [row["outcome"] for row in rows] == ["genuine", "suspicious", "error"]
    assert [row["score"] for row in rows] == ["1.0", "-1.0", ""]
    assert [row["input_score"] for row in rows] == ["x", "y", ""]
    assert [row["label"] for row in rows] == ["1", "-1", ""]
    assert [row["person"] for row in rows] == ["Zoë", "", ""]
    assert [row["reference"] for row in rows] == ["a", "a|b", "a"]


def test_numbers_come_back_from_csv_as_they_were(tmp_path):
    pair = Pair("a", "b", ("a", "b"))
    with open_output(str(tmp_path / "s.csv"), []) as write:
        write(pair, VERDICT)
    with open(tmp_path / "s.csv", newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert float(row["score"]) == VERDICT.score
    assert float(row["threshold"]) == VERDICT.threshold


def test_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    pair = Pair("a", "\udcff.mp4", ("a", "\udcff.mp4"), label=-1, extra={"id": "7", "score": "x"})
    with open_output(str(tmp_path / "s.parquet"), []) as write:
        write(pair, VERDICT)
        write(pair, Verdict("error", "no face"))
    table = parquet.read_table(tmp_path / "s.parquet")
    first, second = table.to_pylist()
    assert first == FLAT | {"probe": r"\udcff.mp4"}
    assert second["outcome"] == "error"
    assert second["score"] is second["clip_n_frames"] is second["clip_decided_by"] is None
    assert str(table.schema.field("p_value").type) == "double"
    assert str(table.schema.field("clip_n_windows").type) == "int64"


def test_parquet_needs_pyarrow(recorder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["compare", "a", "good", "--output", str(tmp_path / "s.parquet")]) == 2
    assert "pip install 'sklearn-diffake[parquet]'" in error_of(capsys)
    assert recorder.calls == []


def test_lines_of_json_are_those_of_standard_output(recorder, table, tmp_path, capsys):
    output = tmp_path / "s.jsonl"
    output.write_text("old")
    main(["compare", "--csv", table, "--output", str(output), "--json", "-q"])
    assert output.read_text() == capsys.readouterr().out
    first = json.loads(output.read_text().splitlines()[0])
    assert (first["label"], first["person"]) == (1, "Zoë")
    assert first["extra"] == {"id": "7", "score": "x"}


@pytest.mark.parametrize("name", ["s.jsonl", "s.csv", "s.parquet"])
def test_an_interrupt(recorder, monkeypatch, tmp_path, capsys, name):
    def judge(reference, probe):
        if probe == "stop":
            raise KeyboardInterrupt
        return verdict_of(probe)

    monkeypatch.setattr(recorder, "judge", judge)
    output = tmp_path / name
    verdicts = ["a", "good", "fake", "stop", "good"]
    assert main(["compare", *verdicts, "--json", "--output", str(output), "-q"]) == 130
    printed = capsys.readouterr()
    assert [json.loads(line)["probe"] for line in printed.out.splitlines()] == ["good", "fake"]
    assert "2 of 4 pairs were judged" in printed.err
    if name == "s.jsonl":
        assert output.read_text() == printed.out
    else:
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("s.xlsx", "--output must end in .csv, .parquet, .jsonl"),
        ("no-such-folder/s.csv", "there is no folder"),
    ],
)
def test_wrong_outputs_are_refused_before_the_work(recorder, capsys, name, expected):
    assert main(["compare", "a", "b", "--output", name]) == 2
    assert expected in error_of(capsys)
    assert recorder.calls == []


def test_no_input_is_replaced(recorder, table, tmp_path, capsys):
    assert main(["compare", "--csv", table, "--output", table]) == 2
    assert "it is the input" in error_of(capsys)
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "notes.csv").write_text("precious")
    verdicts = ["compare", "--reference", str(folder), "--probe", "good"]
    assert main([*verdicts, "--output", str(folder / "notes.csv")]) == 2
    assert "it is the input" in error_of(capsys)
    assert (folder / "notes.csv").read_text() == "precious"


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX modes")
@pytest.mark.parametrize("name", ["s.jsonl", "s.csv"])
def test_results_are_their_owners_alone(recorder, tmp_path, name):
    assert main(["compare", "a", "good", "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_no_output_is_no_error():
    check_output_option(None, [])
    with open_output(None, []) as write:
        write(Pair("a", "b", ("a", "b")), VERDICT)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that takes no file")
@pytest.mark.parametrize("option", ["--output", "--report"])
def test_an_output_that_cannot_be_made_is_found_before_the_work(recorder, capsys, option):
    name = f"/proc/x.{'csv' if option == '--output' else 'html'}"
    assert main(["compare", "a", "good", option, name]) == 2
    assert f"cannot write '{name}': no file can be made in '/proc'" in error_of(capsys)
    assert not recorder.calls
