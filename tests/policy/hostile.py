"""A homeserver that speaks enough federation to lie: signed requests, signed events, keys and messages for devices.

Written on `cryptography` and aiohttp from the server-server API ("Request Authentication", "Signing Events", room
version 11); it knows nothing of the hub.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import ssl
import time
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from yarl import URL

from deploy.world.certificates import Authority
from deploy.world.ports import free_port
from deploy.world.synapse import Synapse

Json = dict[str, Any]
_KEPT = (
    "event_id", "type", "room_id", "sender", "state_key", "content", "hashes", "signatures", "depth", "prev_events",
    "auth_events", "origin_server_ts",
)  # fmt: skip
_CONTENT = {
    "m.room.member": ("membership", "join_authorised_via_users_server"),
    "m.room.power_levels": (
        "ban", "events", "events_default", "invite", "kick", "redact", "state_default", "users", "users_default",
    ),
}  # fmt: skip
_KEY = "ed25519:h"


def canonical(value: Json, *without: str) -> bytes:
    bare = {key: item for key, item in value.items() if key not in without}
    return json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def unpadded(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")


def redacted(event: Json) -> Json:
    """What a signature covers (room version 11)."""
    kept = {key: event[key] for key in _KEPT if key in event}
    content = event["content"]
    allowed = content if event["type"] == "m.room.create" else _CONTENT.get(event["type"], ())
    return kept | {"content": {key: content[key] for key in allowed if key in content}}


def event_id(event: Json) -> str:
    digest = hashlib.sha256(canonical(redacted(event), "signatures", "unsigned")).digest()
    return "$" + urlsafe_b64encode(digest).decode().rstrip("=")


class Hostile:
    """``name`` is its server name; ``keys``: what it says of its users' devices; ``edus`` and ``pdus``: what it got."""

    def __init__(self, folder: Path, authority: Authority, victim: Synapse) -> None:
        self._folder, self._authority, self._victim = folder, authority, victim
        self._port = free_port()
        self.name = f"localhost:{self._port}"
        self._key = Ed25519PrivateKey.generate()
        self.keys: dict[str, Json] = {}
        self.edus: list[Json] = []
        self.pdus: list[Json] = []
        self._tip: dict[str, tuple[str, int, list[str]]] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Hostile:
        self._folder.mkdir()
        certificate, key = self._authority.issue(self._folder, "localhost")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        trust = ssl.create_default_context(cafile=self._authority.path)
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust))
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=context).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # ---- answering

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/_matrix/")
        body = await request.json() if request.can_read_body else {}
        if path == "key/v2/server":
            return web.json_response(self._signed(self._server_keys()))
        if path.startswith("federation/v1/send/"):
            self.edus += body.get("edus", [])
            self.pdus += body["pdus"]
            return web.json_response({"pdus": {}})
        if path.startswith("federation/v2/invite/"):
            return web.json_response({"event": self._sign_event(body["event"])})
        if path == "federation/v1/user/keys/query":
            return web.json_response(self._of(body["device_keys"]))
        if path.startswith("federation/v1/user/devices/"):
            return web.json_response(self._devices(path.rpartition("/")[2]))
        if path == "federation/v1/user/keys/claim":
            claims = body["one_time_keys"]
            return web.json_response(
                {"one_time_keys": {user: self._claimed(user, which) for user, which in claims.items()}}
            )
        if path == "federation/v1/query/profile":
            return web.json_response({"displayname": "Dr Anna Martin"})
        return web.json_response({"errcode": "M_NOT_FOUND", "error": "no"}, status=404)

    def _server_keys(self) -> Json:
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        until = int(time.time() * 1000) + 86_400_000
        return {
            "server_name": self.name, "valid_until_ts": until, "old_verify_keys": {},
            "verify_keys": {_KEY: {"key": unpadded(public)}},
        }  # fmt: skip

    def _of(self, asked: Json) -> Json:
        found = {user: self.keys[user] for user in asked if user in self.keys}
        return {
            "device_keys": {user: one["devices"] for user, one in found.items()},
            "master_keys": {user: one["master_key"] for user, one in found.items()},
            "self_signing_keys": {user: one["self_signing_key"] for user, one in found.items()},
        }

    def _devices(self, user: str) -> Json:
        one = self.keys[user]
        devices = [{"device_id": name, "keys": keys} for name, keys in one["devices"].items()]
        cross = {name: one[name] for name in ("master_key", "self_signing_key")}
        return {"user_id": user, "stream_id": int(time.time() * 1000), "devices": devices, **cross}

    def _claimed(self, user: str, which: Json) -> Json:
        one_time = self.keys[user]["one_time"]
        return {device: dict([one_time[device].popitem()]) for device in which if one_time.get(device)}

    # ---- asking

    async def call(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        """A signed request to the victim; ``path`` follows ``/_matrix/federation/``."""
        uri = f"/_matrix/federation/{path}"
        said: Json = {"method": method, "uri": uri, "origin": self.name, "destination": self._victim.name}
        signature = self._raw(canonical(said | ({"content": body} if body is not None else {})))
        destination = self._victim.name
        header = f'X-Matrix origin="{self.name}",destination="{destination}",key="{_KEY}",sig="{signature}"'
        url = URL(f"https://{self._victim.name}{uri}", encoded=True)
        async with self.session.request(method, url, json=body, headers={"Authorization": header}) as answer:
            found = await answer.json()
        return answer.status, found[-1] if isinstance(found, list) else found

    async def send(self, pdus: list[Json] | None = None, edus: list[Json] | None = None) -> Json:
        """A transaction; gives what the victim says of each event."""
        body = {
            "origin": self.name,
            "origin_server_ts": int(time.time() * 1000),
            "pdus": pdus or [],
            "edus": edus or [],
        }
        status, answer = await self.call("PUT", f"v1/send/{secrets.token_hex(6)}", body)
        assert status == 200, answer
        found: Json = answer["pdus"]
        return found

    async def to_device(self, sender: str, user: str, device: str, kind: str, content: Json) -> None:
        """A message for a device, by whomever."""
        edu = {
            "sender": sender,
            "type": kind,
            "message_id": secrets.token_hex(6),
            "messages": {user: {device: content}},
        }
        await self.send(edus=[{"edu_type": "m.direct_to_device", "content": edu}])

    async def devices_changed(self, user: str) -> None:
        """The victim has to ask again."""
        one = self.keys[user]
        cross = {name: one[name] for name in ("master_key", "self_signing_key")}
        edus: list[Json] = [{"edu_type": "m.signing_key_update", "content": {"user_id": user, **cross}}]
        for number, (device, keys) in enumerate(one["devices"].items()):
            content = {"user_id": user, "device_id": device, "stream_id": 1000 + number, "prev_id": [], "keys": keys}
            edus.append({"edu_type": "m.device_list_update", "content": content})
        await self.send(edus=edus)

    async def join(self, room: str, user: str) -> None:
        """Enter a room as one of its users."""
        status, made = await self.call("GET", f"v1/make_join/{quote(room)}/{quote(user)}?ver=11")
        assert status == 200, made
        event = made["event"] | {"origin_server_ts": int(time.time() * 1000)}
        event = self.finished(event)
        status, state = await self.call("PUT", f"v2/send_join/{quote(room)}/{quote(event_id(event))}", event)
        assert status == 200, state
        auth = [event_id(one) for one in state["state"] if one["type"] in ("m.room.create", "m.room.power_levels")]
        self._tip[room] = event_id(event), event["depth"], [*auth, event_id(event)]

    # ---- events

    def event(self, room: str, sender: str, kind: str, content: Json, at: int | None = None, **more: Any) -> Json:
        """An event of a room that it is in, whole and signed by this server, whoever the sender is."""
        tip, depth, auth = self._tip[room]
        event = {
            "type": kind, "room_id": room, "sender": sender, "content": content, "depth": depth + 1,
            "origin_server_ts": int(time.time() * 1000) if at is None else at, "prev_events": [tip],
            "auth_events": auth, **more,
        }  # fmt: skip
        return self.finished(event)

    def said(self, room: str, event: Json) -> None:
        """What comes next follows this event."""
        _, _, auth = self._tip[room]
        self._tip[room] = event_id(event), event["depth"], auth

    def borrow(self, room: str, other: str) -> None:
        """Pretend to be in a room by what it knows of another."""
        self._tip[other] = self._tip[room]

    def finished(self, event: Json) -> Json:
        """With its content hash and signature."""
        digest = hashlib.sha256(canonical(event, "unsigned", "signatures", "hashes")).digest()
        return self._sign_event(event | {"hashes": {"sha256": unpadded(digest)}})

    def _sign_event(self, event: Json) -> Json:
        signature = self._raw(canonical(redacted(event), "signatures", "unsigned"))
        signatures = event.get("signatures", {}) | {self.name: {_KEY: signature}}
        return event | {"signatures": signatures}

    def _signed(self, value: Json) -> Json:
        return value | {"signatures": {self.name: {_KEY: self._raw(canonical(value, "signatures", "unsigned"))}}}

    def _raw(self, data: bytes) -> str:
        return unpadded(self._key.sign(data))
