"""A configuration is read whole or refused, with the name of table and key."""

import pytest
from benchmark_cases import TRUSTED, config_text

from sklearn_diffake.benchmark import ConfigError, read_config


@pytest.fixture
def folder(data):
    return data


def read(folder, text, trusted=TRUSTED):
    (folder / "changed.toml").write_text(text, encoding="utf-8")
    return read_config(folder / "changed.toml", trusted=trusted)


def test_all_is_read(folder):
    config = read(folder, config_text())
    assert [p.name for p in config.protocols] == [
        "cross-manipulation",
        "cross-dataset",
        "compression",
        "robustness",
        "ablation",
    ]
    assert (config.seed, config.bootstrap, config.batch_size) == (3, 3, 7)
    assert config.output == folder / "benchmark-results"
    assert config.cache == folder / "benchmark-results" / "cache"
    assert [d.value for d in config.datasets] == [
        str(folder / f"{name}.csv") for name in ("faces", "others", "plain")
    ]
    first, two = config.protocols[0].candidates
    assert (first.operator, first.normalize, first.align) == ("squared", "embeddings", None)
    assert (len(two.embedders), two.normalize) == (2, None)
    assert two.detector == {"name": "pyod.KNN", "n_neighbors": 3}
    assert [c.name for c in config.protocols[1].candidates] == ["one"]


def test_an_ablation_varies_one_thing_at_a_time(folder):
    variants = read(folder, config_text()).protocols[-1].candidates
    base, *rest_of_them = variants
    assert [v.name for v in variants] == [
        "one",
        "operator: absolute",
        "operator: cosine",
        "normalize: none",
        "detector: knn",
        "detector: GaussianMixtureDetector(n_components=1)",
    ]
    for variant in rest_of_them:
        changed = [
            name
            for name in ("embedders", "align", "operator", "normalize", "detector")
            if getattr(variant, name) != getattr(base, name)
        ]
        assert changed == [variant.name.partition(":")[0]]


def test_an_ablation_may_vary_all_together(folder):
    text = (
        "product = true\noperators = ['absolute', 'squared']\nnormalizations = ['none', 'both']\n"
        "detectors = ['knn', 'MahalanobisDetector', 'IsolationForest']"
    )
    variants = read(folder, config_text({"ablation": text})).protocols[0].candidates
    assert len({(v.operator, v.normalize, v.detector["name"]) for v in variants}) == 12


def test_folders_can_be_given_otherwise(folder, tmp_path):
    config = read(folder, config_text())
    assert config.replace(tmp_path).cache == tmp_path / "cache"
    assert config.replace(tmp_path, tmp_path / "c").cache == tmp_path / "c"
    remaining = read(folder, config_text(extra="cache = 'mine'")).replace(tmp_path)
    assert (remaining.output, remaining.cache) == (tmp_path, folder / "mine")


def test_files_of_an_embedder_begin_at_the_configuration(folder):
    provided = 'embedder = "tiny_backbones:colors"'
    text = make_variant(provided, "embedder = {backbone = 'net.ONNX', dtype = 'float16'}")
    (embedder,) = read(folder, text).protocols[0].candidates[0].embedders
    expected = {"weights": None, "dtype": "float16", "mirror": False, "scales": (1.0,)}
    assert embedder == {"backbone": str(folder / "net.ONNX"), **expected}
    text = make_variant(
        provided, "embedder = {backbone = 'timm:resnet10t', weights = 'w.safetensors'}"
    )
    (embedder,) = read(folder, text).protocols[0].candidates[0].embedders
    assert embedder["backbone"] == "timm:resnet10t"
    assert embedder["weights"] == str(folder / "w.safetensors")


def test_no_code_is_run_unless_trusted(folder):
    with pytest.raises(ConfigError, match=r"\[candidates.one\] embedder: .*--trust tiny_backb"):
        read(folder, config_text(), trusted=[])


def make_variant(old, new, protocols=None):
    text = config_text(protocols)
    assert old in text
    return text.replace(old, new, 1)


def protocol(name, text):
    return config_text({name: text})


CASES = {
    "not toml": ("a = = 1", r"changed.toml: not a TOML file: .*line 1"),
    "too deep": ("a = " + "[" * 5000, r"changed.toml: not a TOML file: .*recursion"),
    "too long a key": ("[" + "a." * 5000 + "a]", r"changed.toml: not .* more than 200 dots"),
    "too many digits": ("seed = " + "9" * 5000, r"changed.toml: not a TOML file: .*digits"),
    "too many bits": (
        make_variant("seed = 3", "seed = 0x" + "F" * 5000),
        r"toml: .*more than 64 bits",
    ),
    "huge": (config_text(extra="confidence = 1" + "0" * 400), r"toml: .*more than 64 bits"),
    "huge in a list": (
        make_variant("seed = 3", "seed = [[0x" + "F" * 5000 + "]]"),
        r"toml: .*more than 64 bits",
    ),
    "unknown key": (
        make_variant("seed", "sead"),
        r"toml: sead: unknown key; did you mean 'seed'\?",
    ),
    "wrong type": (make_variant("seed = 3", "seed = '3'"), r"seed: expected an integer, got '3'"),
    "not a bool": (make_variant("seed = 3", "seed = true"), r"seed: expected an integer, got True"),
    "too small": (make_variant("seed = 3", "seed = -1"), r"seed: expected an integer from 0 to"),
    "not finite": (
        config_text(extra="confidence = nan"),
        r"confidence: expected a finite number, got nan",
    ),
    "no datasets": (config_text(datasets=()), r"datasets: is missing"),
    "no protocols": (config_text({}), r"protocols: is missing"),
    "not a table": (
        config_text(datasets=()) + "\n[datasets]\na = 1",
        r"\[datasets\] a: expected a",
    ),
    "two sources": (
        make_variant("images = 'faces.csv'", "images = 'faces.csv'\nloader = 'load_dfdc'"),
        r"\[datasets.faces\] loader: expected one of loader, images and pairs, got loader and im",
    ),
    "no source": (
        make_variant("images = 'faces.csv'", ""),
        r"\[datasets.faces\] loader: .* got none",
    ),
    "missing file": (
        make_variant("faces.csv", "no.csv"),
        r"\[datasets.faces\] images: there is no file",
    ),
    "unknown loader": (
        make_variant("images = 'faces.csv'", "loader = 'load_celebdf'"),
        r"\[datasets.faces\] loader: 'load_celebdf' is no loader; did you mean 'load_celeb_df'",
    ),
    "private loader": (
        make_variant("images = 'faces.csv'", "loader = 'extract_frames'"),
        r"\[datasets.faces\] loader: 'extract_frames' is no loader",
    ),
    "unknown argument": (
        make_variant("images = 'faces.csv'", "loader = 'load_dfdc'\narguments = {rot = 'a'}"),
        r"\[datasets.faces.arguments\] rot: load_dfdc has no such argument; did you mean 'root'",
    ),
    "unknown mode": (
        make_variant("images = 'faces.csv'", "images = 'faces.csv'\nmode = 'video'"),
        r"\[datasets.faces\] mode: 'video' is not known; did you mean 'same-video'",
    ),
    "misspelt key": (
        make_variant("embedder = ", "embeder = "),
        r"\[candidates.one\] embedder: is missing.* \(is 'embeder' meant",
    ),
    "unknown operator": (
        make_variant("'squared'" if "'squared'" in config_text() else '"squared"', '"square"'),
        r"\[candidates.one\] operator: 'square' is not known; did you mean 'squared'",
    ),
    "unknown detector": (
        make_variant('"MahalanobisDetector"', '"Mahalanobis"'),
        r"\[candidates.one\] detector: 'Mahalanobis' is no detector; did you mean 'Mahalanob",
    ),
    "unknown parameter": (
        make_variant('"MahalanobisDetector"', '{name = "MahalanobisDetector", shrink = 1}'),
        r"\[candidates.one\] detector.shrink: MahalanobisDetector has no such parameter",
    ),
    "bad parameter": (
        make_variant('"MahalanobisDetector"', '{name = "MahalanobisDetector", contamination = 2}'),
        r"\[candidates.one\] detector.parameters: .*'contamination'",
    ),
    "nested detector": (
        make_variant(
            '"MahalanobisDetector"',
            '{name = "ConformalDetector", detector = {name = "pyod.KMN"}}',
        ),
        r"\[candidates.one\] detector.detector.name: 'pyod.KMN' is no detector; .*'pyod.KNN'",
    ),
    "named detector": (
        make_variant("n_neighbors", "neighbors"),
        r"\[detectors.knn\] neighbors: KNN has no such parameter; did you mean 'n_neighbors'",
    ),
    "dotted detector": (
        make_variant('"MahalanobisDetector"', '"sklearn.svm.OneClassSVM"'),
        r"\[candidates.one\] detector: 'sklearn.svm.OneClassSVM' is no detector",
    ),
    "no detector": (
        protocol("ablation", "detectors = [3]"),
        r"\[protocols.ablation\] detectors: expected a detector's name or a table, got 3",
    ),
    "no embedder": (
        make_variant('embedder = "tiny_backbones:colors"', "embedder = []"),
        r"\[candidates.one\] embedder: the list is empty",
    ),
    "unknown key of an embedder": (
        make_variant(
            'embedder = "tiny_backbones:colors"', "embedder = {backbone = 'x', wieghts = ''}"
        ),
        r"\[candidates.one.embedder\] wieghts: unknown key; did you mean 'weights'",
    ),
    "matched faces": (
        make_variant("align = false", "align = {select = 'match'}"),
        r"\[candidates.one.align\] select: 'match' compares the pictures of a pair",
    ),
    "bad aligner": (
        make_variant("align = false", "align = {sise = 3}"),
        r"\[candidates.one.align\] sise: unknown key; did you mean 'size'",
    ),
    "bad size": (
        make_variant("align = false", "align = {size = 3}"),
        r"\[candidates.one\] align: .*'size'",
    ),
    "unknown protocol": (
        protocol("crossdataset", ""),
        r"\[protocols.crossdataset\]: there is no such protocol; did you mean 'cross-dataset'",
    ),
    "unknown dataset": (
        protocol("robustness", "datasets = ['face']"),
        r"\[protocols.robustness\] datasets: 'face' is not known; did you mean 'faces'",
    ),
    "unknown candidate": (
        protocol("robustness", "candidates = ['onne']"),
        r"\[protocols.robustness\] candidates: 'onne' is not known; did you mean 'one'",
    ),
    "listed twice": (
        protocol("robustness", "candidates = ['one', 'one']"),
        r"\[protocols.robustness\] candidates: 'one' is listed twice",
    ),
    "empty list": (protocol("robustness", "kinds = []"), r"kinds: the list is empty"),
    "unknown kind": (protocol("robustness", "kinds = ['jpg']"), r"kinds: 'jpg'.*'jpeg'"),
    "bad strength": (protocol("robustness", "jpeg = [200]"), r"jpeg: .*from 1 to 95, got 200"),
    "levels and jpeg": (
        protocol("compression", "levels = ['c23']\njpeg = [50]"),
        r"\[protocols.compression\] jpeg: give levels of the datasets or JPEG qualities",
    ),
    "unknown base": (protocol("ablation", "base = 'three'"), r"\[protocols.ablation\] base: 'thr"),
    "one fold": (protocol("ablation", "folds = 1"), r"\[protocols.ablation\] folds: .*least 2"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_named(folder, name):
    text, message = CASES[name]
    with pytest.raises(ConfigError, match=message):
        read(folder, text)


def test_a_missing_configuration_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no configuration .*none.toml"):
        read_config(tmp_path / "none.toml")


def nest(depth):
    spec = '{name="DeepSVDD", encoder="canary_module:run", max_epochs=1}'
    for _ in range(depth):
        spec = f'{{name="ConformalDetector", detector={spec}}}'
    return spec


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("candidates.one.detector.detector", f"candidates.one.detector = {nest(1)}"),
        ("candidates.one.detector.detector.detector", f"candidates.one.detector = {nest(2)}"),
        (
            "detectors.mine.detector",
            f'detectors.mine = {nest(1)}\ncandidates.one.detector = "mine"',
        ),
        ("detectors.mine", f"detectors.mine = {nest(0)}"),
        ("candidates.one.embedder", 'candidates.one.embedder.backbone = "canary_module:run"'),
        ("candidates.one", 'candidates.one.embedder = ["difffake-lite0", "canary_module:run"]'),
        (
            "candidates.one.detector",
            'candidates.one.detector = {name="pyod.KNN", metric="canary_module:run"}',
        ),
        (
            "datasets.faces.arguments",
            'datasets.faces.arguments = {techniques=["canary_module:run"]}',
        ),
        ("protocols.ablation", 'protocols.ablation.operators = ["canary_module:run"]'),
    ],
)
def test_code_is_refused_at_whatever_depth(tmp_path, monkeypatch, table, text):
    (tmp_path / "canary_module.py").write_text("raise SystemExit\n")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "forged.toml").write_text(text)
    with pytest.raises(
        ConfigError, match=rf"\[{table}\] \w+: 'canary_module:run' .*--trust canary"
    ):
        read_config(tmp_path / "forged.toml")
    with pytest.raises(ConfigError) as caught:  # by something else than trust
        read_config(tmp_path / "forged.toml", trusted=["canary_module:run"])
    assert "--trust" not in str(caught.value)


def test_the_command_names_key_and_option(tmp_path, monkeypatch, capsys):
    from sklearn_diffake.cli import main

    (tmp_path / "data").mkdir()
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "data"))
    code = 'encoder="sklearn.datasets:clear_data_home"'
    (tmp_path / "c.toml").write_text(
        'datasets.faces.loader = "make_face_pairs"\n'
        "datasets.faces.arguments = {n_pairs = 24, size = 64}\n"
        'candidates.distance.embedder = "difffake-lite0-identity"\n'
        "candidates.distance.align = false\n"
        'candidates.distance.detector = {name="ConformalDetector", '
        f'detector={{name="DeepSVDD", {code}, max_epochs=1}}}}\n'
        "protocols.cross-manipulation.folds = 2\n"
    )
    assert main(["benchmark", str(tmp_path / "c.toml"), "-o", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert "[candidates.distance.detector.detector] encoder: 'sklearn.datasets:clear" in message
    assert "--trust sklearn.datasets:clear_data_home" in message
    assert (tmp_path / "data").is_dir()
    assert not (tmp_path / "out").exists()
