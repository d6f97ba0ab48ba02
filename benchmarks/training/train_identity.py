"""Train small identity networks from two teachers: dlib's network and MobileFaceNet.

A student's embedding is made of two halves, one for each teacher, so that its cosine is the mean of
both teachers' cosines. The teachers see a face and its mirror image as they are; the students see
degraded views of it and have to give the teachers' embedding. Beside the photographs they learn
from faces of nobody: averages of two people, faces with regions of another one, faces with other
proportions. There are few people in the data, and a teacher can label any face. The embedding that
is asked for on a photograph is drawn towards the mean of its person. People held out are never
learned from, nor mixed.

Three students are trained on the same views at the same time: MobileFaceNet's own shape, a small
residual network, and dlib's network, which starts with dlib's weights. The schedule is sized by the
wall clock; weights, averaged over the steps, and the log are written at every report.

    python benchmarks/training/train_identity.py --data PACK --teachers TEACHERS --out OUTPUT \\
        --minutes 8

PACK is what prepare_identity.py wrote (lfw.npz, london.npz), TEACHERS what convert_teachers.py did.
"""

import argparse
import copy
import io
import json
import math
import os
import random
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.metrics import auc, roc_curve
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.training import _identity_views as views
from benchmarks.training._identity_networks import students, teachers

HELD_OUT = 0.1  # fraction of the people
EMBEDDED = 256  # images embedded at once
LEARNING_RATES = {"mobile": 2e-3, "residual": 2e-3, "dlib": 1e-4}
WEIGHT_DECAY = {"mobile": 0.03, "residual": 0.03, "dlib": 0.0}
WARM_UP = 0.04  # fraction of the schedule
LARGEST_GRADIENT = 1.0
AVERAGED = 0.999  # of the weights of the step before, in the running average
PLAIN, AVERAGES = 0.35, 0.3  # fractions of a batch; the rest has regions of another person
PATIENCE = 8  # steps that may wait for the device
N_OTHERS = 100_000  # pairs of two people in a figure
N_TRIALS = 4  # steps that are timed
N_RELATED = 1000  # faces whose cosines give the spread of cosines
LAST_SCALE = 10.0  # of a student's output before its halves are scaled to unit length
LEAST_FRACTION = 0.25  # of a batch that a slow student sees


def held_out(identities):
    """Mark one person in ten, by name alone."""
    fractions = [zlib.crc32(str(name).encode()) % 1000 / 1000 for name in identities]
    return np.array(fractions) < HELD_OUT


def read_faces(file, limit=None):
    """Return the faces of a pack, uint8 of shape (n, 3, 160, 160), and whose they are."""
    with np.load(file) as pack:
        data, ends, identity = pack["data"], pack["ends"][:limit], pack["identity"][:limit]
    starts = [0, *ends[:-1].tolist()]

    def decode(start, end):
        with Image.open(io.BytesIO(data[start:end].tobytes())) as image:
            return np.asarray(image.convert("RGB")).transpose(2, 0, 1)

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        faces = np.stack(list(pool.map(decode, starts, ends.tolist())))
    return torch.from_numpy(faces), identity


class Precision:
    """In which the networks compute: bfloat16 is fast on a GPU, and slow on most CPUs."""

    half = True

    @classmethod
    def for_device(cls, device):
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=cls.half)


def unit_halves(vectors):
    halves = vectors.unflatten(1, (2, -1))
    return functional.normalize(halves, dim=2).flatten(1) * 0.5**0.5


class Teachers:
    """Both teachers: what they say of a face and of its mirror image, averaged."""

    def __init__(self, folder, device):
        self.networks = [
            network.to(device, memory_format=torch.channels_last) for network in teachers(folder)
        ]

    @torch.no_grad()
    def __call__(self, faces):
        """Return embeddings of shape (b, 256), of length 1."""
        both_views = torch.cat([faces, faces.flip(3)])
        with Precision.for_device(faces.device):
            embeddings = [network(both_views).float() for network in self.networks]
        embeddings[1] = functional.normalize(embeddings[1], dim=1)
        return unit_halves(torch.cat(embeddings, 1).unflatten(0, (2, -1)).mean(0))


class Distance:
    """How far embeddings are from targets, for each half: 0 at best, 1 if they ignore the face.

    The embeddings of dlib's network lie in a narrow cone: any two of them are so similar that
    plain distances would hardly count. Distances are therefore given in fractions of the spread of
    the targets themselves.

    Parameters
    ----------
    targets : Tensor of shape (n, 256)
        Embeddings of many faces.
    """

    def __init__(self, targets):
        halves = self._halves(targets)
        self.spread = 1 - halves.mean(0).norm(dim=1)
        half_sample = halves[torch.randperm(len(halves), device=targets.device)[:N_RELATED]]
        self.variance = self._relations(half_sample).var((1, 2))

    @staticmethod
    def _halves(embeddings):
        return embeddings.unflatten(1, (2, -1)) * 2**0.5

    @staticmethod
    def _relations(halves):
        """Return the cosines of all pairs of rows, shape (2, b, b)."""
        halves = halves.transpose(0, 1)
        return halves @ halves.mT

    def __call__(self, embeddings, targets):
        """Return the distances of embeddings, and those of their cosines, of shape (2,) each."""
        embeddings, targets = self._halves(embeddings), self._halves(targets)
        angles = (1 - (embeddings * targets).sum(2)).mean(0) / self.spread
        relations = self._relations(embeddings) - self._relations(targets)
        return angles, relations.square().mean((1, 2)) / self.variance


class Student:
    """A network in training, and the running average of its weights."""

    def __init__(self, name, network, device):
        self.name, self.device = name, device
        self.network = network.train()
        self.fraction = 1.0  # of each batch
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        weights = [p for p in network.parameters() if p.ndim > 1]
        impostors = [p for p in network.parameters() if p.ndim <= 1]
        decay = WEIGHT_DECAY[name]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": weights, "weight_decay": decay},
                {"params": impostors, "weight_decay": 0.0},
            ],
            lr=LEARNING_RATES[name],
            fused=device.type == "cuda",
        )
        self.n_steps = self.n_reported = 0
        self.total = torch.zeros(2, 2, device=device)

    def step(self, faces, targets, distance, relation_weight, rate):
        """Learn from a batch; `rate` is the fraction of the full learning rate."""
        n = round(self.fraction * len(faces))
        faces, targets = faces[:n], targets[:n]
        for group in self.optimizer.param_groups:
            group["lr"] = LEARNING_RATES[self.name] * rate
        with Precision.for_device(self.device):
            embeddings = self.network(faces)
        angles, relations = distance(embeddings, targets)
        self.optimizer.zero_grad(set_to_none=True)
        (angles + relation_weight * relations).mean().backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        self.total += torch.stack([angles.detach(), relations.detach()])
        self._follow()

    @torch.no_grad()
    def _follow(self):
        keep = min(AVERAGED, (1 + self.n_steps) / (10 + self.n_steps))
        self.n_steps += 1
        averages, values = [], []
        projection = self.network.state_dict()
        for key, average in self.average.state_dict().items():
            if average.is_floating_point():
                averages.append(average)
                values.append(projection[key])
        torch._foreach_lerp_(averages, values, 1 - keep)

    @torch.inference_mode()
    def embed(self, faces):
        """Return the embeddings of faces by the averaged weights, on the CPU."""
        outputs = []
        for batch in faces.split(EMBEDDED):
            with Precision.for_device(self.device):
                outputs.append(self.average(batch.float()).float())
        return torch.cat(outputs).cpu()

    def losses(self):
        """Return the mean losses since the last call."""
        means = (self.total / max(1, self.n_steps - self.n_reported)).cpu()
        self.total.zero_()
        self.n_reported = self.n_steps
        return {"angles": rounded(means[0]), "relations": rounded(means[1])}

    def save(self, folder):
        """Write the averaged weights in half precision, but for the statistics of norms."""
        state = {
            key: tensor.float() if "running" in key else tensor.half()
            for key, tensor in self.average.network.state_dict().items()
            if tensor.is_floating_point()
        }
        state = {key: tensor.cpu().contiguous() for key, tensor in state.items()}
        file = folder / f"{self.name}.safetensors"
        save_file(state, file.with_suffix(".new"), {"network": self.name})
        os.replace(file.with_suffix(".new"), file)


def rounded(values):
    return [round(value, 4) for value in values.tolist()]


class Judge:
    """Faces of people held out, as they are and degraded, and of another data set."""

    def __init__(self, faces, names, impostors, other_names, teacher):
        torch.manual_seed(1)
        random.seed(1)
        degraded = [
            views.degrade(face_batch.float()).to(torch.uint8)
            for face_batch in faces.split(EMBEDDED)
        ]
        self.faces, self.names = faces, names
        self.degraded = torch.cat(degraded)
        self.others, self.other_names = impostors, other_names
        self.targets = self._embed(teacher, faces)
        self.distance = Distance(self.targets)

    def _embed(self, network, faces):
        return torch.cat(
            [network(face_batch.float()).cpu() for face_batch in faces.split(EMBEDDED)]
        )

    def figures(self, embed):
        """Return figures of a function that maps faces to embeddings of length 1 on the CPU."""
        clean, degraded = embed(self.faces), embed(self.degraded)
        impostor_rows = embed(self.others)
        return {
            "angles": rounded(self.distance(clean, self.targets)[0]),
            "angles, degraded": rounded(self.distance(degraded, self.targets)[0]),
            "held-out people": verification(clean, clean, self.names),
            "held-out people, degraded": verification(clean, degraded, self.names),
            "other data": verification(impostor_rows, impostor_rows, self.other_names),
        }

    def of_teacher(self, teacher):
        return self.figures(lambda faces: self._embed(teacher, faces))


def verification(first, second, names):
    """Return AUC and EER of the cosines of pairs: all of one person, and many of two."""
    same_name = np.asarray(names)[:, None] == np.asarray(names)
    pairs = np.triu_indices(len(same_name), 1)
    cosines, same_name = (first @ second.T).numpy()[pairs], same_name[pairs]
    genuine, others = cosines[same_name], cosines[~same_name]
    if not len(genuine) or not len(others):
        return {}
    others = others[:: max(1, len(others) // N_OTHERS)]
    truth = np.repeat([1, 0], [len(genuine), len(others)])
    accepted, detected, _ = roc_curve(truth, np.concatenate([genuine, others]))
    best_index = np.argmin(np.abs(accepted - (1 - detected)))
    error = (accepted[best_index] + 1 - detected[best_index]) / 2
    return {"AUC": round(float(auc(accepted, detected)), 4), "EER": round(float(error), 4)}


class Batches:
    """Draws views of faces and the embeddings that a student has to give them."""

    def __init__(self, faces, names, teacher, options):
        self.faces, self.teacher, self.options = faces, teacher, options
        projection = torch.cat([teacher(part.float()) for part in faces.split(EMBEDDED)])
        person = torch.from_numpy(np.unique(names, return_inverse=True)[1]).to(faces.device)
        means = torch.zeros(int(person.max()) + 1, projection.shape[1], device=faces.device)
        means = unit_halves(means.index_add(0, person, projection))
        weight = options.person_weight
        self.photograph_targets = unit_halves((1 - weight) * projection + weight * means[person])
        self.distance = Distance(projection)

    @torch.no_grad()
    def draw(self):
        """Return views of shape (v * b, 3, 160, 160) and targets of shape (v * b, 256)."""
        batch = self.options.batch
        n_plain, n_averages = round(PLAIN * batch), round(AVERAGES * batch)
        rows = torch.randint(len(self.faces), (2 * batch - n_plain,), device=self.faces.device)
        images = self.faces[rows].float()
        plain, first, second = images.split([n_plain, batch - n_plain, batch - n_plain])
        mixed = views.mix(first, second, n_averages)
        targets = torch.cat([self.photograph_targets[rows[:n_plain]], self.teacher(mixed)])
        images = torch.cat([plain, mixed])
        order = torch.randperm(batch * self.options.views, device=images.device)
        repeated = images.repeat(self.options.views, 1, 1, 1)[order]
        return views.degrade(repeated), targets.repeat(self.options.views, 1)[order]


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def start_in_place(student, targets):
    """Let the last normalization of a student give the targets' mean and spread from the start."""
    norm = student.network.read_out[-2][1]
    with torch.no_grad():
        norm.weight.copy_(LAST_SCALE * targets.std(0))
        norm.bias.copy_(LAST_SCALE * targets.mean(0))


def start_from_dlib(student, faces, teacher):
    """Give a student the weights of dlib's network, and a last layer for both teachers.

    Its half for dlib's network is dlib's own; that for MobileFaceNet is fitted by least squares on
    the photographs.
    """
    source, network = teacher.networks[0], student.network
    state = network.state_dict()
    for key, tensor in source.network.state_dict().items():
        if not key.startswith("project."):
            state[key].copy_(tensor)
    features, targets = [], []
    with torch.no_grad():
        for part in faces.split(EMBEDDED):
            features.append(network.features(student.prepare(part.float())).cpu())
            targets.append(teacher(part.float()).cpu())
    features, targets = torch.cat(features).double(), torch.cat(targets).double()
    mean = features.mean(0)
    centered = features - mean
    ridge = 1e-3 * centered.square().sum() / len(mean) * torch.eye(len(mean), dtype=torch.float64)
    weight = torch.linalg.solve(centered.T @ centered + ridge, centered.T @ targets).T
    projection = source.network.project.weight
    weight[: len(projection)] = projection.cpu()
    bias = targets.mean(0) - weight @ mean
    bias[: len(projection)] = 0
    with torch.no_grad():
        network.project.weight.copy_(weight)
        network.project.bias.copy_(bias)


def layout_of(network, images, device):
    """Return the memory format in which a network is trained faster, and the seconds of a step."""
    seconds = {}
    for layout in (torch.channels_last, torch.contiguous_format):
        trial = copy.deepcopy(network).to(memory_format=layout).train()
        for i in range(N_TRIALS + 2):
            if i == 2:
                synchronize(device)
                start = time.perf_counter()
            with Precision.for_device(device):
                embeddings = trial(images)
            embeddings.square().sum().backward()
        synchronize(device)
        seconds[layout] = (time.perf_counter() - start) / N_TRIALS
    best = min(seconds, key=seconds.get)
    return best, seconds[best]


def make_students(options, batches, faces, teacher):
    """Return the students on the device, and what their steps cost.

    A student that would take more time than all else together sees a part of each batch only.
    """
    device, networks = faces.device, students()
    batches.draw()
    synchronize(device)
    start = time.perf_counter()
    for _ in range(N_TRIALS):
        images, _ = batches.draw()
    synchronize(device)
    seconds = {"batch": (time.perf_counter() - start) / N_TRIALS}
    pupils = []
    for name in options.students:
        network = networks[name].to(device)
        layout, seconds[name] = layout_of(network, images, device)
        if name == "dlib":
            start_from_dlib(network, faces, teacher)
        else:
            start_in_place(network, batches.photograph_targets)
        pupils.append(Student(name, network.to(memory_format=layout), device))
        print(name, layout, f"{1000 * seconds[name]:.1f} ms", flush=True)
    for pupil in pupils:
        others = sum(seconds.values()) - seconds[pupil.name]
        pupil.fraction = max(LEAST_FRACTION, min(1.0, others / seconds[pupil.name]))
    return pupils, {name: round(1000 * value, 2) for name, value in seconds.items()}


def rate_at(progress):
    """Return the fraction of the learning rate at a fraction of the schedule: a cosine."""
    warm = min(1.0, progress / WARM_UP + 0.01)
    return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class Clock:
    """How much of the minutes is spent."""

    def __init__(self, minutes):
        self.start, self.seconds = time.perf_counter(), 60 * minutes

    @property
    def spent(self):
        return time.perf_counter() - self.start


def train(options, clock):
    device = torch.device(options.device)
    Precision.half = not options.float32
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    log = {"torch": torch.__version__, "device": str(device), "options": vars(options)}
    log = {"setting": json.loads(json.dumps(log, default=str)), "reports": []}
    faces, names = read_faces(options.data / "lfw.npz", options.limit)
    others, other_names = read_faces(options.data / "london.npz", options.limit)
    faces, others = faces.to(device), others.to(device)
    in_test = held_out(names)
    training_mask = torch.from_numpy(~in_test).to(device)
    teacher = Teachers(options.teachers, device)
    judge = Judge(faces[~training_mask], names[in_test], others, other_names, teacher)
    report(log, options, clock, {"teachers": judge.of_teacher(teacher)})
    faces, names = faces[training_mask], names[~in_test]
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    batches = Batches(faces, names, teacher, options)
    pupils, milliseconds = make_students(options, batches, faces, teacher)
    fractions = {pupil.name: pupil.fraction for pupil in pupils}
    report(log, options, clock, {"milliseconds": milliseconds, "fractions": fractions})
    report(log, options, clock, {pupil.name: judge.figures(pupil.embed) for pupil in pupils})
    first, reported, n_steps = clock.spent, clock.spent, 0
    end = clock.seconds - options.reserve
    while clock.spent < end or n_steps == 0:
        rate = rate_at((clock.spent - first) / max(1.0, end - first))
        images, targets = batches.draw()
        for pupil in pupils:
            pupil.step(images, targets, batches.distance, options.relation_weight, rate)
        n_steps += 1
        if n_steps % PATIENCE == 0:
            synchronize(device)
        if clock.spent - reported > options.report_seconds:
            reported = clock.spent
            of_pupils = {p.name: {**p.losses(), **judge.figures(p.embed)} for p in pupils}
            report(log, options, clock, {"steps": n_steps, **of_pupils}, pupils)
    of_pupils = {p.name: {**p.losses(), **judge.figures(p.embed)} for p in pupils}
    report(log, options, clock, {"steps": n_steps, "final": True, **of_pupils}, pupils)


def report(log, options, clock, figures, pupils=()):
    """Print figures, and write them and the weights."""
    figures = {"seconds": round(clock.spent, 1), **figures}
    print(json.dumps(figures), flush=True)
    log["reports"].append(figures)
    (options.out / "log.json").write_text(json.dumps(log, indent=1) + "\n")
    for pupil in pupils:
        pupil.save(options.out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teachers", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8.0, help="all included")
    parser.add_argument("--reserve", type=float, default=10.0, help="seconds for the last report")
    parser.add_argument("--report-seconds", type=float, default=60.0, help="between two reports")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--float32", action="store_true", help="instead of bfloat16")
    parser.add_argument("--batch", type=int, default=256, help="faces in a step")
    parser.add_argument("--views", type=int, default=2, help="of each face")
    parser.add_argument("--students", nargs="+", default=list(LEARNING_RATES))
    parser.add_argument("--relation-weight", type=float, default=1.0)
    parser.add_argument("--person-weight", type=float, default=0.5)
    parser.add_argument("--limit", type=int, help="images read of each data set, for a trial")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    clock = Clock(options.minutes)
    options.out.mkdir(parents=True, exist_ok=True)
    train(options, clock)


if __name__ == "__main__":
    main()
