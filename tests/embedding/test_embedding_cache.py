"""Results that are kept: across calls, clones, processes and runs, whatever befalls the folder."""

import json
import os
import shutil
import sqlite3
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import forked_programs
import numpy as np
import pytest
from image_helpers import faces, noise, objects, save_all, small_face
from joblib import parallel_backend
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_diffake.embedding import EmbeddingStore, FaceEmbedder
from sklearn_diffake.embedding.backbones import _lookup
from sklearn_diffake.faces import FaceAligner, ImageError
from sklearn_diffake.images import engine
from sklearn_diffake.images import read as reading
from sklearn_diffake.novelty import GaussianMixtureDetector
from sklearn_diffake.pairs import PairDifference

BACKBONE = "tiny_backbones:colors"


def embedder(cache, **settings):
    return FaceEmbedder(**{"backbone": BACKBONE, "device": "cpu", "cache": cache, **settings})


def aligner(cache, **settings):
    fast = {"size": 48, "min_face_size": 0.4, "device": "cpu", "on_missing": "crop"}
    return FaceAligner(**{**fast, "cache": cache, **settings})


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(tmp_path / "store")


@pytest.fixture
def reads(monkeypatch):
    """Every image that is decoded."""
    sources = []

    def read(source):
        sources.append(source)
        return reading.read_image(source)

    monkeypatch.setattr(engine, "read_image", read)
    return sources


@pytest.fixture
def settled(monkeypatch):
    """Take files that were written a moment ago for old ones."""
    monkeypatch.setattr(reading, "_RACY_NS", 0)


@pytest.mark.parametrize("build", [embedder, aligner])
def test_second_call_computes_nothing(tmp_path, build, monkeypatch):
    images = [*faces(2), *noise(2)]
    pairs = [(images[0], images[1]), (images[2], images[3]), (images[0], images[3])]
    first = build(tmp_path)
    result = first.fit_transform(pairs)

    def fail(*args, **kwargs):
        raise AssertionError("computed again")

    monkeypatch.setattr("sklearn_diffake.embedding._face_embedder.build_forward", fail)
    monkeypatch.setattr("sklearn_diffake.faces._finding.detect_faces", fail)
    for model in (first, clone(first).fit(pairs), build(str(tmp_path)).fit(pairs)):
        np.testing.assert_array_equal(model.transform(pairs), result)
    n_kinds = 2 if build is aligner else 1  # detections and crops
    assert EmbeddingStore(tmp_path).info()["writes"] == 4 * n_kinds


def test_landmarks_come_back_from_the_cache(tmp_path):
    images = [small_face(), *noise(1)]
    first, second = (aligner(tmp_path).align(images) for _ in range(2))
    for name in ("box", "landmarks", "matrix", "probability", "missing", "crops"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.counts == second.counts


@pytest.mark.usefixtures("settled")
def test_second_run_decodes_nothing(tmp_path, store, reads):
    paths = save_all(noise(5), tmp_path)
    pairs = [(paths[i], paths[-i]) for i in range(5)]
    result = embedder(store).fit_transform(pairs)
    assert sorted(reads) == paths
    reads.clear()
    model = embedder(store)
    np.testing.assert_array_equal(model.fit_transform(pairs), result)
    assert reads == []
    assert model.n_embedded_ == 0


@pytest.mark.usefixtures("settled")
def test_changed_file_is_read_again(tmp_path, store, reads):
    paths = save_all(noise(3), tmp_path)
    model = embedder(store).fit(paths)
    embeddings_before = model.transform(paths)
    reads.clear()
    Image.fromarray(noise(1, seed=9)[0]).save(paths[1])
    after = model.transform(paths)
    assert reads == [paths[1]]
    assert model.n_embedded_ == 1
    np.testing.assert_array_equal(after[[0, 2]], embeddings_before[[0, 2]])
    np.testing.assert_allclose(after[1], embedder(None).fit_transform(paths)[1], atol=1e-6)
    os.remove(paths[2])
    with pytest.raises(ImageError, match=r"row 2, file .*002.png': no such file"):
        model.transform(paths)


def test_file_that_was_changed_just_now_is_read_every_time(tmp_path, store, reads):
    paths = save_all(noise(1), tmp_path)
    for _ in range(2):
        embedder(store).fit_transform(paths)
    assert reads == paths * 2
    assert store.info()["writes"] == 1  # and recognized by its content


@pytest.mark.usefixtures("settled")
def test_moved_file_is_recognized_by_its_content(tmp_path, store):
    paths = save_all(noise(1), tmp_path)
    embedder(store).fit_transform(paths)
    new_path = str(tmp_path / "moved.png")
    os.rename(paths[0], new_path)
    model = embedder(store)
    model.fit_transform([new_path])
    assert model.n_embedded_ == 0


def test_other_models_and_settings_are_kept_apart(store):
    images = noise(2)
    single = embedder(store).fit_transform(images)
    half = embedder(store, dtype="float16").fit_transform(images)
    second = embedder(store, backbone="tiny_backbones:means").fit_transform(images)
    crops = [aligner(store, size=size).fit_transform(images) for size in (16, 24)]
    assert store.info()["writes"] == 6 + 4 + 2  # embeddings, crops, detections
    assert not np.array_equal(single, half)
    assert second.shape == (2, 3)
    assert [crop.shape[1] for crop in crops] == [16, 24]
    np.testing.assert_array_equal(embedder(store).fit_transform(images), single)


def search_pairs(n_photos=9):
    photos = noise(n_photos, (24, 24))
    rows = [(i, j) for i in range(n_photos) for j in range(i + 1, n_photos)]
    y = np.where(np.arange(len(rows)) % 3, 1, -1)
    return photos, objects([(photos[i], photos[j]) for i, j in rows]), y


def search(store, **settings):
    pipe = Pipeline(
        [
            ("align", aligner(store)),
            ("embed", embedder(store)),
            ("diff", PairDifference()),
            ("detect", GaussianMixtureDetector(1, random_state=0)),
        ]
    )
    grid = {"diff__operator": ["squared", "absolute", "subtract"]}
    return GridSearchCV(pipe, grid, scoring="roc_auc", cv=3, error_score="raise", **settings)


@pytest.mark.slow
def test_search_in_processes_computes_each_image_once(tmp_path):
    photos, pairs, y = search_pairs()
    store = EmbeddingStore(tmp_path / "processes")
    parallel = search(store, n_jobs=2).fit(pairs, y)
    assert store.info()["writes"] == 3 * len(photos)  # detection, crop and embedding
    serial = search(None).fit(pairs, y)
    np.testing.assert_allclose(
        parallel.cv_results_["mean_test_score"], serial.cv_results_["mean_test_score"], atol=1e-6
    )
    second = search(store, n_jobs=2).fit(pairs, y)
    assert store.info()["writes"] == 3 * len(photos)
    np.testing.assert_array_equal(
        second.cv_results_["mean_test_score"], parallel.cv_results_["mean_test_score"]
    )


def test_search_in_threads_computes_each_image_once(tmp_path):
    photos, pairs, y = search_pairs()
    store = EmbeddingStore(tmp_path / "threads")
    _lookup._find.cache_clear()  # both threads ask for the backbone at once
    with parallel_backend("threading", n_jobs=2):
        search(store).fit(pairs, y)
    assert store.info()["writes"] == 3 * len(photos)


HASH = """
import sys, warnings, joblib, numpy as np
warnings.simplefilter("ignore")
from sklearn_diffake.embedding import EmbeddingStore, FaceEmbedder
from sklearn_diffake.faces import FaceAligner
images = list(np.random.default_rng(0).integers(0, 256, (3, 20, 20, 3), dtype=np.uint8))
store = EmbeddingStore("store")
for model in (FaceAligner(on_missing="crop", device="cpu", cache=store),
              FaceEmbedder("tiny_backbones:colors", device="cpu", cache=store)):
    print(joblib.hash(model))
    model.fit(images)
    print(joblib.hash(model))
    model.transform(images)
    model.transform(images)
    print(joblib.hash(model))
"""


@pytest.mark.slow
def test_hashes_are_the_same_in_every_process(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(HASH, {})
    names_here = capsys.readouterr().out.split()
    shutil.rmtree("store")
    names_elsewhere = forked_programs.run(HASH, cwd=tmp_path).split()
    assert len(set(names_here)) == 4  # neither fitting nor using the aligner changes it
    assert names_elsewhere == names_here


# --- what may befall the folder --------------------------------------------------------------


def works_without(folder, match):
    images = noise(3)
    expected = embedder(None).fit_transform(images)
    with pytest.warns(RuntimeWarning, match=match):
        result = embedder(folder).fit_transform(images)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "cache").write_text("no folder")
    works_without(tmp_path / "cache", "does not keep new results: .*File exists")


def test_folder_that_cannot_be_made(tmp_path):
    works_without("/proc/no-such-folder/cache", "does not keep new results")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_read_only_folder(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o500)
    works_without(folder, "does not keep new results")


def test_read_only_store_is_still_read(tmp_path, monkeypatch):
    images = noise(3)
    embedder(tmp_path).fit_transform(images)
    store = EmbeddingStore(tmp_path)
    database = store._database()
    store.info()
    monkeypatch.setattr(database, "read_only", True)
    model = embedder(tmp_path)
    with pytest.warns(RuntimeWarning, match="can be read but not written"):
        model.fit_transform([*images, noise(1, seed=5)[0]])
    assert model.n_embedded_ == 1


def test_full_disk(tmp_path):
    images = noise(40)
    store = EmbeddingStore(tmp_path)
    store.info()
    connection = store._database().connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    works = aligner(tmp_path).fit(images)
    with pytest.warns(RuntimeWarning, match="does not keep new results: .*full"):
        crops = works.transform(images)
    np.testing.assert_array_equal(crops, aligner(None).fit_transform(images))


def test_corrupt_file_is_replaced(tmp_path):
    images = noise(3)
    expected = embedder(tmp_path).fit_transform(images)
    EmbeddingStore(tmp_path).close()
    (file,) = tmp_path.glob("*.sqlite")
    file.write_bytes(b"this is no database" * 1000)
    model = embedder(tmp_path)
    with pytest.warns(RuntimeWarning, match="was damaged .* starts again"):
        np.testing.assert_array_equal(model.fit_transform(images), expected)
    assert model.n_embedded_ == 3
    model.transform(images)
    assert model.n_embedded_ == 0


def test_store_that_holds_a_wrong_value_is_not_believed(tmp_path):
    images = noise(3)
    expected = embedder(tmp_path).fit_transform(images)
    EmbeddingStore(tmp_path).close()
    (file,) = tmp_path.glob("*.sqlite")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE blobs SET value = zeroblob(length(value)) WHERE id = 2")
    connection.close()
    model = embedder(tmp_path)
    np.testing.assert_allclose(model.fit_transform(images), expected, atol=1e-6)
    assert model.n_embedded_ == 1


def test_results_of_another_size_are_no_hits(tmp_path):
    """As after a change of what is stored: computed again, without a wait for the old result."""
    images = noise(2)
    model = embedder(tmp_path).fit(images)
    digests = [reading.image_digest(image) for image in images]
    namespace = f"embedding:1:{model.fingerprint_}:float32"
    EmbeddingStore(tmp_path).put_many(namespace, dict.fromkeys(digests, b"short"))
    assert model.transform(images).shape == (2, 8)
    assert model.n_embedded_ == 2


SHARE = """
import json, sys, time, numpy as np
from pathlib import Path
from sklearn_diffake.embedding import FaceEmbedder, _face_embedder
build_forward = _face_embedder.build_forward
def build_slow_forward(*arguments):
    forward = build_forward(*arguments)
    return lambda crops: time.sleep(0.02) or forward(crops)
_face_embedder.build_forward = build_slow_forward
images = list(np.random.default_rng(0).integers(0, 256, (40, 20, 20, 3), dtype=np.uint8))
model = FaceEmbedder("tiny_backbones:colors", device="cpu", batch_size=2, cache="store")
Path(sys.argv[1]).touch()
while len(list(Path(".").glob("ready-*"))) < 2:
    time.sleep(0.001)
embeddings = model.fit_transform(images)
print(json.dumps([model.n_embedded_, embeddings.tolist()]))
"""


def test_processes_at_the_same_time_share_the_work(tmp_path):
    """They begin together, and neither ends before the other has begun."""
    outputs = [tmp_path / f"{i}.json" for i in range(2)]
    running = [
        forked_programs.start(SHARE, f"ready-{i}", cwd=tmp_path, output=output)
        for i, output in enumerate(outputs)
    ]
    assert [process.wait() for process in running] == [0, 0]
    results = [json.loads(output.read_text()) for output in outputs]
    counts = [n_embedded for n_embedded, _ in results]
    assert sum(counts) == 40
    assert min(counts) > 0
    assert results[0][1] == results[1][1]
    assert EmbeddingStore(Path(tmp_path, "store")).info()["writes"] == 40


@pytest.mark.timeout(30)
def test_claims_end_when_the_computation_fails(tmp_path):
    white = np.full((8, 8, 3), 255, np.uint8)
    model = embedder(tmp_path, backbone="tiny_backbones:nan_on_white").fit([white])
    with ThreadPoolExecutor(1) as executor:
        failed = executor.submit(model.transform, [white]).exception()
    assert "NaN or infinity" in str(failed)
    with pytest.raises(ImageError, match="NaN or infinity"):  # at once, without waiting for it
        model.transform([white])
    assert EmbeddingStore(tmp_path).info()["entries"] == 0


@pytest.fixture
def alive(monkeypatch):
    """The number of decoded images in memory, after every one that is read."""
    decoded, counts = [], []

    def count():
        counts.append(sum(reference() is not None for reference in decoded))

    def read(source):
        image = reading.read_image(source)
        decoded.append(weakref.ref(image))
        count()
        return image

    monkeypatch.setattr(engine, "read_image", read)
    return SimpleNamespace(counts=counts, count=count)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_memory_holds_batches_not_tables(tmp_path, alive, batch_size):
    """However long the table, only about three batches of decoded images are alive."""
    paths = save_all(noise(60, (16, 16)), tmp_path)
    embedder(None, batch_size=batch_size).fit_transform(paths)
    assert len(alive.counts) == 60
    assert batch_size <= max(alive.counts) <= 3 * batch_size + 1


def test_images_that_another_process_is_at_are_not_held_meanwhile(tmp_path, alive, monkeypatch):
    paths = save_all(noise(20, (16, 16)), tmp_path)
    expected = embedder(None).fit_transform(paths)
    ended = []  # the other process: it claims everything, delivers nothing, and ends

    def sleep(_):
        alive.count()
        ended.append(True)

    def claim(store, namespace, digests):
        return set(digests) if ended else set()

    monkeypatch.setattr(EmbeddingStore, "claim", claim)
    monkeypatch.setattr(engine, "time", SimpleNamespace(sleep=sleep))
    model = embedder(tmp_path / "store", batch_size=4).fit(paths)
    alive.counts.clear()
    np.testing.assert_allclose(model.transform(paths), expected, atol=1e-6)
    assert model.n_embedded_ == 20
    assert alive.counts[20] <= 4
