"""Resources of the API as records: every form that is about, and the traps among them."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.people.fhir.resources import (
    NotWhole,
    Seen,
    department,
    identity,
    organization,
    practitioner,
    reference,
)
from bridge.people.national.files.merging import entry_of
from bridge.people.national.files.records import MAILBOX, to_lines
from tests.people.fhir.made import LABELS, NOS, Doctor, Site, coded, mailbox

LYON = Site(690000001, "HOSPICES CIVILS", "HCL", "LYON", "69003", "69")
ANNE = Doctor(
    7, "MARTIN", "ANNE", "DR", "10", "SM41", (LYON,), "anne@medecin.mssante.fr", ((LYON, "a@hcl.mssante.fr"),)
)


def read(person: dict[str, Any], *roles: dict[str, Any], **more: Any) -> Seen:
    """The resources as they are read."""
    seen = practitioner(person, roles, more.get("sites", {"Organization/001-690000001": LYON.resource()}), LABELS)
    assert seen is not None
    return seen


def boxes(seen: Seen) -> list[tuple[str, str]]:
    """Type and address of each mailbox."""
    assert seen.records is not None
    return sorted((r.box, r.address) for r in seen.records if r.kind == MAILBOX)


def test_a_professional_with_a_place_and_two_mailboxes() -> None:
    seen = read(*ANNE.resources())
    assert seen.records is not None
    entry = entry_of(seen.ident, to_lines(seen.records))
    assert (entry.id, entry.family, entry.given, entry.title) == ("rpps:10000000007", "Martin", "Anne", "Dr")
    assert (entry.profession, entry.specialities) == ("Médecin", ("Pneumologie",))
    assert [(p.structure, p.town, p.postcode, p.department) for p in entry.places] == [("HCL", "Lyon", "69003", "69")]
    assert entry.boxes == ("a@hcl.mssante.fr", "anne@medecin.mssante.fr")


@pytest.mark.parametrize(
    ("identifiers", "expected"),
    [
        ([("urn:oid:1.2.250.1.71.4.2.1", "810101201234")], "rpps:10101201234"),
        ([("https://rpps.esante.gouv.fr", "10101201234")], "rpps:10101201234"),
        ([("http://rpps.fr", "10101201234")], "rpps:10101201234"),
        ([("urn:oid:1.2.250.1.71.4.2.1", "0691234567")], "idnps:0691234567"),
        ([("https://rpps.esante.gouv.fr", "1013186038")], None),  # the id of an activity, in the same system
        (
            [("https://rpps.esante.gouv.fr", "1013186038"), ("urn:oid:1.2.250.1.71.4.2.1", "810101201234")],
            "rpps:10101201234",
        ),
        ([("https://rpps.esante.gouv.fr", 10101201234)], None),
        ([], None),
    ],
)
def test_who_it_is(identifiers: list[tuple[str, Any]], expected: str | None) -> None:
    resource = {"resourceType": "Practitioner", "identifier": [{"system": s, "value": v} for s, v in identifiers]}
    assert identity(resource) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ({"valueCodeableConcept": {"coding": [{"code": "CAB"}]}}, "CAB"),
        ({"valueCodeableConcept": {"coding": [{"system": f"{NOS}/TRE_R256-TypeMessagerie", "code": "CAB"}]}}, "CAB"),
        ({"valueCoding": {"code": "CAB"}}, "CAB"),
        ({"valueCode": "CAB"}, "CAB"),
        ({"valueString": "CAB"}, "PER"),
    ],
)
def test_the_type_of_a_mailbox_in_every_form(kind: dict[str, Any], expected: str) -> None:
    person = next(ANNE.resources())
    person["telecom"][0]["extension"][1]["extension"] = [{"url": "type", **kind}]
    assert boxes(read(person)) == [(expected, "anne@medecin.mssante.fr")]


def test_a_mailbox_without_metadata_is_one() -> None:
    person = next(ANNE.resources())
    del person["telecom"][0]["extension"][1]
    assert boxes(read(person)) == [("PER", "anne@medecin.mssante.fr")]


def test_the_red_list_and_ordinary_addresses_are_left_out() -> None:
    person = next(ANNE.resources())
    other = mailbox("dr@apicrypt.org", "PER")
    other["extension"][0]["valueCoding"]["code"] = "APICRYPT"
    plain = {"system": "email", "value": "contact@medecin.mssante.fr"}  # the domain says nothing
    person["telecom"] = [mailbox("hidden@medecin.mssante.fr", "PER", red=True), other, plain]
    person["telecom"].append(mailbox("seen@medecin.mssante.fr", "PER", red=False))
    assert boxes(read(person)) == [("PER", "seen@medecin.mssante.fr")]


def test_several_professions_and_specialities_are_all_kept_wherever_they_stand_in_the_list() -> None:
    person = next(ANNE.resources())
    diploma = coded("TRE_R48-DiplomeEtatFrancais", "DE09", "TRE_R14-TypeDiplome", "DE")
    person["qualification"] = [
        diploma,
        coded("TRE_R38-SpecialiteOrdinale", "SM04", "TRE_R04-TypeSavoirFaire", "S"),
        coded("TRE_G15-ProfessionSante", "10", "TRE_R09-CategorieProfessionnelle", "C"),
        coded("TRE_R38-SpecialiteOrdinale", "SM41", "TRE_R04-TypeSavoirFaire", "S"),
        coded("TRE_G15-ProfessionSante", "21", "TRE_R09-CategorieProfessionnelle", "C"),
        coded("TRE_G15-ProfessionSante", "99", "TRE_R09-CategorieProfessionnelle", "C"),
    ]
    seen = read(person)
    assert seen.records is not None
    entry = entry_of(seen.ident, to_lines(seen.records))
    assert entry.profession == "Médecin"
    assert set(entry.specialities) == {"Cardiologie", "Pneumologie", "Pharmacien", "99"}  # no label is made up


def test_closed_is_closed_and_a_closed_role_or_structure_says_nothing() -> None:
    person, role = ANNE.resources()
    assert read({**person, "active": False, "name": None}).records is None
    seen = read(person, {**role, "active": False})
    assert seen.records is not None
    assert not any(r.structure for r in seen.records)
    closed = {**LYON.resource(), "active": False}
    seen = read(person, role, sites={"Organization/001-690000001": closed})
    assert seen.records is not None
    assert not any(r.structure for r in seen.records)
    assert boxes(seen) == [("PER", "a@hcl.mssante.fr"), ("PER", "anne@medecin.mssante.fr")]


def test_a_part_of_a_resource_is_never_taken_for_all_of_it() -> None:
    person, role = ANNE.resources()
    part = {"meta": {"tag": [{"code": "SUBSETTED"}]}}
    with pytest.raises(NotWhole):
        read(person | part)
    with pytest.raises(NotWhole):
        read(person, role | part)
    with pytest.raises(NotWhole):
        organization(LYON.resource() | part)


def test_the_service_mailboxes_of_a_structure() -> None:
    site = LYON.resource()
    site["telecom"] = [
        mailbox("cardio@hcl.mssante.fr", "ORG", service="CARDIOLOGIE"),
        mailbox("x@hcl.mssante.fr", "PER"),
    ]
    site["telecom"].append({"system": "email", "value": "accueil@hcl.example"})
    (seen,) = organization(site)
    assert seen.records is not None
    entry = entry_of(seen.ident, to_lines(seen.records))
    assert (entry.id, entry.kind, entry.family) == ("mail:cardio@hcl.mssante.fr", "service", "CARDIOLOGIE – HCL")
    assert not organization({**site, "active": False})


@pytest.mark.parametrize(
    ("postcode", "expected"),
    [
        ("69003", "69"),
        ("20000", "2A"),
        ("20190", "2A"),
        ("20200", "2B"),
        ("97300", "973"),
        ("98000", "980"),
        ("B-100", ""),
        ("", ""),
    ],
)
def test_the_department_of_a_postcode(postcode: str, expected: str) -> None:
    assert department(postcode) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Practitioner/7", "Practitioner/7"),
        ("https://gateway.example/fhir/v2/Practitioner/7", "Practitioner/7"),
        ("Practitioner/7/_history/3", "Practitioner/7"),
    ],
)
def test_references_in_every_form(text: str, expected: str) -> None:
    assert reference({"reference": text}) == expected
    assert reference({}) == reference(None) == reference({"reference": 7}) == ""


@pytest.mark.parametrize(
    "odd",
    [
        {"name": [{"text": "Leclerc Sophie"}]},
        {"name": "x"},
        {"name": []},
        {"telecom": {"value": "x"}, "qualification": [None, {"code": 7}], "identifier": 3},
        {"telecom": [{"value": 7, "extension": [{"url": 1}]}]},
    ],
)
def test_odd_values_break_nothing(odd: dict[str, Any]) -> None:
    person = next(ANNE.resources()) | odd
    practitioner(person, [{"organization": 7}], {}, LABELS)
