"""Mail addresses and domains in the one form in which they are compared (RFC 5321, RFC 5890)."""

from __future__ import annotations

import re

import idna

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def a_label(domain: str) -> str | None:
    """The domain as lower-case A-labels, or None if it is no domain name."""
    name = domain.strip().lower().rstrip(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii").lower()
        except (idna.IDNAError, UnicodeError):
            return None
    labels = name.split(".")
    return name if len(name) <= 253 and all(map(_LABEL.fullmatch, labels)) else None


def domain_of(address: str) -> str:
    """The domain of an address as A-labels; what is no domain name comes back as it is, in lower case."""
    domain = address.rpartition("@")[2]
    return a_label(domain) or domain.lower()


def normal(address: str) -> str | None:
    """The address with its domain as A-labels; the local part is its owner's. None if the domain is no name."""
    local, at, domain = address.rpartition("@")
    name = a_label(domain)
    return f"{local}@{name}" if at and local and name else None
