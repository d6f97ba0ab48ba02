"""The order and the links of the gallery, and what pages lack for readers who do not see them."""

import re
from pathlib import Path

CITATIONS = '<div role="list" class="citation-list">'  # docutils gives its entries another role
THUMBNAIL = re.compile(
    r'<a class="reference internal" href="([^"]*plot_\w+\.html)"><span class="doc">([^<]+)'
)
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: Folders of examples, in the order of the gallery.
SECTIONS = ("first_verdicts", "pipelines", "networks", "evaluating")
LABEL = "sphx_glr_auto_examples_{}.py"

ORDER = [  # within the sections
    "first_verdict",
    "pipeline_step_by_step",
    "video",
    "operators",
    "detectors",
    "thresholds",
    "grid_search",
    "dask",
    "saving",
    "pseudo_deepfake_atlas",
    "train_extractor",
    "identity_and_forgery",
    "paper",
    "deep_svdd",
    "custom_backbone",
    "unseen_techniques",
    "robustness",
    "explain",
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


def example_redirects():
    """Return where the pages of examples are now, by their addresses before there were sections."""
    redirects = {"auto_examples/plot_heads": "pipelines/plot_detectors.html"}  # of 0.1.0
    for path in EXAMPLES.glob("*/plot_*.py"):
        redirects[f"auto_examples/{path.stem}"] = f"{path.parent.name}/{path.stem}.html"
    return redirects


def label_examples(app, env):
    """Give every example a label without its section, so that it can be moved to another."""
    standard = env.get_domain("std")
    for path in EXAMPLES.glob("*/plot_*.py"):
        label = LABEL.format(f"{path.parent.name}_{path.stem}")
        for labels in (standard.labels, standard.anonlabels):
            if label in labels:
                labels[LABEL.format(path.stem)] = labels[label]
    return []


def fix_page(app, page, template, context, doctree):
    """Fix roles of citations and links of source files, and name the links of the gallery."""
    body = context.get("body", "").replace(CITATIONS, '<div class="citation-list">')
    if "sphx-glr-thumbcontainer" in body:
        link = r'<a class="reference internal" href="\1" aria-label="\2"><span class="doc">\2'
        body = THUMBNAIL.sub(link, body)
    if page.startswith("_modules/"):
        body = BACK_LINK.sub(own_anchor, body)
    context["body"] = body


def setup(app):
    """Called by Sphinx."""
    app.connect("env-updated", label_examples)
    app.connect("html-page-context", fix_page)
    return {"parallel_read_safe": True}
