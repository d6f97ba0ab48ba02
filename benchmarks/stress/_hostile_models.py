"""Hostile ONNX graphs, weights and saved models."""

import functools
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime  # noqa: F401
import torch
from safetensors.torch import save as save_safetensors
from torch import nn

from benchmarks.stress import _mutations
from benchmarks.stress._hostile_media import Kind
from benchmarks.stress._mutations import elsewhere, network
from sklearn_diffake import persistence
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.novelty import GaussianMixtureDetector, MahalanobisDetector
from sklearn_diffake.pairs import PairDifference
from sklearn_diffake.pipeline import Pipeline

CROPS = np.zeros((1, 8, 8, 3), np.uint8)


class Graphs(Kind):
    """ONNX graphs."""

    suffix, fraction, mib, seconds = ".onnx", 0.03, 1024, 10

    def make(self, folder):
        return [network()]

    def craft(self):
        paths = ["../traps/weights.bin", self.traps.folder / "weights.bin", "/etc/passwd", "a\0b"]
        paths += ["../" * 30 + "etc/passwd", "x" * 5000, f"{self.traps.url}w", ".", "/dev/zero"]
        sizes = [2**12, 2**15, 2**20, 2**40, 2**62]
        return [network(elsewhere(p)) for p in paths] + [network(size=size) for size in sizes]

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

    suffix, fraction = ".safetensors", 0.03

    def make(self, folder):
        torch.manual_seed(0)
        return [save_safetensors(Tiny().state_dict(), {"input_size": "8"})]

    def craft(self):
        header = b'{"a":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}'
        return [struct.pack("<Q", n) + b"{}" for n in (2, 2**31, 2**63, 2**64 - 1)] + [
            struct.pack("<Q", len(text)) + text for text in (header % (2**62, 2**62), b"[" * 10**5)
        ]

    def spoil(self, rng, data, donors):
        if rng.randrange(2):
            return _mutations.blindly(rng, data, donors)
        size = struct.unpack("<Q", data[:8])[0]
        strings = ("F64", "BF16", "F8_E4M3", "BOOL", "layers.0.weight", *_mutations.NAMES)
        text = _mutations.json_text(rng, data[8 : 8 + size], donors, strings)
        return struct.pack("<Q", len(text)) + text + data[8 + size :]

    def use(self, path):
        FaceEmbedder("_hostile_models:Tiny", weights=path, device="cpu").fit(CROPS)


class Models(Kind):
    """Saved models."""

    suffix, fraction, mib, seconds = ".diffake", 0.03, 192, 10
    strings = (
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
    strings += ("sklearn_diffake.cli", "main", "sklearn_diffake.demo", "FunctionNode", "TypeNode")
    strings += (
        "ObjectNode",
        "NdArrayNode",
        "MethodNode",
        "PartialNode",
        "JsonNode",
        "numpy",
        "load",
    )
    strings += ("hostile_trap:run", "pickle", "loads", *_mutations.NAMES)

    def make(self, folder):
        rng, forged = np.random.default_rng(0), []
        (folder / "net.onnx").write_bytes(network())
        pairs = rng.integers(0, 256, (30, 2, 8, 8, 3), dtype=np.uint8)
        pipeline = Pipeline([
            ("embed", FaceEmbedder(str(folder / "net.onnx"), device="cpu")),
            ("diff", PairDifference("squared")),
            ("detect", GaussianMixtureDetector(n_components=1)),
        ])  # fmt: skip
        detector = MahalanobisDetector()
        for model, X in ((detector, rng.normal(size=(30, 3))), (pipeline, pairs)):
            persistence.save(model.fit(X), folder / "model.diffake", include_weights=True)
            forged.append((folder / "model.diffake").read_bytes())
        return forged

    def craft(self):
        with zipfile.ZipFile(io.BytesIO(self.seeds[1])) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        name = next(name for name in members if name.startswith("weights/"))
        bomb, forged = bytes(2**28), []
        for member in (name, "weights/x", "manifest.json", "model.skops"):
            changed_members = {**members, member: bomb}
            for claimed in (None, 9):
                whole = _mutations.pack_zip(
                    changed_members.items(), zipfile.ZIP_DEFLATED, claimed=claimed
                )
                forged.append(whole)
        inner = _mutations.pack_zip([("schema.json", bomb)], zipfile.ZIP_DEFLATED)
        forged.append(_mutations.pack_zip({**members, "model.skops": inner}.items()))
        state = _mutations.pack_zip([("schema.json", bomb)], zipfile.ZIP_DEFLATED, claimed=9)
        forged.append(_mutations.pack_zip({**members, "model.skops": state}.items()))
        forged += [self.with_array(members, *case) for case in self.arrays()]
        return forged + self.elsewhere(members, name)

    def arrays(self):
        """Yield arrays that unpack to more than they hold, or claim to, and their ends of names."""
        content, header = io.BytesIO(), io.BytesIO()
        np.savez_compressed(content, zeros=np.zeros(2**25))
        array_header = {"descr": "<f8", "fortran_order": False}
        yield content.getvalue(), "npz"
        yield content.getvalue(), "npy"
        for size in (2**30, 2**60):
            np.lib.format.write_array_header_1_0(header, {**array_header, "shape": (size,)})
            yield header.getvalue(), "npy"

    def with_array(self, members, content, end):
        """Put another content into the first array of a state."""
        with zipfile.ZipFile(io.BytesIO(members["model.skops"])) as archive:
            inner = {name: archive.read(name) for name in archive.namelist()}
        first = next(name for name in inner if name.endswith(".npy"))
        second = first[:-3] + end
        schema = inner["schema.json"].replace(first.encode(), second.encode())
        inner = {**inner, "schema.json": schema, second: content}
        return _mutations.pack_zip(
            {**members, "model.skops": _mutations.pack_zip(inner.items())}.items()
        )

    def elsewhere(self, members, name):
        """Put weights at other places, and links instead of members."""
        end, link = Path(name).name, 0o120777 << 16
        outside = str(self.traps.folder / "weights.bin")
        paths = [f"{lead}{end}" for lead in ("weights/../../", "weights//x/", "../../")]
        paths += [f"{lead}..\\..\\{end}" for lead in ("weights/", "weights\\")]
        paths += [f"/{name}", outside, f"weights/{outside}"]
        forged = [
            _mutations.pack_zip({**members, member: members[name]}.items()) for member in paths
        ]
        for member in (name, "manifest.json", "model.skops"):
            changed_members = {**members, member: outside.encode()}
            forged.append(_mutations.pack_zip(changed_members.items(), mode=link))
        return forged

    def spoil(self, rng, data, others):
        json_with_names = functools.partial(_mutations.json_text, names=self.strings)
        state = functools.partial(_mutations.zipped, inner={".json": json_with_names})
        inner = {"manifest.json": _mutations.json_text, "model.skops": state}
        return _mutations.zipped(rng, data, others, inner)

    def use(self, path):
        persistence.load(path)
