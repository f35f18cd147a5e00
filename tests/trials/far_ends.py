"""The far ends of the trials' world, as the scenarios drive them."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from bridge.connector import Capabilities
from bridge.kinds import EVERYWHERE
from bridge.model import Kind
from bridge.networks.connect.profiles import PROFILES
from bridge.networks.mail.leg.connector import MailConnector
from deploy.world.client import RustClient
from deploy.world.world import World
from tests.scenarios.mail_end import MailEnd
from tests.scenarios.matrix_end import MatrixEnd
from tests.scenarios.product_end import ProductEnd

ACTS = (Kind.EDIT, Kind.REMOVAL, Kind.REACTION)


@asynccontextmanager
async def able(world: World, products: Collection[str]) -> AsyncIterator[None]:
    """These products declare everything; afterwards nothing, as other trials know them."""
    try:
        for name in products:
            answer = await world.products[name].call("PUT", "/capabilities", {"kinds": [kind.value for kind in ACTS]})
            assert answer["status"] == 200, answer
        yield
    finally:
        for name in products:
            await world.products[name].call("PUT", "/capabilities", {"kinds": []})


def matrix_end(world: World, client: RustClient, name: str = "matrix") -> MatrixEnd:
    """Somebody with a Matrix client."""
    kinds = EVERYWHERE | {Kind.EDIT, Kind.REMOVAL, Kind.REACTION, Kind.POLL, Kind.VOTE, Kind.POLL_END}
    return MatrixEnd(client, Capabilities(files=True, mentions=True, kinds=kinds), world.hub.voice, name)


def product_end(world: World, name: str, user: str, *kinds: Kind, called: str = "") -> ProductEnd:
    """A user of a product that has declared these kinds."""
    able = dataclasses.replace(PROFILES[name].capabilities, threads=True, kinds=EVERYWHERE | set(kinds))
    return ProductEnd(world.products[name], user, able, world.hub.connect, world.kept.products[name].token, called)


def mail_end(world: World, address: str, name: str, called: str = "mail") -> MailEnd:
    """Somebody with a mailbox."""
    operator = world.mail.operators[address.rpartition("@")[2]]
    return MailEnd(world.mail.mailbox(address, name), operator, MailConnector.capabilities, called)
