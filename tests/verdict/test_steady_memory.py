"""Memory and open files stay flat over many single verdicts, as a service makes them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/statm").exists(), reason="the numbers come from /proc, which is Linux"
    ),
]
MOST_GROWTH = 30e6
SCRIPT = Path(__file__).with_name("memory_calls.py")


def notes_of(subject):
    """Return the notes of a new process: in an old one, freed memory would hide what is kept."""
    folders = [str(SCRIPT.parents[2]), str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}
    command = [sys.executable, str(SCRIPT), subject]
    process = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(process.stdout.splitlines()[-1])


def test_memory_and_open_files_are_flat():
    start, end = notes_of("verify")
    assert end[0] - start[0] < MOST_GROWTH
    assert end[1] <= start[1]


def test_growth_is_noticed():
    start, end = notes_of("keep")
    assert end[0] - start[0] > MOST_GROWTH
