"""FaceAligner on real faces: geometry, choice, missing faces, bad input."""

import warnings

import numpy as np
import pytest
from image_helpers import astronaut, faces, noise, save_all, small_face
from PIL import Image
from sklearn.base import clone

from sklearn_diffake.faces import FaceAligner, ImageError
from sklearn_diffake.faces._geometry import template

FAST = {"size": 48, "min_face_size": 0.4, "device": "cpu"}


def aligner(**settings):
    return FaceAligner(**{**FAST, **settings})


def difference(a, b):
    """Mean absolute difference of two crops, in gray levels of 256."""
    return np.abs(a.astype(float) - b).mean()


def test_what_to_do_with_errors_is_one_of_two_words():
    with pytest.raises(ValueError, match='errors must be "raise" or "return", got \'skip\''):
        aligner().fit([astronaut()]).align([astronaut()], errors="skip")


@pytest.fixture(scope="module")
def crop():
    return aligner(size=96, min_face_size=0.12).fit_transform([astronaut()])[0]


@pytest.mark.parametrize(
    ("degrees", "scale", "shift"), [(20, 1, (0, 0)), (-15, 0.6, (30, 50)), (0, 0.8, (-60, 40))]
)
def test_the_crop_hardly_depends_on_pose_size_and_place_in_the_photo(crop, degrees, scale, shift):
    shifted = Image.fromarray(astronaut()).rotate(
        degrees, Image.Resampling.BICUBIC, translate=shift, center=(225, 125)
    )
    shifted = shifted.resize((round(512 * scale), round(512 * scale)), Image.Resampling.LANCZOS)
    another_one = aligner(size=96, min_face_size=0.12).fit_transform([shifted])[0]
    upright = np.asarray(shifted.resize((512, 512)).crop((160, 60, 256, 156)))
    assert difference(crop, another_one) < 12 < 25 < difference(crop, upright)


def test_margin_shows_more_and_less(crop):
    roomy = aligner(size=96, min_face_size=0.12, margin=0.5).fit_transform([astronaut()])[0]
    inner = Image.fromarray(crop).resize((48, 48), Image.Resampling.BOX)
    assert difference(roomy[24:72, 24:72], np.asarray(inner)) < 6
    close = aligner(size=96, min_face_size=0.12, margin=-0.25).fit_transform([astronaut()])[0]
    piece = Image.fromarray(crop[24:72, 24:72]).resize((96, 96), Image.Resampling.BICUBIC)
    assert difference(close, np.asarray(piece)) < 6


def test_landmarks_boxes_and_matrices_belong_together():
    model = aligner(size=112, margin=0.1)
    first, second = faces(2)
    pairs = [(first, second), (second, np.pad(first, ((9, 0), (7, 0), (0, 0))))]
    faces_of = model.align(pairs)
    assert faces_of.crops.shape == (2, 2, 112, 112, 3)
    assert faces_of.crops.dtype == np.uint8
    boxes, landmarks = faces_of.box.reshape(2, 2, 4), faces_of.landmarks.reshape(2, 2, 5, 2)
    in_crops, matrices = faces_of.crop_landmarks.reshape(2, 2, 5, 2), faces_of.matrix
    matrices = matrices.reshape(2, 2, 2, 3)
    assert faces_of.probability.shape == (4,)
    assert (faces_of.probability > 0.9).all()
    assert faces_of.chosen_by.tolist() == ["only face"] * 4
    np.testing.assert_allclose(
        faces_of.face_size[0], np.sqrt(np.prod(boxes[0, 0, 2:] - boxes[0, 0, :2])), rtol=1e-5
    )
    for i, j in np.ndindex(2, 2):
        points, box = landmarks[i, j], boxes[i, j]
        assert (box[:2] < points).all()
        assert (points < box[2:]).all()
        mapped = points @ matrices[i, j, :, :2].T + matrices[i, j, :, 2]
        np.testing.assert_allclose(in_crops[i, j], mapped, atol=1e-3)
        assert np.abs(mapped - template(112, 0.1)).max() < 8
    np.testing.assert_array_equal(landmarks[0, 1], landmarks[1, 0])
    shift = landmarks[1, 1] - landmarks[0, 0]
    assert np.abs(shift - [7, 9]).max() < 2


def test_landmarks_of_single_images_and_of_a_missing_face():
    result = aligner(on_missing="crop").align([small_face(), noise(1)[0]])
    assert result.box.shape == (2, 4)
    assert np.isfinite(result.landmarks[0]).all()
    assert np.isnan(result.landmarks[1]).all()
    assert np.isnan(result.box[1]).all()
    assert np.isfinite(result.matrix).all()
    assert result.reason.tolist() == [None, "no face was found"]
    assert result.chosen_by.tolist() == ["only face", "center"]


def test_only_fit_transform_leaves_state():
    model = aligner().fit([small_face()])
    original = dict(vars(model))
    model.transform([small_face()])
    model.align([small_face()])
    assert vars(model) == original
    model.fit_transform([small_face()])
    assert model.counts_ == {"images": 1, "found": 1, "missing": 0, "several": 0}


def test_shared_pairs_hold_one_crop_for_a_photo(tmp_path):
    first, second, third = save_all(faces(3), tmp_path)
    pairs = [(first, second), (first, third), (third, second)]
    shared = aligner(shared=True).fit_transform(pairs)
    assert shared.shape == (3, 2)
    assert shared.dtype == object
    assert shared[0, 0] is shared[1, 0]
    assert shared[1, 1] is shared[2, 0]
    dense = aligner().fit_transform(pairs)
    np.testing.assert_array_equal(np.stack([np.stack(list(row)) for row in shared]), dense)
    singles = aligner(shared=True).fit_transform([first])
    assert singles.shape == (1,)
    np.testing.assert_array_equal(singles[0], dense[0, 0])


@pytest.fixture(scope="module")
def montage():
    """A small face in the middle, a large one to the left, a blurred one to the right."""
    photo = np.full((300, 460, 3), 128, np.uint8)

    def paste(image, x, y):
        photo[y : y + image.height, x : x + image.width] = image

    face = Image.fromarray(small_face())
    paste(face.resize((157, 195), Image.Resampling.BICUBIC), 0, 60)
    paste(face.resize((84, 104), Image.Resampling.BICUBIC), 186, 98)
    paste(face.resize((21, 26)).resize((105, 130), Image.Resampling.BICUBIC), 340, 90)
    return photo


def test_many_faces(montage):
    model = aligner(min_face_size=0.12, min_probability=0.7)
    selected = {}
    for select in ("largest", "confident", "central"):
        result = model.set_params(select=select).align([montage])
        assert result.counts == {"images": 1, "found": 1, "missing": 0, "several": 1}
        assert result.chosen_by.tolist() == [select]
        left, _, right, _ = result.box[0]
        selected[select] = (left + right) / 2, result.probability[0]
    assert 40 < selected["largest"][0] < 120
    assert 200 < selected["central"][0] < 260
    assert selected["confident"][0] < 340  # not the blurred one
    assert selected["confident"][1] >= max(selected["largest"][1], selected["central"][1])


def test_missing_face_is_an_error_that_names_row_column_and_file(tmp_path):
    face, blank = save_all([small_face(), noise(1, (60, 60))[0]], tmp_path)
    with pytest.raises(ImageError, match=r"no face was found in 1 of 2 images") as caught:
        aligner().fit_transform([(face, face), (face, blank)])
    assert str(caught.value).startswith(f"row 1, column 1, file {blank!r}: no face")
    error = caught.value
    assert (error.row, error.column, error.path) == (1, 1, blank)
    assert 'on_missing="warn"' in str(caught.value)


def test_files_without_a_face_are_named_up_to_five(tmp_path):
    files = save_all([small_face(), *noise(7)], tmp_path)
    with pytest.raises(ImageError) as caught:
        aligner().fit_transform([(files[0], blank) for blank in files[1:]])
    names = "; ".join(f"file {name!r}" for name in files[2:6])
    expected = f"no face was found in 7 of 8 images: this one; {names}; and 2 more (see "
    assert caught.value.message.startswith(expected)
    assert (caught.value.row, caught.value.column, caught.value.path) == (0, 1, files[1])


def test_missing_faces_are_counted_and_named_up_to_five():
    model = aligner(on_missing="warn")
    blanks = noise(7)
    pairs = [(small_face(), blank) for blank in blanks] + [(blanks[0], blanks[0])]
    with pytest.warns(RuntimeWarning, match="no face was found in 7 of 8 images") as caught:
        crops = model.fit_transform(pairs)
    message = str(caught[0].message)
    assert "row 4, column 1; and 2 more (see FaceAligner.align)" in message
    assert "row 5" not in message
    assert "center is used" in message
    assert model.counts_ == {"images": 8, "found": 1, "missing": 7, "several": 0}
    repeated = model.set_params(on_missing="crop").align(pairs)
    assert repeated.missing.tolist() == [[i, 1] for i in range(7)] + [[7, 0], [7, 1]]
    assert crops.shape == (8, 2, 48, 48, 3)


def test_center_crop_without_a_warning():
    blank = np.zeros((40, 60, 3), np.uint8)
    blank[:, 10:50] = np.arange(40, dtype=np.uint8)[:, None, None] * 6
    model = aligner(size=20, on_missing="crop")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (crop,) = model.fit_transform([blank])
    assert model.counts_["missing"] == 1
    assert model.align([blank]).missing.tolist() == [0]
    halved = blank[:, 10:50].reshape(20, 2, 20, 2, 3).mean(axis=(1, 3))
    assert np.abs(crop - halved).max() <= 1


def test_one_pixel_has_no_face():
    pixel = np.zeros((1, 1, 3), np.uint8)
    with pytest.raises(ImageError, match=r"^row 0: no face was found in 1 of 1 images\."):
        aligner().fit_transform([pixel])
    assert aligner(on_missing="crop").fit_transform([pixel]).shape == (1, 48, 48, 3)


def test_fit_reads_nothing():
    assert aligner().fit(["no-such-file.png"]).get_params()["size"] == 48


def test_transform_needs_no_fit():
    assert aligner().transform([small_face()]).shape == (1, 48, 48, 3)


@pytest.mark.parametrize(
    "settings",
    [
        {"size": 7},
        {"size": 48.0},
        {"margin": -0.5},
        {"select": "first"},
        {"min_face_size": 0},
        {"min_probability": 1.1},
        {"max_size": 10},
        {"on_missing": "skip it"},
        {"n_frames": 0},
        {"matcher": 3},
        {"batch_size": 0},
        {"cache": 3},
        {"device": None},
        {"n_jobs": 1.5},
        {"verbose": "yes"},
    ],
)
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_parameters_are_checked(settings, method):
    (name,) = settings
    with pytest.raises(ValueError, match=f"The {name!r} parameter of FaceAligner"):
        getattr(aligner(**settings), method)([small_face()])


def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match=r"device='cuda:7' is not available: torch sees cpu"):
        aligner(device="cuda:7").fit_transform([small_face()])


def test_batches_of_any_size_give_the_same():
    images = [*faces(2), noise(1)[0], *faces(2, seed=1)]
    crops = [
        aligner(batch_size=size, on_missing="crop").fit_transform(images) for size in (1, 3, 32)
    ]
    for another_one in crops[1:]:
        np.testing.assert_array_equal(another_one, crops[0])


def test_crops_are_not_kept_in_the_estimator():
    model = aligner().fit([small_face()])
    model.transform([small_face()])
    assert not hasattr(clone(model), "counts_")
    assert not any(np.size(value) > 100 for value in vars(model).values())


def test_progress_is_shown_only_if_asked_for(capsys):
    aligner(verbose=1).fit_transform([small_face()])
    assert "aligning" in capsys.readouterr().err
    aligner().fit_transform([small_face()])
    assert capsys.readouterr().err == ""


def test_tags_say_what_is_expected():
    tags = aligner().__sklearn_tags__()
    assert tags.no_validation
    assert not tags.requires_fit
    assert not tags.input_tags.two_d_array


@pytest.mark.gpu
def test_cuda_gives_nearly_the_same_crops():
    images = faces(3)
    on_cpu = aligner().fit_transform(images)
    on_gpu = aligner(device="cuda").fit_transform(images)
    assert np.abs(on_gpu.astype(int) - on_cpu).mean() < 1


def test_crops_do_not_depend_on_threads_or_batch():
    import torch

    images, original = faces(5), torch.get_num_threads()
    crops = []
    try:
        for threads, batch_size in ((1, 1), (2, 5), (1, 3)):
            torch.set_num_threads(threads)
            result = aligner(size=112, batch_size=batch_size).align(images)
            crops.append(result.crops)
            np.testing.assert_array_equal(result.landmarks, np.round(result.landmarks, 2))
    finally:
        torch.set_num_threads(original)
    np.testing.assert_array_equal(crops[0], crops[1])
    np.testing.assert_array_equal(crops[0], crops[2])
