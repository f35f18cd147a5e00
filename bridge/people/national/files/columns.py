"""Pure: the columns of the public files, bound by the names in their header, and a row as a record.

The files are UTF-8 with ``|`` between fields, one header line and no quoting. Some end every line with one more ``|``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from bridge.people.national.files.records import (
    ACTIVITY,
    KNOW_HOW,
    MAILBOX,
    PERSONAL,
    DirectoryRecord,
    box_address,
    clean,
    person_id,
)

Row = tuple[str, ...]
_TOWN = re.compile(r"^(?:\d[\dAB]\d{3}\s+)?(.*?)(?:\s+CEDEX\b.*)?$", re.I)
_SIR = re.compile(r"\d{14}")
_FINESS = re.compile(r"\d[\dAB]\d{7}")


class BadHeader(ValueError):
    """The first line is not that of the file that the name promises; ``missing``: columns that are needed."""

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(f"no column {', '.join(missing)}")
        self.missing = tuple(missing)


@dataclass(frozen=True, slots=True)
class Layout:
    """One of the files: how its name begins, of which kind its records are, its columns, and a row as a record.

    ``read`` gives the id of the entry and the record, or None for a row that names nobody.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    read: Callable[[Row], tuple[str, DirectoryRecord] | None]

    def bind(self, header: str) -> Binding:
        """Find the columns. Raises BadHeader."""
        names = [_plain(name) for name in header.strip("\ufeff\r\n").split("|")]
        missing = [column for column in self.columns if _plain(column) not in names]
        if missing:
            raise BadHeader(missing)
        while names and not names[-1]:
            names.pop()
        return Binding(self, len(names), itemgetter(*(names.index(_plain(column)) for column in self.columns)))


@dataclass(frozen=True, slots=True)
class Binding:
    """A layout bound to a header of ``width`` columns."""

    layout: Layout
    width: int
    pick: Callable[[list[str]], Row]

    def row(self, line: str) -> list[str] | None:
        """The fields of a line, or None if their number is wrong: a ``|`` in a field, or a line that was cut."""
        fields = line.rstrip("\r\n").split("|")
        if len(fields) == self.width:
            return fields
        return fields if len(fields) > self.width and not any(fields[self.width :]) else None

    def record(self, line: str) -> tuple[str, DirectoryRecord] | None:
        """The id of the entry and the record; None: the line names nobody, or is no row."""
        fields = self.row(line)
        return None if fields is None else self.layout.read(self.pick(fields))


def _plain(name: str) -> str:
    """A column's name without case, kind of apostrophe and blanks at its ends."""
    return clean(name.replace("’", "'").replace("`", "'")).casefold()


def _person(row: Row, kind: str) -> tuple[str, DirectoryRecord] | None:
    """Activity and know-how: the identity columns come first, in the same order."""
    id_kind, number, national, family, given, title, code, profession, special, speciality = map(clean, row[:10])
    owner = person_id(national, id_kind, number)
    if owner is None or not (family or given):
        return None
    return owner, DirectoryRecord(kind, family, given, title, code, profession, special, speciality)


def _activity(row: Row) -> tuple[str, DirectoryRecord] | None:
    found = _person(row, ACTIVITY)
    if found is None:
        return None
    siret, finess, technical, name, sign, town, office, postcode, department = map(clean, row[10:])
    place = found[1]._replace(
        site=_site(finess, siret, technical), structure=sign or name, town=town or _town(office),
        postcode=postcode, department=department,
    )  # fmt: skip
    return found[0], place


def _know_how(row: Row) -> tuple[str, DirectoryRecord] | None:
    return _person((*row[:5], "", *row[5:]), KNOW_HOW)


def _mailbox(row: Row) -> tuple[str, DirectoryRecord] | None:
    box, address, id_kind, number, national, family, given, title = map(clean, row[:8])
    code, profession, special, speciality, site_kind, site, service, name, sign, line6, postcode, department = map(
        clean, row[8:]
    )
    found = box_address(address)
    if found is None:
        return None
    box = box.upper() or PERSONAL
    owner = person_id(national, id_kind, number)
    if owner is None and box in (PERSONAL, "CAB"):
        return None
    place = "", "", "", "", ""
    if site or name or sign or line6 or postcode:
        place = (site_kind + site if site else "", sign or name, _town(line6), postcode, department)
    who = (family, given, title, code, profession, special, speciality)
    if owner is None or box not in (PERSONAL, "CAB"):
        owner, who = f"mail:{found}", ("",) * 7
    return owner, DirectoryRecord(MAILBOX, *who, place[0], place[1], service, *place[2:], box, found)


def _site(finess: str, siret: str, technical: str) -> str:
    if _FINESS.fullmatch(finess):
        return "1" + finess
    if _SIR.fullmatch(siret):
        return "3" + siret
    return "T" + technical if technical else ""


def _town(line: str) -> str:
    """The town of a line such as ``54511 VANDOEUVRE CEDEX 2``."""
    found = _TOWN.match(line)
    return found[1] if found else ""


_WHO = ("Type d'identifiant PP", "Identifiant PP", "Identification nationale PP", "Nom d'exercice", "Prénom d'exercice")
_WHAT = ("Code profession", "Libellé profession", "Code savoir-faire", "Libellé savoir-faire")
ACTIVITIES = Layout(
    "PS_LibreAcces_Personne_activite", ACTIVITY,
    (
        *_WHO, "Code civilité d'exercice", *_WHAT, "Numéro SIRET site", "Numéro FINESS site",
        "Identifiant technique de la structure", "Raison sociale site", "Enseigne commerciale site",
        "Libellé commune (coord. structure)", "Bureau cedex (coord. structure)", "Code postal (coord. structure)",
        "Code Département (structure)",
    ),
    _activity,
)  # fmt: skip
KNOW_HOWS = Layout("PS_LibreAcces_SavoirFaire", KNOW_HOW, (*_WHO, *_WHAT), _know_how)
MAILBOXES = Layout(
    "Extraction_Correspondance_MSSante", MAILBOX,
    (
        "Type de BAL", "Adresse BAL", "Type Identifiant PP", "Identifiant PP", "Identification nationale PP",
        "Nom d'exercice", "Prénom d'exercice", "Civilité d'exercice", "Code Profession", "Libellé Profession",
        "Code savoir-faire", "Libellé savoir-faire", "Type identifiant structure", "Identification Structure",
        "Service de rattachement", "Raison Sociale structure BAL", "Enseigne commerciale structure BAL",
        "L6LIGNEACHEMINEMENT", "Code postal", "Département",
    ),
    _mailbox,
)  # fmt: skip
LAYOUTS = (ACTIVITIES, KNOW_HOWS, MAILBOXES)
