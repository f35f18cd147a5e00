"""People are shown by the names that they have, and numbers that lead to nobody are told at once."""

from __future__ import annotations

from functools import partial
from typing import Any

from bridge.model import Address
from deploy.world.stub.human import Human
from deploy.world.stub.world import Room
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, SERVER, VOICE, World, ghost, meet
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


def ended_calls(ben: Human) -> list[tuple[str, dict[str, Any]]]:
    """Which calls were ended, and by whom."""
    seen = [(s.sender, s.clear) for s in ben.seen if s.clear is not None]
    return [(sender, clear) for sender, clear in seen if clear["type"].startswith("m.call.")]


def _declined(room: Room, user: str) -> bool:
    return room.membership(user) == "leave"


async def test_what_looks_like_a_ghost_and_is_nobody_is_declined(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    said = {f"@rpps_123:{SERVER}": "Un numéro RPPS a 11 chiffres.", f"@mss_sec:{SERVER}": "Cette adresse n'a pas"}
    async with world.node() as node:
        for user, words in said.items():
            made = world.stub.world.rooms[await ben.create_room(user)]
            await until(partial(_declined, made, user))
            assert made.state[("m.room.member", user)]["content"]["reason"].startswith(words)
        odd = await ben.create_room(f"@rpps_ABC:{SERVER}")  # no server lets anybody have this id
        chat = await meet(world, node, "eve")
        await chat.ben.member(chat.room, "invite", f"@rpps_1:{SERVER}")
        await until(lambda: world.stub.world.rooms[chat.room].membership(f"@rpps_1:{SERVER}") == "leave")
        await chat.ben.say(chat.room, "on continue")
        assert (await node.got("on continue")).chat == chat.chat
        assert world.stub.world.rooms[odd].membership(f"@rpps_ABC:{SERVER}") == "invite"


async def test_a_verification_between_devices_is_ended_at_once(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        device = next(iter(world.stub.world.users[ghost(ANNA)].devices))
        asked = {"from_device": chat.ben.device, "transaction_id": "t1", "methods": ["m.sas.v1"], "timestamp": 1}
        await chat.ben.to_device("m.key.verification.request", {ghost(ANNA): {device: asked}})
        started = {"from_device": chat.ben.device, "transaction_id": "t2", "method": "m.sas.v1"}
        await chat.ben.to_device("m.key.verification.start", {ghost(ANNA): {device: started}})
        await chat.ben.to_device("m.key.verification.done", {ghost(ANNA): {device: {"transaction_id": "t3"}}})
        await chat.ben.to_device("m.key.verification.start", {ghost(ANNA): {device: {"from_device": "*"}}})
        await until(lambda: len(chat.ben.verifications) == 2)
        ended = {e["content"]["transaction_id"]: e["content"]["code"] for e in chat.ben.verifications}
        assert ended == {"t1": "m.user", "t2": "m.unknown_method"}
        assert {(e["type"], e["sender"]) for e in chat.ben.verifications} == {
            ("m.key.verification.cancel", ghost(ANNA))
        }
        await chat.ben.say(chat.room, "et les messages passent")
        await node.got("et les messages passent")


async def test_a_call_and_a_verification_are_ended_with_words(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        call: dict[str, Any] = {"call_id": "1", "party_id": "p", "version": "1", "lifetime": 60_000, "offer": {}}
        await chat.ben.send(chat.room, call, "m.call.invite")
        await chat.ben.heard("Les appels ne passent pas")
        await chat.ben.send(chat.room, {"call_id": "2", "version": 0, "lifetime": 60_000, "offer": {}}, "m.call.invite")
        await until(lambda: len(ended_calls(chat.ben)) == 2)
        (rejected, first), (hung_up, second) = ended_calls(chat.ben)
        assert first["content"].pop("party_id")
        assert (first["type"], first["content"]) == ("m.call.reject", {"call_id": "1", "version": "1"})
        assert (second["type"], second["content"]) == ("m.call.hangup", {"call_id": "2", "version": 0})
        assert {rejected, hung_up} == {VOICE}  # nobody is shown as having read
        for kind, decline in (
            ("org.matrix.msc4075.rtc.notification", "org.matrix.msc4310.rtc.decline"),
            ("m.rtc.notification", "m.rtc.decline"),
        ):
            quiet = {"notification_type": "notification", "lifetime": 30_000}
            await chat.ben.send(chat.room, quiet, kind)  # it does not ring
            rings = await chat.ben.send(chat.room, quiet | {"notification_type": "ring"}, kind)
            declined = await chat.ben.wait(lambda seen, kind=decline: bool(seen.clear) and seen.clear["type"] == kind)  # type: ignore[misc]
            assert declined.sender == VOICE
            assert declined.event["content"]["m.relates_to"] == {"rel_type": "m.reference", "event_id": rings}
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
