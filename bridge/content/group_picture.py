"""The picture of a conversation: which file can be one. Pure."""

from __future__ import annotations

from dataclasses import replace

from bridge.content.sniffing import type_of
from bridge.errors import Refused
from bridge.model import File

MOST = 1_000_000  # bytes
TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def picture(file: File) -> File:
    """The file with the type that its content has. Raises Refused (picture_too_large, bad_picture)."""
    if file.size > MOST:
        raise Refused("picture_too_large", "picture", about=f"{MOST} bytes")
    mime = type_of(file.data)
    if mime not in TYPES:
        raise Refused("bad_picture", "picture")
    return replace(file, name=f"picture.{mime.partition('/')[2]}", mime=mime)
