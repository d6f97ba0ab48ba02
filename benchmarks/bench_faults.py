"""Kills at random moments, as rows of the harness; what is done is said in faults.py."""

import tempfile
import warnings
from pathlib import Path

import faults
import numpy as np
import torch
from _yardstick import alone, row


def figures(quick=False):
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rng, rows = np.random.default_rng(0), []
    with tempfile.TemporaryDirectory() as folder:
        for kind in faults.KINDS:
            kills = 4 if quick else 50
            found = faults.torment(kind, Path(folder, kind.__name__), kills, rng)
            what = f"sound after {found['kills']} kills: {kind.name}"
            sound = found["kills"] - found["lost or wrong"]
            rows.append(row(what, "all", sound, found["kills"], "kills", goal=">= 1",
                            more_is_better=True))  # fmt: skip
    return rows


if __name__ == "__main__":
    alone(figures)
