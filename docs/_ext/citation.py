"""The directive ``bibtex``: entries of the package and its papers, from ``CITATION.cff``."""

from pathlib import Path

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

FILE = Path(__file__).resolve().parents[2] / "CITATION.cff"


def read_citation(path=FILE):
    """Return what the citation file says, a dict."""
    return yaml.safe_load(path.read_text("utf-8"))


def author_names(authors):
    """Return authors in the form of BibTeX; a group is in braces of its own."""
    return " and ".join(
        f"{{{author['name']}}}"
        if "name" in author
        else f"{author['family-names']}, {author['given-names']}"
        for author in authors
    )


def entry(kind, key, fields):
    """Return an entry of BibTeX; fields that are None are left out."""
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value is not None]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def software_entry(citation):
    """Return the entry of the package."""
    fields = {
        "author": author_names(citation["authors"]),
        "title": f"{{{citation['title']}}}",
        "version": citation["version"],
        "year": citation["date-released"].year,
        "url": citation.get("repository-code"),
        "license": citation["license"],
    }
    return entry("software", citation["title"].replace("-", "_"), fields)


def paper_entry(citation, arxiv):
    """Return the entry of the paper with a number of arXiv; raises KeyError if there is none."""
    for paper in citation["references"]:
        if {"type": "other", "value": f"arXiv:{arxiv}"} in paper["identifiers"]:
            break
    else:
        raise KeyError(f"no paper arXiv:{arxiv} in {FILE.name}")
    fields = {
        "author": author_names(paper["authors"]),
        "title": f"{{{paper['title']}}}",
        "booktitle": paper["conference"]["name"],
        "year": paper["year"],
        "eprint": arxiv,
        "archiveprefix": "arXiv",
    }
    key = f"{paper['authors'][0]['family-names'].lower()}{paper['year']}"
    return entry("inproceedings", key, fields)


class Bibtex(SphinxDirective):
    """An entry: of the paper whose number of arXiv is given, else of the package."""

    optional_arguments = 1

    def run(self):
        """Return the entry as a block of code."""
        self.env.note_dependency(str(FILE))
        citation = read_citation()
        if self.arguments:
            text = paper_entry(citation, self.arguments[0])
        else:
            text = software_entry(citation)
        return [nodes.literal_block(text, text, language="bibtex")]


def setup(app):
    """Called by Sphinx."""
    app.add_directive("bibtex", Bibtex)
    return {"parallel_read_safe": True}
