"""Builds and starts everything; the only file that knows everyone."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from appservice.client.homeserver import Homeserver
from appservice.e2ee import COMPONENT as E2EE
from appservice.process import examine
from appservice.process import matrix as matrix_edge
from appservice.process.matrix import Matrix
from appservice.process.settings import MatrixSettings
from bridge.config import BadConfig, Config, validate
from bridge.connector import Connector
from bridge.db import Database, open_database
from bridge.hub.courier import Courier
from bridge.hub.hub import Hub, now_ms
from bridge.model import MAIL, MATRIX, Person
from bridge.networks.connect import ConnectApi, prints
from bridge.networks.mail.leg import ledger as mail_ledger
from bridge.networks.mail.leg.connector import MailConnector
from bridge.people.directory import Directory
from bridge.people.people import People
from bridge.people.trust import trusted_server
from bridge.seal import Seal
from bridge.store import store as core
from bridge.store.store import Store

log = logging.getLogger(__name__)
COMPONENTS = (core.COMPONENT, matrix_edge.COMPONENT, E2EE, mail_ledger.COMPONENT, prints.COMPONENT)


@dataclass(slots=True)
class Parts:
    """Everything of a hub, built and not yet started."""

    config: Config
    db: Database
    directory: Directory
    people: People
    courier: Courier
    hub: Hub
    matrix: Matrix
    api: ConnectApi
    mail: MailConnector | None
    connectors: Mapping[str, Connector]


async def run(config: Config) -> None:
    """Run a hub until SIGTERM or SIGINT. Raises BadConfig, Unavailable (the database cannot be opened)."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with running(config):
        await ended.wait()
        log.info("stopping")


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Parts]:
    """A hub that runs while the block does."""
    async with AsyncExitStack() as stack:
        parts = await _build(config, stack)
        await parts.hub.start()
        await _begin(stack, parts)
        async with asyncio.TaskGroup() as group:
            courier = group.create_task(parts.courier.run())
            people = await _people_to_show(parts)
            parts.matrix.warm(people)
            if parts.mail is not None:
                await parts.mail.give_boxes(people)
            log.info("running, %d networks", len(parts.connectors))
            try:
                yield parts
            finally:
                for connector in parts.connectors.values():
                    await connector.stop()
                await parts.hub.stop()
                courier.cancel()


async def _begin(stack: AsyncExitStack, parts: Parts) -> None:
    begun: list[Connector] = []
    try:
        for name, connector in parts.connectors.items():
            begun.append(connector)
            try:
                await connector.start(parts.hub)
            except OSError as error:  # a port or socket that is not to be had
                raise BadConfig(f"networks.{name}: {examine.said(error)}") from None
        await _serve(stack, parts)  # not before: what comes in needs what the edges have just loaded
    except BaseException:
        for connector in begun:
            await connector.stop()
        raise


async def _build(config: Config, stack: AsyncExitStack) -> Parts:
    settings = validate(MatrixSettings, config.matrix, "matrix")
    seal = config.seal.open()
    api, products = examine.products(config, seal)
    directory = examine.directory(config)
    try:
        db = await open_database(config.database.url, COMPONENTS)
    except ValueError as error:
        raise BadConfig(str(error)) from None
    stack.push_async_callback(db.close)
    homeserver = await stack.enter_async_context(Homeserver(settings.url, settings.read_as_token()))

    def trusted(server: str) -> bool:
        return server == settings.server_name or trusted_server(server, config.trust.matrix_servers)

    mail = _mail(config, db, seal)
    edges: dict[str, Connector] = {**products, **({MAIL: mail} if mail is not None else {})}
    people = People(directory, trusted, settings.names().person, {MATRIX, *edges})
    if mail is not None:
        people.vouched, people.boxes = mail.vouched, mail.book
    await people.start(db)
    matrix = Matrix(settings, db, seal, homeserver, trusted, people.reachable)
    connectors: dict[str, Connector] = {MATRIX: matrix, **edges}
    store = Store(db, seal, people)
    await store.start()
    courier = Courier(store, connectors, config.delivery.patience(), now_ms)
    hub = Hub(
        store, people, courier, connectors,
        max_members=config.delivery.max_members, order_wait=config.delivery.order_wait,
    )  # fmt: skip
    matrix.on_back = lambda: courier.answered(MATRIX)
    hub.on_declared = lambda person: matrix.warm([person])
    return Parts(config, db, directory, people, courier, hub, matrix, api, mail, connectors)


def _mail(config: Config, db: Database, seal: Seal) -> MailConnector | None:
    settings = examine.mail_settings(config)
    if settings is None:
        return None
    trust = examine.trust(settings)
    try:
        return MailConnector(settings, db, seal, trust)
    except (OSError, ValueError) as error:
        raise BadConfig(f"networks.mail: {examine.said(error)}") from None


async def _people_to_show(parts: Parts) -> list[Person]:
    """Everybody who may be found: their ghosts get device and keys before anybody sees an address."""
    ids = [p.id for p in await parts.directory.everyone()]
    ids += [p for p in parts.people.declared() if p not in ids]
    people = [await parts.people.get(i) for i in ids]
    return [p for p in people if any(a.network != MATRIX for a in p.addresses)]


async def _serve(stack: AsyncExitStack, parts: Parts) -> None:
    config = parts.config
    matrix_app = web.Application(client_max_size=0)
    parts.matrix.routes(matrix_app)
    served = ("matrix_listen", matrix_app, config.matrix_listen), (
        "connect_listen", parts.api.application(), config.connect_listen,
    )  # fmt: skip
    for name, app, where in served:
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=3.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        context = examine.tls(name, where)
        try:
            await web.TCPSite(runner, where.host, where.port, ssl_context=context, reuse_address=True).start()
        except OSError as error:
            raise BadConfig(f"{name}: {examine.said(error)}") from None
