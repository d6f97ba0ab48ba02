"""Put the measured error rates of the packaged model where its verdicts read them.

    python benchmarks/record_error_rates.py

They are those of the test part in ``results/verification_quality.json``, for each number of
references and probe images, and replace those of former models, which nothing can load. Run it
after ``fit_default.py`` and ``verification_quality.py``.
"""

import json
from dataclasses import asdict
from pathlib import Path

from _yardstick import RESULTS

from sklearn_diffake import load_default
from sklearn_diffake.verdict import ErrorRate
from sklearn_diffake.verdict._model import prepare_model

FILE = Path(__file__).parents[1] / "sklearn_diffake" / "data" / "error_rates.json"
DATA = "face swaps of the Deepfake Detection Challenge (test part)"


def rates_of(rows):
    """Yield the rates of the default on the test part, one by one."""
    for row in rows:
        if (row["system"], row["labels"], row["part"]) != ("default", "cleaned", "test"):
            continue
        counts = {"EER": row["genuine"] + row["fakes"], "APCER": row["fakes"]}
        counts["BPCER"] = row["genuine"]
        for name, n in counts.items():
            yield ErrorRate(
                DATA, row["references"], row["probes"], name.lower(), *row[name], n
            )  # fmt: skip


def main():
    rows = json.loads((RESULTS / "verification_quality.json").read_text())["rows"]
    rates = [asdict(rate) for rate in rates_of(rows)]
    fingerprint = prepare_model(load_default()).info.fingerprint
    models = [{"name": "default", "fingerprint": fingerprint, "rates": rates}]
    FILE.write_text(json.dumps({"models": models}, indent=1) + "\n")
    print(f"{FILE}: {len(rates)} rates of the model {fingerprint:.12}")


if __name__ == "__main__":
    main()
