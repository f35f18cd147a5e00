"""What an edit, a removal and a reaction cost beside a text; a message, a rotation and a join in a large room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from deploy.bench.cost import TEXT, Bench, rooms, world
from deploy.bench.hub import rpps

_AT_ONCE = 16


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """Milliseconds of the hub's processor; shares are of a text in the same run."""
    count = 8 if quick else 320
    async with world(folder / "few", 4) as bench:
        found = await _kinds(bench, count)
    ghosts = 6 if quick else 100
    async with world(folder / "many", 1, unlisted=ghosts) as bench:
        return found | await _large(bench, ghosts, 4 if quick else 40)


async def _kinds(bench: Bench, count: int) -> dict[str, float]:
    """From the product to encrypted rooms, each of so many texts corrected, reacted to, and taken back."""
    await rooms(bench, 4)
    sent = list[tuple[str, str]]()

    async def texts(n: int) -> None:
        for k in range(count // 4):
            sent.append((f"u{n}", await bench.product.write(f"u{n}", f"chat{n}", f"{TEXT}{k}")))
        await bench.product.delivered([ident for user, ident in sent if user == f"u{n}"])

    async def every(change: Callable[[str, str, str], Awaitable[None]]) -> None:
        async def each(n: int) -> None:
            for user, ident in sent:
                if user == f"u{n}":
                    await change(user, f"chat{n}", ident)

        await asyncio.gather(*map(each, range(4)))

    product = bench.product
    costs = {
        "text": await _cost(bench, asyncio.gather(*map(texts, range(4)))),
        "edit": await _cost(bench, every(lambda user, chat, ident: product.edit(user, chat, ident, f"{TEXT}!"))),
        "reaction": await _cost(bench, every(lambda user, chat, ident: product.react(user, chat, ident, "👍"))),
        "removal": await _cost(bench, every(product.remove)),
    }
    return {
        f"{name}_cpu_share_of_text_to_matrix": cost / costs["text"] for name, cost in costs.items() if name != "text"
    }


async def _cost(bench: Bench, work: Awaitable[object]) -> float:
    """Of all of it, until the hub has come to rest."""
    before = bench.hub.cpu_ms()
    await work
    await bench.hub.quiet(1.0)
    return bench.hub.cpu_ms() - before


async def _large(bench: Bench, ghosts: int, count: int) -> dict[str, float]:
    """A room of the human with so many ghosts."""
    product, ben, setup = bench.product, bench.ben, bench.hub.setup
    users = [setup.ghost(n) for n in range(1, ghosts + 1)]
    for n in range(ghosts + 1):
        await product.declare(f"u{n}", rpps(n))
    room = await ben.create_room(*users)
    while len(await ben.joined(room)) < ghosts + 1:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await ben.say(room, "premier")
    await product.until(lambda: "premier" in product.arrived)
    await bench.hub.quiet(1.0)
    chat = product.chats["premier"]

    async def heard(n: int) -> None:
        await ben.say(room, f"{TEXT}{n}")
        await product.until(lambda: f"{TEXT}{n}" in product.arrived)

    async def all_heard() -> None:
        for n in range(count):
            await heard(n)

    async def said() -> None:
        idents = [await product.write("u1", chat, f"{TEXT}s{n}") for n in range(count)]
        await product.delivered(idents)

    await product.delivered([await product.write("u1", chat, "deuxième")])
    return {
        "room_100_ghosts": float(ghosts),
        "room_100_message_to_product_cpu_ms": await _cost(bench, all_heard()) / count,
        "room_100_message_to_matrix_cpu_ms": await _cost(bench, said()) / count,
        "room_100_join_cpu_ms": await _cost(bench, _one_more(bench, room)),
        "room_100_rotation_cpu_ms": await _cost(bench, _rotated(bench, room)),
    }


async def _one_more(bench: Bench, room: str) -> None:
    """Ben invites one more ghost, which hears what he says then."""
    ghost = bench.hub.setup.ghost(0)
    await bench.ben.member(room, "invite", ghost)
    while ghost not in await bench.ben.joined(room):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await bench.ben.say(room, "bienvenue")
    await bench.product.until(lambda: "bienvenue" in bench.product.arrived)


async def _rotated(bench: Bench, room: str) -> None:
    """The ghost leaves: whoever speaks next has a new session, whose key goes to everybody again."""
    await bench.ben.member(room, "kick", bench.hub.setup.ghost(0))
    product = bench.product
    await product.delivered([await product.write("u1", product.chats["premier"], "après")])
