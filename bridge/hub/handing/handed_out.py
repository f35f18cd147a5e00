"""What was handed out is noted together: one transaction for all that comes while the first waits for its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridge.db import Tx
from bridge.model import Delivery, Ref
from bridge.store.store import Store


@dataclass(frozen=True, slots=True)
class _Note:
    """A delivery that its network has taken; ``known``: it is known to be with its recipients."""

    delivery: Delivery
    ref: Ref
    known: bool


@dataclass(slots=True, eq=False)
class _Batch:
    """What one transaction will note. ``others`` wait for the one who has begun it: whether it went through."""

    notes: list[_Note]
    others: list[asyncio.Future[bool]] = field(default_factory=list)

    async def joined(self, note: _Note) -> bool:
        """Be a part of it."""
        over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.notes.append(note)
        self.others.append(over)
        return await over

    def end(self, went: bool) -> None:
        """Tell those who are still there."""
        for over in self.others:
            if not over.done():
                over.set_result(went)


class HandedOut:
    """Notes what was handed out. ``clock`` gives milliseconds since 1970."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._gathering: _Batch | None = None

    async def note(self, delivery: Delivery, ref: Ref, *, known: bool) -> None:
        """On disk when this returns; noting it twice does no harm. Raises Unavailable (the database)."""
        note = _Note(delivery, ref, known)
        batch = self._gathering
        went = await (self._begun(note) if batch is None else batch.joined(note))
        if not went:  # each for itself, so that one alone fails for its own fault
            async with self._store.db.transaction("courier.sent") as tx:
                await self._write(tx, [note])

    async def _begun(self, note: _Note) -> bool:
        """Begin a batch, and write all of it. False: it has failed and is not this one's alone."""
        batch = self._gathering = _Batch([note])
        went = False
        try:
            async with self._store.db.transaction("courier.sent") as tx:
                self._gathering = None
                await self._write(tx, batch.notes)
            went = True
        except Exception:
            if not batch.others:
                raise
        finally:
            if self._gathering is batch:
                self._gathering = None
            batch.end(went)
        return went

    async def _write(self, tx: Tx, notes: Sequence[_Note]) -> None:
        known = {note.delivery.message for note in notes if note.known}
        await self._store.deliveries.all_sent(tx, [(note.delivery, note.ref) for note in notes], known, self._clock())
