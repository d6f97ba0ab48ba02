"""Configuration of the documentation; it builds without a network."""

import sys
import tomllib
from pathlib import Path

import sklearn_diffake

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
import project_links
import site_fixes

project = "sklearn-diffake"
author = "the sklearn-diffake developers"
copyright = f"2026, {author}"
version = release = sklearn_diffake.__version__

extensions = [
    "api_pages",
    "citation",
    "import_diagram",
    "project_links",
    "result_tables",
    "site_fixes",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinx_reredirects",
]
# Of docs/generated, only the pages of the API are pages; the tables are included by others.
exclude_patterns = ["_build", "generated/[!s]*.rst", "generated/s[!k]*.rst"]
templates_path = ["_templates"]
default_role = "literal"

autosummary_generate = True
autodoc_typehints = "none"  # types and shapes stand in the docstrings
numpydoc_show_class_members = False  # docs/_templates/class.rst lists them
numpydoc_xref_param_type = False

with (Path(__file__).parent / "inventories" / "objects.toml").open("rb") as file:
    projects = tomllib.load(file)
intersphinx_mapping = {  # the inventories are part of the sources: no network is needed
    name: (project["address"], f"inventories/{name}.inv") for name, project in projects.items()
}
del file, projects

html_theme = "pydata_sphinx_theme"
html_title = "sklearn-diffake"
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "collapse_navigation": True,  # the buttons that open a branch have no name to be read out
    "header_links_before_dropdown": 4,
    "secondary_sidebar_items": {
        "**": ["page-toc"],
        "guide/detectors": [],
    },
    "show_prev_next": True,
} | project_links.theme_options(project_links.read_urls())
RESULT_PAGES = ("detection_quality", "performance", "reliability", "running_benchmarks")
PAGES_ALONE = (
    *("index", "changelog", "citing", "coming_from", "contributing", "glossary"),
    "guide/detectors",
)
# The sidebar of an example would repeat the gallery, with buttons that have no name.
html_sidebars = {page: [] for page in (*PAGES_ALONE, *RESULT_PAGES, "auto_examples/*/*")}
redirects = {  # addresses of 0.1.0
    "benchmark": "running_benchmarks.html",
    "benchmarks": "performance.html",
    "proof": "reliability.html",
    "quality": "detection_quality.html",
    "results": "detection_quality.html",
    "guide/heads": "detectors.html",
} | site_fixes.example_redirects()
copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_\w+\.py$",
    "subsection_order": [f"../examples/{section}" for section in site_fixes.SECTIONS],
    "within_subsection_order": "site_fixes.gallery_order",
    "parallel": 2,
    "doc_module": ("sklearn_diffake",),
    "backreferences_dir": "generated/backreferences",
    "inspect_global_variables": False,
    "download_all_examples": False,
    "min_reported_time": 0,
    "plot_gallery": "True",
    "abort_on_example_error": False,
    "show_memory": False,
    "write_computation_times": False,
    "capture_repr": ("_repr_html_",),
    "remove_config_comments": True,
    "first_notebook_cell": project_links.first_notebook_cell(project_links.read_urls(), release),
}


def is_from_sklearn(app, kind, name, obj, skip, options):
    """Leave out the members that every scikit-learn estimator has."""
    return str(getattr(obj, "__module__", "")).startswith("sklearn.") or None


def setup(app):
    """Called by Sphinx."""
    app.connect("autodoc-skip-member", is_from_sklearn)
