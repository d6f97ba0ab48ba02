"""The commands ``score`` and ``compare``: a verdict on every probe."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sklearn_diffake.cli._accuracy import LabeledVerdict, print_accuracy
from sklearn_diffake.cli._exit_codes import code_of_outcomes
from sklearn_diffake.cli._modes import label_other_mode, mode_of_pair, pairs_of_other_mode
from sklearn_diffake.cli._options import (
    add_abstain,
    add_frames,
    add_trust,
    computing,
    files_in,
    verbosity,
)
from sklearn_diffake.cli._outputs import (
    check_output_option,
    check_report_option,
    open_output,
    write_report,
)
from sklearn_diffake.cli._pairs import CSV_FORM, Pair, choose_mode, pairs_of_arguments, read_pairs
from sklearn_diffake.cli._verdict_printer import json_printer, table_printer
from sklearn_diffake.utils._modes import MODES, Mode
from sklearn_diffake.utils._numbers import percent
from sklearn_diffake.utils._progress import progress_bar, write_line

if TYPE_CHECKING:
    from sklearn_diffake.verdict import ErrorRate, ModelInfo, Verdict

SCORE_HELP = """\
examples:
  sklearn-diffake score model.diffake passport.jpg selfie.jpg
  sklearn-diffake score model.diffake --reference passport.jpg card.jpg --probe call.mp4
  sklearn-diffake score model.diffake passport.jpg selfie.jpg --report why.html
  sklearn-diffake score clips.diffake call.mp4
  sklearn-diffake score model.diffake --csv pairs.csv --output scores.csv
  sklearn-diffake score model.diffake --csv pairs.csv --json > scores.jsonl
"""
COMPARE_HELP = """\
examples:
  sklearn-diffake compare passport.jpg selfie.jpg
  sklearn-diffake compare --reference passport.jpg card.jpg photos/ --probe selfie.jpg call.mp4
  sklearn-diffake compare passport.jpg selfie.jpg --report why.html
  sklearn-diffake compare passport.jpg call.mp4 --frames 32 --json
  sklearn-diffake compare call.mp4
  sklearn-diffake compare --mode same-video one.mp4 two.mp4 --output clips.csv
  sklearn-diffake compare --csv pairs.csv --cache store --output scores.parquet
"""
JUDGE_HELP = f"""\
All of --reference together show one trusted person: the more pictures, the fewer errors. Each
argument of --probe is judged by itself; a folder is one probe, whose pictures show one person.
A video may stand for its frames; videos need the extra video: pip install 'sklearn-diffake[video]'
One video and nothing else is judged by its own frames, without a reference (same-video mode). That
sees much less: give a reference if there is one.

verdicts:
  genuine       like genuine pairs of one person
  suspicious    not like genuine pairs of one person: altered, or somebody else
                (a video by itself: not like frames of genuine videos: altered, or recorded or
                compressed otherwise)
  inconclusive  near the threshold, or the evidence is too weak; the reason is said
  error         not judged: no face, or a file that cannot be read; other rows are judged

{CSV_FORM}"""

_DEFAULT_NOTES: dict[Mode, str] = {
    "reference": "note: the model that comes with the package was set on press photographs (see "
    "its model card); set the threshold on genuine pairs like yours for real work",
    "same-video": "note: the model of the package for videos without a reference is a weak one, "
    "set on single frames of videos (see its model card): it misses most of what is altered",
}


def add_score_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``score``."""
    parser.add_argument("model", metavar="MODEL", help="file that fit has saved")
    add_trust(parser)
    _add_judge_arguments(parser)


def add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``compare``."""
    parser.set_defaults(model=None)
    _add_judge_arguments(parser)


def _add_judge_arguments(parser: argparse.ArgumentParser) -> None:
    _add_inputs(parser.add_argument_group("what is judged"))
    _add_rules(parser.add_argument_group("how it is judged"))
    _add_results(parser.add_argument_group("results"))


def _add_inputs(group: Any) -> None:
    inputs = group.add_argument
    inputs("photos", nargs="*", metavar="PHOTO", help="REFERENCE PROBE [PROBE ...], or one VIDEO")
    for side, text in (
        ("reference", "pictures, videos and folders that together show the trusted person"),
        ("probe", "pictures, videos and folders, each of which is judged by itself"),
    ):
        inputs(f"--{side}", nargs="+", action="extend", metavar=side.upper(), help=text)
    inputs("--csv", metavar="PAIRS.csv", help="judge the pairs of a table instead")


def _add_rules(group: Any) -> None:
    options = group.add_argument
    options(
        "--mode",
        choices=MODES,
        help="compare probes with a reference, or judge each video by its own frames (default: "
        "reference; same-video for one video and nothing else)",
    )
    add_frames(group)
    add_abstain(group)
    options(
        "--select",
        choices=("largest", "central", "confident", "match"),
        help="which of several faces of a photograph is taken, see fit (default: as MODEL was "
        "fitted; with another choice the threshold was not set for it)",
    )
    options(
        "--other-mode",
        action="store_true",
        help="judge pairs of another mode than the model's too, such as frames of one video by a "
        "model for references; they are inconclusive at best, with the warning other_mode",
    )


def _add_results(group: Any) -> None:
    results = group.add_argument
    results("--json", action="store_true", help="write one JSON object a line")
    results(
        "-o",
        "--output",
        metavar="FILE",
        help="write verdicts to FILE.csv, FILE.parquet or FILE.jsonl too; .jsonl keeps what was "
        "judged when interrupted",
    )
    results(
        "--report",
        metavar="FILE",
        help="show what was compared and why one pair was judged as it was, in FILE.html",
    )
    results("--case", metavar="NUMBER", help="number of the case, for the report")


def judge_command(args: argparse.Namespace) -> int:
    """Judge pairs with a saved model, or with the one that comes with the package."""
    args.mode = choose_mode(args)
    pairs = read_pairs(args.csv, keep_empty=True) if args.csv else None
    pairs = pairs_of_arguments(args, pairs)
    inputs = _input_files(args, pairs)
    check_output_option(args.output, inputs)
    check_report_option(args, pairs, inputs)
    with contextlib.redirect_stdout(sys.stderr):  # libraries may print, which is no result
        verdicts = _verdicts(args, pairs)
    summary = _Summary()
    try:
        with (
            open_output(args.output, inputs) as write,
            _bar(args, pairs) as bar,
        ):
            show = json_printer() if args.json else table_printer(pairs)
            for pair, verdict in zip(pairs, quietly(verdicts), strict=True):
                write(pair, verdict)
                show(pair, verdict)
                summary.add(pair, verdict)
                bar.update()
    except KeyboardInterrupt:
        write_line(f"{summary.n} of {len(pairs)} pairs were judged")
        raise
    if not args.quiet:
        summary.print_notes()
    if args.report and summary.last is not None:
        with contextlib.redirect_stdout(sys.stderr):
            write_report(args, summary.last)
    return code_of_outcomes(set(summary.outcomes))


class _Summary:
    """The notes after the last verdict; it keeps no picture, however many pairs there are."""

    def __init__(self) -> None:
        self.n = 0
        self.outcomes: Counter[str] = Counter()
        self.last: Verdict | None = None  # if it has any
        self.model: ModelInfo | None = None
        self._n_calibration: set[int] = set()  # for the numbers of images that occurred
        self._numbers: set[tuple[int, int]] = set()  # of references and probes
        self._warnings: dict[str, tuple[str, int]] = {}
        self._labeled: list[LabeledVerdict] = []

    def add(self, pair: Pair, verdict: Verdict) -> None:
        """Count a verdict in."""
        self.n += 1
        self.outcomes[verdict.outcome] += 1
        self.last, self.model = verdict, verdict.model or self.model
        if verdict.p_value is not None and verdict.model and verdict.model.n_calibration:
            self._n_calibration.add(verdict.model.n_calibration)
        if verdict.score is not None:
            self._numbers.add(verdict.category or (verdict.n_references, 1))
        for warning in verdict.warnings:
            message, count = self._warnings.get(warning.code, (warning.message, 0))
            self._warnings[warning.code] = (message, count + 1)
        if pair.label is not None and verdict.score is not None:
            sides = (pair.reference, pair.probe, *([pair.person] if pair.person else []))
            numbers = (verdict.score, verdict.p_value, verdict.category)
            self._labeled.append(LabeledVerdict(pair.label, sides, verdict.outcome, *numbers))

    def print_notes(self) -> None:
        """Write notes to standard error."""
        from sklearn_diffake.verdict._evidence import SUSPICIOUS_MEANS

        sys.stdout.flush()
        for code, (message, count) in self._warnings.items():
            repeated = f" (so in {count} pairs)" if count > 1 else ""
            write_line(f"warning: {code}: {message}{repeated}")
        if self.n == 1 and self.last is not None and self.last.outcome != "error":
            write_line(f"{self.last.outcome}: {self.last.reason}")
        if self.outcomes["suspicious"] and self.n > 1 and self.last is not None:
            write_line(f"suspicious means: {SUSPICIOUS_MEANS[self.last.mode]}")
        if self.model is not None and self._n_calibration:
            write_line(f"note: {calibration_note(self.model, self._n_calibration)}")
        for rate in _rates_for(self.model, self._numbers):
            write_line(f"note: {_rate_note(rate)}")
        print_accuracy(self._labeled)


def calibration_note(model: ModelInfo, n_calibration: set[int]) -> str:
    """Write what the threshold of a model rests on.

    Parameters
    ----------
    model : ModelInfo
    n_calibration : set of int
        Genuine pairs or people, for the numbers of images that occurred.

    Returns
    -------
    str
    """
    low, high = min(n_calibration), max(n_calibration)
    count = f"{high:,}" if low == high else f"{low:,} to {high:,} (by number of images)"
    target = "" if model.target_bpcer is None else f", to reject {model.target_bpcer:.1%} of them"
    return (
        f"the threshold of model {model.name} ({model.fingerprint[:12]}) was set on "
        f"{count} genuine pairs or persons{target}"
    )


def _rates_for(model: ModelInfo | None, numbers: set[tuple[int, int]]) -> list[ErrorRate]:
    """Return the error rates for the numbers of images that are nearest to the judged ones.

    Of more than two numbers of images, those for the least and the most are returned.
    """
    if model is None or not model.error_rates or not numbers:
        return []
    from sklearn_diffake.verdict._evidence import FEWEST_TESTED, nearest_numbers

    measured: dict[str, set[tuple[int, int]]] = {}
    for rate in model.error_rates:
        if rate.n >= FEWEST_TESTED:
            measured.setdefault(rate.data, set()).add((rate.n_references, rate.n_probes))
    ends = (min(numbers), max(numbers))
    nearest = {
        (data, *nearest_numbers(end, choices)) for data, choices in measured.items() for end in ends
    }
    return [r for r in model.error_rates if (r.data, r.n_references, r.n_probes) in nearest]


def _rate_note(rate: ErrorRate) -> str:
    k, m = rate.n_references, rate.n_probes
    probes = "one photograph" if m == 1 else f"{m} photographs of one probe"
    kind, unit = f"{probes} against {'one' if k == 1 else f'{k} references'}", "pairs"
    if k == 0:
        kind, unit = ("single frames", "frames") if m == 1 else (f"{m} frames of a clip", "clips")
    return (
        f"measured on {rate.data}, {kind}: {rate.metric.upper()} {percent(rate.estimate)} "
        f"(95 %: {percent(rate.low)} to {percent(rate.high)}, {rate.n:,} {unit})"
    )


def _verdicts(args: argparse.Namespace, pairs: Sequence[Pair]) -> Iterator[Verdict]:
    from sklearn_diffake.verdict import verify_many

    model = load_model(args)
    options = computing(args)
    if len(pairs) > 1:
        options["verbose"] = args.verbose  # one bar over all pairs by default
    set_everywhere(model, **options)
    if args.select is not None:
        _set_select(model, args.select)
    numbers = {"n_frames": args.frames, "abstain": args.abstain}
    numbers = {name: value for name, value in numbers.items() if value is not None}
    hint = "; --other-mode judges such pairs all the same, as inconclusive at best"
    mismatched = pairs_of_other_mode(model, pairs, args.csv, allowed=args.other_mode, hint=hint)
    sides = ((_side(pair.paths[0]), _side(pair.paths[1])) for pair in pairs)
    verdicts = verify_many(sides, mode=args.mode, model=with_name(model, args), **numbers)
    return (
        label_other_mode(verdict, mode_of_pair(pairs[number])) if number in mismatched else verdict
        for number, verdict in enumerate(verdicts)
    )


def with_name(model: Any, args: argparse.Namespace) -> Any:
    """Return a prepared model whose verdicts name the file that it came from."""
    from sklearn_diffake.verdict._model import PACKAGED_NAMES, prepare_model

    ready = prepare_model(model)
    name = PACKAGED_NAMES[args.mode] if args.model is None else os.path.basename(args.model)
    return replace(ready, info=replace(ready.info, name=name))


def _side(cell: str | tuple[str, ...]) -> str | list[str]:
    return cell if isinstance(cell, str) else list(cell)


def quietly(verdicts: Iterator[Verdict]) -> Iterator[Verdict]:
    """Yield verdicts; libraries print to standard error meanwhile.

    Parameters
    ----------
    verdicts : iterator of Verdict

    Yields
    ------
    Verdict
    """
    while True:
        with contextlib.redirect_stdout(sys.stderr):
            try:
                verdict = next(verdicts)
            except StopIteration:
                return
        yield verdict


def _bar(args: argparse.Namespace, pairs: Sequence[Pair]) -> Any:
    return progress_bar(total=len(pairs), desc="judging", unit="pair", verbose=verbosity(args))


def load_model(args: argparse.Namespace) -> Any:
    """Return the model in the file `args.model`, or the packaged one for `args.mode`."""
    if args.model is None:
        from sklearn_diffake import load_default

        model = load_default(mode=args.mode)
        if not args.quiet:
            print(_DEFAULT_NOTES[args.mode], file=sys.stderr)
        return model
    from sklearn_diffake.persistence import load

    model = load(args.model, trusted=args.trust)
    if not hasattr(model, "score_samples"):
        raise ValueError(f"{args.model} holds a {type(model).__name__}, which gives no verdicts")
    return model


def _input_files(args: argparse.Namespace, pairs: Iterable[Pair]) -> list[str]:
    """List all files that the command reads: no output may replace them."""
    photos = sorted({file for pair in pairs for file in pair.files})
    arguments = [file for file in (args.csv, args.model) if file]
    return [*arguments, *photos, *files_in([args.cache, *photos])]


def set_everywhere(model: Any, **params: Any) -> None:
    """Set parameters on every step that has them, those of joined embedders included."""
    for step in _steps(model):
        if hasattr(step, "get_params"):
            accepted = step.get_params(deep=False)
            step.set_params(**{name: value for name, value in params.items() if name in accepted})


def _set_select(model: Any, select: str) -> None:
    """Choose faces in another way than the model was fitted with."""
    from sklearn.base import clone

    from sklearn_diffake.embedding import FaceEmbedder
    from sklearn_diffake.faces import FaceAligner

    steps = list(_steps(model))
    aligners = [step for step in steps if isinstance(step, FaceAligner)]
    if not aligners:
        raise ValueError("--select: the model does not align, so it takes photographs as they are")
    for aligner in aligners:
        aligner.set_params(select=select)
        if select == "match" and aligner.matcher is None:
            embedders = [step for step in steps if isinstance(step, FaceEmbedder)]
            aligner.set_params(matcher=clone(embedders[0]))


def _steps(model: Any) -> Iterator[Any]:
    """Yield the estimators of a pipeline, those of its branches included."""
    steps = getattr(model, "steps", None) or getattr(model, "transformer_list", None)
    if not steps:
        yield model
    for _, step in steps or ():
        yield from _steps(step)
