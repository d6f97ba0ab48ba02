"""The commands and arguments of the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sklearn_diffake._versions import __version__
from sklearn_diffake.cli._annotate import ANNOTATE_HELP, add_annotate_arguments, annotate_command
from sklearn_diffake.cli._backbones import (
    BACKBONES_HELP,
    add_backbones_arguments,
    backbones_command,
)
from sklearn_diffake.cli._benchmark import (
    BENCHMARK_HELP,
    add_benchmark_arguments,
    benchmark_command,
)
from sklearn_diffake.cli._calibrate import (
    CALIBRATE_HELP,
    add_calibrate_arguments,
    calibrate_command,
)
from sklearn_diffake.cli._completion import SHELLS, PrintCompletion
from sklearn_diffake.cli._demo import DEMO_HELP, add_demo_arguments, demo_command
from sklearn_diffake.cli._doctor import DOCTOR_HELP, add_doctor_arguments, doctor_command
from sklearn_diffake.cli._exit_codes import EXIT_CODES, SUCCESS
from sklearn_diffake.cli._find import FIND_HELP, add_find_arguments, find_command
from sklearn_diffake.cli._fit import FIT_HELP, add_fit_arguments, fit_command
from sklearn_diffake.cli._judge import (
    COMPARE_HELP,
    JUDGE_HELP,
    SCORE_HELP,
    add_compare_arguments,
    add_score_arguments,
    judge_command,
)
from sklearn_diffake.cli._options import shared_options
from sklearn_diffake.cli._parser import PROGRAM, Parser, program_name
from sklearn_diffake.cli._watch import WATCH_HELP, add_watch_arguments, watch_command
from sklearn_diffake.utils._messages import nearest

_DESCRIPTION = """\
Detect deepfakes as unnatural differences between photographs of one person: references that are
trusted, and a probe that is not."""

_EXAMPLES = """\
examples:
  sklearn-diffake demo
  sklearn-diffake compare passport.jpg selfie.jpg
  sklearn-diffake compare --reference passport.jpg card.jpg --probe call.mp4 --report why.html
  sklearn-diffake find photos/ --reference passport.jpg card.jpg -o found.csv
  sklearn-diffake watch inbox/ --reference passport.jpg card.jpg --jsonl verdicts.jsonl
  sklearn-diffake fit pairs.csv -o model.diffake --backbone facenet-vggface2
  sklearn-diffake score model.diffake --csv pairs.csv --output scores.csv
  sklearn-diffake benchmark benchmark.toml --jobs -1
  sklearn-diffake --print-completion bash > ~/.sklearn-diffake.bash
Each command has more: sklearn-diffake help compare
"""
_HELP_HELP = """\
examples:
  sklearn-diffake help
  sklearn-diffake help compare
"""
_PHOTOS = "(REFERENCE PROBE [PROBE ...] | --reference ... --probe ... | --csv PAIRS.csv)"


class _Command(NamedTuple):
    """A command: its function and its description."""

    run: Callable[[argparse.Namespace], int]
    add_arguments: Callable[[argparse.ArgumentParser], None]
    summary: str
    help: str
    reads_photos: bool = True
    usage: str | None = None


_COMMANDS = {
    "fit": _Command(
        fit_command, add_fit_arguments, "Learn what genuine pairs look like.", FIT_HELP
    ),
    "score": _Command(
        judge_command,
        add_score_arguments,
        "Judge pairs with a model that fit has saved.",
        f"{SCORE_HELP}\n{JUDGE_HELP}",
        usage=f"score [options] MODEL {_PHOTOS}",
    ),
    "compare": _Command(
        judge_command,
        add_compare_arguments,
        "Judge pairs with the model that comes with the package.",
        f"{COMPARE_HELP}\n{JUDGE_HELP}",
        usage=f"compare [options] {_PHOTOS}",
    ),
    "find": _Command(
        find_command,
        add_find_arguments,
        "Find the pictures of a folder that do not fit a person, the least fitting first.",
        FIND_HELP,
        usage="find [options] (PROBE [PROBE ...] | --csv FILE) --reference REFERENCE [...]",
    ),
    "watch": _Command(
        watch_command,
        add_watch_arguments,
        "Judge the new files of a folder, or a camera or stream, as they arrive.",
        WATCH_HELP,
        usage="watch [options] (FOLDER | VIDEO | ADDRESS | --camera NUMBER) --reference "
        "REFERENCE [...]",
    ),
    "annotate": _Command(
        annotate_command,
        add_annotate_arguments,
        "Judge a video, and write a copy that shows the face and the p-values of its frames.",
        ANNOTATE_HELP,
    ),
    "calibrate": _Command(
        calibrate_command,
        add_calibrate_arguments,
        "Set the threshold of a model on genuine pairs of your own.",
        CALIBRATE_HELP,
    ),
    "backbones": _Command(
        backbones_command,
        add_backbones_arguments,
        "List the networks that --backbone takes: size, license, error rate, source.",
        BACKBONES_HELP,
        reads_photos=False,
    ),
    "benchmark": _Command(
        benchmark_command,
        add_benchmark_arguments,
        "Judge pipelines on datasets, by the protocols of the field.",
        BENCHMARK_HELP,
        reads_photos=False,
    ),
    "demo": _Command(
        demo_command,
        add_demo_arguments,
        "Fit and judge a public-domain portrait: a table and a picture, no network.",
        DEMO_HELP,
        reads_photos=False,
    ),
    "doctor": _Command(
        doctor_command,
        add_doctor_arguments,
        "Check the installation: versions, device, networks, and one pair of photographs.",
        DOCTOR_HELP,
        reads_photos=False,
    ),
}


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; an option may stand between photographs."""
    parser = make_parser()
    args, remaining = parser.parse_known_args(argv)
    if remaining and (
        not hasattr(args, "photos") or any(argument.startswith("-") for argument in remaining)
    ):
        parser.error(f"unrecognized arguments: {' '.join(remaining)}")
    if remaining:
        args.photos = [*args.photos, *remaining]
    args.command_line = list(sys.argv[1:] if argv is None else argv)
    return args


def make_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    name = program_name()
    parser = Parser(
        prog=name,
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
    shared: list[Any] = shared_options()
    for command, (run, add_arguments, summary, text, reads_photos, usage) in _COMMANDS.items():
        command_parser = commands.add_parser(
            command,
            help=summary,
            description=summary,
            epilog=f"{text}\n{EXIT_CODES}",
            formatter_class=raw,
            parents=shared if reads_photos else shared[:1],
            usage=f"{name} {usage}" if usage else None,
        )
        command_parser.set_defaults(run=run)
        add_arguments(command_parser)
    _add_help(parser, commands, shared[0])
    return parser


def _add_help(parser: argparse.ArgumentParser, commands: Any, general: Any) -> None:
    """Add the command ``help``, which prints the same as ``--help``."""
    summary = "Explain a command."
    help_parser = commands.add_parser(
        "help",
        help=summary,
        description=summary,
        epilog=f"{_HELP_HELP}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[general],
    )
    help_parser.add_argument("command", nargs="?", metavar="COMMAND", help="which command")

    def show(args: argparse.Namespace) -> int:
        if args.command is not None and args.command not in commands.choices:
            advice = nearest(args.command, commands.choices)
            raise ValueError(f"there is no command {args.command!r}; {advice}")
        (parser if args.command is None else commands.choices[args.command]).print_help()
        return SUCCESS

    help_parser.set_defaults(run=show)
