"""Tables of detection quality, made from committed figures.

Before a build, ``docs/generated/quality_*.rst`` are written, which the page ``quality`` includes.
"""

import json

from heads_tables import RESULTS, auc, list_table, per_cent, save

EXPLAINED = {"default": "the default", "identity": "identity only", "verdict": "verdict only"}
MAPS = ("joint occlusion", "occlusion", "gradient")
SHOWN = [("default", "joint occlusion"), ("default", "gradient"), ("verdict", "gradient")]


def write_tables(app):
    """Write all tables."""
    found = json.loads((RESULTS / "quality.json").read_text())
    header = ["System", "AUC", "EER", "BPCER at APCER 5 %", "AUC, hard quarter"]
    tables = {}
    for part in ("choose", "report"):
        rows = [
            [
                row["system"],
                auc(row["AUC"]),
                per_cent(row["EER"]),
                per_cent(row["BPCER@APCER5"]),
                auc(row["AUC, hard quarter"]),
            ]
            for row in found["rows"]
            if row["part"] == part
        ]
        tables[f"quality_{part}"] = list_table(header, rows, "34 18 18 18 18")
    rows = [
        [row["data"], row["images"], f"{row['teacher']:.3f}", f"{row['student']:.3f}"]
        for row in found["distillation"]
    ]
    header = ["Data", "Images", "AUC of the teacher", "AUC of the identity network"]
    tables["quality_distillation"] = list_table(header, rows, "34 16 25 25")
    tables |= technique_table() | robustness_tables() | across_tables() | explanation_tables()
    save(app, tables)


def across_tables():
    """Return what is said about the search across data sets, and its table."""
    found = json.loads((RESULTS / "across_datasets.json").read_text())
    grid, halving = found["grid"], found["halving"]
    names = [name for name in grid["rows"][0] if name not in ("operator", "head", "mean")]
    about = (
        f"{found['pairs']:,} pairs, {found['fakes']:,} of them fakes, {found['people']:,} people "
        f"in {', '.join(names)}. They hold {found['distinct images']:,} distinct images; the grid "
        f"of {len(grid['rows'])} candidates and {len(names)} folds embedded "
        f"{grid['images embedded']:,}, and took {grid['seconds']:.0f} seconds on two cores. Each "
        "column is the ROC-AUC on the data set that was left out. LFW: genuine pairs against "
        "pseudo-deepfakes with the inner face of somebody else; DFDC: crops of real deepfakes; "
        "rendered: "
        ":func:`~sklearn_diffake.datasets.make_face_pairs`. The embedding is that of the packaged "
        "identity network.\n"
    )
    rows = [
        [row["operator"], f"``{row['head']}``"] + [f"{row[name]:.3f}" for name in (*names, "mean")]
        for row in grid["rows"]
    ]
    halved = (
        f"``HalvingGridSearchCV`` over the same candidates ended with {halving['best operator']} "
        f"and ``{halving['best head']}`` (mean AUC {halving['AUC']:.3f} in its last round) after "
        f"{halving['rounds']} rounds and {halving['seconds']:.0f} seconds, and embedded "
        f"{halving['images embedded']:,} further images.\n"
    )
    return {
        "quality_across_about": about,
        "quality_across": list_table(
            ["Operator", "Head", *names, "Mean"], rows, "18 30 " + "13 " * len(names) + "13"
        ),
        "quality_across_halving": halved,
    }


def technique_table():
    """Return the table of pseudo-deepfakes, technique by technique."""
    found = json.loads((RESULTS / "techniques.json").read_text())
    header = ["Technique", "The shipped network", "Small, seen", "Small, left out"]
    rows = [
        [f"``{row['technique']}``", *(auc(row[key]) for key in ("shipped", "seen", "left out"))]
        for row in found["rows"]
    ]
    return {"quality_techniques": list_table(header, rows, "31 23 23 23")}


def explanation_tables():
    """Return two tables of what was measured of the maps of `explain_pair`."""
    rows = json.loads((RESULTS / "explanations.json").read_text())["rows"]
    found = {(row["probes"], row["system"], row["map"]): row for row in rows}
    header = ["Score of, map", "Mass inside", "random", "other masks"]
    header += ["Peak inside or near", "random", "other masks"]
    body = [
        [f"{EXPLAINED[system]}, {kind}", *explained(row, "random maps", "other masks")]
        for system in EXPLAINED
        for kind in MAPS
        if (row := found.get(("all", system, kind)))
    ]
    tables = {"quality_explanations": list_table(header, body, "26 16 11 11 16 10 10")}
    header = ["Probes", *(title for title in header if title != "random")]
    body = [
        [f"{name} ({row['pairs']})", f"{EXPLAINED[system]}, {kind}"] + explained(row, "other masks")
        for name in dict.fromkeys(row["probes"] for row in rows if row["probes"] != "all")
        for system, kind in SHOWN
        for row in [found[name, system, kind]]
    ]
    tables["quality_explanations_probes"] = list_table(header, body, "23 24 16 11 16 10")
    return tables


def explained(row, *controls):
    """Show mass and peak of a map, each followed by those of controls."""
    cells = []
    for measure in ("mass", "peak near"):
        estimate, low, high = (100 * value for value in row[measure])
        cells.append(f"{estimate:.0f} % ({low:.0f}-{high:.0f})")
        cells += [f"{100 * row[f'{measure}, {control}'][0]:.0f} %" for control in controls]
    return cells


def robustness_tables():
    """Return a table of AUC and one of EER under degradations of the probe."""
    rows = json.loads((RESULTS / "robustness.json").read_text())["rows"]
    systems = list(dict.fromkeys(row["system"] for row in rows))
    conditions = list(dict.fromkeys((row["condition"], row["strength"]) for row in rows))
    cells = {(row["condition"], row["strength"], row["system"]): row for row in rows}
    tables = {}
    for metric, show in (("AUC", auc), ("EER", per_cent), ("BPCER@APCER5", per_cent)):
        body = [
            [kind if kind == "none" else f"{kind} {strength}"]
            + [show(cells[kind, strength, system][metric]) for system in systems]
            for kind, strength in conditions
        ]
        name = f"quality_robustness_{metric.split('@')[0].lower()}"
        tables[name] = list_table(["Probe", *systems], body, "24 19 19 19 19")
    return tables


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_tables)
    return {"parallel_read_safe": True}
