"""Record how an explanation was made, so that it can be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn_diffake._versions import __version__, installed_version
from sklearn_diffake.images.read import image_digest
from sklearn_diffake.inspection._photo import SIDES, ExplainedPhoto
from sklearn_diffake.inspection._split_pipeline import SplitPipeline

_PACKAGES = ("scikit-learn", "numpy", "torch", "onnxruntime")


def provenance_of(
    split: SplitPipeline, photos: Sequence[ExplainedPhoto], settings: dict[str, Any]
) -> dict[str, Any]:
    """Collect versions, steps, networks, photographs and settings.

    Parameters
    ----------
    split : SplitPipeline
    photos : two ExplainedPhoto
        Reference and probe.
    settings : dict
        Values that JSON can hold.

    Returns
    -------
    dict
        `versions`, by distribution; `steps`, the classes of the pipeline; `networks`, with branch,
        name, fingerprint of the weights and license; `photographs`, with name, width, height and a
        digest of the pixels; `settings`.
    """
    steps = [split.aligner] if split.aligner is not None else []
    steps += split.scoring_steps
    return {
        "versions": package_versions(),
        "steps": [type(step).__name__ for step in steps],
        "networks": [
            {
                "branch": branch.name,
                "name": branch.embedder.backbone_info_["name"],
                "fingerprint": branch.embedder.fingerprint_,
                "license": branch.embedder.backbone_info_["license"],
            }
            for branch in split.branches
        ],
        "photographs": {
            side: {
                "name": photo.name,
                "width": photo.image.shape[1],
                "height": photo.image.shape[0],
                "digest": image_digest(photo.image).hex(),
            }
            for side, photo in zip(SIDES, photos, strict=True)
        },
        "settings": settings,
    }


def package_versions() -> dict[str, str]:
    """Return the versions of sklearn-diffake and of the installed dependencies."""
    versions = {"sklearn-diffake": __version__}
    versions |= {name: version for name in _PACKAGES if (version := installed_version(name))}
    return versions
