"""Tables of how well verification works, made from committed figures.

Before a build, ``docs/generated/quality_verification_*.rst`` and ``quality_verification_curve.svg``
are written, which the page ``quality`` includes.
"""

import json
from pathlib import Path

import numpy as np
from heads_tables import RESULTS, list_table, save

AIMS = [  # what, how to read it from the rows, at most or at least, of 0.1.0
    ("one reference: EER", ("default", 1), "EER", 0.115, "19.5 %"),
    ("template of three: EER", ("default", 3), "EER", 0.07, "14.2 %"),
    ("one reference: APCER at the shipped threshold", ("default", 1), "APCER", 0.30, "68.7 %"),
    ("template of three: APCER at the shipped threshold", ("default", 3), "APCER", 0.15, ""),
    ("one reference: BPCER at the shipped threshold", ("default", 1), "BPCER", 0.05, ""),
    ("template of three: BPCER at the shipped threshold", ("default", 3), "BPCER", 0.05, ""),
    ("template of three: AUC, hard quarter", ("default", 3), "AUC, hard quarter", 0.93, ""),
]
SYSTEMS = [  # as shown, as named in the figures, references
    ("default (``dlib-resnet``)", "default", (1, 3)),
    ("small network (``difffake-lite0-identity``)", "small network", (1, 3)),
    ("your ArcFace-like ONNX network (MobileFaceNet)", "ArcFace ONNX", (1, 3)),
    ("ImageNet features (``efficientnet-lite0``): a warning", "ImageNet", (1, 3)),
]
LINES = {1: ("#1f4e9c", "o-"), 2: ("#d2691e", "s--"), 4: ("#5a5a5a", "^:")}  # by probe images


def percent(values):
    estimate, low, high = (100 * value for value in values)
    return f"{estimate:.1f} % ({low:.1f}-{high:.1f})"


def area(values):
    return f"{values[0]:.3f} ({values[1]:.3f}-{values[2]:.3f})"


def pick(rows, system, k, m=1, *, part="test", labels="cleaned"):
    """Return the row of one system, part and size of templates."""
    wanted = {
        "system": system, "references": k, "probes": m, "part": part, "labels": labels
    }  # fmt: skip
    return next(row for row in rows if all(row[key] == wanted[key] for key in wanted))


def write_tables(app):
    """Write all tables."""
    found = json.loads((RESULTS / "verification_quality.json").read_text())
    rows = found["rows"]
    tables = {
        "quality_verification_aims": aims(rows),
        "quality_verification_short": short(rows),
        "quality_verification_parts": parts(rows),
        "quality_verification_curve": curve(rows),
        "quality_verification_conditions": conditions(found["conditions"]),
        "quality_verification_kept": kept(found["identity_kept"]),
        "quality_verification_check": check(),
    }
    save(app, tables)
    draw_curve(rows, Path(app.srcdir) / "generated" / "quality_verification_curve.svg")


def short(rows):
    """Return the first table: five rows."""
    header = ["System", "References", "EER", "APCER", "BPCER", "AUC, hard quarter"]
    body = []
    for shown, system, sizes in SYSTEMS:
        for k in sizes:
            row = pick(rows, system, k)
            body.append(
                [shown, k, *(percent(row[name]) for name in ("EER", "APCER", "BPCER"))]
                + [area(row["AUC, hard quarter"])]
            )
    return list_table(header, body, "30 10 16 16 16 16")


def aims(rows):
    """Return what was aimed at, and whether it was reached."""
    header = ["Default", "0.1.0", "Aim", "Measured", "Reached"]
    body = []
    for what, (system, k), metric, aim, before in AIMS:
        values = pick(rows, system, k)[metric]
        rate = not metric.startswith("AUC")
        reached = values[0] <= aim if rate else values[0] >= aim
        goal = f"at most {100 * aim:g} %" if rate else f"at least {aim:g}"
        shown = percent(values) if rate else area(values)
        body.append([what, before or "not measured", goal, shown, "yes" if reached else "no"])
    return list_table(header, body, "36 14 16 22 12")


def parts(rows):
    """Return both parts, and both versions of the labels, for all systems."""
    header = ["System", "References", "Part", "Labels", "EER", "APCER", "BPCER", "AUC"]
    body = [
        [shown, k, part, labels, *(percent(row[name]) for name in ("EER", "APCER", "BPCER"))]
        + [area(row["AUC"])]
        for shown, system, sizes in SYSTEMS
        for k in sizes
        for part in ("validation", "test")
        for labels in ("cleaned", "all")
        for row in [pick(rows, system, k, part=part, labels=labels)]
    ]
    return list_table(header, body, "24 8 10 8 13 13 13 13")


def default_rows(rows):
    """Return the rows of the default on the test part, one for each size of templates."""
    values = ("default", "test", "cleaned")
    return [row for row in rows if (row["system"], row["part"], row["labels"]) == values]


def draw_curve(rows, file):
    """Draw the EER of the default over the number of references, a line for each probe size."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 3.8))
    for shift, (n_probes, (color, style)) in zip((0.98, 1.0, 1.02), LINES.items(), strict=True):
        chosen = [row for row in default_rows(rows) if row["probes"] == n_probes]
        sizes = np.array([row["references"] for row in chosen])
        eer, low, high = 100 * np.array([row["EER"] for row in chosen]).T
        label = f"{n_probes} probe image" + ("s" if n_probes > 1 else "")
        axis.errorbar(
            shift * sizes, eer, [eer - low, high - eer], fmt=style, color=color, label=label,
            capsize=3, linewidth=1.6, elinewidth=0.8,
        )  # fmt: skip
    axis.set_xscale("log", base=2)
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.minorticks_off()
    axis.set(xlabel="references in the template", ylabel="EER (%)", ylim=(0, None))
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(file, facecolor="white", metadata={"Date": None})
    plt.close(figure)


def curve(rows):
    """Return EER, APCER and BPCER of the default by number of references and probe images."""
    header = ["References", "Probe images", "EER", "APCER", "BPCER", "Threshold of"]
    body = []
    for row in default_rows(rows):
        k, m = row["category"]
        body.append(
            [row["references"], row["probes"]]
            + [percent(row[name]) for name in ("EER", "APCER", "BPCER")]
            + [f"{k} and {m}"]
        )
    return list_table(header, body, "12 14 20 20 20 14")


def conditions(rows):
    """Return the default on degraded probes."""
    header = ["Probe", "References", "EER", "APCER", "BPCER", "No face found"]
    body = [
        [
            "as it is" if row["condition"] == "none" else f"{row['condition']} {row['strength']}",
            row["references"],
            *(percent(row[name]) for name in ("EER", "APCER", "BPCER")),
            row["probes without a face"],
        ]
        for row in rows
    ]
    return list_table(header, body, "20 12 18 18 18 14")


def kept(rows):
    """Return the pictures that keep the identity of one person."""
    header = ["System", "References", "AUC", "EER", "APCER", "BPCER"]
    names = {system: shown for shown, system, _ in SYSTEMS}
    body = [
        [
            names[row["system"]],
            row["references"],
            f"{row['AUC']:.3f}",
            *(f"{100 * row[name]:.1f} %" for name in ("EER", "APCER", "BPCER")),
        ]
        for row in rows
    ]
    return list_table(header, body, "36 12 13 13 13 13")


def check():
    """Return the BPCER of LFW people who set no threshold."""
    found = json.loads((RESULTS / "default_calibration.json").read_text())
    of = {(row["n_references"], row["n_probes"]): row["n"] for row in found["categories"]}
    header = ["References", "Probe images", "People who set it", "People checked", "BPCER"]
    body = [
        [
            row["references"],
            row["probes"],
            of[tuple(row["calibrated as"])],
            row["people"],
            percent(row["BPCER"]),
        ]
        for row in found["check"]
    ]
    return list_table(header, body, "16 16 20 20 28")


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_tables)
    return {"parallel_read_safe": True}
