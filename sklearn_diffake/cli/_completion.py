"""Completion of commands, options and files, by shells."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from sklearn_diffake.cli._parser import PROGRAM
from sklearn_diffake.utils._optional import import_extra

SHELLS = ("bash", "zsh", "tcsh")
_FILES = {
    "PAIRS.csv",
    "MODEL",
    "PHOTO",
    "REFERENCE",
    "PROBE",
    "FILE",
    "CONFIG.toml",
}  # metavars of files
_FOLDERS = {"DIR", "FOLDER"}


class PrintCompletion(argparse.Action):
    """The option ``--print-completion``: write a script that a shell reads, and stop."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        """Write the script for one shell."""
        parser.prog = PROGRAM  # the name that a shell completes, however this was started
        try:
            script = completion(parser, values)
        except ImportError as error:
            parser.exit(2, f"{parser.prog}: error: {error}\n")
        sys.stdout.write(script)
        parser.exit()


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Write the script that completes the words of a command line.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of the command line.
    shell : {"bash", "zsh", "tcsh"}

    Returns
    -------
    str
        The script.

    Raises
    ------
    ImportError
        If shtab is not installed.
    """
    shtab = import_extra("shtab", "cli", "Completion scripts")
    _mark_paths(parser, shtab)
    return str(shtab.complete(parser, shell=shell)) + "\n"  # nosec B604  # the name of a shell


def _mark_paths(parser: argparse.ArgumentParser, shtab: Any) -> None:
    """Mark the arguments that are files or folders, by their names in the help."""
    for action in parser._actions:
        metavars = {action.metavar} if isinstance(action.metavar, str) else set()
        if metavars & _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif metavars & _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _mark_paths(command, shtab)
