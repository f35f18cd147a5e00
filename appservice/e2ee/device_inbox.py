"""What arrives for a ghost's device: the homeserver's to-device inbox, read by ``/sync`` and stored with its position.

A transaction of the homeserver is only the doorbell; what it lost is still in this inbox. Content, Olm ratchets and
``next_batch`` are one database transaction: the same position always finds the same state.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from appservice.client.homeserver import Homeserver, MatrixRefused, may, need
from appservice.e2ee.common import Common
from appservice.e2ee.ghost_devices import Ghost
from appservice.e2ee.identity import Identity
from appservice.e2ee.megolm_in import NewKey, read_room_key
from appservice.e2ee.model import OLM, Device, Json, Trust
from appservice.e2ee.olm import Olm, OlmChanges, Unreadable
from appservice.e2ee.repair import Repair
from appservice.e2ee.requests import Requests, cancelled
from appservice.e2ee.signing import read_device
from appservice.e2ee.todevice import Message
from bridge.db import Database
from bridge.errors import Refused, Unavailable, where
from bridge.parts.shared import Shared
from bridge.parts.turns import Turns

log = logging.getLogger(__name__)

_SYNC = "/_matrix/client/v3/sync"
_FULL = 100  # to-device events in one answer: there may be more
_FILTER = orjson.dumps({"presence": {"types": []}, "account_data": {"types": []}, "room": {"rooms": []}}).decode()
_AT_ONCE = 8
_READ_MS = 14 * 86_400_000  # how long hashes of Olm messages are kept
_ASKED_MS = 90 * 86_400_000  # how long a retired session of ours may be asked for, and what a copy lacked is kept

OnKeys = Callable[[str, str], None]


@dataclass(slots=True)
class SyncBatch:
    """What one sync brought, ready to be stored."""

    olm: OlmChanges = field(default_factory=OlmChanges)
    hashes: list[str] = field(default_factory=list)
    keys: list[NewKey] = field(default_factory=list)
    forwarded: list[tuple[Json, Device]] = field(default_factory=list)
    withheld: list[tuple[str, str, str, str]] = field(default_factory=list)
    wedged: set[tuple[str, str]] = field(default_factory=set)
    asked: list[tuple[str, Json]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    verifications: list[Message] = field(default_factory=list)  # the answers that end them


@dataclass(frozen=True, slots=True)
class OlmMessage:
    """An Olm message that was read and found to be from who it says."""

    device: Device  # its id is empty if nobody told us
    type: str
    content: Json = field(repr=False)
    trust: Trust


class DeviceInbox:
    """Syncs ghosts' devices when the doorbell rings."""

    def __init__(
        self,
        common: Common,
        homeserver: Homeserver,
        olm: Olm,
        identity: Identity,
        requests: Requests,
        repair: Repair,
        on_keys: OnKeys | None,
    ) -> None:
        self._db, self._clock = common.db, common.clock_ms
        self._ghosts, self._devices, self._megolm = common.ghosts, common.devices, common.megolm
        self._homeserver = homeserver
        self._olm = olm
        self._identity = identity
        self._requests = requests
        self._repair = repair
        self._on_keys = on_keys
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._reading: Shared[str, None] = Shared("inboxes of devices")
        self._turns = Turns()

    async def ring(self, users: Iterable[str]) -> None:
        """Read the inboxes of these ghosts; returns when that is done. Raises Unavailable if any could not be read."""
        ready = [user for user in users if (ghost := self._ghosts.get(user)) is not None and ghost.ready]
        tasks = {self._reading.of(user, partial(self._read_inbox, user)) for user in ready}
        if not tasks:
            return
        await asyncio.wait(tasks)
        errors = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
        if errors:
            raise errors[0]

    async def _read_inbox(self, user: str) -> None:
        """One at a time for each ghost; whoever rings before the look at the homeserver shares it."""
        async with self._turns.of(user), self._slots:
            self._reading.no_more(user)
            try:
                ghost = self._ghosts.get(user)
                while ghost is not None and await self._sync(ghost) >= _FULL:
                    pass
            except (KeyError, TypeError, AttributeError, ValueError) as bug:
                log.error("the inbox of %s could not be read: %s", user, where(bug))
                raise Unavailable("homeserver_error") from bug  # one odd answer must not end whatever asked for it

    async def close(self) -> None:
        """Stop reading."""
        await self._reading.stop()

    async def _sync(self, ghost: Ghost) -> int:
        if self._ghosts.unsure:  # of a copy more can be read than is in the database: first see whether it is one
            raise Unavailable("database_age_unknown", 1.0, alone=True)
        if ghost.stale and not ghost.spared:
            await self._identity.look_back(ghost)
        if not ghost.since_sure:
            row = await self._db.one("e2ee.ghost-position", ghost.user)
            ghost.since, ghost.since_sure = (row["next_batch"] if row else None), True
        current = self._ghosts.round
        query = {"timeout": "0", "set_presence": "offline", "filter": _FILTER}
        if ghost.since is not None:
            query["since"] = ghost.since
        try:
            answer = await self._homeserver.call("GET", _SYNC, user=ghost.user, device=ghost.device, query=query)
        except MatrixRefused as refused:
            if refused.errcode != "M_UNKNOWN_DEVICE":
                raise
            await self._identity.lost(ghost)
            raise Unavailable("ghost_device_lost", 0.0, alone=True) from refused
        position = need(answer, "next_batch", str)
        events = [e for e in may(may(answer, "to_device", dict), "events", list) if isinstance(e, dict)]
        lists = may(answer, "device_lists", dict)
        told = (*may(lists, "changed", list), *may(lists, "left", list))
        people = [u for u in told if isinstance(u, str) and self._ghosts.get(u) is None]
        self._devices.outdated(people)
        batch, stored = await self._store(ghost, events, people, position)
        self._ghosts.moved(ghost, position)
        ghost.looked = current
        self._tell(batch, stored)
        await self._follow_up(ghost, batch, answer)
        return len(events)

    async def _store(
        self, ghost: Ghost, events: list[Json], people: list[str], position: str
    ) -> tuple[SyncBatch, list[NewKey]]:
        batch = SyncBatch()
        if not events and not people and position == ghost.since:
            return batch, []  # nothing came: that is on disk already
        async with ghost.lock:
            try:
                for event in events:
                    await self._take(ghost, event, batch)
                account = await self._ghosts.account(ghost) if batch.olm.account else None
                async with self._db.transaction("e2ee.sync") as tx:
                    await self._olm.save(tx, ghost, batch.olm, account)
                    now = self._clock()
                    await tx.many("e2ee.olm-read", [(h, now) for h in batch.hashes])
                    keys = sorted(batch.keys, key=lambda key: key.session_id)  # one order: no deadlock
                    stored = [key for key in keys if await self._megolm.put(tx, key)]
                    for content, device in batch.forwarded:
                        key = await self._requests.forwarded(tx, ghost, content, device)
                        if key is not None and await self._megolm.put(tx, key):
                            stored.append(key)
                    batch.cancelled = await self._requests.satisfied(tx, stored)
                    batch.cancelled += await self._requests.cancelled(tx, ghost, batch.verifications)
                    await tx.many("e2ee.withheld-save", batch.withheld)
                    await self._repair.note(tx, ghost, batch.wedged)
                    await self._devices.note_outdated(tx, people)
                    await tx.run("e2ee.ghost-moved", ghost.user, position)
            except BaseException:
                self._olm.forget(ghost)
                raise
        return batch, stored

    def _tell(self, batch: SyncBatch, stored: list[NewKey]) -> None:
        for key in stored:
            self._megolm.forget(key.room_id, key.session_id, key.sender)
        if self._on_keys is not None:
            for key in stored:
                self._on_keys(key.room_id, key.session_id)
            for room, session, _, _ in batch.withheld:
                self._on_keys(room, session)

    async def _follow_up(self, ghost: Ghost, batch: SyncBatch, answer: Json) -> None:
        """Things that need the network; what fails here is done at the next sync or flush."""
        counts = answer.get("device_one_time_keys_count")
        count = may(counts, "signed_curve25519", int) if isinstance(counts, dict) else None
        unused = answer.get("device_unused_fallback_key_types")
        steps: list[Callable[[], Awaitable[Any]]] = [
            lambda: self._identity.refill(ghost, count, unused if isinstance(unused, list) else None),
        ]
        if batch.wedged:
            steps.append(self._repair.run)
            people = sorted({user for user, _ in batch.wedged})
            steps.append(lambda: self._requests.again(ghost, people))
        if batch.cancelled:
            steps.append(lambda: self._requests.send(batch.cancelled))
        if batch.asked:
            steps.append(lambda: self._requests.answer(ghost, batch.asked))
        for step in steps:
            try:
                await step()
            except (Unavailable, Refused) as error:
                log.warning("after the sync of device %s: %s", ghost.device, error)

    # -- one event --------------------------------------------------------------------------------------------------

    async def _take(self, ghost: Ghost, event: Json, batch: SyncBatch) -> None:
        kind, sender, content = event.get("type"), event.get("sender"), event.get("content")
        if not isinstance(sender, str) or not isinstance(content, dict) or _has_nul(content):
            return
        if kind == "m.room.encrypted":
            letter = await self._open(ghost, sender, content, batch)
            if letter is not None:
                self._read(ghost, letter, batch)
        elif kind == "m.room_key.withheld":
            _withheld(sender, content, batch)
        elif kind == "m.room_key_request":
            batch.asked.append((sender, content))
        else:
            self._end(str(kind), sender, content, batch)

    def _end(self, kind: str, sender: str, content: Json, batch: SyncBatch) -> None:
        answer = cancelled(kind, sender, content) if self._ghosts.get(sender) is None else None
        if answer is not None:
            batch.verifications.append(answer)

    async def _open(self, ghost: Ghost, sender: str, content: Json, batch: SyncBatch) -> OlmMessage | None:
        """Decrypt an Olm event and check what it says about itself."""
        try:
            curve, part = content["sender_key"], content["ciphertext"][ghost.curve]
            kind, body = part["type"], part["body"]
            known = content["algorithm"] == OLM and isinstance(curve, str) and isinstance(body, str) and kind in (0, 1)
        except (KeyError, TypeError):
            return None
        if not known:
            return None
        digest = hashlib.sha256(f"{ghost.device}|{curve}|{body}".encode()).hexdigest()
        try:
            plain = orjson.loads(await self._olm.decrypt(ghost, curve, kind, body, batch.olm))
        except Unreadable:
            if digest not in batch.hashes and await self._db.one("e2ee.olm-was-read", digest) is None:
                log.warning("device %s cannot read an Olm message of %s", ghost.device, sender)
                batch.wedged.add((sender, curve))
            return None
        except orjson.JSONDecodeError:
            return None
        if curve in batch.olm.past:
            batch.wedged.add((sender, curve))  # they write with a session of before: they need a new one
        if _has_nul(plain):
            return None
        batch.hashes.append(digest)
        letter = await self._check(ghost, sender, curve, plain)
        if letter is None:
            log.warning("device %s got an Olm message that is not what it says, from %s", ghost.device, sender)
        return letter

    async def _check(self, ghost: Ghost, sender: str, curve: str, plain: Any) -> OlmMessage | None:
        try:
            ed, kind, content = plain["keys"]["ed25519"], plain["type"], plain["content"]
            ours = plain["recipient"] == ghost.user and plain["recipient_keys"]["ed25519"] == ghost.ed
        except (KeyError, TypeError):
            return None
        if not ours or plain.get("sender") != sender or not isinstance(content, dict) or not isinstance(kind, str):
            return None
        device = await self._devices.by_curve(sender, curve)
        carried = plain.get("sender_device_keys")
        if carried is not None:
            told = (
                read_device(sender, str(carried.get("device_id")), carried, None) if isinstance(carried, dict) else None
            )
            if told is None or (told.curve, told.ed) != (curve, ed):
                return None
            device = device or told
        if device is None:
            return OlmMessage(Device(sender, "", curve, ed, False), kind, content, "unknown_device")
        if device.ed != ed:
            return None
        return OlmMessage(device, kind, content, "signed" if device.signed else "unsigned")

    def _read(self, ghost: Ghost, letter: OlmMessage, batch: SyncBatch) -> None:
        if letter.type == "m.room_key":
            key = read_room_key(letter.content, ghost.user, letter.device, letter.trust)
            if key is not None:
                batch.keys.append(key)
        elif letter.type == "m.forwarded_room_key" and letter.device.id:
            batch.forwarded.append((letter.content, letter.device))
        else:
            self._end(letter.type, letter.device.user, letter.content, batch)


def _has_nul(value: Any) -> bool:
    """PostgreSQL takes no NUL in a text; one such event must not stop an inbox for ever. Too deep is as odd."""
    try:
        return b"\\u0000" in orjson.dumps(value)
    except TypeError:
        return True


def _withheld(sender: str, content: Json, batch: SyncBatch) -> None:
    """``m.room_key.withheld``: kept for whoever meets the event; ``m.no_olm`` asks for a new Olm session."""
    code, room, session = content.get("code"), content.get("room_id"), content.get("session_id")
    if code == "m.no_olm" and isinstance(content.get("sender_key"), str):
        batch.wedged.add((sender, content["sender_key"]))
    elif isinstance(code, str) and isinstance(room, str) and isinstance(session, str):
        batch.withheld.append((room, session, sender, code[:64]))


async def tidy(db: Database, now: int) -> None:
    """Drop hashes of Olm messages that no homeserver gives again, and old sessions that nobody asks for any more."""
    some = True
    while some:
        async with db.transaction("e2ee.tidy") as tx:
            some = bool(await tx.all("e2ee.olm-read-old", now - _READ_MS))
            some = bool(await tx.all("e2ee.spare-old", now - _ASKED_MS)) or some
            old = [(row["session_id"],) for row in await tx.all("e2ee.out-old", now - _ASKED_MS)]
            await tx.many("e2ee.shares-gone", old)
            await tx.many("e2ee.out-gone", old)
            some = some or bool(old)
