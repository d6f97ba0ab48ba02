"""A stand-in for the judging of pictures, which takes the verdict from the name of the probe.

It imports no library, so that programs of the tests start at once.
"""

import sys
import types
from dataclasses import dataclass, field

OUTCOMES = {"good": "genuine", "unsure": "inconclusive", "broken": "error"}  # else suspicious
SCORES = {"genuine": 1.0, "inconclusive": 0.25, "suspicious": -1.0, "error": None}
REASONS = {"genuine": "it is good", "inconclusive": "it is near the threshold"}


@dataclass
class NamedVerdict:
    """What a command line reads of a verdict."""

    outcome: str
    reason: str
    score: float | None
    threshold: float | None = 0.0
    p_value: float | None = None
    level: float | None = None
    n_references: int = 1
    n_probes: int = 1
    category: tuple | None = None
    images: tuple = ()
    warnings: tuple = ()
    clip: object = None
    model: object = None
    mode: str = "reference"
    reports: list = field(default_factory=list)

    def to_dict(self):
        names = ("outcome", "reason", "score", "threshold", "p_value")
        return {name: getattr(self, name) for name in names}

    def report(self, path, **options):
        self.reports.append((path, options))


@dataclass
class Info:
    name: str = ""
    fingerprint: str = "0" * 64
    n_calibration: int | None = None
    target_bpcer: float | None = None


@dataclass
class Ready:
    """A model made ready to give verdicts."""

    info: Info = field(default_factory=Info)


class Model:
    """Computes nothing: the command line leaves that to `verify_many`."""

    def __init__(self, *, mode="reference"):
        self.mode = mode

    def score_samples(self, pairs):
        raise AssertionError("the command line computes no score")


def verdict_of(probe):
    result = [outcome for argument, outcome in OUTCOMES.items() if argument in str(probe)]
    outcome = result[0] if result else "suspicious"
    reason = REASONS.get(outcome, f"{probe}: it is {outcome}")
    return NamedVerdict(outcome, reason, SCORES[outcome])


def install(original=lambda: None):
    """Judge by names in this process, without any import of the real thing."""

    def verify_many(pairs, **options):
        for i, (_, probe) in enumerate(pairs):
            if i == 0:
                original()
            yield verdict_of(probe)

    import sklearn_diffake
    from sklearn_diffake.utils._modes import ModeError

    package = types.ModuleType("sklearn_diffake.verdict")
    package.verify_many = verify_many
    inner = types.ModuleType("sklearn_diffake.verdict._evidence")
    inner.SUSPICIOUS_MEANS = {"reference": "altered, or somebody else"}
    model = types.ModuleType("sklearn_diffake.verdict._model")
    model.prepare_model = lambda model: Ready()
    model.PACKAGED_NAMES = {"reference": "default"}
    pairs = types.ModuleType("sklearn_diffake.pairs")
    pairs.ModeError, pairs.mode_of = ModeError, lambda model: model.mode
    mode = types.ModuleType("sklearn_diffake.pairs._mode")
    mode.refuse_other = lambda mode, expected, *, unstated: None
    for module in (package, inner, model, pairs, mode):
        sys.modules[module.__name__] = module
    sklearn_diffake.load_default = Model
