"""Distinguished names: those of the trust list read leniently, those of certificates as they are, comparable.

Why an own reader: real lists carry names that no RFC 4514 parser accepts (raw inner quotes, RFC 1779 quoting, no-break
spaces, trailing spaces). The rule: the whole set of (type, value) is compared, never the CN alone; values are equal
when they fold to the same text (NFKC, runs of spaces collapsed, case folded).
"""

from __future__ import annotations

import re
import unicodedata

from cryptography import x509

DN = frozenset[tuple[str, str]]
"""A name that can be compared: pairs of attribute type (upper case, aliases resolved) and folded value."""

LONGEST = 4096  # characters of a DN text
MOST = 32  # attributes in a DN

_OIDS = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "SERIALNUMBER",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "T",
    "2.5.4.17": "POSTALCODE",
    "2.5.4.42": "GN",
    "2.5.4.97": "ORGANIZATIONIDENTIFIER",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "EMAIL",
}
_ALIASES = {
    "S": "ST",
    "STATEORPROVINCENAME": "ST",
    "COMMONNAME": "CN",
    "SURNAME": "SN",
    "COUNTRYNAME": "C",
    "LOCALITYNAME": "L",
    "STREETADDRESS": "STREET",
    "ORGANIZATIONNAME": "O",
    "ORGANIZATIONALUNITNAME": "OU",
    "TITLE": "T",
    "GIVENNAME": "GN",
    "USERID": "UID",
    "DOMAINCOMPONENT": "DC",
    "E": "EMAIL",
    "EMAILADDRESS": "EMAIL",
}
_TYPE = r"(?:[A-Za-z][A-Za-z0-9-]{0,63}|(?:[Oo][Ii][Dd]\.)?\d{1,9}(?:\.\d{1,12}){1,20})"
_ATTRIBUTE = re.compile(rf"\s*({_TYPE})\s*=\s*")
_NEXT = re.compile(rf"[,;](?=\s*{_TYPE}\s*=)")
_PLUS = re.compile(rf"\+\s*{_TYPE}\s*=")
_CLOSING = re.compile(rf'"\s*(?:[,;]\s*{_TYPE}\s*=|\Z)')
_HEX = re.compile(r"(?:\\[0-9A-Fa-f]{2})+")
_SPECIAL = frozenset(' "#+,;<=>\\')


def parse(text: str) -> DN:
    """The name that a text of the trust list means (RFC 4514, RFC 1779 and what real lists make of them).

    Raises ValueError: empty, too long, without ``type=value``, or a multi-valued RDN, which never matches.
    """
    text = text.lstrip()  # spaces at the end may be escaped
    if not text or len(text) > LONGEST:
        raise ValueError("a DN has 1 to 4096 characters")
    pairs: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        begin = _ATTRIBUTE.match(text, at)
        if begin is None or len(pairs) == MOST:
            raise ValueError("a DN is a list of at most 32 type=value")
        value, at = _value(text, begin.end())
        pairs.append((_kind(begin[1]), value))
    return frozenset(pairs)


def of(certificate: x509.Certificate) -> DN:
    """The subject's name of a certificate. Raises ValueError: none, unreadable, or a multi-valued RDN."""
    pairs: list[tuple[str, str]] = []
    for rdn in certificate.subject.rdns:
        attributes = list(rdn)
        if len(attributes) != 1:
            raise ValueError("a multi-valued RDN is no match")
        value = attributes[0].value
        if not isinstance(value, str):
            raise ValueError("an attribute is no text")
        oid = attributes[0].oid.dotted_string
        pairs.append((_OIDS.get(oid, oid), fold(value)))
    if not pairs or len(pairs) > MOST:
        raise ValueError("a subject has 1 to 32 attributes")
    return frozenset(pairs)


def fold(value: str) -> str:
    """The form in which values are compared: NFKC (a no-break space becomes a space), spaces collapsed, casefold."""
    if value.isascii():
        return " ".join(value.split()).casefold()
    plain = " ".join(unicodedata.normalize("NFKC", value).split())
    return unicodedata.normalize("NFKC", plain.casefold())


def show(name: DN) -> str:
    """A name for people to read (CN, OU, O, then the rest), folded as it is compared."""
    order = {"CN": 0, "OU": 1, "O": 2, "L": 3, "ST": 4, "C": 5}
    pairs = sorted(name, key=lambda pair: (order.get(pair[0], 3), pair))
    return ", ".join(f"{kind}={value}" for kind, value in pairs)


def _kind(name: str) -> str:
    upper = name.upper().removeprefix("OID.")
    return _OIDS.get(upper) or _ALIASES.get(upper, upper)


def _value(text: str, at: int) -> tuple[str, int]:
    """The folded value that begins at ``at``, and where the next attribute begins."""
    if at < len(text) and text[at] == '"' and (end := _closing(text, at + 1)) is not None:
        raw, at = text[at + 1 : end], end + 1
        at += len(text[at:]) - len(text[at:].lstrip())
    else:
        end = _separator(text, at)
        raw, at = text[at:end], end
    value = fold(_unescape(raw))
    if not value:
        raise ValueError("an attribute has no value")
    return value, at + 1


def _closing(text: str, at: int) -> int | None:
    """Where the quote that was opened before ``at`` is closed: the first one that ends its attribute."""
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == '"' and _CLOSING.match(text, at):
            return at
        at += 1
    return None


def _separator(text: str, at: int) -> int:
    """Where an unquoted value ends: a separator counts only when ``type=`` follows."""
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] in ",;" and _NEXT.match(text, at):
            return at
        elif text[at] == "+" and _PLUS.match(text, at):
            raise ValueError("a multi-valued RDN is no match")
        at += 1
    return len(text)


def _unescape(raw: str) -> str:
    if "\\" not in raw:
        return raw
    out: list[str] = []
    at = 0
    while at < len(raw):
        if run := _HEX.match(raw, at):
            out.append(bytes.fromhex(run[0].replace("\\", "")).decode("utf-8", "replace"))
            at = run.end()
            continue
        if raw[at] == "\\" and raw[at + 1 : at + 2] in _SPECIAL:
            at += 1
        out.append(raw[at : at + 1])
        at += 1
    return "".join(out)
