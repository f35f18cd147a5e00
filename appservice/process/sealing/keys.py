"""Which keys of the seal are needed: an old one may go once nothing is sealed with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from appservice.operating.door import Act
from appservice.operating.overview import SealStand
from appservice.process import proof
from appservice.process.sealing.columns import SealedColumn, of
from appservice.process.sealing.resealing import Resealing, sealed_with
from bridge.config import BadConfig
from bridge.db import Component, Database
from bridge.hub.hub import now_ms
from bridge.seal import Seal
from bridge.trail.entry import TrailEntry, TrailKind, note

Json = dict[str, Any]
_NEEDED = (
    "seal.keys: the key {name} is missing, and something is sealed with it ({where}): give it back. The hub seals "
    "everything anew with the active key while it runs, and `liaison seal` says when the old one may go. If nobody "
    "has it "
    "any more: `liaison seal --lost {name}`, once; what it has sealed is lost"
)


async def begin(db: Database, seal: Seal, tables: Collection[Component]) -> Resealing:
    """At a start: every key is right, and none that is needed is missing. Raises BadConfig."""
    await proof.prove(db, seal)
    resealing = Resealing(db, seal, of(tables), now_ms)
    await let_go(db, seal, resealing.columns)
    return resealing


async def let_go(db: Database, seal: Seal, columns: Sequence[SealedColumn]) -> None:
    """Forget keys that were taken out of the configuration. Raises BadConfig where something is sealed with one."""
    known = {str(row["key_id"]) for row in await db.all("process.proofs")}
    for name in seal.missing(known):
        if needed := await sealed_with(db, columns, name):
            raise BadConfig(_NEEDED.format(name=name, where=", ".join(needed)))
        await forget(db, name)


async def forget(db: Database, name: str, *, lost: bool = False) -> None:
    """A key is not needed any more, or nobody has it."""
    async with db.transaction("process.proof") as tx:
        await tx.run("process.proof-gone", name)
        about = "seal_key_lost" if lost else "seal_key_gone"
        await note(tx, TrailEntry(TrailKind.OPERATOR, "operator", name, None, about), now_ms())


async def standing(db: Database, seal: Seal, resealing: Resealing) -> SealStand:
    """How far everything is sealed anew, and which other keys have a proof. Raises Unavailable."""
    found, names = await resealing.passes(), {column.name for column in resealing.columns}
    passes = [one for name, one in found.items() if one.active == seal.active and name in names]
    proofs = {str(row["key_id"]) for row in await db.all("process.proofs")}
    done = sum(one.done_at is not None for one in passes)
    return SealStand(
        active=seal.active, others=tuple(sorted(proofs - {seal.active})), columns=len(resealing.columns),
        done=done, seen=sum(one.seen for one in passes),
        changed=sum(one.changed for one in passes), kept=sum(one.kept for one in passes),
        began_at=min((one.began_at for one in passes if one.began_at), default=0),
        worked_at=max((one.at for one in passes), default=0),
    )  # fmt: skip


def acts(db: Database, seal: Seal, resealing: Resealing) -> Mapping[str, Act]:
    """What the hub answers."""

    async def asked(_: Json) -> Json:
        return asdict(await standing(db, seal, resealing))

    return {"seal": asked}
