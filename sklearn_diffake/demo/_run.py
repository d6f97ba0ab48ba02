"""Fit on genuine re-takes of a photograph, and score new re-takes and manipulations."""

import csv
import io
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from .. import persistence
from ..faces import FaceAligner
from ..metrics import confidence_interval, equal_error_rate
from ..novelty._calibration import calibration_of
from ..pipeline import make_difffake_pipeline
from ..utils._atomic_files import OutputError, atomic_write, private_folder
from ..utils._numbers import fraction, percent
from ._photos import TECHNIQUES, Portrait, retake

GENUINE = "genuine re-take"
_FILES = ("demo.txt", "reference.png", "photos", "train.csv", "probes.csv", "model.diffake",
          "demo.png")  # fmt: skip
_UNFINISHED = b"unfinished demo of sklearn-diffake\n"
_HEADER = f"{'probe':<22}{'pairs':>6}".encode()  # start of the table


@dataclass(frozen=True)
class DemoResult:
    """The result of the demo.

    Attributes
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted on the genuine training pairs.
    probes : list of Path
        The probes, in the order of the arrays below.
    groups : ndarray of shape (n,), str
        ``"genuine re-take"``, or the technique of the manipulation.
    decision : ndarray of shape (n,), float64
        Score less threshold: zero or more is accepted as genuine.
    auc : float
        Area under the ROC curve, of all probes.
    auc_interval : tuple of (float, float)
        Its 95 % confidence interval, for other probes of the same photograph.
    eer : float
        Equal error rate, in [0, 1].
    n_train : int
        Number of training pairs.
    n_missing : int
        Number of probes without a detected face, whose center was scored.
    seconds : float
        Duration of the demo.
    reference_box : tuple of float
        Left, top, right and bottom of the face in the reference, in fractions of its size.
    folder : Path
        Folder of all files: ``demo.txt``, ``model.diffake``, ``train.csv``, ``probes.csv``,
        ``reference.png``, ``photos/``, and ``demo.png`` if there is a picture.
    picture : Path or None, default=None
        ``demo.png``; None if matplotlib is not installed.

    See Also
    --------
    run_demo : Runs the demo.

    Examples
    --------
    >>> from sklearn_diffake.demo import run_demo
    >>> result = run_demo("demo")  # doctest: +SKIP
    >>> result.pipeline.score_samples([(result.folder / "reference.png",  # doctest: +SKIP
    ...                                 result.probes[0])])
    """

    pipeline: Pipeline
    probes: list[Path]
    groups: NDArray[np.str_]
    decision: NDArray[np.float64]
    auc: float
    auc_interval: tuple[float, float]
    eer: float
    n_train: int
    n_missing: int
    seconds: float
    reference_box: tuple[float, float, float, float]
    folder: Path
    picture: Path | None = None

    @property
    def labels(self) -> NDArray[np.int64]:
        """+1 for each genuine probe, -1 for each manipulated one."""
        return np.where(self.groups == GENUINE, 1, -1)

    def rates(self) -> list[tuple[str, int, float, float]]:
        """Return the rates of each group.

        Returns
        -------
        list of (group, pairs, accepted, auc)
            `accepted` is the fraction accepted, `auc` that of the technique against all genuine
            probes (NaN for the genuine ones).
        """
        genuine = self.decision[self.groups == GENUINE]
        rows = []
        for group in dict.fromkeys(self.groups.tolist()):
            of_group = self.decision[self.groups == group]
            auc = float("nan")
            if group != GENUINE:
                labels = np.repeat([1, -1], [len(genuine), len(of_group)])
                auc = float(roc_auc_score(labels, np.concatenate([genuine, of_group])))
            rows.append((group, len(of_group), float((of_group >= 0).mean()), auc))
        return rows

    def table(self) -> str:
        """Return the result as text, with a line for each group.

        Returns
        -------
        str
            The content of ``demo.txt``.
        """
        manipulated = self.decision[self.groups != GENUINE]
        lines = [f"{'probe':<22}{'pairs':>6}{'accepted':>10}{'rejected':>10}{'AUC':>7}", "-" * 55]
        for group, pairs, accepted, auc in self.rates():
            area = "" if np.isnan(auc) else fraction(auc, 2)
            rates = f"{percent(accepted, 0):>10}{percent(1 - accepted, 0):>10}"
            lines.append(f"{group:<22}{pairs:>6}{rates}{area:>7}")
        accepted_fakes = float((manipulated >= 0).mean())
        lines.append(
            f"{'all manipulated':<22}{len(manipulated):>6}"
            f"{percent(accepted_fakes, 0):>10}{percent(1 - accepted_fakes, 0):>10}"
            f"{fraction(self.auc, 2):>7}"
        )
        lines += [
            "-" * 55,
            f"AUC {fraction(self.auc)} (95 % interval {fraction(self.auc_interval[0])} to "
            f"{fraction(self.auc_interval[1])}, of this photograph), EER {percent(self.eer)}",
            f"Fitted on {self.n_train} genuine pairs of one photograph; no manipulated one was "
            "seen.",
            *self._threshold(),
        ]
        if self.n_missing:
            lines.append(f"No face was found in {self.n_missing} probes: their center was judged.")
        return "\n".join(lines)

    def _threshold(self) -> list[str]:
        """Return a line with the number of calibration pairs; none without a calibration."""
        calibration = calibration_of(self.pipeline[-1])
        if calibration is None:
            return []
        return [
            f"The threshold rests on {calibration.n} of them, and rejects at most "
            f"{percent(calibration.level)} of such pairs."
        ]


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

    Examples
    --------
    >>> from sklearn_diffake.demo import run_demo
    >>> print(run_demo("demo").table())  # doctest: +SKIP
    """
    start, folder = time.perf_counter(), Path(folder)
    _claim_folder(folder)
    print_step: Callable[[str], None] = _printer(start) if verbose else lambda message: None
    rng = np.random.default_rng(random_state)

    print_step("photographs: genuine re-takes and manipulations")
    photo = _take_reference(folder)
    reference, portrait = folder / "reference.png", photo.cut()
    train = _take_photos(portrait, "train", n_train, folder, rng)
    probes, groups = _take_probes(portrait, n_genuine, n_per_technique, folder, rng)
    _write_csv(folder / "train.csv", train, [GENUINE] * n_train)
    _write_csv(folder / "probes.csv", probes, groups)

    print_step(f"fitting on {n_train} genuine pairs")
    with threadpool_limits(1):  # photographs are small: threads would mostly wait for each other
        pipe = fit_pipeline([(reference, path) for path in train], verbose=bool(verbose))
        print_step(f"judging {n_genuine} genuine and {len(probes) - n_genuine} manipulated probes")
        faces = pipe["align"].align([(reference, path) for path in probes])
        decision = pipe[1:].decision_function(faces.crops)
    persistence.save(pipe, folder / "model.diffake")
    labels = np.where(np.array(groups) == GENUINE, 1, -1)
    auc, *interval = confidence_interval(roc_auc_score, labels, decision)
    picture = folder / "demo.png"
    result = DemoResult(
        pipeline=pipe,
        probes=probes,
        groups=np.array(groups),
        decision=decision,
        auc=auc,
        auc_interval=(interval[0], interval[1]),
        eer=equal_error_rate(labels, decision),
        n_train=n_train,
        n_missing=faces.counts["missing"],
        seconds=time.perf_counter() - start,
        reference_box=photo.face_box(),
        folder=folder,
        picture=picture if find_spec("matplotlib") else None,
    )
    if result.picture is None:
        picture.unlink(missing_ok=True)  # a picture of an earlier demo shows other results
    else:
        _draw(result, result.picture)
    atomic_write(folder / "demo.txt", f"{result.table()}\n".encode())
    print_step("done")
    return result


def fit_pipeline(pairs: list[tuple[Path, Path]], *, verbose: bool = False) -> Pipeline:
    """Fit the default pipeline on genuine pairs of one photograph.

    Parameters
    ----------
    pairs : list of (reference, probe)
        Genuine pairs.
    verbose : bool, default=False
        Show progress bars.

    Returns
    -------
    Pipeline
        Fitted.
    """
    pipe = make_difffake_pipeline(on_missing="warn", random_state=0, verbose=verbose)
    pipe.set_params(align__min_face_size=0.12)  # saves time: no face is smaller
    return pipe.fit(pairs)


def _claim_folder(folder: Path) -> None:
    """Mark a folder as one of a demo; raise an error if other files would be replaced."""
    table = folder / "demo.txt"
    names = [name for name in _FILES if os.path.lexists(folder / name)]
    if names and not _is_of_a_demo(table):
        raise OutputError(
            f"the folder holds {names[0]!r}, which is not of an earlier demo; choose another",
            folder,
        )
    private_folder(folder)
    if not names:
        atomic_write(table, _UNFINISHED)


def _is_of_a_demo(table: Path) -> bool:
    try:
        with table.open("rb") as file:
            return file.read(len(_UNFINISHED)).startswith((_UNFINISHED, _HEADER))
    except OSError:
        return False


def _printer(start: float) -> Callable[[str], None]:
    def print_step(message: str) -> None:
        print(f"[{time.perf_counter() - start:5.1f} s] {message}", file=sys.stderr)

    return print_step


def _take_reference(folder: Path) -> Portrait:
    """Write the reference photograph; return it with its landmarks."""
    from PIL import Image

    private_folder(folder / "photos")
    with (resources.files(__package__) / "astronaut.jpg").open("rb") as photo:
        picture = Image.open(photo).convert("RGB")
    file = io.BytesIO()
    picture.save(file, format="PNG")
    atomic_write(folder / "reference.png", file.getvalue())
    faces = FaceAligner().align([picture])
    return Portrait(np.asarray(picture) / 255.0, faces.landmarks[0].astype(float))


def _take_probes(
    portrait: Portrait, n_genuine: int, n_per_technique: int, folder: Path, rng: Generator
) -> tuple[list[Path], list[str]]:
    """Write genuine and manipulated probes; return their paths and groups."""
    probes = _take_photos(portrait, GENUINE, n_genuine, folder, rng)
    groups = [GENUINE] * n_genuine
    for name, manipulate in TECHNIQUES.items():
        probes += _take_photos(portrait, name, n_per_technique, folder, rng, manipulate)
        groups += [name] * n_per_technique
    return probes, groups


def _take_photos(
    portrait: Portrait,
    name: str,
    n: int,
    folder: Path,
    rng: Generator,
    manipulate: Callable[[Portrait, Generator], Any] | None = None,
) -> list[Path]:
    """Write `n` re-takes of a portrait, manipulated first if `manipulate` is given."""
    paths = [folder / "photos" / f"{name.replace(' ', '-')}-{i + 1:03}.jpg" for i in range(n)]
    for path in paths:
        subject = replace(portrait, pixels=manipulate(portrait, rng)) if manipulate else portrait
        atomic_write(path, retake(subject, rng))
    return paths


def _draw(result: DemoResult, picture: Path) -> None:
    from ._figure import draw, headline

    rates = (f"{group}: {accepted:.0%} accepted" for group, _, accepted, _ in result.rates())
    description = f"{headline(result)}. {'; '.join(rates)}."
    file = io.BytesIO()
    draw(result).savefig(file, format="png", metadata={"Description": description})
    atomic_write(picture, file.getvalue())


def _write_csv(path: Path, probes: list[Path], groups: list[str]) -> None:
    """Write pairs as a CSV file for the command line."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["reference", "probe", "label", "technique"])
    for probe, group in zip(probes, groups, strict=True):
        label = 1 if group == GENUINE else -1
        writer.writerow(["reference.png", f"photos/{probe.name}", label, group])
    atomic_write(path, file.getvalue().encode())
