"""`liaison duty`: who is on duty, until when, and who comes next; reads the files, and needs no running hub."""

from __future__ import annotations

import argparse
import time
from collections.abc import AsyncIterator
from datetime import datetime

from appservice.process import examine
from bridge.config import BadConfig, Config
from bridge.people.directories.functions import WithFunctions
from bridge.people.directory import Directory
from bridge.people.duty.rota import Duty, Function, Rota
from bridge.people.duty.shifts import milliseconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    acts = parser.add_subparsers(dest="act", metavar="act")
    acts.add_parser("show", help="every function, and who is absent now (this is the default)")
    who = acts.add_parser("who", help="one function")
    who.add_argument("name", help="the function's short name in the file, or the beginning of words of its name")
    who.add_argument("--at", metavar="T", help='a local time, "2026-12-24 20:00" (default: now)')


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Print the answer; gives the exit status. Raises BadConfig."""
    kept = examine.rota(config.duty)
    if config.duty.rota is None:
        raise BadConfig("duty.rota: no file is named, so there is no function")
    directory = WithFunctions(examine.directory(config), kept)
    rota, now = kept.now, time.time_ns() // 1_000_000
    functions = list(rota.functions.values())
    if asked.act == "who":
        found = await directory.search(asked.name, 1_000)
        functions = [one for one in functions if one.slug == asked.name] or [
            function for person in found if (function := rota.function(person.id)) is not None
        ]
        if not functions:
            print(f"no function is called {asked.name}")
            return 1
    for function in functions:
        at = _moment(asked.at, function) if asked.act == "who" and asked.at else now
        for line in await _lines(rota, function, at, directory):
            print(line)
    if asked.act != "who":
        for line in [line async for line in _absences(rota, now, directory)]:
            print(line)
    return 0


def _moment(text: str, function: Function) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadConfig('--at: a time reads "2026-12-24 20:00"') from None
    return milliseconds(moment if moment.tzinfo is not None else moment.replace(tzinfo=function.zone.time))


async def _lines(rota: Rota, function: Function, at: int, directory: Directory) -> list[str]:
    now = rota.duty(function.slug, at)
    names = [await _name(person, directory) for person in now.people] or ["nobody"]
    lines = [f"{function.slug}: {function.name}", f"  on duty: {', then '.join(names)}{_until(function, now)}"]
    then = rota.following(function.slug, at)
    if then is not None and then.first is not None:
        lines.append(f"  next:    {await _name(then.first, directory)} from {_when(function, then.since)}")
    else:
        lines.append("  next:    nobody else within a year")
    return lines


async def _absences(rota: Rota, now: int, directory: Directory) -> AsyncIterator[str]:
    zone = next(iter(rota.functions.values()), None)
    for one in rota.absences:
        if zone is not None and one.begin <= now < one.end:
            instead = f", instead: {await _name(one.substitute, directory)}" if one.substitute else ""
            yield f"absent: {await _name(one.who, directory)} until {_when(zone, one.end)}{instead}"


async def _name(person: str, directory: Directory) -> str:
    found = await directory.person(person)
    return f"{found.name} ({person})" if found is not None else person


def _until(function: Function, duty: Duty) -> str:
    return "" if duty.until is None else f" until {_when(function, duty.until)}"


def _when(function: Function, at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, function.zone.time):%a %Y-%m-%d %H:%M}"
