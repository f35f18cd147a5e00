"""IHE XDM archives: what we write others can read, what others write we read, and what is hostile stays closed."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
import stat
import struct
import zipfile
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents import read, words, xdm, zipsafe
from bridge.networks.mail.documents.xdm_compose import Submission
from tests.mail.documents import make

CDA = make.cda(make.section(make.TABLE))
GOOD = make.archive(make.entry(CDA), make.entry(make.PDF, "application/pdf", "Bilan (PDF)"))


def refused(data: bytes, limits: zipsafe.ZipLimits | None = None) -> str:
    with pytest.raises(Refused) as no:
        zipsafe.unpack(data, limits)
    return no.value.code


def reading(data: bytes, name: str = "IHE_XDM.ZIP") -> tuple[str, ...]:
    found = read([File(name, "application/zip", data)])
    assert not found.files
    return found.problems


# what we write


def test_what_is_written_is_read_again() -> None:
    found = xdm.parse(GOOD)
    assert found.problems == ()
    first, second = found.documents
    assert (first.name, first.mime, first.data) == ("DOC00001.XML", "text/xml", CDA)
    assert (first.title, first.type_code, first.type_label) == (
        "Bilan du 1er mars",
        "11502-2",
        "CR d'examens biologiques",
    )
    assert (first.created, first.author) == ("20260301093000", "Paul DELORME")
    assert first.unique_id.startswith("2.25.")
    assert (second.name, second.mime, second.data) == ("DOC00002.PDF", "application/pdf", make.PDF)
    (patient,) = found.patients
    assert patients.same_patient(patient, make.ODILE) is True
    assert (patient.ins, patient.label) == (make.INS, "MARTINEZ-LEROY Odile")


def test_the_same_input_gives_the_same_bytes() -> None:
    assert make.archive(make.entry(CDA), make.entry(make.PDF, "application/pdf", "Bilan (PDF)")) == GOOD


def test_names_are_those_of_iso_9660() -> None:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as one:
        names = one.namelist()
        readme, index = one.read("README.TXT"), one.read("INDEX.HTM").decode()
    assert names[:3] == ["README.TXT", "INDEX.HTM", "IHE_XDM/SUBSET01/METADATA.XML"]
    assert all(re.fullmatch(r"(?:[A-Z0-9_]{1,8}/)*[A-Z0-9_]{1,8}\.[A-Z]{3}", name) for name in names)
    assert readme.isascii()
    assert b"\n" not in readme.replace(b"\r\n", b"")
    assert b"DELORME" in readme
    assert b"MARTINEZ" not in readme
    assert 'href="IHE_XDM/SUBSET01/DOC00001.XML"' in index


def test_metadata_is_linked_and_complete() -> None:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as one:
        root = etree.fromstring(one.read("IHE_XDM/SUBSET01/METADATA.XML"))
    space = {"r": "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"}
    documents = root.findall(".//r:ExtrinsicObject", space)
    package = root.find(".//r:RegistryPackage", space)
    assert package is not None
    links = root.findall(".//r:Association", space)
    assert [link.get("sourceObject") for link in links] == [package.get("id")] * 2
    assert [link.get("targetObject") for link in links] == [one.get("id") for one in documents]
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    hashes = [one.findtext("r:Slot[@name='hash']/r:ValueList/r:Value", None, space) for one in documents]
    assert hashes == [hashlib.sha1(data).hexdigest() for data in (CDA, make.PDF)]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (make.submission(), "xdm_no_document"),
        (make.submission(make.entry(b"x"), patient=patients.make((), ["X"])), "xdm_no_patient_id"),
    ],
)
def test_what_cannot_conform_is_not_written(sent: Submission, code: str) -> None:
    with pytest.raises(Refused, match=code):
        xdm.compose(sent)


def test_values_cannot_break_out_of_their_field() -> None:
    odd = patients.make([("1.2.3", "12^&|~\r\n<>\x01")])
    sent = make.submission(make.entry(b"<a/>", title='"><x>\x00\x0b'), patient=odd)
    found = xdm.parse(xdm.compose(dataclasses.replace(sent, family="A^B|C~D", given="E\\F")))
    assert found.problems == ()
    assert found.documents[0].title == '"><x>'
    (patient,) = found.patients
    assert len(patient.ids) == 1
    assert patient.families == {"A B C D"}


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=200), st.text(max_size=40)), min_size=1, max_size=5))
def test_any_documents_come_back(documents: list[tuple[bytes, str]]) -> None:
    entries = [make.entry(b"x" + data, "text/plain", title) for data, title in documents]
    found = xdm.parse(make.archive(*entries))
    assert [one.data for one in found.documents] == [one.data for one in entries]
    assert found.problems == ()


# what others write


def test_messy_metadata_is_read() -> None:
    """Lower-case elements, no schemes, names instead, a URI in parts, spaces, two ids."""
    objects = (
        '<extrinsicobject id="d1" mimeType="text/xml; charset=utf-8">'
        + make.slot("uri", "2|01.XML", "1|DOC000")
        + make.slot("sourcePatientId", f" {make.INS}^^^&amp;{patients.NIR}&amp;ISO ")
        + make.slot("sourcePatientInfo", "PID-5|MARTINEZ-LEROY^Odile^^^^^D~AUTRE^Odile", "PID-7|19580714", "PID-8|F")
        + '<classification id="typeCode1" nodeRepresentation=" 34112-3 "><name><localizedstring value="CR"/></name>'
        "</classification>"
        '<externalidentifier identificationScheme="urn:uuid:" value="1.2.3^9"><name><localizedstring '
        'value="XDSDocumentEntry.uniqueId"/></name></externalidentifier></extrinsicobject>'
    )
    found = xdm.parse(make.zipped(make.xdm_files(objects, DOC00001_XML=b"<a/>")))
    (document,) = found.documents
    assert (document.mime, document.type_code, document.type_label) == ("text/xml", "34112-3", "CR")
    assert document.unique_id == "1.2.3^9"
    assert found.problems == ()
    (patient,) = found.patients
    assert patients.same_patient(patient, make.ODILE)


def test_size_and_hash_are_told_not_refused() -> None:
    slots = make.slot("URI", "A.TXT") + make.slot("size", "3") + make.slot("hash", "00")
    objects = f'<ExtrinsicObject id="d">{slots}</ExtrinsicObject>'
    found = xdm.parse(make.zipped(make.xdm_files(objects, A_TXT=b"four")))
    assert found.problems == ("xdm_size", "xdm_hash")
    assert [one.data for one in found.documents] == [b"four"]


def test_missing_unlisted_and_twice_named_documents() -> None:
    objects = "".join(f'<ExtrinsicObject id="{n}">{make.slot("URI", uri)}</ExtrinsicObject>' for n, uri in
                      enumerate(["A.TXT", "../../../etc/passwd", "a.txt"]))  # fmt: skip
    found = xdm.parse(make.zipped(make.xdm_files(objects, A_TXT=b"a", B_TXT=b"b")))
    assert [one.name for one in found.documents] == ["A.TXT", "B.TXT"]
    assert found.problems == ("xdm_document_missing", "xdm_unlisted")


def test_a_replacement_is_said() -> None:
    objects = (
        f'<ExtrinsicObject id="d1">{make.slot("URI", "A.PDF")}</ExtrinsicObject>'
        '<Association associationType="urn:ihe:iti:2007:AssociationType:RPLC" sourceObject="d1" targetObject="old"/>'
    )
    found = read([File("ihe-xdm.zip", "application/zip", make.zipped(make.xdm_files(objects, A_PDF=make.PDF)))])
    assert found.problems == ("xdm_replaces",)
    assert [one.name for one in found.files] == ["A.PDF"]


def test_a_mail_with_archive_and_the_same_pdf_shows_it_once() -> None:
    beside = File("20260301_Bilan_MARTINEZ-LEROY_Odile.pdf", "application/pdf", make.PDF)
    found = read([File("IHE_XDM.zip", "application/zip", GOOD), beside])
    assert found.files == ()
    assert [card.title for card in found.cards] == ["Bilan du 1er mars"]
    assert len(found.patients) == 1
    assert found.problems == ()


def test_other_archives_stay_closed() -> None:
    bomb = make.zipped({"a": bytes(5 << 20)})
    assert read([File("photos.zip", "application/zip", bomb)]) == read([])


# what is hostile


def patched(data: bytes, place: int, value: int, form: str = "<I") -> bytes:
    """The archive with one field of its first central header changed (APPNOTE 4.3.12)."""
    changed = bytearray(data)
    struct.pack_into(form, changed, data.index(b"PK\x01\x02") + place, value)
    return bytes(changed)


def test_a_bomb_by_ratio() -> None:
    assert refused(make.zipped({"a": bytes(8 << 20)})) == "zip_ratio"


def test_a_bomb_by_number() -> None:
    assert refused(make.zipped({f"f{n}": b"" for n in range(201)})) == "zip_entries"
    assert refused(b"PK\x01\x02" * 500_000) == "zip_entries"


def test_a_bomb_by_total() -> None:
    assert refused(make.zipped({f"f{n}": bytes(1 << 20) for n in range(65)})) == "zip_too_large"
    assert refused(make.zipped({"a": bytes(99)}), zipsafe.ZipLimits(entry=98)) == "zip_too_large"


def test_a_bomb_in_an_archive_in_an_archive_is_not_opened() -> None:
    inner = make.zipped({"a": bytes(8 << 20)})
    listed = f'<ExtrinsicObject id="d">{make.slot("URI", "A.PDF")}</ExtrinsicObject>'
    assert reading(make.zipped(make.xdm_files(listed, A_PDF=inner))) == ("refused: zip_nested",)
    assert reading(make.zipped(make.xdm_files("", B_ZIP=inner))) == ("refused: zip_nested",)


def test_entries_that_share_bytes() -> None:
    """The second entry of the directory points at the bytes of the first."""
    data = make.zipped({"aa": b"x" * 500, "ab": b"x" * 500}, zipfile.ZIP_STORED)
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    changed = bytearray(data)
    struct.pack_into("<I", changed, second + 42, 0)
    assert refused(bytes(changed)) == "zip_overlap"


def test_sizes_that_lie() -> None:
    data = make.zipped({"a": b"x" * 1000})
    assert refused(patched(data, 24, 10)) == "zip_damaged"  # says it is smaller than it is
    assert refused(patched(data, 24, 5000)) == "zip_damaged"  # says it is larger
    assert refused(patched(data, 20, 10**6)) in ("zip_damaged", "zip_overlap")  # packed size
    assert refused(patched(data, 24, 0xFFFFFFFF)) in ("zip_too_large", "zip_damaged")
    assert refused(patched(data, 16, 1)) == "zip_damaged"  # checksum


def test_a_stream_longer_than_stated_is_cut_at_the_statement() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = packer.compress(bytes(50 << 20)) + packer.flush()
    data = make.zipped({"a": b"q" * len(stream)}, zipfile.ZIP_STORED).replace(b"q" * len(stream), stream)
    for place in (10, 24):
        data = patched(data, place, 8 if place == 10 else 900, "<H" if place == 10 else "<I")
    data = data[:8] + struct.pack("<H", 8) + data[10:]
    assert refused(data) == "zip_damaged"


@pytest.mark.parametrize(
    "name",
    [
        "../x", "a/../../x", "/etc/passwd", "C:/x", "c:x", "..\\x", "a\\b", "a/./b", "a//b", ".", "..", "a/..",
        "x\x01y", "n" * 241, "a\uff0fb/\u2024\u2024/../c", "\uff0e\uff0e/x",
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere(name: str) -> None:
    assert refused(make.zipped({name: b"x"})) == "zip_name"


def test_a_name_with_nul() -> None:
    assert refused(make.zipped({"aXb.txt": b"x"}).replace(b"aXb", b"a\0b")) in ("zip_name", "zip_damaged")


@pytest.mark.parametrize(("one", "two"), [("a.TXT", "A.txt"), ("é", "e\u0301"), ("ﬁ", "fi"), ("a", "a/"), ("a.", "a")])
def test_names_that_are_equal_somewhere(one: str, two: str) -> None:
    assert refused(make.zipped({one: b"1", two: b""})) == "zip_duplicate"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices(kind: int) -> None:
    info = zipfile.ZipInfo("a")
    info.external_attr = (kind | 0o777) << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as one:
        one.writestr(info, "/etc/passwd")
    assert refused(packed.getvalue()) == "zip_link"


def test_encrypted_entries_and_other_methods() -> None:
    assert refused(patched(make.zipped({"a": b"x"}), 8, 1, "<H")) == "zip_encrypted"
    assert refused(make.zipped({"a": b"x"}, zipfile.ZIP_BZIP2)) == "zip_method"
    assert refused(make.zipped({"a": b"x"}, zipfile.ZIP_LZMA)) == "zip_method"


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">',
    ],
)
def test_metadata_with_entities(head: str) -> None:
    files = make.xdm_files("<ExtrinsicObject/>")
    files["IHE_XDM/SUBSET01/METADATA.XML"] = head.encode() + files["IHE_XDM/SUBSET01/METADATA.XML"]
    assert reading(make.zipped(files)) == ("refused: xml_dtd",)


def test_what_a_reading_says_of_them() -> None:
    assert reading(make.zipped({"IHE_XDM/SUBSET01/METADATA.XML": bytes(8 << 20)})) == ("refused: zip_ratio",)
    assert reading(make.zipped({"../IHE_XDM/x": b""}), "x.zip") == ("refused: zip_name",)
    assert reading(b"PK\x03\x04 no archive") == ("unreadable: zip_damaged",)
    assert reading(b"") == ("unreadable: zip_damaged",)
    assert reading(make.zipped({"IHE_XDM/A.TXT": b""})) == ("unreadable: xdm_no_metadata",)
    for problem in ("refused: zip_ratio", "unreadable: zip_damaged", "xdm_hash", "anything"):
        french, english = words.say(problem)
        assert french
        assert english


def test_too_many_documents_are_bounded() -> None:
    objects = f"<ExtrinsicObject>{make.slot('URI', 'A.TXT')}</ExtrinsicObject>" * 101
    assert reading(make.zipped(make.xdm_files(objects, A_TXT=b"a"))) == ("refused: xdm_too_many",)


@settings(max_examples=300, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(st.data())
def test_damaged_archives_never_crash(data: st.DataObject) -> None:
    changed = bytearray(GOOD)
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=20)):
        changed[place] = value
    cut = data.draw(st.integers(0, len(GOOD)))
    found = read([File("IHE_XDM.ZIP", "application/zip", bytes(changed[:cut]))])
    assert sum(one.size for one in found.files) <= 2 * len(GOOD) + len(CDA) * 10
    assert not any(problem == "unreadable: xdm" for problem in found.problems)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.data())
def test_damaged_metadata_never_crashes(data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as one:
        whole = one.read("IHE_XDM/SUBSET01/METADATA.XML").decode()
    place = data.draw(st.integers(0, len(whole)))
    end = min(len(whole), place + data.draw(st.integers(0, 60)))
    mutated = whole[:place] + data.draw(st.text(max_size=10)) + whole[end:]
    files = {"IHE_XDM/SUBSET01/METADATA.XML": mutated.encode(), "IHE_XDM/SUBSET01/DOC00001.XML": CDA}
    found = read([File("IHE_XDM.ZIP", "application/zip", make.zipped(files))])
    assert not any(problem == "unreadable: xdm" for problem in found.problems)
