"""``liaison homeserver init | check``: a conforming homeserver beside the hub, and what differs from it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from appservice.process.conforming import calls, files_differ, laying, outside_differs, secret_files
from appservice.process.conforming.choices import Site
from appservice.process.conforming.deviation import Deviation, lines
from appservice.process.conforming.files import files
from bridge.config import BadConfig

_TEXTS = {
    "host": "where clients and other servers reach it (default: matrix.DOMAIN)",
    "contact": "a mail address for other operators (.well-known/matrix/support)",
    "database": "postgresql (default), or sqlite for a trial",
    "database-host": "its host, or the folder of its socket (default: /var/run/postgresql)",
    "federation-url": "the address of the federation's signed list",
    "federation-key": "the public key (PEM) by which it is signed; Synapse and the hub read it",
    "federation-ca": "a certificate authority (PEM) of the federation's own",
    "sso-issuer": "its issuer (default: Pro Santé Connect)",
    "sso-client": "professionals log in by Pro Santé Connect, which has given this client id",
    "certificate": "of the proxy (PEM chain; default: /etc/ssl/HOST/fullchain.pem)",
    "key": "its key (default: /etc/ssl/HOST/privkey.pem)",
    "element": "the host that serves Element Web, if the proxy is to serve it",
    "element-language": "of Element Web: fr (default) or en",
    "max-upload": "the largest file (default: 100M)",
    "synapse": "the folder of Synapse's Python (default: /opt/synapse/bin)",
    "liaison": "the folder of this program (default: /opt/liaison/bin)",
}
_NUMBERS = {
    "keep-days": "how long messages are kept (default: 365; 0: for ever)",
    "workers": "processes that serve clients, for a large site (default: 0, one process in all)",
    "https-port": "where the proxy listens (default: 443)",
    "synapse-port": "where Synapse listens on this machine (default: 8008)",
    "hub-port": "where the hub listens for Synapse (default: 29300)",
    "connect-port": "where the hub listens for products (default: 29301)",
    "clients-port": "where the hub listens for clients' searches (default: 29303)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What both commands take."""
    commands = parser.add_subparsers(required=True, metavar="what")
    for name, call, text in (
        ("init", _init, "write homeserver, proxy, units and the hub's beginning; again: only what has changed"),
        ("check", _check, "say line by line what differs from what init writes, why it matters and what to do"),
        ("show", _show, "print one of the files as init would write it"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(what=call)
        command.add_argument("--folder", type=Path, help="everything below this folder: a trial without root")
        _add_choices(command)
        if call is _check:
            about = "what Synapse reads, files and folders (default: those that init writes)"
            command.add_argument("--homeserver", type=Path, nargs="+", metavar="FILE", help=about)
            command.add_argument("--at", default="", metavar="HOST:PORT", help="where the proxy is, seen from here")
            command.add_argument("--only", choices=["files", "outside"], help="look at one of the two")
            command.add_argument("--language", choices=["fr", "en"], default="en", help="of the report (default: en)")
        if call is _show:
            command.add_argument("file", help="its path")


def _add_choices(command: argparse.ArgumentParser) -> None:
    command.add_argument("--domain", help="the server name, for ever: what follows the colon in user ids")
    command.add_argument("--server", dest="servers", action="append", help="may federate; give it for each")
    about = "a network of other servers' private addresses (10.0.0.0/8); give it for each"
    command.add_argument("--private-network", dest="private_networks", action="append", help=about)
    for name, text in _TEXTS.items():
        command.add_argument(f"--{name}", help=text)
    for name, text in _NUMBERS.items():
        command.add_argument(f"--{name}", type=int, help=text)


def main(asked: argparse.Namespace) -> int:
    """Run one of them; gives its exit status."""
    return int(asked.what(asked))


def chosen(asked: argparse.Namespace) -> Site:
    """The site that the arguments name; what they leave out is as at the last call. Raises BadConfig."""
    folder = "" if asked.folder is None or asked.folder == Path("/") else str(asked.folder.absolute())
    names = [*_TEXTS, *_NUMBERS, "domain", "servers", "private-networks"]
    given: dict[str, Any] = {name.replace("-", "_"): getattr(asked, name.replace("-", "_")) for name in names}
    return laying.chosen(folder, {name: value for name, value in given.items() if value is not None})


def _check(asked: argparse.Namespace) -> int:
    wanted = chosen(asked)
    found: list[Deviation] = []
    looked = 0
    if asked.only != "outside":
        found += files_differ.compare(wanted, asked.homeserver or files_differ.places(wanted))
        looked += files_differ.points(wanted)
    if asked.only != "files":
        try:
            seen = asyncio.run(calls.look(wanted, asked.at))
        except (OSError, ValueError) as error:
            raise BadConfig(f"--federation-ca, --at: {type(error).__name__}") from None
        found += outside_differs.judge(wanted, seen)
        looked += outside_differs.points(wanted)
    for line in lines(found, asked.language, looked):
        print(line)
    return 1 if any(one.level != "note" for one in found) else 0


def _show(asked: argparse.Namespace) -> int:
    wanted = chosen(asked)
    try:
        made = files(wanted, secret_files.tokens(wanted))
    except OSError as error:
        raise BadConfig(f"{error.filename}: cannot be read ({type(error).__name__})") from None
    if asked.file not in made:
        raise BadConfig(f"{asked.file}: init writes no such file; it writes {', '.join(made)}")
    print(made[asked.file].text, end="")
    return 0


def _init(asked: argparse.Namespace) -> int:
    wanted = chosen(asked)
    try:
        laid = laying.lay(wanted)
    except OSError as error:
        raise BadConfig(f"{error.filename}: cannot be written ({type(error).__name__})") from None
    if laid.changed:
        print("nothing is written: these files are not as an earlier `init` left them", file=sys.stderr)
        for path in laid.changed:
            print(f"  {path}", file=sys.stderr)
        print("move what you changed into conf.d (it wins), and these files away", file=sys.stderr)
        return 1
    for path in laid.written:
        print(path)
    for path in secret_files.given(wanted):
        if not Path(path).exists():
            print(f"put the client secret that the provider has given into {path} (mode 0600, owned by synapse)")
    print(f"{len(laid.written)} files written" if laid.written else "nothing to do: everything is as it should be")
    return 0
