"""`liaison status`: one screen that says what works, what waits since when, and what needs an operator."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from appservice.operating.asking import ask, at, explained, lasting
from appservice.operating.door import Act
from appservice.operating.overview import Overview
from bridge.config import Config
from bridge.hub.operating.waiting import MOST
from bridge.parts.alarms import ALARMS

Json = dict[str, Any]
_AGAIN = 2.0  # s between two looks of --watch
_DAY = 86_400
_SHOWN = 10  # lines about what waits within edges
LOW = 0.1  # share of a disk
_INSIDE = {
    "events": "events to be worked on", "unreadable": "events whose key has not come",
    "keyless": "people who cannot read yet", "in": "mails taken in", "out": "mails",
    "unread": "events that it has not taken",
}  # fmt: skip
LONG = {
    "events": 300,
    "unreadable": 900,
    "in": 900,
    "out": 3600,
    "unread": 3600,
}  # s that something of an edge waits at most
_STILL = 3600  # s without progress after which sealing anew stands still
_KEY_DAYS = 7  # after which a key of the seal that is not active should not be needed any more
CHAPTER = {
    "events": "What comes from Matrix waits", "unreadable": "Keys are missing", "in": "Mail waits",
    "out": "Mail waits", "unread": "A network does not answer", "seal": "An old seal key is still needed",
}  # fmt: skip
"""Of docs/operating.md."""
_RENEW = {"directory": "`liaison directory status`, or mend the file", "mail_trust": "`liaison trust`"}


def acts(standing: Overview) -> Mapping[str, Act]:
    """What the hub does when it is asked."""

    async def status(asked: Json) -> Json:
        return asdict(await standing.now()) | {"newest_alarm": next(iter(ALARMS.newest), None)}

    async def alarms(asked: Json) -> Json:
        return {"by": dict(ALARMS.by), "newest": list(ALARMS.newest)}

    return {"status": status, "alarms": alarms}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Once, or for ever."""
    parser.add_argument("--watch", action="store_true", help=f"again every {_AGAIN:g} s, until Ctrl-C")


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Print; status 1: something needs an operator. Raises BadConfig, Unavailable (no hub answers)."""
    late = config.delivery.late
    while True:
        found = await ask(config, "status", {})
        text, well = "\n".join(lines(found, time.time(), late)), not concerns(found, time.time(), late)
        if not asked.watch:
            print(text)
            return 0 if well else 1
        print(f"\x1b[H\x1b[2J{text}" if sys.stdout.isatty() else text, flush=True)
        await asyncio.sleep(_AGAIN)


def lines(found: Json, now: float, late: float) -> list[str]:
    """The screen."""
    said = [f"liaison {found['version']}, running for {lasting(found['running'])}", ""]
    said += [f"{'network':16} {'answers':8} {'waiting':>8} {'oldest':>12} {'late':>8} {'to tell':>8}"]
    for one in found["traffic"]:
        counts = " ".join(f"{_counted(one[name]):>8}" for name in ("late", "reports"))
        oldest = f"{_counted(one['waiting']):>8} {_since(one['oldest'], now):>12}"
        answers = "NO" if not one["up"] else "FAILS" if one["failing"] else "yes"
        said.append(f"{one['network']:16} {answers:8} {oldest} {counts}")
    inside = [one for one in found["queues"] if one["waiting"]]
    said += ["", *map(edge, inside[:_SHOWN], [now] * _SHOWN)] if inside else []
    if found["held"]:
        said += ["", f"{_counted(found['held'])} wait for their place in the order of their conversation"]
    if found["workers"]:
        said += ["", *(_worker(one, now) for one in found["workers"])]
    if (seal := found["seal"]) is not None and seal["others"] and seal["done"] < seal["columns"]:
        said += ["", f"sealing anew: {seal['done']} of {seal['columns']} columns done"]
    if (listed := found["federation"]) is not None:
        left = lasting(listed["expires"] - now) if listed["expires"] > now else "nothing: it has ended"
        said += ["", f"federation: list {listed['sequence']}, {listed['domains']} domains, good for {left}"]
    needs = concerns(found, now, late)
    said += ["", *(f"! {line}" for line in needs)] if needs else ["", "nothing needs you"]
    return said


def _worker(one: Json, now: float) -> str:
    does = "works" if one["works"] else "stands by"
    other = f"; its configuration differs in {', '.join(one['differs'])}" if one["differs"] else ""
    return f"worker {one['name']} {does}, {one['version']}, for {_since(one['since'], now)}{other}"


def edge(one: Json, now: float) -> str:
    """What waits within the edge of a network."""
    part = f" for {one['part']}" if one["part"] else ""
    said = _INSIDE.get(one["name"], one["name"])
    code, within, room = one["why"].partition(" in !")
    why = f", last: {explained(code)}{within}{room}" if code else ""
    if (read := one.get("read")) is not None:
        why += f", last read {lasting(now - read / 1000)} ago" if read else ", never read"
    return (
        f"{one['network']}: {_counted(one['waiting'])} {said}{part}, the oldest for {_since(one['oldest'], now)}{why}"
    )


def concerns(found: Json, now: float, late: float) -> list[str]:
    """What needs an operator, each with what to do. ``late``: s after which writers hear that a message waits."""
    said = [f"{found['trouble']}"] if found["trouble"] else []
    if not found["database"]:
        said = [line for line in said if line != "the database fails"]
        said.append("the database fails: `journalctl -u liaison | grep ALARM` says how; what waits is safe")
    said += [line for one in found["traffic"] for line in _of_network(one, now, late)]
    said += [line for one in found["queues"] for line in _ofedge(one, now)]
    said += _of_machine(found, now)
    said += [
        f"the worker {one['name']} is configured otherwise than the one that works ({', '.join(one['differs'])}): "
        "make their files alike, or go on with the upgrade"
        for one in found["workers"] if one["differs"]
    ]  # fmt: skip
    said += _of_seal(found["seal"], now) if found["seal"] is not None else []
    if found["undecided"]:
        many = found["undecided"] > 1
        wait = f"{found['undecided']} accounts wait" if many else "1 account waits"
        said.append(f"{wait} for your decision, as another product has the same professional: `liaison accounts list`")
    return said + _of_alarms(found["alarms"], found["newest_alarm"])


def _of_alarms(by: Mapping[str, int], newest: Sequence[Any] | None) -> list[str]:
    total = sum(by.values())
    if not total:
        return []
    last = f", the last {at(int(newest[0] * 1000))}: {newest[2]}" if newest else f" ({', '.join(sorted(by))})"
    return [f"{total} alarm{'s' if total > 1 else ''} since the start (`journalctl -u liaison | grep ALARM`){last}"]


def _of_network(one: Json, now: float, late: float) -> list[str]:
    name = one["network"]
    last = f", last: {explained(one['failing'])}" if one["failing"] else ""
    if not one["up"]:
        return [f"{name} does not answer{last}; when it is mended: `liaison queue retry --network {name}`"]
    if one["late"] or (one["oldest"] is not None and now - one["oldest"] / 1000 > late):
        return [f"messages to {name} are late{last}: `liaison queue list --network {name}` says which and why"]
    return []


def _ofedge(one: Json, now: float) -> list[str]:
    limit = LONG.get(one["name"])
    if limit is None or one["oldest"] is None or now - one["oldest"] / 1000 < limit:
        return []
    return [f"{edge(one, now)}: see docs/operating.md, {CHAPTER[one['name']]}"]


def _of_machine(found: Json, now: float) -> list[str]:
    said = []
    listed = found["federation"]
    if listed is not None and listed["expires"] - now < 7 * _DAY:
        said.append("the federation's list ends soon, and with it all traffic with others: get the new one")
    for one in found["lists"]:
        why = f" ({one['trouble']})" if one["trouble"] else ""
        said += [f"the list {one['name']} is old{why}: {_RENEW.get(one['name'], 'renew it')}"] if one["old"] else []
    for option, ends in sorted(found["certificates"].items()):
        if ends - now < 14 * _DAY:
            left = "cannot be read" if not ends else "has ended" if ends < now else f"ends in {lasting(ends - now)}"
            said.append(f"the certificate {option} {left}: renew it, then `liaison reload`")
    for disk in found["disks"]:
        if disk["free"] < LOW * disk["size"]:
            said.append(f"the disk of {disk['path']} is nearly full ({disk['free'] // 2**20} MiB left): make room")
    return said


def _of_seal(seal: Json, now: float) -> list[str]:
    """Of sealing anew, where another key is still needed."""
    left, others = seal["done"] < seal["columns"], ", ".join(seal["others"])
    if not others or not (left or seal["kept"]):
        return []
    see, still, old = f"see docs/operating.md, {CHAPTER['seal']}", seal["worked_at"], seal["began_at"]
    said = [f"{seal['kept']} rows do not open and keep their old seal: {see}"] if seal["kept"] else []
    if left and still and now - still / 1000 > _STILL:
        said.append(f"nothing was sealed anew for {lasting(now - still / 1000)}: {see}")
    if old and now - old / 1000 > _KEY_DAYS * _DAY:
        said.append(f"the seal still needs {others}, {lasting(now - old / 1000)} after the change: {see}")
    return said


def _since(oldest: int | None, now: float) -> str:
    return "-" if oldest is None else lasting(now - oldest / 1000)


def _counted(n: int) -> str:
    return f"{n}" if n < MOST else f"{MOST}+"
