"""Every alert fires for its cause in a real hub, and none without one; Prometheus' own program judges what was read."""

from __future__ import annotations

import asyncio
import datetime
import logging
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
import trustme

from appservice.operating.metrics import exposed
from appservice.operating.overview import EdgeQueue, Stand, WorkerStand, stands
from appservice.operating.surroundings import Surroundings
from appservice.process import proof
from appservice.process.sealing.columns import of
from appservice.process.sealing.keys import standing
from appservice.process.sealing.resealing import Resealing
from bridge.config import DirectorySettings
from bridge.db import open_database
from bridge.db.postgres import Postgres as OnServer
from bridge.db.postgres.standby import Standby
from bridge.errors import Refused, Unavailable
from bridge.hub.handing.counting import Counters
from bridge.hub.hub import now_ms
from bridge.model import Address, Ref
from bridge.parts.alarms import ALARMS
from bridge.people.directories.watched import WatchedFile
from bridge.seal import Seal
from bridge.store.store import COMPONENT as STORE
from bridge.workers.agreement import said
from deploy.bench.planting import Planting
from deploy.world.postgres import Postgres
from deploy.world.waiting import until, wait_for
from tests.connect import make as products
from tests.connect.log.test_catching_up import pull, settled, write
from tests.core.hub import test_outlet as outlet
from tests.core.hub.test_outlet import planted, world
from tests.core.make import running as hub_of_loopbacks
from tests.mail import hub as mails
from tests.mail.space import Space
from tests.matrix.make import CLEO, DAN, ghost
from tests.matrix.operating.rules import ALERTS, PROMTOOL, ROOT, fires, rules, samples
from tests.matrix.operating.whole_hub import Site, site
from tests.matrix.process import test_sealing as sealing

WHOLE = {
    "LiaisonIsAway", "LiaisonDatabaseFails", "LiaisonReachesNobody", "LiaisonNetworkIsAway",
    "LiaisonMessagesAreLate", "LiaisonQueueGrows", "LiaisonWritersAreNotTold", "LiaisonRefusesMuch",
    "LiaisonEventsPileUp", "LiaisonKeyIsMissing", "LiaisonPeopleCannotRead", "LiaisonCertificateEnds",
    "LiaisonListIsOld", "LiaisonListEnds", "LiaisonAlarm",
}  # fmt: skip
APART = {
    "LiaisonWorkerIsAway", "LiaisonMailIsStuck", "LiaisonDeliveriesAreSlow", "LiaisonDiskIsLow",
    "LiaisonWorkersDiffer", "LiaisonSealingStandsStill", "LiaisonOldSealKeyIsNeeded", "LiaisonProductTakesNothing",
}  # fmt: skip
SEAL = Seal({"k1": bytes(32)}, "k1")
_SIX_HOURS = 400  # min


def certificate(path: Path, days: int) -> None:
    """A certificate that ends then, and its key beside it."""
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days, hours=1)
    leaf = trustme.CA().issue_cert("hub.example", not_after=ends)
    path.write_bytes(leaf.cert_chain_pems[0].bytes())
    path.with_suffix(".key").write_bytes(leaf.private_key_pem.bytes())


@contextmanager
def alarms() -> Iterator[None]:
    """The log of the tests counts them, too."""
    ALARMS.by.clear()
    logging.getLogger().addHandler(ALARMS)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(ALARMS)


async def shows(hub: Site, name: str, least: float, **labels: str) -> None:
    """Wait until /metrics has a sample of at least this value."""

    while True:  # a second apart: each look asks for everything
        found = samples(await hub.read() or b"")
        if any(key[0] == name and labels.items() <= dict(key[1]).items() and v >= least for key, v in found.items()):
            return
        await asyncio.sleep(1.0)


async def piles_up(hub: Site) -> None:
    """A thousand conversations in which Cléo's messages wait for Dan, of whom PandaLab hears nothing either."""
    people = (f"rpps:{CLEO}", Address("pandalab", "cleo")), (f"rpps:{DAN}", Address("siilo", "dan"))
    await Planting(1001, *people, now_ms() - 3_600_000).plant(hub.parts.core.db, hub.parts.core.seal)
    hub.parts.core.courier.wake_all("siilo")


async def keys_are_missing(hub: Site) -> None:
    """Ben's device is not signed; Carl's client gives its key to nobody."""
    async with await hub.human("ben", signed=False) as ben, await hub.human("carl") as carl:
        await hub.say("to-ben", to=f"matrix:{ben.mxid}")
        room = await ben.invited()
        await ben.member(room, "join")
        mine = await carl.create_room(ghost(CLEO), is_direct=True)
        await until(lambda: hub.stub.world.rooms[mine].membership(ghost(CLEO)) == "join")
        await carl.say(mine, "sans clé", share=False)
        await shows(hub, "liaison_edge_waiting", 1, queue="unreadable")
        await shows(hub, "liaison_edge_waiting", 1, queue="keyless")


async def strangers_write(hub: Site) -> None:
    """People whom no directory knows."""
    for n in range(20):
        with pytest.raises(Refused):
            await hub.say(f"stranger{n}", by="stranger")


async def the_homeserver_goes(hub: Site) -> None:
    """It has handed over one more event, and answers no more."""
    hub.stub.fault("", 10**9, status=502)
    hub.stub.appservice = None
    event = {
        "type": "m.room.member", "room_id": "!late:chu.example", "sender": "@ben:chu.example", "event_id": "$late",
        "state_key": ghost(CLEO), "content": {"membership": "invite"},
    }  # fmt: skip
    url = f"http://127.0.0.1:{hub.parts.config.matrix_listen.port}/_matrix/app/v1/transactions/after"
    headers = {"Authorization": "Bearer hs-token"}
    async with aiohttp.ClientSession(headers=headers) as session, session.put(url, json={"events": [event]}) as answer:
        assert answer.status == 200
    await until(lambda: hub.parts.matrix.trouble(), pause=1.0)
    await shows(hub, "liaison_edge_waiting", 1, queue="events")


@contextmanager
def a_full_disk(database: Path) -> Iterator[None]:
    """Nothing of this process grows beyond the database's log."""
    size = database.with_name(f"{database.name}-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


async def test_each_alert_fires_for_its_cause(tmp_path: Path) -> None:
    tls = tmp_path / "hub.crt"
    certificate(tls, 90)
    listen = {"port": 0, "certificate": str(tls), "key": str(tls.with_suffix(".key"))}
    with alarms():
        async with site(tmp_path, connect_listen=listen) as hub:
            await until(lambda: not hub.parts.matrix.trouble())
            calm = await hub.read()
            assert fires(tmp_path, calm, calm, minutes=_SIX_HOURS) == set()
            await keys_are_missing(hub)
            certificate(tls, 10)
            hub.offer(2, 5.0)
            (tmp_path / "people.csv").write_text("rpps,name\n1,nobody\n")
            hub.parts.directory.reload()
            hub.parts.sources.reload()
            await strangers_write(hub)
            await piles_up(hub)
            await shows(hub, "liaison_list_old", 1)
            await shows(hub, "liaison_legs_late", 1000, network="siilo")
            await shows(hub, "liaison_reports_waiting", 1000, network="pandalab")
            troubled = await hub.read()
            assert fires(tmp_path, calm, troubled) >= {"LiaisonRefusesMuch", "LiaisonAlarm"}
            for_days = {"LiaisonPeopleCannotRead", "LiaisonKeyIsMissing", "LiaisonCertificateEnds", "LiaisonListIsOld"}
            waits = {"LiaisonNetworkIsAway", "LiaisonMessagesAreLate", "LiaisonWritersAreNotTold", "LiaisonListEnds"}
            assert fires(tmp_path, troubled, minutes=_SIX_HOURS) >= for_days | waits
            assert "LiaisonQueueGrows" not in fires(tmp_path, troubled)
            for n in range(5):
                await hub.say(f"more{n}")
            assert "LiaisonQueueGrows" in fires(tmp_path, troubled, await hub.read())
            await the_homeserver_goes(hub)
            assert fires(tmp_path, await hub.read()) >= {"LiaisonReachesNobody", "LiaisonEventsPileUp"}
            with a_full_disk(tmp_path / "hub.db"):
                with pytest.raises(Unavailable):
                    await hub.say("lost", "x" * 20_000)
                assert "LiaisonDatabaseFails" in fires(tmp_path, await hub.read())
        assert fires(tmp_path, await hub.read()) == {"LiaisonIsAway"}


def exposure(**more: object) -> bytes:
    """What Prometheus reads of a hub in which nothing else happens."""
    values = {
        "counts": Counters(),
        "version": "0", "running": 1.0, "trouble": "", "traffic": (), "held": 0, "alarms": {}, "federation": None,
        "database": True, "known": True, "queues": (), "lists": (), "certificates": {}, "disks": (), "workers": (),
        "seal": None,
    }  # fmt: skip
    values |= more
    counts = values.pop("counts")
    assert isinstance(counts, Counters)
    return exposed(Stand(**values), counts)  # type: ignore[arg-type]


async def test_a_mail_whose_operator_is_away_is_stuck(tmp_path: Path) -> None:
    space = Space()
    async with mails.running(tmp_path, space) as node:
        node.out.answer = lambda domain, recipient: ("later", "4.4.1")
        await node.write("A", "bonjour", to=[f"mailto:{mails.ANNA}"])

        async def queued() -> list[EdgeQueue]:
            every = [EdgeQueue("mail", q.name, q.part, q.waiting, q.oldest) for q in await node.mail.queues(100)]
            return every if [q.part for q in every if q.waiting] == [mails.PEER] else []

        queues = await wait_for(queued, "a mail that waits")
        assert fires(tmp_path, exposure(queues=tuple(queues)), minutes=70) == {"LiaisonMailIsStuck"}
        assert fires(tmp_path, exposure(queues=tuple(queues)), minutes=20) == set()
    shutil.rmtree(space.directory)


async def test_a_product_that_reads_no_more_is_missed(tmp_path: Path) -> None:
    async with products.running(tmp_path, pull) as w:
        await w.declare()
        await write(w, 1)
        await settled(w, 1)
        [unread] = [
            EdgeQueue("siilo", q.name, q.part, q.waiting, q.oldest) for q in await w.connectors["siilo"].queues(9)
        ]
    assert fires(tmp_path, exposure(queues=(unread,)), minutes=70) == {"LiaisonProductTakesNothing"}
    assert fires(tmp_path, exposure(queues=(unread,)), minutes=20) == set()


@pytest.mark.postgres
async def test_a_worker_that_stands_by_no_more_or_otherwise_is_missed(tmp_path: Path, postgres: Postgres) -> None:
    async def reach(_: object) -> None:
        """Nothing is handed on."""

    url, ours = await postgres.create_database(), said({"language": "fr"}, SEAL)
    db = await open_database(url, [STORE])
    assert isinstance(db, OnServer)
    hub: OnServer = db
    texts = [ours]
    other = Standby(url, [STORE], "1.0", lambda: texts[0])

    async def workers(n: int, *differs: str) -> bytes:
        async def look() -> tuple[WorkerStand, ...] | None:
            found = stands(await hub.workers())
            return found if len(found) == n and found[-1].differs == differs else None

        return exposure(workers=await wait_for(look, f"{n} workers"))

    async def waiting() -> asyncio.Task[object]:
        task = asyncio.create_task(other.wait(reach))
        other._said_at = -100.0
        return task

    async def ends(task: asyncio.Task[object]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    await hub.publish("here", "secret", "1.0", ours)
    task = await waiting()
    both = await workers(2)
    await ends(task)
    alone = await workers(1)
    texts[0] = said({"language": "en"}, SEAL)
    task = await waiting()
    odd = await workers(2, "language")
    await hub.configured(texts[0])
    alike = await workers(2)
    await ends(task)
    await db.close()
    assert fires(tmp_path, both, alone, alone) == {"LiaisonWorkerIsAway"}
    assert fires(tmp_path, odd, minutes=70) == {"LiaisonWorkersDiffer"}
    assert fires(tmp_path, both) == fires(tmp_path, alone) == fires(tmp_path, odd) == set()
    assert fires(tmp_path, alike, minutes=70) == set()


class Others(Planting):
    """More conversations."""

    def chat(self, n: int) -> str:
        return f"other-{n}"

    def ref(self, n: int, k: int) -> Ref:
        return Ref(self.writer[1].network, f"other-{n}-{k}")


async def test_what_waited_long_was_slow(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    await planted(url, 30)
    nets, _ = world()
    async with hub_of_loopbacks(url, nets) as w:
        await w.pandalab.write("p1", "A", "cleo", "un", ["siilo:dan"])
        before = exposure(counts=w.courier.counts)
        await until(lambda: w.courier.counts.handed["siilo", "sent"] == 31)
        after = exposure(counts=w.courier.counts)
        await Others(30, outlet.CLEO, outlet.TO_DAN, now_ms() - 3_600_000).plant(w.db, w.store.seal)
        w.courier.wake_all("siilo")
        await until(lambda: w.courier.counts.handed["siilo", "sent"] == 61)
        again = exposure(counts=w.courier.counts)
    assert before != after
    assert fires(tmp_path, exposure(), after, after, minutes=40) == set()
    assert fires(tmp_path, after, again, minutes=40) == {"LiaisonDeliveriesAreSlow"}


async def test_an_old_seal_key_that_is_still_needed(tmp_path: Path) -> None:
    db = await open_database(f"sqlite:///{tmp_path}/hub.db", sealing.ALL)
    await proof.prove(db, sealing.OLD)
    week_ago = Resealing(db, sealing.BOTH, of(sealing.ALL), lambda: now_ms() - 8 * 86_400_000)
    now = Resealing(db, sealing.BOTH, of(sealing.ALL), now_ms)

    async def reading() -> bytes:
        return exposure(seal=await standing(db, sealing.BOTH, now))

    await sealing.fill(db, sealing.OLD, 1)
    await sealing.spoil(db)
    assert fires(tmp_path, await reading(), minutes=70) == set()
    await proof.prove(db, sealing.BOTH)
    working = asyncio.create_task(now.step())
    await wait_for(now.passes, "a beginning")
    with a_full_disk(tmp_path / "hub.db"), pytest.raises(Unavailable):
        await working  # it has begun, and can write nothing more
    half = await reading()
    assert fires(tmp_path, half, minutes=70) == {"LiaisonSealingStandsStill"}
    assert fires(tmp_path, half, minutes=20) == set()
    async with db.transaction("test") as tx:
        await tx.run("process.resealing-forget")
    await week_ago.step()
    assert fires(tmp_path, await reading()) == {"LiaisonOldSealKeyIsNeeded"}
    await db.close()


def test_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(small)], check=False, capture_output=True
    ).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        (tmp_path / "people.csv").write_text("rpps,name\n10000000001,Anna\n")
        directory = WatchedFile(tmp_path / "people.csv")
        around = Surroundings({}, [small, tmp_path / "none"], directory, DirectorySettings(flatfile=small))
        assert next(disk.path for disk in around.disks()) == str(small)
        room = Surroundings({}, [small], directory, DirectorySettings(flatfile=small))
        assert fires(tmp_path, exposure(disks=tuple(room.disks()))) == set()
        (small / "ballast").write_bytes(bytes(1_000_000))
        assert fires(tmp_path, exposure(disks=tuple(room.disks()))) == {"LiaisonDiskIsLow"}
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_no_alert_is_left_out_and_each_says_what_to_do() -> None:
    subprocess.run(
        [PROMTOOL, "check", "rules", "--lint=all", "--lint-fatal", str(ALERTS)], check=True, capture_output=True
    )
    assert {rule["alert"] for rule in rules()} == WHOLE | APART
    for rule in rules():
        assert rule["annotations"].keys() == {"summary", "do", "chapter"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        page, _, anchor = rule["annotations"]["chapter"].partition("#")
        headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text("utf-8"), re.M)
        assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
