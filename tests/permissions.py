"""Tests of what a user may not do, also where they are run by one who may do everything."""

import contextlib
import os

import pytest


@contextlib.contextmanager
def unprivileged():
    """Be a user to whom permissions apply."""
    if os.geteuid() != 0:
        yield
        return
    try:
        os.seteuid(65534)
    except OSError:
        pytest.skip("permissions do not apply to this user, who cannot become another")
    try:
        yield
    finally:
        os.seteuid(0)
