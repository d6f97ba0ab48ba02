"""Weights that are downloaded: their sources, their checksums, and their files on this machine."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from sklearn_diffake.utils._messages import nearest

_FACENET = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"


@dataclass(frozen=True)
class Download:
    """A file of weights that its authors publish.

    Attributes
    ----------
    url : str
        Its address.
    sha256 : str or None
        Of its content; None if it is not known.
    size : int or None
        Bytes.
    """

    url: str
    sha256: str | None = None
    size: int | None = None

    @property
    def path(self) -> Path:
        """The file on this machine, where facenet-pytorch looks for it as well."""
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        home = os.environ.get("TORCH_HOME") or os.path.join(cache, "torch")
        return Path(home).expanduser() / "checkpoints" / self.url.rpartition("/")[2]


#: Weights by the name of the backbone.
DOWNLOADS = {
    "facenet-vggface2": Download(
        _FACENET + "20180402-114759-vggface2.pt",
        "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
        111_898_327,
    ),
    "facenet-casia-webface": Download(_FACENET + "20180408-102900-casia-webface.pt"),
}


def fetch_weights(name: str, *, verbose: int = 1) -> Path:
    """Download the weights of a backbone, unless they are on this machine.

    `FaceEmbedder` downloads them by itself when it needs them; this is for a machine that goes
    offline afterwards, or an image of a container.

    Parameters
    ----------
    name : {"facenet-vggface2"}
        The backbone.
    verbose : int, default=1
        Whether to show a progress bar.

    Returns
    -------
    Path
        The file, in ``$TORCH_HOME/checkpoints`` (``~/.cache/torch/checkpoints``), whose SHA-256 is
        that of the release.

    Raises
    ------
    ValueError
        If there are no weights of this name to download, or if the downloaded file or the one on
        this machine has another SHA-256. A file that was there is left as it is; a downloaded one
        is not kept.
    FileNotFoundError
        If the download fails; the message says where to put the file by hand.

    See Also
    --------
    FaceEmbedder : Embeds faces with them.

    Examples
    --------
    >>> from sklearn_diffake.embedding import fetch_weights
    >>> path = fetch_weights("facenet-vggface2")  # doctest: +SKIP
    """
    checked = [name for name, download in DOWNLOADS.items() if download.sha256]
    if name not in checked:
        raise ValueError(f"name={name!r} has no weights to fetch: {nearest(name, checked)}")
    path = DOWNLOADS[name].path
    if not path.exists():
        return download_weights(name, verbose=verbose)
    check_weights(name)
    return path


def check_weights(name: str) -> None:
    """Raise ValueError if the weights on this machine have another checksum than the release."""
    download = DOWNLOADS[name]
    with open(download.path, "rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    if download.sha256 and checksum != download.sha256:
        raise ValueError(
            f"weights file {str(download.path)!r} is damaged, or is another one: its SHA-256 is "
            f"{checksum}, that of the release {download.sha256}. Remove it, and fetch it again."
        )


def download_weights(name: str, *, verbose: int) -> Path:
    """Download weights to their place; nothing of an incomplete or wrong file is kept."""
    from torch.hub import download_url_to_file

    download = DOWNLOADS[name]
    path = download.path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        download_url_to_file(download.url, str(path), download.sha256, progress=verbose > 0)
    except RuntimeError as error:  # of the checksum
        raise ValueError(
            f"the download of {download.url} is incomplete, or is another file, and was not kept: "
            f"{error}"
        ) from error
    except Exception as error:  # urllib, ssl and http each have errors of their own
        raise FileNotFoundError(
            f"the weights of {name!r} are not here and could not be downloaded ({error}). "
            f"Put {download.url} at {path}, or choose a backbone that works offline: "
            "'difffake-lite0-identity', which comes along, or an .onnx file."
        ) from error
    return path
