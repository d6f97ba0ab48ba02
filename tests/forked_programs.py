"""Programs in a process of their own, without the seconds that its imports take.

One process for all tests of a worker imports the libraries, and does nothing else. It forks for
each program: for tests of what another process does, and not of what it imports. A test of imports
names the libraries that may already be imported: `TORCH`, or `SCIKIT_LEARN`, which does not import
torch.
"""

import contextlib
import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TORCH = ("torch",)
SCIKIT_LEARN = ("sklearn.metrics", "sklearn.model_selection", "sklearn.pipeline")
LIBRARIES = (
    "PIL.Image",
    "skops.io",
    "sklearn_diffake.benchmark",
    "sklearn_diffake.embedding.backbones._torch",
    "sklearn_diffake.persistence",
    "sklearn_diffake.pipeline",
    "sklearn_diffake.verdict",
)


class Server:
    """Imports the libraries in a new process, which forks on request."""

    def __init__(self, libraries):
        paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        self._process = subprocess.Popen(
            [sys.executable, __file__, *libraries],
            # with a hash seed that is not ours: results may not depend on it
            env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "7"},
            stdin=subprocess.PIPE,  # its end is the end of the server
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request):
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())
        except BaseException:  # as at a timeout: its answer would be taken for that to the next
            self._process.kill()
            _server.cache_clear()
            raise


@functools.cache
def _server(libraries):
    return Server(libraries)


class ForkedProgram:
    """The part of `subprocess.Popen` that tests need."""

    def __init__(self, libraries, **request):
        self.returncode, self._server = None, _server(libraries)
        self.pid = self._server.ask(**request)

    def poll(self):
        return self._ask(os.WNOHANG)

    def wait(self):
        return self._ask(0)

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def _ask(self, option):
        if self.returncode is None:
            self.returncode = self._server.ask(pid=self.pid, option=option)
        return self.returncode


def start(code, *arguments, cwd, environment=None, output=os.devnull, libraries=LIBRARIES):
    """Start a program in a process that has imported the libraries and what they import.

    `environment` adds to that of this process. torch computes with as many threads as here.
    """
    import torch  # not above, as the process that forks may be one without torch

    variables = {**os.environ, **(environment or {})}
    arguments = [str(argument) for argument in arguments]
    if not hasattr(os, "fork"):
        variables["PYTHONPATH"] = os.pathsep.join(sys.path)
        with open(output, "w", encoding="utf-8") as stream:
            return subprocess.Popen(
                [sys.executable, "-c", code, *arguments],
                cwd=cwd, env=variables, stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip
    return ForkedProgram(
        libraries, code=code, arguments=arguments, cwd=str(cwd), environment=variables,
        path=sys.path, output=str(output), threads=torch.get_num_threads(),
    )  # fmt: skip


def run(code, *arguments, **options):
    """Run a program to its end; return what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        status = start(code, *arguments, output=output, **options).wait()
        printed = output.read_text(encoding="utf-8")
    assert status == 0, printed
    return printed


def _run_forked(request):
    """Run a program in this process, and end it."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.path[:], sys.argv = request["path"], ["-c", *request["arguments"]]
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(request["threads"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        file = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(file, stream)
        exec(request["code"], {"__name__": "__main__"})
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _serve():
    for name in sys.argv[1:]:
        importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        if "pid" in request:
            pid, status = os.waitpid(request["pid"], request["option"])
            answer = os.waitstatus_to_exitcode(status) if pid else None
        elif not (answer := os.fork()):
            _run_forked(request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
