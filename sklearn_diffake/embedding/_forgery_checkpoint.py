"""What a training leaves on disk after every epoch: safetensors and JSON, never pickle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sklearn_diffake.utils._atomic_files import atomic_write, private_folder
from sklearn_diffake.utils._sealed import verify_checksum, with_checksum

State = dict[str, NDArray[Any]]

_FORMAT = 2
_COMMIT = "checkpoint.json"
#: Settings that folders of release 0.1 do not state, with the values that applied then.
_ADDED = {"blending": "rgb", "match_sharpness": 0.0, "images_per_epoch": None}
#: Name of the setting that holds the seed.
SEED = "seed drawn from random_state"


class Checkpoint:
    """A folder with the latest state of one training.

    ``epoch-0007.safetensors`` holds the network (a file that `ForgeryEmbedder` takes as
    `weights`), ``momentum-0007.safetensors`` the optimiser, ``checkpoint.json`` says which of
    them count, under a checksum. That last file is replaced whole and last, so that whenever the
    process is killed, the folder holds the state of one epoch or of the next.

    Parameters
    ----------
    folder : str, Path or None
        None keeps nothing.
    settings : dict
        Plain values on which the result depends; a folder with others is refused.
    metadata : dict of str to str
        Written into the files of the network.
    """

    def __init__(self, folder: Any, settings: dict[str, Any], metadata: dict[str, str]) -> None:
        self.folder = None if folder is None else Path(folder).expanduser().absolute()
        self.settings = json.loads(json.dumps(settings))
        self.metadata = metadata

    def load(self) -> dict[str, Any] | None:
        """Return what `save` was given last, with the arrays of all its networks; else None.

        Raises
        ------
        ValueError
            If the folder holds another training, or is damaged.
        """
        if self.folder is None or not (self.folder / _COMMIT).exists():
            return None
        try:
            content = json.loads((self.folder / _COMMIT).read_text(encoding="utf-8"))
            found, epoch = {"format": content["format"], **content["settings"]}, content["epoch"]
            found = {k: v for k, v in _ADDED.items() if k in self.settings} | found
            if found["format"] == _FORMAT and content.pop("checksum") != _checksum(content):
                raise ValueError("its checksum is another")
            if any(type(e) is not int or e < 0 for e in (epoch, *content["best"])):
                raise ValueError("it names an epoch that is no number")  # names of files hold it
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(_COMMIT, error) from error
        self._compare(found)
        content["networks"] = {e: self._read(_network(e)) for e in {epoch, *content["best"]}}
        content["momentum"] = self._read(_momentum(epoch))
        return content

    def save(
        self, epoch: int, network: State, momentum: State, best: list[int], **record: Any
    ) -> None:
        """Keep the state after an epoch, and the networks of the epochs in `best`.

        Parameters
        ----------
        epoch : int
            Number of epochs that are done.
        network, momentum : dict of str to ndarray
        best : list of int
            Earlier epochs whose networks are still needed.
        **record : dict
            Further plain values.
        """
        if self.folder is None:
            return
        private_folder(self.folder)
        self._write(_network(epoch), network)
        self._write(_momentum(epoch), momentum)
        content = {"format": _FORMAT, "epoch": epoch, "best": best, **record}
        content = json.loads(json.dumps({**content, "settings": self.settings}))
        content["checksum"] = _checksum(content)
        atomic_write(self.folder / _COMMIT, json.dumps(content, indent=1).encode())
        needed = {_network(e) for e in {epoch, *best}} | {_momentum(epoch)}
        for kind in ("epoch-*", "momentum-*"):
            for file in self.folder.glob(f"{kind}.safetensors"):
                if file.name not in needed:
                    file.unlink(missing_ok=True)

    def describe(self, epoch: int) -> str:
        """Say where the weights after an epoch are."""
        if self.folder is None:
            return "nothing was kept, since checkpoint_dir=None."
        return (
            f"the weights after epoch {epoch} are kept in {str(self.folder / _network(epoch))!r}."
        )

    def _compare(self, found: dict[str, Any]) -> None:
        wanted = {"format": _FORMAT, **self.settings}
        other = [
            f"{name}={_short(found.get(name))} there, {_short(wanted.get(name))} here"
            for name in {**wanted, **found}
            if found.get(name) != wanted.get(name)
        ]
        if other:
            raise ValueError(
                f"checkpoint_dir={str(self.folder)!r} holds another training, which cannot be "
                f"resumed with these settings: {'; '.join(other)}. Restore them, or choose "
                "another folder."
            )

    def _read(self, name: str) -> State:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        assert self.folder is not None
        try:
            content = (self.folder / name).read_bytes()
            verify_checksum(content)
            return load(content)
        except (OSError, ValueError, SafetensorError) as error:
            raise self._damaged(name, error) from error

    def _write(self, name: str, arrays: State) -> None:
        assert self.folder is not None
        write_network(self.folder / name, arrays, self.metadata)

    def _damaged(self, name: str, error: Exception) -> ValueError:
        return ValueError(
            f"checkpoint_dir={str(self.folder)!r} is damaged: {name} cannot be read ({error}). "
            "Remove the folder to train from the start."
        )


def stored_seed(folder: Any) -> int | None:
    """Return the seed of the training in a folder, if there is one."""
    try:
        content = json.loads((Path(folder).expanduser() / _COMMIT).read_text(encoding="utf-8"))
        return int(content["settings"][SEED])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a damaged file is reported when it is loaded


def write_network(file: Path, arrays: State, metadata: dict[str, str]) -> None:
    """Write arrays to a .safetensors file with a checksum, whole or not at all."""
    atomic_write(file, with_checksum(arrays, metadata))


def _checksum(content: dict[str, Any]) -> str:
    """Return a checksum of plain values as JSON gives them back."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _network(epoch: int) -> str:
    return f"epoch-{epoch:04}.safetensors"


def _momentum(epoch: int) -> str:
    return f"momentum-{epoch:04}.safetensors"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."
