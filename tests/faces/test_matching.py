"""select="match": in each pair, the faces of both cells that are most alike."""

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin, clone

from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner, ImageError
from sklearn_diffake.faces import _finding as module
from sklearn_diffake.faces._detection import Faces
from sklearn_diffake.faces._geometry import template
from sklearn_diffake.faces._matching import Candidates, match_faces

PEOPLE = {"ann": (250, 30, 30), "bob": (30, 250, 30), "cat": (30, 30, 250), "dan": (200, 200, 40)}
SIDES = {"large": 60, "middle": 44, "small": 30}


class MeanColor(TransformerMixin, BaseEstimator):
    """The mean color in the middle of a crop; counts what it is given."""

    seen = 0

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        MeanColor.seen += len(X)
        return X[:, 12:20, 12:20].reshape(len(X), -1, 3).mean(axis=1) - 100


@pytest.fixture(autouse=True)
def detector(monkeypatch):
    """Put the boxes that `photo` drew in the place of MTCNN's."""

    def detect(images, **settings):
        return [find(image) for image in images]

    def find(image):
        boxes = list(BOXES.get(image.tobytes(), []))
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        points = np.array(
            [template(64, 0.0) / 64 * (right - left) + (left, top) for left, top, right, _ in boxes]
        ).reshape(-1, 5, 2)
        return Faces(boxes, np.full(len(boxes), 0.99, np.float32), points.astype(np.float32))

    monkeypatch.setattr(module, "detect_faces", detect)
    MeanColor.seen = 0
    yield
    BOXES.clear()


BOXES = {}


def photo(*people, size=(80, 260)):
    """Make a photo of people, (name, "large" or "small") each, from left to right."""
    image = np.random.default_rng(len(BOXES)).integers(90, 110, (*size, 3), dtype=np.uint8)
    boxes, left = [], 5
    for name, method in people:
        side = SIDES[method]
        image[5 : 5 + side, left : left + side] = PEOPLE[name]
        boxes.append((left, 5, left + side, 5 + side))
        left += side + 10
    BOXES[image.tobytes()] = boxes
    return image


def aligner(**settings):
    return FaceAligner(
        32, **{"select": "match", "matcher": MeanColor(), "device": "cpu", **settings}
    )


def person_of(crop):
    """Name the person that a crop shows."""
    center = np.asarray(crop)[12:20, 12:20].reshape(-1, 3).mean(axis=0)
    return min(PEOPLE, key=lambda name: np.abs(center - PEOPLE[name]).sum())


def test_the_faces_most_alike_are_taken():
    reference = photo(("bob", "large"))
    probe = photo(("ann", "large"), ("bob", "small"))
    assert (
        person_of(aligner(select="largest", matcher=None).transform([(reference, probe)])[0, 1])
        == "ann"
    )
    result = aligner().align([(reference, probe)])
    assert [person_of(crop) for crop in result.crops[0]] == ["bob", "bob"]
    assert result.n_faces.tolist() == [1, 2]
    assert result.face.tolist() == [0, 1]
    assert result.chosen_by.tolist() == ["only face", "match"]
    np.testing.assert_allclose(result.similarity, 1, atol=0.02)


def test_the_choice_depends_on_the_pair():
    group = photo(("ann", "large"), ("bob", "middle"), ("cat", "small"))
    pairs = [(photo((name, "middle")), group) for name in ("cat", "ann", "bob")]
    result = aligner().align(pairs)
    assert [person_of(probe) for _, probe in result.crops] == ["cat", "ann", "bob"]
    assert MeanColor.seen == 3 + 3  # every face once
    shared = aligner(shared=True).transform([*pairs, pairs[0]])
    assert shared[0, 1] is shared[3, 1]


def test_both_cells_may_show_several():
    pair = photo(("ann", "large"), ("cat", "small")), photo(("bob", "large"), ("cat", "middle"))
    assert [person_of(crop) for crop in aligner().transform([pair])[0]] == ["cat", "cat"]


def test_every_picture_of_a_template_follows_the_seeds():
    references = [
        photo(("ann", "large"), ("bob", "small")),
        photo(("cat", "large"), ("bob", "middle")),
    ]
    probes = [photo(("dan", "large"), ("bob", "small")), photo(("bob", "small"), ("dan", "large"))]
    result = aligner().align([(references, probes)])
    assert [[person_of(crop) for crop in cell] for cell in result.crops[0]] == [["bob"] * 2] * 2
    assert result.face.tolist() == [1, 1, 1, 1]


def test_of_equally_similar_faces_the_larger_one_is_taken():
    probe = photo(("bob", "small"), ("bob", "large"), ("bob", "middle"))
    result = aligner().align([(photo(("bob", "small")), probe)])
    assert result.face_size.tolist() == [30, 60]


@pytest.mark.parametrize("copy", [False, True])
def test_a_picture_in_both_cells_says_nothing_about_who_is_meant(copy):
    group = photo(("ann", "large"), ("bob", "small"))
    repeated = group.copy() if copy else group
    result = aligner().align([([group, photo(("bob", "large"))], repeated)])
    assert [person_of(crop) for crop in result.crops[0, 0]] == ["bob", "bob"]
    assert person_of(result.crops[0, 1]) == "bob"
    single = aligner().align([(group, repeated)])
    assert [person_of(crop) for crop in single.crops[0]] == ["ann", "ann"]
    np.testing.assert_allclose(single.similarity, 1)


def test_a_picture_that_is_twice_in_a_template_shows_one_face():
    group = photo(("ann", "large"), ("bob", "small"))
    result = aligner().align([([group, group], photo(("bob", "large")))])
    assert [person_of(crop) for crop in result.crops[0, 0]] == ["bob", "bob"]
    assert result.crops[0, 0][0] is result.crops[0, 0][1]


class Failing(MeanColor):
    """A matcher that fails at faces of Bob; as an error, or with NaN."""

    def __init__(self, raises=True):
        self.raises = raises

    def transform(self, X):
        embeddings = super().transform(X)
        (bad,) = np.nonzero(embeddings.argmax(axis=1) == 1)
        if len(bad) and self.raises:
            raise ImageError("the network returned NaN", row=int(bad[0]))
        embeddings[bad] = np.nan
        return embeddings


@pytest.mark.parametrize("raises", [True, False])
def test_a_matcher_that_fails_names_the_picture(raises):
    group = photo(("ann", "large"), ("cat", "middle"), ("bob", "small"))
    pairs = [(photo(("ann", "large")), photo(("cat", "small"), ("ann", "large")))]
    pairs.append((photo(("cat", "large")), group))
    with pytest.raises(ImageError, match=r"row 1, column 1: matcher failed at face 2: ") as caught:
        aligner(matcher=Failing(raises)).align(pairs)
    assert (caught.value.row, caught.value.column) == (1, 1)


def test_single_faces_are_not_compared():
    pairs = [(photo(("ann", "large")), photo(("bob", "small")))]
    result = aligner(matcher=MeanColor()).align(pairs)
    assert MeanColor.seen == 0
    assert np.isnan(result.similarity).all()
    assert result.chosen_by.tolist() == ["only face", "only face"]


def test_beside_a_missing_face_the_largest_is_taken():
    pairs = [(photo(), photo(("ann", "small"), ("bob", "large")))]
    result = aligner(on_missing="skip").align(pairs)
    assert person_of(result.crops[0, 1]) == "bob"
    assert result.chosen_by.tolist() == [None, "largest"]


def test_only_the_sixteen_largest_are_candidates(monkeypatch):
    people = [("ann", "middle")] * 16 + [("bob", "small")]
    crowd = photo(*people, size=(80, 1200))
    result = aligner().align([(photo(("bob", "large")), crowd)])
    assert person_of(result.crops[0, 1]) == "ann"
    assert result.n_faces.tolist() == [1, 17]


def test_the_central_face_of_a_crowd_is_no_smaller_one_left_out():
    people = [("ann", "middle")] * 9 + [("bob", "small")] + [("ann", "middle")] * 9
    crowd = photo(*people, size=(80, 18 * 54 + 40 + 10))
    result = aligner(select="central", matcher=None).align([crowd])
    assert person_of(result.crops[0]) == "bob"
    assert result.face.tolist() == [15]
    assert result.n_faces.tolist() == [19]


def test_a_frame_in_the_store_is_the_picture_that_it_shows(tmp_path, monkeypatch):
    from sklearn_diffake.images import read

    monkeypatch.setattr(read, "_RACY_NS", 0)
    group = photo(("ann", "large"), ("bob", "small"))
    clip = str(tmp_path / "clip.webp")
    Image.fromarray(group).save(
        clip, save_all=True, append_images=[Image.fromarray(group[::-1])], lossless=True
    )
    bob = photo(("bob", "large"), size=(90, 200))
    for _ in range(2):
        result = aligner(cache=tmp_path / "store", on_missing="skip").align([([group, bob], clip)])
        assert [person_of(crop) for crop in result.crops[0, 0]] == ["bob", "bob"]


@pytest.mark.usefixtures("detector")
def test_another_choice_takes_stored_detections(tmp_path, monkeypatch):
    pair = photo(("bob", "large")), photo(("ann", "large"), ("bob", "small"))
    cold = aligner().transform([pair])
    aligner(select="largest", cache=tmp_path).transform([pair])

    def fail(images, **settings):
        assert not images, "detected again"
        return []

    monkeypatch.setattr(module, "detect_faces", fail)
    for _ in range(2):
        np.testing.assert_array_equal(aligner(cache=tmp_path).transform([pair]), cold)


def test_single_pictures_and_a_missing_matcher_are_refused():
    with pytest.raises(ImageError, match=r"got single pictures; one pair is written"):
        aligner().fit([photo(("ann", "large"))])
    with pytest.raises(ValueError, match='select="match" needs an embedder'):
        aligner(matcher=None).align([(photo(("ann", "large")), photo(("ann", "large")))])


def test_a_matcher_of_a_wrong_shape():
    class Flat(MeanColor):
        def transform(self, X):
            return super().transform(X)[0]

    pair = photo(("bob", "large")), photo(("ann", "large"), ("bob", "small"))
    with pytest.raises(ValueError, match=r"output of matcher must have the shape .*got \(3,\)"):
        aligner(matcher=Flat()).align([pair])


def test_the_pipeline_gives_its_own_embedder():
    embedder = FaceEmbedder("tiny_backbones:means", device="cpu")
    pipe = make_difffake_pipeline(embedder, select="match", device="cpu")
    assert pipe["align"].matcher.backbone == "tiny_backbones:means"
    assert clone(pipe)["align"].matcher.backbone == "tiny_backbones:means"
    pairs = [
        (photo(("bob", "large")), photo((another_one, "large"), ("bob", "small")))
        for another_one in ("ann", "cat", "dan", "ann", "cat", "dan")
    ]
    message = "6 of 12 pictures show several faces; the one most like"
    with pytest.warns(UserWarning, match=message) as caught:
        pipe[:-1].fit_transform(pairs)
    assert [warning.filename for warning in caught] == [__file__]
    assert {person_of(crop) for crop in pipe["align"].transform(pairs).ravel()} == {"bob"}


def test_seeds_and_followers_by_hand():
    def candidates(pictures, faces, vectors, contents):
        vectors = np.array(vectors, float)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        sizes = np.ones(len(vectors))
        return Candidates(np.array(pictures), np.array(faces), vectors, sizes, np.array(contents))

    first = candidates(
        [0, 0, 1, 1], [0, 1, 0, 1], [[1, 0], [0, 1], [1, 0.1], [0.5, 1]], [1, 1, 2, 2]
    )
    second = candidates([0, 2], [0, 0], [[0, 1], [1, 1]], [3, 4])
    left, right = match_faces([first, second])
    assert [(m.picture, m.face) for m in left] == [(0, 1), (1, 1)]
    assert [(m.picture, m.face) for m in right] == [(0, 0), (2, 0)]
    assert left[0].similarity == right[0].similarity == pytest.approx(1)
    assert right[1].similarity == pytest.approx(np.sqrt(0.5))
