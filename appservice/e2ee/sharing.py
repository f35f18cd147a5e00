"""Who gets a room's session: the audience, rotation, and the fast path when nothing changed.

Sources: client-server API "Megolm" (rotation), MSC4153 (devices that their owner did not sign).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager

from vodozemac import GroupSession, InboundGroupSession

from appservice.client.homeserver import MatrixRefused
from appservice.e2ee.common import Common
from appservice.e2ee.ghost_devices import Ghost
from appservice.e2ee.giving import (
    NO_KEY,
    WHY,
    Audience,
    Gift,
    Giving,
    Shares,
    Want,
    keyless_of,
    save_shares,
    withheld,
)
from appservice.e2ee.identity import Identity
from appservice.e2ee.megolm_in import NewKey
from appservice.e2ee.megolm_out import Outbound, OutSession, OutState, Share
from appservice.e2ee.model import Callbacks, Device, RoomState, ShareState
from bridge.db import Row, Tx
from bridge.errors import Unavailable
from bridge.parts.lru import Lru

log = logging.getLogger(__name__)

_LATE_MS = 60_000  # how often a speaking ghost tries devices without a key again
_SHUT = 1 << 60  # ms, far behind every time: keys of whose server is not trusted, plus when that was seen
_HOUR = 3_600_000  # ms; after which keys that are kept are tried again at the latest


class Sharing:
    """The outbound sessions of all ghosts in all rooms."""

    def __init__(
        self, common: Common, giving: Giving, identity: Identity, is_ghost: Callable[[str], bool], callbacks: Callbacks,
        size: int = 4096,
    ) -> None:  # fmt: skip
        self._db, self._policy, self._clock = common.db, common.policy, common.clock_ms
        self._ghosts, self._devices, self._in = common.ghosts, common.devices, common.megolm
        self._pickles = common.pickles
        self._giving = giving
        self._identity = identity
        self._is_ghost = is_ghost
        self._waits, self._settled, self._trusted = callbacks.waits, callbacks.settled, callbacks.trusted
        self._states: Lru[tuple[str, str], OutState] = Lru(size, lambda state: state.waiting > 0)

    def outbound(self, room: RoomState, ghost: Ghost) -> AbstractAsyncContextManager[Outbound]:
        """See :meth:`appservice.e2ee.engine.Engine.outbound`."""
        return _Speaking(self, room, ghost)

    async def _outbound(self, state: OutState, room: RoomState, ghost: Ghost) -> Outbound:
        if not state.ready(room, self._devices.changes, self._clock()):
            try:
                await self._prepare(state, room, ghost)
            except MatrixRefused as refused:
                if refused.errcode != "M_UNKNOWN_DEVICE":
                    raise
                await self._identity.lost(ghost)
                raise Unavailable("ghost_device_lost", 0.0, alone=True) from refused
        assert state.session is not None
        return Outbound(state, state.session, ghost.device, ghost.curve, self._pickles)

    def _state(self, room_id: str, ghost: str) -> OutState:
        """To be entered at once: what nobody wants may be forgotten."""
        key = (room_id, ghost)
        return self._states.get(key) or self._states.put(key, OutState(room_id, ghost))

    async def _prepare(self, state: OutState, room: RoomState, ghost: Ghost) -> None:
        state.seen = -1
        await self._load(state)
        everybody = {user for user in room.members if not self._is_ghost(user)}
        people = sorted(everybody - room.waiting)
        await self._devices.fresh(people, ghost.user)
        seen = self._devices.changes.newest
        audience = await self._audience(people, ghost)
        audience.stale |= dict.fromkeys(everybody & room.waiting, "device_list_away")
        limit = min(self._policy.rotation_messages, room.rotation_messages or self._policy.rotation_messages)
        age = min(self._policy.rotation_ms, room.rotation_ms or self._policy.rotation_ms)
        session = state.session
        if session is None or state.rotate or self._worn(session, room, audience, max(limit, 1), age):
            session = await self._new_session(state, room, ghost)
        late = await self._share(session, room, ghost, audience)
        state.withheld = withheld(session.shares, audience)
        state.keyless = keyless_of(session.shares, audience, everybody)
        state.room, state.limit = room, max(limit, 1)
        state.people, state.seen = tuple(everybody), seen
        state.recheck_at = min(session.created_at + age, self._clock() + _LATE_MS if late else 1 << 62)

    def _worn(self, session: OutSession, room: RoomState, audience: Audience, limit: int, age: int) -> bool:
        """Must this session end? It was used enough, or somebody who has it may not read what comes next."""
        if session.used >= limit or self._clock() - session.created_at >= age:
            return True
        if session.shared_history != room.shared_history:
            return True
        return any(
            key[0] not in room.members if share.kept is not None else key not in audience.allowed
            for key, share in session.shares.items()
            if share.kept is not None or share.state.given
        )

    async def _audience(self, people: Iterable[str], ghost: Ghost) -> Audience:
        """Whether a list is outdated is judged by the very list that is used: another may be in memory by now."""
        audience, anybody = Audience(), ghost.user == self._policy.open_voice
        for user in people:
            person = await self._devices.person(user)
            if person.outdated or not person.devices:  # who has no device now reads with the next one
                audience.stale[user] = "device_list_away" if person.outdated else "no_device"
            if person.changed and self._policy.changed_identity == "refuse" and not anybody:
                audience.blocked[user, "*"] = "identity_changed"
                audience.stale.pop(user, None)
                continue
            for device in person.devices.values():
                if device.signed or self._policy.send_unsigned or anybody:
                    audience.allowed[user, device.id] = device
                else:
                    audience.blocked[user, device.id] = "m.unverified"
                    audience.unsigned.append(device)
        return audience

    async def _load(self, state: OutState) -> None:
        """Read the session that was in use before a restart."""
        if state.loaded:
            return
        row = await self._db.one("e2ee.out", state.room_id, state.ghost)
        if row is not None:
            group = self._pickles.load(GroupSession, row["pickle"], row["key_id"])
            session = OutSession(group, row["session_id"], row["created_at"], row["used"], row["shared_history"] == 1)
            session.shares = await self._shares(session.id)
            state.session = session
        state.loaded = True

    async def _shares(self, session_id: str) -> Shares:
        return {
            (r["user_id"], r["device_id"]): Share(ShareState(r["state"]), r["place"], r["code"], r["txn"], r["kept"])
            for r in await self._db.all("e2ee.shares", session_id)
        }

    async def _new_session(self, state: OutState, room: RoomState, ghost: Ghost) -> OutSession:
        group, shared = GroupSession(), room.shared_history
        session = OutSession(group, group.session_id, self._clock(), 0, shared)
        copy = InboundGroupSession(group.session_key)
        owner = (ghost.user, ghost.curve, ghost.ed)
        key = NewKey(room.room_id, session.id, *owner, copy, ghost.user, "signed", ghost.device, shared)
        pickle, key_id = self._pickles.dump(group), self._pickles.key_id
        state.loaded, state.session = False, None
        async with self._db.transaction("e2ee.session") as tx:
            await tx.run("e2ee.out-retire", room.room_id, ghost.user)
            row = (session.id, room.room_id, ghost.user, session.created_at, int(shared), pickle, key_id)
            await tx.run("e2ee.out-new", *row)
            await self._in.put(tx, key)
        state.loaded, state.session, state.rotate = True, session, False
        return session

    async def _share(self, session: OutSession, room: RoomState, ghost: Ghost, audience: Audience) -> bool:
        """Give the session to whoever lacks it. True: somebody still does."""
        gift = Gift(room.room_id, session.id, session.shared_history, session.shares)
        current, place = session.group.session_key.to_base64(), session.group.message_index
        wants = [
            self._want(session.id, session.shares, device, place, current)
            for key, device in audience.allowed.items()
            if key not in session.shares or not session.shares[key].state.given
        ]
        held = [self._want(session.id, session.shares, device, place, current) for device in audience.unsigned]
        await self._giving.withhold(gift, ghost, audience.blocked, held, (place, current))
        await self._mark_unknown(session, audience, place, current)
        await self._giving.give(gift, ghost, wants)
        await self._settle(session.id, session.shares, audience, room.members)
        return any(share.state.late for share in session.shares.values())

    def _want(self, session_id: str, shares: Shares, device: Device, place: int, current: str) -> Want:
        """From where may this device read: from here, unless it was kept waiting since before."""
        return self._since(session_id, shares, device) or Want(device, place, current)

    def _since(self, session_id: str, shares: Shares, device: Device) -> Want | None:
        """What was kept for this device, or for all of its owner's."""
        for key in ((device.user, device.id), (device.user, "*")):
            share = shares.get(key)
            if share is not None and share.kept is not None:
                kept = self._giving.kept(session_id, share.kept, device)
                if kept is not None:
                    return Want(device, share.place, kept)
        return None

    async def _mark_unknown(self, session: OutSession, audience: Audience, place: int, current: str) -> None:
        """People whose list is not known, or empty, get the key later, from this index on."""
        new = {
            (user, "*"): Share(ShareState.UNKNOWN, place, why, None, self._giving.keep(session.id, current))
            for user, why in audience.stale.items()
            if (user, "*") not in session.shares
        }
        if new:
            async with self._db.transaction("e2ee.unknown") as tx:
                await save_shares(tx, session.id, new, session.shares)
            session.shares.update(new)

    async def _settle(self, session_id: str, shares: Shares, audience: Audience, people: Collection[str]) -> None:
        """What was noted for a whole person is over once their list is known and their identity as pinned."""
        over = [
            key
            for key in shares
            if key[1] == "*" and key[0] in people and key[0] not in audience.stale and key not in audience.blocked
        ]
        if over:
            async with self._db.transaction("e2ee.settled") as tx:
                await tx.many("e2ee.share-gone", [(session_id, *key) for key in over])
            for key in over:
                shares.pop(key, None)  # whoever has left meanwhile is forgotten already

    async def start(self) -> None:
        """Whose server was out of the trust space, and is in it now, is tried at once."""
        now = _SHUT + self._clock()
        while rows := await self._db.all("e2ee.shut", _SHUT, now):
            async with self._db.transaction("e2ee.late-shut") as tx:
                for row in rows:
                    at = 0 if self._trusted(row["user_id"]) else now
                    await tx.run("e2ee.late-shut", row["user_id"], row["room_id"], row["at"], at)

    async def retry(self) -> None:
        """Try again for whom keys are kept: once there is news of their devices, else after twice the time each."""
        tried = set[tuple[str, str]]()
        while rows := await self._db.all("e2ee.late", self._clock()):
            rows = [row for row in rows if (row["user_id"], row["room_id"]) not in tried]
            if not rows:
                return
            for row in rows:
                tried.add((row["user_id"], row["room_id"]))
                await self._retry(row["user_id"], row["room_id"], row["delay"])

    async def _retry(self, user: str, room_id: str, delay: int) -> None:
        """Of whose server is not trusted no time changes that: the next start looks, and news of devices is followed.

        That is written before anything is tried: a hub that ends meanwhile must not leave them to a time of theirs.
        """
        at = self._clock() + (delay if self._trusted(user) else _SHUT)
        async with self._db.transaction("e2ee.late-again") as tx:  # first: if it fails, the others come before it
            await tx.run("e2ee.late-again", user, room_id, at, min(2 * delay, _HOUR))
        if not await self.late(room_id, user):
            async with self._db.transaction("e2ee.late-over") as tx:
                await tx.run("e2ee.late-over", user, room_id, at)
        elif at >= _SHUT and self._trusted(user):  # meanwhile
            async with self._db.transaction("e2ee.late-shut") as tx:
                await tx.run("e2ee.late-shut", user, room_id, at, 0)

    async def late(self, room_id: str, user: str) -> bool:
        """Give somebody the sessions of a room that they could not have before, from the index that was kept for them.

        True: something is still kept. ``settled`` is told whether none of their devices can read some of it.
        """
        kept = await self._late_ones(room_id, user)
        if self._settled is not None:
            await self._settled(room_id, user, kept and await self.lacks(room_id, user))
        return kept

    async def lacks(self, room_id: str, user: str) -> bool:
        """Whether something was said in a room for which none of somebody's devices has the key, which is kept."""
        return await self._db.one("e2ee.lacks", user, room_id) is not None

    async def keyless(self, room_id: str, ghost: str, people: Collection[str]) -> dict[str, str]:
        """Those of these people of whom no device can read what a ghost said last in a room, and why (a code)."""
        state = self._states.get((room_id, ghost))
        if state is None or state.session is None or state.room is None:  # said in an earlier life
            return {user: NO_KEY for user in people if await self.lacks(room_id, user)}
        return {user: state.keyless[user] for user in people if user in state.keyless} if state.keyless else {}

    async def why(self, user: str) -> str:
        """Why none of somebody's devices may have a key now, as far as their devices decide it (a code)."""
        person = await self._devices.person(user)
        if person.changed and self._policy.changed_identity == "refuse":
            return WHY["identity_changed"]
        if person.outdated:
            return NO_KEY
        if not person.devices:
            return WHY["no_device"]
        readable = self._policy.send_unsigned or any(device.signed for device in person.devices.values())
        return NO_KEY if readable else WHY["m.unverified"]

    async def _late_ones(self, room_id: str, user: str) -> bool:
        if self._waits is not None and await self._waits(room_id, user):
            return True
        after, fresh = ("", ""), False
        while rows := await self._db.all("e2ee.kept", user, room_id, *after):
            after = (rows[-1]["session_id"], rows[-1]["device_id"])
            for row in rows:
                ghost = self._ghosts.get(row["ghost"])
                if ghost is None or not ghost.ready:
                    continue
                if not fresh:
                    await self._devices.fresh([user], ghost.user)
                    fresh = True
                if await self._helps(user, row):
                    async with self._state(room_id, ghost.user) as state:
                        await self._late(state, row["session_id"], row["shared_history"] == 1, ghost, user)
        return await self._db.one("e2ee.kept", user, room_id, "", "") is not None

    async def _helps(self, user: str, row: Row) -> bool:
        """Whether a key that is kept can be given now, as far as somebody's devices decide it."""
        person = await self._devices.person(user)
        if row["state"] == ShareState.WITHHELD and row["device_id"] == "*":
            return bool(person.devices) and not (person.changed and self._policy.changed_identity == "refuse")
        if row["state"] == ShareState.WITHHELD:
            device = person.devices.get(row["device_id"])
            return device is not None and (device.signed or self._policy.send_unsigned)
        return row["state"] != ShareState.UNKNOWN or bool(person.devices)

    async def _late(self, state: OutState, session_id: str, shared_history: bool, ghost: Ghost, user: str) -> None:
        session = state.session
        current = session is not None and session.id == session_id
        shares = session.shares if session is not None and current else await self._shares(session_id)
        waiting = {key: s for key, s in shares.items() if key[0] == user and s.state.may_be_kept and s.kept is not None}
        if not waiting:
            return
        people = {user}
        audience = await self._audience(people, ghost)
        gift = Gift(state.room_id, session_id, shared_history, shares)
        held = [want for device in audience.unsigned if (want := self._since(session_id, waiting, device))]
        told = {(want.device.user, want.device.id): "m.unverified" for want in held}
        await self._giving.withhold(gift, ghost, told, held)
        wants = [
            want
            for key, device in audience.allowed.items()
            if key not in shares or shares[key].state in (ShareState.NO_OLM, ShareState.WITHHELD)
            if (want := self._since(session_id, waiting, device)) is not None
        ]
        await self._giving.give(gift, ghost, wants)
        await self._settle(session_id, shares, audience, people)
        if current:
            state.seen = -1

    async def forget(self, room_id: str, user: str) -> None:
        """Somebody is not in the room any more: what is kept for them is for nobody.

        Whoever speaks there just now is not waited for: what they still keep goes when somebody is invited again.
        """
        for key, state in self._states.items():
            if key[0] == room_id and state.session is not None:
                shares = state.session.shares
                for kept in [one for one, share in shares.items() if one[0] == user and share.kept is not None]:
                    del shares[kept]
                    state.seen = -1
        async with self._db.transaction("e2ee.forget") as tx:
            await tx.run("e2ee.kept-gone", user, room_id)

    async def rotate(self, room_id: str) -> None:
        """New sessions for everybody's next message in a room."""
        async with self._db.transaction("e2ee.rotate") as tx:
            await tx.run("e2ee.out-retire-room", room_id)
        for key, state in self._states.items():
            if key[0] == room_id:
                state.rotate = True

    async def retire(self, tx: Tx, ghost: str) -> int:
        """New sessions for whatever a ghost says next, in every room; gives how many end."""
        ended = await tx.all("e2ee.out-retire-ghost", ghost)
        self.renew(lambda one: one == ghost)
        return len(ended)

    def renew(self, which: Callable[[str], bool]) -> None:
        """The sessions of these ghosts end with their next message; the disk says so."""
        for key, state in self._states.items():
            state.rotate = state.rotate or which(key[1])


class _Speaking:
    """The right to speak, while the block lasts; a class, since every message needs one."""

    __slots__ = ("_ghost", "_room", "_sharing", "_state")

    def __init__(self, sharing: Sharing, room: RoomState, ghost: Ghost) -> None:
        self._sharing, self._room, self._ghost = sharing, room, ghost
        self._state = sharing._state(room.room_id, ghost.user)

    async def __aenter__(self) -> Outbound:
        state = await self._state.__aenter__()
        try:
            return await self._sharing._outbound(state, self._room, self._ghost)
        except BaseException:
            await state.__aexit__()
            raise

    async def __aexit__(self, *_: object) -> None:
        await self._state.__aexit__()
