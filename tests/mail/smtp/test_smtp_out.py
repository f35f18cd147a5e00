"""Sending, against operators that behave oddly: nothing is said before the peer is known, every reply is understood."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest

from bridge.errors import Unavailable
from bridge.networks.mail.smtp.mx import Host
from bridge.networks.mail.smtp.peer import Outcome
from bridge.networks.mail.smtp.smtp_out import SmtpOut
from tests.mail.smtp.stub_operator import HANG_UP, SILENCE, Stub
from tests.mail.space import HUB, Party, Space

A = "mss-a.example"
ANNA = f"anna@{A}"
BEN = f"ben@{HUB}"
RAW = b"From: ben@liaison.mss.example\r\nTo: anna@mss-a.example\r\nSubject: essai\r\n\r\nBonjour.\r\n"
Far = Callable[..., Awaitable[Stub]]


@pytest.fixture(scope="module")
def space() -> Space:
    return Space()


@pytest.fixture(scope="module")
def party(space: Space) -> Party:
    return space.party("mail.mss-a.example", A)


class Served:
    """A stub operator and the hub that sends to it."""

    def __init__(self, space: Space, party: Party | None, **stub: Any) -> None:
        self.space = space
        self.stub = Stub(space.server_context(party) if party else None, **stub)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Served:
        await self._stack.enter_async_context(self.stub.listening())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def out(self, **changes: Any) -> SmtpOut:
        sending = {"routes": {A: f"127.0.0.1:{self.stub.port}"}, **changes.pop("sending", {})}
        return SmtpOut(self.space.settings(sending=sending, **changes), self.space.judge)

    async def send(self, *recipients: str, sender: str = BEN, raw: bytes = RAW, **changes: Any) -> list[Outcome]:
        return await self.out(**changes).send(sender, recipients or (ANNA,), raw, "delivery-1")

    async def one(self, **how: Any) -> tuple[str, int, str]:
        (outcome,) = await self.send(**how)
        return outcome.kind, outcome.code, outcome.status


async def test_a_good_transaction(space: Space, party: Party) -> None:
    async with Served(space, party) as far:
        (outcome,) = await far.send()
        assert outcome == Outcome(ANNA, 250, "2.0.0", "accepted", "Ok: queued as ABC", f"127.0.0.1:{far.stub.port}")
        assert far.stub.said == [
            "EHLO mx.liaison.example",
            "STARTTLS",
            "EHLO mx.liaison.example",
            f"MAIL FROM:<{BEN}> SIZE={len(RAW)} RET=HDRS ENVID=delivery-1",
            f"RCPT TO:<{ANNA}> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;{ANNA}",
            "DATA",
            "QUIT",
        ]
        assert far.stub.mails == [RAW + b".\r\n"]
        assert "anna" not in repr(outcome)


async def test_a_mail_that_may_be_another_workers_by_now_does_not_leave(space: Space, party: Party) -> None:
    """A worker that stood still before DATA: the one that took over has handed it over meanwhile."""

    async def lost() -> None:
        raise Unavailable("database_in_use")

    async with Served(space, party) as far:
        sending = {"routes": {A: f"127.0.0.1:{far.stub.port}"}}
        out = SmtpOut(space.settings(sending=sending), space.judge, ours=lost)
        (outcome,) = await out.send(BEN, [ANNA], RAW, "delivery-1")
        assert (outcome.kind, outcome.code) == ("later", 451)
    assert far.stub.said[-1].startswith("RCPT")
    assert far.stub.mails == []


async def test_the_null_sender_asks_for_no_reports(space: Space, party: Party) -> None:
    async with Served(space, party) as far:
        assert (await far.one(sender=""))[0] == "accepted"
        assert far.stub.said[3].startswith("MAIL FROM:<> ")
        assert " NOTIFY=NEVER " in far.stub.said[4]


async def test_only_what_is_offered_is_used(space: Space, party: Party) -> None:
    async with Served(space, party, extensions=["stub"]) as far:
        assert (await far.one())[0] == "accepted"
        assert far.stub.said[3:5] == [f"MAIL FROM:<{BEN}>", f"RCPT TO:<{ANNA}>"]
        assert await far.one(raw=RAW + "é".encode()) == ("refused", 554, "5.6.3")
        assert await far.one(raw=b"Subject: \xc3\xa9\r\n\r\n") == ("refused", 554, "5.6.3")
        (outcome,) = await far.send(f"annaé@{A}")
        assert (outcome.kind, outcome.code, outcome.status) == ("refused", 553, "5.6.7")


async def test_eight_bit_and_utf8(space: Space, party: Party) -> None:
    async with Served(space, party) as far:
        assert (await far.one(raw=RAW + "é\r\n".encode()))[0] == "accepted"
        assert "BODY=8BITMIME" in far.stub.said[3]
        assert "SMTPUTF8" not in far.stub.said[3]
        far.stub.said.clear()
        assert (await far.send(f"annaé@{A}"))[0].kind == "accepted"
        assert far.stub.said[3].endswith("SMTPUTF8 RET=HDRS ENVID=delivery-1")
        assert far.stub.said[4].endswith(f"ORCPT=utf-8;anna+C3+A9@{A}")


async def test_a_mail_that_is_too_large_for_the_peer_does_not_leave(space: Space, party: Party) -> None:
    async with Served(space, party, extensions=["stub", "SIZE 50"]) as far:
        assert await far.one() == ("refused", 552, "5.3.4")
        assert not any(line.startswith("MAIL") for line in far.stub.said)


async def test_each_recipient_has_an_outcome(space: Space, party: Party) -> None:
    replies = {
        "RCPT TO:<gone": "550-5.1.1 no such box\r\n550 5.1.1 at all",
        "RCPT TO:<full": "452 4.2.2 full",
        "RCPT TO:<odd": "550 2.1.1 odd",
        "RCPT TO:<bare": "450 wait",
        "RCPT TO:<far": "251 will forward",
    }
    names = ["gone", "anna", "full", "odd", "bare", "far"]
    async with Served(space, party, replies=replies) as far:
        outcomes = await far.send(*(f"{name}@{A}" for name in names))
        assert [each.recipient.partition("@")[0] for each in outcomes] == names
        assert [(each.kind, each.code, each.status) for each in outcomes] == [
            ("refused", 550, "5.1.1"),
            ("accepted", 250, "2.0.0"),
            ("later", 452, "4.2.2"),
            ("refused", 550, "5.0.0"),
            ("later", 450, "4.0.0"),
            ("accepted", 250, "2.0.0"),
        ]
        assert outcomes[0].text == "no such box at all"


async def test_nobody_accepted_means_no_data(space: Space, party: Party) -> None:
    async with Served(space, party, replies={"RCPT": "550 5.1.1 no"}) as far:
        assert await far.one() == ("refused", 550, "5.1.1")
        assert "DATA" not in far.stub.said


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ({"MAIL": "451 4.7.0 list too old"}, ("later", 451, "4.7.0")),
        ({"MAIL": "550 5.7.1 not you"}, ("refused", 550, "5.7.1")),
        ({"DATA": "451 4.3.0 disk"}, ("later", 451, "4.3.0")),
        ({"DATA": "554 5.6.0 no"}, ("refused", 554, "5.6.0")),
        ({".": "554 5.7.1 malware"}, ("refused", 554, "5.7.1")),
        ({".": "452 4.3.1 full"}, ("later", 452, "4.3.1")),
        ({".": HANG_UP}, ("later", 421, "4.4.2")),
        ({"MAIL": HANG_UP}, ("later", 421, "4.4.2")),
        ({"RCPT": "421 4.3.2 bye"}, ("later", 421, "4.3.2")),
        ({"RCPT": HANG_UP}, ("later", 421, "4.4.2")),
        ({"MAIL": "hello"}, ("later", 421, "4.5.0")),
        ({"MAIL": "250-" + "x" * 100_000}, ("later", 421, "4.5.0")),
        ({"MAIL": "999 what"}, ("later", 421, "4.5.0")),
        ({"STARTTLS": "454 4.7.0 no TLS today"}, ("later", 450, "4.7.10")),
        ({"STARTTLS": "220 go\r\n550 5.7.1 injected"}, ("accepted", 250, "2.0.0")),
        ({"EHLO": "421 4.3.2 bye"}, ("later", 421, "4.3.2")),
        ({"EHLO": "554 5.7.1 go away"}, ("refused", 554, "5.7.1")),
        ({"QUIT": HANG_UP}, ("accepted", 250, "2.0.0")),
    ],
)
async def test_what_peers_say(
    space: Space, party: Party, replies: dict[str, str], expected: tuple[str, int, str]
) -> None:
    async with Served(space, party, replies=replies) as far:
        assert await far.one() == expected


async def test_a_greeting_that_sends_us_away(space: Space, party: Party) -> None:
    async with Served(space, party, greeting="554 5.3.2 closed") as far:
        assert await far.one() == ("refused", 554, "5.3.2")
    async with Served(space, party, greeting="HTTP/1.1 400 Bad Request") as far:
        assert await far.one() == ("later", 421, "4.5.0")


async def test_silence_ends(space: Space, party: Party) -> None:
    async with Served(space, party, replies={"MAIL": SILENCE}) as far:
        assert await far.one(timeouts={"reply": 0.3}) == ("later", 421, "4.4.2")
    async with Served(space, party, replies={"EHLO": SILENCE}) as far:
        assert await far.one(timeouts={"reply": 0.3}) == ("later", 421, "4.4.1")


async def test_text_of_a_peer_is_short_and_plain(space: Space, party: Party) -> None:
    async with Served(space, party, replies={"MAIL": "550 5.7.1 refusé \x1b[31m " + "x" * 1000}) as far:
        (outcome,) = await far.send()
        assert outcome.text.startswith("refuse [31m xxx")
        assert len(outcome.text) <= 200


# --- trust ---


async def test_a_domain_outside_the_list_is_not_called(space: Space, party: Party) -> None:
    async with Served(space, party) as far:
        (outcome,) = await far.out().send(BEN, ["x@gmail.example"], RAW, "d")
        assert (outcome.kind, outcome.code, outcome.status, outcome.peer) == ("refused", 550, "5.7.1", "")
        (outcome,) = await far.out().send(BEN, [f"x@sub.{A}"], RAW, "d")
        assert outcome.kind == "refused"
        assert far.stub.connections == 0


async def test_a_stale_list_holds_the_mail(space: Space, party: Party) -> None:
    async with Served(space, party) as far:
        space.judge.stale = True
        try:
            assert await far.one() == ("later", 451, "4.7.0")
        finally:
            space.judge.stale = False
        assert far.stub.connections == 0


async def test_no_starttls_is_a_downgrade(space: Space) -> None:
    async with Served(space, None) as far:
        assert await far.one() == ("later", 450, "4.7.10")
        assert far.stub.said == ["EHLO mx.liaison.example"]


async def test_another_operators_certificate_is_not_this_domains(space: Space) -> None:
    other = space.party("mail.mss-b.example", "mss-b.example")
    async with Served(space, other) as far:
        assert await far.one() == ("later", 450, "4.7.5")
        assert not any(line.startswith("MAIL") for line in far.stub.said)


async def test_recipients_of_two_domains_are_two_attempts(space: Space, party: Party) -> None:
    async with Served(space, party) as far:
        with pytest.raises(ValueError):
            await far.send(ANNA, "cleo@mss-b.example")


async def test_our_own_certificate_is_missing(space: Space, party: Party) -> None:
    tls = {"certificate": "/nowhere.crt", "key": "/nowhere.pem", "authority": str(space.bundle)}
    async with Served(space, party) as far:
        assert await far.one(tls=tls) == ("later", 451, "4.7.0")


# --- where to ---


class Hosts:
    """Servers in an order, all on 127.0.0.1."""

    def __init__(self, *ports: int) -> None:
        self.ports = ports

    async def hosts(self, domain: str) -> Sequence[Host]:
        return [Host(f"mx{number}.{domain}", port) for number, port in enumerate(self.ports)]

    async def addresses(self, host: Host) -> Sequence[str]:
        return ["127.0.0.1"]


async def test_the_next_server_is_tried(space: Space, party: Party) -> None:
    async with Served(space, None) as downgraded, Served(space, party, greeting="421 4.3.2 busy") as busy:
        async with Served(space, party) as good:
            ports = Hosts(1, downgraded.stub.port, busy.stub.port, good.stub.port)
            (outcome,) = await SmtpOut(space.settings(), space.judge, ports).send(BEN, [ANNA], RAW, "d")
            assert (outcome.kind, outcome.peer) == ("accepted", f"mx3.{A}:{good.stub.port}")
            assert len(good.stub.mails) == 1
        ports = Hosts(1, downgraded.stub.port, busy.stub.port)
        (outcome,) = await SmtpOut(space.settings(), space.judge, ports).send(BEN, [ANNA], RAW, "d")
        assert (outcome.kind, outcome.status) == ("later", "4.7.10")


async def test_only_so_many_servers_are_tried(space: Space, party: Party) -> None:
    async with Served(space, party, greeting="421 4.3.2 busy") as busy:
        ports = Hosts(*[busy.stub.port] * 10)
        settings = space.settings(sending={"hosts": 3})
        (outcome,) = await SmtpOut(settings, space.judge, ports).send(BEN, [ANNA], RAW, "d")
        assert (outcome.kind, busy.stub.connections) == ("later", 3)


async def test_a_server_that_took_the_mail_is_not_doubted(space: Space, party: Party) -> None:
    """After a lost answer no other server gets the mail in the same attempt: it may have arrived."""
    async with Served(space, party, replies={".": HANG_UP}) as lost, Served(space, party) as second:
        ports = Hosts(lost.stub.port, second.stub.port)
        (outcome,) = await SmtpOut(space.settings(), space.judge, ports).send(BEN, [ANNA], RAW, "d")
        assert (outcome.kind, outcome.status) == ("later", "4.4.2")
        assert not second.stub.mails


async def test_connections_are_bounded(space: Space, party: Party) -> None:
    async with Served(space, party) as far:
        out = far.out(sending={"connections_per_domain": 2})
        outcomes = await asyncio.gather(*(out.send(BEN, [ANNA], RAW, f"d{n}") for n in range(12)))
        assert [each[0].kind for each in outcomes] == ["accepted"] * 12
        assert far.stub.most <= 2


class Zone(asyncio.DatagramProtocol):
    """A name server with one zone."""

    def __init__(self, records: dict[tuple[str, str], list[str]]) -> None:
        self.records = records

    def connection_made(self, transport: Any) -> None:
        self.transport: asyncio.DatagramTransport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = str(question.name), dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(query)
        if (name, kind) in self.records:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *self.records[name, kind]))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


async def test_mx_records(space: Space, party: Party) -> None:
    async with Served(space, party) as far:
        zone = Zone(
            {
                (f"{A}.", "MX"): ["20 nowhere.example.", "10 mail.mss-a.example."],
                ("mail.mss-a.example.", "A"): ["127.0.0.1"],
                ("mss-null.example.", "MX"): ["0 ."],
                ("mss-none.example.", "A"): ["127.0.0.1"],
            }
        )
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: zone, ("127.0.0.1", 0))
        name_server = transport.get_extra_info("sockname")[1]
        sending = {"dns": [f"127.0.0.1:{name_server}"], "port": far.stub.port, "dns_timeout": 5}
        out = SmtpOut(space.settings(sending=sending), space.judge)
        for domain in ("mss-null.example", "mss-none.example", "mss-gone.example"):
            space.judge.list(domain, party.dn)
        (outcome,) = await out.send(BEN, [ANNA], RAW, "d")
        assert (outcome.kind, outcome.peer) == ("accepted", f"mail.mss-a.example:{far.stub.port}")
        for domain, status in (("mss-null", "5.1.10"), ("mss-none", "5.1.2"), ("mss-gone", "5.1.2")):
            (outcome,) = await out.send(BEN, [f"x@{domain}.example"], RAW, "d")
            assert (outcome.kind, outcome.code, outcome.status) == ("refused", 550, status)
        transport.close()
        settings = space.settings(sending={**sending, "dns_timeout": 0.2})
        (outcome,) = await SmtpOut(settings, space.judge).send(BEN, [ANNA], RAW, "d")
        assert (outcome.kind, outcome.status) == ("later", "4.4.3")
