"""The least that a vendor's product can be: posts messages, takes webhooks, notes the time of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from bridge.networks.connect.signing import new_secret, new_token

Json = dict[str, Any]


class Product:
    """One product, in this process. It trusts every webhook: what is measured is the hub."""

    def __init__(self) -> None:
        self.token = new_token()
        self.secret = new_secret()
        self.url = ""
        self.hub = ""
        self.arrived: dict[str, float] = {}  # text: when (s)
        self.chats: dict[str, str] = {}  # text: conversation
        self.ids: dict[str, str] = {}  # text: our id of the message, which is the hub's of the webhook
        self.files: dict[str, list[Json]] = {}  # text: what was told of its files
        self.told: dict[str, str] = {}  # id of ours: its state
        self.written = 0  # things posted, which have the ids b0, b1 …
        self._change = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None

    async def write(self, user: str, chat: str, text: str, to: str | None = None, files: Sequence[Json] = ()) -> str:
        """Post one message; gives its id once the hub has it."""
        ident = self._next()
        body: Json = {"id": ident, "conversation": chat, "sender": user, "text": text}
        body["sent_at"] = datetime.now(UTC).isoformat()
        if to is not None:
            body["to"] = [to]
        if files:
            body["files"] = list(files)
        await self.call("POST", "/messages", body)
        return ident

    def _next(self) -> str:
        self.written += 1
        return f"b{self.written - 1}"

    async def edit(self, user: str, chat: str, message: str, text: str) -> None:
        """A message reads otherwise."""
        await self._about(user, chat, message, "edits", {"text": text})

    async def remove(self, user: str, chat: str, message: str) -> None:
        """A message is taken back."""
        await self._about(user, chat, message, "removals", {})

    async def react(self, user: str, chat: str, message: str, key: str) -> None:
        """Somebody reacts to a message."""
        await self._about(user, chat, message, "reactions", {"key": key})

    async def _about(self, user: str, chat: str, message: str, what: str, said: Json) -> None:
        body: Json = {"id": self._next(), "conversation": chat, "sender": user}
        body |= {"sent_at": datetime.now(UTC).isoformat()} | said
        await self.call("POST", f"/messages/{message}/{what}", body)

    async def read(self, user: str, text: str) -> None:
        """Say that a user has read everything up to the message with this text, which has arrived."""
        at = datetime.now(UTC).isoformat()
        await self.call("POST", "/receipts", {"user": user, "message": self.ids[text], "state": "read", "at": at})

    async def declare(self, user: str, rpps: str) -> None:
        """Vouch for a user."""
        await self.call("PUT", f"/users/{user}", {"rpps": rpps})

    async def call(self, method: str, path: str, body: Json) -> None:
        """Call the hub's API. Raises RuntimeError when it refuses, what aiohttp raises."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        assert self._session is not None
        async with self._session.request(method, self.hub + path, data=orjson.dumps(body), headers=headers) as answer:
            if answer.status >= 300:
                raise RuntimeError(f"the hub answered {answer.status}: {await answer.text()}")

    async def until(self, true: Any, seconds: float = 120.0) -> None:
        """Wait for something that webhooks bring."""
        async with asyncio.timeout(seconds):
            while not true():
                self._change.clear()
                await self._change.wait()

    async def delivered(self, idents: list[str], seconds: float = 120.0) -> None:
        """Wait until the hub has said that all of these have arrived."""
        left = set(idents)

        def done() -> bool:
            left.difference_update([i for i in left if self.told.get(i) in ("delivered", "read")])
            refused = [i for i in left if self.told.get(i) == "refused"]
            if refused:
                raise RuntimeError(f"{len(refused)} messages were refused")
            return not left

        await self.until(done, seconds)

    async def _webhook(self, request: web.Request) -> web.Response:
        event = orjson.loads(await request.read())
        data = event["data"]
        if event["type"] == "message.created":
            self.ids[data["text"]] = request.headers["webhook-id"]
            self.arrived[data["text"]] = time.perf_counter()
            self.chats[data["text"]] = data["conversation"]
            self.files[data["text"]] = data["files"]
        elif event["type"] == "message.state":
            self.told.update((one["id"], one["state"]) for one in data["messages"])
        self._change.set()
        return web.Response(body=b"{}", content_type="application/json")


@asynccontextmanager
async def product() -> AsyncIterator[Product]:
    """A product that listens."""
    made = Product()
    app = web.Application()
    app.router.add_post("/webhook", made._webhook)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhook"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as made._session:
        yield made
    await runner.cleanup()
