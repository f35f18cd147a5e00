"""What is done for every file that comes in: its name and type as they are, its measures, a small copy, no position.

A picture or a sound of moderate size is gathered and looked at in a thread, one at a time, before its first byte goes
on; whatever is larger passes piece by piece, and so does everything else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from bridge.content import pictures, positions, sounds
from bridge.content.memory import Lease, Memory
from bridge.content.names import clean_name
from bridge.content.parsing import Parsing
from bridge.content.positions.boxes import Film
from bridge.content.sniffing import ENOUGH, true_name, true_type
from bridge.errors import Refused, Unavailable
from bridge.files import PIECE, Arriving, FileStore, Json, Pieces, pieces_of
from bridge.model import File

_TOGETHER = 48 * 1024 * 1024  # bytes of pictures and sounds that are gathered at once, of all people together
_PATIENCE = 10.0  # s that one of them waits for room; it then goes without a small copy
_SMALL_NAME = {"image/jpeg": "thumbnail.jpg", "image/png": "thumbnail.png"}
_THEIRS = ("blurhash", "waveform")  # those of its sender are better: made of the original, before it was compressed
log = logging.getLogger(__name__)


class Care:
    """A filter (:class:`bridge.files.Filter`). ``positions``: whether they are taken out.

    ``store``: where small copies are kept; without one (in a hub without Matrix) they stay with the message.
    """

    def __init__(self, store: FileStore | None = None, *, take_out: bool = True) -> None:
        self._store = store
        self._take_out = take_out
        self._memory = Memory(_TOGETHER, _PATIENCE)
        self._turn = asyncio.Semaphore(1)

    async def through(self, file: Arriving, pieces: Pieces) -> tuple[Arriving, Pieces]:
        """See :class:`bridge.files.Filter`."""
        head, pieces = await _begun(pieces)
        mime = true_type(file.mime, head)
        file = replace(file, mime=mime, name=true_name(clean_name(file.name), mime))
        most = _gathered(mime, file.size)
        lease = await self._memory.take(most) if most else None
        if lease is not None:
            data, rest = await _gather(pieces, most)
            if rest is None:
                return await self._whole(file, data, lease)
            pieces = rest
        film = Film()
        parser = positions.reader(mime, film)
        if parser is None:
            return file, pieces
        take_out = self._take_out and file.size > 0  # a store has to know how much it is to keep anew
        file = replace(file, changed=file.changed or take_out)
        return file, _parsed(Parsing(parser), pieces, _noting(file.found, film), take_out)

    async def _whole(self, file: Arriving, data: bytes, lease: Lease) -> tuple[Arriving, Pieces]:
        async with self._turn:
            seen = await asyncio.to_thread(_look, data, file.mime, self._take_out)
        await self._note(file.found, seen)
        changed = file.changed or seen.data != data
        return replace(file, changed=changed, size=len(data)), _then(seen.data, lease)

    async def _note(self, found: Json, seen: _Seen) -> None:
        found |= {name: value for name, value in seen.found.items() if name not in _THEIRS or not found.get(name)}
        if seen.small is None or "thumbnail" in found:
            return
        small = seen.small
        if self._store is not None:
            try:
                stored = await self._store.put(pieces_of(seen.small_data), len(seen.small_data))
            except (Refused, Unavailable) as away:
                log.info("a small copy of a picture is not kept: %s", away)
                return
            small = replace(small, content=stored)
        found["thumbnail"] = small


@dataclass(frozen=True, slots=True)
class _Seen:
    data: bytes
    found: Json
    small: File | None = None
    small_data: bytes = b""


def _gathered(mime: str, size: int) -> int:
    """The bytes that a file of this type takes in memory as a whole; 0: it is not looked at, or too large."""
    most = pictures.MOST_BYTES if pictures.readable(mime) else sounds.MOST_BYTES if sounds.readable(mime) else 0
    return 0 if size > most else size or most  # nobody has said how large it is


def _look(data: bytes, mime: str, take_out: bool) -> _Seen:
    """In a thread."""
    if not pictures.readable(mime):
        return _Seen(data, _heard(data, mime))
    picture = pictures.look(data, mime)
    found: Json = {}
    small, small_data = None, b""
    if picture is not None:
        found = {"width": picture.width, "height": picture.height}
        if picture.blurhash is not None:
            found["blurhash"] = picture.blurhash
        if picture.small is not None:
            small_data = picture.small
            small = File(
                _SMALL_NAME[picture.small_mime], picture.small_mime, small_data,
                width=picture.small_width, height=picture.small_height,
            )  # fmt: skip
    parser = positions.reader(mime, Film()) if take_out else None
    return _Seen(data if parser is None else _whole_parsed(Parsing(parser), data), found, small, small_data)


def _heard(data: bytes, mime: str) -> Json:
    found: Json = {}
    if (long := sounds.duration_ms(data, mime)) is not None:
        found["duration_ms"] = long
    if wave := sounds.waveform(data, mime):
        found["waveform"] = wave
    return found


def _whole_parsed(parsing: Parsing, data: bytes) -> bytes:
    out = [parsing.feed(data[at : at + PIECE]) for at in range(0, len(data), PIECE)]
    return b"".join((*out, parsing.end()))


async def _begun(pieces: Pieces) -> tuple[bytes, Pieces]:
    """The begin of a file, and all of it."""
    first = bytearray()
    async for piece in pieces:
        first += piece
        if len(first) >= ENOUGH:
            break
    begin = bytes(first)
    return begin[:ENOUGH], _after(begin, pieces)


async def _after(begin: bytes, pieces: Pieces) -> Pieces:
    async with aclosing(pieces):
        if begin:
            yield begin
        async for piece in pieces:
            yield piece


async def _gather(pieces: Pieces, most: int) -> tuple[bytes, Pieces | None]:
    """A whole file; or what there is of one that is larger than it should be, and all of it."""
    data = bytearray()
    async for piece in pieces:
        data += piece
        if len(data) > most:
            return b"", _after(bytes(data), pieces)
    return bytes(data), None


async def _then(data: bytes, lease: Lease) -> Pieces:
    for at in range(0, len(data), PIECE):
        yield data[at : at + PIECE]
    del lease


async def _parsed(parsing: Parsing, pieces: Pieces, end: Callable[[], None], take_out: bool) -> Pieces:
    async with aclosing(pieces):
        async for piece in pieces:
            clean = parsing.feed(piece)
            if not take_out:
                yield piece
            elif clean:
                yield clean
    rest = parsing.end()
    end()
    if take_out and rest:
        yield rest


def _noting(found: Json, film: Film) -> Callable[[], None]:
    def note() -> None:
        said = {"width": film.width, "height": film.height, "duration_ms": film.duration_ms}
        found.update({name: value for name, value in said.items() if value is not None})

    return note
