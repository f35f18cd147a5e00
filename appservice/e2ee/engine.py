"""The key engine: one for all ghosts of the hub. Everything outside of this package goes through here."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from appservice.client.homeserver import Homeserver, may
from appservice.e2ee.claims import KeyClaims
from appservice.e2ee.common import Common
from appservice.e2ee.device_inbox import DeviceInbox, tidy
from appservice.e2ee.devices import Devices
from appservice.e2ee.ghost_devices import GhostDevices
from appservice.e2ee.giving import Giving
from appservice.e2ee.history import History
from appservice.e2ee.identity import Identity
from appservice.e2ee.megolm_in import MegolmIn
from appservice.e2ee.megolm_out import Outbound
from appservice.e2ee.model import Callbacks, Decrypted, IdentityOf, Json, Policy, RoomState
from appservice.e2ee.olm import Olm
from appservice.e2ee.pickles import Deposit, Pickles
from appservice.e2ee.repair import Renewal, Repair
from appservice.e2ee.requests import Requests
from appservice.e2ee.rounds import Rounds
from appservice.e2ee.sharing import Sharing
from appservice.e2ee.todevice import ToDevice
from bridge.config import BadConfig
from bridge.db import Database, Tx
from bridge.errors import Refused, Unavailable
from bridge.parts.tasks import Tasks
from bridge.seal import Seal

log = logging.getLogger(__name__)
_SILENT = Callbacks()


def _now() -> int:
    return time.time_ns() // 1_000_000


class Engine:
    """Devices, Olm, Megolm and cross-signing for every ghost.

    ``is_ghost`` tells our own users from people.
    """

    def __init__(
        self,
        db: Database,
        seal: Seal,
        homeserver: Homeserver,
        is_ghost: Callable[[str], bool],
        policy: Policy,
        clock_ms: Callable[[], int] = _now,
        callbacks: Callbacks = _SILENT,
    ) -> None:
        self._db, self._clock, self._is_ghost = db, clock_ms, is_ghost
        self._seal = seal
        pickles = Pickles(seal)
        self._ghosts = ghosts = GhostDevices(db, seal, pickles, clock_ms)
        self._olm = olm = Olm(db, ghosts, pickles, clock_ms)
        self._devices = devices = Devices(db, homeserver, policy, clock_ms)
        self._identity = Identity(ghosts, homeserver, Deposit(homeserver, pickles, seal))
        self._todevice = todevice = ToDevice(db, homeserver, ghosts)
        self._claims = claims = KeyClaims(db, homeserver, olm, clock_ms)
        self._repair = Repair(db, ghosts, devices, olm, claims, todevice, clock_ms)
        self._renewal = Renewal(db, ghosts, homeserver, self._identity, olm, self._repair)
        self._megolm = megolm = MegolmIn(db, pickles, devices, policy, is_ghost, clock_ms)
        common = Common(db, pickles, ghosts, devices, megolm, policy, clock_ms)
        self._requests = Requests(common, claims, self._repair, todevice)
        self._history = History(common, homeserver, claims, self._repair)
        giving = Giving(db, seal, olm, claims, todevice)
        self._sharing = Sharing(common, giving, self._identity, is_ghost, callbacks)
        self._inbox = DeviceInbox(common, homeserver, olm, self._identity, self._requests, self._repair, callbacks.keys)
        self._rounds = Rounds(ghosts, self._inbox.ring)
        self._background = Tasks("key engine")
        self._held = False
        self.spoken = 0  # how often somebody was let encrypt, since the start

    async def start(self) -> None:
        """Read what is stored, finish devices that were being made, send what waits; without homeserver later.

        Raises BadConfig when a key of the seal is missing with which private keys are stored.
        """
        await self._can_open()
        unfinished = await self._ghosts.start()
        await tidy(self._db, self._clock())
        await self._sharing.start()
        try:
            for user in unfinished:
                await self.ensure_device(user)
            await self.flush()
        except (Unavailable, Refused) as error:
            log.warning("not everything could be resumed: %s", error)

    async def _can_open(self) -> None:
        """Devices live for years: a hub without their key would run, and read and write nothing with them."""
        names = {str(row["key_id"]) for row in await self._db.all("e2ee.seal-keys")}
        gone = self._seal.missing(names)
        for name in gone:
            if await self._db.one("e2ee.seal-key-used", name) is not None:
                raise BadConfig(f"seal.keys: keys of ghosts are stored under the key {name!r}: give it back, keep it")
        if gone or self._seal.active not in names:
            async with self._db.transaction("e2ee.seal-key") as tx:
                await tx.run("e2ee.seal-key", self._seal.active)
                await tx.many("e2ee.seal-key-gone", [(name,) for name in gone])

    def hold(self) -> None:
        """Encrypt nothing until :meth:`release`: nobody knows yet whether the sessions on disk are the newest."""
        self._held = self._ghosts.unsure = True

    def release(self) -> None:
        """They are, or they have ended."""
        self._held = self._ghosts.unsure = False

    async def went_back(self, also: Callable[[Tx], Awaitable[None]] | None = None, *, homeserver: bool = False) -> None:
        """The database is older than what was sent with it: no session that it holds encrypts again.

        Olm sessions end with the others: both ends count their messages. ``homeserver``: it is the one that is older.
        ``also`` is written in the same transaction. To be called before anybody has encrypted; :meth:`renew` does the
        rest.
        """
        async with self._db.transaction("e2ee.went-back") as tx:
            await self._renewal.retire(tx, homeserver_too=homeserver)
            if also is not None:
                await also(tx)
        self._devices.outdated_all()
        self._renewal.retired(homeserver_too=homeserver)

    async def renew(self) -> None:
        """After that: new one-time keys for every ghost, new Olm sessions with whom they wrote to; for ever."""
        await self._renewal.run()

    async def close(self) -> None:
        """Stop what runs in the background."""
        await self._background.stop()
        await self._inbox.close()
        await self._claims.close()
        await self._devices.close()

    async def ensure_device(self, ghost: str) -> str:
        """Make the ghost's device, keys and cross-signing, or finish making them; its user must be registered.

        Returns the device id. Safe to repeat after a crash at any point; when ready it costs a look-up in memory.
        """
        device = await self._identity.ensure(ghost)
        known = self._ghosts.get(ghost)
        if known is not None and known.since is None:
            await self._inbox.ring([ghost])  # changes of device lists are told from a first position on only
        if known is not None and known.stale:
            self._renewal.more()
        return device

    def speakers(self) -> list[str]:
        """Every ghost whose device is ready."""
        return [ghost.user for ghost in self._ghosts.all()]

    def device_of(self, ghost: str) -> str | None:
        """The ghost's device id, if it is ready."""
        known = self._ghosts.get(ghost)
        return known.device if known is not None and known.ready else None

    def outbound(self, room: RoomState, ghost: str) -> AbstractAsyncContextManager[Outbound]:
        """Encrypt in a room as a ghost, one at a time for each room and ghost.

        Makes or rotates the Megolm session and gives it to every device that may have it. Raises Unavailable if the
        homeserver is away. With nothing changed: no database and no network.
        """
        known = self._ghosts.get(ghost)
        if known is None or not known.ready:
            raise Unavailable("ghost_without_device", 1.0, alone=True)
        if self._held:
            raise Unavailable("database_age_unknown", 1.0, alone=True)
        self.spoken += 1
        return self._sharing.outbound(room, known)

    async def decrypt(self, room_id: str, sender: str, event_id: str, content: Json) -> Decrypted:
        """Read a room event; never call it inside a transaction.

        Raises KeyMissing (park it), Undecryptable (never), Unavailable (try again later).
        """
        return await self._megolm.decrypt(room_id, sender, event_id, content)

    async def shared_history(self, event: Json) -> bool:
        """Whether an event was meant to be shown to whoever comes later (MSC4268), and its key is here."""
        session = str(event["content"].get("session_id"))
        known = await self._megolm.session(event["room_id"], session, event["sender"])
        return known is not None and known.key.shared_history

    async def has_key(self, event: Json) -> bool:
        """Whether the session of a room event is here."""
        session = str(event["content"].get("session_id"))
        return await self._megolm.session(event["room_id"], session, event["sender"]) is not None

    async def ring(self, ghosts: Iterable[str]) -> None:
        """The doorbell: read the to-device inboxes of these ghosts. Raises Unavailable."""
        await self._inbox.ring(ghosts)

    def doubt(self) -> None:
        """A doorbell may have been lost: every inbox is read once, little by little (:meth:`rounds`)."""
        self._rounds.doubt()

    def calm(self) -> None:
        """Nothing is missing of what the homeserver has taken until now."""
        self._ghosts.calm += 1

    def anchor(self, ghost: str) -> str | None:
        """A position of this ghost in the stream of the homeserver from before whatever may be missing, if known."""
        known = self._ghosts.get(ghost)
        return (known.anchor or None) if known is not None else None

    async def rounds(self) -> None:
        """Read inboxes for ever, at a steady pace."""
        await self._rounds.run()

    async def look(self, ghosts: Iterable[str]) -> None:
        """Read the inboxes of those ghosts now that were not read since the last doubt. A failure is no hindrance."""
        if unsure := self._rounds.unsure(ghosts):
            await self._ring_quietly(unsure)

    async def trust_changed(self) -> None:
        """Other servers are trusted now: what is kept for their people is tried with the next retry."""
        await self._sharing.start()

    async def catch_up(self) -> None:
        """Read every ghost's inbox at once."""
        await self._inbox.ring([ghost.user for ghost in self._ghosts.all()])

    def note_counts(self, counts: Mapping[str, Any], fallback: Mapping[str, Any]) -> None:
        """Key counts of a transaction (``{user: {device: …}}``): ring the ghosts whose own device runs low."""
        low = []
        for user, devices in counts.items():
            ghost = self._ghosts.get(user)
            mine = devices.get(ghost.device) if ghost is not None and isinstance(devices, dict) else None
            if isinstance(mine, dict) and mine and self._identity.low(may(mine, "signed_curve25519", int)):
                low.append(user)
        for user, devices in fallback.items():
            ghost = self._ghosts.get(user)
            mine = devices.get(ghost.device) if ghost is not None and isinstance(devices, dict) else None
            if isinstance(mine, list) and "signed_curve25519" not in mine:
                low.append(user)
        self._later(low)

    def note_devices(self, changed: Sequence[str], left: Sequence[str]) -> None:
        """Device lists of a transaction: a hint, the sync has the truth."""
        self._devices.outdated(user for user in (*changed, *left) if not self._is_ghost(user))

    def _later(self, users: list[str]) -> None:
        if users:
            self._background.start(self._ring_quietly(users))

    async def _ring_quietly(self, users: list[str]) -> None:
        try:
            await self._inbox.ring(users)
        except (Unavailable, Refused) as error:
            log.warning("the inboxes of %d ghosts were not read: %s", len(users), error)

    async def request_key(self, room_id: str, sender: str, content: Json, ghosts: Sequence[str]) -> int:
        """Ask the sender's devices for an event's key, from one of these ghosts; repeats are spaced out.

        Gives when it may be asked for again (ms).
        """
        return await self._requests.ask(room_id, sender, content, ghosts)

    async def forget_member(self, room_id: str, user: str) -> None:
        """Somebody left: neither what is said next nor what was kept for them may be readable by them."""
        if not self._is_ghost(user):
            await self._sharing.rotate(room_id)
            await self._sharing.forget(room_id, user)

    async def forget_invited(self, room_id: str, user: str) -> None:
        """Somebody who was only invited is not any more: what was kept for them is refused, and stays so."""
        if not self._is_ghost(user):
            await self._sharing.forget(room_id, user)

    async def hand_over(self, room_id: str, ghost: str, user: str) -> bool:
        """A ghost is about to invite somebody to a room whose rule opens its history: they get the keys of it.

        False: there is nothing to give, or no device may have it. Raises Unavailable.
        """
        known = self._ghosts.get(ghost)
        if self._held or known is None or not known.ready or self._is_ghost(user):
            return False
        return await self._history.hand_over(room_id, known, user)

    async def know(self, user: str, ghost: str, patience: float) -> bool:
        """Ask, as a ghost, for somebody's devices if they are not known; False: after ``patience`` seconds still not.

        Raises Unavailable if our own homeserver is away.
        """
        return not await self._devices.fresh([user], ghost, patience)

    async def late(self, room_id: str, user: str) -> None:
        """Somebody of this room can have their keys now. Raises Unavailable; :meth:`flush` tries again."""
        if self._held:
            raise Unavailable("database_age_unknown", 1.0, alone=True)
        await self._sharing.late(room_id, user)

    async def lacks(self, room_id: str, user: str) -> bool:
        """Whether something was said in a room for which none of somebody's devices has the key, which is kept."""
        return await self._sharing.lacks(room_id, user)

    async def keyless(self, room_id: str, ghost: str, people: Collection[str]) -> dict[str, str]:
        """Those of these people of whom no device can read what a ghost said last in a room, and why (a code)."""
        return await self._sharing.keyless(room_id, ghost, people)

    async def why(self, user: str) -> str:
        """Why none of somebody's devices may have a key now, as far as their devices decide it (a code)."""
        return await self._sharing.why(user)

    async def rotate(self, room_id: str) -> None:
        """New Megolm sessions for the next messages in a room."""
        await self._sharing.rotate(room_id)

    async def retire(self, user: str) -> int | None:
        """No session of a ghost encrypts again; new ones are made of new keys. They still read what is under way.

        Gives how many rooms get a new one with their next message; None: there is no such ghost. Raises Unavailable.
        """
        ghost = self._ghosts.get(user)
        if ghost is None:
            return None
        async with self._db.transaction("e2ee.retire") as tx:
            ended = await self._sharing.retire(tx, user)
            await self._renewal.retire_one(tx, ghost)
        self._renewal.retired_one(ghost)
        return ended

    async def retire_all(self) -> int:
        """The same for every ghost; gives how many there are. Raises Unavailable."""
        await self.went_back()
        self._sharing.renew(lambda ghost: True)
        return len(self._ghosts.all())

    async def identity(self, user: str) -> IdentityOf:
        """Somebody's cross-signing identity, as pinned and as served now. Raises Unavailable."""
        if (asker := next((ghost.user for ghost in self._ghosts.all()), None)) is not None:
            await self._devices.fresh([user], asker, force=True)
        person = await self._devices.person(user)
        signed = {device.id: device.signed for device in person.devices.values()}
        rooms = [row["room_id"] for row in await self._db.all("e2ee.late-rooms", user)]
        return IdentityOf(user, person.master, person.found, signed, rooms)

    async def accept_identity(self, user: str, master: str) -> None:
        """Somebody's changed cross-signing identity is right: pin it. Raises Refused if another one is served."""
        await self._devices.accept_identity(user, master)

    async def tidy(self) -> None:
        """Forget what nobody asks for any more."""
        await tidy(self._db, self._clock())

    async def flush(self) -> None:
        """Send to-device messages that wait, repair Olm sessions, give keys to those who could not have them before."""
        await self._todevice.flush()
        if self._held:
            return
        await self._repair.run()
        await self._sharing.retry()
