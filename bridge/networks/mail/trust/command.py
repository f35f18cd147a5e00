"""`liaison trust`: the list and its age, why a domain or a certificate is refused, and letting a held list pass.

It reads the state directory of the running hub and changes nothing there, except ``accept``.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from bridge.networks.mail.trust import dn as names
from bridge.networks.mail.trust.authority import Authority, key_id
from bridge.networks.mail.trust.decision import explain, near, near_dns
from bridge.networks.mail.trust.kept_list import Shelf
from bridge.networks.mail.trust.revocation import BadCrl, Crl, read_crl
from bridge.networks.mail.trust.settings import TrustListSettings
from bridge.networks.mail.trust.trustlist import BadList, TrustList, domain, verify

_SHOWN = 40  # domains of one certificate


@dataclass(frozen=True, slots=True)
class _World:
    """What the state directory holds at this time; ``age`` of the list in seconds."""

    settings: TrustListSettings
    shelf: Shelf
    authority: Authority
    known: TrustList
    age: float
    crls: list[Crl]
    now: datetime


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of ``liaison trust``; without one: ``show``."""
    parser.set_defaults(what="show")
    commands = parser.add_subparsers(metavar="what")
    commands.add_parser("show", help="age, counts, signer, CRLs").set_defaults(what="show")
    why = commands.add_parser("why", help="why a domain is accepted or refused")
    why.add_argument("domain", help="a domain or a mail address")
    why.set_defaults(what="why")
    check = commands.add_parser("check", help="check a certificate against list, authority and CRLs")
    check.add_argument("certificate", type=Path, help="PEM or DER")
    check.add_argument("--domain", help="may it speak for this domain?")
    check.set_defaults(what="check")
    accept = commands.add_parser("accept", help="let a held list pass at the next refresh")
    accept.add_argument("digest")
    accept.set_defaults(what="accept")


def main(args: argparse.Namespace, settings: TrustListSettings, clock: Callable[[], float] = time.time) -> int:
    """Run one subcommand and print; 0: fine, 1: refused or not fresh, 2: it cannot be said."""
    shelf = Shelf(settings.state)
    try:
        if args.what == "accept":
            return _accept(shelf, str(args.digest))
        world = _world(settings, shelf, datetime.fromtimestamp(clock(), UTC))
        if args.what == "why":
            return _why(world.known, str(args.domain)) or _fresh(world)
        if args.what == "check":
            return _check(world, args.certificate, args.domain) or _fresh(world)
        return _show(world)
    except BadList as bad:
        _say(*explain(bad.code))
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        what = f"{getattr(error, 'filename', None) or getattr(args, 'certificate', '')} {type(error).__name__}".strip()
        _say(f"Illisible : {what}", f"Cannot be read: {what}")
    return 2


def _world(settings: TrustListSettings, shelf: Shelf, now: datetime) -> _World:
    authority = Authority(settings.authority.read_bytes())
    if (found := shelf.load_list()) is None:
        trouble = shelf.trouble()
        raise BadList("list_missing" if trouble is None else trouble.code)
    data, note = found
    at = datetime.fromtimestamp(min(note.accepted_at, now.timestamp()), UTC)
    known = verify(data, authority.bundle, settings.signer, at)
    age = max(now.timestamp() - note.confirmed_at, 0.0)
    return _World(settings, shelf, authority, known, age, _crls(shelf, authority, now), now)


def _crls(shelf: Shelf, authority: Authority, now: datetime) -> list[Crl]:
    found: list[Crl] = []
    for name in shelf.names("crl-*.der"):
        try:
            found.append(read_crl(shelf.read(name) or b"", authority, now)[0])
        except BadCrl as bad:
            print(f"CRL {name}: {bad.code}")
    return found


def _say(french: str, english: str) -> None:
    print(f"{french}\n  ({english})")


def _fresh(world: _World) -> int:
    if world.age <= world.settings.stale_after:
        return 0
    _say(*explain("list_stale"))
    return 1


def _show(world: _World) -> int:
    known = world.known
    print(f"Source          {world.settings.source}")
    print(f"Générée le      {known.generated:%Y-%m-%d %H:%M:%S} UTC  (generated)")
    print(f"Confirmée       il y a {world.age / 3600:.1f} h  (confirmed, hours ago)")
    print(f"Domaines        {len(known.domains)}  (domains)")
    print(f"Certificats     {len(known.holders)}  (names of certificates)")
    print(f"Lignes          {known.rows}, dont illisibles {known.skipped}  (rows, of which not understood)")
    if known.signer is not None:
        print(f"Signataire      {world.settings.signer_cn}, {world.settings.signer_issuer_cn}  (signer, its issuer)")
        print(f"                valable jusqu'au {known.signer.not_valid_after_utc:%Y-%m-%d}  (valid until)")
    print(f"Empreinte       {known.digest}  (digest)")
    for crl in world.crls:
        late = "" if world.now < crl.ends else "  !"
        print(
            f"CRL             {len(crl.serials)} révoqués, jusqu'au {crl.ends:%Y-%m-%d %H:%M}{late}  (revoked, until)"
        )
    status = _fresh(world)
    if world.settings.crls and not world.crls:
        _say(*explain("revocation_unknown"))
        status = 1
    return max(_trouble(world), _held(world.shelf), status)


def _trouble(world: _World) -> int:
    """What the hub's last refresh met with: the list above may be an old one."""
    if (trouble := world.shelf.trouble()) is None:
        return 0
    since = datetime.fromtimestamp(trouble.since, UTC)
    print(f"Actualisation   sans succès depuis le {since:%Y-%m-%d %H:%M} UTC : {trouble.code}  (refresh fails since)")
    if trouble.code != "mass_drop":  # said with the digest of the list that is held
        _say(*explain(trouble.code))
    return 1


def _held(shelf: Shelf) -> int:
    if (data := shelf.read("held.xml")) is None:
        return 0
    _say(*explain("mass_drop"))
    print(f"  {hashlib.sha256(data).hexdigest()}")
    return 1


def _accept(shelf: Shelf, digest: str) -> int:
    data = shelf.read("held.xml")
    if data is None or hashlib.sha256(data).hexdigest() != digest.strip().lower():
        _say("Aucune liste retenue n'a cette empreinte.", "No held list has this digest.")
        return 1
    shelf.allow(digest.strip().lower())
    _say("Acceptée : la prochaine actualisation la prendra.", "Accepted: the next refresh will take it.")
    return 0


def _why(known: TrustList, asked: str) -> int:
    try:
        name = domain(asked.rpartition("@")[2])
    except ValueError:
        _say("Ce n'est pas un nom de domaine.", "This is no domain name.")
        return 1
    if known.knows(name):
        _say(f"{name} est dans la liste blanche. Peuvent parler en son nom :", "listed; who may speak for it:")
        for dn in sorted(known.domains[name], key=names.show):
            print(f"  {names.show(dn)}")
        return 0
    print(name)
    _say(*explain("domain_not_listed"))
    if meant := near(known, name):
        _say("Domaines proches de la liste :", "Listed domains that are near:")
        for one in meant:
            print(f"  {one}")
    return 1


def _check(world: _World, path: Path, wanted: str | None) -> int:
    certificate = _certificate(path.read_bytes())
    try:
        dn = names.of(certificate)
    except ValueError:
        _say(*explain("certificate_unreadable"))
        return 1
    print(names.show(dn))
    codes = [*_faults(world, certificate), *_unlisted(world.known, dn, wanted)]
    for code in codes:
        _say(*explain(code))
    if "dn_not_listed" in codes:
        _differences(world.known, dn)
    if codes:
        return 1
    allowed = sorted(world.known.domains_of(dn))
    _say("Accepté pour :", "Accepted for:")
    print("".join(f"  {one}\n" for one in allowed[:_SHOWN]) + (f"  … {len(allowed)}" if len(allowed) > _SHOWN else ""))
    return 0


def _unlisted(known: TrustList, dn: names.DN, wanted: str | None) -> Iterator[str]:
    if not known.domains_of(dn):
        yield "dn_not_listed"
    elif wanted and not known.allows(domain(wanted), dn):
        yield "domain_not_allowed" if known.knows(domain(wanted)) else "domain_not_listed"


def _certificate(data: bytes) -> x509.Certificate:
    if b"-----BEGIN" in data:
        return x509.load_pem_x509_certificates(data)[0]
    return x509.load_der_x509_certificate(data)


def _faults(world: _World, certificate: x509.Certificate) -> Iterator[str]:
    issuer = world.authority.issuer_of(certificate)
    expired = not certificate.not_valid_before_utc <= world.now <= certificate.not_valid_after_utc
    if expired:
        early = world.now < certificate.not_valid_before_utc
        yield "certificate_not_yet_valid" if early else "certificate_expired"
    if issuer is None or not (expired or world.authority.holds(certificate, world.now)):
        yield "certificate_foreign"
    if world.settings.crls and issuer is not None:
        crls = [crl for crl in world.crls if crl.issuer == key_id(issuer)]
        if any(certificate.serial_number in crl.serials for crl in crls):
            yield "certificate_revoked"
        elif not any(world.now.timestamp() < crl.ends.timestamp() + world.settings.crl_grace for crl in crls):
            yield "revocation_unknown"


def _differences(known: TrustList, dn: names.DN) -> None:
    for one in near_dns(known, dn):
        _say("Nom proche dans la liste :", "A listed name that is near:")
        print(f"  {names.show(one)}")
        for kind, value in sorted(dn - one):
            print(f"  certificat / certificate  {kind}={value}")
        for kind, value in sorted(one - dn):
            print(f"  liste / list              {kind}={value}")
