"""ICC profiles of version 2, written by hand after ICC.1:2001-04."""

import struct

import numpy as np

#: Red, green and blue of each color space as XYZ under D50, in columns.
PRIMARIES = {
    "sRGB": [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]],
    "Display P3": [
        [0.51512, 0.29198, 0.15710],
        [0.24120, 0.69225, 0.06657],
        [-0.00105, 0.04189, 0.78407],
    ],
    "Adobe RGB": [
        [0.60974, 0.20528, 0.14919],
        [0.31111, 0.62567, 0.06322],
        [0.01947, 0.06087, 0.74457],
    ],
}
_D50 = (0.9642, 1.0, 0.8249)


def matrix_profile(space, gamma):
    """Write a profile of three primaries and one gamma."""
    columns = np.array(PRIMARIES[space]).T
    tags = {
        name: _xyz(*column) for name, column in zip(("rXYZ", "gXYZ", "bXYZ"), columns, strict=True)
    }
    tags |= dict.fromkeys(("rTRC", "gTRC", "bTRC"), _curve(gamma))
    return _profile("mntr", "RGB ", "XYZ ", tags)


def gray_profile(gamma):
    """Write a profile of gray levels."""
    return _profile("mntr", "GRAY", "XYZ ", {"kTRC": _curve(gamma)})


def cmyk_profile(lab):
    """Write a profile of inks; `lab` of shape (2, 2, 2, 2, 3) has L*, a*, b* of all corners."""
    identity = bytes(range(256))
    corners = np.stack([lab[..., 0] * 2.55, lab[..., 1] + 128, lab[..., 2] + 128], axis=-1)
    table = np.round(corners).astype(np.uint8).tobytes()
    matrix = b"".join(_fixed(value) for value in np.eye(3).ravel())
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + identity * 4 + table + identity * 3
    return _profile("prtr", "CMYK", "Lab ", {"A2B0": lut})


def to_srgb(image, space, gamma):
    """Convert an image by the formulas, for comparison."""
    linear = (np.asarray(image) / 255) ** gamma
    matrix = np.linalg.inv(PRIMARIES["sRGB"]) @ np.array(PRIMARIES[space])
    return encode(linear @ matrix.T)


def encode(linear):
    """Encode linear light as sRGB (IEC 61966-2-1)."""
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255)


def lab_to_srgb(lab):
    """Convert L*, a*, b* under D50 to sRGB by the formulas of CIE 15."""
    light, a, b = (float(value) for value in lab)
    y = (light + 16) / 116
    f = np.array([y + a / 500, y, y - b / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _D50
    return encode(np.linalg.inv(PRIMARIES["sRGB"]) @ xyz)


def _profile(kind, space, connection, tags):
    text = b"test profile\0"
    tags = {
        "desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        "cprt": b"text" + bytes(4) + b"public domain\0",
        "wtpt": _xyz(*_D50),
    } | tags
    offset = 128 + 4 + 12 * len(tags)
    index, content = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        index += struct.pack(">4sII", name.encode(), offset + len(content), len(data))
        content += data
    header = struct.pack(">I4sI4s4s4s", offset + len(content), b"test", 0x02400000,
                         kind.encode(), space.encode(), connection.encode())  # fmt: skip
    header += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += b"".join(_fixed(value) for value in _D50)
    return header.ljust(128, b"\0") + index + content


def _fixed(value):
    return struct.pack(">i", round(value * 65536))


def _xyz(*values):
    return b"XYZ " + bytes(4) + b"".join(_fixed(value) for value in values)


def _curve(gamma):
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
