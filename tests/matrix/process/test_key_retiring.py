"""`liaison keys retire`: what is said next goes out under new sessions, and everybody reads on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appservice.console.looking.searched import TrailSearch
from appservice.process.command import main
from deploy.world.stub.human import Human
from deploy.world.waiting import until, wait_for
from tests.matrix.make import CLEO, ghost
from tests.matrix.operating.whole_hub import Site, site

BEN = "@ben:chu.example"


def sessions(ben: Human) -> list[str]:
    """The sessions under which Cléo's messages came, in order."""
    events = [event for _, event in ben.events if event["type"] == "m.room.encrypted"]
    return [event["content"]["session_id"] for event in events if event["sender"] == ghost(CLEO)]


async def says(hub: Site, ben: Human, text: str) -> str:
    """Cléo says something, Ben reads it; gives its session."""
    await hub.say(text, text, to=f"matrix:{BEN}")
    await until(lambda: [one for one in ben.seen if one.text == text])
    return sessions(ben)[-1]


async def test_sessions_end_and_everybody_reads_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def retire(*whose: str) -> tuple[int, str]:
        capsys.readouterr()
        status = await asyncio.to_thread(main, ["keys", "-c", str(hub.path), "retire", *whose, "--by", "ann"])
        return status, capsys.readouterr().out

    async with site(tmp_path) as hub, await hub.human("ben") as ben:
        await hub.say("un", "un", to=f"matrix:{BEN}")
        room = await ben.invited()
        await ben.member(room, "join")
        await until(lambda: [one for one in ben.seen if one.text == "un"])
        first = sessions(ben)[-1]
        assert await says(hub, ben, "deux") == first
        status, said = await retire("--room", room)
        assert (status, said) == (
            0, "the sessions of 1 rooms have ended: the next message of each room begins a new one\n",
        )  # fmt: skip
        second = await says(hub, ben, "trois")
        assert (await retire("--user", BEN))[0] == 0
        third = await says(hub, ben, "quatre")
        before = dict(hub.stub.world.users[ghost(CLEO)].devices)
        status, said = await retire("--person", CLEO)
        assert (status, "of 1 rooms and 1 ghosts" in said) == (0, True)
        fourth = await says(hub, ben, "cinq")
        await until(lambda: not hub.parts.matrix.engine._ghosts.get(ghost(CLEO)).stale)  # type: ignore[union-attr]
        assert (await retire("--all"))[0] == 0
        fifth = await says(hub, ben, "six")
        assert len({first, second, third, fourth, fifth}) == 5
        assert hub.stub.world.users[ghost(CLEO)].devices.keys() == before.keys()  # the device stays
        await ben.say(room, "je lis")
        await until(lambda: hub.parts.core.courier.counts.accepted["matrix"] >= 1)
        assert [(await retire(*whose))[0] for whose in (
            ("--room", "!none:a.example"), ("--user", "@eve:chu.example"), ("--person", "10000000009"),
        )] == [1, 1, 1]  # fmt: skip
        search = TrailSearch(hub.parts.core.db, hub.parts.core.seal)

        async def noted(about: str | None) -> list[Any]:
            asked = {"kind": "operator", "about": about, "until": None, "before": 0}
            return list((await search.answer(asked))["rows"])

        async def chained() -> bool:
            return len(await noted(None)) == 4

        await wait_for(chained, "the trail")
        rows = await noted(None)
        assert {(row["actor"], row["result"]) for row in rows} == {("ann", "keys_retired")}
        assert not [row for row in rows if "ben" in str(row["subject"])]  # an address stands there by its hash
        found = [(await noted(who))[0]["details"]["whose"] for who in (BEN, CLEO)]
        assert found == ["user", "person"]
