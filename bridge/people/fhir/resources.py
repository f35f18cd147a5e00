"""Pure: Practitioner, PractitionerRole and Organization as records of the directory.

What is not understood is left out; a resource of which only a part was asked for (SUBSETTED) is never taken for whole.
The labels of codes are mostly not in the resources: they are given, as the flat files had them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.people.fhir import codes
from bridge.people.national.files.records import (
    ACTIVITY,
    KNOW_HOW,
    MAILBOX,
    OF_ORGANISATION,
    PERSONAL,
    DirectoryRecord,
    box_address,
    clean,
    person_id,
)

Json = dict[str, Any]
Labels = Mapping[str, str]
"""Code of a profession or speciality → label."""


class NotWhole(ValueError):
    """The server gave a part of a resource where all of it was asked for."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the API says of one entry: all of its records, or that it is closed (``None``)."""

    ident: str
    records: tuple[DirectoryRecord, ...] | None


def practitioner(
    resource: Json, roles: Collection[Json], organizations: Mapping[str, Json], labels: Labels
) -> Seen | None:
    """A professional with everything that they do; None for a resource without a national id.

    ``roles``: all their PractitionerRole resources; ``organizations``: by reference (``Organization/<id>``). Raises
    NotWhole.
    """
    ident = identity(resource)
    if ident is None:
        return None
    if resource.get("active") is False:
        return Seen(ident, None)
    _whole(resource, *roles)
    main, more = _practice(resource, labels)
    if main is None:
        return None
    active = [role for role in roles if role.get("active") is not False]
    found = [*more, *_boxes(resource, main), *(() if active else (main,))]
    for role in active:
        place = _at(main, organizations.get(reference(role.get("organization"))))
        found += [place, *_boxes(role, place)]
    return Seen(ident, tuple(dict.fromkeys(found)))


def organization(resource: Json) -> list[Seen]:
    """The service mailboxes of a structure, each an entry of its own. Raises NotWhole."""
    if resource.get("active") is False:
        return []
    _whole(resource)
    place = _at(DirectoryRecord(MAILBOX), resource)
    boxes = _boxes(resource, place, OF_ORGANISATION)
    return [Seen(f"mail:{box.address}", (box,)) for box in boxes if box.box not in (PERSONAL, "CAB")]


def identity(resource: Json) -> str | None:
    """The id of the house (``rpps:…``) of a Practitioner: its national id, else its RPPS number."""
    values = {i.get("system"): i.get("value") for i in _dicts(resource.get("identifier"))}
    national, number = values.get(codes.IDNPS), values.get(codes.RPPS) or values.get(codes.OLD_RPPS)
    if isinstance(national, str) and (found := person_id(clean(national))):
        return found
    if isinstance(number, str) and len(number) == 11 and number.isascii() and number.isdigit():
        return f"rpps:{number}"  # the id of an activity is in the same system, and shorter
    return None


def reference(value: object) -> str:
    """``Practitioner/<id>`` of a reference, whatever stands before and after."""
    text = value.get("reference") if isinstance(value, dict) else None
    if not isinstance(text, str):
        return ""
    parts = text.partition("/_history/")[0].split("/")
    return "/".join(parts[-2:])


def name_of(resource: Json) -> str:
    """``Practitioner/<id>`` of a resource: how others refer to it, within one answer only (ids do not last)."""
    return f"{resource.get('resourceType')}/{resource.get('id')}"


def _whole(*resources: Json) -> None:
    for resource in resources:
        meta = resource.get("meta")
        if any(
            tag.get("code") == codes.SUBSETTED for tag in _dicts(meta.get("tag") if isinstance(meta, dict) else None)
        ):
            raise NotWhole(name_of(resource).partition("/")[0])


def _practice(resource: Json, labels: Labels) -> tuple[DirectoryRecord | None, list[DirectoryRecord]]:
    """Who it is with the first profession and speciality, and a record for each of the others. None: without a name."""
    who = next(_names(resource), None)
    if who is None:
        return None, []
    professions, specialities = _qualified(resource, labels)
    main = DirectoryRecord(ACTIVITY, *who, *(professions or [("", "")])[0], *(specialities or [("", "")])[0])
    plain = main._replace(kind=KNOW_HOW, title="", speciality_code="", speciality="")
    more = [plain._replace(speciality_code=code, speciality=label) for code, label in specialities]
    return main, more + [plain._replace(profession_code=code, profession=label) for code, label in professions[1:]]


def _names(resource: Json) -> Iterator[tuple[str, str, str]]:
    """Family and given names, and the title of practice (a civility is none)."""
    for name in _dicts(resource.get("name")):
        family, given = _text(name.get("family")), " ".join(_text(part) for part in _list(name.get("given")))
        if not family and not given:
            family = _text(name.get("text"))
        if family or given:
            yield family, given, next((_text(part) for part in _list(name.get("suffix"))), "")


def _qualified(resource: Json, labels: Labels) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Professions and specialities, each as code and label; the two are mixed in one list and told by their tables."""
    professions: dict[str, str] = {}
    specialities: dict[str, str] = {}
    for qualification in _dicts(resource.get("qualification")):
        for coding in _codings(qualification.get("code")):
            code, system = _text(coding.get("code")), coding.get("system")
            if not code:
                continue
            label = labels.get(code) or _text(coding.get("display")) or code
            if codes.of_table(system, codes.PROFESSION):
                professions.setdefault(code, label)
            elif codes.of_table(system, *codes.KNOW_HOW):
                specialities.setdefault(code, label)
    return list(professions.items()), list(specialities.items())


def _at(record: DirectoryRecord, structure: Json | None) -> DirectoryRecord:
    """The record at a structure; of one that is closed or not known there is nothing to say."""
    if structure is None or structure.get("active") is False:
        return record
    address = next(_dicts(structure.get("address")), {})
    postcode = _text(address.get("postalCode"))
    sign = next((_text(part) for part in _list(structure.get("alias"))), "")
    return record._replace(
        site=_site(structure), structure=sign or _text(structure.get("name")), town=_text(address.get("city")),
        postcode=postcode, department=department(postcode),
    )  # fmt: skip


def _site(structure: Json) -> str:
    values = {i.get("system"): _text(i.get("value")) for i in _dicts(structure.get("identifier"))}
    if values.get(codes.IDNST):
        return values[codes.IDNST]
    return "1" + values[codes.FINESS] if values.get(codes.FINESS) else ""


def department(postcode: str) -> str:
    """The department of a French postcode: ``2A`` and ``2B`` for Corsica, three digits overseas."""
    if len(postcode) != 5 or not postcode.isdigit():
        return ""
    if postcode.startswith("20"):
        return "2A" if postcode < "20200" else "2B"
    return postcode[:3] if postcode.startswith(("97", "98")) else postcode[:2]


def _boxes(resource: Json, record: DirectoryRecord, usual: str = PERSONAL) -> list[DirectoryRecord]:
    """The secure mailboxes of a resource; those on the red list are left out, as in the public files."""
    found = []
    for telecom in sorted(_dicts(resource.get("telecom")), key=lambda one: _rank(one.get("rank"))):
        extensions = {_last(e.get("url")): e for e in _dicts(telecom.get("extension"))}
        kind = extensions.get(codes.EMAIL_TYPE, {}).get("valueCoding")
        address = box_address(_text(telecom.get("value")))
        if address is None or not isinstance(kind, dict) or kind.get("code") != codes.MSSANTE:
            continue  # ordinary addresses stand in the same list: the extension tells, never the domain
        told = {_last(e.get("url")): e for e in _dicts(extensions.get(codes.MAILBOX, {}).get("extension"))}
        if told.get("listeRouge", {}).get("valueBoolean") is True:
            continue
        box, service = _coded(told.get("type", {})) or usual, _text(told.get("service", {}).get("valueString"))
        found.append(record._replace(kind=MAILBOX, box=box, address=address, service=service))
    return found


def _coded(value: Json) -> str:
    """A code, in whichever of the forms that are about."""
    several = [*_codings(value.get("valueCodeableConcept")), *_dicts([value.get("valueCoding")])]
    return next((code for one in several if (code := _text(one.get("code")))), "") or _text(value.get("valueCode"))


def _rank(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 1 << 30


def _codings(concept: object) -> Iterator[Json]:
    return _dicts(concept.get("coding")) if isinstance(concept, dict) else iter(())


def _dicts(value: object) -> Iterator[Json]:
    return (one for one in _list(value) if isinstance(one, dict))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""


def _last(url: object) -> str:
    return url.rpartition("/")[2] if isinstance(url, str) else ""
