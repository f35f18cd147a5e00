"""A mail that is also addressed to people who are not in the conversation: its room is told who does not read along."""

from __future__ import annotations

from pathlib import Path

from bridge.networks.mail.leg.contents import addressed
from tests.mail.hub import ANNA, BEN_BOX, CLEO_BOX, DAN_BOX, MARC, OTHER, PEER, TEAM, Node, Written, running
from tests.mail.space import HUB, Space

JEAN, LUC = "jean@ailleurs.example", "Luc@Public.example"


async def asides(node: Node, *texts: str, network: str = "pandalab") -> list[str]:
    """The line of each of these messages about others, in its French half; empty for none."""
    bodies = [(await node.got(text, network)).body.text for text in texts]
    return [next((x for x in body.split("\n") if x.startswith("Aussi adressé")), "") for body in bodies]


def line(*addresses: str) -> str:
    """As it is shown."""
    return f"Aussi adressé, hors de la conversation : {', '.join(addresses)}"


async def test_who_does_not_read_along_is_named_once_in_a_thread(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        chain: list[str] = []
        for n, others in enumerate([(JEAN,), (JEAN,), (LUC, JEAN), (JEAN, LUC.lower()), (JEAN,), ()]):
            mail = Written(f"numéro {n}", [CLEO_BOX, MARC], others, mid=f"m{n}@{PEER}", replies=list(chain))
            for _ in range(2):
                await node.hand_in(mail.raw(Bcc="cachee@public.example"), CLEO_BOX)
            chain.append(f"m{n}@{PEER}")
        both = line(LUC.lower(), JEAN)
        found = await asides(node, *(f"numéro {n}" for n in range(6)))
        assert found == [line(JEAN), "", both, "", "", ""]
        first = (await node.got("numéro 0")).body
        assert f"Also addressed, not in this conversation: {JEAN}" in first.text
        assert first.text.startswith("Avis\n")
        assert not any("cachee" in d.body.text for d in node.shown())
    async with running(tmp_path, space) as node:
        again = Written("après", [CLEO_BOX, MARC], [JEAN], mid=f"m9@{PEER}", replies=chain)
        await node.hand_in(again.raw(), CLEO_BOX)
        other = Written("autre fil", [CLEO_BOX, MARC], [JEAN], mid=f"n1@{PEER}")
        await node.hand_in(other.raw(), CLEO_BOX)
        assert await asides(node, "après", "autre fil") == ["", line(JEAN)]


async def test_members_and_our_own_addresses_are_not_named(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        mail = Written("pour nous", [CLEO_BOX, ANNA, MARC.upper()], [DAN_BOX, f"personne@{HUB}"], mid=f"m1@{PEER}")
        await node.hand_in(mail.raw(), CLEO_BOX)
        assert await asides(node, "pour nous") == [""]


async def test_a_team_and_a_conversation_learn_who_else_was_written_to(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("à l'équipe", [TEAM, ANNA], [MARC], mid=f"t1@{PEER}").raw(), TEAM)
        assert await asides(node, "à l'équipe") == [line(MARC)]
        await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}"])
        await node.mailed()
        chat = await node.hub.facts.chat("pandalab", "room-1")
        assert chat is not None
        address = str(node.mail.book.room(chat.conversation))
        mail = Written("au salon", [address, MARC], mid=f"s1@{PEER}").raw()
        await node.hand_in(mail, address)
        assert await asides(node, "au salon") == [line(MARC)]


async def test_a_hidden_recipient_learns_who_is_elsewhere(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        mail = Written("en copie cachée", [CLEO_BOX, MARC], mid=f"b1@{PEER}").raw()
        await node.hand_in(mail, CLEO_BOX, BEN_BOX)
        assert await asides(node, "en copie cachée") == [""]
        assert await asides(node, "en copie cachée", network="siilo") == [line(MARC)]


def test_no_more_than_five_are_named() -> None:
    many = [f"a{n}@{OTHER}" for n in range(8)]
    five = ", ".join(many[:5])
    assert addressed([]) == ""
    assert addressed(many[:5]).endswith(f": {five}")
    assert f" : {five} et 1 autre\n" in addressed(many[:6])
    french, english = addressed(many).split("\n")
    assert french == f"Aussi adressé, hors de la conversation : {five} et 3 autres"
    assert english == f"Also addressed, not in this conversation: {five} and 3 more"
