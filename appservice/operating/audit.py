"""`liaison audit`: verify, export and count the audit trail. It reads beside a running hub, and needs none."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bridge.config import BadConfig, Config
from bridge.errors import said
from bridge.parts.disk import write_new
from bridge.signatures import (
    BadSignature,
    PrivateKey,
    PublicKey,
    new_key,
    public_pem,
    read_private,
    read_public,
    thumbprint,
)
from bridge.trail.beside import Reads, beside, checkpoints_after, rows_after
from bridge.trail.chain import START, ChainRow, parse_body
from bridge.trail.checkpoints import Checkpoint, parse_checkpoint
from bridge.trail.exporting import checkpoint_line, head_line, last_line, row_line, verify_export
from bridge.trail.tally import TrailTally
from bridge.trail.verifying import Verifier


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands."""
    commands = parser.add_subparsers(required=True, metavar="what")
    key = commands.add_parser("key", help="make the key that signs: the private one into a file, the public printed")
    key.add_argument("file", type=Path)
    key.set_defaults(what=_key)
    verify = commands.add_parser("verify", help="find the first row that was altered, removed, reordered or inserted")
    about = "public keys by which it may be signed (default: that of audit.key_file)"
    verify.add_argument("--key", type=Path, nargs="+", default=[], metavar="FILE", help=about)
    verify.add_argument("--checkpoint", type=Path, metavar="FILE", help="a checkpoint that was kept elsewhere")
    verify.add_argument("--file", type=Path, metavar="FILE", help="an export, instead of the hub's own database")
    verify.set_defaults(what=_verify)
    checkpoint = commands.add_parser("checkpoint", help="print the newest signed checkpoint, to keep it elsewhere")
    checkpoint.set_defaults(what=_checkpoint)
    export = commands.add_parser("export", help="print the rows of some days, signed (JSON Lines)")
    report = commands.add_parser("report", help="count mails, messages and refusals by day, state and domain")
    report.add_argument("--format", choices=["csv", "json"], default="csv")
    for command, what in ((export, _export), (report, _report)):
        command.add_argument(
            "--from", dest="since", type=_day, required=True, metavar="DAY", help="e.g. 2026-11-01 (UTC)"
        )
        command.add_argument(
            "--to", dest="until", type=_day, required=True, metavar="DAY", help="the day after the last"
        )
        command.set_defaults(what=what)


def needs_config(asked: argparse.Namespace) -> bool:
    """Whether the configuration is read."""
    return not (asked.what is _key or (asked.what is _verify and asked.file is not None and asked.key))


async def main(asked: argparse.Namespace, config: Config | None) -> int:
    """Do it. Raises BadConfig, Unavailable (the database cannot be read)."""
    try:
        return int(await asked.what(asked, config))
    except (OSError, ValueError) as error:
        print(said(error), file=sys.stderr)
    except BadSignature as bad:
        print(bad, file=sys.stderr)
    return 1


def signing_key(config: Config) -> PrivateKey | None:
    """The key that signs the trail; None: nothing signs it. Raises BadConfig."""
    path = config.audit.key_file
    if path is None:
        return None
    try:
        return read_private(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadConfig(f"audit.key_file: {said(error)}") from None


def _day(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


async def _key(asked: argparse.Namespace, _: Config | None) -> int:
    pem = new_key()
    write_new(asked.file, pem)
    public = read_private(pem).public_key()
    print(public_pem(public).decode(), end="")
    print(f"# thumbprint {thumbprint(public)}", file=sys.stderr)
    return 0


def _keys(asked: argparse.Namespace, config: Config | None) -> list[PublicKey]:
    if asked.key:
        return [read_public(path.read_bytes()) for path in asked.key]
    own = signing_key(config) if config is not None else None
    return [] if own is None else [own.public_key()]


# ---- verify


async def _verify(asked: argparse.Namespace, config: Config | None) -> int:
    keys = _keys(asked, config)
    if asked.file is not None:
        return _verify_file(asked.file, keys)
    assert config is not None
    elsewhere = [parse_checkpoint(asked.checkpoint.read_text(), keys)] if asked.checkpoint is not None else []
    async with beside(config.database.url) as db:
        verifier, forged = await judged(db, keys, elsewhere)
    if forged is not None:
        print(f"checkpoint {forged}: not signed by a known key")
    if verifier.fault is not None:
        print(verifier.fault)
    if forged is not None or verifier.fault is not None:
        return 1
    signed = f"signed up to row {verifier.signed}" if keys else "not signed"
    print(f"{verifier.last} rows, none altered, removed, reordered or inserted; {signed}")
    if not keys:
        print("no key: whoever can write to the database could have made all of it anew (audit.key_file)")
    return 0


async def judged(
    db: Reads, keys: Sequence[PublicKey], elsewhere: Sequence[Checkpoint] = ()
) -> tuple[Verifier, int | None]:
    """A whole trail; and the first checkpoint that is not signed by a key of these."""
    signed: list[Checkpoint] = list(elsewhere)
    after: Checkpoint | None = None
    async for found, jws in checkpoints_after(db, 0):
        if keys:
            try:
                found = parse_checkpoint(jws or "", keys)
            except BadSignature:
                return Verifier(), found.number
        if found.closing:
            after = found
        signed.append(found)
    verifier = Verifier((c for c in signed if after is None or c.number > after.number), after)
    async for row in rows_after(db, 0 if after is None else after.number):
        verifier.feed(row)
    verifier.end()
    return verifier, None


def _verify_file(path: Path, keys: Sequence[PublicKey]) -> int:
    with path.open("rb") as file:
        verdict = verify_export(file, keys)
    if verdict.trouble:
        print(verdict.trouble)
    if verdict.fault is not None:
        print(verdict.fault)
    if verdict.trouble or verdict.fault is not None:
        return 1
    print(f"{verdict.rows} rows, none altered, removed, reordered or inserted; the file is as it was signed")
    return 0


async def _checkpoint(_: argparse.Namespace, config: Config | None) -> int:
    assert config is not None
    async with beside(config.database.url) as db:
        rows = await db.all("trail.last-checkpoint")
    if not rows or rows[0]["jws"] is None:
        print("there is no signed checkpoint yet (audit.key_file; one is made every audit.checkpoint)", file=sys.stderr)
        return 1
    print(rows[0]["jws"])
    return 0


# ---- what happened in some days


async def _between(db: Reads, since: int, until: int) -> AsyncIterator[ChainRow]:
    """Rows that may be of these days: from one checkpoint before them to one after them."""
    first, last = 0, None
    async for found, _ in checkpoints_after(db, 0):
        if found.at < since:
            first = found.number
        if found.at >= until:
            last = found.number
            break
    async for row in rows_after(db, first):
        if last is not None and row.number > last:
            return
        yield row


async def _export(asked: argparse.Namespace, config: Config | None) -> int:
    assert config is not None
    key = signing_key(config)
    if key is None:
        raise BadConfig("audit.key_file: is missing: an export is signed")
    out, digest = sys.stdout.buffer, hashlib.sha256()
    async with beside(config.database.url) as db:
        async for line in exported(db, asked.since, asked.until):
            digest.update(line)
            out.write(line)
    out.write(last_line(digest.digest(), key))
    out.flush()
    return 0


async def exported(db: Reads, since: int, until: int) -> AsyncIterator[bytes]:
    """The lines of the rows of some days (ms since 1970), without the signature: all from the first to the last one."""
    first = last = 0
    async for row in _between(db, since, until):
        if since <= int(str(parse_body(row.body)["at"])) < until:
            first, last = first or row.number, row.number
    yield head_line(await _before(db, first))
    if not first:
        return
    signed = {
        found.number: jws async for found, jws in checkpoints_after(db, first - 1) if jws and found.number <= last
    }
    async for row in rows_after(db, first - 1):
        if row.number > last:
            return
        yield row_line(row)
        if row.number in signed:
            yield checkpoint_line(signed[row.number])


async def _before(db: Reads, first: int) -> Checkpoint:
    """How the chain stood before a row."""
    number = max(first - 1, 0)
    for row in await db.all("trail.row", number):
        return Checkpoint(number, bytes(row["hash"]), 0)
    async for found, _ in checkpoints_after(db, number - 1):
        if found.number == number:
            return found
    return Checkpoint(0, START, 0)


async def _report(asked: argparse.Namespace, config: Config | None) -> int:
    assert config is not None
    tally = TrailTally()
    async with beside(config.database.url) as db:
        async for row in _between(db, asked.since, asked.until):
            body = parse_body(row.body)
            if asked.since <= int(str(body["at"])) < asked.until:
                tally.add(body)
    sys.stdout.write(tally.as_csv() if asked.format == "csv" else tally.as_json())
    return 0
