"""Press Ctrl-C at random moments while a progress bar runs, and look at what is left."""

import contextlib
import os
import shutil
import signal
import traceback
from pathlib import Path

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from benchmarks.speed._images import write_jpegs
from benchmarks.stress._kills import FORK, Wrong, fork, run_in_fork, wait_for_group
from benchmarks.stress._resumable_tasks import TINY, Training, VideoFrames
from sklearn_diffake import persistence
from sklearn_diffake.cli import main
from sklearn_diffake.datasets import extract_frames, make_face_pairs
from sklearn_diffake.embedding import FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.novelty import MahalanobisDetector
from sklearn_diffake.pairs import PairDifference

_END, _STATUS = 20, 130  # seconds that it may take to end; exit status of an interrupted command


class Embedding:
    """Images embedded into a store."""

    name, seconds = "embedding", 0.6

    def __init__(self, folder):
        self.folder = folder
        self.images = make_face_pairs(60, size=64, fake_share=0, random_state=0).data
        self.expected = self.undisturbed_result(folder / "undisturbed")

    def undisturbed_result(self, folder):
        embedder = FaceEmbedder(TINY, cache=folder, batch_size=2, verbose=1)
        return embedder.fit_transform(self.images).tobytes()


class Search(Embedding):
    """A grid search over a whole pipeline."""

    name, seconds = "GridSearchCV", 1.0

    def undisturbed_result(self, folder):
        steps = [
            (
                "embed",
                FaceEmbedder(TINY, cache=folder, batch_size=2, verbose=1),
            )
        ]
        steps += [("pair", PairDifference()), ("detect", MahalanobisDetector())]
        grid = {"pair__operator": ["squared", "absolute"]}
        y = np.where(np.arange(60) % 3, 1, -1)
        search = GridSearchCV(Pipeline(steps), grid, scoring="roc_auc", cv=3)
        return search.fit(self.images, y).cv_results_["mean_test_score"].tobytes()


class TrainingWithBar(Training):
    """A training with checkpoints."""

    seconds = 0.8

    def undisturbed_result(self, folder):
        embedder = ForgeryEmbedder(
            TINY, max_epochs=5, batch_size=4, checkpoint_dir=folder, random_state=0,
            verbose=1,
        )  # fmt: skip
        return embedder.fit(self.faces).fingerprint_


class Frames(VideoFrames):
    """Frames of several videos."""

    name, seconds = "frames of videos", 0.5

    def undisturbed_result(self, folder):
        clips = [self.folder / f"clip{i}.mp4" for i in range(6)]
        for clip in clips:
            if not clip.exists():
                shutil.copyfile(self.folder / "clip.mp4", clip)
        folders = [extract_frames(clip, n_frames=8, cache=folder, verbose=1) for clip in clips]
        return [Path(path).read_bytes() for frames in folders for path in frames.paths]


class Command:
    """``sklearn-diffake fit``: an exit status, and a model file that is whole or not there."""

    name, seconds = "the command fit", 3.0

    def __init__(self, folder):
        self.folder = folder
        pairs = make_face_pairs(40, size=96, fake_share=0, random_state=0).data
        paths = write_jpegs(folder, pairs.reshape(-1, *pairs.shape[2:])).reshape(-1, 2)
        rows = "\n".join(",".join(pair) for pair in paths)
        (folder / "pairs.csv").write_text(f"reference,probe\n{rows}\n")
        self.expected = self.undisturbed_result(folder / "undisturbed")

    def undisturbed_result(self, folder):
        folder.mkdir(exist_ok=True)
        model = folder / "model.diffake"
        options = ["--backbone", "difffake-lite0-identity", "--no-align", "--cache", folder / "c"]
        status = main(["fit", *map(str, [self.folder / "pairs.csv", "-o", model, *options])])
        if status == _STATUS:
            raise KeyboardInterrupt
        if status:
            raise Wrong(f"exit status {status}")
        return persistence.load(model)[-1].offset_


KINDS = (Embedding, Search, TrainingWithBar, Frames, Command)


def _work(pipe, function, folder):
    os.setsid()  # whatever it starts can be counted
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(os.devnull, "w") as silent:
        os.dup2(silent.fileno(), 2)
        os.dup2(silent.fileno(), 1)
    pipe.send("started")
    try:
        function(folder)
        outcome = "done"
    except KeyboardInterrupt:
        outcome = "interrupted"
    except BaseException:
        outcome = traceback.format_exc()
    pipe.send(outcome)


def interrupt(case, rng):
    """Interrupt one run; return whether it was done before."""
    receiver, sender = FORK.Pipe(duplex=False)
    process = fork(_work, sender, case.undisturbed_result, case.folder / "disturbed")
    sender.close()
    receiver.recv()
    process.join(rng.uniform(0, case.seconds))
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGINT)
    process.join(_END)
    if process.is_alive():
        process.kill()
        raise Wrong(f"it still ran {_END} s after Ctrl-C")
    outcome = receiver.recv() if receiver.poll() else f"it ended with {process.exitcode}"
    if outcome not in ("done", "interrupted"):
        raise Wrong(outcome)
    wait_for_group(process.pid, _END)
    return outcome == "done"


def trials(kind, folder, times, rng):
    """Interrupt one kind of work again and again; return (cases, findings)."""
    folder.mkdir()
    case, cases, wrong = kind(folder), 0, []
    while cases < times and len(wrong) < 10:
        try:
            outcome = interrupt(case, rng)
            cases += not outcome
            if run_in_fork(case.undisturbed_result, folder / "disturbed") != case.expected:
                raise Wrong("the result is another than that of an undisturbed run")
        except Wrong as error:
            cases += 1
            wrong.append(str(error))
        shutil.rmtree(folder / "disturbed", ignore_errors=True)
    return cases, wrong
