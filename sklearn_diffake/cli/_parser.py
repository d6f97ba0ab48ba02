"""The parser of arguments: errors of one line that propose what was probably meant."""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from ..utils._messages import nearest

PROGRAM = "sklearn-diffake"


def program_name() -> str:
    """Return what was typed to get this program: the command, or the module of Python."""
    own = os.path.join("sklearn_diffake", "__main__.py")
    return "python -m sklearn_diffake" if sys.argv[0].endswith(own) else PROGRAM


def command_to_type() -> str:
    """Return what to type to get this program: its path, if its name alone is not in the path."""
    name = program_name()
    if name != PROGRAM or shutil.which(PROGRAM):
        return name
    return os.path.relpath(sys.argv[0])


class Parser(argparse.ArgumentParser):
    """Say in one line what is wrong, and what was probably meant."""

    def error(self, message: str) -> Any:
        """End the program with code 2."""
        self.exit(2, f"{PROGRAM}: error: {message} (see {self.prog} --help)\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse options that do not exist before arguments are missed."""
        words = sys.argv[1:] if args is None else list(args)
        if not any(isinstance(a, argparse._SubParsersAction) for a in self._actions):
            self._refuse_unknown_options(words)
        return super().parse_known_args(words, namespace)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            advice = nearest(str(value), action.choices)
            raise argparse.ArgumentError(None, f"there is no command {value!r}; {advice}")
        super()._check_value(action, value)

    def _refuse_unknown_options(self, words: Sequence[str]) -> None:
        options = [name for name in self._option_string_actions if name.startswith("--")]
        for word in words:
            if word == "--":
                return
            name = word.partition("=")[0]
            if name.startswith("--") and not any(known.startswith(name) for known in options):
                close = difflib.get_close_matches(name, options, n=1)
                advice = f"; did you mean {close[0]}?" if close else ""
                self.error(f"there is no option {name}{advice}")
