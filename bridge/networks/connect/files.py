"""Files between the wire of Connect and the nouns of the hub: names, types, hashes, base64. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.connect.fields import MIME_PATTERN, time_text
from bridge.networks.connect.shelf.address import Lent
from bridge.networks.connect.shelf.wire_files import NewFile, UploadedFile

LONGEST_NAME = 255  # bytes of UTF-8: what common file systems take
UNNAMED = "fichier"
UNKNOWN_TYPE = "application/octet-stream"  # RFC 2046, 4.5.1
_LONGEST_SUFFIX = 16
_MIME = re.compile(MIME_PATTERN.removesuffix("$"))
_SEPARATORS = re.compile(r"[/\\]")
# They turn the order of what is shown ("exe.fdp" reads "pdf.exe"): UAX #9, 2
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NO_TEXT = {"Cc", "Cs", "Zl", "Zp"}


def to_files(sent: Sequence[NewFile | UploadedFile], uploaded: Mapping[str, File] | None = None) -> tuple[File, ...]:
    """The files of a product's message as the hub's. Raises Refused (bad_file_name, wrong_sha256) naming the file."""
    return tuple(
        (uploaded or {})[file.id] if isinstance(file, UploadedFile) else _to_file(file, f"files.{n}")
        for n, file in enumerate(sent)
    )


def _to_file(sent: NewFile, where: str) -> File:
    if not good_name(sent.name):
        raise Refused("bad_file_name", f"{where}.name", about=f"{LONGEST_NAME} bytes")
    if sent.sha256 is not None and sent.sha256 != hashlib.sha256(sent.content).hexdigest():
        raise Refused("wrong_sha256", f"{where}.sha256")
    return File(sent.name, sent.type.lower(), sent.content)


def good_name(name: str) -> bool:
    """Whether a name can be given to a file as it is: no path, nothing that hides or turns what is shown."""
    plain = not _SEPARATORS.search(name) and all(_is_text(c) for c in name)
    return plain and name.strip(" .") != "" and len(name.encode()) <= LONGEST_NAME


def clean_name(name: str) -> str:
    """The same name if it is a good one, else the nearest good one: other networks carry any name."""
    if good_name(name):
        return name
    plain = "".join(c for c in _SEPARATORS.sub("_", name) if _is_text(c))
    return _shorten(plain.strip(" .")) or UNNAMED


def _is_text(character: str) -> bool:
    return unicodedata.category(character) not in _NO_TEXT and character not in _BIDI


def _shorten(name: str) -> str:
    """At most 255 bytes; what says the kind of file (``.pdf``) stays."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    ending = dot + suffix if stem and len(suffix.encode()) <= _LONGEST_SUFFIX else ""
    kept = name.removesuffix(ending).encode()[: LONGEST_NAME - len(ending.encode())]
    return kept.decode("utf-8", "ignore").rstrip(" .") + ending


def from_file(file: File, lent: Lent | None = None) -> dict[str, Any]:
    """A file as webhooks carry it: at its address, else whole: made JSON once, without a copy as text."""
    shown = {
        "name": clean_name(file.name),
        "type": file.mime.lower() if _MIME.fullmatch(file.mime) else UNKNOWN_TYPE,
        "size": file.size,
        "sha256": file.sha256,
    }
    if lent is None:
        return shown | {"content": orjson.Fragment(b'"' + b64encode(file.data) + b'"')}
    return shown | {"id": lent.id, "url": lent.url, "expires_at": time_text(lent.expires * 1000)}


def room_for(max_files: int) -> int:
    """The bytes of JSON that files of ``max_files`` bytes can take: base64 (RFC 4648), with ``\\/`` for each ``/``."""
    return max_files * 4 // 3 * 33 // 32 + 1024
