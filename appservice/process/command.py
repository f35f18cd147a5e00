"""The command `liaison`: run a hub, check a homeserver, make what a configuration needs."""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import logging
import os
import resource
import secrets
import sqlite3
import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg

from appservice.operating import accounts as accounts_cli
from appservice.operating import audit as audit_cli
from appservice.operating import products as product_cli
from appservice.operating import queued as queue_cli
from appservice.operating import reloaded as reload_cli
from appservice.operating import status as status_cli
from appservice.operating import traced as trace_cli
from appservice.operating import who as who_cli
from appservice.operating import why as why_cli
from appservice.process import benches as bench_cli
from appservice.process import duty as duty_cli
from appservice.process import identities as identities_cli
from appservice.process import key_retiring as keys_cli
from appservice.process.conforming import command as homeserver_cli
from appservice.process.restored import report as restored_cli
from appservice.process.safekeeping import command as copies_cli
from appservice.process.sealing import command as seal_cli
from appservice.rights import conversations as conversations_cli
from appservice.rights import persons as persons_cli
from bridge.config import BadConfig, Config, read_config, validate
from bridge.db import BadAddress
from bridge.db.refusals import in_words, why
from bridge.errors import Refused, Unavailable, where
from bridge.networks.connect.signing import new_secret, new_token
from bridge.networks.mail.trust import command as trust_cli
from bridge.parts import logs
from bridge.people.federation import command as federation_cli
from bridge.people.fhir import sync as directory_sync
from bridge.people.national import command as directory_cli
from liaison.kit import sandbox as sandbox_cli
from liaison.kit.conformance import command as conformance_cli

_DOOR = {
    "no_hub": "matrix_listen: no hub answers there: start it first",
    "other_hub": "matrix_listen: what answers there is no hub with this configuration's seal key",
    "unknown": "matrix_listen: the hub is of another version: restart it",
    "clock": "the clocks of this command and of the hub differ by more than a minute",
}
_FILES = 65_536
_CONFIG = Path("/etc/liaison/hub.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit status (2: wrong use or configuration, 1: it did not work)."""
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.call(asked))
    except BadConfig as problem:
        print(problem, file=sys.stderr)
        return 2
    except Unavailable as reason:
        print(_why(reason), file=sys.stderr)
        return 1
    except BadAddress as problem:
        print(problem, file=sys.stderr)
        return 2
    except (sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
        print(
            f"database.url: the database cannot be used: {': '.join(why(problem))} ({where(problem)})", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _why(reason: Unavailable) -> str:
    if reason.code == "database":
        return f"database.url: the database cannot be used: {in_words(reason)}"
    if reason.code in ("database_in_use", "database_newer"):
        return f"database.url: {in_words(reason)}"
    if reason.code == "directory_in_use":
        return "directory: another import is running"
    if reason.code == "directory":
        return f"directory: its tables cannot be used: {in_words(reason)}"
    return _DOOR.get(reason.code) or f"not available: {reason.code}"


def _add_directory(parser: argparse.ArgumentParser) -> None:
    directory_cli.add_arguments(parser).add_parser(
        "sync", help="read from the directory's API what has changed since (directory.api)"
    ).set_defaults(what="sync")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("liaison", description="An interoperability hub on Matrix for health care.")
    parser.add_argument("--version", action="version", version=f"liaison {version('liaison-hub')}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, call, text in (
        ("run", _run, "run the hub until SIGTERM"),
        ("check", _check, "check the configuration and the live homeserver, and say what to change"),
        ("registration", _registration, "print the registration file for the homeserver"),
        ("adopt", _adopt, "begin anew with this database, though the homeserver knows the hub with another one"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("-c", "--config", type=Path, default=_CONFIG, help=f"default: {_CONFIG}")
        command.set_defaults(call=call)
        if call is _check:
            about = "homeserver.yaml and what Synapse reads after it (default: Debian's places, where they can be read)"
            command.add_argument("--synapse", type=Path, nargs="+", metavar="FILE", help=about)
    _add_configured(commands)
    text = "a conforming homeserver beside the hub: write its files; say what differs from them, and why it matters"
    command = commands.add_parser("homeserver", help=text, description=text)
    homeserver_cli.add_arguments(command)
    command.set_defaults(call=homeserver_cli.main)
    _add_kit(commands)
    text = "for engineers: measure a hub on this machine; `bench grow`: with ever more of everything"
    command = commands.add_parser("bench", help=text, add_help=False)
    bench_cli.add_arguments(command)
    command.set_defaults(call=bench_cli.main)
    copies_cli.add(commands, _loop, _CONFIG)
    key = commands.add_parser("key", help="make a key for the seal (32 bytes in base64)")
    key.set_defaults(call=_key)
    token = commands.add_parser("token", help="make a token and a webhook secret for a product")
    token.set_defaults(call=_token)
    return parser


def _add_configured(commands: Any) -> None:
    """What reads the hub's configuration."""
    for name, add, call, text in (
        ("trust", trust_cli.add_arguments, _trust,
         "the trust list of secure mail: show it, explain a decision, check a certificate"),
        ("accounts", accounts_cli.add_arguments, _asking(accounts_cli.main),
         "professionals whom two products declare: list, accept, refuse; links of a person (asks the running hub)"),
        ("identity", identities_cli.add_arguments, _asking(identities_cli.main),
         "the encryption identity of a Matrix user: show it, accept a new one (asks the running hub)"),
        ("keys", keys_cli.add_arguments, _asking(keys_cli.main),
         "encryption sessions: end those that somebody may have learnt, and make new ones (asks the running hub)"),
        ("directory", _add_directory, _directory,
         "the national directory: import its files, sync, status, search, show (beside a running hub)"),
        ("federation", federation_cli.add_arguments, _federation,
         "the signed list of who takes part: issue, sign, verify, compare it; whether a domain takes part, and why"),
        ("audit", audit_cli.add_arguments, _audit,
         "the audit trail: verify it, export it, count for a report (beside a running hub)"),
        ("person", persons_cli.add_arguments, _person,
         "a person's data: export it (the hub runs), erase it with a signed report (it does not)"),
        ("conversation", conversations_cli.add_arguments, _conversation,
         "a conversation: show it without its text, export it, keep it, purge it (asks the running hub)"),
        ("why", why_cli.add_arguments, _asking(why_cli.main),
         "whether one person may write to another, and why (asks the running hub)"),
        ("reload", reload_cli.add_arguments, _asking(reload_cli.main),
         "read people, servers, products' tokens and certificates again; says what waits for a restart"),
        ("status", status_cli.add_arguments, _asking(status_cli.main),
         "one screen: what works, what waits since when, what needs you (asks the running hub)"),
        ("queue", queue_cli.add_arguments, _asking(queue_cli.main),
         "what waits and why; try it again, or give it up and tell its writer (asks the running hub)"),
        ("product", product_cli.add_arguments, _asking(product_cli.main),
         "vendors' products: a new token or webhook secret, events sent again (asks the running hub)"),
        ("trace", trace_cli.add_arguments, _asking(trace_cli.main),
         "where a message is, by any name that any network has for it (asks the running hub)"),
        ("who", who_cli.add_arguments, _asking(who_cli.main),
         "who somebody is, and the newest messages of their conversations by time (asks the running hub)"),
        ("seal", seal_cli.add_arguments, lambda asked: _loop(seal_cli.main(asked, read_config(asked.config))),
         "the seal's keys: how far everything is sealed anew with the active one, and which old one may go"),
        ("restored", restored_cli.add_arguments, _asking(restored_cli.main),
         "after an older copy of the database was put back: what may have come twice, what is lost"),
        ("duty", duty_cli.add_arguments, _asking(duty_cli.main),
         "who is on duty for which function, until when, and who comes next"),
    ):  # fmt: skip
        command = commands.add_parser(name, help=text)
        command.add_argument("-c", "--config", type=Path, default=_CONFIG, help=f"default: {_CONFIG}")
        add(command)
        command.set_defaults(call=call)


def _add_kit(commands: Any) -> None:
    for name, kit, text in (
        ("sandbox", sandbox_cli, "for vendors: a hub to try a product with; its people are invented and answer"),
        ("conformance", conformance_cli, "for vendors: judge a product's integration, and say what to mend"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        kit.add_arguments(command)
        command.set_defaults(call=_kit(kit.main))


def _kit(main: Callable[[argparse.Namespace], Coroutine[Any, Any, int]]) -> Callable[[argparse.Namespace], int]:
    return lambda asked: _loop(main(asked))


def _log(config: Config) -> None:
    logs.begin(config.log_level, sys.stderr, config.log_format)


def _loop(work: Coroutine[Any, Any, int]) -> int:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(logs.unhandled)
        return runner.run(work)


def _run(asked: argparse.Namespace) -> int:
    from appservice.process.service import run

    config = read_config(asked.config)
    _log(config)
    _take_files()

    async def go() -> int:
        await run(config, asked.config)
        return 0

    return _loop(go())


def _take_files() -> None:
    """Every connection is a file: as many as the system allows, where it begins with few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard < 0 else min(_FILES, hard)
    if 0 <= soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _check(asked: argparse.Namespace) -> int:
    from appservice.process.checking.everything import everything
    from appservice.process.checking.findings import lines
    from appservice.process.checking.synapse import USUAL

    logging.getLogger().addHandler(logging.NullHandler())  # what is wrong is a finding, no line of a log

    async def go() -> int:
        findings = await everything(asked.config, asked.synapse or USUAL)
        for line in lines(findings):
            print(line)
        return 0 if all(f.ok for f in findings) else 1

    return _loop(go())


def _adopt(asked: argparse.Namespace) -> int:
    from appservice.process.app import adopt

    config = read_config(asked.config)
    _log(config)

    async def go() -> int:
        try:
            await adopt(config)
        except Refused as refused:
            print(f"matrix.homeserver: {refused.code} {refused.about}", file=sys.stderr)
            return 1
        print("this database is the hub's from now on: start it")
        return 0

    return _loop(go())


def _trust(asked: argparse.Namespace) -> int:
    from bridge.networks.mail.leg.settings import MailSettings

    config = read_config(asked.config)
    if "mail" not in config.networks:
        raise BadConfig("networks.mail: there is no such section: this hub takes no part in secure mail")
    return trust_cli.main(asked, validate(MailSettings, config.networks["mail"], "networks.mail").trust)


def _asking(main: Callable[[argparse.Namespace, Config], Coroutine[Any, Any, int]]) -> Callable[..., int]:
    """A command that asks the running hub."""
    return lambda asked: _loop(main(asked, read_config(asked.config)))


def _federation(asked: argparse.Namespace) -> int:
    from appservice.process.examine import federation

    logging.getLogger().addHandler(logging.NullHandler())
    used = federation(read_config(asked.config).trust) if federation_cli.needs_config(asked) else None
    return federation_cli.main(asked, used)


def _audit(asked: argparse.Namespace) -> int:
    return _loop(audit_cli.main(asked, read_config(asked.config) if audit_cli.needs_config(asked) else None))


def _conversation(asked: argparse.Namespace) -> int:
    return _loop(conversations_cli.main(asked))


def _person(asked: argparse.Namespace) -> int:
    from appservice.process.premises import premises

    return _loop(persons_cli.main(asked, premises(read_config(asked.config))))


def _directory(asked: argparse.Namespace) -> int:
    config = read_config(asked.config)
    return _loop(directory_sync.main(config) if asked.what == "sync" else directory_cli.main(asked, config))


def _registration(asked: argparse.Namespace) -> int:
    from appservice.process.registration import registration_yaml
    from appservice.process.settings import MatrixSettings

    config = read_config(asked.config)
    print(registration_yaml(validate(MatrixSettings, config.matrix, "matrix")), end="")
    return 0


def _key(_: argparse.Namespace) -> int:
    print(base64.b64encode(secrets.token_bytes(32)).decode())
    return 0


def _token(_: argparse.Namespace) -> int:
    token, secret = new_token(), new_secret()
    print(f"token (for the product):          {token}")
    print(f"tokens (for hub.yaml):            sha256:{hashlib.sha256(token.encode()).hexdigest()}")
    print(f"webhook secret (for both):        {secret}")
    return 0
