"""What is said before anybody has come in waits in the hub; whoever comes reads it at first sight."""

from __future__ import annotations

import dataclasses

import pytest

from bridge.model import Accepted, Address, Kind, Ref
from deploy.world.stub.human import Human
from deploy.world.waiting import until
from tests.matrix import make
from tests.matrix.make import CLEO, SPACE, Node, World, ghost
from tests.matrix.rooms.test_invited import told
from tests.matrix.rooms.test_outside import change, settled

Expected = tuple[str, str | None]
INVITED: Expected = ("accepted", "invited")
SENT: Expected = ("sent", None)
REFUSED: Expected = ("refused", "not_joined")
DELIVERED: Expected = ("delivered", None)
ANNA = f"anna@{SPACE}"


def said(world: World, room: str) -> int:
    """How many messages a room holds."""
    return sum(event["type"] == "m.room.encrypted" for event in world.stub.world.rooms[room].events)


async def invited(
    world: World, node: Node, *names: str, more: tuple[str, ...] = (), state: Expected = INVITED
) -> tuple[list[Human], str]:
    """Cléo writes to people who have not come in yet."""
    humans = [await world.human(name, "chu.example") for name in names]
    first = await node.write("g", "un", to=(*(f"matrix:{human.mxid}" for human in humans), *more), ref="un")
    room = await humans[0].invited()
    await until_states(node, first, dict.fromkeys((human.mxid for human in humans), state))
    return humans, room


async def until_states(node: Node, accepted: Accepted, expected: dict[str, Expected]) -> None:
    """Wait until Cléo knows this of the Matrix users."""

    def known() -> dict[str, Expected]:
        return {user: state for user, state in told(node, accepted)[-1].items() if user.startswith("@")}

    await until(lambda: told(node, accepted) and known() == expected, f"{expected}")


async def again(node: Node, text: str) -> Accepted:
    """The same message once more: what the hub made of it."""
    return await node.write("g", text, ref=text)


@pytest.mark.parametrize("killed", [False, True])
async def test_whoever_comes_reads_at_first_sight_what_waited_for_them(world: World, url: str, killed: bool) -> None:
    async with world.node(url) as node:
        [ben], room = await invited(world, node, "ben")
        for text in ("deux", "trois", "quatre"):
            await until_states(node, await again(node, text), {ben.mxid: INVITED})
        await node.write("g", "deux, corrigé", kind=Kind.EDIT, reply_to=Ref("pandalab", "deux"))
        await node.write("g", "", kind=Kind.REMOVAL, reply_to=Ref("pandalab", "trois"))
        await settled(world, node)
        assert said(world, room) == 0
        if not killed:
            await comes(world, node, ben, room)
    if killed:
        async with world.node(url) as node:
            await settled(world, node)
            assert said(world, room) == 0
            await comes(world, node, ben, room)


async def comes(world: World, node: Node, ben: Human, room: str) -> None:
    """Ben joins, and looks once."""
    await ben.member(room, "join")
    await ben.heard("quatre")
    assert ([s.text for s in ben.seen], ben.blank) == (["un", "deux, corrigé", "quatre"], [])
    await until(lambda: {told_last(node, text, ben) for text in ("un", "quatre")} == {DELIVERED})
    await node.write("g", "cinq")
    await ben.heard("cinq")
    assert ben.blank == []


def told_last(node: Node, ref: str, human: Human) -> Expected | None:
    """What Cléo was told last of one message."""
    found = [report.states for report in node.product.told if report.ref.id == ref]
    states = [s for s in found[-1] if s.person.id == f"matrix:{human.mxid}"] if found else []
    return (states[0].state.value, states[0].reason) if states else None


async def test_one_who_came_is_not_kept_waiting_for_another(world: World) -> None:
    async with world.node() as node:
        [ben, eve], room = await invited(world, node, "ben", "eve")
        await ben.member(room, "join")
        await ben.heard("un")
        assert ben.blank == []
        await until(lambda: told_last(node, "un", ben) == DELIVERED)
        assert told_last(node, "un", eve) == SENT
        await eve.member(room, "join")
        await eve.heard("un")  # she reads what was said before she came, as ever


async def test_other_networks_do_not_wait_for_who_is_invited(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bridge.hub.order")
    async with world.node() as node:
        [ben], room = await invited(world, node, "ben", more=(f"mail:{ANNA}",))
        await node.mailed(lambda d: d.body.text == "un")
        for n in range(25):
            await again(node, f"mot {n}")
        await node.mailed(lambda d: d.body.text == "mot 24")
        mailed = [d.body.text for d in node.mail.delivered if d.kind is Kind.TEXT]
        assert mailed == ["un", *(f"mot {n}" for n in range(25))]
        assert "without its place" not in caplog.text
        assert said(world, room) == 0
        await ben.member(room, "join")
        await ben.heard("mot 24")
        assert [s.text for s in ben.seen] == mailed
        assert ben.blank == []


@pytest.mark.parametrize("killed", [False, True])
async def test_who_declines_never_reads_what_waited_for_them(world: World, url: str, killed: bool) -> None:
    async with world.node(url) as node:
        [ben], room = await invited(world, node, "ben")
        await until_states(node, await again(node, "deux"), {ben.mxid: INVITED})
        if not killed:
            await ben.member(room, "leave")
            await until(lambda: {told_last(node, text, ben) for text in ("un", "deux")} == {REFUSED})
    if killed:
        await ben.member(room, "leave")
    async with world.node(url) as node:
        if killed:
            await until(lambda: {told_last(node, text, ben) for text in ("un", "deux")} == {REFUSED})
        await settled(world, node)
        assert said(world, room) == 0
        await change(node, "g", "cleo", f"matrix:{ben.mxid}")
        await until(lambda: world.stub.world.rooms[room].membership(ben.mxid) == "invite", "the second invitation")
        await again(node, "trois")
        await ben.member(room, "join")
        await ben.heard("trois")
        assert ([s.text for s in ben.seen], ben.blank) == (["trois"], [])


async def test_one_of_two_declines_and_the_message_waits_for_the_other(world: World) -> None:
    async with world.node() as node:
        [ben, eve], room = await invited(world, node, "ben", "eve")
        await eve.member(room, "leave")
        await until(lambda: told_last(node, "un", eve) == REFUSED)
        await settled(world, node)
        assert said(world, room) == 0
        await change(node, "g", "cleo", f"matrix:{eve.mxid}")  # she is asked again: what waits is said before that
        await until(lambda: world.stub.world.rooms[room].membership(eve.mxid) == "invite", "the second invitation")
        for human in (ben, eve):
            await human.member(room, "join")
        await again(node, "deux")
        await ben.heard("deux")
        await eve.heard("deux")
        await node.matrix.engine.flush()
        await settled(world, node)
        assert [s.text for s in ben.seen] == ["un", "deux"]
        assert [s.text for s in eve.seen] == ["deux"]
        assert told_last(node, "un", eve) == REFUSED


async def test_who_is_added_while_a_message_waits_does_not_read_it(world: World) -> None:
    async with world.node() as node:
        [ben], room = await invited(world, node, "ben")
        kim = await world.human("kim", "chu.example")
        await change(node, "g", "cleo", f"matrix:{kim.mxid}")
        assert await kim.invited() == room
        assert said(world, room) == 1  # before her invitation
        await kim.member(room, "join")
        await again(node, "deux")
        await kim.heard("deux")
        await ben.member(room, "join")
        await ben.heard("un")
        await ben.heard("deux")
        assert [s.text for s in kim.seen] == ["deux"]


async def test_whose_invitation_is_taken_back_has_not_got_it(world: World) -> None:
    async with world.node() as node:
        [ben, eve], room = await invited(world, node, "ben", "eve")
        gone, cleo = Address("matrix", eve.mxid), Address("pandalab", "cleo")
        await node.hub.change_members(Ref("pandalab", "r"), "g", "pandalab", cleo, [], [gone])
        await until(lambda: told_last(node, "un", eve) == REFUSED)
        await until(lambda: world.stub.world.rooms[room].membership(eve.mxid) == "leave", "the invitation to end")
        await ben.member(room, "join")
        await ben.heard("un")


@pytest.fixture
def _late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "FAST", dataclasses.replace(make.FAST, late=0.2))


@pytest.mark.usefixtures("_late")
async def test_a_writer_learns_that_an_invitation_is_not_accepted(world: World) -> None:
    late: Expected = ("accepted", "not_joined_yet")
    async with world.node() as node:
        [ben, eve], room = await invited(world, node, "ben", "eve", state=late)
        await ben.member(room, "join")
        await until(lambda: told_last(node, "un", ben) == DELIVERED)
        late = ("sent", "not_joined_yet")
        await until(lambda: told_last(node, "un", eve) == late)
        await again(node, "deux")
        await until(lambda: told_last(node, "deux", eve) == late)
        count = len(node.product.told)
        await eve.member(room, "join")
        await until(lambda: told_last(node, "un", eve) == told_last(node, "deux", eve) == DELIVERED)
        assert len(node.product.told) == count + 2


async def test_what_the_hub_would_give_up_goes_into_the_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "FAST", dataclasses.replace(make.FAST, give_up=0.3))
    monkeypatch.setattr("appservice.leaving.first_words._LOOK", 0.05)
    async with world.node() as node:
        ben = await world.human("ben", "chu.example")
        await node.write("g", "un", to=(f"matrix:{ben.mxid}",), ref="un")
        room = await ben.invited()
        await until(lambda: told_last(node, "un", ben) == SENT)
        assert said(world, room) == 1
        await ben.member(room, "join")
        await ben.heard("un")
        await until(lambda: told_last(node, "un", ben) == DELIVERED)


async def test_a_newcomer_whose_devices_are_not_known_yet_is_waited_for(world: World) -> None:
    async with world.node() as node:
        [ben], room = await invited(world, node, "ben")
        world.stub.fault(r"POST .*/keys/query", times=1, delay=0.3)
        await ben.member(room, "join")
        await ben.heard("un")
        assert ben.blank == []
        assert ben.seen[0].sender == ghost(CLEO)
