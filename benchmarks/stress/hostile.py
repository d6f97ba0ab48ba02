"""Check that everything that reads files refuses damaged and crafted files.

Every input is made from a small valid file, the seed and its number; some hold names of temporary
folders, which differ from run to run. It is used in a process with limits of memory and time, which
an audit hook and traps watch. What must not happen: a crash, a hang, memory past its limit, an
error of another kind than is documented or that does not name the file, code that is run, a file, a
module or a port outside that is reached.

    python benchmarks/stress/hostile.py [--inputs 100000] [--minutes 60] [--seed 0] \\
        [--only png] [--save]
    python benchmarks/stress/hostile.py --only forged --save   # 2,000 forged models
    python benchmarks/stress/hostile.py --only models --at 123   # one input again
"""

from sklearn_diffake.utils._torchvision import import_torchvision  # isort: skip

import_torchvision()
import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import av
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import RESULTS, report
from benchmarks.stress._guarded_process import Traps, run_guarded
from benchmarks.stress._hostile_forged import ForgedConfigurations, ForgedModels
from benchmarks.stress._hostile_media import Aligning, Images, Videos, write_clip
from benchmarks.stress._hostile_models import Graphs, Models, Weights
from benchmarks.stress._hostile_tables import Configurations, Manifests, PairTables, Trees

KINDS = (Images, Aligning, Videos, PairTables, Manifests, Trees, Configurations)
KINDS += (Graphs, Weights, Models, ForgedModels, ForgedConfigurations)


def prepare(folder, seed, only=""):
    """Make folders, traps and kinds; use the seeds of each, so that all is imported."""
    folders = folder / "traps", folder / "seeds", folder / "inside"
    for subfolder in folders:
        subfolder.mkdir()
    os.environ["SCIKIT_LEARN_DATA"] = str(folders[0] / "data")  # a canary: code may remove it
    (folders[0] / "data").mkdir()
    os.environ["SKLEARN_DIFFAKE_HOME"] = str(folders[2] / "home")
    traps = Traps(folders[0])
    (folder / "named").mkdir()
    for subfolder in (traps.folder, folder / "named"):
        Image.new("RGB", (9, 9)).save(subfolder / "picture.png")
    (traps.folder / "weights.bin").write_bytes(bytes(48))
    kinds = [kind for kind in KINDS if only in kind.__name__.lower()]
    for name, codec in (("clip.mp4", "mpeg4"), ("clip.ts", "mpeg2video")):
        write_clip(traps.folder / name, codec)
    separate_kinds = (Manifests, Trees, ForgedModels)  # what their seeds name is read
    fuzzers = [
        kind(seed, folders[2] if kind in separate_kinds else folders[1], traps) for kind in kinds
    ]
    return fuzzers, folders[2], traps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=60, help="stop after")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    parser.add_argument("--at", type=int, help="only this input, without a guard")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    av.logging.set_level(None)
    rows_by_kind, until = {}, time.time() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        kinds, inside, traps = prepare(Path(folder), options.seed, options.only.lower())
        traps.monitor()
        for kind in kinds:
            if options.at is not None:
                kind.use(kind.write(inside, options.at))
                continue
            start, count = time.perf_counter(), round(options.inputs * kind.fraction)
            outcome = run_guarded(kind, range(count), inside, traps, until=until)
            figures = {"what": kind.__doc__.partition("\n")[0].rstrip("."), **outcome.figures()}
            figures["limits"] = {"memory, MiB": kind.mib, "seconds": kind.seconds}
            figures["seconds"] = round(time.perf_counter() - start, 1)
            rows_by_kind[type(kind).__name__.lower()] = figures
            print(type(kind).__name__, figures, flush=True)
    failed = sum(row["findings"] for row in rows_by_kind.values())
    if options.only and options.save:  # the other kinds keep their figures
        rows_by_kind = {
            **json.loads((RESULTS / "hostile.json").read_text())["rows"],
            **rows_by_kind,
        }
    total = {key: sum(row[key] for row in rows_by_kind.values()) for key in ("inputs", "findings")}
    report("hostile", {"seed": options.seed, **total, "rows": rows_by_kind})
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
