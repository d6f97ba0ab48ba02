"""Errors of images and videos carry their place as attributes."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

from sklearn_diffake import datasets, faces
from sklearn_diffake.images.errors import ImageError, VideoError


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ({}, "broken"),
        ({"row": 0}, "row 0: broken"),
        ({"row": 3, "column": 1}, "row 3, column 1: broken"),
        ({"path": "x.jpg"}, "file 'x.jpg': broken"),
        ({"row": 3, "column": 1, "path": "x.jpg"}, "row 3, column 1, file 'x.jpg': broken"),
        ({"column": 0}, "reference: broken"),
        ({"column": 1, "path": "x.jpg"}, "probe, file 'x.jpg': broken"),
        ({"column": 2}, "column 2: broken"),
        ({"row": 2, "path": "c.mp4", "frame": 7}, "row 2, file 'c.mp4', frame 7: broken"),
    ],
)
@pytest.mark.parametrize("kind", [ImageError, VideoError])
def test_the_text_is_composed_of_the_attributes(kind, location, text):
    error = kind("broken", **location)
    assert str(error) == text
    assert error.message == "broken"
    names = ("row", "column", "path", "frame")
    assert {name: getattr(error, name) for name in names} == dict.fromkeys(names) | location


@pytest.mark.parametrize("kind", [ImageError, VideoError])
@pytest.mark.parametrize("clone", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_a_copy_and_a_pickle_are_the_same(kind, clone):
    error = clone(kind("broken", row=3, column=1, path="x.jpg", frame=2))
    assert type(error) is kind
    assert vars(error) == {
        "message": "broken", "row": 3, "column": 1, "path": "x.jpg", "frame": 2,
    }  # fmt: skip
    assert str(error) == "row 3, column 1, file 'x.jpg', frame 2: broken"


def test_at_sets_more_and_leaves_the_error_as_it_is():
    error = VideoError("broken", frame=7)
    located = error.at(row=np.int64(1), path=Path("c.mp4")).at(column=0)
    assert str(located) == "row 1, column 0, file 'c.mp4', frame 7: broken"
    assert (type(located), type(located.row), type(located.path)) == (VideoError, int, str)
    assert (str(error), error.row) == ("frame 7: broken", None)
    assert located.at(row=5).row == 5
    with pytest.raises(TypeError, match="line"):
        error.at(line=3)


def test_a_name_cannot_pose_as_a_place_or_reach_the_terminal():
    error = ImageError("broken", row=0, column=1, path="row 99, column 0.jpg\n\x1b[2J\udcff")
    assert str(error) == r"row 0, column 1, file 'row 99, column 0.jpg\n\x1b[2J\udcff': broken"
    assert (error.row, error.column) == (0, 1)


def test_it_is_one_class_wherever_it_is_imported_from():
    assert faces.ImageError is ImageError
    assert datasets.VideoError is VideoError
    assert issubclass(VideoError, ImageError)
    assert issubclass(ImageError, ValueError)
