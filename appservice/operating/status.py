"""`liaison status`: one screen that says what works, what waits since when, and what needs an operator."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from appservice.operating.asking import ask, lasting
from appservice.operating.door import Act
from appservice.operating.overview import Overview
from bridge.config import Config
from bridge.hub.operating.waiting import MOST

Json = dict[str, Any]
_AGAIN = 2.0  # s between two looks of --watch
_DAY = 86_400


def acts(standing: Overview) -> Mapping[str, Act]:
    """What the hub does when it is asked."""

    async def status(asked: Json) -> Json:
        return asdict(await standing.now())

    return {"status": status}


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
    said += [f"{'network':16} {'answers':8} {'waiting':>8} {'oldest':>12} {'to tell':>8}"]
    for one in found["traffic"]:
        oldest = "-" if one["oldest"] is None else lasting(now - one["oldest"] / 1000)
        counts = f"{_counted(one['waiting']):>8} {oldest:>12} {_counted(one['reports']):>8}"
        said.append(f"{one['network']:16} {'yes' if one['up'] else 'NO':8} {counts}")
    if found["held"]:
        said += ["", f"{_counted(found['held'])} wait for their place in the order of their conversation"]
    if (listed := found["federation"]) is not None:
        left = lasting(listed["expires"] - now) if listed["expires"] > now else "nothing: it has ended"
        said += ["", f"federation: list {listed['sequence']}, {listed['domains']} domains, good for {left}"]
    needs = concerns(found, now, late)
    said += ["", *(f"! {line}" for line in needs)] if needs else ["", "nothing needs you"]
    return said


def concerns(found: Json, now: float, late: float) -> list[str]:
    """What needs an operator, each with what to do. ``late``: s after which writers hear that a message waits."""
    said = [f"{found['trouble']}"] if found["trouble"] else []
    for one in found["traffic"]:
        name = one["network"]
        if not one["up"]:
            said.append(f"{name} does not answer: look there; then `liaison queue retry --network {name}`")
        elif one["oldest"] is not None and now - one["oldest"] / 1000 > late:
            said.append(f"messages to {name} are late: `liaison queue list --network {name}` says which and why")
    listed = found["federation"]
    if listed is not None and listed["expires"] - now < 7 * _DAY:
        said.append("the federation's list ends soon, and with it all traffic with others: get the new one")
    alarms = sum(found["alarms"].values())
    if alarms:
        said.append(f"{alarms} alarms since the start: see ALARM in the log ({', '.join(sorted(found['alarms']))})")
    return said


def _counted(n: int) -> str:
    return f"{n}" if n < MOST else f"{MOST}+"
