"""A hub in a process of its own that is about to be killed: finishes what an earlier life left, then posts one mail.

It is forked (see :mod:`deploy.world.forking`) with ``DATABASE HOMESERVER PORT MXID DONE FAILPOINT [out]``: mails 0 to
DONE - 1 are posted again (nothing may come of it), then ``out`` posts one more. It says on its standard output when the
failpoint is set (``armed``) and what its mail network was given (``mail ID SHA256``).
"""

from __future__ import annotations

import asyncio
import hashlib
import sys

from bridge.model import Delivery, File, Kind, Ref
from bridge.parts import failpoint
from tests.matrix.make import SPACE, Node, hub, settings, trusted

BOX = f"resultats@{SPACE}"
SCAN = File("plaie.png", "image/png", bytes(5000))


async def live(url: str, homeserver: str, port: int, mxid: str, done: int, target: str, out: bool) -> None:
    """One life."""
    async with hub(url, settings(homeserver), trusted, port, mailed=tell) as node:
        await node.homeserver.call("POST", "/_matrix/client/v1/appservice/liaison/ping", {})
        for number in range(done):
            await write(node, mxid, number)
        await settled(node)
        arm(target)
        print("armed", flush=True)
        if out:
            await write(node, mxid, done)
        await asyncio.sleep(60)


async def settled(node: Node) -> None:
    """Until everything is delivered."""
    while await left(node) or not node.matrix.idle:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def left(node: Node) -> bool:
    """Whether something waits for a network."""
    networks = (node.matrix.network, node.product.network, node.mail.network)
    return any([await node.db.all("store.lanes_of", network, 0, 1) for network in networks])


def arm(target: str) -> None:
    """From now on the failpoint kills."""
    name, _, count = target.rpartition(":")
    failpoint._target, failpoint._left, failpoint.ACTIVE = name, int(count or 1), bool(name)


async def write(node: Node, mxid: str, number: int) -> None:
    """A text with two files, and a reaction to it."""
    pdf = File(f"cr {number}.pdf", "application/pdf", str(number).encode() * 3000)
    await node.post(BOX, f"mail {number}", pdf, SCAN, to=(f"matrix:{mxid}",), ref=f"{number}")
    await settled(node)  # a reaction finds its target once that is delivered
    about = Ref("mail", f"{number}")
    await node.post(BOX, "✅", kind=Kind.REACTION, reply_to=about, ref=f"{number} reaction")


def tell(delivery: Delivery) -> None:
    """What the mail network is given."""
    for file in delivery.body.files:
        print("mail", delivery.id, hashlib.sha256(file.data).hexdigest(), flush=True)


def main() -> None:
    """In the forked process."""
    _, url, homeserver, port, mxid, done, target, *out = sys.argv
    asyncio.run(live(url, homeserver, int(port), mxid, int(done), target, bool(out)))
