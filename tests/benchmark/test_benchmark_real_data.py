"""The five protocols on real photographs and real deepfakes, where they are at hand."""

import csv
import json

import pytest
from benchmark_cases import write_rows

from sklearn_diffake.cli import main

N_PEOPLE, N_IDENTITIES = 30, 12

CONFIG = """
bootstrap = 50

[datasets.lfw]
images = "lfw.csv"

[datasets.dfdc]
images = "dfdc.csv"
exclude = "original"
groups = ["group"]

[candidates.squared]
embedder = "{backbone}"

[candidates.cosine]
embedder = "{backbone}"
operator = "cosine"
detector = "NearestReferenceDetector"

[protocols.cross-manipulation]
[protocols.cross-dataset]

[protocols.compression]
candidates = ["cosine"]
jpeg = [30]

[protocols.robustness]
candidates = ["cosine"]
kinds = ["jpeg", "resize"]
jpeg = [20]
resize = [0.2]

[protocols.ablation]
detectors = ["MahalanobisDetector", "pyod.KNN", "IsolationForest"]
"""


def write_tables(data, folder):
    people = sorted(p for p in (data / "lfw").iterdir() if len(list(p.iterdir())) > 1)
    photos = [(file, p.name) for p in people[:N_PEOPLE] for file in sorted(p.iterdir())]
    write_rows(folder / "lfw.csv", ("path", "identity"), photos)
    crops = data / "dfdc_crops"
    with (crops / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    remaining = sorted({row["identity"] for row in rows})[:N_IDENTITIES]
    header = ("path", "identity", "group", "label", "original")
    selected = [
        (crops / row["path"], *(row[name] for name in header[1:]))
        for row in rows
        if row["identity"] in remaining
    ]
    write_rows(folder / "dfdc.csv", header, selected)


@pytest.mark.realdata
@pytest.mark.timeout(900)
def test_five_protocols_on_real_deepfakes(shared_data, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    backbone = shared_data / "weights" / "mobilefacenet.onnx"
    if not backbone.exists():
        pytest.skip(f"{backbone.name} is not beside the real data")
    write_tables(shared_data / "data", tmp_path)
    config = tmp_path / "benchmark.toml"
    config.write_text(CONFIG.format(backbone=backbone))
    assert main(["benchmark", str(config), "--jobs", "2", "--quiet"]) == 0
    assert " 0 failed" in capsys.readouterr().out
    folder = tmp_path / "benchmark-results"
    results = json.loads((folder / "results.json").read_text())
    assert results["datasets"]["lfw"]["deepfakes"] == 0
    assert len({row["protocol"] for row in results["summary"]}) == 5

    def auc(**expected):
        (row,) = [
            row for row in results["summary"] if all(row[k] == v for k, v in expected.items())
        ]
        return row["figures"]["auc"][0]

    for protocol, fit in (("cross-manipulation", "dfdc"), ("cross-dataset", "lfw")):
        for candidate in ("squared", "cosine"):
            result = auc(protocol=protocol, candidate=candidate, fit=fit,
                        technique="all techniques", condition=[])  # fmt: skip
            assert result > 0.75
    clean = auc(protocol="robustness", condition=["none", ""])
    assert clean > 0.85
    small = auc(protocol="robustness", condition=["resize", "0.2"])
    assert 0.7 < small != clean  # twelve people show no clear loss
    assert main(["benchmark", str(config), "--list"]) == 0
    assert capsys.readouterr().out.endswith(" 0 to do\n")
