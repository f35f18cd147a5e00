"""winmail.dat: text and attachments come out, and no stream makes it count for ever."""

from __future__ import annotations

import struct

import pytest
from compressed_rtf import compress  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.documents import ReadDocuments, read, tnef
from tests.mail.documents import make

CDA = make.cda(make.section(make.TABLE))
GOOD = make.tnef("Bonjour Zoé,\r\nci-joint.", ("Échographie n°2.pdf", make.PDF), ("note.txt", b"fin\0\0"))


def reading(data: bytes, name: str = "winmail.dat") -> ReadDocuments:
    return read([File(name, "application/ms-tnef", data)])


def properties(body: bytes) -> bytes:
    """A stream whose message properties are these bytes."""
    return make.tnef("x", ("a.txt", b"a"), extra=make.tnef_object(1, 0x9003, 6, body))


def test_text_and_attachments() -> None:
    found = tnef.parse(GOOD)
    assert found.text == "Bonjour Zoé,\r\nci-joint."
    assert [(one.name, one.data) for one in found.files] == [
        ("Échographie n°2.pdf", make.PDF), ("note.txt", b"fin\0\0")
    ]  # fmt: skip
    assert found.problems == ()
    assert "Bonjour" not in repr(found)


def test_what_a_room_shows() -> None:
    found = reading(GOOD)
    assert found.cards[0].text == "Message Outlook (winmail.dat)\n\nBonjour Zoé,\r\nci-joint."
    assert [one.name for one in found.files] == ["Échographie n°2.pdf", "note.txt"]
    assert found.problems == ()


def test_documents_inside_are_read() -> None:
    found = reading(make.tnef("", ("cr.xml", CDA), ("IHE_XDM.ZIP", make.archive(make.entry(CDA)))))
    assert [card.title for card in found.cards] == ["Bilan du 1er mars"] * 2
    assert len(found.patients) == 1
    assert found.files == ()


def test_a_stream_in_a_stream_in_a_stream_is_kept_closed() -> None:
    one = GOOD
    for _ in range(4):
        one = make.tnef("x", ("winmail.dat", one))
    found = reading(one)
    assert len(found.cards) == 3
    assert [file.name for file in found.files] == ["winmail.dat"]


def test_html_bodies() -> None:
    html = make.tnef_property(0x102, 0x1013, "<p>été</p>".encode("cp1252"))
    found = tnef.parse(properties(make.tnef_properties(html)))
    assert found.html == "<p>été</p>"


RTF = (
    rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Arial;}}\f0\fs20 Potassium \'e9lev\'e9 : 6,8 mmol/l,\par"
    rb" rappeler la patiente, \u8364 ?.\par}"
)
HTML_IN_RTF = (
    rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0\fswiss Arial;}}{\*\htmltag64 <p class=x>}"
    rb"\htmlrtf {\htmlrtf0 Potassium \'e9lev\'e9{\*\htmltag84 &nbsp;}\htmlrtf \'a0\htmlrtf0 6,8"
    rb"{\*\htmltag72 </p>}\htmlrtf\par}\htmlrtf0}"
)


def rich(packed: bytes, body: str = "") -> bytes:
    """A winmail.dat whose message is compressed RTF."""
    return make.tnef(
        body, extra=make.tnef_object(1, 0x9003, 6, make.tnef_properties(make.tnef_property(0x102, 0x1009, packed)))
    )


@pytest.mark.parametrize("packed", [True, False])
def test_a_message_that_is_rtf_only(packed: bool) -> None:
    found = tnef.parse(rich(compress(RTF, compressed=packed)))
    assert found.text.split() == ["Potassium", "élevé", ":", "6,8", "mmol/l,", "rappeler", "la", "patiente,", "€."]
    assert found.problems == ()
    assert "rappeler la patiente" in reading(rich(compress(RTF, compressed=packed))).cards[0].text


def test_html_wrapped_in_rtf_keeps_its_words() -> None:
    found = tnef.parse(rich(compress(HTML_IN_RTF)))
    assert found.text.split() == ["Potassium", "élevé", "6,8"]


def test_rtf_beside_a_text_is_not_said_twice() -> None:
    assert tnef.parse(rich(compress(RTF), "Bonjour")).text == "Bonjour"
    data = rich(compress(RTF))
    file = File("winmail.dat", "application/ms-tnef", data)
    assert read([file], body="Potassium élevé : 6,8 mmol/l, rappeler la patiente, €.").cards == ()
    assert read([file], body="Potassium élevé : 6,8 mmol/l.").cards != ()


@pytest.mark.parametrize(
    "packed",
    [
        b"", compress(RTF)[:40], compress(RTF)[:8] + b"ZIPP" + compress(RTF)[12:],
        struct.pack("<II4sI", 20, 0xFFFFFFFF, b"LZFu", 0) + bytes(8),  # four thousand million characters
        compress(RTF) + bytes(2 << 20),
    ],
)  # fmt: skip
def test_rtf_that_cannot_be_read_is_said(packed: bytes) -> None:
    found = tnef.parse(rich(packed))
    assert (found.text, found.problems) == ("", ("tnef_body",) if packed else ())


@given(st.binary(max_size=300), st.sampled_from([b"LZFu", b"MELA"]))
def test_any_rtf_never_crashes(data: bytes, kind: bytes) -> None:
    packed = struct.pack("<II4sI", len(data) + 12, len(data) * 4, kind, 0) + data
    assert isinstance(tnef.parse(rich(packed)).text, str)


def test_names_and_types_of_attachments_whose_other_properties_are_odd() -> None:
    said = [
        make.tnef_property(0x1E, 0x3707, b"Compte rendu op\xe9ratoire.pdf\0"),
        make.tnef_property(0x1F, 0x370E, "application/pdf\0".encode("utf-16-le")),
        struct.pack("<HHI", 0x0077, 1, 1),  # an unknown type
    ]
    stream = (
        make.tnef("x") + make.tnef_object(2, 0x9002, 6, bytes(14)) + make.tnef_object(2, 0x8010, 1, b"COMPTE~1.PDF\0")
    )
    stream += make.tnef_object(2, 0x800F, 6, make.PDF) + make.tnef_object(2, 0x9005, 6, make.tnef_properties(*said))
    found = tnef.parse(stream)
    assert [(one.name, one.mime) for one in found.files] == [("Compte rendu opératoire.pdf", "application/pdf")]
    assert found.problems == ("tnef_properties",)


def test_names_that_lead_elsewhere() -> None:
    found = tnef.parse(make.tnef("", ("..\\..\\x\u202etxt.exe", b"a"), ("", b"b")))
    assert [one.name for one in found.files] == ["xtxt.exe", "PIECE~1.BIN"] or len(found.files) == 2
    assert all("/" not in one.name and "\\" not in one.name for one in found.files)


@pytest.mark.parametrize(
    "body",
    [
        struct.pack("<I", 0xFFFFFFFF),  # four thousand million properties
        struct.pack("<IHHI", 1, 0x1002, 1, 0xFFFFFFFF),  # as many values of two bytes
        struct.pack("<IHHI", 1, 0x1003, 1, 0x10000000),
        struct.pack("<IHHI", 1, 0x101F, 1, 0xFFFFFFFF),
        struct.pack("<IHHII", 1, 0x001E, 1, 1, 0xFFFFFFF0),  # a text longer than the stream
        struct.pack("<IHH", 1, 0x001E, 0x8001) + bytes(16) + struct.pack("<II", 1, 0xFFFFFFF0),  # a name, too
        struct.pack("<IHHI", 1, 0x0077, 1, 1),  # an unknown type
        struct.pack("<I", 1999),
        b"",
    ],
)
def test_counts_that_lie(body: bytes) -> None:
    found = tnef.parse(properties(body))
    assert found.problems == ("tnef_properties",)
    assert found.text == "x"
    assert [one.name for one in found.files] == ["a.txt"]


def test_numbers_are_bounded() -> None:
    many = make.tnef("", *((f"f{n}.txt", b"%d" % n) for n in range(150)))
    found = tnef.parse(many)
    assert len(found.files) == 100
    assert found.problems == ("tnef_files",)
    objects = GOOD[:6] + make.tnef_object(1, 0x9006, 8, b"") * 6000
    assert tnef.parse(objects).problems == ("tnef_too_large",)
    with pytest.raises(Refused, match="tnef_too_large"):
        tnef.parse(GOOD + bytes(tnef.MOST_BYTES))


def test_a_large_stream_of_many_attachments_is_not_copied_for_each() -> None:
    found = tnef.parse(make.tnef("", *((f"f{n}.bin", b"%03d" % n + bytes(200_000)) for n in range(100))))
    assert sum(one.size for one in found.files) == 100 * 200_003


def test_what_is_no_tnef() -> None:
    assert reading(b"").problems == ("unreadable: tnef_damaged",)
    assert reading(b"hello").problems == ("unreadable: tnef_damaged",)
    assert reading(GOOD[:7]).problems == ()
    assert reading(GOOD, "x.bin").cards  # by content


def test_a_cut_stream_gives_what_is_whole() -> None:
    found = tnef.parse(GOOD[:-30])
    assert found.text.startswith("Bonjour")
    assert found.files[0].data == make.PDF
    assert found.problems == ("tnef_damaged",)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.data())
def test_damaged_streams_never_crash(data: st.DataObject) -> None:
    changed = bytearray(GOOD)
    for place, value in data.draw(st.lists(st.tuples(st.integers(6, len(GOOD) - 1), st.integers(0, 255)), max_size=12)):
        changed[place] = value
    found = reading(bytes(changed[: data.draw(st.integers(0, len(GOOD)))]))
    assert "unreadable: tnef" not in found.problems
    assert sum(one.size for one in found.files) <= len(GOOD)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 0x2000))
def test_any_properties_never_crash(body: bytes, kind: int) -> None:
    found = reading(properties(struct.pack("<IHH", 3, kind, 0x1000) + body))
    assert "unreadable: tnef" not in found.problems
