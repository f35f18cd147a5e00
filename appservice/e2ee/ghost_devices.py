"""The ghosts' devices as stored: a small record in memory for each, accounts read when needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import orjson
from vodozemac import Account

from appservice.e2ee.model import Json
from appservice.e2ee.pickles import Pickles, seeds_context
from bridge.db import Database, Row, Tx
from bridge.db.pages import pages
from bridge.parts.lru import Lru
from bridge.parts.turns import Turns
from bridge.seal import Seal


@dataclass(slots=True, eq=False)
class Ghost:
    """One ghost's device. ``lock`` guards its account and Olm sessions; it is never held over a network call."""

    user: str
    device: str
    ready: bool
    curve: str
    ed: str
    since: str | None = None
    since_sure: bool = True  # False after a failed commit: read it again
    looked: int = 0  # the round of :mod:`appservice.e2ee.rounds` in which its inbox was last read
    # A position before which nothing is missing that was pushed to the hub, or was not. Empty: its inbox was never read
    # in an earlier life, so there is none before the hub is calm again.
    anchor: str | None = None
    anchored: int = 0  # the value of :attr:`GhostDevices.calm` when it was taken
    resumed: bool = False  # its first key upload may already have happened
    spared: bool = False  # the homeserver was asked for its account of after the copy, see :class:`.pickles.Deposit`
    stale: bool = False  # the homeserver may give out one-time keys of its that nobody can use any more
    lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)


class GhostDevices:
    """All ghosts of this hub that have a device."""

    def __init__(
        self, db: Database, seal: Seal, pickles: Pickles, clock_ms: Callable[[], int], accounts: int = 256
    ) -> None:  # fmt: skip
        self._db = db
        self._clock = clock_ms
        self._seal = seal
        self._pickles = pickles
        self._ghosts: dict[str, Ghost] = {}
        self.copied = False  # an older copy was put back lately: there may be ghosts of which it does not know
        self.unsure = False  # nobody knows yet whether the database is an older copy
        self.round = 1  # of looks at every inbox
        self.calm = 0  # how often nothing was missing any more of what the homeserver had taken until then
        self._accounts: Lru[str, tuple[Account, Json, bytes]] = Lru(accounts)
        self._making = Turns()

    async def start(self) -> list[str]:
        """Read them all; returns those whose device was not finished."""
        async for page in pages(self._db, "e2ee.ghosts", ("",), ("user_id",)):
            self._ghosts |= {row["user_id"]: _ghost(row) for row in page}
        self.copied = self.copied or await self._db.one("e2ee.spare-any") is not None
        return [ghost.user for ghost in self._ghosts.values() if not ghost.ready]

    def get(self, user: str) -> Ghost | None:
        """The ghost, if it has a device (made or in the making)."""
        return self._ghosts.get(user)

    def all(self) -> list[Ghost]:
        """Every ghost whose device is ready."""
        return [ghost for ghost in self._ghosts.values() if ghost.ready]

    def everyone(self) -> list[Ghost]:
        """Those as well whose device is being made."""
        return list(self._ghosts.values())

    def making(self, user: str) -> AbstractAsyncContextManager[None]:
        """One at a time makes this ghost's device."""
        return self._making.of(user)

    async def add(self, user: str, device: str, account: Account, keys: Json, seeds: bytes) -> Ghost:
        """Save a new device before anybody hears of it; replaces one that could not be verified."""
        ghost = Ghost(user, device, False, account.curve25519_key.to_base64(), account.ed25519_key.to_base64())
        sealed = self._seal.seal(seeds, seeds_context(user))
        text, pickle, key_id = orjson.dumps(keys).decode(), self._pickles.dump(account), self._pickles.key_id
        async with self._db.transaction("e2ee.device") as tx:
            await tx.run("e2ee.ghost-new", user, device, ghost.curve, ghost.ed, text, sealed, pickle, key_id)
            await tx.run("e2ee.ghost-olm-gone", user)
            await tx.run("e2ee.ghost-out-gone", user)
        self._ghosts[user] = ghost
        self._accounts.put(user, (account, keys, seeds))
        return ghost

    async def ready(self, ghost: Ghost, keys: Json) -> None:
        """Its keys were seen to be served as they are."""
        async with self._db.transaction("e2ee.device-ready") as tx:
            await tx.run("e2ee.ghost-ready", ghost.user, orjson.dumps(keys).decode())
        ghost.ready = True

    async def fresh(self, ghost: Ghost, account: Account) -> None:
        """The homeserver has no keys of its but those of this account."""
        async with self._db.transaction("e2ee.ghost-fresh") as tx:
            await self.write_account(tx, ghost, account)
            await tx.run("e2ee.ghost-fresh", ghost.user)
        ghost.stale = False

    async def secrets(self, ghost: Ghost) -> tuple[Json, Account, bytes]:
        """Its public device object, its account and its three cross-signing seeds."""
        account, keys, seeds = await self._load(ghost)
        return keys, account, seeds

    async def account(self, ghost: Ghost) -> Account:
        """Its Olm account; hold ``ghost.lock`` while changing it."""
        return (await self._load(ghost))[0]

    async def public(self, ghost: Ghost) -> Json:
        """Its device object signed by itself and its owner."""
        return (await self._load(ghost))[1]

    async def _load(self, ghost: Ghost) -> tuple[Account, Json, bytes]:
        known = self._accounts.get(ghost.user)
        if known is not None:
            return known
        row: Any = await self._db.one("e2ee.ghost-keys", ghost.user)
        account = self._pickles.load(Account, row["account"], row["key_id"])
        seeds = self._seal.open(row["seeds"], seeds_context(ghost.user))
        again = self._accounts.get(ghost.user)  # somebody else may have read it meanwhile: there is one account only
        return again or self._accounts.put(ghost.user, (account, orjson.loads(row["device_keys"]), seeds))

    async def save_account(self, ghost: Ghost) -> None:
        """Save the account in a transaction of its own."""
        try:
            account = await self.account(ghost)
            async with self._db.transaction("e2ee.account") as tx:
                await self.write_account(tx, ghost, account)
        except BaseException:
            self.forget(ghost)
            raise

    async def write_account(self, tx: Tx, ghost: Ghost, account: Account) -> None:
        """Save the account in the caller's transaction."""
        await tx.run("e2ee.ghost-account", ghost.user, self._pickles.dump(account), self._pickles.key_id)

    async def spare(self, ghost: Ghost) -> Account | None:
        """Its account of after the copy that was put back, if the homeserver has kept one."""
        row = await self._db.one("e2ee.spare", ghost.user)
        return None if row is None else self._pickles.load(Account, row["account"], row["key_id"])

    async def add_spare(self, ghost: Ghost, account: Account | None) -> None:
        """It was looked for. One that is there already is of an earlier try, which the later one may lack."""
        if account is not None:
            async with self._db.transaction("e2ee.spare") as tx:
                pickle, at = self._pickles.dump(account), self._clock()
                await tx.run("e2ee.spare-new", ghost.user, pickle, self._pickles.key_id, at)
        ghost.spared = True

    async def write_spare(self, tx: Tx, ghost: Ghost, account: Account) -> None:
        """Save what is left of it in the caller's transaction."""
        await tx.run("e2ee.spare-save", ghost.user, self._pickles.dump(account), self._pickles.key_id)

    def moved(self, ghost: Ghost, position: str) -> None:
        """Its inbox was read up to here, as is on disk."""
        if ghost.anchor is None or ghost.anchored < self.calm:
            ghost.anchor, ghost.anchored = ghost.since or position, self.calm
        ghost.since = position

    def forget(self, ghost: Ghost) -> None:
        """A commit failed: what is in memory may be ahead of the disk, read it again."""
        self._accounts.drop(ghost.user)
        ghost.since_sure = False


def _ghost(row: Row) -> Ghost:
    stage = row["stage"] == 1
    since = row["next_batch"]
    return Ghost(
        row["user_id"], row["device_id"], stage, row["curve"], row["ed"], since, resumed=not stage, anchor=since or "",
        stale=row["stale"] == 1,
    )  # fmt: skip
