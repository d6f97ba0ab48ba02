"""Verdicts of the packaged model on ten real clips of one person, by number of reference photos.

Five clips are genuine, five are face swaps of the same scenes (Celeb-DF v2). Each is judged against
1, 3 and 5 frames of a genuine clip of another scene, 2 s apart or more. One person: no figure from
it generalizes. Two more cases: a clip that is genuine for 50 s and swapped for 10 s, and genuine
clips against photographs of somebody else.

    python benchmarks/quality/clip_verdicts.py --data DATA -o benchmarks/results/clip_verdicts.json

DATA holds ``clips/{real,fake}/*.mp4`` and ``london/<person>/neutral.jpg``. Needs the extra video.
"""

import argparse
import itertools
import json
import re
import tempfile
from pathlib import Path

import av
import numpy as np

from sklearn_diffake import Reference, verify_many

N_REFERENCES = (1, 3, 5)
LEAST_SECONDS = 2.0  # between reference frames
SECONDS_GENUINE, SECONDS_FAKE = 50, 10
N_OTHERS = 3  # people who are somebody else


def frames_of(path):
    """Yield the frames of a clip as (time, PIL image)."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.time, frame.to_image()


def reference_frames(path, n):
    """Return the middle frames of `n` parts of a clip of equal length, and their times."""
    frames = list(frames_of(path))
    positions = ((np.arange(n) + 0.5) * len(frames) / n).astype(int)
    times, images = zip(*(frames[i] for i in positions), strict=True)
    if n > 1 and np.diff(times).min() < LEAST_SECONDS:
        raise ValueError(f"{path}: too short for {n} frames {LEAST_SECONDS} s apart")
    return list(images), [round(time, 2) for time in times]


def splice(genuine, fake, path):
    """Write a clip of SECONDS_GENUINE of genuine clips, then SECONDS_FAKE of a fake one.

    The genuine clips are repeated until they are long enough.
    """
    rate = 30
    windows = [
        itertools.islice(
            (image for clip in itertools.cycle(genuine) for _, image in frames_of(clip)),
            SECONDS_GENUINE * rate,
        ),
        itertools.islice((image for _, image in frames_of(fake)), SECONDS_FAKE * rate),
    ]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 942, 500, "yuv420p"
        for image in itertools.chain(*windows):
            container.mux(stream.encode(av.VideoFrame.from_image(image.resize((942, 500)))))
        container.mux(stream.encode())


def row_of(probe, truth, reference, verdict):
    """Return what a verdict says about a clip, without pictures."""
    clip = verdict.clip
    return {
        "probe": probe,
        "truth": truth,
        "reference": reference,
        "n_references": verdict.n_references,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "p_value": verdict.p_value,
        "level": verdict.level,
        "fraction_below": clip and clip.fraction_below,
        "longest_interval": clip and clip.longest_interval,
        "worst_window": clip and clip.worst_window,
        "warnings": [warning.code for warning in verdict.warnings],
    }


def other_scene(clip, genuine):
    """Return a genuine clip of another scene than that of a clip."""
    scene = int(re.search(r"(\d{4})$", clip.stem)[1])
    return genuine[(scene + 1) % len(genuine)]


def judge_clips(clips, genuine, enrolled):
    """Judge each clip against each number of photographs of another genuine one."""
    for clip in clips:
        source = other_scene(clip, genuine)
        pairs = [(enrolled[source][n], str(clip)) for n in N_REFERENCES]
        for verdict in verify_many(pairs):
            yield row_of(clip.name, clip.parent.name, source.name, verdict)


def judge_splices(genuine, fakes, enrolled):
    """Judge a clip whose last part is swapped."""
    source, *other_clips = genuine
    with tempfile.TemporaryDirectory() as folder:
        for fake in fakes:
            path = Path(folder, "splice.mp4")
            splice([clip for clip in other_clips if clip.stem[-4:] != fake.stem[-4:]], fake, path)
            for verdict in verify_many([(enrolled[source][n], str(path)) for n in N_REFERENCES]):
                yield row_of(f"genuine + {fake.name}", "splice", source.name, verdict)


def judge_others(data, genuine):
    """Judge genuine clips against photographs of other people."""
    people = sorted((data / "london").iterdir())
    for folder, clip in zip(people[:: len(people) // N_OTHERS], genuine, strict=False):
        pair = ([str(path) for path in sorted(folder.glob("*.jpg"))], str(clip))
        yield row_of(clip.name, "somebody else", f"london/{folder.name}", *verify_many([pair]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--splices", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    genuine = sorted((options.data / "clips/real").glob("*.mp4"))
    fakes = sorted((options.data / "clips/fake").glob("*.mp4"))
    enrolled, times = {}, {}
    for clip in genuine:
        images, times[clip.name] = reference_frames(clip, max(N_REFERENCES))
        frame_choice = {1: [2], 3: [0, 2, 4], 5: range(5)}
        enrolled[clip] = {n: Reference([images[i] for i in frame_choice[n]]) for n in N_REFERENCES}
    figures = {
        "data": "Celeb-DF v2, clips of id0; references: frames of a genuine clip of another scene",
        "reference_times": times,
        "clips": list(judge_clips([*genuine, *fakes], genuine, enrolled)),
        "splices": list(judge_splices(genuine, fakes[: options.splices], enrolled)),
        "somebody else": list(judge_others(options.data, genuine)),
    }
    text = json.dumps(figures, indent=1)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
