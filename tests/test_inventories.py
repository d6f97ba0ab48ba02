"""Links to other projects: inventories are those of the list, which names what exists."""

import importlib.util
import inspect
import pkgutil
import re
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "inventories"


def import_make():
    spec = importlib.util.spec_from_file_location("make_inventories", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKE = import_make()
PROJECTS = MAKE.read_projects()
OBJECTS = [
    (project, *entry) for project in PROJECTS for entry in MAKE.objects_of(PROJECTS[project])
]


def test_there_is_an_inventory_for_every_project_and_no_other():
    assert {path.stem for path in FOLDER.glob("*.inv")} == set(PROJECTS)


@pytest.mark.parametrize("name", PROJECTS)
def test_an_inventory_holds_the_objects_of_the_list(name):
    content = (FOLDER / f"{name}.inv").read_bytes()
    expected = MAKE.inventory(name, PROJECTS[name])
    header = 4  # lines, before the compressed ones
    assert content.split(b"\n", header)[:header] == expected.split(b"\n", header)[:header]
    assert zlib.decompress(content.split(b"\n", header)[header]) == zlib.decompress(
        expected.split(b"\n", header)[header]
    )


@pytest.mark.parametrize(("project", "kind", "name", "page"), OBJECTS, ids=lambda value: str(value))
def test_an_object_exists_and_is_of_its_kind(project, kind, name, page):
    if project != "python":
        pytest.importorskip(project)
    item = pkgutil.resolve_name(name)
    assert inspect.isclass(item) == (kind == "class"), name
    assert callable(item) or kind == "data", name


@pytest.mark.parametrize("name", PROJECTS)
def test_addresses_are_whole(name):
    address = PROJECTS[name]["address"]
    assert address.startswith("https://")
    assert address.endswith("/")
    pages = [page for project, _, _, page in OBJECTS if project == name]
    assert pages
    assert all(page.endswith(".html") and "{" not in page for page in pages)


def test_sphinx_reads_them():
    inventories = pytest.importorskip("sphinx.util.inventory")
    for name, project in PROJECTS.items():
        with (FOLDER / f"{name}.inv").open("rb") as file:
            entries = inventories.InventoryFile.load(file, project["address"], lambda a, b: a + b)
        for kind, item, page in MAKE.objects_of(project):
            entry = entries[f"py:{kind}"][item]
            address = entry.uri if hasattr(entry, "uri") else entry[2]  # a tuple before Sphinx 8.2
            assert address == f"{project['address']}{page}#{item}"


def references(text):
    """Names of other projects that a text refers to by a role or in a See Also section."""
    names = re.findall(r":(?:class|data|exc|func|meth|obj):`~?([\w.]+)`", text)
    names += re.findall(r"^    ([\w.]+) : [A-Z]", text, re.M)
    return {name for name in names if name.partition(".")[0] in PROJECTS and "." in name}


def test_references_of_a_text():
    text = "See :class:`~numpy.ndarray`, :func:`load`.\n\n    torch.save : Saves.\n    numpy : It."
    assert references(text) == {"numpy.ndarray", "torch.save"}


def test_every_reference_is_in_the_list():
    files = [*(ROOT / "sklearn_diffake").rglob("*.py"), *(ROOT / "docs").glob("*.rst")]
    files += [
        *(ROOT / "docs" / "guide").glob("*.rst"),
        *(ROOT / "docs" / "tutorials").glob("*.rst"),
    ]
    names = {name for file in files for name in references(file.read_text("utf-8"))}
    assert len(names) > 20
    missing = names - {name for _, _, name, _ in OBJECTS}
    assert not missing, "add them to docs/inventories/objects.toml and run docs/inventories/make.py"
