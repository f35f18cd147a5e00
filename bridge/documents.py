"""A document that goes with a message, and where it lies. Neither its name nor its bytes are in a repr."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Where a file lies, encrypted, outside of the hub. Whoever has ``handle`` can read it, so it is in no repr.

    ``handle`` is opaque outside of the store of files (:mod:`bridge.files`). ``size`` (bytes) and ``sha256``
    (hexadecimal) are those of the content.
    """

    handle: str = field(repr=False)
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class File:
    """A document that goes with a message. Its name may hold a patient's name: neither it nor the bytes are in a repr.

    ``content`` is where the document lies; :meth:`bridge.files.Files.open` reads it. It is the bytes themselves only
    where they are small, or were read whole (a mail that is parsed or written).
    ``inline``: the Content-ID under which the message's HTML shows it as a picture (RFC 2392), None for an attachment.
    ``width`` and ``height`` are in pixels, as it is shown. ``waveform`` is the loudness of a sound along the way, some
    dozens of numbers from 0 to 1024 (MSC1767); ``voice``: somebody has spoken it as a message. ``thumbnail`` is a
    small copy of a picture, ``blurhash`` some thirty characters of which a blur of it is painted (MSC2448).
    """

    name: str = field(repr=False)
    mime: str
    content: bytes | StoredFile = field(repr=False)
    inline: str | None = field(default=None, repr=False)
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    waveform: tuple[int, ...] = field(default=(), repr=False)
    voice: bool = False
    sticker: bool = False
    thumbnail: File | None = field(default=None, repr=False)
    blurhash: str | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.content.size if isinstance(self.content, StoredFile) else len(self.content)

    @property
    def sha256(self) -> str:
        """Of the content, in hexadecimal."""
        return self.content.sha256 if isinstance(self.content, StoredFile) else hashlib.sha256(self.content).hexdigest()

    @property
    def data(self) -> bytes:
        """The bytes of a file that was read whole. Raises ValueError for one that lies in the store."""
        if isinstance(self.content, StoredFile):
            raise ValueError("the file lies in the store")
        return self.content
