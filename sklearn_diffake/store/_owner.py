"""Identify the owner of a claim, and check whether it is still running."""

from __future__ import annotations

import functools
import os
import platform
import threading
from pathlib import Path


@functools.cache
def _host() -> str:
    """Return the scope of process ids: the host and its pid namespace."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return f"{platform.node()}:{namespace}"


def _process_state(pid: int) -> tuple[str, str] | None:
    """Return state and start time of a process on Linux, None elsewhere."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return None


def current_owner() -> str:
    """Return a name of the calling thread that no other thread has or had."""
    pid = os.getpid()
    process = _process_state(pid)
    return "|".join([_host(), str(pid), process[1] if process else "", str(threading.get_ident())])


def is_running(owner: str) -> bool:
    """Return whether the process in the name `owner` may still be running.

    On another host, and on Windows, which has no safe way to check, the answer is yes: there a
    claim ends only when it expires.
    """
    try:
        host, number, started, _ = owner.rsplit("|", 3)
        pid = int(number)
        if host != _host() or os.name == "nt":
            return True
        os.kill(pid, 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except OSError:
        pass  # it runs, and belongs to somebody else
    process = _process_state(pid)
    return process is None or (process[0] not in "ZX" and process[1] == started)
