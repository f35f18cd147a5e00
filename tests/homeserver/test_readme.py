"""From an empty machine to homeserver, proxy and hub that federate and conform, by README alone; then deviations."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from deploy.world.postgres import Postgres
from deploy.world.synapse import Synapse
from deploy.world.waiting import PATIENCE
from tests.homeserver.server_machine import ServerMachine
from tests.walkthrough import ROOT, blocks

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]
README = ROOT / "README.md"
START = "A homeserver and a hub in ten minutes"
CLIENT = "/_matrix/client/v3"


class Site:
    """The machine, and a client that believes the federation's authority."""

    def __init__(self, machine: ServerMachine, other: Synapse) -> None:
        self.machine = machine
        self.other = other
        self.tls = ssl.create_default_context(cafile=other.ca)

    async def type(self, block: str) -> str:
        """See :meth:`tests.walkthrough.Machine.type`."""
        return await asyncio.to_thread(self.machine.type, block)

    async def call(self, method: str, url: str, token: str = "", body: Any = None) -> tuple[int, Any]:
        """An answer, or status 0."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with suppress(aiohttp.ClientError):
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.request(method, url, json=body, ssl=self.tls) as answer,
            ):
                raw = await answer.read()
                return answer.status, json.loads(raw) if raw.startswith(b"{") else {}
        return 0, {}

    async def here(self, method: str, path: str, token: str = "", body: Any = None) -> tuple[int, Any]:
        """At the site's public address, by way of its proxy."""
        return await self.call(method, f"https://{self.machine.name}{path}", token, body)

    async def until(self, method: str, url: str, status: int = 200) -> None:
        """Wait for it."""
        async with asyncio.timeout(PATIENCE):
            while (await self.call(method, url))[0] != status:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def up(self) -> None:
        """Homeserver and hub answer, each at its own port."""
        await self.until("GET", f"http://127.0.0.1:{self.machine.synapse}/health")
        await self.until("GET", f"http://127.0.0.1:{self.machine.hub}/ready")


async def forget(postgres: Postgres) -> None:
    """The databases that README makes: another page's commands make some of the same names on this server."""
    connection = await asyncpg.connect(postgres.url("postgres"))
    for name in ("synapse", "liaison"):
        await connection.execute(f"drop database if exists {name} with (force)")
        with suppress(asyncpg.PostgresError):
            await connection.execute(f"drop role if exists {name}")
    await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, homeservers: tuple[Synapse, Synapse]
) -> AsyncIterator[Site]:
    folder, other = tmp_path_factory.mktemp("server"), homeservers[1]
    await forget(postgres)
    sockets = f"{postgres.directory}/data"
    environment = {"PGHOST": sockets, "PGPORT": str(postgres.port), "PGUSER": "postgres"}
    with ServerMachine(folder, sockets, other.ca, other.name, environment) as machine:
        folder = machine.path("/etc/ssl/localhost")
        certificate, key = other.authority.issue(folder, "localhost")
        certificate.rename(folder / "fullchain.pem")
        key.rename(folder / "privkey.pem")
        yield Site(machine, other)
    await forget(postgres)


async def test_the_readme_starts_homeserver_proxy_and_hub(site: Site) -> None:
    assert len(blocks(README, START)) == 4
    install, init, start, _ = blocks(README, START)
    await site.type(install)
    assert "homeserver.yaml" in await site.type(init)
    await site.type(start.partition("liaison homeserver check")[0])
    await site.up()


async def test_what_it_started_conforms(site: Site) -> None:
    _, _, start, user = blocks(README, START)
    _, look = start.split("liaison homeserver check")
    said = await site.type(f"liaison homeserver check{look}")
    assert said.startswith("conforming: "), said
    assert len(said.splitlines()) == 1
    assert "MEND" not in await site.type("liaison check")
    assert "Success" in await site.type(user)


async def login(site: Site) -> str:
    password = site.machine.path("/etc/liaison/ben.password").read_text().strip()
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "ben"}, "password": password}
    status, answer = await site.here("POST", f"{CLIENT}/login", body=body)
    assert status == 200, answer
    return str(answer["access_token"])


async def test_it_federates_both_ways(site: Site) -> None:
    ben = await login(site)
    anna = await site.other.register_user("anna_of_the_other", "correct horse", displayname="Anna")
    encrypted = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    invite = {"preset": "private_chat", "invite": [f"@ben:{site.machine.name}"], "initial_state": [encrypted]}
    status, room = await site.call("POST", f"{site.other.url}{CLIENT}/createRoom", anna["access_token"], invite)
    assert status == 200, room
    status, answer = await site.here("POST", f"{CLIENT}/join/{room['room_id']}?server_name={site.other.name}", ben, {})
    assert status == 200, answer
    path = f"{CLIENT}/rooms/{room['room_id']}/send/m.room.encrypted/1"
    status, sent = await site.here("PUT", path, ben, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "Bonjour"})
    assert status == 200, sent
    url = f"{site.other.url}{CLIENT}/rooms/{room['room_id']}/event/{sent['event_id']}"
    async with asyncio.timeout(PATIENCE):
        while (await site.call("GET", url, anna["access_token"]))[0] != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


DEVIATING = """\
enable_registration: true
enable_registration_without_verification: true
allow_guest_access: true
require_auth_for_profile_requests: false
allow_public_rooms_without_auth: true
push: {include_content: true}
encryption_enabled_by_default_for_room_type: "off"
federation_domain_whitelist:
presence: {enabled: true}
trusted_key_servers: [{server_name: matrix.org}]
suppress_key_server_warning: true
password_config: {enabled: true}
"""
SEEN_OUTSIDE = {
    "anybody can make an account", "a visitor comes in without an account", "a profile is read without an account",
    "the list of public rooms is read without an account", "the administration can be reached from outside",
    "still agrees on TLS 1.1 or older", "the search of clients does not come to the hub",
    "the hub's port for the homeserver can be reached from outside", "does not say what it should",
}  # fmt: skip
SEEN_INSIDE = {
    "enable_registration is true", "enable_registration_without_verification is true", "allow_guest_access is true",
    "require_auth_for_profile_requests is false", "allow_public_rooms_without_auth is true",
    "push.include_content is true", 'encryption_enabled_by_default_for_room_type is "off"',
    "federation_domain_whitelist is missing", "presence.enabled is true", "trusted_key_servers is [",
    "password_config.policy.enabled is missing", "is not as init writes it", "can be read by other users",
    "writes at level INFO",
}  # fmt: skip


def deviate(machine: ServerMachine) -> None:
    """Many mistakes at once: in Synapse's settings, its log, a secret's mode, the proxy."""
    conf = machine.path("/etc/nginx/conf.d/liaison.conf")
    text = conf.read_text()
    text = text.replace("(/_matrix|/_synapse/client)", "(/_matrix|/_synapse)")
    text = text.replace("TLSv1.2 TLSv1.3;", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers ALL:@SECLEVEL=0;")
    text = re.sub(r"user_directory/search\$\|", "", text)
    port = f"    location /ready {{ proxy_pass http://127.0.0.1:{machine.hub}; }}\n"
    text = text.replace("    location /.well-known", f"{port}    location /.well-unknown")
    conf.write_text(text)
    machine.path("/etc/synapse/conf.d/mine.yaml").write_text(DEVIATING)
    machine.path("/etc/synapse/signing.key").chmod(0o644)
    log = machine.path("/etc/synapse/log.yaml")
    log.write_text(log.read_text().replace("level: WARNING\n  handlers", "level: INFO\n  handlers"))


async def test_deviations_of_a_running_homeserver_are_each_found(site: Site) -> None:
    deviate(site.machine)
    await site.type("systemctl restart synapse nginx")
    await site.up()
    said = await site.type("liaison homeserver check || echo status $?")
    assert "status 1" in said
    assert {text for text in SEEN_OUTSIDE | SEEN_INSIDE if text not in said} == set()
    assert len(SEEN_OUTSIDE | SEEN_INSIDE) + 2 >= 25  # two well-known files
