"""Do the maps of explain_pair find what was manipulated? Measured where that is known.

Probes are pseudo-deepfakes with a known mask, made from genuine faces of people whom no packaged
network has seen, in two collections: studio photographs, and frames of videos. Each person gives
one pair, a reference and another photograph that is manipulated; each of three techniques has a
third of the pairs. The settings of the maps were chosen on other people, of a third collection.

A map is judged by the fraction of its positive mass inside the mask, and by the pointing game: does
its greatest value lie inside the mask, or within 5 % of the crop's side of it (Zhang et al.,
"Top-down Neural Attention by Excitation Backprop", ECCV 2016, who allow 15 pixels). It is held
against three things that know nothing of the manipulation: the fraction of the crop that the mask
takes up; random maps, which are the map itself, mirrored and moved around the crop at random, and
so have its values and its smoothness; and, as faces are aligned and masks lie near their middle,
the map itself with the masks of all other pairs. Intervals are 95 % bootstrap intervals over
people.

    python benchmarks/quality/explanations.py FACES -o benchmarks/results/explanations.json

FACES holds the folders london and dfdc_crops that training/prepare_faces.py wrote.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt
from sklearn.pipeline import Pipeline
from tqdm import tqdm

import sklearn_diffake
from sklearn_diffake import load_default
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.generation import PseudoDeepfakeGenerator
from sklearn_diffake.inspection import explain_pair

COLLECTIONS = {"london": "studio", "dfdc_crops": "video"}
TECHNIQUES = ("identity_swap", "self_blend_eyes", "self_blend_mouth")
MARGIN = 0.2  # of the crops
TOLERANCE = 0.05  # of the crop's side
RANDOM_MAPS = 100
RESAMPLES = 2000
MEASURES = ("mass", "peak", "peak near")
CONTROLS = ("area", "random maps", "other masks")


def read_pairs(folder, n, rng):
    """Return references, probes and people of n genuine pairs, one of each person."""
    table = pd.read_csv(folder / "faces.csv")
    table = table[~table["path"].str.contains("/fake/")]
    people = [rows.index.to_numpy() for _, rows in table.groupby("identity") if len(rows) > 1]
    order = rng.permutation(len(people))[:n]
    index = np.array([rng.choice(people[i], 2, replace=False) for i in order])
    crops = np.load(folder / "faces.npy", mmap_mode="r")
    return crops[index[:, 0]], crops[index[:, 1]], table["identity"][index[:, 1]].to_numpy(str)


def manipulate(faces, people):
    """Return fakes, masks and the technique of each."""
    fakes, masks = np.empty_like(faces), np.empty(faces.shape[:3], bool)
    turn = np.arange(len(faces)) % len(TECHNIQUES)
    for number, technique in enumerate(TECHNIQUES):
        generator = PseudoDeepfakeGenerator(technique, margin=MARGIN, random_state=0)
        manipulated = generator.fit(faces).generate(faces, people)
        rows = turn == number
        fakes[rows] = manipulated.images[rows]
        weights = manipulated.masks[rows]
        masks[rows] = weights >= weights.max(axis=(1, 2), keepdims=True) / 2
    return fakes, masks, np.array(TECHNIQUES)[turn]


def systems():
    """Return the models whose maps are judged, without alignment: faces come as aligned crops."""
    default = load_default().set_params(align="passthrough")
    small = Pipeline(default.steps).set_params(
        embed=FaceEmbedder("difffake-lite0-identity").fit(np.zeros((1, 160, 160, 3), np.uint8))
    )
    return {"default": default, "small network": small}


def explain(models, reference, probe, settings):
    """Return the maps of a probe, by system and kind."""
    return {
        name: explain_pair(model, reference, probe, **settings).probe.maps
        for name, model in models.items()
    }


def judge(values, masks, near):
    """Return mass and peak inside each of n masks, and peak near each: an array (3, n)."""
    positive = np.maximum(values, 0)
    if not positive.any():
        return np.stack([masks.mean(axis=(1, 2))] * 2 + [near.mean(axis=(1, 2))])
    top = values == values.max()
    mass = np.einsum("yx,nyx->n", positive / positive.sum(), masks)
    return np.stack([mass, masks[:, top].mean(axis=1), near[:, top].mean(axis=1)])


def shift_maps(values, rng):
    """Mirror a map at random, and move it around the crop."""
    values = values[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    return np.roll(values, rng.integers(values.shape), axis=(0, 1))


def figures(values, row, masks, near, rng):
    """Return every measure of the map of one row, and of every control."""
    judgments = judge(values, masks, near)
    mask, near_it = masks[row : row + 1], near[row : row + 1]
    chances = [
        judge(shift_maps(values, rng), mask, near_it)[:, 0] for _ in range(RANDOM_MAPS)
    ]  # each of 3 measures
    area, area_near = mask.mean(), near_it.mean()
    line = {"mass over area": judgments[0, row] / area}
    other_masks = np.arange(len(masks)) != row
    for number, measure in enumerate(MEASURES):
        controls = {
            "area": area_near if measure == "peak near" else area,
            "random maps": np.mean(chances, axis=0)[number],
            "other masks": judgments[number, other_masks].mean(),
        }
        line[measure] = judgments[number, row]
        for control in CONTROLS:
            line[f"{measure}, {control}"] = controls[control]
            line[f"{measure} less {control}"] = line[measure] - controls[control]
    line["random maps with less mass"] = np.mean([c[0] < judgments[0, row] for c in chances])
    return line


def measure(folder, pairs, models, settings):
    """Explain pseudo-deepfakes of one collection; give one row per person and map."""
    rng = np.random.default_rng(0)
    references, faces, people = read_pairs(folder, pairs, rng)
    fakes, masks, techniques = manipulate(faces, people)
    reach = TOLERANCE * masks.shape[1]
    near = np.stack([distance_transform_edt(~mask) <= reach for mask in masks])
    for row in tqdm(range(len(faces)), desc=folder.name):
        maps_of_system = explain(models, references[row], fakes[row], settings)
        facts = {"collection": COLLECTIONS[folder.name], "technique": techniques[row]}
        for system, maps in maps_of_system.items():
            for kind, values in maps.items():
                line = {"system": system, "map": kind, **facts}
                yield line | figures(values, row, masks, near, rng)


def interval(values, rng):
    """Return mean and bootstrap interval of one value per person."""
    values = np.asarray(values, dtype=float)
    means = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    return [round(float(v), 4) for v in (values.mean(), *np.quantile(means, [0.025, 0.975]))]


def summarize(lines):
    """Turn rows into means with intervals: over all, by technique and by collection."""
    table, rows = pd.DataFrame(lines), []
    key_columns = ["system", "map", "technique", "collection"]
    for (system, kind), rows_of_map in table.groupby(["system", "map"], sort=False):
        groups = [("all", rows_of_map)]
        groups += [*rows_of_map.groupby("technique"), *rows_of_map.groupby("collection")]
        for name, group in groups:
            rng = np.random.default_rng(0)
            row = {"system": system, "map": kind, "probes": name, "pairs": len(group)}
            row |= {m: interval(group[m], rng) for m in group.columns if m not in key_columns}
            rows.append(row)
    return rows


def report(lines):
    """Return what is written: what was measured, and the rows."""
    return {
        "version": sklearn_diffake.__version__,
        "tolerance": TOLERANCE,
        "random maps": RANDOM_MAPS,
        "rows": summarize(lines),
    }


def write(file, result):
    """Write a row a line."""
    rows = ",\n  ".join(map(json.dumps, result["rows"]))
    header = json.dumps(result | {"rows": []}, indent=1)
    file.write_text(header.replace("[]", f"[\n  {rows}\n ]") + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("--pairs", type=int, default=51, help="of each collection")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    settings = {"random_state": 0}
    models, lines = systems(), []
    for name in COLLECTIONS:
        lines += measure(options.faces / name, options.pairs, models, settings)
    result = report(lines)
    if options.output:
        write(options.output, result)
    for row in result["rows"]:
        if row["probes"] == "all":
            print(row["system"], row["map"], *(f"{m}: {row[m]}" for m in MEASURES), sep=", ")


if __name__ == "__main__":
    main()
