"""Addresses of the project: set in one place, and nowhere a dead link while they are not set."""

import importlib.util
import json
import re
import tomllib
from pathlib import Path

import pytest

import sklearn_diffake

pytest.importorskip("sphinx")
pytest.importorskip("yaml")
ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"].get("urls", {})
EXAMPLE = {
    "Documentation": "https://docs.example.org/en/stable/",
    "Repository": "https://github.com/someone/sklearn-diffake",
    "Issues": "https://github.com/someone/sklearn-diffake/issues",
}
OWN_ADDRESS = re.compile(r"https?://[^\s<>\"'`)\]]*sklearn[-_]diffake[^\s<>\"'`)\]]*")
TEXTS = [
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CITATION.cff")),
    *(path for suffix in ("rst", "md") for path in DOCS.glob(f"*.{suffix}")),
    *(DOCS / "guide").glob("*.rst"),
    *(DOCS / "tutorials").glob("*.rst"),
    *(path for pattern in ("*.py", "*.html") for path in (ROOT / "sklearn_diffake").rglob(pattern)),
    *(ROOT / "examples").rglob("*.py"),
    *(ROOT / ".github").rglob("*.yml"),
    *(ROOT / ".github").rglob("*.md"),
]


def load_extension(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LINKS = load_extension("project_links")


def test_only_known_labels_are_set():
    assert set(URLS) <= set(EXAMPLE)
    assert all(address.startswith("https://") for address in URLS.values())
    assert not {"OWNER", "HOST"} & {part for url in URLS.values() for part in url.split("/")}
    assert URLS.get("Documentation", "/").endswith("/")
    assert URLS.get("Issues", "").startswith(URLS.get("Repository", ""))


def test_no_file_names_an_address_that_is_not_set():
    assert len(TEXTS) > 100
    for path in TEXTS:
        for address in OWN_ADDRESS.findall(path.read_text("utf-8")):
            is_set = any(address.startswith(url.rstrip("/")) for url in URLS.values())
            assert is_set, f"{path.relative_to(ROOT)}: {address}"


@pytest.mark.parametrize(
    ("name", "label", "form"),
    [
        ("README.md", "Documentation", "{}"),
        ("README.md", "Repository", "{}"),
        ("SECURITY.md", "Repository", "{}/security/advisories/new"),
        ("CITATION.cff", "Repository", "\nrepository-code: {}\n"),
        ("CITATION.cff", "Documentation", "\nurl: {}\n"),
    ],
)
def test_files_name_the_addresses_that_are_set(name, label, form):
    if label not in URLS:
        pytest.skip(f"{label} is not set in pyproject.toml")
    assert form.format(URLS[label]) in (ROOT / name).read_text("utf-8")


def test_without_addresses_there_is_no_link():
    assert LINKS.theme_options({}) == {}
    assert LINKS.colab_url({}, "0.1.0", "pipelines/plot_saving") is None
    assert LINKS.first_notebook_cell({}, "0.1.0") is None


def test_addresses_turn_on_the_links():
    options = LINKS.theme_options(EXAMPLE)
    assert [icon["url"] for icon in options["icon_links"]] == [EXAMPLE["Repository"]]
    assert [link["url"] for link in options["external_links"]] == [EXAMPLE["Issues"]]
    assert options["switcher"]["json_url"] == f"{EXAMPLE['Documentation']}_static/switcher.json"
    assert "version-switcher" in options["navbar_start"]


@pytest.mark.parametrize(("version", "reference"), [("0.2.0", "v0.2.0"), ("0.2.0.dev0", "main")])
def test_a_notebook_is_that_of_the_version(version, reference):
    url = LINKS.colab_url(EXAMPLE, version, "pipelines/plot_saving")
    assert url == (
        "https://colab.research.google.com/github/someone/sklearn-diffake/blob/notebooks/"
        f"{reference}/pipelines/plot_saving.ipynb"
    )
    cell = LINKS.first_notebook_cell(EXAMPLE, version)
    assert cell.startswith("%pip install ")
    assert f"@ git+https://github.com/someone/sklearn-diffake@{reference}" in cell


@pytest.mark.parametrize("repository", ["https://gitlab.com/someone/sklearn-diffake", ""])
def test_colab_opens_notebooks_of_github_only(repository):
    assert LINKS.colab_url({"Repository": repository}, "0.2.0", "pipelines/plot_saving") is None


def test_notebooks_install_what_the_examples_import():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    assert set(LINKS.NOTEBOOK_EXTRAS) <= set(extras)
    names = {"av": "av", "distributed": "dask", "matplotlib": "matplotlib", "onnx": "onnx"}
    names |= {"pandas": "pandas", "pyod": "pyod", "skimage": "scikit-image"}
    requirements = [*LINKS.NOTEBOOK_REQUIREMENTS]
    requirements += [line for extra in LINKS.NOTEBOOK_EXTRAS for line in extras[extra]]
    for path in (ROOT / "examples").rglob("plot_*.py"):
        imports = re.findall(r"^(?:import|from) (\w+)", path.read_text("utf-8"), re.M)
        for name in names.keys() & set(imports):
            assert any(line.startswith(names[name]) for line in requirements), (path.name, name)


def test_examples_that_need_files_are_not_offered():
    for path in (ROOT / "examples").rglob("plot_*.py"):
        reads_files = "__file__" in path.read_text("utf-8")
        assert reads_files == (path.stem in LINKS.NEEDS_FILES), path.name
        example = f"{path.parent.name}/{path.stem}"
        assert (LINKS.colab_url(EXAMPLE, "0.2.0", example) is None) == reads_files


def page_of(docname, text, monkeypatch, urls):
    class App:
        class config:
            release = "0.2.0"

    monkeypatch.setattr(LINKS, "read_urls", lambda: urls)
    source = [text]
    LINKS.link_to_colab(App, docname, source)
    return source[0]


def test_the_page_of_an_example_links_to_colab_if_there_is_a_repository(monkeypatch):
    text = f"Go to the end {LINKS.DOWNLOAD}"
    docname = "auto_examples/pipelines/plot_saving"
    page = page_of(docname, text, monkeypatch, EXAMPLE)
    assert f"<{LINKS.colab_url(EXAMPLE, '0.2.0', 'pipelines/plot_saving')}>" in page
    assert page_of(docname, text, monkeypatch, {}) == text
    assert page_of("guide/saving", text, monkeypatch, EXAMPLE) == text


def test_the_words_that_the_link_replaces_are_those_of_sphinx_gallery():
    gen_rst = pytest.importorskip("sphinx_gallery.gen_rst")
    words = re.sub(r"\s+", " ", Path(gen_rst.__file__).read_text("utf-8"))
    assert LINKS.DOWNLOAD.removesuffix(".") in words


VERSIONS = json.loads((DOCS / "switcher.json").read_text("utf-8"))


def test_the_switcher_lists_the_released_versions():
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = [f"v{version}" for version in re.findall(r"^## \[(\d[^]]*)\]", changelog, re.M)]
    assert [entry["version"] for entry in VERSIONS] == ["latest", *released]
    preferred = [entry["version"] for entry in VERSIONS if entry.get("preferred")]
    assert preferred == released[:1]


def test_versions_get_the_address_of_the_documentation():
    entries = LINKS.switcher_entries(EXAMPLE["Documentation"], VERSIONS)
    assert entries[0]["url"] == "https://docs.example.org/en/latest/"
    versions = [entry["version"] for entry in VERSIONS]
    assert [entry["url"] for entry in entries[1:]] == [
        f"https://docs.example.org/en/{version}/" for version in versions[1:]
    ]


CITATION = load_extension("citation")


def test_the_entry_of_the_package():
    text = CITATION.software_entry(CITATION.read_citation())
    assert f"version = {{{sklearn_diffake.__version__}}}" in text
    assert text.startswith("@software{sklearn_diffake,")
    assert ("url = " in text) == ("Repository" in URLS)


@pytest.mark.parametrize(
    ("arxiv", "key", "authors"),
    [
        ("2502.16247", "stamnas2025", "Stamnas, Sotirios and Sanchez, Victor"),
        ("2110.03464", "ibsen2021", "Ibsen, Mathias and "),
    ],
)
def test_the_entries_of_the_papers(arxiv, key, authors):
    text = CITATION.paper_entry(CITATION.read_citation(), arxiv)
    assert text.startswith(f"@inproceedings{{{key},")
    assert f"author = {{{authors}" in text
    assert f"eprint = {{{arxiv}}}" in text


def test_a_paper_that_is_not_in_the_file():
    with pytest.raises(KeyError, match="1234"):
        CITATION.paper_entry(CITATION.read_citation(), "1234.5678")


def test_the_date_of_the_citation_is_that_of_the_changelog():
    citation = CITATION.read_citation()
    line = f"## [{citation['version']}] - {citation['date-released']}"
    assert line in (ROOT / "CHANGELOG.md").read_text("utf-8")
