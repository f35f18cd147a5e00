"""HPRIM Médecins: every charset seen, shifted headers, several records, and what is out of range is marked."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.documents import ReadDocuments, patient, read
from bridge.networks.mail.documents.laboratory import card as laboratory_card
from bridge.networks.mail.documents.laboratory import hprim, results
from tests.mail.documents import make

HEAD = [
    "0000004711", "MARTINEZ-LEROY", "Odile", "3 impasse du Phare", "Bât. B", "56100 LORIENT", "14/07/1958",
    f"{make.NUMBER} {make.INS[13:]}", "D2026-17", "01/03/2026", "LAB0000001 Laboratoire de l'Étoile",
    "1234567890 Dr Anna ROUX", "",
]  # fmt: skip
LETTER = ["Chère consœur,", "voici les résultats prélevés à 8 h : fièvre 39°."]
LAB = [
    "****LAB****", "TEX|HÉMATOLOGIE", "RES|Hémoglobine|HB|N|10.2|g/dL|12.0|16.0|L|F|6.33|mmol/L|7.45|9.93",
    "RES|Leucocytes|GB|N|6.1|G/L|4.0|10.0|N|F", "TEX|BIOCHIMIE", "RES|CRP|CRP|N|48|mg/L||5||F",
    "RES|Potassium|K|N|6,9|mmol/L|3.5|5.1|HH|P", "RES|Culture|CU|A|négative", "TEX|Cordialement",
]  # fmt: skip
END = ["****FIN****", "****FINFICHIER****", ""]
WHOLE = "\r\n".join([*HEAD, *LETTER, *LAB, *END])


def one(data: bytes | str) -> results.Record:
    (record,) = hprim.parse(data.encode("cp1252") if isinstance(data, str) else data)
    return record


def text(*changes: tuple[int, str], lines: list[str] | None = None) -> str:
    head = list(HEAD)
    for place, value in changes:
        head[place] = value
    return "\r\n".join([*head, *LETTER, *(LAB if lines is None else lines), *END])


def reading(data: bytes, name: str = "resultat.hpr") -> ReadDocuments:
    return read([File(name, "application/octet-stream", data)])


# the whole


def test_a_record() -> None:
    record = one(WHOLE)
    assert record.problems == ()
    assert (record.sender, record.recipient) == ("Laboratoire de l'Étoile", "Dr Anna ROUX")
    assert (record.number, record.day, record.birth) == ("D2026-17", "01/03/2026", "14/07/1958")
    assert record.text == "\n".join(LETTER)
    assert record.patient.label == "MARTINEZ-LEROY Odile"
    assert record.patient.birth == "1958-07-14"
    assert record.patient.ids == frozenset()  # the number of line 8 may be a parent's
    assert [(r.label, r.out) for r in record.results] == [
        ("Hémoglobine", "L"), ("Leucocytes", ""), ("CRP", "H"), ("Potassium", "HH"), ("Culture", ""),
    ]  # fmt: skip


def test_the_same_patient_as_in_a_cda() -> None:
    assert patient.same_patient(one(WHOLE).patient, make.ODILE) is True


def test_the_card_marks_what_is_out_of_range() -> None:
    (card,) = reading(WHOLE.encode("cp1252")).cards
    assert "Hors limites : 3 sur 5" in card.text
    assert "Hémoglobine : 10.2 g/dL ▼ (12.0 – 16.0) / 6.33 mmol/L (7.45 – 9.93)\n" in card.text
    assert "Leucocytes : 6.1 G/L (4.0 – 10.0)\n" in card.text
    assert "CRP : 48 mg/L ▲ (≤ 5)\n" in card.text
    assert "Potassium : 6,9 mmol/L ▲▲ (3.5 – 5.1) (provisoire)\n" in card.text
    assert "<tr><td>CRP</td><td><strong>48 ▲</strong></td><td>mg/L</td><td>≤ 5</td><td></td></tr>" in card.html
    assert "<td>6.1</td>" in card.html
    assert card.html.count("<table>") == card.html.count("</table>") == 1
    assert card.html.index("HÉMATOLOGIE") < card.html.index("Hémoglobine") < card.html.index("BIOCHIMIE")


def test_nothing_of_it_is_in_a_repr() -> None:
    shown = repr(one(WHOLE)) + repr(reading(WHOLE.encode("cp1252")))
    assert not re.search(r"MARTINEZ|Odile|1958|ROUX|Hémo|fièvre|D2026", shown)


@pytest.mark.parametrize(
    ("flag", "value", "shown"),
    [("A", "trouble", "trouble ⚠ (anormal)"), ("N", "5", "5"), ("Z", "5", "5 ⚠ (Z)"), ("Z", "9", "9 u ▲"),
     ("L A", "5", "5 u ▼ ⚠ (anormal)")],
)  # fmt: skip
def test_every_flag_is_shown_also_one_that_nobody_knows(flag: str, value: str, shown: str) -> None:
    card = laboratory_card.card(one(text(lines=["****LAB****", f"RES|x|X|N|{value}|u|4|6|{flag}|F"])))
    assert shown in card.text.replace(" u", "", 0 if " u " in shown else 1)


def test_a_withdrawn_result_is_struck_out() -> None:
    card = laboratory_card.card(one(text(lines=["****LAB****", "RES|K|K|N|6.9|mmol/L|3.5|5|HH|D"])))
    assert "<td><del><strong>6.9 ▲▲</strong></del> (supprimé)</td>" in card.html
    assert "K : 6.9 mmol/L ▲▲ (3.5 – 5) (supprimé)" in card.text


# charsets


@pytest.mark.parametrize("charset", ["cp1252", "utf-8", "utf-8-sig", "mac_roman", "utf-16", "utf-16-le", "utf-16-be"])
def test_charsets(charset: str) -> None:
    record = one(WHOLE.encode(charset))
    assert record.text == "\n".join(LETTER)
    assert record.sender == "Laboratoire de l'Étoile"
    assert record.results[0].label == "Hémoglobine"


@pytest.mark.parametrize("charset", ["cp850", "cp437", "iso-8859-1"])
def test_charsets_without_ligatures(charset: str) -> None:
    whole = WHOLE.replace("œ", "oe")
    assert hprim.decode(whole.encode(charset)) == whole


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_line_ends(end: str) -> None:
    assert one(WHOLE.replace("\r\n", end)) == one(WHOLE)


def test_escaped_for_html() -> None:
    escaped = html.escape(WHOLE).replace("é", "&eacute;").replace("É", "&#201;").replace("œ", "&oelig;")
    assert one(escaped) == one(WHOLE)


def test_an_end_of_file_character() -> None:
    assert one(WHOLE + "\x1a\r\n").problems == ()


# headers


def test_an_address_that_is_shifted() -> None:
    head = [*HEAD[:4], *HEAD[5:]]  # one address line less
    record = one("\r\n".join([*head, *LETTER, *LAB, *END]))
    assert (record.birth, record.number, record.sender) == ("14/07/1958", "D2026-17", "Laboratoire de l'Étoile")
    assert record.text == "\n".join(LETTER)
    head = [*HEAD[:4], "chez Mme LE GOFF", *HEAD[4:]]
    record = one("\r\n".join([*head, *LETTER, *LAB, *END]))
    assert (record.birth, record.recipient, record.problems) == ("14/07/1958", "Dr Anna ROUX", ())


def test_names_without_codes() -> None:
    record = one(text((10, "Laboratoire de l'Étoile"), (11, "Dr Anna ROUX")))
    assert (record.sender, record.recipient) == ("Laboratoire de l'Étoile", "Dr Anna ROUX")


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (1, "", "hprim_no_name"), (2, "", "hprim_no_given"), (6, "", "hprim_no_birth"),
        (6, "14/07/58", "hprim_birth_unclear"), (6, "31/02/1958", "hprim_birth_unclear"),
        (7, "12345", "hprim_bad_number"),
        (7, "2580756123456 99", "hprim_bad_number"),
    ],
)  # fmt: skip
def test_what_the_identity_lacks_is_said(place: int, value: str, problem: str) -> None:
    record = one(text((place, value)))
    assert record.problems == (problem,)
    assert (record.patient.birth == "") == (place == 6)
    assert len(record.results) == 5


@pytest.mark.parametrize("birth", ["14/07/1958", "1958-07-14", "14-07-1958", "14.07.1958"])
def test_forms_of_a_birth_date(birth: str) -> None:
    assert one(text((6, birth))).patient.birth == "1958-07-14"


def test_ends() -> None:
    assert one(WHOLE.replace("****FINFICHIER****", "")).problems == ("hprim_no_file_end",)
    assert one(WHOLE.replace("****FIN****\r\n****FINFICHIER****", "")).problems == ("hprim_no_end", "hprim_no_file_end")
    assert one(WHOLE + "encore").problems == ("hprim_after_end",)
    assert one(WHOLE.replace("****LAB****", "  ****LAB**** ")).problems == ()


def test_a_letter_without_results() -> None:
    record = one(text(lines=[]))
    assert record.results == ()
    assert laboratory_card.card(record).title == "Courrier médical (HPRIM)"
    assert "<table>" not in laboratory_card.card(record).html


def test_several_records() -> None:
    other = text((1, "NOIRMONT"), (2, "Léa"), (6, "02/02/1990")).removesuffix("****FINFICHIER****\r\n")
    found = reading((other + WHOLE).encode("cp1252"))
    assert [card.text.split("\n")[1] for card in found.cards] == [
        "Patient : NOIRMONT Léa",
        "Patient : MARTINEZ-LEROY Odile",
    ]
    assert len(found.patients) == 2
    assert found.problems == ("several_patients",)


def test_too_many_records() -> None:
    block = WHOLE.removesuffix("****FINFICHIER****\r\n")
    records = hprim.parse((block * 60 + "****FINFICHIER****").encode("cp1252"))
    assert len(records) == 50
    assert records[-1].problems == ("hprim_records",)


# results


@pytest.mark.parametrize(
    ("value", "low", "high", "side"),
    [
        ("5", "4", "6", ""), ("4", "4", "6", ""), ("6", "4", "6", ""),
        ("3.99", "4", "6", "L"), ("6,01", "4.0", "6,0", "H"),
        ("<3", "4", "6", "L"), ("<4", "4", "6", "L"), ("<=4", "4", "6", "?"), ("<5", "4", "6", "?"),
        ("<5", "", "6", ""),
        ("<9", "", "6", "?"), (">6", "4", "6", "H"), ("≥6", "4", "6", "?"), ("> 7", "4", "6", "H"), (">5", "4", "", ""),
        (">5", "", "6", "?"), ("5", "", "", ""), ("5", "", "4", "H"), ("5", "6", "", "L"), ("négatif", "4", "6", ""),
        ("5", "0", "0", ""), ("5", "6", "4", ""), ("-2", "-1", "1", "L"), ("1e5", "4", "6", ""), ("", "4", "6", ""),
        ("5", "abc", "4", "H"), ("9" * 19, "4", "6", ""),
    ],
)  # fmt: skip
def test_values_are_compared_with_their_range(value: str, low: str, high: str, side: str) -> None:
    assert results.Measure(value, "x", low, high).side == side


@pytest.mark.parametrize(
    ("flag", "value", "out", "disagrees"),
    [
        ("N", "5", "", False), ("", "5", "", False), ("L", "3", "L", False), ("LL", "3", "LL", False),
        ("", "3", "L", False),
        ("N", "3", "L", True), ("H", "3", "H", True), ("HH", "9", "HH", False), ("H", "5", "H", False),
        ("X", "9", "H", False),
    ],
)  # fmt: skip
def test_flag_or_range_is_enough(flag: str, value: str, out: str, disagrees: bool) -> None:
    result = results.Result("a", "b", results.Measure(value, "x", "4", "6"), flag)
    assert (result.out, result.disagrees) == (out, disagrees)


def test_a_disagreement_is_said() -> None:
    record = one(text(lines=["****LAB****", "RES|Na|NA|N|120|mmol/L|135|145|N|F"]))
    assert record.problems == ("hprim_flag_disagrees",)
    assert "▼" in laboratory_card.card(record).text


def test_odd_lines_are_shown_and_said() -> None:
    record = one(text(lines=["****LAB****", "RES", "foo <b>", "RES|x", " res|Na|NA|N|140", "TEX|", "RES|" + "|" * 80]))
    assert record.problems == ("hprim_bad_line",)
    assert record.lines[:2] == ("RES", "foo <b>")
    card = laboratory_card.card(record)
    assert "foo &lt;b&gt;" in card.html
    assert "Na : 140" in card.text


# recognised


def test_recognised_by_content_or_name() -> None:
    assert reading(WHOLE.encode("utf-16"), "x.txt").cards
    assert reading(text(lines=[]).encode(), "x.HPM").cards
    assert not reading(b"a simple note", "x.txt").cards
    assert not reading(WHOLE.encode(), "x.pdf").cards
    assert not reading(b"H|~^\\&|x.hpr||LABO\r\nP|1||", "x.txt").cards
    assert reading(b"", "x.hpr").problems == ("unreadable: hprim_no_record",)


def test_too_long_is_refused() -> None:
    with pytest.raises(Refused, match="hprim_too_large"):
        hprim.parse(b"\n" * 60_000)
    with pytest.raises(Refused, match="hprim_too_large"):
        hprim.parse(bytes(hprim.MOST_BYTES + 1))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.data())
def test_damaged_files_never_crash(data: st.DataObject) -> None:
    changed = bytearray(WHOLE.encode(data.draw(st.sampled_from(["cp1252", "utf-16", "mac_roman"]))))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(changed) - 1), st.binary(max_size=3)), max_size=20)
    ):
        changed[place : place + 1] = value
    found = reading(bytes(changed[: data.draw(st.integers(0, len(changed)))]))
    assert "unreadable: hprim" not in found.problems
    assert sum(len(card.html) for card in found.cards) < 60 * len(WHOLE)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(st.one_of(st.sampled_from([*HEAD, *LAB, *END]), st.text(max_size=30)), max_size=60))
def test_any_order_of_lines_never_crashes(lines: list[str]) -> None:
    found = reading("\n".join(lines).encode("utf-8", "replace"))
    assert "unreadable: hprim" not in found.problems
    for card in found.cards:
        assert not re.search(r'<(?!/?(?:p|br|strong|del|table|tr|t[dh])>|td colspan="[45]">)', card.html)
