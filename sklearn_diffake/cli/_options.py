"""The options that several commands share."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable
from typing import Any

# Flags of the parameters that estimators and functions name in their messages.
_FLAGS = {
    "abstain": "--abstain",
    "adjust": "--adjust",
    "backbone": "--backbone",
    "cache": "--cache",
    "detector": "--detector",
    "device": "--device",
    "embedder": "--backbone",
    "n_components": "--components",
    "n_frames": "--frames",
    "n_jobs": "--jobs",
    "on_missing": "--on-missing",
    "operator": "--operator",
    "random_state": "--seed",
    "select": "--select",
    "target_bpcer": "--target-bpcer",
    "trusted": "--trust",
}
_PARAMETER = re.compile(
    # quoted names stay as they are; a word that is also English is a parameter only before "="
    rf"""'[^']*'|"[^"]*"|(?<![\w.\-/])(?:(?P<set>{"|".join(_FLAGS)})=|"""
    rf"""(?P<name>{"|".join(name for name in _FLAGS if "_" in name)})\b)"""
)


def with_flags(message: str) -> str:
    """Name flags in a message where it names parameters of Python.

    Parameters
    ----------
    message : str

    Returns
    -------
    str

    Examples
    --------
    >>> from sklearn_diffake.cli._options import with_flags
    >>> with_flags("target_bpcer=0.01 needs 99 pairs, or raise target_bpcer")
    '--target-bpcer 0.01 needs 99 pairs, or raise --target-bpcer'
    """

    def flag(match: re.Match[str]) -> str:
        if match["set"]:
            return f"{_FLAGS[match['set']]} "
        return _FLAGS[match["name"]] if match["name"] else match[0]

    return _PARAMETER.sub(flag, message)


def shared_options() -> list[argparse.ArgumentParser]:
    """Describe the options of every command, and those of commands that read photographs."""
    general = argparse.ArgumentParser(add_help=False)
    verbosity_options = general.add_mutually_exclusive_group()
    verbosity_options.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="show progress, as on a terminal; -vv also says what is done, -vvv in detail",
    )
    verbosity_options.add_argument(
        "-q", "--quiet", action="store_true", help="no progress, no warnings"
    )
    general.add_argument("--debug", action="store_true", help="show the traceback of an error")
    photos = argparse.ArgumentParser(add_help=False)
    compute = photos.add_argument_group("computing")
    compute.add_argument(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:1, mps, or the best of them (default: %(default)s)",
    )
    compute.add_argument("--jobs", type=int, metavar="N", help="threads that decode photographs")
    compute.add_argument("--cache", metavar="DIR", help="keep faces and embeddings in this folder")
    return [general, photos]


def add_trust(parser: Any) -> None:
    """Add the option that trusts types and backbones from outside of the package."""
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="NAME",
        help="a type, or a backbone module:function, that MODEL may use although it is none of "
        "the package's own: it is run (can be given again)",
    )


def add_reference(parser: Any) -> None:
    """Add the option for the pictures of the trusted person."""
    parser.add_argument(
        "--reference",
        nargs="+",
        action="extend",
        metavar="REFERENCE",
        help="pictures, videos and folders that together show the trusted person",
    )


def add_frames(parser: Any) -> None:
    """Add the option for the number of frames that stand for a video."""
    parser.add_argument(
        "--frames",
        type=positive_number,
        metavar="N",
        help="frames that are looked at of a video, evenly spaced (default: 24)",
    )


def add_abstain(parser: Any) -> None:
    """Add the option for the band of p-values that are inconclusive."""
    parser.add_argument(
        "--abstain",
        type=rate_or_zero,
        metavar="P",
        help="call p-values up to this inconclusive, above those that are suspicious (default: "
        "the model's, else twice its level; 0: none)",
    )


def check_video(path: str) -> None:
    """Raise ValueError if a file is certainly no video; one of unknown content may be damaged."""
    from sklearn_diffake.images.formats import file_format

    content = file_format(path)
    if not content.is_video and content.kind != "unknown":
        raise ValueError(f"{path!r}: {content.describe('video')}")


def add_saving(parser: argparse.ArgumentParser) -> None:
    """Describe how a new model is saved."""
    parser.add_argument(
        "--include-weights",
        action="store_true",
        help="put the backbone's weights into the new model, so that it needs no others",
    )
    parser.add_argument(
        "--public",
        action="store_true",
        help="let the umask decide who may read a new model (default: its owner only)",
    )


def positive_number(text: str) -> int:
    """Read a number of things, of which there must be at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return int(text)


def rate(text: str) -> float:
    """Read a fraction above 0 and below 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and below 1, such as 0.01")
    return value


def rate_or_zero(text: str) -> float:
    """Read a fraction below 1."""
    return 0.0 if text.strip("0") in ("", ".") and text else rate(text)


def computing(args: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of estimators that set how they compute."""
    return {
        "device": args.device,
        "n_jobs": args.jobs,
        "cache": args.cache,
        "verbose": verbosity(args),
    }


def verbosity(args: argparse.Namespace) -> int:
    """Return the parameter `verbose` of estimators; the lines of -vv come through the log."""
    return max(args.verbose, int(shows_progress(args)))


def shows_progress(args: argparse.Namespace) -> bool:
    """Return whether bars were requested, or there is a terminal to show them on."""
    return bool(args.verbose or (sys.stderr.isatty() and not args.quiet))


def files_in(folders: Iterable[str | None]) -> list[str]:
    """List the files that lie in folders, which no output may replace."""
    return [
        entry.path
        for folder in folders
        if folder and os.path.isdir(folder)
        for entry in os.scandir(folder)
        if entry.is_file()
    ]
