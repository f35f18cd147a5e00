"""Puts the rows that were noted in their place in the chain, in the background and in batches.

Whoever notes a row waits for nobody: rows get number and hash here, a batch at a time, in one transaction which also
takes them off the list. After a crash in between they are still on the list.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable

import orjson

from bridge.db import Database, Row, Tx
from bridge.errors import Unavailable
from bridge.parts.failpoint import failpoint
from bridge.seal import Seal
from bridge.signatures import PrivateKey
from bridge.trail.aliases import Aliases
from bridge.trail.chain import START, chained
from bridge.trail.checkpoints import Checkpoint, compose_checkpoint
from bridge.trail.composing import bodies_of
from bridge.trail.entry import TrailEntry, TrailKind, note
from bridge.trail.rules import TrailRules

log = logging.getLogger(__name__)
BATCH = 500  # rows of one transaction
_EVERY = 1000  # rows after which there is a checkpoint
_CONTEXT = "trail"


class Chainer:
    """Of one hub. ``key`` signs checkpoints; ``clock`` gives milliseconds since 1970."""

    def __init__(
        self, db: Database, seal: Seal, key: PrivateKey | None, rules: TrailRules, clock: Callable[[], int]
    ) -> None:
        self._db, self._seal, self._key, self._rules, self._clock = db, seal, key, rules, clock
        self._aliases: Aliases | None = None
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """For ever; what an earlier life has left is signed at once."""
        first = True
        while True:
            try:
                await self.catch_up(mark=first)
                first = False
                await self.forget_old()
            except Unavailable as reason:
                log.info("trail: what was noted waits for its place: %s", reason)
            await asyncio.sleep(self._rules.pause)

    async def catch_up(self, *, mark: bool = False) -> None:
        """Everything that was noted has its place; ``mark``: with a checkpoint at its end. Raises Unavailable."""
        async with self._turn:
            if self._aliases is None:
                self._aliases = Aliases(await alias_key(self._db, self._seal))
            more = True
            while more:
                more = await self._step()
            await self._mark(now=mark)

    async def _step(self) -> bool:
        """Chain one batch; True if there may be more."""
        assert self._aliases is not None
        rows = await self._db.all("trail.next", BATCH)
        if not rows:
            return False
        bodies = await bodies_of(self._db, self._aliases, [row for row in rows if self._wanted(row)])
        async with self._db.transaction("trail.chain") as tx:
            last = await tx.one("trail.last")
            number, before = (0, START) if last is None else (int(last["number"]), bytes(last["hash"]))
            if last is None and (closed := await tx.one("trail.last-checkpoint")) is not None:
                number, before = int(closed["number"]), bytes(closed["hash"])
            hashes = b"".join(chained(number, before, bodies))
            await tx.run("trail.chain", number, hashes, orjson.dumps(bodies).decode())
            await tx.run("trail.taken", orjson.dumps([row["n"] for row in rows]).decode())
        return len(rows) == BATCH

    def _wanted(self, row: Row) -> bool:
        return self._rules.messages or row["kind"] != TrailKind.MESSAGE

    # ---- checkpoints

    async def _mark(self, *, now: bool) -> None:
        """A checkpoint at the end of the chain, if it is time for one."""
        last, before = await self._db.one("trail.last"), await self._db.one("trail.last-checkpoint")
        if last is None:
            return
        at, number = self._clock(), int(last["number"])
        grown = number - (0 if before is None else int(before["number"]))
        due = before is None or at - int(before["at"]) >= 1000 * self._rules.checkpoint
        if grown and (now or due or grown >= _EVERY):
            async with self._db.transaction("trail.checkpoint") as tx:
                await self._write(tx, Checkpoint(number, bytes(last["hash"]), at))

    async def _write(self, tx: Tx, checkpoint: Checkpoint) -> None:
        jws = compose_checkpoint(checkpoint, self._key)
        await tx.run(
            "trail.checkpoint", checkpoint.number, checkpoint.hash, checkpoint.at, int(checkpoint.closing), jws
        )

    async def forget_old(self) -> None:
        """Remove rows that are older than they are kept, checkpoint by checkpoint; what is left can be verified."""
        if not self._rules.keep:
            return
        before = self._clock() - int(1000 * self._rules.keep)
        while (old := await self._db.one("trail.old-checkpoint", before)) is not None:
            checkpoint = Checkpoint(int(old["number"]), bytes(old["hash"]), int(old["at"]), closing=True)
            async with self._db.transaction("trail.forget") as tx:
                await tx.run("trail.forget", checkpoint.number)
                await tx.run("trail.forget-checkpoints", checkpoint.number)
                await self._write(tx, checkpoint)
                about = TrailEntry(TrailKind.TRAIL, "hub", result="removed", details={"through": checkpoint.number})
                await note(tx, about, self._clock())
            failpoint("trail.forgotten")


async def alias_key(db: Database, seal: Seal) -> bytes:
    """The key of this trail's aliases; made at the first use."""
    row = await db.one("trail.key", "aliases")
    if row is not None:
        return seal.open(bytes(row["sealed"]), _CONTEXT)
    key = secrets.token_bytes(32)
    async with db.transaction("trail.key") as tx:
        await tx.run("trail.add-key", "aliases", seal.seal(key, _CONTEXT))
    return key
