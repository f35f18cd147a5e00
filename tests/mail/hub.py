"""A real hub with the mail leg and a pretend product; mails are handed in behind SMTP, sent ones kept by a stub."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from bridge.connector import Capabilities
from bridge.db import Database, open_database
from bridge.errors import Unavailable
from bridge.files import Files
from bridge.hub.assembly import Rules, assemble
from bridge.hub.courier import Patience
from bridge.hub.hub import Hub, now_ms
from bridge.model import Accepted, Address, Body, Delivery, Kind, Message, Person, Ref
from bridge.network import Outfit
from bridge.networks.loopback import Loopback
from bridge.networks.mail.leg.connector import MailConnector
from bridge.networks.mail.leg.ledger import COMPONENT as MAIL
from bridge.networks.mail.leg.settings import MailSettings
from bridge.networks.mail.mime.mail import Mail, parse
from bridge.networks.mail.smtp.peer import Outcome
from bridge.networks.mail.smtp.reception import Envelope
from bridge.people.directories.flatfile import FlatFile
from bridge.seal import Seal
from bridge.store.store import COMPONENT as CORE
from bridge.store.store import Store
from bridge.trail.entry import COMPONENT as TRAIL
from deploy.world.stub.memory_store import MemoryStore
from deploy.world.waiting import until
from tests.mail.space import HUB, Space, StubJudge

SEAL = Seal({"k1": bytes(range(32))}, "k1")
FAST = Patience(first=0.05, longest=0.3, give_up=30.0, reports=0.005)
PEER, OTHER = "mss-a.example", "mss-b.example"
ANNA, MARC = f"anna.martin@{PEER}", f"marc.leroy@{OTHER}"
CLEO, DAN, BEN = "10000000003", "10000000004", "10000000002"
PEOPLE = [
    Person("rpps:10000000001", "Anna Martin", "Médecin", "Lyon", (Address("mail", ANNA),)),
    Person(f"rpps:{CLEO}", "Cléo Petit", "Sage-femme", "Lyon", (Address("pandalab", "cleo"),)),
    Person(f"rpps:{DAN}", "Dan Moreau", "Cardiologue", "Paris", (Address("pandalab", "dan"),)),
    Person(f"rpps:{BEN}", "Ben Durand", "Infirmier", "Paris", (Address("siilo", "ben"),)),
]
CLEO_BOX, DAN_BOX, BEN_BOX = f"cleo.petit@{HUB}", f"dan.moreau@{HUB}", f"ben.durand@{HUB}"
TEAM = f"cardiologie@{HUB}"


class Trust(StubJudge):
    """A stub of the trust list that can be started."""

    async def start(self) -> None:
        """Nothing to load."""

    async def stop(self) -> None:
        """Nothing to stop."""


class StubOut:
    """STUB of the other operators: takes every mail, or does what ``answer`` says."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[str], Mail, bytes]] = []
        self.answer: Callable[[str, str], tuple[str, str]] = lambda domain, recipient: ("accepted", "2.0.0")

    def session(self) -> AbstractAsyncContextManager[StubOut]:
        return nullcontext(self)

    async def send(self, sender: str, recipients: Sequence[str], raw: bytes, envid: str) -> list[Outcome]:
        outcomes = []
        for recipient in recipients:
            kind, status = self.answer(recipient.rpartition("@")[2], recipient)
            code = {"accepted": 250, "later": 451, "refused": 550}[kind]
            outcomes.append(Outcome(recipient, code, status, kind, "", "peer:25"))  # type: ignore[arg-type]
        taken = [r for r, o in zip(recipients, outcomes, strict=True) if o.kind == "accepted"]
        if taken:
            self.sent.append((sender, taken, parse(raw), raw))
        return outcomes


@dataclass
class Node:
    """A running hub."""

    hub: Hub
    db: Database
    mail: MailConnector
    products: dict[str, Loopback]
    out: StubOut
    trust: Trust

    async def hand_in(
        self, raw: bytes, *recipients: str, sender: str = ANNA, domains: Collection[str] = (PEER,),
        notify: frozenset[str] | None = None,
    ) -> None:  # fmt: skip
        """What SMTP does once a mail is complete. ``domains`` are those of the certificate; LMTP knows none."""
        envelope = Envelope(
            peer="127.0.0.1", helo="peer", sender=sender, recipients=recipients, dn_domains=frozenset(domains),
            envid=None, notify=tuple(notify for _ in recipients), received_at=now_ms(), tls="TLSv1.3", id="x",
            orcpt=tuple(None for _ in recipients),
        )  # fmt: skip
        await self.mail._intake.take(envelope, raw)

    async def write(self, chat: str, text: str, *, by: str = "cleo", to: Sequence[str] = (), **more: Any) -> Accepted:
        """Somebody writes in the product."""
        network = more.pop("network", "pandalab")
        ref = Ref(network, more.pop("ref", f"{chat}/{time.time_ns()}"))
        body = Body(text, more.pop("html", None), more.pop("files", ()), urgent=more.pop("urgent", False))
        kind = more.pop("kind", Kind.TEXT)
        return await self.hub.accept(Message(ref, chat, Address(network, by), kind, body, now_ms(), tuple(to), **more))

    def shown(self, network: str = "pandalab") -> list[Delivery]:
        """What a product was given, members' changes apart."""
        return [d for d in self.products[network].delivered if d.kind is not Kind.MEMBERS]

    async def got(self, text: str, network: str = "pandalab") -> Delivery:
        """The delivery that holds this text, once the product has it."""
        await until(lambda: any(text in d.body.text for d in self.shown(network)), text)
        return next(d for d in self.shown(network) if text in d.body.text)

    async def mailed(self, count: int = 1) -> list[tuple[str, list[str], Mail, bytes]]:
        """The mails that went out, once there are so many."""
        await until(lambda: len(self.out.sent) >= count, f"{count} mails")
        return self.out.sent

    async def rest(self, seconds: float = 0.3) -> None:
        """Let everything be worked on."""
        await asyncio.sleep(seconds)
        await until(lambda: self.mail.idle)


@asynccontextmanager
async def assembled(
    url: str, settings: MailSettings, trust: Trust, people: list[Person], products: Mapping[str, Loopback],
    *, out: StubOut | None = None, trusted: bool = False,
) -> AsyncIterator[tuple[Hub, Store, MailConnector]]:  # fmt: skip
    """A hub with the mail leg and pretend products until the block is left; like a crash: nothing is finished first.

    ``people`` are the directory's, ``out`` stands for the way to other operators (then nothing
    is killed, and files lie in a store), ``trusted`` is said of all Matrix
    servers.
    """
    async with AsyncExitStack() as stack:
        db = await open_database(url, (CORE, TRAIL, MAIL))
        stack.push_async_callback(db.close)
        files = Files(MemoryStore()) if out is not None else Files()
        core = assemble(db, SEAL, FlatFile(people), Rules(lambda server: trusted, patience=FAST), files=files)
        mail = MailConnector(settings, Outfit(core.hub, db, SEAL, files), trust, out=out)
        for product in products.values():
            product.hub, product.files = core.hub, files
        core.serve(mail, *products.values())
        await stack.enter_async_context(core.running())
        yield core.hub, core.store, mail


@asynccontextmanager
async def running(folder: Path, space: Space, **changes: Any) -> AsyncIterator[Node]:
    """A hub until the block is left; like a crash: nothing is finished first."""
    trust = Trust()
    for domain in (PEER, OTHER):
        trust.list(domain, f"CN={domain},O=Essai,C=FR")
    values: dict[str, Any] = {
        "smtp": space.settings().model_dump(),
        "trust": {"path": space.bundle, "authority": space.bundle, "state": folder / "trust"},
        "gather": {"quiet": 0.1, "longest": 1.0},
        "teams": [{"address": TEAM, "name": "Cardiologie", "members": [f"rpps:{CLEO}", f"rpps:{DAN}", f"rpps:{BEN}"]}],
    }
    settings = MailSettings.model_validate(values | changes)
    products, out = {name: Loopback(name, Capabilities(files=True)) for name in ("pandalab", "siilo")}, StubOut()
    url = f"sqlite:///{folder}/hub.db"
    async with assembled(url, settings, trust, PEOPLE, products, out=out) as (
        hub,
        store,
        mail,
    ):
        await mail.show([p for p in PEOPLE if p.addresses[0].network != "mail"])
        yield Node(hub, store.db, mail, products, out, trust)


@dataclass
class Written:
    """A mail as a client writes it."""

    text: str
    to: Sequence[str] = (CLEO_BOX,)
    cc: Sequence[str] = ()
    sender: str = f"Anna Martin <{ANNA}>"
    subject: str = "Avis"
    mid: str = ""
    replies: Sequence[str] = field(default_factory=tuple)  # the chain: references, the last one answered

    def raw(self, **headers: str) -> bytes:
        """The bytes."""
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self.sender, ", ".join(self.to), self.subject
        if self.cc:
            mail["Cc"] = ", ".join(self.cc)
        mail["Message-ID"] = f"<{self.mid or f'{time.time_ns()}@{PEER}'}>"
        mail["Date"] = "Sun, 22 Nov 2026 01:00:00 +0000"
        if self.replies:
            mail["In-Reply-To"] = f"<{self.replies[-1]}>"
            mail["References"] = " ".join(f"<{ident}>" for ident in self.replies)
        for name, value in headers.items():
            mail[name.replace("_", "-")] = value
        mail.set_content(self.text)
        return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


async def unavailable(*args: Any) -> Any:
    """A database that is away."""
    raise Unavailable("database", 0.1)
