"""The command line: ``sklearn-diffake fit``, ``score``, ``compare``, ``benchmark``, ``demo``."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from ..utils._progress import listening, write_line
from ._arguments import PROGRAM, parse_arguments

__all__ = ["main"]

_BROKEN_PIPE, _INTERRUPTED = 141, 130  # as shells report SIGPIPE and SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments after the program's name; None takes those of the process.

    Returns
    -------
    int
        The exit code: 0 every probe is genuine (or the work is done), 1 at least one is a
        deepfake (or a cell of a benchmark failed), 2 bad input, 130 interrupted, 141 the reader of
        the output went away.

    Raises
    ------
    SystemExit
        With code 2 if the arguments are wrong, with 0 after ``--help`` and ``--version``.

    Examples
    --------
    >>> from sklearn_diffake.cli import main
    >>> main(["score", "no-such-model.diffake", "a.jpg", "b.jpg"])
    2
    """
    args = parse_arguments(argv)
    with warnings.catch_warnings(), listening(args.verbose):
        if args.quiet:
            warnings.simplefilter("ignore")
        warnings.showwarning = _show_warning
        try:
            code: int = args.run(args)
            sys.stdout.flush()
            return code
        except BrokenPipeError:  # `head`, say, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _BROKEN_PIPE
        except KeyboardInterrupt:
            _say("error", "interrupted")
            return _INTERRUPTED
        except Exception as error:
            if args.debug:
                raise
            expected = isinstance(error, (ValueError, TypeError, OSError, ImportError))
            _say("error", str(error) if expected else f"{type(error).__name__}: {error}")
            return 2


def _show_warning(message: Any, *context: Any, **more: Any) -> None:
    _say("warning", str(message))


def _say(kind: str, message: str) -> None:
    """Write one line to standard error."""
    write_line(f"{PROGRAM}: {kind}: {' '.join(message.split())}")
