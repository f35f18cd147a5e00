"""`liaison directory sync`: what has changed since the files were made, or since the last time, written into the load.

A timer runs it (every quarter of an hour), beside the running hub. What is read twice changes nothing the second time.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bridge.config import BadConfig, Config, DirectoryApiSettings, read_secret
from bridge.people.fhir.api import AnswerRefused, Api, NoAnswer
from bridge.people.fhir.delta import DeltaReader, TooOld
from bridge.people.fhir.resources import NotWhole, Seen
from bridge.people.national.files.records import to_records
from bridge.people.national.kept.kept_loads import loads_of
from bridge.people.national.kept.lookup import state_of
from bridge.people.national.kept.tables import Loads, Tables
from bridge.people.national.loads.deltas import Applied, Delta, listed
from bridge.people.national.loads.loading import reads_of
from bridge.people.national.loads.succession import at

_MARK = "synced"
_TOGETHER = 1_000  # changes for which an import waits
_OVERLAP = timedelta(minutes=5)  # what was written late at the server is read with the next time
_LAG = timedelta(minutes=1)
_LABELLED = 4  # pages of the load in which the labels of codes are looked up: 20,000 people


async def main(config: Config, clock: Callable[[], datetime] | None = None) -> int:
    """Read and apply, and print; 0: fine, 1: not now, or files are needed first, 2: refused. Raises Unavailable."""
    settings = config.directory.api
    if config.directory.kind != "national" or settings is None:
        raise BadConfig("directory.api: is missing: url and key of the directory's API")
    now = (clock or (lambda: datetime.now(UTC)))().astimezone(UTC).replace(second=0, microsecond=0)
    loads = loads_of(config.database.url)
    try:
        async with Api(settings.url, key_of(settings), tls=_tls(settings)) as api:
            return await _sync(api, loads, now - _LAG)
    except TooOld:
        print("Trop ancien : importez d'abord les fichiers. / too old: import the files first")
        return 1
    except NoAnswer as error:
        print(f"Pas de réponse de l'annuaire. / no answer from the directory: {error}")
        return 1
    except (AnswerRefused, NotWhole) as error:
        print(f"Refusé par l'annuaire. / refused by the directory: {error}")
        return 2
    finally:
        await loads.close()


async def _sync(api: Api, loads: Loads, until: datetime) -> int:
    found = await _begin(loads)
    if found is None:
        print("Aucun chargement. / nothing is loaded yet: liaison directory import FILE…")
        return 1
    number, since, labels = found
    delta = Delta(loads, "API Annuaire Santé", until.strftime("%Y%m%d%H%M"))
    some: list[Seen] = []
    async for seen in DeltaReader(api, labels).changed(since, until):
        some.append(seen)
        if len(some) == _TOGETHER:
            await _apply(delta, some)
            some = []
    await _apply(delta, some)
    await _noted(loads, number, until)
    print(_said(delta.applied, since, until))
    return 0


def _said(applied: Applied, since: datetime, until: datetime) -> str:
    times = f"{since:%Y-%m-%d %H:%M} – {until:%Y-%m-%d %H:%M} UTC"
    return (
        f"{applied.changed} modifiées, {applied.closed} fermées, {applied.same} inchangées, {times}\n"
        "(changed, closed, unchanged)"
    )


async def _begin(loads: Loads) -> tuple[int, datetime, Mapping[str, str]] | None:
    """The load in use, since when changes are to be read, and the labels of codes."""
    number = await loads.current()
    if number is None:
        return None
    load = await loads.open(number)
    try:
        mark = await state_of(load, _MARK)
        made = min(at(read.generated) for read in (await reads_of(load)).values())
        since = made if mark is None else datetime.fromisoformat(mark) - _OVERLAP
        return number, since, await labels_of(load)
    finally:
        await load.close()


async def labels_of(load: Tables) -> dict[str, str]:
    """Code of a profession or speciality → label, as the flat files have them: the API gives codes only."""
    found: dict[str, str] = {}
    last = ""
    for _ in range(_LABELLED):
        rows = await load.all("page", last, 5_000)
        for row in rows:
            for one in to_records(row["lines"]):
                for code, label in ((one.profession_code, one.profession), (one.speciality_code, one.speciality)):
                    if code and label and code != label:
                        found.setdefault(code, label)
        if not rows:
            break
        last = rows[-1]["id"]
    return found


async def _apply(delta: Delta, some: Sequence[Seen]) -> None:
    if some:
        await delta.apply(listed([(one.ident, one.records) for one in some]))


async def _noted(loads: Loads, number: int, until: datetime) -> None:
    """A load that has come meanwhile begins anew, from the time of its own files."""
    async with loads.alone():
        if await loads.current() == number:
            load = await loads.open(number)
            try:
                await load.write({}, [("put", [(_MARK, until.isoformat())])])
            finally:
                await load.close()


def key_of(settings: DirectoryApiSettings) -> str:
    """The key of the API. Raises BadConfig."""
    return read_secret(settings.key, "directory.api.key")


def _tls(settings: DirectoryApiSettings) -> ssl.SSLContext | None:
    if settings.ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise BadConfig(f"directory.api.ca_file: {error.strerror}: {settings.ca_file}") from None
