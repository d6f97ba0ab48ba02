"""A benchmark and the estimators find each other's results in one store."""

import numpy as np
import pytest
from benchmark_cases import TINY, write_rows
from image_helpers import faces, noise, save_all

from sklearn_diffake.benchmark import read_config, run_benchmark
from sklearn_diffake.benchmark._degrade import Degradation
from sklearn_diffake.benchmark._embeddings import Embeddings
from sklearn_diffake.benchmark._images import Images
from sklearn_diffake.benchmark._pipelines import Feature
from sklearn_diffake.embedding import EmbeddingStore, FaceEmbedder
from sklearn_diffake.faces import FaceAligner, _finding
from sklearn_diffake.images.read import image_digest


@pytest.fixture
def calls(monkeypatch):
    """Count the pictures that go through each network."""
    from sklearn_diffake.embedding import _face_embedder

    counts = {"detected": 0, "embedded": 0}
    detect, build = _finding.detect_faces, _face_embedder.build_forward

    def detect_faces(images, **options):
        counts["detected"] += len(images)
        return detect(images, **options)

    def build_forward(*arguments):
        forward = build(*arguments)

        def counted(crops):
            counts["embedded"] += len(crops)
            return forward(crops)

        return counted

    monkeypatch.setattr(_finding, "detect_faces", detect_faces)
    monkeypatch.setattr(_face_embedder, "build_forward", build_forward)
    return counts


def embedder(**options):
    return FaceEmbedder(TINY, device="cpu", batch_size=4, **options).fit(noise(1))


def benchmark(paths, store, *, aligner=None, degradation=None):
    """Embed as a benchmark does; return the counts and the matrix of vectors."""
    digests = [image_digest(np.asarray(image)) for image in map(read, paths)]
    images = Images(paths, np.arange(len(paths)).reshape(-1, 2), digests, {})
    embeddings = Embeddings({"a": images}, store)
    settings = {} if aligner is None else aligner.get_params()
    feature = Feature(aligner, embedder(cache=store), {"align": settings})
    view = ("a", degradation)
    mask = {(view, feature.key): np.ones(len(paths), bool)}
    counts = embeddings.compute(mask, mask, {feature.key: feature}, batch_size=4)
    return counts, embeddings.matrix(view, feature)


def read(path):
    from sklearn_diffake.faces import read_image

    return read_image(path)


@pytest.mark.parametrize("first", ["estimator", "benchmark"])
def test_crops_are_embedded_once(tmp_path, calls, first):
    paths, store = save_all(noise(6), tmp_path), EmbeddingStore(tmp_path / "store")
    if first == "estimator":
        vectors = embedder(cache=store).transform(paths)
        counts, matrix = benchmark(paths, store)
    else:
        counts, matrix = benchmark(paths, store)
        vectors = embedder(cache=store).transform(paths)
    assert calls["embedded"] == 6
    assert counts == {"wanted": 6, "embedded": 6 * (first == "benchmark"), "failed": 0}
    np.testing.assert_array_equal(matrix[:, 1:], vectors)
    assert benchmark(paths, store)[0]["embedded"] == 0
    assert calls["embedded"] == 6


@pytest.mark.parametrize("first", ["estimators", "embedder alone", "benchmark"])
def test_photographs_are_searched_and_embedded_once(tmp_path, calls, first):
    pytest.importorskip("skimage")
    photos = [*faces(1), *noise(1, (60, 60)), np.flip(faces(1)[0], 1).copy(), *noise(1, (50, 50))]
    paths, store = save_all(photos, tmp_path), EmbeddingStore(tmp_path / "store")
    aligner = FaceAligner(32, on_missing="crop", device="cpu")
    cached = FaceAligner(32, on_missing="crop", device="cpu", cache=store)

    def estimators():
        searching = aligner if first == "embedder alone" else cached
        return embedder(cache=store).transform(searching.transform(paths))

    vectors = None if first == "benchmark" else estimators()
    original = dict(calls)
    counts, matrix = benchmark(paths, store, aligner=aligner)
    if first != "benchmark":
        expected = {**original, "detected": original["detected"] + 4 * (first == "embedder alone")}
        assert calls == expected
        assert counts == {"wanted": 4, "embedded": 0, "failed": 0}
    else:
        assert calls == {"detected": 4, "embedded": 4}
        vectors = estimators()
        assert calls == {"detected": 4, "embedded": 4}
    assert matrix[:, 0].tolist() == [1, 0, 1, 0]
    np.testing.assert_array_equal(matrix[:, 1:], vectors)


def test_a_degraded_picture_is_not_degraded_again(tmp_path, calls, monkeypatch):
    paths, store = save_all(noise(4), tmp_path), EmbeddingStore(tmp_path / "store")
    blur = Degradation("blur", 1.0)
    _, matrix = benchmark(paths, store, degradation=blur)
    blurred = [blur.apply(read(path)) for path in paths]
    np.testing.assert_array_equal(matrix[:, 1:], embedder(cache=store).transform(blurred))
    assert calls["embedded"] == 4
    monkeypatch.setattr("sklearn_diffake.benchmark._crops.read_image", None)
    counts, repeated = benchmark(paths, store, degradation=blur)
    assert counts == {"wanted": 4, "embedded": 0, "failed": 0}
    np.testing.assert_array_equal(repeated, matrix)


def test_a_cluster_shares_the_store_as_well(tmp_path, calls):
    """Its workers cannot reach the store: what they return is stored for them."""
    paths, store = save_all(noise(4), tmp_path), EmbeddingStore(tmp_path / "store")
    images = Images(paths, np.arange(4).reshape(-1, 2), [image_digest(i) for i in noise(4)], {})
    embeddings, view = Embeddings({"a": images}, store), ("a", None)
    feature = Feature(None, embedder(), {"align": {}})
    mask = {(view, feature.key): np.ones(4, bool)}
    counts = embeddings.compute(mask, mask, {feature.key: feature}, batch_size=4)
    assert counts["embedded"] == calls["embedded"] == 4
    vectors = embedder(cache=store).transform(paths)
    assert calls["embedded"] == 4
    np.testing.assert_array_equal(embeddings.matrix(view, feature)[:, 1:], vectors)


def test_a_whole_benchmark_embeds_nothing_that_is_stored(tmp_path, calls):
    paths = save_all(noise(24), tmp_path)
    rows = [(p, f"p{i // 2}", 1 if i % 4 < 2 else -1, "swap" if i % 4 > 1 else "genuine")
            for i, p in enumerate(paths)]  # fmt: skip
    (tmp_path / "b.toml").write_text(
        f"""
        bootstrap = 3
        batch_size = 4
        device = "cpu"
        datasets.few.pairs = "pairs.csv"
        [candidates.one]
        embedder = "{TINY}"
        align = false
        detector = "MahalanobisDetector"
        [protocols.cross-manipulation]
        folds = 2
        """
    )
    pairs = [(a[0], b[0], b[1], b[2], b[3])
             for a, b in zip(rows[::2], rows[1::2], strict=True)]  # fmt: skip
    header = ("reference", "probe", "identity", "label", "technique")
    write_rows(tmp_path / "pairs.csv", header, pairs)
    embedder(cache=tmp_path / "cache").transform(paths)
    assert calls["embedded"] == 24
    config = read_config(tmp_path / "b.toml", trusted=[TINY])
    result = run_benchmark(config.replace(tmp_path / "out", tmp_path / "cache"))
    assert result.failures == {}
    assert result.images == {"wanted": 24, "embedded": 0, "failed": 0}
    assert calls["embedded"] == 24


@pytest.mark.parametrize("alignment", [False, True])
@pytest.mark.parametrize("degradation", [None, Degradation("noise", 5.0)])
@pytest.mark.parametrize("original", ["_store_vectors", "_store_crops"])
def test_an_interrupted_run_goes_on_with_the_same_bits(
    tmp_path, calls, monkeypatch, alignment, degradation, original
):
    """Whether it ends before or after what a worker made of the second batch is stored."""
    paths = save_all(noise(10), tmp_path)
    options = {"degradation": degradation}
    if alignment:
        options["aligner"] = FaceAligner(20, on_missing="crop", device="cpu")
    _, expected = benchmark(paths, EmbeddingStore(tmp_path / "whole"), **options)
    store, really_keep, n_calls = (
        EmbeddingStore(tmp_path / "store"),
        getattr(Embeddings, original),
        [],
    )

    def interrupt(self, *arguments):
        n_calls.append(1)
        if len(n_calls) == 2:
            raise KeyboardInterrupt
        return really_keep(self, *arguments)

    monkeypatch.setattr(Embeddings, original, interrupt)
    with pytest.raises(KeyboardInterrupt):
        benchmark(paths, store, **options)
    monkeypatch.undo()
    counts, matrix = benchmark(paths, store, **options)
    assert counts == {"wanted": 10, "embedded": 2, "failed": 0}  # the third batch
    np.testing.assert_array_equal(matrix, expected)
