"""What a CDA's card says is what the document says: flags, sides of pictures, what was struck out, powers, columns."""

from __future__ import annotations

import base64
import gzip
import zlib
from pathlib import Path

import pytest

from bridge.model import File
from bridge.networks.mail.documents import Card, ReadDocuments, cda, outgoing, read
from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents.cda.body import unpacked
from tests.mail.documents import make

CASES = Path(__file__).parent / "golden" / "cases"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF"
LIMITS = "<interpretationCode code='{}' codeSystem='2.16.840.1.113883.5.83'/>"


def case(name: str) -> ReadDocuments:
    return read([File(name, "text/xml", (CASES / name).read_bytes())])


def shown(text: str, entries: str = "", title: str = "Biochimie") -> ReadDocuments:
    """What is read of a document with this narrative and these entries."""
    body = make.section(text, title).replace("</text>", f"</text>{entries}")
    return read([File("cr.xml", "text/xml", make.cda(body))])


def card(found: ReadDocuments) -> Card:
    (one,) = found.cards
    return one


def observation(inside: str) -> str:
    return f"<entry><observation classCode='OBS' moodCode='EVN'>{inside}</observation></entry>"


def media(ident: str, data: bytes, more: str = "", about: str = 'mediaType="image/jpeg"') -> str:
    value = f'<value {about} representation="B64">{base64.b64encode(data).decode()}</value>'
    return f'<entry><observationMedia ID="{ident}">{more}{value}</observationMedia></entry>'


# flags


def test_a_flag_that_only_the_entry_has() -> None:
    found = card(case("flag-HH-only-in-entry.xml"))
    assert "Hors limites : Potassium 7.1 mmol/L ▲▲ (très élevé)\n" in found.text
    assert "<strong>Hors limites : Potassium 7.1 mmol/L ▲▲ (très élevé)</strong>" in found.html


@pytest.mark.parametrize(
    ("inside", "line"),
    [
        (
            "<code code='x' displayName='FT4'/><effectiveTime value='20260102'/>"
            "<value xsi:type='PQ' value='7.67' unit='pmol/L'/>" + LIMITS.format("L") + "<referenceRange>"
            "<observationRange><value xsi:type='IVL_PQ'><low value='12' unit='pmol/L'/><high value='22' unit='pmol/L'/>"
            "</value></observationRange></referenceRange>",
            "Hors limites : FT4 7.67 pmol/L ▼ (bas, réf. 12 pmol/L – 22 pmol/L, le 02/01/2026)",
        ),
        (
            "<code nullFlavor='OTH'><originalText><reference value='#n1'/></originalText></code><text>"
            "<reference value='#v1'/></text>" + LIMITS.format("A"),
            "Signalé : Sédiment nombreux cylindres ⚠ (anormal)",
        ),
        (
            "<code code='x' displayName='TROD'/><value xsi:type='CD' code='10828004' displayName='Positif'/>"
            + LIMITS.format("POS"),
            "Signalé : TROD Positif ⚠ (positif)",
        ),
        (
            "<code code='x' displayName='CRP'/><value xsi:type='IVL_PQ'><low value='200' unit='mg/L'/></value>"
            "<interpretationCode nullFlavor='OTH'><originalText>hors linéarité</originalText></interpretationCode>",
            "Signalé : CRP 200 mg/L ⚠ (hors linéarité)",
        ),
        (
            "<code code='6690-2'/><value xsi:type='ST'>&lt;0.1 G/L</value>" + LIMITS.format("LL") + LIMITS.format("D"),
            "Hors limites : 6690-2 <0.1 G/L ▼▼ ⚠ (très bas, en nette baisse)",
        ),
    ],
)
def test_every_kind_of_flag_and_value(inside: str, line: str) -> None:
    narrative = "<content ID='n1'>Sédiment</content><content ID='v1'>nombreux cylindres</content>"
    found = card(shown(narrative, observation(inside)))
    assert line in found.text.split("\n")
    assert "Hors limites" in found.html or "Signalé" in found.html


@pytest.mark.parametrize("code", ["N", "NEG", "S", "ND"])
def test_what_is_normal_has_no_mark(code: str) -> None:
    inside = "<code code='x' displayName='Na'/><value xsi:type='PQ' value='140' unit='mmol/L'/>" + LIMITS.format(code)
    found = card(shown("a", observation(inside) + observation("<interpretationCode nullFlavor='NI'/>")))
    assert "Hors limites" not in found.text
    assert "Signalé" not in found.text


def test_flags_of_a_battery_and_of_a_document_too_long_to_be_shown() -> None:
    one = "<component><observation><code displayName='N{}'/><value value='{}' unit='g/L'/>{}</observation></component>"
    battery = "".join(one.format(n, n, LIMITS.format("H")) for n in range(70))
    found = card(shown("<paragraph>&lt;abc</paragraph>" * 40_000, f"<entry><organizer>{battery}</organizer></entry>"))
    assert "Trop long" in found.html
    for text in (found.text, found.html):
        assert text.count("Hors limites : ") == 60
        assert "Hors limites : N59 59 g/L ▲ (élevé)" in text
        assert "… et 10 autres valeurs signalées : ouvrez le document joint." in text


# pictures


def test_pictures_keep_their_side() -> None:
    found = case("images-order.xml")
    assert [(one.name, one.data) for one in found.files] == [("image-1.jpg", b"droit"), ("image-2.jpg", b"gauche")]
    assert "Oeil gauche | Oeil droit\n[image-2.jpg] | [image-1.jpg]" in card(found).text
    assert "<td>[image-2.jpg]</td><td>[image-1.jpg]</td>" in card(found).html


def test_pictures_are_named_by_the_entry_and_those_that_are_missing_are_told_apart() -> None:
    code = "<code code='x' displayName='Fond d’œil gauche'/>"
    region = (
        f"<entry><observation>{code}<entryRelationship><regionOfInterest ID='roi'><entryRelationship>"
        f"{media('g', JPEG).removeprefix('<entry>').removesuffix('</entry>')}</entryRelationship></regionOfInterest>"
        "</entryRelationship></observation></entry>"
    )
    packed = media("z", b"\x78\x9c\x01", about='mediaType="image/jpeg" compression="ZL"')
    text = "".join(
        f"<item><renderMultiMedia referencedObject='{ident}'>{more}</renderMultiMedia></item>"
        for ident, more in [("z", ""), ("roi", "<caption>à 8 h</caption>"), ("d", ""), ("perdu", "")]
    )
    found = shown(f"<list>{text}</list>", region + packed + media("d", JPEG + b"2"))
    assert [one.name for one in found.files] == ["image-1 Fond d’œil gauche.jpg", "image-3.jpg"]
    assert found.problems == ("cda_compressed",)
    assert card(found).text.endswith(
        "• [image-2 : non lu]\n• [image-1 Fond d’œil gauche.jpg] à 8 h\n• [image-3.jpg]\n• [image absente du document]"
    )


@pytest.mark.parametrize(
    ("kind", "packed"),
    [
        ("DF", zlib.compress(JPEG, wbits=-15)),
        ("ZL", zlib.compress(JPEG)),
        ("GZ", gzip.compress(JPEG)),
        ("gz", gzip.compress(JPEG)),
    ],
)
def test_a_compressed_picture_is_shown(kind: str, packed: bytes) -> None:
    found = shown("<renderMultiMedia referencedObject='m'/>", media("m", packed, about=f'compression="{kind}"'))
    assert [(one.mime, one.data) for one in found.files] == [("image/jpeg", JPEG)]
    assert found.problems == ()


def test_what_is_compressed_is_bounded_whole_and_of_a_known_kind() -> None:
    bomb = zlib.compress(bytes(1000))
    assert unpacked(bomb, "ZL", 1000) == bytes(1000)
    assert unpacked(bomb, "ZL", 999) is None
    assert unpacked(bomb[:-5], "ZL", 5000) is None  # cut off
    assert unpacked(bomb, "GZ", 5000) is None
    assert unpacked(bomb, "Z", 5000) is None  # compress(1), which nobody writes


def test_a_picture_that_is_called_compressed_and_is_none() -> None:
    found = shown("<renderMultiMedia referencedObject='m'/>", media("m", JPEG, about='compression="DF"'))
    assert [(one.mime, one.data) for one in found.files] == [("image/jpeg", JPEG)]
    assert found.problems == ()
    assert "[document-1.jpg]" in card(found).text


@pytest.mark.parametrize(
    ("data", "declared", "mime", "name"),
    [
        (make.PDF, "application/octet-stream", "application/pdf", "document-1.pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/jpeg", "image/png", "image-1.png"),
        (b"{\\rtf1 a}", "text/plain", "application/rtf", "document-1.rtf"),
        (b"II*\0abc", "x/y", "image/tiff", "document-1.tif"),
        (bytes(128) + b"DICM", "image/x", "application/dicom", "image-1.dcm"),
        (b"PK\x03\x04", "application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text",
         "document-1.bin"),
        (b"abc", "text/plain", "text/plain", "document-1.txt"),
    ],
)  # fmt: skip
def test_embedded_files_are_typed_by_what_they_are(data: bytes, declared: str, mime: str, name: str) -> None:
    found = shown("a", media("m", data, about=f'mediaType="{declared}"'))
    assert [(one.mime, one.name, one.data) for one in found.files] == [(mime, name, data)]


def test_a_report_in_an_entry_and_more_pictures_than_are_taken() -> None:
    report = base64.b64encode(make.PDF).decode()
    value = f"<code displayName='Rapport complet'/><value xsi:type='ED' representation='B64'>{report}</value>"
    pictures = "".join(media(f"m{n}", JPEG + bytes([n])) for n in range(20))
    found = shown("<renderMultiMedia referencedObject='m19'/>", observation(value) + pictures)
    assert [one.name for one in found.files][:2] == ["document-1 Rapport complet.pdf", "image-2.jpg"]
    assert len(found.files) == 20
    assert found.problems == ("too_many_documents",)
    assert card(found).text.endswith("[image-21 : non lu]")


# what the text says


def test_what_was_struck_out_does_not_read_as_valid() -> None:
    found = card(case("deleted-inserted.xml"))
    assert found.text.endswith("[supprimé : Allergie : aucune] Allergie : pénicilline")
    assert "<del>Allergie : aucune</del> Allergie : pénicilline" in found.html


def test_what_was_struck_out_within_a_table() -> None:
    table = (
        "<table><tr><td>AVK</td><td><content revised='DELETE' styleCode='Bold'>2 mg<br/>le soir</content>4 mg</td></tr>"
        "</table>"
    )
    found = card(shown(table))
    assert found.text.endswith("AVK | [supprimé : 2 mg ; le soir] 4 mg")
    assert "<td><strong><del>2 mg<br>le soir</del></strong>4 mg</td>" in found.html


def test_powers_are_powers_in_plain_text() -> None:
    found = card(case("superscript.xml"))
    assert found.text.endswith("Leucocytes 8,2 10⁹/L ; Surface 1,73 m² ; CO₂")


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("10<sup>-3</sup>", "10⁻³"), ("Ca<sup>2+</sup>", "Ca²⁺"), ("10<sup> 12 </sup>/L", "10 ¹² /L"),
        ("10<sup>9,5</sup>", "10^(9,5)"), ("1<sup>er</sup> mars", "1er mars"), ("a<sup>®</sup>", "a®"),
        ("log<sub>10</sub>5", "log₁₀5"), ("HbA<sub>1c</sub>", "HbA1c"), ("V<sub>max</sub>", "Vmax"),
        ("2<sup><content>n</content></sup>", "2ⁿ"), ("a<sup/>b", "ab"),
    ],
)  # fmt: skip
def test_raised_and_lowered_signs(markup: str, text: str) -> None:
    assert card(shown(f"<paragraph>{markup}</paragraph>")).text.endswith(f"Biochimie\n{text}")


def test_dates_stay_above_their_column() -> None:
    found = card(case("rowspan.xml"))
    assert found.text.endswith("Analyse | Résultats\n| 02/01 | 01/01\nNa | 140 | 131")


def test_a_cell_of_several_lines_is_one_cell_and_row_groups_end_what_reaches_down() -> None:
    table = (
        "<table><thead><tr><th rowspan='9'>Traitement</th><th>Posologie</th></tr></thead>"
        "<tbody><tr><td rowspan='2'>Amoxicilline</td><td><paragraph>1 le matin</paragraph><list><item>1 le soir</item>"
        "</list></td><td>7 j</td></tr><tr><td/><td>puis arrêt</td></tr>"
        "<tr><td colspan='2'>Paracétamol</td><td>si douleur</td></tr></tbody></table><paragraph>Fin</paragraph>"
    )
    assert card(shown(table)).text.endswith(
        "Traitement | Posologie\nAmoxicilline | 1 le matin ; • 1 le soir | 7 j\n| | puis arrêt\n"
        "Paracétamol | | si douleur\nFin"
    )


def test_spans_cannot_make_a_row_endless() -> None:
    cells = "<td colspan='99' rowspan='99'>x</td>" * 500
    found = card(shown(f"<table>{f'<tr>{cells}</tr>' * 5}</table>"))
    assert found.text.count("x") >= 2500
    assert len(found.text) < 20_000


# whose it is


def test_a_document_inside_the_style_sheet_that_shows_it() -> None:
    found = case("self-presenting.xml")
    assert found.problems == ()
    assert "Potassium | 7.1 mmol/L | 3.5 à 5.0" in card(found).text
    assert {one.ins for one in found.patients} == {"279035121518989"}


def test_a_page_around_one_document_and_a_page_around_two() -> None:
    plain = make.cda(make.section("a")).partition(b"?>")[2]
    page = b'<html xmlns="http://www.w3.org/1999/xhtml"><body><p>b</p>' + plain + b"</body></html>"
    assert card(read([File("cr.html", "text/html", page)])).title == "Bilan du 1er mars"
    assert outgoing.carried([File("cr.html", "text/html", page)]).sheets[0].header.family == "MARTINEZ-LEROY"
    two = read([File("cr.xml", "text/xml", b"<a>" + plain + plain + b"</a>")])
    assert (two.problems, two.cards, two.patients) == (("unreadable: cda_no_document",), (), frozenset())


def test_the_identity_is_on_the_card() -> None:
    found = card(case("superscript.xml")).text.split("\n")
    assert found[found.index("Patient : NAISSANCE JEANNE") :][:5] == [
        "Patient : NAISSANCE JEANNE",
        "Nom utilisé : USAGE MARIE",
        "Sexe : féminin",
        "Né(e) le : 28/03/1979",
        "INS : 279035121518989 (NIR de test)",
    ]


def test_the_birth_name_comes_first_wherever_it_stands() -> None:
    document = make.cda(make.section("a"), number=make.INS[:13] + "00").replace(
        b'<family qualifier="BR">', b'<family qualifier="SP">LE GOFF</family><family qualifier="BR">'
    )
    found = cda.parse(document)
    text = cda.card(found).text
    assert "Patient : MARTINEZ-LEROY Odile\nNom utilisé : LE GOFF\n" in text
    assert f"INS : {make.INS[:13]}00 (NIR, clé inexacte)" in text
    assert patients.of_plain(patients.plain(found.patient)).used == "LE GOFF"
    old = patients.plain(found.patient)
    del old["used"]  # as it was kept before
    assert patients.of_plain(old).used == ""
