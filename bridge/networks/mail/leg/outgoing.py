"""The way out: chat is gathered into mails, mails wait for the operator of each recipient, every outcome is told."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

from bridge.errors import Refused, Unavailable, where
from bridge.networks.mail.leg.ledger import Due, Ledger
from bridge.networks.mail.leg.settings import GatherSettings, RetrySettings
from bridge.networks.mail.smtp.peer import Outcome
from bridge.parts.failpoint import failpoint
from bridge.parts.lanes import Lanes
from bridge.parts.lru import Lru
from bridge.parts.patience import Patience
from bridge.parts.steady import Steady

log = logging.getLogger(__name__)
_CONNECTIONS = 4  # of one domain at once
_PAGE = 100  # rows that one look at the disk takes up
_DATABASE = Patience(first=1.0, longest=5.0)  # until a database that was away is asked again
_REASONS = 1000  # domains of which it is known why they take nothing
_BUG = 60.0  # s until a mail that failed unexpectedly is tried again: it may have been sent

Close = Callable[[str, str], Awaitable[None]]
"""Make a mail of what was gathered in a chat and thread. Raises Unavailable."""


class Sends(Protocol):
    """Attempts to one domain: :class:`bridge.networks.mail.smtp.smtp_out.Session`."""

    async def send(self, sender: str, recipients: Sequence[str], raw: bytes, envid: str) -> list[Outcome]:
        """One attempt; one outcome for each recipient."""


class Connects(Protocol):
    """:class:`bridge.networks.mail.smtp.smtp_out.SmtpOut`."""

    def session(self) -> AbstractAsyncContextManager[Sends]:
        """Attempts to one domain, one after the other over one connection."""


Told = Callable[[Due, str, str, str], Awaitable[None]]
"""(mail, recipient, kind, reason): tell the writers. kind: accepted, delayed, refused."""


async def _failed(what: str | tuple[str, str], _: int, bug: Exception) -> float:
    log.error("ALARM mail to %s failed unexpectedly: %s", what if isinstance(what, str) else what[0], where(bug))
    return _BUG


class Gather:
    """Waits until a thread is quiet, then has it made into a mail."""

    def __init__(self, settings: GatherSettings, close: Close, clock: Callable[[], int]) -> None:
        self._quiet, self._longest = settings.quiet, settings.longest
        self._close = close
        self._clock = clock
        self._first: dict[tuple[str, str], int] = {}
        self._last: dict[tuple[str, str], int] = {}
        self._urgent: set[tuple[str, str]] = set()
        self._lanes = Lanes("gathered mail", self._when_quiet, _DATABASE, failed=_failed)

    async def start(self, ledger: Ledger) -> None:
        """Go on with what was being gathered."""
        after = ("", "")
        while rows := await ledger.db.all("mail.gathering", *after, _PAGE):
            for row in rows:
                self.add(row["chat"], row["thread"], int(row["first"]))
            after = (rows[-1]["chat"], rows[-1]["thread"])

    async def stop(self) -> None:
        """Stop; what was gathered is on disk."""
        await self._lanes.stop()

    @property
    def idle(self) -> bool:
        """Whether nothing is being gathered."""
        return not len(self._lanes)

    def add(self, chat: str, thread: str, at: int, urgent: bool = False) -> None:
        """Something was said (time in ms) and is on disk; what is ``urgent`` waits for nothing more to be said."""
        key = (chat, thread)
        if urgent:
            self._urgent.add(key)
        self._last[key] = self._clock()
        self._first.setdefault(key, at)
        self._lanes.wake(key)

    async def _when_quiet(self, key: tuple[str, str]) -> float | None:
        last = self._last[key]
        due = min(last + self._quiet * 1000, self._first[key] + self._longest * 1000)
        if (left := (due - self._clock()) / 1000) > 0 and key not in self._urgent:
            return left
        self._urgent.discard(key)
        await self._close(*key)
        del self._first[key]
        if self._last[key] == last:
            del self._last[key]
            return None
        self._first[key] = self._last[key]  # more was said meanwhile
        return 0.0


Judge = Callable[[str], Awaitable[str | None]]


async def _everybody(_: str) -> str | None:
    return None


class Queue:
    """One lane for each domain; a mail is tried again after the pauses of the settings until it is given up.

    A lane has a few connections; the mails of one sender (a conversation, a team) go over one of them, in their order.
    """

    def __init__(
        self, ledger: Ledger, out: Connects, told: Told, settings: RetrySettings, clock: Callable[[], int],
        judge: Judge = _everybody,
    ) -> None:  # fmt: skip
        """``judge`` gives the code for why nobody may be written to at a mailbox any more; it is asked at each try."""
        self._ledger = ledger
        self._out = out
        self._told = told
        self._judge = judge
        self._settings = settings
        self._clock = clock
        self._steady = Steady(clock)
        self.reasons: Lru[str, str] = Lru(_REASONS)
        """Why the last attempt with a domain ended without success: codes, the peer, our own words."""
        self._lanes = Lanes("mail", self._drained, _DATABASE, failed=_failed)
        self._telling = Lanes("outcomes of mails", self._tell, _DATABASE, failed=_failed)

    async def start(self) -> None:
        """Go on with what waits."""
        self.tell()
        for domain in await self._ledger.domains():
            self.wake(domain)

    async def stop(self) -> None:
        """Stop; what waits is on disk. A mail in flight is sent again with the same Message-ID."""
        await self._lanes.stop()
        await self._telling.stop()

    @property
    def idle(self) -> bool:
        """Whether nothing is due now."""
        return not self._lanes.working and not self._telling.working

    def wake(self, domain: str) -> None:
        """Something waits for this domain."""
        self._lanes.wake(domain)

    async def hurry(self) -> None:
        """Whatever waits is tried now. Raises Unavailable (the database)."""
        for domain in await self._ledger.domains():
            await self._ledger.hurry(domain)
            self.wake(domain)

    def tell(self) -> None:
        """There is an outcome that nobody was told of."""
        self._telling.wake("all")

    async def _drained(self, domain: str) -> float | None:
        await self._drain(domain)
        return await self._pause(domain)

    async def _pause(self, domain: str) -> float | None:
        row = await self._ledger.db.one("mail.next", domain)
        if row is None or row["next_at"] is None:
            return None
        return max(0.05, (int(row["next_at"]) - self._clock()) / 1000)

    async def _drain(self, domain: str) -> None:
        """One pass over everything that is due. What fails unexpectedly stops its sender's mails of that page only."""
        bug: BaseException | None = None
        async for page in self._ledger.due(domain, self._clock()):
            shares: dict[int, list[str]] = {}
            for mail, sender in page:
                shares.setdefault(zlib.crc32((sender or mail).encode()) % _CONNECTIONS, []).append(mail)
            ended = await asyncio.gather(
                *(self._give(domain, each) for each in shares.values()), return_exceptions=True
            )
            for error in (each for each in ended if each is not None):
                if isinstance(error, Unavailable):
                    raise error
                bug = error
        if bug is not None:
            raise bug

    async def _give(self, domain: str, mails: Sequence[str]) -> None:
        async with self._out.session() as session:
            for mail in mails:
                due = await self._ledger.letter(mail, domain, self._clock())
                if due is not None and (left := await self._allowed(due)).waiting:
                    await self._attempt(session, left)

    async def _allowed(self, due: Due) -> Due:
        """Without whoever was struck off, or lost the mailbox, while the mail waited: for them it is over."""
        lost = {each: code for each in due.waiting if (code := await self._judge(each)) is not None}
        if not lost:
            return due
        async with self._ledger.db.transaction("mail.lost") as tx:
            for recipient, code in sorted(lost.items()):
                await tx.run("mail.outcome", due.id, recipient, "refused", code)
            await tx.run("mail.end_out", due.id)
        self.tell()
        return replace(due, waiting={each: how for each, how in due.waiting.items() if each not in lost})

    async def _attempt(self, session: Sends, due: Due) -> None:
        try:
            outcomes = await session.send(due.sender, list(due.waiting), due.raw, due.id)
        except Refused as refusal:
            outcomes = [Outcome(each, 550, "5.0.0", "refused", refusal.code) for each in due.waiting]
        except Unavailable:
            outcomes = [Outcome(each, 451, "4.0.0", "later") for each in due.waiting]
        failpoint("mail.sent")
        if jump := self._steady.jumped():
            log.warning("the clock has jumped by %.0f s: no mail is given up yet", jump)
        age, patience = (self._clock() - due.created_at) / 1000, self._settings.give_up
        over = age >= patience and self._steady.tried(patience)
        again = [each for each in outcomes if each.kind == "later" and not over]
        self._note(outcomes)
        if again:
            await self._later(due, again, age)
        if len(again) < len(outcomes):
            await self._settle(due, [each for each in outcomes if each not in again])

    def _note(self, outcomes: Sequence[Outcome]) -> None:
        for each in outcomes:
            said = f"{each.code} {each.status}" + (f" from {each.peer}" if each.peer else "")
            said += f" ({each.ours})" if each.ours else ""
            self.reasons.put(each.recipient.rpartition("@")[2].lower(), said if each.kind == "later" else "")

    async def _settle(self, due: Due, outcomes: Sequence[Outcome]) -> None:
        """For these recipients it is over."""
        async with self._ledger.db.transaction("mail.outcome") as tx:
            for outcome in outcomes:
                kind, reason = outcome.kind, reason_of(outcome)
                if kind == "later":
                    kind, reason = "refused", reason if reason != "mail_refused" else "mail_gave_up"
                await tx.run("mail.outcome", due.id, outcome.recipient, kind, reason)
            await tx.run("mail.end_out", due.id)
        self.tell()

    async def _tell(self, _: str) -> None:
        """Tell the writers what is on disk and was not told; a crash in between tells it again, which does no harm."""
        while rows := await self._ledger.untold():
            await self._tell_these(rows)

    async def _tell_these(self, rows: Sequence[tuple[Due, str, str, str]]) -> None:
        done: list[tuple[str, str]] = []
        try:
            for due, recipient, state, reason in rows:
                await self._told(due, recipient, state, reason)
                done.append((due.id, recipient))
        finally:
            if done:
                async with self._ledger.db.transaction("mail.told") as tx:
                    await tx.many("mail.told", done)

    async def _later(self, due: Due, outcomes: Sequence[Outcome], age: float) -> None:
        """For these recipients it is tried again; their writer hears of it once, when it takes long."""
        rows, pauses = [], self._settings.pauses
        for outcome in outcomes:
            attempt, told = due.waiting[outcome.recipient]
            if not told and age >= self._settings.delay_notice:
                await self._told(due, outcome.recipient, "delayed", reason_of(outcome))
                told = True
            at = self._clock() + int(pauses[min(attempt, len(pauses) - 1)] * 1000)
            rows.append((due.id, outcome.recipient, at, int(told)))
        async with self._ledger.db.transaction("mail.later") as tx:
            await tx.many("mail.later", rows)


def reason_of(outcome: Outcome) -> str:
    """The word of the catalogue for what became of an attempt of ours."""
    detail = outcome.status.partition(".")[2]
    if detail in ("7.1",) and not outcome.peer:
        return "mail_domain_not_trusted"
    if detail in ("7.5", "7.10"):
        return "mail_peer_not_trusted"
    return reason_of_status(outcome.status)


def reason_of_status(status: str) -> str:
    """The word of the catalogue for an enhanced status (RFC 3463), whoever gives it."""
    detail = status.partition(".")[2]
    if detail in ("1.1", "1.2", "1.10", "2.1", "1.6"):
        return "mail_unknown_box"
    if detail == "2.2":
        return "mail_box_full"
    if detail in ("3.4", "2.3"):
        return "mail_too_large"
    return "mail_refused"
