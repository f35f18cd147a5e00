"""Correspondence against real servers and clients, with a hub that is killed: every message is in its thread."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from deploy.world.mail_space import DOMAIN
from deploy.world.waiting import PATIENCE, wait_for
from deploy.world.world import World
from tests.mail.correspondence.check import Verdict
from tests.mail.correspondence.drive import Drive
from tests.mail.correspondence.mails import Mails
from tests.mail.correspondence.plan import MATRIX, Plan, Size, make
from tests.trials.correspondence import PRODUCTS, Ends, correspondents, kill
from tests.trials.make import settled

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.peers]
KILLS = 3


async def test_sixty_mails_in_twelve_threads(world: World) -> None:
    await _carry_out(world, each=4, size=Size(60, 12), at_once=15)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_a_thousand_mails_in_two_hundred_threads(world: World) -> None:
    await _carry_out(world, each=10, size=Size(1000, 200), at_once=16)


async def _carry_out(world: World, each: int, size: Size, at_once: int) -> None:
    async with correspondents(world, each) as (people, clients):
        plan = replace(make(people, size, 11), native=frozenset({MATRIX}))
        ends = Ends(world, plan, clients)
        await _pass_over(world, ends)
        drive = Drive(plan, Mails(plan, ends.addresses()), ends, DOMAIN, at_once=at_once)
        began, starts = time.monotonic(), world.hub.process.starts
        await drive.run(lambda: kill(world), KILLS)
        said = time.monotonic() - began
        verdict = await _rested(drive, ends)
        _tell(plan, ends, verdict, (said, time.monotonic() - began))
        assert world.hub.process.starts == starts + KILLS
        assert verdict.good, str(verdict)


async def _pass_over(world: World, ends: Ends) -> None:
    """Leave out what the products' users were told in earlier tests: they are the same people."""
    for product in PRODUCTS:
        arrived = (await world.products[product].call("GET", "/messages?after=0"))["arrived"]
        ends.products.after[product] = max((one["seq"] for one in arrived), default=0)


async def _rested(drive: Drive, ends: Ends, patience: float = PATIENCE) -> Verdict:
    """The verdict once nothing is missing any more, and once more when a second copy had time to come."""
    with suppress(TimeoutError):  # the verdict says what is missing
        await wait_for(lambda: _complete(drive, ends), "everything", patience)
    await settled(4)
    return await _look(drive, ends)


async def _complete(drive: Drive, ends: Ends) -> bool:
    await asyncio.sleep(1)
    return not (await _look(drive, ends)).lost


async def _look(drive: Drive, ends: Ends) -> Verdict:
    ends.odd.clear()
    shown, letters = await ends.everything()
    return drive.judge(shown, letters, [*ends.odd, *ends.products.odd])


def _tell(plan: Plan, ends: Ends, verdict: Verdict, seconds: tuple[float, float]) -> None:
    steps = [step for steps in plan.steps for step in steps]
    repeats = sum(box.repeats for box in ends.boxes.values())
    print(
        f"\n{len(plan.mails)} mails and {len(plan.said) - len(plan.mails)} messages of the chat side in"
        f" {len(plan.steps)} threads among {len(plan.people)} people; {sum(s.again for s in steps)} mails twice,"
        f" {len(plan.late)} out of order, {KILLS} kills; said in {seconds[0]:.0f} s, at rest after {seconds[1]:.0f} s;"
        f" handed in again {ends.refusals}, mails sent again with the same Message-ID {repeats}\n{verdict}"
    )
