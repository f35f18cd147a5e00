"""The queue of mails on their way out: a full one is emptied page by page, a few connections a domain, in order."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from bridge.db import open_database
from bridge.networks.mail.leg.ledger import COMPONENT, Due, Ledger, LedgerEntry, Posted
from bridge.networks.mail.leg.outgoing import Queue
from bridge.networks.mail.leg.settings import RetrySettings
from bridge.networks.mail.smtp.peer import Outcome
from bridge.parts.steady import Steady
from deploy.world.waiting import until
from tests.core.make import SEAL

PAUSES = RetrySettings(pauses=[300.0])


class Operators:
    """STUB of the other operators: notes which mail came over which connection, and how many there were at once."""

    def __init__(self) -> None:
        self.given: list[tuple[int, str, str]] = []  # connection, mail, recipient
        self.answer: Callable[[str, str], str] = lambda mail, recipient: "accepted"
        self.open: dict[str, int] = {}
        self.most = 0
        self._connections = itertools.count(1)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[_Session]:
        session = _Session(self, next(self._connections))
        yield session
        self.open[session.domain] -= 1


class _Session:
    def __init__(self, operators: Operators, number: int) -> None:
        self.operators, self.number, self.domain = operators, number, ""

    async def send(self, sender: str, recipients: Sequence[str], raw: bytes, envid: str) -> list[Outcome]:
        far = self.operators
        if not self.domain:
            self.domain = recipients[0].partition("@")[2]
            far.open[self.domain] = far.open.get(self.domain, 0) + 1
            far.most = max(far.most, far.open[self.domain])
        await asyncio.sleep(0)
        outcomes = []
        for each in recipients:
            kind = far.answer(envid, each)
            code = {"accepted": 250, "later": 451, "refused": 550}[kind]
            outcomes.append(Outcome(each, code, f"{code // 100}.0.0", kind))  # type: ignore[arg-type]
        far.given += [(self.number, envid, each) for each in recipients]
        return outcomes


class Rig:
    """A ledger, a queue with a clock that stands, and what its writers were told."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.far, self.now = ledger, Operators(), 1_000_000
        self.told: list[tuple[str, str, str]] = []
        self.queue = Queue(ledger, self.far, self._told, PAUSES, lambda: self.now, self._judge)
        self.lost: dict[str, str] = {}

    async def _told(self, due: Due, recipient: str, kind: str, reason: str) -> None:
        self.told.append((due.id, recipient, kind))

    async def _judge(self, box: str) -> str | None:
        return self.lost.get(box)

    async def post(self, *mails: tuple[str, str, tuple[str, ...]]) -> None:
        """Mails as (id, sender, recipients)."""
        async with self.ledger.db.transaction("test") as tx:
            for ident, sender, recipients in mails:
                await self.ledger.post(tx, Posted(ident, ident, sender, recipients, (), b"x", self.now))

    async def rest(self) -> None:
        await until(lambda: self.queue.idle)

    @property
    def mails(self) -> list[str]:
        return [mail for _, mail, _ in self.far.given]


@pytest.fixture
async def rig(url: str) -> AsyncIterator[Rig]:
    db = await open_database(url, [COMPONENT])
    ledger = Ledger(db, SEAL)
    await ledger.start()
    made = Rig(ledger)
    yield made
    await made.queue.stop()
    await db.close()


async def test_a_full_queue_is_emptied_in_each_senders_order_over_a_few_connections(rig: Rig) -> None:
    await rig.post(*((f"m{n:03}", f"room{n % 7}@hub.example", ("a@one.example",)) for n in range(250)))
    await rig.queue.start()
    await rig.rest()
    assert sorted(rig.mails) == [f"m{n:03}" for n in range(250)]
    for room in range(7):
        mine = [mail for mail in rig.mails if int(mail[1:]) % 7 == room]
        assert mine == sorted(mine)
    assert rig.far.most <= 4
    assert len({number for number, _, _ in rig.far.given}) <= 12  # four for each page of a hundred
    assert len(rig.told) == 250


async def test_every_domain_has_its_lane(rig: Rig) -> None:
    await rig.post(*((f"m{n}", "room@hub.example", (f"a@d{n % 40}.example",)) for n in range(80)))
    assert await rig.ledger.domains() == sorted(f"d{n}.example" for n in range(40))
    await rig.queue.start()
    await rig.rest()
    assert len(rig.mails) == 80
    assert await rig.ledger.domains() == []


async def test_whoever_must_wait_is_tried_again_alone(rig: Rig) -> None:
    rig.far.answer = lambda mail, recipient: "later" if recipient.startswith("slow") else "accepted"
    await rig.post(("m1", "room@hub.example", ("a@one.example", "slow@one.example", "b@one.example")))
    await rig.queue.start()
    await rig.rest()
    assert len(rig.far.given) == 3
    rig.far.answer = lambda mail, recipient: "accepted"
    rig.now += 299_000
    rig.queue.wake("one.example")
    await rig.rest()
    assert len(rig.far.given) == 3
    rig.now += 2_000
    rig.queue.wake("one.example")
    await rig.rest()
    assert rig.far.given[3:] == [(2, "m1", "slow@one.example")]
    assert sorted(recipient for _, recipient, _ in rig.told) == ["a@one.example", "b@one.example", "slow@one.example"]


async def test_whoever_is_lost_while_a_mail_waits_gets_it_no_more(rig: Rig) -> None:
    rig.far.answer = lambda mail, recipient: "later"
    await rig.post(("m1", "room@hub.example", ("a@one.example", "b@one.example")))
    await rig.queue.start()
    await rig.rest()
    rig.far.answer, rig.lost = lambda mail, recipient: "accepted", {"b@one.example": "recipient_inactive"}
    rig.now += 301_000
    rig.queue.wake("one.example")
    await until(lambda: ("m1", "b@one.example", "refused") in rig.told)
    await until(lambda: ("m1", "a@one.example", "accepted") in rig.told)
    assert [recipient for _, _, recipient in rig.far.given].count("b@one.example") == 1


async def test_what_waited_takes_its_turn_among_what_is_new(rig: Rig) -> None:
    rig.far.answer = lambda mail, recipient: "later"
    await rig.post(("old", "room@hub.example", ("a@one.example",)))
    await rig.queue.start()
    await rig.rest()
    rig.now += 299_000
    await rig.post(("first", "room@hub.example", ("a@one.example",)))
    rig.now += 2_000
    await rig.post(("last", "room@hub.example", ("a@one.example",)))
    rig.far.answer = lambda mail, recipient: "accepted"
    rig.queue.wake("one.example")
    await rig.rest()
    assert rig.mails == ["old", "first", "old", "last"]


async def test_a_mail_that_cannot_be_sent_stops_nobody_elses(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    def bug(mail: str, recipient: str) -> str:
        if mail == "m000":
            raise RuntimeError("bug")
        return "accepted"

    rig.far.answer = bug
    await rig.post(*((f"m{n:03}", f"room{n}@hub.example", ("a@one.example",)) for n in range(150)))
    await rig.queue.start()
    await until(lambda: "ALARM mail to one.example failed unexpectedly" in caplog.text)
    assert len(rig.mails) > 100  # all of the second page, most of the first
    assert "m000" not in rig.mails


async def test_what_was_told_is_noted_even_if_the_next_cannot_be_told(rig: Rig) -> None:
    await rig.post(*((f"m{n}", "room@hub.example", ("a@one.example",)) for n in range(3)))
    await rig.queue.start()
    await rig.rest()
    async with rig.ledger.db.transaction("test") as tx:
        for n in range(3):
            await tx.run("mail.later", f"m{n}", "a@one.example", 0, 0)  # as if nobody had been told
    rows = await rig.ledger.untold()

    async def told(due: Due, recipient: str, kind: str, reason: str) -> None:
        if due.id == "m1":
            raise RuntimeError("bug")

    rig.queue._told = told
    with pytest.raises(RuntimeError):
        await rig.queue._tell_these(rows)
    assert [due.id for due, *_ in await rig.ledger.untold()] == ["m1", "m2"]


async def test_a_mail_cites_the_first_and_the_newest_of_a_long_thread(rig: Rig) -> None:
    async with rig.ledger.db.transaction("test") as tx:
        for n in range(60):
            about = {"mail": n} if n % 2 else None  # every other one is only said in chat
            await rig.ledger.enter(tx, LedgerEntry("chat", f"mid{n}", "t", f"ref{n}", "", about))
    assert await rig.ledger.chain("chat", "t") == [f"mid{n}" for n in (1, *range(21, 60, 2))]
    assert await rig.ledger.last_mail("chat", "t") == {"mail": 59}
    assert await rig.ledger.chain("chat", "other") == []


async def test_numbers_go_on_after_a_restart(rig: Rig) -> None:
    async with rig.ledger.db.transaction("test") as tx:
        await rig.ledger.enter(tx, LedgerEntry("chat", "mid", "t", "ref", ""))
    await rig.post(("m1", "room@hub.example", ("a@one.example",)))
    again = Ledger(rig.ledger.db, SEAL)
    await again.start()
    assert again.next_n() == rig.ledger.next_n()


async def test_a_jump_of_the_clock_gives_no_mail_up_and_is_said(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.far.answer = lambda mail, recipient: "later"
    steady = [0.0]
    rig.queue._steady = Steady(lambda: rig.now, lambda: steady[0])
    await rig.post(("m1", "room@hub.example", ("a@one.example",)))
    await rig.queue.start()
    await rig.rest()
    rig.now += 4 * 86_400_000
    rig.queue.wake("one.example")
    await until(lambda: len(rig.mails) == 2)
    await rig.rest()
    assert [kind for _, _, kind in rig.told] == ["delayed"]
    assert "the clock has jumped by 345600 s" in caplog.text
    rig.now += 3_601_000  # an hour of trying has passed, by both clocks
    steady[0] += 3_601.0
    rig.queue.wake("one.example")
    await until(lambda: len(rig.mails) == 3)
    await until(lambda: any(kind == "refused" for _, _, kind in rig.told))
