"""Whether the keys of the seal are the keys with which a database was made: a key's name proves nothing.

A known text is kept sealed with each key. A key that does not open its own text is another key under the same name: a
wrong file after a restore, or ``liaison key`` that was run twice. The hub does not start with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from appservice.e2ee import seeds_context
from bridge.config import BadConfig
from bridge.db import Component, Database
from bridge.seal import Seal, SealBroken

COMPONENT = Component("process", Path(__file__).parent / "sql")
_CONTEXT = "proof of a seal key"
_TEXT = b"Liaison"


def wrong(seal: Seal, proofs: Mapping[str, bytes]) -> list[str]:
    """The ids of keys that are not those of these proofs (key id: sealed text). A missing key is no wrong one."""
    return sorted(name for name, sealed in proofs.items() if name in seal.names and not _opens(seal, sealed, _CONTEXT))


def refusal(names: Iterable[str]) -> str:
    """One line for each wrong key: what is wrong, and what to do."""
    remedy = "put the file back that was there before (your backup of /etc/liaison has it)"
    return "\n".join(f"seal.keys.{one} is not the key that this database was made with: {remedy}" for one in names)


async def prove(db: Database, seal: Seal) -> None:
    """Prove every key, and keep a proof of each that has none. Raises BadConfig for a wrong one."""
    proofs = {str(row["key_id"]): bytes(row["sealed"]) for row in await db.all("process.proofs")}
    new = [name for name in seal.names if name not in proofs]
    strange = [name for name in new if not await _opens_what_it_sealed(db, seal, name)]
    if bad := sorted({*wrong(seal, proofs), *strange}):
        raise BadConfig(refusal(bad))
    if new:
        async with db.transaction("process.proof") as tx:
            await tx.many("process.proof", [(name, seal.seal_with(name, _TEXT, _CONTEXT)) for name in new])


async def _opens_what_it_sealed(db: Database, seal: Seal, name: str) -> bool:
    """A database of an earlier version has no proofs, and ghosts whose seeds are sealed."""
    row = await db.one("process.sealed-before", name)
    return row is None or _opens(seal, bytes(row["seeds"]), seeds_context(row["user_id"]))


def _opens(seal: Seal, sealed: bytes, context: str) -> bool:
    try:
        seal.open(sealed, context)
    except SealBroken:
        return False
    return True
