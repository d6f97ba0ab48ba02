"""Files that are written completely or not at all, and outputs that are refused."""

import ast
import errno
import os
import pickle
import socket
import stat
from pathlib import Path

import pytest
from devices import expendable_device, expendable_stream
from permissions import unprivileged

import sklearn_diffake
from sklearn_diffake.utils._atomic_files import (
    OutputError,
    append_line,
    atomic_open,
    atomic_write,
    check_output,
    check_writable,
    errors_with_path,
    line_file,
    private_folder,
)

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777])
def umask(request):
    original = os.umask(request.param)
    yield request.param
    os.umask(original)


def test_the_error_of_a_full_disk_names_the_file_and_the_old_file_stays(tmp_path, monkeypatch):
    target = tmp_path / "model.diffake"
    atomic_write(target, b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*model\.diffake'") as caught:
        atomic_write(target, b"new")
    assert caught.value.errno == errno.ENOSPC
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.diffake"]


@pytest.mark.parametrize(
    "error",
    [PermissionError(errno.EACCES, "no", "elsewhere"), OSError("no number"), ValueError("other")],
)
def test_errors_that_say_what_is_wrong_are_left_alone(error, tmp_path):
    with pytest.raises(type(error)) as caught, errors_with_path(tmp_path):
        raise error
    assert caught.value is error


def links_to(path):
    """Other names of a file: a link, a link to that, a hard link, and a way around."""
    folder = path.parent
    (folder / "soft").symlink_to(path)
    (folder / "relative").symlink_to("soft")
    os.link(path, folder / "hard")
    (folder / "sub").mkdir()
    (folder / "other").symlink_to(folder, target_is_directory=True)
    names = ["soft", "relative", "hard", f"sub/../{path.name}", f"other/{path.name}", path.name]
    return [folder / name for name in names]


@POSIX
def test_an_input_is_refused_by_whatever_name(tmp_path):
    probe = tmp_path / "probe.jpg"
    probe.write_bytes(b"a face")
    names = links_to(probe)
    if (tmp_path / "PROBE.jpg").exists():  # a file system that ignores case
        names.append(tmp_path / "PROBE.jpg")
    for name in names:
        for source in names:
            with pytest.raises(OutputError, match="it is the input") as caught:
                atomic_write(name, b"x", inputs=[None, 3, "missing", "nul\0l", source])
            assert caught.value.path == str(name)
            with pytest.raises(OutputError, match="it is the input"):
                check_writable(str(name), inputs=[os.fsencode(source)])
    assert probe.read_bytes() == b"a face"
    assert not list(tmp_path.glob(".*.tmp"))


def test_an_input_that_comes_up_during_the_work_is_seen(tmp_path):
    target, source = tmp_path / "out", tmp_path / "in"
    source.write_bytes(b"a face")
    with (
        pytest.raises(OutputError, match="it is the input"),
        atomic_open(target, inputs=[source]),
    ):
        os.link(source, target)
    assert source.read_bytes() == target.read_bytes() == b"a face"
    assert sorted(os.listdir(tmp_path)) == ["in", "out"]


@POSIX
@pytest.mark.parametrize("through_link", [False, True], ids=["itself", "a link to it"])
@pytest.mark.parametrize("kind", ["fifo", "socket", "directory", "device"])
def test_what_is_no_regular_file_is_refused_and_stays(tmp_path, kind, through_link):
    target = tmp_path / "out"
    if kind == "fifo":
        os.mkfifo(target)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(str(target))
    elif kind == "directory":
        target.mkdir()
    else:
        target = expendable_device(tmp_path, "zero")
    original = os.stat(target)
    name = target
    if through_link:
        name = tmp_path / "link"
        name.symlink_to(target)
    with pytest.raises(OutputError, match=r"regular files|a directory; expected"):
        atomic_write(name, b"x")
    assert os.path.samestat(original, os.stat(target))
    assert not list(tmp_path.glob(".*.tmp"))


@POSIX
def test_the_null_device_takes_all_and_stays(tmp_path):
    device = expendable_device(tmp_path, "null")
    (tmp_path / "link").symlink_to(device)
    for name in (device, tmp_path / "link"):
        atomic_write(name, b"x")
        check_writable(name)
    assert stat.S_ISCHR(os.lstat(device).st_mode)
    assert (tmp_path / "link").is_symlink()


@POSIX
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/stderr", "/dev/fd/1", "/proc/self/fd/1"])
def test_an_open_stream_is_refused(name):
    if not os.path.exists(name):
        pytest.skip("no such stream here")
    with pytest.raises(OutputError, match=r"an open stream|regular files"):
        check_output(name)  # which writes nothing, so that no fault of it can cost the stream


@POSIX
def test_a_link_to_an_open_stream_stays(tmp_path):
    name = expendable_stream(tmp_path)
    with pytest.raises(OutputError, match=r"an open stream|regular files"):
        atomic_write(name, b"x")
    assert os.path.islink(name)


@POSIX
def test_a_link_of_ones_own_is_written_through(tmp_path):
    target = tmp_path / "real.bin"
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to(target)
    for content in (b"new file", b"replaced"):
        atomic_write(tmp_path / "a", content)
        assert target.read_bytes() == content
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "b").is_symlink()
    (tmp_path / "c").symlink_to("c")
    with pytest.raises(OSError, match="symbolic links"):
        atomic_write(tmp_path / "c", b"x")


@POSIX
def test_a_link_of_another_user_is_refused(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only the superuser can make a link of another user")
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "mine").symlink_to("link")
    os.lchown(tmp_path / "link", 65534, 65534)
    for name in ("link", "mine"):
        with pytest.raises(OutputError, match="a symbolic link of another user"):
            atomic_write(tmp_path / name, b"x")
        with pytest.raises(OutputError, match="a symbolic link of another user"):
            append_line(tmp_path / name, "x")
    assert target.read_bytes() == b"precious"


@POSIX
def test_new_files_and_folders_are_their_owners_alone(tmp_path, umask):
    atomic_write(private_folder(tmp_path / "a" / "b") / "file", b"x")
    append_line(tmp_path / "log", "x")
    atomic_write(tmp_path / "public", b"x", public=True)
    assert mode_of(tmp_path / "a") == mode_of(tmp_path / "a" / "b") == 0o700
    assert mode_of(tmp_path / "a" / "b" / "file") == mode_of(tmp_path / "log") == 0o600
    assert mode_of(tmp_path / "public") == 0o666 & ~umask


@POSIX
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o600, 0o444, 0o755])
@pytest.mark.parametrize("public", [False, True])
def test_a_file_that_exists_keeps_its_mode(tmp_path, mode, public, umask):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    target.chmod(mode)
    atomic_write(target, b"new", public=public)
    assert target.read_bytes() == b"new"
    assert mode_of(target) == mode


@POSIX
def test_a_folder_that_exists_keeps_its_mode_and_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "shared").mkdir(mode=0o755)
    (tmp_path / "shared").chmod(0o775)
    private_folder(tmp_path / "shared")
    assert mode_of(tmp_path / "shared") == 0o775
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="file"):
        private_folder(tmp_path / "file")


@POSIX
def test_the_group_is_kept_or_loses_its_rights(tmp_path, monkeypatch):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    target.chmod(0o664)
    if os.geteuid() == 0:
        os.chown(target, 65534, 65534)
        atomic_write(target, b"new")
        assert (os.stat(target).st_uid, os.stat(target).st_gid) == (65534, 65534)
        assert mode_of(target) == 0o664

    def refuse(*args):
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "fchown", refuse)
    atomic_write(target, b"new")
    assert mode_of(target) == 0o604


@pytest.mark.skipif(not hasattr(os, "fchmod"), reason="the system has no modes already")
def test_systems_without_modes(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "fchmod")
    for content in (b"old", b"new"):
        atomic_write(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(errno.EACCES, "denied"), "no permission to write in"),
        (OSError(errno.EROFS, "read-only file system"), "no file can be made in .*: read-only"),
    ],
)
def test_a_folder_that_takes_no_file_is_named(tmp_path, monkeypatch, error, message):
    def refuse(*arguments):
        raise error

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutputError, match=message) as caught:
        check_writable(tmp_path / "file")
    monkeypatch.undo()
    assert str(tmp_path) in str(caught.value)
    assert caught.value.__cause__ is error
    assert not list(tmp_path.iterdir())


@POSIX
def test_what_cannot_be_written_is_found_before_the_work(tmp_path):
    with pytest.raises(OutputError, match="there is no folder"):
        check_writable(tmp_path / "nowhere" / "file")
    os.chmod(tmp_path, 0o555)
    for parent in [tmp_path, *tmp_path.parents][:-1]:
        if os.stat(parent).st_uid == os.geteuid() and parent.parts[:2] == tmp_path.parts[:2]:
            os.chmod(parent, mode_of(parent) | 0o011)
    if os.access(tmp_path, os.W_OK):  # a superuser, to whom permissions do not apply
        with unprivileged(), pytest.raises(PermissionError):
            atomic_write(tmp_path / "file", b"x")
    else:
        with pytest.raises(OutputError, match="no permission to write in"):
            check_writable(tmp_path / "file")
    os.chmod(tmp_path, 0o755)


def test_long_names_and_other_letters(tmp_path):
    for name in ("x" * 250, "ü" * 120, "\N{GRINNING FACE}" * 60):
        atomic_write(tmp_path / name, b"x")
        assert (tmp_path / name).read_bytes() == b"x"


def test_the_error_survives_a_pickle(tmp_path):
    error = pickle.loads(pickle.dumps(OutputError("it is a fifo", tmp_path)))
    assert (error.message, error.path) == ("it is a fifo", str(tmp_path))
    assert str(error) == f"cannot write {str(tmp_path)!r}: it is a fifo"


PACKAGE = Path(sklearn_diffake.__file__).parent
OWN_WAY = {  # each with its reason
    ("utils/_atomic_files.py", "open"),  # it is the one place
    ("utils/_atomic_files.py", "mkdir"),
    # into the temporary folder of `persistence.save`
    ("embedding/backbones/_onnx_runtime.py", "copyfile"),
    ("embedding/backbones/_fetch.py", "mkdir"),  # torch's cache of public files
    ("verdict/_inputs.py", "open"),  # content of a clip, which FFmpeg takes as a file, for so long
    ("verdict/_annotate.py", "open"),  # FFmpeg writes into the file that `atomic_open` gives
    ("datasets/_frames.py", "mkdir"),  # with the mode 0700, in a folder that is private
}


def writes_of(path):
    """Name the calls in a module that make files or folders."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        modes = [value.value for value in [*node.args, *(k.value for k in node.keywords)]
                 if isinstance(value, ast.Constant) and isinstance(value.value, str)]  # fmt: skip
        if name in ("open", "fdopen") and any(
            set(mode) <= set("rwaxbt+") and set(mode) & set("wax+") for mode in modes
        ):
            yield name
        if name in ("write_text", "write_bytes", "mkdir", "makedirs", "touch", "copyfile", "copy2"):
            yield name


def test_every_file_of_the_package_is_written_in_one_place():
    """Whoever writes a file elsewhere decides here why it may not go through `atomic_write`."""
    result = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in PACKAGE.rglob("*.py")
        for name in writes_of(path)
    }
    assert result == OWN_WAY


def test_lines_stay_when_the_work_is_interrupted(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text("old")

    def work():
        with line_file(path) as write:
            write("one")
            assert path.read_text() == "one\n"
            write("two")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert path.read_text() == "one\ntwo\n"


def test_lines_replace_no_input(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text("precious")
    with pytest.raises(OutputError, match="it is the input"), line_file(path, inputs=[path]):
        pass
    assert path.read_text() == "precious"
    with line_file(os.devnull) as write:
        write("nothing")
