"""`liaison federation`: makes, signs, compares and explains the list of who takes part. No hub has to run."""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bridge.config import BadConfig
from bridge.errors import said
from bridge.parts.disk import write_new
from bridge.people.federation.federation import Federation
from bridge.people.federation.participants import (
    Capacity,
    FederationList,
    Participant,
    UnusableList,
    compose,
    difference,
    parse,
    when,
)
from bridge.people.federation.signed import (
    new_key,
    public_pem,
    read_private,
    read_public,
    sign,
    thumbprint,
    unsigned,
    verified,
)
from bridge.vouching import AccountRule, Proof

_DAY = 86_400
_COLUMNS = ("domain", "roles", "operator", "identifier", "accounts", "proof")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands."""
    commands = parser.add_subparsers(required=True, metavar="what")
    key = commands.add_parser("key", help="make a key: the private one into a new file, the public one is printed")
    key.add_argument("file", type=Path)
    key.set_defaults(what=_key)
    issue = commands.add_parser("issue", help=f"print the list of a CSV file ({', '.join(_COLUMNS)})")
    issue.add_argument("participants", type=Path)
    issue.add_argument("--issuer", help="who runs the federation (default: as in --after)")
    issue.add_argument("--days", type=int, default=30, help="for which it counts (default: 30)")
    issue.add_argument(
        "--after", type=Path, metavar="LIST", help="the signed list before it (default: it is the first)"
    )
    issue.set_defaults(what=_issue)
    signing = commands.add_parser("sign", help="print a list with its signature")
    signing.add_argument("list", type=Path)
    signing.add_argument("--key", type=Path, required=True, metavar="FILE", help="the private key")
    signing.set_defaults(what=_sign)
    diff = commands.add_parser("diff", help="what a signed list changes: + new, - gone, ~ changed")
    diff.add_argument("old", type=Path)
    diff.add_argument("new", type=Path)
    diff.set_defaults(what=_diff)
    verify = commands.add_parser("verify", help="check a signed list against keys, and say what it is")
    verify.add_argument("list", type=Path)
    verify.add_argument("--key", type=Path, required=True, nargs="+", metavar="FILE", help="public keys")
    verify.set_defaults(what=_verify)
    why = commands.add_parser("why", help="whether a domain takes part by the list in use here, and why")
    why.add_argument("domain")
    why.add_argument("--role", type=Capacity, choices=list(Capacity), default=Capacity.MATRIX)
    why.set_defaults(what=None)


def main(asked: argparse.Namespace, federation: Federation | None) -> int:
    """Do it; ``federation`` is the one of the configuration, for ``why``. Raises BadConfig."""
    if asked.what is None:
        return _why(asked, federation)
    try:
        return int(asked.what(asked))
    except (OSError, ValueError) as error:
        print(said(error), file=sys.stderr)
    except UnusableList as bad:
        print(bad, file=sys.stderr)
    return 1


def needs_config(asked: argparse.Namespace) -> bool:
    """Whether the configuration is read."""
    return asked.what is None


def _key(asked: argparse.Namespace) -> int:
    pem = new_key()
    write_new(asked.file, pem)
    public = read_private(pem).public_key()
    print(public_pem(public).decode(), end="")
    print(f"# thumbprint {thumbprint(public)}", file=sys.stderr)
    return 0


def _issue(asked: argparse.Namespace) -> int:
    before = _read(asked.after) if asked.after is not None else None
    issuer = asked.issuer or (before.issuer if before is not None else "")
    if not issuer:
        raise ValueError("--issuer: who runs the federation")
    now = int(time.time())
    with asked.participants.open(encoding="utf-8-sig", newline="") as file:
        rows = _rows(file.read().splitlines(), str(asked.participants))
    made = FederationList(
        (before.sequence if before is not None else 0) + 1, now, now + asked.days * _DAY, issuer,
        {one.domain: one for one in rows},
    )  # fmt: skip
    if len(made.participants) != len(rows):
        raise UnusableList(f"{asked.participants}: a domain is there twice")
    payload = compose(made)
    parse(payload)  # what hubs would refuse is not issued
    sys.stdout.write(payload.decode() + "\n")
    return 0


def _rows(lines: Sequence[str], where: str) -> list[Participant]:
    reader = csv.DictReader(lines)
    if reader.fieldnames is None or not {"domain", "roles", "operator"} <= set(reader.fieldnames):
        raise UnusableList(f"{where}: the first line names the columns {', '.join(_COLUMNS)}")
    found = []
    for n, row in enumerate(reader, 2):
        try:
            roles = frozenset(Capacity(role) for role in (row["roles"] or "").split())
        except ValueError:
            raise UnusableList(f"{where}: line {n}: roles are {', '.join(Capacity)}, with spaces between") from None
        texts = {name: (row.get(name) or "").strip() for name in _COLUMNS}
        try:
            rule = AccountRule.parse(texts["accounts"]) if texts["accounts"] else None
        except ValueError as error:
            raise UnusableList(f"{where}: line {n}: accounts: {error}") from None
        proof = Proof.of(texts["proof"] or Proof.WORD.word)
        if proof is None:
            raise UnusableList(f"{where}: line {n}: proof is {', '.join(one.word for one in Proof)}")
        domain, operator = texts["domain"].lower(), texts["operator"]
        found.append(Participant(domain, roles, operator, texts["identifier"], rule, proof))
    return found


def _sign(asked: argparse.Namespace) -> int:
    payload = asked.list.read_bytes()
    parse(payload)
    sys.stdout.write(sign(payload, read_private(asked.key.read_bytes())).decode() + "\n")
    return 0


def _read(path: Path) -> FederationList:
    """A list of this machine's own files, whoever has signed it."""
    signed = path.read_bytes().strip()
    return parse(unsigned(signed) if signed.count(b".") == 2 and not signed.startswith(b"{") else signed)


def _diff(asked: argparse.Namespace) -> int:
    old, new = _read(asked.old), _read(asked.new)
    change = difference(old.participants, new.participants)
    print(f"{old.sequence} -> {new.sequence}, counts until {when(new.expires)}")
    for sign_, some in (("+", change.new), ("-", change.gone)):
        for one in some:
            print(f"{sign_} {_line(one)}")
    for before, after in change.changed:
        print(f"~ {_line(before)}  ->  {_line(replace(after, domain=''))}")
    return 0


def _line(one: Participant) -> str:
    return "  ".join(filter(None, (one.domain, " ".join(sorted(one.roles)), one.operator, one.identifier)))


def _verify(asked: argparse.Namespace) -> int:
    keys = [read_public(path.read_bytes()) for path in asked.key]
    found = parse(verified(asked.list.read_bytes(), keys))
    ended = found.expires <= time.time()
    print(f"list {found.sequence} of {found.issuer}: {len(found.participants)} take part; issued {when(found.issued)}")
    print(f"{'it has ended' if ended else 'it counts until'} {when(found.expires)}")
    return int(ended)


def _why(asked: argparse.Namespace, federation: Federation | None) -> int:
    if federation is None:
        raise BadConfig("trust.federation: there is no such section: no list of a federation is used here")
    answer = federation.answer(asked.domain, asked.role)
    print(("yes: " if answer.yes else "no: ") + answer.why)
    return 0 if answer.yes else 1
