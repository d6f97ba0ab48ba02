"""Let work meet a disk that is full, or that cannot be written, and look at what it leaves."""

import contextlib
import shutil
import subprocess
import warnings

from benchmarks.stress._kills import Wrong, run_in_fork
from benchmarks.stress._resumable_tasks import KINDS
from sklearn_diffake.embedding import EmbeddingStore

_KIB = 1024
_SIZE = 24 * _KIB * _KIB  # of the small disk
FREE_KIB = (0, 4, 16, 48, 128, 512)  # KiB that are left on a full disk


class NoSmallDisk(Exception):
    """This machine does not let us mount one."""


@contextlib.contextmanager
def small_disk(folder):
    """Mount a small disk in memory, on a new folder; give it up in the end."""
    folder.mkdir(parents=True)
    _mount("-t", "tmpfs", "-o", f"size={_SIZE}", "none", folder)
    try:
        yield folder
    finally:
        subprocess.run([shutil.which("umount"), "--lazy", folder], check=True)


def _mount(*options):
    if (mount := shutil.which("mount")) is None:
        raise NoSmallDisk("there is no command to mount one")
    mounted = subprocess.run([mount, *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        raise NoSmallDisk(mounted.stderr.strip() or "mount failed")


@contextlib.contextmanager
def full(disk, free_kib):
    """Fill a disk until that many KiB are left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(_KIB * 64)):
            pass
    with ballast.open("r+b") as file:
        file.truncate(max(0, ballast.stat().st_size - free_kib * _KIB))
    try:
        yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def read_only(disk):
    """Let nobody write, the superuser neither."""
    _mount("-o", "remount,ro", disk)
    try:
        yield
    finally:
        _mount("-o", "remount,rw", disk)


class Enough(Exception):
    """Endless work has come far enough."""


def attempt(case):
    """Work a little; return what was told as finished, and how it failed, if it did."""
    steps = []

    def note_step(number):
        steps.append(number)
        if len(steps) == 3:
            raise Enough

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            case.work(note_step)
        except Enough:
            pass
        except (OSError, ValueError, RuntimeError) as error:
            return steps, f"{type(error).__name__}: {error}"
    messages = [str(warning.message) for warning in caught]
    return steps, next((message for message in messages if str(case.folder) in message), None)


def _really_stored(case, steps):
    """A store that cannot be written says so and goes on: what it says it stored must be there."""
    store = EmbeddingStore(case.folder / "store")
    return [n for n in steps if len(store.get_many("model", case.batch(n))) == len(case.batch(n))]


def _try_on(disk, case, trouble):
    """Work in trouble; look at what is left in it and after it, and let the work go on."""
    with trouble:
        steps, failure = run_in_fork(attempt, case)
        if isinstance(case, KINDS[0]):
            stored_names = run_in_fork(_really_stored, case, steps)
            if len(stored_names) < len(steps) and failure is None:
                raise Wrong("values were not stored, and nothing was said")
            steps = stored_names
        elif failure is not None and str(disk) not in failure:
            raise Wrong(f"the error names no path: {failure}")
        case.after(True, steps)
    steps, failure = run_in_fork(attempt, case)
    if failure is not None:
        raise Wrong(f"there is room again, and yet: {failure}")
    case.after(False, steps)


def trials(kind, folder, times):
    """Try one kind of work on full disks and read-only ones; yield fault, cases and findings."""
    with small_disk(folder / "disk") as disk:
        case = kind(disk)
        troubles = {
            "full disk": [lambda room=room: full(disk, room) for room in FREE_KIB] * times,
            "read-only folder": [lambda: read_only(disk)] * times,
        }
        for fault, n_faults in troubles.items():
            wrong = []
            for trouble in n_faults:
                try:
                    _try_on(disk, case, trouble())
                except Wrong as error:
                    wrong.append(str(error))
            yield fault, len(n_faults), wrong
