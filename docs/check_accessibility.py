"""Check every page of the built site in a browser: desktop and phone, light and dark.

    pip install axe-playwright-python
    python docs/check_accessibility.py docs/_build/html
    python docs/check_accessibility.py docs/_build/html index.html api.html --views phone-dark

Reports what axe (https://github.com/dequelabs/axe-core) calls serious or critical, pages wider than
the window, images that do not load, and errors of scripts. The summary counts them by rule. The
exit status is 1 if there is a problem.
"""

import argparse
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from tqdm import tqdm

VIEWS = {  # size of the window, color scheme
    f"{device}-{scheme}": (size, scheme)
    for device, size in {"desktop": (1280, 900), "phone": (390, 844)}.items()
    for scheme in ("light", "dark")
}
IMPACTS = ("serious", "critical")
OVERFLOWS = "document.documentElement.scrollWidth > window.innerWidth + 1"
BROKEN_IMAGES = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"


class Problem(NamedTuple):
    """A fault of one page in one view."""

    page: str
    view: str
    rule: str
    detail: str


def check_page(tab, address):
    """Yield the rule and the detail of every problem of one page."""
    script_errors = []

    def record(error):
        script_errors.append(str(error))

    tab.on("pageerror", record)
    tab.goto(address)
    if tab.evaluate(OVERFLOWS):
        yield "overflow", "the page is wider than the window"
    for source in tab.evaluate(BROKEN_IMAGES):
        yield "broken-image", source
    for violation in Axe().run(tab).response["violations"]:
        if violation["impact"] in IMPACTS:
            nodes = violation["nodes"]
            count = "once" if len(nodes) == 1 else f"{len(nodes)} times, first"
            yield violation["id"], f"{violation['impact']}, {count} {nodes[0]['target']}"
    tab.remove_listener("pageerror", record)
    for error in script_errors:
        yield "script-error", error


def check_view(browser, site, pages, view, progress):
    """Yield the problems of pages in one view."""
    (width, height), scheme = VIEWS[view]
    tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    for page in pages:
        for rule, detail in check_page(tab, (site / page).as_uri()):
            yield Problem(page, view, rule, detail)
        progress.update()
    tab.close()


def summary(problems, n_pages, n_views):
    """Return the counts of pages, views and problems as a text."""
    lines = [f"{n_pages} pages in {n_views} views, {len(problems)} problems"]
    pages_by_rule = defaultdict(set)
    for problem in problems:
        pages_by_rule[problem.rule].add(problem.page)
    for rule, count in Counter(problem.rule for problem in problems).most_common():
        lines.append(f"  {count} {rule}, on {len(pages_by_rule[rule])} pages")
    return "\n".join(lines)


def read_arguments():
    """Return the arguments, the site as an absolute path, and its pages relative to it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("pages", nargs="*", help="only these, relative to the site (default: all)")
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=[*VIEWS], metavar="VIEW",
                        help=f"of {', '.join(VIEWS)} (default: all)")  # fmt: skip
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    args = parser.parse_args()
    args.site = args.site.resolve()
    paths = sorted(args.site.rglob("*.html"))
    all_pages = [str(path.relative_to(args.site)) for path in paths if "_static" not in path.parts]
    missing_pages = sorted(set(args.pages) - set(all_pages))
    if missing_pages or not all_pages:
        parser.error(f"{args.site} has no page {', '.join(missing_pages) or 'at all'}")
    args.pages = args.pages or all_pages
    return args


def main():
    """Print every problem and a summary; return whether there is a problem."""
    args = read_arguments()
    problems = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
        with tqdm(total=len(args.pages) * len(args.views), unit="page") as progress:
            for view in args.views:
                for problem in check_view(browser, args.site, args.pages, view, progress):
                    problems.append(problem)
                    progress.write(": ".join(problem))
    print(summary(problems, len(args.pages), len(args.views)))
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
