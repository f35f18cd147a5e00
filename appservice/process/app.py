"""Builds and starts everything; the only file that knows everyone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web
from pydantic import BaseModel

from appservice.arriving.logins import Logins
from appservice.arriving.policies import Policies, Unwanted
from appservice.client.callers import Callers
from appservice.client.edge import MatrixEdge
from appservice.client.homeserver import Homeserver
from appservice.client.media import TRANSFERS, Media
from appservice.client.names import Names
from appservice.console import COMPONENT as CONSOLE
from appservice.console.console import Console
from appservice.console.looking import lists
from appservice.console.looking.imports import Imports
from appservice.console.looking.searched import TrailSearch
from appservice.e2ee import COMPONENT as E2EE
from appservice.operating import accounts, products
from appservice.operating.audit import signing_key
from appservice.operating.door import Act, Door
from appservice.operating.following_spans import following
from appservice.operating.sight import Sight
from appservice.operating.surroundings import surroundings
from appservice.operating.why import Reasons
from appservice.process import examine, identities, proof
from appservice.process import matrix as matrix_edge
from appservice.process.clients import Routes, for_clients
from appservice.process.key_retiring import KeyRetiring
from appservice.process.life import Life
from appservice.process.listener import Listener
from appservice.process.matrix import Matrix
from appservice.process.reloading import Reload, Reloading, Serves
from appservice.process.restored import report as restored_report
from appservice.process.restored.fetching import Fetching
from appservice.process.restored.noticing import Noticing
from appservice.process.restored.primaries import Primaries
from appservice.process.sealing import keys as seal_keys
from appservice.process.sealing.resealing import Resealing
from appservice.process.serving.workers import Workers
from appservice.process.settings import MatrixSettings
from appservice.process.trust_sources import TrustSources
from appservice.rights import keeping
from appservice.rights.room_reading import RoomReading
from bridge import words
from bridge.config import BadConfig, Config, ListenSettings
from bridge.content.assembly import filters
from bridge.db import Component, open_database
from bridge.errors import said
from bridge.files import Files
from bridge.hub.assembly import Core, Rules, assemble
from bridge.hub.duty.desk import DutyDesk
from bridge.hub.hub import Hub, now_ms
from bridge.hub.retaining.purging import Purging
from bridge.hub.retaining.retention import Retention, RetentionRules
from bridge.network import Built, Network, Outfit
from bridge.networks.connect import ConnectSettings
from bridge.parts.disk import FileWatch
from bridge.parts.endless import endless
from bridge.parts.tasks import Tasks
from bridge.people.directories.functions import WithFunctions
from bridge.people.directories.watched import WatchedFile
from bridge.people.directory import Directory
from bridge.people.national.kept.kept_loads import loads_of
from bridge.people.national.national import National
from bridge.people.server_list import ServerList
from bridge.store.store import COMPONENT as STORE
from bridge.trail.chaining import Chainer
from bridge.trail.entry import COMPONENT as TRAIL
from bridge.vouching import Proof
from bridge.workers.entrances import Entrances

if TYPE_CHECKING:
    from bridge.db.postgres.keeper import Keeper

log = logging.getLogger(__name__)
_LONGEST_QUESTION = 64 * 1024  # bytes that a client sends to find somebody
COMPONENTS = (STORE, TRAIL, matrix_edge.COMPONENT, E2EE, proof.COMPONENT, CONSOLE)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything of a hub, built and not yet started.

    ``routes`` add what networks answer over HTTP, ``clients`` what Matrix clients are answered about people.
    """

    config: Config
    directory: WatchedFile | National
    core: Core
    matrix: Matrix
    routes: Sequence[Routes]
    clients: Sequence[Routes]
    life: Life
    servers: ServerList
    sources: TrustSources
    chainer: Chainer
    logins: Logins
    policies: Policies
    reloads: Mapping[str, Reload]
    resealing: Resealing

    @property
    def hub(self) -> Hub:
        """Where every message goes."""
        return self.core.hub


async def adopt(config: Config) -> None:
    """Begin a new life with the configured database. Raises BadConfig, Unavailable, Refused."""
    async with AsyncExitStack() as stack:
        await (await _build(config, stack, Workers(config), None)).life.adopt()


@asynccontextmanager
async def running(
    config: Config, watch: FileWatch | None = None, workers: Workers | None = None, keeper: Keeper | None = None
) -> AsyncIterator[Parts]:
    """A hub that works while the block runs. ``watch``: of the configuration's file, of which some is read again.

    ``keeper`` has the lease of the database already; without it, it is taken. Raises BadConfig, Unavailable.
    """
    workers = workers or Workers(config)
    async with AsyncExitStack() as stack:
        parts = await _build(config, stack, workers, keeper)
        if (spans := following(config.traces)) is not None:
            parts.core.courier.spans = spans
            stack.push_async_callback(asyncio.to_thread, spans.close)
        await parts.life.begin()
        tasks = Tasks("life")
        stack.push_async_callback(tasks.stop)
        tasks.start(endless("life", parts.life.run))
        if parts.core.store.db.engine == "postgresql":  # nobody takes a file over
            tasks.start(endless("primaries", Primaries(parts.core.store.db, parts.life.moved).run))
        tasks.start(endless("directory", parts.directory.run))
        tasks.start(endless("trail", parts.chainer.run))
        tasks.start(parts.sources.list())
        await parts.policies.load()
        core, kept = parts.core, RetentionRules(**config.retention.model_dump())
        purging = Purging(core.hub, core.store, core.served, now_ms)
        retention = Retention(core.hub, core.store, purging, kept, now_ms)
        reloading = Reloading(
            watch, config, parts.reloads, parts.directory, parts.sources, parts.core.served.look_again
        )
        acts = {**keeping.acts(retention, purging), **reloading.acts(), **KeyRetiring(core, parts.matrix).acts()}
        async with parts.core.started(), AsyncExitStack() as served:
            # not before: what comes in needs what the edges have just loaded; and nothing comes in once they stop
            await _serve(served, parts, workers, acts, reloading.serves)
            async with parts.core.delivering():
                tasks.start(parts.matrix.ready_to_answer())
                tasks.start(Fetching(core.db, parts.matrix, parts.matrix.homeserver, now_ms).run())
                async for page in parts.core.people.shown():  # they are ready before anybody sees an address
                    await parts.core.served.show(page)
                tasks.start(endless("retention", retention.run))
                tasks.start(endless("reload", reloading.follow))
                tasks.start(parts.resealing.run())
                served.push_async_callback(workers.rests)
                await workers.works(parts.core.db)
                log.info("running, %d networks", len(parts.core.served))
                yield parts


def components_of(sections: Sequence[tuple[Network, BaseModel]]) -> list[Component]:
    """Whose tables a hub with these networks has."""
    return [*COMPONENTS, *(table for row, _ in sections for table in row.tables)]


async def _build(config: Config, stack: AsyncExitStack, workers: Workers, keeper: Keeper | None) -> Parts:
    settings = examine.examine(config, people=False)  # they are read below, once
    words.speak(config.language)
    sections = examine.sections(config)
    seal, rota = config.seal.open(), examine.rota(config.duty)
    tables = components_of(sections)
    directory = examine.directory(config)
    try:
        db = await open_database(config.database.url, tables, keeper)
    except ValueError as error:
        raise BadConfig(str(error)) from None
    stack.push_async_callback(db.close)
    if isinstance(directory, National):
        stack.push_async_callback(directory.close)
    resealing = await seal_keys.begin(db, seal, tables)
    homeserver = await stack.enter_async_context(Homeserver(settings.url, settings.read_as_token()))

    federation = examine.federation(config.trust)
    servers = ServerList(config.trust.matrix_servers, federation)

    def trusted(server: str) -> bool:
        return server == settings.server_name or servers.allows(server)

    names = settings.names()
    rules = _rules(config, names, servers, trusted, _demanded(config, sections, servers))
    apart = Homeserver(settings.url, settings.read_as_token(), connections=TRANSFERS, once=True)
    media = Media(await stack.enter_async_context(apart), settings.max_files, settings.media_wait_s)
    files = Files(media, filters(config.files, media))
    core = assemble(db, seal, WithFunctions(directory, rota), rules, files=files)
    edge = MatrixEdge(core.hub, db, homeserver, names, now_ms, trusted, core.people.unreachable, media, files)
    matrix = Matrix(settings, edge, seal)
    core.serve(matrix)
    outfit = Outfit(core.hub, db, seal, files, workers.entrances)
    built = {name: _network(row, section, outfit) for name, row, section in examine.named_sections(config)}
    core.serve(*(one for each in built.values() for one in each.connectors))
    routes = [each.routes for each in built.values() if each.routes is not None]
    reloads = {name: each.reload for name, each in built.items() if each.reload is not None}
    core.serve(DutyDesk(core.hub, core.store, core.people, seal, rota, now_ms))
    life = Life(db, homeserver, matrix.engine, Noticing(db, core.served, now_ms))
    matrix.hindered(lambda: life.trouble)
    clients = await _clients(settings, directory, core, matrix, stack) if config.clients_listen.public_url else []
    sources = TrustSources(servers, federation, config.trust.federation, matrix, db, core.people.accounts)
    chainer = Chainer(db, seal, signing_key(config), config.audit.rules(), now_ms)
    logins = Logins(settings.read_login_token(), db, core.people, core.hub.following, names, now_ms)
    policies = Policies(settings.read_policy_token(), core.people, names, Unwanted(db, core.hub, now_ms))
    return Parts(
        config, directory, core, matrix, routes, clients, life, servers, sources, chainer, logins, policies, reloads,
        resealing,
    )  # fmt: skip


def _rules(
    config: Config, names: Names, servers: ServerList, trusted: Callable[[str], bool],
    demanded: Callable[[str], Proof | None],
) -> Rules:  # fmt: skip
    delivery = config.delivery
    return Rules(
        trusted, names.person, delivery.patience(), delivery.order_wait, max_members=delivery.max_members,
        professional=servers.professional, demanded=demanded,
    )  # fmt: skip


async def _clients(
    settings: MatrixSettings, directory: Directory, core: Core, matrix: Matrix, stack: AsyncExitStack
) -> list[Routes]:
    callers = await stack.enter_async_context(Callers(settings.url, settings.connections))
    return for_clients(callers, matrix, core.hub, directory)


def _demanded(
    config: Config, sections: Sequence[tuple[Network, BaseModel]], servers: ServerList
) -> Callable[[str], Proof | None]:  # fmt: skip
    """What the federation's list asks of the products that it names (``listed_as``). Raises BadConfig."""
    products = [p for _, one in sections if isinstance(one, ConnectSettings) for p in one.products.items()]
    listed = {name: product.listed_as for name, product in products if product.listed_as is not None}
    if listed and config.trust.federation is None:
        raise BadConfig("networks.connect: listed_as: there is no trust.federation, whose list it means")
    return lambda network: servers.demanded(listed[network]) if network in listed else Proof.WORD


def _network(row: Network, section: BaseModel, outfit: Outfit) -> Built:
    try:
        return row.build(section, outfit)
    except (OSError, ValueError) as error:
        raise BadConfig(said(error)) from None


def _looks(parts: Parts, stack: AsyncExitStack) -> dict[str, Act]:
    """What the hub stands on, as the console shows it."""
    config, core = parts.config, parts.core
    loads = loads_of(config.database.url) if config.directory.kind == "national" else None
    if loads is not None:  # its connections: this process may stand by again
        stack.push_async_callback(loads.close)
    imports = Imports(config.directory, loads)
    search = TrailSearch(core.db, core.seal)
    return {**products.acts(core), **imports.acts(), **lists.acts(core, parts.servers), **search.acts()}


async def _serve(
    stack: AsyncExitStack, parts: Parts, workers: Workers, more: Mapping[str, Act], serves: Serves
) -> None:
    config = parts.config
    matrix_app, open_app = web.Application(client_max_size=0), web.Application()
    parts.matrix.routes(matrix_app)
    around = surroundings(config, parts.directory)
    seals = partial(seal_keys.standing, parts.core.db, parts.core.seal, parts.resealing)
    sight = Sight(parts.core, parts.servers, parts.matrix.trouble, around, seals)
    why = Reasons(parts.core, parts.servers, parts.matrix.names.server)
    acts = {**accounts.acts(parts.core), **identities.acts(parts.matrix, parts.core.db), **why.acts(), **sight.acts()}
    matrix = parts.matrix
    reading = RoomReading(
        parts.core.store, parts.core.people, matrix.homeserver, matrix.engine, matrix.store, matrix.names
    )
    acts |= {**reading.acts(), **restored_report.acts(parts.core.db), **more, **_looks(parts, stack)}
    acts |= seal_keys.acts(parts.core.db, parts.core.seal, parts.resealing)
    Door(parts.core.seal, acts).routes(matrix_app)
    parts.logins.routes(matrix_app)
    parts.policies.routes(matrix_app)
    for add in parts.routes:
        add(open_app)
    served: list[tuple[str, web.Application, ListenSettings]] = [
        ("matrix_listen", matrix_app, config.matrix_listen),
        ("connect_listen", open_app, config.connect_listen),
    ]
    if (
        config.clients_listen.public_url is not None
    ):  # on its own port: a flood of searches takes no connection of a product
        clients_app = web.Application(client_max_size=_LONGEST_QUESTION)
        for add in parts.clients:
            add(clients_app)
        served.append(("clients_listen", clients_app, config.clients_listen))
    if config.metrics_listen is not None:
        metrics_app = web.Application(client_max_size=0)
        sight.metrics.routes(metrics_app)
        served.append(("metrics_listen", metrics_app, config.metrics_listen))
    if (console := examine.console(config)) is not None:
        made = Console(console, parts.core.db, parts.core.seal, acts, config.delivery.late, config.language)
        served.append(("console", made.application, console))
    for name, app, where in served:
        shared = Entrances() if name == "metrics_listen" else workers.entrances  # each worker has figures of its own
        listener = Listener(name, app, where, shared, auto_decompress=app is matrix_app)
        stack.push_async_callback(listener.stop)
        try:
            context = examine.tls(name, where)
            await listener.start(context)
            serves(name, where, context)
        except OSError as error:
            raise BadConfig(f"{name}: {said(error)}") from None
