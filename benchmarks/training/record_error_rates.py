"""Put the measured error rates of the packaged models where their verdicts read them.

    python benchmarks/training/record_error_rates.py

Those of reference mode are of the test part in ``results/verification_quality.json``, for each
number of references and probe images; those of same-video mode are of the test part and of the
clips in ``results/same_video.json``. They replace those of former models, which nothing can load.
Run it after ``fit_default.py`` and ``verification_quality.py``, or after ``fit_same_video.py``.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import RESULTS
from sklearn_diffake import load_default
from sklearn_diffake.verdict import ErrorRate
from sklearn_diffake.verdict._model import PACKAGED_NAMES, prepare_model

FILE = Path(__file__).parents[2] / "sklearn_diffake" / "data" / "error_rates.json"
DATA = "face swaps of the Deepfake Detection Challenge (test part)"
CLIPS = "face swaps of Celeb-DF v2, of one person"
N_FRAMES = 24  # of a clip


def rates_of_pairs(rows):
    """Yield the rates of reference mode on the test part, one by one."""
    for row in rows:
        if (row["system"], row["labels"], row["part"]) != ("default", "cleaned", "test"):
            continue
        counts = {"EER": row["genuine"] + row["fakes"], "APCER": row["fakes"]}
        counts["BPCER"] = row["genuine"]
        for name, n in counts.items():
            yield ErrorRate(
                DATA, row["references"], row["probes"], name.lower(), *row[name], n
            )  # fmt: skip


def rates_of_clips(figures):
    """Yield the rates of same-video mode: on frames of the test part, then on clips if judged."""
    frames = next(row for row in figures["frames"] if row["part"] == "test")
    clips = figures.get("clip rates", {"genuine": 0, "fakes": 0})
    for data, n_probes, row in ((DATA, 1, frames), (CLIPS, N_FRAMES, clips)):
        counts = {"EER": row["genuine"] + row["fakes"], "APCER": row["fakes"]}
        counts["BPCER"] = row["genuine"]
        for name, n in counts.items():
            if name in row:
                yield ErrorRate(data, 0, n_probes, name.lower(), *row[name], n)


def main():
    rows = json.loads((RESULTS / "verification_quality.json").read_text())["rows"]
    clips = json.loads((RESULTS / "same_video.json").read_text())
    rates = {"reference": rates_of_pairs(rows), "same-video": rates_of_clips(clips)}
    models = []
    for mode, name in PACKAGED_NAMES.items():
        fingerprint = prepare_model(load_default(mode=mode)).info.fingerprint
        rate_rows = [asdict(rate) for rate in rates[mode]]
        models.append({"name": name, "fingerprint": fingerprint, "rates": rate_rows})
        print(f"{FILE}: {len(rate_rows)} rates of the model {name} ({fingerprint:.12})")
    FILE.write_text(json.dumps({"models": models}, indent=1) + "\n")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    main()
