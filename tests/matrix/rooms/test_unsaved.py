"""The database fails while a change of a room is noted: the next try notes all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from appservice.rooms.roomstate import Room, RoomStore
from bridge.db import Tx
from bridge.errors import Unavailable
from deploy.world.waiting import until
from tests.matrix.make import ANNA, Node, World, ghost, meet
from tests.matrix.rooms.test_outside import settled


class Away:
    """A database that is away for some transactions of a name."""

    def __init__(self, node: Node, name: str, times: int = 1) -> None:
        self._db, self._name, self.left = node.db, name, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator[Tx]:
        """The database's own, or none."""
        if name == self._name and self.left:
            self.left -= 1
            raise Unavailable("database", 0.05)
        async with self._db.transaction(name) as tx:
            yield tx


async def stored(node: Node, room: str) -> Room:
    """The room as the disk has it."""
    return await RoomStore(node.db).get(room)


STATES: list[tuple[str, dict[str, Any]]] = [
    ("m.room.power_levels", {"users_default": 7, "invite": 3}),
    ("m.room.history_visibility", {"history_visibility": "joined"}),
    ("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2", "rotation_period_msgs": 5}),
]


@pytest.mark.parametrize(("kind", "content"), STATES, ids=[kind for kind, _ in STATES])
async def test_facts_are_on_disk_after_a_failure(world: World, kind: str, content: dict[str, Any]) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await settled(world, node)
        before = (await stored(node, chat.room)).facts
        away: Any = Away(node, "matrix.room", 2)
        node.matrix.store._db = away
        await chat.ben.call("PUT", f"/_matrix/client/v3/rooms/{chat.room}/state/{kind}/", content)
        await settled(world, node)
        assert away.left == 0
        known, kept = await node.matrix.store.get(chat.room), await stored(node, chat.room)
        assert kept.facts == known.facts != before
        assert not known.unsaved


async def test_a_rotation_that_failed_is_done_with_the_next_try(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await node.write(chat.chat, "avant", by="anna")
        await chat.ben.heard("avant")
        away: Any = Away(node, "e2ee.rotate")
        node.matrix.engine._sharing._db = away
        content = {"history_visibility": "joined"}
        await chat.ben.call("PUT", f"/_matrix/client/v3/rooms/{chat.room}/state/m.room.history_visibility/", content)
        await settled(world, node)
        assert away.left == 0
        await node.write(chat.chat, "après", by="anna")
        await chat.ben.heard("après")
        assert len({s.event["content"]["session_id"] for s in chat.ben.seen if s.sender == ghost(ANNA)}) == 2


async def test_a_member_whom_the_hub_brought_in_is_on_disk_after_a_failure(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        eve = await world.human("eve", "chu.example")
        away: Any = Away(node, "matrix.room", 1)
        node.matrix.store._db = away
        await node.write(chat.chat, "Eve est invitée", by="anna", to=(f"matrix:{eve.mxid}",))
        await chat.ben.heard("Eve est invitée")
        await until(lambda: away.left == 0)
        await settled(world, node)
        assert (await stored(node, chat.room)).members[eve.mxid] == "invite"
