"""The eight cases of the trust space's audit domains, in both directions, with the real trust list and real peers.

In: swaks with the certificate of the case. Out: a Postfix that shows it, one listener for each case.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from bridge.networks.mail.smtp.peer import Outcome
from bridge.networks.mail.smtp.smtp_in import SmtpIn
from bridge.networks.mail.smtp.smtp_out import SmtpOut
from bridge.networks.mail.trust.judge import Judge
from bridge.networks.mail.trust.settings import TrustListSettings
from bridge.networks.mail.trust.trustfeed import Trust
from deploy.world.mail_client import Mailbox
from deploy.world.ports import free_port
from deploy.world.postfix import Identity, Options, Postfix
from deploy.world.trust import ISSUER_CN, SIGNER_CN, Row, signed_list, subject
from tests.mail.smtp.peer import PLAIN_MAIL, Peer
from tests.mail.smtp.swaks import swaks
from tests.mail.space import HUB, Party, Shelf, Space

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="module")]

BEN = f"ben@{HUB}"
HANDSHAKE = "handshake"  # refused in the TLS handshake: no SMTP reply is possible


@dataclass(frozen=True, slots=True)
class Case:
    """``refusal``: how our answer begins when the peer connects; ``held``: status when we send; empty: it passes."""

    name: str
    refusal: str = ""
    held: str = ""
    log: str = ""

    @property
    def domain(self) -> str:
        return f"{self.name}.audit.example"


CASES = [
    Case("cert-valide-audit"),
    Case("cert-expire-audit", HANDSHAKE, "4.7.5", "certificate has expired"),
    Case("cert-revoque-audit", "550-5.7.1 Certificat revoque", "4.7.5"),
    Case("cert-non-igc-audit", HANDSHAKE, "4.7.5", "unable to get local issuer certificate"),
    Case("cert-no-match-audit", "550-5.7.1 Le DN", "4.7.5"),
    Case("cert-cn-diff-dn-audit", "550-5.7.1 Le DN", "4.7.5"),
    Case("sans-tls-audit", "530 5.7.0 Must issue a STARTTLS command first", "4.7.10"),
    Case("tests-operateur"),
]


class Audit:
    """The audit operator with its eight domains, and the hub."""

    def __init__(self) -> None:
        self.space = Space()
        self.shelf = Shelf()
        self.port = free_port()
        self.ports = {case.name: free_port() for case in CASES}
        self.parties = {case.name: self._party(case.name) for case in CASES}
        self.publish()
        self.trust = Trust(self.trust_settings())
        self.edge = SmtpIn(self.space.settings(port=self.port), self.trust, self.shelf.take, self.shelf.known)
        own = self.parties["tests-operateur"]
        identity = Identity(
            "tests-operateur.audit.example", "audit.example", own.certificate, own.key, self.space.bundle
        )
        domains = " ".join(case.domain for case in CASES)
        master = tuple(self._listener(case) for case in CASES)
        self.operator = Postfix(identity, {}, Options(main={"virtual_mailbox_domains": domains}, master=master))

    def _party(self, name: str) -> Party:
        space, own = self.space, self.space.authority
        text = subject(f"{name}.audit.example")
        issued = own.issue(text, key="ec")
        if name == "cert-expire-audit":
            issued = own.expired(text, key="ec")
        elif name == "cert-revoque-audit":
            own.revoke(issued)
        elif name == "cert-non-igc-audit":
            issued = space.stranger.issue(text, key="ec")
        elif name == "cert-no-match-audit":
            issued = own.issue(subject("somebody.else.example"), key="ec")
        elif name == "cert-cn-diff-dn-audit":
            issued = own.issue(subject(f"{name}.audit.example", ou="1750000099"), key="ec")
        return space.write(issued, text)

    def publish(self, *without: str) -> None:
        """Sign the list anew, without some domains."""
        space = self.space
        rows = [Row(HUB, space.hub.dn)]
        rows += [Row(case.domain, self.parties[case.name].dn) for case in CASES if case.domain not in without]
        (space.directory / "list.xml").write_bytes(signed_list(rows, space.authority.signer()))

    def trust_settings(self, listed: str = "list.xml", state: str = "state") -> TrustListSettings:
        space = self.space
        (space.directory / "org.crl").write_bytes(space.authority.crl())
        (space.directory / "root.crl").write_bytes(space.authority.root_crl())
        return TrustListSettings(
            path=space.directory / listed,
            state=space.directory / state,
            authority=space.bundle,
            signer_cn=SIGNER_CN,
            signer_issuer_cn=ISSUER_CN,
            max_drop=1.0,
            crls=[str(space.directory / "org.crl"), str(space.directory / "root.crl")],
        )

    def _listener(self, case: Case) -> str:
        party = self.parties[case.name]
        level = "none" if case.name == "sans-tls-audit" else "encrypt"
        return (
            f"127.0.0.1:{self.ports[case.name]} inet n - n - - smtpd -o smtpd_tls_security_level={level}"
            f" -o smtpd_tls_cert_file={party.certificate} -o smtpd_tls_key_file={party.key}"
            + (" -o smtpd_tls_req_ccert=no -o smtpd_tls_ask_ccert=no" if level == "none" else "")
        )

    async def send(self, case: Case) -> Outcome:
        routes = {case.domain: f"127.0.0.1:{self.ports[case.name]}"}
        out = SmtpOut(self.space.settings(sending={"routes": routes}, timeouts={"connect": 5.0}), self.trust)
        mail = f"From: {BEN}\r\nTo: anna@{case.domain}\r\nSubject: {case.name}\r\n\r\nBonjour.\r\n".encode()
        (outcome,) = await out.send(BEN, [f"anna@{case.domain}"], mail, "delivery-1")
        return outcome


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def audit() -> AsyncIterator[Audit]:
    audit = Audit()
    await audit.trust.start()
    await audit.edge.start()
    try:
        await audit.operator.start()
        yield audit
    finally:
        await audit.operator.stop()
        await audit.edge.stop()
        await audit.trust.stop()


async def test_the_trust_list_is_what_the_edges_ask(audit: Audit) -> None:
    judge: Judge = audit.trust
    assert judge.knows("tests-operateur.audit.example")
    assert not judge.stale


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_peer_connects_to_us(audit: Audit, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    audit.shelf.mails.clear()
    options = ("--from", f"anna@{case.domain}", "--header", f"From: anna@{case.domain}")
    with caplog.at_level(logging.INFO):
        said = await swaks(
            audit.space, audit.port, audit.parties[case.name], *options, tls=case.name != "sans-tls-audit"
        )
    if not case.refusal:
        assert said.code == 0, said.text
        assert audit.shelf.mails[0][0].sender == f"anna@{case.domain}"
        return
    assert said.code != 0
    assert not audit.shelf.mails
    assert case.log in caplog.text
    if case.refusal == HANDSHAKE:
        assert "MAIL FROM" not in said.text or not said.refusal
    else:
        assert said.refusal.startswith(case.refusal)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_we_send_to_it(audit: Audit, case: Case) -> None:
    outcome = await audit.send(case)
    box = Mailbox(audit.operator, f"anna@{case.domain}")
    if not case.held:
        assert (outcome.kind, outcome.code) == ("accepted", 250)
        assert (await box.wait())["Subject"] == case.name
        return
    assert (outcome.kind, outcome.status) == ("later", case.held)
    assert await box.messages() == []
    assert f"to=<anna@{case.domain}>" not in audit.operator.log


async def test_a_certificate_renewed_with_the_same_name_passes(audit: Audit) -> None:
    audit.shelf.mails.clear()
    old = audit.parties["cert-valide-audit"]
    renewed = audit.space.write(audit.space.authority.issue(old.dn, key="ec"), old.dn)
    sender = "anna@cert-valide-audit.audit.example"
    said = await swaks(audit.space, audit.port, renewed, "--from", sender, "--header", f"From: {sender}")
    assert said.code == 0, said.text


async def test_a_domain_removed_while_a_connection_is_open(audit: Audit) -> None:
    case = CASES[0]
    sender = f"anna@{case.domain}"
    mail = PLAIN_MAIL.replace(b"anna@mss-a.example", sender.encode())
    async with Peer(audit.port) as peer:
        await peer.tls(audit.space.client_context(audit.parties[case.name]))
        await peer.envelope(sender)
        assert (await peer.data(mail)).startswith("250")
        audit.publish(case.domain)
        assert await audit.trust.refresh()
        assert (await peer.envelope(sender)).startswith("550-5.7.1 Le DN")
        assert (await audit.send(case)).kind == "refused"
        audit.publish()
        assert await audit.trust.refresh()
        await peer.envelope(sender)
        assert (await peer.data(mail)).startswith("250")


async def test_sending_stops_when_the_list_is_gone(audit: Audit) -> None:
    settings = audit.trust_settings("nowhere.xml", "other-state")
    routes = {CASES[0].domain: f"127.0.0.1:{audit.ports[CASES[0].name]}"}
    out = SmtpOut(audit.space.settings(sending={"routes": routes}), Trust(settings))
    (outcome,) = await out.send(BEN, [f"anna@{CASES[0].domain}"], PLAIN_MAIL, "delivery-2")
    assert (outcome.kind, outcome.status) == ("later", "4.7.0")
