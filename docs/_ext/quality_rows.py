"""Rows of the tables of detection quality, of detectors, backbones and extras."""

import inspect
import itertools
import re

import numpy as np
from result_tables import DASH, read_result, show_area, show_rate

from sklearn_diffake import novelty
from sklearn_diffake.embedding.backbones import entries

# --- verification ------------------------------------------------------------------------------

AIMS = [  # name, system and references, figure, at most or at least, of 0.1.0
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


def find_row(rows, system, n_references, n_probes=1, *, part="test", labels="cleaned"):
    """Return the row of one system, part and size of templates."""
    key = {"system": system, "references": n_references, "probes": n_probes}
    key |= {"part": part, "labels": labels}
    return next(row for row in rows if all(row[name] == value for name, value in key.items()))


def rows_of_systems(result, parts, labels):
    """Return the rows of all systems on some parts and versions of the labels."""
    return [
        {**find_row(result["rows"], system, size, part=part, labels=version), "shown": shown_name}
        for shown_name, system, sizes in SYSTEMS
        for size in sizes
        for part, version in itertools.product(parts, labels)
    ]


def aims(result):
    """Return each aim with what was measured of it."""
    rows = []
    for name, system, metric, aim, earlier in AIMS:
        values = find_row(result["rows"], *system)[metric]
        is_area = metric.startswith("AUC")
        reached = values[0] >= aim if is_area else values[0] <= aim
        rows.append(
            {
                "name": name,
                "before": earlier or "not measured",
                "aim": f"at least {aim:g}" if is_area else f"at most {100 * aim:g} %",
                "measured": show_area(values) if is_area else show_rate(values),
                "reached": "yes" if reached else "no",
            }
        )
    return rows


def default_rows(result):
    """Return the rows of the default on the test part, one for each size of templates."""
    values = ("default", "test", "cleaned")
    return [r for r in result["rows"] if (r["system"], r["part"], r["labels"]) == values]


def conditions(result):
    """Return the degradations of the probe, each with its name and strength."""
    return [
        {
            **row,
            "probe": "as it is"
            if row["condition"] == "none"
            else f"{row['condition']} {row['strength']}",
        }
        for row in result["conditions"]
    ]


def identity_kept(result):
    """Return the rows of pictures that keep the identity of one person."""
    names = {system: shown_name for shown_name, system, _ in SYSTEMS}
    return [{**row, "shown": names[row["system"]]} for row in result["identity_kept"]]


def checked_people(result):
    """Return the people who set no threshold, with the number of those who did."""
    n_people = {(row["n_references"], row["n_probes"]): row["n"] for row in result["categories"]}
    return [{**row, "set by": n_people[tuple(row["calibrated as"])]} for row in result["check"]]


def draw_curve(file):
    """Draw the EER of the default over the number of references, a line for each probe size."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = default_rows(read_result("verification_quality"))
    figure, axis = plt.subplots(figsize=(7, 3.8))
    for shift, (n_probes, (color, style)) in zip((0.98, 1.0, 1.02), LINES.items(), strict=True):
        rows_of_line = [row for row in rows if row["probes"] == n_probes]
        sizes = np.array([row["references"] for row in rows_of_line])
        eer, low, high = 100 * np.array([row["EER"] for row in rows_of_line]).T
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


# --- single images and pipelines ---------------------------------------------------------------


def rows_of_part(result, part):
    """Return the rows of one part of the groups."""
    return [row for row in result["rows"] if row["part"] == part]


def rows_of_degradations(result):
    """Return a row for each degradation of the probe, with the figures of each system."""
    by_condition = {}
    for row in result["rows"]:
        condition = (
            "none" if row["condition"] == "none" else f"{row['condition']} {row['strength']}"
        )
        by_condition.setdefault(condition, {})[row["system"]] = row
    return [{"probe": name, "systems": systems} for name, systems in by_condition.items()]


def columns_of_systems(result, cell):
    """Return the columns of a figure of each system."""
    systems = dict.fromkeys(row["system"] for row in result["rows"])
    return [
        ("Probe", 24, "{probe}"),
        *((system, 19, cell.replace("SYSTEM", system)) for system in systems),
    ]


def names_of_datasets(result):
    """Return the names of the datasets of the grid."""
    return [n for n in result["grid"]["rows"][0] if n not in ("operator", "head", "mean")]


def across_rows(result):
    """Return the rows of the grid."""
    return result["grid"]["rows"]


def across_columns(result):
    """Return the columns of the grid, one for each dataset."""
    return [
        ("Operator", 18, "{operator}"),
        ("Head", 30, "``{head}``"),
        *((name, 13, f"{{{name}:area}}") for name in names_of_datasets(result)),
        ("Mean", 13, "{mean:area}"),
    ]


def about_across():
    """Return the text on the grid across datasets."""
    result = read_result("across_datasets")
    grid, names = result["grid"], names_of_datasets(result)
    return (
        f"{result['pairs']:,} pairs, {result['fakes']:,} of them fakes, {result['people']:,} "
        f"people in {', '.join(names)}. They hold {result['distinct images']:,} distinct images; "
        f"the grid of {len(grid['rows'])} candidates and {len(names)} folds embedded "
        f"{grid['images embedded']:,}, and took {grid['seconds']:.0f} seconds on two cores. Each "
        "column is the ROC-AUC on the data set that was left out. LFW: genuine pairs against "
        "pseudo-deepfakes with the inner face of somebody else; DFDC: crops of real deepfakes; "
        "rendered: "
        ":func:`~sklearn_diffake.datasets.make_face_pairs`. The embedding is that of the packaged "
        "identity network.\n"
    )


def halving():
    """Return the text on the result of the halving search."""
    halved = read_result("across_datasets")["halving"]
    return (
        f"``HalvingGridSearchCV`` over the same candidates ended with {halved['best operator']} "
        f"and ``{halved['best head']}`` (mean AUC {halved['AUC']:.3f} in its last round) after "
        f"{halved['rounds']} rounds and {halved['seconds']:.0f} seconds, and embedded "
        f"{halved['images embedded']:,} further images.\n"
    )


# --- explanations ------------------------------------------------------------------------------

EXPLAINED = {
    "default": "the default",
    "small network": "difffake-lite0-identity",
    "verdict": "difffake-lite0-verdict",
}
MAPS = ("joint occlusion", "occlusion", "gradient")
EXPLAINED_MAPS = [("default", "joint occlusion"), ("default", "gradient"), ("verdict", "gradient")]


def by_map(result):
    """Return the rows by probes, system and map."""
    return {
        (row["probes"], row["system"], row["map"]): {**row, "name": EXPLAINED[row["system"]]}
        for row in result["rows"]
        if row["system"] in EXPLAINED
    }


def all_probes(result):
    """Return what was measured on all probes."""
    rows = by_map(result)
    keys = itertools.product(["all"], EXPLAINED, MAPS)
    return [rows[key] for key in keys if key in rows]


def each_kind_of_probe(result):
    """Return what was measured on each kind of probe."""
    rows = by_map(result)
    probes = dict.fromkeys(row["probes"] for row in result["rows"] if row["probes"] != "all")
    return [rows[name, *shown_name] for name in probes for shown_name in EXPLAINED_MAPS]


# --- forgery networks and clips ----------------------------------------------------------------
# A row of `clip_differences` has a list, `networks`, of what each network has in this row.

POSE_MEASURES = {"pose explains": "size explained by the distance of landmarks, genuine"}
OF_CLIPS = dict.fromkeys(("clips", "stand-ins", "real clips"))  # what a row may lack


def clip_rows(result, keys):
    """Return the rows that all networks have under some keys."""
    by_network = result["networks"]
    for key in keys:
        by_network = [values[key] for values in by_network]
    return [
        {"networks": [{**OF_CLIPS, **values} for values in row]}
        for row in zip(*by_network, strict=True)
    ]


def for_networks(result, *columns):
    """Return some columns for each network, with its name and its position for #."""
    return [
        (title.format(network["name"]), width, cell.replace("#", str(i)))
        for i, network in enumerate(result["networks"])
        for title, width, cell in columns
    ]


def difference_columns(result):
    """Return the columns of the experiments within clips."""
    return [
        ("Pairs of", 11, "{networks[0][pairs of]}"),
        ("Features", 12, "{networks[0][features]}"),
        ("Fitted on", 10, "{networks[0][fitted on]}"),
        ("Score", 17, "{networks[0][by]}"),
        *for_networks(
            result,
            ("Real clips, {}", 8, "{networks[#][clips]:area}"),
            ("Stand-ins, {}", 17, "{networks[#][stand-ins]:area}"),
        ),
    ]


def real_curve_columns(result):
    """Return the columns of the learning curve on real clips."""
    auc = "{networks[#][AUC]:.2f} ({networks[#][of][0]:.2f}-{networks[#][of][1]:.2f})"
    return [
        ("Genuine clips", 30, "{networks[0][clips]}"),
        *for_networks(result, ("AUC (range), {}", 35, auc)),
    ]


def stand_in_curve_columns(result):
    """Return the columns of the learning curve on stand-in clips."""
    return [
        ("Stand-in clips", 20, "{networks[0][clips]}"),
        *for_networks(
            result,
            ("Stand-ins, {}", 25, "{networks[#][stand-ins]:area}"),
            ("Real clips, {}", 15, "{networks[#][real clips]:area}"),
        ),
    ]


def compositions(result):
    """Return the measures of what differences within clips consist of, by network."""
    by_network = [network["composition"] for network in result["networks"]]
    return [
        {
            "measure": POSE_MEASURES.get(measure, measure),
            "networks": [show_composition(values[measure]) for values in by_network],
        }
        for measure in by_network[0]
    ]


def show_composition(value):
    """Show a measure of genuine and fake clips, or a fraction."""
    if isinstance(value, dict):
        return f"{value['genuine']:g} / {value['fake']:g}"
    return f"{100 * value:.0f} %"


def composition_columns(result):
    """Return the columns of what differences within clips consist of."""
    cells = for_networks(result, ("{}, genuine / fake", 30, "{networks[#]}"))
    return [("Measure", 40, "{measure}"), *cells]


def rows_of_compositions(result):
    """Return the rows of each composition of networks, of both parts, the shipped one first."""
    rows = []
    for composition in (result, *result["other compositions"]):
        clips = composition["clips"]
        n_fake, n_genuine = (count_suspicious(clips, truth) for truth in ("fake", "real"))
        names = " and ".join(f"``{name}``" for name in composition["networks"])
        shared = {"networks": names, "suspicious fakes": n_fake, "suspicious genuine": n_genuine}
        rows += [{**row, **shared, "gain": show_gain(row)} for row in composition["frames"]]
    return rows


def show_gain(row):
    """Show a difference of detection rates with its interval; a dash if there is none."""
    if "gain over the first" not in row:
        return DASH
    gain, low, high = (100 * value for value in row["gain over the first"])
    return f"{gain:+.1f} ({low:+.1f} to {high:+.1f})"


def count_suspicious(clips, truth):
    """Count the clips of one kind that are suspicious."""
    return sum((clip["truth"], clip["outcome"]) == (truth, "suspicious") for clip in clips)


# --- detectors, backbones and extras -----------------------------------------------------------


def detectors(result, when, costs, examples, seeds):
    """Return each public detector with what it is for and what it costs.

    The options are the words of `detectors_all` in tables.toml, by detector. One that has neither a
    line in `when`, nor measured times or a cost, is an error.
    """
    times = {row["head"]: row for row in result["summary"]}
    rows = []
    for name in novelty.__all__:
        detector = getattr(novelty, name)
        if not inspect.isclass(detector):
            continue
        parameters = list(inspect.signature(detector).parameters)
        seeded = "by ``random_state``" if "random_state" in parameters else "always"
        example = examples.get(name, name)
        rows.append(
            {
                "name": name,
                "when": when[name],
                "cost": costs.get(name) or show_cost(name, example, times),
                "gpu": "fit" if "device" in parameters else "no",
                "deterministic": seeds.get(name, seeded),
                "parameters": ", ".join(f"``{parameter}``" for parameter in parameters),
            }
        )
    return rows


def show_cost(name, example, times):
    """Show the measured times of a detector, or those of an example inside it."""
    inner = "" if example == name else f" ({re.split('[(), ]+', example)[1]})"
    fit, score = (1000 * times[example][key] for key in ("fit_s", "score_s"))
    return f"fit {fit:.1f} ms, score {score:.1f} ms{inner}"


def backbones(result):
    """Return the backbones of the registry; what is not fixed or not measured is empty."""
    return [
        {
            "name": entry.name,
            "width": entry.width or "",
            "input": "" if entry.input_size is None else entry.input_size[0],
            "crop": ""
            if entry.crop is None
            else f"{entry.crop.size}, margin {entry.crop.margin:g}",
            "weights": f"{entry.n_parameters / 1e6:.1f}" if entry.n_parameters else "",
            "eer": " / ".join(f"{100 * rate:.1f} %" for rate in entry.eer.values()),
            "license": describe_weights(entry),
        }
        for entry in entries()
    ]


def describe_weights(entry):
    """Return what a backbone's weights are, what they need, and their license."""
    purpose = entry.purpose if entry.purpose != "any" else "yours to know"
    extra = f", extra {', '.join(f'``{name}``' for name in entry.requires)}"
    network = "" if entry.offline else " (needs a network once)"
    source = f"{entry.weights}{extra if entry.requires else ''}"
    return f"{purpose}; {source}. {entry.license}{network}"


def install_sizes(result):
    """Return the size of each extra and its largest packages."""
    return [
        {
            **row,
            "largest packages": ", ".join(
                f"{name} {mb:,.0f}" for name, mb in row["largest"].items()
            ),
        }
        for row in result["rows"]
    ]


PAGES = {"quality_across_about": about_across, "quality_across_halving": halving}
FIGURES = {"quality_verification_curve.svg": draw_curve}
