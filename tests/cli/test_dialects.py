"""One table of pairs in eight dialects: the command line, benchmarks and Python agree."""

import io
import json
import sys
from types import SimpleNamespace

import pytest
from cli_helpers import TINY

from sklearn_diffake.benchmark._datasets import load_pairs as load_for_benchmark
from sklearn_diffake.benchmark._settings import DatasetSpec
from sklearn_diffake.cli import main
from sklearn_diffake.pairs import load_pairs

PLAIN = (
    "id,reference,probe,label,person\n"
    "k1,000.png,001.png,1,Ada\n"
    "k2,000.png,red.png,-1,Ada\n"
    "k3,002.png,003.png,1,Bo\n"
)
DIALECTS = {
    "plain": PLAIN.encode(),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "tabs": PLAIN.replace(",", "\t").replace("\n", "\r\n").encode(),
    "byte order mark": PLAIN.encode("utf-8-sig"),
    "UTF-16": PLAIN.replace(",", "\t").encode("utf-16"),
    "Excel's line": b"\xef\xbb\xbfsep=;\r\n" + PLAIN.replace(",", ";").encode(),
    "header and labels": PLAIN.replace("reference,probe", " Reference , PROBE ")
    .replace("label", "Label")
    .replace(",1,", ",1.0,")
    .replace(",-1,", ", -1.0 ,")
    .encode(),
    "quotes, another order and +1": (
        b'\n"probe","id","label","reference","person"\n"001.png","k1","+1","000.png","Ada"\n\n'
        b'"red.png","k2","-1","000.png","Ada"\n"003.png","k3","+1","002.png","Bo"\n'
    ),
}


def judged_row(folder, path, capsys):
    options = ["--json", "--quiet", "--trust", TINY, "--device", "cpu"]
    assert main(["score", str(folder / "model"), "--csv", path, *options]) == 1
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_all_readers_agree(folder, dialect, capsys):
    file = folder / f"dialect {list(DIALECTS).index(dialect)}.csv"
    file.write_bytes(DIALECTS[dialect])
    paths = [[str(folder / a), str(folder / b)] for a, b in
             (("000.png", "001.png"), ("000.png", "red.png"), ("002.png", "003.png"))]  # fmt: skip

    pairs = load_pairs(file)
    assert pairs.data.tolist() == paths
    assert pairs.target.tolist() == [1, -1, 1]
    assert pairs.groups.tolist() == ["Ada", "Ada", "Bo"]
    assert pairs.extra["id"].tolist() == ["k1", "k2", "k3"]

    table = load_for_benchmark(DatasetSpec("faces", "pairs", str(file), {}), seed=0)
    assert table.data.tolist() == paths
    assert table.target.tolist() == [1, -1, 1]
    assert table.columns["identity"].tolist() == ["Ada", "Ada", "Bo"]
    assert table.groups.tolist() == [["person:Ada"], ["person:Ada"], ["person:Bo"]]

    rows = judged_row(folder, str(file), capsys)
    (folder / "plain.csv").write_bytes(DIALECTS["plain"])
    assert rows == judged_row(folder, str(folder / "plain.csv"), capsys)
    assert [row["label"] for row in rows] == [1, -1, 1]
    assert [row["person"] for row in rows] == ["Ada", "Ada", "Bo"]
    assert [row["extra"] for row in rows] == [{"id": "k1"}, {"id": "k2"}, {"id": "k3"}]
    assert [row["outcome"] for row in rows] == ["genuine", "suspicious", "genuine"]


def test_a_table_may_come_through_a_pipe(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(DIALECTS["semicolons"])))
    assert [row["outcome"] for row in judged_row(folder, "-", capsys)] == [
        "genuine", "suspicious", "genuine",
    ]  # fmt: skip


def test_templates_are_judged(folder, capsys):
    table = folder / "templates.csv"
    table.write_text("reference,probe\n000.png|000.png,001.png\n000.png|002.png,001.png\n")
    options = ["--json", "--quiet", "--trust", TINY, "--device", "cpu"]
    main(["score", str(folder / "model"), "--csv", str(table), *options])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["reference"] for row in rows] == ["000.png|000.png", "000.png|002.png"]
    assert rows[0]["score"] != rows[1]["score"]
    pictures = [str(folder / name) for name in ("000.png", "001.png")]
    main(["score", str(folder / "model"), *pictures, *options])
    single = json.loads(capsys.readouterr().out)
    assert rows[0]["score"] == pytest.approx(single["score"], rel=1e-4)


def test_a_missing_file_of_a_template_is_named_by_its_line(folder, capsys):
    table = folder / "absent.csv"
    table.write_text("reference,probe\n000.png,001.png\n000.png|absent.png,001.png\n")
    assert main(["fit", str(table), "-o", str(folder / "new.diffake")]) == 2
    assert "line 3: no such file 'absent.png'" in capsys.readouterr().err


def test_templates_are_refused_by_line_where_they_cannot_be_judged(folder):
    table = folder / "templates.csv"
    table.write_text("reference,probe\n000.png,001.png\n000.png|002.png,001.png\n")
    with pytest.raises(ValueError, match="line 3: templates of several pictures"):
        load_for_benchmark(DatasetSpec("faces", "pairs", str(table), {}), seed=0)
