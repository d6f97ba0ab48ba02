"""Tables of the experiments with forgery networks, made from committed figures.

Before a build, ``docs/generated/forgery_*.rst`` are written, which the page ``quality`` includes.
"""

import json

from heads_tables import RESULTS, auc, list_table, save

EXPERIMENTS = {
    "pseudo-deepfakes, photographs": "Pseudo-deepfakes",
    "pseudo-deepfakes, video": "the same as video",
    "stills, validation": "Stills, validation",
    "stills, test": "Stills, test",
    "clips": "Clips",
    "identity_kept": "Identity kept",
}


def show(value):
    """Write an AUC with its interval, if it has one; a dash stands for none."""
    if value is None:
        return "\u2013"
    return auc(value) if isinstance(value, list) else f"{value:.3f}"


def experiments():
    """Return the table of all networks, in the order in which they were judged."""
    found = json.loads((RESULTS / "forgery_experiments.json").read_text())
    rows = [
        [f"**{row['name']}**: {row['about']}", f"{row['input size']}"]
        + [show(row[key]) for key in EXPERIMENTS]
        for row in found["networks"]
    ]
    header = ["Network", "Pixels", *EXPERIMENTS.values()]
    return {"forgery_experiments": list_table(header, rows, "30 7 13 13 13 13 8 8")}


def differences():
    """Return the table of what was tried within clips, and the learning curves."""
    networks = json.loads((RESULTS / "clip_differences.json").read_text())["networks"]
    names = [network["name"] for network in networks]
    tried = [
        [row["pairs of"], row["features"], row["fitted on"], row["by"]]
        + [show(network["rows"][i].get(key)) for network in networks for key in MEASURED]
        for i, row in enumerate(networks[0]["rows"])
    ]
    header = ["Pairs of", "Features", "Fitted on", "Score"]
    header += [f"{title}, {name}" for name in names for title in MEASURED.values()]
    widths = "11 12 10 17 " + " ".join(["8 17"] * len(names))
    tables = {"forgery_differences": list_table(header, tried, widths)}
    real, photos = [], []
    for i, row in enumerate(networks[0]["learning curve"]["real"]):
        points = [network["learning curve"]["real"][i] for network in networks]
        shown = [f"{p['AUC']:.2f} ({p['of'][0]:.2f}-{p['of'][1]:.2f})" for p in points]
        real.append([f"{row['clips']}", *shown])
    for i, row in enumerate(networks[0]["learning curve"]["stand-ins"]):
        points = [network["learning curve"]["stand-ins"][i] for network in networks]
        cells = [show(p[key]) for p in points for key in ("stand-ins", "real clips")]
        photos.append([f"{row['clips']}", *cells])
    tables["forgery_curve_real"] = list_table(
        ["Genuine clips", *(f"AUC (range), {name}" for name in names)],
        real,
        "30 " + " ".join(["35"] * len(names)),
    )
    header = [f"{title}, {name}" for name in names for title in ("Stand-ins", "Real clips")]
    tables["forgery_curve_stand_ins"] = list_table(
        ["Stand-in clips", *header], photos, "20 " + " ".join(["25 15"] * len(names))
    )
    tables["forgery_composition"] = composition(networks)
    return tables


MEASURES = {"pose explains": "size explained by the distance of landmarks, genuine"}
MEASURED = {"clips": "Real clips", "stand-ins": "Stand-ins"}


def composition(networks):
    """Return the table of what differences within clips consist of."""
    measures = networks[0]["composition"]
    rows = []
    for measure in measures:
        cells = [network["composition"][measure] for network in networks]
        shown = [f"{c['genuine']:g} / {c['fake']:g}" if isinstance(c, dict) else f"{100 * c:.0f} %"
                 for c in cells]  # fmt: skip
        rows.append([MEASURES.get(measure, measure), *shown])
    header = ["Measure", *(f"{network['name']}, genuine / fake" for network in networks)]
    return list_table(header, rows, "40 " + " ".join(["30"] * len(networks)))


def write_tables(app):
    """Write all tables."""
    save(app, experiments() | differences())


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_tables)
    return {"parallel_read_safe": True}
