"""In a notebook every estimator links to its own page of our documentation."""

import email.message
import importlib
import inspect
import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

import sklearn_diffake
from sklearn_diffake.utils import _doc_links

ROOT = Path(__file__).resolve().parents[2]
DOCS_URL = "https://docs.example.org/en/stable"


@pytest.fixture
def published(monkeypatch):
    """Documentation that is published; it is not wherever the address is not set."""
    monkeypatch.setattr(_doc_links, "docs_url", lambda: DOCS_URL)


def public_estimators():
    for package in ("embedding", "faces", "generation", "novelty", "pairs"):
        module = importlib.import_module(f"sklearn_diffake.{package}")
        for name in module.__all__:
            kind = getattr(module, name)
            if inspect.isclass(kind) and issubclass(kind, BaseEstimator):
                yield f"sklearn_diffake.{package}.{name}", kind


ESTIMATORS = dict(public_estimators())


def api_pages():
    """The pages that autosummary makes of the API reference."""
    names = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    assert ".. currentmodule:: sklearn_diffake\n" in names
    return {f"sklearn_diffake.{name}" for name in re.findall(r"^   ([\w.]+)$", names, re.M)}


def test_the_list_is_not_empty():
    assert len(ESTIMATORS) >= 13


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_link_leads_to_the_page_of_the_public_name(name):
    link = ESTIMATORS[name]()._get_doc_link()
    assert link == f"{DOCS_URL}/generated/{name}.html"
    assert name in api_pages()


@pytest.mark.usefixtures("published")
def test_representations_hold_the_links():
    pipe = make_pipeline(sklearn_diffake.pairs.PairDifference(), PCA())
    html = pipe._repr_html_()
    assert f"{DOCS_URL}/generated/sklearn_diffake.pairs.PairDifference.html" in html
    assert not re.search(r"scikit-learn\.org[^\"]*PairDifference", html)
    assert "scikit-learn.org" in html  # of PCA and Pipeline


@pytest.mark.usefixtures("published")
def test_the_page_of_a_pipeline_of_ours():
    html = sklearn_diffake.make_difffake_pipeline()._repr_html_()
    for name in ("faces.FaceAligner", "embedding.FaceEmbedder", "novelty.ConformalDetector"):
        assert f"{DOCS_URL}/generated/sklearn_diffake.{name}.html" in html


@pytest.mark.usefixtures("published")
def test_a_subclass_elsewhere_links_nowhere():
    class Derived(sklearn_diffake.pairs.PairDifference):
        pass

    assert Derived()._get_doc_link() == ""


@pytest.mark.parametrize("name", ESTIMATORS)
def test_documentation_that_is_not_published_gives_no_link(name, monkeypatch):
    monkeypatch.setattr(_doc_links, "docs_url", lambda: "")
    estimator = ESTIMATORS[name]()
    assert estimator._get_doc_link() == ""
    assert "href=" not in estimator._repr_html_().partition("</style>")[2]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (
            ["Issues, https://a.org/issues", "Documentation, https://a.org/docs/"],
            "https://a.org/docs",
        ),
        (["Issues, https://a.org/issues"], ""),
        (None, ""),
    ],
)
def test_the_address_is_that_of_the_installed_package(entries, expected, monkeypatch):
    package = email.message.Message()
    for entry in entries or ():
        package["Project-URL"] = entry
    monkeypatch.setattr(_doc_links, "metadata", lambda name: package)
    assert _doc_links.docs_url.__wrapped__() == expected


def test_sources_that_are_not_installed_link_nowhere(monkeypatch):
    def fail(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(_doc_links, "metadata", fail)
    assert _doc_links.docs_url.__wrapped__() == ""
