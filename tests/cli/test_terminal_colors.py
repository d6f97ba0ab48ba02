"""Verdicts are colored where somebody looks at them, and nowhere else."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sklearn_diffake.cli import main
from sklearn_diffake.cli._verdict_printer import colored, takes_color

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys, named_verdicts
from sklearn_diffake.cli import main
named_verdicts.install()
main(["compare", "a", "good", "unsure", "fake", *sys.argv[1:]])
"""


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize(
    ("file", "variables", "expected"),
    [
        (Terminal, {}, True),
        (io.StringIO, {}, False),
        (Terminal, {"NO_COLOR": "1"}, False),
        (Terminal, {"NO_COLOR": ""}, True),
        (io.StringIO, {"FORCE_COLOR": "1"}, True),
        (io.StringIO, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
    ],
)
def test_who_gets_color(monkeypatch, file, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert takes_color(file()) == expected
    text = colored("genuine", "blue", file())
    assert text == ("\033[38;5;33mgenuine\033[0m" if expected else "genuine")


def on_a_terminal(*text, **variables):
    """What a real terminal receives from the command line."""
    pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, *text],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'cli'}", **variables},
        stdout=terminal,
        stderr=subprocess.DEVNULL,
    )
    os.close(terminal)
    received = b""
    while True:
        try:
            chunk = os.read(controller, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not chunk:
            break
        received += chunk
    os.close(controller)
    process.wait()
    return received.decode()


def test_a_terminal_gets_color():
    received = on_a_terminal()
    assert "\033[38;5;33mgenuine\033[0m" in received
    assert "\033[38;5;208msuspicious\033[0m" in received
    assert "\033[38;5;245minconclusive\033[0m" in received


def test_a_terminal_that_wants_none_gets_none():
    received = on_a_terminal(NO_COLOR="1")
    assert "suspicious" in received
    assert "\033" not in received


def test_json_is_never_colored():
    rows = [json.loads(line) for line in on_a_terminal("--json", FORCE_COLOR="1").splitlines()]
    assert [row["outcome"] for row in rows] == ["genuine", "inconclusive", "suspicious"]


def test_a_pipe_gets_no_color(recorder, capsys):
    main(["compare", "a", "good", "fake"])
    out = capsys.readouterr().out
    assert "suspicious" in out
    assert "\033" not in out
