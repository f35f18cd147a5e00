"""Asking for keys that did not arrive, and answering those who ask us for keys, or to verify a ghost.

Source: client-server API, "Key requests". We ask the sender's own devices only, and believe only their answer to
what we asked. We answer a device if it was given that very session, at the index it was given, and a device that its
owner has signed since, from where the owner's other devices read it.

Nobody is there to compare keys with ("Key verification framework"): a verification is cancelled at once, with a code.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Sequence

from appservice.e2ee.claims import KeyClaims
from appservice.e2ee.common import Common
from appservice.e2ee.devices import DeviceList
from appservice.e2ee.ghost_devices import Ghost
from appservice.e2ee.megolm_in import NewKey, read_forwarded
from appservice.e2ee.model import MEGOLM, Device, Json, ShareState
from appservice.e2ee.repair import Repair
from appservice.e2ee.todevice import Message, ToDevice
from bridge.db import Row, Tx
from bridge.parts.lru import Lru
from bridge.words import sentence

log = logging.getLogger(__name__)

_REQUEST = "m.room_key_request"
_CANCEL = "m.key.verification.cancel"
_CODES = {"m.key.verification.request": "m.user", "m.key.verification.start": "m.unknown_method"}
_WAIT_MS = (60_000, 600_000, 3_600_000, 21_600_000, 86_400_000)  # before the same session is asked for again
_AGAIN = 50  # sessions of one person that are asked for again, once there is a new Olm session
_ANSWER_MS = 600_000  # one answer to one device about one session


class Requests:
    """Key requests in both directions."""

    def __init__(self, common: Common, claims: KeyClaims, repair: Repair, todevice: ToDevice) -> None:
        self._db, self._policy, self._clock = common.db, common.policy, common.clock_ms
        self._ghosts, self._devices, self._megolm = common.ghosts, common.devices, common.megolm
        self._claims = claims
        self._repair = repair
        self._todevice = todevice
        self._answered: Lru[tuple[str, str, str], int] = Lru(10_000)

    # -- asking -----------------------------------------------------------------------------------------------------

    async def ask(self, room_id: str, sender: str, content: Json, ghosts: Sequence[str]) -> int:
        """Ask the sender's devices for a session, once for each wait; another of our ghosts asks each time.

        Gives when the next one may (ms).
        """
        session_id = content.get("session_id")
        ready = [g for user in ghosts if (g := self._ghosts.get(user)) is not None and g.ready]
        if not isinstance(session_id, str) or not ready or self._ghosts.get(sender) is not None:
            return self._clock() + _WAIT_MS[0]
        row = await self._db.one("e2ee.request", room_id, session_id, sender)
        tries = row["tries"] if row else 0
        if row is not None and row["next_at"] > self._clock():
            return int(row["next_at"])
        said = {"sender_key": content["sender_key"]} if isinstance(content.get("sender_key"), str) else {}
        body = {"algorithm": MEGOLM, "room_id": room_id, "session_id": session_id, **said}
        before = (str(row["ghost"]), str(row["request_id"])) if row is not None else None
        return await self._ask(sender, body, ready[tries % len(ready)], tries, before)

    async def again(self, ghost: Ghost, users: Iterable[str]) -> None:
        """Ask these people once more for what this ghost has asked them for: what it could not read may have been the
        answer, and they have a session now with which it reads the next one. Raises Unavailable.
        """
        for user in users:
            for row in await self._db.all("e2ee.request-again", ghost.user, user, len(_WAIT_MS), _AGAIN):
                body = {"algorithm": MEGOLM, "room_id": row["room_id"], "session_id": row["session_id"]}
                await self._ask(user, body, ghost, row["tries"], (ghost.user, str(row["request_id"])))

    async def _ask(
        self, sender: str, body: Json, ghost: Ghost, tries: int, before: tuple[str, str] | None
    ) -> int:  # fmt: skip
        request_id = secrets.token_hex(16)
        request = {"action": "request", "request_id": request_id, "requesting_device_id": ghost.device, "body": body}
        next_at = self._clock() + _WAIT_MS[min(tries, len(_WAIT_MS) - 1)]
        where = (body["room_id"], body["session_id"], sender)
        async with self._db.transaction("e2ee.request") as tx:
            await tx.run("e2ee.request-save", *where, ghost.user, request_id, tries + 1, next_at)
            txns = await self._cancel(tx, sender, *before) if before is not None else []
            txns.append(await self._todevice.put(tx, ghost.user, _REQUEST, [(sender, "*", request)]))
        await self.send(txns)
        return next_at

    async def _cancel(self, tx: Tx, sender: str, user: str, request_id: str) -> list[str]:
        ghost = self._ghosts.get(user)
        if ghost is not None:
            content = {"action": "request_cancellation", "request_id": request_id, "requesting_device_id": ghost.device}
            return [await self._todevice.put(tx, user, _REQUEST, [(sender, "*", content)])]
        return []

    async def satisfied(self, tx: Tx, keys: Sequence[NewKey]) -> list[str]:
        """These sessions arrived: take our requests back. Returns what :meth:`send` shall send."""
        txns: list[str] = []
        for key in keys:
            row = await tx.one("e2ee.request", key.room_id, key.session_id, key.sender)
            if row is not None:
                await tx.run("e2ee.request-gone", key.room_id, key.session_id, key.sender)
                txns += await self._cancel(tx, key.sender, row["ghost"], row["request_id"])
        return txns

    async def cancelled(self, tx: Tx, ghost: Ghost, messages: Sequence[Message]) -> list[str]:
        """End verifications of a ghost. Returns what :meth:`send` shall send."""
        return [await self._todevice.put(tx, ghost.user, _CANCEL, [message]) for message in messages]

    async def send(self, txns: Sequence[str]) -> None:
        """Send what was queued. Raises Unavailable."""
        for txn in txns:
            await self._todevice.send(txn)

    async def forwarded(self, tx: Tx, ghost: Ghost, content: Json, device: Device) -> NewKey | None:
        """A forwarded key, if this ghost asked its owner for it and it comes from the owner's own device."""
        room, session = content.get("room_id"), content.get("session_id")
        if not (isinstance(room, str) and isinstance(session, str)):
            return None
        row = await tx.one("e2ee.request", room, session, device.user)
        if row is None or row["ghost"] != ghost.user:
            log.warning("a key for session %s was forwarded that nobody asked for", session)
            return None
        return read_forwarded(content, ghost.user, device)

    # -- answering --------------------------------------------------------------------------------------------------

    async def answer(self, ghost: Ghost, asked: Sequence[tuple[str, Json]]) -> None:
        """Answer the requests of a sync. Raises Unavailable: they ask again."""
        over = {c.get("request_id") for _, c in asked if c.get("action") == "request_cancellation"}
        for user, content in asked:
            if content.get("action") == "request" and content.get("request_id") not in over:
                await self._answer(ghost, user, content)

    async def _answer(self, ghost: Ghost, user: str, content: Json) -> None:
        body, device_id = content.get("body"), content.get("requesting_device_id")
        if not isinstance(body, dict) or not isinstance(device_id, str):
            return
        room, session_id = body.get("room_id"), body.get("session_id")
        if not isinstance(session_id, str) or not isinstance(room, str) or self._recently(session_id, user, device_id):
            return
        row = await self._db.one("e2ee.out-of", session_id)
        if row is None or (row["ghost"], row["room_id"]) != (ghost.user, room):
            return
        await self._devices.fresh([user], ghost.user)
        person = await self._devices.person(user)
        device = person.devices.get(device_id)
        share = await self._db.one("e2ee.share", session_id, user, device_id)
        if share is not None and ShareState(share["state"]) in (ShareState.PENDING, ShareState.NO_OLM):
            return  # on its way
        known = await self._megolm.session(room, session_id, ghost.user)
        place = await self._place(session_id, device, share) if device is not None else None
        if device is None or place is None or known is None or not self._may(person, device):
            await self._refuse(ghost, user, device_id, room, session_id)
            return
        exported = known.key.session.export_at(place)
        if exported is not None:
            await self._forward(ghost, device, room, session_id, exported.to_base64())

    async def _place(self, session_id: str, device: Device, share: Row | None) -> int | None:
        """The index from which a device may read a session; None: it may not.

        A device that was not there yet when the session was given has its owner's word: what the owner can read on
        another device, this one may read.
        """
        if share is not None:
            return int(share["place"]) if ShareState(share["state"]) is ShareState.SENT else None
        row = await self._db.one("e2ee.share-of", session_id, device.user) if device.signed else None
        return None if row is None or row["place"] is None else int(row["place"])

    def _may(self, person: DeviceList, device: Device) -> bool:
        """What was right when the session was shared must still be right."""
        changed = person.changed and self._policy.changed_identity == "refuse"
        return not changed and (device.signed or self._policy.send_unsigned)

    def _recently(self, session_id: str, user: str, device_id: str) -> bool:
        key, now = (session_id, user, device_id), self._clock()
        at = self._answered.get(key)
        if at is not None and now - at < _ANSWER_MS:
            return True
        self._answered.put(key, now)
        return False

    async def _forward(self, ghost: Ghost, device: Device, room: str, session_id: str, key: str) -> None:
        content = {
            "algorithm": MEGOLM,
            "room_id": room,
            "session_id": session_id,
            "session_key": key,
            "sender_key": ghost.curve,
            "sender_claimed_ed25519_key": ghost.ed,
            "forwarding_curve25519_key_chain": [],
        }
        await self._claims.ensure(ghost, [device])
        await self._repair.send(ghost, device, "m.forwarded_room_key", content)

    async def _refuse(self, ghost: Ghost, user: str, device_id: str, room: str, session_id: str) -> None:
        content = {
            "algorithm": MEGOLM,
            "code": "m.unauthorised",
            "reason": "This device was not given this session",
            "room_id": room,
            "session_id": session_id,
            "sender_key": ghost.curve,
            "from_device": ghost.device,
        }
        async with self._db.transaction("e2ee.refuse") as tx:
            txn = await self._todevice.put(tx, ghost.user, "m.room_key.withheld", [(user, device_id, content)])
        await self._todevice.send(txn)


def cancelled(kind: str, sender: str, content: Json) -> Message | None:
    """Pure: the answer to a to-device event that begins a verification; None for every other."""
    code, device, ident = _CODES.get(kind), content.get("from_device"), content.get("transaction_id")
    if code is None or not isinstance(device, str) or not isinstance(ident, str) or device in ("", "*"):
        return None
    return sender, device, {"transaction_id": ident, "code": code, "reason": sentence("nothing_to_verify")}
