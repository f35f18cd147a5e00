"""winmail.dat (TNEF) of Outlook: the text and the attachments inside, decoded by tnefparse in bounded pieces. Pure.

tnefparse copies the rest of the stream for every object and believes every count that a stream states. So the stream is
measured here first, and given to it in small streams of their own: one for the message, one for each attachment.
Source: MS-OXTNEF.
"""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from tnefparse import TNEF  # type: ignore[import-untyped]

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.documents import rtf
from bridge.networks.mail.documents.card import file_name

SIGNATURE = b"\x78\x9f\x3e\x22"
MOST_BYTES = 64 << 20
MOST_OBJECTS = 5_000
MOST_FILES = 100
MOST_PROPERTIES = 2_000
MOST_TEXT = 1_000_000  # characters

_START = 6  # signature and key
_RENDERING, _CODEPAGE, _MAPI, _ATTACHMENT, _BODY = 0x9002, 0x9007, 0x9003, 0x9005, 0x800C
_TITLE, _DATA = 0x8010, 0x800F
_RTF = 0x1009  # compressed
_NAMES, _TYPE = (0x3707, 0x3704, 0x3001), 0x370E  # long and short file name, display name; media type
_MIME = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
_BYTES = "application/octet-stream"
_FIXED = {0x0002: 4, 0x000B: 4, 0x0003: 4, 0x0004: 4, 0x000A: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x0014: 8, 0x0040: 8,
          0x0048: 16}  # fmt: skip
_VARIED = {0x0000, 0x000D, 0x001E, 0x001F, 0x0102}

logging.getLogger("tnefparse").setLevel(logging.CRITICAL + 1)  # its messages may quote what they could not read


@dataclass(frozen=True, slots=True)
class Tnef:
    """What a winmail.dat holds; ``html`` is as the sender wrote it and must be cleaned."""

    text: str = field(repr=False)
    html: str = field(repr=False)
    files: tuple[File, ...] = field(repr=False)
    problems: tuple[str, ...] = ()


def looks_like(data: bytes) -> bool:
    """Whether it begins as TNEF does."""
    return data.startswith(SIGNATURE)


def parse(data: bytes) -> Tnef:
    """The content. Raises Refused: ``tnef_damaged``, ``tnef_too_large``; smaller faults are ``problems``."""
    if not looks_like(data) or len(data) < _START:
        raise Refused("tnef_damaged")
    if len(data) > MOST_BYTES:
        raise Refused("tnef_too_large", about=f"{MOST_BYTES} bytes")
    pieces = _pieces(data)
    attachments, problems = pieces.attachments, pieces.problems
    text, html = _bodies(pieces.message, problems)
    if pieces.rtf and not text.strip() and not html.strip():
        unpacked = rtf.text(pieces.rtf)
        problems.extend(["tnef_body"] if unpacked is None else [])
        text = (unpacked or "")[:MOST_TEXT]
    files: list[File] = []
    for piece, said in attachments[:MOST_FILES]:
        found = _file(piece, said, len(files) + 1)
        if found is None:
            problems.append("tnef_attachment")
        else:
            files.append(found)
    if len(attachments) > MOST_FILES:
        problems.append("tnef_files")
    return Tnef(text, html, tuple(files), tuple(dict.fromkeys(problems)))


def _objects(data: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Level, name, whole object and its content, as long as they are complete (MS-OXTNEF 2.1.3.2)."""
    place = _START
    for _ in range(MOST_OBJECTS + 1):
        if place + 11 > len(data):
            return
        level, name, _, size = struct.unpack_from("<BHHI", data, place)
        end = place + 11 + size
        if end > len(data) or level not in (1, 2):
            raise Refused("tnef_damaged")
        yield level, name, data[place:end], data[place + 9 : end - 2]
        place = end
    raise Refused("tnef_too_large", about=f"{MOST_OBJECTS} objects")


@dataclass(slots=True)
class _Attachment:
    """The objects of one attachment, and its properties as far as they can be read (name: bytes of a text)."""

    objects: list[bytes]
    said: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Pieces:
    """A stream for the message, one for each attachment, and what is wrong with them; only what we read is kept."""

    message: bytes
    rtf: bytes
    attachments: list[tuple[bytes, dict[int, bytes]]]
    problems: list[str]


def _pieces(data: bytes) -> _Pieces:
    codepage, message, rtf = b"", b"", b""
    attachments: list[_Attachment] = []
    problems: list[str] = []
    try:
        for level, name, whole, content in _objects(data):
            if name == _MAPI and level == 1:
                rtf = rtf or _said(content).get(_RTF, b"")
            if name == _ATTACHMENT and attachments:
                attachments[-1].said |= _said(content)
            if name in (_MAPI, _ATTACHMENT) and not _sound(content):
                problems.append("tnef_properties")
            elif name == _CODEPAGE and level == 1:
                codepage = whole if len(content) == 4 else b""
            elif name in (_MAPI, _BODY) and level == 1:
                message += whole
            elif name == _RENDERING:
                attachments.append(_Attachment([whole]))
            elif name in (_TITLE, _DATA, _ATTACHMENT) and attachments:
                attachments[-1].objects.append(whole)
    except Refused as stop:
        problems.append(stop.code)
    head = data[:_START] + codepage
    whole_ones = [(head + b"".join(one.objects), one.said) for one in attachments]
    return _Pieces(head + message, rtf, whole_ones, problems)


def _said(content: bytes) -> dict[int, bytes]:
    """The first value of each property of text or bytes, up to the first one that is damaged."""
    found: dict[int, bytes] = {}
    with suppress(struct.error, ValueError):
        (count,) = struct.unpack_from("<I", content)
        place = 4
        for _ in range(min(count, MOST_PROPERTIES)):
            kind, name = struct.unpack_from("<HH", content, place)
            if kind in (0x001E, 0x001F, 0x0102) and name < 0x8000:
                (size,) = struct.unpack_from("<I", content, place + 8)
                value = content[place + 12 : place + 12 + size]
                found.setdefault(name, value.decode("utf-16-le", "replace").encode() if kind == 0x001F else value)
            place = _property(content, place)
    return found


def _sound(content: bytes) -> bool:
    """Whether every property is complete and plain: no messages within, no long lists of values (MS-OXTNEF 2.1.3.4)."""
    try:
        (count,) = struct.unpack_from("<I", content)
        if count > MOST_PROPERTIES:
            return False
        place = 4
        for _ in range(count):
            place = _property(content, place)
        return place <= len(content)
    except (struct.error, ValueError):
        return False


def _property(content: bytes, place: int) -> int:
    """The place after one property."""
    kind, name = struct.unpack_from("<HH", content, place)
    place += 4
    if name >= 0x8000:
        named, size = struct.unpack_from("<II", content, place + 16)
        place += 24 if named == 0 else 24 + _padded(size)
    values = 1
    if kind & 0x1000 or kind & 0xFFF in _VARIED:
        (values,) = struct.unpack_from("<I", content, place)
        place += 4
    if values > MOST_PROPERTIES:
        raise ValueError
    if (step := _FIXED.get(kind & 0xFFF)) is not None:
        step = 2 if step == 4 and kind & 0x1000 and kind & 0xFFF in (2, 11) else step
        return _inside(content, place + _padded(values * step))
    if kind & 0xFFF not in _VARIED:
        raise ValueError
    for _ in range(values):
        (size,) = struct.unpack_from("<I", content, place)
        place = _inside(content, place + 4 + _padded(size))
    return place


def _padded(size: int) -> int:
    return size + -size % 4


def _inside(content: bytes, place: int) -> int:
    if place > len(content) + 3:  # the last padding may be missing
        raise ValueError
    return place


def _decoded(piece: bytes) -> TNEF | None:
    try:
        return TNEF(piece + bytes(12), do_checksum=False) if len(piece) > _START else None
    except Exception:  # the library raises whatever the bytes provoke; the caller tells of it, the original stays
        return None


def _bodies(piece: bytes, problems: list[str]) -> tuple[str, str]:
    found = _decoded(piece)
    if found is None:
        problems.extend(["tnef_body"] if len(piece) > _START else [])
        return "", ""
    return _text(found.body), _text(found.htmlbody)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.replace("\0", "")[:MOST_TEXT]
    if not isinstance(value, bytes):
        return ""
    try:
        return _text(value.decode())
    except UnicodeDecodeError:
        return _text(value.decode("cp1252", "replace"))


def _file(piece: bytes, said: Mapping[int, bytes], number: int) -> File | None:
    found = _decoded(piece)
    if found is None or not found.attachments:
        return None
    attachment = found.attachments[0]
    try:
        title = str(attachment.name)
    except UnicodeDecodeError:
        title = ""
    data = attachment.data
    if not isinstance(data, bytes) or not data:
        return None
    long = next((name for number in _NAMES if (name := _text(said.get(number)).strip())), "")
    mime = _text(said.get(_TYPE)).strip().lower()
    name = file_name((long or title).replace("\0", ""), f"piece-{number}")
    return File(name, mime if _MIME.fullmatch(mime) else _BYTES, data)
