"""Read an ONNX graph: the files with its weights, and the names that its nodes use.

The files are checked before onnxruntime opens the graph, so that it opens no other. The graph is
parsed as protocol buffers, not searched for text: a name may have any length, and may precede or
follow its key.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

# Messages of onnx.proto3 that lead to external data, by field number (onnx.proto3, ONNX 1.17).
_FIELDS: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {13: "StringStringEntryProto"},
}
_ENTRY = "StringStringEntryProto"
_NODE_INPUT = 1  # field of NodeProto
_VARINT, _FIXED64, _BYTES, _GROUP, _END_GROUP, _FIXED32 = range(6)
# Device names of Windows, with or without a suffix.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com.|lpt.)\s*(\..*)?", re.IGNORECASE)


def external_files(content: bytes, folder: Path | None, source: str) -> list[Path]:
    """Return the files in which a graph keeps weights.

    Parameters
    ----------
    content : bytes
        The graph: a serialized ``ModelProto``.
    folder : Path or None
        Folder of the graph. None, for a graph in memory, allows no external file.
    source : str
        Name of the graph in messages.

    Returns
    -------
    list of Path
        Regular files in `folder` or below it, sorted by the names that the graph gives them.

    Raises
    ------
    ValueError
        If the content is no protocol buffer, or if a name is absolute, leads out of the folder or
        names no file.
    """
    try:
        if content[4:8] == b"ORTM":
            raise IndexError("it is a model in the format of onnxruntime")
        names = sorted(set(_locations(content)))
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"{source!r} is not a readable .onnx model: {error}") from error
    return [_inside(name, folder, source) for name in names]


def is_plain_path(name: str) -> bool:
    """Return whether a relative path stays below its folder, on every operating system.

    Parameters
    ----------
    name : str
        Names joined by slashes.

    Returns
    -------
    bool
        False if it is absolute, holds ``..``, a backslash, a colon (drives and streams of Windows),
        a control character, or the name of a device of Windows.
    """
    components = name.split("/")
    is_odd = any(character in name for character in "\\:") or not name.isprintable()
    return (
        not is_odd
        and not PureWindowsPath(name).anchor
        and all(name not in ("", ".", "..") and name == name.rstrip(". ") for name in components)
        and not any(_DEVICE.fullmatch(name) for name in components)
    )


def _inside(name: str, folder: Path | None, source: str) -> Path:
    """Return the file of a name, if it is a regular one in the folder."""
    if folder is None:
        expectation = "in memory, where it has none"
    else:
        expectation = f"expected below {str(folder)!r}"
    if folder is None or not is_plain_path(name.removeprefix("./")):
        raise ValueError(f"{source!r} keeps weights in the file {name!r:.200}, {expectation}")
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{source!r} keeps weights in {name!r:.200}, a link out of its folder")
    if not file.is_file():
        raise ValueError(f"{source!r} keeps weights in the file {name!r:.200}, which is not there")
    return file


def consumed_names(content: bytes) -> set[str]:
    """Return the names that the nodes of a graph take as inputs, subgraphs included.

    Parameters
    ----------
    content : bytes
        The graph: a serialized ``ModelProto`` that `external_files` has read.

    Returns
    -------
    set of str
    """
    return {
        bytes(value).decode()
        for kind, message in _messages(content)
        if kind == "NodeProto"
        for number, value in _fields(message)
        if number == _NODE_INPUT
    }


def _locations(content: bytes) -> Iterator[str]:
    """Yield the value of every entry ``location`` of external data."""
    for kind, message in _messages(content):
        if kind == _ENTRY:
            fields = {number: bytes(value) for number, value in _fields(message)}
            if fields.get(1) == b"location" and 2 in fields:
                yield fields[2].decode()


def _messages(content: bytes) -> Iterator[tuple[str, memoryview]]:
    """Yield the kind and the content of every message that can be reached."""
    pending = [("ModelProto", memoryview(content))]
    while pending:
        kind, message = pending.pop()
        yield kind, message
        inner = _FIELDS.get(kind, {})
        pending += [(inner[n], value) for n, value in _fields(message) if n in inner]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the number and the content of every field that has a length."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        size = 0
        if kind == _VARINT:
            _, position = _varint(message, position)
        elif kind == _BYTES:
            size, position = _varint(message, position)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        elif kind not in (_GROUP, _END_GROUP):  # the fields of a group follow as plain fields
            raise IndexError(f"a field has the unknown wire type {kind}")
        if size > len(message) - position:
            raise IndexError("a field is longer than the message that holds it")
        if kind == _BYTES:
            yield number, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return the integer that begins at a position, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), position
    raise IndexError("an integer has more than 64 bits")
