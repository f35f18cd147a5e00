"""Prepared troubles: the commands of docs/operating.md are typed as they stand there, and name the cause.

Each trouble is really caused in one running hub. Its chapter has a few commands and a table of words; before, none of
these words is said, and afterwards the trouble's own are.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from appservice.process.command import _parser, main
from bridge.errors import Refused, Unavailable
from bridge.networks.connect.signing import Signer
from bridge.networks.mail.leg.connector import MailConnector
from bridge.parts.alarms import ALARMS
from deploy.world.ports import free_port
from deploy.world.trust import ISSUER_CN, SIGNER_CN, Row, signed_list
from deploy.world.waiting import until, wait_for
from tests.connect.make import serve
from tests.mail.hub import PEER
from tests.mail.smtp.stub_operator import Stub
from tests.mail.space import HUB, HUB_HOST, Space
from tests.matrix.make import CLEO, DAN, ghost
from tests.matrix.operating.rules import ROOT
from tests.matrix.operating.test_alerts import a_full_disk, certificate, shows
from tests.matrix.operating.whole_hub import PEOPLE, Site, site

PAGE = (ROOT / "docs/operating.md").read_text("utf-8")
EVE = "10000000009,Eve Noir,pandalab:eve\n"
POISON = "ne peut pas être lu"
SECRET = bytes(32)  # see tests.matrix.process.test_start.written


@dataclass
class Chapter:
    """Commands, and the words by which each row of the table is known."""

    commands: list[str]
    words: list[str]


def chapter(heading: str) -> Chapter:
    text = re.split(r"^##", PAGE.partition(f"### {heading}\n")[2], maxsplit=1, flags=re.M)[0]
    [block] = re.findall(r"^```console\n(.*?)^```$", text, flags=re.M | re.S)
    firsts = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    return Chapter(block.strip().splitlines(), [word for one in firsts for word in re.findall(r"`([^`]+)`", one)])


def test_every_command_of_the_page_is_one() -> None:
    typed = [line for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.M | re.S) for line in block.splitlines()]
    liaison = [shlex.split(line)[1:] for line in typed if line.startswith("liaison ")]
    assert len(liaison) > 15
    for words in liaison:
        _parser().parse_args(words)


class Product:
    """Answers webhooks, if it believes their signature."""

    def __init__(self) -> None:
        self.key, self.status = SECRET, 200

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/", self._asked)

    async def _asked(self, request: web.Request) -> web.Response:
        body, head = await request.read(), request.headers
        signed = Signer([self.key]).sign(head["webhook-id"], int(head["webhook-timestamp"]), body)
        if signed != head["webhook-signature"]:
            return web.Response(status=401)
        if self.status == 0:
            assert request.transport is not None
            request.transport.abort()
        poisoned = POISON in body.decode()
        return web.json_response({}, status=500 if poisoned else self.status)


@dataclass
class Bench:
    """A hub in trouble, and who looks for the cause. ``ids``: what stands for ``ID`` in a chapter."""

    hub: Site
    product: Product
    capsys: pytest.CaptureFixture[str]
    caplog: pytest.LogCaptureFixture
    ids: str = ""
    seen: list[str] = field(default_factory=list)

    async def walk(self, heading: str) -> str:
        """Type every command of a chapter; gives what they said."""
        found = chapter(heading)
        assert len(found.commands) <= 4  # two minutes are long enough to read what so many say
        meant = [one.replace("ID", self.ids or "none").replace("DOMAIN", PEER) for one in found.commands]
        said = [await self._typed(command) for command in meant]
        return "\n".join(said)

    async def _typed(self, command: str) -> str:
        program, *words = shlex.split(command)
        if program == "journalctl":
            pattern = words[words.index("grep") + 1]
            return "\n".join(line for line in self.caplog.text.splitlines() if pattern in line)
        assert program == "liaison"
        more = ["--synapse", str(self.hub.folder / "none.yaml")] if words[0] == "check" else []
        self.capsys.readouterr()
        await asyncio.to_thread(main, [words[0], "-c", str(self.hub.path), *words[1:], *more])
        out = self.capsys.readouterr()
        return out.out + out.err

    async def finds(self, heading: str, words: str, before: str | None = None) -> None:
        """The chapter names this cause; ``before``: what its commands said without the trouble."""
        assert words in chapter(heading).words
        said = await self.walk(heading)
        assert words in said, said
        assert before is None or words not in before
        self.seen.append(words)

    async def waits(self, text: str, to: str) -> None:
        """Cléo writes, and it waits; its delivery is the page's ID."""
        await self.hub.say(text, text, to=to)
        queue = self.hub.parts.core.store.db

        async def first() -> str:
            rows = await queue.all("operating.queue", "siilo", -1, 1)
            return str(rows[0]["id"]) if rows and rows[0]["attempt"] else ""

        self.ids = await wait_for(first, "a delivery that waits")

    async def mended(self) -> None:
        """The product works again, and has everything."""
        self.product.key, self.product.status = SECRET, 200
        self.hub.parts.core.courier.retry("siilo")
        queue = self.hub.parts.core.store.db

        async def empty() -> bool:
            return not await queue.all("operating.queue", "siilo", -1, 1)

        await wait_for(empty, "an empty queue")


async def of_products(bench: Bench) -> None:
    away, alone = "A network does not answer", "One conversation stands still"
    before = await bench.walk(away)
    wrong = {"last: product_unreachable": (SECRET, 0), "last: product_answered_401": (bytes([1]) * 32, 200)}
    wrong["last: product_answered_5"] = (SECRET, 503)
    for words, (key, status) in wrong.items():
        bench.product.key, bench.product.status = key, status
        await bench.waits(words, f"rpps:{DAN}")
        await bench.finds(away, words, before)
        await bench.mended()
    await bench.waits(POISON, f"rpps:{DAN}")
    await shows(bench.hub, "liaison_legs_late", 1, network="siilo")
    await bench.finds(alone, "LATE since")
    assert "product_answered_500" in await bench.walk(alone)
    await asyncio.to_thread(main, ["queue", "-c", str(bench.hub.path), "drop", bench.ids, "--by", "ann"])  # as it says
    await bench.mended()


async def of_people(bench: Bench) -> None:
    refused, old = "Messages are refused", "The directory is old"
    before = await bench.walk(refused)
    people = bench.hub.folder / "people.csv"
    people.write_text(PEOPLE)
    await bench.walk(old)
    with pytest.raises(Refused):
        await bench.hub.say("eve", by="eve")
    await bench.finds(refused, "unknown_sender", before)
    bench.hub.offer(3, 30.0, "chu.example")
    bench.hub.parts.sources.reload()
    await until(lambda: not bench.hub.parts.servers.allows("evil.example"))
    await bench.finds(refused, "is not there", before)
    before = await bench.walk(old)
    people.write_text("rpps,name\n1,nobody\n")
    await bench.finds(old, "people.csv, line", before)
    people.write_text(PEOPLE)
    await bench.walk(old)
    certificate(bench.hub.folder / "hub.crt", 10)
    await bench.finds("A certificate ends", "the certificate connect_listen ends in")


async def of_keys(bench: Bench) -> None:
    hub, keys = bench.hub, "Keys are missing"
    before = await bench.walk(keys)
    async with await hub.human("ben", signed=False) as ben, await hub.human("carl") as carl:
        bench.ids = await hub.say("to-ben", to=f"matrix:{ben.mxid}")
        await ben.member(await ben.invited(), "join")
        await shows(hub, "liaison_edge_waiting", 1, queue="keyless")
        await bench.finds(keys, "people who cannot read yet", before)
        await bench.finds(keys, "recipient_unsigned", before)
        assert "not signed" in await bench.walk(keys)
        room = await carl.create_room(ghost(CLEO), is_direct=True)
        await until(lambda: hub.stub.world.rooms[room].membership(ghost(CLEO)) == "join")
        event = await carl.say(room, "sans clé", share=False)
        await shows(hub, "liaison_edge_waiting", 1, queue="unreadable")
        await bench.finds(keys, "events whose key has not come", before)
        assert f"is no message of the hub yet: waits for its key in {room}" in await bench._typed(
            f"liaison trace '{event}'"
        )


@dataclass
class Operator:
    """Another operator of secure mail, whose server puts the hub off; and the hub's section."""

    space: Space = field(default_factory=Space)

    def __post_init__(self) -> None:
        party = self.space.party(f"mx.{PEER}", PEER)
        self.server = Stub(self.space.server_context(party), replies={"RCPT": "450 4.7.1 Greylisted"})
        self.list = self.space.directory / "list.xml"
        rows = [Row(HUB, self.space.hub.dn), Row(PEER, party.dn)]
        self.list.write_bytes(signed_list(rows, self.space.authority.signer()))

    def section(self) -> dict[str, Any]:
        tls = {"certificate": self.space.hub.certificate, "key": self.space.hub.key, "authority": self.space.bundle}
        trust = {"path": self.list, "authority": self.space.bundle, "state": self.space.directory / "state"}
        return {
            "smtp": {
                "hostname": HUB_HOST, "domains": [HUB], "host": "127.0.0.1", "port": free_port(),
                "tls": {name: str(path) for name, path in tls.items()},
                "sending": {"routes": {PEER: f"127.0.0.1:{self.server.port}"}},
            },
            "trust": {name: str(path) for name, path in trust.items()}
            | {"signer_cn": SIGNER_CN, "signer_issuer_cn": ISSUER_CN, "refresh": 3600, "retry": 3600},
            "gather": {"quiet": 0.01, "longest": 0.02}, "retry": {"pauses": [0.1]},
        }  # fmt: skip


async def of_mail(bench: Bench, operator: Operator, server: AsyncExitStack) -> None:
    waits, mail = "Mail waits", bench.hub.parts.core.served["mail"]
    assert isinstance(mail, MailConnector)
    before = await bench.walk(waits)
    assert f"{PEER}" in before  # the list has the domain
    await bench.hub.say("mail", "bonjour", to=f"mailto:anna@{PEER}")

    async def ended(how: str) -> None:
        async def look() -> bool:
            return any(how in one.why for one in await mail.queues(10))

        await wait_for(look, how)

    await ended("450 4.7.1")
    traced = await bench._typed("liaison trace 'mail'")
    assert f"within mail it waits to leave for {PEER}, for " in traced
    assert "last: 450 4.7.1 from 127.0.0.1" in traced
    assert f"mail: 1 mails for {PEER}" in await bench._typed("liaison queue list --network mail")
    await bench._typed("liaison queue retry --network mail")
    await bench.finds(waits, "last: 450 4.7.1", before)
    await server.aclose()
    await ended("421 4.4.1")
    await bench.finds(waits, "last: 421 4.4.1", before)
    operator.list.write_bytes(b"<spoiled")
    await bench._typed("liaison reload")  # the list is asked for again in an hour only
    await until(lambda: mail.followed[0].trouble)
    await bench.walk(waits)


async def of_the_machine(bench: Bench) -> None:
    hub, away, fails = bench.hub, "The homeserver is not reached", "The database fails"
    before = await bench.walk(away), await bench.walk(fails)
    hub.stub.fault("", 10**9, status=502)
    hub.stub.appservice = None
    await until(lambda: hub.parts.matrix.trouble(), pause=1.0)
    await bench.finds(away, "the homeserver does not answer or cannot reach the hub", before[0])
    with a_full_disk(hub.folder / "hub.db"):
        with pytest.raises(Unavailable):
            await hub.say("lost", "x" * 20_000)
        await bench.finds(fails, "SQLITE_IOERR", before[1])


async def test_the_page_leads_to_the_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ALARMS.by.clear()
    ALARMS.newest.clear()  # of the tests before, in this process
    product, app, port = Product(), web.Application(), free_port()
    product.routes(app)
    runner = await serve(app, port)
    tls = tmp_path / "hub.crt"
    certificate(tls, 90)
    listen = {"port": 0, "certificate": str(tls), "key": str(tls.with_suffix(".key"))}
    delivery, operator, server = {"order_wait": "10ms", "late": "30s"}, Operator(), AsyncExitStack()
    await server.enter_async_context(operator.server.listening())
    async with site(
        tmp_path, f"http://127.0.0.1:{port}/", operator.section(), connect_listen=listen, delivery=delivery
    ) as hub:
        bench = Bench(hub, product, capsys, caplog)
        hub.offer(2, 30.0, "chu.example", "evil.example")
        (tmp_path / "people.csv").write_text(PEOPLE + EVE)
        await bench.walk("The directory is old")
        await until(lambda: hub.parts.servers.allows("evil.example"))
        await of_mail(bench, operator, server)
        for some in (of_products, of_people, of_keys, of_the_machine):
            await some(bench)
    await bench.finds("The hub does not run", "no hub answers there")
    (tmp_path / "seal").unlink()
    await bench.finds("The hub does not run", "MEND  seal.keys.1: cannot read")
    assert len(set(bench.seen)) >= 10
    await runner.cleanup()
