"""Who takes part by a product and has a mailbox, too: a mail from there is in a conversation of that mailbox."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bridge.model import Address
from tests.mail.hub import ANNA, BEN, BEN_BOX, MARC, Node, Written, running
from tests.mail.space import Space


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
