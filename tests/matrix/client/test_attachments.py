"""Pure: encrypted files by the specification's own rules, odd descriptions, names; which ghost a mailbox has."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appservice.client.attachments import (
    Attachment,
    Decryption,
    Encryption,
    describe,
    from_handle,
    safe_mime,
    safe_name,
    to_handle,
)
from appservice.client.events import to_content, to_reaction
from appservice.client.file_events import to_file
from appservice.client.names import Names, escape, unescape
from appservice.leaving.outgoing import letter_keys
from appservice.rooms.ghosts import display_name, profile
from bridge.errors import Refused
from bridge.model import Address, Body, Delivery, File, Kind, Member, Person, Ref
from tests.matrix.make import ANNA, PEOPLE, SERVER, ghost

NAMES = Names("rpps_", SERVER)


def described(opened: dict[str, Any], **more: Any) -> Attachment:
    return describe({"msgtype": "m.file", "body": "x", "file": opened | {"url": "mxc://a.example/b"}, **more})


def encrypt(data: bytes, piece: int = 7) -> tuple[bytes, dict[str, Any]]:
    encryption = Encryption()
    sealed = b"".join(encryption.update(data[at : at + piece]) for at in range(0, len(data), piece))
    return sealed, encryption.opened("mxc://a.example/b")


def decrypt(ciphertext: bytes, attachment: Attachment, piece: int = 5) -> bytes:
    decryption = Decryption(attachment)
    clear = b"".join(decryption.update(ciphertext[at : at + piece]) for at in range(0, len(ciphertext), piece))
    decryption.check()
    return clear


@given(st.binary())
def test_what_was_encrypted_is_opened_again(data: bytes) -> None:
    ciphertext, opened = encrypt(data)
    assert len(ciphertext) == len(data)
    assert decrypt(ciphertext, described(opened)) == data
    assert decrypt(ciphertext, from_handle(to_handle(described(opened)))) == data
    if data:
        changed = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
        with pytest.raises(Refused):
            decrypt(changed, described(opened))


@given(st.binary(min_size=1, max_size=100), st.integers(0, 99), st.booleans())
def test_any_byte_can_be_the_first_also_where_the_counter_runs_over(data: bytes, start: int, over: bool) -> None:
    ciphertext, opened = encrypt(data)
    attachment = described(opened)
    if over:  # some clients use all of the counter
        whole = replace(attachment, iv=b"\xff" * 16)
        ciphertext = Decryption(whole).update(data)
        attachment = whole
    assert Decryption(attachment, start).update(ciphertext[start:]) == data[start:]


def test_the_file_object_is_the_specifications() -> None:
    _, opened = encrypt(b"abc")
    iv = base64.b64decode(opened["iv"] + "==")
    assert (len(iv), iv[8:]) == (16, bytes(8))
    assert (opened["v"], opened["key"]["alg"], opened["key"]["kty"]) == ("v2", "A256CTR", "oct")
    assert opened["key"]["ext"] is True
    assert set(opened["key"]["key_ops"]) == {"encrypt", "decrypt"}
    assert re.fullmatch("[A-Za-z0-9_-]{43}", opened["key"]["k"])
    assert not opened["iv"].endswith("=")
    assert not opened["hashes"]["sha256"].endswith("=")
    assert encrypt(b"abc")[1]["key"]["k"] != opened["key"]["k"]


def test_padding_and_a_counter_that_is_not_zero_are_read() -> None:
    ciphertext, opened = encrypt(b"abc")
    padded = {**opened, "iv": opened["iv"] + "==", "hashes": {"sha256": opened["hashes"]["sha256"] + "="}}
    assert decrypt(ciphertext, described(padded)) == b"abc"
    described({**opened, "iv": base64.b64encode(bytes(range(16))).decode()})


@pytest.mark.parametrize(
    "odd",
    [
        {"v": "v1"}, {"key": None}, {"key": {"kty": "oct", "alg": "A256CTR"}}, {"iv": "AAAA"}, {"iv": 3},
        {"hashes": {}}, {"hashes": {"sha256": "é" * 43}}, {"hashes": {"sha256": "A" * 10_000}},
        {"key": {"kty": "RSA", "alg": "A256CTR"}},
        {"url": "https://a.example/b"}, {"url": "mxc://a.example/../b"}, {"url": "mxc://a.example/b/c"}, {"url": None},
        {"url": "mxc://a.example/b?x=y"}, {"iv": "!" * 22},
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_refused(odd: dict[str, Any]) -> None:
    _, opened = encrypt(b"abc")
    with pytest.raises(Refused) as refusal:
        describe({"body": "x", "file": opened | {"url": "mxc://a.example/b"} | odd})
    assert refusal.value.code == "file_damaged"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.dictionaries(st.text(), c)))
def test_odd_descriptions_are_refused(value: Any) -> None:
    _, opened = encrypt(b"")
    for key in ("file", "info", "filename", "body"):
        content = {"body": "x", "file": opened | {"url": "mxc://a.example/b"}, key: value}
        try:
            found = describe(content)
        except Refused:
            continue
        assert found.name
        assert safe_mime(found.mime) == found.mime
    for key in opened:
        with pytest.raises(Refused):
            describe({"body": "x", "file": opened | {"url": "mxc://a.example/b", key: value}})


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("cr.pdf", "cr.pdf"), ("../../etc/passwd", "passwd"), ("C:\\temp\\cr.pdf", "cr.pdf"),
        ("a\r\nb\0.pdf", "a b .pdf"), ("", "document"), (None, "document"), ("...", "document"), ("/", "document"),
        (" été 2026.pdf ", "été 2026.pdf"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"), ("y" * 300, "y" * 200), ("photo\u202egpj.exe", "photo gpj.exe"),
    ],
)  # fmt: skip
def test_names_are_safe(name: Any, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    ("mime", "safe"),
    [
        ("Image/PNG", "image/png"), ("text/plain; charset=x", "text/plain"), ("nonsense", "application/octet-stream"),
        (None, "application/octet-stream"), ("a/b\nc", "application/octet-stream"),
    ],
)  # fmt: skip
def test_types_are_safe(mime: Any, safe: str) -> None:
    assert safe_mime(mime) == safe


def delivery(text: str, *files: File, kind: Kind = Kind.TEXT, **more: Any) -> Delivery:
    return Delivery("d1", "matrix", "m1", "c1", "!r", PEOPLE[0], kind, Body(text, None, files), (), 0, 0, **more)


def test_each_event_of_a_delivery_has_a_key_of_its_own() -> None:
    file = File("a", "text/plain", b"")
    assert letter_keys(delivery("x")) == ["d1"]
    assert letter_keys(delivery("")) == ["d1"]
    assert letter_keys(delivery("x", file, file)) == ["d1", "d1/1", "d1/2"]
    assert letter_keys(delivery(" ", file, file)) == ["d1", "d1/1"]


@pytest.mark.parametrize(
    ("mime", "msgtype"),
    [
        ("image/png", "m.image"), ("image/jpeg", "m.image"), ("image/gif", "m.image"), ("image/webp", "m.image"),
        ("image/svg+xml", "m.file"), ("image/tiff", "m.file"), ("audio/ogg", "m.audio"), ("video/mp4", "m.video"),
        ("application/pdf", "m.file"), ("text/html", "m.file"),
    ],
)  # fmt: skip
def test_only_pictures_that_clients_show_are_images(mime: str, msgtype: str) -> None:
    assert to_file(File("a", mime, b"abc"), {"v": "v2"}, delivery(""), first=True) == {
        "msgtype": msgtype, "body": "a", "filename": "a", "info": {"mimetype": mime, "size": 3}, "file": {"v": "v2"},
        "m.mentions": {},
    }  # fmt: skip


def test_all_parts_are_in_the_thread_and_the_first_carries_the_reply() -> None:
    said = delivery("x", File("a", "text/plain", b""), reply_to=Ref("matrix", "$1"), thread=Ref("matrix", "$root"))
    assert to_content(said)["m.relates_to"]["m.in_reply_to"] == {"event_id": "$1"}
    assert to_content(said)["m.relates_to"]["is_falling_back"] is False
    first, second = (to_file(said.body.files[0], {}, said, first=n)["m.relates_to"] for n in (True, False))
    assert first == to_content(said)["m.relates_to"]
    assert second == {
        "rel_type": "m.thread", "event_id": "$root", "is_falling_back": True, "m.in_reply_to": {"event_id": "$root"},
    }  # fmt: skip
    reaction = to_reaction(delivery("✅", kind=Kind.REACTION, reply_to=Ref("matrix", "$1")))
    assert reaction == {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$1", "key": "✅"}}


# -- mailboxes as users ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "localpart"),
    [
        ("secretariat@chu.mssante.fr", "mss_secretariat=40chu.mssante.fr"),
        ("anna.martin-x_y+tag/z@a.fr", "mss_anna.martin-x_y+tag/z=40a.fr"),
        ("a=b@c.fr", "mss_a=3db=40c.fr"),
        ("été@c.fr", "mss_=c3=a9t=c3=a9=40c.fr"),
        ("o'neil@c.fr", "mss_o=27neil=40c.fr"),
        ("a@b@c.fr", "mss_a=40b=40c.fr"),
    ],
)
def test_a_mailbox_is_a_user(address: str, localpart: str) -> None:
    person, mxid = f"mail:{address}", f"@{localpart}:{SERVER}"
    assert NAMES.of(person) == mxid
    assert NAMES.mxid(Person(person, "x")) == mxid
    assert NAMES.person(mxid) == person
    assert NAMES.handle(mxid) == f"mailto:{address}"
    assert NAMES.is_ghost(mxid)
    assert NAMES.member(Member(Person(person, "x"), Address("mail", address))) == mxid


def test_case_tells_no_two_mailboxes_apart() -> None:
    assert NAMES.of("mail:Anna@CHU.fr") == NAMES.of("mail:anna@chu.fr") == f"@mss_anna=40chu.fr:{SERVER}"


@pytest.mark.parametrize(
    "other",
    [
        "@mss_a=40B.fr", "@mss_a=40b=2efr", "@mss_a=4Ab.fr", "@mss_a=40b.f=72", "@mss_ab.fr", "@mss_=40b.fr",
        "@mss_a=40",
        "@mss_a=4", "@mss_a=", "@mss_", "@mss_a@b.fr", "@mss_a=40b.fr ", "@mss_a=20b=40c.fr", "@mss_a=0ab=40c.fr",
        "@mss_=ff=40c.fr", "@mss_a=40b.fr=c2=a0", "@MSS_a=40b.fr", "@mss-a=40b.fr", "@xmss_a=40b.fr", "@mss_é=40b.fr",
        "@mss_=41=40b.fr", "@mss_" + "a" * 240 + "=40b.fr",
    ],
)  # fmt: skip
def test_look_alikes_of_a_mailbox_are_nobody(other: str) -> None:
    for server in (SERVER, f"{SERVER}\n", "stubXexample", "other.example"):
        assert NAMES.person(f"{other}:{server}") is None
    assert NAMES.is_ghost(f"@mss_a=40b.fr:{SERVER}")


@pytest.mark.parametrize(
    "person", ["mail:a", "mail:@b", "mail:a@", "mail:", "mail:a b@c", "mail:a\n@c", "x:a@b", "a@b"]
)
def test_what_is_no_mailbox_has_no_ghost(person: str) -> None:
    assert NAMES.of(person) is None


def test_too_long_an_address_has_no_ghost() -> None:
    assert NAMES.of(f"mail:{'a' * 200}@b.fr")
    with pytest.raises(Refused) as refusal:
        NAMES.mxid(Person(f"mail:{'a' * 240}@b.fr", "x"))
    assert refusal.value.code == "no_ghost"


@given(st.emails() | st.text())
def test_no_two_addresses_share_a_user(address: str) -> None:
    assert unescape(escape("a@b.fr")) == "a@b.fr"
    mxid = NAMES.of(f"mail:{address}")
    if mxid is not None:
        assert re.fullmatch(r"@mss_[a-z0-9._=/+-]+:stub\.example", mxid)
        person = NAMES.person(mxid)
        assert person is None or person == f"mail:{address.lower()}"


@given(st.text(alphabet="abAB=@.0129cefé", max_size=12))
def test_who_is_behind_a_user_is_exact(localpart: str) -> None:
    person = NAMES.person(f"@mss_{localpart}:{SERVER}")
    assert person is None or NAMES.of(person) == f"@mss_{localpart}:{SERVER}"


def test_who_is_in_no_directory_is_shown_with_their_address() -> None:
    box = "mail:sec@chu.fr"
    assert display_name(Person(box, "Dr Anna\nMartin\u202e", listed=False)) == "Dr Anna Martin (sec@chu.fr)"
    assert display_name(Person(box, "sec@chu.fr", listed=False)) == "sec@chu.fr"
    assert display_name(Person(box, "Secrétariat", place="Lyon")) == "Secrétariat (Lyon)"
    assert profile(Person(box, "Secrétariat")) == {
        "displayname": "Secrétariat", "fr.liaison.mail": "sec@chu.fr",
        "fr.liaison.role": {"profession": "", "place": ""},
    }  # fmt: skip
    assert ghost(ANNA) == NAMES.mxid(PEOPLE[0])
