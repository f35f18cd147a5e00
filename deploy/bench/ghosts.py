"""What a ghost costs the hub: memory while it is active, processor time to make it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from deploy.bench.cost import Bench, world
from deploy.bench.hub import rpps


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """Memory before and after ``count`` ghosts have each a device, keys, a room and have spoken in it."""
    count = 20 if quick else 1000
    async with world(folder, 1, unlisted=count) as bench:
        await _speak(bench, ["u0"])
        await bench.hub.quiet()
        bare, cpu = bench.hub.rss_kib(), bench.hub.cpu_ms()
        await _gathered(bench.product.declare(f"u{n}", rpps(n)) for n in range(1, count + 1))
        await bench.hub.quiet(1.0)
        made = bench.hub.cpu_ms() - cpu
        await _speak(bench, [f"u{n}" for n in range(1, count + 1)])
        await bench.hub.quiet(1.0)
        full = bench.hub.rss_kib()
    return {
        "memory_mib_without_ghosts": bare / 1024,
        f"memory_mib_with_{count}_active_ghosts": full / 1024,
        "memory_kib_per_active_ghost": (full - bare) / count,
        "ghost_cpu_ms": made / count,
    }


async def _speak(bench: Bench, users: list[str]) -> None:
    """Each in a chat of their own with ben."""
    to = f"matrix:{bench.ben.mxid}"
    idents = await _gathered(bench.product.write(user, f"chat-{user}", "Bonjour", to) for user in users)
    await bench.product.delivered([str(ident) for ident in idents])


async def _gathered(work: object, at_once: int = 16) -> list[object]:
    slots = asyncio.Semaphore(at_once)

    async def one(job: object) -> object:
        async with slots:
            return await job  # type: ignore[misc]

    return await asyncio.gather(*(one(job) for job in work))  # type: ignore[attr-defined]
