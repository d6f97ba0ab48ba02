"""Rows of the tables of speed and memory, promises, faults, hostile input, tests, the release."""

import numpy as np
from result_tables import list_table, read_result, render_rows, show_number

# --- speed and memory --------------------------------------------------------------------------

VERDICTS = ("met", "**not met**", "ahead", "**behind**", "not measured")
QUICK = "**Small sizes, for a quick look only.** "
COMPARISON = (
    ("What", 27, "{what}"),
    ("Against", 20, "{yardstick}"),
    ("Ours", 12, "{ours:number} {unit}"),
    ("Theirs", 12, "{theirs:number} {unit}"),
    ("Ratio (quartiles)", 13, "{ratio and quartiles}"),
    ("Goal", 7, "{aim}"),
    ("Outcome", 9, "{verdict}"),
)


def verdict(row):
    """Return the outcome of a row; one without a goal is ahead or behind."""
    if row["met"] is not None:
        return "met" if row["met"] else "**not met**"
    if row["ratio"] is None:
        return "not measured"
    return "ahead" if row["ratio"] >= 1 else "**behind**"


def comparisons(result):
    """Return the rows of a suite, with outcome and ratio."""
    rows = []
    for row in result["rows"]:
        low, high = show_number(row["low"]), show_number(row["high"])
        ratio = show_number(row["ratio"]) + ("" if row["low"] is None else f" ({low}-{high})")
        aim = (row["goal"] or "").replace(">=", "\N{GREATER-THAN OR EQUAL TO}")
        rows.append({**row, "ratio and quartiles": ratio, "aim": aim, "verdict": verdict(row)})
    return rows


def bench_rows(result, measures):
    """Return the rows of the last full run whose measure contains one of some texts."""
    rows = []
    for text in measures:
        matches = [
            row for suite in result["suites"] for row in suite["rows"] if text in row["what"]
        ]
        if not matches:
            raise ValueError(f"bench.json has no row whose measure contains {text!r}")
        rows += matches
    return comparisons({"rows": rows})


def comparison_columns(result, with_outcome=True):
    """Return the columns of a suite; a narrow page leaves out goal and outcome."""
    return COMPARISON if with_outcome else COMPARISON[:-2]


def describe_run(run):
    """Return machine, versions and date of the run, and the suites of another date."""
    machine = run["machine"]
    repeated_suites = [
        f"{suite['suite']} ({suite['date']}, {suite['cpu']})"
        for suite in run["suites"]
        if (suite["date"], suite["cpu"]) != (run["date"], machine["cpu"])
    ]
    repeated = f" Measured by themselves: {', '.join(repeated_suites)}." if repeated_suites else ""
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    size = QUICK if run["quick"] else ""
    return (
        f"{size}Measured on {run['date']} on {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_GB']:.0f} GB of memory, device {machine['device']}, with Python "
        f"{machine['python']}, in {run['seconds'] / 60:.0f} minutes. Versions: {versions}. "
        f"Seeds: {run['seeds']}.{repeated}\n"
    )


def summary(suites):
    """Return the table that counts outcomes."""
    used_outcomes = [v for v in VERDICTS if any(verdict(r) == v for s in suites for r in s["rows"])]
    rows = []
    for suite in suites:
        outcomes = [verdict(row) for row in suite["rows"]]
        counts = [str(outcomes.count(name)) for name in used_outcomes]
        rows.append([f"`{suite['suite'].capitalize()}`_", *counts, f"{suite['seconds']:.0f} s"])
    header = ["Suite", *(name.strip("*") for name in used_outcomes), "Took"]
    return list_table(header, rows, "30 " + "14 " * (len(used_outcomes) + 1))


def render_run(run):
    """Return the page of a run in reStructuredText."""
    texts = [describe_run(run), summary(run["suites"])]
    for suite in run["suites"]:
        title = suite["suite"].capitalize()
        texts.append(f"{title}\n{'-' * len(title)}\n")
        for name, error in suite["failed"].items():
            texts.append(f".. warning:: ``bench_{name}.py`` failed: {error.splitlines()[-1]}\n")
        if suite["rows"]:
            texts.append(render_rows(COMPARISON, comparisons(suite)))
    return "\n".join(texts)


def all_suites():
    """Return the page of the last full run."""
    run = read_result("bench")
    return (
        "Nothing has been measured yet: run ``make bench``.\n" if run is None else render_run(run)
    )


def growth_cases(result):
    """Return the cases, with their smallest and largest size."""
    return [
        {
            **case,
            "from": case["sizes"][0],
            "to": case["sizes"][-1],
            "verdict": "**yes**" if case["worse than linear"] else "no",
        }
        for case in result["cases"]
    ]


def about_growth(result):
    """Return the text on the machine of the run."""
    machine = result["machine"]
    quick = QUICK if result["quick"] else ""
    return f"{quick}Measured on {machine['cpu']}, {machine['cores']} cores.\n\n"


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


# --- promises ----------------------------------------------------------------------------------


def promises(result):
    """Return the promises, with their tests and what the last run measured of them."""
    bench = read_result("bench") or {"suites": []}
    measured = [row for suite in bench["suites"] for row in suite["rows"]]
    return [
        {
            **promise,
            "held by": promise_tests(promise),
            "figures": promise_figures(promise, measured),
        }
        for promise in result["promises"]
    ]


def promise_tests(promise):
    """Return the tests of a promise."""
    names = (test.split("::") for test in promise["tests"])
    return "; ".join(f"``{name}`` ({file.removeprefix('tests/')})" for file, name in names)


def promise_figures(promise, measured):
    """Return how many cases pass, and what was measured of the promise."""
    texts = [f"{promise.get('passed', 0):,} cases pass"]
    if promise.get("failed"):
        texts.append(f"**{promise['failed']} failed**")
    for reason, number in promise["reasons"].items():
        texts.append(f"{number} skipped ({reason})")
    for row in measured:
        if any(name in row["what"] for name in promise["rows"]):
            values = f"{show_number(row['ours'])} of {show_number(row['theirs'])} {row['unit']}"
            texts.append(f"{row['what']}: {values}, {verdict(row)}")
    return "; ".join(texts)


# --- faults and hostile input ------------------------------------------------------------------


def about_run(result, cases, inputs):
    """Return the text on all that was done, what came of it, and where."""
    findings = sum(case["findings"] for case in cases)
    seconds = sum(case["seconds"] for case in cases)
    machine = result["machine"]
    return (
        f"{inputs}, {findings or 'no'} finding{'' if findings == 1 else 's'}, in {seconds:,.0f} "
        f"seconds on {machine['cores']} cores ({machine['cpu']}), Python {machine['python']}, "
        f"seed {result['seed']}.\n\n"
    )


def faults(result):
    """Return the cases, with their seconds or the reason why they did not run."""
    rows = []
    for case in result.get("cases", []):
        skipped = case.get("skipped")
        rows.append(
            {**case, "time": f"not run: {skipped}" if skipped else f"{case['seconds']:,.1f}"}
        )
    return rows


def about_faults(result):
    """Return the text on the number of faults."""
    cases = result.get("cases", [])
    total = sum(case["cases"] for case in cases)
    kills = sum(case["cases"] for case in cases if "kill" in case["fault"].lower())
    counts = f"{kills:,} kills" if kills == total else f"{total:,} cases, {kills:,} of them kills"
    processors = " and ".join(sorted({case["cpu"] for case in cases}))
    machine = {**result["machine"], "cpu": processors}
    return about_run({**result, "machine": machine}, cases, counts)


def hostile_inputs(result):
    """Return the rows of the kinds of hostile input."""
    return result["rows"].values()


def about_hostile(result):
    """Return the text on the number of hostile inputs."""
    return about_run(result, result["rows"].values(), f"{result['inputs']:,} inputs")


# --- intervals ---------------------------------------------------------------------------------


def simulated_rows(result):
    """Return the simulated settings of our intervals."""
    return [row for row in result["rows"] if row["method"] != "percentile"]


def interval_settings(result):
    """Group the simulated settings by figure and structure."""
    groups = {}
    for row in simulated_rows(result):
        groups.setdefault((row["figure"], row["structure"]), []).append(row)
    return [
        {
            "figure": figure,
            "structure": structure,
            "truths": ", ".join(f"{value:g}" for value in sorted({r["truth"] for r in rows})),
            "sizes": ", ".join(str(value) for value in sorted({r["n_genuine"] for r in rows})),
            "worst": min(rows, key=lambda row: row["coverage"]),
            "mean coverage": np.mean([row["coverage"] for row in rows]),
            "least width": min(row["width"] for row in rows),
            "largest width": max(row["width"] for row in rows),
            "no width": sum(row["no width"] > 0 for row in rows),
        }
        for (figure, structure), rows in groups.items()
    ]


def about_intervals(result):
    """Return the text on the number of simulated settings and repetitions."""
    rows = simulated_rows(result)
    repeated = {row["repetitions"] for row in rows}
    quick = "**Few repetitions, for a quick look only.** " if result["quick"] else ""
    return (
        f"{quick}{len(rows)} settings, {min(repeated):,} to {max(repeated):,} repetitions each.\n\n"
    )


def conformal_settings(result):
    """Gather the rates of each setting and category."""
    settings = {}
    for row in result["rows"]:
        settings.setdefault((row["setting"], tuple(row["category"])), []).append(row)
    return [
        {
            "setting": name
            + ("" if rows[0]["promised"] else " (nothing promised)")
            + ("" if rows[0]["calibrated"] else " (not calibrated)"),
            "images": f"{category[0]}, {category[1]}",
            "rates": [f"{row['rate']:.4f} ± {row['standard error']:.4f}" for row in rows],
        }
        for (name, category), rows in settings.items()
    ]


def about_conformal(result):
    """Say how many repetitions there were, and how often the promise was broken."""
    promised = [row for row in result["rows"] if row["promised"]]
    broken = [row for row in promised if row["rate"] - row["allowed"] > 4 * row["standard error"]]
    quick = "**Few repetitions, for a quick look only.** " if result["quick"] else ""
    return (
        f"{quick}{promised[0]['repetitions']:,} repetitions of 200 new rows or groups each. Rates "
        f"above the allowed one by more than four standard errors: {len(broken)} of "
        f"{len(promised)}.\n\n"
    )


def percentile_settings(result):
    """Return each setting of the percentile bootstrap with ours."""
    keys = ("figure", "truth", "n_genuine", "structure")
    own_settings = {tuple(row[key] for key in keys): row for row in simulated_rows(result)}
    return [
        {**row, "ours": own_settings[tuple(row[key] for key in keys)]}
        for row in result["rows"]
        if row["method"] == "percentile"
    ]


# --- tests, release and architecture -----------------------------------------------------------


def mutated_packages(result):
    """Return each package with the fraction of mutants that tests catch, and its interval."""
    rows = []
    for name, package in result["packages"].items():
        fraction = f"{100 * package['share']:.1f} %" if package["tried"] else "not tried yet"
        if ends := package.get("interval"):
            fraction += f" ({' to '.join(f'{100 * end:.1f}' for end in ends)})"
        rows.append({**package, "package": name, "fraction": fraction})
    return rows


def covered_packages(result):
    """Return how many lines and branches tests run, in all and by package."""
    packages = {"**all**": result}
    packages |= {f"``{name}``": package for name, package in result["per package"].items()}
    return [
        {"package": name, **{kind: show_coverage(package[kind]) for kind in ("lines", "branches")}}
        for name, package in packages.items()
    ]


def show_coverage(kind):
    """Show the fraction of lines or branches that tests run."""
    return f"{100 * kind['share']:.1f} % of {kind['of']:,}" if kind["of"] else ""


def about_chosen_mutants(result):
    """Say how many of the faults chosen by hand are caught."""
    return f"Caught: {result['caught']} of {result['declared']}.\n\n"


def about_release(result):
    """Return the text on sizes, the demonstration, and failed tests."""
    demo = result["demo"]
    sizes = (result["wheel_bytes"] / 1e6, result["sdist_bytes"] / 1e6)
    earlier = "" if demo.get("wheel") == result["wheel"] else " (of a build before it)"
    failures = "".join(
        f"Failed on {row['python']}: ``{name}``.\n\n"
        for row in result["rows"]
        for name in row["failures"]
    )
    return (
        f"The wheel of version {result['version']} has {sizes[0]:.1f} MB, the source distribution "
        f"{sizes[1]:.1f} MB. The demonstration, from {demo['from']}{earlier}, took "
        f"{demo['seconds']:.0f} s; the environment has "
        f"{demo['environment_MB'] / 1000:.1f} GB.\n\n{failures}"
    )


def environments(result):
    """Return the environments, with their versions and whether each had the present wheel."""
    rows = []
    for row in result["rows"]:
        versions = (
            f"{row['dependencies']}: torch {row['torch']}, scikit-learn {row['scikit-learn']}"
        )
        if excluded := row.get("not run"):
            versions += f"; not run: tests of {', '.join(excluded)}"
        wheel = "yes" if row["wheel"] == result["wheel"] else "no, a build before it"
        rows.append({**row, "versions": versions, "this wheel": wheel})
    return rows


def architecture(result):
    """Return the figures of before and of now by name."""
    earlier_figures = result.get("before", {})
    return [
        {
            "name": name.capitalize(),
            "before": "" if earlier_figures.get(name) is None else f"{earlier_figures[name]:,}",
            "now": value,
        }
        for name, value in result["now"].items()
    ]


PAGES = {"bench_all": all_suites}
FIGURES = {"bench_growth.svg": draw_growth}
