"""A person's device written directly on vodozemac: honest unless told otherwise, independent of the engine."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from vodozemac import (
    Account,
    AnyOlmMessage,
    Curve25519PublicKey,
    ExportedSessionKey,
    GroupSession,
    InboundGroupSession,
    MegolmMessage,
    PreKeyMessage,
    Session,
    SessionKey,
)

from tests.e2ee.stub import Stub, StubDevice

Json = dict[str, Any]
OLM, MEGOLM = "m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def plain(value: Json) -> bytes:
    """Canonical JSON of what is signed, by the standard library."""
    bare = {k: v for k, v in value.items() if k not in ("signatures", "unsigned")}
    return json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Owner:
    """A person's cross-signing keys."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.master, self.own = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()

    @staticmethod
    def public(key: Ed25519PrivateKey) -> str:
        return b64(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, value: Json, key: Ed25519PrivateKey) -> Json:
        signatures = {**value.get("signatures", {}).get(self.user, {})}
        signatures[f"ed25519:{self.public(key)}"] = b64(key.sign(plain(value)))
        return {**value, "signatures": {self.user: signatures}}

    def _key(self, usage: str, key: Ed25519PrivateKey) -> Json:
        public = self.public(key)
        return {"user_id": self.user, "usage": [usage], "keys": {f"ed25519:{public}": public}}

    def publish(self, stub: Stub) -> None:
        master = self._key("master", self.master)
        own = self.sign(self._key("self_signing", self.own), self.master)
        stub.cross[self.user] = {"master_key": master, "self_signing_key": own}
        stub.changes(self.user)


@dataclass
class Peer:
    """One device of a person on the stub."""

    stub: Stub
    user: str
    name: str
    owner: Owner | None = None
    account: Account = field(default_factory=Account)
    sessions: dict[str, list[Session]] = field(default_factory=dict)
    inbound: dict[str, InboundGroupSession] = field(default_factory=dict)
    got: list[Json] = field(default_factory=list)
    clear: list[Json] = field(default_factory=list)
    group: GroupSession | None = None

    @property
    def curve(self) -> str:
        return self.account.curve25519_key.to_base64()

    @property
    def ed(self) -> str:
        return self.account.ed25519_key.to_base64()

    def sign(self, value: Json) -> Json:
        signature = self.account.sign(plain(value)).to_base64()
        old = value.get("signatures", {}).get(self.user, {})
        return {**value, "signatures": {self.user: {**old, f"ed25519:{self.name}": signature}}}

    def keys(self) -> Json:
        value: Json = {
            "user_id": self.user,
            "device_id": self.name,
            "algorithms": [OLM, MEGOLM],
            "keys": {f"curve25519:{self.name}": self.curve, f"ed25519:{self.name}": self.ed},
        }
        value = self.sign(value)
        return self.owner.sign(value, self.owner.own) if self.owner else value

    def publish(self, one_time: int = 5, fallback: bool = False) -> Peer:
        """Upload device keys and one-time keys."""
        mine = self.stub.devices[self.user].setdefault(self.name, StubDevice())
        mine.keys = self.keys()
        self.account.generate_one_time_keys(one_time)
        for key_id, key in self.account.one_time_keys.items() if one_time else ():
            mine.one_time[f"signed_curve25519:{key_id}"] = self.sign({"key": key.to_base64()})
        if fallback:
            self.account.generate_fallback_key()  # type: ignore[attr-defined]
            keys = self.account.fallback_key  # type: ignore[attr-defined]
            mine.fallback = {
                f"signed_curve25519:{i}": self.sign({"key": k.to_base64(), "fallback": True}) for i, k in keys.items()
            }
        self.account.mark_keys_as_published()
        self.stub.changes(self.user)
        return self

    def vanish(self) -> None:
        """Log out."""
        del self.stub.devices[self.user][self.name]
        self.stub.changes(self.user)

    # -- receiving ----------------------------------------------------------------------------------------------

    def sync(self) -> list[Json]:
        """Read the inbox; returns what was decrypted now."""
        inbox, self.stub.devices[self.user][self.name].inbox = self.stub.devices[self.user][self.name].inbox, []
        new = []
        for _, event in inbox:
            if event["type"] == "m.room.encrypted":
                new.append(self._open(event))
            else:
                self.clear.append(event)
        self.got += new
        return new

    def _open(self, event: Json) -> Json:
        content = event["content"]
        part, curve = content["ciphertext"][self.curve], content["sender_key"]
        message = AnyOlmMessage.from_parts(part["type"], base64.b64decode(part["body"] + "=="))
        text = self._decrypt(curve, part, message)
        inner: Json = json.loads(text)
        assert (inner["sender"], inner["recipient"]) == (event["sender"], self.user)
        assert inner["recipient_keys"]["ed25519"] == self.ed
        body = inner["content"]
        if inner["type"] == "m.room_key":
            self._keep(InboundGroupSession(SessionKey(body["session_key"])), body)
        elif inner["type"] == "m.forwarded_room_key":
            self._keep(InboundGroupSession.import_session(ExportedSessionKey(body["session_key"])), body)
        return inner

    def _keep(self, session: InboundGroupSession, body: Json) -> None:
        assert session.session_id == body["session_id"]
        old = self.inbound.get(session.session_id)
        if old is None or session.first_known_index < old.first_known_index:
            self.inbound[session.session_id] = session

    def _decrypt(self, curve: str, part: Json, message: AnyOlmMessage) -> bytes:
        for session in self.sessions.get(curve, []):
            try:
                return session.decrypt(message)
            except ValueError:
                continue
        opening = PreKeyMessage.from_base64(part["body"])
        session, text = self.account.create_inbound_session(Curve25519PublicKey.from_base64(curve), opening)
        self.sessions.setdefault(curve, []).insert(0, session)
        return text

    def read(self, content: Json) -> Json:
        """Decrypt a room event."""
        session = self.inbound[content["session_id"]]
        inner: Json = json.loads(session.decrypt(MegolmMessage.from_base64(content["ciphertext"])).plaintext)
        return inner

    # -- sending ------------------------------------------------------------------------------------------------

    def say(self, room: str, text: str, **extra: Any) -> Json:
        """A room event's content in this device's current session."""
        self.group = self.group or GroupSession()
        inner = {"type": "m.room.message", "content": {"body": text}, "room_id": room, **extra}
        ciphertext = self.group.encrypt(json.dumps(inner).encode()).to_base64()
        return {"algorithm": MEGOLM, "session_id": self.group.session_id, "ciphertext": ciphertext}

    def room_key(self, room: str) -> Json:
        """The content of ``m.room_key`` at the current index."""
        self.group = self.group or GroupSession()
        key, session_id = self.group.session_key.to_base64(), self.group.session_id
        return {"algorithm": MEGOLM, "room_id": room, "session_id": session_id, "session_key": key}

    def share(self, room: str, ghost: str) -> None:
        """Give the current session to a ghost."""
        self.olm(ghost, "m.room_key", self.room_key(room))

    def olm(self, ghost: str, kind: str, content: Json, /, *, device_keys: bool = True, **changes: Any) -> Json:
        """Send one Olm message to a ghost's only device; ``changes`` go over the plaintext. Returns the content."""
        encrypted = self.wrap(ghost, kind, content, device_keys=device_keys, **changes)
        ((device, _),) = self.stub.devices[ghost].items()
        self.stub.post(self.user, ghost, device, "m.room.encrypted", encrypted)
        return encrypted

    def wrap(self, ghost: str, kind: str, content: Json, /, *, device_keys: bool = True, **changes: Any) -> Json:
        """The content of an Olm message to a ghost's only device."""
        ((device, stored),) = self.stub.devices[ghost].items()
        theirs = (stored.keys or {})["keys"]
        curve = theirs[f"curve25519:{device}"]
        if not self.sessions.get(curve):
            self.claim(ghost, device, curve)
        inner = {
            "type": kind,
            "content": content,
            "sender": self.user,
            "recipient": ghost,
            "recipient_keys": {"ed25519": theirs[f"ed25519:{device}"]},
            "keys": {"ed25519": self.ed},
            **({"sender_device_keys": self.keys()} if device_keys else {}),
            **changes,
        }
        number, body = self.sessions[curve][0].encrypt(json.dumps(inner).encode()).to_parts()
        return {"algorithm": OLM, "sender_key": self.curve, "ciphertext": {curve: {"type": number, "body": b64(body)}}}

    def claim(self, ghost: str, device: str, curve: str) -> None:
        """A new Olm session with a ghost's device."""
        stored = self.stub.devices[ghost][device]
        if stored.one_time:
            key = stored.one_time.pop(next(iter(stored.one_time)))
        else:
            (key,), stored.fallback_used = stored.fallback.values(), True
        one_time = Curve25519PublicKey.from_base64(key["key"])
        session = self.account.create_outbound_session(Curve25519PublicKey.from_base64(curve), one_time)
        self.sessions.setdefault(curve, []).insert(0, session)
