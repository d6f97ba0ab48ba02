"""Put measured error rates of the packaged model where its verdicts read them.

    python benchmarks/record_error_rates.py RATES.json

RATES.json holds a list of objects with the fields of `ErrorRate`: data, n_references, n_probes,
metric (apcer, bpcer or eer), estimate, low, high, n. They replace those of the model that
`load_default` returns; entries of former models are dropped, as nothing can load these.
"""

import json
import sys
from pathlib import Path

from sklearn_diffake import load_default
from sklearn_diffake.verdict import ErrorRate
from sklearn_diffake.verdict._model import prepare_model

FILE = Path(__file__).parents[1] / "sklearn_diffake" / "data" / "error_rates.json"


def main():
    rates = json.loads(Path(sys.argv[1]).read_text())
    for rate in rates:
        ErrorRate(**rate)  # raises an error if a field is missing or another is there
    fingerprint = prepare_model(load_default()).info.fingerprint
    models = [{"name": "default", "fingerprint": fingerprint, "rates": rates}]
    FILE.write_text(json.dumps({"models": models}, indent=1) + "\n")
    print(f"{FILE}: {len(rates)} rates of the model {fingerprint:.12}")


if __name__ == "__main__":
    main()
