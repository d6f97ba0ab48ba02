"""Table, JSON, files, report and `Verdict` of one call agree in every number."""

import csv
import html
import json

import numpy as np
import pytest
from cli_helpers import TINY
from PIL import Image

from sklearn_diffake import persistence, verify
from sklearn_diffake.cli import main
from sklearn_diffake.cli._pairs import Pair
from sklearn_diffake.cli._verdict_rows import flat_row
from sklearn_diffake.utils._json import json_text
from sklearn_diffake.utils._numbers import significant

SIDES = {
    "photo": (["000.png"], "001.png"),
    "another photo": (["000.png"], "red.png"),
    "template": (["000.png", "002.png", "003.png"], "001.png"),
    "clip": (["000.png", "002.png"], "clip.mp4"),
    "error": (["000.png"], "broken.png"),
}


@pytest.fixture(scope="module")
def pictures(folder, tmp_path_factory):
    """The photographs, and a clip of six of them that ends in red."""
    pytest.importorskip("av", reason="videos need the extra video")
    from test_videos import write_clip

    frames = [np.asarray(Image.open(folder / f"{i:03}.png")) for i in range(6)]
    frames += [np.asarray(Image.open(folder / "red.png"))] * 3
    write_clip(folder / "clip.mp4", [frame.repeat(4, 0).repeat(4, 1) for frame in frames])
    return folder


@pytest.fixture(params=SIDES)
def case(request, pictures):
    names, probe = SIDES[request.param]
    references = [str(pictures / name) for name in names]
    probe = str(pictures / probe)
    model = persistence.load(pictures / "model", trusted=[TINY]).set_params(embed__device="cpu")
    verdict = verify(references, probe, model=model)
    arguments = ["score", str(pictures / "model"), "--reference", *references, "--probe", probe]
    pair = Pair(" | ".join(references), probe, (tuple(references), probe))
    return pair, verdict, [*arguments, "--trust", TINY, "--device", "cpu", "-q"]


def without_name(fields):
    """The command line knows the name of the file of a model, Python need not."""
    return {key: value for key, value in fields.items() if key != "name"}


def test_json_has_the_fields_of_the_verdict(case, capsys):
    _, verdict, arguments = case
    main([*arguments, "--json"])
    row = json.loads(capsys.readouterr().out)
    expected = json.loads(json_text(verdict.to_dict()))
    assert without_name(row.pop("model")) == without_name(expected.pop("model"))
    assert {key: row[key] for key in expected} == expected
    assert set(row) - set(expected) == {"reference", "probe"}


def test_csv_has_the_fields_of_the_verdict(case, tmp_path, capsys):
    pair, verdict, arguments = case
    main([*arguments, "--output", str(tmp_path / "s.csv")])
    with open(tmp_path / "s.csv", newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    expected = flat_row(pair, verdict) | {"model": "model"}
    assert row == {key: "" if value is None else str(value) for key, value in expected.items()}


def test_the_table_rounds_them(case, capsys):
    pair, verdict, arguments = case
    main(arguments)
    line = capsys.readouterr().out.splitlines()[1]
    first, *extra = pair.paths[0]
    displayed = f"{first} (+{len(extra)})  {pair.probe}" if extra else f"{first}  {pair.probe}"
    assert line.startswith(displayed)
    cells = line.removeprefix(displayed).split()
    if verdict.outcome == "error":
        assert cells[:4] == ["-", "-", "-", "error:"]
        assert line.endswith(verdict.reason)
        return
    numbers = [f"{number:#.4g}".rstrip(".") for number in (verdict.score, verdict.threshold)]
    assert cells[:4] == [*numbers, f"{verdict.p_value:.3f}", verdict.outcome]
    if verdict.clip is not None:
        assert f"{100 * verdict.clip.fraction_below:.1f}% of frames suspicious" in line


def test_the_report_shows_them(case, tmp_path):
    _, verdict, arguments = case
    page = tmp_path / "why.html"
    main([*arguments, "--report", str(page)])
    text = html.unescape(page.read_text(encoding="utf-8"))
    assert verdict.reason in text
    numbers = [verdict.score, verdict.threshold, verdict.p_value, verdict.level]
    for number in (n for n in numbers if n is not None):
        assert significant(number) in text.replace("\N{MINUS SIGN}", "-"), number
    assert verdict.model.fingerprint in text
