"""Who invites is shown as who invites."""

from __future__ import annotations

from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, World, ghost


async def test_an_invitation_comes_from_whoever_opens_the_group(world: World) -> None:
    """Cléo opens it, Anna's ghost has the lower number; later Anna brings somebody, too."""
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    dan = await world.human("dan", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA, CLEO)
        to = (f"matrix:{ben.mxid}", f"matrix:{eve.mxid}", "pandalab:anna")
        await node.write("g", "bonjour", by="cleo", to=to)
        room = await ben.invited()
        await eve.invited()
        await ben.member(room, "join")
        await ben.heard("bonjour")
        await node.write("g", "et Dan", by="anna", to=(f"matrix:{dan.mxid}",))
        await dan.invited()
        made = world.stub.world.rooms[room]
        await until(lambda: made.membership(ghost(ANNA)) == "join")
        invites = {
            e["state_key"]: e["sender"] for e in made.events
            if e["type"] == "m.room.member" and e["content"]["membership"] == "invite"
        }  # fmt: skip
        assert {invites[user] for user in (ben.mxid, eve.mxid, ghost(ANNA))} == {ghost(CLEO)}
        assert invites[dan.mxid] == ghost(ANNA)


async def test_an_event_of_an_impossible_time_arrives_with_the_time_of_arrival(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA)
        room = await ben.create_room(ghost(ANNA))
        await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
        await ben.say(room, "maintenant")
        now = (await node.got("maintenant")).sent_at
        for n, at in enumerate((2**53 - 1, 253_402_300_800_000, 0, -7)):
            world.stub.world.time = at
            await ben.say(room, f"loin {n}")
            world.stub.world.time = None
            assert now <= (await node.got(f"loin {n}")).sent_at <= now + 600_000
