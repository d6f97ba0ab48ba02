"""The Bunch that every loader returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.utils import Bunch

from sklearn_diffake.datasets._pair_table import describe_pairs, person_names
from sklearn_diffake.datasets._tree import AbsentItem, DatasetInfo, SkippedFile, Tree, summarize
from sklearn_diffake.utils._modes import REFERENCE
from sklearn_diffake.utils._optional import import_extra

if TYPE_CHECKING:
    import pandas as pd


def import_pandas() -> Any:
    """Import pandas, or raise an error that says how to install it."""
    return import_extra("pandas", "video", "The tables of datasets")


def bundle_pairs(
    data: Any, images: Any, pairs: Bunch, *, mode: str, as_frame: bool, **fields: Any
) -> Bunch:
    """Put together what all datasets return.

    Parameters
    ----------
    data : ndarray of shape (n, 2, ...)
        Pictures of the pairs, or their paths.
    images : DataFrame or dict of str to ndarray
        Columns with one row per frame.
    pairs : Bunch
        `index` and `target` of the pairs.
    mode : {"reference", "same-video"}
    as_frame : bool
        Whether data and target become a DataFrame and a Series.
    **fields
        Further fields.

    Returns
    -------
    Bunch
        Its `frame` is a dict of columns, see `describe_pairs`.
    """
    names = ["reference", "probe"] if mode == REFERENCE else ["earlier", "later"]
    frame = describe_pairs(images, pairs)
    target = pairs.target
    if as_frame:
        pandas = import_pandas()
        cells = {name: list(data[:, k]) for k, name in enumerate(names)}
        data, target = pandas.DataFrame(cells, dtype=object), pandas.Series(target, name="label")
    return Bunch(
        data=data,
        target=target,
        mode=mode,
        frame=frame,
        groups=frame["dataset"] + ":" + person_names(frame),
        images=images,
        feature_names=names,
        **fields,
    )


def bundle_frames(
    images: pd.DataFrame,
    pairs: Bunch,
    broken: pd.DataFrame | None,
    info: DatasetInfo,
    mode: str,
    as_frame: bool,
    *,
    tree: Tree | None = None,
) -> Bunch:
    """Put together what a loader of pictures on disk returns."""
    pandas = import_pandas()
    if broken is None:
        broken = pandas.DataFrame(columns=["path", "reason"])
    absent, skipped = (tree.absent, tree.skipped) if tree is not None else ([], [])
    notes = [f"Absent: {summarize(absent)}."] if absent else []
    notes += pairs.get("notes", ())
    dataset = bundle_pairs(
        pairs.data,
        images,
        pairs,
        mode=mode,
        as_frame=as_frame,
        broken=broken,
        n_broken=len(broken),
        absent=pandas.DataFrame(absent, columns=AbsentItem._fields),
        skipped_files=pandas.DataFrame(skipped, columns=SkippedFile._fields),
        n_skipped=pairs.n_skipped,
        DESCR="\n\n".join([info.name, info.citation, info.access, *notes]),
    )
    dataset.frame = pandas.DataFrame(dataset.frame)
    return dataset
