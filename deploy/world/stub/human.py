"""A scripted far end: one human with one cross-signed device on vodozemac, over the ordinary client-server API.

It speaks to the stub and to a real homeserver alike. It is not a client: it trusts every device it is told of.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import vodozemac
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deploy.world.waiting import PATIENCE

Json = dict[str, Any]
OLM, MEGOLM = "m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"


def b64(raw: bytes) -> str:
    """Unpadded standard base64."""
    return base64.b64encode(raw).decode().rstrip("=")


def unb64(text: str) -> bytes:
    """The reverse of :func:`b64`."""
    return base64.b64decode(text + "=" * (-len(text) % 4))


def canonical(value: Json) -> bytes:
    """Canonical JSON of what a signature covers (specification, appendices, "Signing JSON")."""
    bare = {key: item for key, item in value.items() if key not in ("signatures", "unsigned")}
    return json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(slots=True)
class Seen:
    """One event as this human saw it; ``clear`` is the decrypted event, None when it could not be read."""

    room: str
    event: Json
    clear: Json | None = None

    @property
    def sender(self) -> str:
        """Who sent it."""
        return str(self.event["sender"])

    @property
    def text(self) -> str | None:
        """The text of a readable message."""
        return self.clear["content"].get("body") if self.clear else None


@dataclass(slots=True)
class _Outbound:
    session: vodozemac.GroupSession
    shared: set[tuple[str, str]] = field(default_factory=set)
    first_key: str = ""


class Human:
    """One Matrix user. ``async with Human(url, mxid, device, token) as ben``. ``signed``: whether the device is."""

    def __init__(self, url: str, mxid: str, device: str, token: str, *, signed: bool = True) -> None:
        self.signed = signed
        self.opens_history = False  # what is said is for those, too, who come later
        self.url, self.mxid, self.device, self.token = url, mxid, device, token
        self.seen: list[Seen] = []
        self.events: list[tuple[str, Json]] = []  # every event of every room, state too
        self.invites: set[str] = set()
        self.withheld: list[Json] = []
        self.key_requests: list[Json] = []
        self.verifications: list[Json] = []
        self.bundles: list[Json] = []  # keys of what was said before (MSC4268), as those who invited gave them
        self.unreadable: list[Seen] = []
        self.blank: list[str] = []  # events that a client which looks once shows as unreadable for ever
        self._account = vodozemac.Account()
        self._olm: dict[str, list[vodozemac.Session]] = {}
        self._inbound: dict[tuple[str, str], vodozemac.InboundGroupSession] = {}
        self._outbound: dict[str, _Outbound] = {}
        self._curves: dict[tuple[str, str], Json] = {}
        self._since = ""
        self._changed = asyncio.Event()
        self._members: dict[str, set[str]] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Human:
        self._http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self.token}"})
        await self._publish()
        await self.sync()
        self._task = asyncio.create_task(self._sync_forever())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._http.close()

    # -- plain calls ---------------------------------------------------------------------------------------

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """One client-server call; raises RuntimeError on any refusal."""
        data = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/json"}
        async with self._http.request(method, self.url + path, data=data, headers=headers) as answer:
            raw = await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status} {raw.decode()}")
            return dict(orjson.loads(raw)) if raw[:1] == b"{" else {"list": orjson.loads(raw)}

    async def create_room(self, *invite: str, encrypted: bool = True, **more: Any) -> str:
        """A private room, encrypted unless told otherwise."""
        state = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}
        body = {"preset": "private_chat", "initial_state": [state] if encrypted else [], "invite": list(invite), **more}
        return str((await self.call("POST", "/_matrix/client/v3/createRoom", body))["room_id"])

    async def member(self, room: str, action: str, user: str | None = None) -> None:
        """Join, leave, invite, kick or ban."""
        self._members.pop(room, None)
        body = {} if user is None else {"user_id": user}
        await self.call("POST", f"{_room(room)}/{action}", body)
        if action in ("leave", "kick", "ban"):
            self._outbound.pop(room, None)

    async def joined(self, room: str) -> set[str]:
        """Who has joined a room."""
        return set((await self.call("GET", f"{_room(room)}/joined_members"))["joined"])

    async def receipt(self, room: str, event_id: str, thread: str | None = None) -> None:
        """I have read up to here (in this thread)."""
        body = {} if thread is None else {"thread_id": thread}
        await self.call("POST", f"{_room(room)}/receipt/m.read/{quote(event_id, safe='')}", body)

    async def typing(self, room: str, typing: bool = True) -> None:
        """I am writing."""
        await self.call(
            "PUT", f"{_room(room)}/typing/{quote(self.mxid, safe='')}", {"typing": typing, "timeout": 30000}
        )

    async def raw(self, room: str, kind: str, content: Json) -> str:
        """Send an event as it is."""
        path = f"{_room(room)}/send/{kind}/{secrets.token_hex(8)}"
        return str((await self.call("PUT", path, content))["event_id"])

    # -- encrypted messages --------------------------------------------------------------------------------

    async def say(self, room: str, text: str, *, share: bool = True, **content: Any) -> str:
        """Send an encrypted text; gives the event id."""
        return await self.send(room, {"msgtype": "m.text", "body": text, **content}, share=share)

    async def send(self, room: str, content: Json, kind: str = "m.room.message", *, share: bool = True) -> str:
        """Send an encrypted event; with ``share=False`` nobody gets the key (until :meth:`share`)."""
        out = self._out(room)
        if share:
            await self.share(room, members=self._members.get(room))
        plain = orjson.dumps({"type": kind, "room_id": room, "content": content})
        encrypted = {
            "algorithm": MEGOLM,
            "session_id": out.session.session_id,
            "ciphertext": out.session.encrypt(plain).to_base64(),
            "sender_key": self._account.curve25519_key.to_base64(),
            "device_id": self.device,
        }
        if "m.relates_to" in content:
            encrypted["m.relates_to"] = content["m.relates_to"]
        return await self.raw(room, "m.room.encrypted", encrypted)

    async def send_file(
        self, room: str, data: bytes, name: str, mime: str, *, caption: str = "",
        spoil: Callable[[Json], Json] = lambda same: same, info: Json | None = None,
    ) -> str:  # fmt: skip
        """Encrypt, upload and send a file as clients do; ``spoil`` is applied to its ``file`` object first."""
        key, iv = secrets.token_bytes(32), secrets.token_bytes(8) + bytes(8)
        encryptor = Cipher(AES(key), CTR(iv)).encryptor()
        raw = encryptor.update(data) + encryptor.finalize()
        async with self._http.post(
            self.url + "/_matrix/media/v3/upload",
            data=BytesIO(raw),
            headers={"Content-Type": "application/octet-stream"},
        ) as answer:
            url = (await answer.json())["content_uri"]
        k = base64.urlsafe_b64encode(key).decode().rstrip("=")
        jwk = {"kty": "oct", "alg": "A256CTR", "ext": True, "k": k, "key_ops": ["encrypt", "decrypt"]}
        opened: Json = {
            "v": "v2",
            "url": url,
            "key": jwk,
            "iv": b64(iv),
            "hashes": {"sha256": b64(sha256(raw).digest())},
        }
        kind = "m.image" if mime.startswith("image/") else "m.file"
        said = {"msgtype": kind, "body": caption or name, "filename": name, "file": spoil(opened)}
        return await self.send(room, {**said, "info": info or {"mimetype": mime, "size": len(data)}})

    async def read_file(self, content: Json) -> bytes:
        """Download and open the file of a message; its hash must be right."""
        server, media = content["file"]["url"].removeprefix("mxc://").split("/")
        async with self._http.get(f"{self.url}/_matrix/client/v1/media/download/{server}/{media}") as answer:
            assert answer.status == 200, answer.status
            raw = await answer.read()
        opened = content["file"]
        assert b64(sha256(raw).digest()) == opened["hashes"]["sha256"]
        key = base64.urlsafe_b64decode(opened["key"]["k"] + "=")
        decryptor = Cipher(AES(key), CTR(unb64(opened["iv"]))).decryptor()
        return decryptor.update(raw) + decryptor.finalize()

    def rotate(self, room: str) -> None:
        """Use a new Megolm session from now on."""
        self._outbound.pop(room, None)

    def _out(self, room: str) -> _Outbound:
        if room not in self._outbound:
            session = vodozemac.GroupSession()
            self._outbound[room] = _Outbound(session, first_key=session.session_key.to_base64())
        return self._outbound[room]

    async def share(self, room: str, members: set[str] | None = None) -> None:
        """Give the room key (from its first message on) to every device of the room that lacks it."""
        out = self._out(room)
        if members is not None and all((m, "*") in out.shared for m in members):
            return
        members = await self._present(room)
        self._members[room] = members
        devices = [d for d in await self._devices(members) if d not in out.shared and d[1] != self.device]
        await self._sessions(devices)
        content = {
            "algorithm": MEGOLM,
            "room_id": room,
            "session_id": out.session.session_id,
            "session_key": out.first_key,
            "m.shared_history": self.opens_history,
        }
        messages: dict[str, Json] = {}
        for mxid, device in devices:
            sealed = self._olm_encrypt(mxid, device, "m.room_key", content)
            if sealed is not None:
                messages.setdefault(mxid, {})[device] = sealed
        if messages:
            await self.to_device("m.room.encrypted", messages)
        out.shared.update(devices)
        out.shared.update((member, "*") for member in members)

    async def to_device(self, kind: str, messages: dict[str, Json]) -> None:
        """PUT /sendToDevice."""
        path = f"/_matrix/client/v3/sendToDevice/{kind}/{secrets.token_hex(8)}"
        await self.call("PUT", path, {"messages": messages})

    async def _present(self, room: str) -> set[str]:
        """Who is joined or invited, by one answer: between two, one who joins would be neither."""
        state = (await self.call("GET", f"{_room(room)}/state"))["list"]
        return {
            event["state_key"]
            for event in state
            if event["type"] == "m.room.member" and event["content"].get("membership") in ("join", "invite")
        }

    async def _devices(self, members: Iterable[str]) -> list[tuple[str, str]]:
        body: Json = {"device_keys": {member: [] for member in members}}
        found = (await self.call("POST", "/_matrix/client/v3/keys/query", body))["device_keys"]
        for mxid, devices in found.items():
            for device, keys in devices.items():
                self._curves[(mxid, device)] = keys["keys"]
        return [(mxid, device) for mxid, devices in found.items() for device in devices]

    async def _sessions(self, devices: list[tuple[str, str]]) -> None:
        missing: dict[str, dict[str, str]] = {}
        for mxid, device in devices:
            if not self._olm.get(self._curves[(mxid, device)][f"curve25519:{device}"]):
                missing.setdefault(mxid, {})[device] = "signed_curve25519"
        if not missing:
            return
        answer = await self.call("POST", "/_matrix/client/v3/keys/claim", {"one_time_keys": missing})
        for mxid, claimed in answer["one_time_keys"].items():
            for device, keys in claimed.items():
                curve = self._curves[(mxid, device)][f"curve25519:{device}"]
                key = next(iter(keys.values()))["key"]
                session = self._account.create_outbound_session(
                    vodozemac.Curve25519PublicKey.from_base64(curve), vodozemac.Curve25519PublicKey.from_base64(key)
                )
                self._olm.setdefault(curve, []).append(session)

    def _olm_encrypt(self, mxid: str, device: str, kind: str, content: Json) -> Json | None:
        keys = self._curves[(mxid, device)]
        curve = keys[f"curve25519:{device}"]
        if not self._olm.get(curve):
            return None
        plain = {
            "type": kind,
            "content": content,
            "sender": self.mxid,
            "sender_device": self.device,
            "recipient": mxid,
            "recipient_keys": {"ed25519": keys[f"ed25519:{device}"]},
            "keys": {"ed25519": self._account.ed25519_key.to_base64()},
        }
        number, body = self._olm[curve][-1].encrypt(orjson.dumps(plain)).to_parts()
        return {
            "algorithm": OLM,
            "sender_key": self._account.curve25519_key.to_base64(),
            "ciphertext": {curve: {"type": number, "body": b64(body)}},
        }

    # -- sync ----------------------------------------------------------------------------------------------

    async def wait(self, test: Callable[[Seen], bool], patience: float = PATIENCE) -> Seen:
        """The first readable message that passes ``test``, now or soon; raises TimeoutError."""
        async with asyncio.timeout(patience):
            while True:
                for seen in self.seen:
                    if test(seen):
                        return seen
                self._changed.clear()
                await self._changed.wait()

    async def heard(self, text: str, patience: float = PATIENCE) -> Seen:
        """Wait for a message whose text contains this."""
        return await self.wait(lambda seen: text in (seen.text or ""), patience)

    async def event(self, test: Callable[[Json], bool], patience: float = PATIENCE) -> Json:
        """The first event of any kind (in clear) that passes ``test``; raises TimeoutError."""
        async with asyncio.timeout(patience):
            while True:
                for _, event in self.events:
                    if test(event):
                        return event
                self._changed.clear()
                await self._changed.wait()

    async def invited(self, patience: float = PATIENCE) -> str:
        """Wait for an invitation; gives the room."""
        async with asyncio.timeout(patience):
            while not self.invites:
                self._changed.clear()
                await self._changed.wait()
        return self.invites.pop()

    async def _sync_forever(self) -> None:
        while True:
            try:
                await self.sync(10_000)
            except (aiohttp.ClientError, RuntimeError, OSError):
                await asyncio.sleep(0.1)

    async def sync(self, timeout: int = 0) -> None:
        """One /sync."""
        path = f"/_matrix/client/v3/sync?timeout={timeout}" + (f"&since={self._since}" if self._since else "")
        answer = await self.call("GET", path)
        for event in answer.get("to_device", {}).get("events", []):
            await self._to_device(event)
        rooms = answer.get("rooms", {})
        for room, joined in rooms.get("join", {}).items():
            self.invites.discard(room)
            for event in joined.get("state", {}).get("events", []) + joined["timeline"]["events"]:
                self._timeline(room, event)
            self.events += [(room, event) for event in joined.get("ephemeral", {}).get("events", [])]
        self.invites |= set(rooms.get("invite", {}))
        self._since = answer["next_batch"]
        self._changed.set()

    def _timeline(self, room: str, event: Json) -> None:
        self.events.append((room, event))
        if event["type"] == "m.room.member":
            self._members.pop(room, None)
        if event["type"] == "m.room.encrypted" and event["sender"] != self.mxid:
            seen = Seen(room, event)
            (self.seen if self._read(seen) else self.unreadable).append(seen)
            self.blank += [event["event_id"]] if seen.clear is None else []
        elif event["type"] == "m.room.message":
            self.seen.append(Seen(room, event, event))

    def _read(self, seen: Seen) -> bool:
        content = seen.event["content"]
        session = self._inbound.get((seen.room, content["session_id"]))
        if session is None:
            return False
        try:
            clear = session.decrypt(vodozemac.MegolmMessage.from_base64(content["ciphertext"])).plaintext
        except vodozemac.MegolmDecryptionException:  # of before the index from which the key was given
            return False
        seen.clear = orjson.loads(clear)
        return True

    async def _to_device(self, event: Json) -> None:
        if event["type"] == "m.room_key.withheld":
            self.withheld.append(event)
        elif event["type"] == "m.room_key_request":
            self.key_requests.append(event)
        elif event["type"].startswith("m.key.verification."):
            self.verifications.append(event)
        elif event["type"] == "m.room.encrypted":
            clear = self._olm_decrypt(event["content"])
            if clear is not None and clear["type"].endswith(".room_key_bundle"):
                self.bundles.append(clear)
            if clear is not None and clear["type"] == "m.room_key":
                key = clear["content"]
                session = vodozemac.InboundGroupSession(vodozemac.SessionKey(key["session_key"]))
                self._inbound.setdefault((key["room_id"], key["session_id"]), session)
                waiting, self.unreadable = self.unreadable, []
                for seen in waiting:
                    (self.seen if self._read(seen) else self.unreadable).append(seen)

    def _olm_decrypt(self, content: Json) -> Json | None:
        mine = content.get("ciphertext", {}).get(self._account.curve25519_key.to_base64())
        if mine is None:
            return None
        curve = content["sender_key"]
        message = vodozemac.AnyOlmMessage.from_parts(mine["type"], unb64(mine["body"]))
        for session in self._olm.get(curve, []):
            try:
                return dict(orjson.loads(session.decrypt(message)))
            except ValueError:
                continue
        first = message.to_pre_key()
        if first is None:
            return None
        made, plain = self._account.create_inbound_session(vodozemac.Curve25519PublicKey.from_base64(curve), first)
        self._olm.setdefault(curve, []).append(made)
        return dict(orjson.loads(plain))

    # -- own keys ------------------------------------------------------------------------------------------

    async def _publish(self) -> None:
        curve, ed = self._account.curve25519_key.to_base64(), self._account.ed25519_key.to_base64()
        keys: Json = {
            "user_id": self.mxid,
            "device_id": self.device,
            "algorithms": [OLM, MEGOLM],
            "keys": {f"curve25519:{self.device}": curve, f"ed25519:{self.device}": ed},
        }
        master, self_signing = _Signer(self.mxid, "master"), _Signer(self.mxid, "self_signing")
        bare, by_owner = dict(keys), self_signing.sign(keys)
        self._by_owner = {**bare, "signatures": {self.mxid: by_owner}}
        by_device = {f"ed25519:{self.device}": self._sign(keys)}
        keys["signatures"] = {self.mxid: by_device | (by_owner if self.signed else {})}
        self._account.generate_one_time_keys(50)
        self._account.generate_fallback_key()  # type: ignore[attr-defined]
        upload = {
            "device_keys": keys,
            "one_time_keys": self._signed(self._account.one_time_keys, fallback=False),
            "fallback_keys": self._signed(self._account.fallback_key, fallback=True),  # type: ignore[attr-defined]
        }
        await self.call("POST", "/_matrix/client/v3/keys/upload", upload)
        self._account.mark_keys_as_published()
        own = {**master.key, "signatures": {self.mxid: {f"ed25519:{self.device}": self._sign(master.key)}}}
        theirs = {**self_signing.key, "signatures": {self.mxid: master.sign(self_signing.key)}}
        body = {"master_key": own, "self_signing_key": theirs}
        await self.call("POST", "/_matrix/client/v3/keys/device_signing/upload", body)

    async def sign(self) -> None:
        """Sign one's own device, as somebody does who verifies a new phone."""
        body = {self.mxid: {self.device: self._by_owner}}
        await self.call("POST", "/_matrix/client/v3/keys/signatures/upload", body)

    async def reset(self) -> None:
        """Lose the recovery key: new cross-signing keys, which sign the same device."""
        await self._publish()

    def _sign(self, value: Json) -> str:
        return self._account.sign(canonical(value)).to_base64()

    def _signed(self, keys: dict[str, vodozemac.Curve25519PublicKey], *, fallback: bool) -> Json:
        signed: Json = {}
        for key_id, key in keys.items():
            value: Json = {"key": key.to_base64()} | ({"fallback": True} if fallback else {})
            value["signatures"] = {self.mxid: {f"ed25519:{self.device}": self._sign(value)}}
            signed[f"signed_curve25519:{key_id}"] = value
        return signed


class _Signer:
    """One cross-signing key."""

    def __init__(self, mxid: str, usage: str) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.public = b64(self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        self.key: Json = {"user_id": mxid, "usage": [usage], "keys": {f"ed25519:{self.public}": self.public}}

    def sign(self, value: Json) -> dict[str, str]:
        return {f"ed25519:{self.public}": b64(self._private.sign(canonical(value)))}


def _room(room: str) -> str:
    return f"/_matrix/client/v3/rooms/{quote(room, safe='')}"
