"""Look at every page of the built site in a browser: wide and narrow, light and dark.

    pip install axe-playwright-python
    python docs/check_accessibility.py docs/_build/html [--chromium /usr/bin/chromium] [PAGE ...]

Reports what axe (https://github.com/dequelabs/axe-core) calls serious or critical, pages wider than
the window, pictures that do not load and what the console complains of.
"""

import argparse
import sys
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

WINDOWS = {"desktop": (1280, 900), "phone": (390, 844)}
WIDER = "document.documentElement.scrollWidth > window.innerWidth + 1"
BROKEN = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"


def look_at(page, address):
    """Return the problems of one page as lines."""
    said = []
    page.once("pageerror", lambda error: said.append(f"script: {error}"))
    page.goto(address)
    if page.evaluate(WIDER):
        said.append("wider than the window")
    said += [f"broken picture {source}" for source in page.evaluate(BROKEN)]
    for violation in Axe().run(page).response["violations"]:
        if violation["impact"] in ("serious", "critical"):
            nodes = violation["nodes"]
            said.append(
                f"{violation['impact']}: {violation['id']}, {len(nodes)} times, first "
                f"{nodes[0]['target']}"
            )
    return said


def main():
    """Print every problem; return how many."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("pages", nargs="*", help="only these, relative to the site")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    args = parser.parse_args()
    pages = [args.site / page for page in args.pages] or sorted(args.site.rglob("*.html"))
    pages = [page.resolve() for page in pages if "_static" not in page.parts]
    problems = 0
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
        for name, (width, height) in WINDOWS.items():
            for scheme in ("light", "dark"):
                view = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme=scheme
                )
                for page in pages:
                    for problem in look_at(view, page.as_uri()):
                        problems += 1
                        print(f"{page.name}, {name}, {scheme}: {problem}", flush=True)
                view.close()
    print(f"{len(pages)} pages in {2 * len(WINDOWS)} views, {problems} problems")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
