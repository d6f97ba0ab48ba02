"""What the pages lack for readers who do not see them."""

import re

CITATIONS = '<div role="list" class="citation-list">'  # docutils gives its entries another role
THUMBNAIL = re.compile(
    r'<a class="reference internal" href="(plot_\w+\.html)"><span class="doc">([^<]+)'
)


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
