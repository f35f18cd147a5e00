"""An erased person: a search through every byte of the hub's storage finds neither names, addresses nor text."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from appservice.client.names import Names
from appservice.operating import audit
from appservice.process.app import COMPONENTS
from appservice.process.command import main
from appservice.rights.persons import TYPE, erase
from appservice.rights.premises import Premises
from bridge.config import Config, read_config
from bridge.db import open_database
from bridge.errors import Unavailable
from bridge.model import Address, Delivery
from bridge.networks.connect.fingerprints import COMPONENT as PRINTS
from bridge.networks.mail.leg.addressbook import AddressBook
from bridge.networks.mail.leg.ledger import COMPONENT as MAIL
from bridge.people.directories.flatfile import FlatFile
from bridge.signatures import verified
from bridge.trail.beside import beside
from deploy.world.postgres import Postgres
from tests.core.make import PEOPLE, person, running
from tests.core.trail.test_audit import configured
from tests.matrix.operating.test_accounts import configured as of_a_hub

CLEO = "rpps:10000000003"
BEN = "matrix:@ben.durand:chu.example"
TEXT = "Mme Lefebvre va mieux, dit Cléo"
TRACES = (b"cleo.petit", b"Cl\xc3\xa9o Petit", b"pandalab-user-77", TEXT.encode(), b"ben.durand", b"Benoit Durand")
ALL = (*COMPONENTS, MAIL, PRINTS)


def premises(config: Config) -> Premises:
    """A hub of which the directory no longer has Cléo."""
    others = [one for one in PEOPLE if one.id != CLEO]
    return Premises(config, ALL, FlatFile(others), Names("rpps_", "hub.example"))


def _away(_: Delivery) -> None:
    raise Unavailable("away")


async def lived(config: Config) -> None:
    """Cléo, and Ben who is in no directory, have written with others; something waits for Cléo."""
    url = config.database.url
    db = await open_database(url, ALL)
    book = AddressBook(db, ["hub.example"], {})
    await book.give([person("10000000003", "Cléo Petit")])
    await db.close()
    cleo = person("10000000003", "Cléo Petit", "pandalab:pandalab-user-77", "mail:cleo.petit@mss.example")
    directory = FlatFile([cleo, *(one for one in PEOPLE if one.id not in (CLEO, "rpps:10000000002"))])
    async with running(url, directory=directory) as w:
        await w.matrix.write("0", "!room", "@ben.durand:chu.example", TEXT, to=(CLEO, "rpps:10000000004"))
        await w.until(lambda: w.pandalab.delivered and w.siilo.delivered)
        await w.pandalab.write("1", w.pandalab.delivered[0].conversation, "pandalab-user-77", TEXT)
        await w.until(lambda: w.matrix.delivered)
        async with w.db.transaction("test") as tx:
            await w.store.call(tx, BEN, "Benoit Durand")
        w.pandalab.before = _away
        await w.matrix.write("2", "!room", "@ben.durand:chu.example", TEXT)
        await w.siilo.write("3", w.siilo.delivered[0].conversation, "dan", "Pour vous deux")
        await w.hub.claims.declare(Address("siilo", "cleo.petit"), cleo)


async def bytes_of(url: str, tmp_path: Path, server: Postgres | None) -> bytes:
    """Every byte of the storage."""
    folder = tmp_path if server is None else server.directory
    names = [p for p in folder.rglob("*") if p.is_file() and (server is not None or p.name.startswith("hub.db"))]
    return b"".join(p.read_bytes() for p in names)


async def test_nothing_of_an_erased_person_is_found_in_any_byte(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"sqlite:///{tmp_path}/hub.db"
    config = read_config(configured(tmp_path, url))
    await lived(config)
    assert b"cleo.petit" in await bytes_of(url, tmp_path, None)
    for who in (CLEO, BEN):
        report = await erase(premises(config), who, "operator root")
        assert report is not None
        assert report["erased"] == (CLEO if who == CLEO else report["erased"])
    found = await bytes_of(url, tmp_path, None)
    assert [trace for trace in TRACES if trace in found] == []
    assert [name for name in ("Cléo Petit", "Benoit Durand", TEXT) if name in caplog.text] == []
    await _report_is_signed(config, report)
    await _what_must_stay_is_there(config)


async def _report_is_signed(config: Config, report: Mapping[str, Any] | None) -> None:
    assert report is not None
    key = audit.signing_key(config)
    assert key is not None
    said = orjson.loads(verified(str(report["signature"]).encode(), [key.public_key()], TYPE))
    assert said == {name: value for name, value in report.items() if name != "signature"}
    lines = {line["table"]: line for line in said["tables"]}
    assert lines["member"]["erased"] == 1
    assert lines["name"]["erased"] == 1
    assert lines["recipient"]["stays"] >= 1
    assert "trace" in lines["recipient"]["why"]
    async with beside(config.database.url) as db:
        verifier, forged = await audit.judged(db, [key.public_key()])
        assert (verifier.fault, forged) == (None, None)
        assert verifier.signed == verifier.last
        rows = [orjson.loads(row["body"]) for row in await db.all("trail.rows", 0, 1000)]
    assert next(row[3] for row in rows if row[1] == "erasure") == CLEO


async def _what_must_stay_is_there(config: Config) -> None:
    """Who wrote to whom, when and with which result; others' conversation goes on; the mailbox is nobody else's."""
    db = await open_database(config.database.url, ALL)
    book = AddressBook(db, ["hub.example"], {})
    await book.start()
    await book.give([person("10000000009", "Cléo Petit")])
    assert await book.box(person("10000000009", "Cléo Petit")) == "cleo.petit.2@hub.example"
    untold = {row["message"] for row in await db.all("store.reports", "siilo", 10**15, 100)}
    waited = (await db.all("store.by_ref", "siilo", "3"))[0]["id"]
    assert waited in untold  # whoever wrote to Cléo is told that she gets it no more
    assert (CLEO, "refused") in {(r["person"], r["state"]) for r in await db.all("store.recipients", waited)}
    sent = await db.all("store.recipients", (await db.all("store.by_ref", "pandalab", "1"))[0]["id"])
    assert {row["person"] for row in sent} >= {"rpps:10000000004"}
    await db.close()


async def test_a_running_hub_keeps_its_people_and_nobody_is_erased_who_is_not_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    config = read_config(configured(tmp_path, url))
    db = await open_database(url, ALL)
    with pytest.raises(Unavailable):
        await erase(premises(config), CLEO, "operator")
    await db.close()
    assert await erase(premises(config), "rpps:99999999999", "operator") is None


async def opened_once(config: Config) -> None:
    """A hub has had this database."""
    db = await open_database(config.database.url, premises(config).components)
    await db.close()


def test_an_operator_erases_with_a_key_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = of_a_hub(tmp_path)
    words = ["person", "-c", path, "erase", "10000000003", "--report", str(tmp_path / "report.json")]
    assert main(words) == 2
    assert "audit.key_file: is missing" in capsys.readouterr().err
    assert main(["audit", "-c", path, "verify"]) == 1  # there is no database yet
    assert main(["audit", "key", str(tmp_path / "audit.key")]) == 0
    with Path(path).open("a") as file:
        file.write(f"\naudit: {{key_file: {tmp_path}/audit.key}}\n")
    assert main(words) == 1  # and none is made
    assert not (tmp_path / "report.json").exists()
    asyncio.run(opened_once(read_config(Path(path))))
    assert main(words) == 0
    assert orjson.loads((tmp_path / "report.json").read_bytes())["erased"] == CLEO
    assert main(["audit", "-c", path, "verify"]) == 0
    assert "signed up to row 1" in capsys.readouterr().out


@pytest.mark.long  # a server of its own, whose every file is read
@pytest.mark.postgres
async def test_postgresql_keeps_nothing_either(tmp_path: Path) -> None:
    server = Postgres()
    await server.start()
    try:
        url = await server.create_database()
        config = read_config(configured(tmp_path, url))
        await lived(config)
        for who in (CLEO, BEN):
            assert await erase(premises(config), who, "operator root") is not None
        connection = await asyncpg.connect(url)
        await connection.execute("ALTER SYSTEM SET wal_recycle = off")  # what docs/retention.md says
        await connection.execute("SELECT pg_reload_conf()")
        for _ in range(2):
            await connection.execute("SELECT pg_switch_wal()")
            await connection.execute("CHECKPOINT")
        await connection.close()
        found = await bytes_of(url, tmp_path, server)
        assert [trace for trace in TRACES if trace in found] == []
    finally:
        await server.stop()
