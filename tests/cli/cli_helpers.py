"""What the tests of the command line share."""

import numpy as np

from sklearn_diffake.faces import ImageError

TINY = "tiny_backbones:colours"
FIT = ["--no-align", "--backbone", TINY, "--components", "1", "--device", "cpu"]
FIT += ["--contamination", "0.1"]  # a threshold that 12 pairs can set
N = 24  # photographs in the folder of the tests


def write_table(path, rows, header=("reference", "probe"), separator=","):
    lines = [separator.join(map(str, row)) for row in [header, *rows]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def error_of(capsys):
    """Return what was said on standard error, which must be one line and no traceback."""
    error = capsys.readouterr().err
    assert error.startswith("sklearn-diffake: error: ")
    assert error.count("\n") == 1
    return error


class Recorder:
    """A model that notes the calls; a photograph named bad cannot be read."""

    offset_ = 0.5

    def __init__(self):
        self.calls = []

    def score_samples(self, pairs):
        self.calls.append(len(pairs))
        bad = [row for row, (_, probe) in enumerate(pairs) if "bad" in probe]
        if bad:
            raise ImageError("it is bad", row=bad[0], column=1)
        return np.array([float("good" in probe) for _, probe in pairs])
