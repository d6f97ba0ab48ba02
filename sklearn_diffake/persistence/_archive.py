"""Read and check the zip file of a model: its members and its manifest."""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sklearn_diffake._versions import __version__

FORMAT = 1
#: Packages whose versions are in the manifest.
BUILT_WITH = ("numpy", "scikit-learn", "skops")
MANIFEST, STATE = "manifest.json", "model.skops"
_WEIGHTS = re.compile(r"weights/([0-9a-f]{32})(\.onnx|\.safetensors)")
_ARCHIVE = b"PK"  # first bytes of zip archives


@dataclass(frozen=True)
class Archive:
    """The content of a model file.

    Attributes
    ----------
    manifest : dict
        Versions and backbones.
    state : bytes
        Parameters and fitted state, as skops writes them.
    weights : dict of (str, str) to bytes
        Content of weights files of backbones, by fingerprint and suffix.
    """

    manifest: dict[str, Any]
    state: bytes
    weights: dict[tuple[str, str], bytes]


def make_manifest(backbones: list[dict[str, Any]]) -> str:
    """Return the manifest of a model with some backbones, as JSON."""
    manifest = {
        "format": FORMAT,
        "sklearn_diffake": __version__,
        **{name: version(name) for name in BUILT_WITH},
        "backbones": backbones,
    }
    return json.dumps(manifest, indent=1)


def weights_member(fingerprint: str, suffix: str) -> str:
    """Return the name of the member that holds the weights of a backbone."""
    return f"weights/{fingerprint}{suffix}"


def read_archive(path: Path) -> Archive:
    """Read the members of a model file.

    Parameters
    ----------
    path : Path
        An existing file.

    Returns
    -------
    Archive

    Raises
    ------
    ValueError
        If the file is not an archive, is corrupt, would unpack to more than its size, or was
        written by a later version.
    """
    read_errors = (
        zipfile.BadZipFile,
        zlib.error,
        KeyError,
        ValueError,
        EOFError,
        OSError,
        RuntimeError,
    )
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                refuse_bomb(archive, path.stat().st_size)
                weights = _list_members(archive)
                manifest = dict(json.loads(archive.read(MANIFEST)))
                state = archive.read(STATE)
                contents = {key: archive.read(name) for name, key in weights.items()}
        except (*read_errors, TypeError, NotImplementedError) as error:
            raise ValueError(
                f"model file {str(path)!r} is damaged or was not written by sklearn_diffake "
                f"(pickle and joblib files are never read): {error}"
            ) from error
    _check_versions(path, manifest)
    return Archive(manifest, state, contents)


def _list_members(archive: zipfile.ZipFile) -> dict[str, tuple[str, str]]:
    """Return the members that hold weights; members that `save` does not write are never read."""
    names = archive.namelist()
    if len(set(names)) < len(names):
        raise ValueError("it has two members with the same name")
    matches = {name: _WEIGHTS.fullmatch(name) for name in names}
    return {name: (match[1], match[2]) for name, match in matches.items() if match}


def _check_versions(path: Path, manifest: dict[str, Any]) -> None:
    """Raise an error for a file of another format, or of a later version of this package."""
    written_by = manifest.get("sklearn_diffake")
    if manifest.get("format") != FORMAT or isinstance(manifest["format"], bool):
        raise ValueError(
            f"the format of model file {str(path)!r} must be {FORMAT} for this version "
            f"({__version__}), got {manifest.get('format')}, written by version {written_by}"
        )
    if written_by is None:
        return
    release = _release(written_by)
    if release is None:
        raise ValueError(
            f"model file {str(path)!r} is damaged: its manifest names sklearn_diffake="
            f"{written_by!r:.80}, which is not a version"
        )
    if release > (_release(__version__) or release):
        raise ValueError(
            f"model file {str(path)!r} was written by sklearn_diffake {written_by}, a later "
            f"version than this one ({__version__}): upgrade sklearn-diffake to load it"
        )


def _release(text: Any) -> tuple[int, int, int] | None:
    """Return the first three numbers of a version, None if the text is not a version."""
    match = re.match(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(?!\d)", str(text))
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def refuse_bomb(archive: zipfile.ZipFile, size: int) -> None:
    """Raise an error for an archive that unpacks to more than its size: `save` never compresses."""
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > size:
        raise ValueError(f"an archive of {size:,} bytes would unpack to {unpacked:,}")
    for member in members:  # a compressed member may hold more than it states
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise ValueError(f"its member {member.filename!r} must not be compressed")


def refuse_bombs(state: bytes) -> None:
    """Check the archive that skops reads, and nested archives, which scipy would unpack."""
    with zipfile.ZipFile(io.BytesIO(state)) as archive:
        refuse_bomb(archive, len(state))
        for member in archive.infolist():
            content = archive.read(member)
            if content.startswith(_ARCHIVE):
                with zipfile.ZipFile(io.BytesIO(content)) as inner:
                    refuse_bomb(inner, len(content))


def uncompressed(content: bytes) -> bytes:
    """Repack an archive and nested ones without compression; skops compresses sparse matrices."""
    if not content.startswith(_ARCHIVE):
        return content
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, uncompressed(source.read(name)))
    return target.getvalue()
