"""`liaison product`: webhooks, tokens and secrets of the products; a new token or secret; events sent again."""

from __future__ import annotations

import argparse
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from appservice.operating.asking import ask, at, explained, login
from appservice.operating.door import Act
from bridge.config import BadConfig, Config
from bridge.errors import Refused
from bridge.hub.assembly import Core
from bridge.networks.connect.connector import ConnectConnector
from bridge.networks.connect.credentials.by_operators import state_of
from bridge.seal import Seal
from bridge.sections import Seconds

Json = dict[str, Any]
_SHOWN_ONCE = "shown to an operator once"


def acts(core: Core) -> Mapping[str, Act]:
    """What the hub does when it is asked. What is new and secret is sealed on its way: see :func:`unsealed`."""

    async def products(asked: Json) -> Json:
        wanted = asked.get("product")
        some = _products(core) if wanted is None else [_product(core, wanted)]
        return {"products": [await _shown(core, one) for one in some]}

    async def token(asked: Json) -> Json:
        change = _product(core, asked["product"]).operated.token
        return _made(core.seal, await change(asked["by"], asked["overlap"], asked["known"]))

    async def secret(asked: Json) -> Json:
        change = _product(core, asked["product"]).operated.secret
        return _made(core.seal, await change(asked["by"], asked["overlap"], asked["known"]))

    async def events(asked: Json) -> Json:
        log = _product(core, asked["product"]).operated.log()
        if asked["event"] is not None:
            return asdict(await log.single(asked["event"]))
        found = log.since(asked["since"]) if asked["since"] is not None else log.after(asked["after"])
        return asdict(await found)

    async def again(asked: Json) -> Json:
        log = _product(core, asked["product"]).operated.log()
        return {"events": await log.send(asked["by"], asked["after"], asked["upto"])}

    return {
        "products": products, "product-token": token, "product-secret": secret, "product-events": events,
        "product-again": again,
    }  # fmt: skip


def unsealed(seal: Seal, made: Json) -> str:
    """The token or the secret itself, for whoever has asked. Only the operator's own side has the seal."""
    return seal.open(b64decode(made["sealed"]), _SHOWN_ONCE).decode()


def _made(seal: Seal, made: tuple[str, int]) -> Json:
    return {"sealed": b64encode(seal.seal(made[0].encode(), _SHOWN_ONCE)).decode(), "old_until": made[1]}


def _products(core: Core) -> list[ConnectConnector]:
    return [one for one in core.served.values() if isinstance(one, ConnectConnector)]


def _product(core: Core, name: str) -> ConnectConnector:
    found = core.served.get(name)
    if not isinstance(found, ConnectConnector):
        raise Refused("unknown_network", about=name)
    return found


async def _shown(core: Core, one: ConnectConnector) -> Json:
    handed = core.courier.counts.handed
    counts = {what: handed[one.network, what] for what in ("sent", "later", "refused")}
    stand = await one.stand()
    known = {"tokens_known": state_of(stand.tokens), "secrets_known": state_of(stand.secrets)}
    named = {"name": one.network, "label": one.label, "up": core.courier.up(one.network), "attempts": counts}
    named["failing"] = core.courier.failing(one.network)
    return asdict(stand) | known | named


# ---- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands; without one: ``list``."""
    parser.set_defaults(call_product=_list)
    commands = parser.add_subparsers(metavar="what")
    commands.add_parser("list", help="every product (default)").set_defaults(call_product=_list)
    for name, what, usual in (
        ("token", "token", "until the new one is used, 30 days at the most"), ("secret", "webhook secret", "1d"),
    ):  # fmt: skip
        new = commands.add_parser(name, help=f"make a new {what}: it is printed once, and kept nowhere in clear")
        new.add_argument("product", help="its name in the configuration")
        new.add_argument("--overlap", help=f"how long the old ones stay good: 0, 2h, 7d (default: {usual})")
        new.add_argument("--by", help="who decides, for the record (default: your login)")
        new.set_defaults(call_product=_new(name))
    again = commands.add_parser("again", help="send events again that it has taken: says how many, does it with --yes")
    again.add_argument("product", help="its name in the configuration")
    start = again.add_mutually_exclusive_group(required=True)
    start.add_argument("--since", metavar="TIME", help="everything from this time on: 2026-11-30T08:00 (UTC)")
    start.add_argument("--after", metavar="N", type=int, help="everything after this number, as its cursor has it")
    start.add_argument("--event", metavar="ID", help="one, by its webhook-id")
    again.add_argument("--yes", action="store_true", help="send them; without: only say how many")
    again.add_argument("--by", help="who decides, for the record (default: your login)")
    again.set_defaults(call_product=_again)


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Ask the running hub and print. Raises BadConfig, Unavailable (no hub answers)."""
    call: Callable[[argparse.Namespace, Config], Awaitable[None]] = asked.call_product
    try:
        await call(asked, config)
    except Refused as refused:
        print(f"{refused.code}: {refused.about}")
        return 1
    return 0


async def _list(asked: argparse.Namespace, config: Config) -> None:
    for one in (await ask(config, "products", {}))["products"]:
        answers = "answers" if one["up"] and not (one["log"] and one["log"]["down"]) else "DOES NOT ANSWER"
        answers = f"FAILS, last: {explained(one['failing'])}" if one["failing"] else answers
        print(f"{one['name']}  {one['label']}  webhooks: {one['host'] + ' ' + answers if one['host'] else 'none'}")
        for what in ("tokens", "secrets"):
            for key in one[what]:
                print(f"    {what[:-1]} {key['name']}…  {_until(key)}")
        if log := one["log"]:
            print(f"    events up to {log['newest']}, kept from {log['gone'] + 1}, {log['waiting']} to be sent")


def _until(key: Json) -> str:
    ends = "for good" if key["until"] is None else f"until {at(key['until'])}"
    return f"{ends}, not used yet" if key["unused"] else ends


def _new(what: str) -> Callable[[argparse.Namespace, Config], Awaitable[None]]:
    async def new(asked: argparse.Namespace, config: Config) -> None:
        stand = (await ask(config, "products", {"product": asked.product}))["products"][0]
        question = {
            "product": asked.product, "overlap": overlap(asked.overlap), "known": stand[f"{what}s_known"],
            "by": asked.by or login(),
        }  # fmt: skip
        made = await ask(config, f"product-{what}", question)
        print(unsealed(config.seal.open(), made))
        print(f"the old ones end {at(made['old_until'])} at the latest")

    return new


def overlap(text: str | None) -> int | None:
    """``2h`` in ms. Raises BadConfig."""
    if text is None:
        return None
    try:
        return int(TypeAdapter(Seconds).validate_python(text) * 1000)
    except ValidationError:
        raise BadConfig("--overlap: a time, such as 0, 2h, 7d") from None


async def _again(asked: argparse.Namespace, config: Config) -> None:
    since = None if asked.since is None else moment(asked.since)
    question = {"product": asked.product, "since": since, "after": asked.after, "event": asked.event}
    found = await ask(config, "product-events", question)
    print(f"{found['events']} events go again (after {found['after']}, up to {found['upto']}); ", end="")
    print(f"{found['waiting']} are to be sent anyway")
    if found["gone"]:
        print("some of it is not kept any longer")
    if found["more"]:
        print(f"there is more: ask again with --after {found['upto']}")
    if asked.yes and found["events"]:
        span = {"after": found["after"], "upto": found["upto"], "by": asked.by or login()}
        sent = await ask(config, "product-again", {"product": asked.product} | span)
        print(f"{sent['events']} are on their way: `liaison product list` says how many are left")


def moment(text: str) -> int:
    """A time in ms; without an offset it is UTC. Raises BadConfig."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadConfig("--since: a time, such as 2026-11-30T08:00") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
