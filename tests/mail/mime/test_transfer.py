"""Base64 of mails: joined, broken, with lines in between, or not base64 at all."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.networks.mail.mime.mail import Mail, parse
from bridge.networks.mail.mime.safe_html import clean, is_torn, to_text
from bridge.networks.mail.mime.transfer import base64_bytes, unbase64

HEAD = "From: anna@mss-a.example\r\nMessage-ID: <m@a>\r\nDate: Sun, 22 Nov 2026 01:00:00 +0000\r\nMIME-Version: 1.0\r\n"
WARNING, BODY = b"Message externe.\r\n!", b"Potassium 6,8 mmol/l ; appeler la patiente.\r\n" * 3
FOOTER = b"\r\n-- \r\nListe interne, Lyon\r\n"
JOINED = base64.encodebytes(WARNING) + base64.encodebytes(BODY)


def mail(header: str, body: bytes) -> Mail:
    return parse((HEAD + header).encode() + b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    ("data", "text", "odd"),
    [
        (base64.encodebytes(BODY), BODY, ""),
        (base64.b64encode(b"ab")[:-1], b"ab", ""),  # without its padding
        (JOINED, WARNING + BODY, "base64_joined"),
        (base64.encodebytes(BODY) + FOOTER, BODY + FOOTER, "base64_odd"),
        (b"Bonjour, K 6,8.\r\nRappelez.\r\n", b"Bonjour, K 6,8.\r\nRappelez.\r\n", "not_base64"),
        (b"Bonjour", b"Bonjour", "not_base64"),
        (b"Bonjour le monde", b"Bonjour le monde", "not_base64"),
        (b"", b"", ""),
    ],
)  # fmt: skip
def test_a_text_labelled_base64(data: bytes, text: bytes, odd: str) -> None:
    assert unbase64(data, text=True) == (text, odd)


def test_a_document_keeps_only_what_is_base64() -> None:
    document = bytes(range(256)) * 4
    coded = base64.encodebytes(document)
    assert unbase64(coded, text=False) == (document, "")
    assert unbase64(coded[:100] + b"!" + coded[100:], text=False) == (document, "base64_odd")
    assert unbase64(base64.encodebytes(document[:10]) + base64.encodebytes(document), text=False) == (
        document[:10] + document,
        "base64_joined",
    )


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_runs_are_joined_whatever_they_hold(runs: list[bytes]) -> None:
    coded = b"\r\n".join(base64.b64encode(run) for run in runs)
    parted = [run for run in runs if run]
    if all(len(run) % 3 for run in parted[:-1]):  # else nothing marks the seam, and nothing need to
        assert base64_bytes(coded) == b"".join(runs)


@given(st.binary(max_size=300), st.booleans())
def test_nothing_raises(data: bytes, text: bool) -> None:
    assert isinstance(unbase64(data, text)[0], bytes)


@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\n\r\nBonjour\r\n--b--\r\n",
        b"This is a multi-part message in MIME format.\r\n--b\r\n\r\nBonjour\r\n--b--\r\n",
        b"Ceci est un message au format MIME.\r\n\r\n--b\r\n\r\nBonjour\r\n--b--\r\n\r\n",
    ],
)
def test_what_programs_write_around_the_parts_is_no_text(body: bytes) -> None:
    found = mail('Content-Type: multipart/mixed; boundary="b"', body)
    assert (found.text, found.problems) == ("Bonjour", ())


@pytest.mark.parametrize(
    "body",
    [
        b"Potassium 6,8\r\n--b\r\n\r\nBonjour\r\n--b--\r\n",
        b"--b\r\n\r\nBonjour\r\n--b--\r\nAppeler la patiente.\r\n",
    ],
)
def test_what_somebody_writes_around_the_parts_is_noticed(body: bytes) -> None:
    assert mail('Content-Type: multipart/mixed; boundary="b"', body).problems == ("text_around",)


@pytest.mark.parametrize(
    ("header", "body", "problem"),
    [
        ("Content-Type: multipart/mi xed; boundary=b", b"--b\r\n\r\nBonjour\r\n--b--", "odd_type"),
        ("Content-Type: text/plain\r\nno field at all", b"Bonjour", "odd_header"),
        ("Content-Type: text/html", b"<p>Hb <moins de 8 : appeler</p>", "odd_html"),
        ("Content-Type: text/html", b"<p>K 6,8</p><!-- appeler", "odd_html"),
        ("Content-Type: text/html", b"<p>K 6,8</p><div hidden>appeler</div>", "not_all_shown"),
        ("Content-Type: text/html", b"<p>K 6,8</p><p style='display:none'>appeler</p>", "not_all_shown"),
    ],
)
def test_what_may_hide_words_is_noticed(header: str, body: bytes, problem: str) -> None:
    assert problem in mail(header, body).problems


@pytest.mark.parametrize(
    "html",
    [
        "<html><head><title>Avis</title><style>p {color: red}</style></head><body><p class=x>K &lt; 3,5</p></html>",
        "<table><tr><td nowrap>K</td><td>6,8<br />mmol/l<o:p></o:p></td></tr></table><hr noshade><!-- [if mso] -->",
        "<p>a > b et 3 < 4</p><div hidden>K 6,8</div><p>K 6,8</p>",  # what is hidden is shown elsewhere
    ],
)
def test_ordinary_html_is_not_odd(html: str) -> None:
    assert mail("Content-Type: text/html; charset=utf-8", html.encode()).problems == ()
    assert not is_torn(html)


@pytest.mark.parametrize("end", ["</html>", "</body></html>", "</BODY>\n</HTML>", "</body></html></body></html>"])
def test_html_goes_on_after_its_end(end: str) -> None:
    html = f"<html><body><p>Avant</p>{end}<p>Après</p>{end}fin"
    assert to_text(html).split() == ["Avant", "Après", "fin"]
    assert "Après" in clean(html)
    assert clean(html).endswith("fin")


@pytest.mark.parametrize(
    ("mime", "name"),
    [
        ("text/csv", "document.csv"), ("text/vcard", "document.vcf"), ("text/xml", "document.xml"),
        ("text/calendar", "invitation.ics"), ("text/rtf", "document.rtf"), ("text/css", "document.txt"),
    ],
)  # fmt: skip
def test_a_text_for_programs_is_a_file_with_an_ending(mime: str, name: str) -> None:
    found = mail(f"Content-Type: {mime}", b"a;b\r\n")
    assert [file.name for file in found.files] == [name]
    assert found.text == ""


@pytest.mark.parametrize("mime", ["text/markdown", "text/x-web-markdown", "text/enriched", "text/troff"])
def test_any_other_text_is_read_as_plain_text(mime: str) -> None:
    found = mail(f"Content-Type: {mime}; charset=utf-8", "Potassium **6,8** élevé".encode())
    assert (found.text, found.html, found.files) == ("Potassium **6,8** élevé", None, ())
    attached = mail(f"Content-Type: {mime}\r\nContent-Disposition: attachment", b"x")
    assert (attached.text, attached.files[0].name.partition(".")[2] in ("md", "txt")) == ("", True)


def test_forms_of_an_alternative_that_are_not_chosen_hide_nothing() -> None:
    forms = [("text/plain", "Dose : 5 mg"), ("text/html", "<p>Dose : 5 mg</p>"), ("text/html", "<p>Dose : 5 mg</p>")]

    def read(forms: list[tuple[str, str]]) -> Mail:
        parts = "".join(f"--b\r\nContent-Type: {mime}\r\n\r\n{text}\r\n" for mime, text in forms)
        return mail("Content-Type: multipart/alternative; boundary=b", f"{parts}--b--\r\n".encode())

    assert read(forms).problems == ()
    assert read([*forms[:1], ("text/html", "<p>Dose : 10 mg</p>"), forms[2]]).problems == ("not_all_shown",)
    assert read([*forms, ("text/x-amp-html", "<p>Arreter</p>")]).problems == ("not_all_shown",)
    assert read([*forms, ("text/watch-html", "<p>5 mg</p>")]).problems == ()
