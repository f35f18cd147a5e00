"""A fresh administrator follows README word for word, and a message arrives at a clinician's client."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from deploy.world import process
from deploy.world.certificates import Authority
from deploy.world.client import RustClient
from deploy.world.ports import free_port, free_ports
from deploy.world.postgres import Postgres
from deploy.world.synapse import Options, Synapse
from deploy.world.waiting import PATIENCE
from tests.walkthrough import ROOT, Machine, blocks

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="module")]
README, OPERATING = ROOT / "README.md", ROOT / "docs/operating.md"
START = "A first message in ten minutes"
NGINX = "/usr/sbin/nginx"  # where Debian has it, on whatever path
PASSWORD = "correct horse battery staple"


@dataclass
class Site:
    """A machine on which Synapse runs, and Ben with his client."""

    machine: Machine
    synapse: Synapse
    ben: RustClient | None = None
    room: str = ""

    async def type(self, block: str) -> str:
        """See :meth:`Machine.type`."""
        return await asyncio.to_thread(self.machine.type, block)

    async def all(self, heading: str) -> str:
        """Every block of docs/operating.md below a heading."""
        return "".join([await self.type(block) for block in blocks(OPERATING, heading)])

    async def answers(self, url: str) -> None:
        """Wait until it does, with 200."""
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientError):
                    async with session.get(self.machine.here(url)) as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.1)

    async def message(self, ident: str, *, new_room: bool = False) -> None:
        """The last block of README under another id: Ben reads it, and its state says so."""
        await self.answers("http://127.0.0.1:29300/ready")
        block = blocks(README, START)[-1].replace("p-1", ident).replace("Bonjour Ben", f"Bonjour Ben, {ident}")
        assert ident in await self.type(block)
        assert self.ben is not None
        if new_room:
            self.room = await self.ben.wait_room(lambda found: bool(found["membership"] == "invite"))
            await self.ben.join(self.room)
        seen = await self.ben.wait_text(self.room, f"Bonjour Ben, {ident}")
        assert (seen["shield_colour"], seen["decryption_failure"]) == (0, None)
        async with asyncio.timeout(PATIENCE):
            while '"delivered"' not in await self.type(block.strip().splitlines()[-1]):  # noqa: ASYNC110
                await asyncio.sleep(0.2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> AsyncIterator[Site]:
    """Synapse is not started yet: what it reads is written first."""
    folder = tmp_path_factory.mktemp("machine")
    matrix, connect, product = free_ports(3)
    conf = folder / "etc/matrix-synapse/conf.d"
    synapse = Synapse(folder / "synapse", Authority(folder / "ca"), options=Options(more=conf))
    sockets = f"{postgres.directory}/data"
    places = {
        "127.0.0.1:8008": f"127.0.0.1:{synapse.client_port}", "chu.example": synapse.name,
        "29300": str(matrix), "29301": str(connect), "29302": str(product), "/var/run/postgresql": sockets,
    }  # fmt: skip
    environment = {"PGHOST": sockets, "PGPORT": str(postgres.port), "PGUSER": "postgres"}
    with Machine(folder, places, environment) as machine:
        made = Site(machine, synapse)
        try:
            yield made
        finally:
            if made.ben is not None:
                await made.ben.stop()
            await synapse.kill()


async def test_the_readme_writes_what_hub_and_homeserver_need(site: Site) -> None:
    assert len(blocks(README, START)) == 6
    for block in blocks(README, START)[:3]:
        await site.type(block)
    assert "systemctl restart matrix-synapse" in site.machine.done()
    await site.synapse.start()


async def test_the_readme_leads_to_a_hub_that_runs(site: Site) -> None:
    product, hub = blocks(README, START)[3:5]
    await site.type(product)
    await site.answers("http://127.0.0.1:29302/")
    assert "MEND" not in await site.type(hub)
    await site.answers("http://127.0.0.1:29300/ready")


async def test_the_readme_ends_with_a_message_that_arrives(site: Site) -> None:
    await site.synapse.register_user("ben", PASSWORD, displayname="Ben")
    site.ben = await RustClient.start(site.synapse.url, f"@ben:{site.synapse.name}", PASSWORD)
    await site.message("p-1", new_room=True)
    assert "MEND" not in await site.type("liaison check")  # beside the hub that runs


async def test_a_hub_that_stays_is_backed_up_and_upgraded(site: Site) -> None:
    await site.all("A service")
    assert "useradd --system" in site.machine.done()
    await site.all("Back up")
    assert "liaison 0." in await site.all("Upgrade")
    await site.message("p-2")


async def test_a_backup_is_restored(site: Site) -> None:
    assert "MEND" not in await site.all("Restore")
    await site.message("p-3")


async def test_behind_nginx_products_and_clients_are_served_and_nothing_else(site: Site, tmp_path: Path) -> None:
    [server] = re.findall(r"```nginx\n(.*?)```", OPERATING.read_text("utf-8"), flags=re.S)
    files = dict(
        zip(("fullchain.pem", "privkey.pem"), Authority(tmp_path / "ca").issue(tmp_path, "hub.example"), strict=True)
    )
    for name, path in files.items():
        server = server.replace(f"/etc/ssl/hub.example/{name}", str(path))
    port, conf = free_port(), tmp_path / "nginx.conf"
    server = site.machine.here(server.replace("listen 443", f"listen 127.0.0.1:{port}"))
    kinds = "client_body", "proxy", "fastcgi", "uwsgi", "scgi"
    own = " ".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    conf.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {own}\n{server}}}"
    )
    proxy = process.spawn([NGINX, "-c", conf], process.Launch(log=tmp_path / "log"))
    try:
        async with asyncio.timeout(PATIENCE):
            while (found := await _asked(port, "/connect/v1/openapi.json")) == 0:
                assert proxy.poll() is None, (tmp_path / "log").read_text()
        assert found == 200
        assert await _asked(port, "/_matrix/client/versions") == 200
        assert await _asked(port, "/_matrix/client/v3/user_directory/search") not in (
            0,
            502,
        )  # the hub is not asked yet
        for closed in ("/ready", "/_liaison/accounts", "/_synapse/admin/v1/users"):
            assert await _asked(port, closed) == 404
    finally:
        await process.end(proxy)


async def _asked(port: int, path: str) -> int:
    """The status, or 0 while nobody answers."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"https://127.0.0.1:{port}{path}", ssl=False) as answer,
        ):
            return answer.status
    except aiohttp.ClientError:
        await process.pause()
        return 0


async def test_a_hub_moves_to_postgresql(site: Site) -> None:
    await site.type("systemctl stop liaison")
    await site.all("PostgreSQL")
    said = await site.type("liaison check || true")
    assert "the homeserver knows this hub with another database" in said
    assert said.count("MEND") == 1
    await site.type("liaison adopt; systemctl start liaison")
    await site.message("p-4", new_room=True)


async def test_every_command_of_the_page_is_executed_here() -> None:
    text = OPERATING.read_text("utf-8")
    headings = [part.partition("\n")[0] for part in text.split("\n## ")[1:] if "```sh" in part]
    assert headings == ["A service", "PostgreSQL", "Back up", "Restore", "Upgrade"]
