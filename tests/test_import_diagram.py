"""The diagram of imports shows what is in the code, and every arrow runs downwards."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import networkx as nx
import pytest

import sklearn_diffake

pytest.importorskip("grimp")
pytest.importorskip("sphinx")
SVG = "{http://www.w3.org/2000/svg}"
ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(sklearn_diffake.__file__).parent


@pytest.fixture(scope="module")
def diagram():
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    try:
        import import_diagram
    finally:
        sys.path.pop(0)
    return import_diagram


@pytest.fixture(scope="module")
def svg(diagram):
    return ElementTree.fromstring(diagram.draw_svg(diagram.imports()))


def boxes_of(svg):
    """Return left, top, width and height of every part's box."""
    sides = [[float(rect.get(key)) for key in ("x", "y", "width", "height")]
             for rect in svg.iter(f"{SVG}rect")]  # fmt: skip
    names = [text.text for text in svg.iter(f"{SVG}text")]
    return dict(zip(names, sides, strict=True))


def test_imports_are_those_of_the_source(diagram):
    result = diagram.imports()
    for importer, imported in [("pairs", "base"), ("cli", "verdict"), ("faces", "utils")]:
        files = [PACKAGE / f"{importer}.py"]
        files += (PACKAGE / importer).glob("*.py")
        source = "\n".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
        assert re.search(rf"from (\.\.|sklearn_diffake\.){imported}\b", source)
        assert result[importer, imported] > 0
    assert result["utils", "base"] == result["novelty", "embedding"] == 0


def test_arrows_imply_all_imports_and_no_others(diagram):
    result = diagram.imports()
    sample, all_items = nx.DiGraph(diagram.arrows(result)), nx.DiGraph(result.keys())
    assert set(sample.edges) <= set(all_items.edges)
    assert nx.transitive_closure(sample).edges == nx.transitive_closure(all_items).edges
    assert len(sample.edges) < len(all_items.edges)


def test_every_part_has_a_box_inside_the_drawing_and_none_overlap(diagram, svg):
    boxes = boxes_of(svg)
    assert set(boxes) == {name for layer in diagram.layers() for name in layer}
    width, height = map(float, svg.get("viewBox").split()[2:])
    for name, (x, y, w, h) in boxes.items():
        assert min(x, y) >= 0, name
        assert (x + w <= width, y + h <= height) == (True, True), name
        for second, (x1, y1, w1, h1) in boxes.items():
            separate = x + w <= x1 or x1 + w1 <= x or y + h <= y1 or y1 + h1 <= y
            assert name == second or separate, (name, second)


def test_arrows_run_down_from_box_to_box(diagram, svg):
    boxes = boxes_of(svg)
    arrows = [path for path in svg.iter(f"{SVG}path") if path.get("class") == "arrow"]
    assert len(arrows) == len(diagram.arrows(diagram.imports()))
    for path in arrows:
        upper, lower = path.find(f"{SVG}title").text.split(" imports ")
        numbers = [float(number) for number in re.findall(r"-?\d+", path.get("d"))]
        heights = numbers[1::2]
        assert heights == sorted(heights)
        assert heights[0] == pytest.approx(sum(boxes[upper][1::2]), abs=1)
        assert heights[-1] == pytest.approx(boxes[lower][1], abs=2)


def test_the_drawing_has_words_and_calls_nobody(diagram, svg):
    assert svg.get("role") == "img"
    name_list = svg.get("aria-labelledby").split()
    arguments = {node.get("id"): node.text for node in svg if node.get("id")}
    assert all(arguments[name] for name in name_list)
    assert "persistence imports embedding, novelty" in arguments[name_list[1]]
    text = diagram.draw_svg(diagram.imports()).replace("http://www.w3.org/2000/svg", "")
    assert "http" not in text
    assert "href" not in text


def test_a_circle_is_named(diagram):
    with pytest.raises(ValueError, match=r"circle.*pairs"):
        diagram.arrows({("pairs", "base"): 1, ("base", "pairs"): 1})
