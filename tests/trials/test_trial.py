"""The hub held against real servers and a strict client: crashes, keys sent in its absence, devices, rooms of many."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from contextlib import AsyncExitStack

import pytest

from deploy.world.client import RustClient
from deploy.world.product import ProductClient
from deploy.world.waiting import wait_for
from deploy.world.world import World
from tests.peers.world import PASSWORD
from tests.trials.make import Talk, assert_clean, bodies, settled, strict, talk

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.peers]
CLEO, DAN = "10001002027", "10001003040"


async def _kill_hub(world: World) -> None:
    pid = world.hub.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await wait_for(lambda: _differs(world, pid), "the hub to be started again")


async def _differs(world: World, pid: int) -> bool:
    return world.hub.process.pid != pid and world.hub.process.running


async def _texts(panda: ProductClient, conversation: str) -> list[str]:
    return [m["text"] for m in await panda.arrived("cleo", conversation)]


@pytest.mark.parametrize(
    ("count", "kills", "longest"), [(80, 5, 1.5), pytest.param(200, 7, 3.5, marks=pytest.mark.long)]
)
async def test_many_each_way_through_kills_and_a_homeserver_restart(
    world: World, count: int, kills: int, longest: float
) -> None:
    random.seed(20)
    async with strict(world.away, "ben") as client:
        t = await talk(world, client)

        async def from_panda() -> None:
            for n in range(count):
                await t.panda.write("cleo", f"p{n}", conversation=t.conversation)
                await asyncio.sleep(random.uniform(0, 0.2))

        async def from_matrix() -> None:
            for n in range(count):
                await client.send(t.room, f"m{n}")
                await asyncio.sleep(random.uniform(0, 0.1))

        async def chaos() -> None:
            for n in range(kills):
                await asyncio.sleep(random.uniform(0.5, longest))
                await _kill_hub(world)
                if n == kills // 2:
                    await world.home.restart()

        await asyncio.gather(from_panda(), from_matrix(), chaos())
        panda = [f"m{n}" for n in range(count)]
        await wait_for(lambda: _at_least(t, count), "all messages at the product")
        await _readable(client, t.room, count)
        await settled()
        arrived = await _texts(t.panda, t.conversation)
        assert arrived == panda, " ".join(arrived)
        timeline = await client.timeline(t.room)
        assert_clean(timeline)
        assert bodies(timeline, world.hub.ghost(CLEO))[1:] == [f"p{n}" for n in range(count)]
        print("read at a second look:", [e["first_failure"] for e in timeline if e["first_failure"]])
        states = [await t.panda.message(i) for i in await _sent(t)]
        assert {s["state"] for s in states} <= {"delivered", "read"}


async def _readable(client: RustClient, room: str, count: int) -> None:
    try:
        await client.wait_text(room, f"p{count - 1}")
    except TimeoutError:
        events = await client.timeline(room)
        lost = [(e["event_id"], e["decryption_failure"]) for e in events if e["decryption_failure"]]
        raise AssertionError(f"{len(bodies(events))} of {2 * count + 1} messages were read, {lost} were not") from None


async def _sent(t: Talk) -> list[str]:
    return [m["id"] for m in (await t.panda.call("GET", "/users/cleo/messages"))["sent"]
            if m["conversation"] == t.conversation]  # fmt: skip


async def _at_least(t: Talk, count: int) -> bool:
    return len(await _texts(t.panda, t.conversation)) >= count


async def test_what_another_homeserver_wrote_while_ours_was_away(world: World) -> None:
    """Federation catches up from the newest event; what lies further back is filled in later and never pushed."""
    async with strict(world.away, "ben") as client:
        t = await talk(world, client)
        await client.send(t.room, "before")
        await t.panda.wait_text("cleo", "before")
        await world.home.stop()
        for n in range(40):
            await client.send(t.room, f"apart {n}")
        await world.home.start()
        await client.send(t.room, "after")  # the other homeserver tries again when it has something to say
        await t.panda.wait_text("cleo", "after", 120)
        await settled()
        assert await _texts(t.panda, t.conversation) == ["before", *(f"apart {n}" for n in range(40)), "after"]


async def test_keys_sent_while_the_hub_is_down(world: World) -> None:
    async with strict(world.away, "ben") as client:
        t = await talk(world, client)
        await client.send(t.room, "before")
        await t.panda.wait_text("cleo", "before")
        await world.hub.process.stop(signal.SIGKILL)
        await client.rotate(t.room)
        for n in range(5):
            await client.send(t.room, f"in absence {n}")
        started = time.monotonic()
        world.hub.process.start()
        for n in range(5):
            await t.panda.wait_text("cleo", f"in absence {n}", 15 - (time.monotonic() - started))
        assert await _texts(t.panda, t.conversation) == ["before", *(f"in absence {n}" for n in range(5))]


async def test_a_new_signed_device_reads_and_an_unsigned_one_does_not(world: World) -> None:
    async with strict(world.away, "ben") as client:
        t = await talk(world, client)
        again = {"password": PASSWORD, "isolation": "all"}
        async with await RustClient.start(
            world.away.url, client.user_id, PASSWORD, recovery_key=client.recovery_key
        ) as second, await RustClient.start(world.away.url, client.user_id, cross_sign=False, **again) as unsigned:  # type: ignore[arg-type]  # fmt: skip
            await client.wait_devices(client.user_id, signed=2)
            await _known_at_home(world, client.user_id, unsigned.device_id)
            await t.panda.write("cleo", "to the new device", conversation=t.conversation)
            shown = await second.wait_text(t.room, "to the new device")
            assert_clean([shown])
            await client.wait_text(t.room, "to the new device")
            await unsigned.wait_event(
                t.room,
                lambda e: e["event_id"] == shown["event_id"] and "WITHHELD" in str(e["decryption_failure"]),
            )
            assert "to the new device" not in bodies(await unsigned.timeline(t.room))


async def _known_at_home(world: World, user: str, device: str) -> None:
    """Wait until the hub's homeserver has heard of a device over federation, and the hub of it."""
    async with strict(world.home, "witness") as witness:
        body: dict[str, dict[str, list[str]]] = {"device_keys": {user: []}}

        async def look() -> bool:
            found = await witness.call("POST", "/_matrix/client/v3/keys/query", body)
            return device in found["device_keys"].get(user, {})

        await wait_for(look, "the new device to be known")
    await settled()


@pytest.mark.parametrize("version", ["11", "12"])
async def test_rooms_of_both_versions_in_both_directions(world: World, version: str) -> None:
    async with strict(world.home, "ben") as client:
        ghost = world.hub.ghost(CLEO)
        room = await client.create_room(invite=[ghost], is_direct=True, room_version=version)
        await client.wait_member(room, ghost)
        await client.wait_devices(ghost)
        await client.send(room, f"v{version}")
        panda = world.products["pandalab"]
        seen = await panda.wait_text("cleo", f"v{version}")
        await panda.write("cleo", f"answer v{version}", conversation=seen["conversation"])
        assert_clean([await client.wait_text(room, f"answer v{version}")])


async def test_five_people_of_two_products_and_two_homeservers(world: World) -> None:
    """cleo and fay in PandaLab, dan in Siilo, one client on each homeserver; all write at once."""
    each = 20
    panda, siilo = world.products["pandalab"], world.products["siilo"]
    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(strict(world.home, "hana"))
        away = await stack.enter_async_context(strict(world.away, "ben"))
        people = [f"matrix:{home.user_id}", f"matrix:{away.user_id}", f"rpps:{DAN}", "pandalab:fay"]
        start = await panda.write("cleo", "group", to=people)
        chat, room = start["conversation"], await home.wait_room()
        assert await away.wait_room() == room
        await home.wait_member(room, away.user_id)
        await away.wait_member(room, home.user_id)
        first = await siilo.wait_text("dan", "group")
        await asyncio.gather(home.wait_text(room, "group"), away.wait_text(room, "group"))
        await asyncio.gather(home.devices(away.user_id), away.devices(home.user_id))

        async def product(who: ProductClient, user: str, conversation: str) -> None:
            for n in range(each):
                await who.write(user, f"{user}{n}", conversation=conversation)
                await asyncio.sleep(random.uniform(0, 0.05))

        async def matrix(who: RustClient, name: str) -> None:
            for n in range(each):
                await who.send(room, f"{name}{n}")

        await asyncio.gather(
            product(panda, "cleo", chat), product(panda, "fay", chat), product(siilo, "dan", first["conversation"]),
            matrix(home, "hana"), matrix(away, "ben"),
        )  # fmt: skip
        names = {n: [f"{n}{i}" for i in range(each)] for n in ("cleo", "fay", "dan", "hana", "ben")}
        expected = {"group", *(t for texts in names.values() for t in texts)}

        async def seen() -> bool:
            timelines = [set(bodies(await c.timeline(room))) for c in (home, away)]
            at_panda, at_siilo = await _texts(panda, chat), await _siilo(siilo, first["conversation"])
            return all(t >= expected for t in timelines) and len(at_panda) >= 3 * each and len(at_siilo) > 4 * each

        await wait_for(seen, "everybody to see everything")
        await settled()
        at_panda, at_siilo = await _texts(panda, chat), await _siilo(siilo, first["conversation"])
        for client in (home, away):
            events = await client.timeline(room)
            assert_clean(events)
            assert sorted(bodies(events)) == sorted(expected)
            for texts in names.values():
                assert [b for b in bodies(events) if b in texts] == texts
        order = bodies(await home.timeline(room))  # the room's order at the hub's own homeserver
        assert at_panda == [b for b in order if b in {*names["dan"], *names["hana"], *names["ben"]}]
        assert at_siilo == [b for b in order if b not in names["dan"]]


async def _siilo(siilo: ProductClient, conversation: str) -> list[str]:
    return [m["text"] for m in await siilo.arrived("dan", conversation)]
