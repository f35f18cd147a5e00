"""Work that must never end: whatever goes wrong in it unexpectedly is said, and it begins again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bridge.errors import where

log = logging.getLogger(__name__)
_FIRST, _LONGEST = 1.0, 60.0  # s before it begins again


async def endless(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run ``work``, which should not return, until cancelled; ``name`` is for the log."""
    wait = _FIRST
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            await work()
        except Exception as bug:
            log.error("%s: failed unexpectedly and begins again: %s", name, where(bug))
        if loop.time() - began > 10 * _LONGEST:
            wait = _FIRST
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST)
