"""People are shown by the names that they have, and numbers that lead to nobody are told at once."""

from __future__ import annotations

from typing import Any

from bridge.model import Address
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, World, ghost, meet
from tests.matrix.rooms.test_outside import became


async def test_who_is_in_no_directory_is_shown_by_name_and_address(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        room = world.stub.world.rooms[chat.room]
        named = {"membership": "join", "displayname": "Claire\u202e  Nouvelle"}
        event = world.stub.world.append(room, chat.ben.mxid, "m.room.member", named, chat.ben.mxid)
        world.stub.interest(event)
        await world.stub.idle()
        await until(lambda: node.matrix.idle)
        person = await node.people.get(f"matrix:{chat.ben.mxid}")
        assert person.name == f"Claire Nouvelle ({chat.ben.mxid})"
        assert not person.listed
        await chat.ben.say(chat.room, "bonjour")
        delivery = await node.got("bonjour")
        assert delivery.sender.name == f"Claire Nouvelle ({chat.ben.mxid})"


async def test_the_name_is_known_from_the_first_message_on(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA)
        room = await ben.create_room(ghost(ANNA))
        made = world.stub.world.rooms[room]
        made.state[("m.room.member", ben.mxid)]["content"]["displayname"] = "Ben Nouveau"
        await until(lambda: made.membership(ghost(ANNA)) == "join")
        await ben.say(room, "premier")
        assert (await node.got("premier")).sender.name.endswith(f"({ben.mxid})")


async def test_the_directory_names_those_who_are_in_it(world: World) -> None:
    async with world.node() as node:
        anna = await node.people.get(f"rpps:{ANNA}")
        await node.hub.introduce(Address("pandalab", "anna"), "Dr Faux")
        assert (await node.people.get(f"rpps:{ANNA}")).name == anna.name


async def test_a_number_that_is_nobodys_is_declined_with_its_own_words(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node():
        room = await ben.create_room(ghost("10000009999"))
        made = world.stub.world.rooms[room]
        await until(lambda: made.membership(ghost("10000009999")) == "leave")
        said = made.state[("m.room.member", ghost("10000009999"))]["content"]["reason"]
        assert said.startswith("Ce numéro RPPS n'est pas dans l'annuaire.")


async def test_a_user_who_does_not_exist_is_refused_and_named(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        nobody = "@nobody:chu.example"
        alone = await node.write("alone", "il y a quelqu'un ?", by="cleo", to=(f"matrix:{nobody}",))
        assert [(s.state, s.reason) for s in await became(node, alone)] == [("refused", "unknown_recipient")]
        both = await node.write("both", "à deux", by="cleo", to=(f"matrix:{nobody}", f"matrix:{ben.mxid}"))
        await ben.member(await ben.invited(), "join")
        await ben.heard("à deux")
        states = {s.person.id: (s.state, s.reason) for s in await became(node, both, "sent")}
        assert states[f"matrix:{nobody}"] == ("refused", "unknown_recipient")
        assert states[f"matrix:{ben.mxid}"] == ("delivered", None)


async def test_a_server_that_does_not_answer_is_no_reason_to_invite_nobody(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    world.stub.fault(r"GET .*/profile/.*ben.*", times=99, status=502)
    async with world.node() as node:
        await node.write("g", "tout de même", by="cleo", to=(f"matrix:{ben.mxid}",))
        await ben.member(await ben.invited(), "join")
        await ben.heard("tout de même")


async def test_people_may_name_the_room_of_a_group(world: World) -> None:
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA, CLEO)
        await node.write("g", "staff", by="cleo", to=(f"matrix:{ben.mxid}", f"matrix:{eve.mxid}", "pandalab:anna"))
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("staff")
        path = f"/_matrix/client/v3/rooms/{room}/state/m.room.name/"
        await ben.call("PUT", path, {"name": "Équipe du lundi"})
        assert world.stub.world.rooms[room].state[("m.room.name", "")]["content"]["name"] == "Équipe du lundi"
        made = world.stub.world.rooms[room]
        assert made.power(ghost(CLEO)) > made.power(ben.mxid)


async def test_a_call_and_a_verification_are_ended_with_words(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        call: dict[str, Any] = {"call_id": "1", "party_id": "p", "version": "1", "lifetime": 60_000, "offer": {}}
        await chat.ben.send(chat.room, call, "m.call.invite")
        await chat.ben.heard("Les appels ne passent pas")
        request = {
            "msgtype": "m.key.verification.request", "body": "verify", "to": ghost(ANNA), "from_device": "X",
            "methods": ["m.sas.v1"],
        }  # fmt: skip
        event = await chat.ben.raw(chat.room, "m.room.message", request)
        ended = await chat.ben.event(lambda e: e["type"] == "m.key.verification.cancel")
        assert ended["sender"] == ghost(ANNA)
        assert ended["content"]["m.relates_to"] == {"rel_type": "m.reference", "event_id": event}
        assert ended["content"]["code"] == "m.user"
        await chat.ben.heard("pas d'appareil à vérifier")
        assert not any("non chiffré" in (seen.text or "") for seen in chat.ben.seen)
