"""`liaison person`: a person's data given out (the hub runs), or erased, with a signed report (it does not)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson

from appservice.client.names import escape
from appservice.operating.asking import ask, at, login
from appservice.operating.audit import signing_key
from appservice.rights import conversations
from appservice.rights.erasing import ErasedPerson, Erasing, lines
from appservice.rights.premises import Premises
from appservice.rights.whole import Whole, whole
from bridge.config import BadConfig, Config
from bridge.db import Database, fence_of, open_present
from bridge.erasure import PERSONAL
from bridge.errors import Refused, said
from bridge.hub.hub import now_ms
from bridge.model import MAIL, Address
from bridge.people.gone import kept
from bridge.people.national.national import National
from bridge.people.sealed_names import opened
from bridge.people.trust import is_rpps
from bridge.seal import Seal
from bridge.signatures import sign
from bridge.trail.chaining import Chainer
from bridge.trail.entry import TrailKind

TYPE = "liaison-erasure+jws"
ELSEWHERE = (
    "homeserver: the ghost's name and what was said in rooms lie there: deactivate the user with erase: true",
    "products and mailboxes: copies that were delivered belong to those who have them",
    "directory: whoever stands in its file is found again: take them out of it first",
    "backups: copies of the database from before keep everything until they are removed",
    "logs of the hub: no names and no text; an account's id stands there where its link was contested or taken back",
)

Json = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands."""
    commands = parser.add_subparsers(required=True, metavar="what")
    erase = commands.add_parser(
        "erase", help="erase a person from all tables (the hub has to be stopped); report: signed"
    )
    erase.add_argument("person", help="RPPS number, or network:address of somebody without one")
    erase.add_argument("--report", type=Path, required=True, metavar="FILE", help="where the signed report goes")
    erase.set_defaults(what=_erase)
    export = commands.add_parser("export", help="write a person's data and conversations into a folder (the hub runs)")
    export.add_argument("person", help="RPPS number, or network:address of somebody without one")
    export.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    export.set_defaults(what=_export)


async def main(asked: argparse.Namespace, hub: Premises) -> int:
    """Do it. Raises BadConfig, Unavailable (the hub runs, or the database cannot be used)."""
    try:
        return int(await asked.what(asked, hub))
    finally:
        if isinstance(hub.directory, National):
            await hub.directory.close()


def _id(text: str) -> str:
    """Raises BadConfig."""
    person = f"rpps:{text}" if is_rpps(text) else text
    if ":" not in person:
        raise BadConfig("person: an RPPS number has 11 digits; somebody without one is network:address")
    return person


async def _export(asked: argparse.Namespace, hub: Premises) -> int:
    """What the hub has of them, then each of their conversations in a folder of its own."""
    person, config = _id(asked.person), hub.config
    key = signing_key(config)
    if key is None:
        raise BadConfig("audit.key_file: is missing: an export is signed")
    try:
        found = (await ask(config, "conversations-of", {"person": person}))["conversations"]
        async with whole(config.database.url, None) as db:
            known = await known_of(db, config.seal.open(), hub, person)
            rows = {} if known is None else await rows_of(db, known)
        if known is None:
            raise Refused("unknown_recipient", about=person)
        told = {
            "id": person,
            "names": sorted(known.names),
            "addresses": sorted(map(str, known.addresses)),
            "rows": rows,
        }
        files = {"person.json": orjson.dumps(told, option=orjson.OPT_INDENT_2)}
        conversations.write(asked.to, files, {"person": person, "made": at(now_ms()), "conversations": found}, key)
        for one in found:
            await conversations.export(config, one, asked.to / one, person)
    except Refused as refused:
        print(f"{refused.code}: {refused.about}", file=sys.stderr)
        return 1
    print(f"{asked.to}: {sum(map(len, rows.values()))} rows of {len(rows)} tables, {len(found)} conversations")
    return 0


async def rows_of(db: Whole, known: ErasedPerson) -> Mapping[str, Sequence[Json]]:
    """Every row that names a person, by table; what is sealed is left out."""
    found: dict[str, list[Json]] = {}
    columns = await db.columns()
    for one in PERSONAL:
        named = [column for column in one.columns if column in columns.get(one.table, ())]
        wanted = [known.person, *(a.id for a in known.addresses if "@" in a.id)]
        marks = ", ".join(f"${n}" for n in range(1, len(wanted) + 1))
        if named:
            where = " OR ".join(f"{column} IN ({marks})" for column in named)
            rows = await db.rows(f"SELECT * FROM {one.table} WHERE {where}", *wanted)  # noqa: S608 - our own names
            found |= {one.table: [_told(row) for row in rows]} if rows else {}
    return found


def _told(row: Any) -> Json:
    return {name: value for name, value in dict(row).items() if not isinstance(value, bytes)}


async def _erase(asked: argparse.Namespace, hub: Premises) -> int:
    person = _id(asked.person)
    if signing_key(hub.config) is None:
        raise BadConfig("audit.key_file: is missing: the report of an erasure is signed")
    _can_be_written(asked.report)
    report = await erase(hub, person, login())
    if report is None:
        print(f"{person}: the hub knows nobody by this id", file=sys.stderr)
        return 1
    asked.report.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    for line in report["tables"]:
        if line["erased"] or line["marked"]:
            print(f"{line['table']}: {line['erased']} rows erased, {line['marked']} marked")
    for line in (*report["storage"], *report["elsewhere"]):
        print(f"- {line}")
    return 0


def _can_be_written(path: Path) -> None:
    """Tried before anything is erased: the report of it cannot be made again. Raises BadConfig."""
    there = path.exists()
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise BadConfig(f"--report: {said(error)}") from None
    if not there:
        path.unlink()


async def erase(hub: Premises, person: str, by: str) -> Json | None:
    """Erase a person (id) and give the signed report; None if nobody is known by this id."""
    config = hub.config
    seal, key = config.seal.open(), signing_key(config)
    async with AsyncExitStack() as stack:
        db = await open_present(config.database.url, hub.components)
        stack.push_async_callback(db.close)
        chainer = Chainer(db, seal, key, config.audit.rules(), now_ms)
        await chainer.catch_up()  # what is still to be chained names addresses
        raw = await stack.enter_async_context(whole(config.database.url, fence_of(db)))
        known = await known_of(raw, seal, hub, person)
        if known is None:
            return None
        columns = await raw.columns()
        erasing = Erasing(raw, known, columns, now_ms())
        await raw.begin()
        await erasing.run()
        stays = await erasing.stays()
        details = {"erased": sum(erasing.erased.values()), "marked": sum(erasing.marked.values())}
        note = "INSERT INTO trail_new (at, kind, actor, subject, result, details) VALUES ($1, $2, $3, $4, $5, $6)"
        said = orjson.dumps(details).decode()
        await raw.change(note, now_ms(), TrailKind.ERASURE.value, by, known.mark, "erased", said)
        await raw.commit()
        await chainer.catch_up(mark=True)
        return await _report(raw, db, config, erasing, known, stays)


async def _report(
    raw: Whole, db: Database, config: Config, erasing: Erasing, known: ErasedPerson, stays: dict[str, int]
) -> Json:
    undone = await raw.clean(sorted(columns) if (columns := await raw.columns()) else [])
    storage = [f"{db.engine}: every table was written anew; nothing that was erased lies in its files"]
    if db.engine == "postgresql":
        storage.append(
            "write-ahead log: PostgreSQL keeps old segments until it needs them: docs/retention.md says how they go"
        )
    storage += [f"not permitted to this role, to be run by a superuser: {step}" for step in undone]
    report: Json = {
        "erased": known.mark, "at": at(now_ms()), "tables": lines(erasing, stays), "storage": storage,
        "elsewhere": list(ELSEWHERE),
    }  # fmt: skip
    key = signing_key(config)
    report["signature"] = None if key is None else sign(orjson.dumps(report), key, TYPE).decode()
    return report


async def known_of(db: Whole, seal: Seal, hub: Premises, person: str) -> ErasedPerson | None:
    """What the hub knows of a person by their id; None: nothing."""
    names, addresses = set[str](), set[Address]()
    for sql in (
        "SELECT network, id FROM account WHERE person = $1",
        "SELECT network, address AS id FROM member WHERE person = $1",
        "SELECT network, id FROM revocation WHERE person = $1",
        "SELECT DISTINCT network, address AS id FROM message WHERE sender = $1",
    ):  # fmt: skip
        addresses |= {Address(row["network"], row["id"]) for row in await db.rows(sql, person)}
    columns = await db.columns()
    if "mail_box" in columns:
        boxes = await db.rows("SELECT address FROM mail_box WHERE person = $1", person)
        addresses |= {Address(MAIL, row["address"]) for row in boxes}
    for row in await db.rows("SELECT entry FROM acquaintance WHERE person = $1", person):
        entry = kept(seal, person, row["entry"])
        names.add(entry.name)
        addresses |= set(entry.addresses)
    for row in await db.rows("SELECT name FROM name WHERE person = $1", person):
        names.add(opened(seal, person, row["name"]) or "")
    seen = bool(await db.rows("SELECT 1 AS n FROM recipient WHERE person = $1 LIMIT 1", person))
    listed = await hub.directory.person(person)
    if listed is not None:
        names.add(listed.name)
        addresses |= set(listed.addresses)
    if person.startswith(f"{MAIL}:"):  # the id of a mailbox's ghost holds the address
        names.add(escape(person.removeprefix(f"{MAIL}:")))
    if not (addresses or names or seen):
        return None
    if not person.startswith("rpps:"):
        addresses.add(Address(*person.split(":", 1)))
    return ErasedPerson(person, frozenset(names - {"", person}), frozenset(addresses))
