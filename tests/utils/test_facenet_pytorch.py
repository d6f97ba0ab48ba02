"""facenet-pytorch is imported without packages that a detection does not use."""

import forked_programs

CODE = """
import sys
from sklearn_diffake.utils._facenet_pytorch import import_facenet_pytorch
facenet_pytorch = import_facenet_pytorch()
assert not {"requests", "cv2"} & set(sys.modules)
from facenet_pytorch.models import inception_resnet_v1
from facenet_pytorch.models.utils import detect_face
adapter = inception_resnet_v1.HTTPAdapter(max_retries=2)
import requests
assert type(adapter) is requests.adapters.HTTPAdapter
assert inception_resnet_v1.requests.Session is requests.Session
assert detect_face.cv2.INTER_AREA == __import__("cv2").INTER_AREA
assert import_facenet_pytorch() is facenet_pytorch
"""


def test_requests_and_opencv_are_imported_when_they_are_used(tmp_path):
    forked_programs.run(CODE, cwd=tmp_path, libraries=forked_programs.TORCH)
