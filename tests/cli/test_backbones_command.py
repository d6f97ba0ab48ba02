"""The command that lists the networks, and what else is made from their registry."""

import json

import pytest

from sklearn_diffake.cli import main
from sklearn_diffake.embedding.backbones import entries, names


def test_every_network_is_a_row(capsys):
    assert main(["backbones"]) == 0
    table, sources = capsys.readouterr().out.split("\n\n")
    header, *rows = table.splitlines()
    assert [row.split()[0] for row in rows] == names()
    for entry, row, source in zip(entries(), rows, sources.splitlines(), strict=True):
        assert source.startswith(f"{entry.name}: {entry.weights}")
        assert source.endswith(f"License: {entry.license}")
        assert row.endswith("yes" if entry.offline else "no")
        for rate in entry.eer.values():
            assert f" {100 * rate:.1f} " in row
        assert len(row) <= len(header) + 2


def test_json_holds_all_that_is_known(capsys):
    assert main(["backbones", "--json"]) == 0
    listing = json.loads(capsys.readouterr().out)
    assert listing == [entry.describe() for entry in entries()]


def test_the_help_of_fit_names_them_all(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    text = capsys.readouterr().out
    for name in names():
        assert name in text


def test_a_name_that_is_slightly_wrong_is_answered_with_the_right_one(tmp_path, capsys):
    (tmp_path / "pairs.csv").write_text("reference,probe\na.png,b.png\n")
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").touch()
    command = ["fit", str(tmp_path / "pairs.csv"), "-o", str(tmp_path / "m"), "--backbone"]
    assert main([*command, "dlib_resnet"]) == 2
    assert "did you mean 'dlib-resnet'?" in capsys.readouterr().err
