"""Kinds of work on which faults are tried, each of which looks at what is left of it."""

import hashlib
import itertools
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.stress._kills import Wrong, run_in_fork
from sklearn_diffake import persistence
from sklearn_diffake.benchmark import read_config, run_benchmark
from sklearn_diffake.datasets import extract_frames, make_face_pairs
from sklearn_diffake.embedding import EmbeddingStore, ForgeryEmbedder
from sklearn_diffake.novelty import MahalanobisDetector

#: A small network, as a backbone.
TINY = "benchmarks.stress._resumable_tasks:tiny"


class StoreWrites:
    """Batches of embeddings written to one store."""

    name, seconds, finished = "embedding store, writing", 0.25, 1

    def __init__(self, folder):
        self.folder, self.told = folder, set()

    def batch(self, number):
        rng = np.random.default_rng(number)
        return {f"{number}-{i}".encode(): rng.bytes(2048) for i in range(16)}

    def work(self, tell):
        store = EmbeddingStore(self.folder / "store")
        for number in itertools.count(max(self.told, default=-1) + 1):
            store.put_many("model", self.batch(number))
            tell(number)

    def look(self):
        store = EmbeddingStore(self.folder / "store")
        for number in range(max(self.told, default=-1) + 3):
            expected = self.batch(number)
            offset = store.get_many("model", expected)
            if number in self.told and len(offset) < len(expected):
                raise Wrong(f"batch {number} was written, and is lost")
            if any(offset[key] != expected[key] for key in offset):
                raise Wrong(f"batch {number} is not what was written")

    def after(self, killed, steps):
        self.told |= set(steps)
        run_in_fork(self.look)


class ModelSaves:
    """One model file saved over and over, each time with another state."""

    name, seconds, finished = "saving a model", 0.25, 1

    def __init__(self, folder):
        self.path, self.told = folder / "model.diffake", [-1]
        self.model = MahalanobisDetector().fit(np.random.default_rng(0).normal(size=(600, 500)))
        persistence.save(self.model, folder / "first")  # and so all is imported

    def work(self, tell):
        for number in itertools.count(self.told[-1] + 1):
            self.model.offset_ = float(number)
            persistence.save(self.model, self.path)
            tell(number)

    def look(self):
        if not self.path.exists():
            if self.told[-1] >= 0:
                raise Wrong("the saved model is gone")
            return
        offset = persistence.load(self.path).offset_
        if offset not in (self.told[-1], self.told[-1] + 1):
            raise Wrong(f"model {offset} is there, {self.told[-1]} was saved last")

    def after(self, killed, told):
        self.told += told
        run_in_fork(self.look)


class Resumed:
    """Work that goes on where it was killed, until it is done: then as if never disturbed."""

    def __init__(self, folder):
        self.folder, self.finished = folder, 0
        self.prepare()
        self.expected = self.undisturbed_result(folder / "undisturbed")  # and so all is imported

    def prepare(self):
        pass

    def work(self, tell):
        self.undisturbed_result(self.folder / "disturbed")

    def after(self, killed, told):
        if killed:
            return
        if run_in_fork(self.undisturbed_result, self.folder / "disturbed") != self.expected:
            raise Wrong("the result is another than that of an undisturbed run")
        shutil.rmtree(self.folder / "disturbed")
        self.finished += 1


class Training(Resumed):
    """A ForgeryEmbedder that keeps a checkpoint after every epoch."""

    name, seconds = "training with checkpoints", 0.5

    def prepare(self):
        self.faces = make_face_pairs(12, size=64, fake_share=0, random_state=0).data

    def undisturbed_result(self, folder):
        embedder = ForgeryEmbedder(
            TINY,
            max_epochs=5,
            batch_size=4,
            checkpoint_dir=folder,
            random_state=0,
        )
        return embedder.fit(self.faces).fingerprint_


class Benchmark(Resumed):
    """A run of the benchmark command."""

    name, seconds = "benchmark run", 2.0
    config = """
seed = 0
bootstrap = 20
[datasets.rendered]
loader = "make_face_pairs"
arguments = { n_pairs = 60, size = 64 }
[candidates.tiny]
embedder = "benchmarks.stress._resumable_tasks:tiny"
align = false
detector = "MahalanobisDetector"
[protocols.ablation]
datasets = ["rendered"]
base = "tiny"
operators = ["squared", "absolute", "cosine"]
"""

    def prepare(self):
        (self.folder / "benchmark.toml").write_text(self.config)

    def undisturbed_result(self, folder):
        config = read_config(self.folder / "benchmark.toml", trusted=[TINY])
        run_benchmark(config.replace(folder))
        return [(folder / name).read_bytes() for name in ("results.json", "report.md")]


class VideoFrames(Resumed):
    """Frames of a video, extracted into a folder."""

    name, seconds = "frames of a video", 0.12

    def prepare(self):
        import av

        image = make_face_pairs(1, size=192, fake_share=0, random_state=0).data[0, 0]
        with av.open(str(self.folder / "clip.mp4"), "w") as clip:
            stream = clip.add_stream("mpeg4", rate=25)
            stream.width = stream.height = 192
            for shift in range(24):
                frame = av.VideoFrame.from_ndarray(np.roll(image, shift, axis=1), format="rgb24")
                clip.mux(stream.encode(frame))
            clip.mux(stream.encode())

    def undisturbed_result(self, folder):
        folder_of_frames = extract_frames(self.folder / "clip.mp4", n_frames=8, cache=folder)
        return [
            hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in folder_of_frames.paths
        ]


KINDS = (StoreWrites, ModelSaves, Training, Benchmark, VideoFrames)


class Tiny(nn.Module):
    """A network of a few numbers."""

    input_size = 32

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, x):
        return self.layers(x).flatten(1)


def tiny():
    """Return the network of `TINY`."""
    torch.manual_seed(0)
    return Tiny()
