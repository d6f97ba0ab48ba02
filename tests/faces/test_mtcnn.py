"""The networks of MTCNN give what facenet-pytorch's detector gives."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from image_helpers import astronaut, noise, small_face

from sklearn_diffake.faces import _mtcnn
from sklearn_diffake.utils._threads import torch_threads
from sklearn_diffake.utils._torchvision import import_torchvision

THRESHOLDS, FACTOR = (0.6, 0.7, 0.7), 0.709


def several_faces():
    return np.tile(astronaut()[:300, 100:400], (1, 2, 1))


def in_multiples(net, candidates):
    """Fill batches up as our detector does: rounding depends on the size of a batch."""
    n = len(candidates)
    blank = candidates.new_zeros(-n % 16, *candidates.shape[1:])
    return tuple(values[:n] for values in net(torch.cat([candidates, blank])))


def facenet_pytorch_faces(image, smallest):
    """Boxes and landmarks by the detector of the package that the weights are from."""
    import_torchvision()
    from facenet_pytorch import MTCNN
    from facenet_pytorch.models.utils.detect_face import detect_face

    nets = MTCNN(keep_all=True)
    stages = nets.pnet, partial(in_multiples, nets.rnet), partial(in_multiples, nets.onet)
    with torch.inference_mode():
        (boxes,), (points,) = detect_face(image[None], smallest, *stages, THRESHOLDS, FACTOR, "cpu")
    return boxes.astype(np.float32).reshape(-1, 5), points.astype(np.float32).reshape(-1, 5, 2)


@pytest.mark.parametrize(
    ("image", "smallest", "n_faces"),
    [
        (small_face(), 20, 1),
        (several_faces(), 40, 2),
        (np.ascontiguousarray(several_faces()[:, ::-1]), 60, 2),
        (astronaut()[40:180, 160:290], 20, 1),  # fills the image: candidates reach beyond it
        (noise(1, (200, 200))[0], 20, 0),
        (np.zeros((90, 120, 3), np.uint8), 20, 0),
    ],
)
def test_faces_are_those_of_facenet_pytorch_bit_for_bit(image, smallest, n_faces):
    with torch_threads(1):
        ((boxes, points),) = _mtcnn.detect([image], smallest, "cpu")
        expected_boxes, expected_points = facenet_pytorch_faces(image, smallest)
    assert len(boxes) == n_faces
    np.testing.assert_array_equal(boxes, expected_boxes)
    np.testing.assert_array_equal(points, expected_points)


def test_images_of_a_batch_do_not_mix():
    images = [several_faces(), np.zeros((300, 600, 3), np.uint8), several_faces()[:, ::-1].copy()]
    together = _mtcnn.detect(images, 40, "cpu")
    assert [len(boxes) for boxes, _ in together] == [2, 0, 2]
    for image, (boxes, points) in zip(images, together, strict=True):
        ((alone_boxes, alone_points),) = _mtcnn.detect([image], 40, "cpu")
        np.testing.assert_allclose(boxes, alone_boxes, atol=0.01)
        np.testing.assert_allclose(points, alone_points, atol=0.01)


def test_candidates_outside_of_the_image_are_dropped():
    image = _mtcnn.AreaAverages(small_face())
    boxes = np.array([[-90, -90, -50, -50, 1], [30, 30, 80, 90, 1], [900, 5, 990, 95, 1]], "f4")
    ((inside, outputs),) = _mtcnn._candidates(
        [image],
        [boxes],
        small_face().shape[:2],
        24,
        _mtcnn._refinement_network,
        _mtcnn._weights("rnet", "cpu"),
        "cpu",
    )
    np.testing.assert_array_equal(inside, boxes[1:2])
    assert [values.shape for values in outputs] == [(1, 4), (1, 2)]


@pytest.mark.parametrize("side", [2, 3])
@pytest.mark.parametrize("shape", [(4, 5), (7, 8), (3, 3), (46, 46)])
def test_max_pool(shape, side):
    x = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0)) - 0.5
    expected = torch.nn.functional.max_pool2d(x, side, 2, ceil_mode=True)
    assert torch.equal(_mtcnn._max_pool(x, side), expected)


def test_corrupt_weights_are_refused(monkeypatch, tmp_path):
    (tmp_path / "pnet.pt").write_bytes(b"other")
    monkeypatch.setattr(_mtcnn, "package_file", lambda *_: tmp_path / "pnet.pt")
    _mtcnn._weights.cache_clear()
    try:
        with pytest.raises(ValueError, match=r"pnet.pt' is corrupt"):
            _mtcnn._weights("pnet", "cpu")
    finally:
        _mtcnn._weights.cache_clear()


def test_a_detection_imports_neither_torchvision_nor_opencv():
    code = """
import sys
import numpy as np
from sklearn_diffake.faces import FaceAligner
FaceAligner(on_missing="crop").transform([np.zeros((99, 99, 3), np.uint8)])
assert not {"torchvision", "cv2", "requests", "facenet_pytorch"} & set(sys.modules)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
