"""Whether the promise on genuine pairs holds: in each category of templates, and for clips.

People of Labeled Faces in the Wild are divided at random, again and again, into those who calibrate
the packaged model and those who are judged; each is on one side only. For each number of reference
and probe images this gives the BPCER of new people at thresholds that ``recalibrate`` would set.
Two sets of people: those whom the identity network has never seen, and a larger one of any.

Clips: frames whose scores share a part (a Gaussian model), and photographs made into clips of
frames that differ in compression, position and sharpness. A clip is judged by all its frames, by
its worst window, and by both together, against thresholds for single pictures.

    python benchmarks/quality/verdict_calibration.py --data DATA --cache FOLDER -o FILE.json

DATA holds ``lfw/<person>/*.jpg``. Interrupted, it goes on with what the cache holds.
"""

import argparse
import functools
import io
import itertools
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from scipy.stats import beta

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.training.distil_identity import held_out
from sklearn_diffake import load_default
from sklearn_diffake.images.table import image_table
from sklearn_diffake.inspection._split_pipeline import split_pipeline
from sklearn_diffake.metrics import bpcer, confidence_interval
from sklearn_diffake.novelty._clip_evidence import combine, most_windows, windows_of
from sklearn_diffake.novelty._p_values import least_n
from sklearn_diffake.novelty._recalibrated import recalibrated
from sklearn_diffake.verdict._calibration_evidence import Templates
from sklearn_diffake.verdict._calibration_sources import embed_sources, score_pairs

TARGETS = (0.02, 0.05)
LIMITS = (5, 4)
N_DRAWS = 8
N_PHOTOS = 7  # at most of one person
LEAST_PEOPLE = 19  # people that calibrate a category, at least


def people_with_photos(folder):
    """Return the photographs of every person with two or more, at most seven."""
    people = {
        person.name: sorted(map(str, person.glob("*.jpg")))[:N_PHOTOS]
        for person in sorted(folder.iterdir())
    }
    return {name: paths for name, paths in people.items() if len(paths) > 1}


def sample(people, n, rng):
    """Return n people, first those with six photographs or more."""
    with_many_photos = [name for name, paths in people.items() if len(paths) > 5][:n]
    remaining_names = [name for name in people if name not in set(with_many_photos)]
    name_sample = [
        *with_many_photos,
        *rng.permutation(remaining_names)[: max(0, n - len(with_many_photos))].tolist(),
    ]
    return {name: people[name] for name in name_sample}


def packaged_model(cache):
    model = load_default().set_params(align__select="central", align__cache=cache)
    for _, branch in model["features"].transformer_list:
        branch.set_params(embed__cache=cache)
    return model


def evidence_of(splits, people, rng):
    """Score templates of all people, in all categories."""
    pairs = [pair for paths in people.values() for pair in itertools.pairwise(paths)]
    codes = np.repeat(np.arange(len(people)), [len(paths) - 1 for paths in people.values()])
    templates = Templates(splits, pairs, np.arange(len(pairs)), codes, 1)
    return templates.evidence(True, LIMITS, LEAST_PEOPLE, N_DRAWS, rng)


def calibrate(detector, evidence, is_calibrating, target):
    """Calibrate on some people, in the categories that enough of them allow."""
    rows = is_calibrating[evidence.codes]
    n_least = max(LEAST_PEOPLE, least_n(target))
    for kind in np.unique(evidence.n_images, axis=0)[1:]:
        of_kind = (evidence.n_images == kind).all(axis=1)
        if len(np.unique(evidence.codes[rows & of_kind])) < n_least:
            rows &= ~of_kind
    conditions = evidence.scores[rows], evidence.codes[rows], evidence.n_images[rows]
    return recalibrated(detector, *conditions, target)


def per_person(values, codes):
    """Return the mean over people of the means of their rows."""
    counts = np.bincount(codes)
    sums = np.bincount(codes, weights=values)
    return float(np.mean(sums[counts > 0] / counts[counts > 0]))


def summary(rates):
    rates = np.array(rates)
    return {
        "mean": round(float(rates.mean()), 4),
        "standard_error": round(float(rates.std() / np.sqrt(len(rates))), 4),
        "quantiles_05_95": [round(float(q), 4) for q in np.quantile(rates, [0.05, 0.95])],
    }


def rates_by_category(detector, evidence, target, n_splits):
    """Return for each category the BPCER of held-out people, over random halves of the people."""
    n_people = int(evidence.codes.max()) + 1
    kinds = [tuple(kind) for kind in np.unique(evidence.n_images, axis=0).tolist()]
    rates = {kind: [] for kind in kinds}
    single = {kind: [] for kind in kinds}  # judged by the threshold of single images
    first, calibrated_on = {}, {kind: [] for kind in kinds}
    for seed in range(n_splits):
        half = np.random.default_rng(seed).permutation(n_people) < n_people / 2
        calibrated = calibrate(detector, evidence, half, target)
        p = calibrated.p_of_scores(evidence.scores, evidence.n_images)
        p_single = calibrated.p_of_scores(evidence.scores)
        for kind in kinds:
            rows = (evidence.n_images == kind).all(axis=1) & ~half[evidence.codes]
            rejected = p[rows] <= calibrated.level_of(*kind)
            codes = evidence.codes[rows]
            rates[kind].append(per_person(rejected, codes))
            single[kind].append(per_person(p_single[rows] <= calibrated.level_, codes))
            calibrated_on[kind].append(calibrated.category_of(*kind))
            if seed == 0:
                labels, scores = np.ones(len(rejected), int), np.where(rejected, -1.0, 1.0)
                first[kind] = confidence_interval(bpcer, labels, scores, groups=codes)
    rows = []
    for kind in kinds:
        threshold_rows = calibrated_on[kind][0]
        n = int((evidence.n_images == kind).all(axis=1).sum())
        n_kind = len(np.unique(evidence.codes[(evidence.n_images == kind).all(axis=1)]))
        rows.append(
            {
                "references": kind[0],
                "probes": kind[1],
                "judged_as_in_the_first_split": list(threshold_rows),
                "own_category_in_splits": sum(c == kind for c in calibrated_on[kind]),
                "people": n_kind,
                "pairs": n,
                "bpcer_over_splits": summary(rates[kind]),
                "bpcer_of_the_first_split_with_95_interval": [round(v, 4) for v in first[kind]],
                "bpcer_at_the_threshold_of_single_images": summary(single[kind]),
            }
        )
        print(target, rows[-1], flush=True)
    return rows


def retake(image, rng):
    """Return a frame: the photograph shifted, blurred and compressed."""
    shift = rng.randint(-6, 7, size=2)
    frame = Image.fromarray(np.roll(image, shift, axis=(0, 1)))
    frame = frame.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.5)))
    target = io.BytesIO()
    frame.save(target, format="JPEG", quality=int(rng.randint(30, 96)))
    return np.asarray(Image.open(target))


def clip_scores(splits, people, n_frames, windows, rng):
    """Make a clip of a photograph of each person; score frames, windows and the whole.

    Returns
    -------
    codes : ndarray of shape (n,)
        Position of each person in `people` whose frames all have a face.
    scores : ndarray of shape (n, 1 + n_windows + n_frames)
    """
    rows, names = [], list(people)
    for name in names:
        reference, photo = people[name][:2]
        image = np.asarray(Image.open(photo).convert("RGB"))
        rows += [(reference, retake(image, rng)) for _ in range(n_frames)]
    table = image_table(rows)
    embedded = embed_sources(splits, table, range(len(table.sources)), verbose=1)
    codes, templates = [], []
    for code in range(len(names)):
        index = table.index[code * n_frames : (code + 1) * n_frames].tolist()
        if any(source in embedded.reasons for row in index for source in row):
            continue
        reference, frames = index[0][:1], [row[1] for row in index]
        cells = [frames, *(frames[a:b] for a, b in windows), *([frame] for frame in frames)]
        templates += [(reference, cell) for cell in cells]
        codes.append(code)
    scores = score_pairs(splits, embedded, templates)
    return np.array(codes), scores.reshape(len(codes), -1)


def clip_rates(p, n_windows, n, level):
    """Return how often clips are rejected, given the p-values of whole, windows and frames."""
    whole_p, window_p, frames = p[:, 0], p[:, 1 : 1 + n_windows], p[:, 1 + n_windows :]
    combined = [combine(w, windows, n, level) for w, windows in zip(whole_p, window_p, strict=True)]
    return {
        "whole": np.mean(whole_p <= level),
        "worst_window": np.mean([c.windows_tested and c.p_worst <= level for c in combined]),
        "both": np.mean([c.p_value <= level for c in combined]),
        "single_frames": np.mean(frames <= level),
        "some_frame": np.mean((frames <= level).any(axis=1)),
    }


def photo_clips(splits, people, evidence, rng, n_splits, n_clips, n_frames=12):
    """Return how often clips of photographs are rejected, by people who do not calibrate."""
    windows = windows_of(n_frames)
    names = list(people)
    people_sample = np.sort(rng.permutation(len(names))[:n_clips])
    people_of_split = {names[i]: people[names[i]] for i in people_sample.tolist()}
    codes, scores = clip_scores(splits, people_of_split, n_frames, windows, rng)
    codes = people_sample[codes]
    result = {"people": len(codes), "frames": n_frames, "windows": len(windows)}
    correlation = np.corrcoef(scores[:, 1 + len(windows) :].T)
    result["correlation_of_frames"] = round(
        float(correlation[np.triu_indices(n_frames, 1)].mean()), 3
    )
    n_people = int(evidence.codes.max()) + 1
    for target in TARGETS:
        rates = []
        for seed in range(n_splits):
            half = np.random.default_rng(seed).permutation(n_people) < n_people / 2
            calibrated = calibrate(splits.detector, evidence, half, target)
            new = ~half[codes]
            p = calibrated.p_of_scores(scores[new].ravel()).reshape(new.sum(), -1)
            rates.append(clip_rates(p, len(windows), calibrated.n_calibration_, target))
        result[f"bpcer at {target}"] = {
            "calibration_people": calibrated.n_calibration_,
            "windows_tested": len(windows) <= most_windows(calibrated.n_calibration_, target),
            **{name: summary([rate[name] for rate in rates]) for name in rates[0]},
        }
        print(target, result[f"bpcer at {target}"], flush=True)
    return result


def gaussian_clips(n_repeats, level=0.05):
    """Return how often clips are rejected whose frames' scores are correlated normal numbers."""
    rows = []
    for n, n_frames in ((199, 12), (999, 12), (999, 48)):
        windows = windows_of(n_frames, max_windows=most_windows(n, level))
        for correlation in (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0):
            rng, totals = np.random.default_rng(0), []
            for _ in range(n_repeats):
                calibration = np.sort(rng.normal(size=n))
                shared, own_noise = rng.normal(size=(4, 1)), rng.normal(size=(4, n_frames))
                frames = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own_noise
                parts = [frames.mean(axis=1), *(frames[:, a:b].mean(axis=1) for a, b in windows)]
                scores = np.column_stack([*parts, frames])
                p = (1 + np.searchsorted(calibration, scores, side="right")) / (n + 1)
                totals.append(clip_rates(p, len(windows), n, level))
            mean = {k: round(float(np.mean([t[k] for t in totals])), 4) for k in totals[0]}
            rows.append(
                {
                    "level": level,
                    "calibration_people": n,
                    "frames": n_frames,
                    "windows": len(windows),
                    "correlation": correlation,
                    **mean,
                }
            )
            print(rows[-1], flush=True)
    return rows


def expected_spread(level, n):
    """Return the 5 % and 95 % quantiles of the true BPCER of one threshold."""
    k = int(np.floor(level * (n + 1) + 1e-9))
    return [round(float(q), 4) for q in beta(k, n + 1 - k).interval(0.9)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--people", type=int, default=600)
    parser.add_argument("--clips", type=int, default=160)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    start, rng = time.perf_counter(), np.random.RandomState(0)
    parts = split_pipeline(packaged_model(options.cache), stores=True)
    everybody = people_with_photos(options.data / "lfw")
    unseen = [name for name in everybody if held_out([name])[0]]
    sets = {
        "people whom the identity network has never seen": {n: everybody[n] for n in unseen},
        "people of any kind": sample(everybody, options.people, rng),
    }
    figures = {
        "data": "LFW, people with two photographs or more, at most seven each; select='central'",
        "model": "the packaged default, recalibrated on a random half of the people",
        "splits": options.splits,
        "clips, gaussian model": gaussian_clips(4000),
    }
    for name, people in sets.items():
        evidence = evidence_of(parts, people, rng)
        figures[name] = {
            "people": len(people),
            "pictures": evidence.n_pictures,
            "left_out": len(evidence.left_out_rows),
        }
        for target in TARGETS:
            measure = functools.partial(rates_by_category, parts.detector, evidence)
            figures[name][f"spread expected at {target}"] = expected_spread(
                target, len(people) // 2
            )
            figures[name][f"bpcer at {target}"] = measure(target, options.splits)
    people = sets["people of any kind"]
    figures["clips, photographs"] = photo_clips(
        parts, people, evidence, rng, options.splits, options.clips
    )
    figures["seconds"] = round(time.perf_counter() - start)
    text = json.dumps(figures, indent=1, default=float)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
