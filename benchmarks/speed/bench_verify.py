"""A verdict against the score alone, and enrolled references against one.

The yardsticks are ``score_samples`` of the packaged model on the same pair of photographs, and
`verify` of the same probe with one enrolled reference. All are warm: models and networks are
loaded. A call takes a fifth of a second, so that machines that are busy blur small differences:
many turns.
"""

import sys
from pathlib import Path

import numpy as np
from skimage.data import astronaut

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import run_alone, time_alternately, timed
from sklearn_diffake import Reference, load_default, verify

GOAL_SCORE, GOAL_REFERENCES = 1.1, 1.05  # times as long, at most


def figures(quick=False):
    repeats = 7 if quick else 31
    photo = astronaut()
    probe = np.ascontiguousarray(photo[:, ::-1])
    model = load_default()
    score = time_alternately(
        lambda: verify(photo, probe, model=model),
        lambda: model.score_samples([(photo, probe)]),
        repeats=repeats,
    )
    one_reference, five = (
        Reference([np.ascontiguousarray(photo[i:]) for i in range(n)], model) for n in (1, 5)
    )
    references = time_alternately(
        lambda: verify(five, probe), lambda: verify(one_reference, probe), repeats=repeats
    )
    return [
        timed(
            "verify of a pair of photographs",
            "score_samples of the pair",
            score,
            goal=f">= {1 / GOAL_SCORE:.3f}",
        ),
        timed(
            "verify with 5 enrolled references",
            "verify with 1 enrolled reference",
            references,
            goal=f">= {1 / GOAL_REFERENCES:.3f}",
        ),
    ]


if __name__ == "__main__":
    run_alone(figures)
