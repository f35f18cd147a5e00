"""Commands, replies and header rules without a connection: nothing that a stranger writes makes them fail oddly."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Refused, Unavailable
from bridge.networks.mail.smtp import header_rules, replies
from bridge.networks.mail.smtp.address import a_label, domain_of, normal
from bridge.networks.mail.smtp.commands import BadCommand, MailCommand, mail, rcpt, xtext
from bridge.networks.mail.smtp.replies import Reply

_LINE = re.compile(r"[2-5][0-9]{2}[ -][245]\.[0-9]{1,3}\.[0-9]{1,3} [ -~]+")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("MSS-A.example", "mss-a.example"),
        ("hôpital.example", "xn--hpital-ixa.example"),
        ("xn--hpital-ixa.example", "xn--hpital-ixa.example"),
        ("mss-a.example.", "mss-a.example"),
        ("", None),
        ("a..b", None),
        ("-a.example", None),
        ("[127.0.0.1]", None),
        ("a b.example", None),
        ("x" * 64 + ".example", None),
        ("a.example\r\nRCPT", None),
    ],
)
def test_domains(text: str, label: str | None) -> None:
    assert a_label(text) == label


def test_addresses() -> None:
    assert normal("Anna.X@HÔPITAL.example") == "Anna.X@xn--hpital-ixa.example"
    assert normal("anna") is None
    assert normal("@x.example") is None
    assert domain_of("a@b@C.example") == "c.example"


def _mail(argument: str) -> MailCommand | Reply:
    try:
        return mail(argument)
    except BadCommand as bad:
        return bad.reply


@given(st.text(max_size=300))
def test_any_argument_is_read_or_refused(text: str) -> None:
    for argument in (text, f"FROM:<{text}>", f"FROM:<a@b.example> {text}"):
        command = _mail(argument)
        if isinstance(command, Reply):
            assert all(_LINE.fullmatch(line) for line in str(command).split("\r\n"))
        else:
            assert command.sender == "" or normal(command.sender) == command.sender
    try:
        found = rcpt(f"TO:<{text}>", utf8=True, postmaster="postmaster@x.example")
    except BadCommand:
        return
    assert not re.search(r"[\r\n]", found.recipient)


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30))
def test_what_is_encoded_is_read_again(text: str) -> None:
    assert mail(f"FROM:<> ENVID={xtext(text)}").envid == text


@given(st.text())
def test_a_reply_is_ascii_and_short_whatever_it_speaks_about(text: str) -> None:
    for reply in (replies.SENDER_REFUSED, replies.NOT_LISTED, replies.RELAY, replies.STORED):
        lines = str(reply.about(text)).split("\r\n")
        assert all(len(line) <= 510 and line.isascii() and line.isprintable() for line in lines)


def test_every_reply_is_well_formed() -> None:
    known = [value for value in vars(replies).values() if isinstance(value, replies.Reply)]
    assert len(known) > 40
    for reply in known:
        for line in str(reply.about("x")).split("\r\n"):
            assert _LINE.fullmatch(line), line
            assert line[0] == line[4], "code and status are of one class"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("500 Error: bad syntax", "500 5.5.2 Error: bad syntax"),
        ("250 OK", "250 2.0.0 OK"),
        ("354 End data with <CR><LF>.<CR><LF>", "354 End data with <CR><LF>.<CR><LF>"),
        ("220 Ready to start TLS", "220 Ready to start TLS"),
        ("421 4.7.0 NOOP sent too many times", "421 4.7.0 NOOP sent too many times"),
        ("552 Error: Too much mail data", "552 5.3.4 Error: Too much mail data"),
        ("550-5.7.1 a\r\n550 5.7.1 b", "550-5.7.1 a\r\n550 5.7.1 b"),
    ],
)
def test_the_librarys_lines_get_a_status(line: str, said: str) -> None:
    assert replies.enhanced(line) == said


def test_verdicts_and_refusals() -> None:
    assert "CN=x" in str(replies.of_verdict("dn_not_listed", "CN=x"))
    assert str(replies.of_verdict("certificate_revoked", "CN=x")).startswith("550-5.7.1 Certificat revoque")
    assert "certificate_unreadable" in str(replies.of_verdict("certificate_unreadable", ""))
    assert replies.of_box("ok") is None
    assert "12" in str(replies.of_refusal(Refused("too_large", about="12")))
    assert replies.of_absence(Unavailable("scanner_down")).status == "4.7.1"


@given(st.binary(max_size=2000))
def test_any_mail_is_judged_or_refused(raw: bytes) -> None:
    for attempt in (raw, b"From: " + raw, b"From: a@b.example\r\n" + raw):
        assert _judged(attempt) in {200, 554}


def _judged(raw: bytes) -> int:
    try:
        header_rules.check_lines(raw)
        fields = header_rules.header(raw, 4096)
        header_rules.check_loop(fields, 30)
        return 200 if header_rules.author_domains(fields) else 0
    except Refused as refusal:
        return replies.of_refusal(refusal).code


def test_a_header_ends_where_every_reader_thinks_that_it_ends() -> None:
    fields = header_rules.header(b"From: a@b.example\r\nX: y\r\n z\r\n\r\nFrom: c@d.example\r\n", 4096)
    assert fields == [("from", b" a@b.example"), ("x", b" y\n z")]
    with pytest.raises(Refused, match="header_too_large"):
        header_rules.header(b"X: y\r\n" * 1000, 4096)
