"""What the pages lack for readers who do not see them."""

from pathlib import Path

from docutils import nodes


def name_thumbnails(app, doctree):
    """Say of a thumbnail of the gallery, which is a link, where it leads."""
    for image in doctree.findall(nodes.image):
        stem = Path(image["uri"]).stem
        if stem.endswith("_thumb") and not image.get("alt"):
            name = stem.removeprefix("sphx_glr_plot_").removesuffix("_thumb")
            image["alt"] = f"Example: {name.replace('_', ' ')}"


def mend_citations(app, page, template, context, doctree):
    """Take the role of a list from what has no items: docutils gives its entries another one."""
    if "body" in context:
        context["body"] = context["body"].replace('<div role="list" class="citation-list">',
                                                  '<div class="citation-list">')  # fmt: skip


def setup(app):
    """Called by Sphinx."""
    app.connect("doctree-read", name_thumbnails)
    app.connect("html-page-context", mend_citations)
    return {"parallel_read_safe": True}
