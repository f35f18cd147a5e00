"""Mails as they come: their parts, what they say, what is a document."""

import base64
import random

import pytest

from bridge.errors import Refused
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.mail import Mail, MailLimits, parse

HEAD = b"From: Anna <anna@cabinet.mssante.fr>\r\nTo: ben@chu.mssante.fr\r\nMessage-ID: <1@cabinet.mssante.fr>\r\n"


def mail(fields: str = "", body: bytes = b"Bonjour\r\n", head: bytes = HEAD) -> Mail:
    raw = fields.strip().replace("\n", "\r\n").encode()
    return parse(head + (raw + b"\r\n" if raw else b"") + b"\r\n" + body)


def mixed(*parts: str, kind: str = "mixed", boundary: str = "b") -> Mail:
    body = "".join(f"--{boundary}\n{part}\n" for part in parts) + f"--{boundary}--\n"
    return mail(f'Content-Type: multipart/{kind}; boundary="{boundary}"', body.replace("\n", "\r\n").encode())


PLAIN = "Content-Type: text/plain\n\nBonjour"
HTML = "Content-Type: text/html\n\n<p>Bonjour <b>Ben</b></p>"
PDF = "Content-Type: application/pdf; name=a.pdf\nContent-Disposition: attachment; filename=a.pdf\n\n%PDF-1"


def test_a_simple_mail_says_everything_that_the_hub_needs() -> None:
    found = mail("Date: Tue, 20 Feb 2024 00:19:00 +0100\nSubject: Demande d'avis\nCc: c@x.fr\nReply-To: d@x.fr")
    assert found.sender == Box("anna@cabinet.mssante.fr", "Anna")
    assert (found.to, found.cc, found.reply_to) == ((Box("ben@chu.mssante.fr"),), (Box("c@x.fr"),), (Box("d@x.fr"),))
    assert (found.message_id, found.sent_at, found.subject) == ("1@cabinet.mssante.fr", 1708384740000, "Demande d'avis")
    assert (found.text, found.html, found.files, found.problems) == ("Bonjour", None, (), ())


def test_nothing_that_is_said_is_in_a_repr() -> None:
    found = mixed("Content-Type: text/plain\n\nSECRET-1", PDF.replace("a.pdf", "SECRET-2.pdf"))
    found_too = mail("Subject: SECRET-3\nX-MSS-INS: SECRET-4\nX-Other: SECRET-5", b"SECRET-6")
    assert "SECRET" not in repr(found) + repr(found_too) + repr(found.headers) + repr(found.sender)
    assert "SECRET" not in repr(parse(HEAD.replace(b"Anna", b"SECRET") + b"\r\n\r\n").sender)


def test_text_and_html_are_one_body() -> None:
    found = mixed(PLAIN, HTML, kind="alternative")
    assert (found.text, found.html, found.files) == ("Bonjour", "<p>Bonjour <b>Ben</b></p>", ())


def test_text_is_made_of_html_where_there_is_none() -> None:
    assert mixed(HTML).text == "Bonjour Ben"
    empty, stub = "Content-Type: text/plain\n\n \n", "Content-Type: text/plain\n\nVotre client ne supporte pas le HTML."
    assert mixed(empty, HTML, kind="alternative").text == "Bonjour Ben"
    assert mixed(stub, HTML, kind="alternative").text == "Bonjour Ben"


def test_documents_beside_the_body() -> None:
    found = mixed(
        PLAIN, PDF, "Content-Type: text/plain; name=r.hpr\nContent-Disposition: inline\n\nDUPONT\nMARIE", PLAIN
    )
    assert [(one.name, one.mime, one.data) for one in found.files] == [
        ("a.pdf", "application/pdf", b"%PDF-1"),
        ("r.hpr", "text/plain", b"DUPONT\r\nMARIE"),
    ]
    assert found.text == "Bonjour\n\nBonjour"


def test_a_body_with_a_name_is_still_the_body_but_an_attachment_is_not() -> None:
    assert mail("Content-Type: text/plain; name=body.txt").text == "Bonjour"
    assert mail("Content-Disposition: attachment; filename=x.txt").files[0].data == b"Bonjour\r\n"


def test_pictures_are_inline_only_when_the_html_shows_them() -> None:
    html = 'Content-Type: text/html\n\n<img src="cid:a%40b">'
    pictures = [f"Content-Type: image/png\nContent-ID: <{cid}>\n\npng" for cid in ("a@b", "c@d")]
    found = mixed(html, *pictures, kind="related")
    assert [(one.name, one.inline) for one in found.files] == [("image.png", "a@b"), ("image.png", None)]


def test_the_root_of_related_parts_may_be_named() -> None:
    parts = ["Content-Type: image/png\nContent-ID: <p>\n\npng", "Content-ID: <r>\nContent-Type: text/html\n\n<p>r</p>"]
    body = "".join(f"--b\r\n{part}\r\n" for part in parts).replace("\n", "\r\n").replace("\r\r", "\r") + "--b--"
    found = mail('Content-Type: multipart/related; boundary=b; start="<r>"', body.encode())
    assert (found.text, len(found.files)) == ("r", 1)


def test_mixed_forms_are_joined_in_order() -> None:
    found = mixed(PLAIN, "Content-Type: text/html\n\n<p>pied</p>")
    assert found.text == "Bonjour\n\npied"
    assert found.html == "<div>Bonjour</div>\n<p>pied</p>"


def test_calendar_tnef_smime_and_msg_are_documents() -> None:
    found = mixed(
        PLAIN,
        "Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR",
        "Content-Type: application/ms-tnef\n\nx",
        "Content-Type: application/pkcs7-mime; name=smime.p7m\n\nx",
        "Content-Type: application/vnd.ms-outlook; name=a.msg\n\nx",
        "Content-Type: application/octet-stream\n\n%PDF-1.4",
        kind="alternative",
    )
    assert [one.name for one in found.files] == ["invitation.ics", "winmail.dat", "smime.p7m", "a.msg", "document.pdf"]
    assert "encrypted" in found.problems


def test_signed_mail_is_read_and_its_signature_kept() -> None:
    found = mixed(PLAIN, "Content-Type: application/pkcs7-signature; name=smime.p7s\n\nsig", kind="signed")
    assert (found.text, found.files[0].name, "signed" in found.problems) == ("Bonjour", "smime.p7s", True)


def test_a_forwarded_mail_is_a_document_byte_for_byte() -> None:
    inner = "From:  x@y.fr\nSubject:   a\n\tb\nContent-Type: multipart/mixed; boundary=b2\n\n--b2\n\nFrom me\n--b2--"
    for encoding, body in (
        ("7bit", inner),
        ("base64", base64.b64encode(inner.replace("\n", "\r\n").encode()).decode()),
    ):
        found = mixed(PLAIN, f"Content-Type: message/rfc822\nContent-Transfer-Encoding: {encoding}\n\n{body}")
        assert (found.files[0].name, found.files[0].mime) == ("message.eml", "message/rfc822")
        assert found.files[0].data == inner.replace("\n", "\r\n").encode()
        assert found.text == "Bonjour"


def test_digests_hold_mails_by_default() -> None:
    assert [one.mime for one in mixed("\nFrom: a@b\n\nx", "\nFrom: a@b\n\ny", kind="digest").files] == [
        "message/rfc822"
    ] * 2


def test_encodings_that_are_broken() -> None:
    b64 = "Content-Type: application/x\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\n"
    assert mixed(b64 + "QUJD*REU").files[0].data == b"ABCDE"
    assert mixed(b64 + "QUJDR").files[0].data.startswith(b"ABC")
    assert mixed(b64 + "QQ==\nQg==").files[0].data in (b"AB", b"A")
    assert mail("Content-Transfer-Encoding: quoted-printable", b"a=ZZ=E9=\r\nb=3").text == "a=ZZéb=3"
    uu = "Content-Type: application/x\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n#86)C\n`\nend"
    assert mixed(uu).files[0].data == b"abc"


def test_bytes_of_documents_are_exact_in_base64() -> None:
    data = random.Random(1).randbytes(10_000)
    text = base64.encodebytes(data).decode()
    part = f"Content-Type: application/zip; name=IHE_XDM.ZIP\nContent-Transfer-Encoding: base64\n\n{text}"
    assert mixed(PLAIN, part).files[0].data == data


def test_the_same_mail_has_the_same_digest_on_every_way() -> None:
    one = mail("Subject: x\nDate: Tue, 20 Feb 2024 00:19:00 +0100")
    again = mail("Received: by y\nSubject:  x\nDate: Tue, 20 Feb 2024 00:19:00 +0100\nX-Spam: no\nReturn-Path: <a@b>")
    other = mail("Subject: x\nDate: Tue, 20 Feb 2024 00:19:00 +0100", b"Bonsoir\r\n")
    qp = mail(
        "Subject: x\nDate: Tue, 20 Feb 2024 00:19:00 +0100\nContent-Transfer-Encoding: quoted-printable", b"Bon=6Aour"
    )
    assert one.digest == again.digest == qp.digest != other.digest
    assert (one.received, again.received) == (0, 1)


def test_a_missing_last_boundary_loses_nothing() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nBonjour\r\n--b\r\nContent-Type: x/y\r\n\r\nlast"
    found = parse(HEAD + raw)
    assert (found.text, found.files[0].data) == ("Bonjour", b"last")
    assert "no_last_boundary" in found.problems


def test_a_multipart_without_parts_is_text() -> None:
    found = mail("Content-Type: multipart/mixed", b"Bonjour\r\n")
    assert (found.text, "no_boundary" in found.problems) == ("Bonjour", True)


def test_long_text_is_cut_and_says_so() -> None:
    found = parse(HEAD + b"\r\n" + b"a" * 5000, MailLimits(text=1000))
    assert (len(found.text), "text_cut" in found.problems, "long_line" in found.problems) == (1000, True, True)


def test_line_ends_of_all_kinds() -> None:
    assert parse((HEAD + b"\r\nBonjour\r\n").replace(b"\r\n", b"\n")).problems == ("bare_newline", "no_date")
    macintosh = parse((HEAD + b"\r\nBonjour\r\nBen").replace(b"\r\n", b"\r"))
    assert (macintosh.text, macintosh.sender) == ("Bonjour\nBen", Box("anna@cabinet.mssante.fr", "Anna"))
    with pytest.raises(Refused, match="bare_newline"):
        parse(HEAD + b"\r\na\n.\r\nb", MailLimits(bare_newlines=False))
    assert parse(HEAD + b"\r\na\r\n", MailLimits(bare_newlines=False)).text == "a"
