"""What the members of a conversation may do is what its room lets them do, and products hear of a change."""

from __future__ import annotations

from typing import Any

import pytest

from appservice.rooms.ranks import rank
from appservice.rooms.roomstate import Room, RoomFacts
from bridge.model import Kind
from bridge.ranks import FREE, GroupRole, Rank
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, Node, World, ghost, meet

ADMIN, MEMBER = Rank(GroupRole.ADMIN), Rank(GroupRole.MEMBER, remove=False, rename=False)


async def ranks(node: Node, chat: str) -> dict[str, Rank]:
    """By person id, as a product asks for it."""
    found = await node.hub.facts.chat("pandalab", chat)
    assert found is not None
    return dict(await node.hub.facts.ranks(found.conversation))


def told(node: Node) -> int:
    """How often the product heard who the members are."""
    return sum(d.kind is Kind.MEMBERS for d in node.product.delivered)


async def test_roles_are_those_of_the_room(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        ben = f"matrix:{chat.ben.mxid}"
        assert await ranks(node, chat.chat) == {ben: Rank(GroupRole.OWNER), f"rpps:{ANNA}": MEMBER}
        before = told(node)
        path = f"/_matrix/client/v3/rooms/{chat.room}/state/m.room.power_levels/"
        levels: dict[str, Any] = world.stub.world.rooms[chat.room].state[("m.room.power_levels", "")]["content"]
        await chat.ben.call("PUT", path, levels | {"users": {ghost(ANNA): 50}, "events": {"m.room.power_levels": 100}})
        await until(lambda: told(node) == before + 1)
        assert (await ranks(node, chat.chat))[f"rpps:{ANNA}"] == ADMIN
        await chat.ben.call("PUT", path, levels | {"users": {ghost(ANNA): 50}, "ban": 60})  # of no meaning here
        await chat.ben.call("PUT", path, levels | {"users": {ghost(ANNA): 100}, "invite": 50})
        await until(lambda: told(node) >= before + 2)
        assert (await ranks(node, chat.chat))[f"rpps:{ANNA}"] == Rank(GroupRole.OWNER)
        await chat.ben.say(chat.room, "fin")
        await node.got("fin")
        assert not list(node.mail.delivered)


async def test_without_a_room_everybody_may_do_everything(world: World) -> None:
    async with world.node() as node:
        await node.write("c1", "bonjour", to=("mailto:sec@hopital.example",))
        assert set((await ranks(node, "c1")).values()) == {FREE}
        assert FREE.may == ["add", "remove", "rename"]
        assert f"rpps:{CLEO}" in await ranks(node, "c1")


@pytest.mark.parametrize(
    ("power", "level", "expected"),
    [
        ({}, 0, MEMBER),
        ({}, 50, Rank(GroupRole.OWNER)),
        ({"events": {"m.room.power_levels": 100}}, 50, ADMIN),
        ({"events": {"m.room.power_levels": 100}, "invite": 60}, 50, Rank(GroupRole.ADMIN, add=False)),
        ({"events": {"m.room.name": 0}}, 0, Rank(GroupRole.MEMBER, remove=False)),
        ({"state_default": 0, "kick": 70}, 60, Rank(GroupRole.MEMBER, remove=False)),
    ],
)
def test_what_a_power_means(power: dict[str, Any], level: int, expected: Rank) -> None:
    facts = RoomFacts("11", ["@else:h"], power={"users": {"@ben:h": level}} | power)
    assert rank(Room("!r", facts=facts, members={"@ben:h": "invite"}), "@ben:h") == expected
