"""Whoever has a mailbox and a product: the hub's own boxes named in chat, and mails from a member's other account."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridge.errors import Refused
from bridge.model import Address, Member, Person, Ref, State
from tests.mail.hub import ANNA, BEN, BEN_BOX, DAN_BOX, MARC, PEER, TEAM, Node, Written, running
from tests.mail.space import HUB, Space


async def test_a_mailbox_of_ours_means_whoever_has_it(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        node.trust.list(HUB, f"CN={HUB},O=Essai,C=FR")
        for number, box in enumerate((BEN_BOX, BEN_BOX.upper(), f"{BEN}@{HUB}")):
            handle = ("mail:" if number == 0 else "mailto:") + box
            await node.write(f"room-{number}", f"bonjour {number}", to=[f"mailto:{ANNA}", handle])
            seen = await node.got(f"bonjour {number}", "siilo")
            assert {m.person.id for m in seen.recipients} == {f"rpps:{BEN}"}
        await node.mailed(3)
        assert {tuple(recipients) for _, recipients, _, _ in node.out.sent} == {(ANNA,)}


async def test_nobody_is_promised_a_mail_to_ourselves(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        node.trust.list(HUB, f"CN={HUB},O=Essai,C=FR")
        for address, code in (
            (TEAM, "mail_team_box"), (f"personne@{HUB}", "mail_unknown_box"),
            (f"salon-{'0' * 24}@{HUB}", "mail_room_box"), (f"99999999999@{HUB}", "unknown_recipient"),
        ):  # fmt: skip
            for handle in (f"mailto:{address}", f"mail:{address}"):
                with pytest.raises(Refused) as refusal:
                    await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}", handle])
                assert (refusal.value.code, refusal.value.field) == (code, "to.1")
                with pytest.raises(Refused) as refusal:
                    await node.hub.change_members(
                        Ref("pandalab", f"add {handle}"),
                        "room-1",
                        "pandalab",
                        Address("pandalab", "cleo"),
                        [handle],
                        [],
                    )
                assert (refusal.value.code, refusal.value.field) == (code, "add.0")


async def test_the_box_of_a_colleague_in_the_same_product_means_them_there(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        node.trust.list(HUB, f"CN={HUB},O=Essai,C=FR")
        await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}", f"mailto:{DAN_BOX}"])
        ((_, recipients, _, _),) = await node.mailed()
        assert recipients == [ANNA]
        found = await node.hub.facts.chat("pandalab", "room-1")
        assert found is not None
        assert Address("pandalab", "dan") in {member.address for member in found.members}


async def test_nobody_writes_to_a_citizen_whose_answer_would_be_refused(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        node.trust.list("patient.mssante.fr", "CN=mail.cnam.example,O=Essai,C=FR")
        for handle in ("mailto:279035121518989@patient.mssante.fr", "mail:279035121518989@patient.mssante.fr"):
            with pytest.raises(Refused) as refusal:
                await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}", handle])
            assert (refusal.value.code, refusal.value.field) == ("mail_domain_not_trusted", "to.1")


async def test_who_is_a_member_by_a_mailbox_of_ours_is_said_to_be_not_reached(tmp_path: Path, space: Space) -> None:
    """As earlier versions let in: nothing stays accepted without a word."""
    lost = {DAN_BOX: "mail_own_box", f"personne@{HUB}": "mail_unknown_box", TEAM: "mail_team_box"}
    async with running(tmp_path, space) as node:
        first = await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}"])
        await node.mailed()
        members = [Member(Person(f"mail:{box}", box, listed=False), Address("mail", box)) for box in lost]
        store = node.hub._store
        with store.changing(first.conversation):
            async with node.db.transaction("test.members") as tx:
                await store.add_members(tx, first.conversation, members, [], 0)
        await node.write("room-1", "et vous ?", ref="p2")
        assert (await node.mailed(2))[1][1] == [ANNA]
        await node.rest()
        status = await node.hub.facts.status(Ref("pandalab", "p2"))
        assert status is not None
        states = {s.person.id: (s.state, s.reason) for s in status.states}
        assert states.pop("rpps:10000000001") == (State.SENT, None)
        assert states == {f"mail:{box}": (State.REFUSED, code) for box, code in lost.items()}


async def test_a_team_comes_back_to_its_own_room_only(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("Résultat", to=[TEAM], mid=f"t1@{PEER}").raw(), TEAM)
        chat, box = str((await node.got("Résultat")).chat), Address("mail", TEAM)
        by = Address("pandalab", "dan")
        await node.hub.change_members(Ref("pandalab", "out"), chat, "pandalab", by, [], [box])
        await node.hub.change_members(Ref("pandalab", "in"), chat, "pandalab", by, [f"mailto:{TEAM}"], [])
        found = await node.hub.facts.chat("pandalab", chat)
        assert found is not None
        assert box in {m.address for m in found.members}


# ---- who takes part by a product: a mail from their mailbox is in a conversation of that mailbox


async def begin(node: Node) -> str:
    """Anna, who has a mailbox, writes from pandalab to Ben in siilo and to Marc's mailbox."""
    await node.hub.declare(Address("pandalab", "anna"), "10000000001")
    done = await node.write("room-1", "Depuis PandaLab", by="anna", to=[f"rpps:{BEN}", f"mailto:{MARC}"])
    await node.got("Depuis PandaLab", "siilo")
    await node.mailed()
    return done.conversation


async def test_a_mail_of_hers_to_the_same_people_opens_a_conversation_of_her_mailbox(
    tmp_path: Path, space: Space
) -> None:
    async with running(tmp_path, space) as node:
        first = await begin(node)
        for n in range(2):
            await node.hand_in(Written(f"Depuis ma messagerie {n}", to=[BEN_BOX], cc=[MARC]).raw(), BEN_BOX)
        seen = [await node.got(f"Depuis ma messagerie {n}", "siilo") for n in range(2)]
        assert first not in {one.conversation for one in seen}
        assert len({one.conversation for one in seen}) == 1  # the second is where the first one is
        members = {m.person.name: m.address.network for m in seen[0].members}
        assert members["Anna Martin"] == "mail"
        assert node.shown("pandalab") == []  # she does not get her own mail in the product
        await node.write("room-1", "Et encore", by="anna")
        assert (await node.got("Et encore", "siilo")).conversation == first


async def test_a_mail_of_hers_that_answers_it_is_linked_to_it(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        first = await begin(node)
        sent = node.out.sent[0][2].message_id
        assert sent is not None
        await node.hand_in(Written("Ma réponse", to=[BEN_BOX], cc=[MARC], replies=[sent]).raw(), BEN_BOX)
        seen = await node.got("Ma réponse", "siilo")
        assert seen.conversation != first
        assert seen.continues is not None


async def test_her_mail_to_the_address_of_that_conversation_is_refused(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        room = str(node.mail.book.room(await begin(node)))
        await node.hand_in(Written("Pas d'ici", to=[room]).raw(), room)
        await node.mailed(2)
        assert node.out.sent[1][1] == [ANNA]  # a report
        await asyncio.sleep(0.1)
        assert not any("Pas d'ici" in d.body.text for d in node.shown("siilo"))
