"""Watches how long SQLite's only writer is held: between a transaction's statements nothing else may be awaited.

Statements run inline, so the event loop never turns while a transaction is open, unless something else is awaited. The
directory of the tests is one of memory: here each question costs a turn, as one that is asked over a network does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from tests.clock import during

Transaction = Callable[[Any, str], AbstractAsyncContextManager[Any]]


def transactions(real: Transaction, held: Callable[[str], None]) -> Transaction:
    """``real``, and ``held`` hears the name of each transaction during which the loop turned."""

    @asynccontextmanager
    async def watched(db: Any, name: str) -> AsyncIterator[Any]:
        async with during(real(db, name)) as tx:
            turn = asyncio.get_running_loop().create_future()
            handle = asyncio.get_running_loop().call_soon(turn.cancel)
            try:
                yield tx
            finally:
                handle.cancel()
                if turn.cancelled():
                    held(name)

    return watched


def far_away(question: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """A question to a directory that takes a turn of the event loop."""

    async def asked(directory: Any, *args: Any) -> Any:
        await asyncio.sleep(0)
        return await question(directory, *args)

    return asked
