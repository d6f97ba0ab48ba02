"""How cost grows: a table and a figure, made from committed figures.

Before a build, ``docs/generated/bench_growth.rst`` and ``bench_growth.svg`` are written; the page
``benchmarks`` includes them.
"""

import json
from pathlib import Path

import numpy as np
from heads_tables import RESULTS, list_table, save

SOURCE = RESULTS / "growth.json"
HEADER = ["What grows", "From", "To", "Exponent (± s.e.)", "Last step", "Worse than linear"]
FIGURE = """
.. figure:: /generated/bench_growth.svg
   :alt: Seconds by size on logarithmic scales, one panel for each row of the table; a dotted line
      shows linear growth

   Medians and all repeats on logarithmic scales; the dotted line is linear growth.
"""


def cells(case):
    """Return what is shown of a case."""
    sizes = case["sizes"]
    fitted = f"{case['exponent']:.2f} ± {case['standard error']:.2f}"
    flag = "**yes**" if case["worse than linear"] else "no"
    ends = (f"{size:,} {case['unit']}" for size in (sizes[0], sizes[-1]))
    return [case["what"], *ends, fitted, f"{case['last step']:.2f}", flag]


def draw(cases, file):
    """Draw one panel for each case."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

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


def write_growth(app):
    """Write table and figure, or that there is nothing to show yet."""
    page = "Nothing has been measured yet: run ``python benchmarks/stress/growth.py``.\n"
    if SOURCE.exists():
        found = json.loads(SOURCE.read_text())
        about = "**Small sizes, for a quick look only.** " if found["quick"] else ""
        about += f"Measured on {found['machine']['cpu']}, {found['machine']['cores']} cores.\n\n"
        rows = [cells(case) for case in found["cases"]]
        page = about + list_table(HEADER, rows, "24 16 18 18 10 14") + FIGURE
    save(app, {"bench_growth": page})
    if SOURCE.exists():
        draw(found["cases"], Path(app.srcdir) / "generated" / "bench_growth.svg")


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_growth)
    return {"parallel_read_safe": True}
