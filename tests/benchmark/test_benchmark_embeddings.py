"""Images become vectors in batches of a fixed make-up, and what fails fails alone."""

import numpy as np
import pytest
from image_helpers import faces, noise, save_all

from sklearn_diffake.benchmark._crops import embed as embed_pictures
from sklearn_diffake.benchmark._degrade import Degradation
from sklearn_diffake.benchmark._embeddings import Embeddings
from sklearn_diffake.benchmark._images import Images
from sklearn_diffake.benchmark._pipelines import Feature
from sklearn_diffake.embedding import EmbeddingStore, FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.images.read import image_digest


def embedder(name="colors"):
    return FaceEmbedder(f"tiny_backbones:{name}", device="cpu").fit(noise(1))


def embed(images, degradation, aligner, jobs):
    """Return crops, and a list of values for each job."""
    crops, vectors = embed_pictures(images, [None] * len(images), degradation, aligner, jobs)
    return crops, [piece.values for piece in vectors]


def test_vectors_are_those_of_the_embedder():
    images, network = noise(3), embedder()
    blur = Degradation("blur", 1.0)
    jobs = [(network, [0]), (network, [2, 1])]
    crops, ((first,), (second, third)) = embed(images, blur, None, jobs)
    blurred = [blur.apply(image) for image in images]
    assert all(crop.has_face for crop in crops)  # none was looked for
    assert [crop.digest for crop in crops] == [image_digest(image) for image in blurred]
    expected = network.transform(blurred)
    np.testing.assert_allclose(np.stack([first, third, second]), expected, atol=1e-6)


def test_faces_that_are_not_found_are_noted():
    pytest.importorskip("skimage")
    aligner = FaceAligner(32, on_missing="crop", device="cpu")
    images, jobs = [*faces(1), *noise(1, (40, 40))], [(embedder(), [0, 1])]
    crops, ((face, center),) = embed(images, None, aligner, jobs)
    assert [crop.has_face for crop in crops] == [True, False]
    np.testing.assert_allclose([face, center], embedder().transform(aligner.transform(images)))
    for on_missing in ("raise", "skip"):
        refuse = aligner.set_params(on_missing=on_missing)
        crops, ((face, another_one),) = embed(images, None, refuse, jobs)
        assert [crop.has_face for crop in crops] == [True, False]
        assert isinstance(face, np.ndarray)
        assert "no face was found" in another_one


def test_an_image_that_a_network_cannot_bear_fails_alone():
    white = np.full((20, 20, 3), 255, dtype=np.uint8)
    images, fine, bad = [*noise(2), white], embedder("means"), embedder("nan_on_white")
    _, values = embed(images, None, None, [(fine, [0, 2]), (bad, [2, 1, 0])])
    assert [[isinstance(value, np.ndarray) for value in piece] for piece in values] == [
        [True, True],
        [False, True, True],
    ]
    assert "NaN" in values[1][0]
    np.testing.assert_allclose(values[0][0], values[1][2])


def test_what_else_breaks_down_is_said():
    class Broken:
        def _embed_pictures(self, table, errors):
            raise MemoryError("too large")

    _, ((first, second),) = embed(noise(2), None, None, [(Broken(), [0, 1])])
    assert first == second == "MemoryError: too large"


def test_batches_do_not_depend_on_what_is_needed_now(tmp_path, monkeypatch):
    images = noise(11)
    index = np.arange(10).reshape(5, 2)
    digests = [image_digest(image) for image in images]
    reference = Images(images, index, [*digests[:10], digests[0]], {})
    embeddings = Embeddings({"a": reference}, EmbeddingStore(tmp_path))
    feature = Feature(None, embedder(), {"align": {}})
    key = feature.key
    batches = []

    def note(*task):
        batches.append([len(positions) for _, positions in task[-1]])
        return embed_pictures(*task)

    monkeypatch.setattr("sklearn_diffake.benchmark._embeddings.embed", note)

    def compute(*positions):
        required = np.zeros(11, dtype=bool)
        required[list(positions)] = True
        blur = Degradation("blur", 1.0)
        all_items = {(("a", None), key): np.ones(11, bool), (("a", blur), key): np.ones(11, bool)}
        return embeddings.compute(
            all_items, {(("a", None), key): required}, {key: feature}, batch_size=4
        )

    # the last image is the first once more: there are 10 different ones, and 10 blurred ones
    assert compute(5) == {"wanted": 20, "embedded": 4, "failed": 0}
    assert batches.pop() == [4]
    assert compute(5, 8)["embedded"] == 2
    assert batches.pop() == [2]
    assert compute(10)["embedded"] == 4
    assert compute(*range(11))["embedded"] == 0
    result = embeddings.matrix(("a", None), feature)
    np.testing.assert_allclose(result[:, 1:], feature.embedder.transform(images[:10] + images[:1]),
                               atol=1e-6)  # fmt: skip
    assert np.isnan(embeddings.matrix(("a", Degradation("blur", 1.0)), feature)).all()


def test_what_has_no_vector_says_why(tmp_path):
    white = np.full((20, 20, 3), 255, dtype=np.uint8)
    paths = save_all([noise(1)[0], white], tmp_path)
    sources = [*paths, *noise(1, seed=1), "gone.png"]
    digests = [image_digest(noise(1)[0]), image_digest(white), image_digest(sources[2]), None]
    reference = Images(sources, np.arange(4).reshape(2, 2), digests, {3: "no such file"})
    embeddings = Embeddings({"a": reference}, EmbeddingStore(tmp_path / "store"))
    feature, view = Feature(None, embedder("nan_on_white"), {"align": {}}), ("a", None)
    mask = {(view, feature.key): np.array([True, True, False, True])}
    counts = embeddings.compute(mask, mask, {feature.key: feature}, batch_size=4)
    assert counts == {"wanted": 2, "embedded": 1, "failed": 1}
    result = embeddings.matrix(view, feature)
    assert np.isnan(result).all(axis=1).tolist() == [False, True, True, True]
    whys = [embeddings.why_missing(view, feature, position) for position in (1, 2, 3)]
    assert whys[0].startswith(f"{paths[1]}: ")
    assert "NaN" in whys[0]
    assert whys[1:] == ["image 2: it is not in the store", "gone.png: no such file"]


def test_few_matrices_are_held_and_the_last_used_stay(tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_diffake.benchmark._embeddings._MATRICES", 2)
    images = noise(2)
    reference = Images(images, np.array([[0, 1]]), [image_digest(image) for image in images], {})
    embeddings = Embeddings(dict.fromkeys("abc", reference), EmbeddingStore(tmp_path))
    feature = Feature(None, embedder(), {"align": {}})
    first, second = (embeddings.matrix((name, None), feature) for name in "ab")
    assert embeddings.matrix(("a", None), feature) is first
    embeddings.matrix(("c", None), feature)
    assert embeddings.matrix(("a", None), feature) is first
    assert embeddings.matrix(("b", None), feature) is not second
