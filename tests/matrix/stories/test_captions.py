"""A text with one picture is one event with a caption; its edits keep the picture, its removal leaves nothing."""

from __future__ import annotations

from typing import Any

from appservice.leaving.captions import _KEPT
from bridge.model import File, Kind, Ref
from deploy.world.waiting import until
from tests.matrix.make import Chat, World
from tests.matrix.stories.test_files import BOX, PDF, begin, content_of, said, sent

PHOTO = File("plaie.jpg", "image/jpeg", b"\xff\xd8\xff" + bytes(4096))


async def edited(chat: Chat, text: str) -> dict[str, Any]:
    """The content of an edit that now reads like this."""

    def found() -> dict[str, Any] | None:
        contents = (s.clear["content"] for s in chat.ben.seen if s.clear)
        return next((c for c in contents if c.get("m.new_content", {}).get("body") == text), None)

    await until(lambda: found() is not None, text)
    return found() or {}


async def test_a_text_with_a_picture_is_one_event_through_edits_and_removal(world: World) -> None:
    async with world.node() as node:
        chat = await begin(world, node)
        await node.post(BOX, "La plaie", PHOTO, ref="m1", html="<b>La plaie</b>")
        content = await content_of(chat, "La plaie")
        assert (content["msgtype"], content["filename"]) == ("m.image", PHOTO.name)
        assert content["formatted_body"] == "<b>La plaie</b>"
        assert await chat.ben.read_file(content) == PHOTO.data
        assert said(chat)[1:] == [("m.image", "La plaie")]
        [_, event] = sent(world, chat.room)

        await node.post(BOX, "La plaie, ce matin", kind=Kind.EDIT, reply_to=Ref("mail", "m1"))
        edit = await edited(chat, "La plaie, ce matin")
        new = edit["m.new_content"]
        assert edit["m.relates_to"] == {"rel_type": "m.replace", "event_id": event}
        assert (new["msgtype"], new["filename"], new["info"]) == ("m.image", PHOTO.name, content["info"])
        assert await chat.ben.read_file(new) == PHOTO.data
        assert "formatted_body" not in new

        node.matrix._captions._clock = lambda: _KEPT * 10**6  # a month later
        await node.matrix._captions.clean()
        await node.post(BOX, "La plaie, hier", kind=Kind.EDIT, reply_to=Ref("mail", "m1"))
        late = await content_of(chat, "✏️ La plaie, hier")
        assert late["m.relates_to"] == {"m.in_reply_to": {"event_id": event}}

        await node.post(BOX, "", kind=Kind.REMOVAL, reply_to=Ref("mail", "m1"))
        await until(lambda: any(e["type"] == "m.room.redaction" for e in world.stub.world.rooms[chat.room].events))
        await until(lambda: node.matrix.idle)


async def test_what_is_no_caption_is_said_apart(world: World) -> None:
    async with world.node() as node:
        chat = await begin(world, node)
        long = "mot " * 2500
        inline = File("logo.png", "image/png", b"\x89PNG" + bytes(50), inline="logo@mail")
        await node.post(BOX, "Le compte rendu", PDF)
        await node.post(BOX, long, PHOTO)
        await node.post(BOX, "Cordialement", inline)
        await node.post(BOX, "Deux", PHOTO, PHOTO)
        await node.post(BOX, PHOTO.name, PHOTO)
        await until(lambda: len(said(chat)) == 12)
        kinds = [msgtype.removeprefix("m.") for msgtype, _ in said(chat)[1:]]
        assert " ".join(kinds) == "text file text image text image text image image text image"
