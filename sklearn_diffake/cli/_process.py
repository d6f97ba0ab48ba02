"""The process around the command line: its streams, its signals, its exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

from sklearn_diffake.cli._exit_codes import BROKEN_PIPE, FAILED, INTERRUPTED

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def run_program(main: Any) -> NoReturn:
    """Run a command line as a process of its own, and end it.

    SIGTERM and SIGHUP end it as Ctrl-C does, so that temporary files are removed. A stream that
    is closed is the null device, and what cannot be written to standard error is dropped: the
    exit code means the same as ever.

    Parameters
    ----------
    main : callable
        Takes nothing, and returns an exit code.

    Raises
    ------
    SystemExit
        Always, with the exit code.
    """
    signals = Signals()
    code: Any = FAILED
    try:
        signals.install()
        open_closed_streams()
        sys.stderr = Dropping(sys.stderr)
        code = main()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as stop:
        code = stop.code
    except Exception:  # after an interrupted step; Python's own code would be 1
        code = FAILED
    signals.uninstall()
    code = flush_output(code)
    _forget_interrupt()
    sys.exit(code if signals.received is None else 128 + signals.received)


def _forget_interrupt() -> None:
    """Let ``python -m`` end with our code after an interrupt that we have handled.

    An interrupt that leaves an ``exec`` of text, as modules use when they are imported, sets a flag
    in CPython, which then ends the process by SIGINT, whatever the code. Running any text clears
    it.
    """
    exec("")  # nosec B102


class Signals:
    """Turn the signals that end a program into a `KeyboardInterrupt`, and note which came.

    Attributes
    ----------
    received : int or None
        The first that came, also if something has swallowed the exception.
    """

    def __init__(self) -> None:
        self.received: int | None = None

    def install(self) -> None:
        """Handle the signals, except those that the parent process set to be ignored."""
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                signal.signal(number, self._interrupt)

    def uninstall(self) -> None:
        """Let them end the process at once, with the code that is theirs."""
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == self._interrupt:
                signal.signal(number, signal.SIG_DFL)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        first = self.received is None
        if first:
            self.received = number
        if first or number == signal.SIGINT:  # the others do not disturb the tidying up
            raise KeyboardInterrupt


class Dropping:
    """A text stream that drops text that it cannot write.

    Parameters
    ----------
    stream : text stream
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or drop the text."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or drop the text."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def open_closed_streams() -> None:
    """Replace closed standard streams by the null device.

    Else Python would write to standard output what is meant for standard error, and the next file
    to be opened, the store perhaps, would get what a library writes to descriptor 2.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            discard(number)
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def discard(number: int) -> None:
    """Let a descriptor lead to the null device."""
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)


def flush_output(code: Any) -> Any:
    """Flush standard output; return the exit code, which is another if that fails."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError, ValueError):
            discard(sys.stdout.fileno())
        return BROKEN_PIPE if isinstance(error, BrokenPipeError) else FAILED
    return code
