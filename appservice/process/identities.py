"""`liaison identity`: somebody's encryption identity is another one: the operator looks, asks them, and accepts it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from appservice.e2ee.model import IdentityOf
from appservice.operating.asking import ask
from appservice.operating.door import Act
from appservice.process.matrix import Matrix
from bridge.config import BadConfig, Config
from bridge.db import Database
from bridge.errors import Refused
from bridge.hub.hub import now_ms
from bridge.model import MATRIX
from bridge.trail.entry import TrailEntry, TrailKind, note

Json = dict[str, Any]


def acts(matrix: Matrix, db: Database) -> Mapping[str, Act]:
    """What the hub does when it is asked."""

    async def identity(asked: Json) -> Json:
        return _shown(await matrix.engine.identity(asked["user"]))

    async def accept(asked: Json) -> Json:
        await matrix.accept_identity(asked["user"], asked["key"])
        async with db.transaction("operator.identity") as tx:
            whose = f"{MATRIX}:{asked['user']}"
            await note(
                tx,
                TrailEntry(TrailKind.OPERATOR, asked.get("by", "operator"), whose, None, "identity_accepted"),
                now_ms(),
            )
        return _shown(await matrix.engine.identity(asked["user"]))

    return {"identity": identity, "accept-identity": accept}


def _shown(known: IdentityOf) -> Json:
    return {
        "user": known.user,
        "pinned": known.pinned,
        "served": known.served,
        "changed": known.changed,
        "devices": known.devices,
        "rooms": len(known.rooms),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose, and which identity is accepted."""
    parser.add_argument("user", help="their Matrix id, @name:server")
    parser.add_argument("--accept", metavar="KEY", help="the new identity, as shown and as its owner confirms it")


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Ask the running hub and print. Raises BadConfig, Unavailable (no hub answers)."""
    if not asked.user.startswith("@") or ":" not in asked.user:
        raise BadConfig(f"{asked.user}: a Matrix id has the form @name:server; `liaison who` knows it")
    try:
        if asked.accept is None:
            _print(await ask(config, "identity", {"user": asked.user}))
        else:
            _print(await ask(config, "accept-identity", {"user": asked.user, "key": asked.accept}))
    except Refused as refused:
        print(f"{refused.code}: {refused.about}")
        return 1
    return 0


def _print(known: Json) -> None:
    if known["served"] is None and known["pinned"] is None:
        print(f"{known['user']}  has no encryption identity that the hub knows")
        return
    print(f"{known['user']}  {'CHANGED' if known['changed'] else 'as known'}")
    print(f"  known to the hub  {known['pinned'] or 'none'}")
    print(f"  served now        {known['served'] or 'none'}")
    for device, signed in sorted(known["devices"].items()):
        print(f"  device {device}  {'signed' if signed else 'not signed'}")
    if known["rooms"]:
        print(f"  messages are kept for them in {known['rooms']} rooms")
    if known["changed"]:
        print("  Ask them (by telephone, in person) whether they have reset it. If so:")
        print(f"  liaison identity {known['user']} --accept {known['served']}")
