"""The test driver of a product: a few requests by which the kit acts, and looks, as a user of the product would.

``docs/connect/conformance.md`` describes what a vendor implements. Bodies and answers are JSON.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from liaison.connect import Attachment
from liaison.kit.people import USERS

Json = dict[str, Any]
_TIMEOUT = 30.0  # s


class DriverError(Exception):
    """The test driver did not do what was asked; its text is for the vendor."""


class NoSuchRequest(DriverError):
    """The test driver does not have it."""


class TestDriver:
    """One product's. Ids are the product's own."""

    __test__ = False  # its name is no test's

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._token}"}
        self._session = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=_TIMEOUT))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def _call(
        self, method: str, path: str, body: Json | None = None, query: Mapping[str, str] | None = None
    ) -> Json:
        assert self._session is not None, "use `async with`"
        try:
            async with self._session.request(method, self._url + path, json=body, params=query) as answer:
                said = await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise DriverError(f"{method} {path}: {type(error).__name__}") from None
        if answer.status in (404, 405, 501):
            raise NoSuchRequest(f"{method} {path}: answered {answer.status}")
        if not 200 <= answer.status < 300 or not isinstance(said, dict):
            raise DriverError(f"{method} {path}: answered {answer.status}, 2xx with a JSON object is needed")
        return said

    async def setup(self, hub: str, token: str, secrets: Sequence[str]) -> Json:
        """Begin anew with this hub; gives ``webhook`` and ``users`` (RPPS number → the product's id)."""
        users = [{"rpps": one.rpps, "name": one.name} for one in USERS]
        body = {"hub": hub, "token": token, "secrets": list(secrets), "users": users}
        said = await self._call("POST", "/setup", body)
        if not isinstance(said.get("webhook"), str) or not isinstance(said.get("users"), dict):
            raise DriverError("POST /setup: its answer has no webhook, or no users")
        return said

    async def secrets(self, *secrets: str) -> None:
        """The webhook secrets are these from now on."""
        await self._call("POST", "/secrets", {"secrets": list(secrets)})

    async def write(self, user: str, text: str, *, files: Sequence[Attachment] = (), **more: Any) -> Json:
        """Write as a user; gives ``id`` and ``conversation``."""
        attached = [
            {"name": one.name, "type": one.type, "content": base64.b64encode(one.content).decode()} for one in files
        ]
        return await self._call("POST", "/messages", {"user": user, "text": text, "files": attached} | more)

    async def act(self, user: str, what: str, message: str, **said: Any) -> str:
        """``edits`` (text), ``removals``, ``reactions`` (key), ``votes`` (answers) of a user; gives the id of that."""
        answer = await self._call("POST", f"/messages/{quote(message, safe='')}/{what}", {"user": user} | said)
        return str(answer.get("id", ""))

    async def read(self, user: str, message: str) -> None:
        """The user opens the conversation and reads up to the message."""
        await self._call("POST", "/read", {"user": user, "message": message})

    async def typing(self, user: str, conversation: str) -> None:
        """The user types."""
        await self._call("POST", "/typing", {"user": user, "conversation": conversation})

    async def members(self, user: str, conversation: str, *add: str) -> None:
        """The user brings people (handles) into a conversation."""
        path = f"/conversations/{quote(conversation, safe='')}/members"
        await self._call("POST", path, {"user": user, "add": list(add), "remove": []})

    async def rename(self, user: str, conversation: str, text: str) -> None:
        """The user names a conversation; the name tells nothing of a patient."""
        path = f"/conversations/{quote(conversation, safe='')}/name"
        await self._call("POST", path, {"user": user, "name": {"text": text, "about_patient": False}})

    async def messages(self, user: str, conversation: str = "") -> list[Json]:
        """What the user sees, in the order in which it is shown."""
        query = {"user": user} | ({"conversation": conversation} if conversation else {})
        said = await self._call("GET", "/messages", query=query)
        return [one for one in said.get("messages", []) if isinstance(one, dict)]

    async def conversation(self, user: str, conversation: str) -> Json:
        """A conversation as the user sees it: ``members`` (names) and ``name``; empty if it is not there."""
        said = await self._call("GET", "/conversations", query={"user": user})
        found: list[Json] = said.get("conversations", [])
        return next((one for one in found if one.get("id") == conversation), {})

    async def catch_up(self) -> bool:
        """Read the event log to its end; False: the product does not read it."""
        try:
            await self._call("POST", "/catch-up", {})
        except NoSuchRequest:
            return False
        return True

    async def by_url(self, on: bool) -> bool:
        """Have files named by webhooks, or held by them; False: the product fetches none."""
        try:
            await self._call("POST", "/files-by-url", {"on": on})
        except NoSuchRequest:
            return False
        return True

    async def people(self, user: str, words: str) -> list[str]:
        """The names of those whom a user's search finds."""
        said = await self._call("GET", "/people", query={"user": user, "q": words})
        return [str(one.get("name")) for one in said.get("people", []) if isinstance(one, dict)]
