"""Brings every delivery to its leg: a lane per conversation and leg, strict order, retries, giving up politely."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from bridge.db import Tx
from bridge.errors import Refused, Unavailable, where
from bridge.hub.handing.counting import Counters
from bridge.hub.handing.handed_out import HandedOut
from bridge.hub.handing.handing import Handing
from bridge.hub.handing.spans import Spans
from bridge.hub.outlet import Outlet
from bridge.hub.overdue import Overdue
from bridge.hub.overtaking import Overtaking
from bridge.hub.telling import Telling
from bridge.kinds import KINDS
from bridge.model import Address, Delivery, Handed, Member, Ref
from bridge.parts.failpoint import failpoint
from bridge.parts.lru import Lru
from bridge.parts.patience import Patience as Patience
from bridge.seal import SealBroken
from bridge.served import Served
from bridge.store.backlog import Backlog
from bridge.store.deliveries import LANE
from bridge.store.due import DueDelivery
from bridge.store.store import Store

log = logging.getLogger(__name__)
_REMEMBERED = 10_000
NOT_TAKEN = "not_taken"  # why somebody does not get what they do not want: a neutral word
NOBODY: Mapping[Member, str] = MappingProxyType({})
_AGAIN_SOON = 0.05  # s until somebody whose way is looked for may have another one
_BUGS_ALLOWED = 6  # attempts that end in an unexpected error before the sender is told


class Courier:
    """Delivers what is due. ``wake`` is called when something was written; at start everything is looked through."""

    def __init__(
        self, store: Store, connectors: Served, patience: Patience, clock: Callable[[], int],
        holds: Callable[[str, Address], bool], on_refused: Callable[[str, str], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        self._store = store
        self._connectors = connectors
        self._patience = patience
        self._clock = clock
        self._jitter = jitter
        self._holds = holds
        self.blocked: Callable[[Address, str], bool] = lambda account, person: False
        """Whether an account wants nothing of what somebody (a person id) says."""
        self.withdrawn: Callable[[str], None] = lambda conversation: None
        """Deliveries of a conversation were ended on disk, as nobody is left for whom they wait."""
        self.closed: Callable[[Address], str] = lambda account: ""
        """Why nothing reaches an account though it is its person's: a code, or empty."""
        self._on_refused = on_refused
        self.moving: Counter[str] = Counter()
        """For whom (person ids) another way is looked for just now: what waits for them waits until it is found."""
        self.overtaking = Overtaking()
        self.counts = Counters()
        self.spans: Spans | None = None
        """Who follows the way of messages; None: nobody, which costs nothing."""
        self.reasons: Lru[str, str] = Lru(_REMEMBERED)
        """Why deliveries that wait could not go out when they were tried last (codes), as far as is remembered."""
        self._kept: Lru[tuple[str, str], bool] = Lru(_REMEMBERED)  # lanes that wait until somebody comes
        self._handed_out = HandedOut(store, clock)
        self._handing = Handing(store, connectors)
        self._outlets: dict[str, Outlet] = {}  # made at the start, as the networks are known then
        self._telling: dict[str, Telling] = {}
        self._overdue = Overdue(store, self._outlets, patience, clock, on_refused, self.keeps)

    @property
    def patience(self) -> Patience:
        """How long it waits."""
        return self._patience

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, connector in self._connectors.items():
                backlog, work = Backlog(self._store.db, name), partial(self._lane, name)
                self._outlets[name] = Outlet(backlog, self._patience, work, self._clock, self._jitter)
                self._telling[name] = Telling(self._store, connector, self._patience, self._clock, self._jitter)
                self._telling[name].spans = self.spans
                group.create_task(self._outlets[name].run())
                group.create_task(self._telling[name].run())
            group.create_task(self._overdue.run(self.wake_reports))

    def wake(self, conversation: str, network: str) -> None:
        """Something is due in this lane."""
        if (outlet := self._outlets.get(network)) is not None:
            outlet.wake(conversation)

    def hurry(self, conversation: str, network: str) -> None:
        """What was written in this lane may end its waiting; the disk says so."""
        if (outlet := self._outlets.get(network)) is not None:
            outlet.hurry(conversation)

    def up(self, network: str) -> bool:
        """Whether a network answers, as far as was tried."""
        return network not in self._outlets or not self._outlets[network].down

    def failing(self, network: str) -> str:
        """The code of a network's last failure, as long as nothing has gone out since; else empty."""
        return self._outlets[network].failing if network in self._outlets else ""

    def retry(self, network: str) -> None:
        """Everything that waits for a network may try now."""
        self.answered(network)
        if (outlet := self._outlets.get(network)) is not None:
            outlet.look_through(eager=True)

    def ended(self, message: str, conversation: str, network: str) -> None:
        """A delivery was given up elsewhere, on disk: what waited behind it goes on, its writer is told."""
        self.counts.handed[network, "refused"] += 1
        self._on_refused(message, network)
        self.wake(conversation, network)
        self.wake_reports()

    def keeps(self, conversation: str, network: str) -> bool:
        """Whether a lane waits until somebody comes, as far as this life of the hub knows."""
        return self._kept.peek((conversation, network)) is not None

    def wake_all(self, network: str) -> None:
        """Something may be due in many lanes of a network."""
        if (outlet := self._outlets.get(network)) is not None:
            outlet.look_through(eager=False)

    def wake_reports(self) -> None:
        """Something became of a message."""
        for telling in self._telling.values():
            telling.wake()

    def answered(self, network: str) -> None:
        """A sign of life from a network: lanes that wait for it may try now."""
        if network in self._outlets:
            self._outlets[network].answered()
            self._telling[network].answered()

    @property
    def idle(self) -> bool:
        """Whether nothing is tried, and nothing can be before something is written or a time has come."""
        return all(outlet.idle for outlet in self._outlets.values())

    # ---- lanes

    async def _lane(self, network: str, conversation: str, eager: bool) -> bool:
        """Bring what is due in a lane; True: there may be more of it now. Raises Unavailable (the database)."""
        try:
            seen, due = self.overtaking.seen, await self._store.deliveries.due(conversation, network)
            for one in due:
                if self.overtaking.stale(one.delivery.id, seen):
                    await self.overtaking.over(one.delivery.id)
                    return True
                if one.next_at > self._clock() and not eager:
                    return self._behind(conversation, network, due)
                with self.overtaking.handing(one.delivery.id):
                    if not await self._attempt(one):
                        return self._behind(conversation, network, due)
                eager = False
        except SealBroken as broken:  # not the message's fault: it waits until its key is there again
            log.error("ALARM a message for %s in %s waits for its seal key: %s", network, conversation, broken)
        except Unavailable:
            raise
        except Exception as bug:
            log.error("a lane of %s (%s) failed unexpectedly: %s", network, conversation, where(bug))
        else:
            return len(due) == LANE
        await self._postpone(network, conversation)
        return False

    def _behind(self, conversation: str, network: str, due: Sequence[DueDelivery]) -> bool:
        """The lane waits; where it waits for people, other networks do not wait for the place of what it keeps."""
        if self.keeps(conversation, network):
            for one in due:
                self._on_refused(one.delivery.message, network)
        return False

    async def _postpone(self, network: str, conversation: str) -> None:
        """A lane whose deliveries cannot even be read is looked at again after a while."""
        wait = self._patience.longest
        async with self._store.db.transaction("courier.postponed") as tx:
            await tx.run("store.postpone", conversation, network, self._clock() + int(wait * 1000))
        self._outlets[network].again_in(conversation, wait, None)

    async def _attempt(self, due: DueDelivery) -> bool:
        """One attempt; True if the lane may go on with the next delivery. Raises Unavailable (the database)."""
        delivery = due.delivery
        outlet = self._outlets[delivery.network]
        asked = False
        self._kept.drop((delivery.conversation, delivery.network))
        if self.spans is not None:
            self.spans.begin(delivery.id)
        try:
            delivery, lost = await self._addressed(due)
            asked = True
            handed = await self._handing.hand(delivery)
            failpoint("courier.after-deliver")
        except Refused as refusal:
            if asked:
                outlet.worked(delivery.conversation)
            log.warning("%s refused by %s: %s", delivery.id, delivery.network, refusal.code)
            return await self._end(delivery, None, refusal.code)
        except SealBroken as broken:
            log.error("ALARM the files of %s wait for their seal key: %s", delivery.id, broken)
            return await self._later(delivery, Unavailable("seal_key", self._patience.longest))
        except Unavailable as reason:
            if not asked and not reason.alone:
                raise
            if asked:
                outlet.failed(delivery.conversation, reason)
            return await self._later(delivery, reason)
        except Exception as bug:  # poison must not stop the lane for ever
            if delivery.attempt + 1 >= _BUGS_ALLOWED:  # its sender is told that the operator knows
                words = "ALARM %s of the message %s to %s is given up for a fault of the hub: %s"
                log.error(words, delivery.id, delivery.message, delivery.network, where(bug))
                return await self._end(delivery, None, "internal_error")
            log.error("%s to %s failed unexpectedly: %s", delivery.id, delivery.network, where(bug))
            return await self._later(delivery, Unavailable("internal_error"))
        outlet.worked(delivery.conversation)
        return await self._end(delivery, handed, "", lost)

    async def _addressed(self, due: DueDelivery) -> tuple[Delivery, Mapping[Member, str]]:
        """The last look before it is handed out: nobody gets it at an address that is somebody else's by now.

        Gives those who do not get it, too, and why. Raises Refused if nobody is left, SealBroken, Unavailable.
        """
        delivery = await self._store.deliveries.ready(due)
        if due.next_at and self._overdue.given_up(delivery.created_at):
            delivery = replace(delivery, last=True)
        if not delivery.recipients and KINDS[delivery.kind].recipients:
            raise Refused("left_before")
        if KINDS[delivery.kind].about and delivery.reply_to is None:
            if await self._store.deliveries.target_waits(delivery):
                raise Unavailable("target_waits", _AGAIN_SOON, alone=True)
            # they never got it: it was refused, or not theirs
            raise Refused("taken_back" if KINDS[delivery.kind].erases else "target_not_there")
        gone = [m for m in delivery.recipients if not m.person.active or not self._holds(m.person.id, m.address)]
        lost = {m: self._why(m) for m in gone}
        spared = {m: NOT_TAKEN for m in self._spared(delivery) if m not in lost}
        if not lost and not spared:
            return delivery, lost
        if any(m.person.active and self.moving[m.person.id] for m in lost):
            raise Unavailable("another_way", _AGAIN_SOON, alone=True)
        if len(lost) + len(spared) == len(delivery.recipients):
            raise Refused(next(iter((lost | spared).values())))
        aside = frozenset(m.person.id for m in spared)
        left = tuple(m for m in delivery.members if m not in lost)
        return replace(delivery, members=left, aside=aside), lost | spared

    def _why(self, lost: Member) -> str:
        """Why somebody is not given what waits for them."""
        return (self.closed(lost.address) or "not_reachable") if lost.person.active else "recipient_inactive"

    def _spared(self, delivery: Delivery) -> list[Member]:
        """Those who want nothing of whoever says this."""
        if not KINDS[delivery.kind].recipients or delivery.body.system:
            return []
        return [m for m in delivery.recipients if self.blocked(m.address, delivery.sender.id)]

    async def _end(
        self, delivery: Delivery, handed: Ref | Handed | None, reason: str, lost: Mapping[Member, str] = NOBODY
    ) -> bool:
        if isinstance(handed, Ref) and not lost and not delivery.gone:
            known = not self._connectors[delivery.network].capabilities.own_states
            await self._handed_out.note(delivery, handed, known=known)
            self._count(delivery)
            self.wake_reports()
            return True
        handed, now = Handed(handed) if isinstance(handed, Ref) else handed, self._clock()
        async with self._store.db.transaction("courier.sent" if handed else "courier.refused") as tx:
            for member, why in lost.items():
                await self._store.outcomes.failed(tx, delivery.message, member.person.id, delivery.network, why, now)
            if handed is not None:
                await self._sent(tx, delivery, handed)
            else:
                await self._store.deliveries.refused(tx, delivery, reason, now)
        self._count(delivery, refused=handed is None)
        if handed is None:
            self._on_refused(delivery.message, delivery.network)
        if handed is not None and handed.noted is not None:
            with suppress(Unavailable):
                await handed.noted()
        self.wake_reports()
        return True

    def _count(self, delivery: Delivery, *, refused: bool = False) -> None:
        if refused:
            self.counts.handed[delivery.network, "refused"] += 1
        else:
            self.counts.sent(delivery.network, (self._clock() - delivery.created_at) / 1000)
        if self.spans is not None:
            self._traced(delivery, "refused" if refused else "sent")

    def _traced(self, delivery: Delivery, result: str) -> None:
        assert self.spans is not None
        about: dict[str, str | int] = {"delivery": delivery.id, "network": delivery.network, "result": result}
        self.spans.end(delivery.id, "deliver", delivery.message, about | {"attempt": delivery.attempt + 1})

    async def _sent(self, tx: Tx, delivery: Delivery, handed: Handed) -> None:
        own = handed.own or self._connectors[delivery.network].capabilities.own_states
        known, now = not own, self._clock()
        await self._store.deliveries.sent(tx, delivery, handed.ref, now, known=known, waiting=handed.waiting)
        for person, why in sorted(handed.without.items()):
            await self._store.outcomes.failed(tx, delivery.message, person, delivery.network, why, now)

    async def _later(self, delivery: Delivery, reason: Unavailable) -> bool:
        """The lane waits: it is on disk until when."""
        self.counts.handed[delivery.network, "later"] += 1
        self.reasons.put(delivery.id, reason.code)
        if self.spans is not None:
            self._traced(delivery, reason.code)
        if reason.kept:
            return await self._keep(delivery, reason)
        if self._overdue.given_up(delivery.created_at):
            log.warning("%s to %s given up after %d attempts", delivery.id, delivery.network, delivery.attempt + 1)
            return await self._end(delivery, None, "gave_up")
        wait = max(self._patience.backoff(delivery.attempt, self._jitter), reason.retry_after or 0.0)
        log.info("%s to %s waits %.1f s: %s", delivery.id, delivery.network, wait, reason)
        async with self._store.db.transaction("courier.later") as tx:
            await self._store.deliveries.later(tx, delivery, self._clock() + int(wait * 1000))
            news = reason.told and await self._store.outcomes.stuck(tx, delivery.message, delivery.network, reason.code)
        if news:
            self.wake_reports()
        self._outlets[delivery.network].again_in(delivery.conversation, wait, reason.retry_after)
        return False

    async def _keep(self, delivery: Delivery, reason: Unavailable) -> bool:
        """Nobody is there yet. It is looked at again now and then; whoever comes is told of (:meth:`hurry`)."""
        lane, wait = (delivery.conversation, delivery.network), reason.retry_after or self._patience.longest
        if not self.keeps(*lane):
            log.info("%s to %s is kept until somebody comes: %s", delivery.id, delivery.network, reason)
        self._kept.put(lane, True)
        async with self._store.db.transaction("courier.kept") as tx:
            await self._store.deliveries.later(tx, delivery, self._clock() + int(wait * 1000), tried=0)
            news = await self._store.outcomes.kept(tx, *lane, reason.code)
        if news:
            self.wake_reports()
        self._outlets[delivery.network].again_in(delivery.conversation, wait, reason.retry_after)
        return False
