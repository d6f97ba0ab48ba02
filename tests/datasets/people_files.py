"""Tiny videos with people in them, whom the face detector finds, and videos that are no use."""

import numpy as np
from image_helpers import small_face
from PIL import Image
from video_files import ROTATIONS, picture, write_video

N_FRAMES = 3  # in every video here
RUDDY, PALE = (1.0, 0.75, 0.55), (0.55, 0.8, 1.0)  # tints of the two people


def make_videos(folder):
    """Write a video of each kind; return their paths."""
    upright = _make_single((112, 128), 104)
    turned = [np.ascontiguousarray(np.rot90(image)) for image in upright]
    empty_frames = [picture(i, (128, 96)) for i in range(N_FRAMES)]
    videos = {
        "tall": _write(folder / "tall.mp4", upright),
        "wide": _write(folder / "wide.mp4", _make_single((160, 112), 92)),
        "small": _write(folder / "small.mp4", _make_single((96, 96), 84)),
        "rotated": _write(folder / "rotated.mp4", turned, matrix=ROTATIONS[90]),
        "two people": _write(folder / "two.mp4", _make_joint()),
        "no face": _write(folder / "nobody.mp4", empty_frames),
        "no index": _write(folder / "no_index.mp4", upright),  # it would be at the end
        "half of it": _write(folder / "half.mp4", upright, faststart=True),
    }
    for name in ("no index", "half of it"):
        content = videos[name].read_bytes()
        videos[name].write_bytes(content[: len(content) * 7 // 10])
    return videos


def _write(path, images, **options):
    height, width = images[0].shape[:2]
    return write_video(path, len(images), images=images, size=(width, height), **options)


def _stand(size, *people):
    """A gray room of this (width, height), and people: (tint, left, height of the head)."""
    image = np.full((size[1], size[0], 3), 96, dtype=np.uint8)
    for tint, remaining, height in people:
        face = Image.fromarray(small_face()).resize((height * 4 // 5, height))
        image[6 : 6 + height, remaining : remaining + face.width] = np.round(
            np.asarray(face) * tint
        )
    return image


def _make_single(size, height):
    """The ruddy one, who moves to the right."""
    return [_stand(size, (RUDDY, 4 + 4 * i, height)) for i in range(N_FRAMES)]


def _make_joint():
    """Both, who move towards each other; the pale one is the larger in the middle frame only."""
    return [
        _stand((256, 112), (PALE, 4 + 2 * i, (66, 104, 66)[i]), (RUDDY, 170 - 4 * i, 88))
        for i in range(N_FRAMES)
    ]


def tints(image):
    """Shares of an image that are ruddy and pale."""
    red, _, blue = np.moveaxis(image.astype(int), 2, 0)
    return (red > blue + 30).mean(), (blue > red + 30).mean()


def quarter_turns(image):
    """By how many quarter turns, anticlockwise, a picture of a face lies wrong."""
    upright = _to_gray(small_face())
    likeness = [np.corrcoef(np.rot90(upright, k).ravel(), _to_gray(image).ravel())[0, 1]
                for k in range(4)]  # fmt: skip
    return int(np.argmax(likeness))


def _to_gray(image):
    return np.asarray(Image.fromarray(image).convert("L").resize((24, 24)), dtype=float)
