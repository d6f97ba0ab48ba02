"""What kind of file it is."""

from __future__ import annotations

import os

#: Endings of the names of videos.
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"})


def is_video(path: str) -> bool:
    """Tell whether a file is named as a video."""
    return os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES
