"""Whose devices are which: lists of people's devices, verified, with the master key pinned at first sight.

A list is asked for when it is needed and outdated, never otherwise. Somebody never seen is outdated.
Sources: client-server API, "Tracking the device list for a user" and "Cross-signing".
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from appservice.client.homeserver import Homeserver, may, need
from appservice.e2ee.model import Device, Json, Policy
from appservice.e2ee.signing import read_listing
from bridge.db import Database, Tx
from bridge.errors import Refused, Unavailable
from bridge.parts.changes import Changes
from bridge.parts.lru import Lru
from bridge.parts.tasks import Tasks

log = logging.getLogger(__name__)

_QUERY = "/_matrix/client/v3/keys/query"
_BATCH = 100  # people asked for in one query
_RETRY_MS = (5_000, 30_000, 120_000, 600_000)  # after a remote homeserver did not answer
_AGAIN_MS = 60_000  # at most this often a list that should be fresh is asked for again


@dataclass(slots=True, eq=False)
class DeviceList:
    """One person's devices."""

    user: str
    master: str | None = None
    found: str | None = None
    outdated: bool = True
    devices: dict[str, Device] = field(default_factory=dict)
    epoch: int = 0  # counts the reasons to ask again
    failures: int = 0
    retry_at: int = 0
    asked_at: int = 0

    @property
    def changed(self) -> bool:
        """The master key served is another one than the one pinned."""
        return self.master is not None and self.found is not None and self.found != self.master


class Devices:
    """The device lists of everybody our ghosts talk to."""

    def __init__(
        self, db: Database, homeserver: Homeserver, policy: Policy, clock_ms: Callable[[], int], size: int = 20_000
    ) -> None:
        self._db = db
        self._homeserver = homeserver
        self._policy = policy
        self._clock = clock_ms
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._tasks = Tasks("device lists")
        # Who is being asked for stays: a change that is told meanwhile must find the very entry that is waiting.
        self._people: Lru[str, DeviceList] = Lru(size, lambda person: person.user in self._asking)
        self.changes = Changes()
        self._told: Lru[str, bool] = Lru(100_000)  # changes that a transaction told, also of who is not in memory

    async def person(self, user: str) -> DeviceList:
        """What we know of somebody, from memory or disk."""
        known = self._people.get(user)
        if known is not None:
            return known
        row = await self._db.one("e2ee.user", user)
        rows = await self._db.all("e2ee.devices", user)
        known = self._people.get(user)
        if known is not None:
            return known
        person = DeviceList(user)
        if row is not None:
            person.master, person.found, person.outdated = row["master"], row["found"], row["outdated"] == 1
        for r in rows:
            device = Device(user, r["device_id"], r["curve"], r["ed"], r["signed"] == 1)
            person.devices[device.id] = device
        person.outdated = person.outdated or self._told.get(user) is not None
        return self._people.put(user, person)

    async def note_outdated(self, tx: Tx, users: Iterable[str]) -> None:
        """A sync says that these lists changed; part of that sync's transaction."""
        rows = [(user,) for user in sorted(set(users))]
        await tx.many("e2ee.user-outdated", rows)
        await tx.many("e2ee.late-news", rows)

    def outdated(self, users: Iterable[str]) -> None:
        """The same in memory; call it before the transaction."""
        for user in users:
            person = self._people.get(user)
            if person is not None:
                person.epoch += 1
                person.outdated = True
                person.retry_at = 0
            self.changes.note(user)
            self._told.put(user, True)

    def outdated_all(self) -> None:
        """Nothing that is in memory is believed, as on disk."""
        self.outdated(list(self._people.known()))

    async def fresh(self, users: Iterable[str], asker: str, patience: float = 3.0, *, force: bool = False) -> set[str]:
        """Bring lists up to date; returns the users whose list is still outdated after ``patience`` seconds.

        Raises Unavailable if our own homeserver is away.
        """
        now = self._clock()
        people = [await self.person(user) for user in users]
        if force:
            for person in people:
                if not person.outdated and now - person.asked_at >= _AGAIN_MS:
                    person.outdated = True
        todo = [p for p in people if p.outdated and (p.retry_at <= now or force)]
        tasks = self._ask([p for p in todo if p.user not in self._asking], asker)
        tasks |= {self._asking[p.user] for p in todo if p.user in self._asking}
        if tasks:
            done, _ = await asyncio.wait(tasks, timeout=patience)
            for task in done:
                if (error := task.exception()) is not None:
                    raise error
        return {p.user for p in people if p.outdated}

    def _ask(self, people: list[DeviceList], asker: str) -> set[asyncio.Task[None]]:
        """One query per homeserver, so that one that is away does not delay the others."""
        tasks = set()
        people.sort(key=lambda p: _server(p.user))
        for _, group in itertools.groupby(people, key=lambda p: _server(p.user)):
            members = list(group)
            for start in range(0, len(members), _BATCH):
                batch = members[start : start + _BATCH]
                task = self._tasks.start(self._query(batch, asker), awaited=True)
                for person in batch:
                    self._asking[person.user] = task
                    self._people.put(person.user, person)
                tasks.add(task)
        return tasks

    async def _query(self, people: list[DeviceList], asker: str) -> None:
        try:
            epochs = [person.epoch for person in people]
            body = {"device_keys": {person.user: [] for person in people}, "timeout": 10_000}
            answer = await self._homeserver.call("POST", _QUERY, body, user=asker)
            need(answer, "device_keys", dict)
            failed = set(may(answer, "failures", dict))
            if failed:
                log.warning("no device lists from %d homeserver(s) for now", len(failed))
            good = []
            for person, epoch in zip(people, epochs, strict=True):
                if _server(person.user) in failed and person.user not in answer["device_keys"]:
                    self._later(person)
                else:
                    good.append((person, epoch))
            await self._take(good, answer)
        except Unavailable:
            raise
        except Exception as error:  # perhaps nobody waits any more
            log.warning("a device query failed: %s", error)
            raise
        finally:
            for person in people:
                self._asking.pop(person.user, None)

    def _later(self, person: DeviceList) -> None:
        delay = _RETRY_MS[min(person.failures, len(_RETRY_MS) - 1)]
        person.failures += 1
        person.retry_at = self._clock() + delay

    async def _take(self, people: list[tuple[DeviceList, int]], answer: Json) -> None:
        people.sort(key=lambda pair: pair[0].user)  # rows are always locked in this order
        changes = [(p, epoch, self._change(p, answer)) for p, epoch in people]
        async with self._db.transaction("e2ee.devices") as tx:
            for person, epoch, (master, found, devices) in changes:
                outdated = int(person.epoch != epoch)
                await tx.run("e2ee.user-save", person.user, master, found, outdated)
                gone = [(person.user, d) for d in person.devices if d not in devices]
                await tx.many("e2ee.device-gone", gone)
                rows = [
                    (d.user, d.id, d.curve, d.ed, int(d.signed))
                    for d in devices.values()
                    if person.devices.get(d.id) != d
                ]
                await tx.many("e2ee.device-save", rows)
                await tx.run("e2ee.late-news", person.user)
        for person, epoch, (master, found, devices) in changes:
            person.outdated = person.epoch != epoch
            if not person.outdated:
                self._told.drop(person.user)
            person.failures, person.retry_at, person.asked_at = 0, 0, self._clock()
            if (person.master, person.found, person.devices) != (master, found, devices):
                person.master, person.found, person.devices = master, found, devices
            self.changes.note(person.user)

    def _change(self, person: DeviceList, answer: Json) -> tuple[str | None, str | None, dict[str, Device]]:
        """The new master, the master found, the devices: one whose keys changed under its id is never taken."""
        listing = read_listing(person.user, answer, person.master)
        master = person.master or listing.master
        if listing.master is not None and listing.master != master:
            if self._policy.changed_identity == "refuse" and person.found != listing.master:
                log.error(
                    "ALARM the encryption identity of %s is another one: they are not heard, and what is said to them "
                    "is kept, until somebody has asked them and accepts it: liaison identity %s",
                    person.user, person.user,
                )  # fmt: skip
            if self._policy.changed_identity == "accept":
                log.warning("the identity of %s changed", person.user)
                master = listing.master
                listing = read_listing(person.user, answer, master)
        devices = {}
        for device_id, device in listing.devices.items():
            old = person.devices.get(device_id)
            if old is not None and (old.curve, old.ed) != (device.curve, device.ed):
                log.warning("device %s of %s came back with other keys: not taken", device_id, person.user)
                device = replace(old, signed=False)
            devices[device_id] = device
        return master, listing.master, devices

    async def accept_identity(self, user: str, master: str) -> None:
        """Pin this master key in place of the old one. Raises Refused if it is not the one that is served now."""
        person = await self.person(user)
        if not person.changed:
            raise Refused("identity_same", about=user)
        if person.found != master:
            raise Refused("identity_other", about=user)
        async with self._db.transaction("e2ee.identity") as tx:
            await tx.run("e2ee.user-save", user, person.found, person.found, 1)
            await tx.run("e2ee.late-news", user)
        person.master = person.found
        self.outdated([user])

    async def by_curve(self, user: str, curve: str) -> Device | None:
        """The device of somebody that has this identity key."""
        person = await self.person(user)
        return next((d for d in person.devices.values() if d.curve == curve), None)

    async def close(self) -> None:
        """Let the running queries go."""
        await self._tasks.stop()


def _server(user: str) -> str:
    return user.partition(":")[2]
