"""Tables of promises, faults, hostile input, intervals, tests and the release."""

import numpy as np
from performance_tables import number, verdict
from result_tables import Column, Table, count, read_result, text

SPACE = "\N{NO-BREAK SPACE}"


def zero(findings):
    """Show a number that should be 0."""
    return f"**{findings:,}**" if findings else "0"


FINDINGS = Column("Findings", 12, lambda row: zero(row["findings"]))


def promise_figures(promise):
    """Say how many cases pass, and what was measured of the promise."""
    parts = [f"{promise.get('passed', 0):,} cases pass"]
    if promise.get("failed"):
        parts.append(f"**{promise['failed']} failed**")
    if promise.get("skipped"):
        parts.append(f"{promise['skipped']} need a GPU that was not there")
    for row in promise["measured"]:
        if any(name in row["what"] for name in promise["rows"]):
            values = f"{number(row['ours'])} of {number(row['theirs'])} {row['unit']}"
            parts.append(f"{row['what']}: {values}, {verdict(row)}")
    return "; ".join(parts)


def promise_tests(promise):
    """Name the tests that hold a promise."""
    names = (test.split("::") for test in promise["tests"])
    return "; ".join(f"``{name}`` ({file.removeprefix('tests/')})" for file, name in names)


def promises(result):
    """Return the promises with the rows of the last run of the speed benchmarks."""
    bench = read_result("bench") or {"suites": []}
    measured = [row for suite in bench["suites"] for row in suite["rows"]]
    return [{**promise, "measured": measured} for promise in result["promises"]]


def about_run(result, cases, inputs):
    """Say in total what was done, what came of it, and where."""
    findings = sum(case["findings"] for case in cases)
    seconds = sum(case["seconds"] for case in cases)
    machine = result["machine"]
    return (
        f"{inputs}, {findings or 'no'} finding{'' if findings == 1 else 's'}, in {seconds:,.0f} "
        f"seconds on {machine['cores']} cores ({machine['cpu']}), Python {machine['python']}, "
        f"seed {result['seed']}.\n\n"
    )


def about_faults(result):
    """Say how many faults were tried."""
    cases = result.get("cases", [])
    total = sum(case["cases"] for case in cases)
    kills = sum(case["cases"] for case in cases if "kill" in case["fault"].lower())
    counts = f"{kills:,} kills" if kills == total else f"{total:,} cases, {kills:,} of them kills"
    return about_run(result, cases, counts)


def seconds_of_fault(case):
    """Show the seconds of a case, or why it did not run."""
    return f"not run: {case['skipped']}" if case.get("skipped") else f"{case['seconds']:,.1f}"


def limits(row):
    """Show the limits of one hostile input."""
    memory, seconds = (row["limits"][key] for key in ("memory, MiB", "seconds"))
    return f"{memory:,}{SPACE}MiB, {seconds}{SPACE}s"


def interval_settings(result):
    """Group the simulated settings by figure and structure."""
    groups = {}
    for row in result["rows"]:
        if row["method"] != "percentile":
            groups.setdefault((row["figure"], row["structure"]), []).append(row)
    return list(groups.values())


def least_coverage(settings):
    """Show the least coverage of some settings, and where it was."""
    worst = min(settings, key=lambda row: row["coverage"])
    return f"{worst['coverage']:.1%} ({worst['truth']:g}, {worst['n_genuine']})"


def range_of_widths(settings):
    """Show the narrowest and the widest mean interval."""
    widths = [row["width"] for row in settings]
    return f"{min(widths):.3f} to {max(widths):.3f}"


def different(key, form):
    """Return what shows the different values of some settings."""
    return lambda rows: ", ".join(form.format(value) for value in sorted({r[key] for r in rows}))


def about_intervals(result):
    """Say how many settings were simulated, and how many times."""
    rows = [row for row in result["rows"] if row["method"] != "percentile"]
    repeated = {row["repetitions"] for row in rows}
    quick = "**Few repetitions, for a quick look only.** " if result["quick"] else ""
    return (
        f"{quick}{len(rows)} settings, {min(repeated):,} to {max(repeated):,} repetitions each.\n\n"
    )


def percentile_settings(result):
    """Pair each setting of the percentile bootstrap with ours."""
    keys = ("figure", "truth", "n_genuine", "structure")
    ours = {tuple(row[k] for k in keys): row for row in result["rows"]
            if row["method"] != "percentile"}  # fmt: skip
    return [
        (row, ours[tuple(row[k] for k in keys)])
        for row in result["rows"]
        if row["method"] == "percentile"
    ]


def share_caught(row):
    """Show the fraction of mutants that tests catch, and its interval."""
    package = row[1]
    share = f"{100 * package['share']:.1f} %" if package["tried"] else "not tried yet"
    if ends := package.get("interval"):
        share += f" ({' to '.join(f'{100 * end:.1f}' for end in ends)})"
    return share


def mutants(title, width, key):
    """Declare a column of mutants by outcome."""
    return Column(title, width, lambda row: f"{row[1][key]:,}")


def covered(title, kind):
    """Declare a column of lines or branches that tests run."""

    def show(row):
        part = row[1][kind]
        return f"{100 * part['share']:.1f} % of {part['of']:,}" if part["of"] else ""

    return Column(title, 35, show)


def about_release(result):
    """State sizes, the demonstration, and failed tests."""
    demo = result["demo"]
    sizes = (result["wheel_bytes"] / 1e6, result["sdist_bytes"] / 1e6)
    failures = "".join(
        f"Failed on {row['python']}: ``{name}``.\n\n"
        for row in result["rows"]
        for name in row["failures"]
    )
    return (
        f"The wheel of version {result['version']} has {sizes[0]:.1f} MB, the source distribution "
        f"{sizes[1]:.1f} MB. The demonstration, from {demo['from']}, took {demo['seconds']:.0f} s; "
        f"the environment has {demo['environment_MB'] / 1000:.1f} GB.\n\n{failures}"
    )


def dependencies(row):
    """Name the versions of an environment, and the tests that were not run in it."""
    versions = f"torch {row['torch']}, scikit-learn {row['scikit-learn']}"
    if left_out := row.get("not run"):
        versions += f"; not run: tests of {', '.join(left_out)}"
    return f"{row['dependencies']}: {versions}"


def environments(result):
    """Return the environments, and whether each had the present wheel."""
    return [{**row, "same": row["wheel"] == result["wheel"]} for row in result["rows"]]


def architecture(result):
    """Pair the figures of before and of now by name."""
    before, now = result.get("before", {}), result["now"]
    return [(name, before.get(name), value) for name, value in now.items()]


TABLES = (
    Table(
        "proof_promises",
        "promises",
        (
            Column("", 4, lambda row: str(row["number"])),
            Column("Promise", 32, lambda row: f"**{row['name']}.** {row['what']}"),
            Column("Held by", 40, promise_tests),
            Column("Figures", 24, promise_figures),
        ),
        promises,
    ),
    Table(
        "proof_faults",
        "faults",
        (
            text("What", 30, "what"),
            text("Fault", 34, "fault"),
            count("Cases", 10, "cases"),
            FINDINGS,
            Column("Seconds", 14, seconds_of_fault),
        ),
        lambda result: result.get("cases", []),
        about_faults,
    ),
    Table(
        "proof_hostile",
        "hostile",
        (
            text("What", 28, "what"),
            Column("Limits of one", 16, limits),
            count("Inputs", 9, "inputs"),
            count("Refused", 9, "refused"),
            count("Read", 9, "accepted"),
            FINDINGS._replace(width=9),
            Column("Peak", 11, lambda row: f"{row['peak memory, MiB']:,}{SPACE}MiB"),
            Column("Seconds", 9, lambda row: f"{row['seconds']:,.0f}"),
        ),
        lambda result: result["rows"].values(),
        lambda result: about_run(result, result["rows"].values(), f"{result['inputs']:,} inputs"),
    ),
    Table(
        "proof_intervals",
        "intervals",
        (
            Column("Figure", 16, lambda rows: rows[0]["figure"]),
            Column("Rows", 14, lambda rows: rows[0]["structure"]),
            Column("True values", 16, different("truth", "{:g}")),
            Column("Rows a class", 12, different("n_genuine", "{}")),
            Column("Least coverage (true value, rows)", 14, least_coverage),
            Column(
                "Mean coverage", 9, lambda rows: f"{np.mean([row['coverage'] for row in rows]):.1%}"
            ),
            Column("Mean width", 12, range_of_widths),
            Column(
                "Settings with intervals of no width", 7,
                lambda rows: zero(sum(row["no width"] > 0 for row in rows)),
            ),
        ),
        interval_settings,
        about_intervals,
    ),
    Table(
        "proof_percentile",
        "intervals",
        (
            Column(
                "Setting", 30,
                lambda pair: "{figure} of {truth:g}, {n_genuine} + {n_fake} rows".format(**pair[0]),
            ),
            Column("Percentile bootstrap", 14, lambda pair: f"{pair[0]['coverage']:.1%}"),
            Column("of no width", 14, lambda pair: f"{pair[0]['no width']:.0%}"),
            Column("Here", 14, lambda pair: f"{pair[1]['coverage']:.1%}"),
            Column("of no width", 14, lambda pair: f"{pair[1]['no width']:.0%}"),
            Column(
                "Mean width, both", 14,
                lambda pair: ", ".join(f"{row['width']:.3f}" for row in pair),
            ),
        ),
        percentile_settings,
    ),
    Table(
        "proof_mutation",
        "mutation",
        (
            Column("Package", 20, lambda row: f"``{row[0]}``"),
            Column(
                "Mutants tried", 18, lambda row: "{tried:,} of {places:,}".format(**row[1])
            ),
            mutants("Caught", 12, "caught"),
            mutants("Survived", 12, "survived"),
            mutants("Past their limit", 14, "timed out"),
            Column("Share caught", 24, share_caught),
        ),
        lambda result: result["packages"].items(),
    ),
    Table(
        "proof_coverage",
        "coverage",
        (
            Column("Package", 30, lambda row: row[0] if row[0] == "**all**" else f"``{row[0]}``"),
            covered("Lines", "lines"),
            covered("Branches", "branches"),
        ),
        lambda result: [("**all**", result), *result["per package"].items()],
    ),
    Table(
        "proof_release",
        "release",
        (
            text("Python", 10, "python"),
            Column("Dependencies", 42, dependencies),
            count("Passed", 10, "passed"),
            count("Failed", 10, "failed"),
            count("Skipped", 10, "skipped"),
            Column(
                "This wheel", 18, lambda row: "yes" if row["same"] else "no, a build before it"
            ),
        ),
        environments,
        about_release,
    ),
    Table(
        "proof_architecture",
        "architecture",
        (
            Column("Figure", 60, lambda row: row[0].capitalize()),
            Column("Before", 20, lambda row: "" if row[1] is None else f"{row[1]:,}"),
            Column("Now", 20, lambda row: f"{row[2]:,}"),
        ),
        architecture,
    ),
)  # fmt: skip
