"""Images become vectors in batches of a fixed make-up, and what fails fails alone."""

import numpy as np
import pytest
from image_helpers import faces, noise, save_all

from sklearn_diffake.benchmark._degrade import Degradation
from sklearn_diffake.benchmark._embed import Embeddings, embed
from sklearn_diffake.benchmark._images import Images
from sklearn_diffake.benchmark._pipelines import Feature
from sklearn_diffake.embedding import EmbeddingStore, FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.images.read import image_digest


def embedder(name="colours"):
    return FaceEmbedder(f"tiny_backbones:{name}", device="cpu").fit(noise(1))


def vector(value):
    return np.frombuffer(value, dtype=np.float32)


def test_vectors_are_those_of_the_embedder():
    images, network = noise(3), embedder()
    blur = Degradation("blur", 1.0)
    ((first,), (second, third)) = embed(images, blur, None, [(network, [0]), (network, [2, 1])])
    expected = network.transform([blur.apply(image) for image in images])
    found = np.stack([vector(value) for value in (first, third, second)])
    assert (found[:, 0] == 1).all()  # none was looked for
    np.testing.assert_allclose(found[:, 1:], expected, atol=1e-6)


def test_faces_that_are_not_found_are_noted():
    pytest.importorskip("skimage")
    aligner = FaceAligner(32, on_missing="crop", device="cpu")
    ((face, other),) = embed(
        [*faces(1), *noise(1, (40, 40))], None, aligner, [(embedder(), [0, 1])]
    )
    assert (vector(face)[0], vector(other)[0]) == (1, 0)
    refuse = aligner.set_params(on_missing="raise")
    ((face, other),) = embed([*faces(1), *noise(1, (40, 40))], None, refuse, [(embedder(), [0, 1])])
    assert vector(face)[0] == 1
    assert "no face was found" in other


def test_an_image_that_a_network_cannot_bear_fails_alone():
    white = np.full((20, 20, 3), 255, dtype=np.uint8)
    images, fine, bad = [*noise(2), white], embedder("means"), embedder("nan_on_white")
    values = embed(images, None, None, [(fine, [0, 2]), (bad, [2, 1, 0])])
    assert [[isinstance(value, bytes) for value in part] for part in values] == [
        [True, True],
        [False, True, True],
    ]
    assert "NaN" in values[1][0]
    np.testing.assert_allclose(vector(values[0][0]), vector(values[1][2]))


def test_what_else_breaks_down_is_said():
    class Broken:
        def transform(self, crops):
            raise MemoryError("too large")

    ((first, second),) = embed(noise(2), None, None, [(Broken(), [0, 1])])
    assert first == second == "MemoryError: too large"


def test_batches_do_not_depend_on_what_is_needed_now(tmp_path, monkeypatch):
    images = noise(11)
    index = np.arange(10).reshape(5, 2)
    digests = [image_digest(image) for image in images]
    known = Images(images, index, [*digests[:10], digests[0]], {})
    embeddings = Embeddings({"a": known}, EmbeddingStore(tmp_path))
    feature = Feature(None, embedder(), {"align": {}})
    space = feature.namespace
    batches = []

    def note(sources, degradation, aligner, jobs):
        batches.append([len(places) for _, places in jobs])
        return embed(sources, degradation, aligner, jobs)

    monkeypatch.setattr("sklearn_diffake.benchmark._embed.embed", note)

    def compute(*places):
        needed = np.zeros(11, dtype=bool)
        needed[list(places)] = True
        blur = Degradation("blur", 1.0)
        every = {(("a", None), space): np.ones(11, bool), (("a", blur), space): np.ones(11, bool)}
        return embeddings.compute(
            every, {(("a", None), space): needed}, {space: feature}, batch_size=4
        )

    # the last image is the first once more: there are 10 different ones, and 10 blurred ones
    assert compute(5) == {"wanted": 20, "embedded": 4, "failed": 0}
    assert batches.pop() == [4]
    assert compute(5, 8)["embedded"] == 2
    assert batches.pop() == [2]
    assert compute(10)["embedded"] == 4
    assert compute(*range(11))["embedded"] == 0
    found = embeddings.matrix(("a", None), feature)
    np.testing.assert_allclose(found[:, 1:], feature.embedder.transform(images[:10] + images[:1]),
                               atol=1e-6)  # fmt: skip
    assert np.isnan(embeddings.matrix(("a", Degradation("blur", 1.0)), feature)).all()


def test_what_has_no_vector_says_why(tmp_path):
    white = np.full((20, 20, 3), 255, dtype=np.uint8)
    paths = save_all([noise(1)[0], white], tmp_path)
    sources = [*paths, *noise(1, seed=1), "gone.png"]
    digests = [image_digest(noise(1)[0]), image_digest(white), image_digest(sources[2]), None]
    known = Images(sources, np.arange(4).reshape(2, 2), digests, {3: "no such file"})
    embeddings = Embeddings({"a": known}, EmbeddingStore(tmp_path / "store"))
    feature, view = Feature(None, embedder("nan_on_white"), {"align": {}}), ("a", None)
    mask = {(view, feature.namespace): np.array([True, True, False, True])}
    counts = embeddings.compute(mask, mask, {feature.namespace: feature}, batch_size=4)
    assert counts == {"wanted": 2, "embedded": 1, "failed": 1}
    found = embeddings.matrix(view, feature)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True, True]
    whys = [embeddings.why_missing(view, feature, place) for place in (1, 2, 3)]
    assert whys[0].startswith(f"{paths[1]}: ")
    assert "NaN" in whys[0]
    assert whys[1:] == ["image 2: it is not in the store", "gone.png: no such file"]


def test_few_matrices_are_held_and_the_last_used_stay(tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_diffake.benchmark._embed._MATRICES", 2)
    images = noise(2)
    known = Images(images, np.array([[0, 1]]), [image_digest(image) for image in images], {})
    embeddings = Embeddings(dict.fromkeys("abc", known), EmbeddingStore(tmp_path))
    feature = Feature(None, embedder(), {"align": {}})
    first, second = (embeddings.matrix((name, None), feature) for name in "ab")
    assert embeddings.matrix(("a", None), feature) is first
    embeddings.matrix(("c", None), feature)
    assert embeddings.matrix(("a", None), feature) is first
    assert embeddings.matrix(("b", None), feature) is not second
