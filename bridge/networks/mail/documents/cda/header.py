"""The header of a CDA as an archive's metadata wants it: codes, authors, times, and names as they are written. Pure.

Source: HL7 CDA R2, CI-SIS "Structuration minimale"; IHE ITI TF-3 4.2. Codes come from the document, none is made up:
what the header does not say is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from bridge.errors import Refused
from bridge.networks.mail.documents.card import line
from bridge.networks.mail.documents.xdm_compose import Author, Code
from bridge.networks.mail.documents.xmlsafe import Element, attribute, children, every, first, parse_xml, tag, text_of

PROFESSIONALS = "1.2.250.1.71.4.2.1"  # OID of the numbers of professionals (8 + RPPS)

_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?)?(?:[.,]\d+)?\s*(?:([+-])(\d{1,2}?)(\d{2})?)?")
_SCANNED = {"application/pdf": "urn:ihe:iti:xds-sd:pdf:2008", "text/plain": "urn:ihe:iti:xds-sd:text:2008"}
_IHE_FORMATS = "1.3.6.1.4.1.19376.1.2.3"
_CODES = {
    "confidentiality": "confidentialityCode",
    "facility": "componentOf/encompassingEncounter/location/healthCareFacility/code",
    "practice": (
        "documentationOf/serviceEvent/performer/assignedEntity/representedOrganization/standardIndustryClassCode"
    ),
}


@dataclass(frozen=True, slots=True)
class Header:
    """``type`` may be empty; ``created`` is None if it is no time; ``act`` is ``YYYYMMDD`` or empty."""

    type: Code
    title: str = field(repr=False)
    family: str = field(repr=False)
    given: str = field(repr=False)
    author: Author = field(repr=False)
    created: datetime | None
    act: str
    language: str
    codes: tuple[tuple[str, Code], ...]


def read(data: bytes) -> Header:
    """The header. Raises Refused: codes of :func:`root_of`."""
    root = root_of(data)
    kind = _code(first(root, "code"))
    family, given = _patient(root)
    created = attribute(first(root, "effectiveTime"), "value")
    act = first(root, "documentationOf/serviceEvent/effectiveTime")
    day = attribute(first(act, "low"), "value") or attribute(act, "value") or created
    language = attribute(first(root, "languageCode"), "code")
    return Header(
        kind or Code("", ""), line(text_of(first(root, "title"))) or (kind.label if kind else ""), family, given,
        _author(root), moment(created), day[:8] if moment(day) else "",
        language if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z]{2})?", language) else "fr-FR", _codes(root, kind),
    )  # fmt: skip


def root_of(data: bytes) -> Element:
    """The ClinicalDocument; also the one inside a style sheet that shows it (a "self-presenting" document).

    Raises Refused: codes of xmlsafe, ``cda_no_document`` (none, or several: whose is the sheet then?).
    """
    root = parse_xml(data)
    if tag(root) == "clinicaldocument":
        return root
    inside = [one for one in root.iter() if tag(one) == "clinicaldocument"]
    if len(inside) != 1:
        raise Refused("cda_no_document")
    return inside[0]


def moment(value: str) -> datetime | None:
    """An HL7 time, also with the odd offset ``+100``; one without offset is taken as UTC. None if it is none."""
    value = value.strip()[:40]
    found = _TIME.fullmatch(value) or _TIME.match(value.partition("+")[0].partition("-")[0])
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    sign, hours, minutes = found[7], int(found[8] or 0), int(found[9] or 0)
    offset = timedelta(hours=hours, minutes=minutes) * (-1 if sign == "-" else 1)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset) if sign else UTC)
    except (ValueError, OverflowError):
        return None


def _codes(root: Element, kind: Code | None) -> tuple[tuple[str, Code], ...]:
    found = [("type", kind)] if kind else []
    body = attribute(first(root, "component/nonXMLBody/text"), "mediaType").lower()
    found += [("format", Code(_SCANNED[body], _IHE_FORMATS))] if body in _SCANNED else []
    found += [(name, code) for name, path in _CODES.items() if (code := _code(first(root, path)))]
    return tuple(found)


def _code(element: Element | None) -> Code | None:
    value, system = line(attribute(element, "code"), 80), line(attribute(element, "codeSystem"), 80)
    return Code(value, system, line(attribute(element, "displayName"))) if value and system else None


def _patient(root: Element) -> tuple[str, str]:
    """The birth name and the first given name of the civil state (qualifier BR) where there are any."""
    names = list(every(root, "recordTarget/patientRole/patient/name"))[:10]
    found = []
    for kind in ("family", "given"):
        parts = [one for name in names for one in children(name, kind) if text_of(one)]
        parts.sort(key=lambda one: "BR" not in attribute(one, "qualifier").split())
        found.append(line(text_of(parts[0]), 100) if parts else "")
    return found[0], found[1]


def _author(root: Element) -> Author:
    """The first author: a person, else the device; the organisation beside them."""
    role = first(root, "author/assignedAuthor")
    if role is None:
        return Author("", "")
    name = first(role, "assignedPerson/name")
    family, given = line(text_of(first(name, "family")), 100), line(text_of(first(name, "given")), 100)
    if not family:
        family = line(text_of(name) or text_of(first(role, "assignedAuthoringDevice/softwareName")), 100)
    numbers = [attribute(one, "extension") for one in children(role, "id") if attribute(one, "root") == PROFESSIONALS]
    place = line(text_of(first(role, "representedOrganization/name")), 100)
    return Author(family, given, line(numbers[0], 40) if numbers else "", place)
