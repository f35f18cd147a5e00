"""Megolm sessions that our ghosts can read, and the checks before an event's text is believed.

Sources: client-server API "m.megolm.v1.aes-sha2", MSC4153. One store for all ghosts: a key that one got serves all.
Megolm itself reads the same ciphertext again and again, so the index table is what stops a replay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import orjson
from vodozemac import ExportedSessionKey, InboundGroupSession, MegolmMessage, SessionKey

from appservice.e2ee.devices import Devices
from appservice.e2ee.model import MEGOLM, Decrypted, Device, Json, KeyMissing, Policy, Trust, Undecryptable
from appservice.e2ee.pickles import Pickles
from bridge.db import Database, Tx
from bridge.errors import Unavailable
from bridge.parts.lru import Lru

log = logging.getLogger(__name__)

_SEEN = 1024  # indices of a session that are remembered in memory


@dataclass(frozen=True, slots=True)
class NewKey:
    """A Megolm session that arrived; ``sender`` owns it (the user at the other end of the Olm channel)."""

    room_id: str
    session_id: str
    sender: str
    curve: str
    ed: str
    session: InboundGroupSession = field(repr=False)
    receiver: str
    trust: Trust
    device_id: str | None = None
    shared_history: bool = False
    forwarded: bool = False


@dataclass(slots=True, eq=False)
class KnownSession:
    """A session in memory and which events used its indices (the newest ones; ``whole``: all of them)."""

    key: NewKey
    seen: dict[int, str]
    whole: bool


def read_room_key(content: Json, receiver: str, device: Device, trust: Trust) -> NewKey | None:
    """The content of ``m.room_key`` that came from ``device``; None if it is not what it says."""
    try:
        if content["algorithm"] != MEGOLM:
            return None
        session = InboundGroupSession(SessionKey(content["session_key"]))
        room, session_id, shared = str(content["room_id"]), content["session_id"], content.get("m.shared_history")
    except (KeyError, TypeError, ValueError):
        return None
    if session.session_id != session_id:
        return None
    owner, name = (device.user, device.curve, device.ed), device.id or None
    return NewKey(room, session_id, *owner, session, receiver, trust, name, shared is True)


def read_forwarded(content: Json, receiver: str, device: Device) -> NewKey | None:
    """The content of ``m.forwarded_room_key`` about a session of ``device``; None if it is not what it says."""
    try:
        session = InboundGroupSession.import_session(ExportedSessionKey(content["session_key"]))
        good = content["algorithm"] == MEGOLM and session.session_id == content["session_id"]
        room, curve, ed = str(content["room_id"]), content["sender_key"], content["sender_claimed_ed25519_key"]
    except (KeyError, TypeError, ValueError):
        return None
    if not good or (curve, ed) != (device.curve, device.ed):
        return None
    trust: Trust = "signed" if device.signed else "unsigned"
    owner = (device.user, curve, ed)
    return NewKey(room, session.session_id, *owner, session, receiver, trust, device.id, forwarded=True)


def same_ratchet(one: InboundGroupSession, two: InboundGroupSession) -> bool:
    """Do two sessions produce the same keys from where both know them?"""
    index = max(one.first_known_index, two.first_known_index)
    left, right = one.export_at(index), two.export_at(index)
    return left is not None and right is not None and left.to_base64() == right.to_base64()


class MegolmIn:
    """The store of readable sessions, with the newest ones in memory."""

    def __init__(
        self,
        db: Database,
        pickles: Pickles,
        devices: Devices,
        policy: Policy,
        is_ghost: Callable[[str], bool],
        clock_ms: Callable[[], int],
        size: int = 8192,
    ) -> None:
        self._db = db
        self._pickles = pickles
        self._devices = devices
        self._policy = policy
        self._is_ghost = is_ghost
        self._clock = clock_ms
        self._known: Lru[tuple[str, str, str], KnownSession] = Lru(size)

    async def put(self, tx: Tx, key: NewKey) -> bool:
        """Store a session in the caller's transaction; True if it opens events that were closed before.

        Of two copies of one session the one that reaches further back stays, if both are the same ratchet.
        """
        row = await tx.one("e2ee.in", key.room_id, key.session_id, key.sender)
        if row is not None:
            old = self._pickles.load(InboundGroupSession, row["pickle"], row["key_id"])
            if old.first_known_index <= key.session.first_known_index:
                return False
            if not same_ratchet(old, key.session):
                log.warning("another ratchet for session %s was offered: not taken", key.session_id)
                return False
            trusted = row["trust"] == "signed" and key.trust != "signed"
            if trusted:  # what a better source said about the owner stays
                key = replace(key, curve=row["curve"], ed=row["ed"], trust=row["trust"], device_id=row["device_id"])
        await self._write(tx, key)
        await tx.run("e2ee.withheld-gone", key.room_id, key.session_id, key.sender)
        return True

    async def _write(self, tx: Tx, key: NewKey) -> None:
        pickle, key_id = self._pickles.dump(key.session), self._pickles.key_id
        head = (key.room_id, key.session_id, key.sender, key.curve, key.ed)
        about = (key.device_id, key.receiver, key.trust)
        flags = (key.session.first_known_index, int(key.shared_history), int(key.forwarded))
        await tx.run("e2ee.in-save", *head, *about, *flags, pickle, key_id, self._clock())

    def forget(self, room_id: str, session_id: str, sender: str) -> None:
        """A better copy was stored: read it again."""
        self._known.drop((room_id, session_id, sender))

    async def session(self, room_id: str, session_id: str, sender: str) -> KnownSession | None:
        """A readable session, from memory or disk."""
        place = (room_id, session_id, sender)
        known = self._known.get(place)
        if known is not None:
            return known
        row = await self._db.one("e2ee.in", *place)
        if row is None:
            return None
        session = self._pickles.load(InboundGroupSession, row["pickle"], row["key_id"])
        flags = (row["receiver"], row["trust"], row["device_id"], row["shared_history"] == 1, row["forwarded"] == 1)
        key = NewKey(*place, row["curve"], row["ed"], session, *flags)
        rows = await self._db.all("e2ee.seen-all", *place, _SEEN)
        again = self._known.get(place)
        if again is not None:
            return again
        return self._known.put(place, KnownSession(key, {r["place"]: r["event_id"] for r in rows}, len(rows) < _SEEN))

    async def decrypt(self, room_id: str, sender: str, event_id: str, content: Json) -> Decrypted:
        """Read a room event. Raises KeyMissing, Undecryptable, Unavailable (no device list of the sender for now)."""
        if content.get("algorithm") != MEGOLM:
            raise Undecryptable("unsupported_algorithm")
        session_id = content.get("session_id")
        if not isinstance(session_id, str):
            raise Undecryptable("bad_ciphertext")
        known = await self.session(room_id, session_id, sender)
        if known is None:
            raise await self._missing(room_id, session_id, sender)
        plain, index = _open(known.key.session, content.get("ciphertext"))
        if plain.get("room_id") != room_id:
            raise Undecryptable("wrong_room")
        await self._not_replayed(known, index, event_id)
        trust, device_id = await self._trust(known)
        known.seen[index] = event_id
        inner = plain["content"]
        relation = content.get("m.relates_to")
        if isinstance(relation, dict) and "m.relates_to" not in inner:
            inner["m.relates_to"] = relation
        note = (known, index, event_id)
        noted = partial(self._seen, *note), partial(self._first, *note)
        return Decrypted(plain["type"], inner, known.key.curve, device_id, trust, session_id, index, *noted)

    async def _missing(self, room_id: str, session_id: str, sender: str) -> Exception:
        rows = await self._db.all("e2ee.in-elsewhere", session_id)
        if any(row["room_id"] == room_id and row["sender"] == sender for row in rows):
            return Unavailable("key_just_came", 0.0)  # between the two looks
        if any(row["room_id"] == room_id for row in rows):
            return Undecryptable("wrong_sender")
        if any(row["sender"] == sender for row in rows):
            return Undecryptable("wrong_room")
        row = await self._db.one("e2ee.withheld", room_id, session_id, sender)
        return KeyMissing(session_id, row["code"] if row is not None else None)

    async def _not_replayed(self, known: KnownSession, index: int, event_id: str) -> None:
        first = known.seen.get(index)
        if first is None and not known.whole:
            key = known.key
            row = await self._db.one("e2ee.seen-one", key.room_id, key.session_id, key.sender, index)
            first = row["event_id"] if row is not None else None
        if first is not None and first != event_id:
            raise Undecryptable("replay")

    async def _seen(self, known: KnownSession, index: int, event_id: str, tx: Tx) -> None:
        key = known.key
        row = await tx.one("e2ee.seen", key.room_id, key.session_id, key.sender, index, event_id)
        if row is not None and row["event_id"] != event_id:
            raise Undecryptable("replay")
        self._trim(known)

    async def _first(self, known: KnownSession, index: int, event_id: str, tx: Tx) -> None:
        key = known.key
        await tx.run("e2ee.seen-first", key.room_id, key.session_id, key.sender, index, event_id)
        self._trim(known)

    def _trim(self, known: KnownSession) -> None:
        if len(known.seen) > 2 * _SEEN:
            known.seen, known.whole = {}, False

    async def _trust(self, known: KnownSession) -> tuple[Trust, str | None]:
        """Who spoke, and may policy let us listen? Raises Undecryptable, Unavailable."""
        key = known.key
        if self._is_ghost(key.sender):
            return key.trust, key.device_id
        person = await self._devices.person(key.sender)
        if person.changed and self._policy.changed_identity == "refuse":
            raise Undecryptable("identity_changed")
        if key.trust != "signed":
            key = known.key = await self._look_up(key)
        if key.trust != "signed" and not self._policy.receive_unsigned:
            raise Undecryptable("unsigned_device" if key.trust == "unsigned" else "unknown_device")
        return key.trust, key.device_id

    async def _look_up(self, key: NewKey) -> NewKey:
        """Ask again who owns the session: the device may have been signed or listed since the key came."""
        stale = await self._devices.fresh([key.sender], key.receiver)
        device = await self._devices.by_curve(key.sender, key.curve)
        if not stale and (device is None or not device.signed):
            stale = await self._devices.fresh([key.sender], key.receiver, force=True)
            device = await self._devices.by_curve(key.sender, key.curve)
        if (await self._devices.person(key.sender)).changed and self._policy.changed_identity == "refuse":
            raise Undecryptable("identity_changed")
        if stale and not (device is not None and device.signed) and not self._policy.receive_unsigned:
            raise Unavailable("device_list_away", 5.0, alone=True)
        if device is None or device.ed != key.ed:
            return key
        trust: Trust = "signed" if device.signed else "unsigned"
        if (trust, device.id) != (key.trust, key.device_id):
            key = replace(key, trust=trust, device_id=device.id)
            async with self._db.transaction("e2ee.trust") as tx:
                await tx.run("e2ee.in-trust", key.room_id, key.session_id, key.sender, key.trust, key.device_id)
        return key


def _open(session: InboundGroupSession, ciphertext: object) -> tuple[Json, int]:
    """Decrypt and parse. Raises Undecryptable."""
    try:
        message = MegolmMessage.from_base64(ciphertext)  # type: ignore[arg-type]  # a wrong type raises TypeError
        if message.message_index() < session.first_known_index:
            raise Undecryptable("too_old")
        opened = session.decrypt(message)
        plain = orjson.loads(opened.plaintext)
        good = isinstance(plain, dict) and isinstance(plain.get("type"), str) and isinstance(plain.get("content"), dict)
    except (ValueError, TypeError) as error:
        raise Undecryptable("bad_ciphertext") from error
    if not good:
        raise Undecryptable("bad_ciphertext")
    return plain, opened.message_index
