"""Boxes of ISO 14496-12: films (MP4, MOV) and pictures (HEIC, AVIF) pass without a position. Pure.

A position is in ``(c)xyz`` (QuickTime), ``loci`` (3GPP TS 26.244), Apple's keys, XMP, and the EXIF item of a picture.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from dataclasses import dataclass

from bridge.content.parsing import MOST, Parser, Pass, Step, Take
from bridge.content.positions import xmp
from bridge.content.positions.items import Items, cleaned, items, within

_HEAD, _LARGE = 8, 16
_INSIDE = (b"moov", b"trak", b"udta", b"mdia")
_PLACES = (b"\xa9xyz", b"loci")
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_MOST_META = 2 * 1024 * 1024
_DEEPEST = 6


@dataclass(slots=True)
class Film:
    """What a film says about itself: in pixels as shown, and milliseconds."""

    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None


def film(found: Film) -> Parser:
    """The boxes of a film; its measures are noted in ``found``."""
    yield from _boxes(None, found, 0)


def _boxes(left: int | None, found: Film, depth: int) -> Generator[Step, bytes, None]:
    """``left`` bytes of boxes; None: to the end of the file."""
    while left is None or left >= _HEAD:
        head = yield Take(_HEAD)
        if len(head) < _HEAD:
            return
        size, kind, used = int.from_bytes(head[:4]), head[4:], _HEAD
        if kind in _PLACES and size > _HEAD:
            yield head[:4] + b"free"
        if size == 1:
            size, used = int.from_bytes((yield Take(_HEAD))), _LARGE
        elif size == 0:  # to the end
            size = left if left is not None else 1 << 62
        if size < used or (left is not None and size > left):
            yield Pass((left or used) - used)
            return
        yield from _box(kind, size - used, found, depth)
        left = None if left is None else left - size


def _box(kind: bytes, size: int, found: Film, depth: int) -> Generator[Step, bytes, None]:
    if kind in _INSIDE and depth < _DEEPEST:
        yield from _boxes(size, found, depth + 1)
    elif kind in _PLACES:
        while size > 0:
            zeros = len((yield Take(min(size, MOST))))
            yield bytes(zeros)
            size = size - zeros if zeros else 0
    elif kind in _READ and size <= _MOST_META:
        body = yield Take(size)
        yield _READ[kind](body, found)
    else:
        yield Pass(size)


def _uuid(body: bytes, _: Film) -> bytes:
    return _XMP + xmp.without_position(body[16:]) if body.startswith(_XMP) else body


def _movie_header(body: bytes, found: Film) -> bytes:
    layout, place = (">IQ", 20) if body[:1] == b"\1" else (">II", 12)
    scale, duration = struct.unpack_from(layout, body, place)
    if scale and 0 < duration < (1 << struct.calcsize(layout[2:]) * 8) - 1:  # all ones: not known
        found.duration_ms = duration * 1000 // scale
    return body


def _track_header(body: bytes, found: Film) -> bytes:
    start = 52 if body[:1] == b"\1" else 40  # of the matrix
    a, b, _, c, d = struct.unpack_from(">5i", body, start)
    width, height = (side >> 16 for side in struct.unpack_from(">II", body, start + 36))
    if width and height and not found.width:  # sounds have neither
        turned = (a, d) == (0, 0) and b and c
        found.width, found.height = (height, width) if turned else (width, height)
    return body


def _keyed(body: bytes, _: Film) -> bytes:
    """Apple's metadata: ``keys`` names them, ``ilst`` holds a value for each number (QuickTime File Format)."""
    out, names = bytearray(body), list[bytes]()
    full = 0 if body[4:8] in (b"hdlr", b"keys") else 4  # ISO's box has a version, QuickTime's has none
    for kind, start, end in within(body, full, len(body)):
        if kind == b"keys":
            names = [body[first:last] for _, first, last in within(body, start + 8, end)]
        for item, first, last in within(body, start, end) if kind == b"ilst" else ():
            number = int.from_bytes(item)
            keyed = number <= len(names) and b"location" in names[number - 1].lower() if number else False
            if keyed or item in _PLACES:
                _blank(out, body, first, last)
    return bytes(out)


def _blank(out: bytearray, body: bytes, first: int, last: int) -> None:
    """Spaces for the values, behind their type and language."""
    for _, start, end in within(body, first, last):
        out[min(start + 8, end) : end] = b" " * max(0, end - start - 8)


_READ = {b"uuid": _uuid, b"mvhd": _movie_header, b"tkhd": _track_header, b"meta": _keyed}


def still() -> Parser:
    """A picture: ``meta`` says where in the file its EXIF and XMP are. Where they are before it, they have passed."""
    at = 0
    while len(head := (yield Take(_HEAD))) == _HEAD and head[4:] != b"meta":
        size = int.from_bytes(head[:4])
        if size < _HEAD:
            return
        yield Pass(size - _HEAD)
        at += size
    size = int.from_bytes(head[:4]) - _HEAD
    if len(head) < _HEAD or not 0 < size <= _MOST_META:
        return
    body = yield Take(size)
    found = items(body)
    yield _inside(body, found)
    yield from _elsewhere(at + _HEAD + size, found)


def _inside(body: bytes, found: Items) -> bytes:
    """Items in ``meta`` itself (``idat``)."""
    out = bytearray(body)
    for place in found.inside:
        part = body[place.start : place.start + place.size]
        out[place.start : place.start + len(part)] = cleaned(place.kind, part)
    return bytes(out)


def _elsewhere(at: int, found: Items) -> Parser:
    for place in sorted(found.outside, key=lambda one: one.start):
        if place.start >= at and place.size <= MOST:
            yield Pass(place.start - at)
            part = yield Take(place.size)
            yield cleaned(place.kind, part)
            at = place.start + place.size
