"""What people do in chat, over every ordered pair of far ends, in one world: see tests/scenarios/scenarios.yaml."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from deploy.world.waiting import wait_for
from deploy.world.world import World
from tests.scenarios.ends import Deed, FarEnd, containing
from tests.scenarios.found import Pair
from tests.scenarios.matrix_end import MatrixEnd
from tests.scenarios.product_end import ProductEnd
from tests.scenarios.script import Scenario, read
from tests.scenarios.stage import Stage
from tests.trials.far_ends import ACTS, able, mail_end, matrix_end, product_end
from tests.trials.make import strict

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.peers]
ABLE, UNABLE = "pandalab", "siilo"  # the first declares everything, the second nothing
PEOPLE = {ABLE: ("pauline", "10001015196"), UNABLE: ("violette", "10001021274")}
OLIVIER, OLIVIER_RPPS = "olivier.boyer@mss-a.example", "10001014183"

CORE = {  # played in every run; all of them cost a minute of one core and more
    "text", "formatted text", "long text", "reply to the other one", "thread of the other one", "edit of an edit",
    "removal", "removal of a file", "reaction", "reaction taken back", "file with a caption", "poll ended",
    "unknown type of message", "event without a text",
}  # fmt: skip


@asynccontextmanager
async def far_ends(world: World) -> AsyncIterator[list[FarEnd]]:
    """One person at each far end."""
    async with strict(world.home, "mina") as mina, able(world, [ABLE]):
        yield [
            matrix_end(world, mina), product_end(world, ABLE, PEOPLE[ABLE][0], *ACTS),
            product_end(world, UNABLE, PEOPLE[UNABLE][0]), mail_end(world, OLIVIER, "Olivier Boyer"),
        ]  # fmt: skip


def _person(end: FarEnd) -> str:
    """As the hub calls them."""
    listed = {ABLE: PEOPLE[ABLE][1], UNABLE: PEOPLE[UNABLE][1], "mail": OLIVIER_RPPS}
    return f"rpps:{listed[end.name]}" if end.name in listed else end.address


async def meet(world: World, one: FarEnd, other: FarEnd, hello: str) -> Pair:
    """Two of them in one conversation."""
    rpps = _person(other).removeprefix("rpps:")
    if isinstance(one, MatrixEnd):
        ghost = world.hub.ghost(rpps)
        chat = await one.client.create_room(invite=[ghost], is_direct=True)
        await one.client.wait_member(chat, ghost)
        await one.client.wait_devices(ghost)
        await one.do(Deed("say", hello, chat, hello))
    else:
        assert isinstance(one, ProductEnd)
        chat = (await one.client.write(one.user, hello, to=[f"rpps:{rpps}"]))["conversation"]

    async def arrived() -> str | None:
        await other.look()
        return next((shown.chat for shown in containing(other, hello)), None)

    chats = {one.name: chat, other.name: await wait_for(arrived, f"{hello} at {other.name}")}
    return Pair(one, other, chats, {end.name: _person(end) for end in (one, other)})


async def pairs(world: World, ends: Sequence[FarEnd], nonce: str) -> list[Pair]:
    """Every ordered pair; both directions of one share a conversation."""
    made = [
        await meet(world, one, other, f"Bonjour {nonce}{n}h")
        for n, (one, other) in enumerate(itertools.combinations(ends, 2))
    ]
    return [*made, *(Pair(pair.far, pair.near, pair.chats, pair.persons) for pair in made)]


async def test_the_core_of_what_people_do_over_every_pair_of_far_ends(world: World) -> None:
    scenarios = [one for one in read() if one.name in CORE]
    assert len(scenarios) == len(CORE)
    await play(world, scenarios)


@pytest.mark.long
async def test_everything_that_people_do_over_every_pair_of_far_ends(world: World) -> None:
    await play(world, read())


async def play(world: World, scenarios: Sequence[Scenario]) -> None:
    """Over every pair, all side by side."""
    async with far_ends(world) as ends:
        stage = Stage(ends)
        report = await stage.play(scenarios, await pairs(world, ends, stage.nonce))
        print(report)
        assert not report.problems, str(report)
