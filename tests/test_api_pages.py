"""Every page of the API leads to the guide, to the source and to related objects."""

import importlib.util
import inspect
import sys
from pathlib import Path

import pytest
from test_docstrings import DOCUMENTED

pytest.importorskip("sphinx")
DOCS = Path(__file__).resolve().parents[1] / "docs"
PARTS = {
    "link to the guide": '<p class="guide-link"><a href="guide.html">guide</a></p>',
    "link to the source": '<a href="guide.html"><span class="viewcode-link">[source]</span></a>',
    "See Also": '<div class="admonition seealso"></div>',
    "example in the docstring": '<div class="doctest"></div>',
}


def import_file(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def api_pages():
    return import_file(DOCS / "_ext" / "api_pages.py")


@pytest.fixture(scope="module")
def check_site():
    return import_file(DOCS / "check_site.py")


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_public_name_has_a_page_of_the_guide(name, api_pages):
    page = api_pages.guide_page(f"sklearn_diffake.{name}")
    assert (DOCS / f"{page}.rst").is_file()


def test_every_entry_is_of_something_that_exists(api_pages):
    import sklearn_diffake

    for name in api_pages.GUIDE_PAGES:
        part = sklearn_diffake
        for attribute in name.split("."):
            part = getattr(part, attribute, None) or sys.modules[f"sklearn_diffake.{name}"]


def test_a_name_without_a_page_is_an_error(api_pages, monkeypatch):
    monkeypatch.delitem(api_pages.GUIDE_PAGES, "metrics")
    with pytest.raises(KeyError, match=r"metrics\.apcer needs a page of the guide"):
        api_pages.guide_page("sklearn_diffake.metrics.apcer")


@pytest.mark.parametrize(
    ("package", "name"), [("embedding", "ForgeryEmbedder"), ("base", "LabelError")]
)
def test_the_source_of_a_class_that_names_another_module(api_pages, package, name):
    importlib.import_module(f"sklearn_diffake.{package}")
    module = api_pages.module_of_source(None, f"sklearn_diffake.{package}", name)
    assert f"class {name}" in inspect.getsource(sys.modules[module])


@pytest.mark.parametrize(
    ("package", "name"),
    [("embedding", "FaceEmbedder"), ("datasets", "Frames"), ("base", "any_labels")],
)
def test_the_source_of_others_is_in_their_module(api_pages, package, name):
    importlib.import_module(f"sklearn_diffake.{package}")
    assert api_pages.module_of_source(None, f"sklearn_diffake.{package}", name) is None


def site(folder, parts):
    (folder / "generated").mkdir()
    (folder / "generated" / "guide.html").write_text(" ".join(PARTS.values()))
    (folder / "generated" / "apcer.html").write_text(" ".join(PARTS[part] for part in parts))
    return folder


@pytest.mark.parametrize("part", PARTS)
def test_a_page_that_lacks_a_part_is_a_problem(part, check_site, tmp_path, capsys):
    folder = site(tmp_path, set(PARTS) - {part})
    assert check_site.main(folder)
    output = capsys.readouterr().out
    assert f"generated/apcer.html: no {part}\n" in output
    assert f"1 without {part}\n" in output


def test_complete_pages_are_no_problem(check_site, tmp_path, capsys):
    assert not check_site.main(site(tmp_path, PARTS))
    assert "2 pages, 0 problems\n2 pages of the API:\n  0 without" in capsys.readouterr().out


def test_a_site_without_the_api_is_a_problem(check_site, tmp_path):
    (tmp_path / "index.html").write_text("<p>Nothing</p>")
    assert check_site.main(tmp_path)
