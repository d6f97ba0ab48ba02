"""What is said to the three mistakes that everybody makes first."""

import re

import pytest
from image_helpers import noise, small_face
from PIL import Image

from sklearn_diffake.faces import FaceAligner, ImageError, read_image
from sklearn_diffake.images import read


def message_of(path):
    with pytest.raises(ImageError) as caught:
        read_image(path)
    return str(caught.value)


def test_a_slip_in_the_name_of_a_file_is_seen(tmp_path):
    Image.fromarray(small_face()).save(tmp_path / "selfie.jpg")
    assert message_of(tmp_path / "slefie.jpg") == "no such file; did you mean 'selfie.jpg'?"
    assert message_of(tmp_path / "selfie.jpeg") == "no such file; did you mean 'selfie.jpg'?"


def test_a_large_folder_is_not_read_for_every_missing_file(tmp_path, monkeypatch):
    for i in range(30):
        (tmp_path / f"{i}.txt").touch()
    monkeypatch.setattr(read, "_MOST_NAMES", 10)
    compared = []
    monkeypatch.setattr(
        read.difflib, "get_close_matches", lambda name, names, n: compared.extend(names)
    )
    assert message_of(tmp_path / "a.jpg") == "no such file"
    assert len(compared) == 10
    assert message_of(tmp_path / "passport.png") == "no such file"


def test_a_missing_folder_is_named(tmp_path):
    output = message_of(tmp_path / "photos" / "a.jpg")
    assert output == f"no such file: there is no folder {str(tmp_path / 'photos')!r}"


def test_where_a_relative_path_starts_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message_of("passport.png") == f"no such file in the folder {str(tmp_path)!r}"


@pytest.mark.parametrize("name", ["pairs.csv", "photo.jpg"])
def test_a_table_is_called_so(tmp_path, name):
    (tmp_path / name).write_text("reference,probe\na.jpg,b.jpg\n" * 100, encoding="utf-8")
    output = message_of(tmp_path / name)
    assert output.startswith("this is a CSV table, where an image is expected: ")
    assert "read a table of pairs with pandas.read_csv" in output
    assert "--csv" in output


def test_other_files_are_not_called_text(tmp_path):
    for i, content in enumerate((b"\x00\x01\x02\x03", b"\xff\xfe\xfd" * 9)):
        (tmp_path / f"{i}").write_bytes(content)
        assert "text" not in message_of(tmp_path / f"{i}")


def test_without_a_face_it_is_said_what_to_do():
    with pytest.raises(ImageError) as caught:
        FaceAligner().fit_transform(noise(1, (64, 64)))
    output = str(caught.value)
    assert re.search("upright, seen from the front and not small", output)
    for option in ("min_face_size", "min_probability", 'on_missing="warn"'):
        assert option in output
