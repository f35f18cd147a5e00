"""An address that goes to somebody else: what was meant for the one who had it is never handed out there."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial

from bridge.db import Tx
from bridge.errors import Refused
from bridge.model import Accepted, Address, Body, Kind, Member, Message, Person, Ref
from bridge.receiver import Within
from bridge.store.store import Store

Write = Callable[[Message, Person, Sequence[Member], Sequence[str], Within], Awaitable[Accepted]]
"""How the hub writes a message into its chat: by whom, who is added, who is removed, what else is done with it."""


async def leave(store: Store, former: Person, address: Address, write: Write, clock: Callable[[], int]) -> None:
    """Whoever has an address leaves every conversation that reaches them there, and the others hear of it.

    Before the address is somebody else's: what a crash interrupts is completed when the product declares again.
    """
    for row in await store.db.all("store.chats_at", former.id, address.network, address.id):
        ref = Ref(address.network, "left-" + secrets.token_hex(12))
        message = Message(ref, row["chat"], address, Kind.MEMBERS, Body(), clock())
        also = partial(withdraw, conversation=row["conversation"], person=former.id, address=address, now=clock())
        with suppress(Refused):  # they have left meanwhile
            await write(message, former, (), [former.id], also)


async def move_out(store: Store, tx: Tx, changing: ExitStack, person: str, address: Address, now: int) -> None:
    """A person id is reached at an address no more; ``changing`` is left once that is on disk or undone."""
    for row in await tx.all("store.move_out", person, address.network, address.id):
        changing.enter_context(store.changing(row["conversation"]))
        await store.set_audience(tx, row["conversation"])
        await withdraw(tx, row["conversation"], person, address, now)


async def withdraw(
    tx: Tx, conversation: str, person: str, address: Address, now: int, reason: str = "not_reachable"
) -> None:
    """What waits for somebody who can have it no more will not arrive, and its writers are told why."""
    rows = await tx.all("store.withdraw", person, conversation, address.network, now, reason)
    for message in sorted(row["message"] for row in rows):  # in one order everywhere: no deadlock
        await tx.run("store.changed", message)
        await tx.run("store.add_report", message)
    for row in await tx.all("store.end_withdrawn", conversation, address.network):
        await tx.run("store.end_files", row["message"])
