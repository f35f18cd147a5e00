"""A virus scanner: clamd, which is asked by its INSTREAM command while a file passes (clamd(8)).

``zINSTREAM\\0``, then pieces, each behind its length in four bytes, then the length 0; one answer, which ends with a
zero byte. It is neither encrypted nor does it know who asks: a Unix socket, or a network of one's own.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from typing import Any

from bridge.errors import Refused, Unavailable

_COMMAND, _END = b"zINSTREAM\0", bytes(4)
_ANSWER = re.compile(r"(?:stream: )?(.*?) (FOUND|ERROR)", re.DOTALL)
_LIMITS = "Heuristics.Limits.Exceeded"  # not looked through, with AlertExceedsMax
_ENCRYPTED = "Heuristics.Encrypted"  # nothing could be looked at, with AlertEncrypted
_LONGEST_ANSWER = 4096
_LONGEST_NAME = 80
log = logging.getLogger(__name__)


class Clamd:
    """Where clamd listens: ``host:port``, or the path of a Unix socket. ``timeout``: seconds for each answer."""

    def __init__(self, address: str, timeout: float) -> None:
        self._address = address
        self._timeout = timeout

    async def begin(self) -> Scan:
        """A file begins. Raises Unavailable (scan_away)."""
        try:
            async with asyncio.timeout(self._timeout):
                scan = Scan(await _connected(self._address), self._timeout)
        except (OSError, TimeoutError) as away:
            log.warning("clamd is away: %s", type(away).__name__)
            raise _away() from away
        await scan.said(_COMMAND)
        return scan


async def _connected(address: str) -> socket.socket:
    """Raises OSError."""
    loop, family = asyncio.get_running_loop(), socket.AF_UNIX
    where: Any = address  # a path, or whatever its family has
    if not address.startswith("/"):
        host, _, port = address.rpartition(":")
        family, _, _, _, where = (await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM))[0]
    to = socket.socket(family, socket.SOCK_STREAM)
    try:
        to.setblocking(False)
        await loop.sock_connect(to, where)
    except BaseException:
        to.close()
        raise
    return to


class Scan:
    """One file under clamd's eyes. :meth:`close` ends it in any case.

    A bare socket: whatever clamd said before it hung up (that a file is too long) can be read of it.
    """

    def __init__(self, to: socket.socket, timeout: float) -> None:
        self._socket = to
        self._timeout = timeout
        self._full = False  # clamd takes no more of it, and says so in its answer

    async def piece(self, data: bytes) -> None:
        """The next bytes of the file. Raises Unavailable (scan_away)."""
        if data:
            await self.said(len(data).to_bytes(4) + data)

    async def said(self, data: bytes) -> None:
        """Send something. Raises Unavailable (scan_away)."""
        if self._full:
            return
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.get_running_loop().sock_sendall(self._socket, data)
        except ConnectionError:
            self._full = True
        except (OSError, TimeoutError) as away:
            raise _away() from away

    async def verdict(self, name: str) -> None:
        """The file is complete: returns if nothing was found.

        Raises Refused (``infected``, and ``not_scanned`` for what clamd does not look through, both about the file's
        ``name``), Unavailable (scan_away).
        """
        answer = await self._answer()
        if answer == "stream: OK":
            return
        found = _ANSWER.fullmatch(answer)
        if found is None:
            raise _away()
        if found[2] == "FOUND" and not found[1].startswith((_LIMITS, _ENCRYPTED)):
            raise Refused("infected", "files", about=f"{name} ({found[1][:_LONGEST_NAME]})")
        if found[2] == "FOUND" or "size limit" in found[1]:
            raise Refused("not_scanned", "files", about=name)
        log.warning("clamd cannot scan")
        raise _away()

    async def _answer(self) -> str:
        await self.said(_END)
        loop, raw = asyncio.get_running_loop(), b""
        try:
            async with asyncio.timeout(self._timeout):
                while not raw.endswith(b"\0") and len(raw) < _LONGEST_ANSWER:
                    read = await loop.sock_recv(self._socket, _LONGEST_ANSWER)
                    if not read:
                        break
                    raw += read
        except (OSError, TimeoutError) as away:
            raise _away() from away
        return raw.removesuffix(b"\0").decode("utf-8", "replace").strip() if raw.endswith(b"\0") else ""

    def close(self) -> None:
        """Let the connection go."""
        self._socket.close()


def _away() -> Unavailable:
    return Unavailable("scan_away", 5.0, alone=True)
