"""Who may invite a ghost, where it stays, and who belongs to a conversation afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

from bridge.model import Address, Kind, Ref
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, DAN, VOICE, World, ghost, meet


def left(world: World, room: str, rpps: str) -> dict[str, Any] | None:
    """The ghost's refusal, if there is one."""
    event = world.stub.world.rooms[room].state.get(("m.room.member", ghost(rpps)))
    return event["content"] if event and event["content"]["membership"] == "leave" else None


async def test_somebody_of_an_unknown_server_is_refused_in_french(world: World) -> None:
    eve = await world.human("eve", "evil.example")
    async with world.node() as node:
        await node.warm(ANNA)
        room = await eve.create_room(ghost(ANNA))
        await until(lambda: left(world, room, ANNA))
        assert "espace de confiance" in left(world, room, ANNA)["reason"]  # type: ignore[index]
        assert await node.hub.facts.chat("matrix", room) is None


async def test_a_room_in_clear_is_refused(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA)
        room = await ben.create_room(ghost(ANNA), encrypted=False)
        await until(lambda: left(world, room, ANNA))
        assert "pas chiffré" in left(world, room, ANNA)["reason"]  # type: ignore[index]


async def test_a_room_in_clear_that_hides_it_is_left(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    world.stub.world.stripped = lambda room: []  # type: ignore[method-assign]
    async with world.node() as node:
        await node.warm(ANNA)
        room = await ben.create_room(ghost(ANNA), encrypted=False)
        await until(lambda: left(world, room, ANNA))
        events = world.stub.world.rooms[room].events
        members = [e for e in events if e["type"] == "m.room.member"]
        mine = [e["content"]["membership"] for e in members if e["state_key"] == ghost(ANNA)]
        assert mine == ["invite", "join", "leave"]
        await until(lambda: events[-1].get("state_key") == VOICE)
        assert events[-1]["content"]["membership"] == "leave"


async def test_who_cannot_be_reached_does_not_come(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        world.stub.world.register(f"rpps_{DAN}", True)
        room = await ben.create_room(ghost(DAN))
        await until(lambda: left(world, room, DAN))
        assert "Joignez-le autrement" in left(world, room, DAN)["reason"]  # type: ignore[index]
        assert not node.matrix.ghosts.is_ready(ghost(DAN))


async def test_a_group_of_two_professionals(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA, CLEO)
        room = await ben.create_room(ghost(ANNA), ghost(CLEO))
        stub_room = world.stub.world.rooms[room]
        await until(lambda: len(stub_room.members("join")) == 3)
        await ben.say(room, "à vous deux")
        delivery = await node.got("à vous deux")
        assert {m.person.id for m in delivery.members} == {f"matrix:{ben.mxid}", f"rpps:{ANNA}", f"rpps:{CLEO}"}
        await node.write(delivery.chat, "de Cléo", by="cleo")
        assert (await ben.heard("de Cléo")).sender == ghost(CLEO)


async def test_a_professional_is_added_later(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await node.warm(CLEO)
        await chat.ben.member(chat.room, "invite", ghost(CLEO))
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "join")
        await chat.ben.share(chat.room)
        await chat.ben.say(chat.room, "bienvenue")
        delivery = await node.got("bienvenue")
        assert f"rpps:{CLEO}" in {m.person.id for m in delivery.members}
        assert delivery.chat == chat.chat


async def test_a_person_joins_and_leaves(world: World) -> None:
    eve = await world.human("eve", "chu.example")
    async with world.node() as node:
        chat = await meet(world, node)
        await chat.ben.member(chat.room, "invite", eve.mxid)
        await eve.member(chat.room, "join")
        await eve.say(chat.room, "j'arrive")
        assert (await node.got("j'arrive")).sender.id == f"matrix:{eve.mxid}"
        await eve.member(chat.room, "leave")
        await until(lambda: any(d.kind is Kind.MEMBERS and len(d.members) == 2 for d in node.product.delivered[2:]))
        await chat.ben.say(chat.room, "entre nous")
        delivery = await node.got("entre nous")
        assert {m.person.id for m in delivery.members} == {f"matrix:{chat.ben.mxid}", f"rpps:{ANNA}"}
        await node.write(chat.chat, "elle ne lit plus", by="anna")
        await chat.ben.heard("elle ne lit plus")
        assert world.stub.world.rooms[chat.room].membership(eve.mxid) == "leave"


async def test_a_stranger_in_the_room_is_said_not_to_be_carried(world: World) -> None:
    eve = await world.human("eve", "evil.example")
    async with world.node() as node:
        chat = await meet(world, node)
        await chat.ben.member(chat.room, "invite", eve.mxid)
        await eve.member(chat.room, "join")
        await chat.ben.heard("espace de confiance")
        await eve.say(chat.room, "coucou")
        await until(lambda: node.matrix.idle)
        assert "coucou" not in node.texts()


async def test_a_ghost_that_is_kicked_leaves_the_conversation(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await node.warm(CLEO)
        await chat.ben.member(chat.room, "invite", ghost(CLEO))
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "join")
        await chat.ben.member(chat.room, "kick", ghost(CLEO))
        found = await node.hub.facts.chat("matrix", chat.room)
        assert found is not None
        await until(lambda: node.matrix.idle)
        await world.stub.idle()
        await until(lambda: node.matrix.idle)
        found = await node.hub.facts.chat("matrix", chat.room)
        assert found is not None
        assert f"rpps:{CLEO}" not in {m.person.id for m in found.members}


async def test_an_invitation_survives_a_crash_of_the_hub(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA)
        world.stub.fault(r"POST .*/join/", times=1000, status=502)
        room = await ben.create_room(ghost(ANNA))
        await until(lambda: world.stub._faults[-1].times < 1000)
    world.stub._faults.clear()
    async with world.node() as node:
        await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
        await ben.say(room, "enfin")
        await node.got("enfin")


async def test_the_product_adds_and_removes_people(world: World) -> None:
    eve = await world.human("eve", "chu.example")
    async with world.node() as node:
        chat = await meet(world, node)
        anna = Address("pandalab", "anna")
        add = [f"matrix:{eve.mxid}"]
        await node.hub.change_members(Ref("pandalab", "add"), chat.chat, "pandalab", anna, add, [])
        assert await eve.invited() == chat.room
        await eve.member(chat.room, "join")
        await node.write(chat.chat, "à trois", by="anna")
        await eve.heard("à trois")
        # Ben made the room: he alone has the power to remove somebody; the hub says so, and goes on without.
        gone = [Address("matrix", eve.mxid)]
        await node.hub.change_members(Ref("pandalab", "remove"), chat.chat, "pandalab", anna, [], gone)
        await chat.ben.heard("reste dans ce salon")
        await node.write(chat.chat, "à deux", by="anna")
        await chat.ben.heard("à deux")
        assert not any("reste" in (s.text or "") or s.text == "à deux" for s in eve.seen)


async def test_who_comes_in_while_an_answer_is_on_its_way_is_in(world: World) -> None:
    """Of a homeserver that is slow, or of many processes: what it pushes is newer than what it answers."""
    eve = await world.human("eve", "chu.example")
    async with world.node() as node:
        chat = await meet(world, node)
        add, answered, anna = [f"matrix:{eve.mxid}"], asyncio.Event(), Address("pandalab", "anna")
        world.stub.fault(r"POST .*/invite\?.*", late=answered)
        await node.hub.change_members(Ref("pandalab", "add"), chat.chat, "pandalab", anna, add, [])
        assert await eve.invited() == chat.room
        read = asyncio.Event()
        world.stub.fault(r"GET .*/state\?.*", late=read)
        room = await node.matrix.store.get(chat.room)
        reading = asyncio.create_task(node.matrix._rooms.doors.reload(room, ghost(ANNA)))
        await until(lambda: not world.stub._faults[-1].times)
        await eve.member(chat.room, "join")
        await until(lambda: room.membership(eve.mxid) == "join")
        answered.set()
        read.set()
        await reading
        assert room.membership(eve.mxid) == "join"
        await node.write(chat.chat, "à trois", by="anna")
        await eve.heard("à trois")


async def test_the_hub_removes_people_from_its_own_room(world: World) -> None:
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node() as node:
        await node.write("own", "à tous", to=(f"matrix:{ben.mxid}", f"matrix:{eve.mxid}"))
        room = await ben.invited()
        await ben.member(room, "join")
        await eve.member(await eve.invited(), "join")
        await eve.heard("à tous")
        await world.stub.idle()
        await until(lambda: node.matrix.idle)
        cleo, gone = Address("pandalab", "cleo"), [Address("matrix", eve.mxid)]
        await node.hub.change_members(Ref("pandalab", "remove"), "own", "pandalab", cleo, [], gone)
        await until(lambda: world.stub.world.rooms[room].membership(eve.mxid) == "leave")
        await node.write("own", "sans Eve")
        await ben.heard("sans Eve")
        assert all(s.text != "sans Eve" for s in eve.seen)
