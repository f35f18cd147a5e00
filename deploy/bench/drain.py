"""Mails that wait for another operator when a hub starts: what each costs the hub, with few and with many waiting."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from appservice.process.app import running
from bridge.config import read_config
from bridge.hub.hub import now_ms
from bridge.model import MAIL, Address
from bridge.networks.mail.leg.ledger import Ledger, Posted
from bridge.store.conversation import message_id
from deploy.bench.hub import Setup, hub, rpps
from deploy.bench.operators import OURS, THEIRS, Operators, operators
from deploy.bench.planting import Planting
from deploy.bench.product import product
from deploy.bench.sender import Letter
from deploy.world.ports import free_port

_EACH = 10  # mails of one conversation
_AT_ONCE = 500  # mails in one transaction
_WRITER, _BOX = "pandalab", f"a0@{THEIRS}"
_PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Drained:
    """Of a hub that was started with mails waiting: processor time in all (ms), and seconds until the last had gone."""

    cpu_ms: float
    seconds: float


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """The figures. Raises RuntimeError where Postfix cannot be started (not root, or not there)."""
    few, many = (20, 100) if quick else (1_000, 10_000)
    async with operators(folder / "operators") as made:
        nothing = await _drained(folder / "0", made, 0)
        small, large = [await _drained(folder / str(count), made, count) for count in (few, many)]
    each = [(found.cpu_ms - nothing.cpu_ms) / count for found, count in ((small, few), (large, many))]
    return {
        "mail_waiting_1k_cpu_ms_per_mail": each[0],
        "mail_waiting_10k_cpu_ms_per_mail": each[1],
        "mail_waiting_10k_share_of_1k": each[1] / each[0],
        "mail_waiting_10k_per_s": many / large.seconds,
    }


async def _drained(folder: Path, made: Operators, count: int) -> Drained:
    async with product() as writer:
        setup = Setup(folder, f"http://127.0.0.1:{free_port()}", "stub.example", 1, mail=made.section())
        config = setup.write(writer)
        if count:
            await _plant(config, count)
        begun = time.monotonic()
        async with hub(setup, writer, config) as one:
            await _gone(folder / "hub.db")
            took = time.monotonic() - begun
            await one.quiet()
            return Drained(one.cpu_ms(), took)


async def _gone(path: Path) -> None:
    """Until no mail waits any more, and every writer was told."""
    async with asyncio.timeout(_PATIENCE):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            while db.execute("SELECT 1 FROM mail_to WHERE state = 'queued' OR told < 2 LIMIT 1").fetchone():  # noqa: ASYNC110
                await asyncio.sleep(0.2)


async def _plant(config: Path, count: int) -> None:
    """Conversations of a product's user with a mailbox of the other operator, all of whose messages are in mails."""
    read, since = read_config(config), now_ms() - count - 60_000
    people = (f"rpps:{rpps(0)}", Address(_WRITER, "u0")), (f"{MAIL}:{_BOX}", Address(MAIL, _BOX))
    planting = Planting(count // _EACH, *people, since, each=_EACH)
    places = [(n, k) for k in range(_EACH) for n in range(count // _EACH)]
    async with running(read) as parts:
        db, ledger = parts.core.db, Ledger(parts.core.db, read.seal.open())
        await ledger.start()
        await planting.plant(db, read.seal.open())
        for begin in range(0, count, _AT_ONCE):
            await _post(ledger, planting, places[begin : begin + _AT_ONCE])
    with closing(sqlite3.connect(config.parent / "hub.db")) as kept:
        kept.execute("DELETE FROM delivery")  # the mail leg has them
        kept.commit()


async def _post(ledger: Ledger, planting: Planting, places: Sequence[tuple[int, int]]) -> None:
    async with ledger.db.transaction("bench.planting") as tx:
        for n, k in places:
            ident = f"m{n}.{k}"
            raw = Letter(ident, f"salon-{n}@{OURS}", _BOX, f"marque-{n}-{k}").raw()
            mid = f"{ident}@{OURS}"
            await tx.run("store.add_ref", MAIL, ident, message_id(planting.ref(n, k)))
            await ledger.post(tx, Posted(ident, mid, f"salon-{n}@{OURS}", (_BOX,), (ident,), raw, planting.since))
