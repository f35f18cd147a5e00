"""CDA R2: header, narrative and embedded documents; hostile XML stays closed."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.documents import ReadDocuments, cda, read, xmlsafe
from bridge.networks.mail.documents.cda import narrative
from tests.mail.documents import make

N3 = make.cda(make.section(make.TABLE))
SAFE = re.compile(
    r"</?(?:p|h4|table|thead|tbody|tr|ul|ol|li|sup|sub|strong|em|u|caption)>|<br>|</t[dh]>"
    r'|<t[dh](?: colspan="\d+")?(?: rowspan="\d+")?>'
)


def level1(data: str, attributes: str = 'mediaType="application/pdf" representation="B64"') -> bytes:
    return make.cda(f"<nonXMLBody><text {attributes}>{data}</text></nonXMLBody>")


def reading(data: bytes, name: str = "cr.xml") -> ReadDocuments:
    return read([File(name, "text/xml", data)])


def refused(data: bytes) -> str:
    with pytest.raises(Refused) as no:
        cda.parse(data)
    return no.value.code


def only_safe(html: str) -> bool:
    """Nothing but the plain elements that a narrative may become."""
    return "<" not in SAFE.sub("", html)


# the header


def test_the_header() -> None:
    found = cda.parse(N3)
    assert (found.title, found.code, found.label) == ("Bilan du 1er mars", "11502-2", "CR d'examens biologiques")
    assert found.authors == ("DR Paul DELORME (Clinique du Port)",)
    assert found.recipients == ("Anna ROUX",)
    assert (found.id, found.set_id, found.version) == ("1.2.3.4^doc-7", "1.2.3.4^set-7", "2")
    assert (found.replaces, found.confidentiality) == ("1.2.3.4^doc-6", "N")
    assert found.patient.label == "MARTINEZ-LEROY Odile"
    assert (found.patient.ins, found.patient.birth, found.patient.sex) == (make.INS, "1958-07-14", "F")
    assert found.problems == ()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("20240106113623+0100", "06/01/2024 11:36"), ("20240106113623+100", "06/01/2024 11:36"),
        ("20240106", "06/01/2024"), ("202401", "01/2024"), ("2024", "2024"), ("hier", "hier"), ("", ""),
    ],
)  # fmt: skip
def test_times_are_read_leniently(value: str, shown: str) -> None:
    assert cda.readable_time(value) == shown


def test_a_document_without_anything() -> None:
    found = reading(b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>')
    assert found.problems == ("cda_no_body",)
    assert [card.title for card in found.cards] == ["Document médical"]
    assert found.patients == frozenset()


def test_nothing_of_it_is_in_a_repr() -> None:
    shown = repr(cda.parse(N3)) + repr(reading(N3))
    assert not re.search(r"MARTINEZ|Odile|Bilan|Sodium|DELORME|19580714|1958-07", shown)
    assert make.INS not in shown


# the body


def test_tables_and_lists_survive() -> None:
    found = cda.parse(N3)
    assert found.html == (
        "<h4>Biochimie</h4><p>Prélèvement <strong>à jeun</strong></p><table><caption>Ionogramme</caption>"
        '<thead><tr><th colspan="2">Analyse</th><th>Valeur</th></tr></thead><tbody><tr><td>Sodium</td><td>mmol/L</td>'
        '<td>141</td></tr><tr><td rowspan="2">Potassium &lt;K&gt;</td><td>mmol/L</td><td><strong>5,9</strong></td></tr>'
        "</tbody></table><ol><li>à contrôler</li><li>CO<sub>2</sub></li></ol>"
    )
    assert "Analyse | | Valeur\nSodium | mmol/L | 141\nPotassium <K> | mmol/L | 5,9\n" in found.text
    assert "• à contrôler\n• CO₂" in found.text


def test_sections_within_sections() -> None:
    inner = "<section><title>Deux</title><text>b</text></section>"
    body = (
        f"<structuredBody><component><section><title>Un</title><text>a</text><component>{inner}</component></section>"
    )
    found = cda.parse(make.cda(body + "</component></structuredBody>"))
    assert found.html == "<h4>Un</h4>a<h4>Deux</h4>b"
    assert found.text == "Un\na\nDeux\nb"


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>", "<paragraph onclick='x()'>a</paragraph>",
        "<linkHtml href='javascript:x()'>a</linkHtml>",
        "<img src='http://e.example/p.gif'/>", "<iframe src='http://e.example'/>",
        "<td colspan='9\" onload=\"x'>a</td>",
        "<![CDATA[<script>alert(1)</script>]]>", "&lt;script&gt;alert(1)&lt;/script&gt;", "<table style='x:url(y)'/>",
        "<renderMultiMedia referencedObject='m1'/>", "<svg xmlns='http://www.w3.org/2000/svg'><script>x</script></svg>",
    ],
)  # fmt: skip
def test_no_script_and_no_remote_load(text: str) -> None:
    found = cda.parse(make.cda(make.section(text)))
    assert only_safe(found.html)
    assert "e.example" not in found.html
    assert not re.search(r"<[^>]*(?:on\w+=|javascript|url\()", found.html)


def test_an_endless_narrative_is_cut() -> None:
    found = cda.parse(make.cda(make.section("<paragraph>&lt;abc</paragraph>" * 40_000)))
    assert len(found.html) < narrative.MOST + 1000
    assert found.html.endswith("attached document.</p>")
    assert len(reading(make.cda(make.section("<br/>" * 100_000))).cards[0].html) < 250_000


# what is embedded


def test_an_embedded_pdf_is_taken_out() -> None:
    packed = base64.encodebytes(make.PDF).decode()
    found = reading(level1(packed))
    assert [(one.name, one.mime, one.data) for one in found.files] == [
        ("Bilan du 1er mars.pdf", "application/pdf", make.PDF)
    ]
    assert found.problems == ()
    assert "Joint : Bilan du 1er mars.pdf" in found.cards[0].text
    assert found.cards[0].files == found.files


def test_an_embedded_text_is_shown_too() -> None:
    found = reading(level1("Compte rendu <![CDATA[<b>]]>\nligne 2", 'mediaType="text/plain"'))
    assert [one.data.decode() for one in found.files] == ["Compte rendu <b>\nligne 2"]
    assert found.cards[0].html.endswith("<p>Compte rendu &lt;b&gt;<br>ligne 2</p>")
    packed = base64.b64encode("été".encode()).decode()
    assert "été" in reading(level1(packed, 'mediaType="text/plain" representation="B64"')).cards[0].text


def test_pictures_of_a_section_are_files() -> None:
    media = (
        '<entry><observationMedia ID="m1"><value mediaType="image/png" representation="B64">iVBORw0KGgo=</value>'
        "</observationMedia></entry>"
    )
    body = make.section("<renderMultiMedia referencedObject='m1'/>").replace("</text>", f"</text>{media}")
    found = reading(make.cda(body))
    assert [(one.name, one.mime) for one in found.files] == [("image-1.png", "image/png")]
    assert "[image-1.png]" in found.cards[0].text


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (level1("####"), "cda_bad_base64"),
        (level1("QUJ"), "cda_bad_base64"),
        (level1(""), "cda_no_body"),
        (level1("QUJD", 'mediaType="application/pdf" representation="B64" compression="DF"'), "cda_compressed"),
        (level1('<reference value="http://e.example/x.pdf"/>'), "cda_elsewhere"),
        (level1('<reference value="file:///etc/passwd"/>'), "cda_elsewhere"),
    ],
)
def test_what_cannot_be_taken_out_is_said(document: bytes, problem: str) -> None:
    found = reading(document)
    assert found.problems == (problem,)
    assert found.files == ()
    assert len(found.cards) == 1


def test_a_name_inside_cannot_lead_elsewhere() -> None:
    document = level1(base64.b64encode(b"x").decode()).replace(
        b"Bilan du 1er mars", "../../\u202eetc/\x85pass:wd".encode()
    )
    (file,) = reading(document).files
    assert file.name == "pass_wd.pdf"


# hostile XML

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]>', "&l9;"),
        (f'<!DOCTYPE x [<!ENTITY q "{"a" * 50_000}">]>', "&q;" * 1000),
        ('<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>', "&f;"),
        ('<!DOCTYPE x [<!ENTITY % f SYSTEM "http://127.0.0.1:9/e.dtd"> %f;]>', "a"),
        ('<!DOCTYPE x SYSTEM "http://127.0.0.1:9/e.dtd">', "a"),
        ("<!DOCTYPE html>", "a"),
        ("<!DOCTYPE x [<!ATTLIST ClinicalDocument a CDATA 'x'>]>", "a"),
    ],
)
def test_entities_and_dtds_are_refused(head: str, text: str) -> None:
    found = reading(make.cda(make.section(text), head=head))
    assert found.problems == ("refused: xml_dtd",)
    assert found.cards == ()
    assert found.files == ()


def test_a_bomb_in_an_attribute_of_the_root() -> None:
    bomb = f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]><ClinicalDocument a="&l9;"/>'
    assert reading(bomb.encode()).problems == ("refused: xml_dtd",)


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_a_dtd_in_another_charset(charset: str) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "b">]><ClinicalDocument>&a;</ClinicalDocument>'
    assert refused(bomb.encode(charset)) == "xml_dtd"


def test_xinclude_and_stylesheets_are_not_followed() -> None:
    include = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'
    head = '<?xml-stylesheet type="text/xsl" href="http://127.0.0.1:9/x.xsl"?>'
    found = reading(make.cda(make.section(f"<paragraph>a{include}</paragraph>"), head=head))
    assert found.problems == ()
    assert "root:" not in found.cards[0].text


def test_depth_elements_and_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "<content>" * 5000 + "</content>" * 5000
    assert refused(make.cda(make.section(deep))) == "xml_damaged"
    monkeypatch.setattr(xmlsafe, "MOST_ELEMENTS", 50)
    assert refused(make.cda(make.section("<br/>" * 60))) == "xml_too_large"
    monkeypatch.setattr(xmlsafe, "MOST_BYTES", 1000)
    assert refused(N3) == "xml_too_large"


def test_deep_narratives_end_as_text() -> None:
    deep = "<content styleCode='Bold'>" * 200 + "fin" + "</content>" * 200
    found = cda.parse(make.cda(make.section(deep)))
    assert found.text.endswith("fin")
    assert found.html.count("<strong>") == found.html.count("</strong>") == narrative.DEEPEST


def test_what_is_no_cda() -> None:
    assert refused(b"<a/>") == "cda_no_document"
    assert refused(b"") == "xml_damaged"
    assert refused(b"<ClinicalDocument") == "xml_damaged"
    assert reading(b"<svg/>") == read([])
    assert reading(b"%PDF ClinicalDocument") == read([])


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.data())
def test_damaged_documents_never_crash(data: st.DataObject) -> None:
    whole = N3.decode()
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(whole)))
        piece = data.draw(
            st.sampled_from(["", "<", ">", "&", "\0", "<td>", "</text>", "<br/>", "ü", '"', "<text>", "]]>"])
        )
        whole = whole[:place] + piece + whole[place + data.draw(st.integers(0, 40)) :]
    found = reading(whole.encode())
    assert "unreadable: cda" not in found.problems
    assert all(only_safe(card.html) for card in found.cards)
    assert sum(len(card.html) for card in found.cards) <= 10 * len(whole)
