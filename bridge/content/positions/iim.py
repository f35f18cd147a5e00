"""IPTC IIM (version 4.2) in Photoshop's resources: city, state, country and their kin become spaces. Pure."""

from __future__ import annotations

_RESOURCE, _IIM = b"8BIM", 0x0404
_PLACES = frozenset({26, 27, 90, 92, 95, 100, 101})  # of record 2: content location, city, sub-location, state, country


def without_position(resources: bytes) -> bytes:
    """Photoshop's resources (the content of APP13 behind its name), of the same length."""
    out, at = bytearray(resources), 0
    while resources[at : at + 4] == _RESOURCE and at + 7 < len(resources):
        kind = int.from_bytes(resources[at + 4 : at + 6])
        start = at + 7 + resources[at + 6]
        start += 1 - resources[at + 6] % 2  # the name, with the byte of its length, is padded to even
        size = int.from_bytes(resources[start : start + 4])
        if kind == _IIM:
            _blank(out, start + 4, min(start + 4 + size, len(resources)))
        at = start + 4 + size + size % 2
    return bytes(out)


def _blank(out: bytearray, at: int, end: int) -> None:
    while at + 5 <= end and out[at] == 0x1C:
        size = int.from_bytes(out[at + 3 : at + 5])
        if size & 0x8000:  # an extended one, which no text of a place is
            return
        if out[at + 1] == 2 and out[at + 2] in _PLACES:
            stop = min(at + 5 + size, end)
            out[at + 5 : stop] = b" " * (stop - at - 5)
        at += 5 + size
