"""What messages propose, and that they name flags."""

import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import error_of

from sklearn_diffake.cli import main
from sklearn_diffake.cli._options import with_flags

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["comapre", "a", "b"], "there is no command 'comapre'; did you mean 'compare'?"),
        (["Score"], "did you mean 'score'?"),
        (["fnd", "photos"], "there is no command 'fnd'; did you mean 'find'?"),
        (["wacth", "inbox"], "there is no command 'wacth'; did you mean 'watch'?"),
        (["find", "photos", "--adjsut", "bh"], "no option --adjsut; did you mean --adjust?"),
        (["watch", "inbox", "--camrea", "0"], "no option --camrea; did you mean --camera?"),
        (
            ["xyz"],
            "expected one of annotate, backbones, benchmark, calibrate, compare, demo",
        ),
        (
            ["compare", "a", "--refrence", "c"],
            "no option --refrence; did you mean --reference?",
        ),
        (["fit", "p.csv", "--ouput", "m"], "no option --ouput; did you mean --output?"),
        (["fit", "p.csv", "--ouput=m"], "no option --ouput; did you mean --output?"),
        (["fit", "p.csv", "--wxyz"], "there is no option --wxyz (see"),
    ],
)
def test_did_you_mean(arguments, expected, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert expected in error_of(capsys)


def test_options_may_be_shortened_and_ended(recorder):
    assert main(["compare", "--ref", "a", "--pro", "good"]) == 0
    assert main(["compare", "--json", "--", "a", "--good"]) == 0
    assert recorder.calls == [("a", "good"), ("a", "--good")]


def test_help_of_a_command(capsys):
    assert main(["help", "compare"]) == 0
    text = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    assert capsys.readouterr().out == text
    assert main(["help"]) == 0
    assert "positional arguments:" in capsys.readouterr().out
    assert main(["help", "cmopare"]) == 2
    assert "did you mean 'compare'?" in error_of(capsys)


def test_the_module_shows_its_own_name():
    command = [sys.executable, "-m", "sklearn_diffake", "help", "fit"]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert completed.stdout.startswith("usage: python -m sklearn_diffake fit ")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("n_frames=0, expected more", "--frames 0, expected more"),
        ("raise target_bpcer or n_components.", "raise --target-bpcer or --components."),
        ("the device of the select committee", "the device of the select committee"),
        ("device='cuda9' is not available", "--device 'cuda9' is not available"),
        ("file 'device=x n_frames=3.jpg': no", "file 'device=x n_frames=3.jpg': no"),
        ("my_device=3, detect__device=4", "my_device=3, detect__device=4"),
    ],
)
def test_messages_name_flags(message, expected):
    assert with_flags(message) == expected
