"""The order of the examples: from the first verdict to the cluster."""

from pathlib import Path

ORDER = [
    "first_verdict",
    "pipeline_step_by_step",
    "operators",
    "heads",
    "deep_svdd",
    "thresholds",
    "explain",
    "identity_and_forgery",
    "pseudo_deepfake_atlas",
    "train_extractor",
    "grid_search",
    "unseen_techniques",
    "robustness",
    "video",
    "paper",
    "custom_backbone",
    "dask",
    "saving",
]


def gallery_order(file_name):
    """Return what to sort an example's file by; what is not in the list comes last."""
    name = Path(file_name).stem.removeprefix("plot_")
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)
