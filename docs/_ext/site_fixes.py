"""The order of the gallery, and what the pages lack for readers who do not see them."""

import re
from pathlib import Path

CITATIONS = '<div role="list" class="citation-list">'  # docutils gives its entries another role
THUMBNAIL = re.compile(
    r'<a class="reference internal" href="(plot_\w+\.html)"><span class="doc">([^<]+)'
)

ORDER = [
    "first_verdict",
    "pipeline_step_by_step",
    "operators",
    "heads",
    "deep_svdd",
    "thresholds",
    "explain",
    "identity_and_forgery",
    "pseudo_deepfake_atlas",
    "train_extractor",
    "grid_search",
    "unseen_techniques",
    "robustness",
    "video",
    "paper",
    "custom_backbone",
    "dask",
    "saving",
]
BACK_LINK = re.compile(r'(/generated/)([\w.]+)(\.html#)([\w.]+)"')


def own_anchor(match):
    """Correct the anchor of a link from a source file back to the page of the API.

    A file may hold objects that different packages offer; `viewcode` takes one package for all.
    """
    folder, page, separator, anchor = match.groups()
    member = anchor.partition(f".{page.rpartition('.')[2]}")[2]
    return f'{folder}{page}{separator}{page}{member}"'


def gallery_order(file_name):
    """Return what to sort an example's file by; what is not in the list comes last."""
    name = Path(file_name).stem.removeprefix("plot_")
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def mend(app, page, template, context, doctree):
    """Mend roles of citations and links of source files, and name the links of the gallery."""
    body = context.get("body", "").replace(CITATIONS, '<div class="citation-list">')
    if page.endswith("auto_examples/index"):
        link = r'<a class="reference internal" href="\1" aria-label="\2"><span class="doc">\2'
        body = THUMBNAIL.sub(link, body)
    elif page.startswith("_modules/"):
        body = BACK_LINK.sub(own_anchor, body)
    context["body"] = body


def setup(app):
    """Called by Sphinx."""
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True}
