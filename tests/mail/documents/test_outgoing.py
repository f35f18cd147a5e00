"""Documents written in chat leave as a conforming mail: archive, PDF, subject, headers; one patient in each mail."""

from __future__ import annotations

import base64
import io
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.documents import outgoing, read, xdm
from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents.cda import header as cda_header
from bridge.networks.mail.documents.outgoing import Carried, Conformed, Sender, carried, conform
from bridge.networks.mail.documents.xdm_compose import Author, Code
from tests.mail.documents import make

AT = 1_772_400_000_000  # 2026-03-01, in milliseconds
CLEO = Sender(Author("Petit", "Cléo", "810000000003"), "cleo.petit@hub.example", "hub.example")
OTHER_NUMBER = "1710475123456"
OTHER_INS = OTHER_NUMBER + patients.ins_key(OTHER_NUMBER)
SUBJECT = "XDM/1.0/DDM+CR d'examens biologiques MARTINEZ-LEROY Odile 14/07/1958"
PDF_NAME = "20260301_CR d'examens biologiques_MARTINEZ-LEROY_Odile.pdf"


def scanned(pdf: bytes = make.PDF) -> str:
    data = base64.b64encode(pdf).decode()
    return f'<nonXMLBody><text mediaType="application/pdf" representation="B64">{data}</text></nonXMLBody>'


def document(name: str = "cr.xml", data: bytes = b"") -> File:
    return File(name, "text/xml", data or make.cda(make.section(make.TABLE)))


ODILE = document()
ODILE_PDF = document("cr-pdf.xml", make.cda(scanned()))
PAUL = document("paul.xml", make.cda(make.section("x"), number=OTHER_INS, family="MARTIN", given="Paul"))
LOOSE = File("n'importe.pdf", "application/pdf", b"%PDF-1.7 loose")
PHOTO = File("plaie.jpg", "image/jpeg", b"\xff\xd8\xff\xe0 photo")


def made(*messages: tuple[File, ...], wanted: bool = False) -> Conformed:
    found = conform([carried(one) for one in messages], CLEO, AT, wanted=wanted)
    assert found is not None
    return found


def left(*messages: tuple[File, ...]) -> Conformed | None:
    return conform([carried(one) for one in messages], CLEO, AT)


# what the mail gets


def test_a_document_becomes_a_conforming_mail() -> None:
    found = made((ODILE_PDF, PHOTO))
    assert found.subject == SUBJECT
    assert dict(found.mss) == {"X-MSS-CODECDA": "11502-2", "X-MSS-INS": "O"}
    assert [(f.name, f.mime) for f in found.files] == [
        ("IHE_XDM.ZIP", "application/zip"), (PDF_NAME, "application/pdf"), ("plaie.jpg", "image/jpeg"),
    ]  # fmt: skip
    assert found.files[1].data == make.PDF
    assert found.files[2] is PHOTO
    assert patients.same_patient(found.patient, make.ODILE)


def test_the_archive_says_what_the_header_says() -> None:
    archive = made((ODILE_PDF,)).files[0].data
    found = xdm.parse(archive)
    assert found.problems == ()
    (inside,) = found.documents
    assert (inside.name, inside.mime, inside.data) == ("DOC00001.XML", "text/xml", ODILE_PDF.data)
    assert (inside.title, inside.type_code, inside.type_label) == (
        "Bilan du 1er mars", "11502-2", "CR d'examens biologiques",
    )  # fmt: skip
    assert (inside.created, inside.author) == ("20260301083000", "Paul DELORME")
    (patient,) = found.patients
    assert (patient.ins, patient.label, patient.birth) == (make.INS, "MARTINEZ-LEROY Odile", "1958-07-14")
    with zipfile.ZipFile(io.BytesIO(archive)) as one:
        metadata = one.read("IHE_XDM/SUBSET01/METADATA.XML").decode()
        readme = one.read("README.TXT").decode()
    assert "urn:ihe:iti:xds-sd:pdf:2008" in metadata
    assert "810000000003^Petit^Cl\u00e9o" in metadata
    assert "cleo.petit@hub.example" in readme
    assert "MARTINEZ" not in readme


def test_the_same_gives_the_same_bytes() -> None:
    assert made((ODILE_PDF, PHOTO)) == made((ODILE_PDF, PHOTO))


def test_nothing_of_it_is_in_a_repr() -> None:
    said = repr([made((ODILE_PDF,)), carried((ODILE_PDF,)), CLEO, carried((ODILE_PDF,)).sheets])
    assert not any(word in said for word in ("MARTINEZ", "Odile", make.INS, "biologiques", "DELORME", "cleo.petit"))


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ((ODILE, LOOSE), [PDF_NAME]),  # the PDF of the same message
        ((ODILE, LOOSE, File("b.pdf", "application/pdf", b"%PDF-2")), ["n'importe.pdf", "b.pdf"]),  # no telling which
        ((ODILE_PDF, LOOSE), [PDF_NAME, "n'importe.pdf"]),
        ((ODILE_PDF, File("copie.pdf", "application/pdf", make.PDF)), [PDF_NAME]),  # the same bytes once
        ((ODILE,), []),
        ((ODILE, File("faux.pdf", "application/pdf", b"MZ")), ["faux.pdf"]),
    ],
)
def test_the_pdf_beside_it(files: tuple[File, ...], names: list[str]) -> None:
    assert [f.name for f in made(files).files[1:]] == names


def test_a_pdf_of_another_message_keeps_its_name() -> None:
    assert [f.name for f in made((ODILE,), (LOOSE,)).files] == ["IHE_XDM.ZIP", "n'importe.pdf"]


def test_several_documents_of_one_patient() -> None:
    second = document("b.xml", make.cda(scanned(b"%PDF-1.4 second")).replace(b"11502-2", b"34112-3"))
    found = made((ODILE_PDF,), (second, PHOTO))
    assert found.mss["X-MSS-CODECDA"] == "11502-2,34112-3"
    assert [f.name for f in found.files] == [
        "IHE_XDM.ZIP", PDF_NAME.replace(".pdf", "_1.pdf"), PDF_NAME.replace(".pdf", "_2.pdf"), "plaie.jpg",
    ]  # fmt: skip
    assert [d.data for d in xdm.parse(found.files[0].data).documents] == [ODILE_PDF.data, second.data]
    other = document("c.xml", make.cda("").replace(b"CR d'examens biologiques", b"Ordonnance"))
    assert made((ODILE,), (other,)).subject.startswith("XDM/1.0/DDM+Documents médicaux MARTINEZ-LEROY Odile")


@pytest.mark.parametrize(
    ("old", "new", "ins"),
    [
        ("", "", "O"),
        (patients.NIR, patients.TEST_NIR, "O"),
        (patients.NIR, "1.2.250.1.999.7", "N"),  # a number of somebody else's
        (make.INS, make.NUMBER, "N"),  # without its key nobody can tell
        (make.INS, make.NUMBER + "00", "N"),
        ('<birthTime value="19580714"/>', "", "N"),  # the traits belong to a qualified identity
        ('<administrativeGenderCode code="F"/>', "", "N"),
    ],
)
def test_when_the_identity_counts_as_qualified(old: str, new: str, ins: str) -> None:
    data = ODILE.data.decode().replace(old, new) if old else ODILE.data.decode()
    assert made((document("x.xml", data.encode()),)).mss["X-MSS-INS"] == ins


def test_an_archive_that_is_there_already_leaves_as_it_is() -> None:
    packed = make.archive(make.entry(ODILE_PDF.data))
    found = made((File("ihe_xdm (2).zip", "application/zip", packed),))
    assert [f.name for f in found.files] == ["IHE_XDM.ZIP", PDF_NAME]
    assert found.files[0].data == packed
    assert found.subject == SUBJECT
    assert found.mss["X-MSS-CODECDA"] == "11502-2"


# what cannot conform


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<ClinicalDocument><broken>", "xdm_unreadable"),
        (b'<!DOCTYPE x><ClinicalDocument xmlns="urn:hl7-org:v3"/>', "xdm_unreadable"),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>', "xdm_no_patient_id"),
    ],
)
def test_it_leaves_as_it_is_or_the_one_who_asked_is_told(data: bytes, code: str) -> None:
    files = (document("x.xml", data), PHOTO)
    assert left(files) is None
    with pytest.raises(Refused) as no:
        made(files, wanted=True)
    assert no.value.code == code


def test_without_a_document_there_is_nothing_to_conform() -> None:
    assert left((LOOSE, PHOTO), ()) is None
    assert left(()) is None
    with pytest.raises(Refused, match="xdm_no_document"):
        made((LOOSE,), wanted=True)


def test_a_broken_one_beside_a_good_one() -> None:
    broken = document("x.xml", b"<ClinicalDocument><broken>")
    assert [f.name for f in made((ODILE, broken)).files] == ["IHE_XDM.ZIP", "x.xml"]
    with pytest.raises(Refused, match="xdm_unreadable"):
        made((ODILE, broken), wanted=True)


@pytest.mark.parametrize("wanted", [False, True])
def test_two_patients_never_share_a_mail(wanted: bool) -> None:
    data = (make.GOLDEN / "labo_cp1252.hpr").read_bytes()
    assert [f.name for f in made((ODILE, File("r.hpr", "text/plain", data))).files] == ["IHE_XDM.ZIP", "r.hpr"]
    lab = File("r.hpr", "text/plain", data.replace(b"MARTINEZ-LEROY", b"DURAND").replace(b"Odile", b"Luc"))
    nobody = document("y.xml", b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>')
    for other in (PAUL, lab, nobody):
        for messages in ([carried((ODILE, other))], [carried((ODILE,)), carried((other,))]):
            with pytest.raises(Refused, match="xdm_several_patients"):
                conform(messages, CLEO, AT, wanted=wanted)


@pytest.mark.parametrize(
    ("messages", "sizes"),
    [
        ([], []),
        ([(), ()], [2]),
        ([(), (ODILE,), (), (ODILE_PDF,), ()], [5]),
        ([(), (ODILE,), (), (PAUL,), ()], [3, 2]),
        ([(ODILE,), (PAUL,), (ODILE,)], [1, 1, 1]),
        ([(PHOTO,), (ODILE, PAUL), (), (ODILE,)], [1, 1, 2]),
        ([(LOOSE,), (PHOTO,)], [2]),
    ],
)
def test_what_was_gathered_is_divided_by_patient(messages: list[tuple[File, ...]], sizes: list[int]) -> None:
    found = [carried(one) for one in messages]
    assert outgoing.apart(found) == sizes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.sampled_from([ODILE, ODILE_PDF, PAUL, PHOTO, LOOSE]), max_size=3), max_size=6))
def test_no_division_loses_or_mixes_anything(messages: list[list[File]]) -> None:
    known: dict[tuple[str, ...], Carried] = {}
    found = [known.setdefault(tuple(f.name for f in one), carried(one)) for one in messages]
    sizes, start = outgoing.apart(found), 0
    assert sum(sizes) == len(found)
    for size in sizes:
        part = found[start : start + size]
        start += size
        numbers = {number for one in part for sheet in one.sheets for _, number in sheet.patient.ids}
        if make.INS in numbers and OTHER_INS in numbers:
            assert any(len({s.patient for s in one.sheets}) > 1 for one in part)
            with pytest.raises(Refused, match="xdm_several_patients"):
                conform(part, CLEO, AT)
        elif (mail := conform(part, CLEO, AT)) is not None:
            patient = read([mail.files[0]]).patients
            assert len(patient) == 1


# what the writer types, who the writer is


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("/xdm", ""), ("/xdm\nVoici", "Voici"), ("  /XDM \n\nVoici\n/xdm", "Voici\n/xdm"), ("Voici\n/xdm", None),
        ("/xdm voici", None), ("/xdmx", None), ("", None),
    ],
)  # fmt: skip
def test_the_first_line_asks(text: str, rest: str | None) -> None:
    assert outgoing.asked(text) == rest


@pytest.mark.parametrize(
    ("name", "family", "given"),
    [
        ("Cléo Petit", "Petit", "Cléo"), ("Anna MARTIN", "MARTIN", "Anna"),
        ("Jean-Paul LE GOFF", "LE GOFF", "Jean-Paul"),
        ("CARDIOLOGIE", "CARDIOLOGIE", ""), ("ANNA MARIE LE GOFF", "MARIE LE GOFF", "ANNA"), ("", "", ""),
    ],
)  # fmt: skip
def test_names_of_the_directory(name: str, family: str, given: str) -> None:
    found = outgoing.author_of(name, "10000000003", "Hôpital")
    assert (found.family, found.given, found.rpps, found.organisation) == (family, given, "810000000003", "Hôpital")
    assert outgoing.author_of(name, "x").rpps == ""


# the header


def test_the_header_is_read() -> None:
    head = (
        '<languageCode code="fr-CH"/><documentationOf><serviceEvent><effectiveTime><low value="20260215"/>'
        "</effectiveTime><performer><assignedEntity><representedOrganization>"
        '<standardIndustryClassCode code="AMBULATOIRE" codeSystem="1.2.3"/></representedOrganization></assignedEntity>'
        "</performer></serviceEvent></documentationOf><componentOf><encompassingEncounter><location>"
        '<healthCareFacility><code code="SA07" codeSystem="1.2.4"/></healthCareFacility></location>'
        "</encompassingEncounter></componentOf><component>"
    )
    found = cda_header.read(ODILE.data.replace(b"<component><structuredBody>", head.encode() + b"<structuredBody>"))
    assert (found.act, found.language) == ("20260215", "fr-CH")
    assert found.author == Author("DELORME", "Paul", "810009999999", "Clinique du Port")
    codes = dict(found.codes)
    assert codes["practice"] == Code("AMBULATOIRE", "1.2.3")
    assert codes["facility"] == Code("SA07", "1.2.4")
    assert "format" not in codes
    assert "confidentiality" not in codes  # it names no code system
    device = b"<assignedAuthoringDevice><softwareName>Labo 3</softwareName></assignedAuthoringDevice>"
    whole = ODILE.data.replace(b"<assignedPerson>", device + b"<old>").replace(b"</assignedPerson>", b"</old>")
    assert cda_header.read(whole).author.family == "Labo 3"


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("20260301093000+100", datetime(2026, 3, 1, 8, 30, tzinfo=UTC)),
        ("20260301093000+0100", datetime(2026, 3, 1, 8, 30, tzinfo=UTC)),
        ("202603010930-0330", datetime(2026, 3, 1, 13, 0, tzinfo=UTC)),
        ("20260301093000.123", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("20260301", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026", None), ("20261301", None), ("20260301+9999", None),
        ("20260301 environ", datetime(2026, 3, 1, tzinfo=UTC)),
        ("20260301-x", datetime(2026, 3, 1, tzinfo=UTC)), ("", None), ("0000", None), ("hier", None),
    ],
)  # fmt: skip
def test_times(value: str, moment: datetime | None) -> None:
    assert cda_header.moment(value) == moment


# through the hub
