"""People, servers, tokens, secrets and certificates are read again while the hub runs; a bad file changes nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from appservice.process.app import Parts, running
from appservice.process.command import main
from bridge.config import read_config
from bridge.model import Address
from bridge.parts.disk import FileWatch
from deploy.world.ports import free_ports
from deploy.world.waiting import until
from tests.matrix.operating.test_alerts import certificate
from tests.matrix.process.test_start import written

CLEO, DAN = "10000000003", "10000000004"
OLD, NEW, SPARE = "liaison_old", "liaison_new", "liaison_spare"


def digest(token: str) -> str:
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


def secret(folder: Path, name: str, byte: int) -> str:
    """A file with a webhook secret."""
    (folder / name).write_text("whsec_" + base64.b64encode(bytes([byte]) * 32).decode())
    return f"file:{folder}/{name}"


class Site:
    """A hub whose configuration is edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        port, self.connect = free_ports(2)
        certificate(folder / "hub.crt", 20)
        tls = {"certificate": str(folder / "hub.crt"), "key": str(folder / "hub.key")}
        product = {
            "webhook_url": "https://p.invalid", "webhook_secrets": [secret(folder, "first", 1)],
            "tokens": [digest(OLD), digest(SPARE)],
        }  # fmt: skip
        self.path = Path(written(
            folder, networks={"connect": {"products": {
                "pandalab": product, "siilo": product | {"tokens": [digest("s")]},
            }}},
            matrix_listen={"port": port}, connect_listen={"port": self.connect} | tls,
        ))  # fmt: skip
        self.people(f"{CLEO},Cléo Petit,pandalab:cleo\n")

    def people(self, rows: str) -> None:
        (self.folder / "people.csv").write_text(f"rpps,name,products\n{rows}")

    def edit(self, **changes: Any) -> None:
        """Sections, or options of PandaLab (``pandalab``)."""
        config = yaml.safe_load(self.path.read_text())
        config["networks"]["connect"]["products"]["pandalab"].update(changes.pop("pandalab", {}))
        self.path.write_text(yaml.safe_dump(config | changes))

    async def allows(self, token: str) -> bool:
        """Whether the API knows a token."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"https://127.0.0.1:{self.connect}/connect/v1/people?q=petit"
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url, ssl=False) as answer:
            assert answer.status in (200, 401)
            return answer.status == 200


async def reload(hub: Site, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The command: its status and its lines."""
    capsys.readouterr()
    status = await asyncio.to_thread(main, ["reload", "-c", str(hub.path)])
    return status, capsys.readouterr().out.splitlines()


def keys(parts: Parts) -> list[str]:
    """What signs PandaLab's webhooks."""
    return list(parts.core.served["pandalab"].product.out.webhook.signer.alive(0))  # type: ignore[attr-defined]


async def shown(port: int) -> bytes:
    """The certificate that a new connection sees."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return found


async def test_what_changed_is_in_use_and_the_rest_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub = Site(tmp_path)
    watch = FileWatch(hub.path, 3600.0)
    async with running(read_config(hub.path), watch) as parts:
        assert await reload(hub, capsys) == (0, ["nothing has changed"])
        before, signing = await shown(hub.connect), keys(parts)
        hub.people(f"{CLEO},Cléo Petit,pandalab:cleo\n{DAN},Dan Moreau,siilo:dan\n")
        hub.edit(
            pandalab={
                "tokens": [digest(NEW), digest(SPARE)], "webhook_secrets": [secret(tmp_path, "second", 2)], "burst": 7,
                "webhook_url": "https://q.invalid",
            },
            trust={"matrix_servers": ["chu.example"]}, delivery={"late": "3m"}, log_level="WARNING",
        )  # fmt: skip
        certificate(tmp_path / "hub.crt", 90)
        assert (await hub.allows(OLD), await hub.allows(NEW)) == (True, False)
        assert await reload(hub, capsys) == (0, [
            "read again: networks.connect.products.pandalab.tokens: 1 new, 1 gone",
            "read again: networks.connect.products.pandalab.webhook_secrets: 1 new, 1 gone",
            "read again: networks.connect.products.pandalab: its rate",
            "read again: trust.matrix_servers: 1 new, 0 gone",
            "read again: log_level: WARNING",
            "read again: connect_listen.certificate",
            "read again: directory: 2 people, 1 changed",
            "waits for a restart: networks.connect.products.pandalab.webhook_url",
            "waits for a restart: delivery.late",
        ])  # fmt: skip
        assert (await hub.allows(OLD), await hub.allows(NEW), await hub.allows(SPARE)) == (False, True, True)
        assert not set(keys(parts)) & set(signing)
        assert await shown(hub.connect) != before
        assert parts.servers.allows("chu.example")
        assert await parts.hub.facts.who(Address("siilo", "dan")) is not None
        status, lines = await reload(hub, capsys)
        assert (status, [line.partition(":")[0] for line in lines]) == (0, ["waits for a restart"] * 2)
        now = await shown(hub.connect)
        (tmp_path / "hub.key").rename(tmp_path / "new.key")
        (tmp_path / "hub.crt").rename(tmp_path / "new.crt")  # they have other names in the file, from a restart on
        tls = {"certificate": str(tmp_path / "new.crt"), "key": str(tmp_path / "new.key")}
        hub.edit(connect_listen={"port": hub.connect} | tls, log_level="INFO")
        status, lines = await reload(hub, capsys)
        assert (status, lines[0], lines[-1].partition(": certificate")[0]) == (
            1, "read again: log_level: INFO", "NOT USED, the last one stays: connect_listen",
        )  # fmt: skip
        assert "waits for a restart: connect_listen.certificate" in lines
        assert await shown(hub.connect) == now


async def test_a_bad_file_changes_nothing_and_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    hub = Site(tmp_path)
    watch = FileWatch(hub.path, 0.05)
    async with running(read_config(hub.path), watch) as parts:
        hub.edit(pandalab={"tokens": [digest(NEW)], "webhook_secrets": [f"file:{tmp_path}/none"]})
        await until(lambda: "ALARM the configuration is not read again, the last one stays" in caplog.text)
        status, lines = await reload(hub, capsys)
        assert (status, len(lines)) == (1, 1)
        assert lines[0].startswith("NOT USED, the last one stays: networks.connect.products.pandalab.webhook_secrets: ")
        assert (await hub.allows(OLD), await hub.allows(NEW)) == (True, False)
        hub.edit(pandalab={"tokens": [digest(NEW)], "webhook_secrets": [f"file:{tmp_path}/first"]})
        await until(lambda: digest(NEW)[7:] in {one.hex() for one in parts.core.served["pandalab"].product.tokens})  # type: ignore[attr-defined]
        assert await hub.allows(NEW)
        (tmp_path / "people.csv").write_text("rpps,name\n1,x\n")
        status, lines = await reload(hub, capsys)
        assert (status, "people.csv, line 2" in lines[0]) == (1, True)
        hub.people(f"{CLEO},Cléo Petit,pandalab:cleo\n")


async def test_a_product_that_is_gone_is_shut_out_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub = Site(tmp_path)
    async with running(read_config(hub.path), FileWatch(hub.path, 3600.0)):
        config = yaml.safe_load(hub.path.read_text())
        products = config["networks"]["connect"]["products"]
        products["medipeps"] = products.pop("pandalab") | {"tokens": [digest("m")]}
        hub.path.write_text(yaml.safe_dump(config))
        assert await reload(hub, capsys) == (0, [
            "read again: networks.connect.products.pandalab.tokens: its tokens count no more; what waits for it ends "
            "with a restart",
            "waits for a restart: networks.connect.products.pandalab is gone",
            "waits for a restart: networks.connect.products.medipeps is new",
        ])  # fmt: skip
        assert not await hub.allows(OLD)
