"""Tables of faults and hostile input, made from committed figures.

Before a build, ``docs/generated/proof_faults.rst`` and ``proof_hostile.rst`` are written, which the
page ``proof`` includes.
"""

import json

from heads_tables import RESULTS, list_table, save

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


def write_tables(app):
    """Write both tables."""
    for table in (faults, hostile):
        found = json.loads((RESULTS / f"{table.__name__}.json").read_text())
        save(app, {f"proof_{table.__name__}": table(found)})


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_tables)
    return {"parallel_read_safe": True}
