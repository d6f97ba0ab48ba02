"""Fit the same-video pipeline that comes with the package, and measure it.

It judges a clip by itself: the mean, over its frames, of what a forgery network that comes with
the package thinks of each. Nothing is learned but the threshold. That is set on genuine crops of
the Deepfake Detection Challenge, one frame of a video each, of the people in the validation part.
Of the compositions of networks, the first ships, unless another one detects more face swaps of the
validation part, with a 95 % interval above zero, where each rejects 5 % of the genuine frames
there. Error rates are measured on the test part, which has other people, and on ten clips of one
person (Celeb-DF v2), also encoded again at half the size. Labels of `suspect_labels.txt` are left
out.

    python benchmarks/training/fit_same_video.py DATA --cache CACHE

DATA holds ``dfdc_crops`` and ``clips``. Writes ``sklearn_diffake/data/same_video.diffake`` and
``results/same_video.json``, from which ``record_error_rates.py`` takes the error rates; figures of
the other compositions are there too. Needs the extra video. Run it again after a
forgery network was changed.
"""

import argparse
import copy
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
import sklearn_diffake
from benchmarks._results import RESULTS
from benchmarks.quality.verification_quality import Crops, judge
from benchmarks.training.record_error_rates import rates_of_clips
from sklearn_diffake import make_difffake_pipeline, persistence, verify_many
from sklearn_diffake.metrics import apcer, bootstrap_interval, bpcer, confidence_interval
from sklearn_diffake.novelty import ConformalDetector, SumRuleDetector
from sklearn_diffake.novelty._recalibrated import recalibrated
from sklearn_diffake.verdict._model import prepare_model

FILE = Path(sklearn_diffake.__file__).parent / "data" / "same_video.diffake"
TARGET_BPCER = 0.05
POOR = "32"  # constant rate factor of H.264
PHOTO, VIDEO = "difffake-lite0-verdict", "difffake-lite0-video-verdict"
COMPOSITIONS = ([PHOTO], [VIDEO], [PHOTO, VIDEO])


def build(networks, cache):
    """Return the recipe with one or several networks, unfitted."""
    is_combined = len(networks) > 1
    return make_difffake_pipeline(
        networks if is_combined else networks[0],
        # only the second image of a pair is looked at
        operator=["probe"] * len(networks) if is_combined else "probe",
        mode="same-video",
        detector=ConformalDetector(SumRuleDetector(), target_bpcer=TARGET_BPCER, random_state=0),
        on_missing="skip",
        cache=cache,
        n_jobs=2,
        verbose=1,
    )


def fitted(pipeline, crops):
    """Fit the recipe on genuine crops of the validation part, and set its threshold on all.

    People are the units: a person's crops share the weight one.
    """
    rows = np.flatnonzero(~crops.is_test & (crops.table["label"] == 1))
    pairs, people = pairs_of(crops, rows), crops.table["identity"].to_numpy()[rows]
    model = pipeline.fit(pairs, detect__groups=people)
    scores = model.score_samples(pairs)
    usable = np.isfinite(scores)
    codes = np.unique(people[usable], return_inverse=True)[1]
    n_images = np.ones((len(codes), 2), dtype=np.int64)
    detector = recalibrated(model[-1], scores[usable], codes, n_images, TARGET_BPCER)
    model.steps[-1] = ("detect", detector)
    return model, {
        "people": detector.n_calibration_,
        "frames": int(usable.sum()),
        "frames without a usable face, left out": int((~usable).sum()),
        "target BPCER": TARGET_BPCER,
        "threshold": round(detector.threshold_of(1, 1), 4),
    }


def pairs_of(crops, rows):
    """Return a table in which each crop is the image that is looked at."""
    return [(crops.paths[row], crops.paths[row]) for row in rows]


def detection_rate(y, scores):
    """Return the fraction of fakes detected if TARGET_BPCER of the genuine frames are rejected."""
    return float(np.mean(scores[y == -1] <= np.quantile(scores[y == 1], TARGET_BPCER)))


def detection_gain(y, scores, first):
    """Return by how much the detection rate is above that of the first composition."""
    return detection_rate(y, scores) - detection_rate(y, first)


def frame_rates(crops, scores, threshold, first=None):
    """Judge single frames of each part at a threshold.

    Parameters
    ----------
    crops : Crops
    scores : ndarray of shape (n_crops,)
    threshold : float
    first : ndarray of shape (n_crops,), optional
        Scores of the first composition, with which these are compared.

    Yields
    ------
    dict
        For each part, counts, and rates with 95 % intervals over groups.
    """
    usable = np.isfinite(scores)
    for part_name, is_in_part in (("validation", ~crops.is_test), ("test", crops.is_test)):
        rows = np.flatnonzero(is_in_part & usable)
        y, groups = (crops.table[name].to_numpy()[rows] for name in ("label", "group"))
        row = {
            "part": part_name,
            "genuine": int((y == 1).sum()),
            "fakes": int((y == -1).sum()),
            "people": int(crops.table["identity"][rows].nunique()),
            "groups": len(set(groups)),
            "without a usable face": int((is_in_part & ~usable).sum()),
            **judge(y, scores[rows], groups, threshold),
            "detected at the target BPCER": round(detection_rate(y, scores[rows]), 4),
        }
        if first is not None:
            gain = bootstrap_interval(
                detection_gain, y, scores[rows], groups=groups, metadata={"first": first[rows]},
                random_state=0,
            )  # fmt: skip
            row["gain over the first"] = [round(float(value), 4) for value in gain]
        yield row


def poor_copies(clips, folder):
    """Encode clips again, at half the size and as a messenger would."""
    for clip in clips:
        small_clip = Path(folder, clip.parent.name, clip.name)
        small_clip.parent.mkdir(exist_ok=True)
        with av.open(str(clip)) as source, av.open(str(small_clip), "w") as target:
            video_stream = source.streams.video[0]
            stream = target.add_stream(
                "libx264", rate=video_stream.average_rate, options={"crf": POOR}
            )
            stream.width, stream.height = video_stream.width // 4 * 2, video_stream.height // 4 * 2
            stream.pix_fmt = "yuv420p"
            for frame in source.decode(video_stream):
                small = frame.reformat(stream.width, stream.height, "yuv420p")
                target.mux(stream.encode(small))
            target.mux(stream.encode())
        yield small_clip


def clip_verdicts(model, clips):
    """Judge each clip by itself, as a user does."""
    rows = [(None, str(clip)) for clip in clips]
    for clip, verdict in zip(clips, verify_many(rows, mode="same-video", model=model), strict=True):
        evidence = verdict.clip
        yield {
            "clip": clip.name,
            "truth": clip.parent.name,
            "outcome": verdict.outcome,
            "reason": verdict.reason,
            "score": verdict.score,
            "threshold": verdict.threshold,
            "p_value": verdict.p_value,
            "level": verdict.level,
            "frames": verdict.n_probes,
            "fraction_below": evidence.fraction_below,
            "p_value_whole": evidence.p_value_whole,
            "p_value_worst_window": evidence.p_value_worst_window,
            "warnings": [warning.code for warning in verdict.warnings],
        }


def clip_rates(clips):
    """Return the error rates on the clips, each with its 95 % interval."""
    y = np.array([1 if clip["truth"] == "real" else -1 for clip in clips])
    rejected = np.where([clip["outcome"] == "suspicious" for clip in clips], -1.0, 1.0)
    rates = {"genuine": int((y == 1).sum()), "fakes": int((y == -1).sum())}
    rates["people"] = 1
    rates["AUC"] = round(float(roc_auc_score(y, [clip["score"] for clip in clips])), 4)
    for name, rate in (("APCER", apcer), ("BPCER", bpcer)):
        rates[name] = [round(float(v), 4) for v in confidence_interval(rate, y, rejected)]
    return rates


def measured_on_frames(crops, cache):
    """Fit each composition; return the models, each with its figures on single frames.

    Which crops have a usable face depends on the aligner alone, so it is the same for all.
    """
    candidates, first = [], None
    for networks in COMPOSITIONS:
        model, calibration = fitted(build(networks, cache), crops)
        scores = model.score_samples(pairs_of(crops, range(len(crops.paths))))
        frames = list(frame_rates(crops, scores, model[-1].threshold_of(1, 1), first))
        figures = {"networks": networks, "calibration": calibration, "frames": frames}
        candidates.append((model, figures))
        first = scores if first is None else first
    return candidates


def best_composition(candidates):
    """Return the number of the composition to ship, by the validation part alone."""
    gains = [figures["frames"][0].get("gain over the first") for _, figures in candidates]
    better = [number for number, gain in enumerate(gains) if gain and gain[1] > 0]
    return max(better, key=lambda number: gains[number][0], default=0)


def measured_on_clips(model, figures, clips, poor_clips):
    """Return figures on the clips, judged by a model that states its rates on single frames."""
    ready = prepare_model(model)
    model = replace(ready, info=replace(ready.info, error_rates=tuple(rates_of_clips(figures))))
    verdicts = list(clip_verdicts(model, clips))
    return {
        "clips": verdicts,
        "clip rates": clip_rates(verdicts),
        "clips at half the size, H.264 CRF 32": list(clip_verdicts(model, poor_clips)),
    }


def save_packaged(model):
    """Write a fitted model as the package has it."""
    packaged = copy.deepcopy(model).set_params(
        align__verbose=0, align__on_missing="raise", align__cache=None, align__n_jobs=None,
        embed__verbose=0, embed__cache=None, embed__n_jobs=None,
    )  # fmt: skip
    persistence.save(packaged, FILE, public=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    crops = Crops(options.data / "dfdc_crops", cleaned=True)
    candidates = measured_on_frames(crops, options.cache)
    best = best_composition(candidates)
    save_packaged(candidates[best][0])
    clips = sorted((options.data / "clips").glob("*/*.mp4"))
    with tempfile.TemporaryDirectory() as folder:
        copies = list(poor_copies(clips, folder))
        for model, figures in candidates:
            figures |= measured_on_clips(model, figures, clips, copies)
    measured = [figures for _, figures in candidates]
    result = measured.pop(best) | {"other compositions": measured}
    print(json.dumps(result, indent=1))
    (RESULTS / "same_video.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
