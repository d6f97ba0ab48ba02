"""Feed spoilt and crafted files to everything that reads files, and see that each is refused.

Every input is made from a small valid file, the seed and its number alone. It is used in a process
with limits of memory and time, which an audit hook and traps watch. What must not happen: a crash,
a hang, memory past its limit, an error of another kind than is documented or that does not name the
file, code that is run, a file, a module or a port outside that is reached.

    python benchmarks/hostile.py [--inputs 100000] [--minutes 60] [--seed 0] [--only png] [--save]
    python benchmarks/hostile.py --only models --at 123     # one input again, with its traceback
"""

from sklearn_diffake.utils._torchvision import import_torchvision  # isort: skip

import_torchvision()
import argparse
import functools
import io
import os
import random
import shutil
import struct
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

import _mutating as mutating
import av
import numpy as np
import onnxruntime  # noqa: F401
import torch
from _guarded import Traps, run_guarded
from _mutating import elsewhere, network, pillow, png_header, zeros
from _yardstick import report
from PIL import Image
from safetensors.torch import save as save_safetensors
from torch import nn

from sklearn_diffake import persistence
from sklearn_diffake.benchmark import read_config
from sklearn_diffake.cli._table import read_pairs
from sklearn_diffake.datasets import extract_frames, load_video_table, make_face_pairs
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner, read_image
from sklearn_diffake.novelty import GaussianMixtureDetector, MahalanobisDetector
from sklearn_diffake.pairs import PairDifference
from sklearn_diffake.pipeline import Pipeline

CROPS = np.zeros((1, 8, 8, 3), np.uint8)


class Kind:
    """One kind of file: valid seeds, crafted attacks, a way to spoil, and who reads it.

    Attributes
    ----------
    share : float
        Of all inputs.
    mib, seconds : int
        What one input may take.
    """

    suffix, share, mib, seconds = "", 0.0, 1024, 5
    refusals, names_file = (ValueError, TypeError, OSError, ImportError), True
    spoil = staticmethod(mutating.blindly)

    def __init__(self, seed, folder, traps):
        self.seed, self.traps = seed, traps
        self.seeds = self.make(folder)
        self.crafted = self.craft()

    def craft(self):
        return []

    def content(self, number):
        """Return the bytes of an input: the seeds as they are, the crafted, then the spoilt."""
        whole = [*self.seeds, *self.crafted]
        if number < len(whole):
            return whole[number]
        rng = random.Random(f"{self.seed}-{type(self).__name__}-{number}")
        data = rng.choice([data for data in whole if len(data) < 2**16])
        try:
            return self.spoil(rng, data, self.seeds)[: 2**20]
        except Exception:  # what was crafted is not made as its kind is
            return mutating.blindly(rng, data, self.seeds)

    def write(self, folder, number):
        path = folder / f"input{number}{self.suffix}"
        path.write_bytes(self.content(number))
        return str(path)

    def clear(self, folder, path):
        os.remove(path)


class Images(Kind):
    """Photographs, of nine formats."""

    # the largest picture that is let in takes 0.5 GiB as RGB, and is held up to four times
    share, mib, seconds, names_file = 0.6, 4096, 20, False
    spoil = staticmethod(mutating.png)

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

    share, names_file, seconds = 0.005, True, 30

    def use(self, path):
        FaceAligner(size=32, max_size=64, on_missing="crop", device="cpu").fit_transform(
            [[path, path]]
        )


class Videos(Kind):
    """Videos, of three containers, and playlists that claim to be some."""

    share, mib, seconds, names_file = 0.02, 2048, 10, False

    def make(self, folder):
        clips = []
        for name, codec in (
            ("a.mp4", "mpeg4"),
            ("b.mp4", "libx264"),
            ("c.avi", "mpeg4"),
            ("d.mkv", "mpeg4"),
        ):
            with av.open(str(folder / name), "w") as clip:
                stream = clip.add_stream(codec, rate=10)
                stream.width = stream.height = 32
                for level in range(0, 160, 20):
                    image = np.full((32, 32, 3), level, np.uint8)
                    clip.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                clip.mux(stream.encode())
            clips.append((folder / name).read_bytes())
        shutil.copy(folder / "a.mp4", self.traps.folder / "clip.mp4")
        with av.open(str(self.traps.folder / "clip.ts"), "w") as clip:
            stream = clip.add_stream("mpeg2video", rate=25)
            stream.width = stream.height = 32
            for _ in range(9):
                clip.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
            clip.mux(stream.encode())
        return clips

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
        return [text.encode() for text in lists]

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


class PairTables(Kind):
    """Tables of pairs for the command line."""

    suffix, share, seconds = ".csv", 0.15, 3

    def make(self, folder):
        rows = "reference,probe,label\na.png,b.png,1\n../c/d.png,/e/f.png,-1\n"
        return [rows.encode(), b'probe,x,reference\n"a,b.png",1,c.png\n', b"one,two\nu.jpg,v.jpg\n"]

    def craft(self):
        return [b"", b"\n", b'"', b"a" * 10**6, b"a," * 10**5, b"reference,probe\n" + b"\0," * 99]

    def spoil(self, rng, data, others):
        return mutating.csv_table(rng, data, others, [str(self.traps.folder / "picture.png")])

    def use(self, path):
        read_pairs(path, labelled=True)


class Manifests(PairTables):
    """Tables of videos and pictures."""

    share, seconds = 0.02, 10

    def make(self, folder):
        for name in ("a1.png", "a2.png", "b1.png", "b2.png"):
            Image.new("RGB", (9, 9)).save(folder / name)
        os.symlink(self.traps.folder / "picture.png", folder / "link.png")
        rows = ["path,label,video,fake_frames,identity"]
        rows += [
            f"{name}{i}.png,{label},{name},,p"
            for name, label in (("a", 1), ("b", -1))
            for i in (1, 2)
        ]
        return ["\n".join(rows).encode(), b"path,label,video\nlink.png,1,v\na1.png,1,v\n"]

    def use(self, path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load_video_table(path, cache=Path(path).parent / "frames", random_state=0)


class Configurations(Kind):
    """Configurations of benchmarks."""

    suffix, share, seconds = ".toml", 0.12, 5
    spoil = staticmethod(mutating.toml)

    def make(self, folder):
        return [
            b'seed = 0\nbatch_size = 8\nbootstrap = 20\nconfidence = 0.9\noutput = "out"\n'
            b'[datasets.rendered]\nloader = "make_face_pairs"\nlimit = 20\n'
            b"arguments = { n_pairs = 60, size = 64 }\n"
            b'[detectors.gmm]\nname = "GaussianMixtureDetector"\nn_components = 2\n'
            b'[candidates.one]\nembedder = "difffake-lite0"\n'
            b'align = { size = 96 }\ndetector = "gmm"\n'
            b'[candidates.two]\nembedder = ["difffake-lite0", "difffake-lite0-identity"]\n'
            b'align = false\noperator = "absolute"\ndetector = "MahalanobisDetector"\n'
            b'[protocols.ablation]\ndatasets = ["rendered"]\nbase = "two"\n'
            b'operators = ["squared", "absolute"]\n'
            b"[protocols.cross-manipulation]\nfolds = 2\n"
        ]

    def craft(self):
        return [
            b'[candidates.a]\nembedder = "hostile_trap:run"\n', b"a = " + b"[" * 10**5,
            b"a = " + b"{b=" * 10**5, b"[" + b"a." * 10**5 + b"a]", b"a = " + b"9" * 10**5, b"\xff",
            self.seeds[0].replace(b'"difffake-lite0"\n', b'"hostile_trap:run"\n'),
        ]  # fmt: skip

    def use(self, path):
        read_config(path)


class Graphs(Kind):
    """ONNX graphs."""

    suffix, share, mib, seconds = ".onnx", 0.03, 1024, 10

    def make(self, folder):
        return [network()]

    def craft(self):
        places = ["../traps/weights.bin", self.traps.folder / "weights.bin", "/etc/passwd", "a\0b"]
        places += ["../" * 30 + "etc/passwd", "x" * 5000, f"{self.traps.url}w", ".", "/dev/zero"]
        sizes = [2**12, 2**15, 2**20, 2**40, 2**62]
        return [network(elsewhere(p)) for p in places] + [network(size=size) for size in sizes]

    def use(self, path):
        FaceEmbedder(path, device="cpu").fit(CROPS)


class Tiny(nn.Module):
    """A network of a few numbers."""

    input_size = 8

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1))

    def forward(self, x):
        return self.layers(x).flatten(1)


class Weights(Kind):
    """Weights as safetensors."""

    suffix, share = ".safetensors", 0.03

    def make(self, folder):
        return [save_safetensors(Tiny().state_dict(), {"input_size": "8"})]

    def craft(self):
        head = b'{"a":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}'
        return [struct.pack("<Q", n) + b"{}" for n in (2, 2**31, 2**63, 2**64 - 1)] + [
            struct.pack("<Q", len(text)) + text for text in (head % (2**62, 2**62), b"[" * 10**5)
        ]

    def spoil(self, rng, data, others):
        if rng.randrange(2):
            return mutating.blindly(rng, data, others)
        size = struct.unpack("<Q", data[:8])[0]
        words = ("F64", "BF16", "F8_E4M3", "BOOL", "layers.0.weight", *mutating.NAMES)
        text = mutating.json_text(rng, data[8 : 8 + size], others, words)
        return struct.pack("<Q", len(text)) + text + data[8 + size :]

    def use(self, path):
        FaceEmbedder("hostile:Tiny", weights=path, device="cpu").fit(CROPS)


class Models(Kind):
    """Saved models."""

    suffix, share, mib, seconds = ".diffake", 0.03, 192, 10
    words = (
        "os",
        "system",
        "builtins",
        "eval",
        "exec",
        "hostile_trap",
        "run",
        "subprocess",
        "Popen",
    )
    words += ("sklearn_diffake.cli", "main", "sklearn_diffake.demo", "FunctionNode", "TypeNode")
    words += ("ObjectNode", "NdArrayNode", "MethodNode", "PartialNode", "JsonNode", "numpy", "load")
    words += ("hostile_trap:run", "pickle", "loads", *mutating.NAMES)

    def make(self, folder):
        rng, found = np.random.default_rng(0), []
        (folder / "net.onnx").write_bytes(network())
        pairs = rng.integers(0, 256, (30, 2, 8, 8, 3), dtype=np.uint8)
        whole = Pipeline([
            ("embed", FaceEmbedder(str(folder / "net.onnx"), device="cpu")),
            ("diff", PairDifference("squared")),
            ("detect", GaussianMixtureDetector(n_components=1)),
        ])  # fmt: skip
        head = MahalanobisDetector()
        for model, X in ((head, rng.normal(size=(30, 3))), (whole, pairs)):
            persistence.save(model.fit(X), folder / "model.diffake", include_weights=True)
            found.append((folder / "model.diffake").read_bytes())
        return found

    def craft(self):
        with zipfile.ZipFile(io.BytesIO(self.seeds[1])) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        name = next(name for name in members if name.startswith("weights/"))
        bomb, found = bytes(2**28), []
        for place in (name, "weights/x", "manifest.json", "model.skops"):
            changed = {**members, place: bomb}
            found.append(mutating.pack_zip(changed.items(), zipfile.ZIP_DEFLATED))
        inner = mutating.pack_zip([("schema.json", bomb)], zipfile.ZIP_DEFLATED)
        found.append(mutating.pack_zip({**members, "model.skops": inner}.items()))
        for place in (
            f"weights/../../{Path(name).name}",
            f"/{name}",
            f"weights//x/{Path(name).name}",
        ):
            found.append(mutating.pack_zip({**members, place: members[name]}.items()))
        return found

    def spoil(self, rng, data, others):
        words = functools.partial(mutating.json_text, words=self.words)
        state = functools.partial(mutating.zipped, inner={".json": words})
        inner = {"manifest.json": mutating.json_text, "model.skops": state}
        return mutating.zipped(rng, data, others, inner)

    def use(self, path):
        persistence.load(path)


KINDS = (Images, Aligning, Videos, PairTables, Manifests, Configurations, Graphs, Weights, Models)


def prepare(folder, seed, only=""):
    """Make folders, traps and kinds; use the seeds of each, so that all is imported."""
    folders = folder / "traps", folder / "seeds", folder / "inside"
    for place in folders:
        place.mkdir()
    os.environ["SKLEARN_DIFFAKE_HOME"] = str(folders[2] / "home")
    traps = Traps(folders[0])
    Image.new("RGB", (9, 9)).save(traps.folder / "picture.png")
    (traps.folder / "weights.bin").write_bytes(bytes(48))
    kinds = [kind for kind in KINDS if only in kind.__name__.lower()]
    made = [kind(seed, folders[2] if kind is Manifests else folders[1], traps) for kind in kinds]
    return made, folders[2], traps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=60, help="give up after")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    parser.add_argument("--at", type=int, help="only this input, without a guard")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    av.logging.set_level(None)
    found, until = {}, time.time() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        kinds, inside, traps = prepare(Path(folder), options.seed, options.only.lower())
        traps.watch()
        for kind in kinds:
            if options.at is not None:
                kind.use(kind.write(inside, options.at))
                continue
            start, count = time.perf_counter(), round(options.inputs * kind.share)
            outcome = run_guarded(kind, range(count), inside, traps, until=until)
            figures = outcome.figures() | {"seconds": round(time.perf_counter() - start, 1)}
            found[type(kind).__name__.lower()] = figures
            print(type(kind).__name__, figures, flush=True)
    total = {key: sum(row[key] for row in found.values()) for key in ("inputs", "findings")}
    report("hostile", {"seed": options.seed, **total, "rows": found})
    raise SystemExit(bool(total["findings"]))


if __name__ == "__main__":
    main()
