"""Conversations that wait for a product that is away: what they cost a hub that starts, and another product's users."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from appservice.process.app import running
from bridge.config import read_config
from bridge.hub.hub import now_ms
from bridge.model import Address
from deploy.bench.hub import OTHERS, Hub, Setup, hub, rpps
from deploy.bench.planting import Planting
from deploy.bench.product import Product, product
from deploy.world.ports import free_port

_WATCHED = 10.0  # s in which the processor of a hub that only waits is looked at
_WRITER, _THERE, _AWAY = "pandalab", "arcad", "siilo"


@dataclass(slots=True)
class Found:
    """What was measured with so many conversations waiting."""

    ready_s: float = 0.0
    others_p99_ms: float = 0.0
    others_median_ms: float = 0.0
    rss_mib: float = 0.0
    idle_cpu_share: float = 0.0
    stop_s: float = 0.0


@asynccontextmanager
async def _products() -> AsyncIterator[tuple[Product, Product, Product]]:
    """One that writes, one that takes what is written, one that nobody reaches."""
    async with product() as writer, product() as there:
        away = Product()
        away.url = f"http://127.0.0.1:{free_port()}/webhook"
        yield writer, there, away


async def _waiting(folder: Path, conversations: int, messages: int) -> Found:
    found = Found()
    async with _products() as (writer, there, away):
        setup = Setup(
            folder, f"http://127.0.0.1:{free_port()}", "stub.example", 1, products={_THERE: there, _AWAY: away}
        )
        config = setup.write(writer)
        await _plant(config, conversations)
        begun = time.monotonic()
        async with hub(setup, writer, config) as one:
            found.ready_s = time.monotonic() - begun
            there.hub = writer.hub
            await _others(found, writer, there, messages)
            await _idle(found, one)
            begun = time.monotonic()
        found.stop_s = time.monotonic() - begun
    return found


async def _plant(config: Path, conversations: int) -> None:
    read = read_config(config)
    async with running(read) as parts:
        people = Address(_WRITER, "u0"), Address(_AWAY, "u")
        writer, reader = (f"rpps:{rpps(0)}", people[0]), (f"rpps:{rpps(OTHERS + 1)}", people[1])
        planting = Planting(conversations, writer, reader, now_ms() - conversations - 60_000)
        await planting.plant(parts.core.db, read.seal.open())


async def _others(found: Found, writer: Product, there: Product, messages: int) -> None:
    """Messages of one product to another, one after the other, from the hub's first moment on."""
    took = []
    for n in range(messages):
        begun = time.perf_counter()
        await writer.write("u0", "beside", f"beside {n}", f"rpps:{rpps(OTHERS)}" if n == 0 else None)
        await there.until(lambda n=n: f"beside {n}" in there.arrived)
        took.append((there.arrived[f"beside {n}"] - begun) * 1000)
        await asyncio.sleep(0.02)
    found.others_p99_ms = statistics.quantiles(took, n=100)[98]
    found.others_median_ms = statistics.median(took)


async def _idle(found: Found, one: Hub) -> None:
    await one.quiet(1.0)
    before = one.cpu_ms()
    await asyncio.sleep(_WATCHED)
    found.idle_cpu_share = (one.cpu_ms() - before) / (_WATCHED * 1000)
    found.rss_mib = one.rss_kib() / 1024


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """The figures, with few and with many waiting."""
    few, many = (2, 2000) if quick else (2, 100_000)
    figures: dict[str, float] = {}
    for name, count in (("2", few), ("100k", many)):
        found = await _waiting(folder / name, count, 20 if quick else 300)
        figures |= {
            f"waiting_{name}_ready_s": found.ready_s,
            f"waiting_{name}_others_p99_ms": found.others_p99_ms,
            f"waiting_{name}_others_median_ms": found.others_median_ms,
            f"waiting_{name}_rss_mib": found.rss_mib,
            f"waiting_{name}_idle_cpu_share": found.idle_cpu_share,
            f"waiting_{name}_stop_s": found.stop_s,
        }
    return figures
