"""PseudoDeepfakeDataset: items depend on seed, epoch and index, whoever asks for them."""

import pickle
import sys

import numpy as np
import pytest
from generation_cases import textured_crops

from sklearn_diffake.generation import PseudoDeepfakeDataset, apply_pair, fitted_shape

pytest.importorskip("cv2", reason="needs the extra 'generation'")

N = 8
CROPS = textured_crops(N, 80)
PEOPLE = np.arange(N) // 2


def dataset(**parameters):
    return PseudoDeepfakeDataset(CROPS, **{"identity": PEOPLE, "augment": True, **parameters})


def items(data, order=range(N)):
    result = {i: np.stack(data[i]) for i in order}
    return np.stack([result[i] for i in range(N)])


def test_items_are_pairs_of_images():
    data = dataset()
    assert len(data) == N
    real, fake = data[0]
    assert real.shape == fake.shape == CROPS.shape[1:]
    assert real.dtype == fake.dtype == np.uint8
    assert (data[-1][1] == data[N - 1][1]).all()
    with pytest.raises(IndexError):
        data[N]


def test_without_augmentation_the_real_one_is_the_target():
    data = dataset(augment=False, techniques="difffake")
    for i in range(N):
        identical = (data[i][0] == CROPS[i]).all()
        assert identical == (data.record(i)["shift"]["side"] == "source")


def test_fakes_differ_from_reals():
    result = items(dataset())
    assert (result[:, 0] != result[:, 1]).any((1, 2, 3)).all()


def test_order_and_pickling_change_nothing():
    data = dataset()
    expected = items(data)
    assert (items(data, reversed(range(N))) == expected).all()
    assert (items(pickle.loads(pickle.dumps(data))) == expected).all()
    assert (items(dataset()) == expected).all()


def test_epochs_and_seeds_differ_and_come_back():
    data = dataset()
    first = items(data)
    data.set_epoch(1)
    second = items(data)
    data.set_epoch(0)
    assert (items(data) == first).all()
    assert (first[:, 1] != second[:, 1]).any((1, 2, 3)).all()
    assert (first[:, 1] != items(dataset(seed=1))[:, 1]).any((1, 2, 3)).all()


def test_records_describe_the_items():
    data = dataset(margin=0.2)
    for i in range(N):
        record = data.record(i)
        donor = record["donor"]
        assert donor is None or PEOPLE[donor] != PEOPLE[i]
        shapes = [fitted_shape(crop, margin=0.2) for crop in CROPS]
        another_one = (None, None) if donor is None else (CROPS[donor], shapes[donor])
        real, fake, _ = apply_pair(record, CROPS[i], shapes[i], *another_one)
        assert (real == data[i][0]).all()
        assert (fake == data[i][1]).all()


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_change_nothing(workers):
    data = pytest.importorskip("torch.utils.data")
    loader = data.DataLoader(dataset(), batch_size=3, num_workers=workers)
    real, fake = (np.concatenate([b.numpy() for b in piece]) for piece in zip(*loader, strict=True))
    expected = items(dataset())
    assert (real == expected[:, 0]).all()
    assert (fake == expected[:, 1]).all()


def test_memory_mapped_crops(tmp_path):
    np.save(tmp_path / "crops.npy", CROPS)
    mapped = np.load(tmp_path / "crops.npy", mmap_mode="r")
    data = PseudoDeepfakeDataset(mapped, identity=PEOPLE, augment=True)
    assert (items(data) == items(dataset())).all()


def test_one_image_and_one_identity():
    with pytest.warns(RuntimeWarning, match="two identities"):
        data = PseudoDeepfakeDataset(CROPS[:1])
    assert len(data) == 1
    assert (data[0][0] != data[0][1]).any()
    with pytest.raises(ValueError, match="two identities"):
        PseudoDeepfakeDataset(CROPS, techniques="identity_swap", identity=["ann"] * N)


@pytest.mark.parametrize(
    ("crops", "parameters", "message"),
    [
        (CROPS.astype(np.float32), {}, "must hold uint8"),
        (CROPS[0], {}, "must be RGB crops"),
        (CROPS, {"landmarks": "mtcnn"}, "mean-shape"),
        (CROPS, {"techniques": "blend"}, "techniques must be some of"),
        (CROPS, {"identity": [1]}, "identity must have shape"),
    ],
)
def test_bad_input_is_named(crops, parameters, message):
    with pytest.raises(ValueError, match=message):
        PseudoDeepfakeDataset(crops, **parameters)


def test_opencv_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-diffake\[generation\]'"):
        dataset()
