"""Fit on genuine re-takes of a photograph, and score new re-takes and manipulations."""

from __future__ import annotations

import csv
import io
import os
import sys
import time
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.random import Generator
from sklearn.metrics import roc_auc_score

from sklearn_diffake import persistence
from sklearn_diffake.demo._figure import draw_result
from sklearn_diffake.demo._result import GENUINE, HEADER, DemoResult
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.generation._portrait import MANIPULATIONS, Manipulation, Portrait, retake
from sklearn_diffake.metrics import confidence_interval, equal_error_rate
from sklearn_diffake.pipeline import make_difffake_pipeline
from sklearn_diffake.utils._atomic_files import OutputError, atomic_write, private_folder
from sklearn_diffake.utils._threads import one_thread

_FILES = ("demo.txt", "reference.png", "photos", "train.csv", "probes.csv", "model.diffake",
          "demo.png")  # fmt: skip
_BEGINNINGS = (b"unfinished demo of sklearn-diffake\n", HEADER[:28].encode())  # of demo.txt


def run_demo(
    folder: str | os.PathLike[str],
    verbose: bool | int = False,
    *,
    n_train: int = 120,
    n_genuine: int = 42,
    n_per_technique: int = 7,
    random_state: int = 0,
) -> DemoResult:
    """Run the whole pipeline on a photograph of the package; no network is needed.

    The pipeline is :func:`~sklearn_diffake.make_difffake_pipeline` without arguments. The
    reference is NASA's portrait of the astronaut Eileen Collins (public domain). Probes are
    re-takes of it, with other pose, light and image quality. The face in half of the test probes
    was manipulated by six techniques that are not in the training data. The demo cannot show error
    rates on other people: training and test photographs are from one picture.

    Parameters
    ----------
    folder : str or Path
        Folder of pictures, tables and model, created if missing. Files of an earlier demo are
        replaced.
    verbose : bool or int, default=False
        Print the current step to standard error, and show progress bars.
    n_train : int, default=120
        Number of genuine pairs to fit on. Three in ten set the threshold, so at least 64 are
        needed for a rate of 5 %; fewer cause a warning.
    n_genuine : int, default=42
        Number of genuine probes held out.
    n_per_technique : int, default=7
        Number of probes manipulated by each technique.
    random_state : int, default=0
        Seed of all random draws.

    Returns
    -------
    DemoResult
        Scores and rates; ``table()`` returns them as text.

    Raises
    ------
    ValueError
        If `folder` holds a file that would be replaced and is not of an earlier demo.

    See Also
    --------
    sklearn_diffake.load_default : The pipeline to judge photographs of your own with.
    sklearn_diffake.recalibrate : Sets its threshold on genuine pairs of your own.

    Examples
    --------
    >>> from sklearn_diffake.demo import run_demo
    >>> print(run_demo("demo").table())  # doctest: +SKIP
    """
    start, folder = time.perf_counter(), Path(folder)
    _claim_folder(folder)

    def report(step: str) -> None:
        if verbose:
            print(f"[{time.perf_counter() - start:5.1f} s] {step}", file=sys.stderr)

    report("photographs: genuine re-takes and manipulations")
    rng = np.random.default_rng(random_state)
    photo = _write_reference(folder / "reference.png")
    train = _write_photos(photo.cut(), {"train": (n_train, None)}, folder, rng)
    kinds: dict[str, tuple[int, Manipulation | None]] = {GENUINE: (n_genuine, None)}
    kinds |= {name: (n_per_technique, manipulate) for name, manipulate in MANIPULATIONS.items()}
    probes = _write_photos(photo.cut(), kinds, folder, rng)
    _write_table(folder / "train.csv", [(GENUINE, path) for _, path in train])
    _write_table(folder / "probes.csv", probes)
    groups = np.array([name for name, _ in probes])
    labels = np.where(groups == GENUINE, 1, -1)

    report(f"fitting on {n_train} genuine pairs")
    pipe = make_difffake_pipeline(on_missing="warn", random_state=0, verbose=bool(verbose))
    pipe.set_params(align__min_face_size=0.12)  # saves time: no face is smaller
    with one_thread():  # photographs are small: threads would mostly wait for each other
        pipe.fit([(folder / "reference.png", path) for _, path in train])
        n_manipulated = len(probes) - n_genuine
        report(f"judging {n_genuine} genuine and {n_manipulated} manipulated probes")
        faces = pipe["align"].align([(folder / "reference.png", path) for _, path in probes])
        decision = pipe[1:].decision_function(faces.crops)
    persistence.save(pipe, folder / "model.diffake")
    auc, *interval = confidence_interval(roc_auc_score, labels, decision)
    result = DemoResult(
        pipeline=pipe,
        probes=[path for _, path in probes],
        groups=groups,
        decision=decision,
        auc=auc,
        auc_interval=(interval[0], interval[1]),
        eer=equal_error_rate(labels, decision),
        n_train=n_train,
        n_missing=faces.counts["missing"],
        seconds=time.perf_counter() - start,
        reference_box=photo.face_box(),
        folder=folder,
        picture=folder / "demo.png" if find_spec("matplotlib") else None,
    )
    if result.picture:
        atomic_write(result.picture, draw_result(result))
    else:
        (folder / "demo.png").unlink(missing_ok=True)  # of an earlier demo, with other results
    atomic_write(folder / "demo.txt", f"{result.table()}\n".encode())
    report("done")
    return result


def _claim_folder(folder: Path) -> None:
    """Mark a folder as one of a demo; raise an error if other files would be replaced."""
    names = [name for name in _FILES if os.path.lexists(folder / name)]
    try:
        with (folder / "demo.txt").open("rb") as file:
            beginning = file.read(100)
    except OSError:
        beginning = b""
    if names and not beginning.startswith(_BEGINNINGS):
        raise OutputError(
            f"the folder holds {names[0]!r}, which is not of an earlier demo; choose another",
            folder,
        )
    private_folder(folder)
    if not names:  # the mark comes first, so that an interrupted demo can be repeated
        atomic_write(folder / "demo.txt", _BEGINNINGS[0])
    private_folder(folder / "photos")


def _write_reference(path: Path) -> Portrait:
    """Write the reference photograph; return it with its landmarks."""
    from PIL import Image

    with (resources.files(__package__) / "astronaut.jpg").open("rb") as file:
        photo = Image.open(file).convert("RGB")
    content = io.BytesIO()
    photo.save(content, format="PNG")
    atomic_write(path, content.getvalue())
    return Portrait(np.asarray(photo), FaceAligner().align([photo]).landmarks[0].astype(float))


def _write_photos(
    portrait: Portrait,
    kinds: dict[str, tuple[int, Manipulation | None]],
    folder: Path,
    rng: Generator,
) -> list[tuple[str, Path]]:
    """Write re-takes of a portrait, of each kind a number; return (kind, path) of each."""
    photos = []
    for name, (n, manipulate) in kinds.items():
        for i in range(n):
            path = folder / "photos" / f"{name.replace(' ', '-')}-{i + 1:03}.jpg"
            face = portrait._replace(image=manipulate(portrait, rng)) if manipulate else portrait
            atomic_write(path, retake(face, rng))
            photos.append((name, path))
    return photos


def _write_table(path: Path, probes: list[tuple[str, Path]]) -> None:
    """Write pairs as a CSV file for the command line."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["reference", "probe", "label", "technique"])
    for kind, probe in probes:
        label = 1 if kind == GENUINE else -1
        writer.writerow(["reference.png", f"photos/{probe.name}", label, kind])
    atomic_write(path, file.getvalue().encode())
