"""Several mails over one connection to another operator: each has its own outcome, and none is given twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from bridge.networks.mail.smtp.smtp_out import Session, SmtpOut
from deploy.world.waiting import until
from tests.mail.smtp.stub_operator import HANG_UP
from tests.mail.smtp.test_smtp_out import ANNA, BEN, RAW, A, Served
from tests.mail.space import Party, Space


@pytest.fixture(scope="module")
def space() -> Space:
    return Space()


@pytest.fixture(scope="module")
def party(space: Space) -> Party:
    return space.party("mail.mss-a.example", A)


async def give(session: Session, count: int) -> list[str]:
    return [(await session.send(BEN, [ANNA], RAW, f"d{n}"))[0].kind for n in range(count)]


async def test_mails_of_a_session_share_a_connection(space: Space, party: Party) -> None:
    async with Served(space, party) as far:
        async with far.out().session() as session:
            assert await give(session, 3) == ["accepted"] * 3
        assert (far.stub.connections, len(far.stub.mails)) == (1, 3)
        verbs = [line.split()[0] for line in far.stub.said]
        assert verbs == [
            "EHLO",
            "STARTTLS",
            "EHLO",
            *["MAIL", "RCPT", "DATA"] * 3,
            "QUIT",
        ]


async def test_a_refused_mail_does_not_touch_the_next(space: Space, party: Party) -> None:
    async with Served(space, party, replies={"RCPT TO:<gone": "550 5.1.1 no"}) as far:
        async with far.out().session() as session:
            (gone,) = await session.send(BEN, [f"gone@{A}"], RAW, "d")
            assert (gone.kind, *await give(session, 1)) == ("refused", "accepted")
        assert far.stub.connections == 1
        assert "RSET" in far.stub.said  # the peer waited for more recipients


@pytest.mark.parametrize("reply", ["421 4.7.0 too many mails on this connection", "450 4.7.1 slower", HANG_UP])
@pytest.mark.parametrize("verb", ["MAIL", "RSET"])
async def test_a_peer_that_wants_a_connection_for_each_mail_has_it(
    space: Space, party: Party, verb: str, reply: str
) -> None:
    """What it says to a mail that it has not begun to take is about the connection."""
    async with Served(space, party) as far:
        async with far.out().session() as session:
            assert await give(session, 1) == ["accepted"]
            far.stub.once = {verb: reply}
            await asyncio.sleep(3 if verb == "RSET" else 0)  # a peer is not asked right after it took a mail
            assert await give(session, 2) == ["accepted"] * 2
        assert (far.stub.connections, len(far.stub.mails)) == (2, 3)


async def test_what_a_peer_has_begun_to_take_is_not_given_again(space: Space, party: Party) -> None:
    async with Served(space, party) as far:
        async with far.out().session() as session:
            assert await give(session, 1) == ["accepted"]
            far.stub.once = {".": HANG_UP}
            (outcome,) = await session.send(BEN, [ANNA], RAW, "d")
            assert (outcome.kind, outcome.status, far.stub.connections) == ("later", "4.4.2", 1)
            assert await give(session, 1) == ["accepted"]
        assert far.stub.connections == 2


async def test_a_list_that_changes_ends_a_connection(space: Space, party: Party) -> None:
    judge = space.judge
    async with Served(space, party) as far:
        async with far.out().session() as session:
            assert await give(session, 1) == ["accepted"]
            judge.stale = True
            try:
                assert await give(session, 1) == ["later"]
            finally:
                judge.stale = False
            assert await give(session, 1) == ["accepted"]
        assert far.stub.connections == 2


async def test_after_so_many_mails_others_have_their_turn(space: Space, party: Party) -> None:
    async with Served(space, party) as far:
        async with far.out(sending={"connections_per_domain": 1}).session() as session:
            assert await give(session, 101) == ["accepted"] * 101
        assert far.stub.connections == 2


async def test_a_session_that_reaches_nobody_keeps_no_place(space: Space, party: Party) -> None:
    async with Served(space, party) as far:
        out = far.out(sending={"connections_per_domain": 1, "connections": 1})
        far.stub.once = {"EHLO": "421 4.3.2 busy"}
        async with out.session() as first, out.session() as second:
            assert await give(first, 1) == ["later"]
            assert await give(second, 1) == ["accepted"]


async def test_a_session_is_for_one_domain(space: Space, party: Party) -> None:
    async with Served(space, party) as far, far.out().session() as session:
        assert await give(session, 1) == ["accepted"]
        with pytest.raises(ValueError):
            await session.send(BEN, ["cleo@mss-b.example"], RAW, "d")


# ---- between sessions


@asynccontextmanager
async def keeping(far: Served, **sending: int) -> AsyncIterator[SmtpOut]:
    """As a running hub sends."""
    out = far.out(sending=sending)
    out.kept.open()
    yield out
    await out.kept.close()


async def once(out: SmtpOut) -> str:
    """A mail of a session of its own."""
    (outcome,) = await out.send(BEN, [ANNA], RAW, "d")
    return outcome.kind


async def test_a_connection_is_kept_for_the_next_session(space: Space, party: Party) -> None:
    async with Served(space, party) as far:
        async with keeping(far) as out:
            assert [await once(out) for _ in range(2)] == ["accepted"] * 2
            await asyncio.sleep(3)
            assert await once(out) == "accepted"
            assert (far.stub.connections, far.stub.open) == (1, 1)
            said = [line.split()[0] for line in far.stub.said]
            assert said[3:] == [*["MAIL", "RCPT", "DATA"] * 2, "RSET", "MAIL", "RCPT", "DATA"]
        assert (far.stub.said[-1], far.stub.mails) == ("QUIT", [RAW + b".\r\n"] * 3)


async def test_a_kept_connection_is_left_when_nobody_needs_it_and_when_it_is_old(space: Space, party: Party) -> None:
    async with Served(space, party) as far, keeping(far) as out:
        await once(out)
        await asyncio.sleep(31)  # the clock is put forward
        await until(lambda: far.stub.open == 0)
        assert far.stub.said[-1] == "QUIT"
        for _ in range(30):
            await once(out)
            await asyncio.sleep(25)
        assert far.stub.connections == 3  # the first, and one for ten minutes each
        async with out.session() as session:
            await give(session, 100)
        assert await once(out) == "accepted"
        assert far.stub.connections == 4  # nor one for more than a hundred mails


@pytest.mark.parametrize("reply", ["421 4.4.2 idle for too long", HANG_UP])
@pytest.mark.parametrize(("verb", "after"), [("RSET", 3), ("MAIL", 0)])
async def test_a_kept_connection_that_is_gone_costs_no_mail(
    space: Space, party: Party, reply: str, verb: str, after: float
) -> None:
    async with Served(space, party) as far, keeping(far) as out:
        await once(out)
        await asyncio.sleep(after)
        far.stub.once = {verb: reply}
        assert await once(out) == "accepted"
        assert (far.stub.connections, len(far.stub.mails)) == (2, 2)


async def test_a_kept_connection_is_judged_anew(space: Space, party: Party) -> None:
    judge = space.judge
    async with Served(space, party) as far, keeping(far) as out:
        await once(out)
        judge.stale = True
        try:
            assert await once(out) == "later"
        finally:
            judge.stale = False
        await until(lambda: far.stub.open == 0)
        assert len(far.stub.mails) == 1


async def test_nobody_waits_for_a_place_that_is_only_kept(space: Space, party: Party) -> None:
    async with Served(space, party) as far, keeping(far, connections_per_domain=1, connections=1) as out:
        async with out.session() as first:
            await give(first, 1)
            second = asyncio.create_task(once(out))
            await asyncio.sleep(0)
        assert await second == "accepted"
        assert far.stub.most == 1
        held = out.kept.take(A)
        assert held is not None
        assert out.kept.put(A, *held)
        async with AsyncExitStack() as slots, asyncio.timeout(5):
            await out.take_slots("mss-b.example", slots)  # another domain needs the only place there is
            assert out.kept.take(A) is None
