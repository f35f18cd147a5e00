"""XMP (ISO 16684-1) is RDF in XML: what says where a picture was taken becomes spaces. Pure; one walk over the bytes.

XML is not parsed: packets are padded, torn and nested in odd ways, and every other byte has to stay. Whatever begins to
say a place and does not end takes everything behind it along.
"""

from __future__ import annotations

import re

# exif:GPS…, drone-dji:GpsLatitude, Iptc4xmpExt:LocationCreated, photoshop:City, Iptc4xmpCore:Location and CountryCode …
_PLACE = (
    rb"(?:[\w.-]+:)?(?:[Gg][Pp][Ss]\w*|Location(?:Created|Shown)?|Sublocation|City|State|ProvinceState"
    rb"|Country(?:Code|Name)?)"
)
_ATTRIBUTE = re.compile(rb"(?<=\s)" + _PLACE + rb"\s*=\s*([\"'])")
_ELEMENT = re.compile(rb"<(" + _PLACE + rb")(?=[\s/>])")
_WIDE = re.compile(rb"[Gg]\0[Pp]\0[Ss]\0|L\0o\0c\0a\0t\0i\0o\0n\0")


def without_position(packet: bytes) -> bytes:
    """The packet with spaces for its places; one in UTF-16 or UTF-32 that has any is emptied."""
    if _WIDE.search(packet) is not None:
        return b" " * len(packet)
    return _elements(_attributes(packet))


def _attributes(packet: bytes) -> bytes:
    out, at = bytearray(packet), 0
    while (found := _ATTRIBUTE.search(packet, at)) is not None:
        end = packet.find(found[1], found.end())
        at = len(packet) if end < 0 else end + 1
        _blank(out, found.start(), at)
    return bytes(out)


def _elements(packet: bytes) -> bytes:
    out, at = bytearray(packet), 0
    while (found := _ELEMENT.search(packet, at)) is not None:
        at = _end(packet, found)
        _blank(out, found.start(), at)
    return bytes(out)


def _end(packet: bytes, found: re.Match[bytes]) -> int:
    """Behind the element that begins there."""
    head = packet.find(b">", found.end())
    if head < 0:
        return len(packet)
    if packet[head - 1 : head] == b"/":
        return head + 1
    closing = packet.find(b"</" + found[1], head)
    after = packet.find(b">", closing) if closing >= 0 else -1
    return len(packet) if after < 0 else after + 1


def _blank(out: bytearray, start: int, end: int) -> None:
    out[start:end] = b" " * (end - start)
