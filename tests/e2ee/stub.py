"""A stub of the homeserver's key endpoints, in memory, with faults on demand; it does what Synapse was seen to do."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Json = dict[str, Any]
Fault = Callable[[web.Request], str | None]
V3 = "/_matrix/client/v3"


@dataclass(slots=True)
class StubDevice:
    """What the server holds of one device."""

    keys: Json | None = None
    one_time: dict[str, Json] = field(default_factory=dict)
    fallback: dict[str, Json] = field(default_factory=dict)
    fallback_used: bool = False
    inbox: list[tuple[int, Json]] = field(default_factory=list)


class Stub:
    """The server. ``faults`` is asked for each call: ``"before"`` refuses with 503, ``"after"`` loses the answer."""

    def __init__(self) -> None:
        self.devices: dict[str, dict[str, StubDevice]] = defaultdict(dict)
        self.cross: dict[str, Json] = defaultdict(dict)
        self.signatures: dict[tuple[str, str], Json] = {}
        self.away: set[str] = set()  # servers that do not answer
        self.slow: set[str] = set()  # servers that answer once they are no longer in here
        self.changed: list[tuple[int, str]] = []
        self.position = 0
        self.faults: Fault = lambda _: None
        self.calls: list[tuple[str, str, Json | None]] = []
        self.answered: dict[str, Json] = {}  # path of sendToDevice -> answer: the path has no user in it
        self.account_data: dict[tuple[str, str], Json] = {}
        self.url = ""
        self.ever: set[tuple[str, str, str]] = set()  # one-time keys that were uploaded
        self.twice: list[str] = []  # those that came again: they could be handed out twice

    # -- what tests do from outside -------------------------------------------------------------------------------

    def post(self, sender: str, user: str, device: str, kind: str, content: Json) -> None:
        """Put something into a device's inbox; ``*`` is all devices."""
        names = list(self.devices[user]) if device == "*" else [device]
        for name in names:
            if name in self.devices[user]:
                self.position += 1
                event = {"type": kind, "sender": sender, "content": content}
                self.devices[user][name].inbox.append((self.position, event))

    def changes(self, user: str) -> None:
        """This user's device list changed."""
        self.position += 1
        self.changed.append((self.position, user))

    def count(self, path: str) -> int:
        """How many calls went to paths that hold this."""
        return sum(path in seen for _, seen, _ in self.calls)

    def sent(self, kind: str) -> list[tuple[str, str, Json]]:
        """(user, device, content) of all to-device messages of a type, also those sent twice."""
        found = []
        for _, path, body in self.calls:
            if f"/sendToDevice/{kind}/" in path and body is not None:
                found += [(u, d, c) for u, devices in body["messages"].items() for d, c in devices.items()]
        return found

    # -- the server ---------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Stub]:
        """Serve on a free port."""
        app = web.Application(client_max_size=10_000_000)
        app.router.add_route("*", "/{path:.*}", self._serve)
        async with TestServer(app) as server:
            self.url = str(server.make_url("/")).rstrip("/")
            yield self

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        fault = self.faults(request)
        if fault == "before":
            return web.json_response({"errcode": "M_UNKNOWN"}, status=503)
        self.calls.append((request.method, request.path, body))
        while "/keys/" in request.path and any(server in str(body) for server in self.slow):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        answer = self._answer(request.method, request.path.removeprefix(V3), dict(request.query), body or {})
        if fault == "after":
            return web.json_response({"errcode": "M_UNKNOWN"}, status=502)
        return web.json_response(answer)

    def _answer(self, method: str, path: str, query: dict[str, str], body: Json) -> Json:
        user, device = query.get("user_id", ""), query.get("device_id", "")
        if device and device not in self.devices[user]:
            raise web.HTTPBadRequest(text='{"errcode": "M_UNKNOWN_DEVICE"}', content_type="application/json")
        parts = path.strip("/").split("/")
        match parts:
            case ["devices", name]:
                return self._device(method, user, name)
            case ["keys", *what]:
                return self._keys(what, user, device, body)
            case ["sendToDevice", kind, _]:
                if path not in self.answered:
                    for to, messages in body["messages"].items():
                        for name, content in messages.items():
                            self.post(user, to, name, kind, content)
                self.answered[path] = {}
                return {}
            case ["user", owner, "account_data", kind]:
                return self._data(method, (owner, kind), body)
            case ["sync"]:
                return self._sync(user, device, int(query["since"]) if "since" in query else None)
        raise web.HTTPNotFound

    def _device(self, method: str, user: str, name: str) -> Json:
        if method == "PUT":
            self.devices[user].setdefault(name, StubDevice())
        else:
            del self.devices[user][name]
        return {}

    def _data(self, method: str, place: tuple[str, str], body: Json) -> Json:
        if method == "PUT":
            self.account_data[place] = body
        elif place not in self.account_data:
            raise web.HTTPNotFound(text='{"errcode": "M_NOT_FOUND"}', content_type="application/json")
        return self.account_data[place]

    def _keys(self, what: list[str], user: str, device: str, body: Json) -> Json:
        match what:
            case ["upload"]:
                return self._upload(user, device, body)
            case ["device_signing", "upload"]:
                known = self.cross.get(user, body)
                if known != body and known["master_key"]["keys"] == body["master_key"]["keys"]:
                    raise web.HTTPInternalServerError  # as Synapse, whose table has the key already
                self.cross[user] = body
                self.changes(user)
                return {}
            case ["signatures", "upload"]:
                for name, keys in body[user].items():
                    self.signatures.setdefault((user, name), keys["signatures"])  # the first one stays for ever
                self.changes(user)
                return {"failures": {}}
            case ["query"]:
                return self._query(body)
            case ["claim"]:
                return self._claim(body)
        raise web.HTTPNotFound

    def _upload(self, user: str, device: str, body: Json) -> Json:
        mine = self.devices[user][device]
        if "device_keys" in body:
            mine.keys = body["device_keys"]
            self.changes(user)
        for name, key in body.get("one_time_keys", {}).items():
            if name in mine.one_time and mine.one_time[name] != key:  # as Synapse does
                raise web.HTTPBadRequest(text='{"errcode": "M_UNKNOWN"}', content_type="application/json")
            if (user, device, name) in self.ever:
                self.twice.append(name)
            self.ever.add((user, device, name))
            mine.one_time[name] = key
        if "fallback_keys" in body:
            mine.fallback, mine.fallback_used = body["fallback_keys"], False
        return {"one_time_key_counts": {"signed_curve25519": len(mine.one_time)}}

    def _query(self, body: Json) -> Json:
        answer: Json = {"device_keys": {}, "master_keys": {}, "self_signing_keys": {}, "failures": {}}
        for user in body["device_keys"]:
            server = user.partition(":")[2]
            if server in self.away:
                answer["failures"][server] = {}
                continue
            answer["device_keys"][user] = {
                name: self._served(user, name) for name, device in self.devices[user].items() if device.keys
            }
            if user in self.cross:
                answer["master_keys"][user] = self.cross[user]["master_key"]
                answer["self_signing_keys"][user] = self.cross[user]["self_signing_key"]
        return answer

    def _served(self, user: str, name: str) -> Json:
        keys = dict(self.devices[user][name].keys or {})
        merged = {user: dict(keys["signatures"].get(user, {}))}
        for signer, signatures in self.signatures.get((user, name), {}).items():
            merged.setdefault(signer, {}).update(signatures)
        return {**keys, "signatures": merged}

    def _claim(self, body: Json) -> Json:
        answer: Json = {"one_time_keys": {}, "failures": {}}
        for user, devices in body["one_time_keys"].items():
            server = user.partition(":")[2]
            if server in self.away:
                answer["failures"][server] = {}
                continue
            for name in devices:
                device = self.devices[user].get(name)
                if device is None or not (device.one_time or device.fallback):
                    continue
                if device.one_time:
                    key_id = next(iter(device.one_time))
                    key = {key_id: device.one_time.pop(key_id)}
                else:
                    key, device.fallback_used = device.fallback, True
                answer["one_time_keys"].setdefault(user, {})[name] = key
        return answer

    def _sync(self, user: str, device: str, since: int | None) -> Json:
        mine = self.devices[user][device]
        mine.inbox = [(at, e) for at, e in mine.inbox if at > (since or 0)]
        page = mine.inbox[:100]
        at = page[-1][0] if len(page) == 100 else self.position
        changed = sorted({u for when, u in self.changed if since is not None and since < when})
        return {
            "next_batch": str(at),
            "to_device": {"events": [event for _, event in page]},
            "device_lists": {"changed": changed, "left": []},
            "device_one_time_keys_count": {"signed_curve25519": len(mine.one_time)},
            "device_unused_fallback_key_types": [] if mine.fallback_used else ["signed_curve25519"],
        }
