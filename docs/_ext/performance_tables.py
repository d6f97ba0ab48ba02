"""Tables of speed and memory, and of how cost grows."""

import numpy as np
from result_tables import Column, Table, list_table, read_result, render_rows, text

VERDICTS = ("met", "**not met**", "ahead", "**behind**", "not measured")
QUICK = "**Small sizes, for a quick look only.** "
GROWTH_FIGURE = """
.. figure:: /generated/bench_growth.svg
   :alt: Seconds by size on logarithmic scales, one panel for each row of the table; a dotted line
      shows linear growth

   Medians and all repeats on logarithmic scales; the dotted line is linear growth.
"""


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


def ratio(row):
    """Show a ratio and its quartiles."""
    quartiles = "" if row["low"] is None else f" ({number(row['low'])}-{number(row['high'])})"
    return number(row["ratio"]) + quartiles


def side(title, width, key):
    """Declare a column of one side of a comparison, with its unit."""
    return Column(title, width, lambda row: f"{number(row[key])} {row['unit']}")


COMPARISON = (
    text("What", 27, "what"),
    text("Against", 20, "yardstick"),
    side("Ours", 12, "ours"),
    side("Theirs", 12, "theirs"),
    Column("Ratio (quartiles)", 13, ratio),
    Column("Goal", 7, lambda row: (row["goal"] or "").replace(">=", "≥")),
    Column("Outcome", 9, verdict),
)


def about(found):
    """State machine, versions and date of the run."""
    machine = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    size = QUICK if found["quick"] else ""
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
            parts.append(render_rows(COMPARISON, suite["rows"]))
    return "\n".join(parts)


def all_suites():
    """Return the page of the last whole run."""
    result = read_result("bench")
    return (
        "Nothing has been measured yet: run ``make bench``.\n" if result is None else render(result)
    )


def about_growth(result):
    """State the machine of the run."""
    machine = result["machine"]
    quick = QUICK if result["quick"] else ""
    return f"{quick}Measured on {machine['cpu']}, {machine['cores']} cores.\n\n"


def end(title, width, position):
    """Declare a column of the smallest or the largest size."""
    return Column(title, width, lambda row: f"{row['sizes'][position]:,} {row['unit']}")


def draw_growth(file):
    """Draw one panel for each case."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    cases = read_result("growth")["cases"]
    figure, axes = plt.subplots(2, -(-len(cases) // 2), figsize=(9, 5.4), squeeze=False)
    for axis in axes.flat[len(cases) :]:
        axis.set_axis_off()
    for axis, case in zip(axes.flat, cases, strict=False):
        sizes, seconds = np.array(case["sizes"]), np.array(case["seconds"])
        median = np.median(seconds, axis=1)
        axis.loglog(np.repeat(sizes, seconds.shape[1]), seconds.ravel(), ".", color="0.6")
        axis.loglog(sizes, median, "o-", color="#1f6f8b")
        axis.loglog(sizes, median[0] * sizes / sizes[0], ":", color="0.3")
        flag = ", worse than linear" if case["worse than linear"] else ""
        axis.set_title(f"{case['what']}{flag}", fontsize=9)
        axis.set_xlabel(case["unit"], fontsize=9)
        axis.set_ylabel("seconds", fontsize=9)
        axis.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(file, facecolor="white", metadata={"Date": None})
    plt.close(figure)


TABLES = (
    Table("bench_streaming", "streaming", COMPARISON),  # of a run by itself, for the guide
    Table(
        "bench_growth",
        "growth",
        (
            text("What grows", 24, "what"),
            end("From", 16, 0),
            end("To", 18, -1),
            Column(
                "Exponent (± s.e.)", 18,
                lambda row: f"{row['exponent']:.2f} ± {row['standard error']:.2f}",
            ),
            Column("Last step", 10, lambda row: f"{row['last step']:.2f}"),
            Column(
                "Worse than linear", 14, lambda row: "**yes**" if row["worse than linear"] else "no"
            ),
        ),
        lambda result: result["cases"],
        about_growth,
        lambda result: GROWTH_FIGURE,
    ),
)  # fmt: skip
PAGES = {"bench_all": all_suites}
FIGURES = {"bench_growth.svg": draw_growth}
