"""The simulator's own HTTP API, described in the package's docstring."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from urllib.parse import quote

from aiohttp import web

import deploy.world.simulator as package
from deploy.world.simulator.driver import Driver
from deploy.world.simulator.pages.guard import guarded
from deploy.world.simulator.pages.routes import Pages
from deploy.world.simulator.product import Faults, Simulator
from deploy.world.simulator.state import Json

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_DECLARE_WAIT = 10.0
_LONGEST_WAIT = 60.0
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
_LARGEST = 64 * 1024 * 1024  # bytes: 25 MB of files as base64, and more than the hub takes, to see it refuse


def application(simulator: Simulator, test_token: str = "") -> web.Application:
    """The application of one simulated product; it starts and stops the simulator.

    With ``test_token`` it has a test driver, for `liaison conformance`.
    """
    app = web.Application(middlewares=[guarded, _errors], client_max_size=_LARGEST)
    pages = _Api(simulator)
    app.add_routes(pages.seen.routes())
    app.add_routes(
        [
            web.get("/", pages.root),
            web.post("/webhook", simulator.webhook),
            web.post("/users", pages.add_user),
            web.get("/users", pages.users),
            web.post("/users/{id}/confirm", pages.confirm),
            web.post("/users/{id}/messages", pages.write),
            web.get("/users/{id}/messages", pages.user_messages),
            web.post("/users/{id}/read", pages.read),
            web.post("/users/{id}/{act:edits|removals|reactions|handled|votes|end}", pages.act),
            web.put("/capabilities", pages.able),
            web.post("/users/{id}/typing", pages.type),
            web.get("/messages", pages.messages),
            web.get("/messages/{id}", pages.message),
            web.get("/files", pages.files),
            web.get("/files/{id}", pages.file),
            web.get("/conversations", pages.conversations),
            web.post("/conversations/{id}/members", pages.members),
            web.post("/conversations/{id}/name", pages.name),
            web.get("/typing", pages.typing),
            web.get("/events", pages.events),
            web.get("/posts", pages.posts),
            web.get("/faults", pages.faults),
            web.put("/faults", pages.set_faults),
        ]
    )

    if test_token:
        app.add_routes(Driver(simulator, test_token).routes())

    async def start(app: web.Application) -> None:
        await simulator.start()

    async def stop(app: web.Application) -> None:
        await simulator.stop()

    app.on_startup.append(start)
    app.on_cleanup.append(stop)
    return app


class _Api:
    def __init__(self, simulator: Simulator) -> None:
        self._sim = simulator
        self.seen = Pages(simulator)

    async def root(self, request: web.Request) -> web.Response:
        if "text/html" in request.headers.get("Accept", ""):
            return await self.seen.root(request)
        return web.json_response({**self._sim.described(), "documentation": package.__doc__})

    async def add_user(self, request: web.Request) -> web.Response:
        given = await _body(request, id=str, rpps=str)
        post = await self._sim.outbox.wait(self._sim.add_user(given["id"], given["rpps"]), _DECLARE_WAIT)
        return web.json_response(post["answer"] or {"id": given["id"]}, status=post["status"] or 202)

    async def users(self, request: web.Request) -> web.Response:
        return web.json_response({"users": self._sim.state.users()})

    async def confirm(self, request: web.Request) -> web.Response:
        user = self._user(request)
        given = await _body(request, product=str, decision=str)
        seq = self._sim.confirm(user, given["product"], given["decision"])
        post = await self._sim.outbox.wait(seq, _DECLARE_WAIT)
        return web.json_response(post["answer"] or {"state": "waiting"}, status=post["status"] or 202)

    async def write(self, request: web.Request) -> web.Response:
        user = self._user(request)
        given = await _body(request)
        if not isinstance(given.get("text", "" if given.get("files") else None), str):
            raise web.HTTPUnprocessableEntity(text="text is missing or not a str")
        if given.get("id") and self._sim.state.message(given["id"]):
            raise web.HTTPConflict(text="this id was used before")
        try:
            ident, conversation, seq = self._sim.write(user, given)
        except ValueError as error:
            raise web.HTTPUnprocessableEntity(text=f"files: {error}") from None
        if seconds := _number(request, "wait"):
            await self._sim.outbox.wait(seq, min(seconds, _LONGEST_WAIT))
            return web.json_response(self._sim.state.message(ident), status=202)
        return web.json_response({"id": ident, "conversation": conversation, "state": "waiting"}, status=202)

    async def act(self, request: web.Request) -> web.Response:
        user = self._user(request)
        given = await _body(request, message=str)
        try:
            ident, seq = self._sim.act(user, request.match_info["act"], given["message"], given)
        except (ValueError, KeyError) as error:
            raise web.HTTPUnprocessableEntity(text=f"{error}") from None
        if seconds := _number(request, "wait"):
            post = await self._sim.outbox.wait(seq, min(seconds, _LONGEST_WAIT))
            return web.json_response({"id": ident, "answer": post["answer"]}, status=post["status"] or 202)
        return web.json_response({"id": ident, "state": "waiting"}, status=202)

    async def able(self, request: web.Request) -> web.Response:
        given = await _body(request, kinds=list)
        post = await self._sim.outbox.wait(self._sim.able(*given["kinds"]), _DECLARE_WAIT)
        return web.json_response(post["answer"] or {"state": "waiting"}, status=post["status"] or 202)

    async def user_messages(self, request: web.Request) -> web.Response:
        user = self._user(request)
        return web.json_response(self._sim.state.messages(user, int(_number(request, "after"))))

    async def messages(self, request: web.Request) -> web.Response:
        return web.json_response(self._sim.state.messages(None, int(_number(request, "after"))))

    async def message(self, request: web.Request) -> web.Response:
        found = self._sim.state.message(request.match_info["id"])
        if found is None:
            raise web.HTTPNotFound(text="no such message")
        return web.json_response(found)

    async def files(self, request: web.Request) -> web.Response:
        return web.json_response({"files": self._sim.state.files(request.query.get("message"))})

    async def file(self, request: web.Request) -> web.Response:
        found = self._sim.state.document(request.match_info["id"])
        if found is None:
            raise web.HTTPNotFound(text="no such file")
        headers = {  # what others sent is saved, never shown in this page's origin (RFC 6266)
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
            "X-Content-Type-Options": "nosniff",
        }
        kind = found.type if _TYPE.fullmatch(found.type) else "application/octet-stream"
        return web.Response(body=found.content, content_type=kind, headers=headers)

    async def read(self, request: web.Request) -> web.Response:
        user = self._user(request)
        given = await _body(request, message=str)
        self._sim.read(user, given["message"])
        return web.json_response({"state": "waiting"}, status=202)

    async def type(self, request: web.Request) -> web.Response:
        user = self._user(request)
        given = await _body(request, conversation=str)
        status = await self._sim.type(user, given["conversation"], bool(given.get("typing", True)))
        return web.json_response({"status": status}, status=202)

    async def conversations(self, request: web.Request) -> web.Response:
        return web.json_response({"conversations": self._sim.state.conversations()})

    async def members(self, request: web.Request) -> web.Response:
        given = await _body(request, by=str)
        seq = self._sim.change_members(request.match_info["id"], given)
        post = await self._sim.outbox.wait(seq, min(_number(request, "wait"), _LONGEST_WAIT))
        return web.json_response({"state": post["state"], "answer": post["answer"]}, status=post["status"] or 202)

    async def name(self, request: web.Request) -> web.Response:
        given = await _body(request, by=str)
        seq = self._sim.rename(request.match_info["id"], {"name": None, **given})
        post = await self._sim.outbox.wait(seq, min(_number(request, "wait"), _LONGEST_WAIT))
        return web.json_response({"state": post["state"], "answer": post["answer"]}, status=post["status"] or 202)

    async def typing(self, request: web.Request) -> web.Response:
        return web.json_response({"typing": self._sim.typing})

    async def events(self, request: web.Request) -> web.Response:
        return web.json_response(self._sim.state.events(int(_number(request, "after"))))

    async def posts(self, request: web.Request) -> web.Response:
        return web.json_response({"posts": self._sim.state.posts()})

    async def faults(self, request: web.Request) -> web.Response:
        return web.json_response(asdict(self._sim.faults))

    async def set_faults(self, request: web.Request) -> web.Response:
        try:
            self._sim.set_faults(Faults.read(await _body(request)))
        except ValueError as error:
            raise web.HTTPUnprocessableEntity(text=str(error)) from None
        return web.json_response(asdict(self._sim.faults))

    def _user(self, request: web.Request) -> str:
        user = request.match_info["id"]
        if not self._sim.state.has_user(user):
            raise web.HTTPNotFound(text="no such user; POST /users first")
        return user


async def _body(request: web.Request, **wanted: type) -> Json:
    try:
        given = await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="the body is not JSON") from None
    if not isinstance(given, dict):
        raise web.HTTPUnprocessableEntity(text="the body is not an object")
    for name, kind in wanted.items():
        if not isinstance(given.get(name), kind):
            raise web.HTTPUnprocessableEntity(text=f"{name} is missing or not a {kind.__name__}")
    return given


def _number(request: web.Request, name: str) -> float:
    try:
        return max(0.0, float(request.query.get(name, "0")))
    except ValueError:
        raise web.HTTPUnprocessableEntity(text=f"{name} is not a number") from None


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPRedirection:
        raise
    except web.HTTPException as error:
        return web.json_response({"error": error.text}, status=error.status)
