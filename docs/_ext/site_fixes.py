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


def gallery_order(file_name):
    """Return what to sort an example's file by; what is not in the list comes last."""
    name = Path(file_name).stem.removeprefix("plot_")
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def mend(app, page, template, context, doctree):
    """Mend the roles of citations, and name the links of the gallery, whose words are hidden."""
    body = context.get("body", "").replace(CITATIONS, '<div class="citation-list">')
    if page.endswith("auto_examples/index"):
        link = r'<a class="reference internal" href="\1" aria-label="\2"><span class="doc">\2'
        body = THUMBNAIL.sub(link, body)
    context["body"] = body


def setup(app):
    """Called by Sphinx."""
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True}
