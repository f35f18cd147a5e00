""" "Delivered" needs a device that can read: else a message is sent, with the reason, until its key is given."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from bridge.model import Accepted, Address, Delivery, Handed, Ref, State
from deploy.world.stub.human import Human
from deploy.world.waiting import until, wait_for
from tests.matrix.make import CLEO, VOICE, Node, World, ghost, statuses
from tests.matrix.rooms.test_invited import Found, told, until_told


async def invited(world: World, node: Node, ben: Human, text: str = "un") -> tuple[str, Accepted]:
    """Cléo writes to Ben, who comes in."""
    first = await node.write("chat1", text, to=(f"matrix:{ben.mxid}",))
    room = await ben.invited()
    await ben.member(room, "join")
    return room, first


async def is_told(node: Node, ben: Human, state: str, why: str | None, *messages: Accepted) -> None:
    """Wait until Cléo knows this of these messages."""
    for message in messages:
        await until_told(node, message, {ben.mxid: (state, why)})


def never(node: Node, message: Accepted, *states: State) -> bool:
    """Whether the sender was never told these."""
    return not {state for found in told(node, message) for state, _ in found.values()} & {s.value for s in states}


async def gives(world: World, node: Node) -> None:
    """What is known of devices has come in, and what is kept is tried again."""
    await world.stub.idle()
    await node.matrix.engine.catch_up()
    await node.matrix.engine.flush()


async def shut(node: Node) -> object:
    """Whether something is kept that no time gives back."""
    return await node.db.one("e2ee.shut", 1 << 60, 1 << 62)


def newest(world: World, room: str) -> str:
    """The newest message of a room."""
    events = world.stub.world.rooms[room].events
    return str(next(e["event_id"] for e in reversed(events) if e["type"] == "m.room.encrypted"))


async def node_ref(node: Node, said: Accepted) -> Ref:
    """What the product calls a message."""
    row = await node.db.one("store.status", said.message)
    return Ref(row["network"], row["ref"]) if row is not None else Ref("pandalab", "")


def heard(ben: Human) -> Sequence[str | None]:
    """What Ben can read of Cléo."""
    return [seen.text for seen in ben.seen if seen.sender == ghost(CLEO)]


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_device_that_nobody_signed_has_it_once_it_is_signed(world: World, url: str, restarted: bool) -> None:
    """What Ben's receipts passed before he could read it counts as read with his first receipt after that.

    In a room of his own server with a thread, the homeserver is asked what a receipt covers.
    """
    ben = await world.human("ben", "chu.example" if restarted else None, signed=False)
    async with world.node(url) as node:
        room, first = await invited(world, node, ben)
        await is_told(node, ben, "sent", "recipient_unsigned", first)
        if not restarted:
            await node.write("chat1", "fil", thread=await node_ref(node, first))
        second = await node.write("chat1", "deux")
        await is_told(node, ben, "sent", "recipient_unsigned", second)
        await ben.receipt(room, newest(world, room))  # of what is shown as unreadable
        await world.stub.idle()
        third = await node.write("chat1", "trois")
        await is_told(node, ben, "sent", "recipient_unsigned", third)
        assert all(never(node, one, State.DELIVERED, State.READ) for one in (first, second, third))
        if not restarted:
            await can_read(world, node, ben, room, first, second, third)
    if restarted:
        async with world.node(url) as node:
            await world.stub.idle()
            assert node.product.told == []
            await can_read(world, node, ben, room, first, second, third)
    await until(lambda: {"un", "deux", "trois", "quatre"} <= {*heard(ben)})


async def can_read(world: World, node: Node, ben: Human, room: str, *before: Accepted) -> None:
    """Ben's device is signed: he has what was said before, and reads one more message."""
    await ben.sign()
    await gives(world, node)
    await is_told(node, ben, "delivered", None, *before)
    last = await node.write("chat1", "quatre")
    await is_told(node, ben, "delivered", None, last)
    await ben.receipt(room, newest(world, room))
    await is_told(node, ben, "read", None, *before, last)


async def test_nobody_is_told_delivered_who_has_no_device(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        _, first = await invited(world, node, ben)
        await is_told(node, ben, "delivered", None, first)
        kept = world.stub.world.users[ben.mxid].devices.pop(ben.device)
        world.stub.world.users[ben.mxid].keys_at = world.stub.world.tick()
        await gives(world, node)
        second = await node.write("chat1", "deux")
        await is_told(node, ben, "sent", "recipient_no_device", second)
        world.stub.world.users[ben.mxid].devices[ben.device] = kept
        world.stub.world.users[ben.mxid].keys_at = world.stub.world.tick()
        await gives(world, node)
        await is_told(node, ben, "delivered", None, second)
        await until(lambda: heard(ben) == ["un", "deux"])


async def test_a_device_beside_one_that_nobody_signed_is_enough(world: World) -> None:
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example", signed=False)
    async with world.node() as node:
        first = await node.write("g", "à deux", to=(f"matrix:{ben.mxid}", f"matrix:{eve.mxid}"))
        for one in (ben, eve):
            await one.member(await one.invited(), "join")
        expected = {ben.mxid: ("delivered", None), eve.mxid: ("sent", "recipient_unsigned")}
        await until_told(node, first, expected)


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_reset_identity_is_mended_by_a_person(
    world: World, url: str, restarted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node(url) as node:
        room, first = await invited(world, node, ben)
        await is_told(node, ben, "delivered", None, first)
        await ben.say(room, "avant")
        await node.got("avant")
        await ben.reset()
        await gives(world, node)
        second = await node.write("chat1", "gardé")
        await is_told(node, ben, "sent", "recipient_identity", second)
        refused = await ben.say(room, "et moi ?")
        seen = await ben.heard("l'identité de chiffrement a changé")
        assert seen.sender == VOICE  # readable by the very person whom it is about
        await until(lambda: statuses(ben, refused) == ["FAIL_PERMANENT"])
        alarms = [r.getMessage() for r in caplog.records if "ALARM" in r.getMessage()]
        assert len(alarms) == 1
        assert f"liaison identity {ben.mxid}" in alarms[0]
        if not restarted:
            await accept(world, node, ben)
            await is_told(node, ben, "delivered", None, second)
    if restarted:
        async with world.node(url) as node:
            await accept(world, node, ben)
            await is_told(node, ben, "delivered", None, second)
    await until(lambda: heard(ben) == ["un", "gardé"])
    async with world.node(url) as node:
        await ben.say(room, "me revoilà")
        await node.got("me revoilà")


async def accept(world: World, node: Node, ben: Human) -> None:
    """The operator has asked Ben."""
    known = await node.matrix.engine.identity(ben.mxid)
    assert known.changed
    assert known.served is not None
    await node.matrix.accept_identity(ben.mxid, known.served)
    assert not (await node.matrix.engine.identity(ben.mxid)).changed
    seen = await ben.heard("est confirmée")
    assert seen.text is not None
    assert seen.text.startswith("ℹ️")


async def test_a_server_that_has_left_the_trust_space_gets_nothing_and_is_told_why(
    world: World, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appservice.process.upkeep._FLUSH", 0.2)  # it is tried again when its time has come
    ben = await world.human("ben", "chu.example")
    async with world.node(url) as node:
        room, first = await invited(world, node, ben)
        await is_told(node, ben, "delivered", None, first)
        await ben.say(room, "avant")
        await node.got("avant")
        await until(lambda: node.courier.idle)  # it is noted that the product has it
    world.untrusted.add("chu.example")
    async with world.node(url) as node:
        second = await node.write("chat1", "gardé")
        await is_told(node, ben, "sent", "recipient_untrusted", second)
        mine = await ben.say(room, "pourquoi ?")
        await until(lambda: statuses(ben, mine) == ["FAIL_PERMANENT"])
        contents = [e["content"] for _, e in ben.events if e["type"] == "com.beeper.message_send_status"]
        assert contents[-1]["internal_error"] == "untrusted_server"
        await gives(world, node)
        await asyncio.sleep(0.1)
        assert heard(ben) == ["un"]
        assert node.texts() == []
        await wait_for(partial(shut, node), "them to wait for the next start")
    async with world.node(url) as node:  # still out: what is kept stays kept
        await world.stub.idle()
        await node.matrix.engine.catch_up()
        assert heard(ben) == ["un"]
    world.untrusted.clear()
    async with world.node(url) as node:  # nothing is rung, and no time has passed
        await is_told(node, ben, "delivered", None, second)
        await until(lambda: heard(ben) == ["un", "gardé"])
        who = await node.hub.facts.who(Address("matrix", ben.mxid))
        assert who is not None


async def test_the_list_of_servers_changes_while_the_hub_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appservice.process.upkeep._FLUSH", 0.2)
    ben = await world.human("ben", "chu.example")

    async def listed(node: Node, trusted: bool) -> None:
        (world.untrusted.discard if trusted else world.untrusted.add)("chu.example")
        node.matrix.store.unsettle(lambda user: trusted)
        await node.matrix.engine.trust_changed()

    async with world.node() as node:
        room, first = await invited(world, node, ben)
        await is_told(node, ben, "delivered", None, first)
        await listed(node, trusted=False)
        second = await node.write("chat1", "gardé")
        await is_told(node, ben, "sent", "recipient_untrusted", second)
        mine = await ben.say(room, "pourquoi ?")
        await until(lambda: statuses(ben, mine) == ["FAIL_PERMANENT"])
        await wait_for(partial(shut, node), "them to wait for the list")
        assert (heard(ben), node.texts()) == (["un"], [])
        await listed(node, trusted=True)
        await is_told(node, ben, "delivered", None, second)
        await until(lambda: heard(ben) == ["un", "gardé"])
        await ben.say(room, "de retour")
        await node.got("de retour")


async def test_who_comes_in_before_it_is_noted_that_they_cannot_read_is_explained(world: World, url: str) -> None:
    async with world.node(url) as node:
        ben = await world.human("ben", "chu.example")
        eve = await world.human("eve", "chu.example", signed=False)
        deliver, came = node.matrix._outgoing.deliver, False

        async def slow(delivery: Delivery) -> Ref | Handed:
            nonlocal came
            handed = await deliver(delivery)
            if not came:
                came = True
                await eve.member(room, "join")
                await until(lambda: (room, eve.mxid) in dict(node.matrix._outgoing.keyless._told.items()), "the reason")
            return handed

        first = await node.write("g", "un", to=(f"matrix:{ben.mxid}", f"matrix:{eve.mxid}"))
        room = await ben.invited()
        await until(lambda: told(node, first) and told(node, first)[-1][ben.mxid] == ("accepted", "invited"))
        node.matrix._outgoing.deliver = slow  # type: ignore[method-assign]
        await ben.member(room, "join")
        expected: Found = {ben.mxid: ("delivered", None), eve.mxid: ("sent", "recipient_unsigned")}
        await until_told(node, first, expected)
        assert not await node.db.all("store.not_in", "matrix", 1 << 60, 1)  # the invitation is not said to be open
