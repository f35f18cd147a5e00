"""A message and its read receipt in a conversation of 100,000 old messages, beside the same in a new conversation."""

from __future__ import annotations

import sqlite3
import statistics
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path

from appservice.process.app import running
from bridge.config import read_config
from bridge.model import Address
from deploy.bench.hub import OTHERS, Hub, Setup, hub, rpps
from deploy.bench.planting import Planting
from deploy.bench.product import Product, product
from deploy.world.ports import free_port

_WRITER, _READER = "pandalab", "arcad"
_OLD, _NEW = "waiting-0", "new"  # the old one is planted


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """The figures; both conversations are in one hub and take turns."""
    old, count, rounds = (500, 10, 1) if quick else (100_000, 100, 5)
    async with AsyncExitStack() as stack:
        writer = await stack.enter_async_context(product())
        reader = await stack.enter_async_context(product())
        setup = Setup(folder, f"http://127.0.0.1:{free_port()}", "stub.example", 1, products={_READER: reader})
        config = setup.write(writer)
        await _plant(config, folder, old)
        one = await stack.enter_async_context(hub(setup, writer, config))
        reader.hub = writer.hub
        await _exchange(writer, reader, _NEW, "begin", f"rpps:{rpps(OTHERS)}")
        await _exchange(writer, reader, _OLD, "again")  # reads everything that is old
        found = [(await _cost(one, writer, reader, c, n, count)) for n in range(rounds) for c in (_NEW, _OLD)]
    new, aged = found[::2], found[1::2]
    return {
        "receipt_cpu_ms": statistics.median(new),
        "receipt_cpu_100k_old_ms": statistics.median(aged),
        "receipt_cpu_100k_old_share": statistics.median(b / a for a, b in zip(new, aged, strict=True)),
    }


async def _plant(config: Path, folder: Path, old: int) -> None:
    """Messages that have arrived and are not read."""
    read = read_config(config)
    people = Address(_WRITER, "u0"), Address(_READER, "u")
    since = time.time_ns() // 1_000_000 - old - 60_000
    planting = Planting(1, (f"rpps:{rpps(0)}", people[0]), (f"rpps:{rpps(OTHERS)}", people[1]), since, each=old)
    async with running(read) as parts:
        await planting.plant(parts.core.db, read.seal.open())
    with closing(sqlite3.connect(folder / "hub.db")) as db:
        db.execute("DELETE FROM delivery")
        db.execute("UPDATE recipient SET state = 'delivered'")
        db.commit()


async def _exchange(writer: Product, reader: Product, chat: str, text: str, to: str | None = None) -> None:
    await writer.write("u0", chat, f"{chat} {text}", to)
    await reader.until(lambda: f"{chat} {text}" in reader.ids)
    await reader.read("u", f"{chat} {text}")


async def _cost(one: Hub, writer: Product, reader: Product, chat: str, turn: int, count: int) -> float:
    """Milliseconds of the hub's processor for a message and its receipt, news of both included."""
    await one.quiet()
    before = one.cpu_ms()
    for n in range(count):
        await _exchange(writer, reader, chat, f"{turn}/{n}")
    await one.quiet()
    return (one.cpu_ms() - before) / count
