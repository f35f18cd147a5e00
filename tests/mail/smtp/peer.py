"""A peer that speaks SMTP to the hub word by word, so that a test can say what no library would."""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType

from deploy.world.waiting import PATIENCE

PLAIN_MAIL = b"From: Anna <anna@mss-a.example>\r\nTo: ben@liaison.mss.example\r\nSubject: essai\r\n\r\nBonjour.\r\n"


class Peer:
    """One connection. Every reply is a list of lines ``code text``, joined by newlines."""

    def __init__(self, port: int, path: str | None = None) -> None:
        self._port = port
        self._path = path
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Peer:
        if self._path:
            self._reader, self._writer = await asyncio.open_unix_connection(self._path)
        else:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.greeting = await self.answer()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._writer.transport.abort()

    async def answer(self) -> str:
        """The next reply; empty when the connection has ended."""
        lines: list[str] = []
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    line = await self._reader.readuntil(b"\n")
                except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
                    return "\n".join(lines)
                lines.append(line.decode("utf-8").rstrip("\r\n"))
                if line[3:4] != b"-":
                    return "\n".join(lines)

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        self._writer.write(data)

    async def say(self, line: str) -> str:
        """A command and its reply."""
        self.write(line.encode("utf-8") + b"\r\n")
        return await self.answer()

    async def tls(self, context: ssl.SSLContext) -> str:
        """EHLO, STARTTLS, EHLO; gives the second one's reply. Raises ssl.SSLError or ConnectionError."""
        await self.say("EHLO mail.mss-a.example")
        assert (await self.say("STARTTLS")).startswith("220")
        await self._writer.start_tls(context)
        return await self.say("EHLO mail.mss-a.example")

    async def envelope(self, sender: str = "anna@mss-a.example", *recipients: str) -> str:
        """MAIL and RCPT; gives the last reply."""
        reply = await self.say(f"MAIL FROM:<{sender}>")
        for recipient in recipients or ("ben@liaison.mss.example",):
            if not reply.startswith("250"):
                break
            reply = await self.say(f"RCPT TO:<{recipient}>")
        return reply

    async def data(self, raw: bytes = PLAIN_MAIL) -> str:
        """DATA and the mail, with dots stuffed; gives the last reply."""
        reply = await self.say("DATA")
        if not reply.startswith("354"):
            return reply
        self.write(raw.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return await self.answer()

    async def ended(self) -> bool:
        """Whether the hub ends the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                return not await self._reader.read(1)
            except (ConnectionError, ssl.SSLError):
                return True
