"""Videos whose frames carry their own number as a bar code."""

import av
import numpy as np

BITS = 10


def picture(number, size=(96, 64)):
    """A frame: at the top its number, lowest bit left, and below a square that moves."""
    width, height = size
    image = np.full((height, width, 3), 40, dtype=np.uint8)
    remaining = number * 3 % (width - 20)
    image[height // 3 : height // 3 + 20, remaining : remaining + 20] = (200, 120, 60)
    for bit in range(BITS):
        bar = slice(round(bit * width / BITS), round((bit + 1) * width / BITS))
        image[: height // 6 + 2, bar] = 235 if number >> bit & 1 else 16
    return image


def number_of(image):
    """The number that the bar code of a frame says."""
    height, width = image.shape[:2]
    bars = image[: height // 6].mean(axis=(0, 2))
    middles = [bars[int((b + 0.3) * width / BITS) : int((b + 0.7) * width / BITS)].mean()
               for b in range(BITS)]  # fmt: skip
    return sum(1 << bit for bit, bright in enumerate(middles) if bright > 128)


def write(path, codec, container=None, pixels="yuv420p", options=None, size=(96, 64), n=30,
          times=None, rate=25, flags=None):  # fmt: skip
    """Write a video; `times` are those of the frames, in units of the rate."""
    with av.open(str(path), "w", format=container, options=flags or {}) as file:
        stream = file.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.thread_count = 1
        for number in range(n):
            frame = av.VideoFrame.from_ndarray(picture(number, size), format="rgb24")
            frame.pts = number if times is None else times[number]
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def decode_all(path, index=None):
    """All frames in the order in which a plain loop decodes them."""
    with av.open(str(path)) as file:
        stream = file.streams.best("video") if index is None else file.streams[index]
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
