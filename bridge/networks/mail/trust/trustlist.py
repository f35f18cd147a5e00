"""The trust list of the secure-mail space: which operator certificates may speak for which domains (facts: ANS list).

A list is a signed XML document (enveloped XML-DSig). Nothing of it is believed that the signature does not cover: rows
are read from what the verification gives back, never from the bytes that came in.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

import idna
from cryptography import x509
from lxml import etree
from signxml.exceptions import SignXMLException

from bridge.networks.mail.trust import dn as names
from bridge.networks.mail.trust import xmlsig
from bridge.networks.mail.trust.dn import DN
from bridge.networks.mail.trust.xmlsig import BadList, ListSigner

__all__ = ["DN", "LARGEST", "BadList", "Difference", "ListSigner", "TrustList", "difference", "domain", "verify"]

NAMESPACE = "https://listeblanche.mssante.fr/schema"
LARGEST = 32 * 1024 * 1024  # bytes of a list; the real one has 4 MB
_MOST_TAGS = 1_500_000  # bounds the memory of the tree; the real list has 110,000
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)")

# signxml logs whole documents at DEBUG; the list holds names and telephones of people
logging.getLogger("signxml").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class TrustList:
    """One verified list; ``generated`` by its own account, ``digest`` the SHA-256 of its bytes in hex.

    ``rows`` counts what was read, ``skipped`` the rows whose domain or DN cannot be understood.
    """

    generated: datetime
    domains: Mapping[str, frozenset[DN]] = field(repr=False)
    digest: str
    signer: x509.Certificate | None = field(default=None, repr=False)
    holders: Mapping[DN, frozenset[str]] = field(default_factory=dict, repr=False)
    rows: int = 0
    skipped: int = 0

    @property
    def usable(self) -> int:
        """Rows that allow somebody."""
        return self.rows - self.skipped

    def knows(self, domain: str) -> bool:
        """Is this domain (A-labels, lower case) listed at all? Exact: no wildcard, no inheritance."""
        return domain in self.domains

    def allows(self, domain: str, dn: DN) -> bool:
        """May a certificate of this name speak for this domain?"""
        return dn in self.domains.get(domain, ())

    def domains_of(self, dn: DN) -> frozenset[str]:
        """Every domain that a certificate of this name may speak for."""
        return self.holders.get(dn, frozenset())


@dataclass(frozen=True, slots=True)
class Difference:
    """What a new list changes; the sets may be large and are in no repr."""

    domains_added: frozenset[str] = field(default=frozenset(), repr=False)
    domains_removed: frozenset[str] = field(default=frozenset(), repr=False)
    dns_added: frozenset[DN] = field(default=frozenset(), repr=False)
    dns_removed: frozenset[DN] = field(default=frozenset(), repr=False)
    pairs_added: int = 0
    pairs_removed: int = 0

    def __bool__(self) -> bool:
        return bool(self.pairs_added or self.pairs_removed)


def difference(old: TrustList | None, new: TrustList) -> Difference:
    """From one list to the next; from nothing, everything is added."""
    before: Mapping[str, frozenset[DN]] = old.domains if old else {}
    holders: Mapping[DN, frozenset[str]] = old.holders if old else {}
    none: frozenset[DN] = frozenset()
    return Difference(
        frozenset(new.domains.keys() - before.keys()),
        frozenset(before.keys() - new.domains.keys()),
        frozenset(new.holders.keys() - holders.keys()),
        frozenset(holders.keys() - new.holders.keys()),
        sum(len(dns - before.get(name, none)) for name, dns in new.domains.items()),
        sum(len(dns - new.domains.get(name, none)) for name, dns in before.items()),
    )


def domain(name: str) -> str:
    """A domain as it is compared: A-labels, lower case. Raises ValueError for what is no domain name."""
    name = name.strip()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise ValueError("no domain name") from None
    name = name.lower()
    if not _NAME.fullmatch(name):
        raise ValueError("no domain name")
    return name


def verify(data: bytes, authority: bytes, signer: ListSigner, at: datetime | None = None) -> TrustList:
    """The list, if the pinned signer signed exactly this.

    ``authority``: PEM bundle of root and intermediates; ``at``: the time at which certificates must be valid (now).
    Revocation of the signer is the caller's to check (``TrustList.signer``). Takes a good part of a second for a full
    list: run it in a thread. Raises BadList.
    """
    root = _parse(data)
    if root.tag != f"{{{NAMESPACE}}}ListeBlancheMSSante":
        raise BadList("not_a_list")
    try:
        signed, certificate = xmlsig.verify(root, authority, signer, at)
    except SignXMLException:
        raise BadList("bad_signature") from None
    if signed.tag != root.tag:
        raise BadList("not_a_list")
    return _read(signed, certificate, hashlib.sha256(data).hexdigest())


def _parse(data: bytes) -> etree._Element:
    """The tree of bounded, UTF-8 XML without document type: nothing is expanded, nothing is fetched."""
    if len(data) > LARGEST or data.count(b"<") > _MOST_TAGS:
        raise BadList("too_large")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise BadList("document_type")
    try:
        data.decode("utf-8")
        return etree.fromstring(data, xmlsig.parser())
    except (UnicodeDecodeError, etree.XMLSyntaxError, ValueError):
        raise BadList("not_xml") from None


def _read(root: etree._Element, certificate: x509.Certificate, digest: str) -> TrustList:
    generated = _date(root.findtext(f"{{{NAMESPACE}}}DateDeGeneration"))
    domains: dict[str, set[DN]] = {}
    holders: dict[DN, set[str]] = {}
    rows = skipped = 0
    for row in _rows(root):
        rows += 1
        if row is None:
            skipped += 1
            continue
        name, dn = row
        domains.setdefault(name, set()).add(dn)
        holders.setdefault(dn, set()).add(name)
    if not domains:
        raise BadList("empty")
    return TrustList(
        generated,
        MappingProxyType({name: frozenset(dns) for name, dns in domains.items()}),
        digest,
        certificate,
        MappingProxyType({dn: frozenset(names) for dn, names in holders.items()}),
        rows,
        skipped,
    )


def _rows(root: etree._Element) -> Iterator[tuple[str, DN] | None]:
    """Domain and name of every row; None for one that cannot be understood (it allows nobody)."""
    known: dict[str, DN | None] = {}
    for table in root.findall(f"{{{NAMESPACE}}}ListeDomaines"):
        for row in table.findall(f"{{{NAMESPACE}}}Domaine"):
            texts = [row.findtext(f"{{{NAMESPACE}}}{tag}") or "" for tag in ("Nom", "DNCertificatOperateur")]
            if texts[1] not in known:
                known[texts[1]] = _dn(texts[1])
            dn = known[texts[1]]
            try:
                yield (domain(texts[0].strip().removesuffix(".")), dn) if dn is not None else None
            except ValueError:
                yield None


def _dn(text: str) -> DN | None:
    try:
        return names.parse(text)
    except ValueError:
        return None


def _date(text: str | None) -> datetime:
    text = (text or "").strip()
    if not _DATE.fullmatch(text):
        raise BadList("no_date")
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadList("no_date") from None
