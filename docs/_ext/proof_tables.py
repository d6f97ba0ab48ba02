"""Tables of faults, hostile input and intervals, made from committed figures.

Before a build, ``docs/generated/proof_*.rst`` are written, which the page ``proof`` includes.
"""

import json

import numpy as np
from heads_tables import RESULTS, list_table, save

INTERVALS = [
    "Figure",
    "Rows",
    "True values",
    "Rows a class",
    "Least coverage (true value, rows)",
    "Mean coverage",
    "Mean width",
    "Settings with intervals of no width",
]
NAMED = [
    "Setting",
    "Percentile bootstrap",
    "of no width",
    "Here",
    "of no width",
    "Mean width, both",
]
FAULTS = ["What", "Fault", "Cases", "Findings", "Seconds"]
HOSTILE = ["What", "Limits of one", "Inputs", "Refused", "Read", "Findings", "Peak", "Seconds"]


def about(found, cases, inputs):
    """Say in total what was done, what came of it, and where."""
    findings = sum(case["findings"] for case in cases)
    seconds = sum(case["seconds"] for case in cases)
    machine = found["machine"]
    return (
        f"{inputs}, {findings or 'no'} finding{'' if findings == 1 else 's'}, in {seconds:,.0f} "
        f"seconds on {machine['cores']} cores ({machine['cpu']}), Python {machine['python']}, "
        f"seed {found['seed']}.\n\n"
    )


def outcome(findings):
    """Show a number that should be 0."""
    return f"**{findings:,}**" if findings else "0"


def faults(found):
    """Return the table of faults."""
    cases = found.get("cases", [])
    total = sum(case["cases"] for case in cases)
    kills = sum(case["cases"] for case in cases if "kill" in case["fault"].lower())
    rows = [
        [case["what"], case["fault"], f"{case['cases']:,}", outcome(case["findings"]),
         f"not run: {case['skipped']}" if case.get("skipped") else f"{case['seconds']:,.1f}"]
        for case in cases
    ]  # fmt: skip
    words = f"{kills:,} kills" if kills == total else f"{total:,} cases, {kills:,} of them kills"
    return about(found, cases, words) + list_table(FAULTS, rows, "30 34 10 12 14")


def hostile(found):
    """Return the table of hostile input."""
    rows = []
    for row in found["rows"].values():
        limits, space = row["limits"], "\N{NO-BREAK SPACE}"
        rows.append(
            [
                row["what"],
                f"{limits['memory, MiB']:,}{space}MiB, {limits['seconds']}{space}s",
                *(f"{row[key]:,}" for key in ("inputs", "refused", "accepted")),
                outcome(row["findings"]),
                f"{row['peak memory, MiB']:,}{space}MiB",
                f"{row['seconds']:,.0f}",
            ]
        )
    total = f"{found['inputs']:,} inputs"
    page = about(found, found["rows"].values(), total)
    return page + list_table(HOSTILE, rows, "28 16 9 9 9 9 11 9")


def intervals(found):
    """Return the table of coverage, the least of each kind of setting."""
    rows = [row for row in found["rows"] if row["method"] != "percentile"]
    kinds = dict.fromkeys((row["figure"], row["structure"]) for row in rows)
    summary = []
    for kind in kinds:
        part = [row for row in rows if (row["figure"], row["structure"]) == kind]
        truths = sorted({row["truth"] for row in part})
        sizes = sorted({row["n_genuine"] for row in part})
        worst = min(part, key=lambda row: row["coverage"])
        widths = [row["width"] for row in part]
        summary.append(
            [
                *kind,
                ", ".join(f"{truth:g}" for truth in truths),
                ", ".join(map(str, sizes)),
                f"{worst['coverage']:.1%} ({worst['truth']:g}, {worst['n_genuine']})",
                f"{np.mean([row['coverage'] for row in part]):.1%}",
                f"{min(widths):.3f} to {max(widths):.3f}",
                outcome(sum(row["no width"] > 0 for row in part)),
            ]
        )
    repeated = {row["repetitions"] for row in rows}
    page = (
        "**Few repetitions, for a quick look only.** " if found["quick"] else ""
    ) + f"{len(rows)} settings, {min(repeated):,} to {max(repeated):,} repetitions each.\n\n"
    return page + list_table(INTERVALS, summary, "16 14 16 12 14 9 12 7")


def percentile(found):
    """Return the table of settings at which the percentile bootstrap fails."""
    rows = [row for row in found["rows"] if row["method"] != "percentile"]
    named = []
    for old in (row for row in found["rows"] if row["method"] == "percentile"):
        new = next(
            row
            for row in rows
            if all(row[key] == old[key] for key in ("figure", "truth", "n_genuine", "structure"))
        )
        named.append(
            [
                f"{old['figure']} of {old['truth']:g}, {old['n_genuine']} + {old['n_fake']} rows",
                f"{old['coverage']:.1%}",
                f"{old['no width']:.0%}",
                f"{new['coverage']:.1%}",
                f"{new['no width']:.0%}",
                f"{old['width']:.3f}, {new['width']:.3f}",
            ]
        )
    return list_table(NAMED, named, "30 14 14 14 14 14")


def write_tables(app):
    """Write all tables."""
    for table in (faults, hostile, intervals):
        found = json.loads((RESULTS / f"{table.__name__}.json").read_text())
        save(app, {f"proof_{table.__name__}": table(found)})
    save(app, {"proof_percentile": percentile(found)})  # of the intervals


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_tables)
    return {"parallel_read_safe": True}
