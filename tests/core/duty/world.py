"""A running hub with a rota, pretend networks and a clock that tests move."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bridge.connector import Capabilities
from bridge.db import Database, Tx, open_database
from bridge.errors import Unavailable
from bridge.hub.assembly import Core, Rules, assemble
from bridge.hub.duty.desk import DutyDesk
from bridge.model import Accepted, Address, Body, Delivery, Kind, Message, Ref, State
from bridge.networks.loopback import Loopback
from bridge.parts.patience import Patience
from bridge.people.directories.flatfile import FlatFile
from bridge.people.directories.functions import WithFunctions
from bridge.people.duty.kept_rota import KeptRota
from bridge.people.trust import trusted_server
from bridge.store.store import COMPONENT
from bridge.trail.entry import COMPONENT as TRAIL
from deploy.world.waiting import until, wait_for
from tests.core.duty.make import ms, text_of
from tests.core.make import SEAL, person

PEOPLE = [
    person("10000000001", "Anna Martin", "mail:anna@mss.example"),
    person("10000000002", "Ben Durand", "matrix:@ben:chu.example"),
    person("10000000003", "Cléo Petit", "pandalab:cleo", "mail:cleo@mss.example"),
    person("10000000004", "Dan Moreau", "siilo:dan"),
    person("10000000006", "Gil Faure", "arcad:gil"),
    person("10000000007", "Hana Roy", "arcad:hana"),
]
GIL, HANA, BEN = "rpps:10000000006", "rpps:10000000007", "rpps:10000000002"
PATIENCE = Patience(first=0.02, longest=0.1, reports=0.001)
GARDE = "function:garde"


@dataclass
class Clock:
    """What the hub takes for the time: it goes on by itself, and jumps when a test says so."""

    offset: float = 0.0

    def __call__(self) -> int:
        return round(time.time() * 1000 + self.offset)

    def set(self, local: str) -> None:
        """``2026-12-24 20:00`` in Paris."""
        self.offset = ms(local) - time.time() * 1000


@dataclass
class OnDuty:
    """The running hub."""

    db: Database
    core: Core
    desk: DutyDesk
    clock: Clock
    path: Path
    nets: dict[str, Loopback] = field(default_factory=dict)

    def at(self, local: str) -> None:
        """It is now this time."""
        self.clock.set(local)
        self.desk.ring()

    def rota(self, shifts: str, more: str = "") -> None:
        """Another rota is written."""
        self.path.write_text(text_of(shifts, more), "utf-8")
        self.desk._rota.look()

    def instead(self, person: str, other: str) -> None:
        """Somebody else is the member with this name from now on."""
        self.path.write_text(self.path.read_text("utf-8").replace(person, other), "utf-8")
        self.desk._rota.look()

    async def write(
        self, ident: str, text: str, to: tuple[str, ...] = (GARDE,), by: str = "gil", **more: str
    ) -> Accepted:
        """Gil (a product of his own) writes in the conversation ``chat``."""
        network, chat = more.get("network", "arcad"), more.get("chat", "chat")
        body = Body(text, urgent="urgent" in more)
        address = Address(network, by)
        return await self.core.hub.accept(
            Message(Ref(network, ident), chat, address, Kind.TEXT, body, self.clock(), to)
        )

    def texts(self, network: str, recipient: str | None = None) -> list[str]:
        """What a network was given, by text, as far as it was for ``recipient`` (id there)."""
        return [d.body.text for d in self.got(network) if recipient is None or recipient in _ids(d)]

    def got(self, network: str) -> list[Delivery]:
        """What a network was given that says something."""
        return [d for d in self.nets[network].delivered if d.kind is not Kind.MEMBERS]

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for a condition."""
        await until(true, pause=0.005)

    async def gets(self, network: str, words: str, recipient: str | None = None) -> str:
        """Wait for something that holds these words."""
        await self.until(lambda: any(words in text for text in self.texts(network, recipient)))
        return next(text for text in self.texts(network, recipient) if words in text)

    async def read(self, network: str, user: str, words: str) -> None:
        """Somebody reads the newest message that holds these words."""
        net = self.nets[network]
        await self.gets(network, words)
        found = [d for d in self.got(network) if words in d.body.text][-1]

        async def noted() -> bool:  # the hub has still to note what the network calls it
            return await self.core.hub.signs.read(net._refs[found.id], Address(network, user), self.clock())

        await self.comes(noted)

    async def answer(self, network: str, user: str, text: str, ident: str = "", to: str = "") -> Accepted:
        """Somebody answers the newest message of her network, in its chat."""
        found = self.got(network)[-1]
        cited = self.nets[network]._refs[next((d.id for d in self.got(network) if to and to in d.body.text), found.id)]
        chat, ref = found.chat or found.conversation, Ref(network, ident or f"{network}-answer-{text}")
        message = Message(ref, chat, Address(network, user), Kind.TEXT, Body(text), self.clock(), reply_to=cited)
        return await self.core.hub.accept(message)

    async def state(self, message: str, who: str) -> State | None:
        """What became of a message for somebody."""
        return {s.person.id: s.state for s in await self.core.store.outcomes.states(message)}.get(who)

    async def becomes(self, message: str, who: str, state: State) -> None:
        """Wait until this became of a message for somebody."""

        async def it_is() -> bool:
            return await self.state(message, who) is state

        await self.comes(it_is)

    async def members(self, conversation: str) -> set[str]:
        """Who takes part, as disk says."""
        return {row["person"] for row in await self.db.all("store.members", conversation)}

    async def waiting(self) -> int:
        """How many messages wait to be read."""
        watches = await self.db.all("duty.due", 1 << 60, 1000)
        return len(watches)

    async def quiet(self) -> None:
        """Nothing waits to be read any more."""
        await self.waits_for(0)

    async def waits_for(self, watches: int) -> None:
        """In so many conversations something waits to be read."""

        async def so_many() -> bool:
            return await self.waiting() == watches

        await self.comes(so_many)

    async def watched(self, conversation: str, messages: int) -> None:
        """So many messages of a conversation wait to be read."""

        async def so_many() -> bool:
            return len(await self.db.all("duty.watched", conversation, "garde")) == messages

        await self.comes(so_many)

    async def left(self, conversation: str, person: str) -> None:
        """Somebody takes no part any more."""

        async def gone() -> bool:
            return person not in await self.members(conversation)

        await self.comes(gone)

    async def comes(self, true: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a condition that the database knows."""

        async def look() -> bool | None:
            return True if await true() else None

        await wait_for(look, true.__name__)


def _ids(delivery: Delivery) -> set[str]:
    return {m.address.id for m in delivery.recipients}


def kill_after(db: Database, name: str, times: int) -> asyncio.Event:
    """Nothing can be written any more once transactions of this name were ``times`` times committed."""
    killed, left, begin = asyncio.Event(), [times], db.transaction

    @asynccontextmanager
    async def transaction(called: str) -> AsyncIterator[Tx]:
        if killed.is_set():
            raise Unavailable("database")
        async with begin(called) as tx:
            yield tx
        left[0] -= called == name
        if left[0] <= 0:
            killed.set()

    db.transaction = transaction  # type: ignore[method-assign, assignment]
    return killed


def networks() -> dict[str, Loopback]:
    """Three products, secure mail, and Matrix (which names its chats)."""
    plain = {name: Loopback(name) for name in ("pandalab", "siilo", "arcad", "mail")}
    return plain | {"matrix": Loopback("matrix", Capabilities(names_chats=True))}


@asynccontextmanager
async def on_duty(
    folder: Path, local: str, shifts: str = "", more: str = "", nets: dict[str, Loopback] | None = None
) -> AsyncIterator[OnDuty]:
    """A hub with the function ``garde``, left as suddenly as by a crash. ``shifts`` may be there already."""
    path, nets, clock = folder / "rota.yaml", nets or networks(), Clock()
    if shifts:
        path.write_text(text_of(shifts, more), "utf-8")
    clock.set(local)
    db = await open_database(f"sqlite:///{folder}/hub.db", [COMPONENT, TRAIL])
    rota = KeptRota(path)
    rules = Rules(lambda s: trusted_server(s, ["chu.example"]), patience=PATIENCE, order_wait=0.05)
    core = assemble(db, SEAL, WithFunctions(FlatFile(PEOPLE), rota), rules, clock)
    desk = DutyDesk(core.hub, core.store, core.people, SEAL, rota, clock, pause=0.05)
    for net in nets.values():
        net.hub = core.hub
    core.serve(*nets.values(), desk)
    try:
        async with core.running():
            yield OnDuty(db, core, desk, clock, path, nets)
    finally:
        await db.close()
