"""HL7 v2: results with their flags, names in use, embedded documents; odd and hostile messages."""

from __future__ import annotations

import base64
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.documents import ReadDocuments, patient, read
from bridge.networks.mail.documents.laboratory import hl7v2, segments
from tests.mail.documents import make

HEAD = r"MSH|^~\&|LABO|CHU de Lyon|DPI|Cabinet du Parc|20260301093000+0100||ORU^R01^ORU_R01|7|P|2.5|||||FRA|8859/1"
PID = (
    f"PID|1||IPP7^^^CHU&1.2.250.1.999.1&ISO^PI~{make.INS}^^^ASIP-SANTE-INS-NIR&{patient.NIR}&ISO^INS||"
    "LE GOFF^Odile^^^^^D~MARTINEZ-LEROY^Odile^ODILE ANNE^^^^L||19580714|F"
)
REPORT = base64.b64encode(make.PDF).decode()
BODY = [
    "PV1|1|I", "ORC|RE", "OBR|1||D2026-17|NFS^Hémogramme^L|||20260301080000", "NTE|1||Prélevé à 8 h",
    "OBX|1|NM|718-7^Hémoglobine^LN||10.2|g/dL|12.0-16.0|L|||F", "OBX|2|SN|1988-5^CRP^LN||>^200|mg/L|<5|HH~D|||C",
    "OBX|3|CWE|630-4^Culture^LN||ECOLI^Escherichia coli^L|||POS|||F", "OBX|4|NM|NA^Sodium||141|mmol/L|135 - 145|N|||F",
    r"OBX|5|FT|CR^Conclusion||Anémie\.br\à contrôler \T\ revoir 10\S\9|||A|||F",
    f"OBX|6|ED|RP^Compte rendu^L||^application^pdf^Base64^{REPORT}||||||F",
]  # fmt: skip
WHOLE = "\r".join([HEAD, PID, *BODY])


def reading(message: str | bytes, name: str = "resultat.hl7", charset: str = "cp1252") -> ReadDocuments:
    data = message.encode(charset) if isinstance(message, str) else message
    return read([File(name, "application/octet-stream", data)])


def test_the_message_of_a_laboratory() -> None:
    (card,) = read([File("oru.hl7", "x", (make.GOLDEN.parent / "cases" / "oru-r01.hl7").read_bytes())]).cards
    assert card.title == "Résultats (HL7 ORU^R01)"
    assert "Patient : NAISSANCE JEANNE\nSexe : féminin\nNé(e) le : 28/03/1979\nINS : 279035121518989" in card.text
    assert card.text.endswith("Hors limites : 1 sur 1\n\nPotassium : 7.1 mmol/L ▲▲ (3.5 – 5.0)")


def test_another_message_with_every_kind_of_value() -> None:
    found = reading(WHOLE)
    assert found.problems == ()
    (card,) = found.cards
    assert card.text.split("\n") == [
        "Résultats (HL7 ORU^R01)", "Patient : MARTINEZ-LEROY Odile", "Nom utilisé : LE GOFF Odile", "Sexe : féminin",
        "Né(e) le : 14/07/1958", f"INS : {make.INS} (NIR)", "De : CHU de Lyon", "Pour : Cabinet du Parc",
        "Date : 01/03/2026 08:00", "Dossier : D2026-17", "Hors limites : 2 sur 4", "Signalés (⚠) : 1",
        "Joint : document-1 Compte rendu.pdf", "", "Hémogramme", "Prélevé à 8 h",
        "Hémoglobine : 10.2 g/dL ▼ (12.0 – 16.0)", "CRP : >200 mg/L ▲▲ ⚠ (en nette baisse) (≤ 5) (corrigé)",
        "Culture : Escherichia coli ⚠ (positif)", "Sodium : 141 mmol/L (135 – 145)",
        "Conclusion ⚠ (anormal) : Anémie", "à contrôler & revoir 10^9",
        "Compte rendu : [document-1 Compte rendu.pdf]",
    ]  # fmt: skip
    assert card.html.count("<table>") == 1
    assert [(one.name, one.mime, one.data) for one in found.files] == [
        ("document-1 Compte rendu.pdf", "application/pdf", make.PDF)
    ]
    (who,) = found.patients
    assert patient.same_patient(who, make.ODILE) is True


def test_an_earlier_result_says_its_day_and_a_contradiction_is_said() -> None:
    results = [
        "OBR|1|||IONO^Ionogramme|||20260301080000", "OBX|1|NM|K^Potassium||6.9|mmol/L|3.5-5.0|HH|||F|||20260301",
        "OBX|2|NM|K^Potassium||4.1|mmol/L|3.5-5.0|N|||F|||20260214090000",
        "OBX|3|NM|NA^Sodium||120|mmol/L|135-145|N|||F",
    ]  # fmt: skip
    found = reading("\r".join([HEAD, PID, *results]))
    assert found.problems == ("hprim_flag_disagrees",)
    assert found.cards[0].text.endswith(
        "Potassium : 6.9 mmol/L ▲▲ (3.5 – 5.0)\nPotassium (le 14/02/2026) : 4.1 mmol/L (3.5 – 5.0)\n"
        "Sodium : 120 mmol/L ▼ (135 – 145)"
    )


def test_a_cda_inside_has_its_own_card() -> None:
    inner = base64.b64encode(make.cda(make.section(make.TABLE))).decode()
    message = "\r".join([HEAD, PID, f"OBX|1|ED|x^CR||^TEXT^XML^Base64^{inner}"]).replace("ORU^R01^ORU_R01", "MDM^T02")
    found = reading(message)
    assert [card.title for card in found.cards] == ["Document médical (HL7 MDM^T02)", "Bilan du 1er mars"]
    assert len(found.patients) == 1


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\n\r\n"])
def test_line_ends_and_frames(end: str) -> None:
    framed = "\x0b" + WHOLE.replace("\r", end) + "\x1c\r"
    assert reading(framed) == reading(WHOLE)


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_charsets(charset: str) -> None:
    assert "Hémoglobine" in reading(WHOLE, charset=charset).cards[0].text


def test_a_charset_that_the_message_names() -> None:
    message = WHOLE.replace("8859/1", "8859/15").replace("Prélevé", "œuvre à 5 €")
    assert "œuvre à 5 € à 8 h" in reading(message, charset="iso8859-15").cards[0].text


def test_other_separators() -> None:
    message = WHOLE.replace("|", "#").replace("^", "@").replace("\\S\\", "^")
    assert "Hémoglobine : 10.2 g/dL ▼ (12.0 – 16.0)" in reading(message).cards[0].text


def test_batches_and_two_patients() -> None:
    other = "\r".join([HEAD, PID.replace("MARTINEZ-LEROY", "NOIRMONT").replace(make.INS, "9" * 15), BODY[4]])
    found = reading("\r".join([r"FHS|^~\&|x", r"BHS|^~\&|x", WHOLE, other, "BTS|2", "FTS|1"]))
    assert len(found.cards) == 2
    assert found.problems == ("several_patients",)


def test_a_text_with_line_ends_of_its_own_stays_whole() -> None:
    message = "\r\n".join([HEAD, PID, "OBX|1|TX|CR^Conclusion||ligne 1", "Suite de la ligne", "OBX|2|NM|NA^Na||141"])
    assert "Conclusion : ligne 1\nSuite de la ligne\nNa : 141" in reading(message).cards[0].text


@pytest.mark.parametrize(
    ("segment", "problem"),
    [
        ("AL1|1|DA|PENI^Pénicilline", "hl7_more"), ("DG1|1||E11", "hl7_more"),
        ("OBX|1|RP|x^Image||http://e.example/x", "hl7_elsewhere"),
        ("OBX|1|ED|x^CR||^application^pdf^Base64^####", "hl7_bad_document"),
        ("OBX|1|ED|x^CR", ""), ("OBX", ""), ("OBX|||||", ""), ("NTE|1||a~b", ""),
    ],
)  # fmt: skip
def test_what_is_not_shown_is_said(segment: str, problem: str) -> None:
    found = reading("\r".join([HEAD, PID, segment]))
    assert found.problems == ((problem,) if problem else ())
    assert len(found.cards) == 1


def test_hostile_escapes_cost_nothing_and_nothing_of_them_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    escapes = r"a\.sp999999999\\Zsecret\\Xzz\\X41\\H\gras\N\\E\fin"
    text = reading("\r".join([HEAD, PID, f"OBX|1|TX|x^Secret||{escapes}"])).cards[0].text
    assert text.endswith("Secret : a\n\\Zsecret\\\\Xzz\\Agras\\fin")
    assert len(text) < 1000
    assert "ecret" not in caplog.text


@pytest.mark.parametrize("mark", ["^", "~", "&", "|", "\rOBX|"])
def test_a_message_of_separators_is_refused(mark: str) -> None:
    found = reading(f"{HEAD}\r{PID}\rOBX|1|TX|x||{mark * 200_000}")
    assert found.problems == ("refused: hl7_too_large",)
    with pytest.raises(Refused, match="hl7_too_large"):
        hl7v2.parse(b"MSH|^~\\&|" + bytes(segments.MOST_BYTES))


def test_recognised_by_its_beginning() -> None:
    assert reading(WHOLE, "x.txt").cards
    assert reading(WHOLE, "x.bin").cards
    assert read([], body=WHOLE.replace("\r", "\n")).rest == ""
    for other in ("MSHA is a name", "MSH", "", "H|~^\\&|x", "Bonjour MSH|^~\\&|"):
        assert reading(other).cards == ()
    assert reading("BHS|^~\\&|x").problems == ("unreadable: hl7_no_record",)


def test_nothing_of_it_is_in_a_repr() -> None:
    record = hl7v2.parse(WHOLE.encode("cp1252"))
    assert not any(word in repr(record) + repr(reading(WHOLE)) for word in ("MARTINEZ", "Odile", "1958", "Anémie"))


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.data())
def test_damaged_messages_never_crash(data: st.DataObject) -> None:
    changed = WHOLE
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(changed)))
        piece = data.draw(
            st.sampled_from(["", "|", "^", "~", "&", "\\", "\r", "\0", "MSH|", '""', "\rMSH|^~\\&|", "é"])
        )
        changed = changed[:place] + piece + changed[place + data.draw(st.integers(0, 30)) :]
    found = reading(changed)
    assert "unreadable: hl7" not in found.problems
