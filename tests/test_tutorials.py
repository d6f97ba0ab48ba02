"""Tutorials can be followed to the letter: files and commands run, and print what is shown.

What a tutorial installs, serves or asks of a service is left out; the service has tests of its own.
All else runs with ``-m slow``, for minutes.
"""

import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sklearn_diffake.benchmark import read_config
from sklearn_diffake.cli._arguments import make_parser

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.rst"))
TUTORIALS = [page for page in PAGES if page.stem != "index"]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
PROGRAM = "sklearn-diffake"

pytestmark = pytest.mark.skipif(not PAGES, reason="the tutorials come with the sources only")
each_tutorial = pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)


def read_blocks(page):
    """Yield language, caption and lines of each block of code of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for start, line in enumerate(lines):
        if not (opening := re.match(r"\.\. code-block:: (\w+)$", line)):
            continue
        block, caption = [], None
        for content in lines[start + 1 :]:
            if content and not content.startswith("   "):
                break
            if named := re.match(r"   :caption: (\S+)$", content):
                caption = named[1]
            else:
                block.append(content[3:])
        yield opening[1], caption, "\n".join(block).strip("\n").split("\n")


def read_steps(page):
    """Yield what a reader does: (file to save, its lines) or (command, lines that it prints)."""
    for language, caption, lines in read_blocks(page):
        if caption:
            yield caption, lines
        elif language == "console":
            command, printed = None, []
            for line in lines:
                if line.startswith("$ "):
                    if command:
                        yield command, printed
                    command, printed = line, []
                else:
                    printed.append(line)
            yield command, printed


def commands_of(page):
    """Return the arguments of each command of the package in a page."""
    steps = [step for step, _ in read_steps(page) if step.startswith(f"$ {PROGRAM} ")]
    return [shlex.split(step)[2:] for step in steps]


def is_like(shown, printed):
    """Return whether a printed line is as shown, but for small differences of numbers."""
    pattern = "".join(
        r"(-?[\d.]+)" if NUMBER.fullmatch(part) else re.escape(part).replace(r"\.\.\.", ".*")
        for part in re.split(f"({NUMBER.pattern})", " ".join(shown.split()))
        if part
    )
    if not (match := re.fullmatch(pattern, " ".join(printed.split()))):
        return False
    return all(
        math.isclose(float(a), float(b), rel_tol=0.25, abs_tol=0.05 if "." in a else 3)
        for a, b in zip(NUMBER.findall(shown), match.groups(), strict=True)
        if b.strip(".-")
    )


def missing_lines(shown, printed):
    """Return the lines that are shown and were not printed."""
    expected = [line for line in shown if line.strip() not in ("", "...")]
    return [line for line in expected if not any(is_like(line, other) for other in printed)]


def run(arguments, folder):
    """Run a command in a folder; return the lines of both of its streams."""
    environment = os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        arguments,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=900,
    )
    assert done.returncode in (0, 1), done.stderr[-2000:]  # 1: a probe is suspicious
    return (done.stdout + done.stderr).splitlines()


def follow(page, folder):
    """Do all steps of a tutorial in order."""
    for step, shown in read_steps(page):
        if not step.startswith("$ "):
            (folder / step).write_text("\n".join(shown) + "\n", encoding="utf-8")
            continue
        name, *arguments = shlex.split(step)[1:]
        if name == PROGRAM:
            printed = run([sys.executable, "-m", "sklearn_diffake", *arguments], folder)
        elif name == "python":
            printed = run([sys.executable, *arguments], folder)
        else:
            continue
        assert not missing_lines(shown, printed), (step, printed[-40:])


def test_there_are_three():
    assert [page.stem for page in TUTORIALS] == ["analyst", "identity_verification", "researcher"]


@each_tutorial
def test_its_commands_exist(page):
    parser = make_parser()
    for arguments in commands_of(page):
        parser.parse_args(arguments)  # raises SystemExit if an option has another name


@each_tutorial
def test_its_files_can_be_read(page, tmp_path):
    for name, lines in read_steps(page):
        text = "\n".join(lines) + "\n"
        if name.endswith(".py") and not name.startswith("$"):
            compile(text, name, "exec")
        elif name.endswith(".toml") and not name.startswith("$"):
            tomllib.loads(text)
            (tmp_path / name).write_text(text, encoding="utf-8")
            assert read_config(tmp_path / name).protocols


@pytest.mark.slow
@pytest.mark.timeout(1800)
@each_tutorial
def test_whole_tutorial_prints_what_it_shows(page, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    follow(page, tmp_path)


@pytest.mark.parametrize(
    ("shown", "printed", "alike"),
    [
        ("genuine, p = 0.99", "genuine,  p = 0.98", True),
        ("genuine, p = 0.99", "genuine, p = 0.40", False),
        ("genuine, p = 0.99", "suspicious, p = 0.99", False),
        ("saved: mine.diffake (0.1 MB)", "saved: mine.diffake (0.1 MB)", True),
        ("41 of 42 in ... s", "40 of 42 in 3.5 s", True),
        ("41 of 42", "20 of 42", False),
    ],
)
def test_lines_are_compared_up_to_small_differences(shown, printed, alike):
    assert is_like(shown, printed) is alike
