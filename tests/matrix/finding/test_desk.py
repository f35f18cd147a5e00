"""Whoever asks the hub's voice in a direct room: a name in, people out, a number back, and a conversation is open."""

from __future__ import annotations

import pytest

from bridge.model import Address
from bridge.words import sentence, speaking
from deploy.world.stub.human import Human, Seen
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, SPACE, VOICE, Node, World, ghost, meet

HELLO = "Bonjour. Écrivez un nom"


async def desk(world: World, node: Node, ben: Human, *, encrypted: bool = True) -> str:
    """A direct room with the voice, which has come in and says what it does."""
    await node.matrix.ready_to_answer()
    room = await ben.create_room(VOICE, encrypted=encrypted, is_direct=True)
    await until(lambda: world.stub.world.rooms[room].membership(VOICE) == "join", "the voice")
    await answered(ben, HELLO, encrypted=encrypted)
    return room


async def answered(ben: Human, begin: str, *, encrypted: bool = True) -> str:
    """The text of the answer that has this in it."""

    def fits(seen: Seen) -> bool:
        content = seen.clear["content"] if seen.clear else {} if encrypted else seen.event["content"]
        return seen.sender == VOICE and begin in str(content.get("body"))

    seen = await ben.wait(fits)
    content = seen.clear["content"] if seen.clear else seen.event["content"]
    assert content["msgtype"] == "m.notice"
    return str(content["body"])


async def test_a_name_in_people_out_a_number_back_and_a_conversation_is_open(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        room = await desk(world, node, ben)
        await ben.say(room, "médecin")
        text = await answered(ben, "1. Dr")
        lines = [line.partition(". ")[2] for line in text.splitlines() if line[:1].isdigit()]
        assert sorted(lines) == [
            "Dr Anna Martin — Médecin (Lyon) · application",
            "Dr Cléo Petit — Médecin (Lyon) · application",
            "Dr Dan Moreau — Médecin (Lyon) · pas encore joignable",
        ]
        assert lines[-1].startswith("Dr Dan Moreau"), "who can be reached comes first"
        assert "Répondez par un numéro" in text
        number = next(n for n, line in enumerate(lines, 1) if line.startswith("Dr Cléo"))
        await ben.say(room, f"{number}")
        await answered(ben, "acceptez l'invitation de Dr Cléo Petit")
        opened = await ben.invited()
        await ben.member(opened, "join")
        assert world.stub.world.rooms[opened].membership(ghost(CLEO)) == "join"
        await ben.say(opened, "Bonjour Cléo")
        delivery = await node.got("Bonjour Cléo")
        await node.write(delivery.chat, "Bonjour Ben")
        assert (await ben.heard("Bonjour Ben")).sender == ghost(CLEO)
        await ben.say(room, f"n° {number}")
        assert opened in await answered(ben, "Vous avez déjà une conversation avec Dr Cléo Petit")
        assert len(world.stub.world.users[ghost(CLEO)].rooms) == 1
        await ben.say(room, f"{len(lines)}")
        await answered(ben, "pas encore de messagerie")
        await ben.say(room, "9")
        await answered(ben, "dans aucune liste récente")
        await ben.say(room, "contacts")
        seen = await ben.wait(lambda s: s.clear is not None and s.clear["content"].get("msgtype") == "m.file")
        assert seen.clear is not None
        file = (await ben.read_file(seen.clear["content"])).decode()
        assert [line for line in file.splitlines() if line[:3] in ("FN:", "IMP")] == [
            "FN:Dr Cléo Petit", f"IMPP:matrix:u/{ghost(CLEO)[1:]}",
        ]  # fmt: skip
        assert node.texts() == ["Bonjour Cléo"], "what the voice was asked is nobody's message"


async def test_a_room_in_clear_is_answered_in_clear(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        room = await desk(world, node, ben, encrypted=False)
        await ben.raw(room, "m.room.message", {"msgtype": "m.text", "body": "martin"})
        await answered(ben, "1. Dr Anna Martin", encrypted=False)
        await ben.raw(room, "m.room.message", {"msgtype": "m.text", "body": "1"})
        await answered(ben, "acceptez l'invitation de Dr Anna Martin", encrypted=False)
        opened = await ben.invited()
        assert world.stub.world.rooms[opened].state[("m.room.encryption", "")], "the conversation itself is encrypted"
        await ben.raw(room, "m.room.message", {"msgtype": "m.text", "body": "contacts"})
        await answered(ben, "que dans un salon chiffré", encrypted=False)
        await ben.raw(room, "m.room.message", {"msgtype": "m.text", "body": "zzz"})
        await answered(ben, "Personne n'a été trouvé", encrypted=False)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (CLEO, "1. Dr Cléo Petit"),
        (f"Secretariat@{SPACE}", f"1. secretariat@{SPACE}"),
        ("nobody@elsewhere.example", "Personne n'a été trouvé"),
        ("10000000099", "Personne n'a été trouvé"),
        ("merci !", "Personne n'a été trouvé"),
        ("aide", HELLO),
        ("contacts", "encore écrit à personne"),
    ],
)
async def test_whoever_is_named_exactly_is_found(world: World, words: str, says: str) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        room = await desk(world, node, ben)
        await ben.say(room, words)
        await answered(ben, says)


async def test_a_colleague_with_an_account_of_their_own_is_named_by_it(world: World) -> None:
    ben, cleo = await world.human("ben", "chu.example"), await world.human("cleo", "chu.example")
    async with world.node() as node:
        known = node.people._directory._people  # type: ignore[attr-defined]
        entry = known[f"rpps:{CLEO}"]
        known[entry.id] = type(entry)(entry.id, entry.name, entry.profession, "", (Address("matrix", cleo.mxid),))
        room = await desk(world, node, ben)
        await ben.say(room, "petit")
        await answered(ben, "1. Dr Cléo Petit")
        await ben.say(room, "1")
        assert f"https://matrix.to/#/{cleo.mxid}" in await answered(ben, "a son propre compte Matrix")


async def test_the_voice_comes_only_where_it_is_alone_with_somebody_trusted(world: World) -> None:
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "evil.example")
    async with world.node() as node:
        await node.matrix.ready_to_answer()
        group = await ben.create_room(VOICE, eve.mxid)
        far = await eve.create_room(VOICE)
        for room, words in ((group, "Invitez-moi dans un message direct"), (far, "espace de confiance")):
            await until(lambda room=room: world.stub.world.rooms[room].membership(VOICE) == "leave")  # type: ignore[misc]
            left = world.stub.world.rooms[room].state[("m.room.member", VOICE)]["content"]
            assert words in left["reason"] or "serveur" in left["reason"]
        with_anna = await ben.create_room(VOICE, ghost(ANNA))
        await until(lambda: world.stub.world.rooms[with_anna].membership(ghost(ANNA)) == "join")
        await ben.say(with_anna, "Bonjour Anna")
        await node.got("Bonjour Anna")


async def test_an_answer_that_is_lost_opens_no_second_room(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        room = await desk(world, node, ben)
        await ben.say(room, "petit")
        await answered(ben, "1. Dr Cléo Petit")
        world.stub.fault(r"POST .*/createRoom", times=1)
        await ben.say(room, "1")
        await answered(ben, "acceptez l'invitation de Dr Cléo Petit")
        assert world.stub._faults[0].times == 0
        assert len(world.stub.world.users[ghost(CLEO)].rooms) == 1


async def test_whoever_says_a_language_is_spoken_to_in_it_in_every_room(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        ben, room = chat.ben, await desk(world, node, chat.ben)
        await ben.say(room, "english")
        assert (await answered(ben, "in your other rooms")) == sentence_of("desk_language", "en")
        await ben.say(room, "nobody at all here")
        assert "Personne" not in await answered(ben, "Nobody was found")
    async with world.node():  # it was not only remembered
        await ben.raw(chat.room, "m.room.message", {"msgtype": "m.text", "body": "en clair"})
        assert (await ben.heard("was not encrypted")).text == f"⚠️ {sentence_of('not_encrypted', 'en')}"


def sentence_of(code: str, language: str) -> str:
    """A sentence of the catalogue."""
    with speaking(language):
        return sentence(code)
