"""From where the federation's list comes: a file that an operator puts there, or an address."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp

from bridge.people.federation.participants import UnusableList
from bridge.people.federation.signed import MOST_BYTES

_PIECE = 64 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=120, connect=20)


async def from_file(path: Path) -> bytes:
    """Raises OSError, UnusableList."""

    def read() -> bytes:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)

    return await asyncio.to_thread(read)


class ListAddress:
    """``fetch`` asks for the list unless it is as before (RFC 9110, ``If-None-Match``)."""

    def __init__(self, url: str, ca: Path | None = None) -> None:
        self._url = url
        self._tls = ssl.create_default_context(cafile=ca) if ca is not None else True
        self._etag = ""

    async def fetch(self) -> bytes | None:
        """Raises OSError (aiohttp's errors are named, their texts are not repeated), UnusableList."""
        headers = {"If-None-Match": self._etag} if self._etag else {}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session,
                session.get(self._url, headers=headers, ssl=self._tls, allow_redirects=False) as answer,
            ):
                if answer.status in (204, 304):
                    return None
                if answer.status != 200:
                    raise UnusableList(f"the address answers {answer.status}")
                data = bytearray()
                async for piece in answer.content.iter_chunked(_PIECE):
                    data += piece
                    if len(data) > MOST_BYTES:
                        raise UnusableList(f"the list is larger than {MOST_BYTES} bytes")
                self._etag = answer.headers.get("ETag", "")
                return bytes(data)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OSError(f"the address cannot be read ({type(error).__name__})") from error
