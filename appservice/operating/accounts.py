"""`liaison accounts`: which products declare professionals whom others have, and the operator's word about it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from appservice.operating.asking import ask, login
from appservice.operating.door import Act
from bridge.config import Config
from bridge.errors import Refused
from bridge.hub.assembly import Core
from bridge.model import MAIL, Address, Claim, Person, Standing
from bridge.people.trust import is_rpps

Json = dict[str, Any]
_SHOWN = 500
_DECISIONS = {"accept": Standing.ACTIVE, "refuse": Standing.REFUSED}


def acts(core: Core) -> Mapping[str, Act]:
    """What the hub does when it is asked."""

    async def accounts(asked: Json) -> Json:
        claims = await core.hub.claims.page(Standing(asked["state"]), _SHOWN)
        rivals = await core.hub.claims.all_rivals()
        return {
            "claims": [await _shown(core, claim) for claim in claims],
            "rivals": {person.removeprefix("rpps:"): [str(one) for one in some] for person, some in rivals.items()},
        }

    async def decide(asked: Json) -> Json:
        person = f"rpps:{asked['rpps']}"
        claim = await core.hub.decide(asked["product"], person, _DECISIONS[asked["decision"]], asked["by"])
        return await _shown(core, claim)

    async def links(asked: Json) -> Json:
        return await _links(core, await _person(core, asked["person"]))

    async def revoke(asked: Json) -> Json:
        return await _links(core, await core.hub.links.revoke(_address(asked["address"]), asked["by"]))

    async def restore(asked: Json) -> Json:
        return await _links(core, await core.hub.links.restore(_address(asked["address"]), asked["by"]))

    return {"accounts": accounts, "decide": decide, "links": links, "revoke": revoke, "restore": restore}


def _address(text: str) -> Address:
    """``pandalab:cleo``, ``matrix:@cleo:chu.example``, ``mailto:cleo@mss.example``. Raises Refused (bad_handle)."""
    network, _, ident = text.partition(":")
    if not network or not ident:
        raise Refused("bad_handle", about=text)
    return Address(MAIL, ident.lower()) if network in ("mailto", MAIL) else Address(network, ident)


async def _person(core: Core, text: str) -> Person:
    """By RPPS number, or by an address. Raises Refused (unknown_rpps, not_linked)."""
    if is_rpps(text.removeprefix("rpps:")):
        person = await core.people.get(f"rpps:{text.removeprefix('rpps:')}")
        if not person.listed and core.people.gone.of(person.id) is None:
            raise Refused("unknown_rpps", about=text)
        return person
    found = await core.people.had(_address(text))
    if found is None:
        raise Refused("not_linked", about=text)
    return found


async def _links(core: Core, person: Person) -> Json:
    links = [
        {"address": str(one.address), "proof": one.proof, "since": one.since, "state": one.standing.value, "by": one.by}
        for one in await core.hub.links.of(person.id)
    ]
    return {"person": person.id, "name": person.name, "active": person.active, "links": links}


async def _shown(core: Core, claim: Claim) -> Json:
    person = await core.people.get(claim.person)
    mine = core.people.accounts.at(claim.network, claim.person)
    return {
        "product": claim.network,
        "rpps": claim.person.removeprefix("rpps:"),
        "name": person.name,
        "accounts": [str(one) for one in mine],
        "others": [str(one) for one in await core.hub.claims.had_elsewhere(claim)],
        "state": claim.standing.value,
        "since": claim.since,
        "decided_at": claim.decided_at,
        "decided_by": claim.decided_by,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands; without one: ``list``."""
    parser.set_defaults(what="list", state="held")
    commands = parser.add_subparsers(metavar="what")
    listed = commands.add_parser("list", help="what waits for a decision, and who is in two products already")
    listed.add_argument("--state", choices=[one.value for one in Standing], default="held")
    listed.set_defaults(what="list")
    for what, text in (
        ("accept", "the product may vouch for this professional"),
        ("refuse", "it may not: its accounts for them leave every conversation"),
    ):
        command = commands.add_parser(what, help=text, description=text)
        command.add_argument("product", help="as in the configuration")
        command.add_argument("rpps", help="11 digits")
        command.add_argument("--by", help="who decides, for the record (default: your login)")
        command.set_defaults(what=what)
    shown = commands.add_parser("show", help="all links of a person: by whose word, since when, how they stand")
    shown.add_argument("person", help="RPPS number, or an address such as pandalab:cleo")
    shown.set_defaults(what="links")
    for what, text in (
        ("revoke", "an account or mailbox is no longer its person's: it cannot write as them, nothing reaches it"),
        ("restore", "give it back"),
    ):
        command = commands.add_parser(what, help=text, description=text)
        command.add_argument("address", help="pandalab:cleo, mailto:cleo@mss.example, matrix:@cleo:chu.example")
        command.add_argument("--by", help="who decides, for the record (default: your login)")
        command.set_defaults(what=what)


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Ask the running hub and print. Raises BadConfig, Unavailable (no hub answers)."""
    try:
        if asked.what == "list":
            _print_list(await ask(config, "accounts", {"state": asked.state}), asked.state)
        elif asked.what == "links":
            _print_links(await ask(config, "links", {"person": asked.person}))
        elif asked.what in ("revoke", "restore"):
            question = {"address": asked.address, "by": asked.by or login()}
            _print_links(await ask(config, asked.what, question))
        else:
            question = {
                "product": asked.product,
                "rpps": asked.rpps,
                "decision": asked.what,
                "by": asked.by or login(),
            }
            _print(await ask(config, "decide", question))
    except Refused as refused:
        print(f"{refused.code}: {refused.about}")
        return 1
    return 0


def _print_list(found: Json, state: str) -> None:
    for claim in found["claims"]:
        _print(claim)
    if not found["claims"]:
        print(f"no account is {state}")
    for rpps, accounts in found["rivals"].items():
        print(f"in several products already  {rpps}  {', '.join(accounts)}")


def _print_links(found: Json) -> None:
    print(f"{found['person']}  {found['name']}" + ("" if found["active"] else "  (struck off)"))
    for one in found["links"]:
        since = "" if one["since"] is None else f"  since {_time(one['since'])}"
        print(f"  {one['state']:8} {one['address']}  by {one['proof']}{since}  {one['by']}".rstrip())


def _print(claim: Json) -> None:
    print(f"{claim['state']:8} {claim['product']} {claim['rpps']}  {claim['name']}  since {_time(claim['since'])}")
    here, there = ", ".join(claim["accounts"]) or "no account now", ", ".join(claim["others"]) or "nobody else"
    print(f"         declared as {here}; had by {there}")
    if claim["decided_at"] is not None:
        print(f"         decided {_time(claim['decided_at'])} by {claim['decided_by']}")


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")
