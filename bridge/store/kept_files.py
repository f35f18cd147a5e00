"""The files of messages that wait, sealed: the key of what lies in the store of files, or the bytes themselves."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from bridge.db import Row
from bridge.files import from_json, to_json
from bridge.model import File, StoredFile
from bridge.seal import Seal


def sealed(seal: Seal, message: str, n: int, file: File) -> tuple[bytes, bytes]:
    """The columns ``about`` and ``body`` of the ``n``-th file of a message (hub id)."""
    data = b"" if isinstance(file.content, StoredFile) else file.content
    return seal.seal(orjson.dumps(to_json(file)), f"{message}/{n}/about"), seal.seal(data, f"{message}/{n}")


def opened(seal: Seal, message: str, rows: Iterable[Row]) -> list[File]:
    """The files of a message. Raises SealBroken."""
    found = []
    for row in rows:
        where = f"{message}/{row['n']}"
        about = orjson.loads(seal.open(bytes(row["about"]), f"{where}/about"))
        found.append(from_json(about, seal.open(bytes(row["body"]), where)))
    return found
