"""What people do in chat, over every ordered pair of far ends, in one world: see tests/scenarios/scenarios.yaml."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from bridge.connector import Capabilities
from bridge.kinds import EVERYWHERE
from bridge.model import Kind
from bridge.networks.connect.profiles import PROFILES
from bridge.networks.mail.leg.connector import MailConnector
from deploy.world.client import RustClient
from deploy.world.waiting import wait_for
from deploy.world.world import World
from tests.scenarios.ends import Deed, FarEnd, containing
from tests.scenarios.mail_end import MailEnd
from tests.scenarios.matrix_end import MatrixEnd
from tests.scenarios.product_end import ProductEnd
from tests.scenarios.script import read
from tests.scenarios.stage import Pair, Stage
from tests.trials.make import strict

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.peers]
ABLE, UNABLE = "pandalab", "siilo"  # the first declares everything, the second nothing
PEOPLE = {ABLE: ("pauline", "10001015196"), UNABLE: ("violette", "10001021274")}
OLIVIER, OLIVIER_RPPS = "olivier.boyer@mss-a.example", "10001014183"
ACTS = (Kind.EDIT, Kind.REMOVAL, Kind.REACTION)


@asynccontextmanager
async def far_ends(world: World) -> AsyncIterator[list[FarEnd]]:
    """One person at each far end."""
    async with strict(world.home, "mina") as mina:
        able = await world.products[ABLE].call("PUT", "/capabilities", {"kinds": [kind.value for kind in ACTS]})
        assert able["status"] == 200, able
        try:
            yield [_matrix(world, mina), _product(world, ABLE, *ACTS), _product(world, UNABLE), _mail(world)]
        finally:
            await world.products[ABLE].call("PUT", "/capabilities", {"kinds": []})


def _matrix(world: World, client: RustClient) -> MatrixEnd:
    kinds = EVERYWHERE | {Kind.EDIT, Kind.REMOVAL, Kind.REACTION}
    return MatrixEnd(client, Capabilities(files=True, kinds=kinds), world.hub.voice)


def _product(world: World, name: str, *kinds: Kind) -> ProductEnd:
    able = dataclasses.replace(PROFILES[name].capabilities, threads=True, kinds=EVERYWHERE | set(kinds))
    token = world.kept.products[name].token
    return ProductEnd(world.products[name], PEOPLE[name][0], able, world.hub.connect, token)


def _mail(world: World) -> MailEnd:
    operator = world.mail.operators[OLIVIER.rpartition("@")[2]]
    return MailEnd(world.mail.mailbox(OLIVIER, "Olivier Boyer"), operator, MailConnector.capabilities)


async def meet(world: World, one: FarEnd, other: FarEnd, hello: str) -> Pair:
    """Two of them in one conversation."""
    rpps = {ABLE: PEOPLE[ABLE][1], UNABLE: PEOPLE[UNABLE][1], "mail": OLIVIER_RPPS}[other.name]
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

    return Pair(one, other, {one.name: chat, other.name: await wait_for(arrived, f"{hello} at {other.name}")})


async def pairs(world: World, ends: Sequence[FarEnd], nonce: str) -> list[Pair]:
    """Every ordered pair; both directions of one share a conversation."""
    made = [
        await meet(world, one, other, f"Bonjour {nonce}{n}h")
        for n, (one, other) in enumerate(itertools.combinations(ends, 2))
    ]
    return [*made, *(Pair(pair.far, pair.near, pair.chats) for pair in made)]


@pytest.mark.long  # until every leg says what it cannot show
async def test_everything_that_people_do_over_every_pair_of_far_ends(world: World) -> None:
    scenarios = read()
    async with far_ends(world) as ends:
        stage = Stage(ends)
        report = await stage.play(scenarios, await pairs(world, ends, stage.nonce))
        print(report)
        assert not report.problems, str(report)
