"""Mails as they come: who, in answer to what, and what they say."""

import base64
import random

import pytest

from bridge.errors import Refused
from bridge.networks.mail.boxes import Box, clean_address, parse_boxes
from bridge.networks.mail.charsets import decode, visible
from bridge.networks.mail.flowed import unflow
from bridge.networks.mail.headers import date, message_ids, parameters, words
from bridge.networks.mail.mime import Limits, Mail, parse
from bridge.networks.mail.names import ascii_name, safe_name
from bridge.networks.mail.threadindex import compose_thread_index, new_thread, parse_thread_index

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


@pytest.mark.parametrize(
    ("written", "address", "name"),
    [
        ("anna@X.FR", "anna@x.fr", ""),
        ('"Müller, Anna" <Anna@x.fr>', "Anna@x.fr", "Müller, Anna"),
        ("anna@x.fr (Anna (cabinet) M)", "anna@x.fr", "Anna (cabinet) M"),
        ("'anna@x.fr' <anna@x.fr>", "anna@x.fr", "anna@x.fr"),
        ("=?utf-8?Q?H=C3=A9l=C3=A8ne?= <h@x.fr>", "h@x.fr", "Hélène"),
        ("Dr_Marie_MARTIN_Cabinet Medical <m@x.fr>", "m@x.fr", "Dr_Marie_MARTIN_Cabinet Medical"),
        ("Leo <h@santé.fr>", "h@xn--sant-epa.fr", "Leo"),
        ('"john doe"@x.fr', '"john doe"@x.fr', ""),
        ("<@relay.fr:u@x.fr>", "u@x.fr", ""),
        ("evil@chu.fr <anna@x.fr>", "anna@x.fr", "evil@chu.fr"),
        ("A \u202egpj\u202c <anna@x.fr>", "anna@x.fr", "A gpj"),
        ("=?utf-8?Q?a=40b=2C_c=40d?= <anna@x.fr>", "anna@x.fr", "a@b, c@d"),
        ("\n Anna\n <anna@x.fr>", "anna@x.fr", "Anna"),
    ],
)
def test_senders(written: str, address: str, name: str) -> None:
    found = parse(f"From: {written}\r\n\r\nx".replace("\n", "\r\n").replace("\r\r", "\r").encode()).sender
    assert found == Box(address, name)


@pytest.mark.parametrize(
    "written", ["", "Anna", "anna@", "@x.fr", "<a@x.fr><b@x.fr>", "a@[1.2.3.4]", "a@-x.fr", "a b@x"]
)
def test_no_sender(written: str) -> None:
    with pytest.raises(Refused, match="no_sender"):
        parse(f"From: {written}\r\n\r\nx".encode())


@pytest.mark.parametrize("head", ["From: a@x.fr, b@x.fr", "From: a@x.fr\r\nFrom: b@x.fr", "From: g: a@x.fr, b@x.fr;"])
def test_many_senders(head: str) -> None:
    with pytest.raises(Refused, match="many_senders"):
        parse(head.encode() + b"\r\n\r\nx")


def test_groups_and_repeats_among_recipients() -> None:
    boxes, wrong = parse_boxes("Team: a@x.fr, B <b@x.fr>;, A@X.fr, undisclosed-recipients:;, broken")
    assert ([box.address for box in boxes], wrong) == (["a@x.fr", "b@x.fr"], 1)
    assert clean_address(" a@X.fr. ") == "a@x.fr"
    assert Box("a.b@x.fr").domain == "x.fr"
    assert Box("a.b@x.fr").local == "a.b"
    assert mail("Cc: nobody", head=HEAD).problems == ("no_date", "odd_cc")


def test_threading_ids_are_cleaned() -> None:
    found = mail("In-Reply-To: <p@x> (of Tuesday)\nReferences: <a@x> <1@cabinet.mssante.fr>\n <a@x>\t<p@x>")
    assert found.in_reply_to == ("p@x",)
    assert found.references == ("a@x", "p@x")
    assert message_ids("a@x") == ["a@x"]
    assert message_ids("no id here") == []
    many = message_ids(" ".join(f"<{n}@x>" for n in range(500)))
    assert (len(many), many[0], many[-1]) == (100, "0@x", "499@x")


def test_message_ids_that_break_other_readers() -> None:
    assert parse(b"From: a@x.fr\r\nMessage-ID: <[x]\r\n\r\n").problems == ("no_date", "odd_message_id")
    assert parse(b"From: a@x.fr\r\nMessage-ID: <[x]>\r\n\r\n").message_id == "[x]"
    assert parse(b"From: a@x.fr\r\nMessage-ID: <a@x>\r\nMessage-ID: <b@x>\r\n\r\n").message_id == "a@x"
    assert "no_message_id" in parse(b"From: a@x.fr\r\n\r\n").problems


def test_thread_index_of_outlook() -> None:
    head = new_thread("thread", 1700000000000)
    first, answer = compose_thread_index(head), compose_thread_index(head, 2, 1700000600000)
    assert len(base64.b64decode(first)) == 22
    assert base64.b64decode(first)[0] == 1
    assert len(base64.b64decode(answer)) == 32
    assert parse_thread_index(first) == parse_thread_index(answer) == head
    assert mail(f"Thread-Index: {answer}").thread_index == head
    assert [parse_thread_index(bad) for bad in ("", "x", "AAAA", "=" * 40, "é" * 40)] == [None] * 5
    years_later = compose_thread_index(head, 1, 1700000000000 + 4 * 365 * 86_400_000)
    assert base64.b64decode(years_later)[22] & 0x80


def test_headers_as_they_really_are() -> None:
    assert parse(HEAD + "Subject: résumé\r\n\r\n".encode("cp1252")).subject == "résumé"
    assert parse(HEAD + "Subject: résumé\r\n\r\n".encode()).subject == "résumé"
    assert parse(HEAD + b"Subject : =?utf-8?B?w6k=?=\r\n =?utf-8?B?w6k=?=\r\n\r\n").subject == "éé"
    assert words("=?utf-8?Q?a=C3?= =?utf-8?Q?=A9b?= =?iso-8859-1?Q?l=92an?=") == "aébl’an"
    assert words("=?nope?Q?x?= =?utf-8?b?w6k?= =?utf-8*fr?Q?y?=") == "=?nope?Q?x?=éy"
    assert parse(HEAD + b"Subject: a\x00b\x07c\r\n\r\n").subject == "abc"
    assert parse(b"From anna Mon\r\n" + HEAD + b"\r\nx").text == "x"
    assert parse(b"\xef\xbb\xbf" + HEAD + b"\r\nx").text == "x"
    assert parse(HEAD + b"no header at all\r\nBonjour").text == "no header at all\nBonjour"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("attachment; filename==?UTF-8?Q?r=C3=A9sultat.pdf?=", "résultat.pdf"),
        ('attachment; filename="=?utf-8?B?w6k=?= =?utf-8?B?w6k=?=.pdf"', "éé.pdf"),
        ("attachment; filename=avis du service.pdf", "avis du service.pdf"),
        ("attachment; filename*=iso-8859-1'fr'%E9.pdf", "é.pdf"),
        ("attachment; filename*1*=%A9s.pdf; filename*0*=utf-8''r%C3; filename=x.pdf", "rés.pdf"),
        ('attachment; filename*0="a b"; filename*1=".pdf"', "a b.pdf"),
        ('attachment; FileName="a;b.pdf"', "a;b.pdf"),
        ('attachment; filename="C:\\docs\\a.pdf"', "C:\\docs\\a.pdf"),
        ('attachment; filename="no end', "no end"),
        ("attachment; filename*=nope'%zz'%E9", "é"),
    ],
)
def test_names_of_attachments(value: str, name: str) -> None:
    assert parameters(value).get("filename") == name


@pytest.mark.parametrize(
    ("written", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\a.pdf", "a.pdf"),
        ("a\u202efdp.exe", "afdp.exe"),
        (".bashrc", "bashrc"),
        ("con.pdf", "_con.pdf"),
        ("a\r\nb\x00.pdf", "a b.pdf"),
        ("", "document.pdf"),
        ("...", "document.pdf"),
        ("a<b>:|?.pdf", "a_b____.pdf"),
    ],
)
def test_names_are_made_safe(written: str, safe: str) -> None:
    assert safe_name(written, "application/pdf") == safe


def test_long_names_keep_their_extension() -> None:
    assert len(safe_name("é" * 500 + ".pdf").encode()) <= 180
    assert safe_name("é" * 500 + ".pdf").endswith("é.pdf")
    assert (
        ascii_name("20220531_CR d'imagerie médicale_CORSE_FIGATELLIX.pdf") == "20220531_CR_d_imagerie_medicale_CORS.pdf"
    )
    assert ascii_name("日本") == "document"


@pytest.mark.parametrize(
    ("data", "label", "text", "right"),
    [
        ("l’été".encode("cp1252"), "iso-8859-1", "l’été", True),
        ("l’été".encode("cp1252"), "", "l’été", False),
        ("l’été".encode("cp1252"), "utf-8", "l’été", False),
        ("été".encode("mac_roman"), "macintosh", "été", True),
        ("été".encode("mac_roman"), "x-mac-roman", "été", True),
        ("été".encode("utf-16"), "utf-16", "été", True),
        ("été".encode("utf-16-le"), "utf-16", "été", True),
        ("été".encode("utf-16-be"), "UTF-16", "été", True),
        ("été €".encode("iso-8859-15"), "iso-8859-15", "été €", True),
        ("été".encode(), "us-ascii", "été", False),
        ("été".encode(), "no-such-charset", "été", False),
        ("été".encode(), "unicode_escape", "été", False),
        ("été".encode(), "idna", "été", False),
        ("été".encode(), "base64", "été", False),
        ("été".encode() + b"\xe9", "utf-8", "étéé", False),
        (b"\xff\xfe\x00", "utf-16", "\ufffd", False),
        (b"", "", "", True),
    ],
)
def test_charsets(data: bytes, label: str, text: str, right: bool) -> None:
    assert decode(data, label) == (text, right)


def test_invisible_characters_go_but_emoji_stay() -> None:
    assert visible("a\u202eb\u2066c\u200bd\ufeffe\u00adf\U000e0041") == "abcdef"
    assert visible("pa\u200dss") == "pass"
    assert visible("👩\u200d⚕️ é") == "👩\u200d⚕️ é"


def test_flowed_text() -> None:
    text = "Un paragraphe \nsur deux lignes\n\n>> cité \n>> encore\n> \n>> autre\n  décalé\n-- \nAnna"
    assert unflow(text) == "Un paragraphe sur deux lignes\n\n> > cité encore\n>\n> > autre\n décalé\n-- \nAnna"
    assert unflow("ab \ncd", delete_space=True) == "abcd"
    found = mail("Content-Type: text/plain; format=flowed; charset=utf-8", b"Un \r\n mot\r\n")
    assert found.text == "Un mot"


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


def test_mss_fields_by_their_proper_name() -> None:
    found = mail("X-MSS-NIL: DEV935997\nX_MSS_INS: O\nx-mss-codecda: 34112-3,\n PRESC-BIO\nX-MSS-INS: N")
    assert dict(found.mss) == {"X-MSS-NIL": "DEV935997", "X-MSS-INS": "O", "X-MSS-CODECDA": "34112-3, PRESC-BIO"}


def test_the_same_mail_has_the_same_digest_on_every_way() -> None:
    one = mail("Subject: x\nDate: Tue, 20 Feb 2024 00:19:00 +0100")
    again = mail("Received: by y\nSubject:  x\nDate: Tue, 20 Feb 2024 00:19:00 +0100\nX-Spam: no\nReturn-Path: <a@b>")
    other = mail("Subject: x\nDate: Tue, 20 Feb 2024 00:19:00 +0100", b"Bonsoir\r\n")
    qp = mail(
        "Subject: x\nDate: Tue, 20 Feb 2024 00:19:00 +0100\nContent-Transfer-Encoding: quoted-printable", b"Bon=6Aour"
    )
    assert one.digest == again.digest == qp.digest != other.digest
    assert (one.received, again.received) == (0, 1)


def test_receipts_are_asked_by_one_mailbox() -> None:
    assert mail("Disposition-Notification-To: Anna <a@x.fr>").mdn_to == Box("a@x.fr", "Anna")
    assert mail("Disposition-Notification-To: a@x.fr, b@x.fr").mdn_to is None


@pytest.mark.parametrize(
    "written", ["", "yesterday", "Fri, 99 Foo 99999 99:99:99 +9999", "1 Jan 1960 00:00:00", "\x00"]
)
def test_dates_that_are_none(written: str) -> None:
    assert date(written) is None


def test_a_date_without_zone_is_utc() -> None:
    assert date("20 Feb 2024 00:00:00") == date("Tue, 20 Feb 2024 01:00:00 +0100 (CET)") == 1708387200000


def test_a_missing_last_boundary_loses_nothing() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nBonjour\r\n--b\r\nContent-Type: x/y\r\n\r\nlast"
    found = parse(HEAD + raw)
    assert (found.text, found.files[0].data) == ("Bonjour", b"last")
    assert "no_last_boundary" in found.problems


def test_a_multipart_without_parts_is_text() -> None:
    found = mail("Content-Type: multipart/mixed", b"Bonjour\r\n")
    assert (found.text, "no_boundary" in found.problems) == ("Bonjour", True)


def test_long_text_is_cut_and_says_so() -> None:
    found = parse(HEAD + b"\r\n" + b"a" * 5000, Limits(text=1000))
    assert (len(found.text), "text_cut" in found.problems, "long_line" in found.problems) == (1000, True, True)


def test_line_ends_of_all_kinds() -> None:
    assert parse((HEAD + b"\r\nBonjour\r\n").replace(b"\r\n", b"\n")).problems == ("bare_newline", "no_date")
    macintosh = parse((HEAD + b"\r\nBonjour\r\nBen").replace(b"\r\n", b"\r"))
    assert (macintosh.text, macintosh.sender) == ("Bonjour\nBen", Box("anna@cabinet.mssante.fr", "Anna"))
    with pytest.raises(Refused, match="bare_newline"):
        parse(HEAD + b"\r\na\n.\r\nb", Limits(bare_newlines=False))
    assert parse(HEAD + b"\r\na\r\n", Limits(bare_newlines=False)).text == "a"
