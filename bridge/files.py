"""Files on their way: where they lie, how they are read by stream, and who looks at them before anything is kept.

A file is never whole in memory unless it is small already (an answer in JSON, a mail that is parsed). Every file that
comes in takes one of three ways, and each of them leads through the same filters:

- :meth:`Files.take`: a stream that somebody uploads;
- :meth:`Files.adopt`: a stream that lies in the store already (a Matrix user has put it there);
- :meth:`Files.shelved`: bytes that came with a message.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from bridge.errors import Refused, Unavailable
from bridge.model import File, Message, StoredFile

Pieces = AsyncGenerator[bytes, None]
"""The content of a file in order. Nobody asks for a piece before the one before it is out of the way."""
Json = dict[str, Any]
PIECE = 128 * 1024  # bytes that are worked on at once


@dataclass(frozen=True, slots=True)
class Arriving:
    """A file on its way in: what its sender says of it, and what the filters have found.

    ``size`` in bytes is what is to come; a filter that changes the content says the new size here, and ``changed``,
    before the first piece. ``found``: fields of :class:`bridge.model.File` that are known once the last piece has
    passed (the same dict along the whole chain, so that a filter can fill it in while the pieces pass).
    """

    name: str = field(repr=False)
    mime: str
    size: int
    changed: bool = False
    found: Json = field(default_factory=dict, repr=False)


class Filter(Protocol):
    """Somebody who looks at every file on its way in, or changes it: a virus scanner, what takes positions out.

    It gets the pieces and gives the pieces, one by one: ``async for piece in pieces: look(piece); yield piece``. It may
    read the beginning before it answers (a type by content), and hold back a bounded number of bytes. It raises Refused
    (``about`` names the file and the finding; both are shown) before it gives the last piece on: the transfer ends
    there, nobody gets the file, its writer is told. It raises Unavailable where it cannot tell now: nothing passes.
    """

    async def through(self, file: Arriving, pieces: Pieces) -> tuple[Arriving, Pieces]:
        """The file as the next one gets it."""


class FileStore(Protocol):
    """Where files lie encrypted: :class:`appservice.client.media.Media` is one, the homeserver's media repository."""

    @property
    def most(self) -> int:
        """The bytes of the largest file."""

    async def put(self, pieces: Pieces, size: int) -> StoredFile:
        """Keep a file of ``size`` bytes. A broken transfer leaves nothing that anybody knows of.

        Raises Refused (files_too_large, wrong_size), Unavailable, and whatever ``pieces`` raises.
        """

    def open(self, stored: StoredFile, start: int = 0, end: int | None = None) -> Pieces:
        """The bytes from ``start`` up to, not including, ``end``.

        Of a whole file the last piece comes only when its hash was right. Raises Refused (file_damaged,
        file_not_fetched), Unavailable.
        """


class Files:
    """The files of all messages. Without a store (a hub without Matrix, in tests) what is small stays bytes."""

    def __init__(self, store: FileStore | None = None, filters: Sequence[Filter] = ()) -> None:
        self.store = store
        self.filters = list(filters)

    @property
    def most(self) -> int:
        """The bytes of the largest file that can be kept; 0: none."""
        return self.store.most if self.store is not None else 0

    async def take(self, file: Arriving, pieces: Pieces) -> File:
        """A file that somebody uploads. Raises Refused, Unavailable."""
        if self.store is None:
            raise Unavailable("not_ready", 2)
        if file.size > self.most:
            raise Refused("files_too_large", about=f"{self.most} bytes")
        file, pieces = await self._through(file, pieces)
        async with aclosing(pieces):
            stored = await self.store.put(pieces, file.size)
        return _file(file, stored)

    async def adopt(self, file: Arriving, pieces: Pieces, handle: str) -> File:
        """A file that lies in the store: it is read once, so that its size and hash are known and filters have seen it.

        What a filter changes is kept anew. Raises Refused, Unavailable.
        """
        file, pieces = await self._through(file, pieces)
        async with aclosing(pieces):
            if file.changed and self.store is not None:
                return _file(file, await self.store.put(pieces, file.size))
            digest, size = hashlib.sha256(), 0
            async for piece in pieces:
                digest.update(piece)
                size += len(piece)
        return _file(file, StoredFile(handle, size, digest.hexdigest()))

    async def shelved(self, message: Message) -> Message:
        """The message with its files in the store. While that does not take them, their bytes stay with it, sealed.

        Raises Refused and Unavailable for a filter: what it does not let pass, or cannot judge now.
        """
        if all(isinstance(file.content, StoredFile) for file in message.body.files):
            return message
        files = tuple([await self._kept(file) for file in message.body.files])
        return replace(message, body=replace(message.body, files=files))

    async def _kept(self, file: File) -> File:
        if isinstance(file.content, StoredFile):
            return file
        arriving = Arriving(file.name, file.mime, file.size, found=_about(file))
        arriving, pieces = await self._through(arriving, pieces_of(file.content))
        async with aclosing(pieces):
            content = file.content if not self.filters else b"".join([piece async for piece in pieces])
        same = replace(_file(arriving, content), inline=file.inline)
        if self.store is None:
            return same
        try:
            return replace(same, content=await self.store.put(pieces_of(content), len(content)))
        except (Unavailable, Refused):  # too large for the store, say: each leg decides whether it carries the bytes
            return same

    async def _through(self, file: Arriving, pieces: Pieces) -> tuple[Arriving, Pieces]:
        for one in self.filters:
            file, pieces = await one.through(file, pieces)
        return file, pieces

    def open(self, file: File, start: int = 0, end: int | None = None) -> Pieces:
        """The content of a file, or the part of it from ``start`` up to ``end``. Raises Refused, Unavailable."""
        if isinstance(file.content, StoredFile):
            if self.store is None:
                raise Unavailable("not_ready", 2)
            return self.store.open(file.content, start, end)
        return pieces_of(file.content[start:end])

    async def whole(self, file: File) -> File:
        """The same file with its bytes in memory. For what cannot be made otherwise, within the limits of its network.

        Raises Refused, Unavailable.
        """
        if not isinstance(file.content, StoredFile):
            return file
        async with aclosing(self.open(file)) as pieces:
            return replace(file, content=b"".join([piece async for piece in pieces]))


def _file(file: Arriving, content: bytes | StoredFile) -> File:
    return replace(File(file.name, file.mime, content), **file.found)


async def pieces_of(data: bytes) -> Pieces:
    """Bytes as a stream."""
    for at in range(0, len(data), PIECE):
        yield data[at : at + PIECE]


def _about(file: File) -> Json:
    """What is said of a file beside its name, type and content, as far as anything is."""
    said: Json = {
        "width": file.width,
        "height": file.height,
        "duration_ms": file.duration_ms,
        "waveform": file.waveform,
    }
    said |= {"voice": file.voice, "sticker": file.sticker, "thumbnail": file.thumbnail, "blurhash": file.blurhash}
    return {name: value for name, value in said.items() if value}


def to_json(file: File) -> list[Any]:
    """What is to be sealed of a file beside its bytes; of one in the store, all of it."""
    about: list[Any] = [file.name, file.mime, file.inline]
    said = _about(file)
    if isinstance(said.get("thumbnail"), File):
        small = said["thumbnail"]
        data = "" if isinstance(small.content, StoredFile) else b64encode(small.content).decode()
        said["thumbnail"] = [data, *to_json(small)]
    if isinstance(file.content, StoredFile):
        about.append([file.content.handle, file.content.size, file.content.sha256])
    elif said:
        about.append(None)
    return [*about, said] if said else about


def from_json(about: Sequence[Any], data: bytes = b"") -> File:
    """The file of :func:`to_json`. ``data``: the bytes of one that is not in the store; an earlier hub had no other."""
    name, mime, inline, *rest = about
    stored, said = (*rest, None, None)[:2]
    said = dict(said or {})
    if "waveform" in said:
        said["waveform"] = tuple(said["waveform"])
    if "thumbnail" in said:
        said["thumbnail"] = from_json(said["thumbnail"][1:], b64decode(said["thumbnail"][0]))
    return File(name, mime, StoredFile(*stored) if stored else data, inline, **said)
