"""Memory and open files of a process of its own, over many calls: printed as JSON.

python memory_calls.py verify|keep
"""

import io
import json
import os
import resource
import sys
from pathlib import Path

from image_helpers import faces
from PIL import Image
from verdict_helpers import fitted

from sklearn_diffake import Reference, verify

N_CALLS, N_WARM = 30, 8
SIZE = (840, 1040)  # 2.6 MB: if pictures were kept, memory would grow by 57 MB


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def bmp(image):
    file = io.BytesIO()
    Image.fromarray(image).resize(SIZE).save(file, "BMP")
    return file.getvalue()


def main(subject):
    """Call again and again; note memory and open files after the warm-up, and at the end."""
    remaining, notes = [], []
    if subject == "verify":
        reference = Reference(faces(2, seed=7), fitted())
    for number, photo in enumerate(faces(N_CALLS, seed=21), start=1):
        content = bmp(photo)
        if subject == "verify":
            verify(reference, content)
        else:
            remaining.append(content)
        if number in (N_WARM, N_CALLS):
            notes.append([resident_bytes(), len(os.listdir("/proc/self/fd"))])
    print(json.dumps(notes))


if __name__ == "__main__":
    main(sys.argv[1])
