"""What the tests of the command line share."""

import dataclasses

from named_verdicts import verdict_of

TINY = "tiny_backbones:colors"
FIT = ["--no-align", "--backbone", TINY, "--device", "cpu"]
FIT += ["--operator", "squared", "--components", "1"]
FIT += ["--target-bpcer", "0.1"]
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
    """Stands in for `verify_many`: notes what it is given, and judges probes by their names."""

    def __init__(self):
        self.calls = []
        self.options = []
        self.modes = []
        self.verdicts = []

    def __call__(self, pairs, *, mode, model=None, **options):
        self.options.append(options)
        self.modes.append(mode)
        for reference, probe in pairs:
            self.calls.append((reference, probe))
            verdict = self.judge(reference, probe)
            self.verdicts.append(dataclasses.replace(verdict, mode=mode))
            yield self.verdicts[-1]

    def judge(self, reference, probe):
        return verdict_of(probe)
