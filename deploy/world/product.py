"""Drives one product simulator by its own HTTP API, as the people who use that product."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from typing import Any, Self

import aiohttp

from deploy.world.waiting import PATIENCE, wait_for

Json = dict[str, Any]
Attached = tuple[str, str, bytes]
"""A file to write: its name, its type (``application/pdf``), its bytes."""


class ProductError(Exception):
    """The simulator answered with an error."""


class ProductClient:
    """One simulated product. Its users write, read and see; ids are the product's own."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE), trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Any request. Raises ProductError, aiohttp.ClientError."""
        assert self._session is not None, "use `async with`"
        data = None if body is None else io.BytesIO(json.dumps(body).encode())
        headers = {} if body is None else {"Content-Type": "application/json"}
        async with self._session.request(method, self.url + path, data=data, headers=headers) as answer:
            said: Json = await answer.json()
            if answer.status >= 500:
                raise ProductError(f"{self.name}: {answer.status} {said}")
            return {**said, "status": answer.status}

    async def answers(self) -> bool:
        """Whether the simulator is up."""
        try:
            return bool((await self.call("GET", "/"))["status"] == 200)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def add_user(self, user: str, rpps: str) -> None:
        """Make a user and declare it to the hub. Raises ProductError when the hub refuses."""
        answer = await self.call("POST", "/users", {"id": user, "rpps": rpps})
        if answer["status"] != 200:
            raise ProductError(f"{self.name}: {user} was not declared: {answer}")

    async def confirm(self, user: str, product: str, decision: str) -> Json:
        """A user accepts or refuses an account that another product has for them; gives the hub's answer."""
        return await self.call("POST", f"/users/{user}/confirm", {"product": product, "decision": decision})

    async def users(self) -> list[Json]:
        """All users."""
        return list((await self.call("GET", "/users"))["users"])

    async def write(self, user: str, text: str = "", *, files: Sequence[Attached] = (), **more: Any) -> Json:
        """Write as a user: `to`, `conversation`, `reply_to`; gives `id` and `conversation` at once."""
        if files:
            more["files"] = [
                {"name": name, "type": kind, "content": base64.b64encode(content).decode()}
                for name, kind, content in files
            ]
        answer = await self.call("POST", f"/users/{user}/messages", {"text": text, **more})
        if answer["status"] != 202:
            raise ProductError(f"{self.name}: {answer}")
        return answer

    async def read(self, user: str, message: str) -> None:
        """The user has read up to a message."""
        await self.call("POST", f"/users/{user}/read", {"message": message})

    async def add(self, conversation: str, by: str, handles: Sequence[str]) -> None:
        """Add people to a conversation. Raises ProductError when the hub refuses."""
        path = f"/conversations/{conversation}/members?wait=20"
        answer = await self.call("POST", path, {"by": by, "add": list(handles)})
        if answer["status"] != 202:
            raise ProductError(f"{self.name}: {answer}")

    async def message(self, ident: str) -> Json:
        """One message."""
        return await self.call("GET", f"/messages/{ident}")

    async def download(self, file: str) -> bytes:
        """The bytes of a file of a message, by its id in `files`. Raises ProductError."""
        assert self._session is not None, "use `async with`"
        async with self._session.get(f"{self.url}/files/{file}") as answer:
            if answer.status != 200:
                raise ProductError(f"{self.name}: {answer.status} for the file {file}")
            return await answer.read()

    async def arrived(self, user: str, conversation: str | None = None) -> list[Json]:
        """What a user was sent, in order."""
        found = (await self.call("GET", f"/users/{user}/messages"))["arrived"]
        return [one for one in found if conversation in (None, one["conversation"])]

    async def members(self, conversation: str) -> set[str]:
        """The names of a conversation's members, as the hub told."""
        known = (await self.call("GET", "/conversations"))["conversations"]
        return {m["name"] for one in known if one["id"] == conversation for m in one["members"]}

    async def wait_text(self, user: str, text: str, patience: float = PATIENCE) -> Json:
        """Wait for a message to a user that says exactly this."""

        async def look() -> Json | None:
            return next((one for one in await self.arrived(user) if one["text"] == text), None)

        return await wait_for(look, f"{user} in {self.name} to see a message", patience)

    async def wait_state(self, ident: str, *states: str, patience: float = PATIENCE) -> Json:
        """Wait until a message that was sent is in one of these states."""

        async def look() -> Json | None:
            found = await self.message(ident)
            return found if found["state"] in states else None

        return await wait_for(look, f"{self.name} to hear {' or '.join(states)}", patience)
