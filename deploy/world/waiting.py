"""Waiting for a state. The bound is for failures: a machine that is many times slower than usual does not reach it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 120.0  # seconds
STARTING = 240.0  # seconds for a server that has to come up, with others beside it


async def until(true: Callable[[], object], what: str = "", patience: float = PATIENCE, pause: float = 0.005) -> None:
    """Wait for a condition that comes about by itself. Raises TimeoutError that names ``what``, or the place."""
    try:
        async with asyncio.timeout(patience):
            while not true():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(pause)
    except TimeoutError:
        place = true.__code__ if not what and hasattr(true, "__code__") else None
        what = what or (f"{place.co_filename}:{place.co_firstlineno}" if place else "it")
        raise TimeoutError(f"{what} did not happen in {patience:.0f} s") from None


async def wait_for(look: Callable[[], Awaitable[T | None]], what: str, patience: float = PATIENCE) -> T:
    """Look until there is something to see. Raises TimeoutError that names ``what``."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        found = await look()
        if found:
            return found
        if loop.time() > deadline:
            raise TimeoutError(f"waited {patience:.0f} s in vain for {what}")
        await asyncio.sleep(0.05)
