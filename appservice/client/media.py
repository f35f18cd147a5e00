"""The files of messages to and from the homeserver: encrypted and uploaded, downloaded and opened; never logged.

Keys and bytes pass through memory only; the work on the bytes is done in a thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from appservice.client.attachments import Attachment, decrypt, encrypt
from appservice.client.homeserver import Homeserver, MatrixRefused, part
from bridge.errors import Refused, Unavailable
from bridge.model import File
from bridge.parts.failpoint import failpoint
from bridge.parts.lru import Lru

Json = dict[str, Any]
log = logging.getLogger(__name__)
_OUT, _IN = 4, 8  # files in memory at once on their way out and in: a slow server holds up nobody's answers
_KEPT = 1_000  # uploads whose message has not left yet; their descriptions, not their bytes
_SLOWEST = 100_000  # bytes/s that a transfer is given time for


class Media:
    """Files to and from the homeserver, as one of our ghosts. Refuses more than ``most`` bytes.

    A server that answers but cannot give a file (it belongs to a third server that is away) is waited for ``patience``
    seconds, so that a room does not stand still for ever.
    """

    def __init__(self, homeserver: Homeserver, most: int, patience: float) -> None:
        self._homeserver = homeserver
        self._most = most
        self._patience = patience
        self._out, self._in = asyncio.Semaphore(_OUT), asyncio.Semaphore(_IN)
        self._uploaded: Lru[str, Json] = Lru(_KEPT)
        self._since: Lru[str, float] = Lru(_KEPT)

    async def upload(self, key: str, ghost: str, file: File) -> Json:
        """Encrypt and upload; gives the ``file`` object. ``key`` names the letter: a second try finds the first upload.

        Raises Refused (files_too_large), Unavailable. After a crash an upload is repeated; the first one is then never
        mentioned anywhere.
        """
        if (known := self._uploaded.get(key)) is not None:
            return known
        async with self._out:
            ciphertext, opened = await asyncio.to_thread(encrypt, file.data)
            failpoint("matrix.before-upload")
            try:
                url = await self._homeserver.upload(ciphertext, user=ghost, timeout=_time(file.size))
            except MatrixRefused as refusal:
                if refusal.status == 413 or refusal.errcode == "M_TOO_LARGE":
                    raise Refused("files_too_large", about=f"{file.size} bytes") from refusal
                raise
            failpoint("matrix.uploaded")
        return self._uploaded.put(key, opened | {"url": url})

    def left(self, key: str) -> None:
        """The message of this upload is on its way."""
        self._uploaded.drop(key)

    async def download(self, attachment: Attachment, ghost: str) -> File:
        """Fetch, check and open a file as a ghost that is in the room.

        Raises Refused (files_too_large, file_damaged, file_not_fetched), Unavailable.
        """
        if attachment.size is not None and attachment.size > self._most:
            raise Refused("files_too_large", about=f"{self._most} bytes")
        async with self._in:
            ciphertext = await self._fetch(attachment, ghost)
            data = await asyncio.to_thread(decrypt, ciphertext, attachment)
        failpoint("matrix.downloaded")
        return File(attachment.name, attachment.mime, data)

    async def _fetch(self, attachment: Attachment, ghost: str) -> bytes:
        path = f"/_matrix/client/v1/media/download/{part(attachment.server)}/{part(attachment.media)}"
        try:
            raw = await self._homeserver.download(path, user=ghost, most=self._most, timeout=_time(self._most))
        except MatrixRefused as refusal:
            log.info("a file of %s is not given: %s", attachment.server, refusal)
            raise Refused("file_not_fetched") from refusal
        except Unavailable as reason:
            if reason.code == "media_away" and self._too_long(path):
                raise Refused("file_not_fetched") from reason
            raise
        self._since.drop(path)
        return raw

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
