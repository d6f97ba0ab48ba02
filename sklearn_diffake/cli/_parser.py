"""The parser of arguments: errors of one line with the closest names."""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from sklearn_diffake.utils._messages import nearest

PROGRAM = "sklearn-diffake"


def program_name() -> str:
    """Return the name of this program as it was called: the command, or the module of Python."""
    module = os.path.join("sklearn_diffake", "__main__.py")
    return "python -m sklearn_diffake" if sys.argv[0].endswith(module) else PROGRAM


def command_to_type() -> str:
    """Return the command that starts this program: a path, if its name is not in PATH."""
    name = program_name()
    if name != PROGRAM or shutil.which(PROGRAM):
        return name
    return os.path.relpath(sys.argv[0])


class Parser(argparse.ArgumentParser):
    """Report an error in one line, with the closest name."""

    def error(self, message: str) -> Any:
        """End the program with code 2."""
        self.exit(2, f"{PROGRAM}: error: {message} (see {self.prog} --help)\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse options that do not exist before arguments are missed."""
        arguments = sys.argv[1:] if args is None else list(args)
        if not any(isinstance(a, argparse._SubParsersAction) for a in self._actions):
            self._refuse_unknown_options(arguments)
        return super().parse_known_args(arguments, namespace)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            advice = nearest(str(value), action.choices)
            raise argparse.ArgumentError(None, f"there is no command {value!r}; {advice}")
        super()._check_value(action, value)

    def _refuse_unknown_options(self, arguments: Sequence[str]) -> None:
        options = [name for name in self._option_string_actions if name.startswith("--")]
        for argument in arguments:
            if argument == "--":
                return
            name = argument.partition("=")[0]
            if name.startswith("--") and not any(option.startswith(name) for option in options):
                close = difflib.get_close_matches(name, options, n=1)
                advice = f"; did you mean {close[0]}?" if close else ""
                self.error(f"there is no option {name}{advice}")
