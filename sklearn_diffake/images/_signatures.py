"""Recognize file formats by the first bytes of a file.

The signatures are those of the formats' own specifications, as listed in the ``file`` utility and
in the container documentation of FFmpeg.
"""

from __future__ import annotations

import re

#: (kind, name) of a format.
Format = tuple[str, str]

_EBML = b"\x1aE\xdf\xa3"
_HTML = re.compile(
    rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|script|title)\b", re.I | re.S
)
_NETPBM = re.compile(rb"P([1-6f]|0CMYK|yP|yRGBA|yCMYK)\s+[\d#]")
_PAM = re.compile(rb"P(7\s+(WIDTH|HEIGHT|#)|F\s+\d)")
_URL = re.compile(rb"[a-z][a-z0-9+.-]+://\S+\s*", re.I)

# The order matters: if one signature starts with another, the longer one is first.
_PREFIXES: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", ("image", "JPEG")),
    (b"\x89PNG\r\n\x1a\n", ("image", "PNG")),
    (b"GIF87a", ("image", "GIF")),
    (b"GIF89a", ("image", "GIF")),
    (b"II*\0\x10\0\0\0CR", ("unsupported image", "Canon raw")),
    (b"II*\0", ("image", "TIFF")),
    (b"MM\0*", ("image", "TIFF")),
    (b"MM*\0", ("image", "TIFF")),
    (b"II\0*", ("image", "TIFF")),
    (b"II+\0", ("image", "TIFF")),
    (b"MM\0+", ("image", "TIFF")),
    (b"\0\0\0\x0cjP  \r\n\x87\n", ("image", "JPEG 2000")),
    (b"\xff\x4f\xff\x51", ("image", "JPEG 2000")),
    (b"\0\0\0\x0cJXL \r\n\x87\n", ("unsupported image", "JPEG XL")),
    (b"\xff\x0a", ("unsupported image", "JPEG XL")),
    (b"II\xbc\x01", ("unsupported image", "JPEG XR")),
    (b"8BPS", ("unsupported image", "Photoshop")),
    (b"%!PS", ("unsupported image", "PostScript")),
    (b"\xc5\xd0\xd3\xc6", ("unsupported image", "PostScript")),
    (b"v/1\x01", ("unsupported image", "OpenEXR")),
    (b"#?RADIANCE", ("unsupported image", "Radiance HDR")),
    (b"gimp xcf", ("unsupported image", "GIMP")),
    (b"DDS ", ("unsupported image", "DDS")),
    (b"\0\0\x01\0", ("unsupported image", "ICO")),
    (b"qoif", ("unsupported image", "QOI")),
    (b"FUJIFILMCCD-RAW", ("unsupported image", "Fujifilm raw")),
    (b"IIRO", ("unsupported image", "Olympus raw")),
    (b"IIU\0", ("unsupported image", "Panasonic raw")),
    (b"SIMPLE  =", ("unsupported image", "FITS")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ("video", "ASF (WMV)")),
    (b"FLV\x01", ("video", "Flash video")),
    (b".RMF", ("video", "RealMedia")),
    (b"DKIF", ("video", "IVF")),
    (b"YUV4MPEG2 ", ("video", "YUV4MPEG")),
    (b"nut/multimedia container\0", ("video", "NUT")),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02", ("video", "MXF")),
    (b"\xb7\xd8\0\x20\x37\x49\xda\x11\xa6\x4e\0\x07\xe9\x5e\xad\x8d", ("video", "WTV")),
    (b"\x1f\x07\0", ("video", "DV")),
    (b"\x12\0\x0a", ("video", "AV1")),
    (b"\0\0\x01\xba", ("video", "MPEG program stream")),
    (b"\0\0\x01\xb3", ("video", "MPEG")),
    (b"\0\0\x01\xb0", ("video", "MPEG-4")),
    (b"ID3", ("audio", "MP3")),
    (b"\xff\xfb", ("audio", "MP3")),
    (b"\xff\xf3", ("audio", "MP3")),
    (b"\xff\xf2", ("audio", "MP3")),
    (b"\xff\xf1", ("audio", "AAC")),
    (b"\xff\xf9", ("audio", "AAC")),
    (b"fLaC", ("audio", "FLAC")),
    (b"RF64", ("audio", "WAV")),
    (b"#!AMR", ("audio", "AMR")),
    (b"MThd", ("audio", "MIDI")),
    (b"caff", ("audio", "CAF")),
    (b".snd", ("audio", "AU")),
    (b"%PDF-", ("pdf", "PDF")),
    (b"PAR1", ("table", "Parquet")),
    (b"ARROW1\0\0", ("table", "Arrow")),
    (b"\x93NUMPY", ("array", "NumPy")),
    (b"\x89HDF\r\n\x1a\n", ("array", "HDF5")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ("document", "Office")),
    (b"PK\x03\x04", ("archive", "ZIP")),
    (b"PK\x05\x06", ("archive", "ZIP")),
    (b"7z\xbc\xaf\x27\x1c", ("archive", "7z")),
    (b"Rar!\x1a\x07", ("archive", "RAR")),
    (b"\x1f\x8b", ("archive", "gzip")),
    (b"BZh", ("archive", "bzip2")),
    (b"\xfd7zXZ\0", ("archive", "xz")),
    (b"\x28\xb5\x2f\xfd", ("archive", "zstd")),
    (b"version https://git-lfs.github.com/", ("git-lfs pointer", "git-lfs")),
    (b"/annex/objects/", ("git-lfs pointer", "git-annex")),
)
_BY_FIRST: dict[int, list[tuple[bytes, Format]]] = {}
for _prefix, _format in _PREFIXES:
    _BY_FIRST.setdefault(_prefix[0], []).append((_prefix, _format))

_RIFF: dict[bytes, Format] = {
    b"WEBP": ("image", "WebP"),
    b"AVI ": ("video", "AVI"),
    b"AVIX": ("video", "AVI"),
    b"WAVE": ("audio", "WAV"),
}
# Brands of the file type box of ISO/IEC 14496-12; any other brand is a video.
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_BRANDS: dict[bytes, Format] = {
    b"avif": ("image", "AVIF"),
    b"avis": ("animation", "AVIF"),
    b"crx ": ("unsupported image", "Canon raw"),
    b"M4A ": ("audio", "M4A"),
    b"M4B ": ("audio", "M4A"),
    b"M4P ": ("audio", "M4A"),
    b"qt  ": ("video", "QuickTime"),
}
# Boxes at the start of a file that has no file type box.
_BOXES = frozenset(
    {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"moof", b"sidx", b"uuid"}
)
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})  # lengths of its second header
_TEXT_BYTES = bytes({9, 10, 11, 12, 13, 27, *range(32, 127), *range(128, 256)})
_TS_PACKETS = (188, 192, 204)
_OGG_VIDEO = (b"\x80theora", b"\x01video", b"OVP80", b"BBCD\0", b"fishead\0")
_OFFICE = (b"[Content_Types].xml", b"xl/", b"word/", b"ppt/", b"mimetypeapplication/vnd.oasis")


def match_signature(header: bytes) -> Format:
    """Return kind and name of a format.

    Parameters
    ----------
    header : bytes
        The first kilobyte of a file, or all of a shorter one; not empty.

    Returns
    -------
    kind, name : str
        ``("unknown", "")`` if no signature fits.
    """
    for prefix, candidate in _BY_FIRST.get(header[0], ()):
        if header.startswith(prefix):
            return _match_zip(header) if candidate == ("archive", "ZIP") else candidate
    for match in (_match_container, _match_other, _match_text, _match_transport_stream):
        if (answer := match(header)) is not None:
            return answer
    return "unknown", ""


def _match_zip(header: bytes) -> Format:
    """Recognize the content of an archive by the name of its first entry."""
    name = header[30:80]
    if name.startswith(_OFFICE):
        return "document", "Office"
    if name[: int.from_bytes(header[26:28], "little")].endswith(b".npy"):
        return "array", "NumPy"
    return "archive", "ZIP"


def _match_container(header: bytes) -> Format | None:
    """Recognize formats that share a container."""
    if header.startswith(b"RIFF"):
        return _RIFF.get(header[8:12])
    if header.startswith(b"FORM") and header[8:12] in (b"AIFF", b"AIFC"):
        return "audio", "AIFF"
    if header.startswith(_EBML):
        return "video", "WebM" if b"webm" in header[:64] else "Matroska"
    if header.startswith(b"OggS"):
        return (
            ("video", "Ogg") if any(codec in header for codec in _OGG_VIDEO) else ("audio", "Ogg")
        )
    if header[4:8] == b"ftyp":
        return _match_brand(header)
    if header[4:8] in _BOXES:
        return "video", "QuickTime"
    return None


def _match_brand(header: bytes) -> Format:
    """Distinguish HEIC, AVIF, audio and video."""
    major = header[8:12]
    length = min(int.from_bytes(header[:4], "big"), len(header))
    brands = [major, *(header[i : i + 4] for i in range(16, length - 3, 4))]
    if major in _BRANDS:
        return _BRANDS[major]
    if major in (b"mif1", b"msf1", b"miaf") and b"avif" in brands:
        return _BRANDS[b"avis" if major == b"msf1" else b"avif"]
    if major in _HEIF or major in (b"mif1", b"msf1"):
        return "heic", "HEIC"
    return "video", "3GPP" if major.startswith(b"3g") else "MP4"


def _match_other(header: bytes) -> Format | None:
    """Recognize formats whose signature is short, or not at the start."""
    if header.startswith(b"BM") and int.from_bytes(header[14:18], "little") in _BMP_HEADERS:
        return "image", "BMP"
    if _NETPBM.match(header):
        return "image", "PPM"
    if _PAM.match(header):
        return "unsupported image", "PAM"
    if header[128:132] == b"DICM":
        return "unsupported image", "DICOM"
    if header[257:262] == b"ustar":
        return "archive", "tar"
    if header.startswith(b"\0\0\x01") or header.startswith(b"\0\0\0\x01"):
        return _match_elementary_stream(header)
    return None


def _match_elementary_stream(header: bytes) -> Format | None:
    """Recognize H.264 and H.265 without a container by their first unit."""
    unit = header[header.index(1) + 1 :][:2]
    if unit in (b"\x40\x01", b"\x46\x01"):  # parameters, or a delimiter
        return "video", "H.265"
    if unit[:1] in (b"\x67", b"\x47", b"\x27", b"\x09", b"\x06"):  # the same, or a comment
        return "video", "H.264"
    return None


def _match_text(header: bytes) -> Format | None:
    """Recognize text, and what kind of text it is."""
    text = _as_utf8(header)
    if text is None:
        return None
    if _HTML.match(text):
        return "html", "HTML"
    if b"<svg" in text and text.lstrip().startswith(b"<"):
        return "unsupported image", "SVG"
    if text.lstrip().startswith(b"<?xml"):
        return ("html", "XHTML") if b"<html" in text else ("text", "XML")
    if text.startswith(b"#EXTM3U"):
        return "text", "playlist"
    if _URL.fullmatch(text):
        return "text", "URL"
    return ("table", "CSV") if _is_table(text) else ("text", "text")


def _as_utf8(content: bytes) -> bytes | None:
    """Return text as UTF-8, None if it is not text."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content[: len(content) // 2 * 2].decode("utf-16", errors="replace")
        ascii_only = sum(character < "\x80" for character in text)
        content = text.encode("utf-8") if ascii_only * 10 >= len(text) else b"\0"
    content = content.removeprefix(b"\xef\xbb\xbf")
    if content.translate(None, _TEXT_BYTES):
        return None
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        # The bytes may end within a character, so an error at the end is none
        if error.start < len(content) - 3 and not _is_latin(content):
            return None
    return content


def _is_latin(content: bytes) -> bool:
    """Return whether bytes beyond ASCII are as rare as accents are."""
    return len(content.translate(None, bytes(range(128)))) * 4 < len(content)


def _is_table(text: bytes) -> bool:
    """Return whether the first lines have equally many columns."""
    lines = [line for line in text.splitlines() if line.strip()][:4]
    lines = lines[:-1] if len(lines) > 2 else lines  # the last one may be cut
    if lines and lines[0].startswith(b"sep="):
        return True
    counts = ({line.count(separator) for line in lines} for separator in (b",", b";", b"\t", b"|"))
    return len(lines) > 1 and any(len(count) == 1 and count != {0} for count in counts)


def _match_transport_stream(header: bytes) -> Format | None:
    """Recognize MPEG-TS by its sync bytes; a recording may start within a packet."""
    for size in _TS_PACKETS:
        for start in range(min(size, max(len(header) - 3 * size, 0))):
            if header[start : start + 3 * size + 1 : size] == b"GGGG":
                return "video", "MPEG-TS"
    return None
