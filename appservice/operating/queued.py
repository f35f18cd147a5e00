"""`liaison queue`: what waits, for which network, since when and why; try it again, or give it up."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

from appservice.operating.asking import ask, at, explained, lasting, login
from appservice.operating.door import Act
from appservice.operating.status import edge
from bridge.config import BadConfig, Config
from bridge.errors import Refused
from bridge.hub.operating.tracing import to_json
from bridge.hub.operating.waiting import WaitingQueue

Json = dict[str, Any]
_MOST = 1000  # deliveries in one answer


def acts(queue: WaitingQueue) -> Mapping[str, Act]:
    """What the hub does when it is asked."""

    async def listed(asked: Json) -> Json:
        limit = min(int(asked["limit"]), _MOST)
        if asked["conversation"] is not None:
            found = await queue.lanes(asked["conversation"], limit)
        else:
            names = [one.network for one in await queue.traffic()] if asked["network"] is None else [asked["network"]]
            after = int(asked.get("after", -1))
            found = [one for name in names for one in await queue.waiting(name, limit, after)]
        first = found[:limit] if asked["network"] else sorted(found, key=lambda one: one.since)[:limit]
        return {"waiting": [to_json(one) for one in first]}

    async def shown(asked: Json) -> Json:
        return to_json(await queue.one(asked["delivery"]))

    async def retry(asked: Json) -> Json:
        if asked["network"] is not None:
            await queue.retry_all(asked["network"])
            return {}
        return to_json(await queue.retry(asked["delivery"]))

    async def drop(asked: Json) -> Json:
        return to_json(await queue.drop(asked["delivery"], asked["by"]))

    return {"queue": listed, "queue-show": shown, "queue-retry": retry, "queue-drop": drop}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands; without one: ``list``."""
    parser.set_defaults(what="list", network=None, conversation=None, limit=20)
    commands = parser.add_subparsers(metavar="what")
    listed = commands.add_parser("list", help="what has waited longest")
    listed.add_argument("--network", help="of one network only")
    listed.add_argument("--conversation", metavar="ID", help="of one conversation only, by any id of it")
    listed.add_argument("--limit", type=int, default=20, help=f"at most so many (default 20, up to {_MOST})")
    listed.set_defaults(what="list")
    shown = commands.add_parser("show", help="one delivery that waits")
    shown.add_argument("delivery", help="its id")
    shown.set_defaults(what="show")
    retry = commands.add_parser("retry", help="try one, or everything of a network, now")
    retry.add_argument("delivery", nargs="?", help="its id")
    retry.add_argument("--network", help="everything that waits for it")
    retry.set_defaults(what="retry")
    drop = commands.add_parser("drop", help="give one up: its writer is told that it will not arrive")
    drop.add_argument("delivery", help="its id")
    drop.add_argument("--by", help="who decides, for the record (default: your login)")
    drop.set_defaults(what="drop")


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Ask the running hub and print. Raises BadConfig, Unavailable (no hub answers)."""
    try:
        if asked.what == "list":
            await _list(asked, config)
        elif asked.what == "show":
            _print(await ask(config, "queue-show", {"delivery": asked.delivery}))
        elif asked.what == "retry":
            await _retry(asked, config)
        else:
            _print(await ask(config, "queue-drop", {"delivery": asked.delivery, "by": asked.by or login()}))
            print("dropped: its writer is told")
    except Refused as refused:
        there = ""
        if refused.code == "unknown_network":
            networks = [one["network"] for one in (await ask(config, "status", {}))["traffic"]]
            there = f" There are {', '.join(networks)}."
        print(f"{refused.code}: {refused.about}{there}")
        return 1
    return 0


async def _retry(asked: argparse.Namespace, config: Config) -> None:
    if (asked.delivery is None) == (asked.network is None):
        raise BadConfig("queue retry: either a delivery or --network")
    found = await ask(config, "queue-retry", {"delivery": asked.delivery, "network": asked.network})
    if found:
        _print(found)
    print("tried now: `liaison queue list` says what still waits")


async def _list(asked: argparse.Namespace, config: Config) -> None:
    """Deliveries; without a conversation also what waits within edges."""
    conversation, inside = asked.conversation, list[Json]()
    if conversation is not None:
        conversation = (await ask(config, "conversation-show", {"name": conversation}))["id"]
    question = {"network": asked.network, "conversation": conversation, "limit": asked.limit}
    waiting = (await ask(config, "queue", question))["waiting"]
    if conversation is None:
        queues = (await ask(config, "status", {}))["queues"]
        inside = [one for one in queues if one["waiting"] and asked.network in (None, one["network"])]
    for one in waiting:
        _print(one)
    for one in inside:
        print(edge(one, time.time()))
    if not waiting and not inside:
        print("nothing waits")


def _print(one: Json) -> None:
    print(f"{one['id']}  to {one['network']}  for {lasting(time.time() - one['since'] / 1000)}  {state(one)}")
    print(f"    message {one['message']}  conversation {one['conversation']}")


def state(one: Json) -> str:
    """Why it waits, and until when."""
    if one["held"]:
        return "waits for its place in the order"
    tries = {0: "not tried yet", 1: "tried once"}.get(one["attempts"], f"tried {one['attempts']} times")
    again = f", again at {at(one['next_at'])}" if one["next_at"] else ""
    return f"{tries}{', last: ' + explained(one['why']) if one['why'] else ''}{again}"
