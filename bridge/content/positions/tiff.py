"""EXIF is a small TIFF (JEITA CP-3451, TIFF 6.0): its GPS directory is taken out, the rest stays where it is. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_GPS = 0x8825
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_ENTRY = 12
_MOST_DIRECTORIES, _MOST_GPS = 8, 64  # EXIF has two of the first, and 32 tags in the second


def without_position(tiff: bytes) -> bytes:
    """The same bytes without the GPS directory. What is no TIFF is emptied: nobody could read it."""
    order = _ORDERS.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return bytes(len(tiff))
    data, found = bytearray(tiff), list(_directories(tiff, order))
    gps = [entry for _, entries in found for entry in entries if _tag(entry, order) == _GPS]
    if not gps:
        return tiff
    for entry in gps:
        _wipe_directory(data, tiff, int(struct.unpack(order + "I", entry[8:])[0]), order)
    for start, entries in found:
        _rewrite(data, start, entries, order)
    return bytes(data)


def _directories(tiff: bytes, order: str) -> Iterator[tuple[int, list[bytes]]]:
    """Where each directory of the chain begins, and its entries; torn ones end the chain."""
    start = int(struct.unpack_from(order + "I", tiff, 4)[0])
    seen: set[int] = set()
    while 8 <= start <= len(tiff) - 2 and start not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(start)
        entries = _entries(tiff, start, order)
        yield start, entries
        after = start + 2 + _count(tiff, start, order) * _ENTRY
        start = int(struct.unpack_from(order + "I", tiff, after)[0]) if after + 4 <= len(tiff) else 0


def _count(tiff: bytes, start: int, order: str) -> int:
    return int(struct.unpack_from(order + "H", tiff, start)[0])


def _entries(tiff: bytes, start: int, order: str) -> list[bytes]:
    first = start + 2
    whole = min(_count(tiff, start, order), (len(tiff) - first) // _ENTRY)
    return [tiff[first + n * _ENTRY : first + (n + 1) * _ENTRY] for n in range(whole)]


def _tag(entry: bytes, order: str) -> int:
    return int(struct.unpack(order + "H", entry[:2])[0])


def _wipe_directory(data: bytearray, tiff: bytes, start: int, order: str) -> None:
    """Nothing of the directory, nor of the values that its entries point at, stays."""
    if not 8 <= start <= len(tiff) - 2:
        return
    entries = _entries(tiff, start, order)[:_MOST_GPS]
    for entry in entries:
        kind, count, place = struct.unpack(order + "HII", entry[2:])
        size = _SIZES.get(kind, 1) * count
        if size > 4:
            _wipe(data, place, size)
    _wipe(data, start, 2 + len(entries) * _ENTRY)


def _wipe(data: bytearray, start: int, size: int) -> None:
    end = min(start + size, len(data))
    if 8 <= start < end:
        data[start:end] = bytes(end - start)


def _rewrite(data: bytearray, start: int, entries: list[bytes], order: str) -> None:
    """The directory without its GPS pointer: what follows moves up, and the end is zero."""
    kept = [entry for entry in entries if _tag(entry, order) != _GPS]
    if len(kept) == len(entries):
        return
    end = start + 2 + len(entries) * _ENTRY
    following = bytes(data[end : end + 4])
    packed = struct.pack(order + "H", len(kept)) + b"".join(kept) + following
    data[start : end + len(following)] = packed + bytes(end + len(following) - start - len(packed))
