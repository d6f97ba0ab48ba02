"""Align the photographs that the identity networks learn from, and pack them into one small file.

Writes an ``.npz`` file: WebP images of the aligned faces (160 x 160 pixels, the ArcFace crop with a
margin of 0.2 of its side), one after the other in ``data``, their ends in ``ends``, and beside them
``path`` and ``identity``. Aligned crops are kept in a store beside it, so that a second run goes on
where the first one stopped.

    python benchmarks/training/prepare_identity.py DATA/lfw "*/*.jpg" PACK/lfw.npz \\
        --select central --min-face-size 0.2
    python benchmarks/training/prepare_identity.py DATA/london "*/*.jpg" PACK/london.npz
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from sklearn_diffake.faces import FaceAligner

SIZE, MARGIN = 160, 0.2
BATCH = 200  # images aligned between two lines of progress


#: Of FaceAligner for LFW, whose people are in the middle, and large.
LFW_SETTINGS = {"select": "central", "min_face_size": 0.2}


def align(files, store, **settings):
    """Return the crops of all files, shape (n, SIZE, SIZE, 3), and count what was detected."""
    aligner = FaceAligner(
        SIZE, margin=MARGIN, on_missing="crop", cache=store, batch_size=8, **settings
    )
    crops = np.empty((len(files), SIZE, SIZE, 3), np.uint8)
    counts = dict.fromkeys(("images", "found", "missing", "several"), 0)
    for start in range(0, len(files), BATCH):
        batch_files = files[start : start + BATCH]
        crops[start : start + BATCH] = aligner.fit_transform([str(file) for file in batch_files])
        for key in counts:
            counts[key] += aligner.counts_[key]
        print(f"{start + len(batch_files)} of {len(files)}", flush=True)
    return crops, counts


def encode(crop, quality):
    """Return a crop as the bytes of a WebP image."""
    buffer = io.BytesIO()
    Image.fromarray(crop).save(buffer, "WEBP", quality=quality, method=4)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("pattern", help="of the files in the folder; <identity>/... each")
    parser.add_argument("output", type=Path, help="the .npz file to write")
    parser.add_argument("--select", default="largest", help="which face, as FaceAligner takes it")
    parser.add_argument("--min-face-size", type=float, default=0.08, help="likewise")
    parser.add_argument("--quality", type=int, default=75, help="of the WebP images, 0 to 100")
    parser.add_argument(
        "--store", type=Path, help="keeps aligned crops; default: beside the output"
    )
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    files = sorted(options.folder.glob(options.pattern))
    store = options.store or options.output.with_suffix(".crops")
    crops, counts = align(
        files, str(store), select=options.select, min_face_size=options.min_face_size
    )
    images = [encode(crop, options.quality) for crop in crops]
    names = [str(file.relative_to(options.folder)) for file in files]
    np.savez(
        options.output,
        data=np.concatenate(images),
        ends=np.cumsum([len(image) for image in images]),
        path=np.array(names),
        identity=np.array([Path(name).parts[0] for name in names]),
    )
    print(counts, f"{options.output.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
