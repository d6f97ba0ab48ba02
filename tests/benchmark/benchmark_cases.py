"""Small datasets and configurations for the tests of benchmarks."""

import csv
import json
import textwrap

import numpy as np
from PIL import Image

TINY = "tiny_backbones:colors"
TECHNIQUES = ("patch", "swap", "tint")
SIZE = 24


def write_rows(file, header, rows):
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([header, *rows])
    return file


def take_photo(person, rng):
    """Photograph a person: a coarse pattern, in other light, with noise."""
    shot = person * rng.uniform(0.8, 1.2) + rng.normal(scale=20.0, size=person.shape)
    return shot.clip(0, 255).astype(np.uint8)


def forge(technique, person, second):
    forged = person.copy()
    if technique == "swap":
        return 0.7 * person + 0.3 * second
    if technique == "patch":
        forged[: SIZE // 4, : SIZE // 2] = second[: SIZE // 4, : SIZE // 2]
    else:
        forged[..., 0] += 20
    return forged


def write_dataset(folder, *, name="faces", n_people=12, seed=0, genuine=4, fakes=True):
    """Write pictures and a table of images; return the table's path."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(40, 215, size=(n_people, 4, 4, 3))
    people = coarse.repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
    (folder / name).mkdir(parents=True)
    rows = []

    def save(image, owner, number, label, technique):
        file = f"{name}/{owner}-{number}-{technique}.png"
        Image.fromarray(image).save(folder / file)
        level = "c23" if number % 2 else "c40"
        rows.append(
            (file, f"{name}{owner}", label, technique, level, "test" if owner % 3 else "train")
        )

    for owner, person in enumerate(people):
        for number in range(genuine):
            save(take_photo(person, rng), owner, number, 1, "genuine")
        for number, technique in enumerate(TECHNIQUES * fakes):
            second = people[(owner + 1 + number) % n_people]
            save(take_photo(forge(technique, person, second), rng), owner, number, -1, technique)
    header = ("path", "identity", "label", "technique", "compression", "split")
    return write_rows(folder / f"{name}.csv", header, rows)


PROTOCOLS = {
    "cross-manipulation": "datasets = ['faces']\nfolds = 2",
    "cross-dataset": "candidates = ['one']",
    "compression": "datasets = ['faces']\ncandidates = ['one']",
    "robustness": "datasets = ['faces']\ncandidates = ['one']\nkinds = ['jpeg', 'blur']\n"
    "jpeg = [60, 20]\nblur = [2.0]",
    "ablation": "datasets = ['faces']\noperators = ['absolute', 'cosine']\n"
    "normalizations = ['none']\ndetectors = ['knn', {name = 'GaussianMixtureDetector', "
    "n_components = 1}]",
}


def config_text(protocols=None, *, extra="", datasets=("faces", "others", "plain")):
    """Write a configuration of three datasets and two candidates."""
    selected = PROTOCOLS if protocols is None else protocols
    lines = ["bootstrap = 3", "seed = 3", "batch_size = 7", extra]
    for name in datasets:
        lines += [f"[datasets.{name}]", f"images = '{name}.csv'"]
    lines += [
        textwrap.dedent(
            f"""
            [detectors.knn]
            name = "pyod.KNN"
            n_neighbors = 3

            [candidates.one]
            embedder = "{TINY}"
            align = false
            operator = "squared"
            detector = "MahalanobisDetector"

            [candidates.two]
            embedder = ["{TINY}", "tiny_backbones:means"]
            align = false
            operator = "subtract"
            normalize = "none"
            detector = "knn"
            """
        )
    ]
    for name, text in selected.items():
        lines += [f"[protocols.{name}]", text]
    return "\n".join(lines) + "\n"


def write_datasets(folder):
    write_dataset(folder, name="faces", seed=0)
    write_dataset(folder, name="others", seed=1, n_people=9)
    write_dataset(folder, name="plain", seed=2, n_people=8, fakes=False)


def write_config(folder, *args, name="benchmark.toml", **kwargs):
    (folder / name).write_text(config_text(*args, **kwargs), encoding="utf-8")
    return folder / name


TRUSTED = [TINY, "tiny_backbones:means"]


def result_files(folder):
    """Read all that must be the same, however a benchmark came to its end."""
    files = [folder / "results.json", folder / "report.md", *folder.glob("*.png")]
    files += (folder / "cells").glob("*.json")
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def events(folder, event):
    """Read the lines of one kind in the log."""
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == event]
