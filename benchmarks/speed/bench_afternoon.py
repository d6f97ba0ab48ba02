"""The whole pipeline against what a careful person writes in one afternoon.

Same files, network and threads, each side in processes of its own that take turns: fit on genuine
pairs, score others, score them again, as one does who looks at a result and changes something.
References are shared by the pairs of a person. Rendered people by default. With ``--data FOLDER``,
laid out as real_pairs.py says, also fitted on LFW and scored on DFDC; with ``--network FILE`` on
that face network in ONNX too. The pipeline that comes fitted scores the same pairs, beside the
afternoon's with ImageNet features: neither needs a download. Of rendered people, more pairs are
judged for quality than are timed, and none with ``--quick``. Intervals of quality are those of the
ratio, with the same groups drawn for both sides. A mixture depends on the seed of its start: AUC
and EER are means over five seeds. Quality takes half of the time; ``--no-quality`` leaves it out.

    python benchmarks/speed/bench_afternoon.py [--data FOLDER] [--network FILE.onnx] \\
        [--quick] [--no-quality] [--save]
"""

from sklearn_diffake.utils._torchvision import import_torchvision  # isort: skip

import_torchvision()
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.quality.real_pairs import dfdc_pairs, lfw_pairs
from benchmarks.speed import _handwritten_pipeline
from benchmarks.speed._images import write_jpegs
from benchmarks.speed._timing import (
    call_alternately,
    option,
    peak_memory,
    row,
    run_alone,
    spread,
)
from sklearn_diffake import load_default, make_difffake_pipeline
from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.metrics import confidence_interval, equal_error_rate
from sklearn_diffake.novelty import SumRuleDetector

PLAIN = "the pipeline of an afternoon"
DEFAULT = "the packaged default, its own networks"
MIXTURE = "squared + GMM of 3, mean of 5 seeds"
N_SEEDS = 5
N_JUDGED = 600  # rendered pairs


def new_model(side, network):
    """Return the pipeline of a side, not fitted."""
    if side == "theirs":
        return _handwritten_pipeline.Afternoon(
            _handwritten_pipeline.onnx(network) if network else _handwritten_pipeline.efficientnet()
        )
    return make_difffake_pipeline(
        network or "efficientnet-lite0",
        operator="squared",
        on_missing="crop",
        cache=option("--cache"),
        random_state=0,
    )


def time_steps(side, network, fit_pairs, test_pairs):
    """Return the seconds of each step in this process, and its peak memory in MiB."""
    start = time.perf_counter()
    model = new_model(side, network)
    model.fit(fit_pairs)
    times = {"fit": time.perf_counter() - start}
    for step in ("score", "score again"):
        start = time.perf_counter()
        (model.score if side == "theirs" else model.score_samples)(test_pairs)
        times[step] = time.perf_counter() - start
    return {"times": times, "peak": peak_memory()}


def their_scores(network, fit_pairs, test_pairs):
    """Return scores of the afternoon's pipeline, of shape (n_seeds, n_pairs), by detector."""
    model = new_model("theirs", network)
    fit_differences, differences = model.differences(fit_pairs), model.differences(test_pairs)
    scores = []
    for seed in range(N_SEEDS):
        detector = model.fit_differences(fit_differences, seed).detector_steps
        scores.append(detector.score_samples(differences).tolist())
    return {MIXTURE: scores}


def our_scores(network, fit_pairs, test_pairs):
    """Return scores of our detectors, of shape (n_seeds, n_pairs) or (1, n_pairs), by detector."""
    model = new_model("ours", network)
    scores = {MIXTURE: []}
    for seed in range(N_SEEDS):
        model.set_params(detect__random_state=seed).fit(fit_pairs)
        scores[MIXTURE].append(model.score_samples(test_pairs).tolist())
    model.set_params(diff__operator="cosine", detect=SumRuleDetector()).fit(fit_pairs)
    scores["cosine"] = [model.score_samples(test_pairs).tolist()]
    if not network:
        default = load_default().set_params(align__on_missing="crop")
        scores[DEFAULT] = [default.score_samples(test_pairs).tolist()]
    return scores


def case(side):
    """Measure times or scores of a side in this process, and write them."""
    folder, network = Path(option("--folder")), option("--network")
    pairs = [np.load(folder / f"{step}.npy").astype(object) for step in ("fit", "score")]
    if "--quality" in sys.argv:
        result = (their_scores if side == "theirs" else our_scores)(network, *pairs)
    else:
        result = time_steps(side, network, *pairs)
    (folder / "result.json").write_text(json.dumps(result))


def run_in_process(side, folder, network, *options):
    """Run a case in a process of its own; return its result."""
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        command = [sys.executable, __file__, "--case", side, "--folder", folder, "--cache", cache]
        command += ["--network", network] if network else []
        subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    return json.loads(Path(folder, "result.json").read_text())


def full_name(name, network):
    """Return the name of pairs with that of the network."""
    return f"{name}, {Path(network).name if network else 'EfficientNet-Lite0'}"


def compare_times(name, folder, network, repeats):
    """Return the rows of times and memory of one network on one set of pairs."""
    sides, name = ("ours", "theirs"), full_name(name, network)
    runs = (partial(run_in_process, side, folder, network) for side in sides)
    outputs = call_alternately(*runs, repeats)
    results_of_side = dict(zip(sides, zip(*outputs, strict=True), strict=True))
    rows = []
    for step in ("fit", "score", "score again", None):
        times = {
            side: np.array([run["times"].get(step, sum(run["times"].values())) for run in runs])
            for side, runs in results_of_side.items()
        }
        seconds = (float(np.median(times[side])) for side in ("ours", "theirs"))
        ratios = spread(times["theirs"] / times["ours"])
        measure = f"{step or 'fit, score and score again'}: {name}"
        rows.append(row(measure, PLAIN, *seconds, "s", goal="> 1", **ratios))
    peaks = (
        float(np.median([run["peak"] for run in results_of_side[side]]))
        for side in ("ours", "theirs")
    )
    return [*rows, row(f"peak memory of the process: {name}", PLAIN, *peaks, "MiB", goal="> 1")]


def compare_quality(name, folder, network, y, groups):
    """Return the rows of AUC and EER of one network on one set of pairs."""
    ours, theirs = (
        run_in_process(side, folder, network, "--quality") for side in ("ours", "theirs")
    )
    plain_scores, rows = np.array(theirs[MIXTURE]), []
    for detector_name, scores in ours.items():
        is_default = detector_name == DEFAULT
        measure = f"{detector_name}: {name if is_default else full_name(name, network)}"
        rows += quality(measure, y, np.array(scores), plain_scores, groups)
    return rows


def quality(measure, y, our_scores, plain_scores, groups):
    """Return rows of AUC and EER, with intervals of the ratio over groups.

    Scores have the shape (n_seeds, n_pairs); a metric is the mean over the seeds.
    """
    rows = []
    for metric, function, sign in (("AUC", roc_auc_score, 1), ("EER", equal_error_rate, -1)):

        def mean_metric(y, scores, function=function):
            floor = 0.5 / len(y)  # an EER may be 0
            return max(float(np.mean([function(y, of_seed) for of_seed in scores])), floor)

        def ratio(y, positions, mean_metric=mean_metric, sign=sign):
            positions = positions.astype(int)
            both = (mean_metric(y, scores[:, positions]) for scores in (our_scores, plain_scores))
            return np.divide(*both) ** sign

        estimate, low, high = confidence_interval(
            ratio, y, np.arange(len(y)), groups=groups, n_resamples=500, random_state=0
        )
        values = (mean_metric(y, scores) for scores in (our_scores, plain_scores))
        ratios = {"ratio": float(estimate), "low": float(low), "high": float(high)}
        rows.append(row(f"{metric}, {measure}", PLAIN, *values, metric, goal="> 1", **ratios))
    return rows


def rendered(n, folder):
    """Write pairs of rendered people, those of a person with one reference; return y and groups."""
    faces = make_face_pairs(2 * n, n_identities=max(6, n // 6), size=256, random_state=0)
    paths = write_jpegs(folder, np.concatenate(list(faces.data)))  # reference, probe, reference ...
    pairs, first = paths.reshape(-1, 2).copy(), {}
    for pair, person in zip(pairs, faces.groups, strict=True):
        pair[0] = first.setdefault(person, pair[0])
    fit = np.flatnonzero(faces.target == 1)[: n // 2]
    test_rows = np.setdiff1d(np.arange(len(pairs)), fit)[:n]
    np.save(f"{folder}/fit.npy", pairs[fit].astype(str))
    np.save(f"{folder}/score.npy", pairs[test_rows].astype(str))
    return faces.target[test_rows], np.asarray(faces.groups)[test_rows]


def real(data, folder, n_fit, n_score):
    """Write pairs of LFW and DFDC; return y and groups of the latter."""
    rng, genuine = np.random.default_rng(0), lfw_pairs(data / "lfw")
    dfdc = dfdc_pairs(data / "dfdc_crops")
    fit = rng.permutation(len(genuine.target))[:n_fit]
    rows = np.sort(rng.permutation(len(dfdc.target))[:n_score])
    np.save(f"{folder}/fit.npy", np.asarray(genuine.data)[fit].astype(str))
    np.save(f"{folder}/score.npy", np.asarray(dfdc.data)[rows].astype(str))
    return np.asarray(dfdc.target)[rows], np.asarray(dfdc.groups)[rows]


def figures(quick=False):
    data, rows = option("--data"), []
    n_timed, repeats = (24, 1) if quick else (120, 3)
    with tempfile.TemporaryDirectory() as folder:
        rendered(n_timed, folder)
        rows += compare_times(f"{n_timed} rendered pairs", folder, None, repeats)
    has_quality = "--no-quality" not in sys.argv
    if has_quality and not quick:
        with tempfile.TemporaryDirectory() as folder:
            y, groups = rendered(N_JUDGED, folder)
            rows += compare_quality(f"{N_JUDGED} rendered pairs", folder, None, y, groups)
    if data:
        n_fit, n_score = (50, 100) if quick else (400, 700)
        with tempfile.TemporaryDirectory() as folder:
            y, groups = real(Path(data), folder, n_fit, n_score)
            for network in dict.fromkeys((None, option("--network"))):
                name = f"{n_score:,} DFDC pairs"
                rows += compare_times(name, folder, network, 1)
                if has_quality:
                    rows += compare_quality(name, folder, network, y, groups)
    return rows


if __name__ == "__main__":
    if "--case" in sys.argv:
        case(option("--case"))
    else:
        run_alone(figures)
