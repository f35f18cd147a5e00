"""Where a picture or a film was taken, out of it as it passes: nothing is encoded again, and the length stays."""

from __future__ import annotations

from bridge.content.parsing import Parser
from bridge.content.positions.boxes import Film, film, still
from bridge.content.positions.jpeg import jpeg
from bridge.content.positions.png import png
from bridge.content.positions.webp import webp

_PICTURES = {"image/jpeg": jpeg, "image/png": png, "image/apng": png, "image/webp": webp}
_STILLS = ("image/heic", "image/heif", "image/avif")
_FILMS = ("video/mp4", "video/quicktime", "video/3gpp", "audio/mp4")


def reader(mime: str, found: Film) -> Parser | None:
    """What takes the position out of a file of this type (by content), and notes a film's measures in ``found``."""
    if mime in _PICTURES:
        return _PICTURES[mime]()
    if mime in _STILLS:
        return still()
    return film(found) if mime in _FILMS else None
