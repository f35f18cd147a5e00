"""What people call a conversation, as it is kept: sealed, for it may hold a patient's name. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from bridge.db import Row
from bridge.model import GroupName
from bridge.seal import Seal, SealBroken


def sealed(seal: Seal, conversation: str, name: GroupName) -> bytes | None:
    """What is kept of a name; None for one that was taken away."""
    if not name.text:
        return None
    return seal.seal(orjson.dumps([name.text, name.about_patient]), _context(conversation))


def opened(seal: Seal, conversation: str, legs: Iterable[Row]) -> GroupName | None:
    """The name in the rows of ``store.legs``; None where there is none, or its key is gone."""
    kept = next((row["name"] for row in legs), None)
    if kept is None:
        return None
    try:
        text, about_patient = orjson.loads(seal.open(bytes(kept), _context(conversation)))
    except (SealBroken, ValueError):
        return None
    return GroupName(text, bool(about_patient))


def _context(conversation: str) -> str:
    return f"name of {conversation}"
