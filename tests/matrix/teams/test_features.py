"""What a client can show of the other legs is state of the room, written when it changes and by nobody's colleague."""

from __future__ import annotations

from typing import Any

import pytest

from appservice.rooms.features import BRIDGE, FEATURES, to_features
from bridge.capabilities import together
from bridge.connector import Capabilities
from bridge.kinds import EVERYWHERE
from bridge.model import Address, Kind, Ref
from deploy.world.waiting import until
from tests.matrix.make import ANNA, SPACE, VOICE, Node, World, meet
from tests.matrix.rooms.test_outside import settled

Json = dict[str, Any]


def said(world: World, room: str, *kinds: str) -> list[tuple[str, str, Json]]:
    """Who wrote state of these types under which key, in order."""
    events = world.stub.world.rooms[room].events
    return [(e["sender"], e["state_key"], e["content"]) for e in events if e["type"] in (kinds or (FEATURES, *BRIDGE))]


def networks(world: World, room: str, kind: str = BRIDGE[0]) -> set[str]:
    """The names that a client shows now."""
    state = world.stub.world.rooms[room].state
    return {e["content"]["protocol"]["displayname"] for (t, _), e in state.items() if t == kind and e["content"]}


async def change(node: Node, who: str, *add: str, remove: tuple[Address, ...] = ()) -> None:
    """Cléo adds or removes people."""
    by, ref = Address("pandalab", "cleo"), Ref("pandalab", f"change/{who}")
    await node.hub.change_members(ref, "c1", "pandalab", by, add, remove)


async def test_a_room_says_what_survives_and_only_when_it_changes(world: World, url: str) -> None:
    box = Address("mail", f"sec@{SPACE}")
    async with world.node(url) as node:
        ben = await world.human("ben", "chu.example")
        await node.write("c1", "bonjour", to=(f"matrix:{ben.mxid}",))
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("bonjour")
        kinds = [event["type"] for event in world.stub.world.rooms[room].events]
        first = kinds.index("m.room.encrypted")
        assert all(kinds.index(kind) < first for kind in (FEATURES, *BRIDGE))  # nobody is shown as having read
        assert networks(world, room) == networks(world, room, BRIDGE[1]) == {"pandalab"}
        written = len(said(world, room))
        await node.write("c1", "encore")
        await ben.heard("encore")
        assert len(said(world, room)) == written
        await change(node, "box", f"mailto:{box.id}")
        await until(lambda: networks(world, room, BRIDGE[1]) == {"pandalab", "mail"})  # what is written last
        known = await node.matrix.store.get(room)
        await until(lambda: known.facts.bridged == ["mail", "pandalab"])
        await settled(world, node)
        assert {sender for sender, *_ in said(world, room)[written:]} == {VOICE}
        written = len(said(world, room))
    async with world.node(url) as node:
        await node.write("c1", "après")
        await ben.heard("après")
        assert len(said(world, room)) == written  # also after a restart
        await change(node, "out", remove=(box,))
        await until(lambda: networks(world, room) == {"pandalab"})
        assert "Bonjour" not in repr(said(world, room))


async def test_a_room_that_lets_the_hub_set_no_state_goes_on_without(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await node.write(chat.chat, "bonjour", by="anna")
        await chat.ben.heard("bonjour")
        assert said(world, chat.room) == []
        path = f"/_matrix/client/v3/rooms/{chat.room}/state/m.room.power_levels/"
        levels: Json = world.stub.world.rooms[chat.room].state[("m.room.power_levels", "")]["content"]
        await chat.ben.call("PUT", path, levels | {"users": {VOICE: 50}})
        known = await node.matrix.store.get(chat.room)
        await until(lambda: known.power(VOICE) == 50)
        await node.write(chat.chat, "encore", by="anna")
        await chat.ben.heard("encore")
        await until(lambda: networks(world, chat.room) == {"pandalab"})
        assert f"rpps:{ANNA}" not in repr(said(world, chat.room))


@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        ([], {"edit": 1, "delete": 1, "reaction": 1, "poll": 1}),
        ([Capabilities(kinds=EVERYWHERE | {Kind.EDIT, Kind.POLL})], {"edit": 2, "delete": 1, "poll": 2}),
        ([Capabilities(), Capabilities(kinds=EVERYWHERE | {Kind.REACTION})], {"edit": 1, "reaction": 2}),
        ([Capabilities(), Capabilities()], {"location_message": 1}),
    ],
)
def test_levels_of_support(legs: list[Capabilities], expected: dict[str, int]) -> None:
    shown = to_features(together(legs))
    assert {name: shown[name] for name in expected} == expected


def test_files_are_offered_where_everybody_gets_them() -> None:
    taken = to_features(together([Capabilities(files=True, max_files=7), Capabilities(files=True)]))["file"]["m.image"]
    assert taken == {"mime_types": {"*/*": 2}, "caption": 2, "max_size": 7}
    refused = to_features(together([Capabilities(files=True), Capabilities()]))["file"]["m.image"]
    assert refused == {"mime_types": {"*/*": -2}}
