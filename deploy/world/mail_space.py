"""The secure-mail space of a demo world: an authority, a signed list, two real operators, and the hub's place in it.

Nothing of it is believed by anybody else; every name is invented.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from bridge.networks.mail.leg.addressbook import local_part
from deploy.world.mail_client import Mailbox
from deploy.world.postfix import PASSWORD, Identity, Postfix, Route
from deploy.world.state_directory import OPERATORS, Kept, StateDirectory
from deploy.world.trust import ISSUER_CN, SIGNER_CN, Authority, Issued, Row, signed_list, subject
from deploy.world.waiting import PATIENCE

DOMAIN, HOST = "liaison.mss.example", "mx.liaison.example"
TEAM, TEAM_NAME = f"secretariat.cardiologie@{DOMAIN}", "Secrétariat de cardiologie"
ANNA = f"anna@{OPERATORS[0]}"
UNLISTED = "hors-liste.example"  # a domain that the list does not have
_LASTS = timedelta(days=30)
_OPEN = 0o022


class Space:
    """Everything of secure mail but the hub itself; `section` is the hub's part of it."""

    def __init__(self, state: StateDirectory, kept: Kept, members: Sequence[str]) -> None:
        """Make authority, certificates and list anew; ``members`` are the handles of the team's members."""
        self.directory = state / "mail"
        self.port = kept.mail.hub
        self.authority = self.directory / "authority.pem"
        self.list = self.directory / "list.xml"
        self._crls = [self.directory / "operators.crl", self.directory / "root.crl"]
        self._members = list(members)
        self._starting: list[asyncio.Task[None]] = []
        shutil.rmtree(self.directory, ignore_errors=True)  # a last good list of another authority helps nobody
        self.directory.mkdir(mode=0o700)
        authority = Authority(key="ec")
        self.certificate, self.key = _issue(authority, HOST).write(self.directory, "hub")
        self.operators = {domain: self._operator(authority, domain, kept) for domain in OPERATORS}
        self._publish(authority)

    def _publish(self, authority: Authority) -> None:
        rows = [Row(DOMAIN, subject(HOST)), *(Row(domain, subject(_host(domain))) for domain in OPERATORS)]
        self.authority.write_bytes(authority.bundle)
        self.list.write_bytes(signed_list(rows, authority.signer()))
        self._crls[0].write_bytes(authority.crl(lasts=_LASTS))
        self._crls[1].write_bytes(authority.root_crl(lasts=_LASTS))

    def _operator(self, authority: Authority, domain: str, kept: Kept) -> Postfix:
        certificate, key = _issue(authority, _host(domain)).write(self.directory, domain)
        identity = Identity(domain, _host(domain), certificate, key, self.authority)
        routes = {DOMAIN: Route(self.port, HOST)}
        routes |= {other: Route(kept.mail.operators[other][0], _host(other)) for other in OPERATORS if other != domain}
        operator = Postfix(identity, routes)
        operator.port, operator.submission, operator.imaps = kept.mail.operators[domain]
        return operator

    def section(self) -> dict[str, Any]:
        """The hub's ``networks.mail``. Chat is gathered for a moment only, so that nobody waits for a mail."""
        routes = {domain: f"127.0.0.1:{operator.port}" for domain, operator in self.operators.items()}
        files = {"certificate": str(self.certificate), "key": str(self.key), "authority": str(self.authority)}
        return {
            "smtp": {
                "hostname": HOST, "domains": [DOMAIN], "tls": files, "host": "127.0.0.1", "port": self.port,
                "sending": {"routes": routes},
            },
            "trust": {
                "path": str(self.list), "authority": str(self.authority), "state": str(self.directory / "trust"),
                "signer_cn": SIGNER_CN, "signer_issuer_cn": ISSUER_CN, "crls": [str(crl) for crl in self._crls],
                "warn_after": "30d", "stale_after": "30d",
            },
            "teams": [{"address": TEAM, "name": TEAM_NAME, "members": self._members}],
            "gather": {"quiet": 1.5, "longest": 10.0},
            "retry": {"pauses": [1.0, 2.0, 5.0]},
        }  # fmt: skip

    async def begin(self) -> None:
        """Start both operators; `ready` waits until they listen."""
        self._starting = [asyncio.create_task(operator.start()) for operator in self.operators.values()]
        with _readable():
            await asyncio.sleep(0)  # their files are written, and their queue begun, before they first wait

    async def ready(self) -> None:
        """Wait for them. Raises RuntimeError when Postfix or Dovecot is missing or does not come up."""
        await asyncio.gather(*self._starting)

    async def stop(self) -> None:
        """Stop them; what lies in their mailboxes is thrown away."""
        if self._starting:  # one that was broken off would leave a process behind
            await asyncio.wait(self._starting, timeout=PATIENCE)
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        await asyncio.gather(*(operator.stop() for operator in self.operators.values()))

    def mailbox(self, address: str, name: str = "") -> Mailbox:
        """The mailbox of somebody at one of the operators, for any local part."""
        return Mailbox(self.operators[address.rpartition("@")[2]], address, name)

    def box(self, name: str) -> str:
        """The mailbox that the hub gives to somebody of the directory who is reached by it."""
        return f"{local_part(name)}@{DOMAIN}"

    def endpoints(self, people: Sequence[str]) -> dict[str, Any]:
        """Where everything is. ``people``: names of those to whom the hub gives a mailbox."""
        operators = {
            domain: {
                "port": operator.port, "submission": operator.submission, "imaps": operator.imaps,
                "certificate": str(operator.identity.certificate), "key": str(operator.identity.key),
            }
            for domain, operator in self.operators.items()
        }  # fmt: skip
        mine = operators[OPERATORS[0]]
        anna = {
            "address": ANNA, "password": PASSWORD, "submission": f"127.0.0.1:{mine['submission']}",
            "imaps": f"127.0.0.1:{mine['imaps']}",
        }  # fmt: skip
        return {
            "domain": DOMAIN, "hostname": HOST, "smtp": f"127.0.0.1:{self.port}", "anna": anna, "operators": operators,
            "people": {name: self.box(name) for name in people}, "team": {"address": TEAM, "name": TEAM_NAME},
            "authority": str(self.authority), "list": str(self.list),
        }  # fmt: skip


def _host(domain: str) -> str:
    return f"mail.{domain}"


def _issue(authority: Authority, host: str) -> Issued:
    return authority.issue(subject(host), hosts=[host], key="ec")


@contextmanager
def _readable() -> Iterator[None]:
    """Postfix and Dovecot run as several users: what is made here has to be readable for them."""
    before = os.umask(_OPEN)
    try:
        yield
    finally:
        os.umask(before)
