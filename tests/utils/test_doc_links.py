"""In a notebook every estimator links to its own page of our documentation."""

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

import sklearn_diffake
from sklearn_diffake.utils._doc_links import DOCS_URL

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_link_leads_to_the_page_of_the_public_name(name):
    link = ESTIMATORS[name]()._get_doc_link()
    assert link == f"{DOCS_URL}/generated/{name}.html"
    assert name in api_pages()


def test_representations_hold_the_links():
    pipe = make_pipeline(sklearn_diffake.pairs.PairDifference(), PCA())
    html = pipe._repr_html_()
    assert f"{DOCS_URL}/generated/sklearn_diffake.pairs.PairDifference.html" in html
    assert not re.search(r"scikit-learn\.org[^\"]*PairDifference", html)
    assert "scikit-learn.org" in html  # of PCA and Pipeline


def test_the_page_of_a_pipeline_of_ours():
    html = sklearn_diffake.make_difffake_pipeline()._repr_html_()
    for name in ("faces.FaceAligner", "embedding.FaceEmbedder", "novelty.ConformalDetector"):
        assert f"{DOCS_URL}/generated/sklearn_diffake.{name}.html" in html


def test_a_subclass_elsewhere_links_nowhere():
    class Derived(sklearn_diffake.pairs.PairDifference):
        pass

    assert Derived()._get_doc_link() == ""


def test_the_project_names_the_same_address():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["urls"]["Documentation"] == f"{DOCS_URL}/"
