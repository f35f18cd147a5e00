"""Zip archives from strangers: every entry is checked by name, place, size and ratio before it is used. Pure."""

from __future__ import annotations

import io
import re
import stat
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass

from bridge.errors import Refused

_CENTRAL = b"PK\x01\x02"
_LOCAL_HEADER = 30  # bytes, without the name (APPNOTE 4.3.7)
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"PK00")
_ODD = re.compile(r"[\x00-\x1f\x7f\\]|^/|^[A-Za-z]:|(^|/)\.\.?(/|$)|//")
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """Bounds of one archive; sizes in bytes, unpacked. ``ratio`` counts from ``free`` bytes on."""

    entries: int = 200
    entry: int = 32 << 20
    total: int = 64 << 20
    ratio: int = 200
    free: int = 1 << 20
    name: int = 240


def unpack(data: bytes, limits: ZipLimits | None = None) -> dict[str, bytes]:
    """Every file of the archive by its name, folders left out, in the archive's order.

    Raises Refused: ``zip_entries``, ``zip_too_large``, ``zip_ratio``, ``zip_overlap``, ``zip_name``,
    ``zip_duplicate``, ``zip_link``, ``zip_encrypted``, ``zip_method``, ``zip_damaged``. Nothing is written to disk and
    no archive within is opened (see :func:`is_zip`).
    """
    limits = limits or ZipLimits()
    if data.count(_CENTRAL) > 2 * limits.entries:  # each entry of the directory has one: bounds what is built below
        raise Refused("zip_entries", about=str(limits.entries))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check(entries, limits)
            _check_places(entries, len(data))
            return _read(archive, entries, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError):
        raise Refused("zip_damaged") from None


def is_zip(data: bytes) -> bool:
    """Whether it is itself an archive, which is never opened inside another."""
    return data.startswith(_ZIPS)


def _check(entries: list[zipfile.ZipInfo], limits: ZipLimits) -> None:
    if len(entries) > limits.entries:
        raise Refused("zip_entries", about=str(limits.entries))
    seen: set[str] = set()
    for entry in entries:
        _check_entry(entry, limits)
        folded = unicodedata.normalize("NFKC", entry.orig_filename).casefold().rstrip("/. ")
        if folded in seen:
            raise Refused("zip_duplicate")
        seen.add(folded)
    if sum(entry.file_size for entry in entries) > limits.total:
        raise Refused("zip_too_large", about=f"{limits.total} bytes")


def _check_entry(entry: zipfile.ZipInfo, limits: ZipLimits) -> None:
    name = entry.orig_filename
    if not name or len(name) > limits.name or _ODD.search(unicodedata.normalize("NFKC", name)):
        raise Refused("zip_name")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Refused("zip_link")
    if entry.flag_bits & 0x2041:  # encrypted, strongly encrypted, masked directory (APPNOTE 4.4.4)
        raise Refused("zip_encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refused("zip_method")  # the other methods unpack without a bound
    if entry.file_size > limits.entry:
        raise Refused("zip_too_large", about=f"{limits.entry} bytes")
    if entry.file_size > limits.free and entry.file_size > limits.ratio * max(1, entry.compress_size):
        raise Refused("zip_ratio", about=str(limits.ratio))


def _check_places(entries: list[zipfile.ZipInfo], size: int) -> None:
    """No two entries share bytes of the archive, none reaches beyond it."""
    end = 0
    for entry in sorted(entries, key=lambda one: one.header_offset):
        if entry.header_offset < end:
            raise Refused("zip_overlap")
        end = entry.header_offset + _LOCAL_HEADER + len(entry.orig_filename) + entry.compress_size
    if end > size:
        raise Refused("zip_damaged")


def _read(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], limits: ZipLimits) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    left = limits.total
    for entry in entries:
        if entry.is_dir():
            continue
        found[entry.filename] = _read_entry(archive, entry, min(left, limits.entry))
        left -= len(found[entry.filename])
    return found


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    parts = bytearray()
    with archive.open(entry) as stream:
        while chunk := stream.read(_CHUNK):
            parts += chunk
            if len(parts) > most:
                raise Refused("zip_too_large", about=f"{most} bytes")
    if len(parts) != entry.file_size:
        raise Refused("zip_damaged")
    return bytes(parts)
