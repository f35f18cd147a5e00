"""Who may reach whom, through two homeservers of the list (one runs the Synapse before) and one that is not on it."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest
import pytest_asyncio

from bridge.people.federation.signed import new_key, read_private
from deploy.world.waiting import wait_for
from tests.policy.far_world import DAY, MEGOLM, PolicyWorld, Someone
from tests.policy.scenes import DENIED, GOOD, NOT_LISTED, SCENARIOS, Cast, Short, no, state

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def cast(policy: PolicyWorld) -> Cast:
    made = await Cast(policy).gather()
    await asyncio.gather(*(one.forget_choices() for one in (made.ben, made.kim, made.ada)))
    return made


@pytest.mark.parametrize("name", SCENARIOS)
async def test_scenario(cast: Cast, name: str) -> None:
    scene, expected = SCENARIOS[name]
    answer = await scene(cast)
    assert answer.short == expected, answer.body
    if answer.short[2]:
        words = answer.body["fr.liaison.words"]
        assert answer.body["error"] == words["fr"] != words["en"]


async def reachable(c: Cast) -> tuple[Short, Short, Short, Short]:
    """ben invites ada, ada invites ben, ben invites eve, eve invites ben."""
    answers = await asyncio.gather(
        c.ben.invite_anew(c.ada.mxid), c.ada.invite_anew(c.ben.mxid),
        c.ben.invite_anew(c.eve.mxid), c.eve.invite_anew(c.ben.mxid),
    )  # fmt: skip
    return answers[0].short, answers[1].short, answers[2].short, answers[3].short


async def heard(c: Cast, who: Someone, room: str, event: str) -> None:
    """An event has come to somebody's server."""

    async def there() -> bool:
        return (await who.call("GET", f"/rooms/{quote(room)}/event/{quote(event)}")).status == 200

    await wait_for(there, "the event")


async def test_the_life_of_a_list(cast: Cast) -> None:
    """Both servers run meanwhile: entries come and go, forged and older lists change nothing, an ended one closes."""
    c, w = cast, cast.world
    usual = (GOOD, GOOD, NOT_LISTED, DENIED)
    room = await c.shared()
    assert await reachable(c) == usual
    await w.issue(w.home, w.away, w.out)  # somebody joins
    assert await reachable(c) == (GOOD, GOOD, GOOD, GOOD)
    # its rooms are judged by what comes with the invitation: nobody there sees to them
    guests = state("guest_access", guest_access="forbidden")
    assert (await c.eve.invite_anew(c.ben.mxid, guests)).short == no("not_encrypted")
    rule = state("join_rules", join_rule="public")
    assert (await c.eve.invite_anew(c.ben.mxid, MEGOLM, rule)).short == no("public_room")
    old = await c.eve.room(initial_state=[MEGOLM], room_version="9")
    assert (await c.eve.invite(old, c.ben.mxid)).short == no("room_version", "M_UNSUPPORTED_ROOM_VERSION")
    await w.issue(w.home, w.away)  # and leaves
    assert await reachable(c) == usual

    await w.issue(w.home)  # ada's server leaves: it is closed on both sides, as both read the list
    closed = no("server_not_listed"), DENIED
    assert (await c.ben.invite_anew(c.ada.mxid)).short == closed[0]
    assert (await c.ada.invite_anew(c.ben.mxid)).short == closed[1], "refused by the other side"
    lost = (await c.ben.say(room)).body["event_id"]
    assert (await c.ben.say(room)).short == GOOD, "at home the conversation goes on"
    await w.issue(w.home, w.away)  # and comes back: what was said meanwhile comes, too
    assert (await c.ada.say(room)).short == GOOD
    await heard(c, c.ben, room, (await c.ada.say(room)).body["event_id"])
    await heard(c, c.ada, room, (await c.ben.say(room)).body["event_id"])
    await heard(c, c.ada, room, lost)

    everybody = [w.home.name, w.away.name, w.out.name]
    for bad, words in (
        (w.signed(everybody, sequence=w.sequence - 1), "is older than"),
        (w.signed(everybody, sequence=w.sequence), f"has the number {w.sequence}, too"),
        (w.signed(everybody, key=read_private(new_key())), "not signed by a key"),
        (w.signed(everybody, days=-1), "expires"),
        (b"rubbish", "no signed list"),
    ):
        w.offer(bad)
        await w.alarmed(words)
    assert await reachable(c) == usual

    await w.issue(w.home, w.away, w.out, days=2 / DAY)  # it has seconds to live
    await w.alarmed(f"list {w.sequence} has ended")
    ended = no("list_ended")
    assert await reachable(c) == (ended, ended, ended, DENIED)
    assert (await c.ben.invite_anew(c.kim.mxid)).short == GOOD
    await w.issue(w.home, w.away)
    assert await reachable(c) == usual


async def test_the_list_is_there_after_a_start_without_its_file(cast: Cast) -> None:
    c, w = cast, cast.world
    (w.folder / "federation.jws").unlink()
    await w.home.restart()
    assert (await c.ben.invite_anew(c.ada.mxid)).short == GOOD
    assert (await c.ben.invite_anew(c.eve.mxid)).short == NOT_LISTED
    await w.alarmed("No such file")
    await w.issue(w.home, w.away)


async def test_nothing_of_it_is_in_the_logs_or_an_error_of_the_server(cast: Cast) -> None:
    """It comes last: no callback has failed, and no log holds what people have written."""
    for server in (cast.world.home, cast.world.away):
        lines = server.log.read_text().splitlines()
        assert not [line for line in lines if "Traceback" in line or " failed (refuse)" in line]
        assert not [line for line in lines if "DUPONT" in line or "DURAND" in line]
