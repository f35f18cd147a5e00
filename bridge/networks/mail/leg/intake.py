"""From a mail that was taken to messages of the hub: one lane a thread, nothing lost by a crash, nothing twice."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, fields
from typing import Any

import orjson

from bridge.db import Tx
from bridge.errors import Refused, Unavailable, where
from bridge.networks.mail.leg.apicrypt_opening import Opener
from bridge.networks.mail.leg.ledger import Ledger
from bridge.networks.mail.leg.threads import cited, lane
from bridge.networks.mail.mime.mail import Mail, parse
from bridge.networks.mail.mime.parts import MailLimits
from bridge.networks.mail.smtp.reception import Envelope
from bridge.parts.failpoint import failpoint
from bridge.parts.lanes import Lanes
from bridge.parts.patience import Patience
from bridge.seal import Seal, SealBroken

log = logging.getLogger(__name__)
_INLINE = 64_000  # bytes; longer mails are parsed in a thread
_IN_MEMORY = 64_000_000  # bytes of parsed mails that wait in memory; the others are read again
_PAGE = 100  # mails that one look at the disk takes up
_WAITING = 20_000  # mails; beyond, peers are asked to come again
_PATIENCE = Patience(first=0.5, longest=60.0)  # between two attempts
_ENVELOPE = tuple(each.name for each in fields(Envelope))
_BUGS = 5  # unexpected errors before a mail is given to the operator


@dataclass(slots=True)
class TakenMail:
    """A mail that is on disk. ``mail`` is None when it has to be read from there."""

    n: int
    envelope: Envelope = field(repr=False)
    mail: Mail | None = field(default=None, repr=False)
    raw: bytes = field(default=b"", repr=False)
    settled: bool = False  # it is off the disk

    async def settle(self, tx: Tx) -> None:
        """Nothing more is to be done with it once this transaction is over; ``settled`` is set by whoever sees that."""
        await tx.run("mail.settled", self.n)


@dataclass(slots=True)
class _Thread:
    """Mails that are worked on one after another, and all that they are called and cite."""

    queue: deque[TakenMail] = field(default_factory=deque)
    ids: set[str] = field(default_factory=set)


Settle = Callable[[TakenMail, Mail], Awaitable[None]]
"""Bring a mail into the hub; may be called again for the same mail, and may settle it. Raises Unavailable."""


class Intake:
    """``take`` is what SMTP calls; ``settle`` gets every mail, those of one thread in the order in which they came.

    A mail is in the lane of those that it cites or that cite it, as long as they are not worked on.
    """

    def __init__(
        self,
        ledger: Ledger,
        seal: Seal,
        settle: Settle,
        limits: MailLimits,
        opener: Opener | None = None,
        own: Collection[str] = (),
    ) -> None:
        self._ledger = ledger
        self._seal = seal
        self._settle = settle
        self._limits = limits
        self._opener = opener or Opener(None)
        self._threads: dict[str, _Thread] = {}
        self._ids: dict[str, str] = {}  # the thread in which an id is, if any
        self._lanes = Lanes("mail", self._next, _PATIENCE, failed=self._failed)
        self._held = self._bytes = 0
        self.own = own  # our names in the loop header

    async def start(self) -> None:
        """Take up what an earlier life left."""
        n = 0
        while rows := await self._ledger.db.all("mail.waiting", n, _PAGE):
            for n in (int(row["n"]) for row in rows):
                await self._resume(n)

    async def _resume(self, n: int) -> None:
        try:
            taken = await self._load(n)
        except (Refused, SealBroken) as reason:
            log.error("ALARM mail %d cannot be read any more and stays on disk: %s", n, reason)
            return
        if taken is not None and taken.mail is not None:
            self._add(taken, taken.mail)

    async def stop(self) -> None:
        """Stop; everything not settled is on disk."""
        await self._lanes.stop()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not len(self._lanes)

    async def take(self, envelope: Envelope, raw: bytes) -> None:
        """Store a mail durably, as it came. Raises Refused for what nobody could read, Unavailable."""
        if self._held >= _WAITING:
            raise Unavailable("too_much_waits", 60.0)
        mail = await self._opener.opened(await self._parse(raw))
        if not set(self.own).isdisjoint(mail.loops):
            raise Refused("loop")
        said = orjson.dumps(_plain(envelope))
        async with self._ledger.db.transaction("mail.take") as tx:
            sealed = (self._seal.seal(said, "mail envelope"), self._seal.seal(raw, "mail raw"))
            row = await tx.one("mail.take", *sealed, envelope.received_at)
        assert row is not None
        self._add(TakenMail(int(row["n"]), envelope, mail, raw), mail)

    async def _parse(self, raw: bytes) -> Mail:
        if len(raw) < _INLINE:
            return parse(raw, self._limits)
        return await asyncio.to_thread(parse, raw, self._limits)

    async def _load(self, n: int) -> TakenMail | None:
        row = await self._ledger.db.one("mail.taken", n)
        if row is None:
            return None
        envelope = _envelope(orjson.loads(self._seal.open(bytes(row["envelope"]), "mail envelope")))
        raw = self._seal.open(bytes(row["raw"]), "mail raw")
        return TakenMail(n, envelope, await self._parse(raw), raw)

    def _add(self, taken: TakenMail, mail: Mail) -> None:
        name = lane(mail)
        ids = [*cited(mail), *([mail.message_id] if mail.message_id else [])]
        name = next((self._ids[ident] for ident in ids if ident in self._ids), name)
        self._held += 1
        self._bytes += len(taken.raw)
        if self._bytes > _IN_MEMORY:
            self._bytes -= len(taken.raw)
            taken.mail, taken.raw = None, b""
        thread = self._threads.setdefault(name, _Thread())
        thread.queue.append(taken)
        thread.ids.update(ident for ident in ids if self._ids.setdefault(ident, name) == name)
        self._lanes.wake(name)

    async def _next(self, name: str) -> float | None:
        """Bring the next mail of a thread into the hub."""
        if name not in self._threads:  # its last mail was set aside
            return None
        await self._one(self._threads[name].queue[0])
        return self._over(name)

    def _over(self, name: str) -> float | None:
        """The next mail is settled, or set aside; None: it was the last one of its thread."""
        thread = self._threads[name]
        self._bytes -= len(thread.queue.popleft().raw)
        self._held -= 1
        if thread.queue:
            return 0.0
        del self._threads[name]
        for ident in thread.ids:
            del self._ids[ident]
        return None

    async def _one(self, taken: TakenMail) -> None:
        whole = taken if taken.mail is not None else await self._load(taken.n)
        if whole is None or whole.mail is None:
            return
        await self._settle(whole, await self._opener.reopened(whole.mail))
        if not whole.settled:
            async with self._ledger.db.transaction("mail.settled") as tx:
                await whole.settle(tx)
        failpoint("mail.settled")

    async def _failed(self, name: str, times: int, bug: Exception) -> float | None:
        n = self._threads[name].queue[0].n
        log.error("mail %d failed: %s", n, where(bug))
        if times < _BUGS:
            return None
        log.error("ALARM mail %d cannot be worked on; it stays on disk for the operator", n)
        self._over(name)
        return 0.0


def _plain(envelope: Envelope) -> dict[str, Any]:
    values = {name: getattr(envelope, name) for name in _ENVELOPE}  # asdict would copy all of it, slowly
    values["dn_domains"] = sorted(envelope.dn_domains)
    values["notify"] = [None if one is None else sorted(one) for one in envelope.notify]
    values["dn"] = []
    return values


def _envelope(values: dict[str, Any]) -> Envelope:
    values["recipients"] = tuple(values["recipients"])
    values["dn_domains"] = frozenset(values["dn_domains"])
    values["notify"] = tuple(None if one is None else frozenset(one) for one in values["notify"])
    values["orcpt"] = tuple(values["orcpt"])
    values["dn"] = frozenset()
    return Envelope(**values)
