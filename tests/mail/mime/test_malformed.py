"""Bytes that are no proper mail: a Mail or a Refused, in bounded time, nothing else."""

import sys
import tracemalloc
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import MessageError
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.networks.mail.letters.seven_bit import seven_bit
from bridge.networks.mail.mime.boxes import parse_boxes
from bridge.networks.mail.mime.headers import MOST_VALUE, message_ids, parameters, words
from bridge.networks.mail.mime.mail import Mail, MailLimits, parse
from bridge.networks.mail.mime.parts import take_apart
from bridge.networks.mail.mime.safe_html import clean

GOLDEN = Path(__file__).parent / "golden" / "cpython"
MESSAGES = sorted(GOLDEN.glob("msg_*.txt"))
CODES = {"no_sender", "many_senders", "too_big", "too_deep", "too_many_parts", "too_many_headers", "bare_newline"}
HEAD = b"From: anna@x.fr\r\nTo: ben@y.fr\r\nMessage-ID: <1@x.fr>\r\n"
PIECES = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"--", b"--BOUNDARY", b"--BOUNDARY--", b";", b'"', b"\\", b"<", b">", b",",
    b":", b"(", b")", b"=?utf-8?q?=C3", b"=?=", b"=?x?b?!?=", b"\x00", b"\xff", b"\xe9", b"=", b"=\r\n", b"%", b"*0*=",
    b"''", b"Content-Type: multipart/mixed; boundary=\r\n", b"Content-Type: message/rfc822\r\n", b"charset=utf-16",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Type: text/html; charset=punycode\r\n", b"boundary=",
    b"Content-Type: multipart/report\r\n", b"Date: Mon, 99 Jan 99999 99:99 +9999\r\n", b"Message-ID: <[x]\r\n",
    b"From: ", b"From: a@b\r\n", b"\xef\xbb\xbf",
]  # fmt: skip


def read(raw: bytes) -> Mail | None:
    """What must hold of every sequence of bytes."""
    try:
        found = parse(raw)
    except Refused as refused:
        assert refused.code in CODES  # noqa: PT017 - refusing is allowed, not demanded
        return None
    for text in (
        found.text,
        found.html or "",
        found.subject,
        *(file.name for file in found.files),
        *found.mss.values(),
    ):
        text.encode()
        assert "\x00" not in text
        assert "\r" not in text
    assert all(file.name and "/" not in file.name and "\n" not in file.name for file in found.files)
    assert found.sender is None or found.sender.domain == found.sender.domain.lower() != ""
    assert len(found.digest) == 64
    assert parse(raw) == found
    clean(found.html or "")
    return found


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_messages_of_pythons_own_tests(path: Path) -> None:
    for raw in (path.read_bytes(), path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")):
        read(raw)
        found = read(HEAD + b"\r\n".join(line for line in raw.splitlines() if not line.lower().startswith(b"from")))
        assert found is None or found.sender is not None


def test_all_of_them_are_there_and_most_are_readable() -> None:
    assert len(MESSAGES) == 48
    readable = [path for path in MESSAGES if read(path.read_bytes()) is not None]
    assert len(readable) >= 41


def standard_leaves(raw: bytes) -> list[str]:
    def leaves(message: object) -> Iterator[str]:
        parts = message.get_payload() if message.get_content_maintype() == "multipart" else None  # type: ignore[attr-defined]
        if isinstance(parts, list):
            for part in parts:
                yield from leaves(part)
        else:
            kind = message.get_content_type()  # type: ignore[attr-defined]
            yield "text/plain" if kind.startswith("multipart/") else kind

    return list(leaves(message_from_bytes(raw)))


# There the two disagree on purpose.
DIFFERENT = {"msg_15", "msg_37"}


@pytest.mark.parametrize("path", [path for path in MESSAGES if path.stem not in DIFFERENT], ids=lambda path: path.stem)
def test_the_parts_are_those_that_the_standard_library_finds(path: Path) -> None:
    raw = path.read_bytes()
    assert [part.mime for part in take_apart(raw, MailLimits()).walk() if not part.parts] == standard_leaves(raw)


SMALL = [path.read_bytes() for path in MESSAGES if path.stat().st_size < 6000]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A message of Python's tests with pieces cut, doubled, moved or put in."""
    raw = draw(st.sampled_from(SMALL))
    for _ in range(draw(st.integers(1, 8))):
        at, end = sorted((draw(st.integers(0, len(raw))), draw(st.integers(0, len(raw)))))
        piece = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8), st.just(raw[at:end])))
        cut = draw(st.sampled_from([at, min(len(raw), at + len(piece)), end if end - at < 200 else at]))
        raw = raw[:at] + piece + raw[cut:]
    return HEAD + raw if draw(st.booleans()) else raw


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_mutated_messages(raw: bytes) -> None:
    read(raw)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=5)), max_size=40))
def test_pieces_in_any_order(pieces: list[bytes]) -> None:
    read(HEAD + b"".join(pieces))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(mutated())
def test_any_message_passes_where_only_seven_bits_pass(raw: bytes) -> None:
    try:
        narrow = seven_bit(raw)
    except Refused as refused:
        assert refused.code in CODES | {"bad_address"}  # noqa: PT017 - no ASCII form of such a local part
        return
    assert narrow.isascii()
    assert b"\r" not in narrow.replace(b"\r\n", b"")


def nested(depth: int) -> bytes:
    raw = HEAD
    for n in range(depth):
        raw += b'Content-Type: multipart/mixed; boundary="b%05d"\r\n\r\n--b%05d\r\n' % (n, n)
    return raw + b"\r\nBonjour\r\n"


def test_depth_is_bounded() -> None:
    assert parse(nested(20)).text == "Bonjour"
    for depth in (21, 1000, 20_000):
        with pytest.raises(Refused, match="too_deep"):
            parse(nested(depth))


def test_mails_in_mails_have_no_depth() -> None:
    found = parse(HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 5000 + b"x")
    assert (len(found.files), found.text) == (1, "")


def test_parts_are_bounded() -> None:
    head = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    assert len(parse(head + b"--b\r\nContent-Type: a/b\r\n\r\nx\r\n" * 400).files) == 400
    for bomb in (b"--b\r\n\r\nx\r\n" * 501, b"--b\r\n" * 1_000_000, b"--bx\r\n" * 1_000_000):
        with pytest.raises(Refused, match="too_many_parts"):
            parse(head + bomb)


def test_multiparts_that_double_at_each_level() -> None:
    body = b"x"
    for n in range(12):
        part = b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n' % n
        body = part + (b"--b%d\r\n" % n + body + b"\r\n") * 2 + b"--b%d--\r\n" % n
    with pytest.raises(Refused, match="too_many_parts"):
        parse(HEAD + body)


def test_headers_are_bounded() -> None:
    for bomb in (b"A: b\r\n" * 3000, b"A: " + b"b" * 600_000 + b"\r\n", b"A: b\r\n" + b" c\r\n" * 500_000):
        with pytest.raises(Refused, match="too_many_headers"):
            parse(HEAD + bomb + b"\r\nx")
        with pytest.raises(Refused, match="too_many_headers"):
            parse(HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + bomb + b"\r\nx")


def test_size_is_bounded() -> None:
    with pytest.raises(Refused, match="too_big"):
        parse(HEAD + b"\r\n" + b"x" * 1000, MailLimits(size=1000))


@pytest.mark.parametrize(
    "evil",
    [
        "=?a?q?", "=?utf-8?q?", "=?utf-8?q?a?= ", "?= ", '"', "(", ")", "<", ">", "a@b,", ";a=", ";a*0*=", "\\", " ",
        "é.", "<a@b> ", "a@", "%", "'", ';a="', "=?utf-8?b?====", "\u202e", ",", ":", "a:b;",
    ],
)  # fmt: skip
def test_long_values_of_every_kind(evil: str) -> None:
    """Each of these takes minutes where the time grows with the square."""
    text = evil * (MOST_VALUE // len(evil))
    words(text)
    parse_boxes(text)
    parse_boxes("a@" + text)
    parameters("x/y" + text)
    message_ids(text)
    fields = "".join(f"{name}: {text}\r\n" for name in ("Subject", "References", "To", "Date", "Thread-Index"))
    read(HEAD + f"{fields}\r\nx".encode())
    read(f"From: {text}\r\nContent-Type: {text}\r\n\r\nx".encode())


def test_many_names_of_one_parameter() -> None:
    sections = "".join(f"; filename*{n}*=%41" for n in range(5000))
    assert parameters(f"attachment{sections}"[:8192]).get("filename").strip("A") == ""


def test_a_mail_of_full_size_takes_its_own_size_a_few_times() -> None:
    body = (b"QUJD" * 19 + b"\r\n") * 250_000
    part = (
        b"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body + b"\r\n--b--\r\n"
    )
    raw = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part
    tracemalloc.start()
    try:
        assert parse(raw).files[0].size == 250_000 * 57
        assert tracemalloc.get_traced_memory()[1] < 4 * len(raw)
    finally:
        tracemalloc.stop()


def test_a_body_of_full_size_in_a_wrong_charset() -> None:
    found = parse(HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + b"\xe9" * 20_000_000)
    assert found.text == "é" * MailLimits().text
    assert {"charset", "text_cut"} <= set(found.problems)


def test_the_standard_library_reads_what_we_read() -> None:
    """The oracle of these tests is not ours: it must not fail where it is used."""
    for path in MESSAGES:
        try:
            message_from_bytes(path.read_bytes())
        except MessageError as error:  # pragma: no cover
            pytest.fail(f"{path.name}: {error} on {sys.version}")
