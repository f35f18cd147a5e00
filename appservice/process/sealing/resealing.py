"""Seals anew, in the background, whatever another key than the active one has sealed; no message waits for it.

It goes through each column by its primary key, a page at a time, and notes how far it has come. What is written
meanwhile is sealed with the active key anyway, so one pass is enough. A row is changed only if nobody else has changed
it since it was read, so two processes, or a crash anywhere, do no harm. It works for a small part of the time only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from appservice.e2ee.pickles import Pickles
from appservice.process.sealing.columns import Form, SealedColumn
from bridge.db import Database, Row
from bridge.errors import Unavailable
from bridge.seal import Seal, SealBroken

log = logging.getLogger(__name__)
_PAGE = 200  # rows of one look
_REST = 9.0  # times as long as it worked it lets others work
_LEAST = 0.01  # s of that
_AGAIN = 10.0  # s after a failure
_MARK = "sealed:"


@dataclass(frozen=True, slots=True)
class ColumnPass:
    """How far one column has come with a key. ``kept``: rows that did not open and keep their old seal.

    ``began_at``, ``at`` (when it was last worked on), ``done_at`` (None: not done): ms since 1970, 0 where an earlier
    version has not noted it.
    """

    active: str
    place: list[Any]
    seen: int = 0
    changed: int = 0
    done_at: int | None = None
    began_at: int = 0
    at: int = 0
    kept: int = 0


class Resealing:
    """Of one hub. ``clock`` gives milliseconds since 1970."""

    def __init__(self, db: Database, seal: Seal, columns: Sequence[SealedColumn], clock: Callable[[], int]) -> None:
        self._db, self._seal, self.columns, self._clock = db, seal, columns, clock
        self._pickles = Pickles(seal)

    async def run(self) -> None:
        """Until nothing is left; a start with another active key begins anew."""
        while True:
            try:
                await self.step()
                return
            except Unavailable as reason:
                log.info("what is sealed waits for its new seal: %s", reason)
            await asyncio.sleep(_AGAIN)

    async def step(self) -> None:
        """Everything, if there is any other key than the active one. Raises Unavailable."""
        if any(known.active != self._seal.active for known in (await self.passes()).values()):
            async with self._db.transaction("process.resealing") as tx:  # another key has sealed since then
                await tx.run("process.resealing-forget")
        if await self._needless():
            return
        for column in self.columns:
            standing = (await self.passes()).get(column.name)
            if standing is None:  # noted before anything is done: from now on it may be seen to stand still
                standing = ColumnPass(self._seal.active, column.first, began_at=self._clock())
                await self._save(column, standing)
            while standing.done_at is None:
                began = time.monotonic()
                standing = await self._page(column, standing)
                await self._save(column, standing)
                await asyncio.sleep(max(_LEAST, (time.monotonic() - began) * _REST))
        if kept := sum(one.kept for one in (await self.passes()).values()):
            log.error("ALARM %d rows do not open and keep their old seal, whose key is still needed", kept)
        else:
            log.warning("everything is sealed with the key %s: others may be taken out of seal.keys", self._seal.active)

    async def passes(self) -> dict[str, ColumnPass]:
        """How far each column has come, by its name. Raises Unavailable."""
        rows = await self._db.all("process.resealing")
        names = ("seen", "changed", "done_at", "began_at", "at", "kept")
        return {
            row["what"]: ColumnPass(row["active"], orjson.loads(row["place"]), *(row[name] for name in names))
            for row in rows
        }

    async def complete(self) -> bool:
        """Whether everything is sealed with the active key, as far as a whole pass can tell."""
        passes = await self.passes()
        return all(
            (found := passes.get(column.name)) is not None
            and found.active == self._seal.active
            and found.done_at is not None
            for column in self.columns
        )

    async def _needless(self) -> bool:
        """No other key has ever been used, or all of it was done."""
        proofs = {str(row["key_id"]) for row in await self._db.all("process.proofs")}
        return proofs <= {self._seal.active} or await self.complete()

    async def _page(self, column: SealedColumn, standing: ColumnPass) -> ColumnPass:
        rows = await self._db.all(column.statement("page"), *standing.place, _PAGE)
        changed = kept = 0
        for row in rows:
            if column.key_in(row["mark"]) not in ("", self._seal.active):
                try:
                    changed += await self._anew(column, [row[name] for name in column.key])
                except SealBroken as error:
                    log.error(
                        "ALARM %s: what a row holds does not open, and keeps its old seal: %s", column.name, error
                    )
                    kept += 1
        place = [rows[-1][name] for name in column.key] if rows else standing.place
        done_at = self._clock() if len(rows) < _PAGE else None
        return replace(
            standing, place=place, seen=standing.seen + len(rows), changed=standing.changed + changed, done_at=done_at,
            kept=standing.kept + kept,
        )  # fmt: skip

    async def _anew(self, column: SealedColumn, key: Sequence[Any]) -> bool:
        """Whether it was there to be changed. Raises SealBroken where it does not open."""
        row = await self._db.one(column.statement("one"), *key)
        if row is None or row["sealed"] is None:
            return False
        try:
            values = self._values(column, row)
        except ValueError as error:
            raise SealBroken(str(error)) from None
        async with self._db.transaction("process.reseal") as tx:
            await tx.run(column.statement("swap"), *key, *values)
        return True

    def _values(self, column: SealedColumn, row: Row) -> tuple[Any, ...]:
        """What is written, and what must still be there."""
        old = row["sealed"]
        if column.form is Form.PICKLE:
            return self._pickles.anew(column.table, old, row["key_id"]), self._seal.active, old
        context = column.context_of(row)
        if column.form is Form.BYTES:
            return self._seal.seal(self._seal.open(bytes(old), context), context), bytes(old)
        plain = self._seal.open(b64decode(old.removeprefix(_MARK)), context)
        return _MARK + b64encode(self._seal.seal(plain, context)).decode("ascii"), old

    async def _save(self, column: SealedColumn, standing: ColumnPass) -> None:
        place = orjson.dumps(standing.place).decode()
        async with self._db.transaction("process.resealing") as tx:
            await tx.run(
                "process.resealing-save", column.name, standing.active, place, standing.seen, standing.changed,
                standing.done_at, standing.began_at, self._clock(), standing.kept,
            )  # fmt: skip


async def sealed_with(db: Database, columns: Sequence[SealedColumn], key: str) -> list[str]:
    """The columns in which something is sealed with a key (by its name). It reads everything. Raises Unavailable."""
    found = []
    for column in columns:
        place: list[Any] = column.first
        while rows := await db.all(column.statement("page"), *place, _PAGE * 5):
            if any(column.key_in(row["mark"]) == key for row in rows):
                found.append(column.name)
                break
            place = [rows[-1][name] for name in column.key]
            await asyncio.sleep(0)
    return found
