"""The command line ``sklearn-diffake``: fit models and judge pairs without code."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from sklearn_diffake.cli._arguments import PROGRAM, parse_arguments
from sklearn_diffake.cli._exit_codes import (
    BAD_INPUT,
    BROKEN_PIPE,
    FAILED,
    INTERRUPTED,
    code_of,
    is_out_of_memory,
)
from sklearn_diffake.cli._options import with_flags
from sklearn_diffake.cli._process import discard, run_program
from sklearn_diffake.utils._progress import listening, write_line

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

    See Also
    --------
    sklearn_diffake.verify : Judges one probe from Python.
    sklearn_diffake.benchmark.run_benchmark : Runs a benchmark from Python.
    sklearn_diffake.demo.run_demo : Runs the demo from Python.

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
    except BrokenPipeError:  # such as `head`, after its lines
        with contextlib.suppress(OSError, ValueError):
            discard(sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        _print_line("error", "interrupted")
        return INTERRUPTED
    except Exception as error:
        return _report(error, debug)


def _report(error: Exception, debug: bool) -> int:
    """Print an error; return the exit code, also if printing fails."""
    try:
        if debug:
            traceback.print_exception(error)
        code = code_of(error)
        text = _error_text(error)
        text = text if code == BAD_INPUT else f"{type(error).__name__}: {text}"
        _print_line("error", f"out of memory: {text}" if is_out_of_memory(error) else text)
    except (MemoryError, OSError, ValueError):
        return FAILED
    return code


def _error_text(error: Exception) -> str:
    """Return the message of an error; that of the system without its number, the file first."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        strerror = error.strerror[0].lower() + error.strerror[1:]
        return f"{os.fsdecode(error.filename)!r}: {strerror}"
    return str(error)


def _show_warning(message: Any, *context: Any, **options: Any) -> None:
    _print_line("warning", str(message))


def _print_line(kind: str, message: str) -> None:
    """Write one line to standard error."""
    write_line(f"{PROGRAM}: {kind}: {with_flags(' '.join(message.split()))}")
