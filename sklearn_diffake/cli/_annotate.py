"""The command ``annotate``: a copy of a clip that shows face and p-values."""

from __future__ import annotations

import argparse

from sklearn_diffake.cli._exit_codes import code_of_outcomes
from sklearn_diffake.cli._judge import load_model, set_everywhere
from sklearn_diffake.cli._options import (
    add_reference,
    add_trust,
    check_video,
    computing,
    positive_number,
    shows_progress,
)
from sklearn_diffake.utils._atomic_files import check_writable
from sklearn_diffake.utils._messages import printable
from sklearn_diffake.utils._numbers import significant

ANNOTATE_HELP = """\
examples:
  sklearn-diffake annotate call.mp4 --reference passport.jpg card.jpg -o annotated.mp4
  sklearn-diffake annotate call.mp4 -o annotated.mp4
  sklearn-diffake annotate call.mp4 --reference passport.jpg --model model.diffake -o annotated.mp4

Without --reference the clip is judged by its own frames, which sees much less. A box around the
face is solid and blue where the p-value of the frame is above the level, dashed and orange where it
is not. The p-values of single frames are drawn over time below the picture. There is no sound.
"""


def add_annotate_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what the command takes."""
    parser.add_argument("clip", metavar="CLIP", help="the video to judge")
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="the video to write, FILE.mp4"
    )
    add_reference(parser)
    parser.add_argument("--model", metavar="MODEL", help="file that fit has saved")
    add_trust(parser)
    parser.add_argument(
        "--frames",
        type=positive_number,
        metavar="N",
        help="frames that are judged, evenly spaced (default: 24)",
    )


def annotate_command(args: argparse.Namespace) -> int:
    """Judge a clip, and write a copy of it with the evidence."""
    if not args.output.lower().endswith(".mp4"):
        raise ValueError(f"--output must end in .mp4, got {args.output!r}")
    check_writable(args.output, inputs=[args.clip, *(args.reference or [])])
    check_video(args.clip)
    from sklearn_diffake.verdict import annotate_clip, verify

    args.mode = "reference" if args.reference else "same-video"
    model = load_model(args)
    set_everywhere(model, **computing(args))
    options = {} if args.frames is None else {"n_frames": args.frames}
    verdict = verify(args.reference, args.clip, model=model, **options)
    if verdict.outcome == "error":
        raise ValueError(verdict.reason)
    annotate_clip(verdict, args.output, verbose=shows_progress(args))
    p = "" if verdict.p_value is None else f", p-value {significant(verdict.p_value, 3)}"
    print(f"{verdict.outcome}{p}: {printable(verdict.reason)}")
    print(f"wrote {printable(args.output)}")
    return code_of_outcomes({verdict.outcome})
