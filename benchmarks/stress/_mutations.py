"""Make small files, and spoil them: blindly, or knowing how zip, PNG, JSON, TOML, CSV are made."""

import io
import json
import struct
import warnings
import zipfile
import zlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper

INTEGERS = (0, 1, 2, 127, 128, 255, 256, 32767, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
INTEGERS += (2**63 - 1, 2**63, 2**64 - 1)
NAMES = ("../outside", "../../../../etc/passwd", "/etc/passwd", "//server/share", "C:\\x", "a\0b")
NAMES += (
    "x" * 5000,
    "~root/x",
    "con",
    ".",
    "..",
    "",
    "%s%n",
    "\u202egnp.exe",
    "file:///etc/passwd",
)
_SCALARS = [
    None,
    True,
    -1,
    0,
    2**31,
    2**70,
    1e308,
    float("nan"),
    "",
    "x" * 3000,
    [],
    {},
    [[]],
    *NAMES,
]


def _choose_offset(rng, data):
    return rng.randrange(len(data)) if data else 0


def flip_bits(rng, data, others):
    """Flip a few bits."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if data:
            data[_choose_offset(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(data)


def write_integer(rng, data, others):
    """Write an integer with which programs have trouble."""
    data, size = bytearray(data), rng.choice((1, 2, 4, 8))
    value = rng.choice(INTEGERS) % 256**size
    offset = _choose_offset(rng, data)
    data[offset : offset + size] = value.to_bytes(size, rng.choice(("little", "big")))
    return bytes(data)


def blow_up_length(rng, data, others):
    """Find what may be the length of something, and make it another."""
    order, size = rng.choice(("little", "big")), rng.choice((2, 4, 4, 8))
    start = _choose_offset(rng, data)
    for offset in range(start, min(start + 400, len(data) - size)):
        if 3 < int.from_bytes(data[offset : offset + size], order) <= len(data):
            value = rng.choice(INTEGERS) % 256**size
            return data[:offset] + value.to_bytes(size, order) + data[offset + size :]
    return write_integer(rng, data, others)


def truncate(rng, data, others):
    """Cut the end off."""
    return data[: _choose_offset(rng, data)]


def drop(rng, data, others):
    """Take a part out."""
    at = _choose_offset(rng, data)
    return data[:at] + data[at + rng.randrange(1, 64) :]


def duplicate(rng, data, others):
    """Repeat a part, once or often."""
    at = _choose_offset(rng, data)
    piece = data[at : at + rng.choice((1, 4, 16, 64, 256))]
    return data[:at] + piece * rng.choice((2, 2, 3, 200)) + data[at:]


def splice(rng, data, others):
    """Go on with another file."""
    donor = rng.choice(others)
    return data[: _choose_offset(rng, data)] + donor[_choose_offset(rng, donor) :]


def noise(rng, data, others):
    """Write noise."""
    at = _choose_offset(rng, data)
    noise_bytes = rng.randbytes(rng.choice((1, 3, 8, 32)))
    return data[:at] + noise_bytes + data[at + len(noise_bytes) :]


BLIND = (flip_bits, write_integer, blow_up_length, truncate, drop, duplicate, splice, noise)


def blindly(rng, data, others):
    """Spoil bytes, whatever they mean, in one to four ways."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(BLIND)(rng, data, others)
    return data[: 2**20]


def png(rng, data, others):
    """Spoil one chunk of a PNG file, and let its checksum be right; else as `blindly`."""
    if not data.startswith(b"\x89PNG"):
        return blindly(rng, data, others)
    chunks, at = [], 8
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        chunks.append((kind, data[at + 8 : at + 8 + size]))
        at += size + 12
    i = rng.randrange(len(chunks))
    kind, body = chunks[i]
    act = rng.randrange(5)
    if act == 0:
        chunks.insert(rng.randrange(len(chunks)), chunks[i])
    elif act == 1 and kind == b"IDAT":
        raw = blindly(rng, zlib.decompress(body), [body])
        chunks[i] = (kind, zlib.compress(raw, 1))
    elif act == 2:
        chunks[i] = (rng.choice((b"iCCP", b"zTXt", b"eXIf", b"acTL", b"fcTL", b"tRNS")), body)
    else:
        chunks[i] = (kind, blindly(rng, body, others))
    return pack_png(chunks)


def _nodes(value, nodes):
    """List every place in a JSON value: its container and its key there."""
    keys = (
        value.keys()
        if isinstance(value, dict)
        else range(len(value))
        if isinstance(value, list)
        else ()
    )
    for key in keys:
        nodes.append((value, key))
        _nodes(value[key], nodes)
    return nodes


def json_text(rng, data, others, names=()):
    """Change the value, the key, the place or the depth of what is in a JSON text."""
    try:
        value = json.loads(data)
    except ValueError:
        return blindly(rng, data, others)
    for _ in range(rng.choice((1, 1, 2, 3))):
        container, key = rng.choice(_nodes(value, []) or [([value], 0)])
        act = rng.randrange(7)
        texts = [k for k in _nodes(value, []) if isinstance(k[0][k[1]], str)]
        if act == 0:
            container[key] = rng.choice(_SCALARS)
        elif act == 1:
            del container[key]
        elif act == 2:
            donor, choose_offset = rng.choice(_nodes(value, []) or [([value], 0)])
            container[key] = json.loads(json.dumps(donor[choose_offset]))
        elif act == 3 and isinstance(container, dict):
            container[str(rng.choice(names or NAMES))] = container.pop(key)
        elif texts:
            donor, choose_offset = rng.choice(texts)
            donor[choose_offset] = rng.choice(names or NAMES)
    text = json.dumps(value)
    if rng.randrange(50) == 0:
        text = text.replace("{", "[" * 3000 + "{", 1)
    return text.encode()


def zipped(rng, data, others, inner):
    """Spoil one member of an archive, its name, its size or its kind, and pack it again.

    `inner` maps the ends of names to what spoils such a member.
    """
    if rng.randrange(4) == 0:
        return blindly(rng, data, others)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    i, act = rng.randrange(len(members)), rng.randrange(9)
    name, body = members[i]
    pack, mode = zipfile.ZIP_STORED, 0
    if act == 0:
        members[i] = (rng.choice(NAMES).replace("\0", "") or "x", body)
    elif act == 1:
        folder = name.rpartition("/")[0]
        members.append((f"{folder}/{rng.choice(NAMES)}".replace("\0", ""), body))
    elif act == 2:
        del members[i]
    elif act == 3:
        members.append((name, body))
    elif act == 4:
        pack, mode = zipfile.ZIP_DEFLATED, 0o120777 << 16  # symbolic links
        members[i] = (name, b"/etc/passwd")
    else:
        spoil = next((inner[end] for end in inner if name.endswith(end)), blindly)
        members[i] = (name, spoil(rng, body, others))
    return pack_zip(members, pack, mode)


def pack_zip(members, pack=zipfile.ZIP_STORED, mode=0, claimed=None):
    """Return an archive of (name, content), which may claim a size for every member."""
    target = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w", pack) as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, body in members:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = pack, mode
            archive.writestr(info, body)
            info.file_size = info.file_size if claimed is None else claimed
    return target.getvalue()


def _toml_values():
    deep = 3000
    return [
        "[" * deep + "]" * deep, "{a=" * deep + "1" + "}" * deep, "9" * 5000, "0x" + "F" * 5000,
        "nan", "-inf", "1e999", "-1", "0", "2147483648", '""', '"' + "x" * 5000 + '"', "[]", "{}",
        "[[], {}]", "1979-05-27T07:32:00Z",
        "true", "[1, 'a']", "'''\n'''", "'\\u0000'", '"\\u0000"',
        *(json.dumps(name) for name in NAMES),
    ]  # fmt: skip


_TOML = _toml_values()


def toml(rng, data, others):
    """Change a value, a key, a heading or the order of lines; or bytes."""
    if rng.randrange(4) == 0:
        return blindly(rng, data, others)
    lines = data.decode().splitlines()
    for _ in range(rng.choice((1, 1, 2, 3))):
        i, act = _choose_offset(rng, lines), rng.randrange(6)
        key, sign, _ = lines[i].partition("=")
        if sign and act < 3:
            lines[i] = f"{key}= {rng.choice(_TOML)}"
        elif act == 3:
            lines.insert(_choose_offset(rng, lines), lines[i])
        elif act == 4:
            lines[i] = rng.choice((f"x{lines[i]}", "a." * 3000 + "b = 1", "[" + "a." * 3000 + "b]"))
        else:
            j = _choose_offset(rng, lines)
            lines[i], lines[j] = lines[j], lines[i]
    return "\n".join(lines).encode(errors="surrogatepass")


def csv_table(rng, data, others, words=()):
    """Change cells, rows and separators; or bytes."""
    if rng.randrange(4) == 0:
        return blindly(rng, data, others)
    rows = [line.split(",") for line in data.decode().splitlines()]
    cells = (
        *NAMES,
        *words,
        "=1+1",
        '"',
        '"a\nb"',
        "x" * 140_000,
        "é\u0301",
        "1e400",
        "nan",
        "\ufeff",
    )
    for _ in range(rng.choice((1, 1, 2, 4))):
        row, act = rng.choice(rows), rng.randrange(8)
        if act < 4 and row:
            row[_choose_offset(rng, row)] = rng.choice(cells)
        elif act == 4:
            row.insert(_choose_offset(rng, row), rng.choice(cells))
        elif act == 5 and row:
            del row[_choose_offset(rng, row)]
        elif act == 6:
            rows.insert(_choose_offset(rng, rows), list(row))
        else:
            rows += [list(row)] * rng.choice((1, 500))
    separator, end = rng.choice(",,,;\t|"), rng.choice(("\n", "\r\n", "\r", "\n\n"))
    text = end.join(separator.join(row) for row in rows)
    return text.encode(rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16")), errors="replace")


def pillow(image, kind, **options):
    """Return a picture as a file."""
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def png_header(width, height, *extra_chunks):
    """Return a PNG file that claims a size."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        *extra_chunks,
        (b"IEND", b""),
    ]
    return pack_png(chunks)


def pack_png(chunks):
    """Return a PNG file of (kind, content), with right checksums."""
    chunk_bytes = [struct.pack(">I4s", len(b), k) + b for k, b in chunks]
    sums = [struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk + end for chunk, end in zip(chunk_bytes, sums, strict=True)
    )


def zeros(count):
    """Return `count` zeros, deflated."""
    packer = zlib.compressobj(9)
    packed_pieces = [packer.compress(bytes(2**20)) for _ in range(count >> 20)]
    return b"".join(packed_pieces) + packer.flush()


def network(weights=None, size=8):
    """Return an ONNX graph that embeds a picture as some multiples of its mean colors."""
    weights = weights or numpy_helper.from_array(np.ones((3, 4), np.float32), "weights")
    axes = numpy_helper.from_array(np.array([2, 3]), "axes")
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["vector"]),
    ]
    shapes = (("image", ["batch", 3, size, size]), ("vector", ["batch", 4]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], [weights, axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"mean": "[0, 0, 0]", "std": "[1, 1, 1]"})
    return model.SerializeToString()


def elsewhere(location):
    """Return a tensor whose values are said to be in another file."""
    tensor = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[3, 4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(location))
    return tensor
