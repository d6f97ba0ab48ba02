"""Who holds a claim, and whether it is still running."""

from __future__ import annotations

import functools
import os
import platform
import threading
from pathlib import Path


@functools.cache
def _host() -> str:
    """Name the place in which process ids mean something: the host and its pid namespace."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return f"{platform.node()}:{namespace}"


def _process_state(pid: int) -> tuple[str, str] | None:
    """Give state and start time of a process as Linux tells them, None where it does not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return None


def current_owner() -> str:
    """Name the calling thread so that no other, past or present, has the same name."""
    pid = os.getpid()
    process = _process_state(pid)
    return "|".join([_host(), str(pid), process[1] if process else "", str(threading.get_ident())])


def is_running(owner: str) -> bool:
    """Say whether the process in the name `owner` may still be running.

    On another host, and on Windows, which has no harmless way to ask, the answer is yes: there a
    claim ends by its time alone.
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
