"""What is shown of a mail whose two forms do not say the same, or whose HTML is too long: nothing of it is lost."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest

from bridge.capabilities import MAX_TEXT, check, size
from bridge.connector import Capabilities
from bridge.model import Body
from bridge.networks.mail.leg.contents import content
from bridge.networks.mail.mime.mail import parse
from tests.mail import documents

ORIGINAL = "message-original.eml"
PLAIN = "Bonjour Cléo,\n\nLe bilan de Mme Martin est normal.\n\n1. Hémoglobine 12,3\n2. Contrôle le 3/4\n\nAnna"
RICH = (
    "<p>Bonjour <b>Cléo</b>,</p><p>Le bilan de <a href='https://labo.example/12345'>Mme Martin</a> est normal.</p>"
    "<ol><li>Hémoglobine 12,3</li><li>Contrôle le 3/4</li></ol><p>Anna</p>"
)


def table(rows: int) -> str:
    cells = "".join(f"<tr><td>Analyse {n}</td><td>{n},5</td><td>mmol/L</td></tr>" for n in range(rows))
    return f"<p>Bilan</p><table>{cells}</table>"


def raw(text: str, html: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "anna@mss-a.example", "cleo@hub.example", "Bilan"
    mail["Message-ID"], mail["Date"] = "<m1@mss-a.example>", "Sun, 22 Nov 2026 01:00:00 +0000"
    mail.set_content(text)
    mail.add_alternative(html, subtype="html")
    return mail.as_bytes().replace(b"\n", b"\r\n")


def shown(text: str, html: str, heading: str = "") -> Body:
    data = raw(text, html)
    return content(parse(data), data).under(heading)


@pytest.mark.parametrize("rows", [1, 20, 400, 900])
@pytest.mark.parametrize("text", ["Bilan", "Bonjour, voici le bilan demandé ce matin."])
def test_a_table_that_only_the_html_has_is_in_the_text(rows: int, text: str) -> None:
    body = shown(text, table(rows))
    for n in range(rows):
        assert f"Analyse {n} | {n},5 | mmol/L" in body.text
    assert (body.html is not None) == (rows < 900)
    own = text != "Bilan"  # words that the HTML lacks
    assert [file.name for file in body.files] == ([ORIGINAL] if own or body.html is None else [])


def test_a_table_that_is_too_long_is_cut_with_the_original_beside_it() -> None:
    body = shown("Bilan", table(3000))
    assert body.html is None
    assert body.text.endswith("the rest is in the original message]")
    assert b"Analyse 2999" in body.files[0].data.replace(b"=\r\n", b"")


@pytest.mark.parametrize("heading", ["", "Bilan de Mme Martin"])
def test_html_that_is_dropped_is_said_and_attached(heading: str) -> None:
    words = " ".join(f"mot{n}" for n in range(2000))
    body = shown(words, "".join(f"<p><b>{word}</b></p>" for word in words.split()), heading)
    assert "<b>mot" not in (body.html or "")
    assert "mot1999" in body.text
    assert body.text.count("voir le message d'origine") == 1
    assert [file.name for file in body.files] == [ORIGINAL]


def test_html_that_a_heading_makes_too_long_is_dropped_with_the_original_beside_it() -> None:
    words = " ".join("mot" for _ in range(3140))
    html = "".join("<p>mot</p>" for _ in range(3140))  # just below the limit
    assert shown(words, html).files == ()
    body = shown(words, html, "Objet " * 20)
    assert (body.html, [file.name for file in body.files]) == (None, [ORIGINAL])
    assert body.text.endswith("see the original message]")


@pytest.mark.parametrize("one", ["ab", "é", "😀", '"', "x\n", "\t|"])
@pytest.mark.parametrize("heading", ["", "Objet " * 20])
def test_a_long_text_is_cut_as_the_hubs_door_counts(one: str, heading: str) -> None:
    body = shown(one * 30_000, f"<p>{one * 30_000}</p>", heading)
    check(body, Capabilities(max_text=MAX_TEXT, files=True))
    assert MAX_TEXT - 1100 < size(body) <= MAX_TEXT - 1024  # as much as there is room for
    assert body.text.endswith("the rest is in the original message]")
    assert [file.name for file in body.files] == [ORIGINAL]


def test_two_forms_of_the_same_words_are_shown_as_plain_text() -> None:
    body = shown(PLAIN, RICH)
    assert body.text == PLAIN
    assert body.html is not None
    assert body.files == ()


@pytest.mark.parametrize(
    "html",
    [
        "<p>Bilan</p><p>Potassium : 6,8</p>",
        "<p>Bilan</p><table><tr><td>Streptocoque</td><td>positif</td></tr></table>",
        "<p>Bilan</p><p>" + "Le patient doit être revu en urgence cette semaine par un cardiologue de garde" + "</p>",
    ],
)
def test_what_only_the_html_says_is_in_the_text(html: str) -> None:
    body = shown("Bilan", html)
    assert body.text.startswith("Bilan\n")
    assert any(word in body.text for word in ("6,8", "Streptocoque | positif", "cardiologue"))


def test_words_of_the_plain_text_alone_stay_in_the_original() -> None:
    body = shown("Ne pas arrêter le traitement.", table(5))
    assert "Analyse 4" in body.text
    assert b"Ne pas arr" in body.files[0].data


def test_a_mail_that_is_a_file_of_results_is_shown_as_its_card_with_the_original_beside_it() -> None:
    text = (Path(documents.__file__).parent / "golden" / "cases" / "hprim-body.txt").read_text("utf-8")
    data = raw(f"{text}\n-- \nLaboratoire Essai", "").replace(b"multipart/alternative", b"multipart/mixed")
    said = content(parse(data), data)
    body = said.under("Bilan")
    assert [sorted(one.families) for one in said.patients] == [["MARTIN"]]
    assert body.text.count("POTASSIUM") == 1
    assert "POTASSIUM : 6.9 mEq/l ▲▲ (3.5 – 4.8)" in body.text
    assert "Laboratoire Essai" in body.text
    assert "****" not in body.text
    assert [file.name for file in body.files] == [ORIGINAL]
    assert body.files[0].data == data


def test_html_that_cannot_be_parted_from_its_quotation_leaves_no_word_behind() -> None:
    """Its quotation may have been told before: then only words of its own bring the original."""
    quote = "Le 12/03/2026 à 10:15, Paul <paul@x.example> a écrit :"
    text = f"Vu.\n\n{quote}\n> INR ?"

    def files(html: str) -> list[str]:
        data = raw(text, html)
        return [file.name for file in content(parse(data), data).under("", told=True).files]

    rich = f"<div>Vu.</div><div>{quote.replace('<', '&lt;')}</div><blockquote type='cite'>INR ?</blockquote>"
    assert files(rich) == []
    odd = f"<div>{quote.replace('<', '&lt;')} Vu.</div><div>INR ?</div>"
    assert files(odd) == []
    assert files(odd.replace("</div>", " urgent</div>", 1)) == [ORIGINAL]
