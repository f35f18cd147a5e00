"""Polls, places, mentions and unknown events: as clients send them, and as the hub sends them back."""

from __future__ import annotations

from typing import Any

import pytest

from appservice.client.event_kinds import POLL_END, POLL_START, to_event, to_mentions, to_named
from appservice.client.events import to_content, to_edit, to_message
from bridge.errors import Refused
from bridge.extras import Choice, Extra, Location, Poll, Vote
from bridge.forms import wording
from bridge.model import Address, Body, Delivery, Kind, Member, Person, Ref
from bridge.words import WORDS

Json = dict[str, Any]
POLL = Poll("Quel jour ?", (Choice("a", "Mardi"), Choice("b", "Jeudi")), 2, False)
BEN = Member(Person("rpps:10000000002", "Ben Durand"), Address("matrix", "@ben:chu.example"))
CLEO = Member(Person("rpps:10000000003", "Cléo Petit"), Address("pandalab", "cleo"))
RESPONSE = "org.matrix.msc3381.poll.response"
REFERENCE = {"m.relates_to": {"rel_type": "m.reference", "event_id": "$1"}}
UNSTABLE: Json = {
    "org.matrix.msc1767.text": "Quel jour ?",
    POLL_START: {
        "kind": "org.matrix.msc3381.poll.undisclosed",
        "max_selections": 2,
        "question": {"org.matrix.msc1767.text": "Quel jour ?", "body": "Quel jour ?", "msgtype": "m.text"},
        "answers": [
            {"id": "a", "org.matrix.msc1767.text": "Mardi"},
            {"id": "b", "org.matrix.msc1767.text": "Jeudi"},
        ],
    },
}
STABLE: Json = {
    "m.text": [{"mimetype": "text/html", "body": "<b>x</b>"}, {"body": "Quel jour ?"}],
    "m.poll": {
        "kind": "m.undisclosed",
        "max_selections": 2,
        "question": {"m.text": [{"body": "Quel jour ?"}]},
        "answers": [
            {"m.id": "a", "m.text": [{"body": "Mardi"}]},
            {"m.id": "b", "m.text": [{"body": "Jeudi"}]},
            {"m.id": 7, "m.text": [{"body": "?"}]},
        ],
    },
}


def delivery(kind: Kind, body: Body, about: str | None = None) -> Delivery:
    members = (BEN, CLEO)
    return Delivery(
        "d", "matrix", "m", "c", "!r", CLEO.person, kind, body, members, 0, 0,
        reply_to=None if about is None else Ref("matrix", about),
    )  # fmt: skip


INCOMING: list[tuple[str, str, Json, Kind, str, Extra | None, str | None]] = [
    ("poll", POLL_START, UNSTABLE, Kind.POLL, wording.poll(POLL), POLL, None),
    ("poll, stable", "m.poll.start", STABLE, Kind.POLL, wording.poll(POLL), POLL, None),
    (
        "vote", RESPONSE, REFERENCE | {RESPONSE: {"answers": ["b"]}}, Kind.VOTE, "", Vote(("b",)), "$1",
    ),
    ("vote, stable", "m.poll.response", REFERENCE | {"m.selections": ["a", 5]}, Kind.VOTE, "", Vote(("a",)), "$1"),
    ("vote taken back", "m.poll.response", REFERENCE, Kind.VOTE, "", Vote(()), "$1"),
    ("end", POLL_END, REFERENCE | {POLL_END: {}}, Kind.POLL_END, wording.ended(), None, "$1"),
    (
        "place", "m.room.message", {"msgtype": "m.location", "body": "ici", "geo_uri": "geo:48.5,2.25;u=35"},
        Kind.TEXT, wording.location(Location(48.5, 2.25, 35.0)), Location(48.5, 2.25, 35.0), None,
    ),
    (
        "place, MSC3488", "m.room.message",
        {"msgtype": "m.location", "org.matrix.msc3488.location": {"uri": "geo:1,2", "description": "Bloc 3"}},
        Kind.TEXT, wording.location(Location(1.0, 2.0, None, "Bloc 3")), Location(1.0, 2.0, None, "Bloc 3"), None,
    ),
    (
        "place nowhere", "m.room.message", {"msgtype": "m.location", "body": "ici", "geo_uri": "geo:x"},
        Kind.TEXT, "ici", None, None,
    ),
    ("sticker of a set", "m.sticker", {"body": "👋", "url": "mxc://a/b"}, Kind.TEXT, wording.sticker("👋"), None, None),
    ("unknown msgtype", "m.room.message", {"msgtype": "org.x.y", "body": "carte"}, Kind.TEXT, "carte", None, None),
    ("unknown event", "org.x.note", {"m.text": "une note"}, Kind.TEXT, "une note", None, None),
    ("call", "m.call.invite", {"call_id": "1"}, Kind.CALL, wording.call(), None, None),
    (
        "handled", "m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$1", "key": "✅\ufe0f"}},
        Kind.HANDLED, wording.handled(), None, "$1",
    ),
    (
        "caption corrected", "m.room.message",
        {"m.new_content": {"msgtype": "m.image", "body": "Plaie, J3", "filename": "a.jpg"},
         "m.relates_to": {"rel_type": "m.replace", "event_id": "$1"}},
        Kind.EDIT, "Plaie, J3", None, "$1",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind", "content", "said", "text", "extra", "about"), INCOMING, ids=[c[0] for c in INCOMING]
)
def test_what_comes_in(
    name: str, kind: str, content: Json, said: Kind, text: str, extra: Extra | None, about: str | None
) -> None:
    found = to_message(kind, content)
    assert (found.kind, found.body.text, found.body.extra) == (said, text, extra), name
    assert (found.reply_to.id if found.reply_to else None) == about


@pytest.mark.parametrize(
    ("kind", "content", "code"),
    [
        ("m.room.message", {"msgtype": "org.x.hologram"}, "kind_not_carried"),
        ("org.matrix.msc3672.beacon", {"org.matrix.msc3488.location": {"uri": "geo:1,2"}}, "kind_not_carried"),
        (POLL_START, {POLL_START: {"question": {"body": "?"}, "answers": []}}, "poll_not_carried"),
        ("m.poll.start", {}, "poll_not_carried"),
        ("m.poll.response", {"m.selections": ["a"]}, "vote_not_carried"),
        ("m.poll.end", {}, "poll_end_not_carried"),
        ("m.room.message", {"msgtype": "m.location", "geo_uri": "geo:100,0"}, "kind_not_carried"),
        (
            "m.room.message",
            {"m.new_content": {"msgtype": "m.image", "body": "a.jpg", "filename": "a.jpg"},
             "m.relates_to": {"rel_type": "m.replace", "event_id": "$1"}},
            "edit_not_carried",
        ),
    ],
)  # fmt: skip
def test_what_has_no_words_is_refused_in_words(kind: str, content: Json, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        to_message(kind, content)
    assert refusal.value.code == code
    assert code in WORDS


def test_a_poll_comes_back_as_it_went() -> None:
    for kind, body, about in (
        (Kind.POLL, Body(wording.poll(POLL), extra=POLL), None),
        (Kind.VOTE, Body(extra=Vote(("b", "a"))), "$1"),
        (Kind.POLL_END, Body("2 × Mardi"), "$1"),
    ):
        sent = to_event(delivery(kind, body, about))
        assert sent is not None
        said = to_message(*sent)
        assert (said.kind, said.body.extra, said.reply_to and said.reply_to.id) == (kind, body.extra, about)
    assert to_event(delivery(Kind.TEXT, Body("x"))) is None


def test_a_place_is_shown_as_one() -> None:
    place = Location(48.5, 2.25, 35.0, "Bloc 3")
    content = to_content(delivery(Kind.TEXT, Body(wording.location(place), extra=place)))
    assert (content["msgtype"], content["geo_uri"]) == ("m.location", "geo:48.5,2.25;u=35")
    assert to_message("m.room.message", content).body.extra == place


def test_whom_a_message_calls() -> None:
    def mentions(**more: Any) -> Json:
        said = delivery(Kind.TEXT, Body("Cléo ?", **more))
        return to_mentions(said, lambda m: {"matrix": m.address.id}.get(m.address.network, f"@{m.person.id}:hub"))

    assert mentions() == {}
    assert mentions(mentions=("rpps:10000000003", "rpps:19999999999")) == {"user_ids": ["@rpps:10000000003:hub"]}
    assert mentions(everybody=True) == {"user_ids": ["@ben:chu.example"], "room": True}
    assert mentions(urgent=True) == {"user_ids": ["@ben:chu.example"]}
    called = {"user_ids": ["@ben:chu.example"]}
    content = to_content(delivery(Kind.TEXT, Body("x", urgent=True)))
    assert content["fr.liaison.urgent"] is True
    assert to_named(content, called)["m.mentions"] == called
    assert to_named(content | {"body": "x" * 45_900}, called)["m.mentions"] == {"room": True}
    edit = to_named(to_edit(delivery(Kind.EDIT, Body("x"), "$1")), called)
    assert (edit["m.mentions"], edit["m.new_content"]["m.mentions"]) == ({}, called)
    said = to_message("m.room.message", content | {"m.mentions": called | {"room": True}})
    assert (said.named, said.everybody, said.body.urgent) == (("@ben:chu.example",), True, True)
