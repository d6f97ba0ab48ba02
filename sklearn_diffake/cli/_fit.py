"""The command ``fit``."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn_diffake.cli._backbones import backbone_names
from sklearn_diffake.cli._exit_codes import SUCCESS
from sklearn_diffake.cli._modes import mode_to_fit
from sklearn_diffake.cli._options import add_saving, computing, files_in, positive_number, rate
from sklearn_diffake.cli._pairs import CSV_FORM, Pair, read_genuine
from sklearn_diffake.utils._atomic_files import check_writable
from sklearn_diffake.utils._messages import list_first, nearest, printable

if TYPE_CHECKING:
    from sklearn_diffake.utils._modes import Mode

FIT_HELP = f"""\
examples:
  sklearn-diffake fit pairs.csv -o model.diffake
  sklearn-diffake fit pairs.csv -o model.diffake --target-bpcer 0.01 --person id --cache store
  sklearn-diffake fit pairs.csv -o model.diffake --backbone facenet-vggface2 --backbone id.onnx
  sklearn-diffake fit pairs.csv -o model.diffake --operator subtract --detector mahalanobis

Without options it is the recommended recipe, that of the model which comes with the package: how
far apart two faces are by dlib's identity network, and the distance that few genuine pairs exceed.
With --operator squared it is DiffFake's Gaussian mixture.

Part of the genuine pairs, no person of which is learned from, is held out to set the threshold:
at most --target-bpcer of new genuine pairs are rejected, and every verdict has a p-value. That
takes 64 pairs, or persons, for 0.05, and 330 for 0.01.

A video may replace a photograph: the embeddings of its frames are averaged. Of
several faces in a video, --select takes one in each frame. Videos need the extra video, and a
model that aligns.

{CSV_FORM}"""
_BACKBONE, _OPERATOR, _TARGET_BPCER = "dlib-resnet", "cosine", 0.05
_COMPONENTS = 3
_MIXTURE = "GaussianMixtureDetector"
_NOT_OFFERED = ("ConformalDetector", "NearestReferenceDetector")  # the first is put around all


def add_fit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("pairs", metavar="PAIRS.csv", help="genuine pairs; those labeled -1 are left out")
    add(
        "-o",
        "--output",
        metavar="MODEL",
        required=True,
        help="file to write; no input of the command",
    )
    _add_threshold(parser)
    _add_parts(parser)
    _add_faces(parser)
    add("--seed", type=int, default=0, help="of all that is random (default: %(default)s)")
    add_saving(parser)


def _add_threshold(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("threshold").add_argument
    add(
        "--target-bpcer",
        type=rate,
        default=_TARGET_BPCER,
        metavar="RATE",
        help="fraction of genuine pairs that may be rejected (default: %(default)s)",
    )
    # its name in version 0.1
    add("--contamination", dest="target_bpcer", type=rate, help=argparse.SUPPRESS,
        default=argparse.SUPPRESS)  # fmt: skip
    add(
        "--person",
        metavar="COLUMN",
        help="column of PAIRS.csv that tells persons apart: all pairs of a person are kept "
        "together, and persons count alike (default: the column person or identity, if any)",
    )
    add(
        "--mode",
        choices=("reference", "same-video"),
        help="what the pairs are, where the columns mode, or video and reference_video, do not say "
        "it: a reference and a probe, or two pictures of one video (default: reference)",
    )


def _add_parts(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("pipeline").add_argument
    add(
        "--backbone",
        action="append",
        help=f"{backbone_names()}; sklearn-diffake backbones tells them apart; given again, the "
        f"features of all are joined (default: {_BACKBONE})",
    )
    add(
        "--operator",
        action="append",
        help="absolute, subtract, squared, cubed, concat, hadamard, cosine, probe or another that "
        "PairDifference has; one for all backbones, or given again for each "
        f"(default: {_OPERATOR})",
    )
    add(
        "--detector",
        metavar="NAME",
        help="gaussian-mixture, mahalanobis, deep-svdd, sum-rule, isolation-forest or another of "
        "scikit-learn, or pyod.NAME, such as pyod.KNN (default: sum-rule with --operator cosine, "
        "gaussian-mixture with those that give vectors)",
    )
    add(
        "--components",
        type=positive_number,
        metavar="N",
        help=f"Gaussians of the detector gaussian-mixture (default: {_COMPONENTS})",
    )


def _add_faces(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("faces").add_argument
    add("--no-align", action="store_true", help="the photographs are aligned face crops already")
    add(
        "--select",
        choices=("largest", "central", "confident", "match"),
        default="largest",
        help="which of several faces of a photograph is taken; match: in each pair the two that "
        "the first backbone finds most alike (default: %(default)s)",
    )
    add(
        "--on-missing",
        choices=("raise", "skip", "warn", "crop"),
        default="raise",
        help="a photograph without a face is an error, or is skipped and its pair not learned "
        "from, or its center is taken with or without a warning (default: %(default)s)",
    )
    add(
        "--frames",
        type=positive_number,
        default=8,
        metavar="N",
        help="frames of a video, evenly spaced, whose embeddings are averaged to one "
        "(default: %(default)s)",
    )


def fit_command(args: argparse.Namespace) -> int:
    """Fit a pipeline on the genuine pairs of a table, and save it."""
    pairs, genuine = read_genuine(args.pairs)
    mode = mode_to_fit(genuine, args.mode, args.pairs)
    people = people_of(args, genuine)
    check_files(args.pairs, genuine)
    photos = sorted({file for pair in pairs for file in pair.files})
    inputs = [args.pairs, *(args.backbone or ()), *files_in([args.cache]), *photos]
    check_writable(args.output, inputs=inputs)

    from sklearn_diffake import persistence
    from sklearn_diffake.base import missing_rows
    from sklearn_diffake.images.errors import ImageError

    start = time.perf_counter()
    pipe = _make_pipeline(args, mode)
    _check_pipeline(pipe, genuine[0])
    try:
        differences = pipe[:-1].fit_transform([pair.paths for pair in genuine])
    except ImageError as error:
        raise ValueError(_in_table(error, args.pairs, genuine)) from error
    missing = missing_rows(differences)
    if missing.all():
        raise ValueError(f"{args.pairs}: none of the {len(genuine)} genuine pairs has two faces")
    groups = (
        None
        if people is None
        else [people[i] for i, is_missing in enumerate(missing) if not is_missing]
    )
    pipe["detect"].fit(differences[~missing], groups=groups)
    persistence.save(pipe, args.output, include_weights=args.include_weights, public=args.public)
    _print_fit(pipe, pairs, genuine, missing, time.perf_counter() - start)
    print(f"saved: {printable(args.output)} ({os.path.getsize(args.output) / 1e6:.1f} MB)")
    return SUCCESS


def check_files(table: str, pairs: Sequence[Pair]) -> None:
    """Raise an error for a photograph that does not exist before the work begins.

    Parameters
    ----------
    table : str
        The file that names them.
    pairs : sequence of Pair

    Raises
    ------
    ValueError
        With line and name of the first one.
    """
    missing = [
        (pair.line, name)
        for pair in pairs
        for name, path in zip(pair.names, pair.files, strict=True)
        if not os.path.exists(path)
    ]
    if missing:
        line, name = missing[0]
        remaining = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise ValueError(f"{table}, line {line}: no such file {name!r}{remaining}")


def people_of(args: argparse.Namespace, pairs: Sequence[Pair]) -> list[str | None] | None:
    """Return the person of each pair, from the column of ``--person`` if there is one.

    Parameters
    ----------
    args : argparse.Namespace
    pairs : sequence of Pair

    Returns
    -------
    list of str or None
        None for a pair whose person is unknown; None instead of the list if all are.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    if args.person is None:
        people = [pair.person for pair in pairs]
        return people if any(people) else None
    if args.person.lower() in ("person", "identity") and any(pair.person for pair in pairs):
        return [pair.person for pair in pairs]
    if args.person not in pairs[0].extra:
        columns = nearest(args.person, pairs[0].extra) if pairs[0].extra else "it has no more"
        raise ValueError(f"--person {args.person}: {args.pairs} has no such column; {columns}")
    return [pair.extra[args.person] or None for pair in pairs]


def _make_pipeline(args: argparse.Namespace, mode: Mode) -> Any:
    from sklearn_diffake import make_difffake_pipeline

    operators = args.operator or [_OPERATOR]
    backbones = args.backbone or [_BACKBONE]
    if len(operators) not in (1, len(backbones)):
        raise ValueError(
            f"--operator is given {len(operators)} times for {len(backbones)} backbones: give it "
            "once for all, or once for each --backbone"
        )
    pipe = make_difffake_pipeline(
        backbones[0] if len(backbones) == 1 else backbones,
        aligner=not args.no_align,
        operator=operators[0] if len(operators) == 1 else operators,
        mode=mode,
        select=args.select,
        on_missing=args.on_missing,
        **computing(args),
    )
    pipe.set_params(detect=_make_detector(args, pipe["detect"]))
    return pipe if args.no_align else pipe.set_params(align__n_frames=args.frames)


def _make_detector(args: argparse.Namespace, default: Any) -> Any:
    """Make the detector of the options, or else of the default's kind, and calibrate it."""
    from sklearn_diffake.novelty import ConformalDetector

    inner = default.detector if isinstance(default, ConformalDetector) else default
    return ConformalDetector(
        _named_detector(args, args.detector or type(inner).__name__),
        target_bpcer=args.target_bpcer,
        random_state=args.seed,
    )


def _named_detector(args: argparse.Namespace, detector: str) -> Any:
    from sklearn_diffake.benchmark import ConfigError
    from sklearn_diffake.benchmark._registry import DETECTORS, detector_name, make_detector

    try:
        name = detector_name(detector)
        if name in _NOT_OFFERED:
            offered = [detector for detector in DETECTORS if detector not in _NOT_OFFERED]
            raise ConfigError(f"{name} cannot be chosen; expected {list_first(offered)}", "name")
        spec: dict[str, Any] = {"name": name}
        if name == _MIXTURE:
            spec["n_components"] = args.components or _COMPONENTS
        elif args.components is not None:
            raise ValueError(f"--components is for the detector gaussian-mixture, not for {name}")
        return make_detector(spec, seed=args.seed, device=args.device)
    except ConfigError as error:
        raise ValueError(f"--detector: {error.problem}") from error


def _check_pipeline(pipe: Any, pair: Pair) -> None:
    """Find a wrong option or a missing backbone before any photograph is read."""
    branches = [pipe]
    if "features" in pipe.named_steps:
        branches += [branch for _, branch in pipe["features"].transformer_list]
    for branch in branches:
        for _, step in branch.steps:
            if hasattr(step, "_parameter_constraints"):
                step._validate_params()
        if "embed" in branch.named_steps:
            branch["embed"].fit([pair.paths])


def _print_fit(
    pipe: Any, pairs: Sequence[Pair], genuine: Sequence[Pair], missing: Any, seconds: float
) -> None:
    from sklearn_diffake.novelty._calibration import calibration_of
    from sklearn_diffake.pairs import mode_of

    n_photos = len({file for pair in genuine for file in pair.files})
    counts = getattr(pipe["align"], "counts_", None)
    faces = f"{counts['found']} faces found" if counts else "not aligned"
    n_pairs = int((~missing).sum())
    print(f"fitted on {n_pairs} pairs of {n_photos} photographs ({faces}) in {seconds:.1f} s")
    print(f"mode: {mode_of(pipe)}")
    if len(genuine) < len(pairs):
        print(f"left out: {len(pairs) - len(genuine)} labeled -1")
    if missing.any():
        lines = [pair.line for pair, is_missing in zip(genuine, missing, strict=True) if is_missing]
        plural = "s" * (len(lines) > 1)
        print(f"left out: {len(lines)} without a face, of line{plural} {list_first(lines)}")
    calibration = calibration_of(pipe["detect"])
    if calibration is not None:
        print(
            f"the threshold rests on {calibration.basis()} that were held out, and rejects at "
            f"most {calibration.level:.1%} of genuine pairs"
        )


def _in_table(error: Any, table: str, pairs: Sequence[Pair]) -> str:
    """Return on which line of a table an image stands that cannot be used."""
    if error.row is None:
        return f"{table}: {error}"
    return f"{table}, line {pairs[error.row].line}: {error.at(row=None)}"
