"""Hubs with a mail leg that are about to be killed: a process that forks one for each job that it reads.

``LIAISON_FAILPOINT=none:1 python -m tests.mail.leg.child`` reads one :class:`Job` (JSON) a line. The hub finishes
what an earlier life left, says ``settled`` and waits for a line; then it says ``armed``: from there on the failpoint
kills it, and the acts are done. Without a failpoint it ends then. Everything that it says is a line of JSON, a word
and a value: ``said`` (an act was taken), ``shown`` and ``told`` (what the product was given, and told of what was
written there), ``error`` (the hub's log), at last ``died`` (its status).
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import os
import signal
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from bridge.connector import Capabilities
from bridge.hub.hub import Hub, now_ms
from bridge.model import Address, Body, Delivery, File, Kind, Message, Person, Ref, Report
from bridge.networks.loopback import Loopback
from bridge.networks.mail.leg.connector import MailConnector
from bridge.networks.mail.leg.settings import MailSettings
from bridge.parts import failpoint
from bridge.store.store import Store
from tests.mail.hub import PEER, PEOPLE, Trust, assembled

PRODUCT = "pandalab"
NEWCOMERS = ("ines", "jules")  # they write without having a mailbox yet
_LEFT = (
    ("store.lanes_of", PRODUCT, 0, 1),
    ("store.lanes_of", "mail", 0, 1),
    ("mail.waiting", 0, 1),
    ("mail.gathering", "", "", 1),
    ("mail.domain_after", ""),
    ("mail.untold",),
)
_BROKEN = File("cr.xml", "text/xml", b'<ClinicalDocument xmlns="urn:hl7-org:v3"><broken>')


@dataclass(frozen=True, slots=True)
class Act:
    """Something said in the product; ``ref`` is its name there, ``about`` that of what it corrects or marks."""

    ref: str
    chat: str
    text: str
    by: str = "cleo"
    to: tuple[str, ...] = ()
    kind: str = "text"
    about: str = ""
    broken: bool = False  # with a document that cannot leave

    def message(self) -> Message:
        """For the hub."""
        about = Ref(PRODUCT, self.about) if self.about else None
        body = Body(self.text, files=(_BROKEN,) if self.broken else ())
        sender, ref = Address(PRODUCT, self.by), Ref(PRODUCT, self.ref)
        return Message(ref, self.chat, sender, Kind(self.kind), body, now_ms(), tuple(self.to), about)


@dataclass(frozen=True, slots=True)
class Job:
    """One life: ``again`` are acts of earlier ones that nobody confirmed, ``acts`` those of this one."""

    url: str
    settings: dict[str, Any]
    dn: str  # of the one peer
    failpoint: str
    again: tuple[Act, ...] = ()
    acts: tuple[Act, ...] = ()

    def line(self) -> bytes:
        """As :func:`main` reads it."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Product(Loopback):
    """A product that names what it is given by the delivery's id, in every life the same, and says what it got."""

    async def deliver(self, delivery: Delivery) -> Ref:
        if delivery.kind is not Kind.MEMBERS:
            thread = delivery.thread.id if delivery.thread else None
            chat = delivery.chat or delivery.conversation
            tell("shown", {"id": delivery.id, "chat": chat, "thread": thread, "text": delivery.body.text})
        return Ref(PRODUCT, delivery.id)

    async def report(self, reports: Sequence[Report]) -> None:
        for report in reports:
            tell("told", {"ref": report.ref.id, "states": [f"{one.state.value} {one.reason}" for one in report.states]})


class Complaints(logging.Handler):
    """Errors in the log."""

    def emit(self, record: logging.LogRecord) -> None:
        tell("error", record.getMessage())


@dataclass(frozen=True, slots=True)
class Node:
    """A running hub."""

    hub: Hub
    store: Store
    mail: MailConnector

    async def settled(self) -> None:
        """Until nothing waits anywhere."""
        while not self.mail.idle or await self._left():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def _left(self) -> bool:
        waiting = [await self.store.db.all(*question) for question in _LEFT]
        return any(waiting) or any([await self.store.outcomes.reports(n, now_ms()) for n in (PRODUCT, "mail")])

    async def _given(self) -> bool:
        """Whether something waits to be given to the mail leg."""
        return bool(await self.store.db.all("store.lanes_of", "mail", 0, 1))

    async def do(self, acts: tuple[Act, ...]) -> None:
        """One after the other; what is corrected is with the mail leg by then, or the hub itself would correct it."""
        for act in acts:
            while act.kind in ("edit", "removal") and await self._given():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            await self.hub.accept(act.message())
            tell("said", act.ref)


@asynccontextmanager
async def running(job: Job) -> AsyncIterator[Node]:
    """A hub with the real mail leg, its SMTP both ways, and one product."""
    trust = Trust()
    trust.list(PEER, job.dn)
    new = [Person(f"rpps:2000000000{n}", who.title(), addresses=(Address(PRODUCT, who),))
           for n, who in enumerate(NEWCOMERS)]  # fmt: skip
    settings = MailSettings.model_validate(job.settings)
    products = {PRODUCT: Product(PRODUCT, Capabilities(files=True))}
    async with assembled(job.url, settings, trust, [*PEOPLE, *new], products) as (hub, store, mail):
        await mail.show([p for p in PEOPLE if p.addresses[0].network == PRODUCT])
        yield Node(hub, store, mail)


async def live(job: Job) -> None:
    """One life."""
    async with running(job) as node:
        await node.do(job.again)
        await node.settled()
        tell("settled")
        await asyncio.to_thread(read_line)
        await node.settled()
        if job.failpoint:
            arm(job.failpoint)
            tell("armed")
            await node.do(job.acts)
            await asyncio.sleep(60)


def arm(name: str) -> None:
    """From now on the failpoint kills."""
    failpoint._target, failpoint._left = name, 1


def tell(word: str, value: object = None) -> None:
    """A line, whole even if this process dies right after it."""
    os.write(1, json.dumps([word, value]).encode() + b"\n")


def read_line() -> bytes:
    """Byte by byte: what comes after the line is for the next reader."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def one(line: bytes) -> None:
    """In the forked process, which ends with its parent."""
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
    logging.getLogger().addHandler(Complaints(logging.ERROR))
    values = json.loads(line)
    again, acts = (tuple(Act(**act) for act in values.pop(name)) for name in ("again", "acts"))
    try:
        asyncio.run(live(Job(**values, again=again, acts=acts)))
        os._exit(0)
    except BaseException:
        tell("error", traceback.format_exc())
        os._exit(1)


def main() -> None:
    """Until the input ends: one life for each line."""
    while line := read_line():
        if not (pid := os.fork()):
            one(line)
        tell("died", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    main()
