"""Decisions of the trust space with their reasons: may this list be used, may this certificate speak. Pure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.networks.mail.trust.dn import DN
from bridge.networks.mail.trust.trustlist import TrustList

LATER = frozenset({"list_missing", "list_stale", "revocation_unknown"})
"""Reasons that lie with us and pass: the peer is asked to come again (451)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """About one certificate: its name, the domains it may speak for, and why not (``code``; None: it may)."""

    dn: DN | None = field(repr=False)
    domains: frozenset[str] = field(default=frozenset(), repr=False)
    revoked: bool = False
    code: str | None = None

    @property
    def ok(self) -> bool:
        """Listed, valid, not revoked, and our own knowledge is fresh enough."""
        return self.code is None

    @property
    def later(self) -> bool:
        """Refused for now only."""
        return self.code in LATER


@dataclass(frozen=True, slots=True)
class ListRules:
    """When a well-signed list is used. ``ahead`` of our clock; ``max_drop``: the share of rows that may go at once."""

    ahead: timedelta = timedelta(minutes=5)
    max_drop: float = 0.10


def objection(old: TrustList | None, new: TrustList, now: datetime, rules: ListRules, allowed: str = "") -> str | None:
    """Why a verified list is not used: ``rollback``, ``future``, ``mass_drop`` (unless its digest is ``allowed``)."""
    if new.generated > now + rules.ahead:
        return "future"
    if old is None:
        return None
    if new.generated < old.generated:
        return "rollback"
    if new.usable < old.usable * (1 - rules.max_drop) and new.digest != allowed:
        return "mass_drop"
    return None


def near(known: TrustList, name: str) -> list[str]:
    """Listed domains that somebody may have meant: a parent, a child, a similar spelling; at most 8."""
    parts = name.split(".")
    parents = [parent for n in range(1, len(parts) - 1) if known.knows(parent := ".".join(parts[n:]))]
    children = sorted(one for one in known.domains if one.endswith("." + name))[:3]
    similar = difflib.get_close_matches(name, known.domains, n=5, cutoff=0.8)
    return list(dict.fromkeys([*parents, *children, *similar]))[:8]


def near_dns(known: TrustList, dn: DN) -> list[DN]:
    """Listed names with the same CN, or that differ in one attribute only; at most 3."""
    cn = {pair for pair in dn if pair[0] == "CN"}
    close = [one for one in known.holders if (cn and cn <= one) or len(one & dn) >= max(len(dn), len(one)) - 1]
    return sorted(close, key=lambda one: (-len(one & dn), sorted(one)))[:3]


WHY: dict[str, tuple[str, str]] = {
    # a certificate
    "certificate_unreadable": (
        "Le certificat est illisible, ou son nom a une forme qui n'est jamais acceptée (RDN à plusieurs valeurs).",
        "The certificate cannot be read, or its name has a form that never matches (multi-valued RDN).",
    ),
    "certificate_expired": (
        "Le certificat a expiré : renouvelez-le.",
        "The certificate has expired: renew it.",
    ),
    "certificate_not_yet_valid": (
        "Le certificat n'est pas encore valable : vérifiez l'horloge de ce serveur, ou attendez.",
        "The certificate is not valid yet: check this server's clock, or wait.",
    ),
    "certificate_revoked": (
        "Le certificat est révoqué : demandez-en un autre à l'autorité.",
        "The certificate is revoked: ask the authority for another one.",
    ),
    "certificate_foreign": (
        "Le certificat ne vient pas de l'autorité de l'espace de confiance.",
        "The certificate was not issued by the authority of the trust space.",
    ),
    "dn_not_listed": (
        "Le nom (DN) du certificat n'est pas dans la liste blanche : faites-le inscrire, exactement tel quel.",
        "The certificate's name (DN) is not in the trust list: have it listed, exactly as it is.",
    ),
    # a domain
    "domain_not_listed": (
        "Ce domaine n'est pas dans la liste blanche. Le nom doit être exact : ni joker, ni héritage du domaine parent.",
        "This domain is not in the trust list. The name must be exact: no wildcard, nothing inherited from a parent.",
    ),
    "domain_not_allowed": (
        "La liste blanche n'autorise pas ce certificat à parler pour ce domaine.",
        "The trust list does not let this certificate speak for this domain.",
    ),
    # what we know
    "list_missing": (
        "Aucune liste blanche vérifiée n'est encore là : le courrier attend. Vérifiez l'adresse de la liste.",
        "There is no verified trust list yet: mail waits. Check the address of the list.",
    ),
    "list_stale": (
        "La liste blanche est trop ancienne : le courrier attend. Rétablissez l'accès à la liste.",
        "The trust list is too old: mail waits. Restore access to the list.",
    ),
    "revocation_unknown": (
        "La liste de révocation (CRL) de l'émetteur manque ou est trop ancienne : le courrier attend.",
        "The issuer's revocation list (CRL) is missing or too old: mail waits.",
    ),
    # a list
    "mass_drop": (
        "La nouvelle liste perd beaucoup de lignes : elle attend. Après contrôle : liaison trust accept EMPREINTE.",
        "The new list loses many rows: it is held. When you have checked it: liaison trust accept DIGEST.",
    ),
    "rollback": (
        "La liste reçue est plus ancienne que la liste en service : elle est refusée.",
        "The list that came is older than the one in use: refused.",
    ),
    "future": (
        "La liste reçue est datée du futur : vérifiez l'horloge de ce serveur.",
        "The list that came is dated in the future: check this server's clock.",
    ),
    "unsigned": ("La liste reçue n'est pas signée.", "The list that came is not signed."),
    "several_signatures": ("La liste reçue porte plusieurs signatures.", "The list that came has several signatures."),
    "signature_moved": (
        "La signature de la liste n'est pas à sa place : la liste a été manipulée.",
        "The list's signature is not in its place: the list was tampered with.",
    ),
    "bad_signature": ("La signature de la liste est fausse.", "The list's signature is wrong."),
    "changed": ("La liste a été modifiée après sa signature.", "The list was changed after it was signed."),
    "signer_untrusted": (
        "Le signataire de la liste ne vient pas de l'autorité configurée. Vérifiez le fichier de l'autorité.",
        "The list's signer was not issued by the configured authority. Check the authority file.",
    ),
    "signer_not_yet_valid": (
        "Le certificat du signataire n'est pas encore valable : vérifiez l'horloge de ce serveur.",
        "The signer's certificate is not valid yet: check this server's clock.",
    ),
    "signer_expired": ("Le certificat du signataire a expiré.", "The signer's certificate has expired."),
    "signer_revoked": ("Le certificat du signataire est révoqué.", "The signer's certificate is revoked."),
    "other_signer": (
        "La liste est signée par un autre que le signataire configuré (signer_cn, signer_issuer_cn).",
        "The list is signed by somebody else than the configured signer (signer_cn, signer_issuer_cn).",
    ),
    "no_authority": ("Le fichier de l'autorité est illisible.", "The authority file cannot be read."),
    "not_a_list": ("Le document reçu n'est pas une liste blanche.", "What came is not a trust list."),
    "not_xml": ("Le document reçu n'est pas du XML en UTF-8.", "What came is not XML in UTF-8."),
    "document_type": ("Le document reçu contient un DOCTYPE, refusé.", "What came has a DOCTYPE, which is refused."),
    "too_large": ("Le document reçu est trop grand.", "What came is too large."),
    "empty": ("La liste reçue est vide.", "The list that came is empty."),
    "no_date": ("La liste reçue n'a pas de date lisible.", "The list that came has no readable date."),
    "unreachable": ("Le serveur de la liste ne répond pas.", "The server of the list does not answer."),
    "unreadable": ("Le fichier de la liste est illisible.", "The file of the list cannot be read."),
}


def explain(code: str) -> tuple[str, str]:
    """A reason in French and in English."""
    unknown = (f"Refusé ({code}).", f"Refused ({code}).")
    return WHY.get(code, unknown)
