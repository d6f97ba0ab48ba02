"""Distil the identity network that ships: EfficientNet-Lite0 learns a teacher's face embedding.

The student sees degraded, shifted, recoloured faces and has to give the embedding that the teacher
gives to the clean face. Beside the photographs it learns from averages of two of them, which are
faces of nobody: there are few people in the data, and a teacher can label any face. People held out
are never learned from, nor averaged.

Inputs are what prepare_faces.py wrote. Training goes on from its last finished epoch when the
script is started again with the same output folder.

    python benchmarks/training/distil_identity.py FACES/lfw TEACHER.onnx OUTPUT
    python benchmarks/training/distil_identity.py FACES/lfw TEACHER.onnx OUTPUT \\
        --measure FACES/london FACES/dfdc_crops
"""

import argparse
import json
import math
import os
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score
from torch import nn
from tqdm import tqdm

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.embedding.backbones._lookup import find_backbone
from sklearn_diffake.embedding.backbones.networks._packaged import identity_module

NAME = "difffake-lite0-identity"
SIDE = 112  # of the ArcFace crop, at the center of the aligned faces
SHIFT = 5
HELD_OUT = 0.1  # fraction of the people


def held_out(identities):
    """Mark one person in ten, by name alone."""
    fractions = [zlib.crc32(str(name).encode()) % 1000 / 1000 for name in identities]
    return np.array(fractions) < HELD_OUT


def center(faces, dx=0, dy=0):
    edge = (faces.shape[-2] - SIDE) // 2
    return faces[..., edge + dy : edge + dy + SIDE, edge + dx : edge + dx + SIDE, :]


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def teach(teacher, faces):
    """Return the teacher's embeddings: of each face and its mirror image, averaged."""
    embedder = FaceEmbedder(teacher, n_jobs=1, verbose=1).fit(center(faces[:1]))
    crops = np.ascontiguousarray(center(faces))
    straight = unit(embedder.transform(crops))
    return unit(straight + unit(embedder.transform(np.ascontiguousarray(crops[:, :, ::-1]))))


def averages(faces, n, rng):
    """Return averages of two faces each: as long as they are aligned, faces of nobody."""
    first, second = rng.integers(len(faces), size=(2, n))
    weight = rng.uniform(0.35, 0.65, size=n)
    pairs = zip(first, second, weight, strict=True)
    return np.stack([cv2.addWeighted(faces[i], w, faces[j], 1 - w, 0) for i, j, w in pairs])


def degrade(face, rng):
    """Return a crop of a face as another camera, light or codec might have shown it."""
    dx, dy = rng.integers(-SHIFT, SHIFT + 1, size=2)
    image = center(face, dx, dy)
    if rng.random() < 0.5:
        image = image[:, ::-1]
    image = np.ascontiguousarray(image)
    if rng.random() < 0.8:
        gain, shift = rng.uniform(0.6, 1.4), rng.uniform(-30, 30)
        tint = rng.uniform(0.85, 1.15, size=3)
        ramp = np.linspace(rng.uniform(0.7, 1.3), rng.uniform(0.7, 1.3), SIDE)
        ramp = ramp[:, None, None] if rng.random() < 0.5 else ramp[None, :, None]
        image = np.clip((image - 128.0) * gain * tint * ramp + 128 + shift, 0, 255)
        image = image.astype(np.uint8)
    if rng.random() < 0.1:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 2.0))
    if rng.random() < 0.4:
        small = int(SIDE * rng.uniform(0.3, 0.9))
        image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.2:
        noise = rng.normal(scale=rng.uniform(2, 12), size=image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        quality = int(rng.integers(25, 96))
        code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = cv2.imdecode(code, cv2.IMREAD_UNCHANGED)
    if rng.random() < 0.15:  # something in front of the face
        x, y = rng.integers(SIDE, size=2)
        w, h = rng.integers(15, 45, size=2)
        image[y : y + h, x : x + w] = rng.integers(256, size=3)
    return image


def new_student(width, start=None):
    """Make the network with ImageNet weights, or with those of an earlier training."""
    student = identity_module(width).requires_grad_(True)
    pretrained = find_backbone("efficientnet-lite0").module.state_dict()
    if start:
        pretrained = {
            name.removeprefix("features."): value for name, value in load_file(start).items()
        }
    state = student.state_dict()
    usable = {k: v for k, v in pretrained.items() if k in state and state[k].shape == v.shape}
    student.load_state_dict(usable, strict=False)
    return student


def forward(student, crops):
    """Return unit embeddings of crops of shape (b, H, W, 3), uint8."""
    x = (crops.permute(0, 3, 1, 2).float() - 127) / 128
    return nn.functional.normalize(student(x), dim=1)


def embed(student, crops, batch=64):
    """Return embeddings of crops and of their mirror images, averaged."""
    student.eval()
    batches = []
    with torch.inference_mode():
        for start in range(0, len(crops), batch):
            x = torch.from_numpy(np.ascontiguousarray(crops[start : start + batch]))
            batches.append((forward(student, x) + forward(student, x.flip(2))).numpy())
    student.train()
    return unit(np.concatenate(batches))


def pair_auc(vectors, identities, seed=0):
    """Tell pairs of one person from as many pairs of two."""
    rng = np.random.default_rng(seed)
    names = pd.factorize(np.asarray(identities))[0]
    first, second = np.triu_indices(len(names), 1)
    genuine_rows = np.flatnonzero(names[first] == names[second])
    genuine_rows = rng.permutation(genuine_rows)[:20_000]
    impostor_rows = rng.permutation(np.flatnonzero(names[first] != names[second]))[
        : 5 * len(genuine_rows)
    ]
    row_sample = np.r_[genuine_rows, impostor_rows]
    cosine = (vectors[first[row_sample]] * vectors[second[row_sample]]).sum(axis=1)
    return float(roc_auc_score(np.repeat([1, 0], [len(genuine_rows), len(impostor_rows)]), cosine))


def load_faces(folder):
    table = pd.read_csv(folder / "faces.csv")
    return np.load(folder / "faces.npy", mmap_mode="r"), table


def taught(folder, teacher, n_averages):
    """Return training faces with the teacher's embeddings; both are kept beside the faces."""
    faces, table = load_faces(folder)
    in_training = ~held_out(table["identity"])
    real_faces, file = faces[in_training], folder / f"teacher-{n_averages}.npz"
    mixed = averages(real_faces, n_averages, np.random.default_rng(0))
    if not file.exists():
        np.savez(file, own=teach(teacher, real_faces), mixed=teach(teacher, mixed))
    with np.load(file) as stored_vectors:
        return np.concatenate([real_faces, mixed]), np.concatenate(
            [stored_vectors["own"], stored_vectors["mixed"]]
        )


def train(options):
    faces, targets = taught(options.faces, options.teacher, options.averages)
    all_faces, table = load_faces(options.faces)
    in_test = held_out(table["identity"])
    judged_crops, judged_names = center(all_faces[in_test]), table["identity"][in_test]
    torch.manual_seed(options.seed)
    student = new_student(targets.shape[1], options.start)
    student = student.to(memory_format=torch.channels_last).train()
    average = {name: value.clone() for name, value in student.state_dict().items()}
    optimizer = torch.optim.AdamW(student.parameters(), weight_decay=0.02, fused=True)
    n_steps = options.epoch_size // options.batch_size
    first, history = 0, []
    checkpoint = options.output / "checkpoint.pt"
    if checkpoint.exists():
        checkpoint_state = torch.load(checkpoint, weights_only=True)
        student.load_state_dict(checkpoint_state["student"])
        optimizer.load_state_dict(checkpoint_state["optimizer"])
        average, history = checkpoint_state["average"], json.loads(checkpoint_state["history"])
        first = len(history)
    for epoch in range(first, options.epochs):
        rng = np.random.default_rng([options.seed, epoch])
        start, total = time.perf_counter(), 0.0
        for step in tqdm(range(n_steps), desc=f"epoch {epoch}", mininterval=10):
            fraction_done = (epoch * n_steps + step) / (options.epochs * n_steps)
            lr = (
                options.lr
                * min(1, fraction_done * options.epochs * 2)
                * 0.5
                * (1 + math.cos(math.pi * fraction_done))
            )
            optimizer.param_groups[0]["lr"] = lr
            rows = rng.integers(len(faces), size=options.batch_size)
            crops = torch.from_numpy(np.stack([degrade(faces[row], rng) for row in rows]))
            goal = torch.from_numpy(targets[rows].astype(np.float32))
            loss = 1 - (forward(student, crops) * goal).sum(dim=1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach())
            follow(average, student.state_dict(), min(0.998, 1 - 1 / (10 + epoch * n_steps + step)))
        current_state = student.state_dict()
        current_state = {name: value.clone() for name, value in current_state.items()}
        student.load_state_dict(average)
        vectors = embed(student, judged_crops)
        student.load_state_dict(current_state)
        history.append(
            {
                "epoch": epoch,
                "loss": round(total / n_steps, 4),
                "held-out pair AUC": round(pair_auc(vectors, judged_names), 4),
                "seconds": round(time.perf_counter() - start),
            }
        )
        print(history[-1], flush=True)
        state = {"student": current_state, "average": average, "optimizer": optimizer.state_dict()}
        torch.save({**state, "history": json.dumps(history)}, checkpoint.with_suffix(".new"))
        os.replace(checkpoint.with_suffix(".new"), checkpoint)
        averaged = {name: value.contiguous() for name, value in average.items()}
        save_file(averaged, options.output / "student.safetensors")


def follow(average, state, decay):
    """Move a running average of the weights."""
    for name, value in state.items():
        if value.dtype.is_floating_point:
            average[name].mul_(decay).add_(value, alpha=1 - decay)
        else:
            average[name].copy_(value)


def export(options):
    """Write the weights as the package carries them: halved, but for the statistics of norms."""
    state = load_file(options.output / "student.safetensors")
    halved = {
        name: value.half() if value.is_floating_point() and "running" not in name else value
        for name, value in state.items()
    }
    save_file(halved, options.output / "identity.safetensors", {"backbone": NAME})


def measure(options):
    """Compare student and teacher on pairs of one person and of two."""
    state = load_file(options.output / "student.safetensors")
    student = new_student(state["project.weight"].shape[0])
    student.load_state_dict(state)
    rows = []
    for folder in [options.faces, *options.measure]:
        faces, table = load_faces(folder)
        is_usable = np.ones(len(table), bool)
        if folder == options.faces:
            is_usable = held_out(table["identity"])
        elif table["path"].str.contains("/real/").any():
            is_usable = table["path"].str.contains("/real/").to_numpy()
        names, crops = table["identity"][is_usable], faces[is_usable]
        row = {
            "data": folder.name,
            "images": len(names),
            "teacher": round(pair_auc(teach(options.teacher, crops), names), 4),
            "student": round(pair_auc(embed(student, center(crops)), names), 4),
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
    (options.output / "identity.json").write_text(json.dumps(rows, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("teacher")
    parser.add_argument("output", type=Path)
    parser.add_argument("--measure", type=Path, nargs="+")
    parser.add_argument("--start", help="weights of an earlier training, a .safetensors file")
    parser.add_argument("--averages", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--epoch-size", type=int, default=20_000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    if options.measure:
        measure(options)
    else:
        train(options)
        export(options)


if __name__ == "__main__":
    main()
