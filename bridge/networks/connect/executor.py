"""One thread for what is large: the event loop goes on, and the copies that JSON and base64 need are made in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_THREAD = ThreadPoolExecutor(1, "connect-large")  # one: what it frees is used again by the next


async def in_executor(work: Callable[[], T]) -> T:
    """Do it in the thread, after what was asked for before."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)
