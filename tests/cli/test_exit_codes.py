"""What the exit codes mean, also where streams are closed, memory is short or a signal comes."""

import errno
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_helpers import TINY
from named_verdicts import verdict_of

import sklearn_diffake
from sklearn_diffake.cli import _exit_codes, _process, main, run
from sklearn_diffake.cli._exit_codes import EXIT_CODES, code_of, code_of_outcomes

ROOT = Path(__file__).resolve().parents[2]
CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and streams")

# A program that judges every probe by its name, without heavy imports.
PROGRAM = """
import sys, time
import named_verdicts
class Before:
    def __call__(self):
        {body}
named_verdicts.install(Before())
from sklearn_diffake.cli import run
run()
"""


def start(*arguments, body="pass", code=PROGRAM, **options):
    program = code.format(body=body) if code is PROGRAM else code
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'cli'}"}
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT, text=True, env=environment, **streams,
    )  # fmt: skip


def outcome(*arguments, **options):
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("probes", "body", "expected"),
    [
        (["good"], "assert not {'numpy', 'sklearn', 'torch'} & set(sys.modules)", 0),  # fast
        (["good", "unsure"], "pass", 5),
        (["good", "bad", "unsure"], "pass", 1),
        (["good", "bad", "broken"], "pass", 2),
        ([], "pass", 2),
        (["bad"], "raise KeyError('x')", 3),
        (["bad"], "raise KeyboardInterrupt", 130),
    ],
)
def test_the_code_of_a_process(probes, body, expected):
    assert outcome("compare", "-q", "a", *probes, body=body)[0] == expected


@pytest.fixture
def process_state(monkeypatch):
    """Restore what `run` leaves behind where the process goes on."""
    numbers = [getattr(signal, name) for name in CODES if hasattr(signal, name)]
    handlers = {number: signal.getsignal(number) for number in numbers}
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_the_module_is_the_command():
    code, out, _ = outcome("--version", code="import runpy; runpy.run_module('sklearn_diffake', "
                           "run_name='__main__', alter_sys=True)")  # fmt: skip
    assert (code, out) == (0, f"sklearn-diffake {sklearn_diffake.__version__}\n")


@pytest.mark.parametrize("debug", [[], ["--debug"]])
@pytest.mark.parametrize(
    ("body", "expected", "message"),
    [
        ("raise ValueError('x')", 2, "error: x"),
        ("raise OSError('x')", 2, "error: x"),
        ("raise KeyError('x')", 3, "KeyError: 'x'"),
        ("raise RuntimeError('x')", 3, "RuntimeError: x"),
        ("raise MemoryError", 3, "out of memory"),
        ("raise OSError(12, 'Cannot allocate memory')", 3, "out of memory"),
        ("raise ImportError('libx.so: failed to map segment')", 3, "out of memory"),
        ("def f(): f()\nf()", 3, "RecursionError"),
        ("raise KeyboardInterrupt", 130, "interrupted"),
    ],
)
@pytest.mark.usefixtures("process_state")
def test_errors(body, expected, message, debug, recorder, monkeypatch, capsys):
    def fail(reference, probe):
        exec(body, {})

    monkeypatch.setattr(recorder, "judge", fail)
    monkeypatch.setattr(sys, "argv", ["sklearn-diffake", "compare", "-q", "a", "bad", *debug])
    with pytest.raises(SystemExit) as stop:
        run()
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (expected, "")
    assert message in err
    assert ("Traceback" in err) == (bool(debug) and expected != 130)


@POSIX
def test_memory_that_really_runs_out():
    body = (
        "import numpy, resource; "
        "resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)); numpy.zeros(2**33)"
    )
    code, out, err = outcome("compare", "-q", "a", "bad", body=body)
    assert (code, out) == (3, "")
    assert re.search("error: out of memory: .*allocate", err)


def closing(*descriptors):
    def close():
        for descriptor in descriptors:
            os.close(descriptor)

    return close


@POSIX
@pytest.mark.parametrize("probe", ["good", "bad"])
@pytest.mark.parametrize("closed", [(2,), (0, 2), (0, 1, 2)], ids=str)
def test_streams_that_are_closed_from_the_start(closed, probe):
    body = "import warnings; warnings.warn('this goes to standard error')"
    arguments = ("compare", "--json", "a", probe)
    code, out, _ = outcome(*arguments, body=body, preexec_fn=closing(*closed))
    assert code == (probe == "bad")
    assert out.count("\n") == (1 not in closed)  # no warning among the results


@POSIX
def test_a_closed_stream_is_not_taken_over_by_a_file(tmp_path):
    """Else what a library writes to descriptor 2 would end up in a file that was opened since."""
    body = f"import os; opened = open({str(tmp_path / 'file')!r}, 'w'); os.write(2, b'noise')"
    code, _, _ = outcome("compare", "-q", "a", "good", body=body, preexec_fn=closing(2))
    assert code == 0
    assert (tmp_path / "file").read_text() == ""


@POSIX
@pytest.mark.parametrize("probe", ["good", "bad"])
def test_a_reader_of_messages_that_went_away_changes_nothing(probe):
    reading, writing = os.pipe()
    os.close(reading)
    body = "import warnings; warnings.warn('x' * 100_000)"
    code, out, _ = outcome("compare", "a", probe, body=body, stderr=writing)
    os.close(writing)
    assert code == (probe == "bad")
    assert out.count("\n") == 2
    reading, writing = os.pipe()
    os.close(reading)
    code, _, _ = outcome("compare", "a", probe, body="raise KeyError('x')", stderr=writing)
    os.close(writing)
    assert code == 3


@POSIX
def test_results_that_cannot_be_written_are_no_verdict():
    reading, writing = os.pipe()
    os.close(reading)
    assert outcome("compare", "-q", "a", "bad", stdout=writing)[0] == 141
    os.close(writing)
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            code, _, err = outcome("compare", "-q", "a", "bad", stdout=full)
        assert code == 2
        assert "No space left" in err


WAIT = "print('ready', file=sys.stderr, flush=True); time.sleep(60)"


@POSIX
@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize(
    "wait", [WAIT, f"\n        try: {WAIT}\n        except BaseException: pass"],
    ids=["plain", "swallowed"],
)  # fmt: skip
def test_signals_during_the_work(name, wait):
    process = start("compare", "-q", "a", "bad", body=wait)
    assert process.stderr.readline() == "ready\n"
    process.send_signal(getattr(signal, name))
    process.communicate(timeout=60)
    assert process.returncode == CODES[name]


@POSIX
def test_a_signal_that_is_to_be_ignored_is_ignored():
    """As by nohup."""
    body = "print('ready', file=sys.stderr, flush=True); time.sleep(0.5)"
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    process = start("compare", "-q", "a", "good", body=body, preexec_fn=ignore)
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0


@POSIX
def test_signals_at_any_moment_are_no_verdict():
    """From the start of the imports on to the end of the process; the model calls it genuine."""
    begin = time.monotonic()
    assert outcome("compare", "-q", "a", "good")[0] == 0
    seconds = time.monotonic() - begin
    for i in range(12):
        name = ("SIGINT", "SIGTERM")[i % 2]
        number = getattr(signal, name)
        process = start("compare", "-q", "a", "good")
        time.sleep(seconds * (i + 0.5) / 11)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        if "Fatal Python error" in err or "init_import_site" in err:
            continue  # before this program had begun
        assert process.returncode in (0, CODES[name], -number), (i, err)


@POSIX
def test_a_signal_within_an_exec_of_text_keeps_its_code(tmp_path):
    (tmp_path / "stopped.py").write_text(
        "from sklearn_diffake.cli._process import run_program\n"
        "text = 'import os, signal; os.kill(os.getpid(), signal.SIGTERM)'\n"
        "run_program(lambda: exec(text))\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "stopped"]
    process = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, timeout=60)
    assert process.returncode == 143


STORING = """from sklearn_diffake.store import EmbeddingStore
        store = EmbeddingStore(sys.argv[-2])
        for i in range(10**6):
            store.put_many("model", {bytes([i % 256, j]): bytes([j]) * 5000 for j in range(40)})
            if i == 0:
                print("ready", file=sys.stderr, flush=True)
"""


@POSIX
def test_a_store_is_whole_after_sigterm(tmp_path):
    from sklearn_diffake.store import EmbeddingStore

    for i in range(3):
        process = start("compare", "-q", tmp_path / "store", "b", body=STORING)
        assert process.stderr.readline() == "ready\n"
        time.sleep(0.05 * i)
        process.terminate()
        message = process.communicate(timeout=60)[1].splitlines()
        assert message == ["0 of 1 pairs were judged", "sklearn-diffake: error: interrupted"]
        assert process.returncode == 143
        store = EmbeddingStore(tmp_path / "store")
        stored = store.get_many("model", [bytes([0, j]) for j in range(40)])
        assert stored == {bytes([0, j]): bytes([j]) * 5000 for j in range(40)}
        store.close()
    assert not list((tmp_path / "store").glob("*.damaged"))


def test_handlers_are_left_alone_where_main_is_called(recorder, monkeypatch, capsys):
    handlers = []

    def judge(reference, probe):
        handlers.append(signal.getsignal(signal.SIGTERM))
        return verdict_of(probe)

    monkeypatch.setattr(recorder, "judge", judge)
    original = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert main(["compare", "-q", "a", "good", "--json"]) == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == original
    assert handlers == [original[1]]


def test_failed_jobs_of_a_benchmark_have_a_code_of_their_own(monkeypatch, tmp_path, capsys):
    from types import SimpleNamespace

    from sklearn_diffake import benchmark

    result = SimpleNamespace(
        failures={"job": "why"}, images={"wanted": 0, "embedded": 0, "failed": 0}, n_cells=1,
        n_before=0, seconds=1.0, folder=tmp_path,
    )  # fmt: skip
    config = SimpleNamespace(replace=lambda *args: None)
    monkeypatch.setattr(benchmark, "read_config", lambda path, trusted: config)
    monkeypatch.setattr(benchmark, "run_benchmark", lambda config, **options: result)
    assert main(["benchmark", "b.toml"]) == 4


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["fit"],
        ["score"],
        ["compare"],
        ["annotate"],
        ["find"],
        ["watch"],
        ["benchmark"],
        ["demo"],
        ["doctor"],
        ["help"],
    ],
)
def test_all_codes_are_in_every_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    assert EXIT_CODES in capsys.readouterr().out


def test_the_documentation_has_the_same_codes():
    page = (ROOT / "docs" / "guide" / "command_line.rst").read_text(encoding="utf-8")
    for code in re.findall(r"^  (\d+) ", EXIT_CODES, re.MULTILINE):
        assert re.search(rf"^   \* - {code}$", page, re.MULTILINE), code


OUTCOMES = [
    ["genuine"],
    ["genuine", "inconclusive"],
    ["genuine", "suspicious"],
    ["suspicious", "inconclusive"],
    ["error", "suspicious"],
    ["error", "genuine"],
]


def test_no_command_but_a_verdict_returns_one():
    assert code_of(ValueError()) == 2
    assert code_of(MemoryError()) == 3
    users = [path.name for path in Path(_exit_codes.__file__).parent.glob("*.py")
             if re.search(r"\bSUSPICIOUS\b", path.read_text(encoding="utf-8"))]  # fmt: skip
    assert users == ["_exit_codes.py"]
    codes = [code_of_outcomes(set(outcomes)) for outcomes in OUTCOMES]
    assert codes == [0, 5, 1, 1, 2, 2]


def test_a_model_that_needs_trust_is_bad_input(folder):
    arguments = ["score", folder / "model", folder / "000.png", folder / "001.png"]
    assert main([*map(str, arguments)]) == 2
    assert main([*map(str, arguments), "--trust", TINY, "--device", "cpu"]) == 0


@POSIX
def test_an_error_in_the_handling_of_an_error_is_no_verdict():
    code, out, _ = outcome("compare", "-q", "a", "good", code=BROKEN_REPORTING)
    assert (code, out) == (3, "")


BROKEN_REPORTING = """
import named_verdicts
def fail():
    raise ValueError("x")
named_verdicts.install(fail)
from sklearn_diffake import cli
def broken(*words):
    raise NameError("as after an interrupted import")
cli._print_line = broken
cli.run()
"""


@POSIX
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BrokenPipeError(errno.EPIPE, "broken pipe"), _process.BROKEN_PIPE),
        (OSError(errno.ENOSPC, "no space"), _process.FAILED),
        (ValueError("I/O operation on closed file"), _process.FAILED),
    ],
)
def test_output_that_cannot_be_flushed_goes_nowhere(error, expected, tmp_path, monkeypatch):
    class Failing:
        def __init__(self, descriptor):
            self.fileno = lambda: descriptor

        def flush(self):
            raise error

    with open(tmp_path / "output", "wb") as file:
        monkeypatch.setattr(_process.sys, "stdout", Failing(file.fileno()))
        code = _process.flush_output(0)
        monkeypatch.undo()
        assert code == expected
        assert stat.S_ISCHR(os.fstat(file.fileno()).st_mode), "later text would fail again"


def test_an_interrupt_and_an_error_without_an_answer_have_codes(monkeypatch):
    def codes(error):
        def fail():
            raise error

        monkeypatch.setattr(_process.Signals, "install", lambda self: None)
        monkeypatch.setattr(_process.sys, "stderr", sys.stderr)
        with pytest.raises(SystemExit) as caught:
            _process.run_program(fail)
        return caught.value.code

    assert codes(KeyboardInterrupt()) == _process.INTERRUPTED
    assert codes(NameError("as after an interrupted import")) == _process.FAILED
    assert codes(SystemExit(2)) == 2


@POSIX
def test_only_own_handlers_are_removed(monkeypatch):
    monkeypatch.setattr(_process, "_SIGNALS", ("SIGUSR1", "SIGUSR2", "SIG_OF_NO_SYSTEM"))

    def other(number, frame):
        return None

    former = {name: signal.getsignal(getattr(signal, name)) for name in ("SIGUSR1", "SIGUSR2")}
    signals = _process.Signals()
    try:
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signals.install()
        assert signal.getsignal(signal.SIGUSR2) == signal.SIG_IGN
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR1)  # a second one does not disturb the tidying up
        assert signals.received == signal.SIGUSR1
        signal.signal(signal.SIGUSR2, other)
        signals.uninstall()
        assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGUSR2) is other
    finally:
        for name, handler in former.items():
            signal.signal(getattr(signal, name), handler)
