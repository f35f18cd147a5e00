"""Addresses of the hub's own domains, named in chat: their holders are reached, everybody else is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import Refused
from bridge.model import Address, Member, Person, Ref, State
from tests.mail.hub import ANNA, BEN, BEN_BOX, DAN_BOX, PEER, TEAM, Written, running
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
            (DAN_BOX, "same_network"), (TEAM, "mail_team_box"), (f"personne@{HUB}", "mail_unknown_box"),
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
