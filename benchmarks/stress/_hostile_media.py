"""Hostile photographs and videos, and what all kinds of hostile files share."""

import os
import random
import shutil
import struct
from pathlib import Path

import av
import numpy as np
from PIL import Image

from benchmarks.stress import _mutations
from benchmarks.stress._mutations import pillow, png_header, zeros
from sklearn_diffake.datasets import extract_frames, make_face_pairs
from sklearn_diffake.faces import FaceAligner, read_image


class Kind:
    """One kind of file: valid seeds, crafted attacks, a way to spoil, and who reads it.

    Attributes
    ----------
    fraction : float
        Of all inputs.
    mib, seconds : int
        What one input may take.
    """

    suffix, fraction, mib, seconds = "", 0.0, 1024, 5
    refusals, names_file = (ValueError, TypeError, OSError, ImportError), True
    spoil = staticmethod(_mutations.blindly)

    def __init__(self, seed, folder, traps):
        self.seed, self.traps = seed, traps
        self.seeds = self.make(folder)
        self.crafted = self.craft()

    def craft(self):
        return []

    def may_read(self):
        """Return files outside of the folder that an input may name."""
        return ()

    def content(self, number):
        """Return the bytes of an input: the seeds, the crafted ones, then the damaged ones."""
        all_files = [*self.seeds, *self.crafted]
        if number < len(all_files):
            return all_files[number]
        rng = random.Random(f"{self.seed}-{type(self).__name__}-{number}")
        data = rng.choice([data for data in self.pool(number) if len(data) < 2**16])
        try:
            return self.spoil(rng, data, self.seeds)[: 2**20]
        except Exception:  # what was crafted is not made as its kind is
            return _mutations.blindly(rng, data, self.seeds)

    def pool(self, number):
        """Return what an input may be made from."""
        return [*self.seeds, *self.crafted]

    def write(self, folder, number):
        path = folder / f"input{number}{self.suffix}"
        path.write_bytes(self.content(number))
        return str(path)

    def name_in_error(self, path):
        """Return what a refusal must name."""
        return os.path.dirname(path)

    def clear(self, folder, path):
        os.remove(path)


class Images(Kind):
    """Photographs, of nine formats."""

    # the largest picture that is let in takes 0.5 GiB as RGB, and is held up to four times
    fraction, mib, seconds, names_file = 0.57, 4096, 20, False
    spoil = staticmethod(_mutations.png)

    def make(self, folder):
        image = Image.fromarray(
            make_face_pairs(1, size=64, fake_share=0, random_state=0).data[0, 0]
        )
        small, exif = image.resize((24, 20)), Image.Exif()
        exif[0x0112] = 6
        palette, wide = small.quantize(8), Image.fromarray(np.full((9, 9), 999, np.uint16))
        return [
            pillow(small, "JPEG"), pillow(small, "JPEG", progressive=True, exif=exif),
            pillow(small.convert("CMYK"), "JPEG"), pillow(small, "PNG"), pillow(wide, "PNG"),
            pillow(palette, "PNG", transparency=0), pillow(small.convert("LA"), "PNG", exif=exif),
            pillow(palette, "GIF", save_all=True, append_images=[palette]),
            pillow(small, "WEBP"), pillow(small, "WEBP", lossless=True, exif=exif),
            pillow(small, "TIFF"), pillow(small, "TIFF", compression="tiff_lzw"),
            pillow(small, "TIFF", compression="jpeg"), pillow(small.convert("F"), "TIFF"),
            pillow(small, "BMP"), pillow(palette, "BMP"), pillow(small, "PPM"),
            pillow(small, "JPEG2000"), pillow(small, "AVIF"),
        ]  # fmt: skip

    def craft(self):
        return [  # bombs, and other kinds of files
            png_header(60_000, 60_000, (b"IDAT", zeros(2**26))),
            png_header(2**31 - 1, 2**31 - 1, (b"IDAT", b"")),
            png_header(8, 8, (b"zTXt", b"a\0\0" + zeros(2**28)), (b"IDAT", zeros(2**20))),
            png_header(8, 8, (b"iCCP", b"a\0\0" + zeros(2**28)), (b"IDAT", zeros(2**20))),
            b"BM" + struct.pack("<IIIIiiHHIIiiII", 0, 0, 54, 40, 10**5, 10**5, 1, 24, *[0] * 6),
            b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0xF7, 0, 0) + bytes(900) + b";",
            b"P6 100000 100000 255\n", b"P6 " + b"9" * 5000 + b" 1 255\n",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) (w) file\n",
            b"<svg xmlns='http://www.w3.org/2000/svg'><image href='/etc/passwd'/></svg>",
        ]  # fmt: skip

    def use(self, path):
        read_image(path)


class Aligning(Images):
    """The same photographs, to be aligned: the message names row, column and file."""

    fraction, names_file, seconds = 0.005, True, 30

    def use(self, path):
        FaceAligner(size=32, max_size=64, on_missing="crop", device="cpu").fit_transform(
            [[path, path]]
        )


def write_clip(path, codec="mpeg4", side=32, frames=8):
    """Write a video that is the same, byte by byte, every time."""
    with av.open(str(path), "w", options={"fflags": "bitexact"}) as clip:
        stream = clip.add_stream(codec, rate=25)
        stream.width = stream.height = side
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.options = {"preset": "ultrafast"} if codec == "libx264" else {}
        stream.codec_context.thread_count = 1
        for number in range(frames):
            image = np.full((side, side, 3), 20 * number, np.uint8)
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        clip.mux(stream.encode())
    return path


class Videos(Kind):
    """Videos, of three containers, and playlists that claim to be some."""

    # a decoder holds up to seventeen of the largest frames that are let in
    fraction, mib, seconds, names_file = 0.03, 3072, 30, False

    def make(self, folder):
        kinds = {"a.mp4": "mpeg4", "b.mp4": "libx264", "c.avi": "mpeg4", "d.mkv": "mpeg4"}
        return [write_clip(folder / name, codec).read_bytes() for name, codec in kinds.items()]

    def craft(self):
        inside, outside = "../traps/clip.mp4", self.traps.folder / "clip.mp4"
        lists = [f"ffconcat version 1.0\nfile '{name}'\n" for name in (inside, outside)]
        for name in (inside, outside, "../traps/clip.ts", f"{self.traps.url}clip.ts"):
            lists.append(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{name}\n#EXT-X-ENDLIST\n")
            lists.append(f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nu={name}\nm=video 9 RTP/AVP 96\n")
            lists.append(
                "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' "
                "mediaPresentationDuration='PT1S'><Period><AdaptationSet mimeType='video/mp4'>"
                f"<Representation id='0' bandwidth='9'><BaseURL>{name}</BaseURL>"
                "</Representation></AdaptationSet></Period></MPD>"
            )
        return [text.encode() for text in lists] + self.bombs(self.traps.folder)

    def bombs(self, folder):
        """Make videos with large frames, that claim to have some, and that ask for gigabytes."""
        (folder / "bombs").mkdir()
        sizes = (("mpeg4", 8190, 2), ("libx264", 8208, 1), ("mjpeg", 32, 8))
        large, larger, grows = (
            write_clip(folder / "bombs" / f"{side}.avi", codec, side, frames).read_bytes()
            for codec, side, frames in sizes
        )
        header = b"\xff\xc0\0\x11\x08"  # of a JPEG: height and width follow
        first, second, content = grows.split(header, 2)
        content = content.replace(header + struct.pack(">HH", 32, 32), header + b"\xff" * 4)
        grows = header.join((first, second, content))
        gif = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0xF7, 0, 0) + bytes(768)
        gif += b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x08\x02\xff\xff\0;"
        chunks = (
            (b"acTL", struct.pack(">II", 1, 0)),
            (
                b"fcTL",
                struct.pack(">IIIIIHHBB", 0, 60_000, 60_000, 0, 0, 1, 1, 0, 0),
            ),
        )
        animated = png_header(60_000, 60_000, *chunks, (b"IDAT", zeros(2**26)))
        start_bytes, after = self.seeds[0].split(b"stts", 1)  # a table, and how many entries it has
        asks = start_bytes + b"stts" + bytes(4) + b"\x7f\xff\xff\xff" + after[8:]
        return [large, larger, grows, gif, animated, asks]

    def write(self, folder, number):
        content = self.content(number)  # FFmpeg looks at the name of a playlist
        path = folder / f"input{number}{'.m3u8' if content.startswith(b'#EXTM3U') else '.mp4'}"
        path.write_bytes(content)
        return str(path)

    def use(self, path):
        extract_frames(path, cache=Path(path).parent / "frames", n_frames=3)

    def clear(self, folder, path):
        os.remove(path)
        shutil.rmtree(folder / "frames", ignore_errors=True)
