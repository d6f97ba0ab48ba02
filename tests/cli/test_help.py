"""The examples that the help gives are ones that the command line takes."""

import argparse
import shlex

import pytest

from sklearn_diffake.cli._arguments import PROGRAM, make_parser, parse_arguments


def parsers():
    """The help of the program and of each command."""
    parser = make_parser()
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {"": parser, **commands.choices}


def examples(parser):
    lines = [line.strip() for line in parser.epilog.splitlines()]
    return [line for line in lines if line.startswith(f"{PROGRAM} ")]


EXAMPLES = [(name, line) for name, parser in parsers().items() for line in examples(parser)]


@pytest.mark.parametrize("name", parsers())
def test_every_command_has_examples_in_its_help(name, capsys):
    with pytest.raises(SystemExit):
        parse_arguments([*name.split(), "--help"])
    displayed = capsys.readouterr().out
    assert "\nexamples:\n" in displayed
    lines = [line for command, line in EXAMPLES if command == name]
    assert len(lines) >= 2
    for line in lines:
        assert f"  {line}\n" in displayed
        assert len(line) < 100


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_examples_are_understood(name, line):
    arguments = shlex.split(line.partition(" > ")[0])
    assert arguments[0] == PROGRAM
    if "--print-completion" in arguments:
        pytest.importorskip("shtab")
        with pytest.raises(SystemExit) as stop:
            parse_arguments(arguments[1:])
        assert stop.value.code == 0
        return
    assert not name or arguments[1] == name
    assert callable(parse_arguments(arguments[1:]).run)


def test_a_wrong_example_would_be_found(capsys):
    with pytest.raises(SystemExit):
        parse_arguments(shlex.split("compare passport.jpg selfie.jpg --raport why.html"))
