"""The simulated product's test driver, as docs/connect/conformance.md asks of every product: ``/liaison-test``."""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from deploy.world.simulator.changes import HANDLED
from deploy.world.simulator.product import Simulator
from deploy.world.simulator.state import Json

PREFIX = "/liaison-test"
_ANSWER = 10.0  # s
_ABLE = ("edit", "removal", "reaction", "handled", "poll")
_SHOWS = {"locations": True, "mentions": True}
Act = Callable[[web.Request, Json], Awaitable[Json]]


class Driver:
    """Acts, and looks, as users of the product do. It belongs on machines of tests only."""

    def __init__(self, simulator: Simulator, token: str) -> None:
        self._sim = simulator
        self._token = token

    def routes(self) -> list[web.RouteDef]:
        """What the kit calls."""
        table: dict[tuple[str, str], Act] = {
            ("POST", "/setup"): self._setup,
            ("POST", "/secrets"): self._secrets,
            ("POST", "/messages"): self._write,
            ("POST", "/messages/{id}/{act:edits|removals|reactions|handled|votes|end}"): self._act,
            ("POST", "/read"): self._read,
            ("POST", "/catch-up"): self._catch_up,
            ("POST", "/files-by-url"): self._by_url,
            ("POST", "/typing"): self._typing,
            ("POST", "/conversations/{id}/members"): self._members,
            ("POST", "/conversations/{id}/name"): self._name,
            ("GET", "/messages"): self._messages,
            ("GET", "/conversations"): self._conversations,
            ("GET", "/people"): self._people,
        }
        return [web.route(method, PREFIX + path, self._checked(act)) for (method, path), act in table.items()]

    def _checked(self, act: Act) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                raise web.HTTPUnauthorized(text="the test driver's token is wrong")
            try:
                body = await request.json() if request.method == "POST" else {}
                return web.json_response(await act(request, body))
            except (KeyError, ValueError, TypeError) as error:
                raise web.HTTPUnprocessableEntity(text=f"{type(error).__name__}: {error}") from None

        return handle

    async def _setup(self, request: web.Request, body: Json) -> Json:
        await self._sim.begin_anew(body["hub"], body["token"], body["secrets"])
        users = {one["rpps"]: _ident(one["name"]) for one in body["users"]}
        self._sim.able(*_ABLE, **_SHOWS)
        for rpps, ident in users.items():
            self._sim.add_user(ident, rpps)
        webhook = str(request.url.with_path("/webhook").with_query(None))
        return {"webhook": webhook, "users": users, "product": f"{self._sim.name} (simulator)"}

    async def _secrets(self, request: web.Request, body: Json) -> Json:
        self._sim.set_secrets(*body["secrets"])
        return {}

    async def _write(self, request: web.Request, body: Json) -> Json:
        ident, conversation, _ = self._sim.write(body["user"], body)
        return {"id": ident, "conversation": conversation}

    async def _act(self, request: web.Request, body: Json) -> Json:
        found = request.match_info
        ident, _ = self._sim.act(body["user"], found["act"], found["id"], body)
        return {"id": ident}

    async def _read(self, request: web.Request, body: Json) -> Json:
        self._sim.read(body["user"], body["message"])
        return {}

    async def _catch_up(self, request: web.Request, body: Json) -> Json:
        await self._sim.catch_up()
        return {}

    async def _by_url(self, request: web.Request, body: Json) -> Json:
        self._sim.fetches = bool(body["on"])
        post = await self._sim.outbox.wait(self._sim.able(*_ABLE, **_SHOWS, files_by_url=body["on"]), _ANSWER)
        return {"status": post["status"]}

    async def _typing(self, request: web.Request, body: Json) -> Json:
        await self._sim.type(body["user"], body["conversation"], True)
        return {}

    async def _members(self, request: web.Request, body: Json) -> Json:
        self._sim.change_members(request.match_info["id"], body | {"by": body["user"]})
        return {}

    async def _name(self, request: web.Request, body: Json) -> Json:
        self._sim.rename(request.match_info["id"], body | {"by": body["user"]})
        return {}

    async def _messages(self, request: web.Request, _: Json) -> Json:
        wanted = request.query.get("conversation")
        found = self._sim.shown(request.query["user"])
        return {"messages": [_seen(one) for one in found if wanted in (None, one["conversation"])]}

    async def _conversations(self, request: web.Request, _: Json) -> Json:
        found = self._sim.state.conversations()
        return {
            "conversations": [
                {"id": one["id"], "members": [m["name"] for m in one.get("members", [])],
                 "name": (one.get("name") or {}).get("text")}
                for one in found
            ]
        }  # fmt: skip

    async def _people(self, request: web.Request, _: Json) -> Json:
        found = await self._sim.people(request.query["user"], request.query["q"])
        return {"people": [{"person": one.person, "name": one.name} for one in found]}


def _ident(name: str) -> str:
    """A user's id in this product: the first name in plain letters."""
    plain = unicodedata.normalize("NFKD", name.partition(" ")[0]).encode("ascii", "ignore").decode()
    return plain.lower()


def _seen(message: Json) -> Json:
    """A message as its user sees it."""
    sender: Any = message["sender"]
    kept = ("id", "conversation", "text", "kind", "state", "priority", "reply_to", "thread", "removed", "location",
            "poll", "counts", "mentioned")  # fmt: skip
    return {
        **{key: message[key] for key in kept if key in message},
        "sender": sender["name"] if isinstance(sender, dict) else sender,
        "edited": bool(message.get("edited")),
        "handled": any(one["key"] == HANDLED for one in message.get("reactions", [])),
        "reactions": [{"key": one["key"]} for one in message.get("reactions", [])],
        "files": [
            {key: one[key] for key in ("name", "type", "size", "sha256")}
            for one in message.get("files", [])
            if "url" not in one  # and not fetched yet
        ],
    }
