"""Write the files of the package: refuse unsafe outputs, replace files atomically.

A new file may hold faces, embeddings, paths or a model, so only its owner may read it (mode 0600),
and new folders are the owner's alone (0700), whatever the umask. A file that exists keeps its mode.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

_PRIVATE, _PUBLIC, _FOLDER = 0o600, 0o666, 0o700
_MOST_LINKS = 40  # in a row, as Linux follows them
_KINDS = (
    (stat.S_ISDIR, "a directory; expected the name of a file to write"),
    (stat.S_ISFIFO, "a named pipe, and only regular files are written"),
    (stat.S_ISSOCK, "a socket, and only regular files are written"),
    (stat.S_ISBLK, "a device, and only regular files are written"),
    (stat.S_ISCHR, "a device, and only regular files are written"),
)


class OutputError(ValueError):
    """An output that must not be written: an input, a device, another user's link.

    Parameters
    ----------
    message : str
        What is wrong with it.
    path : str or path-like
        The output.

    Attributes
    ----------
    message : str
        As given.
    path : str
        The output.
    """

    def __init__(self, message: str, path: str | os.PathLike[str]) -> None:
        self.message, self.path = message, os.fsdecode(path)
        super().__init__(f"cannot write {self.path!r}: {message}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.path)


@contextlib.contextmanager
def errors_with_path(path: Path) -> Iterator[None]:
    """Name a path in errors of the system that name none, such as that of a full disk.

    Parameters
    ----------
    path : Path
        What is written meanwhile.
    """
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def check_output(path: str | os.PathLike[str], *, inputs: Iterable[Any] = ()) -> Path:
    """Find the file that an output stands for, and refuse what must not be written.

    Symbolic links of the caller, or of the superuser, are followed: what they lead to is written,
    and the links stay. Files are compared by identity (device and inode), not by name, so that
    links, hard links and names in another case are seen through.

    Parameters
    ----------
    path : str or Path
        The output. It may be missing; its folder must be there.
    inputs : iterable, default=()
        What the output must not be: paths of files. Anything else, such as an array, is ignored.

    Returns
    -------
    Path
        The regular file to write, or the null device.

    Raises
    ------
    OutputError
        If the output is an input, a directory, a device other than the null device, a named pipe,
        a socket, an open stream such as ``/dev/stdout``, or a link of another user.
    """
    target = _follow_links(Path(path))
    try:
        status = os.stat(target)
    except FileNotFoundError:
        return target
    if not _is_null_device(status):
        for is_kind, message in _KINDS:
            if is_kind(status.st_mode):
                raise OutputError(f"it is {message}", path)
    for source in inputs:
        source_status = _status_of(source)
        if source_status is not None and os.path.samestat(source_status, status):
            name = os.fsdecode(source)
            raise OutputError(f"it is the input {name!r}, which would be lost", path)
    return target


def check_outputs(paths: Iterable[Path], inputs: Iterable[Any]) -> None:
    """Refuse outputs that must not be written, of which there may be many, as the inputs.

    Parameters
    ----------
    paths : iterable of Path
        The outputs.
    inputs : iterable
        As `check_output` takes them.

    Raises
    ------
    OutputError
        As `check_output` raises it.
    """
    existing = {}
    for path in paths:
        target = check_output(path)
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(target)
            existing[status.st_dev, status.st_ino] = path
    for source in inputs if existing else ():
        source_status = _status_of(source)
        if source_status is not None and (source_status.st_dev, source_status.st_ino) in existing:
            check_output(existing[source_status.st_dev, source_status.st_ino], inputs=[source])


def check_writable(path: str | os.PathLike[str], *, inputs: Iterable[Any] = ()) -> None:
    """Find out before long work that an output can be written, as far as that can be known.

    Parameters
    ----------
    path : str or Path
        The output.
    inputs : iterable, default=()
        As `check_output` takes them.

    Raises
    ------
    OutputError
        As `check_output` raises it; or if there is no folder, or no file can be made in it.
    """
    target = check_output(path, inputs=inputs)
    if not os.path.isdir(target.parent):
        raise OutputError(f"there is no folder {str(target.parent)!r}", path)
    if _is_device(target):
        return
    probe = _partial_path(target)
    try:
        with _create(probe, public=False):
            pass
    except PermissionError as error:
        raise OutputError(f"no permission to write in {str(target.parent)!r}", path) from error
    except OSError as error:
        message = f"no file can be made in {str(target.parent)!r}: {error.strerror or error}"
        raise OutputError(message, path) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(probe)


@contextlib.contextmanager
def atomic_open(
    path: str | os.PathLike[str], *, inputs: Iterable[Any] = (), public: bool = False
) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of another when all of it has been written.

    A process that is killed leaves at most a hidden file that matches ``.*.tmp`` behind.

    Parameters
    ----------
    path : str or Path
        The output, left as it is if anything goes wrong. Its mode is kept if it exists.
    inputs : iterable, default=()
        Files that must not be replaced, as `check_output` takes them.
    public : bool, default=False
        Let the umask decide who may read a new file; by default only its owner may.

    Yields
    ------
    file object
        Open for writing bytes, in the folder of the output.

    Raises
    ------
    OutputError
        As `check_output` raises it.
    OSError
        If it cannot be written; the error names the file.
    """
    target = check_output(path, inputs=inputs)
    if _is_device(target):  # the null device, which keeps nothing
        yield io.BytesIO()
        return
    partial = _partial_path(target)
    try:
        with errors_with_path(target), _create(partial, public=public) as file:
            yield file
            file.flush()
            _copy_mode(target, file.fileno())
            os.fsync(file.fileno())
        check_output(target, inputs=inputs)  # it may have been made meanwhile
        os.replace(partial, target)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def atomic_write(
    path: str | os.PathLike[str],
    content: bytes,
    *,
    inputs: Iterable[Any] = (),
    public: bool = False,
) -> None:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : str or Path
        The output.
    content : bytes
        All of it.
    inputs : iterable, default=()
        Files that must not be replaced, as `check_output` takes them.
    public : bool, default=False
        Let the umask decide who may read a new file.
    """
    with atomic_open(path, inputs=inputs, public=public) as file:
        file.write(content)


def append_line(path: Path, line: str) -> None:
    """Add a line to the end of a text file, which is made if it is missing.

    Parameters
    ----------
    path : Path
        The output.
    line : str
        Without its line end.
    """
    target = check_output(path)
    with errors_with_path(path), open(target, "ab", opener=_private_opener) as file:
        file.write(line.encode() + b"\n")


@contextlib.contextmanager
def line_file(
    path: str | os.PathLike[str], *, inputs: Iterable[Any] = ()
) -> Iterator[Callable[[str], None]]:
    """Open a text file that is written line by line, and keeps its lines if the work is stopped.

    Parameters
    ----------
    path : str or Path
        The output, replaced at once if it exists. Its mode is kept.
    inputs : iterable, default=()
        Files that must not be replaced, as `check_output` takes them.

    Yields
    ------
    callable
        Writes a line, without its line end, and hands it to the system.

    Raises
    ------
    OutputError
        As `check_output` raises it.
    OSError
        If it cannot be written; the error names the file.
    """
    target = check_output(path, inputs=inputs)
    with errors_with_path(target), open(target, "wb", opener=_private_opener) as file:

        def write(line: str) -> None:
            file.write(line.encode() + b"\n")
            file.flush()

        yield write


def private_file(path: str | os.PathLike[str]) -> IO[bytes]:
    """Create a file that only its owner may read, for a library that writes it.

    Parameters
    ----------
    path : str or Path
        The file, which must be missing.

    Returns
    -------
    file object
        Open for reading and writing bytes.
    """
    return _create(Path(path), public=False)


def private_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder, and those above it that are missing, for its owner alone.

    Parameters
    ----------
    path : str or Path
        The folder; if it exists, it keeps its mode.

    Returns
    -------
    Path
        The same.
    """
    folder = Path(path)
    if not folder.is_dir():
        if folder.parent != folder:
            private_folder(folder.parent)
        try:
            os.mkdir(folder, _FOLDER)
        except FileExistsError:  # another process was faster, or a file is in the way
            if not folder.is_dir():
                raise
        else:
            os.chmod(folder, _FOLDER)  # a umask may have taken rights from the owner
    return folder


def _partial_path(target: Path) -> Path:
    """Return a new name beside a file, for its content until all of it is written."""
    return target.with_name(f".{target.name[:60]}.{secrets.token_hex(4)}.tmp")


def _create(path: Path, *, public: bool) -> IO[bytes]:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    if public:
        return open(os.open(path, flags, _PUBLIC), "w+b")
    return open(_open_private(path, flags), "w+b")


def _private_opener(path: str, flags: int) -> int:
    """Open a file as `open` asks for it; if it is new, it is its owner's alone."""
    try:
        return _open_private(path, flags | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return os.open(path, flags, _PRIVATE)


def _open_private(path: str | Path, flags: int) -> int:
    """Create a file for its owner alone, also under a umask that takes rights from the owner."""
    descriptor = os.open(path, flags, _PRIVATE)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, _PRIVATE)
    return descriptor


def _copy_mode(target: Path, descriptor: int) -> None:
    """Give an open file the permissions, and where it is allowed the owner, of another."""
    try:
        status = os.stat(target)
    except FileNotFoundError:
        return
    if not hasattr(os, "fchmod"):
        return
    mode = stat.S_IMODE(status.st_mode) & 0o777
    if not any(_change_owner(descriptor, user, status.st_gid) for user in (status.st_uid, -1)):
        mode &= ~0o070  # they were meant for another group
    os.fchmod(descriptor, mode)


def _change_owner(descriptor: int, user: int, group: int) -> bool:
    try:
        os.fchown(descriptor, user, group)
    except OSError:
        return False
    return True


def _follow_links(path: Path) -> Path:
    """Follow the links of the caller one by one; refuse those of others, and streams."""
    target = path
    for _ in range(_MOST_LINKS):
        folder = Path(os.path.realpath(target.parent))
        if _holds_streams(folder):
            raise OutputError("it is an open stream; give the name of a file", path)
        target = folder / target.name
        try:
            status = os.lstat(target)
        except FileNotFoundError:
            return target
        if not stat.S_ISLNK(status.st_mode):
            return target
        if hasattr(os, "geteuid") and status.st_uid not in (0, os.geteuid()):
            raise OutputError("it is a symbolic link of another user", path)
        target = folder / os.readlink(target)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _holds_streams(folder: Path) -> bool:
    """Whether the names in a folder are those of the open files of a process."""
    names = folder.parts
    return folder == Path("/dev/fd") or (names[:2] == ("/", "proc") and names[-1] == "fd")


def _status_of(source: Any) -> os.stat_result | None:
    if not isinstance(source, (str, bytes, os.PathLike)):
        return None
    try:
        return os.stat(source)
    except (OSError, ValueError):  # a ValueError if there is a null character in the path
        return None


def _is_null_device(status: os.stat_result) -> bool:
    if not stat.S_ISCHR(status.st_mode):
        return False
    with contextlib.suppress(OSError):
        return os.stat(os.devnull).st_rdev == status.st_rdev
    return False


def _is_device(target: Path) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISCHR(os.stat(target).st_mode)
    return False
