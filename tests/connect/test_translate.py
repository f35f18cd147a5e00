"""Translations both ways, held by golden files; regenerate them with ``GOLDEN=write``."""

from __future__ import annotations

import dataclasses
import json
import os
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.model import (
    Address,
    Body,
    Delivery,
    File,
    GroupName,
    Kind,
    Member,
    Message,
    Person,
    RecipientState,
    Ref,
    Report,
    State,
    Typing,
)
from bridge.networks.connect import fields, problems, translate, wire

GOLDEN = Path(__file__).parent / "golden"
NOW = 1_772_352_000_000  # 2026-03-01T08:00:00Z
CLEO = Person("rpps:10000000003", "Cléo Petit", "Sage-femme", "Lyon", (Address("pandalab", "cleo"),))
BEN = Person("rpps:10000000002", "Ben Durand", "Médecin", "Paris", (Address("matrix", "@ben:chu.example"),))
ZOE = Person("matrix:@zoe:chu.example", "@zoe:chu.example", listed=False)
MEMBERS = (
    Member(CLEO, Address("pandalab", "cleo")),
    Member(BEN, Address("matrix", "@ben:chu.example")),
    Member(ZOE, Address("matrix", "@zoe:chu.example")),
)
DELIVERY = Delivery(
    id="d_1", network="pandalab", message="m_1", conversation="c_1", chat="chat-1", sender=BEN, kind=Kind.TEXT,
    body=Body("Bonjour <Cléo>", "<b>Bonjour</b> <script>x</script>&lt;Cléo&gt;"), members=MEMBERS, sent_at=NOW,
    order=7, attempt=3, created_at=NOW + 5, reply_to=Ref("pandalab", "p-1"), thread=Ref("pandalab", "p-0"),
)  # fmt: skip


def golden(name: str, value: Any) -> None:
    """Compare with what is written down."""
    path = GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
    assert value == json.loads(path.read_text("utf-8"))


def plain(message: Message) -> Any:
    """A Message as JSON, without what it has not."""
    return json.loads(json.dumps(_said(dataclasses.asdict(message)), default=lambda data: b64encode(data).decode()))


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _said(one) for name, one in value.items() if one not in (None, False, (), [])}
    return [_said(one) for one in value] if isinstance(value, list | tuple) else value


def parsed(**more: Any) -> wire.NewMessage:
    """A message as a product sends it."""
    body = {
        "id": "p-1", "conversation": "chat-1", "sender": "cleo", "text": "Bonjour",
        "sent_at": "2026-03-01T09:00:00.250+01:00",
    }  # fmt: skip
    return wire.NewMessage.model_validate_json(json.dumps(body | more))


def to_message(**more: Any) -> Message:
    """The same as the hub's."""
    return translate.to_message("pandalab", parsed(**more), 45_000, NOW)


PDF = b"%PDF-1.7\n\x00\xff\n%%EOF\n"

INCOMING: dict[str, dict[str, Any]] = {
    "in_plain": {},
    "in_first": {"to": ["rpps:10000000002", "mailto:anna@mss.example", "siilo:dan", "matrix:@ben:chu.example"]},
    "in_named": {"to": ["siilo:dan"], "name": {"text": "RCP \u202e thorax", "about_patient": True}},
    "in_notice": {"kind": "notice"},
    "in_emote": {"kind": "emote", "text": "salue"},
    "in_reply": {"reply_to": "p-0", "thread": "p-00"},
    "in_html": {
        "html": '<p onclick="x()">Bon<b>jour</b> <a href="javascript:x" rel="y">a</a><a href="https://x.example">b</a>'
        '<img src="https://track.example/1.gif"><span data-mx-color="#f00" style="color:red">c</span></p>'
        "<script>alert(1)</script><mx-reply>cited</mx-reply><!-- hidden -->"
    },
    "in_html_empty": {"html": "<script>alert(1)</script>"},
    "in_files": {
        "text": "",
        "files": [
            {"name": "Compte rendu – é.PDF", "type": "Application/PDF", "content": b64encode(PDF).decode()},
            {"name": "notes.txt", "type": "text/plain", "content": "w6k=", "sha256": sha256("é".encode()).hexdigest()},
        ],
    },
    "in_utc": {"sent_at": "2026-03-01t08:00:00.123456789z"},
}


@pytest.mark.parametrize("name", INCOMING)
def test_a_message_comes_in(name: str) -> None:
    golden(f"{name}.json", plain(to_message(**INCOMING[name])))


OUTGOING = {
    "out_text": DELIVERY,
    "out_plain": dataclasses.replace(DELIVERY, body=Body("Bonjour"), reply_to=None, thread=None),
    "out_new_chat": dataclasses.replace(DELIVERY, chat=None, kind=Kind.NOTICE),
    "out_unlisted": dataclasses.replace(DELIVERY, sender=ZOE, kind=Kind.EMOTE),
    "out_files": dataclasses.replace(
        DELIVERY,
        body=Body("", files=(File("../Durand/CR.pdf", "application/pdf", PDF), File("", "?", b"", inline="1@x"))),
        files=2,
    ),
    "out_renamed": dataclasses.replace(DELIVERY, kind=Kind.NAME, body=Body(), name=GroupName("RCP thorax")),
    "out_nameless": dataclasses.replace(DELIVERY, kind=Kind.NAME, body=Body()),
    "out_picture": dataclasses.replace(
        DELIVERY, kind=Kind.PICTURE, body=Body(files=(File("picture.png", "image/png", b"png"),)), files=1
    ),
    "out_no_picture": dataclasses.replace(DELIVERY, kind=Kind.PICTURE, body=Body()),
    "out_members": dataclasses.replace(DELIVERY, kind=Kind.MEMBERS, body=Body()),
}


@pytest.mark.parametrize("name", OUTGOING)
def test_a_message_goes_out(name: str) -> None:
    golden(f"{name}.json", json.loads(translate.to_event(OUTGOING[name])))


def test_every_attempt_has_the_same_bytes() -> None:
    again = dataclasses.replace(DELIVERY, attempt=9)
    assert translate.to_event(again) == translate.to_event(DELIVERY)


def test_html_is_left_out_for_products_without_it() -> None:
    assert json.loads(translate.to_event(DELIVERY, html=False))["data"]["html"] is None


REPORT = Report(
    message="m_1", ref=Ref("pandalab", "p-1"), conversation="c_1", chat="chat-1", sender=Address("pandalab", "cleo"),
    states=(RecipientState(BEN, State.READ, NOW), RecipientState(ZOE, State.REFUSED, NOW + 1, "product_refused")),
    version=2,
)  # fmt: skip


def test_states_go_out() -> None:
    golden("out_states.json", translate.to_states([REPORT], problems.words))


def test_typing_goes_out() -> None:
    golden("out_typing.json", translate.to_typing(Typing("pandalab", "chat-1", "c_1", BEN, True)))


def test_the_id_of_states_tells_versions_apart_and_not_orders() -> None:
    other = dataclasses.replace(REPORT, message="m_2")
    assert translate.states_id([REPORT, other]) == translate.states_id([other, REPORT])
    assert translate.states_id([REPORT]) != translate.states_id([dataclasses.replace(REPORT, version=3)])


@pytest.mark.parametrize(
    ("states", "sum_"),
    [
        ([], "accepted"),
        (["accepted", "read"], "accepted"),
        (["delivered", "read"], "delivered"),
        (["sent", "delivered"], "sent"),
        (["accepted", "sent"], "accepted"),
        (["read", "read"], "read"),
        (["read", "refused", "accepted"], "refused"),
    ],
)
def test_the_sum_of_states(states: list[str], sum_: str) -> None:
    assert translate.summary([RecipientState(BEN, State(s), NOW) for s in states]) == sum_


def test_the_future_is_refused() -> None:
    assert to_message(sent_at="2026-03-01T08:09:59Z").sent_at == NOW + 599_000
    with pytest.raises(Refused) as raised:
        to_message(sent_at="2026-03-01T08:11:00Z")
    assert (raised.value.code, raised.value.field) == ("sent_in_future", "sent_at")


def test_nothing_was_written_before_1970() -> None:
    assert to_message(sent_at="1970-01-01T00:00:00+02:00").sent_at == 0


@pytest.mark.parametrize("text", ["a" * 45_001, "é" * 22_501, "a" + "\n" * 22_501, '"' * 22_501])
def test_what_would_not_fit_an_event_is_refused(text: str) -> None:
    with pytest.raises(Refused) as raised:
        to_message(text=text)
    assert (raised.value.code, raised.value.field) == ("too_long", "text")


def test_html_counts_as_text() -> None:
    assert len(to_message(text="a" * 40_000).body.text) == 40_000
    with pytest.raises(Refused):
        to_message(text="a" * 40_000, html="b" * 10_000)


@pytest.mark.parametrize("html", ["<div>" * 2001, "x" * 45_001])
def test_html_that_would_take_long_to_clean_is_refused(html: str) -> None:
    with pytest.raises(Refused) as raised:
        to_message(html=html)
    assert (raised.value.code, raised.value.field) == ("too_long", "html")


def test_html_that_would_take_long_to_clean_goes_out_as_text() -> None:
    nested = dataclasses.replace(DELIVERY, body=Body("Bonjour", "<div>" * 2001))
    assert json.loads(translate.to_event(nested))["data"]["html"] is None


def test_the_text_is_in_no_repr() -> None:
    secret = "Madame Durand"
    shown = repr(parsed(text=secret, html=secret)) + repr(to_message(text=secret, html=secret))
    assert secret not in shown


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_cleaned_html_stays_clean(html: str) -> None:
    once = translate.clean_html(html)
    assert once is None or translate.clean_html(once) == once


@given(st.integers(0, 253_402_300_799_999))
def test_times_survive(at: int) -> None:
    text = fields.time_text(at)
    typing = wire.Receipt.model_validate_json(json.dumps({"message": "m", "user": "u", "state": "read", "at": text}))
    assert wire.milliseconds(typing.at) == at


def test_who_leaves_is_found_by_person_and_by_address() -> None:
    leaving = translate.to_leaving(["rpps:10000000002", "pandalab:cleo", "mailto:nobody@x.example"], MEMBERS)
    assert leaving == [Address("pandalab", "cleo"), Address("matrix", "@ben:chu.example")]
