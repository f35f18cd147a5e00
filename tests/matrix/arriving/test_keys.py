"""Messages whose key is late, lost, or never comes: parked, asked for, shown, and never in the way of others."""

from __future__ import annotations

from collections import Counter

from deploy.world.waiting import until
from tests.core.store.test_reading import rows
from tests.matrix.make import World, meet, statuses

WAITING = "en attente de sa clé"


async def test_a_late_key_within_the_wait_keeps_the_order(world: World) -> None:
    async with world.node(key_wait_s=5.0) as node:
        chat = await meet(world, node)
        chat.ben.rotate(chat.room)
        await chat.ben.say(chat.room, "un", share=False)
        await chat.ben.say(chat.room, "deux", share=False)
        await chat.ben.share(chat.room)
        await node.got("deux")
        assert node.texts()[1:] == ["un", "deux"]
        assert await rows(node.db, "SELECT why FROM matrix_dead") == set()


async def test_without_its_key_a_message_is_parked_and_comes_late(world: World) -> None:
    eve = await world.human("eve", "chu.example")
    async with world.node() as node:
        chat = await meet(world, node)
        await chat.ben.member(chat.room, "invite", eve.mxid)
        await eve.member(chat.room, "join")
        chat.ben.rotate(chat.room)
        parked = await chat.ben.say(chat.room, "sans clé", share=False)
        await until(lambda: "FAIL_RETRIABLE" in statuses(chat.ben, parked))
        await eve.say(chat.room, "je passe devant")
        await node.got("je passe devant")
        await chat.ben.share(chat.room)
        await node.got("sans clé")
        await until(lambda: statuses(chat.ben, parked)[-1] == "SUCCESS")
        assert "PENDING" in statuses(chat.ben, parked)
        assert not await node.db.all("matrix.inbox", 0, 1000)


async def test_the_senders_devices_are_asked_for_the_key(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        chat.ben.rotate(chat.room)
        await chat.ben.say(chat.room, "demandez-moi", share=False)
        await until(lambda: chat.ben.key_requests)
        assert chat.ben.key_requests[0]["content"]["action"] == "request"


async def test_each_session_is_asked_for_and_asked_for_again(world: World) -> None:
    """A client gives the key of its newest session only: an earlier one that nobody gives must not hide it."""
    async with world.node() as node:
        chat = await meet(world, node)

        def asked() -> Counter[str]:
            requests = [one["content"] for one in chat.ben.key_requests]
            return Counter(one["body"]["session_id"] for one in requests if one["action"] == "request")

        for text in ("perdu", "perdu aussi", "celui-ci est servi"):
            if text != "perdu aussi":
                chat.ben.rotate(chat.room)
            await chat.ben.say(chat.room, text, share=False)
        await until(lambda: len(asked()) == 2)
        await chat.ben.share(chat.room)
        await node.got("celui-ci est servi")
        lost, _ = parked = node.matrix._inbox.parked()
        assert {item.session for item in parked} == {lost.session}
        async with node.db.transaction("test.a-minute-later") as tx:
            await tx.run("e2ee.request-now-all")
        for item in parked:
            item.ask_at = 0
        await until(lambda: asked()[str(lost.session)] > 1)  # without another message


async def test_the_sender_is_told_once_in_words(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        chat.ben.rotate(chat.room)
        events = [await chat.ben.say(chat.room, text, share=False) for text in ("a", "b", "c")]
        seen = await chat.ben.heard(WAITING)
        assert seen.clear is not None
        assert seen.clear["content"]["msgtype"] == "m.text"
        await chat.ben.share(chat.room)
        await node.got("c")
        assert node.texts()[1:] == ["a", "b", "c"]
        assert sum(WAITING in (s.text or "") for s in chat.ben.seen) == 1
        shown = ["FAIL_RETRIABLE", "PENDING", "SUCCESS"]
        await until(lambda: all(statuses(chat.ben, event) == shown for event in events))


async def test_parked_messages_survive_a_restart(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        chat.ben.rotate(chat.room)
        parked = await chat.ben.say(chat.room, "gardé", share=False)
        await until(lambda: "FAIL_RETRIABLE" in statuses(chat.ben, parked))
    await chat.ben.share(chat.room)
    async with world.node() as node:
        await node.got("gardé")
        assert not await node.db.all("matrix.inbox", 0, 1000)


async def test_a_key_that_the_push_has_lost_is_read_from_the_sync(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        chat.ben.rotate(chat.room)
    await chat.ben.say(chat.room, "pendant l'absence")  # its to-device part is refused, hence lost
    async with world.node() as node:
        await node.got("pendant l'absence")


async def test_clear_text_is_refused_where_it_is_seen(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        event_id = await chat.ben.raw(chat.room, "m.room.message", {"msgtype": "m.text", "body": "en clair"})
        seen = await chat.ben.heard("non chiffré")
        assert seen.clear is not None
        assert seen.clear["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": event_id}}
        assert statuses(chat.ben, event_id) == ["FAIL_PERMANENT"]
        assert "en clair" not in node.texts()


async def test_what_is_not_carried_is_refused_in_words(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        first = await chat.ben.say(chat.room, "original")
        await node.got("original")
        content = {
            "msgtype": "m.text",
            "body": "* corrigé",
            "m.relates_to": {"rel_type": "m.replace", "event_id": first},
        }
        edit = await chat.ben.send(chat.room, content)
        await chat.ben.heard("La modification n'a pas été transmise")
        image = await chat.ben.send(chat.room, {"msgtype": "m.image", "body": "x.png", "file": {}})
        await chat.ben.heard("Ce fichier est arrivé endommagé")
        sticker = await chat.ben.send(chat.room, {"url": "mxc://x/y"}, "m.sticker")
        await chat.ben.heard("Ce type de message")
        relation = {"m.relates_to": {"rel_type": "m.annotation", "event_id": first, "key": "👍"}}
        reaction = await chat.ben.raw(chat.room, "m.reaction", relation)
        removal = await chat.ben.raw(chat.room, "m.room.redaction", {"redacts": first})
        await chat.ben.heard("Le message reste visible chez cette personne")
        for event_id in (edit, image, sticker, removal):
            assert statuses(chat.ben, event_id) == ["FAIL_PERMANENT"]
        assert statuses(chat.ben, reaction) == []  # a notice for each of them would be noise
        assert node.texts()[:2] == ["début ben", "original"]
        assert [text.startswith("🗑️ a retiré son message de ") for text in node.texts()[2:]] == [True]


async def test_verification_requests_are_not_messages(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await chat.ben.send(chat.room, {"from_device": "X"}, "m.key.verification.ready")
        await chat.ben.say(chat.room, "suite")
        await node.got("suite")
        assert len(chat.ben.seen) == 0


async def test_what_is_taken_back_before_its_key_comes_is_given_to_nobody(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        chat.ben.rotate(chat.room)
        gone = await chat.ben.say(chat.room, "à oublier", share=False)
        await until(lambda: "FAIL_RETRIABLE" in statuses(chat.ben, gone))
        await chat.ben.raw(chat.room, "m.room.redaction", {"redacts": gone})
        await until(lambda: not node.matrix._inbox.parked())
        await chat.ben.share(chat.room)
        await chat.ben.say(chat.room, "suite")
        await node.got("suite")
        assert node.texts()[1:] == ["suite"]
        assert not await node.db.all("matrix.inbox", 0, 1000)
