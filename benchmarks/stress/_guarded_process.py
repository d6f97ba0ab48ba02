"""Give inputs to a function in a process with limits, and see all that it does to the machine."""

import ctypes
import multiprocessing
import os
import resource
import signal
import socket
import struct
import sys
import sysconfig
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

FORK = multiprocessing.get_context("fork")  # nothing is imported again
_RUNS = ("subprocess.", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "pty.")
_RUNS += ("exec", "pickle.find_class", "marshal.loads", "ctypes.", "webbrowser.")
_CALLS = ("socket.connect", "socket.getaddrinfo", "socket.gethost", "socket.send", "urllib.")
_WRITES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod")
_THREADS = ("openblas_", "scipy_openblas_", "omp_", "MKL_", "bli_")  # of threadpoolctl
_IN_OPEN, _IN_ISDIR = 0x20, 0x40000000


class Traps:
    """What no input may reach: files, a module and a port, outside the folder of the inputs.

    Libraries in C open files unseen by Python, but not unseen by the kernel.
    """

    def __init__(self, folder):
        self.folder, self.module = folder, "hostile_trap"
        (folder / f"{self.module}.py").write_text("def run(*args):\n    return args\n")
        sys.path.append(str(folder))
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.setblocking(False)
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}/"

    def monitor(self):
        """Begin to watch, once the files are written."""
        libc = ctypes.CDLL(None)
        self.events = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(self.events, os.fsencode(self.folder), _IN_OPEN)

    def sprung(self):
        """Name what was reached since it was asked for last."""
        try:
            event_bytes, offset = os.read(self.events, 65536), 0
        except BlockingIOError:
            event_bytes, offset = b"", 0
        while offset < len(event_bytes):
            _, mask, _, size = struct.unpack_from("iIII", event_bytes, offset)
            if not mask & _IN_ISDIR:
                name = event_bytes[offset + 16 : offset + 16 + size].rstrip(b"\0").decode()
                return f"opened the file {name} outside"
            offset += 16 + size
        try:
            self.server.accept()
        except BlockingIOError:
            return None
        return "connected to a port"


class Guard:
    """An audit hook that notes what only an attack would do."""

    def __init__(self, folder, traps, may_read=()):
        self.inside = (str(folder) + os.sep,)
        paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib")}
        paths |= {str(Path(__file__).resolve().parents[2]), *sys.path} - {"", str(traps)}
        self.program = (*(os.path.realpath(path) for path in paths), "/proc/", "/sys/", "/dev/null")
        self.program += tuple(may_read)
        self.active, self.noted_paths, self.busy = False, [], False

    def __call__(self, event, args):
        if not self.active or self.busy:
            return
        self.busy = True
        try:
            if note := self._judge(event, args):
                self.noted_paths.append(note)
        finally:
            self.busy = False

    def _judge(self, event, args):
        if event == "open" and isinstance(args[0], (str, bytes)):
            path = os.path.realpath(os.fsdecode(args[0]))
            reads = not args[2] & (os.O_WRONLY | os.O_RDWR)
            allowed = self.inside + self.program if reads else self.inside + ("/dev/null",)
            return None if path.startswith(allowed) else f"opened {path}"
        if event == "exec" and args[0].co_filename.startswith((*self.program, "<")):
            return None  # a part of the program that is imported on use
        if _asks_for_threads_or_devices(event, args):
            return None
        if event == "marshal.loads" or (event == "import" and "hostile_trap" not in args[0]):
            return None
        if event.startswith(("import", *_RUNS, *_CALLS)):
            return f"{event} {args}"[:200]
        if event in _WRITES:
            near = f"/proc/self/fd/{args[-1]}" if args[-1] != -1 and event != "os.chmod" else ""
            name = f"/proc/self/fd/{args[0]}" if isinstance(args[0], int) else os.fsdecode(args[0])
            path = os.path.realpath(os.path.join(near, name))
            return None if path.startswith(self.inside) else f"{event} {path}"
        return None


def _asks_for_threads_or_devices(event, args):
    """Whether threadpoolctl asks a loaded library for its threads, or torch the driver for GPUs."""
    if event == "ctypes.dlopen":
        return args[0] == "libnvidia-ml.so.1"
    return event == "ctypes.dlsym" and str(args[1]).startswith(_THREADS)


@dataclass
class Outcome:
    """What came of the inputs of one kind."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    peak_mib: int = 0
    findings: list = field(default_factory=list)

    def figures(self):
        """Return plain values; of every sort of finding the first."""
        sorts = Counter(sort for _, sort, _ in self.findings)
        first = {sort: [i, text] for i, sort, text in reversed(self.findings)}
        return {
            "inputs": self.inputs,
            "accepted": self.accepted,
            "refused": self.refused,
            "peak memory, MiB": self.peak_mib,
            "findings": sum(sorts.values()),
            "sorts": {sort: {"count": n, "first": first[sort]} for sort, n in sorts.items()},
        }


def run_guarded(kind, numbers, folder, traps, *, until=float("inf")):
    """Give the inputs of these numbers to `kind`, in one process after the other as they die."""
    state = FORK.RawArray("d", 5)  # number of the input, since when, accepted, refused, peak
    outcome, pending = Outcome(), list(numbers)
    while pending and time.time() < until:
        receiver, sender = FORK.Pipe(duplex=False)
        state[0], state[1] = -1, time.monotonic()
        process = FORK.Process(
            target=_work, args=(kind, pending, folder, traps, state, sender, until)
        )
        process.start()
        sender.close()
        fate = _monitor(process, receiver, state, kind.seconds, outcome.findings)
        n_done = int(state[0]) + 1  # of `left`
        outcome.inputs += n_done
        if fate:
            number = pending[max(n_done - 1, 0)]
            outcome.findings.append((number, *fate))
        pending = pending[max(n_done, 1) :]
        if not fate and not n_done:
            break
    outcome.accepted, outcome.refused, outcome.peak_mib = (
        int(state[2]),
        int(state[3]),
        int(state[4]),
    )
    return outcome


def _monitor(process, pipe, state, seconds, findings):
    """Wait for a process; tell how it came to an end, if that was before its time."""
    while True:
        try:
            while pipe.poll(0.05):
                message = pipe.recv()
                if message == "done":
                    process.join()
                    return None
                findings.append(message)
        except (EOFError, OSError):
            process.join()
            return "crash", f"ended with {process.exitcode}"
        if time.monotonic() - state[1] > seconds:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            return "hang", f"more than {seconds} s"


def _limit(kind):
    """Bound the memory and the size of files, and make the process silent."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    space = pages * resource.getpagesize() + kind.mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (space, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)


def _work(kind, numbers, folder, traps, state, pipe, until):
    guard = Guard(folder, traps.folder, kind.may_read())
    sys.addaudithook(guard)
    _limit(kind)
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for position, number in enumerate(numbers):
        if time.time() > until:
            break
        state[0], state[1] = position, time.monotonic()
        path = kind.write(folder, number)
        state[1] = time.monotonic()
        guard.active = True
        finding = _try(kind, path, state)
        guard.active = False
        sprung = traps.sprung()
        for note in guard.noted_paths + [sprung] * bool(sprung):
            pipe.send((number, "reached outside", note))
        guard.noted_paths.clear()
        if finding:
            pipe.send((number, *finding))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start
        state[4] = max(state[4], peak / 1024)
        kind.clear(folder, path)
    pipe.send("done")


def _try(kind, path, state):
    """Use one input; return what is wrong with how it is refused."""
    try:
        kind.use(path)
        state[2] += 1
    except MemoryError as error:
        return "memory", _last(error)
    except kind.refusals as error:
        if isinstance(error.__cause__, MemoryError) and _runs_into_limit(kind, path, str(error)):
            return "memory", _last(error)
        state[3] += 1
        if kind.names_file and kind.name_in_error(path) not in str(error):
            return "file not named", _last(error)
    except BaseException as error:
        return "unexpected error", _last(error)
    return None


def _runs_into_limit(kind, path, text):
    """Tell whether only the limit of memory refuses an input: use it with four times as much."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    resource.setrlimit(resource.RLIMIT_AS, (soft + 3 * kind.mib * 2**20, hard))
    try:
        kind.use(path)
    except kind.refusals as error:
        took = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before
        return str(error) != text or took > kind.mib * 1024
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return True


def _last(error):
    stack = traceback.extract_tb(error.__traceback__)
    own_frames = [frame for frame in stack if "sklearn_diffake" in frame.filename] or stack
    last = own_frames[-1]
    return f"{type(error).__name__}: {str(error)[:200]} ({last.name}, line {last.lineno})"
