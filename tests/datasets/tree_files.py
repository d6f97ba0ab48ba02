"""Miniature copies of the folders in which the datasets are published."""

import csv
import json
import shutil
from pathlib import Path

from video_files import ROTATIONS, write_video

from sklearn_diffake import datasets

#: The loaders of published datasets, by the function below that builds their tree.
PUBLISHED = {
    "faceforensics": datasets.load_faceforensics,
    "deepfakedetection": datasets.load_deepfakedetection,
    "celeb_df": datasets.load_celeb_df,
    "dfdc": datasets.load_dfdc,
    "dfdc_preview": datasets.load_dfdc_preview,
    "deeperforensics": datasets.load_deeperforensics,
    "ffiw": datasets.load_ffiw,
    "forgerynet": datasets.load_forgerynet,
}
LOADERS = PUBLISHED | {
    "folder": datasets.load_video_folder,
    "table": lambda root, **options: datasets.load_video_table(root / "videos.csv", **options),
}

#: Splits of a FaceForensics++ of ten people.
FF_SPLITS = {
    "train": [["071", "054"], ["087", "081"]],
    "val": [["720", "672"]],
    "test": [["953", "974"], ["012", "026"]],
}
FF_TECHNIQUES = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")


class Videos:
    """Real videos of several sizes, made once and copied to wherever one is asked for."""

    def __init__(self, folder, models=None):
        self.models = models or [
            write_video(folder / "a.mp4", 8),
            write_video(folder / "b.mp4", 6, size=(96, 64)),
            write_video(folder / "c.mp4", 6, matrix=ROTATIONS[90]),
        ]
        self.count = 0

    def put(self, root, *names):
        for name in names:
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.models[self.count % len(self.models)], path)
            self.count += 1


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def faceforensics(root, videos, compressions=("c23",), splits="."):
    for split, pairs in FF_SPLITS.items():
        write_json(root / splits / f"{split}.json", pairs)
        for pair in pairs:
            for compression in compressions:
                for target, donor in (pair, pair[::-1]):
                    videos.put(
                        root,
                        f"original_sequences/youtube/{compression}/videos/{target}.mp4",
                        *(
                            f"manipulated_sequences/{name}/{compression}/videos/"
                            f"{target}_{donor}.mp4"
                            for name in FF_TECHNIQUES
                        ),
                    )
    return root


def deepfakedetection(root, videos):
    scenes = ("exit_phone_room", "walking_down_street_outside_angry")
    for actor in ("01", "02", "28"):
        for scene in scenes:
            videos.put(root, f"original_sequences/actors/c23/videos/{actor}__{scene}.mp4")
    fakes = ("01_02__exit_phone_room__YVGY8LOK", "02_28__exit_phone_room__0XUW13RW")
    for name in fakes:
        videos.put(root, f"manipulated_sequences/DeepFakeDetection/c23/videos/{name}.mp4")
    return root


def celeb_df(root, videos):
    real = [f"Celeb-real/id{i}_{number:04d}.mp4" for i in (0, 1, 16) for number in (0, 1, 2)]
    fake = ["id0_id1_0000", "id0_id16_0001", "id1_id0_0002", "id16_id0_0000"]
    synthesis = [f"Celeb-synthesis/{name}.mp4" for name in fake]
    youtube = [f"YouTube-real/0000{i}.mp4" for i in range(2)]
    videos.put(root, *real, *synthesis, *youtube)
    test = ["1 Celeb-real/id0_0002.mp4", "1 Celeb-real/id0_0001.mp4", "1 YouTube-real/00001.mp4",
            "0 Celeb-synthesis/id1_id0_0002.mp4"]  # fmt: skip
    (root / "List_of_testing_videos.txt").write_text("\n".join(test) + "\n")
    return root


def dfdc(root, videos):
    for piece in range(2):
        folder = root / f"dfdc_train_part_{piece}"
        entries = {
            f"real{piece}.mp4": {"label": "REAL", "split": "train"},
            f"fake{piece}.mp4": {"label": "FAKE", "split": "train", "original": f"real{piece}.mp4"},
        }
        videos.put(folder, *entries)
        write_json(folder / "metadata.json", entries)
    for name in ("validation", "test"):
        videos.put(root / name, "x.mp4", "y.mp4")
        with open(root / name / "labels.csv", "w", newline="") as file:
            csv.writer(file).writerows([["filename", "label"], ["x.mp4", 0], ["y.mp4", 1]])
    entries = {"x.mp4": {"is_fake": 0, "augmentations": {}}, "y.mp4": {"is_fake": 1}}
    write_json(root / "test" / "metadata.json", entries)
    return root


def dfdc_preview(root, videos):
    entries = {}
    for actor, group in (("643116", "train"), ("1224068", "test")):
        for clip in ("A_001", "B_002"):
            name = f"original_videos/{actor}/{actor}_{clip}.mp4"
            entries[name] = {"label": "real", "set": group, "target_id": actor, "swapped_id": None}
    entries["method_A/643116/643116_1224068_A_001.mp4"] = {
        "label": "fake", "set": "train", "target_id": "1224068", "swapped_id": "643116",
        "augmentations": [],
    }  # fmt: skip
    entries["method_B/1224068/1224068_643116_B_001.mp4"] = {
        "label": "fake", "set": "test", "target_id": "643116", "swapped_id": "1224068",
    }  # fmt: skip
    videos.put(root, *entries)
    write_json(root / "dataset.json", entries)
    return root


def deeperforensics(root, videos, variants=("end_to_end",)):
    splits = {
        "train": ["071_M004", "054_W101"], "val": ["720_M109"], "test": ["953_W033"]
    }  # fmt: skip
    for split, names in splits.items():
        path = root / "lists" / "splits" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{name}.mp4\n" for name in names))
        for name in names:
            actor = name[4:]
            videos.put(root, *(f"manipulated_videos/{variant}/{name}.mp4" for variant in variants))
            for emotion in ("neutral", "happy"):
                location = f"source_videos/{actor}/light_uniform/{emotion}/camera_front"
                file = f"{actor}_light_uniform_{emotion}_camera_front.mp4"
                videos.put(root, f"{location}/{file}")
    return root


def ffiw(root, videos):
    for split in ("train", "val"):
        for kind in ("source", "target"):
            videos.put(root, *(f"{kind}/{split}/0000{i}.mp4" for i in range(2)))
        videos.put(root, f"target_mask/{split}/00000.mp4")
    return root


def forgerynet(root, videos):
    lines = {
        ("Training", "train"): ["1 {}/1/fake.mp4 0 8 1 1 1 7",
                                "3 {}/2/part.mp4 0 2 0 2 3 1 5 3 0 1 2 11",
                                "1 {}/9/real.mp4 0 8 0 0 0 0"],
        ("Validation", "val"): ["1 {}/1/fake.mp4 0 8 1 1 1 3", "1 {}/9/real.mp4 0 8 0 0 0 0"],
    }  # fmt: skip
    for (folder, short), texts in lines.items():
        output_text = [text.format(f"{short}_video_release") for text in texts]
        videos.put(root / folder / "video", *(text.split()[1] for text in output_text))
        (root / folder / "video_list.txt").write_text("\n".join(output_text))
    return root


def folder(root, videos):
    for split in ("train", "val", "test"):
        videos.put(root / split, "anna/real/1.mp4", "anna/fake/FaceSwap/2.mp4", "ben/real/3.mp4")
    return root


def table(root, videos):
    rows = [("path", "label", "technique", "identity", "split")]
    for person, split in (("anna", "train"), ("ben", "test")):
        for number, (label, technique) in enumerate(
            [(1, "genuine"), (1, "genuine"), (-1, "swap"), (-1, "warp")]
        ):
            rows.append((f"{person}/{number}.mp4", label, technique, person, split))
            videos.put(root, rows[-1][0])
    with open(root / "videos.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return root
