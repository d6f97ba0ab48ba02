"""Tables of speed and memory, made from the committed file of one run of the benchmarks.

Before a build, ``docs/generated/bench_all.rst`` is written, which the page ``benchmarks`` includes,
and ``bench_streaming.rst``, which the guide does.
"""

import json

from heads_tables import RESULTS, list_table, save

SOURCE = RESULTS / "bench.json"
STREAMING = RESULTS / "streaming.json"  # of a run by itself, for the guide
HEADER = ["What", "Against", "Ours", "Theirs", "Ratio (quartiles)", "Goal", "Outcome"]
WIDTHS = "27 20 12 12 13 7 9"
VERDICTS = ("met", "**not met**", "ahead", "**behind**", "not measured")


def verdict(row):
    """Say how a row came out; one without a goal is ahead or behind."""
    if row["met"] is not None:
        return "met" if row["met"] else "**not met**"
    if row["ratio"] is None:
        return "not measured"
    return "ahead" if row["ratio"] >= 1 else "**behind**"


def number(value):
    """Show three digits."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def cells(row):
    """Return what is shown of a row."""
    ratio = number(row["ratio"])
    if row["low"] is not None:
        ratio += f" ({number(row['low'])}-{number(row['high'])})"
    goal = (row["goal"] or "").replace(">=", "≥")
    values = [f"{number(row[side])} {row['unit']}" for side in ("ours", "theirs")]
    return [row["what"], row["yardstick"], *values, ratio, goal, verdict(row)]


def about(found):
    """State machine, versions and date of the run."""
    machine = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    size = "**Small sizes, for a quick look only.** " if found["quick"] else ""
    return (
        f"{size}Measured on {found['date']} on {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_GB']:.0f} GB of memory, device {machine['device']}, with Python "
        f"{machine['python']}, in {found['seconds'] / 60:.0f} minutes. Versions: {versions}. "
        f"Seeds: {found['seeds']}.\n"
    )


def summary(suites):
    """Return the table that counts outcomes."""
    shown = [v for v in VERDICTS if any(verdict(r) == v for s in suites for r in s["rows"])]
    rows = []
    for suite in suites:
        outcomes = [verdict(row) for row in suite["rows"]]
        counts = [str(outcomes.count(name)) for name in shown]
        rows.append([f"`{suite['suite'].capitalize()}`_", *counts, f"{suite['seconds']:.0f} s"])
    header = ["Suite", *(name.strip("*") for name in shown), "Took"]
    return list_table(header, rows, "30 " + "14 " * (len(shown) + 1))


def render(found):
    """Return the page of a run in reStructuredText."""
    parts = [about(found), summary(found["suites"])]
    for suite in found["suites"]:
        title = suite["suite"].capitalize()
        parts.append(f"{title}\n{'-' * len(title)}\n")
        for name, error in suite["failed"].items():
            parts.append(f".. warning:: ``bench_{name}.py`` failed: {error.splitlines()[-1]}\n")
        if suite["rows"]:
            parts.append(list_table(HEADER, [cells(row) for row in suite["rows"]], WIDTHS))
    return "\n".join(parts)


def write_tables(app):
    """Write the tables, or that there is nothing to show yet."""
    page = "Nothing has been measured yet: run ``make bench``.\n"
    if SOURCE.exists():
        page = render(json.loads(SOURCE.read_text()))
    streaming = [cells(row) for row in json.loads(STREAMING.read_text())["rows"]]
    save(app, {"bench_all": page, "bench_streaming": list_table(HEADER, streaming, WIDTHS)})


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_tables)
    return {"parallel_read_safe": True}
