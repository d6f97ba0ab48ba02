"""The paper's protocol: in full it is a configuration without faults, in small it runs."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from sklearn_diffake.benchmark import plan_benchmark, read_config, run_benchmark

ROOT = Path(__file__).resolve().parents[2]
FULL, SMALL = ROOT / "benchmarks" / "quality" / "paper.toml", ROOT / "examples" / "paper.toml"

pytest.importorskip("cv2", reason="needs the extra generation")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="the file comes with the sources only")


needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="needs the extra timm")


@needs_timm
def test_the_full_protocol_is_read():
    config = read_config(FULL)
    assert config.level == "videos"
    arguments = {spec.name: spec.arguments for spec in config.datasets}
    assert {spec.value for spec in config.datasets} == {
        "load_faceforensics",
        "load_celeb_df",
        "load_deeperforensics",
        "load_forgerynet",
    }
    assert all(options["mode"] == "same-video" for options in arguments.values())
    for name in ("faceforensics", "celeb", "deeperforensics", "forgerynet"):
        assert (arguments[name]["n_frames"], arguments[name]["k"]) == (40, 8)
    extractors = {spec.name: spec.params for spec in config.extractors}
    assert set(extractors) == {"both", "global", "local"}
    assert {
        (params["backbone"], params["input_size"], params["max_epochs"], params["rho"] > 0)
        for params in extractors.values()
    } == {("timm:efficientnet_b4", 224, 100, True)}
    candidates = {p.name: p.candidates for p in config.protocols}
    assert [c.extractors for c in candidates["within-dataset"]] == [["both"], ["global"], ["local"]]
    ablation = candidates["ablation"]
    assert {c.operator for c in ablation} == {"squared", "absolute", "subtract", "concat"}
    assert {c.detector["name"] for c in ablation} == {
        "GaussianMixtureDetector",
        "OneClassSVM",
        "DeepSVDD",
    }
    assert len(ablation) == 12


@needs_timm
def test_without_the_data_it_says_which_and_how_to_get_it(tmp_path):
    with pytest.raises(OSError, match=r"\[datasets.faceforensics\].*not there.*Fill in the form"):
        plan_benchmark(read_config(FULL).replace(tmp_path))


SHORTER = {
    "n_pairs = 280": "n_pairs = 120",
    "n_identities = 28": "n_identities = 12",
    "size = 96": "size = 64",
    "input_size = 48": "input_size = 32",
    "max_epochs = 2": "max_epochs = 1\nrho = 0.0",
    "bootstrap = 50": "bootstrap = 3",
}


@pytest.mark.slow
def test_the_small_protocol_runs_end_to_end(tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    text = SMALL.read_text(encoding="utf-8")
    for old, new in SHORTER.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "paper.toml").write_text(text, encoding="utf-8")
    result = run_benchmark(read_config(tmp_path / "paper.toml"))
    assert result.failures == {}
    results = json.loads((result.folder / "results.json").read_text())
    assert [extractor["name"] for extractor in results["extractors"]] == ["both", "local", "global"]
    assert len({extractor["fingerprint"] for extractor in results["extractors"]}) == 3
    assert results["datasets"]["clips"]["mode"] == "same-video"
    rows = [row for row in results["summary"] if row["technique"] == "all techniques"]
    evaluated = {(row["protocol"], row["candidate"]) for row in rows}
    assert len(evaluated) == 3 + 6
    n_videos = {row["n_genuine"] + row["n_fake"] for row in rows}
    assert len(n_videos) == 1
    assert n_videos.pop() < results["datasets"]["clips"]["video"]
