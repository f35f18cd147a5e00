"""`liaison directory`: import the public files, say what is loaded and how old it is, search in it, show somebody.

It works beside a running hub, which uses a new load by itself some seconds later.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bridge.config import BadConfig, Config
from bridge.people.directories.watched import WatchedFile
from bridge.people.national.files.flatfiles import BadFile
from bridge.people.national.kept.kept_loads import folder_of, loads_of
from bridge.people.national.kept.tables import Loads
from bridge.people.national.loads.guards import Limits
from bridge.people.national.loads.loading import Imported, Loading
from bridge.people.national.loads.succession import at
from bridge.people.national.national import National
from bridge.people.national.progress import Progress
from bridge.people.national.status import LoadStatus, Origin, origins_of, status_of

_SHOWN = 20
_HELD = {
    "truncated": ("fichier tronqué", "truncated file"),
    "empty": ("fichier vide", "empty file"),
    "goes_back": ("fichier plus ancien que celui en service", "older than the file in use"),
    "same_time": ("même heure de génération, autre contenu", "same generation time, other content"),
    "header": ("colonnes différentes", "other columns"),
    "fewer_lines": ("nettement moins de lignes", "far fewer lines"),
    "odd_lines": ("trop de lignes inexploitables", "too many lines that cannot be used"),
    "removes": ("trop de personnes disparaissent", "too many people vanish"),
    "removes_boxes": ("trop de boîtes aux lettres disparaissent", "too many mailboxes vanish"),
    "changes": ("trop de personnes changent", "too many people change"),
}


def add_arguments(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """The subcommands of ``liaison directory``; without one: ``status``. Gives where others add theirs."""
    parser.set_defaults(what="status")
    commands = parser.add_subparsers(metavar="what")
    load = commands.add_parser("import", help="import the public files of Annuaire Santé (zip or text), all of a day")
    load.add_argument("files", type=Path, nargs="+", metavar="FILE")
    load.add_argument("--force", action="store_true", help="also what the guards hold: after a look at their report")
    load.set_defaults(what="import")
    commands.add_parser("status", help="what is loaded, and how old it is").set_defaults(what="status")
    search = commands.add_parser("search", help="who is found by a name, a place, a profession, a number")
    search.add_argument("query", nargs="+")
    search.set_defaults(what="search")
    show = commands.add_parser("show", help="one entry: every statement with its source and date")
    show.add_argument("id", help="rpps:…, idnps:…, mail:…, or a mail address")
    show.set_defaults(what="show")
    return commands


async def main(args: argparse.Namespace, config: Config, clock: Callable[[], datetime] | None = None) -> int:
    """Run one subcommand and print; 0: fine, 1: held, nobody, or old, 2: a file cannot be used. Raises Unavailable."""
    if config.directory.kind != "national":
        raise BadConfig("directory.kind: is csv: this hub does not use the national directory")
    loads = loads_of(config.database.url)
    now = (clock or (lambda: datetime.now(UTC)))()
    try:
        if args.what == "import":
            return await _import(args, config, loads)
        if args.what == "search":
            return await _search(" ".join(args.query), config, loads)
        if args.what == "show":
            return await _show(str(args.id), loads)
        return await _status(config, loads, now)
    except BadFile as bad:
        _say("Fichier refusé.", f"file refused: {bad}")
        return 2
    finally:
        await loads.close()


async def _import(args: argparse.Namespace, config: Config, loads: Loads) -> int:
    section = config.directory
    limits = Limits(section.max_removed, section.max_changed, section.min_lines)
    folder, url = section.folder, config.database.url
    if folder is None and not url.startswith("sqlite:///"):
        raise BadConfig("directory.folder: is missing: with PostgreSQL an import needs a folder of its own to sort in")
    progress = Progress()
    try:
        loading = Loading(loads, folder or folder_of(url), limits, force=args.force)
        done = await loading.run(args.files, progress)
    finally:
        progress.end()
    return _imported(done)


def _imported(done: Imported) -> int:
    for read in done.reads.values():
        print(f"{read.name:60} {read.lines:>9} lignes / lines, {_time(read.generated)}")
    tally = done.tally
    if done.state != "unchanged":
        print(f"Entrées  {tally.people} ({tally.before} avant), {tally.added} nouvelles, {tally.changed} modifiées,")
        print(f"         {tally.absent} absentes, {tally.closed} fermées, {tally.boxes_gone} boîtes disparues")
        print("         (entries: before, new, changed, absent, closed, mailboxes gone)")
    if done.state == "held":
        _say("Chargement retenu : rien n'a changé.", "held: nothing has changed. Look, then import again with --force")
        for hold in done.holds:
            french, english = _HELD[hold.code]
            print(f"  {french} / {english}: {hold.said}")
        return 1
    if done.state == "unchanged":
        _say("Rien de nouveau dans ces fichiers.", "nothing new in these files")
    else:
        _say(f"Chargement {done.number} en service.", f"load {done.number} is in use; a running hub takes it by itself")
    return 0


async def _status(config: Config, loads: Loads, now: datetime) -> int:
    found = await status_of(loads)
    if found is None:
        _say("Aucun chargement.", "nothing is loaded yet: liaison directory import FILE…")
        return 1
    print(f"Chargement      {found.number}  (load)")
    for read in found.reads.values():
        hours = (now - at(read.generated)).total_seconds() / 3600
        print(f"Fichier         {read.name}, {read.lines} lignes, il y a {hours:.0f} h  (file, lines, hours ago)")
    print(f"Entrées         {found.tally.people}, {found.tally.absent} absentes  (entries, absent)")
    for number, delta in found.deltas.items():
        print(f"Mise à jour     {number}: {delta['name']}, {_time(delta['generated'])}  (delta)")
    return max(_judged(found, config, now), int(found.outdated))


def _judged(found: LoadStatus, config: Config, now: datetime) -> int:
    if found.outdated:
        _say("L'index date d'une autre version.", "the index is of another version: import again")
    age = found.age(now)
    if age <= config.directory.warn_after:
        return 0
    _say(f"Annuaire ancien de {age / 3600:.0f} h.", "the directory is old: look at its download")
    return int(age > config.directory.stale_after)


async def _search(query: str, config: Config, loads: Loads) -> int:
    path = config.directory.flatfile
    national = National(loads, None if path is None else WatchedFile(path))
    try:
        found = await national.search(query, _SHOWN)
    finally:
        await national.close()
    for person in found:
        boxes = " ".join(address.id for address in person.addresses)
        print(f"{person.id:24} {person.name} — {person.profession} ({person.place})" + (f"  {boxes}" if boxes else ""))
    if not found:
        _say("Personne.", "nobody")
    return 0 if found else 1


async def _show(ident: str, loads: Loads) -> int:
    number = await loads.current()
    if number is None:
        _say("Aucun chargement.", "nothing is loaded yet")
        return 1
    tables = await loads.open(number)
    try:
        ids = [ident]
        if ":" not in ident:
            marks = await tables.all("marks", [ident.lower()])
            ids = [row["id"] for row in await tables.all("numbered", [row["number"] for row in marks])]
        found = [(one, await origins_of(tables, one)) for one in ids]
    finally:
        await tables.close()
    known = [(one, standing, origins) for one, (standing, origins) in found if standing]
    for one, standing, origins in known:
        print(f"{one}  {standing}")
        for origin in origins:
            print(f"  {_statement(origin)}\n      {origin.source}, {_time(origin.generated)}")
    if not known:
        _say("Inconnu.", "unknown")
    return 0 if known else 1


def _statement(origin: Origin) -> str:
    """What a record says, without what is empty."""
    said = origin.record._asdict()
    return ", ".join(f"{name}={value}" for name, value in said.items() if value and name not in ("kind", "source"))


def _time(generated: str) -> str:
    return f"{at(generated):%Y-%m-%d %H:%M} UTC" if generated else "?"


def _say(french: str, english: str) -> None:
    print(f"{french}\n  ({english})")
