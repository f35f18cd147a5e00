"""A room of fifty colleagues that another one replaces: all of them go on there, each of them once."""

from __future__ import annotations

from deploy.world.waiting import until
from tests.matrix.make import World, entry, ghost
from tests.matrix.rooms.test_upgrades import opened, upgraded

NUMBERS = [f"100000{n:05}" for n in range(100, 150)]


async def test_a_room_of_fifty_is_followed(world: World) -> None:
    world.people = [entry(number, f"Dr Nom{number}", f"pandalab:u{number}") for number in NUMBERS]
    everybody = {ghost(number) for number in NUMBERS}
    async with world.node() as node:
        ben = await world.human("ben", "chu.example")
        await node.warm(*NUMBERS)
        room = await ben.create_room(*sorted(everybody))
        await until(lambda: everybody <= set(world.stub.world.rooms[room].members("join")))
        await ben.say(room, "avant")
        chat = (await node.got("avant")).chat
        await opened(ben, room)
        new = world.stub.world.rooms[await upgraded(ben, room)]
        await until(lambda: everybody <= set(new.members("join")))
        joins = [e["state_key"] for e in new.events if e["content"].get("membership") == "join"]
        assert len(joins) == len(set(joins)) == len(everybody) + 1
        await ben.say(new.room_id, "après")
        assert (await node.got("après")).chat == chat
        assert len((await node.got("après")).members) == len(everybody) + 1
        await node.write(chat, "nous sommes là", by=f"u{NUMBERS[-1]}")
        assert (await ben.heard("nous sommes là")).room == new.room_id
        assert node.texts() == ["avant", "après"]
