"""How those outside of the directory call themselves, as it is kept: no name of a patient is in clear on disk."""

from __future__ import annotations

from base64 import b64decode, b64encode

from bridge.seal import Seal, SealBroken

_MARK = "sealed:"  # what earlier versions kept has none


def sealed(seal: Seal, person: str, name: str) -> str:
    """The text that is kept."""
    return _MARK + b64encode(seal.seal(name.encode(), _context(person))).decode("ascii")


def opened(seal: Seal, person: str, kept: str) -> str | None:
    """The name in what is kept; None: its key is not there, or the row is another person's."""
    if not kept.startswith(_MARK):
        return kept
    try:
        return seal.open(b64decode(kept.removeprefix(_MARK)), _context(person)).decode()
    except (SealBroken, ValueError):
        return None


def _context(person: str) -> str:
    return f"name {person}"
