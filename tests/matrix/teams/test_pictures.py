"""A group's picture travels both ways, the last one counts, and none is in the state of a room about a patient."""

from __future__ import annotations

from typing import Any

import pytest

from appservice.rooms.portrait import draw
from bridge.connector import Capabilities
from bridge.errors import Refused, Unavailable
from bridge.kinds import EVERYWHERE
from bridge.model import Address, File, Kind, Ref
from deploy.world.stub.human import Human
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, Chat, Node, World, ghost
from tests.matrix.rooms.test_naming import group, rename, settled

Json = dict[str, Any]
ONE, TWO = draw("AB1"), draw("CD2")
STATE = "/_matrix/client/v3/rooms/{}/state/m.room.avatar/"


async def given(node: Node, chat: Chat, picture: bytes | None, ref: str = "p/1") -> None:
    """Anna gives the conversation a picture in her product."""
    file = None if picture is None else File("", "", picture)
    await node.hub.picture(Ref("pandalab", ref), chat.chat, Address("pandalab", "anna"), file)


def able(node: Node) -> None:
    """The product shows pictures."""
    node.product._capabilities = Capabilities(files=True, kinds=EVERYWHERE | {Kind.PICTURE})


async def told(node: Node) -> list[bytes]:
    """The pictures that the product was given, in order; empty: none any more."""
    files = [d.body.files for d in node.product.delivered if d.kind is Kind.PICTURE]
    return [(await node.matrix._edge.files.whole(one[0])).data if one else b"" for one in files]


def shown(world: World, room: str) -> bytes:
    """What a client shows."""
    content: Json = world.stub.world.rooms[room].state.get(("m.room.avatar", ""), {"content": {}})["content"]
    if not content:
        return b""
    server, media = content["url"].removeprefix("mxc://").split("/")
    assert content.get("info", {"mimetype": "image/png"})["mimetype"] == "image/png"
    return world.stub.media.kept[(server, media)]


async def uploaded(human: Human, data: bytes) -> str:
    """A picture of a person's, as clients upload those of rooms: in clear."""
    headers = {"Content-Type": "image/png"}
    async with human._http.post(human.url + "/_matrix/media/v3/upload", data=data, headers=headers) as answer:
        return str((await answer.json())["content_uri"])


async def test_a_picture_travels_both_ways_and_can_be_taken_away(world: World) -> None:
    async with world.node() as node:
        chat = await group(world, node)
        able(node)
        await given(node, chat, ONE)
        await until(lambda: shown(world, chat.room) == ONE)
        await chat.ben.call("PUT", STATE.format(chat.room), {"url": await uploaded(chat.ben, TWO)})
        await until(lambda: sum(d.kind is Kind.PICTURE for d in node.product.delivered) == 1)
        assert await told(node) == [TWO]
        await given(node, chat, None, "p/2")
        await until(lambda: shown(world, chat.room) == b"")
        await chat.ben.call("PUT", STATE.format(chat.room), {})
        await chat.ben.say(chat.room, "fin")
        await node.got("fin")
        assert await told(node) == [TWO, b""]
        await settled(world, node)
        urls = [e["content"].get("url", "") for e in world.stub.world.rooms[chat.room].events if "avatar" in e["type"]]
        assert [bool(url) for url in urls] == [True, True, False, False]


async def test_of_several_on_their_way_the_last_is_shown(world: World) -> None:
    async with world.node() as node:
        chat = await group(world, node)
        world.stub.fault(r"PUT .*/state/m.room.avatar.*", times=10_000, status=503)
        await given(node, chat, ONE)
        await until(lambda: world.stub._faults[-1].times < 10_000)  # the first one is on its way
        await given(node, chat, TWO, "p/2")
        world.stub._faults[-1].times = 0
        await until(lambda: shown(world, chat.room) == TWO)
        events = [e for e in world.stub.world.rooms[chat.room].events if e["type"] == "m.room.avatar"]
        assert len(events) == 1


async def test_a_patients_conversation_has_no_picture(world: World) -> None:
    async with world.node() as node:
        chat = await group(world, node)
        await rename(node, chat.chat, "Mme Perrot", patient=True)
        with pytest.raises(Refused, match="picture_of_patient"):
            await given(node, chat, ONE)
        await given(node, chat, None)
        assert shown(world, chat.room) == b""


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"%PDF-1.4", "bad_picture"), (b"", "bad_picture"), (ONE + bytes(1_000_000), "picture_too_large")],
)
async def test_what_is_no_picture_is_refused(world: World, data: bytes, code: str) -> None:
    async with world.node() as node:
        chat = await group(world, node)
        able(node)
        with pytest.raises(Refused, match=code):
            await given(node, chat, data)
        await chat.ben.call("PUT", STATE.format(chat.room), {"url": await uploaded(chat.ben, data)})
        seen = await chat.ben.heard("image de la conversation")
        assert seen.sender.startswith("@rpps_liaison")
        assert await told(node) == []


@pytest.mark.parametrize("url", ["https://chu.example/p.png", "mxc://stub.example/none", 7, "mxc://x"])
async def test_an_odd_picture_of_a_room_harms_nothing(world: World, url: object) -> None:
    async with world.node() as node:
        chat = await group(world, node)
        await chat.ben.call("PUT", STATE.format(chat.room), {"url": url})
        await chat.ben.say(chat.room, "après")
        await node.got("après")


async def test_a_room_that_keeps_its_picture_says_so(world: World) -> None:
    async with world.node() as node:
        chat = await group(world, node, power=0)
        await given(node, chat, ONE)
        await chat.ben.heard("le salon garde la sienne")
        assert shown(world, chat.room) == b""


def seen(world: World, mxid: str) -> bytes:
    """What people see of somebody."""
    url = str(world.stub.world.users[mxid].profile.get("avatar_url", ""))
    return world.stub.media.kept[tuple(url.removeprefix("mxc://").split("/"))] if url else b""  # type: ignore[index]


async def test_a_user_of_a_product_looks_as_the_product_says(world: World) -> None:
    anna, mine = Address("pandalab", "anna"), ghost(ANNA)
    async with world.node() as node:
        await node.warm(ANNA)
        initials = seen(world, mine)
        await node.hub.portray(anna, File("", "", ONE))
        assert seen(world, mine) == ONE
        await node.hub.portray(anna, File("", "", ONE))  # again is the same
        with pytest.raises(Refused, match="bad_picture"):
            await node.hub.portray(anna, File("", "", b"%PDF-1.4"))
        with pytest.raises(Refused, match="unknown_sender"):
            await node.hub.portray(Address("pandalab", "nobody"), File("", "", ONE))
        world.stub.fault("PUT .*/avatar_url", 1, status=502)
        with pytest.raises(Unavailable):
            await node.hub.portray(anna, File("", "", TWO))
        await node.hub.portray(anna, None)
        assert seen(world, mine) == initials != b""
        await node.hub.portray(anna, File("", "", TWO))
        await node.hub.give_up(anna, 1)
        assert seen(world, mine) == initials
        await node.hub.portray(Address("pandalab", "cleo"), File("", "", TWO))  # who had no ghost yet
        assert seen(world, ghost(CLEO)) == TWO
