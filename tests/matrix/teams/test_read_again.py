"""What was said in a room is read again from there: since its reader came, and before that what is marked as shared."""

from __future__ import annotations

import pytest

from bridge.errors import Refused
from bridge.model import Address, Ref
from bridge.receiver import PastWords
from deploy.world.waiting import until, wait_for
from tests.matrix.make import CLEO, Chat, Node, World, ghost
from tests.matrix.teams.test_history import opened

ANNA_AT = Address("pandalab", "anna")


async def past(node: Node, chat: Chat, user: str, limit: int = 50) -> list[PastWords]:
    """All pages, the oldest first."""
    conversation = await node.hub._store.conversation_of("pandalab", chat.chat)
    assert conversation is not None
    found, place = list[PastWords](), ""
    while True:
        page, after = await node.hub.lists.history(conversation, Address("pandalab", user), place, limit)
        found += page
        if after is None:
            return found[::-1]
        place = after


def texts(found: list[PastWords]) -> list[str | None]:
    return [one.body.text if one.body is not None else None for one in found]


async def cleo_comes(world: World, node: Node, chat: Chat) -> None:
    """Anna adds Cléo."""
    ref, handles = Ref("pandalab", "add/cleo"), [f"rpps:{CLEO}"]
    await node.hub.change_members(ref, chat.chat, "pandalab", ANNA_AT, handles, [])
    await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "join")

    async def heard() -> bool:
        return (await node.matrix.store.get(chat.room)).membership(ghost(CLEO)) == "join"

    await wait_for(heard, "the hub has heard of it")


async def test_a_user_reads_again_what_was_said_since_they_came(world: World) -> None:
    async with world.node() as node:
        chat, _ = await opened(world, node, "invited")
        wrong = await chat.ben.say(chat.room, "à retirer")
        await node.got("à retirer")
        await chat.ben.call("PUT", f"/_matrix/client/v3/rooms/{chat.room}/redact/{wrong}/r1", {})
        await node.write(
            chat.chat, "Oui", by="anna", ref="a-2", reply_to=Ref("pandalab", node.product.delivered[-1].id)
        )
        await chat.ben.heard("Oui")

        async def taken_back() -> bool | None:
            found = await past(node, chat, "anna")
            return True if None in texts(found) and found[-1].name == "a-2" else None

        await wait_for(taken_back, "the removal, and the event of the answer being noted")
        found = await past(node, chat, "anna", 2)
        assert texts(found) == ["de Ben", "d'Anna", None, "Oui"]
        assert [one.removed for one in found] == [False, False, True, False]
        assert found[0].sender.id == f"matrix:{chat.ben.mxid}"
        assert (found[1].sender.name, found[3].name) == ("Dr Anna Martin", "a-2")
        assert all(one.message for one in found)
        for user, code in (("cleo", "not_a_member"), ("nobody", "unknown_sender")):
            with pytest.raises(Refused, match=code):
                await past(node, chat, user)
        # somebody who comes later reads what is said from then on
        await cleo_comes(world, node, chat)
        await chat.ben.say(chat.room, "pour trois")
        await node.got("pour trois")
        assert texts(await past(node, chat, "cleo")) == ["pour trois"]
        assert texts(await past(node, chat, "anna"))[-1] == "pour trois"
        node.hub.block(ANNA_AT, (await node.hub.facts.person(f"matrix:{chat.ben.mxid}")).id, True)
        assert texts(await past(node, chat, "anna")) == ["d'Anna", "Oui"]


async def test_what_is_marked_as_history_is_read_by_who_comes_later(world: World) -> None:
    async with world.node() as node:
        chat, _ = await opened(world, node, "shared")
        chat.ben.opens_history = False
        chat.ben.rotate(chat.room)
        await chat.ben.say(chat.room, "non partagé")
        await node.got("non partagé")
        await cleo_comes(world, node, chat)
        assert texts(await past(node, chat, "cleo")) == ["de Ben", "d'Anna"]
