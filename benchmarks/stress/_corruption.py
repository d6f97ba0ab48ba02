"""Damage files byte by byte: the right content comes back, or a refusal that names the file."""

import functools
import multiprocessing
import signal
import traceback
import warnings
from pathlib import Path

import joblib
import numpy as np
from sklearn.pipeline import Pipeline

from benchmarks.stress._kills import FORK, Wrong
from benchmarks.stress._resumable_tasks import TINY
from sklearn_diffake import persistence
from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.embedding import EmbeddingStore, FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.embedding.backbones import _packaged
from sklearn_diffake.embedding.backbones._lookup import find_backbone
from sklearn_diffake.novelty import MahalanobisDetector
from sklearn_diffake.pairs import PairDifference

FAULT = "one byte flipped, 00 or FF; cut off"
_SECONDS = 30  # for one look; a process that takes longer is ended
_FINDINGS = 20  # then the rest is left
CHECKPOINT = ("checkpoint.json", "epoch-*.safetensors", "momentum-*.safetensors")


@functools.cache
def faces():
    """Eight small pairs, the same in every process."""
    return make_face_pairs(8, size=64, fake_share=0, random_state=0).data


def choose_changes(content, rng, limit):
    """List what is done to a file: (place, None) cuts it there, (place, byte) overwrites.

    Everywhere if the file is small. Else at `most` places: where anything but zeros stands, and
    at as many places drawn at random as are left.
    """
    positions = np.arange(len(content))
    if len(positions) > limit:
        nonzero = np.flatnonzero(np.frombuffer(content, np.uint8))
        if len(nonzero) > limit * 3 // 4:
            nonzero = rng.choice(nonzero, limit * 3 // 4, replace=False)
        more_positions = rng.choice(positions, limit - len(nonzero), replace=False)
        positions = np.union1d(nonzero, more_positions)
    changes = []
    for position in positions.tolist():
        byte = content[position]
        other_bytes = dict.fromkeys([byte ^ 1 << int(rng.integers(8)), 0x00, 0xFF])
        changes += [
            (position, file_beside) for file_beside in other_bytes if file_beside != byte
        ] + [(position, None)]
    return changes


def damaged(content, position, byte):
    """Return the content after one of `damages`."""
    ending = b"" if byte is None else bytes([byte]) + content[position + 1 :]
    return content[:position] + ending


def spoil(case, plan):
    """Look at every damage; return what was found. A process that dies of one counts as well."""
    wrong, position = [], 0
    reached = multiprocessing.Value("q", 0)
    while position < len(plan) and len(wrong) < _FINDINGS:
        receiver, sender = FORK.Pipe(duplex=False)
        process = FORK.Process(target=_look_at, args=(sender, case, plan, position, reached))
        process.start()
        sender.close()
        while True:
            try:
                wrong.append(receiver.recv())
            except EOFError:
                break
        process.join()
        if process.exitcode == 0:
            break
        wrong.append(f"{plan[reached.value]}: the process ended with {process.exitcode}")
        position = reached.value + 1
    return wrong


def _look_at(pipe, case, plan, start, reached):
    warnings.simplefilter("ignore")
    n_findings = 0
    for number in range(start, len(plan)):
        reached.value = number
        signal.alarm(_SECONDS)
        try:
            case.look(damaged(case.content, *plan[number]))
        except Exception:
            n_findings += 1
            pipe.send(f"{plan[number]}: {traceback.format_exc(limit=-3)}")
        if n_findings >= _FINDINGS:
            break


def compute(function, file):
    """Call a function; None if it refuses with an error that names the file."""
    try:
        return function()
    except ValueError as error:
        if str(file) not in str(error):
            raise Wrong("the error does not name the file") from error
        return None


class StoreFile:
    """The database of an embedding store: values of two models for the same faces."""

    description, limit = "embedding store file", 4000

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        self.digests = [rng.bytes(16) for _ in range(4)]
        names = [f"embedding:1:{letter * 8}:float32" for letter in "ab"]
        self.values = {name: {d: rng.bytes(48) for d in self.digests} for name in names}
        self.files = {(f"/{i}.png", 9, 99, i + 1): d for i, d in enumerate(self.digests)}
        self.store = EmbeddingStore(folder / "store")
        self.fill()
        self.store.close()
        (self.file,) = (folder / "store").glob("*.sqlite")
        self.content = self.file.read_bytes()

    def fill(self):
        for name, values in self.values.items():
            self.store.put_many(name, values)
        self.store.put_file_digests(self.files)

    def look(self, content):
        self.store.close()
        for file_beside in self.file.parent.iterdir():
            file_beside.unlink()
        self.file.write_bytes(content)
        self.read("before anything is computed again")
        n_expected = len(self.values) * len(self.digests)
        for _ in range(3):  # it may restart in between, and earlier results are lost
            self.fill()
            if self.read("after that") == n_expected:
                break
        else:
            raise Wrong("what was computed again is not kept")
        for name in self.values:
            if self.store.claim(name, self.digests) and self.read("after a claim") == n_expected:
                raise Wrong("what is stored is claimed")
        self.store.info()

    def read(self, moment):
        """Count the values that are found; none of them, and no file, may be another's."""
        n_differences = 0
        for name, values in self.values.items():
            stored_values = self.store.get_many(name, self.digests)
            n_differences += len(stored_values)
            if any(stored_values[d] != values[d] for d in stored_values):
                raise Wrong(f"another value {moment}")
        for file, digest in self.store.get_file_digests(self.files).items():
            if digest != self.files[file] and digest in self.digests:
                raise Wrong(f"the content of another file {moment}")
        return n_differences


class ModelFile:
    """A saved detector."""

    description, limit = "model file", 10_000

    def __init__(self, folder):
        self.file, self.X = folder / "model.diffake", np.random.default_rng(0).normal(size=(60, 3))
        persistence.save(MahalanobisDetector().fit(self.X), self.file)
        self.content = self.file.read_bytes()
        self.expected = self.result()

    def result(self):
        model = persistence.load(self.file)
        return joblib.hash(vars(model)), model.score_samples(self.X).tobytes()

    def look(self, content):
        self.file.write_bytes(content)
        if compute(self.result, self.file) not in (None, self.expected):
            raise Wrong("another model is loaded")


class ModelWithWeights(ModelFile):
    """A saved pipeline, and the weights of its network, which are in the file."""

    description, limit = "model file with weights", 800

    def __init__(self, folder):
        self.file, self.X = folder / "model.diffake", faces()
        steps = [
            ("embed", FaceEmbedder(TINY)),
            ("pair", PairDifference()),
        ]
        model = Pipeline([*steps, ("detect", MahalanobisDetector())]).fit(self.X)
        persistence.save(model, self.file, include_weights=True)
        self.content = self.file.read_bytes()
        self.expected = self.result()

    def result(self):
        model = persistence.load(self.file, trusted=[TINY])
        return model.score_samples(self.X).tobytes()


class WeightsFile:
    """Weights that a training saved, taken by name."""

    description, limit = "weights file", 4000

    def __init__(self, folder):
        self.file = folder / "tiny.safetensors"
        ForgeryEmbedder(TINY, max_epochs=1, random_state=0).fit(faces()).save_weights(self.file)
        self.content = self.file.read_bytes()
        self.expected = self.result()

    def result(self):
        model = ForgeryEmbedder(TINY, weights=self.file, max_epochs=0).fit(faces())
        return model.score_images(faces()).tobytes()

    def look(self, content):
        self.file.write_bytes(content)
        if compute(self.result, self.file) not in (None, self.expected):
            raise Wrong("other weights are loaded")


class ShippedWeights(WeightsFile):
    """The networks that come with the package, 7 MB each."""

    description, limit = "weights that come with the package", 20
    name = "difffake-lite0-identity"

    def __init__(self, folder):
        self.file = folder / "identity.safetensors"
        self.content = Path(_packaged.packaged_file(self.name)).read_bytes()
        self.expected = find_backbone(self.name).fingerprint

    def result(self):
        return _packaged.packaged_backbone(self.name, None).fingerprint

    def look(self, content):
        original_function = _packaged.packaged_file
        _packaged.packaged_file = lambda name: str(self.file)
        try:
            super().look(content)
        finally:
            _packaged.packaged_file = original_function


class CheckpointFile:
    """One of the files of a checkpoint, from which a training goes on."""

    limit = 400

    def __init__(self, folder, name):
        self.description, self.folder = f"checkpoint, {name.split('-')[0]}", folder / "checkpoint"
        self.result()
        (self.file,) = self.folder.glob(name)
        self.content = self.file.read_bytes()
        self.expected = self.result()

    def result(self):
        model = ForgeryEmbedder(
            TINY,
            max_epochs=1,
            checkpoint_dir=self.folder,
            random_state=0,
        ).fit(faces())
        return model.fingerprint_, joblib.hash(model.history_)

    def look(self, content):
        self.file.write_bytes(content)
        found = compute(self.result, self.folder)
        self.file.write_bytes(self.content)
        if found not in (None, self.expected):
            raise Wrong("the training goes on from something else")


KINDS = (
    StoreFile,
    ModelFile,
    ModelWithWeights,
    WeightsFile,
    ShippedWeights,
    *(functools.partial(CheckpointFile, name=name) for name in CHECKPOINT),
)


def trials(kind, folder, share, rng):
    """Damage one kind of file at a fraction of its places; return what it is, (cases, findings)."""
    folder.mkdir()
    case = kind(folder)
    plan = choose_changes(case.content, rng, max(1, round(share * case.limit)))
    return case.description, (len(plan), spoil(case, plan))
