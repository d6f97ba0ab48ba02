"""Files that are written whole or not at all."""

import errno
import os

import pytest

from sklearn_diffake.utils._replace import naming, write_whole


def test_a_full_disk_is_told_with_the_file_and_the_old_one_stays(tmp_path, monkeypatch):
    target = tmp_path / "model.diffake"
    write_whole(target, b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*model\.diffake'") as caught:
        write_whole(target, b"new")
    assert caught.value.errno == errno.ENOSPC
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.diffake"]


@pytest.mark.parametrize(
    "error",
    [PermissionError(errno.EACCES, "no", "elsewhere"), OSError("no number"), ValueError("other")],
)
def test_errors_that_say_what_is_wrong_are_left_alone(error, tmp_path):
    with pytest.raises(type(error)) as caught, naming(tmp_path):
        raise error
    assert caught.value is error
