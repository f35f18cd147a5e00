"""A whole small world: a real hub with the real key engine, a stub homeserver, one pretend product, scripted people."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from appservice.client.callers import Callers
from appservice.client.edge import MatrixEdge
from appservice.client.homeserver import Homeserver
from appservice.client.media import Media
from appservice.e2ee import COMPONENT as E2EE
from appservice.process import matrix as matrix_edge
from appservice.process import proof
from appservice.process.clients import for_clients
from appservice.process.matrix import Matrix
from appservice.process.settings import MatrixSettings
from bridge.config import FilesSettings
from bridge.connector import Boxes, Capabilities
from bridge.content.assembly import filters
from bridge.db import Database, Tx, open_database
from bridge.errors import Unavailable
from bridge.files import Files
from bridge.hub.assembly import Rules, assemble
from bridge.hub.courier import Courier, Patience
from bridge.hub.hub import Hub, now_ms
from bridge.kinds import EVERYWHERE
from bridge.model import Accepted, Address, Body, Delivery, File, Kind, Message, Person, Ref
from bridge.networks.loopback import Loopback
from bridge.networks.mail.leg.addressbook import AddressBook
from bridge.people.directories.flatfile import FlatFile
from bridge.people.directory import Directory
from bridge.people.people import People
from bridge.seal import Seal
from bridge.store.store import COMPONENT as CORE
from bridge.trail.entry import COMPONENT as TRAIL
from deploy.world.stub.homeserver import StubHomeserver
from deploy.world.stub.human import Human
from deploy.world.waiting import until

SERVER = "stub.example"
SEAL = Seal({"k1": bytes(range(32))}, "k1")
FAST = Patience(first=0.05, longest=0.3, give_up=30.0, reports=0.005)
COMPONENTS = (CORE, TRAIL, matrix_edge.COMPONENT, E2EE, proof.COMPONENT)

SPACE = "hopital.example"  # the domain for which the trust space of mail vouches
EVERYTHING = Capabilities(files=True, kinds=EVERYWHERE | {Kind.REACTION})
ANNA, CLEO, DAN = "10000000001", "10000000003", "10000000004"


def entry(rpps: str, name: str, *addresses: str) -> Person:
    """One entry of the directory; addresses as ``network:id``."""
    return Person(f"rpps:{rpps}", name, "Médecin", "Lyon", tuple(Address(*a.split(":", 1)) for a in addresses))


PEOPLE = [
    entry(ANNA, "Dr Anna Martin", "pandalab:anna"),
    entry(CLEO, "Dr Cléo Petit", "pandalab:cleo"),
    entry(DAN, "Dr Dan Moreau"),  # in the directory, not reachable
]


VOICE = f"@rpps_liaison:{SERVER}"


def ghost(rpps: str) -> str:
    """The Matrix user of a professional."""
    return f"@rpps_{rpps}:{SERVER}"


def settings(homeserver: str, **more: Any) -> MatrixSettings:
    """Settings for the stub, impatient."""
    values: dict[str, Any] = {
        "homeserver": homeserver,
        "server_name": SERVER,
        "as_token": "as-token",
        "hs_token": "hs-token",
        "key_wait_s": 0.6,
        "join_wait_s": 0.0,
        "settle_s": 0.05,
        "key_request_s": 0.2,
        "park_notice_s": 0.3,
    }
    return MatrixSettings(**(values | more))


class MailSpace(Loopback):
    """A pretend space of secure mail that vouches for its domain, and may give mailboxes."""

    boxes: Boxes | None = None

    def vouched(self, address: Address) -> bool:
        """Whether the address is in the space, or a team of the hub's own."""
        team = isinstance(self.boxes, AddressBook) and self.boxes.team(address.id) is not None
        return address.id.endswith(f"@{SPACE}") or team


class Cut:
    """A database whose connection ends once, just after a commit: it is done, and nobody is told so."""

    def __init__(self, db: Database, name: str) -> None:
        self._db, self._name, self.left = db, name, 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator[Tx]:
        """The database's own; the first of the name fails after its commit."""
        async with self._db.transaction(name) as tx:
            yield tx
        if name == self._name and self.left:
            self.left -= 1
            raise Unavailable("database", 1.0)


@dataclass
class Node:
    """A running hub."""

    db: Database
    hub: Hub
    courier: Courier
    people: People
    matrix: Matrix
    product: Loopback
    mail: MailSpace
    homeserver: Homeserver
    url: str
    clients: str  # where a reverse proxy would send what clients ask about people
    siilo: Loopback  # a second product

    async def write(self, chat: str, text: str, *, by: str = "cleo", to: tuple[str, ...] = (), **more: Any) -> Accepted:
        """Somebody writes in the product; ``to`` on the first message of a chat."""
        ref = Ref("pandalab", more.pop("ref", f"{chat}/{time.time_ns()}"))
        html, kind = more.pop("html", None), more.pop("kind", Kind.TEXT)
        message = Message(ref, chat, Address("pandalab", by), kind, Body(text, html), now_ms(), to, **more)
        return await self.hub.accept(message)

    async def post(
        self, sender: str, text: str, *files: File, to: tuple[str, ...] = (), chat: str = "mail1", **more: Any
    ) -> Accepted:
        """Somebody writes a mail; ``chat`` is its thread."""
        ref = Ref("mail", more.pop("ref", f"{chat}/{time.time_ns()}"))
        body, kind = Body(text, more.pop("html", None), files), more.pop("kind", Kind.TEXT)
        return await self.hub.accept(Message(ref, chat, Address("mail", sender), kind, body, now_ms(), to, **more))

    async def mailed(self, test: Callable[[Any], bool]) -> Any:
        """The first delivery by mail that passes ``test``."""
        await until(lambda: any(test(d) for d in self.mail.delivered), "a mail")
        return next(d for d in self.mail.delivered if test(d))

    async def product_has(self, test: Callable[[Any], bool]) -> Any:
        """The first delivery to the product that passes ``test``."""
        await until(lambda: any(test(d) for d in self.product.delivered), "a delivery")
        return next(d for d in self.product.delivered if test(d))

    async def got(self, text: str) -> Any:
        """The delivery with this text, once the product has it."""
        await until(lambda: any(d.body.text == text for d in self.product.delivered), text)
        return next(d for d in self.product.delivered if d.body.text == text)

    async def warm(self, *numbers: str) -> None:
        """Make ghosts and wait for them."""
        people = [await self.people.get(f"rpps:{number}") for number in numbers]
        await self.matrix.show(people)
        names = self.matrix.names
        await until(lambda: all(self.matrix.ghosts.is_ready(names.of_rpps(number)) for number in numbers))

    def texts(self) -> list[str]:
        """What the product has been given, in order."""
        return [d.body.text for d in self.product.delivered if d.kind is not Kind.MEMBERS]


@dataclass
class World:
    """The stub, and whoever was started."""

    stub: StubHomeserver
    folder: Path
    stack: AsyncExitStack
    humans: dict[str, Human] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    people: Sequence[Person] = field(default_factory=lambda: PEOPLE)
    directory: Directory | None = None  # in place of ``people``
    untrusted: set[str] = field(default_factory=set)  # servers that have left the trust space

    async def human(self, name: str, server: str | None = None, *, signed: bool = True) -> Human:
        """A person with one device, running."""
        made = Human(self.stub.url, *self.stub.human(name, server), signed=signed)
        self.humans[name] = await self.stack.enter_async_context(made)
        return made

    def trusts(self, server: str) -> bool:
        """Whether a server is in the trust space."""
        return trusted(server) and server not in self.untrusted

    @asynccontextmanager
    async def node(self, url: str | None = None, **more: Any) -> AsyncIterator[Node]:
        """A hub until the block is left; like a crash: nothing is finished first."""
        where = url or f"sqlite:///{self.folder}/hub.db"
        async with hub(
            where, settings(self.stub.url, **(self.options | more)), self.trusts, people=self.directory or self.people
        ) as node:
            self.stub.appservice = node.url
            self.stub._ring.set()
            try:
                yield node
            finally:
                self.stub.appservice = None


@asynccontextmanager
async def hub(
    url: str, chosen: MatrixSettings, trusts: Callable[[str], bool], port: int = 0,
    people: Sequence[Person] | Directory = PEOPLE, mailed: Callable[[Delivery], None] = lambda _: None,
    care: FilesSettings | None = None,
) -> AsyncIterator[Node]:  # fmt: skip
    """A real hub with its database at ``url``; ``mailed`` hears of each delivery by mail, those of its start, too.

    ``care``: what is done for files, which the product then takes; None: nothing at all.
    """
    db = await open_database(url, COMPONENTS)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(db.close)
        homeserver = await stack.enter_async_context(Homeserver(chosen.url, chosen.read_as_token()))
        names = chosen.names()
        directory = FlatFile(people) if isinstance(people, Sequence) else people
        media = Media(homeserver, chosen.max_files, chosen.media_wait_s)
        files = Files(media, filters(care, media) if care is not None else [])
        core = assemble(db, SEAL, directory, Rules(trusts, names.person, FAST, order_wait=2.0), files=files)
        mail = MailSpace("mail", EVERYTHING)
        product = Loopback("pandalab") if care is None else Loopback("pandalab", EVERYTHING)
        mail.before = mailed
        edge = MatrixEdge(core.hub, db, homeserver, names, now_ms, trusts, core.people.unreachable, media, files)
        matrix = Matrix(chosen, edge, SEAL)
        siilo = Loopback("siilo")
        product.hub = mail.hub = siilo.hub = core.hub
        product.files = mail.files = siilo.files = files
        core.serve(matrix, product, mail, siilo)
        callers = await stack.enter_async_context(Callers(chosen.url))
        doors = AsyncExitStack()  # they are open before the hub starts: nothing comes between its start and the test
        address = await serve(doors, [matrix.routes], port)
        clients = await serve(doors, for_clients(callers, matrix, core.hub, directory))
        async with core.running():
            try:
                yield Node(
                    db, core.hub, core.courier, core.people, matrix, product, mail, homeserver, address, clients, siilo
                )
            finally:
                await doors.aclose()


async def serve(stack: AsyncExitStack, routes: Sequence[Callable[[web.Application], None]], port: int = 0) -> str:
    """Answer HTTP until the stack ends; gives the address."""
    app = web.Application()
    for add in routes:
        add(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


def trusted(server: str) -> bool:
    """Our own server and one other."""
    return server in (SERVER, "chu.example")


@dataclass
class Chat:
    """Ben and Anna's ghost in one room; Anna uses the product."""

    ben: Human
    room: str
    chat: str


async def meet(
    world: World, node: Node, name: str = "ben", rpps: str = ANNA, server: str | None = "chu.example"
) -> Chat:
    """A Matrix user (None: of our own server) begins a conversation with a professional."""
    ben = await world.human(name, server)
    await node.warm(rpps)
    room = await ben.create_room(ghost(rpps), is_direct=True)
    await until(lambda: world.stub.world.rooms[room].membership(ghost(rpps)) == "join")
    await ben.say(room, f"début {name}")
    return Chat(ben, room, (await node.got(f"début {name}")).chat)


def statuses(human: Human, event_id: str) -> list[str]:
    """The statuses that a human has seen for one event."""
    contents = [e["content"] for _, e in human.events if e["type"] == "com.beeper.message_send_status"]
    return [c["status"] for c in contents if c["m.relates_to"]["event_id"] == event_id]
