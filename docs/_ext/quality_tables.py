"""Tables of detection quality: verification, single images, forgery networks, explanations."""

import numpy as np
from result_tables import (
    Column,
    Table,
    area,
    area_of,
    code,
    per_cent,
    rate,
    read_result,
    text,
)

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
EXPLAINED = {
    "default": "the default",
    "small network": "difffake-lite0-identity",
    "verdict": "difffake-lite0-verdict",
}
MAPS = ("joint occlusion", "occlusion", "gradient")
SHOWN = [("default", "joint occlusion"), ("default", "gradient"), ("verdict", "gradient")]
EXPERIMENTS = {
    "pseudo-deepfakes, photographs": "Pseudo-deepfakes",
    "pseudo-deepfakes, video": "the same as video",
    "stills, validation": "Stills, validation",
    "stills, test": "Stills, test",
    "clips": "Clips",
    "identity_kept": "Identity kept",
}
POSE_MEASURES = {"pose explains": "size explained by the distance of landmarks, genuine"}
RATES = ("EER", "APCER", "BPCER")


def rates(*widths):
    """Declare the columns EER, APCER and BPCER."""
    return tuple(rate(name, width, name) for name, width in zip(RATES, widths, strict=True))


# --- verification ------------------------------------------------------------------------------


def find_row(rows, system, n_references, n_probes=1, *, part="test", labels="cleaned"):
    """Return the row of one system, part and size of templates."""
    key = {"system": system, "references": n_references, "probes": n_probes}
    key |= {"part": part, "labels": labels}
    return next(row for row in rows if all(row[name] == value for name, value in key.items()))


def rows_of_systems(rows, versions):
    """Return the rows of all systems, each with the name that is shown."""
    return [
        {**find_row(rows, system, size, part=part, labels=labels), "shown": shown}
        for shown, system, sizes in SYSTEMS
        for size in sizes
        for part, labels in versions
    ]


def short_rows(result):
    """Return the rows of the first table."""
    return rows_of_systems(result["rows"], [("test", "cleaned")])


def rows_of_parts(result):
    """Return the rows of both parts, and of both versions of the labels."""
    versions = [(part, labels) for part in ("validation", "test") for labels in ("cleaned", "all")]
    return rows_of_systems(result["rows"], versions)


def aims(result):
    """Return each aim with what was measured of it."""
    return [
        (what, metric, aim, before, find_row(result["rows"], *system)[metric])
        for what, system, metric, aim, before in AIMS
    ]


def show_aim(row):
    """Show an aim."""
    _, metric, aim, _, _ = row
    return f"at least {aim:g}" if metric.startswith("AUC") else f"at most {100 * aim:g} %"


def show_measured(row):
    """Show what was measured of an aim."""
    return area(row[4]) if row[1].startswith("AUC") else per_cent(row[4])


def is_reached(row):
    """Say whether an aim was reached."""
    _, metric, aim, _, values = row
    reached = values[0] >= aim if metric.startswith("AUC") else values[0] <= aim
    return "yes" if reached else "no"


def default_rows(rows):
    """Return the rows of the default on the test part, one for each size of templates."""
    values = ("default", "test", "cleaned")
    return [row for row in rows if (row["system"], row["part"], row["labels"]) == values]


def condition(row):
    """Name a degradation of the probe and its strength."""
    return "as it is" if row["condition"] == "none" else f"{row['condition']} {row['strength']}"


def identity_kept(result):
    """Return the rows of pictures that keep the identity of one person."""
    names = {system: shown for shown, system, _ in SYSTEMS}
    return [{**row, "shown": names[row["system"]]} for row in result["identity_kept"]]


def plain_rate(title, width, key):
    """Declare a column of rates without intervals."""
    return Column(title, width, lambda row: f"{100 * row[key]:.1f} %")


def checked_people(result):
    """Return the people who set no threshold, with the number of those who did."""
    of = {(row["n_references"], row["n_probes"]): row["n"] for row in result["categories"]}
    return [{**row, "set by": of[tuple(row["calibrated as"])]} for row in result["check"]]


def draw_curve(file):
    """Draw the EER of the default over the number of references, a line for each probe size."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = read_result("verification_quality")["rows"]
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


VERIFICATION = (
    Table(
        "quality_verification_short",
        "verification_quality",
        (
            text("System", 30, "shown"),
            text("References", 10, "references"),
            *rates(16, 16, 16),
            area_of("AUC, hard quarter", 16, "AUC, hard quarter"),
        ),
        short_rows,
    ),
    Table(
        "quality_verification_aims",
        "verification_quality",
        (
            text("Default", 36, 0),
            Column("0.1.0", 14, lambda row: row[3] or "not measured"),
            Column("Aim", 16, show_aim),
            Column("Measured", 22, show_measured),
            Column("Reached", 12, is_reached),
        ),
        aims,
    ),
    Table(
        "quality_verification_parts",
        "verification_quality",
        (
            text("System", 24, "shown"),
            text("References", 8, "references"),
            text("Part", 10, "part"),
            text("Labels", 8, "labels"),
            *rates(13, 13, 13),
            area_of("AUC", 13, "AUC"),
        ),
        rows_of_parts,
    ),
    Table(
        "quality_verification_curve",
        "verification_quality",
        (
            text("References", 12, "references"),
            text("Probe images", 14, "probes"),
            *rates(20, 20, 20),
            Column("Threshold of", 14, lambda row: "{} and {}".format(*row["category"])),
        ),
        lambda result: default_rows(result["rows"]),
    ),
    Table(
        "quality_verification_conditions",
        "verification_quality",
        (
            Column("Probe", 20, condition),
            text("References", 12, "references"),
            *rates(18, 18, 18),
            text("No face found", 14, "probes without a face"),
        ),
        lambda result: result["conditions"],
    ),
    Table(
        "quality_verification_kept",
        "verification_quality",
        (
            text("System", 36, "shown"),
            text("References", 12, "references"),
            area_of("AUC", 13, "AUC"),
            *(plain_rate(name, 13, name) for name in RATES),
        ),
        identity_kept,
    ),
    Table(
        "quality_verification_check",
        "default_calibration",
        (
            text("References", 16, "references"),
            text("Probe images", 16, "probes"),
            text("People who set it", 20, "set by"),
            text("People checked", 20, "people"),
            rate("BPCER", 28, "BPCER"),
        ),
        checked_people,
    ),
)


# --- single images and pipelines ---------------------------------------------------------------


def part_of_groups(name, part):
    """Declare the table of all systems on one part of the groups."""
    return Table(
        name,
        "quality",
        (
            text("System", 34, "system"),
            area_of("AUC", 18, "AUC"),
            rate("EER", 18, "EER"),
            rate("BPCER at APCER 5 %", 18, "BPCER@APCER5"),
            area_of("AUC, hard quarter", 18, "AUC, hard quarter"),
        ),
        lambda result: [row for row in result["rows"] if row["part"] == part],
    )


def robustness(metric, show):
    """Declare the table of one figure under degradations of the probe, a column for each system."""

    def rows(result):
        by_condition = {}
        for row in result["rows"]:
            key = row["condition"], row["strength"]
            by_condition.setdefault(key, {})[row["system"]] = row
        return list(by_condition.items())

    def columns(result):
        systems = dict.fromkeys(row["system"] for row in result["rows"])
        return (
            Column("Probe", 24, lambda row: row[0][0] if row[0][0] == "none"
                   else "{} {}".format(*row[0])),
            *(Column(system, 19, lambda row, system=system: show(row[1][system][metric]))
              for system in systems),
        )  # fmt: skip

    name = metric.split("@")[0].lower()
    return Table(f"quality_robustness_{name}", "robustness", columns, rows)


def names_of_datasets(result):
    """Return the names of the datasets of the grid."""
    return [n for n in result["grid"]["rows"][0] if n not in ("operator", "head", "mean")]


def across_columns(result):
    """Return the columns of the grid, one for each dataset."""
    return (
        text("Operator", 18, "operator"),
        code("Head", 30, "head"),
        *(area_of(name, 13, name) for name in names_of_datasets(result)),
        area_of("Mean", 13, "mean"),
    )


def about_across():
    """Say what the grid across datasets was."""
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
    """Say how the halving search ended."""
    halved = read_result("across_datasets")["halving"]
    return (
        f"``HalvingGridSearchCV`` over the same candidates ended with {halved['best operator']} "
        f"and ``{halved['best head']}`` (mean AUC {halved['AUC']:.3f} in its last round) after "
        f"{halved['rounds']} rounds and {halved['seconds']:.0f} seconds, and embedded "
        f"{halved['images embedded']:,} further images.\n"
    )


SINGLE_IMAGES = (
    part_of_groups("quality_choose", "choose"),
    part_of_groups("quality_report", "report"),
    Table(
        "quality_distillation",
        "quality",
        (
            text("Data", 34, "data"),
            text("Images", 16, "images"),
            area_of("AUC of the teacher", 25, "teacher"),
            area_of("AUC of the identity network", 25, "student"),
        ),
        lambda result: result["distillation"],
    ),
    Table(
        "quality_techniques",
        "techniques",
        (
            code("Technique", 31, "technique"),
            area_of("The shipped network", 23, "shipped"),
            area_of("Small, seen", 23, "seen"),
            area_of("Small, left out", 23, "left out"),
        ),
    ),
    robustness("AUC", area),
    robustness("EER", per_cent),
    robustness("BPCER@APCER5", per_cent),
    Table(
        "quality_across", "across_datasets", across_columns, lambda result: result["grid"]["rows"]
    ),
)


# --- explanations ------------------------------------------------------------------------------


def rounded(title, width, measure):
    """Declare a column of a measure of a map and its interval, in whole per cent."""

    def show(row):
        estimate, low, high = (100 * value for value in row[measure])
        return f"{estimate:.0f} % ({low:.0f}-{high:.0f})"

    return Column(title, width, show)


def control(title, width, measure):
    """Declare a column of a measure of what a map is compared with."""
    return Column(title, width, lambda row: f"{100 * row[measure][0]:.0f} %")


def name_of_map(row):
    """Name the score and the map."""
    return f"{EXPLAINED[row['system']]}, {row['map']}"


def by_map(result):
    """Return the rows by probes, system and map."""
    return {(row["probes"], row["system"], row["map"]): row for row in result["rows"]}


def all_probes(result):
    """Return what was measured on all probes."""
    rows = by_map(result)
    keys = (("all", system, kind) for system in EXPLAINED for kind in MAPS)
    return [rows[key] for key in keys if key in rows]


def each_kind_of_probe(result):
    """Return what was measured on each kind of probe."""
    rows = by_map(result)
    probes = dict.fromkeys(row["probes"] for row in result["rows"] if row["probes"] != "all")
    return [rows[name, *shown] for name in probes for shown in SHOWN]


EXPLANATIONS = (
    Table(
        "quality_explanations",
        "explanations",
        (
            Column("Score of, map", 26, name_of_map),
            rounded("Mass inside", 16, "mass"),
            control("random", 11, "mass, random maps"),
            control("other masks", 11, "mass, other masks"),
            rounded("Peak inside or near", 16, "peak near"),
            control("random", 10, "peak near, random maps"),
            control("other masks", 10, "peak near, other masks"),
        ),
        all_probes,
    ),
    Table(
        "quality_explanations_probes",
        "explanations",
        (
            Column("Probes", 23, lambda row: f"{row['probes']} ({row['pairs']})"),
            Column("Score of, map", 24, name_of_map),
            rounded("Mass inside", 16, "mass"),
            control("other masks", 11, "mass, other masks"),
            rounded("Peak inside or near", 16, "peak near"),
            control("other masks", 10, "peak near, other masks"),
        ),
        each_kind_of_probe,
    ),
)


# --- forgery networks --------------------------------------------------------------------------
# A row of these is the list of what each network has there.


def of_each(result, *keys):
    """Return the rows that all networks have in one place of the result, network by network."""
    places = result["networks"]
    for key in keys:
        places = [place[key] for place in places]
    return list(zip(*places, strict=True))


def for_networks(result, title, width, show):
    """Declare a column for each network."""
    return [
        Column(title.format(network["name"]), width, lambda row, i=i: show(row[i]))
        for i, network in enumerate(result["networks"])
    ]


def alternating(*groups):
    """Put the columns of each network side by side."""
    return [column for columns in zip(*groups, strict=True) for column in columns]


def difference_columns(result):
    """Return the columns of what was tried within clips."""
    first = (("Pairs of", 11, "pairs of"), ("Features", 12, "features"))
    first += (("Fitted on", 10, "fitted on"), ("Score", 17, "by"))
    return [
        *(Column(title, width, lambda row, key=key: row[0][key]) for title, width, key in first),
        *alternating(
            for_networks(result, "Real clips, {}", 8, lambda row: area(row.get("clips"))),
            for_networks(result, "Stand-ins, {}", 17, lambda row: area(row.get("stand-ins"))),
        ),
    ]


def real_curve_columns(result):
    """Return the columns of the learning curve on real clips."""
    show = "{:.2f} ({:.2f}-{:.2f})".format
    return [
        Column("Genuine clips", 30, lambda row: row[0]["clips"]),
        *for_networks(
            result, "AUC (range), {}", 35, lambda row: show(row["AUC"], row["of"][0], row["of"][1])
        ),
    ]


def stand_in_curve_columns(result):
    """Return the columns of the learning curve on stand-in clips."""
    return [
        Column("Stand-in clips", 20, lambda row: row[0]["clips"]),
        *alternating(
            for_networks(result, "Stand-ins, {}", 25, lambda row: area(row["stand-ins"])),
            for_networks(result, "Real clips, {}", 15, lambda row: area(row["real clips"])),
        ),
    ]


def compositions(result):
    """Return the measures of what differences within clips consist of, by network."""
    return of_each(
        {"networks": [list(network["composition"].items()) for network in result["networks"]]}
    )


def show_composition(item):
    """Show a measure of genuine and fake clips, or a fraction."""
    _, value = item
    if isinstance(value, dict):
        return f"{value['genuine']:g} / {value['fake']:g}"
    return f"{100 * value:.0f} %"


def composition_columns(result):
    """Return the columns of what differences within clips consist of."""
    return [
        Column("Measure", 40, lambda row: POSE_MEASURES.get(row[0][0], row[0][0])),
        *for_networks(result, "{}, genuine / fake", 30, show_composition),
    ]


FORGERY = (
    Table(
        "forgery_experiments",
        "forgery_experiments",
        (
            Column("Network", 30, lambda row: f"**{row['name']}**: {row['about']}"),
            text("Pixels", 7, "input size"),
            *(
                area_of(title, width, key)
                for (key, title), width in zip(
                    EXPERIMENTS.items(), (13, 13, 13, 13, 8, 8), strict=True
                )
            ),
        ),
        lambda result: result["networks"],
    ),
    Table(
        "forgery_differences",
        "clip_differences",
        difference_columns,
        lambda result: of_each(result, "rows"),
    ),
    Table(
        "forgery_curve_real",
        "clip_differences",
        real_curve_columns,
        lambda result: of_each(result, "learning curve", "real"),
    ),
    Table(
        "forgery_curve_stand_ins",
        "clip_differences",
        stand_in_curve_columns,
        lambda result: of_each(result, "learning curve", "stand-ins"),
    ),
    Table("forgery_composition", "clip_differences", composition_columns, compositions),
)

TABLES = (*VERIFICATION, *SINGLE_IMAGES, *EXPLANATIONS, *FORGERY)
PAGES = {"quality_across_about": about_across, "quality_across_halving": halving}
FIGURES = {"quality_verification_curve.svg": draw_curve}
