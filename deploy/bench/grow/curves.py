"""Curves: measured points of every axis, and whether they are flat."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from deploy.bench.grow.axes import Axis
from deploy.bench.grow.measure import Effort, point
from deploy.bench.put import putting

Say = Callable[[str], None]
FLAT = 1.25
"""A message may cost so many times as much at the largest size: two equal hubs differ by as much on a busy machine."""


async def curve(
    axis: Axis, sizes: Sequence[int], folder: Path, urls: Sequence[str | None], effort: Effort, say: Say
) -> list[dict[str, Any]]:
    """Measure one axis. ``urls``: of the databases of the hub that grows and of the one that stays small."""
    found = []
    async with AsyncExitStack() as stack:
        one, fill = await stack.enter_async_context(axis.open(folder / "grows", urls[0], sizes))
        small, fill_small = await stack.enter_async_context(axis.open(folder / "small", urls[1], sizes))
        whose = (one.setup.homeserver, one.setup.as_token, one.setup.ghost(0))
        put = await stack.enter_async_context(putting(*whose))
        await small.stop()
        await fill_small(0, sizes[0])
        await small.start()
        size = 0
        for wanted in sizes:
            await one.stop()
            await fill(size, wanted)
            size, bytes_ = wanted, await one.size()
            await one.start()
            found.append((await point(one, small, put, bytes_, effort, size)).json())
            say(f"{axis.name}: {found[-1]}")
    shutil.rmtree(folder, ignore_errors=True)
    return found


def is_flat(points: Sequence[dict[str, Any]]) -> bool:
    """Whether a message costs the largest hub what it costs a small one."""
    return all(points[-1][f"share_to_{way}"] <= FLAT for way in ("matrix", "product"))
