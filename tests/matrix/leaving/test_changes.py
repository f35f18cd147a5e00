"""What a colleague in a product corrects, takes back or reacts to, as a room shows it."""

from __future__ import annotations

from typing import Any

from bridge.model import File, Kind, Ref
from deploy.world.stub.human import Human
from deploy.world.waiting import until
from tests.matrix.make import ANNA, SPACE, Node, World, ghost, meet
from tests.matrix.rooms.test_outside import became

Json = dict[str, Any]
_SAID = "m.room.encrypted"
_BOX = f"dr.noel@{SPACE}"


def redacted(ben: Human, room: str, by: str = ghost(ANNA)) -> list[str]:
    """What a ghost has taken back, in order."""
    taken = [e for r, e in ben.events if r == room and e["type"] == "m.room.redaction" and e["sender"] == by]
    return [str(event["content"]["redacts"]) for event in taken]


async def change(node: Node, chat: str, kind: Kind, about: str, text: str = "") -> Any:
    """Anna changes a message that she wrote in the product."""
    return await node.write(chat, text, by="anna", kind=kind, reply_to=Ref("pandalab", about))


async def test_a_correction_replaces_the_text_of_her_message_for_whoever_can_read_it(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await node.write(chat.chat, "Potassium 5,9", by="anna", ref="m1")
        first = await chat.ben.heard("Potassium 5,9")
        fixed = await change(node, chat.chat, Kind.EDIT, "m1", "Potassium 3,9")
        shown = await chat.ben.heard("* Potassium 3,9")
        assert shown.clear is not None
        assert (shown.sender, shown.clear["content"]["m.new_content"]["body"]) == (ghost(ANNA), "Potassium 3,9")
        relation = {"rel_type": "m.replace", "event_id": first.event["event_id"]}
        assert shown.event["content"]["m.relates_to"] == relation  # servers and clients see it without a key
        assert [(s.state, s.reason) for s in await became(node, fixed)] == [("delivered", None)]
        await change(node, chat.chat, Kind.EDIT, "m1", "Potassium 4,0")  # clients want the first event again
        again = await chat.ben.heard("* Potassium 4,0")
        assert again.event["content"]["m.relates_to"] == relation


async def test_a_long_correction_is_whole(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await node.write(chat.chat, "court", by="anna", ref="m1")
        await chat.ben.heard("court")
        text = "é" * 20_000
        await change(node, chat.chat, Kind.EDIT, "m1", text)
        await until(lambda: any("m.new_content" in (s.clear or {}).get("content", {}) for s in chat.ben.seen))
        assert chat.ben.seen[-1].clear is not None
        assert chat.ben.seen[-1].clear["content"]["m.new_content"]["body"] == text


async def test_what_is_taken_back_is_redacted_with_all_its_files(world: World) -> None:
    async with world.node() as node:
        ben = await world.human("ben", "chu.example")
        files = [File(f"{n}.pdf", "application/pdf", b"%PDF" + bytes([n])) for n in range(2)]
        await node.post(_BOX, "avec deux fichiers", *files, to=(f"matrix:{ben.mxid}",), ref="m1")
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("avec deux fichiers")
        await until(lambda: sum(s.clear is not None for s in ben.seen) == 3)
        said, writer = sorted(str(s.event["event_id"]) for s in ben.seen if s.clear is not None), ben.seen[0].sender
        await node.post(_BOX, "", kind=Kind.REMOVAL, reply_to=Ref("mail", "m1"))
        await until(lambda: sorted(redacted(ben, room, writer)) == said)


async def test_a_reaction_is_taken_back(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        about = Ref("pandalab", f"pandalab-{len(node.product.delivered)}")
        await node.write(chat.chat, "👍", by="anna", kind=Kind.REACTION, reply_to=about, ref="r1")
        await until(lambda: any(e["type"] == "m.reaction" for _, e in chat.ben.events))
        thumb = next(e for _, e in chat.ben.events if e["type"] == "m.reaction")
        await change(node, chat.chat, Kind.REMOVAL, "r1")
        await until(lambda: redacted(chat.ben, chat.room) == [thumb["event_id"]])
        await node.write(chat.chat, "après", by="anna")  # the conversation goes on at once
        await chat.ben.heard("après")


async def test_what_somebody_else_has_redacted_meanwhile_is_gone(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await node.write(chat.chat, "à retirer", by="anna", ref="m1")
        await chat.ben.heard("à retirer")
        room = world.stub.world.rooms[chat.room]
        room.events.remove(next(e for e in reversed(room.events) if e["sender"] == ghost(ANNA) and e["type"] == _SAID))
        gone = await change(node, chat.chat, Kind.REMOVAL, "m1")
        assert [s.state for s in await became(node, gone)] == ["delivered"]
