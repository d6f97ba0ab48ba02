"""`make_face_pairs`: rendered faces, genuine and manipulated, as pairs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby
from numbers import Integral, Real
from typing import Any, Literal

import joblib
import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state

from sklearn_diffake.datasets._bundle import bundle_pairs, import_pandas
from sklearn_diffake.datasets._rendered._forgeries import TECHNIQUES
from sklearn_diffake.datasets._rendered._frames import (
    COMPRESSIONS,
    RenderedFrame,
    Settings,
    make_frames,
)
from sklearn_diffake.datasets._rendered._head_model import still_head
from sklearn_diffake.datasets._rendered._plan import MIN_IDENTITIES, Plan, plan_pairs, split_of
from sklearn_diffake.datasets._rendered._rendering import render
from sklearn_diffake.datasets._rendered._scenes import LOOKS
from sklearn_diffake.datasets._tree import GENUINE, parse_choices
from sklearn_diffake.utils._modes import SAME_VIDEO, SPELLINGS, mode_name
from sklearn_diffake.utils._progress import progress_bar
from sklearn_diffake.utils._sklearn_compat import Interval, StrOptions, validate_params

_DESCRIPTION = """{dataset}

Rendered faces of {people} people who do not exist, in the look {look!r}, as {pairs} pairs. Faces
are manipulated by {techniques}; camera and compression come after the manipulation, as with
genuine faces.

Made by sklearn_diffake.datasets.make_face_pairs; nothing is downloaded."""


def _integers_from(minimum: int) -> list[Any]:
    return [Interval(Integral, minimum, None, closed="left")]


@validate_params(
    {
        "n_pairs": _integers_from(1),
        "mode": [StrOptions(set(SPELLINGS))],
        "look": [StrOptions(set(LOOKS))],
        "dataset": [str, None],
        "n_identities": [*_integers_from(1), None],
        "n_videos": _integers_from(1),
        "n_frames": _integers_from(1),
        "techniques": [str, "array-like"],
        "fake_share": [Interval(Real, 0, 1, closed="both")],
        "compressions": [str, "array-like"],
        "recompressed_share": [Interval(Real, 0, 1, closed="both")],
        "size": _integers_from(64),
        "masks": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def make_face_pairs(
    n_pairs: int = 1000,
    *,
    mode: Literal["reference", "same-video", "same_video"] = "reference",
    look: Literal["studio", "webcam", "street"] = "studio",
    dataset: str | None = None,
    n_identities: int | None = None,
    n_videos: int = 4,
    n_frames: int = 4,
    techniques: str | Sequence[str] = "all",
    fake_share: float = 0.5,
    compressions: str | Sequence[str] = "raw",
    recompressed_share: float = 0.1,
    size: int = 160,
    masks: bool = False,
    n_jobs: int | None = None,
    random_state: int | RandomState | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
    verbose: int = 0,
) -> Any:
    """Make pairs of rendered faces, genuine and manipulated, without any download.

    A parametric head is rendered in perspective, with Lambert's shading [1]_. Geometry and
    colors of a person stay the same; each of a person's videos has its own light, backdrop and
    camera, and each frame its own pose and expression. Detectors of faces find them, and networks
    for face recognition distinguish the people; but they are no photographs, and figures on them
    say nothing about real deepfakes. The dataset is meant for tests and examples.

    Probes are manipulated as rendered, and photographed afterwards, by the same camera with the
    same noise and compression as the genuine ones:

    - ``"swap"``: the inner face of another person, rendered in this pose, light and expression,
      brought to this face's colors and blended in;
    - ``"splice"``: the inner face cut out of a photograph of another person, with its own pose,
      light and noise;
    - ``"morph"``: an inner face between this person's and another's;
    - ``"attribute"``: eyes, nose or mouth of another person;
    - ``"reenactment"``: the face warped by its landmarks to another expression;
    - ``"resampling"``: the inner face rebuilt as by an upsampling decoder, under a faint grid;
    - ``"smoothing"``: the skin retouched.

    Parameters
    ----------
    n_pairs : int, default=1000
        Number of pairs.
    mode : {"reference", "same-video"}, default="reference"
        Pair a genuine frame of a person, in column 0, with a frame of another video that shows
        the same person or is manipulated; or two frames of one video, both manipulated or none.
        ``"same_video"`` is another spelling of the latter.
    look : {"studio", "webcam", "street"}, default="studio"
        Light, poses, backdrops, cameras and noise: even and clean; frontal, colored, noisy and
        compressed; hard light, small faces before clutter.
    dataset : str, default=None
        Name of the dataset, by default ``"rendered-<look>"``. Who is seen depends on it and on
        `random_state`: under one name, all looks show the same people.
    n_identities : int, default=None
        Number of people, at least 6; by default a twentieth of `n_pairs`, and at least 8.
    n_videos : int, default=4
        Genuine videos per person, at least 2 in reference mode. Each technique forges each.
    n_frames : int, default=4
        Frames per video, at least 2 in same-video mode.
    techniques : str or sequence of str, default="all"
        Some of the techniques above; all are equally frequent.
    fake_share : float, default=0.5
        Fraction of the pairs that are deepfakes, in [0, 1].
    compressions : str or sequence of str, default="raw"
        Some of ``"raw"``, ``"c23"`` and ``"c40"``, or ``"all"``: nothing, light or strong
        compression after the camera's own. It is JPEG, of qualities 60 to 75 and 18 to 28, in
        place of the video codec whose settings they are named for. Both frames of a pair have
        the same.
    recompressed_share : float, default=0.1
        Fraction of the probes, genuine or not, that are compressed once more, as JPEG of quality
        10 to 19, in [0, 1]. Genuine, they are the hard ones: far from their reference, and still
        genuine.
    size : int, default=160
        Side of the images in pixels, at least 64.
    masks : bool, default=False
        Return where the images are manipulated.
    n_jobs : int, default=None
        Number of processes that render, as joblib counts them: None is 1, -1 is one per core. The
        result does not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seeds everything. Pass an int for the same pixels on every call, whatever `n_jobs`.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Give `data` and `target` as DataFrame, an image a cell, and Series.
    verbose : int, default=0
        Show a progress bar.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        With the fields

        data : ndarray of shape (n_pairs, 2, size, size, 3), uint8, or DataFrame
            RGB: reference and probe, or the earlier and the later frame.
        target : ndarray or Series of shape (n_pairs,), int
            +1 genuine, -1 deepfake.
        mode : {"reference", "same-video"}
            How the pairs were formed.
        frame : DataFrame of shape (n_pairs, 13)
            The columns of :func:`.load_video_table`; ``condition``, which is ``"plain"`` or
            ``"recompressed"``; and ``donor``, the person whose face was put in, or empty. The
            splits have no person in common, not even as donor. ``identity`` is who is claimed to
            be seen: the person of the genuine video.
        groups : ndarray of shape (n_pairs,), object
            The person of each pair.
        landmarks : ndarray of shape (n_pairs, 2, 68, 2), float32
            (x, y) in pixels: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67, of the
            face before it was manipulated.
        masks : ndarray of shape (n_pairs, 2, size, size), uint8
            Weight of what was blended in; 0 where nothing was. Only with ``masks=True``.
        index : ndarray of shape (n_pairs, 2), int
            Row numbers of both frames in `images`.
        images : DataFrame
            One row per frame, with its pose in degrees, expression, light and camera.
        n_broken, n_skipped : int
            0, as nothing can be.
        feature_names : list of str
            Names of the two columns.
        DESCR : str
            What this is.

        Without pandas, `frame` and `images` are dicts of columns.

    Raises
    ------
    ValueError
        If a technique or compression is not known, there are too few people, videos or frames,
        or fewer different pairs than `n_pairs`.
    ImportError
        If pandas is not installed, with `as_frame`.

    See Also
    --------
    load_video_table : Pairs of frames of real videos.
    describe : Count what a dataset holds.

    References
    ----------
    .. [1] Blanz and Vetter, "A Morphable Model for the Synthesis of 3D Faces", SIGGRAPH 1999,
       whose separation of shape, color, pose and light this follows with a surface written by
       hand in place of a model learned from scans.

    Examples
    --------
    >>> from sklearn_diffake.datasets import make_face_pairs
    >>> faces = make_face_pairs(12, techniques=["swap", "splice"], random_state=0)
    >>> faces.data.shape
    (12, 2, 160, 160, 3)
    >>> sorted(set(faces.frame["technique"]))
    ['genuine', 'splice', 'swap']
    """
    if as_frame:
        import_pandas()
    kind = mode_name(mode)
    name = dataset or f"rendered-{look}"
    people = max(8, n_pairs // 20) if n_identities is None else n_identities
    _check_counts(kind, people, n_videos, n_frames)
    technique_names = parse_choices("techniques", techniques, list(TECHNIQUES))
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    settings = Settings(seed, name, look, people, size, masks)
    plan = plan_pairs(
        settings.generator("plan"),
        n_pairs=n_pairs,
        n_fake=round(fake_share * n_pairs),
        recompressed_share=recompressed_share,
        mode=kind,
        techniques=technique_names,
        compressions=parse_choices("compressions", compressions, list(COMPRESSIONS)),
        n_identities=people,
        n_videos=n_videos,
        n_frames=n_frames,
    )
    frames = _render_all(settings, plan, n_jobs, verbose)
    data = np.stack([frame.image for frame in frames])[plan.pairs]
    if return_X_y and not as_frame:
        return data, plan.target
    bunch = _bundle(settings, plan, frames, data, kind, as_frame)
    bunch.DESCR = _DESCRIPTION.format(
        dataset=name, people=people, look=look, pairs=n_pairs, techniques=", ".join(technique_names)
    )
    if masks:
        bunch.masks = np.array([frame.mask for frame in frames])[plan.pairs]
    return (bunch.data, bunch.target) if return_X_y else bunch


def _check_counts(mode: str, n_identities: int, n_videos: int, n_frames: int) -> None:
    if n_identities < MIN_IDENTITIES:
        raise ValueError(
            f"n_identities must be at least {MIN_IDENTITIES}, two in each of the splits train, val "
            f"and test, got {n_identities}."
        )
    if mode == "reference" and n_videos < 2:
        raise ValueError(
            "n_videos must be at least 2 with mode='reference', whose references come from other "
            "videos of a person, got 1."
        )
    if mode == SAME_VIDEO and n_frames < 2:
        raise ValueError("n_frames must be at least 2 with mode='same-video', got 1.")


def _render_all(
    settings: Settings, plan: Plan, n_jobs: int | None, verbose: int
) -> list[RenderedFrame]:
    """Render the frames, one person after the other, in the order of the plan."""
    order = sorted(range(len(plan.frames)), key=plan.frames.__getitem__)
    people = [list(positions) for _, positions in groupby(order, lambda k: plan.frames[k].person)]
    results = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
        joblib.delayed(make_frames)(settings, [plan.frames[k] for k in positions])
        for positions in people
    )
    frames: list[RenderedFrame] = []
    with progress_bar(total=len(order), desc="rendering", unit="image", verbose=verbose) as bar:
        for rendered in results:
            frames += rendered
            bar.update(len(rendered))
    render.cache_clear()
    still_head.cache_clear()
    by_position = dict(zip(chain(*people), frames, strict=True))
    return [by_position[k] for k in range(len(plan.frames))]


def _bundle(
    settings: Settings,
    plan: Plan,
    frames: list[RenderedFrame],
    data: NDArray,
    mode: str,
    as_frame: bool,
) -> Bunch:
    images = _describe_frames(settings, plan, frames)
    dataset = bundle_pairs(
        data,
        images,
        Bunch(index=plan.pairs, target=plan.target),
        mode=mode,
        as_frame=as_frame,
        landmarks=np.stack([item.landmarks for item in frames])[plan.pairs],
        index=plan.pairs,
        n_broken=0,
        n_skipped=0,
    )
    probe = plan.pairs[:, 1]
    dataset.frame |= {name: images[name][probe] for name in ("condition", "donor")}
    dataset.frame, dataset.images = _table(dataset.frame), _table(images)
    return dataset


def _describe_frames(
    settings: Settings, plan: Plan, frames: list[RenderedFrame]
) -> dict[str, NDArray[Any]]:
    """Return one row per frame, as columns."""
    rows = []
    for frame, item in zip(plan.frames, frames, strict=True):
        genuine = f"{settings.dataset}-{frame.person:03d}/{frame.compression}/{frame.video}"
        forged = frame.technique != GENUINE
        properties = dict(item.properties)
        donor = properties.pop("donor")
        rows.append({
            "dataset": settings.dataset,
            "technique": frame.technique,
            "compression": frame.compression,
            "condition": frame.condition,
            "split": split_of(frame.person, settings.n_identities),
            "identity": f"{settings.dataset}-{frame.person:03d}",
            "donor": f"{settings.dataset}-{donor:03d}" if donor >= 0 else "",
            "video": f"{genuine}/{frame.technique}" if forged else genuine,
            "original": genuine if forged else "",
            "number": frame.number,
            "label": -1 if forged else 1,
            **properties,
        })  # fmt: skip
    return {
        name: np.array(values, dtype=object if isinstance(values[0], str) else None)
        for name, values in ((name, [row[name] for row in rows]) for name in rows[0])
    }


def _table(columns: dict[str, NDArray[Any]]) -> Any:
    """Make a DataFrame, or keep the columns where there is no pandas."""
    try:
        return import_pandas().DataFrame(columns)
    except ImportError:
        return columns
