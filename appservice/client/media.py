"""The homeserver's media repository as the hub's store of files: encrypted on the way there, checked on the way back.

Nothing is whole in memory, nothing lies on the hub's disk: a piece is worked on when the one before it is out of the
way. What opens a file is its handle, the ``file`` object of a message; it is never logged.
"""

from __future__ import annotations

import hashlib
import logging
import time
from asyncio import Semaphore
from contextlib import aclosing
from typing import Any

import orjson

from appservice.client.attachments import Attachment, Decryption, Encryption, from_handle, to_handle
from appservice.client.homeserver import Homeserver, MatrixRefused, SizedBody, part
from bridge.errors import Refused, Unavailable
from bridge.files import PIECE, Arriving, Files, Pieces, pieces_of
from bridge.model import File, StoredFile
from bridge.parts.failpoint import failpoint
from bridge.parts.lru import Lru

Json = dict[str, Any]
log = logging.getLogger(__name__)
_OUT, _IN, _ROOMS = 32, 32, 8  # transfers at once: into the store, out of it, and of what rooms wait for
TRANSFERS = _OUT + _IN + _ROOMS
_KEPT = 1_000  # uploads whose message has not left yet; their descriptions, not their bytes
_SLOWEST = 100_000  # bytes/s that a transfer is given time for


class Media:
    """The store of files: :class:`bridge.files.FileStore`. Refuses more than ``most`` bytes.

    A server that answers but cannot give a file (it belongs to a third server that is away) is waited for ``patience``
    seconds, so that a room does not stand still for ever.
    """

    def __init__(self, homeserver: Homeserver, most: int, patience: float) -> None:
        self.most = most
        self._homeserver = homeserver
        self._patience = patience
        self._out, self._in, self._rooms = Semaphore(_OUT), Semaphore(_IN), Semaphore(_ROOMS)
        self._uploaded: Lru[str, Json] = Lru(_KEPT)
        self._since: Lru[str, float] = Lru(_KEPT)

    async def learn(self) -> None:
        """Ask for the largest file that the homeserver takes: ``most`` is no larger. Raises Unavailable."""
        try:
            said = await self._homeserver.call("GET", "/_matrix/client/v1/media/config")
        except MatrixRefused as refusal:
            log.info("the homeserver does not say which files it takes: %s", refusal)
            return
        size = said.get("m.upload.size")
        if isinstance(size, int) and 0 < size < self.most:
            log.warning("the homeserver takes files of %d bytes (max_upload_size), matrix.max_files is more", size)
            self.most = size

    async def put(self, pieces: Pieces, size: int) -> StoredFile:
        """See :class:`bridge.files.FileStore`; uploaded as the appservice itself, which nobody is."""
        return await self._put(pieces, size, None)

    async def _put(self, pieces: Pieces, size: int, user: str | None) -> StoredFile:
        encryption, digest = Encryption(), hashlib.sha256()

        async def sealed() -> Pieces:
            async for piece in pieces:
                digest.update(piece)
                yield encryption.update(piece)

        async with self._out, aclosing(sealed()) as body:
            failpoint("matrix.before-upload")
            try:
                url = await self._homeserver.upload(SizedBody(body, size), user=user, timeout=_time(size))
            except MatrixRefused as refusal:
                if refusal.status == 413 or refusal.errcode == "M_TOO_LARGE":
                    raise Refused("files_too_large", about=f"{size} bytes") from refusal
                raise
            failpoint("matrix.uploaded")
        return StoredFile(orjson.dumps(encryption.opened(url)).decode(), size, digest.hexdigest())

    async def open(self, stored: StoredFile, start: int = 0, end: int | None = None) -> Pieces:
        """See :class:`bridge.files.FileStore`."""
        last = None if end is None or end >= stored.size else end
        async with self._in, aclosing(self._read(from_handle(stored.handle), None, start, last)) as pieces:
            async for piece in pieces:
                yield piece

    async def upload(self, key: str, ghost: str, file: File) -> Json:
        """The ``file`` object of a message for a file: of what lies in the store that is its handle.

        Other files are uploaded now. ``key`` names the letter: a second try finds the first upload. Raises Refused
        (files_too_large), Unavailable. After a crash an upload is repeated; the first one is then never mentioned.
        """
        if isinstance(file.content, StoredFile):
            return dict(orjson.loads(file.content.handle))
        if (known := self._uploaded.get(key)) is not None:
            return known
        stored = await self._put(pieces_of(file.content), file.size, ghost)
        return self._uploaded.put(key, dict(orjson.loads(stored.handle)))

    def left(self, key: str) -> None:
        """The message of this upload is on its way."""
        self._uploaded.drop(key)

    async def arrived(self, attachment: Attachment, ghost: str, files: Files) -> File:
        """The file of somebody's message: read once to its end as a ghost that is in the room, and checked.

        Its writer is told in the room what is wrong with it, before anybody gets the message. Raises Refused
        (files_too_large, file_damaged, file_not_fetched, or a filter's), Unavailable.
        """
        if attachment.size is not None and attachment.size > self.most:
            raise Refused("files_too_large", about=f"{self.most} bytes")
        async with self._rooms, aclosing(self._read(attachment, ghost)) as pieces:
            arriving = Arriving(attachment.name, attachment.mime, attachment.size or 0, found=dict(attachment.said))
            file = await files.adopt(arriving, pieces, to_handle(attachment))
        failpoint("matrix.downloaded")
        return file

    async def _read(self, attachment: Attachment, user: str | None, start: int = 0, end: int | None = None) -> Pieces:
        """Decrypted. ``end``: not further than there; None: all that comes, at most ``most`` bytes."""
        decryption, at, held = Decryption(attachment, start), start, b""
        async with aclosing(self._sealed(attachment, user, start)) as pieces:
            async for sealed in pieces:
                wanted = sealed if end is None else sealed[: end - at]
                at += len(wanted)
                if end is None and at > self.most:
                    raise Refused("files_too_large", about=f"{self.most} bytes")
                if held:
                    yield held
                held = decryption.update(wanted)
                if at == end:
                    break
        if not start and end is None:
            decryption.check()
        elif end is not None and at < end:
            raise Refused("file_damaged")
        if held:
            yield held

    async def _sealed(self, attachment: Attachment, user: str | None, start: int) -> Pieces:
        """The ciphertext from the byte ``start`` on. A homeserver that knows no ranges gives what is before it, too."""
        path = f"/_matrix/client/v1/media/download/{part(attachment.server)}/{part(attachment.media)}"
        try:
            async with self._homeserver.download(path, user=user, start=start) as response:
                skip = 0 if response.status == 206 else start
                async for sealed in response.content.iter_chunked(PIECE):
                    if skip < len(sealed):
                        yield sealed[skip:]
                    skip = max(0, skip - len(sealed))
        except MatrixRefused as refusal:
            log.info("a file of %s is not given: %s", attachment.server, refusal)
            raise Refused("file_not_fetched") from refusal
        except Unavailable as reason:
            if reason.code == "media_away" and self._too_long(path):
                raise Refused("file_not_fetched") from reason
            raise
        self._since.drop(path)

    def _too_long(self, path: str) -> bool:
        """Whether this file could not be given for longer than we wait."""
        now = time.monotonic()
        since = self._since.get(path) or self._since.put(path, now)
        if now - since < self._patience:
            return False
        self._since.drop(path)
        return True


def _time(size: int) -> float:
    """Seconds in which so many bytes must have passed."""
    return 30.0 + size / _SLOWEST
