"""A verdict against the scores of two pipelines that people put together, with the same network.

Both yardsticks end in the distance of two embeddings by dlib's face recognition network:

- facenet-pytorch: MTCNN crops a face, the network runs in torch; for a clip, PyAV reads it from its
  beginning to the last of eight frames;
- dlib: its frontal face detector on the image at twice its size, its five landmarks, its chip and
  its own code of the network, which is what ``face_recognition.face_encodings`` does.

Ours is `verify` with the packaged model, which embeds four views of each crop, and gives a p-value,
warnings and quality checks; *one view* is the same model with one view, as theirs. Photographs are
of 512 x 512 pixels. Warm: models are loaded. Cold: a process of its own, from its start to the
result, and its peak memory. All have the same threads. Goal: never slower.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import (
    option,
    peak_memory,
    row,
    run_alone,
    spread,
    time_alternately,
    timed,
)

N_FRAMES, N_PHOTOS = 8, 32
FACENET, DLIB = "facenet-pytorch's MTCNN and dlib's network in torch", "dlib's own pipeline"


class FacenetPeer:
    """MTCNN and a network in torch, as facenet-pytorch's guide shows."""

    def __init__(self):
        from sklearn_diffake.utils._torchvision import import_whole_torchvision

        import_whole_torchvision()  # as it is: what ours defers is a part of ours
        from facenet_pytorch import MTCNN

        from sklearn_diffake.embedding.backbones.networks._dlib_resnet import dlib_resnet_module

        self.detector = MTCNN(image_size=160, margin=20, post_process=False)
        self.network = dlib_resnet_module()

    def embed(self, images):
        """Return embeddings of RGB arrays, one face each."""
        import torch

        with torch.inference_mode():
            crops = [self.detector(Image.fromarray(image)) for image in images]
            embeddings = self.network((torch.stack(crops) - 127.5) / 128)
            return torch.nn.functional.normalize(embeddings).numpy()


class DlibPeer:
    """dlib's detector, landmarks, chip and network."""

    def __init__(self):
        import dlib

        from sklearn_diffake.utils._optional import dlib_model_file

        names = (
            "shape_predictor_5_face_landmarks.dat",
            "dlib_face_recognition_resnet_model_v1.dat",
        )
        landmarks, network = (str(dlib_model_file(name, "the yardstick")) for name in names)
        self.detector = dlib.get_frontal_face_detector()
        self.landmarks = dlib.shape_predictor(landmarks)
        self.network = dlib.face_recognition_model_v1(network)

    def embed(self, images):
        """Return embeddings of RGB arrays, one face each."""
        embeddings = []
        for image in images:
            face = self.detector(image, 1)[0]
            shape = self.landmarks(image, face)
            embeddings.append(self.network.compute_face_descriptor(image, shape))
        return np.array(embeddings)


def distance(peer, reference, probe):
    """Return the distance of a reference to a probe: images, the latter may be several."""
    embeddings = peer.embed([*reference, *probe])
    mean = embeddings[len(reference) :].mean(axis=0)
    return float(np.linalg.norm(embeddings[: len(reference)].mean(axis=0) - mean))


def plain_frames(path):
    """Read frames in the middle of equal stretches, as one would by hand."""
    import av

    with av.open(str(path)) as container:
        n = container.streams.video[0].frames
        numbers = {int((i + 0.5) * n / N_FRAMES) for i in range(N_FRAMES)}
        frames = []
        for number, frame in enumerate(container.decode(video=0)):
            if number in numbers:
                frames.append(frame.to_ndarray(format="rgb24"))
            if number >= max(numbers):
                break
        return frames


def write_clip(path, photo, n=100):
    """Write a clip of a photograph that moves by a few pixels."""
    import av

    with av.open(str(path), "w") as container:
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 480, 480, "yuv420p"
        for i in range(n):
            image = np.ascontiguousarray(photo[i % 32 : i % 32 + 480, :480])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def model_of_one_view():
    """Return the recipe of the packaged model with one view of each crop, fitted on rendered faces.

    Its threshold is not one to use; the time does not depend on it.
    """
    from sklearn_diffake import make_difffake_pipeline
    from sklearn_diffake.datasets import make_face_pairs

    faces = make_face_pairs(40, techniques=["swap"], random_state=0)
    model = make_difffake_pipeline().set_params(
        embed__mirror=False, embed__scales=(1.0,), detect__target_bpcer=0.2
    )
    return model.fit(faces.data, faces.target)


def cold_case(name, folder):
    """Run the first comparison of a process, and print its peak memory in MiB."""
    photos = [np.asarray(Image.open(f"{folder}/{side}.png")) for side in ("reference", "probe")]
    if name == "ours":
        from sklearn_diffake import verify

        verify(*photos)
    else:
        distance({"facenet": FacenetPeer, "dlib": DlibPeer}[name](), photos[:1], photos[1:])
    print(json.dumps(peak_memory()))


def cold_rows(folder, repeats):
    """Return the rows of cold starts and of memory."""
    cases = {"ours": [], "facenet": [], "dlib": []}
    for turn in range(repeats):
        for name in list(cases)[:: 1 if turn % 2 else -1]:
            command = [sys.executable, __file__, "--case", name, "--folder", folder]
            start = time.perf_counter()
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            cases[name].append((time.perf_counter() - start, json.loads(run.stdout)))
    figures = {name: np.array(values) for name, values in cases.items()}
    rows = []
    for name, label in (("facenet", FACENET), ("dlib", DLIB)):
        for column, what, unit in (
            (0, "cold start to a verdict on a pair", "s"),
            (1, "peak memory of a cold start", "MiB"),
        ):
            ours, theirs = figures["ours"][:, column], figures[name][:, column]
            medians = float(np.median(ours)), float(np.median(theirs))
            rows.append(row(what, label, *medians, unit, goal=">= 1", **spread(theirs / ours)))
    return rows


def figures(quick=False):
    """Measure all rows."""
    from skimage.data import astronaut

    from sklearn_diffake import load_default, verify

    repeats, n_photos = (1, 4) if quick else (15, N_PHOTOS)
    photo = astronaut()
    probe = np.ascontiguousarray(photo[:, ::-1])
    model, single = load_default(), model_of_one_view()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "clip.mp4")
        write_clip(clip, photo)
        Image.fromarray(photo).save(f"{folder}/reference.png")
        Image.fromarray(probe).save(f"{folder}/probe.png")
        photos = [np.ascontiguousarray(photo[i : i + 480]) for i in range(n_photos)]
        for label, peer in ((FACENET, FacenetPeer()), (DLIB, DlibPeer())):
            for prepared, views in ((model, ""), (single, ", one view")):
                tasks = (
                    (
                        "verify of a pair of photographs",
                        lambda m=prepared: verify(photo, probe, model=m),
                        lambda p=peer: distance(p, [photo], [probe]),
                        1,
                    ),
                    (
                        f"verify of a photograph and {N_FRAMES} frames of a clip",
                        lambda m=prepared: verify(photo, clip, model=m, n_frames=N_FRAMES),
                        lambda p=peer: distance(p, [photo], plain_frames(clip)),
                        1,
                    ),
                    (
                        f"embedding {n_photos} photographs",
                        lambda m=prepared: m[:2].transform(photos),
                        lambda p=peer: p.embed(photos),
                        n_photos,
                    ),
                )
                for what, ours, theirs, work in tasks:
                    times = time_alternately(ours, theirs, repeats=repeats, work=(work, work))
                    unit = "s" if work == 1 else "photos/s"
                    rows.append(timed(what + views, label, times, goal=">= 1", unit=unit))
        rows += cold_rows(folder, 1 if quick else 7)
    return rows


if __name__ == "__main__":
    if "--case" in sys.argv:
        cold_case(option("--case"), option("--folder"))
    else:
        run_alone(figures)
