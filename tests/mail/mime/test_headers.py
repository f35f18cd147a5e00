"""The fields of a mail: who, in answer to what, and every way to write it."""

import base64

import pytest

from bridge.errors import Refused
from bridge.networks.mail.mime.boxes import Box, clean_address, parse_boxes
from bridge.networks.mail.mime.charsets import decode, visible
from bridge.networks.mail.mime.file_names import ascii_name, safe_name
from bridge.networks.mail.mime.flowed import unflow
from bridge.networks.mail.mime.headers import date, message_ids, parameters, words
from bridge.networks.mail.mime.mail import Mail, parse
from bridge.networks.mail.mime.threadindex import compose_thread_index, parse_thread_index

HEAD = b"From: Anna <anna@cabinet.mssante.fr>\r\nTo: ben@chu.mssante.fr\r\nMessage-ID: <1@cabinet.mssante.fr>\r\n"


def mail(fields: str = "", body: bytes = b"Bonjour\r\n", head: bytes = HEAD) -> Mail:
    raw = fields.strip().replace("\n", "\r\n").encode()
    return parse(head + (raw + b"\r\n" if raw else b"") + b"\r\n" + body)


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
    head = "01da1747c66d39200d1e8a8dbbb6d7bcea51e02b99f0"  # begun at 1700000000000
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


def test_mss_fields_by_their_proper_name() -> None:
    found = mail("X-MSS-NIL: DEV935997\nX_MSS_INS: O\nx-mss-codecda: 34112-3,\n PRESC-BIO\nX-MSS-INS: N")
    assert dict(found.mss) == {"X-MSS-NIL": "DEV935997", "X-MSS-INS": "O", "X-MSS-CODECDA": "34112-3, PRESC-BIO"}


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
