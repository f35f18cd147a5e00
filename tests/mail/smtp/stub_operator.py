"""A stub of another operator that answers SMTP as a test tells it to, for replies that no real server would give."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from deploy.world.waiting import PATIENCE

EHLO = ["stub", "PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"]
HANG_UP = ""
SILENCE = "…"


@dataclass(slots=True)
class Stub:
    """``replies``: the first key with which a command begins decides; HANG_UP closes, SILENCE never answers.

    ``once`` replies to one command (a verb) and is gone then; ``said`` holds every command, ``mails`` every mail that
    came to its end.
    """

    context: ssl.SSLContext | None = None
    greeting: str = "220 stub ESMTP"
    extensions: list[str] = field(default_factory=lambda: list(EHLO))
    replies: dict[str, str] = field(default_factory=dict)
    once: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    most: int = 0
    port: int = 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Stub]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            async with asyncio.timeout(PATIENCE):
                while self.open:  # noqa: ASYNC110 - until the hub has hung up
                    await asyncio.sleep(0.005)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the hub has gone
        finally:
            self.open -= 1
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = False
        writer.write(self.greeting.encode() + b"\r\n")
        while line := (await reader.readuntil(b"\r\n")).decode().strip():
            self.said.append(line)
            verb = line.split()[0].upper()
            reply = self._reply(line, verb, secure)
            if reply == HANG_UP:
                return
            if reply == SILENCE:
                await reader.read()
                return
            writer.write(reply.encode() + b"\r\n")
            await writer.drain()
            if verb == "STARTTLS" and reply.startswith("220") and self.context:
                await writer.start_tls(self.context)
                secure = True
            if verb == "DATA" and reply.startswith("354"):
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                end = self.once.pop(".", self.replies.get(".", "250 2.0.0 Ok: queued as ABC"))
                if end == HANG_UP:
                    return
                writer.write(end.encode() + b"\r\n")

    def _reply(self, line: str, verb: str, secure: bool) -> str:
        if verb in self.once:
            return self.once.pop(verb)
        for begin, reply in self.replies.items():
            if line.upper().startswith(begin.upper()):
                return reply
        if verb == "EHLO":
            words = self.extensions if secure or not self.context else [*self.extensions, "STARTTLS"]
            return "\r\n".join(f"250{' ' if word is words[-1] else '-'}{word}" for word in words)
        return {"STARTTLS": "220 go", "DATA": "354 go", "QUIT": "221 bye"}.get(verb, "250 2.1.0 Ok")
