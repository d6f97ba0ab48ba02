"""The command line ``sklearn-diffake``: fit models and judge pairs without code."""

from __future__ import annotations

import contextlib
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from ..utils._progress import listening, write_line
from ._arguments import PROGRAM, parse_arguments
from ._exit_codes import BAD_INPUT, BROKEN_PIPE, FAILED, INTERRUPTED, code_of, is_out_of_memory
from ._options import with_flags
from ._process import discard, run_program

__all__ = ["main"]


def run() -> NoReturn:
    """Run the command line as a process of its own, as the command ``sklearn-diffake`` does.

    Raises
    ------
    SystemExit
        With the exit code.
    """
    run_program(main)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments after the program's name; None takes those of the process.

    Returns
    -------
    int
        The exit code: 0 every probe is genuine (or the work is done), 1 at least one is
        suspicious, 2 bad input, 3 the program failed (out of memory, an unexpected error), 4 jobs
        of a benchmark failed, 5 none is suspicious and at least one is inconclusive, 130
        interrupted, 141 the reader of the output went away.

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
    debug = False
    try:
        args = parse_arguments(argv)
        debug = args.debug
        with warnings.catch_warnings(), listening(args.verbose):
            if args.quiet:
                warnings.simplefilter("ignore")
            warnings.showwarning = _show_warning
            code: int = args.run(args)
            sys.stdout.flush()
            return code
    except BrokenPipeError:  # `head`, say, has seen enough
        with contextlib.suppress(OSError, ValueError):
            discard(sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        _say("error", "interrupted")
        return INTERRUPTED
    except Exception as error:
        return _report(error, debug)


def _report(error: Exception, debug: bool) -> int:
    """Say what went wrong; return the exit code, whatever else goes wrong meanwhile."""
    try:
        if debug:
            traceback.print_exception(error)
        code = code_of(error)
        text = str(error) if code == BAD_INPUT else f"{type(error).__name__}: {error}"
        _say("error", f"out of memory: {text}" if is_out_of_memory(error) else text)
    except (MemoryError, OSError, ValueError):
        return FAILED
    return code


def _show_warning(message: Any, *context: Any, **more: Any) -> None:
    _say("warning", str(message))


def _say(kind: str, message: str) -> None:
    """Write one line to standard error."""
    write_line(f"{PROGRAM}: {kind}: {with_flags(' '.join(message.split()))}")
