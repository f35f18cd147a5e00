"""PNG (third edition): eXIf and the texts that hold XMP, EXIF or IPTC pass without a position. Pure."""

from __future__ import annotations

import re
import zlib

from bridge.content.parsing import Parser, Pass, Take
from bridge.content.positions import tiff, xmp

_HEAD, _CRC = 8, 4
_MOST = 1024 * 1024  # bytes of a chunk that is looked at
_MOST_INFLATED = 4 * _MOST
_XMP, _COMMENT = b"XML:com.adobe.xmp\0", b"Comment\0"
_RAW = re.compile(rb"Raw profile type (?:exif|APP1|xmp|iptc)\0", re.IGNORECASE)  # ImageMagick's, in hexadecimal digits
_DIGITS = re.compile(rb"\n\s*\d+\n([0-9a-fA-F\s]+)\Z")  # behind their number


def png() -> Parser:
    """The chunks of a picture."""
    yield Pass(_HEAD)
    while len(head := (yield Take(_HEAD))) == _HEAD and head[4:] != b"IEND":
        size, kind = int.from_bytes(head[:4]), head[4:]
        if kind not in _CLEANERS or size > _MOST:
            yield Pass(size + _CRC)
            continue
        chunk = yield Take(size + _CRC)
        clean = _CLEANERS[kind](chunk[:size])
        if clean != chunk[:size]:
            yield clean + zlib.crc32(kind + clean).to_bytes(_CRC)[: len(chunk) - len(clean)]


def _international(body: bytes) -> bytes:
    """iTXt: a keyword, whether it is compressed, how, a language, the keyword translated, the text."""
    if not body.startswith(_XMP):
        return body
    start = body.find(b"\0", body.find(b"\0", len(_XMP) + 2) + 1) + 1
    if body[len(_XMP) : len(_XMP) + 1] != b"\1":
        return body[:start] + xmp.without_position(body[start:])
    packet = _inflated(body[start:])
    if packet is not None and xmp.without_position(packet) == packet:
        return body
    return _padded(_COMMENT + bytes(4), body, b" ")


def _compressed(body: bytes) -> bytes:
    """zTXt: a keyword, how it is compressed, the text."""
    named = _RAW.match(body)
    if named is None or _harmless(named[0], _inflated(body[named.end() + 1 :])):
        return body
    return _padded(_COMMENT + b"\0" + zlib.compress(b" "), body, b"\0")


def _plain(body: bytes) -> bytes:
    """tEXt: a keyword and the text."""
    named = _RAW.match(body)
    if named is None or _harmless(named[0], body[named.end() :]):
        return body
    return _padded(_COMMENT, body, b" ")


def _harmless(name: bytes, profile: bytes | None) -> bool:
    """Whether an EXIF profile has no position; another one, or one that cannot be read, may have."""
    digits = _DIGITS.search(profile) if profile is not None else None
    plain = b"".join(digits[1].split()) if digits is not None else b""
    if not plain or len(plain) % 2 or b"exif" not in name.lower():
        return False
    raw = bytes.fromhex(plain.decode()).removeprefix(b"Exif\0\0")
    return tiff.without_position(raw) == raw


def _inflated(data: bytes) -> bytes | None:
    """None where it is torn, or larger than is looked at."""
    inflater = zlib.decompressobj()
    try:
        clear = inflater.decompress(data, _MOST_INFLATED)
    except zlib.error:
        return None
    return clear if inflater.eof else None


def _padded(begun: bytes, body: bytes, filler: bytes) -> bytes:
    return (begun + filler * (len(body) - len(begun)))[: len(body)]


_CLEANERS = {b"eXIf": tiff.without_position, b"iTXt": _international, b"zTXt": _compressed, b"tEXt": _plain}
