"""Memory and open files stay flat over many single verdicts, as a service makes them."""

import io
import os
import resource
from pathlib import Path

import pytest
from image_helpers import faces
from PIL import Image
from verdict_helpers import fitted

from sklearn_diffake import Reference, verify

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="the numbers come from /proc, which is Linux"
)
N_CALLS, N_WARM = 50, 10
SIZE = (840, 1040)  # 2.6 MB: if pictures were kept, memory would grow by 130 MB
MOST_GROWTH = 30e6


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def bmp(image):
    file = io.BytesIO()
    Image.fromarray(image).resize(SIZE).save(file, "BMP")
    return file.getvalue()


def noted(call):
    """Return memory and the number of open files after the warm-up, and at the end."""
    notes = {}
    for number, photo in enumerate(faces(N_CALLS, seed=21), start=1):
        call(bmp(photo))
        if number in (N_WARM, N_CALLS):
            notes[number] = resident_bytes(), len(os.listdir("/proc/self/fd"))
    return notes[N_WARM], notes[N_CALLS]


def test_memory_and_open_files_are_flat():
    reference = Reference(faces(2, seed=7), fitted())
    start, end = noted(lambda content: verify(reference, content))
    assert end[0] - start[0] < MOST_GROWTH
    assert end[1] <= start[1]


def test_growth_is_noticed():
    kept = []
    start, end = noted(kept.append)
    assert end[0] - start[0] > MOST_GROWTH
