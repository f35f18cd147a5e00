"""Letters as bytes: what is written is what others read, and nothing breaks out of its field."""

import quopri
import re
from dataclasses import replace
from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.letters.compose import Letter, base_subject, compose, kept_references, reply_subject
from bridge.networks.mail.letters.seven_bit import seven_bit
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.charsets import one_line, readable
from bridge.networks.mail.mime.file_names import safe_name
from bridge.networks.mail.mime.mail import parse

ANNA, BEN = Box("anna@cabinet.mssante.fr", "Dr Anna Müller, cardiologue"), Box("ben@chu.mssante.fr")
LETTER = Letter(
    message_id="d1@hub.mssante.fr",
    sender=ANNA,
    to=(BEN,),
    subject="Demande d'avis",
    text="Bonjour,\n\nvoilà.\n",
    sent_at=1700000000000,
)
NAME = "20220531_CR d'imagerie médicale_CORSE_FIGATELLIX.pdf"


def assert_seven_bit(raw: bytes) -> None:
    assert raw.isascii()
    assert b"\0" not in raw
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998


def test_a_letter_comes_back_as_it_was() -> None:
    letter = replace(
        LETTER,
        cc=(Box("c@x.fr", 'Le "chef"'),),
        reply_to=(Box("d@x.fr"),),
        html='<p>voilà <img src="cid:i@x"></p>\n',
        files=(File("i.png", "image/png", b"png", "i@x"), File(NAME, "application/pdf", bytes(range(256)))),
        in_reply_to="p@x",
        references=("a@x", "p@x", "a@x"),
        mss={"X-MSS-NIL": "DEV935997", "X-MSS-INS": "O"},
        want_mdn=ANNA,
        thread="019db1ded53ee3b98a4da31a127d4bde6e43033f66ba",
        extra={"Importance": "high"},
    )
    raw = compose(letter)
    assert_seven_bit(raw)
    found = parse(raw)
    assert (found.sender, found.to, found.cc, found.reply_to) == (ANNA, (BEN,), letter.cc, letter.reply_to)
    assert (found.message_id, found.subject, found.sent_at) == (letter.message_id, letter.subject, letter.sent_at)
    assert (found.text, found.html, found.files) == ("Bonjour,\n\nvoilà.", letter.html, letter.files)
    assert (found.in_reply_to, found.references, found.thread_index) == (("p@x",), ("a@x", "p@x"), letter.thread)
    assert (dict(found.mss), found.mdn_to, found.loops) == (dict(letter.mss), ANNA, ("hub.mssante.fr",))
    assert (found.automatic, found.problems, found.headers.get("importance")) == (None, (), "high")


def test_the_same_letter_gives_the_same_bytes() -> None:
    letter = replace(LETTER, html="<p>x</p>", files=(File("a", "a/b", b"x"),))
    assert compose(letter) == compose(letter)
    assert parse(compose(letter)).digest == parse(compose(letter, eight_bit=True)).digest


def test_the_standard_library_reads_the_same() -> None:
    letter = replace(LETTER, html="<p>voilà</p>", files=(File(NAME, "application/pdf", b"%PDF"),), subject="é" * 200)
    found = message_from_bytes(compose(letter), policy=policy.default)
    assert found["Subject"] == letter.subject
    assert found["From"].addresses[0].display_name == ANNA.name
    assert found["From"].addresses[0].addr_spec == ANNA.address
    body = found.get_body(("plain",))
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == letter.text
    (attached,) = found.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == (NAME, b"%PDF")
    assert attached.get_param("name") == "20220531_CR_d_imagerie_medicale_CORS.pdf"
    assert found.defects == []


@pytest.mark.parametrize(
    "text",
    [
        "From here\nFrom there\n>From",
        ".\n..\n.",
        "trailing \t\n-- \nAnna",
        "a" * 5000,
        "é" * 5000,
        "",
        "\n\n",
        "x\r\ny\rz",
        "日本語のテキスト",
        "=3D = =\n=?utf-8?q?x?=",
    ],
)
@pytest.mark.parametrize("eight_bit", [False, True])
def test_texts_of_every_kind(text: str, eight_bit: bool) -> None:
    raw = compose(replace(LETTER, text=text), eight_bit=eight_bit)
    if not eight_bit:
        assert_seven_bit(raw)
    body = raw.partition(b"\r\n\r\n")[2]
    assert not re.search(rb"(?m)^From ", body)
    assert parse(raw).text == text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")


def test_eight_bits_only_where_they_pass() -> None:
    assert "voilà".encode() in compose(LETTER, eight_bit=True)
    assert quopri.encodestring("voilà".encode()) in compose(LETTER)


def test_a_forwarded_mail_is_never_in_base64() -> None:
    inner = compose(LETTER)
    (found,) = parse(compose(replace(LETTER, files=(File("m.eml", "message/rfc822", inner),)))).files
    assert (found.mime, found.data) == ("message/rfc822", inner)
    wide = compose(LETTER, eight_bit=True)
    assert (
        parse(compose(replace(LETTER, files=(File("m.eml", "message/rfc822", wide),)), eight_bit=True)).files[0].data
        == wide
    )
    (kept,) = parse(compose(replace(LETTER, files=(File("m.eml", "message/rfc822", wide),)))).files
    assert (kept.mime, kept.data, kept.name) == ("application/octet-stream", wide, "m.eml")


@pytest.mark.parametrize(
    "changed",
    [
        {"subject": "x\r\nBcc: eve@evil.example"},
        {"subject": "x\n\nbody"},
        {"subject": "é\r\nBcc: eve@evil.example\x00"},
        {"sender": Box("anna@x.fr", "Anna\r\nBcc: eve@evil.example")},
        {"sender": Box("anna@x.fr", '"\\\r\n <eve@evil.example>')},
        {"files": (File('x"\r\nBcc: eve@evil.example', "a/b\r\nX: y", b"x"),)},
        {"mss": {"X-MSS-NIL": "a\r\nBcc: eve@evil.example"}},
        {"extra": {"X-A": "a\r\nBcc: eve@evil.example"}},
    ],
)
def test_nothing_breaks_out_of_its_field(changed: dict[str, object]) -> None:
    raw = compose(replace(LETTER, **changed))  # type: ignore[arg-type]
    assert_seven_bit(raw)
    found = message_from_bytes(raw)
    assert found["Bcc"] is None
    assert found["X"] is None
    assert parse(raw).to == (BEN,)
    assert parse(raw).text == "Bonjour,\n\nvoilà."


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"message_id": "a@b>\r\nBcc: x"}, "bad_message_id"),
        ({"message_id": ""}, "bad_message_id"),
        ({"in_reply_to": "a b"}, "bad_message_id"),
        ({"references": ("a@b", "<c@d>")}, "bad_message_id"),
        ({"sender": Box("anna")}, "bad_address"),
        ({"to": (Box("anna@x.fr\r\nBcc: x@y.fr"),)}, "bad_address"),
        ({"to": (Box("a@x.fr, b@y.fr"),)}, "bad_address"),
        ({"to": (Box("été@x.fr"),)}, "bad_address"),
        ({"mss": {"X-MSS-NIL\r\nBcc": "x"}}, "bad_header"),
        ({"mss": {"Subject": "x"}}, "bad_header"),
        ({"extra": {"Bcc": "x@y.fr"}}, "bad_header"),
        ({"extra": {"X A": "x"}}, "bad_header"),
        ({"extra": {"Resent-From": "x"}}, "bad_header"),
        ({"loop": "a\r\nb"}, "bad_header"),
        ({"files": (File("x", "a/b", b"", "a b"),), "html": "x"}, "bad_message_id"),
    ],
)
def test_what_cannot_be_made_safe_is_refused(changed: dict[str, object], code: str) -> None:
    with pytest.raises(Refused, match=code):
        compose(replace(LETTER, **changed))  # type: ignore[arg-type]


TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=120)
BOXES = st.builds(
    Box,
    st.from_regex(r"[a-z0-9.+_-]{1,20}@[a-z0-9]{1,10}\.fr", fullmatch=True),
    TEXT.map(lambda text: one_line(text, 200)),
)
FILES = st.builds(
    File,
    TEXT.map(lambda text: safe_name(text + ".bin")),
    st.sampled_from(
        ["application/pdf", "text/plain", "image/png", "text/html", "application/octet-stream", "text/calendar"]
    ),
    st.binary(max_size=200).map(lambda data: b"." + data),
)
IDS = st.from_regex(r"[a-z0-9$.]{1,200}@[a-z0-9.]{1,40}", fullmatch=True)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    BOXES, st.lists(BOXES, min_size=1, max_size=30), TEXT, TEXT, st.lists(FILES, max_size=3), st.lists(IDS, max_size=30)
)
def test_every_letter_comes_back(
    sender: Box, to: list[Box], subject: str, text: str, files: list[File], ids: list[str]
) -> None:
    letter = replace(
        LETTER, sender=sender, to=tuple(to), subject=subject, text=text, files=tuple(files), references=tuple(ids)
    )
    raw = compose(letter)
    assert_seven_bit(raw)
    found = parse(raw)
    quotes = "\"'"
    assert found.sender is not None
    assert found.sender.address == sender.address
    assert found.sender.name.strip(quotes) == sender.name.strip(quotes)
    assert {box.address.lower() for box in found.to} == {box.address.lower() for box in to}
    assert found.subject == one_line(subject, 500)
    assert found.text == readable(text).strip("\n") or not found.text.strip()
    assert [(one.name, one.data) for one in found.files] == [(one.name, one.data) for one in files]
    assert found.references == tuple(one for one in kept_references(ids) if one != letter.message_id)
    assert compose(letter, eight_bit=True).decode() is not None
    assert parse(compose(letter, eight_bit=True)).digest == found.digest


def test_references_keep_the_first_and_the_last_nineteen() -> None:
    many = tuple(f"{n}@x" for n in range(100))
    kept = kept_references(many, "parent@x")
    assert (len(kept), kept[0], kept[1], kept[-1]) == (20, "0@x", "82@x", "parent@x")
    assert kept_references(("a@x", "p@x", "b@x"), "p@x") == ("a@x", "b@x", "p@x")
    assert kept_references(()) == ()


@pytest.mark.parametrize(
    ("subject", "answer", "bare"),
    [
        ("Avis", "Re: Avis", "Avis"),
        ("Re: Avis", "Re: Avis", "Avis"),
        ("RE : RE: Ré : Avis", "Re: Avis", "Avis"),
        ("Re[2]: Avis", "Re: Avis", "Avis"),
        ("AW: SV: Avis", "Re: Avis", "Avis"),
        ("TR: Re: Fwd: Avis", "Re: TR: Re: Fwd: Avis", "Avis"),
        (
            "[Annule et remplace] XDM/1.0/DDM+CR A b",
            "Re: [Annule et remplace] XDM/1.0/DDM+CR A b",
            "XDM/1.0/DDM+CR A b",
        ),
        ("Réf : Avis (fwd)", "Re: Réf : Avis (fwd)", "Avis"),
        ("Renal: x", "Re: Renal: x", "Renal: x"),
        ("Re:", "Re:", ""),
        ("", "Re:", ""),
        ("a\r\nBcc: x", "Re: a Bcc: x", "a Bcc: x"),
    ],
)
def test_subjects(subject: str, answer: str, bare: str) -> None:
    assert (reply_subject(subject), base_subject(subject)) == (answer, bare)


def test_seven_bits_keep_what_a_mail_says() -> None:
    letter = replace(LETTER, html="<p>é</p>", files=(File(NAME, "application/pdf", b"%PDF\x00\xff"),))
    wide = compose(letter, eight_bit=True).replace(b"Subject: Demande d'avis", "Subject: Demandé".encode("cp1252"))
    narrow = seven_bit(wide)
    assert_seven_bit(narrow)
    before, after = parse(wide), parse(narrow)
    assert (after.subject, after.sender) == ("Demandé", ANNA)
    assert (after.text, after.html, after.files) == (before.text, before.html, before.files)
    assert seven_bit(compose(letter)).lower() == compose(letter).lower()


def test_nothing_that_is_said_is_in_a_repr() -> None:
    secret = replace(LETTER, subject="SECRET", text="SECRET", html="SECRET", files=(File("SECRET", "a/b", b"SECRET"),))
    assert "SECRET" not in repr(secret)
