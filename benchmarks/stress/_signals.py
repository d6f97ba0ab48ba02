"""Send SIGINT or SIGTERM to every command at random moments, and look at what is left."""

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
from skimage.data import astronaut

from benchmarks.speed._images import write_jpegs, write_portraits
from benchmarks.speed.bench_peers import write_clip
from benchmarks.stress._kills import Wrong, wait_for_group
from sklearn_diffake import persistence
from sklearn_diffake.datasets import make_face_pairs

ROOT = Path(__file__).resolve().parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_END, _LIMIT = 20, 600  # seconds to end after a signal; seconds of an undisturbed command
_BACKBONE = ["--backbone", "difffake-lite0-identity", "--no-align", "--cache", "store"]
_CONFIG = """\
bootstrap = 10
[datasets.faces]
loader = "make_face_pairs"
arguments = { n_pairs = 24, size = 64, techniques = ["swap", "splice"] }
[candidates.plain]
embedder = "difffake-lite0-identity"
align = false
detector = "MahalanobisDetector"
[protocols.cross-manipulation]
folds = 2
"""

#: The arguments of each command, which runs in a folder beside "inputs", and what it writes there.
COMMANDS = {
    "compare": (
        "compare --reference ../inputs/00000.jpg --probe ../inputs --output v.csv --report v.html",
        ["v.csv", "v.html"],
    ),
    "compare, a clip": ("compare ../inputs/00000.jpg ../inputs/clip.mp4 --json", []),
    "score": (
        "score ../inputs/model.diffake --csv ../inputs/pairs.csv --output scores.csv",
        ["scores.csv"],
    ),
    "fit": (" ".join(["fit ../inputs/rendered.csv -o m.diffake", *_BACKBONE]), ["m.diffake"]),
    "calibrate": (
        "calibrate ../inputs/model.diffake ../inputs/rendered.csv -o c.diffake",
        ["c.diffake"],
    ),
    "find": ("find ../inputs --reference ../inputs/00000.jpg -o find.csv", ["find.csv"]),
    "annotate": (
        "annotate ../inputs/clip.mp4 --reference ../inputs/00000.jpg -o a.mp4 --frames 8",
        ["a.mp4"],
    ),
    "watch": ("watch ../inputs/clip.mp4 --reference ../inputs/00000.jpg --json --window 4", []),
    "benchmark": (
        "benchmark ../inputs/benchmark.toml -o results",
        ["results/results.json", "results/report.md"],
    ),
    "backbones": ("backbones --json", []),
    "doctor": ("doctor --json", []),
    "demo": ("demo -o demo", ["demo/model.diffake", "demo/probes.csv"]),
}
_VARYING_OUTPUT = {"fit", "calibrate", "benchmark", "doctor", "demo"}  # it says how long it took


class Commands:
    """All commands of the command line, each in a process of its own."""

    def __init__(self, folder):
        self.folder = folder
        inputs = folder / "inputs"
        inputs.mkdir()
        portraits = write_portraits(inputs, 6).reshape(-1, 2)
        _write_table(inputs / "pairs.csv", portraits, ["genuine", "deepfake", "genuine"])
        write_clip(inputs / "clip.mp4", astronaut(), n=50)
        (inputs / "benchmark.toml").write_text(_CONFIG)
        (folder / "rendered").mkdir()
        pairs = make_face_pairs(70, size=96, fake_share=0, random_state=0).data
        rendered = write_jpegs(folder / "rendered", pairs.reshape(-1, *pairs.shape[2:]))
        _write_table(inputs / "rendered.csv", rendered.reshape(-1, 2), ["genuine"] * 70)
        model = ["fit", "rendered.csv", "-o", "model.diffake", *_BACKBONE]
        status, _, errors = self.wait(self.start(model, inputs), _LIMIT)
        if status:
            raise Wrong(errors)

    def start(self, arguments, folder):
        """Start a command in a folder, with a folder of temporary files of its own."""
        temporary = self.folder / "temporary"
        temporary.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "sklearn_diffake", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait(self, process, limit):
        """Wait for a command; return its exit status and what it wrote."""
        try:
            output, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Wrong(f"it still ran after {limit} s") from None
        return process.returncode, output, errors

    def run(self, name, folder):
        """Run a command to its end; return its status, its output and its files."""
        folder.mkdir(exist_ok=True)
        arguments, names = COMMANDS[name]
        status, output, errors = self.wait(self.start(arguments.split(), folder), _LIMIT)
        if status not in (0, 1, 5) or not all((folder / file).exists() for file in names):
            raise Wrong(f"exit status {status}: {errors[-500:]}")
        return status, "" if name in _VARYING_OUTPUT else output, _contents(folder, names)

    def interrupt(self, name, seconds, number, expected):
        """Send one signal within so many seconds; return whether the command was done before."""
        folder = self.folder / "disturbed"
        folder.mkdir()
        arguments, names = COMMANDS[name]
        process = self.start(arguments.split(), folder)
        time.sleep(seconds)
        process.send_signal(number)
        status, output, errors = self.wait(process, _END)
        status_expected, output_expected, files_expected = expected
        if status == status_expected:
            return True
        if status not in (128 + number, -number):  # the second while Python starts or ends
            raise Wrong(f"exit status {status} after signal {number}: {errors[-500:]}")
        if status > 0 and "Traceback" in errors:
            raise Wrong(f"a traceback after signal {number}: {errors[-500:]}")
        whole_lines = output.rpartition("\n")[0]
        if name not in _VARYING_OUTPUT and not output_expected.startswith(whole_lines):
            raise Wrong("the output is not the beginning of that of an undisturbed run")
        for file, content in _contents(folder, names).items():
            if content != files_expected[file]:
                raise Wrong(f"{file} is there, and is not that of an undisturbed run")
        self.check_remains(process.pid)
        return False

    def check_remains(self, group):
        """Raise if processes or temporary files are left."""
        wait_for_group(group, _END)
        if remains := sorted(path.name for path in (self.folder / "temporary").iterdir()):
            shutil.rmtree(self.folder / "temporary")
            raise Wrong(f"it left temporary files: {remains}")


def _write_table(path, pairs, labels):
    rows = [",".join([*pair, label]) for pair, label in zip(pairs, labels, strict=True)]
    path.write_text("\n".join(["reference,probe,label", *rows]))


def _contents(folder, names):
    """Return what those files hold that are there, without the time at which they were made."""
    return {name: _content(folder / name) for name in names if (folder / name).exists()}


def _content(path):
    if path.suffix == ".diffake":
        return sorted(persistence.load(path)[-1].get_params())
    if path.suffix == ".mp4":
        with av.open(str(path)) as video:
            return sum(1 for _ in video.decode(video=0))
    return re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC", b"", path.read_bytes())


def trials(folder, times, rng):
    """Send signals to every command, `times` of each kind; yield (command, cases, findings)."""
    commands = Commands(folder)
    for name in COMMANDS:
        wrong = []
        for seconds, number, expected in _moments(commands, name, times, rng):
            try:
                commands.interrupt(name, seconds, number, expected)
                if commands.run(name, folder / "disturbed") != expected:
                    raise Wrong("the result after it is another than that of an undisturbed run")
            except Wrong as error:
                wrong.append(str(error))
            shutil.rmtree(folder / "disturbed", ignore_errors=True)
        yield name, times * len(SIGNALS), wrong


def _moments(commands, name, times, rng):
    """Yield a time in seconds, a signal, and what the command gives undisturbed."""
    start, folder = time.perf_counter(), commands.folder / "undisturbed"
    expected = commands.run(name, folder)
    limit = time.perf_counter() - start
    shutil.rmtree(folder)
    for _, number in itertools.product(range(times), SIGNALS):
        yield rng.uniform(0, limit), number, expected
