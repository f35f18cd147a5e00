"""The command `liaison`: run a hub, check a homeserver, make what a configuration needs.

Each command's module is imported when that command is typed: all of them together are most of a second.
"""

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
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bridge.config import BadConfig, Config, read_config, validate
from bridge.db import BadAddress
from bridge.db.refusals import in_words, why
from bridge.errors import Refused, Unavailable, where
from bridge.parts import logs

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
    words = sys.argv[1:] if arguments is None else list(arguments)
    asked = _parser(words[0] if words else "").parse_args(words)
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
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except _databases() as problem:
        print(
            f"database.url: the database cannot be used: {': '.join(why(problem))} ({where(problem)})", file=sys.stderr
        )
        return 1


def _databases() -> tuple[type[Exception], ...]:
    """What databases raise; asked for when something was raised."""
    import asyncpg

    return sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError


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


@dataclass(frozen=True, slots=True)
class _Command:
    """A command whose arguments and ``main()`` stand in a module; ``call`` gets that ``main()`` and what was typed."""

    name: str
    module: str
    text: str
    call: Callable[[Any, argparse.Namespace], int]
    config: bool = True  # it takes the place of a configuration

    def add(self, commands: Any, typed: bool) -> None:
        """Add it; with its arguments only if it is the one that was ``typed``."""
        command = commands.add_parser(self.name, help=self.text, description=self.text, add_help=self.name != "bench")
        command.set_defaults(call=self)
        if typed:
            if self.config:
                _add_config(command)
            added = import_module(self.module).add_arguments(command)
            if self.call is _directory:
                text = "read from the directory's API what has changed since (directory.api)"
                added.add_parser("sync", help=text).set_defaults(what="sync")

    def __call__(self, asked: argparse.Namespace) -> int:
        return self.call(import_module(self.module).main, asked)


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("-c", "--config", type=Path, default=_CONFIG, help=f"default: {_CONFIG}")


def _parser(typed: str | None = None) -> argparse.ArgumentParser:
    """All commands; ``typed``: the only one whose arguments are needed, None for all of them."""
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
        _add_config(command)
        command.set_defaults(call=call)
        if call is _check:
            about = "homeserver.yaml and what Synapse reads after it (default: Debian's places, where they can be read)"
            command.add_argument("--synapse", type=Path, nargs="+", metavar="FILE", help=about)
    for row in _COMMANDS:
        row.add(commands, typed in (None, row.name))
    key = commands.add_parser("key", help="make a key for the seal (32 bytes in base64)")
    key.set_defaults(call=_key)
    token = commands.add_parser("token", help="make a token and a webhook secret for a product")
    token.set_defaults(call=_token)
    return parser


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


def _asks(main: Any, asked: argparse.Namespace) -> int:
    return _loop(main(asked, read_config(asked.config)))


def _begins(main: Any, asked: argparse.Namespace) -> int:
    return _loop(main(asked))


def _plainly(main: Any, asked: argparse.Namespace) -> int:
    return int(main(asked))


def _trust(main: Any, asked: argparse.Namespace) -> int:
    from bridge.networks.mail.leg.settings import MailSettings

    config = read_config(asked.config)
    if "mail" not in config.networks:
        raise BadConfig("networks.mail: there is no such section: this hub takes no part in secure mail")
    return int(main(asked, validate(MailSettings, config.networks["mail"], "networks.mail").trust))


def _federation(main: Any, asked: argparse.Namespace) -> int:
    from appservice.process.examine import federation
    from bridge.people.federation.command import needs_config

    logging.getLogger().addHandler(logging.NullHandler())
    return int(main(asked, federation(read_config(asked.config).trust) if needs_config(asked) else None))


def _audit(main: Any, asked: argparse.Namespace) -> int:
    from appservice.operating.audit import needs_config

    return _loop(main(asked, read_config(asked.config) if needs_config(asked) else None))


def _person(main: Any, asked: argparse.Namespace) -> int:
    from appservice.process.premises import premises

    return _loop(main(asked, premises(read_config(asked.config))))


def _directory(main: Any, asked: argparse.Namespace) -> int:
    from bridge.people.fhir import sync

    config = read_config(asked.config)
    return _loop(sync.main(config) if asked.what == "sync" else main(asked, config))


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
    from bridge.networks.connect.signing import new_secret, new_token

    token, secret = new_token(), new_secret()
    print(f"token (for the product):          {token}")
    print(f"tokens (for hub.yaml):            sha256:{hashlib.sha256(token.encode()).hexdigest()}")
    print(f"webhook secret (for both):        {secret}")
    return 0


_COMMANDS = (
    _Command("trust", "bridge.networks.mail.trust.command",
             "the trust list of secure mail: show it, explain a decision, check a certificate", _trust),
    _Command("accounts", "appservice.operating.accounts",
             "professionals whom two products declare: list, accept, refuse; links of a person (asks the running hub)",
             _asks),
    _Command("identity", "appservice.process.identities",
             "the encryption identity of a Matrix user: show it, accept a new one (asks the running hub)", _asks),
    _Command("keys", "appservice.process.key_retiring",
             "encryption sessions: end those that somebody may have learnt, and make new ones (asks the running hub)",
             _asks),
    _Command("directory", "bridge.people.national.command",
             "the national directory: import its files, sync, status, search, show (beside a running hub)", _directory),
    _Command("federation", "bridge.people.federation.command",
             "the signed list of who takes part: issue, sign, verify, compare it; whether a domain takes part, and why",
             _federation),
    _Command("audit", "appservice.operating.audit",
             "the audit trail: verify it, export it, count for a report (beside a running hub)", _audit),
    _Command("person", "appservice.rights.persons",
             "a person's data: export it (the hub runs), erase it with a signed report (it does not)", _person),
    _Command("conversation", "appservice.rights.conversations",
             "a conversation: show it without its text, export it, keep it, purge it (asks the running hub)", _begins),
    _Command("why", "appservice.operating.why",
             "whether one person may write to another, and why (asks the running hub)", _asks),
    _Command("reload", "appservice.operating.reloaded",
             "read people, servers, products' tokens and certificates again; says what waits for a restart", _asks),
    _Command("status", "appservice.operating.status",
             "one screen: what works, what waits since when, what needs you (asks the running hub)", _asks),
    _Command("queue", "appservice.operating.queued",
             "what waits and why; try it again, or give it up and tell its writer (asks the running hub)", _asks),
    _Command("product", "appservice.operating.products",
             "vendors' products: a new token or webhook secret, events sent again (asks the running hub)", _asks),
    _Command("trace", "appservice.operating.traced",
             "where a message is, by any name that any network has for it (asks the running hub)", _asks),
    _Command("who", "appservice.operating.who",
             "who somebody is, and the newest messages of their conversations by time (asks the running hub)", _asks),
    _Command("seal", "appservice.process.sealing.command",
             "the seal's keys: how far everything is sealed anew with the active one, and which old one may go", _asks),
    _Command("restored", "appservice.process.restored.report",
             "after an older copy of the database was put back: what may have come twice, what is lost", _asks),
    _Command("duty", "appservice.process.duty",
             "who is on duty for which function, until when, and who comes next", _asks),
    _Command("homeserver", "appservice.process.conforming.command",
             "a conforming homeserver beside the hub: write its files; say what differs from them, and why it matters",
             _plainly, config=False),
    _Command("sandbox", "liaison.kit.sandbox",
             "for vendors: a hub to try a product with; its people are invented and answer", _begins, config=False),
    _Command("conformance", "liaison.kit.conformance.command",
             "for vendors: judge a product's integration, and say what to mend", _begins, config=False),
    _Command("bench", "appservice.process.benches",
             "for engineers: measure a hub on this machine; `bench grow`: with ever more of everything",
             _plainly, config=False),
    _Command("move", "appservice.process.safekeeping.moving",
             "the database to another engine, whole or not at all; the hub does not run", _begins, config=False),
    _Command("backup", "appservice.process.safekeeping.backing",
             "a copy of the database, as of one moment, while the hub runs", _asks),
    _Command("restore", "appservice.process.safekeeping.restoring",
             "verify a backup; put it back where nothing is yet", _asks),
    _Command("upgrade", "appservice.process.safekeeping.upgrading",
             "what this release will do to the database and the configuration of the one that runs now", _begins),
)  # fmt: skip
