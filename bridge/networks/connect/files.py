"""Files between the wire of Connect and the nouns of the hub: names, types, hashes, base64. Pure."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from bridge.content.names import LONGEST_NAME, clean_name, good_name
from bridge.content.sounds import loudness
from bridge.errors import Refused
from bridge.model import File
from bridge.networks.connect.fields import MIME_PATTERN, time_text
from bridge.networks.connect.shelf.address import Lent
from bridge.networks.connect.shelf.wire_files import NewFile, UploadedFile

UNKNOWN_TYPE = "application/octet-stream"  # RFC 2046, 4.5.1
_MIME = re.compile(MIME_PATTERN.removesuffix("$"))
_SHOWN = ("width", "height", "duration_ms", "waveform", "voice", "blurhash")  # what is known of it


def to_files(sent: Sequence[NewFile | UploadedFile], uploaded: Mapping[str, File] | None = None) -> tuple[File, ...]:
    """The files of a product's message as the hub's. Raises Refused (bad_file_name, wrong_sha256) naming the file."""
    return tuple(
        _heard((uploaded or {})[file.id] if isinstance(file, UploadedFile) else _to_file(file, f"files.{n}"), file)
        for n, file in enumerate(sent)
    )


def _heard(file: File, sent: NewFile | UploadedFile) -> File:
    """The file with what its sender says of a sound."""
    said: dict[str, Any] = {"voice": sent.voice, "duration_ms": sent.duration_ms, "waveform": loudness(sent.waveform)}
    return replace(file, **{name: value for name, value in said.items() if value})


def _to_file(sent: NewFile, where: str) -> File:
    if not good_name(sent.name):
        raise Refused("bad_file_name", f"{where}.name", about=f"{LONGEST_NAME} bytes")
    if sent.sha256 is not None and sent.sha256 != hashlib.sha256(sent.content).hexdigest():
        raise Refused("wrong_sha256", f"{where}.sha256")
    return File(sent.name, sent.type.lower(), sent.content)


def from_file(file: File, lent: Lent | None = None) -> dict[str, Any]:
    """A file as webhooks carry it: at its address, else whole: made JSON once, without a copy as text."""
    shown = {
        "name": clean_name(file.name),
        "type": file.mime.lower() if _MIME.fullmatch(file.mime) else UNKNOWN_TYPE,
        "size": file.size,
        "sha256": file.sha256,
    } | {name: value for name in _SHOWN if (value := getattr(file, name))}
    if lent is None:
        return shown | {"content": orjson.Fragment(b'"' + b64encode(file.data) + b'"')}
    return shown | {"id": lent.id, "url": lent.url, "expires_at": time_text(lent.expires * 1000)}


def room_for(max_files: int) -> int:
    """The bytes of JSON that files of ``max_files`` bytes can take: base64 (RFC 4648), with ``\\/`` for each ``/``."""
    return max_files * 4 // 3 * 33 // 32 + 1024
