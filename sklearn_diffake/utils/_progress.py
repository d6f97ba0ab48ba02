"""Progress bars that stay silent unless asked for."""

from typing import Any


def progress_bar(*, total: int | None, desc: str, unit: str, verbose: bool | int) -> Any:
    """Open a tqdm bar with an ETA on standard error.

    Parameters
    ----------
    total : int or None
        Number of steps, None when it is not known.
    desc, unit : str
        What is done, and to what.
    verbose : bool or int
        Falsy: the bar is not shown.

    Returns
    -------
    tqdm.tqdm
        A context manager with ``update(n)``.
    """
    from tqdm.auto import tqdm

    return tqdm(total=total, desc=desc, unit=unit, disable=not verbose, leave=verbose > 1)
