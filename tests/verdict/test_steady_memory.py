"""Memory and open files stay flat over many single verdicts, as a service makes them."""

import json
from pathlib import Path

import forked_programs
import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="the numbers come from /proc, which is Linux"
)
MOST_GROWTH = 30e6
SCRIPT = Path(__file__).with_name("memory_calls.py")


def notes_of(subject):
    """Return the notes of a new process: in an old one, freed memory would hide what is kept."""
    code = f"import memory_calls; memory_calls.main({subject!r})"
    return json.loads(forked_programs.run(code, cwd=SCRIPT.parent).splitlines()[-1])


def test_memory_and_open_files_are_flat():
    start, end = notes_of("verify")
    assert end[0] - start[0] < MOST_GROWTH
    assert end[1] <= start[1]


def test_growth_is_noticed():
    start, end = notes_of("keep")
    assert end[0] - start[0] > MOST_GROWTH
