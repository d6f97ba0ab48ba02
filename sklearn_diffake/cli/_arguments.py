"""What the command line understands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from .. import __version__
from ._backbones import BACKBONES_HELP, add_backbones_arguments, backbone_names, backbones_command
from ._benchmark import BENCHMARK_HELP, add_benchmark_arguments, benchmark_command
from ._commands import demo_command, fit_command, score_command
from ._completion import SHELLS, PrintCompletion
from ._exit_codes import EXIT_CODES

PROGRAM = "sklearn-diffake"

_DESCRIPTION = """\
Detect deepfakes as unnatural differences between two photographs of one person: a reference
that is trusted, and a probe that is not."""

_EXAMPLES = """\
examples:
  sklearn-diffake demo
  sklearn-diffake compare passport.jpg selfie.jpg
  sklearn-diffake compare passport.jpg call.mp4 --frames 16
  sklearn-diffake fit pairs.csv -o model.diffake --backbone facenet-vggface2
  sklearn-diffake score model.diffake --csv pairs.csv --json > scores.jsonl
  sklearn-diffake benchmark benchmark.toml --jobs -1
  sklearn-diffake --print-completion bash > ~/.sklearn-diffake.bash
Each command has more: sklearn-diffake compare --help
"""

_FIT_EXAMPLES = """\
examples:
  sklearn-diffake fit pairs.csv -o model.diffake
  sklearn-diffake fit pairs.csv -o model.diffake --backbone facenet-vggface2 --cache store -v
  sklearn-diffake fit crops.csv -o model.diffake --no-align --operator absolute --components 1
"""

_SCORE_EXAMPLES = """\
examples:
  sklearn-diffake score model.diffake passport.jpg selfie.jpg
  sklearn-diffake score model.diffake passport.jpg frame1.png frame2.png --report why.html
  sklearn-diffake score model.diffake passport.jpg call.mp4 --frames 16
  sklearn-diffake score model.diffake --csv pairs.csv --json > scores.jsonl
"""

_COMPARE_EXAMPLES = """\
examples:
  sklearn-diffake compare passport.jpg selfie.jpg
  sklearn-diffake compare passport.jpg selfie.jpg --report why.html
  sklearn-diffake compare passport.jpg call.mp4 --json
  sklearn-diffake compare --csv pairs.csv --cache store -vv
"""

_DEMO_EXAMPLES = """\
examples:
  sklearn-diffake demo
  sklearn-diffake demo -o results

Needs the extra demo: pip install 'sklearn-diffake[demo]'
"""

_VIDEOS = """\
A video may stand in the place of a photograph: one person in it is followed, the frames that show
a face are judged one by one, and the mean of their scores is the score of the video. A model that
does not align gets whole frames. Videos need the extra video: pip install 'sklearn-diffake[video]'

A pair in which no face is found on one side, or a file cannot be read, gets the verdict error; the
others are judged.
"""

_FIT_INPUTS = """\
A video may stand in the place of a photograph. In fit it is one template: the embeddings of its
frames are averaged, whereas score judges frames one by one, whose scores vary more. Of several
faces in a video, --select takes one in each frame. Videos need the extra video, and a model that
aligns.
"""

_CSV_FORM = """\
PAIRS.csv has a header and one pair a line: the columns reference and probe, in any order, or two
columns in this one; and, if there are any, label (1 genuine, -1 deepfake, empty unknown), person,
and others, which come back with --json. A cell may name several pictures of one person, separated
by |: they make one template. Relative paths start at the folder of PAIRS.csv; - is standard input.
Commas, semicolons or tabs may separate the columns; UTF-8 and UTF-16 are read.
"""


class _Parser(argparse.ArgumentParser):
    """Say what is wrong in one line."""

    def error(self, message: str) -> Any:
        self.exit(2, f"{PROGRAM}: error: {message} (see {self.prog} --help)\n")


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; an option may stand between photographs."""
    parser = make_parser()
    args, rest = parser.parse_known_args(argv)
    if rest and (not hasattr(args, "photos") or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        args.photos = [*args.photos, *rest]
    return args


def make_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog=PROGRAM,
        description=_DESCRIPTION,
        epilog=f"{_EXAMPLES}\n{EXIT_CODES}",
        formatter_class=raw,
    )
    parser.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=SHELLS,
        help="write a script that lets this shell complete commands, options and files (extra cli)",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    shared = _shared_options()

    def command(name: str, run: Any, summary: str, epilog: str, **kwargs: Any) -> Any:
        made = commands.add_parser(
            name, help=summary, description=summary, epilog=epilog, formatter_class=raw, **kwargs
        )
        made.set_defaults(run=run)
        return made

    _add_fit_arguments(
        command(
            "fit",
            fit_command,
            "Learn what genuine pairs look like.",
            f"{_FIT_EXAMPLES}\n{_FIT_INPUTS}\n{_CSV_FORM}\n{EXIT_CODES}",
            parents=shared,
        )
    )
    score = command(
        "score",
        score_command,
        "Judge pairs with a model that fit has saved.",
        f"{_SCORE_EXAMPLES}\n{_VIDEOS}\n{_CSV_FORM}\n{EXIT_CODES}",
        parents=shared,
        usage=f"{PROGRAM} score [options] MODEL (REFERENCE PROBE [PROBE ...] | --csv PAIRS.csv)",
    )
    score.add_argument("model", metavar="MODEL", help="file that fit has saved")
    score.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="NAME",
        help="a type, or a backbone module:function, that MODEL may use although it is none of "
        "the package's own: it is run (can be given again)",
    )
    _add_score_arguments(score)
    compare = command(
        "compare",
        score_command,
        "Judge pairs with the model that comes with the package.",
        f"{_COMPARE_EXAMPLES}\n{_VIDEOS}\n{_CSV_FORM}\n{EXIT_CODES}",
        parents=shared,
        usage=f"{PROGRAM} compare [options] (REFERENCE PROBE [PROBE ...] | --csv PAIRS.csv)",
    )
    compare.set_defaults(model=None)
    _add_score_arguments(compare)
    add_backbones_arguments(
        command(
            "backbones",
            backbones_command,
            "List the networks that --backbone takes: size, license, error rate, source.",
            BACKBONES_HELP,
            parents=shared[:1],
        )
    )
    add_benchmark_arguments(
        command(
            "benchmark",
            benchmark_command,
            "Judge pipelines on datasets, by the protocols of the field.",
            f"{BENCHMARK_HELP}\n{EXIT_CODES}",
            parents=shared[:1],
        )
    )
    demo = command(
        "demo",
        demo_command,
        "Fit and judge a public-domain portrait: a table and a picture, no network.",
        f"{_DEMO_EXAMPLES}\n{EXIT_CODES}",
        parents=shared[:1],
    )
    demo.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        default="sklearn-diffake-demo",
        help="where pictures, tables and model go (default: %(default)s)",
    )
    return parser


def _count(text: str) -> int:
    """Read a positive number."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return int(text)


def _shared_options() -> list[argparse.ArgumentParser]:
    """Options of every command, and those of commands that read photographs."""
    every = argparse.ArgumentParser(add_help=False)
    either = every.add_mutually_exclusive_group()
    either.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="show progress, as on a terminal; -vv also says what is done, -vvv in detail",
    )
    either.add_argument("-q", "--quiet", action="store_true", help="no progress, no warnings")
    every.add_argument("--debug", action="store_true", help="show the traceback of an error")
    photos = argparse.ArgumentParser(add_help=False)
    compute = photos.add_argument_group("computing")
    compute.add_argument(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:1, mps, or the best of them (default: %(default)s)",
    )
    compute.add_argument("--jobs", type=int, metavar="N", help="threads that decode photographs")
    compute.add_argument("--cache", metavar="DIR", help="keep faces and embeddings in this folder")
    return [every, photos]


def _add_fit_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("pairs", metavar="PAIRS.csv", help="genuine pairs; those labelled -1 are left out")
    add(
        "-o",
        "--output",
        metavar="MODEL",
        required=True,
        help="file to write; no input of the command",
    )
    add(
        "--backbone",
        default="efficientnet-lite0",
        help=f"{backbone_names()}; sklearn-diffake backbones tells them apart (default: "
        "%(default)s)",
    )
    add(
        "--operator",
        default="squared",
        help="absolute, subtract, squared, cubed, concat, hadamard or cosine "
        "(default: %(default)s)",
    )
    add(
        "--components",
        type=int,
        default=3,
        metavar="N",
        help="Gaussians of the mixture (default: %(default)s)",
    )
    add(
        "--contamination",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="share of the training pairs that the threshold gives up (default: %(default)s)",
    )
    add("--no-align", action="store_true", help="the photographs are aligned face crops already")
    add(
        "--select",
        choices=("largest", "central", "confident", "match"),
        default="largest",
        help="which of several faces of a photograph is taken; match: in each pair the two that "
        "BACKBONE finds most alike (default: %(default)s)",
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
        type=_count,
        default=8,
        metavar="N",
        help="frames of a video, evenly spaced, whose embeddings are averaged to one "
        "(default: %(default)s)",
    )
    add("--seed", type=int, default=0, help="seed of the mixture (default: %(default)s)")
    add(
        "--include-weights",
        action="store_true",
        help="put the backbone's weights into MODEL, so that it needs no others",
    )
    add(
        "--public",
        action="store_true",
        help="let the umask decide who may read a new MODEL (default: its owner only)",
    )


def _add_score_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="*", metavar="PHOTO", help="REFERENCE PROBE [PROBE ...]")
    parser.add_argument("--csv", metavar="PAIRS.csv", help="judge the pairs of a table instead")
    parser.add_argument("--json", action="store_true", help="write one JSON object a line")
    parser.add_argument(
        "--frames",
        type=_count,
        default=8,
        metavar="N",
        help="frames that are looked at of a video, evenly spaced (default: %(default)s)",
    )
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="explain the verdict on one pair, with maps of what mattered: FILE.html or FILE.png",
    )
