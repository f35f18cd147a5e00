"""Whoever comes while it is noted that a message waits for them is not forgotten."""

from __future__ import annotations

import pytest

from bridge.db import Tx
from bridge.db.postgres import Postgres
from bridge.errors import Unavailable
from bridge.model import Delivery, Ref
from bridge.store.conversation import message_id
from tests.core.make import World, running

BEN = "matrix:@ben:chu.example"


def _away(_: Delivery) -> None:
    raise Unavailable("away", alone=True)


async def state(w: World, message: str) -> tuple[str, str]:
    """Who the one recipient is, and their state."""
    [row] = await w.db.all("store.recipients", message)
    return row["person"], row["state"]


async def waits(tx: Tx, message: str, who: str) -> None:
    """As it is noted with the network's name of the message."""
    await tx.one("store.taken", message, who, "matrix", 2, None)
    await tx.run("store.await", message, "matrix", who, 2, 0)


@pytest.mark.parametrize("meanwhile", [False, True], ids=["before", "meanwhile"])
async def test_who_comes_while_it_is_noted_that_they_are_waited_for(url: str, meanwhile: bool) -> None:
    async with running(url) as w:
        if meanwhile and not isinstance(w.db, Postgres):
            return  # a file has one transaction at a time
        w.matrix.before = _away
        accepted = await w.pandalab.write("p0", "A", "cleo", "bonjour", [BEN])
        message, where = message_id(Ref("pandalab", "p0")), (accepted.conversation, "matrix")
        who, _ = await state(w, message)
        come = w.store.outcomes.arrived
        async with w.db.transaction("test") as tx:
            assert not await come(tx, *where, who, 3, None)
            if meanwhile:
                async with w.db.transaction("test") as other:
                    await waits(other, message, who)
        if not meanwhile:
            async with w.db.transaction("test") as tx:
                await waits(tx, message, who)
        assert await state(w, message) == (who, "sent")
        async with w.db.transaction("test") as tx:  # looked at once more, when that is on disk
            assert await come(tx, *where, who, 3, None)
        assert await state(w, message) == (who, "delivered")
        assert await w.db.all("store.kept", "matrix", accepted.conversation, who) == []
