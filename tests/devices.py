"""Devices that a test may lose: a fault in what it tests must not cost those of the machine."""

import os

import pytest

NUMBERS = {"null": (1, 3), "zero": (1, 5)}  # of Linux


def expendable_device(folder, name):
    """Make a device of this name in a folder; for who may not, that of the machine is safe."""
    if os.geteuid() != 0:
        return f"/dev/{name}"
    path = folder / name
    try:
        os.mknod(path, 0o666 | 0o020000, os.makedev(*NUMBERS[name]))
    except OSError:
        pytest.skip("cannot make a device")
    if os.stat(path).st_rdev != os.stat(f"/dev/{name}").st_rdev:
        pytest.skip("devices have other numbers here")
    return str(path)


def expendable_stream(folder):
    """Make a link to standard output, as /dev/stdout is one."""
    path = folder / "stdout"
    path.symlink_to("/proc/self/fd/1")
    return str(path)
