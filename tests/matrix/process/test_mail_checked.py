"""`liaison check` of a hub that is an operator of secure mail: certificate, trust list, port, the ways of mail."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from appservice.process.checking import mail
from appservice.process.checking.findings import lines
from bridge.networks.mail.leg.settings import MailSettings
from deploy.world.ports import free_port
from tests.mail.smtp.test_smtp_out import Zone
from tests.mail.trust.make import ANNA, BEN, ROWS, Place, authority, foreign

HOST, DOMAIN = "smtp.anna.example", "anna.sante.example"
Settings = dict[str, Any]


class Site:
    """The section of a hub, as it is right."""

    def __init__(self, folder: Path, zone: Zone, dns: int) -> None:
        self.folder, self.zone = folder, zone
        self.place = Place(folder)
        self.place.publish(ROWS)
        self.certificate()
        self.section: Settings = {
            "smtp": {
                "hostname": HOST, "domains": [DOMAIN], "host": "127.0.0.1", "port": free_port(),
                "tls": {"certificate": folder / "tls.crt", "key": folder / "tls.key", "authority": folder / "ca.pem"},
                "sending": {"dns": [f"127.0.0.1:{dns}"], "dns_timeout": 5},
            },
            "trust": self.place.settings.model_dump(),
        }  # fmt: skip

    def certificate(self, host: str = HOST, days: int = 300, dn: str = ANNA) -> None:
        made = authority().issue(dn, key="ec", hosts=[host], valid=(timedelta(days=-400), timedelta(days=days)))
        (self.folder / "tls.crt").write_bytes(made.pem)
        (self.folder / "tls.key").write_bytes(made.key_pem)

    async def wrong(self) -> list[str]:
        found = await mail.findings(MailSettings(**self.section))
        return list(lines(one for one in found if not one.ok or one.note))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    zone = Zone({(f"{DOMAIN}.", "MX"): [f"10 {HOST}."]})
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: zone, local_addr=("127.0.0.1", 0))
    yield Site(tmp_path, zone, transport.get_extra_info("sockname")[1])
    transport.close()


async def test_an_operator_that_is_right_has_nothing_to_mend(site: Site) -> None:
    assert await site.wrong() == []
    assert not (site.folder / "state").exists()  # the hub's own copy of the list is left alone


def unlisted(site: Site) -> None:
    site.certificate(dn=ANNA.replace("anna", "other"))


def of_others(site: Site) -> None:
    site.section["smtp"]["domains"] = ["ben.sante.example"]
    site.zone.records["ben.sante.example.", "MX"] = [f"10 {HOST}."]
    site.place.publish([row for row in ROWS if row.dn == BEN])


def foreign_list(site: Site) -> None:
    site.place.publish(ROWS, by=foreign().signer())


def elsewhere(site: Site) -> None:
    site.zone.records[f"{DOMAIN}.", "MX"] = ["10 mx.elsewhere.example."]


def sending(**options: Any) -> Callable[[Site], None]:
    return lambda site: site.section["smtp"]["sending"].update(options)


@pytest.mark.parametrize(
    ("spoil", "what", "mend"),
    [
        (lambda site: site.certificate(host="mx.example"), "the certificate names mx.example", "set smtp.hostname"),
        (lambda site: site.certificate(days=5), "ends in 4 days", "renew it"),
        (unlisted, "does not let our certificate speak for anna.sante.example", "have CN="),
        (of_others, "does not let our certificate speak for ben.sante.example", "liaison trust check"),
        (foreign_list, "networks.mail.trust: the trust list of", "signer_cn"),
        (lambda site: site.place.list.unlink(), "networks.mail.trust: the trust list of", "without a list mail waits"),
        (
            lambda site: site.zone.records.clear(),
            "find the way to anna.sante.example: no (no_mx)",
            "needs an MX record",
        ),
        (elsewhere, "by mx.elsewhere.example", "if nothing stands in front"),
        (sending(dns=["127.0.0.1:1"], dns_timeout=0.2), "DNS does not say", "MX record"),
        (sending(routes={"mss.example": "127.0.0.1:1"}), "nobody answers at 127.0.0.1:1", "correct the route"),
    ],
)
async def test_a_mistake_is_named(site: Site, spoil: Callable[[Site], None], what: str, mend: str) -> None:
    spoil(site)
    found = await site.wrong()
    assert any(what in one for one in found), found
    assert any(mend in one for one in found), found


async def test_a_port_of_another_program(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", site.section["smtp"]["port"]))
        taken.listen()
        taken.setblocking(False)
        [fault, remedy] = await site.wrong()
    assert "networks.mail.smtp.port" in fault
    assert "another program" in remedy
