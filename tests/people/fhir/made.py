"""Made-up people, once as resources of the API and once as lines of the flat files."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from bridge.people.national.files.columns import ACTIVITIES, KNOW_HOWS, MAILBOXES, Layout

Json = dict[str, Any]
NOS = "https://mos.esante.gouv.fr/NOS"
PROFESSIONS = {"10": "Médecin", "21": "Pharmacien", "60": "Infirmier", "50": "Sage-Femme"}
SPECIALITIES = {"SM54": "Médecine Générale (SM)", "SM41": "Pneumologie (SM)", "SM04": "Cardiologie (SM)"}
LABELS = PROFESSIONS | SPECIALITIES


@dataclass(frozen=True, slots=True)
class Site:
    """A structure; ``box`` is its service mailbox."""

    number: int
    name: str
    sign: str
    town: str
    postcode: str
    department: str
    box: str = ""

    @property
    def finess(self) -> str:
        return f"{self.number:09}"

    def resource(self) -> Json:
        """As the API has it."""
        telecom = [{"system": "phone", "value": "0102030405"}, {"system": "email", "value": "accueil@exemple.invalid"}]
        if self.box:
            telecom.append(mailbox(self.box, "ORG", service="ACCUEIL"))
        return {
            "resourceType": "Organization", "id": f"001-{self.number}", "active": True, "name": self.name,
            "alias": [self.sign] if self.sign else [],
            "identifier": [
                {"system": "https://finess.esante.gouv.fr", "value": self.finess},
                {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1" + self.finess},
            ],
            "address": [{"city": self.town, "postalCode": self.postcode}], "telecom": telecom,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Doctor:
    """A professional; ``own`` is the mailbox tied to the number alone, ``at`` those at a site."""

    number: int
    family: str
    given: str
    title: str
    profession: str
    speciality: str
    sites: tuple[Site, ...] = ()
    own: str = ""
    at: tuple[tuple[Site, str], ...] = ()

    @property
    def rpps(self) -> str:
        return f"{10_000_000_000 + self.number}"

    def resources(self) -> Iterator[Json]:
        """Practitioner and a PractitionerRole for each site."""
        qualification = [coded("TRE_R09-CategorieProfessionnelle", "C", "TRE_G15-ProfessionSante", self.profession)]
        if self.speciality:
            qualification.append(coded("TRE_R04-TypeSavoirFaire", "S", "TRE_R38-SpecialiteOrdinale", self.speciality))
        yield {
            "resourceType": "Practitioner", "id": f"003-{self.number}", "active": True,
            "identifier": [
                {"system": "https://rpps.esante.gouv.fr", "value": self.rpps},
                {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "8" + self.rpps},
            ],
            "name": [
                {"family": self.family, "given": [self.given], "prefix": ["MME"]}
                | ({"suffix": [self.title]} if self.title else {})
            ],
            "telecom": [mailbox(self.own, "PER")] if self.own else [], "qualification": qualification,
        }  # fmt: skip
        for n, site in enumerate(self.sites):
            yield {
                "resourceType": "PractitionerRole", "id": f"005-{self.number}-{n}", "active": True,
                "identifier": [{"system": "https://rpps.esante.gouv.fr", "value": f"{1_000_000_000 + self.number}"}],
                "practitioner": {"reference": f"Practitioner/003-{self.number}"},
                "organization": {"reference": f"Organization/001-{site.number}"},
                "telecom": [mailbox(box, "PER") for where, box in self.at if where == site],
            }  # fmt: skip

    def lines(self) -> Iterator[tuple[Layout, dict[str, str]]]:
        """The same in the flat files."""
        who = {
            "Type d'identifiant PP": "8", "Identifiant PP": self.rpps, "Identification nationale PP": "8" + self.rpps,
            "Nom d'exercice": self.family, "Prénom d'exercice": self.given, "Code profession": self.profession,
            "Libellé profession": PROFESSIONS[self.profession], "Code savoir-faire": self.speciality,
            "Libellé savoir-faire": SPECIALITIES.get(self.speciality, ""),
        }  # fmt: skip
        for site in self.sites or (None,):
            place = {} if site is None else {
                "Numéro FINESS site": site.finess, "Raison sociale site": site.name,
                "Enseigne commerciale site": site.sign, "Libellé commune (coord. structure)": site.town,
                "Code postal (coord. structure)": site.postcode, "Code Département (structure)": site.department,
            }  # fmt: skip
            yield ACTIVITIES, who | place | {"Code civilité d'exercice": self.title}
        if self.speciality:
            yield KNOW_HOWS, who
        boxes: list[tuple[Site | None, str]] = [*self.at, *([(None, self.own)] if self.own else [])]
        for at, box in boxes:
            yield MAILBOXES, {
                "Type de BAL": "PER", "Adresse BAL": box, "Type Identifiant PP": "8",
                "Civilité d'exercice": self.title, "Code Profession": self.profession,
                "Libellé Profession": PROFESSIONS[self.profession],
            } | {k: v for k, v in who.items() if k in MAILBOXES.columns} | of_site(at)  # fmt: skip


def of_site(site: Site | None) -> dict[str, str]:
    """The columns of a mailbox's structure."""
    if site is None:
        return {}
    return {
        "Type identifiant structure": "1", "Identification Structure": site.finess,
        "Raison Sociale structure BAL": site.name, "Enseigne commerciale structure BAL": site.sign,
        "L6LIGNEACHEMINEMENT": f"{site.postcode} {site.town}", "Code postal": site.postcode,
        "Département": site.department,
    }  # fmt: skip


def of_service(site: Site) -> Iterator[tuple[Layout, dict[str, str]]]:
    """The service mailbox of a structure in the flat file."""
    if site.box:
        own = {"Type de BAL": "ORG", "Adresse BAL": site.box, "Service de rattachement": "ACCUEIL"}
        yield MAILBOXES, own | of_site(site)


def coded(table: str, code: str, other: str, second: str) -> Json:
    """A qualification: two codings in one list."""
    pairs = ((table, code), (other, second))
    return {"code": {"coding": [{"system": f"{NOS}/{t}/FHIR/{t.replace('_', '-')}", "code": c} for t, c in pairs]}}


def mailbox(address: str, kind: str, *, red: bool | None = None, service: str = "") -> Json:
    """A telecom of the secure space."""
    base = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition"
    told: list[Json] = [
        {"url": "type", "valueCodeableConcept": {"coding": [{"system": f"{NOS}/TRE_R257-TypeBAL", "code": kind}]}}
    ]
    told += [] if red is None else [{"url": "listeRouge", "valueBoolean": red}]
    told += [{"url": "service", "valueString": service}] if service else []
    email = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-contact-point-email-type"
    return {
        "system": "email", "value": address,
        "extension": [
            {"url": email, "valueCoding": {"system": f"{NOS}/TRE_R256-TypeMessagerie", "code": "MSSANTE"}},
            {"url": f"{base}/as-ext-mailbox-mss-metadata", "extension": told},
        ],
    }  # fmt: skip


def population(count: int, seed: int = 1) -> tuple[list[Site], list[Doctor]]:
    """The same for the same seed."""
    chance = random.Random(seed)
    towns = [
        ("LYON", "69003", "69"),
        ("AJACCIO", "20000", "2A"),
        ("BASTIA", "20200", "2B"),
        ("CAYENNE", "97300", "973"),
    ]
    sites = [
        Site(
            690_000_000 + n, f"CH EXEMPLE {n}", f"CLINIQUE {n}" if n % 3 == 0 else "", *towns[n % 4],
            f"accueil{n}@ch.mssante.fr" if n % 2 else "",
        )
        for n in range(max(4, count // 20))
    ]  # fmt: skip
    return sites, [doctor(n, sites, chance) for n in range(count)]


def doctor(number: int, sites: list[Site], chance: random.Random) -> Doctor:
    """One of them."""
    family = chance.choice(["MARTIN", "D'ARTAGNAN", "LE GOFF", "BEN SAÏD", "DE LA TOUR", "NGUYỄN"])
    given = chance.choice(["ANNE-MARIE", "JÉRÔME", "ZOÉ", "LÉO"])
    profession = chance.choice(list(PROFESSIONS))
    at = tuple(chance.sample(sites, chance.choice([0, 1, 1, 2])))
    made = Doctor(
        number, family, given, "DR" if profession == "10" else "", profession,
        chance.choice(list(SPECIALITIES)) if profession == "10" else "", at,
    )  # fmt: skip
    own = f"p{number}@medecin.mssante.fr" if chance.random() < 0.5 else ""
    boxes = tuple((site, f"p{number}@{site.number}.mssante.fr") for site in at if chance.random() < 0.3)
    return replace(made, own=own, at=boxes)
