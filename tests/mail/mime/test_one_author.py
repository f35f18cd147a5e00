"""Trust rests on one reading of From: whom the SMTP check judges is whom the room shows, or the mail is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.networks.mail.mime.mail import parse
from bridge.networks.mail.smtp import header_rules, replies

ANNA, EVE = "anna@mss-a.example", "eve@mss-b.example"
RECEIVED = b"Received: from peer by hub; Sun, 22 Nov 2026 01:00:00 +0000\r\n"  # the desk puts it in front


def judged(raw: bytes) -> frozenset[str] | str:
    """What the operator port finds: the domains, or the code of the refusal."""
    try:
        header_rules.check_lines(raw)
        return header_rules.author_domains(header_rules.header(raw, 262_144))
    except Refused as no:
        return no.code


def shown(raw: bytes) -> str:
    """What the room shows: the sender's domain, or the code of the refusal."""
    try:
        mail = parse(RECEIVED + raw)
    except Refused as no:
        return no.code
    return mail.sender.domain if mail.sender is not None else "no_sender"


def agree(raw: bytes) -> None:
    """Both accept the same domain; several authors are refused by the reader; what the check refuses is no sender."""
    check, reader = judged(raw), shown(raw)
    if isinstance(check, frozenset):
        assert {reader} == check or reader in ("no_sender", "many_senders"), (check, reader)
        assert reader != "many_senders" or len(check) >= 1
    elif check == "from_missing" and b"\0" not in raw:  # with NUL it never comes to the reader
        assert reader in ("no_sender", "many_senders"), reader


def mail(author: str | bytes, fold: bytes = b"\r\n") -> bytes:
    value = author if isinstance(author, bytes) else author.encode()
    return b"From:" + value + fold + b"Subject: x\r\n\r\nBonjour\r\n"


@pytest.mark.parametrize(
    ("author", "domains"),
    [
        (f" {ANNA}", {"mss-a.example"}),
        (f" {ANNA} ({EVE})", {"mss-a.example"}),
        (f" ({EVE}) {ANNA}", {"mss-a.example"}),
        (f" Anna (a (nested {EVE}) comment) <{ANNA}>", {"mss-a.example"}),
        (f' "{ANNA}" <{EVE}>', {"mss-b.example"}),
        (f" {ANNA} <{EVE}>", {"mss-b.example"}),
        (f' "a\\"@mss-a.example <{ANNA}>" <{EVE}>', {"mss-b.example"}),
        (f' "Durand, Anna <{EVE}>" <{ANNA}>', {"mss-a.example"}),
        (f" Dr Durand, cardiologue <{ANNA}>", {"mss-a.example"}),
        (f" cercle: {ANNA};", {"mss-a.example"}),
        (f" {ANNA}: {EVE};", {"mss-b.example"}),
        (f" cercle: {ANNA}, {EVE};", {"mss-a.example", "mss-b.example"}),
        (f" {ANNA}, {EVE}", {"mss-a.example", "mss-b.example"}),
        (f" <@mss-b.example,@x.example:{ANNA}>", {"mss-a.example"}),
        (f" <@mss-b.example:{ANNA}>", {"mss-a.example"}),
        (f" =?utf-8?q?{ANNA.replace('@', '=40')}?= <{EVE}>", {"mss-b.example"}),
        (f" =?utf-8?q?=3C{ANNA.replace('@', '=40')}=3E=2C?= {EVE}", "from_missing"),
        (" =?utf-8?b?YW5uYUBtc3MtYS5leGFtcGxl?=", "from_missing"),
        (f" =?utf-16le?b?PABhAEAAYgA+AA==?= <{ANNA}>", {"mss-a.example"}),
        (" anna@ＭＳＳ-ａ.example", {"mss-a.example"}),  # full-width letters are the same name (UTS 46)
        (" anna@mss-a。example", {"mss-a.example"}),
        (" anna@mss-а.example", {"xn--mss--83d.example"}),  # a Cyrillic а is another name
        (" anna＠mss-a.example", "from_missing"),
        (f" {ANNA}\u200b", {"mss-a.example"}),  # no part of any name (UTS 46)
        (f" \u202e{ANNA}", {"mss-a.example"}),
        (" anna@[127.0.0.1]", "from_missing"),
        (f" {ANNA} {EVE}", "from_missing"),
        (f" <{ANNA}><{EVE}>", "from_missing"),
        (f" <{ANNA}", "from_missing"),
        (f' "{ANNA}', "from_missing"),
        (f" ({ANNA}", "from_missing"),
        (f"\r\n {ANNA}", {"mss-a.example"}),
        (" Anna\r\n\t(x\r\n y) <anna@\r\n mss-a.example>", {"mss-a.example"}),
        (" undisclosed-recipients:;", "from_missing"),
        ("", "from_missing"),
    ],
)  # fmt: skip
def test_hostile_authors(author: str, domains: set[str] | str) -> None:
    found = judged(mail(author))
    assert found == (domains if isinstance(domains, str) else frozenset(domains))
    agree(mail(author))


@pytest.mark.parametrize("eve", [f"Eve <{EVE}>".encode("utf-16-le"), f"<{EVE}>".encode("utf-16-be")])
def test_an_author_in_another_encoding_is_nobody_else(eve: bytes) -> None:
    """With a mark of UTF-16 in front, one program may read letters where another reads a quoted name."""
    for mark in (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"):
        for value in (mark + eve, b" " + mark + eve, mark + b'("' + eve + b'") <' + ANNA.encode() + b">"):
            assert judged(mail(value)) == "from_missing"  # it holds NUL, and never comes to the reader
    assert judged(mail(b'\xef\xbb\xbf "\xff" <' + ANNA.encode() + b">")) == frozenset({"mss-a.example"})
    hidden = b'\xff\xfe("' + f"<{EVE}>".encode("utf-16-le") + b'") <' + ANNA.encode() + b">"
    assert judged(mail(hidden)) == "from_missing"


@pytest.mark.parametrize(
    ("raw", "check", "reader"),
    [
        (f"From: {ANNA}\r\nFrom: {EVE}\r\n\r\n", "from_several", "many_senders"),
        (f"From: {ANNA}\r\nfRoM : {ANNA}\r\n\r\n", "from_several", "many_senders"),
        (f"From: {ANNA}\r\nno field\r\nFrom: {EVE}\r\n\r\n", "from_several", "mss-a.example"),
        (f"no field\r\nFrom: {ANNA}\r\n\r\n", {"mss-a.example"}, "no_sender"),
        (f"no field\r\n continued\r\nFrom: {ANNA}\r\n\r\n", {"mss-a.example"}, "no_sender"),
        (f"X: y\r\n \r\n From: {EVE}\r\nFrom: {ANNA}\r\n\r\n", {"mss-a.example"}, "mss-a.example"),
        (f" From: {EVE}\r\nFrom: {ANNA}\r\n\r\n", {"mss-a.example"}, "mss-a.example"),
        (f"\ufeffFrom: {EVE}\r\nFrom: {ANNA}\r\n\r\n", {"mss-a.example"}, "no_sender"),
        (f"From {EVE}\r\nFrom: {ANNA}\r\n\r\n", {"mss-a.example"}, "no_sender"),
        (f"Subject: x\r\n\r\nFrom: {ANNA}\r\n\r\n", "from_missing", "no_sender"),
        (f"Sender: {ANNA}\r\nReply-To: {ANNA}\r\n\r\n", "from_missing", "no_sender"),
    ],
)
def test_several_and_hidden_fields(raw: str, check: set[str] | str, reader: str) -> None:
    data = raw.encode()
    assert judged(data) == (check if isinstance(check, str) else frozenset(check))
    assert shown(data) == reader


def test_what_the_peer_reads() -> None:
    for code in ("from_missing", "from_several", "no_sender", "many_senders"):
        reply = replies.of_refusal(Refused(code))
        assert (reply.code, reply.status) == (554, "5.6.0"), code


PIECES = st.sampled_from([
    ANNA, EVE, "<", ">", "(", ")", '"', "\\", ",", ";", ":", "@", " ", "\t", "\r\n ", "\r\n\t", "anna",
    "@mss-b.example", "=?utf-8?q?", "=?utf-8?b?ZXZlQG1zcy1iLmV4YW1wbGU=?=", "?=", "=40", "\uff20", "\u3002",
    "\u200b", "\u202e", "é", "\0", ".",
    "mss-a.example", "cercle:", "xn--", "[127.0.0.1]", "\x0b", "\x85",
])  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_any_author_is_read_once(author: str) -> None:
    agree(mail(author))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_are_read_once(value: bytes) -> None:
    agree(mail(value))
    agree(mail(b' "' + value + b'" <' + ANNA.encode() + b">"))
    agree(mail(b"\xff\xfe" + value))


LINES = st.sampled_from([
    f"From: {ANNA}", f"From: {EVE}", f"from : {ANNA}", f" From: {EVE}", f"\tFrom: {EVE}", "", " ", "no field", ": x",
    f"X-From: {EVE}", f"From:\u00a0{ANNA}", f"Subject: x\r\n From: {EVE}", "Content-Type: multipart/mixed; boundary=b",
])  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(st.lists(LINES, max_size=8).map("\r\n".join))
def test_any_header_is_read_once(text: str) -> None:
    raw = text.encode() + b"\r\n\r\nx\r\n"
    check, reader = judged(raw), shown(raw)
    if isinstance(check, frozenset):
        assert reader in {*check, "no_sender", "many_senders"}
