"""Links to the project's repository and published documentation, and to its notebooks in Colab.

The addresses stand in ``[project.urls]`` of ``pyproject.toml`` alone. An address that is not set
gives no link.
"""

import json
import os
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")
#: What the notebooks need beside torch, which Colab has.
NOTEBOOK_EXTRAS = ("dask", "export", "generation", "plots", "pyod", "video")
NOTEBOOK_REQUIREMENTS = ("scikit-image",)
NEEDS_FILES = ("plot_paper",)  # examples that read other files of the sources: not for Colab
DOWNLOAD = "to download the full example code."  # the words of sphinx-gallery


def read_urls(path=ROOT / "pyproject.toml"):
    """Return the addresses of the project by their labels."""
    return tomllib.loads(path.read_text("utf-8"))["project"].get("urls", {})


def theme_options(urls):
    """Return the options of the theme for the addresses that are set."""
    options = {}
    if repository := urls.get("Repository"):
        icon = {"name": "Repository", "url": repository, "icon": "fa-brands fa-github"}
        options["icon_links"] = [icon]
    if issues := urls.get("Issues"):
        options["external_links"] = [{"name": "Issues", "url": issues}]
    if documentation := urls.get("Documentation"):
        options["switcher"] = {
            "json_url": f"{documentation}_static/switcher.json",
            "version_match": os.environ.get("READTHEDOCS_VERSION", "latest"),
        }
        options["check_switcher"] = False  # it would need a network
        options["navbar_start"] = ["navbar-logo", "version-switcher"]
    return options


def switcher_entries(documentation, versions):
    """Return the entries of the version switcher, with the addresses of the versions."""
    parent = documentation.rstrip("/").rpartition("/")[0]
    return [entry | {"url": f"{parent}/{entry['version']}/"} for entry in versions]


def git_reference(version):
    """Return the tag of a release, or the main branch for a version under development."""
    return f"v{version}" if re.fullmatch(r"[\d.]+", version) else "main"


def colab_url(urls, version, example):
    """Return where Colab opens the notebook of an example, None if it cannot.

    Notebooks lie on the branch ``notebooks``, in a folder for each version
    (``.github/workflows/notebooks.yml``).
    """
    repository = GITHUB.fullmatch(urls.get("Repository", ""))
    if not repository or example.rpartition("/")[2] in NEEDS_FILES:
        return None
    host = "https://colab.research.google.com/github"
    return f"{host}/{repository[1]}/blob/notebooks/{git_reference(version)}/{example}.ipynb"


def first_notebook_cell(urls, version):
    """Return the cell that installs the package, None while there is nowhere to get it from."""
    if not (repository := urls.get("Repository")):
        return None
    source = f"git+{repository.rstrip('/')}@{git_reference(version)}"
    package = f"sklearn-diffake[{','.join(NOTEBOOK_EXTRAS)}] @ {source}"
    return f'%pip install --quiet "{package}" {" ".join(NOTEBOOK_REQUIREMENTS)}'


def link_to_colab(app, docname, source):
    """Offer Colab where the page of an example offers the download."""
    if not re.search(r"auto_examples/\w+/plot_", docname):
        return
    example = docname.partition("auto_examples/")[2]
    if url := colab_url(read_urls(), app.config.release, example):
        offer = f"{DOWNLOAD[:-1]}, or `open it in Colab <{url}>`__."
        source[0] = source[0].replace(DOWNLOAD, offer, 1)


def write_switcher(app, exception):
    """Write the list of versions, with their addresses, into the built site."""
    documentation = read_urls().get("Documentation")
    if exception is None and documentation and app.builder.format == "html":
        versions = json.loads(Path(app.srcdir, "switcher.json").read_text("utf-8"))
        entries = switcher_entries(documentation, versions)
        Path(app.outdir, "_static", "switcher.json").write_text(json.dumps(entries, indent=2))


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", link_to_colab)
    app.connect("build-finished", write_switcher)
    return {"parallel_read_safe": True}
