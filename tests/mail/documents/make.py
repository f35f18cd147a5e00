"""Invented documents for the tests: a CDA, archives good and bad, TNEF streams. No real person."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents.patient import Patient
from bridge.networks.mail.documents.xdm_compose import ArchiveEntry, Author, Code, Submission, compose

GOLDEN = Path(__file__).parent / "golden" / "documents"
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
NUMBER = "2580756123456"
INS = NUMBER + patients.ins_key(NUMBER)
ODILE = patients.make([(patients.NIR, INS)], ["MARTINEZ-LEROY"], ["Odile"], "19580714", "F")
MOMENT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
PAUL = Author("DELORME", "Paul", "810009999999", "Clinique du Port")
LOINC = "2.16.840.1.113883.6.1"


def golden(name: str, value: Any) -> None:
    """Compare with what is written down; regenerate with ``GOLDEN=write``."""
    path = GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8", newline="\n")
    assert value == json.loads(path.read_text("utf-8"))


def plain(patient: Patient) -> Any:
    names = [sorted(patient.families), sorted(patient.givens)]
    return [sorted(map(list, patient.ids)), *names, patient.birth, patient.sex, patient.label]


def cda(body: str, *, number: str = INS, family: str = "MARTINEZ-LEROY", given: str = "Odile", head: str = "") -> bytes:
    """A CDA with this body (what stands inside the outer ``component``)."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>{head}
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/><id root="1.2.3.4" extension="doc-7"/>
<code code="11502-2" displayName="CR d'examens biologiques" codeSystem="{LOINC}"/><title>Bilan du 1er mars</title>
<effectiveTime value="20260301093000+100"/><confidentialityCode code="N"/><setId root="1.2.3.4" extension="set-7"/>
<versionNumber value="2"/><recordTarget><patientRole><id root="{patients.NIR}" extension="{number}"/>
<id root="1.2.250.1.999.1" extension="IPP-55"/><patient><name><family qualifier="BR">{family}</family>
<given>{given} ANNE</given><given qualifier="BR">{given}</given></name>
<administrativeGenderCode code="F"/><birthTime value="19580714"/></patient></patientRole></recordTarget>
<author><time value="20260301"/><assignedAuthor><id root="1.2.250.1.71.4.2.1" extension="810009999999"/>
<assignedPerson><name><prefix>M</prefix><given>Paul</given><family>DELORME</family><suffix>DR</suffix></name>
</assignedPerson><representedOrganization><name>Clinique du Port</name></representedOrganization></assignedAuthor>
</author>
<informationRecipient><intendedRecipient><informationRecipient><name><given>Anna</given><family>ROUX</family></name>
</informationRecipient></intendedRecipient></informationRecipient>
<relatedDocument typeCode="RPLC">
<parentDocument><id root="1.2.3.4" extension="doc-6"/></parentDocument></relatedDocument>
<component>{body}</component></ClinicalDocument>""".encode()


def section(text: str, title: str = "Biochimie") -> str:
    inner = f"<section><title>{title}</title><text>{text}</text></section>"
    return f"<structuredBody><component>{inner}</component></structuredBody>"


TABLE = (
    "<paragraph>Prélèvement <content styleCode='Bold'>à jeun</content></paragraph>"
    "<table border='0'><caption>Ionogramme</caption><thead><tr><th colspan='2'>Analyse</th><th>Valeur</th></tr></thead>"
    "<tbody><tr><td>Sodium</td><td>mmol/L</td><td>141</td></tr>"
    "<tr><td rowspan='2'>Potassium &lt;K&gt;</td><td>mmol/L</td>"
    "<td><content styleCode='Bold xAbnormal'>5,9</content></td></tr>"
    "</tbody></table><list listType='ordered'><item>à contrôler</item><item>CO<sub>2</sub></item></list>"
)


def entry(data: bytes, mime: str = "text/xml", title: str = "Bilan du 1er mars") -> ArchiveEntry:
    codes = (
        ("class", Code("11", "1.2.250.1.213.1.1.4.1", "Comptes rendus")),
        ("type", Code("11502-2", LOINC, "CR d'examens biologiques")),
        ("format", Code("urn:ihe:lab:xd-lab:2008", "1.3.6.1.4.1.19376.1.2.3")),
        ("confidentiality", Code("N", "2.16.840.1.113883.5.25", "Normal")),
        ("facility", Code("SA01", "1.2.250.1.71.4.2.4", "Établissement")),
        ("practice", Code("BIO", "1.2.250.1.213.1.1.4.9", "Biologie")),
    )
    return ArchiveEntry(data, mime, title, MOMENT, PAUL, codes)


def submission(*entries: ArchiveEntry, patient: Patient = ODILE) -> Submission:
    content = Code("04", "1.2.250.1.213.2.2", "Résultats")
    return Submission(
        entries,
        patient,
        PAUL,
        MOMENT,
        "1.2.250.1.999.9",
        content,
        contact="02 97 00 00 00",
        family="MARTINEZ-LEROY",
        given="Odile",
    )


def archive(*entries: ArchiveEntry) -> bytes:
    return compose(submission(*entries))


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as one:
        for name, data in files.items():
            one.writestr(zipfile.ZipInfo(name, (2026, 3, 1, 9, 30, 0)), data, method)
    return packed.getvalue()


def metadata(objects: str) -> bytes:
    listed = f"<RegistryObjectList>{objects}</RegistryObjectList>"
    return f'<SubmitObjectsRequest xmlns="x">{listed}</SubmitObjectsRequest>'.encode()


def xdm_files(objects: str, **documents: bytes) -> dict[str, bytes]:
    """An archive's files with hand-written metadata; names of documents with ``_`` for the dot."""
    found = {"IHE_XDM/SUBSET01/METADATA.XML": metadata(objects)}
    return found | {f"IHE_XDM/SUBSET01/{name.replace('_', '.')}": data for name, data in documents.items()}


def slot(name: str, *values: str) -> str:
    inner = "".join(f"<Value>{value}</Value>" for value in values)
    return f'<Slot name="{name}"><ValueList>{inner}</ValueList></Slot>'


# TNEF (MS-OXTNEF 2.1.3.2): level, id, type, length, data, checksum


def tnef_object(level: int, name: int, kind: int, data: bytes) -> bytes:
    return struct.pack("<BHHI", level, name, kind, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def tnef_property(kind: int, name: int, value: bytes) -> bytes:
    padded = value + bytes(-len(value) % 4)
    return struct.pack("<HHII", kind, name, 1, len(value)) + padded


def tnef_properties(*found: bytes) -> bytes:
    return struct.pack("<I", len(found)) + b"".join(found)


def tnef(body: str, *files: tuple[str, bytes], extra: bytes = b"") -> bytes:
    stream = struct.pack("<IH", 0x223E9F78, 1) + tnef_object(1, 0x9006, 8, struct.pack("<I", 0x10000))
    stream += tnef_object(1, 0x9007, 6, struct.pack("<II", 1252, 0)[:4])
    text = tnef_property(0x1F, 0x1000, (body + "\0").encode("utf-16-le"))
    stream += tnef_object(1, 0x9003, 6, tnef_properties(text)) + extra
    for name, data in files:
        long_name = tnef_property(0x1F, 0x3707, (name + "\0").encode("utf-16-le"))
        stream += tnef_object(2, 0x9002, 6, bytes(14)) + tnef_object(2, 0x8010, 1, b"PIECE~1.BIN\0")
        stream += tnef_object(2, 0x800F, 6, data) + tnef_object(2, 0x9005, 6, tnef_properties(long_name))
    return stream
