"""STUB homeserver: HTTP over :mod:`deploy.world.stub.world`, for fault tests and the processor-time benchmark.

It pushes transactions as Synapse 1.163 does: one in flight, own counter; a failed attempt loses its to-device part.
``python -m deploy.world.stub.homeserver --port 8008 --appservice http://127.0.0.1:9000`` runs it as its own process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

import aiohttp
import orjson
from aiohttp import web

from deploy.world.stub import copies
from deploy.world.stub.media import StubMedia
from deploy.world.stub.push import Pusher
from deploy.world.stub.world import Device, Json, StubError, User, World
from deploy.world.waiting import PATIENCE

_CLIENT = r"/_matrix/client/v3"
_ROOM = _CLIENT + r"/rooms/([^/]+)"


@dataclass(slots=True)
class Fault:
    """Something that goes wrong ``times`` times for calls whose ``METHOD path?query`` matches."""

    pattern: re.Pattern[str]
    times: int
    status: int = 0  # 0: processed, then the connection is cut before the answer
    errcode: str = "M_UNKNOWN"  # with it
    retry_after_ms: int = 0
    delay: float = 0.0
    body: bytes | None = None  # with status 200: nothing is done, and this is the answer
    gate: asyncio.Event | None = None  # nothing is done before it is set
    late: asyncio.Event | None = None  # it is done at once, and answered when this is set


@dataclass(slots=True)
class Caller:
    """Who calls, and with which device."""

    user: str
    device: str | None
    ghost: bool
    query: Mapping[str, str] = field(default_factory=dict)


class StubHomeserver(Pusher):
    """A labelled stub: ``async with StubHomeserver(…) as stub``, then ``stub.url``, ``stub.world``, ``stub.fault``."""

    def __init__(
        self,
        server_name: str = "stub.example",
        *,
        as_token: str = "as-token",
        hs_token: str = "hs-token",
        namespace: str = "@(rpps|mss)_.*",
        appservice: str | None = None,
        port: int = 0,
    ) -> None:
        world = World(server_name)
        self.as_token, self.hs_token = as_token, hs_token
        super().__init__(world, namespace, world.register("liaison-sender", True).mxid, appservice)
        self.media = StubMedia(server_name)
        self.account_data: dict[tuple[str, str], Json] = {}
        self.url = ""
        self.calls: dict[str, int] = {}
        self.asked: Counter[str] = Counter()  # calls by kind: "join", "state", "sync" …
        self.together: Counter[str] = Counter()  # the most of a kind that were under way at once
        self._under_way: Counter[str] = Counter()
        self._port = port
        self._txns: dict[tuple[str, str], Json] = {}
        self._faults: list[Fault] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._routes = self._table()
        self._shown: dict[str, set[str]] = {}

    # -- life ----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> StubHomeserver:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self.hs_token}"})
        self._tasks = [asyncio.create_task(self._push_forever())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
        await self._runner.cleanup()

    def fault(self, pattern: str, times: int = 1, **how: Any) -> None:
        """Let the next ``times`` matching calls fail (``status=``), stall (``delay=``, ``gate=``) or get no answer."""
        self._faults.append(Fault(re.compile(pattern), times, **how))

    def human(self, localpart: str, server: str | None = None, device: str | None = None) -> tuple[str, str, str]:
        """Make a human with a first device; gives (mxid, device id, access token)."""
        user = self.world.register(localpart, False, server)
        return user.mxid, *self.login(user, device)

    def login(self, user: User, device: str | None = None) -> tuple[str, str]:
        """One more device of a human."""
        device_id, token = device or "H" + secrets.token_hex(4).upper(), secrets.token_hex(12)
        user.devices[device_id] = Device()
        self.world.tokens[token] = (user.mxid, device_id)
        return device_id, token

    async def idle(self, patience: float = PATIENCE) -> None:
        """Return when everything has been pushed and answered."""
        async with asyncio.timeout(patience):
            while self._queue or self._pushing:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    # -- answering -----------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        parts = request.rel_url.raw_path.split("/")
        kind = "/".join(parts[6:7] if parts[4:5] == ["rooms"] else parts[4:5])
        self.asked[kind] += 1
        self._under_way[kind] += 1
        self.together[kind] = max(self.together[kind], self._under_way[kind])
        try:
            return await self._answered(request)
        finally:
            self._under_way[kind] -= 1

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        name = f"{request.method} {path}"
        fault = self._fault(f"{request.method} {request.rel_url.raw_path_qs}") if self._faults else None
        if fault is not None:
            fault.times -= 1
            await asyncio.sleep(fault.delay)
            if fault.gate is not None:
                await fault.gate.wait()
            if fault.body is not None:
                return web.Response(body=fault.body, status=200, content_type="text/html")
            if fault.status:
                body = (
                    {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": fault.retry_after_ms}
                    if fault.status == 429
                    else {}
                )
                return _answer(body or {"errcode": fault.errcode}, fault.status)
        try:
            answer, status = await self._dispatch(request, path, name), 200
        except StubError as error:
            answer, status = {"errcode": error.errcode, "error": error.error}, error.status
        if fault is not None and fault.late is not None:
            await fault.late.wait()
        elif fault is not None and not fault.delay and fault.gate is None:
            assert request.transport is not None
            request.transport.abort()
        return _answer(answer, status)

    def _fault(self, called: str) -> Fault | None:
        return next((f for f in self._faults if f.times > 0 and f.pattern.search(called)), None)

    async def _dispatch(self, request: web.Request, path: str, name: str) -> Json:
        for pattern, handler in self._routes:
            if found := pattern.fullmatch(name):
                raw = await request.read()
                if handler == self._upload:
                    return self._upload(self._caller(request), request.content_type, request.query_string, raw)
                body = orjson.loads(raw) if raw else {}
                self.calls[handler.__name__] = self.calls.get(handler.__name__, 0) + 1
                if handler in (self._versions, self._register, self._openid):
                    return _json(handler(request, body))
                caller = self._caller(request)
                args = [unquote(group) for group in found.groups()]
                key = (path, "" if caller.ghost else caller.user)  # as Synapse: the path has no ghost in it
                if handler in (self._send, self._redact, self._send_to_device) and key in self._txns:
                    return self._txns[key]
                result = self._sync(caller, request.query) if handler == self._sync else handler(caller, body, *args)
                answer = _json(await result if asyncio.iscoroutine(result) else result)
                if handler in (self._send, self._send_to_device):
                    self._txns[key] = answer
                return answer
        raise StubError(404, "M_UNRECOGNIZED", name)

    def _caller(self, request: web.Request) -> Caller:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token == self.as_token:
            user = request.query.get("user_id", "")
            if user and user != self.sender and not self.namespace.fullmatch(user.split(":")[0]):
                raise StubError(403, "M_FORBIDDEN", "not in namespace")
            self.world.user(user or self.sender)
            device = request.query.get("device_id")
            if device is not None:
                self.world.device(user, device)
            return Caller(user or self.sender, device, True, request.query)
        if token not in self.world.tokens:
            raise StubError(401, "M_UNKNOWN_TOKEN")
        user, device = self.world.tokens[token]
        return Caller(user, device, False, request.query)

    def _table(self) -> list[tuple[re.Pattern[str], Callable[..., Any]]]:
        return [(re.compile(pattern), handler) for pattern, handler in (*self._of_devices(), *self._of_rooms())]

    def _of_devices(self) -> list[tuple[str, Callable[..., Any]]]:
        client, room = _CLIENT, _ROOM
        return [
            (f"PUT {room}/send/([^/]+)/([^/]+)", self._send),
            (f"PUT {room}/redact/([^/]+)/([^/]+)", self._redact),
            (f"GET {client}/sync", self._sync),
            (f"PUT {client}/sendToDevice/([^/]+)/([^/]+)", self._send_to_device),
            (f"POST {room}/receipt/([^/]+)/([^/]+)", self._receipt),
            (f"PUT {room}/typing/([^/]+)", self._typing),
            (
                f"POST {client}/keys/upload",
                lambda c, b: self._keys_changed(c, self.world.upload_keys(c.user, c.device, b)),
            ),
            (f"POST {client}/keys/query", lambda c, b: self.world.query_keys(c.user, b)),
            (f"POST {client}/keys/claim", lambda c, b: self.world.claim_keys(b)),
            (
                f"POST {client}/keys/device_signing/upload",
                lambda c, b: self._keys_changed(c, self.world.upload_signing(c.user, b)),
            ),
            (
                f"POST {client}/keys/signatures/upload",
                lambda c, b: self._keys_changed(c, self.world.upload_signatures(c.user, b)),
            ),
            (r"POST /_stub/copies", lambda c, b: copies.plant(self.world, b)),
            (f"GET {client}/keys/changes", lambda c, b: {"changed": sorted(self.world.sharing(c.user)), "left": []}),
            (f"POST {client}/register", self._register),
            (f"PUT {client}/devices/([^/]+)", self._put_device),
            (f"DELETE {client}/devices/([^/]+)", lambda c, b, d: self.world.forget_device(c.user, d)),
        ]

    def _of_rooms(self) -> list[tuple[str, Callable[..., Any]]]:
        client, room = _CLIENT, _ROOM
        return [
            (f"POST {client}/createRoom", self._create),
            (f"POST {client}/join/([^/]+)", lambda c, b, r: self._member(c, {"user_id": c.user}, r, "join")),
            (f"POST {room}/(join|leave|invite|kick|ban)", self._member),
            (f"POST {room}/forget", lambda c, b, r: {}),
            (f"GET {room}/state", lambda c, b, r: list(self.world.joined(r, c.user).state.values())),
            (f"GET {room}/state/([^/]+)/([^/]*)", self._get_state),
            (f"GET {room}/state/([^/]+)", lambda c, b, r, k: self._get_state(c, b, r, k, "")),
            (f"PUT {room}/state/([^/]+)/([^/]*)", self._put_state),
            (f"PUT {room}/state/([^/]+)", lambda c, b, r, k: self._put_state(c, b, r, k, "")),
            (f"GET {room}/joined_members", self._joined_members),
            (f"GET {room}/members", self._room_members),
            (f"GET {client}/joined_rooms", lambda c, b: {"joined_rooms": sorted(self.world.user(c.user).rooms)}),
            (f"GET {room}/messages", self._messages),
            (f"GET {room}/event/([^/]+)", self._event),
            (f"GET {room}/context/([^/]+)", self._context),
            (f"GET {client.replace('v3', 'v1')}/rooms/([^/]+)/threads", self._threads),
            (f"POST {room}/upgrade", self._upgrade),
            (f"PUT {client}/profile/([^/]+)/([^/]+)", self._put_profile),
            (f"GET {client}/profile/([^/]+)", self._whole_profile),
            (f"GET {client}/profile/([^/]+)/([^/]+)", self._get_profile),
            (r"POST /_matrix/client/v1/appservice/([^/]+)/ping", self._ping),
            (f"GET {client}/user/([^/]+)/account_data/([^/]+)", self._get_data),
            (f"PUT {client}/user/([^/]+)/account_data/([^/]+)", self._put_data),
            (f"GET {client}/account/whoami", lambda c, b: {"user_id": c.user, "device_id": c.device}),
            (f"POST {client}/user_directory/search", lambda c, b: self.world.find_users(b["search_term"], b["limit"])),
            (f"GET {client}/capabilities", lambda c, b: {"capabilities": {"m.room_versions": _VERSIONS}}),
            (r"GET /_matrix/client/versions", self._versions),
            (r"GET /_matrix/federation/v1/openid/userinfo", self._openid),
            (r"POST /_matrix/media/v3/upload", self._upload),
            (r"GET /_matrix/client/v1/media/config", lambda c, b: {"m.upload.size": self.media.most}),
            (
                r"GET /_matrix/client/v1/media/download/([^/]+)/([^/]+)",
                lambda c, b, s, m: self.media.download(c.user, s, m),
            ),
        ]

    def _upload(self, caller: Caller, mime: str, query: str, raw: bytes) -> Json:
        return self.media.upload(caller.user, mime, query, raw)

    def _versions(self, request: web.Request, body: Json) -> Json:
        return {"versions": ["v1.11", "v1.15"], "unstable_features": {"uk.tcpip.msc4133.stable": True, "stub": True}}

    def _openid(self, request: web.Request, body: Json) -> Json:
        """Here an access token is its own OpenID token."""
        found = self.world.tokens.get(request.query["access_token"])
        if found is None:
            raise StubError(401, "M_UNKNOWN_TOKEN")
        return {"sub": found[0]}

    def _register(self, request: web.Request, body: Json) -> Json:
        if body.get("type") != "m.login.application_service":
            raise StubError(403, "M_FORBIDDEN", "humans are made by StubHomeserver.human")
        if request.headers.get("Authorization", "").removeprefix("Bearer ") != self.as_token:
            raise StubError(401, "M_UNKNOWN_TOKEN")
        if not self.namespace.fullmatch("@" + body["username"]):
            raise StubError(400, "M_EXCLUSIVE")
        if not body.get("inhibit_login"):
            raise StubError(400, "M_APPSERVICE_LOGIN_UNSUPPORTED")
        return {"user_id": self.world.register(body["username"], True).mxid}

    def _put_device(self, caller: Caller, body: Json, device: str) -> Json:
        self.world.user(caller.user).devices.setdefault(device, Device())
        return {}

    def _keys_changed(self, caller: Caller, answer: Json) -> Json:
        """Everybody who shares a room learns of new keys; the appservice too."""
        sharing = set(self.world.sharing(caller.user))
        if any(self.namespace.fullmatch(user.split(":")[0]) for user in sharing):
            self._queue.changed.add(caller.user)
            self._ring.set()
        return answer

    def _send(self, caller: Caller, body: Json, room_id: str, kind: str, txn: str) -> Json:
        if kind == "m.reaction" and any(
            (e["type"], e["sender"], e["content"]) == (kind, caller.user, body) for e in self.world.room(room_id).events
        ):
            raise StubError(400, "M_DUPLICATE_ANNOTATION")
        event = self.world.send(room_id, caller.user, kind, body)
        self.interest(event)
        return {"event_id": event["event_id"]}

    def _redact(self, caller: Caller, body: Json, room_id: str, about: str, txn: str) -> Json:
        if all(event["event_id"] != about for event in self.world.room(room_id).events):
            raise StubError(404, "M_NOT_FOUND")
        event = self.world.send(room_id, caller.user, "m.room.redaction", {"redacts": about, **body})
        self.interest(event)
        return {"event_id": event["event_id"]}

    def _send_to_device(self, caller: Caller, body: Json, kind: str, txn: str) -> Json:
        self._queue.to_device += self.world.send_to_device(caller.user, kind, body.get("messages", {}))
        if self._queue.to_device:
            self._ring.set()
        for user in body.get("messages", {}):
            if user in self._human_ring:
                self._human_ring[user].set()
        return {}

    def _create(self, caller: Caller, body: Json) -> Json:
        if body.get("preset") == "private_chat":  # as encryption_enabled_by_default_for_room_type: invite
            first = {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
            body = {"initial_state": [first]} | body
        room = self.world.create_room(caller.user, body)
        for event in room.events:
            self.interest(event)
        return {"room_id": room.room_id}

    def _member(self, caller: Caller, body: Json, room_id: str, action: str) -> Json:
        user = body.get("user_id") or caller.user
        membership = {"kick": "leave"}.get(action, action)
        extra: Json = {key: body[key] for key in ("reason", "is_direct") if key in body}
        event = self.world.change_membership(room_id, caller.user, user, membership, extra)
        if event is not None:
            self.interest(event)
        return {"room_id": room_id}

    def _get_state(self, caller: Caller, body: Json, room_id: str, kind: str, key: str) -> Json:
        event = self.world.joined(room_id, caller.user).state.get((kind, key))
        if event is None:
            raise StubError(404, "M_NOT_FOUND")
        return dict(event if caller.query.get("format") == "event" else event["content"])

    def _put_state(self, caller: Caller, body: Json, room_id: str, kind: str, key: str) -> Json:
        event = self.world.send(room_id, caller.user, kind, body, key)
        self.interest(event)
        return {"event_id": event["event_id"]}

    def _joined_members(self, caller: Caller, body: Json, room_id: str) -> Json:
        members = self.world.joined(room_id, caller.user).members("join")
        return {"joined": {m: {"display_name": self.world.user(m).profile.get("displayname")} for m in members}}

    def _room_members(self, caller: Caller, body: Json, room_id: str) -> Json:
        room, wanted = self.world.joined(room_id, caller.user), caller.query["membership"]
        return {"chunk": [room.state[("m.room.member", user)] for user in room.members(wanted)]}

    def _messages(self, caller: Caller, body: Json, room_id: str) -> Json:
        events = self.world.joined(room_id, caller.user).events
        query = caller.query
        end = int(query.get("from", len(events)))
        start = max(0, end - int(query.get("limit", 10)))
        return {"chunk": events[start:end][::-1], "start": str(end)} | ({"end": str(start)} if start else {})

    def _event(self, caller: Caller, body: Json, room_id: str, event_id: str) -> Json:
        for event in reversed(self.world.joined(room_id, caller.user).events):
            if event["event_id"] == event_id:
                return event
        raise StubError(404, "M_NOT_FOUND")

    def _context(self, caller: Caller, body: Json, room_id: str, event_id: str) -> Json:
        event, events = self._event(caller, body, room_id, event_id), self.world.room(room_id).events
        wanted, limit = orjson.loads(caller.query["filter"])["types"], int(caller.query["limit"]) // 2
        before = [e for e in reversed(events[: events.index(event)]) if e["type"] in wanted]
        return {"event": event, "events_before": before[:limit], "events_after": [], "state": []}

    def _threads(self, caller: Caller, body: Json, room_id: str) -> Json:
        events = self.world.joined(room_id, caller.user).events
        found = [e for e in events if e["content"].get("m.relates_to", {}).get("rel_type") == "m.thread"]
        return {"chunk": found[:1]}

    def _upgrade(self, caller: Caller, body: Json, room_id: str) -> Json:
        old, before = self.world.room(room_id), len(self.world.room(room_id).events)
        new = self.world.upgrade(room_id, caller.user)
        for event in [*new.events, *old.events[before:]]:
            self.interest(event)
        return {"replacement_room": new.room_id}

    def _receipt(self, caller: Caller, body: Json, room_id: str, kind: str, event_id: str) -> Json:
        self.world.joined(room_id, caller.user)
        data: Json = {"ts": 1}
        if kind == "m.read":
            self.world.has_read(room_id, caller.user, event_id, body.get("thread_id"))
        if "thread_id" in body and not caller.user.endswith(f":{self.world.server_name}"):
            data["thread_id"] = body["thread_id"]  # as Synapse: its own users' threads are not told to us
        content = {event_id: {kind: {caller.user: data}}}
        if kind == "m.read":
            self._ephemeral({"type": "m.receipt", "room_id": room_id, "content": content}, caller.user)
        return {}

    def _typing(self, caller: Caller, body: Json, room_id: str, user: str) -> Json:
        self.world.joined(room_id, caller.user)
        typing = self._shown.setdefault(room_id, set())
        (typing.add if body.get("typing") else typing.discard)(caller.user)
        event = {"type": "m.typing", "room_id": room_id, "content": {"user_ids": sorted(typing)}}
        self._ephemeral(event, caller.user)
        return {}

    def _ephemeral(self, event: Json, by: str) -> None:
        room = self.world.rooms[event["room_id"]]
        room_members = room.members("join")
        if any(self.namespace.fullmatch(user.split(":")[0]) for user in room_members):
            self._queue.ephemeral.append(event)
            self._ring.set()
        for user in room_members:
            known = self.world.users[user]
            if not known.ghost and user != by:
                known.timeline.append((self.world.tick(), event["room_id"], event))
                if user in self._human_ring:
                    self._human_ring[user].set()

    async def _ping(self, caller: Caller, body: Json, appservice: str) -> Json:
        """Ask the appservice at once; what waits for a retry is tried again."""
        try:
            async with self._session.post(f"{self.appservice}/_matrix/app/v1/ping", json=body) as answer:
                if answer.status != 200:
                    raise StubError(502, "M_BAD_STATUS")
        except (aiohttp.ClientError, OSError, ValueError):
            raise StubError(502, "M_CONNECTION_FAILED") from None
        self._try_now.set()
        return {"duration_ms": 1}

    def _get_data(self, caller: Caller, body: Json, user: str, kind: str) -> Json:
        if (user, kind) not in self.account_data:
            raise StubError(404, "M_NOT_FOUND")
        return self.account_data[(user, kind)]

    def _put_data(self, caller: Caller, body: Json, user: str, kind: str) -> Json:
        self.account_data[(user, kind)] = body
        return {}

    def _put_profile(self, caller: Caller, body: Json, user: str, name: str) -> Json:
        if caller.user != user:
            raise StubError(403, "M_FORBIDDEN")
        self.world.user(user).profile.update(body)
        return {}

    def _whole_profile(self, caller: Caller, body: Json, user: str) -> Json:
        if user not in self.world.users:
            raise StubError(404, "M_NOT_FOUND", "no such user")
        return self.world.users[user].profile

    def _get_profile(self, caller: Caller, body: Json, user: str, name: str) -> Json:
        profile = self.world.user(user).profile
        if name not in profile:
            raise StubError(404, "M_NOT_FOUND")
        return {name: profile[name]}

    async def _sync(self, caller: Caller, query: Any) -> Json:
        since, wait = int(query.get("since") or 0), int(query.get("timeout") or 0) / 1000
        if caller.ghost or wait <= 0:
            return self._sync_now(caller, since)
        ring = self._human_ring.setdefault(caller.user, asyncio.Event())
        deadline = asyncio.get_running_loop().time() + wait
        while True:
            ring.clear()
            answer = self._sync_now(caller, since)
            left = deadline - asyncio.get_running_loop().time()
            if answer["rooms"]["join"] or answer["rooms"]["invite"] or answer["to_device"]["events"] or left <= 0:
                return answer
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ring.wait(), left)

    def _sync_now(self, caller: Caller, since: int) -> Json:
        if caller.ghost and caller.device is None:
            wanted = orjson.loads(caller.query["filter"])["room"]
            timelines = self.world.timelines(caller.user, since, wanted)
            if "m.receipt" in wanted.get("ephemeral", {}).get("types", ()):
                timelines = self.world.receipts(caller.user, since, wanted)
            invites = self.world.invitations(caller.user, since)
            return {"next_batch": str(self.world.position), "rooms": {"join": timelines, "invite": invites}}
        answer = self.world.sync_device(caller.user, caller.device, since)
        rooms: Json = {"join": {}, "invite": {}, "leave": {}}
        answer["rooms"] = rooms
        if caller.ghost:
            if "use_state_after" in caller.query:  # MSC4222
                joined = sorted(self.world.user(caller.user).rooms)
                rooms["join"] = {room: {"org.matrix.msc4222.state_after": {"events": []}} for room in joined}
            return answer
        upto = int(answer["next_batch"])
        timeline = self.world.user(caller.user).timeline
        for position, room_id, event in reversed(timeline):
            if position <= since:
                break
            if position > upto:
                continue
            membership = self.world.rooms[room_id].membership(caller.user)
            if membership == "invite":
                rooms["invite"][room_id] = {"invite_state": {"events": self.world.stripped(self.world.rooms[room_id])}}
            elif membership == "join":
                joined = rooms["join"].setdefault(room_id, {"timeline": {"events": []}, "ephemeral": {"events": []}})
                joined["timeline" if "event_id" in event else "ephemeral"]["events"].insert(0, event)
        return answer


_VERSIONS = {"default": "12", "available": {str(number): "stable" for number in range(1, 13)}}


def _json(result: Any) -> Json:
    return cast(Json, {} if result is None else result)


def _answer(body: Any, status: int) -> web.Response:
    if isinstance(body, bytes):
        return web.Response(body=body, status=status, content_type="application/octet-stream")
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


async def _main() -> None:
    parser = argparse.ArgumentParser(description="A labelled stub of a homeserver, in memory.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--server-name", default="stub.example")
    parser.add_argument("--appservice")
    parser.add_argument("--as-token", default="as-token")
    parser.add_argument("--hs-token", default="hs-token")
    parser.add_argument("--human", action="append", default=[], help="localpart of a human; prints mxid, device, token")
    asked = parser.parse_args()
    stub = StubHomeserver(
        asked.server_name,
        as_token=asked.as_token,
        hs_token=asked.hs_token,
        appservice=asked.appservice,
        port=asked.port,
    )
    async with stub:
        print(stub.url, flush=True)
        for localpart in asked.human:
            print(*stub.human(localpart), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
