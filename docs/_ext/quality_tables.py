"""Tables of detection quality, made from committed figures.

Before a build, ``docs/generated/quality_*.rst`` are written, which the page ``quality`` includes.
"""

import json

from heads_tables import RESULTS, auc, list_table, per_cent, save


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
    save(app, tables)


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_tables)
    return {"parallel_read_safe": True}
