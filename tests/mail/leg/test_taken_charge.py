"""A team's mail is taken with ✅ and opened again when the ✅ is taken back: everybody sees who has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import Refused
from bridge.model import Address, Body, Kind, Message, Ref
from tests.mail.hub import ANNA, PEER, TEAM, Node, Written, running
from tests.mail.space import Space

TAKEN, REOPENED = "Pris en charge par", "Rouvert par"


class Desk:
    """A thread of the team's room; who marks it and takes that back."""

    def __init__(self, node: Node, chat: str, about: Ref) -> None:
        self.node, self.chat, self.about = node, chat, about

    async def mark(self, by: str, ref: str, key: str = "✅") -> None:
        """A reaction."""
        await self.node.write(self.chat, key, by=by, kind=Kind.REACTION, reply_to=self.about, ref=ref)

    async def back(self, by: str, about: str, ref: str = "") -> None:
        """Take it back."""
        target = Ref("pandalab", about)
        await self.node.write(self.chat, "", by=by, kind=Kind.REMOVAL, reply_to=target, ref=ref or f"-{about}")

    async def said(self) -> list[str]:
        """The first lines of all notices in the thread, as another product shows them."""
        await self.node.rest()
        notices = [d for d in self.node.shown("siilo") if d.kind is Kind.NOTICE]
        assert all(d.thread is not None and d.sender.name == "Cardiologie" for d in notices)
        return [d.body.text.split("\n")[0] for d in notices]


async def desk(node: Node) -> Desk:
    """A mail that the team has got."""
    await node.hand_in(Written("À traiter", to=[TEAM], mid=f"t1@{PEER}").raw(), TEAM)
    seen = await node.got("À traiter")
    await node.got("À traiter", "siilo")
    return Desk(node, str(seen.chat), node.products["pandalab"]._refs[seen.id])


async def test_who_takes_the_mark_back_opens_the_thread_again(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        on = await desk(node)
        await on.mark("dan", "r1")
        await on.back("dan", "r1")
        taken, opened = await on.said()
        assert taken.endswith(f"{TAKEN} Dan Moreau")
        assert f"{REOPENED} Dan Moreau" in opened
        english = next(d for d in node.shown() if REOPENED in d.body.text).body.text.split("\n")[1]
        assert english.startswith("Reopened by Dan Moreau")
        await on.mark("cleo", "r2")
        await on.back("dan", "r1", "again")
        await on.back("dan", "r1", "and again")
        assert (await on.said())[2:] == [f"✅ {TAKEN} Cléo Petit"]
        assert not node.out.sent


async def test_a_mark_of_somebody_else_that_stands_keeps_the_thread(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        on = await desk(node)
        for by, ref in (("dan", "r1"), ("cleo", "r2"), ("cleo", "r3"), ("dan", "r4")):
            await on.mark(by, ref)
        await on.back("cleo", "r2")
        await on.back("dan", "r1")  # one of his two
        assert len(await on.said()) == 1
        await on.back("dan", "r4")
        assert (await on.said())[1:] == [f"✅ {TAKEN} Cléo Petit (Dan Moreau a retiré sa prise en charge)"]
    async with running(tmp_path, space) as node:
        on.node = node
        await on.back("cleo", "r3")
        assert [REOPENED in line for line in await on.said()] == [True]


async def test_only_the_writer_takes_a_mark_back(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        on = await desk(node)
        await on.mark("dan", "r1")
        with pytest.raises(Refused, match="removal_not_carried"):
            await on.back("cleo", "r1")
        with pytest.raises(Refused, match="edit_not_carried"):
            await node.write(on.chat, "❌", by="dan", kind=Kind.EDIT, reply_to=Ref("pandalab", "r1"))
        assert len(await on.said()) == 1


async def test_an_ordinary_reaction_is_none_of_the_desk_s_business(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        on = await desk(node)
        with pytest.raises(Refused, match="reaction_not_carried"):
            await on.mark("dan", "r1", "👍")
        assert await on.said() == []


async def test_a_teams_room_has_the_mark_and_no_other_reaction(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        on = await desk(node)
        await node.write("room-1", "Bonjour", to=[f"mailto:{ANNA}"])
        mail = "messagerie sécurisée · secure mail"
        for chat, key, lacking in ((on.chat, "✅", []), (on.chat, "👍", [mail]), ("room-1", "👍", [])):
            cleo = Address("pandalab", "cleo")
            sign = Message(
                Ref("pandalab", f"r/{chat}/{key}"), chat, cleo, Kind.REACTION, Body(key), 0, reply_to=on.about
            )
            assert [name for name in await node.hub.facts.unable(sign) if name == mail] == lacking
