"""Tables of what checks the tests, and of the environments they ran in, from committed figures.

Before a build, ``docs/generated/proof_mutation.rst``, ``proof_coverage.rst`` and
``proof_release.rst`` are written, which the page ``proof`` includes.
"""

import json

from heads_tables import RESULTS, list_table, save


def per_cent(share):
    """Show a share."""
    return f"{100 * share:.1f} %"


def mutation(found):
    """Return the table of mutants."""
    rows = []
    for name, package in found["packages"].items():
        drawn = f"{package['tried']:,} of {package['places']:,}"
        share = per_cent(package["share"]) if package["tried"] else "not tried yet"
        if ends := package.get("interval"):
            share += f" ({' to '.join(f'{100 * end:.1f}' for end in ends)})"
        outcomes = (f"{package[key]:,}" for key in ("caught", "survived", "timed out"))
        rows.append([f"``{name}``", drawn, *outcomes, share])
    header = ["Package", "Mutants tried", "Caught", "Survived", "Past their limit", "Share caught"]
    return list_table(header, rows, "20 18 12 12 14 24")


def coverage(found):
    """Return the table of coverage."""
    rows = []
    for name, part in [("**all**", found), *found["per package"].items()]:
        cells = (
            f"{per_cent(part[kind]['share'])} of {part[kind]['of']:,}" if part[kind]["of"] else ""
            for kind in ("lines", "branches")
        )
        rows.append([name if part is found else f"``{name}``", *cells])
    return list_table(["Package", "Lines", "Branches"], rows, "30 35 35")


def release(found):
    """Return sizes, and the table of environments."""
    demo = found["demo"]
    sizes = (found["wheel_bytes"] / 1e6, found["sdist_bytes"] / 1e6)
    about = (
        f"The wheel of version {found['version']} has {sizes[0]:.1f} MB, the source distribution "
        f"{sizes[1]:.1f} MB. The demonstration, from {demo['from']}, took {demo['seconds']:.0f} s; "
        f"the environment has {demo['environment_MB'] / 1000:.1f} GB.\n\n"
    )
    rows = []
    for row in found["rows"]:
        counts = (f"{row[key]:,}" for key in ("passed", "failed", "skipped"))
        versions = f"torch {row['torch']}, scikit-learn {row['scikit-learn']}"
        if left_out := row.get("not run"):
            versions += f"; not run: tests of {', '.join(left_out)}"
        same = "yes" if row["wheel"] == found["wheel"] else "no, a build before it"
        rows.append([row["python"], f"{row['dependencies']}: {versions}", *counts, same])
        about += "".join(f"Failed on {row['python']}: ``{name}``.\n\n" for name in row["failures"])
    header = ["Python", "Dependencies", "Passed", "Failed", "Skipped", "This wheel"]
    return about + list_table(header, rows, "10 42 10 10 10 18")


def write_tables(app):
    """Write all tables."""
    for table in (mutation, coverage, release):
        file, page = RESULTS / f"{table.__name__}.json", "Not measured yet.\n"
        if file.exists():
            page = table(json.loads(file.read_text()))
        save(app, {f"proof_{table.__name__}": page})


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_tables)
    return {"parallel_read_safe": True}
