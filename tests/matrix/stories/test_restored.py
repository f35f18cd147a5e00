"""The drill: an older copy of the database is put back under traffic, on real homeservers with real encrypted clients.

Nobody meets a message that cannot be read afterwards, nothing is silently lost, and what may have come twice is named.
"""

from __future__ import annotations

import sqlite3
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from appservice.client.homeserver import Homeserver, part
from appservice.e2ee.identity import ONE_TIME_KEYS
from appservice.process import app
from appservice.process.life import TYPE, own_user
from appservice.process.restored.noticing import ItemKind
from appservice.process.restored.report import acts, lines
from appservice.process.safekeeping.backing import backup
from appservice.process.safekeeping.restoring import restore
from bridge.config import read_config
from bridge.db import Database
from bridge.errors import Refused
from deploy.world.client import RustClient
from deploy.world.ports import free_ports
from deploy.world.postgres import Postgres
from deploy.world.simulator import Simulator
from deploy.world.waiting import until, wait_for
from tests.faults.rig import CLEO, TOKENS, configuration, simulator
from tests.matrix.servers import Servers
from tests.peers.world import NewClient

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]


@dataclass
class Site:
    """A hub's configuration beside real homeservers, and the product of Cleo."""

    folder: Path
    servers: Servers
    product: Simulator

    @property
    def ghost(self) -> str:
        """Cleo on Matrix."""
        return self.servers.ghost(CLEO)

    @asynccontextmanager
    async def hub(self) -> AsyncIterator[app.Parts]:
        """The whole hub."""
        async with app.running(read_config(self.folder / "hub.yaml")) as parts:
            yield parts

    def got(self) -> list[str]:
        """What Cleo's product has been given, as often as it was."""
        return [m["text"] for m in self.product.state.messages()["arrived"] if m.get("text")]

    async def begin(self, client: RustClient, text: str) -> str:
        """A conversation that a Matrix user begins with Cleo; gives its room."""
        room = await client.create_room(invite=[self.ghost], is_direct=True)
        await client.wait_member(room, self.ghost)
        await client.wait_devices(self.ghost)
        await self.say(client, room, text)
        return room

    async def say(self, client: RustClient, room: str, text: str) -> None:
        """Said in the room, and heard in the product."""
        await client.send(room, text)
        await until(lambda: text in self.got(), text)

    async def write(self, client: RustClient, room: str, chat: str, text: str) -> None:
        """Written in the product, and read in the room."""
        self.product.write("cleo", {"text": text, "conversation": chat})
        assert (await client.wait_text(room, text))["decryption_failure"] is None

    def again(self, text: str) -> None:
        """The product hands in once more what it has handed in before."""
        post = next(p for p in self.product.state.posts() if p["body"].get("text") == text)
        self.product.outbox.put(post["lane"], post["method"], post["path"], post["body"])

    async def phones(self, parts: app.Parts, how_many: int) -> None:
        """So many new devices take a one-time key, each, to write to Cleo's ghost and to the hub's own user; both
        publish more."""
        engine, both = parts.matrix.engine, (self.ghost, self.servers.voice)
        body = {"one_time_keys": {one: {str(engine.device_of(one)): "signed_curve25519"} for one in both}}
        for _ in range(how_many):
            await parts.matrix.homeserver.call("POST", "/_matrix/client/v3/keys/claim", body, user=self.ghost)
        await engine.ring(both)

    async def renewed(self, db: Database) -> None:
        """No one-time key of before is given out any more: whoever takes one before that writes once more."""

        async def done() -> bool:
            return not await db.all("e2ee.ghost-stale", "", 1)

        await wait_for(done, "new one-time keys")

    async def ratchets(self, room: str) -> list[tuple[str, bytes]]:
        """Which session, and which place of its ratchet (the beginning of the ciphertext), has encrypted each event
        of Cleo's ghost in a room."""
        async with Homeserver(self.servers.home.url, "as-real") as homeserver:
            path = f"/_matrix/client/v3/rooms/{part(room)}/messages"
            query = {"dir": "b", "limit": "200", "filter": '{"types":["m.room.encrypted"]}'}
            found = (await homeserver.call("GET", path, user=self.ghost, query=query))["chunk"]
        said = [event["content"] for event in found if event["sender"] == self.ghost]
        return [(one["session_id"], _index(b64decode(one["ciphertext"] + "=="))) for one in said]

    def chat(self, text: str) -> str:
        """The product's conversation in which something came."""
        return next(str(m["conversation"]) for m in self.product.state.messages()["arrived"] if m.get("text") == text)


@asynccontextmanager
async def site(folder: Path, servers: Servers, database: str) -> AsyncIterator[Site]:
    """Everything but the hub."""
    connect, *others = free_ports(1 + len(TOKENS))
    ports = {"matrix": servers.port, "connect": connect, **dict(zip(TOKENS, others, strict=True))}
    made: dict[str, Any] = configuration(folder, ports, servers.home.url, database)
    made["matrix"]["server_name"] = servers.home.name
    made["matrix"] |= {"key_wait_s": 2.0, "key_request_s": 0.5}  # some keys never come, others only when asked for
    made["trust"] = {"matrix_servers": [servers.away.name]}
    (folder / "as").write_text("as-real")
    (folder / "hs").write_text("hs-real")
    (folder / "hub.yaml").write_text(yaml.safe_dump(made))
    async with Homeserver(servers.home.url, "as-real") as homeserver:  # another test has had a hub here
        me = await own_user(homeserver)
        with suppress(Refused):  # it has not: nobody is there
            await homeserver.call("PUT", f"/_matrix/client/v3/user/{part(me)}/account_data/{TYPE}", {})
    async with AsyncExitStack() as stack:
        yield Site(folder, servers, await simulator(stack, "pandalab", ports))


def _index(message: bytes) -> bytes:
    """The message index of a Megolm message: a varint after its version and a tag (Megolm, "Message format")."""
    assert message[:2] == b"\x03\x08"
    end = next(n for n, byte in enumerate(message[2:], 3) if byte < 0x80)
    return message[2:end]


async def items(db: Database, kind: ItemKind) -> list[str]:
    """What the report lists."""
    row = await db.one("process.restored-last")
    assert row is not None
    return [one["id"] for one in await db.all("process.restored-items", row["noticed_at"], kind.value, 1000)]


def copied(database: Path, copy: Path) -> None:
    """As a backup does, while the hub runs."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


class OnFile:
    """A copy of a file, written over the file itself."""

    def __init__(self, folder: Path) -> None:
        self._database, self._copy = folder / "hub.db", folder / "copy.db"
        self.url = f"sqlite:///{self._database}"

    async def take(self) -> None:
        """While the hub runs."""
        copied(self._database, self._copy)

    async def put_back(self) -> None:
        """The same file, as far as its file system knows."""
        for rest in ("-wal", "-shm"):
            Path(f"{self._database}{rest}").unlink(missing_ok=True)
        self._database.write_bytes(self._copy.read_bytes())


class OnServer:
    """A backup of a server's database, put back into another one, by the commands."""

    def __init__(self, folder: Path, postgres: Postgres, url: str) -> None:
        self._folder, self._postgres, self.url = folder, postgres, url

    async def take(self) -> None:
        """While the hub runs."""
        await backup(read_config(self._folder / "hub.yaml"), self._folder / "backup")

    async def put_back(self) -> None:
        """Into an empty database."""
        path = self._folder / "hub.yaml"
        config = yaml.safe_load(path.read_text())
        config["database"] = {"url": await self._postgres.create_database()}
        path.write_text(yaml.safe_dump(config))
        await restore(self._folder / "backup", read_config(path))


async def test_an_older_copy_under_traffic(servers: Servers, tmp_path: Path, new_client: NewClient) -> None:
    await drill(OnFile(tmp_path), servers, tmp_path, new_client)


@pytest.mark.long
@pytest.mark.postgres
async def test_the_same_of_a_server(
    servers: Servers, tmp_path: Path, new_client: NewClient, postgres: Postgres
) -> None:
    await drill(OnServer(tmp_path, postgres, await postgres.create_database()), servers, tmp_path, new_client)


async def nothing_is_unreadable(here: Site, *looks: tuple[RustClient, str]) -> None:
    """Each of these clients reads everything in its room, and no place of a ratchet has encrypted two texts."""
    for client, where in looks:
        seen, used = await client.timeline(where), await here.ratchets(where)
        assert [e for e in seen if e["decryption_failure"]] == []
        assert used
        assert len(set(used)) == len(used)


async def drill(copy: OnFile | OnServer, servers: Servers, folder: Path, new_client: NewClient) -> None:
    """The story."""
    ben, kim = await new_client(servers.home, "ben"), await new_client(servers.away, "kim")
    async with site(folder, servers, copy.url) as here:
        async with here.hub():
            room = await here.begin(ben, "avant")
            chat = here.chat("avant")
            await here.write(ben, room, chat, "avant aussi")
            await copy.take()
        async with here.hub() as parts:  # a start is counted at once, traffic once a minute
            for n in range(3):
                await here.say(ben, room, f"entrée {n}")
                await here.write(ben, room, chat, f"sortie {n}")
            await ben.rotate(room)
            await here.say(ben, room, "nouvelle session")
            await here.phones(parts, ONE_TIME_KEYS)  # from now on nobody gets a key that the copy knows
            later = await here.begin(kim, "de loin")  # a room of which the copy does not know
        await ben.send(room, "pendant la panne")
        for text in ("de loin, pendant la panne", "de loin, encore pendant la panne"):
            await kim.rotate(later)  # her client gives nobody the key of the session before
            await kim.send(later, text)
        await copy.put_back()
        async with here.hub() as parts:
            await here.renewed(parts.core.db)
            lea = await new_client(servers.home, "lea")
            away = await here.begin(lea, "je viens d'arriver")
            await here.write(lea, away, here.chat("je viens d'arriver"), "bienvenue")
            await until(lambda: "pendant la panne" in here.got())
            await until(lambda: {"de loin, pendant la panne", "de loin, encore pendant la panne"} <= {*here.got()})
            await here.say(ben, room, "après")
            here.again("sortie 1")  # a product that asks itself whether it came through
            await here.write(ben, room, chat, "après aussi")
            await ben.rotate(room)
            await here.say(ben, room, "après, nouvelle session")
            await here.say(kim, later, "encore")
            await here.write(kim, later, here.chat("encore"), "aussi")
            again, ours = await items(parts.core.db, ItemKind.AGAIN), await items(parts.core.db, ItemKind.OURS)
            await until(lambda: parts.matrix.again.listener is None)
            report = "\n".join(lines(await acts(parts.core.db)["restored"]({}), everything=True))
        await nothing_is_unreadable(here, (ben, room), (kim, later), (lea, away))
        bodies = {e["event_id"]: str(e["content"].get("body")) for e in await ben.timeline(room)}
        assert list(bodies.values()).count("sortie 1") == 1  # nor does a homeserver send something twice
        assert Counter(here.got()) == Counter(set(here.got()))  # the product knows what it has, by the delivery's name
        assert "replaced by an older copy" in report
        assert all(one in report for one in (*again, *ours, later))
        assert {bodies.get(one) for one in again} >= {"entrée 0", "entrée 1", "entrée 2", "nouvelle session"}
        assert {bodies.get(one) for one in ours} >= {"sortie 0", "sortie 1", "sortie 2"}
