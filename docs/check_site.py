"""Check the built site without a network: every link leads somewhere, no picture lacks words.

    python docs/check_site.py docs/_build/html

Links to other sites are checked by ``make links``, which needs a network.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
# What the theme names without loading it: the address of a page, of an icon, of a neighbor.
NAMED = {"canonical", "next", "prev", "search", "index", "author"}


class Page(HTMLParser):
    """Collect what a page is linked by, links to and loads."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loads, self.problems = set(), [], [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "img" and found.get("alt") is None:  # an empty one: the words beside say it
            self.problems.append(f"no alt text: {found.get('src')}")
        address = found.get(LOADED.get(tag, ""))
        if address and not NAMED & set((found.get("rel") or "").split()):
            self.loads.append(address)


def problems_of(path, pages):
    """Yield what is wrong with one page."""
    page = pages[path]
    yield from page.problems
    for address in page.links + page.loads:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            if address in page.loads and parts.scheme != "data":
                yield f"loads {address}"
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        if not target.exists():
            yield f"leads nowhere: {address}"
        elif (
            parts.fragment
            and target in pages
            and unquote(parts.fragment) not in pages[target].anchors
        ):
            yield f"no such place: {address}"


def main(folder):
    """Print every problem; return whether there is one."""
    root = Path(folder).resolve()
    pages = {
        path: Page(path) for path in sorted(root.rglob("*.html")) if "_static" not in path.parts
    }
    found = [
        f"{path.relative_to(root)}: {problem}"
        for path in pages
        for problem in problems_of(path, pages)
    ]
    print("\n".join([*dict.fromkeys(found), f"{len(pages)} pages, {len(found)} problems"]))
    return bool(found) or not pages


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
