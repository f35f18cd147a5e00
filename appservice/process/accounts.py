"""`liaison accounts`: which products declare professionals whom others have, and the operator's word about it."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from appservice.process.door import Act, knock
from bridge.config import BadConfig, Config
from bridge.errors import Refused
from bridge.hub.assembly import Core
from bridge.model import Claim, Standing

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

    return {"accounts": accounts, "decide": decide}


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


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Ask the running hub and print. Raises BadConfig, Unavailable (no hub answers)."""
    seal, where = config.seal.open(), config.matrix_listen
    if where.port == 0:
        raise BadConfig("matrix_listen.port: with port 0 nobody can find the hub")
    try:
        if asked.what == "list":
            _print_list(await knock(seal, where, "accounts", {"state": asked.state}), asked.state)
        else:
            question = {
                "product": asked.product,
                "rpps": asked.rpps,
                "decision": asked.what,
                "by": asked.by or _login(),
            }
            _print(await knock(seal, where, "decide", question))
    except Refused as refused:
        print(f"{refused.code}: {refused.about}")
        return 1
    return 0


def _login() -> str:
    try:
        return f"operator {getpass.getuser()}"
    except (OSError, KeyError):  # a container without a name for its user
        return "operator"


def _print_list(found: Json, state: str) -> None:
    for claim in found["claims"]:
        _print(claim)
    if not found["claims"]:
        print(f"no account is {state}")
    for rpps, accounts in found["rivals"].items():
        print(f"in several products already  {rpps}  {', '.join(accounts)}")


def _print(claim: Json) -> None:
    print(f"{claim['state']:8} {claim['product']} {claim['rpps']}  {claim['name']}  since {_time(claim['since'])}")
    here, there = ", ".join(claim["accounts"]) or "no account now", ", ".join(claim["others"]) or "nobody else"
    print(f"         declared as {here}; had by {there}")
    if claim["decided_at"] is not None:
        print(f"         decided {_time(claim['decided_at'])} by {claim['decided_by']}")


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")
