"""The table of promises: the tests that hold each, and the figures they gave.

Before a build, ``docs/generated/proof_promises.rst`` is written from the committed results.
"""

import json

from bench_tables import number, verdict
from heads_tables import RESULTS, list_table, save


def figures(promise, measured):
    """Say how many cases pass, and what was measured of it."""
    said = [f"{promise.get('passed', 0):,} cases pass"]
    if promise.get("failed"):
        said.append(f"**{promise['failed']} failed**")
    if promise.get("skipped"):
        said.append(f"{promise['skipped']} need a GPU that was not there")
    for row in measured:
        if any(part in row["what"] for part in promise["rows"]):
            values = f"{number(row['ours'])} of {number(row['theirs'])} {row['unit']}"
            said.append(f"{row['what']}: {values}, {verdict(row)}")
    return "; ".join(said)


def render(promises, measured):
    """Return the table in reStructuredText."""
    rows = []
    for promise in promises:
        tests = "; ".join(
            f"``{name}`` ({file.removeprefix('tests/')})"
            for file, name in (test.split("::") for test in promise["tests"])
        )
        title = f"**{promise['name']}.** {promise['what']}"
        rows.append([str(promise["number"]), title, tests, figures(promise, measured)])
    return list_table(["", "Promise", "Held by", "Figures"], rows, "4 32 40 24")


def write_table(app):
    """Write the table."""
    file = RESULTS / "promises.json"
    found = json.loads(file.read_text())["promises"] if file.exists() else []
    bench, measured = RESULTS / "bench.json", []
    if bench.exists():
        suites = json.loads(bench.read_text())["suites"]
        measured = [row for suite in suites for row in suite["rows"]]
    page = render(found, measured) if found else "Not measured yet.\n"
    save(app, {"proof_promises": page})


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_table)
    return {"parallel_read_safe": True}
