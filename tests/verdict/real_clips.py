"""A clip for tests that is spliced of two real ones."""

import itertools

import av
import numpy as np

RATE, SECONDS_GENUINE, SECONDS_FAKE = 6, 50, 10  # frames a second of the spliced clip


def frames_at(path, seconds, start=0.0):
    """Return frames of a clip, `RATE` a second."""
    frames, due = [], start
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time >= due:
                frames.append(frame.to_ndarray(format="rgb24"))
                due += 1 / RATE
            if len(frames) == round(seconds * RATE):
                break
    return frames


def splice(path, genuine, fake):
    """Write 50 seconds of genuine clips with 10 seconds of a fake one in their middle."""
    own_values = []
    for clip in itertools.cycle(genuine):
        own_values += frames_at(clip, SECONDS_GENUINE - len(own_values) / RATE)
        if len(own_values) == SECONDS_GENUINE * RATE:
            break
    middle = len(own_values) // 2
    altered = frames_at(fake, SECONDS_FAKE)  # the fake clip must be as long
    assert len(altered) == SECONDS_FAKE * RATE
    frames = own_values[:middle] + altered + own_values[middle:]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        height, width = frames[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "18", "preset": "ultrafast"}
        for image in frames:
            same_size = image[:height, :width]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(same_size), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return middle / RATE, middle / RATE + SECONDS_FAKE
