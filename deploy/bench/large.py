"""A person invites many ghosts at once: the time until the first message has arrived, and what Synapse alone takes."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from urllib.parse import quote

from deploy.bench.hub import rpps
from deploy.bench.real import World, gathered, timed, world
from deploy.world.stub.human import Human

_AT_ONCE = 16


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """Seconds from the room's creation, in turns with an application service that only lets its ghosts join."""
    count, rounds = (10, 1) if quick else (199, 1)
    bare, joined, heard = list[float](), list[float](), list[float]()
    async with world(folder, 0, count) as w:
        await gathered((w.bench.product.declare(f"u{n}", rpps(n)) for n in range(count)), _AT_ONCE)
        await gathered((w.bare.make(n) for n in range(count)), _AT_ONCE)
        await w.bench.hub.quiet(2.0)
        for _ in range(rounds):
            bare.append(await _bare(w, count))
            all_in, first = await _hub(w, count)
            joined.append(all_in)
            heard.append(first)
    return {
        "large_room_ghosts": float(count),
        "large_room_first_message_s": statistics.median(heard),
        "large_room_joined_s": statistics.median(joined),
        "large_room_bare_joined_s": statistics.median(bare),
        "large_room_joined_ratio": statistics.median(a / b for a, b in zip(joined, bare, strict=True)),
    }


async def _bare(w: World, count: int) -> float:
    """The bare joins, as many at once."""
    users = [w.bare.ghost(n) for n in range(count)]
    room = await w.bench.ben.create_room(*users)
    path = f"/join/{quote(room, safe='')}"
    return await timed(gathered((w.bare.call("POST", path, {}, user) for user in users), _AT_ONCE))


async def _hub(w: World, count: int) -> tuple[float, float]:
    """Until all of the hub's ghosts are in the room, and until the product has what was said at once."""
    ben, users = w.bench.ben, [w.setup.ghost(n) for n in range(count)]
    room = await ben.create_room(*users)
    start, text = time.perf_counter(), f"first in {room}"
    _, everybody = await asyncio.gather(ben.say(room, text), _all_in(ben, room, count + 1))
    await w.bench.product.until(lambda: text in w.bench.product.arrived)
    await w.bench.hub.quiet()
    return everybody - start, w.bench.product.arrived[text] - start


async def _all_in(ben: Human, room: str, count: int) -> float:
    """When as many people have joined."""
    while len(await ben.joined(room)) < count:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    return time.perf_counter()
