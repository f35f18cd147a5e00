"""Hands a delivery to its network in the form that the network shows; a long text goes in several parts.

Each part has an idempotency key of its own. The parts of a message are names of that one message: an answer to any of
them is an answer to it, and a correction corrects them one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from bridge.capabilities import parts, unfinished
from bridge.model import Body, Delivery, Handed, Kind, Ref
from bridge.served import Served
from bridge.store.store import Store

_EMPTY = Body("…")  # what is left of a part that a shorter text needs no more


class Handing:
    """``hand`` is one attempt."""

    def __init__(self, store: Store, connectors: Served) -> None:
        self._store = store
        self._connectors = connectors

    async def hand(self, delivery: Delivery) -> Ref | Handed:
        """See :meth:`bridge.connector.Connector.deliver`."""
        await self._connectors.take_back(delivery)
        fitted = self._connectors.fit(delivery)
        bodies = parts(fitted.body, self._connectors[delivery.network].capabilities.max_text)
        if fitted.kind is Kind.EDIT and fitted.reply_to is not None:
            told = await self._store.deliveries.texts(fitted.reply_to)
            if len(bodies) > 1 or len(told) > 1:
                return await self._corrected(fitted, bodies, told)
        whole = bodies[0] is fitted.body
        handed = await self._deliver(fitted if whole else replace(fitted, body=bodies[0]))
        for n, body in enumerate(bodies[1:], 2):
            ref = await self._deliver(_part(fitted, body, n))
            await self._store.deliveries.part(delivery.message, _ref(ref), n)
        if without := unfinished(delivery, fitted):
            known = handed if isinstance(handed, Handed) else Handed(handed)
            return replace(known, without={**known.without, **without})
        return handed

    async def _corrected(self, fitted: Delivery, bodies: Sequence[Body], told: Sequence[Ref]) -> Ref | Handed:
        """Part by part. What is longer now goes on in new parts of the message that is corrected."""
        first = None
        about = fitted.reply_to
        assert about is not None
        for n, (body, ref) in enumerate(zip_longest(bodies, told), 1):
            if ref is not None:
                part = _part(fitted, body or _EMPTY, n) if n > 1 else replace(fitted, body=bodies[0])
                handed = await self._deliver(replace(part, kind=Kind.EDIT, reply_to=ref))
            else:
                assert body is not None
                handed = await self._deliver(replace(_part(fitted, body, n), kind=Kind.TEXT, reply_to=None))
                await self._store.deliveries.part_of(about, _ref(handed), n)
            first = first or handed
        assert first is not None
        return first

    async def _deliver(self, delivery: Delivery) -> Ref | Handed:
        return await self._connectors[delivery.network].deliver(delivery)


def _part(delivery: Delivery, body: Body, n: int) -> Delivery:
    """The n-th part, counted from 1: the first one answers, and brings whatever else the message has."""
    kind = Kind.TEXT if delivery.kind is not Kind.NOTICE else delivery.kind
    return replace(delivery, id=f"{delivery.id}-{n}", kind=kind, body=body, reply_to=None, continues=None, named=None)


def _ref(handed: Ref | Handed) -> Ref:
    return handed.ref if isinstance(handed, Handed) else handed
