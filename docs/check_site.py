"""Check the built site without a network.

    python docs/check_site.py docs/_build/html

Every link leads somewhere, every picture has an alternative text, and every page of the API leads
to its page of the guide, to its source and to related objects, and has an example.
Links to other sites are checked by ``make links``, which needs a network.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
# What the theme names without loading it: the address of a page, of an icon, of a neighbor.
LINKED_RELATIONS = {"canonical", "next", "prev", "search", "index", "author"}


# What every page of the API has, by the class of the HTML element that holds it.
API_PARTS = {
    "guide-link": "link to the guide",
    "viewcode-link": "link to the source",
    "seealso": "See Also",
    "doctest": "example in the docstring",
}
GALLERY = "sphx-glr-thumbcontainer"  # a thumbnail of an example


class Page(HTMLParser):
    """Collect what a page is linked by, links to and loads, and the classes of its elements."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loads, self.problems = set(), [], [], []
        self.classes = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.classes |= set((attributes.get("class") or "").split())
        self.anchors |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        if tag == "img" and attributes.get("alt") is None:  # an empty one: the words beside say it
            self.problems.append(f"no alt text: {attributes.get('src')}")
        address = attributes.get(LOADED.get(tag, ""))
        if address and not LINKED_RELATIONS & set((attributes.get("rel") or "").split()):
            self.loads.append(address)


def problems_of(path, pages):
    """Yield what is wrong with one page."""
    page = pages[path]
    yield from page.problems
    for address in page.links + page.loads:
        url = urlsplit(address)
        if url.scheme or url.netloc:
            if address in page.loads and url.scheme != "data":
                yield f"loads {address}"
            continue
        target = (path.parent / unquote(url.path)).resolve() if url.path else path
        if target.is_dir():
            target /= "index.html"
        if not target.exists():
            yield f"leads nowhere: {address}"
        elif (
            url.fragment and target in pages and unquote(url.fragment) not in pages[target].anchors
        ):
            yield f"no such place: {address}"


def api_problems(api_pages):
    """Yield what the pages of the API lack, by their paths."""
    for path, page in api_pages.items():
        for name, section in API_PARTS.items():
            if name not in page.classes:
                yield path, f"no {section}"


def summary(pages, api_pages, n_problems):
    """Return the counts of pages and of problems as a text."""
    lines = [f"{len(pages)} pages, {n_problems} problems", f"{len(api_pages)} pages of the API:"]
    for name, section in (API_PARTS | {GALLERY: "example in the gallery"}).items():
        n_without = sum(name not in page.classes for page in api_pages.values())
        lines.append(f"  {n_without} without {section}")
    return "\n".join(lines)


def main(folder):
    """Print every problem; return whether there is one."""
    root = Path(folder).resolve()
    pages = {
        path: Page(path) for path in sorted(root.rglob("*.html")) if "_static" not in path.parts
    }
    api_pages = {path: page for path, page in pages.items() if path.parent == root / "generated"}
    problems = [(path, problem) for path in pages for problem in problems_of(path, pages)]
    problems += api_problems(api_pages)
    lines = dict.fromkeys(f"{path.relative_to(root)}: {problem}" for path, problem in problems)
    print("\n".join([*lines, summary(pages, api_pages, len(lines))]))
    return bool(problems) or not api_pages


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
