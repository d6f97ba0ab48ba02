"""The exit codes of the program."""

from __future__ import annotations

import errno

SUCCESS, SUSPICIOUS, BAD_INPUT, FAILED, JOBS_FAILED, INCONCLUSIVE = range(6)
INTERRUPTED, BROKEN_PIPE = 130, 141  # as shells report SIGINT and SIGPIPE

EXIT_CODES = """\
exit codes:
  0    every probe is genuine; for commands that judge nothing: done
  1    at least one probe is suspicious, and nothing else has this code
  2    bad usage or bad input, also when single probes could not be judged
  3    the program failed: out of memory, or an error that it did not expect
  4    benchmark is done, but jobs failed; the report says which, and why
  5    no probe is suspicious, but at least one is inconclusive
  129  the terminal was closed (SIGHUP)
  130  interrupted (SIGINT, Ctrl-C)
  141  the reader of the output went away
  143  terminated (SIGTERM)
"""

_OUT_OF_MEMORY = ("failed to map segment", "cannot allocate memory")  # as imports write it


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that there is no memory left."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    text = str(error).lower() if isinstance(error, ImportError) else ""
    return any(phrase in text for phrase in _OUT_OF_MEMORY)


def code_of(error: Exception) -> int:
    """Return the exit code of an error: the fault of the input, or not."""
    if is_out_of_memory(error):
        return FAILED
    expected = isinstance(error, (ValueError, TypeError, OSError, ImportError))
    return BAD_INPUT if expected else FAILED


def code_of_outcomes(outcomes: set[str]) -> int:
    """Return the exit code of verdicts.

    Parameters
    ----------
    outcomes : set of str
        Those that occurred, see `Verdict`.

    Returns
    -------
    int
    """
    if "error" in outcomes:
        return BAD_INPUT
    if "suspicious" in outcomes:
        return SUSPICIOUS
    return INCONCLUSIVE if "inconclusive" in outcomes else SUCCESS
