"""The named techniques: the parameters that each draws, and its weight."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_diffake.generation import _artifacts as artifacts
from sklearn_diffake.generation._color import draw_color
from sklearn_diffake.generation._degradation import draw_degradation, draw_views
from sklearn_diffake.generation._masks import GLOBAL_FAMILIES, LOCAL_FAMILIES, draw_mask

Record = dict[str, Any]
_Draw = Callable[[np.random.Generator], Record]


@dataclass(frozen=True)
class Technique:
    """One way of making a pseudo-deepfake.

    Attributes
    ----------
    weight : float
        How often it is drawn by default, relative to the other techniques. With 0 it is drawn only
        if it is requested by name, and then with weight 1.
    draw : callable
        Takes a generator, returns the technique's entries of the record.
    apply : callable or None
        Changes the patch under the mask: (cv2, patch, parameters, mask) -> patch.
    needs_donor : bool
        Whether the source is the face of another identity.
    """

    weight: float
    draw: _Draw
    apply: Callable[..., artifacts.Patch] | None = None
    needs_donor: bool = False


def _draw_any_mask(rng: np.random.Generator) -> Record:
    """Draw a global mask in half of the draws, each local one in a sixth."""
    region = rng.integers(6)
    return draw_mask(rng, GLOBAL_FAMILIES if region < 3 else (LOCAL_FAMILIES[region - 3],))


def _draw_shift(rng: np.random.Generator) -> Record:
    """Draw whether source or target is changed, the shift of color and the change of detail."""
    side = "source" if rng.random() < 0.5 else "target"
    return {"side": side, "color": draw_color(rng), "detail": artifacts.draw_detail(rng)}


def _draw_geometry(rng: np.random.Generator) -> Record:
    """Draw a translation of source and mask, in fractions of the crop, and their scale."""
    shift = [float(rng.uniform(-0.03, 0.03)), float(rng.uniform(-0.015, 0.015))]
    return {"shift": shift, "scale": float(rng.uniform(0.95, 1 / 0.95))}


def _self_blend_technique(*families: str) -> _Draw:
    def draw(rng: np.random.Generator) -> Record:
        shift, geometry = _draw_shift(rng), _draw_geometry(rng)
        return {"mask": draw_mask(rng, families), "shift": shift, "geometry": geometry}

    return draw


def _artifact_technique(draw_artifact: _Draw) -> _Draw:
    def draw(rng: np.random.Generator) -> Record:
        mask = {**_draw_any_mask(rng), "ratio": float(rng.uniform(0.6, 1.0))}
        return {"mask": mask, "artifact": draw_artifact(rng)}

    return draw


def _draw_seam(rng: np.random.Generator) -> Record:
    """Draw a seam left by poor blending: a hard edge, a halo, or a ghost."""
    kind = str(rng.choice(["hard", "halo", "ghost"]))
    mask = {**_draw_any_mask(rng), "ratio": 1.0}
    geometry = _draw_geometry(rng)
    rim = {"gain": 0.0}
    shift = None
    if kind == "halo":
        rim = artifacts.draw_halo(rng)
    else:
        mask["kernels"] = [1, int(rng.choice([1, 3]))]
        rgb, (brightness, contrast) = rng.uniform(-10, 10, 3).tolist(), rng.uniform(-0.1, 0.1, 2)
        color = {"rgb": rgb, "hsv": [0.0] * 3, "brightness": float(brightness)}
        color["contrast"] = float(contrast)
        shift = {"side": "source", "color": color, "detail": None}
    if kind == "ghost":
        sides = rng.choice([-1, 1], 2) * rng.uniform(0.01, 0.03, 2)
        geometry, shift = {"shift": sides.tolist(), "scale": 1.0}, None
    return {"mask": mask, "shift": shift, "geometry": geometry, "artifact": {"kind": kind, **rim}}


def _identity_technique(families: tuple[str, ...] | None, bands: int) -> _Draw:
    def draw(rng: np.random.Generator) -> Record:
        mask = _draw_any_mask(rng) if families is None else draw_mask(rng, families)
        mask["ratio"] = float(rng.uniform(0.75, 1.0)) if bands == 0 else 1.0
        detail = artifacts.draw_detail(rng) if rng.random() < 0.5 else None
        shift = {"side": "source", "color": None, "detail": detail}
        transfer = float(rng.uniform(0.7, 1.0))
        return {"mask": mask, "shift": shift, "color_transfer": transfer, "bands": bands}

    return draw


#: The techniques by name. The first four, with their weights, are those of DiffFake.
TECHNIQUES: dict[str, Technique] = {
    "self_blend_global": Technique(3.0, _self_blend_technique(*GLOBAL_FAMILIES)),
    "self_blend_eyes": Technique(1.0, _self_blend_technique("eyes")),
    "self_blend_mouth": Technique(1.0, _self_blend_technique("mouth")),
    "self_blend_lower_head": Technique(1.0, _self_blend_technique("lower_head")),
    "upsampling_grid": Technique(
        1.0, _artifact_technique(artifacts.draw_upsampling_grid), artifacts.upsampling_grid
    ),
    "spectral_notch": Technique(
        1.0, _artifact_technique(artifacts.draw_spectral_notch), artifacts.spectral_notch
    ),
    "texture_mismatch": Technique(
        1.0, _artifact_technique(artifacts.draw_texture_mismatch), artifacts.texture_mismatch
    ),
    "lighting_mismatch": Technique(
        1.0, _artifact_technique(artifacts.draw_lighting_mismatch), artifacts.lighting_mismatch
    ),
    "poor_blend_seam": Technique(1.0, _draw_seam, artifacts.halo),
    "identity_blend": Technique(1.5, _identity_technique(None, 0), needs_donor=True),
    "identity_swap": Technique(1.5, _identity_technique(GLOBAL_FAMILIES, 4), needs_donor=True),
}

_BUILT_IN = frozenset(TECHNIQUES)
#: Weights of the published procedure: half of the draws global, a sixth for each local region.
DIFFAKE = {name: TECHNIQUES[name].weight for name in list(TECHNIQUES)[:4]}


def add_technique(name: str, draw: _Draw, apply: Callable[..., artifacts.Patch]) -> None:
    """Add a technique of your own: an artifact that the face gets under a drawn mask.

    It is drawn only if it is requested by name, so that the default techniques and their fakes for
    a seed stay as they are. A process that did not import the module that adds it, such as a
    worker that was spawned and not forked, cannot use it.

    Parameters
    ----------
    name : str
        Name of the technique. An added technique of this name is replaced.
    draw : callable
        Takes a ``numpy.random.Generator``, the only source of randomness, and returns a dict of
        parameters that JSON can hold: strings, plain numbers, lists and dicts of these.
    apply : callable
        Takes ``(cv2, patch, parameters, mask)``: the module, the part of the face under the mask,
        (H, W, 3) uint8 RGB, what `draw` returned, and the mask there, (H, W) uint8; returns the
        changed patch in the same form. The package draws the mask and blends the patch.

    Raises
    ------
    ValueError
        If the name belongs to the package, or the parameters do not survive JSON.

    See Also
    --------
    technique_weights : Returns the probability of every technique.
    draw : Draws the parameters of one pseudo-deepfake.

    Examples
    --------
    >>> from sklearn_diffake.generation import TECHNIQUES, add_technique, technique_weights
    >>> def draw(rng):
    ...     return {"level": int(rng.integers(2, 5))}
    >>> def posterize(cv2, patch, parameters, mask):
    ...     return patch >> parameters["level"] << parameters["level"]
    >>> add_technique("posterize", draw, posterize)
    >>> technique_weights(["posterize", "self_blend_eyes"])
    {'self_blend_eyes': 0.5, 'posterize': 0.5}
    >>> del TECHNIQUES["posterize"]
    """
    if name == "difffake" or name in _BUILT_IN:
        raise ValueError(f"{name!r} is a technique of the package; name must be another one.")
    parameters = draw(np.random.default_rng(0))
    try:
        survives_json = json.loads(json.dumps(parameters)) == parameters
    except TypeError:
        survives_json = False
    if not survives_json:
        raise ValueError(
            f"draw of technique {name!r} must return strings, plain numbers, lists and dicts of "
            f"these, which JSON keeps unchanged, got {parameters!r}."
        )

    def apply_checked(
        cv2: Any, patch: artifacts.Patch, parameters: Record, mask: artifacts.Patch
    ) -> Any:
        patch_out = apply(cv2, patch, parameters, mask)
        returned = (
            getattr(patch_out, "shape", None),
            getattr(patch_out, "dtype", type(patch_out).__name__),
        )
        if returned != (patch.shape, patch.dtype):
            raise ValueError(
                f"apply of technique {name!r} must return shape {patch.shape} and type "
                f"{patch.dtype}, got {returned[0]} and {returned[1]}."
            )
        return patch_out

    TECHNIQUES[name] = Technique(0.0, _artifact_technique(draw), apply_checked)


def technique_weights(
    techniques: str | Iterable[str] | Mapping[str, float] | None = None, *, donors: bool = True
) -> dict[str, float]:
    """Return the probability of every technique.

    Parameters
    ----------
    techniques : None, "difffake", str, list of str or dict of str to float, default=None
        None for all with their default weights, "difffake" for the four of the paper, one name,
        several names (default weights), or names with weights of your own.
    donors : bool, default=True
        Whether faces of other identities are available. If not, the techniques that need them are
        left out.

    Returns
    -------
    dict of str to float
        Probabilities that sum to 1, in the order of the registry; only positive ones.

    Raises
    ------
    ValueError
        If a name is unknown, a weight is negative or not finite, or no technique remains.

    Warns
    -----
    RuntimeWarning
        If requested techniques are left out.

    See Also
    --------
    add_technique : Adds a technique of your own.
    draw : Draws a technique by these probabilities.

    Examples
    --------
    >>> from sklearn_diffake.generation import technique_weights
    >>> technique_weights(["self_blend_eyes", "self_blend_mouth"])
    {'self_blend_eyes': 0.5, 'self_blend_mouth': 0.5}
    """
    weights = _as_weights(techniques)
    unknown_names = sorted(set(weights) - set(TECHNIQUES))
    if unknown_names:
        raise ValueError(f"techniques must be some of {list(TECHNIQUES)}, got {unknown_names}.")
    invalid = {name: w for name, w in weights.items() if not (np.isfinite(w) and w >= 0)}
    if invalid:
        raise ValueError(f"weights of techniques must be finite and not negative, got {invalid}.")
    weights = {name: float(weights[name]) for name in TECHNIQUES if weights.get(name, 0) > 0}
    dropped = [name for name in weights if TECHNIQUES[name].needs_donor and not donors]
    for name in dropped:
        del weights[name]
    if not weights:
        needs = f": {dropped} need faces of two identities or more" if dropped else ""
        raise ValueError(f"No technique remains to draw from{needs}.")
    if dropped:
        warnings.warn(
            f"Techniques {', '.join(dropped)} are left out: they need faces of two identities or "
            "more.",
            RuntimeWarning,
            stacklevel=3,
        )
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _as_weights(techniques: Any) -> dict[str, float]:
    if techniques is None:
        return {name: technique.weight for name, technique in TECHNIQUES.items()}
    if isinstance(techniques, str):
        if techniques == "difffake":
            return dict(DIFFAKE)
        techniques = [techniques]
    if isinstance(techniques, Mapping):
        return dict(techniques)
    return {
        name: (TECHNIQUES[name].weight if name in TECHNIQUES else 0) or 1.0 for name in techniques
    }


def _draw_augmentation(rng: np.random.Generator, *, video: bool) -> Record:
    """Draw changes of real and fake alike: a flip, a color shift, JPEG 40 to 100, a video."""
    record: Record = {
        "flip": bool(rng.random() < 0.5),
        "color": draw_color(rng) if rng.random() < 0.3 else None,
        "jpeg": int(rng.integers(40, 101)) if rng.random() < 0.5 else None,
    }
    if video:
        record["views"] = draw_views(rng) if rng.random() < 0.5 else None
        record["video"] = draw_degradation(rng)
    return record


def draw(
    rng: np.random.Generator,
    techniques: str | Iterable[str] | Mapping[str, float] | None = None,
    *,
    augment: bool | str = False,
    blending: str = "rgb",
    match_sharpness: float = 0.0,
    donors: bool = True,
) -> Record:
    """Draw the parameters of one pseudo-deepfake.

    Self-blended images are those of [1]_, with the masks and weights of [2]_.

    Parameters
    ----------
    rng : numpy.random.Generator
        All randomness comes from here.
    techniques : None, "difffake", str, list of str or dict of str to float, default=None
        What to draw from; see `technique_weights`.
    augment : bool or "video", default=False
        Draw a flip, a color shift and a JPEG quality for real and fake alike as well;
        ``"video"`` adds degradation by a video, see `PseudoDeepfakeGenerator`.
    blending : {"rgb", "yuv420", "mixed"}, default="rgb"
        Colors in which source and target are blended; "mixed" draws one of the two.
    match_sharpness : float in [0, 1], default=0
        Probability that the genuine image is made as sharp as its fake.
    donors : bool, default=True
        Whether a face of another identity is available.

    Returns
    -------
    dict
        Strings, numbers, lists and dicts of these, so that it goes through JSON unchanged:
        `technique`; `mask`; `shift` (which side changes in color and detail), `geometry` and
        `artifact`, each None where the technique has none; `color_transfer` and `bands` of the
        techniques with a donor; `augment`.

    See Also
    --------
    apply : Makes the pseudo-deepfake that the record describes.
    technique_weights : Returns the probability of every technique.

    References
    ----------
    .. [1] Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022.
    .. [2] S. Stamnas, V. Sanchez, "DiffFake: Exposing Deepfakes using Differential Anomaly
       Detection", WACVW 2025, arXiv:2502.16247.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.generation import draw
    >>> draw(np.random.default_rng(0), "difffake")["technique"]
    'self_blend_eyes'
    """
    return draw_from(
        rng,
        technique_weights(techniques, donors=donors),
        augment=augment,
        blending=blending,
        match_sharpness=match_sharpness,
    )


def draw_from(
    rng: np.random.Generator,
    weights: dict[str, float],
    *,
    augment: bool | str,
    blending: str = "rgb",
    match_sharpness: float = 0.0,
) -> Record:
    """Draw from probabilities that `technique_weights` made; as `draw`."""
    position = np.searchsorted(np.cumsum(list(weights.values())), rng.random(), side="right")
    name = list(weights)[min(int(position), len(weights) - 1)]
    defaults = {
        "shift": None,
        "geometry": None,
        "artifact": None,
        "color_transfer": None,
        "bands": 0,
    }
    record = {"technique": name, **defaults, **TECHNIQUES[name].draw(rng)}
    if blending != "rgb":  # records without these keys stay as they are
        mixed = blending == "mixed"
        record["blending"] = "rgb" if mixed and rng.random() < 0.5 else "yuv420"
    if match_sharpness:
        record["match_sharpness"] = bool(rng.random() < match_sharpness)
    record["augment"] = _draw_augmentation(rng, video=augment == "video") if augment else None
    return record
