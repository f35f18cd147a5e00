"""What a message holds beside its text: read from the wire, kept on disk, said as text; nothing of it in a repr."""

from __future__ import annotations

import pytest

from bridge.extras import Choice, ContactCard, Extra, Location, Poll, PollResult, Vote, counted, located, valid
from bridge.forms import wording
from bridge.model import Address, Body, File, Kind, Message, Ref
from bridge.store import bodies
from bridge.words import speak

POLL = Poll("Quel jour ?", (Choice("a", "Mardi"), Choice("b", "Jeudi"), Choice("c", "Vendredi")), most=2)
CARD = ContactCard("BEGIN:VCARD\r\nFN:Cléo Petit\r\nTEL;TYPE=work:tel:+33123456789\r\nEND:VCARD\r\n", "Cléo Petit")
EXTRAS: list[Extra] = [
    Location(48.858370, 2.294481, 35.0, "Urgences"),
    Location(-0.5, 0.0),
    POLL,
    Vote(("a", "b")),
    Vote(()),
    PollResult(POLL, (2, 1, 0), 3),
    CARD,
]


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("geo:48.85837,2.294481;u=35", Location(48.85837, 2.294481, 35.0)),
        ("geo:48.85837,2.294481,57.2", Location(48.85837, 2.294481)),
        ("geo:-48,-2.5;crs=wgs84;u=0.5", Location(-48.0, -2.5, 0.5)),
        (" geo:0,180 ", Location(0.0, 180.0)),
        ("geo:90.1,0", None),
        ("geo:0,180.5", None),
        ("geo:48,2;crs=nad27", None),
        ("geo:48.1234567890123456,2", None),
        ("https://maps.example/48,2", None),
        ("", None),
    ],
)
def test_a_geo_uri_is_a_place_on_the_earth_or_nothing(uri: str, place: Location | None) -> None:
    assert located(uri) == place
    if place is not None:
        assert located(place.geo) == place


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: type(extra).__name__)
def test_what_waits_on_disk_is_what_was_said(extra: Extra) -> None:
    files = (File("a.txt", "text/plain", b"a"), File("b.txt", "text/plain", b"b"))
    said = Body("texte", "<p>texte</p>", files, True, True, ("rpps:10000000002",), True, extra)
    kept = bodies.parse(bodies.compose(message(said, moderated=True)))
    assert kept.body == Body("texte", "<p>texte</p>", (), True, True, ("rpps:10000000002",), True, extra)
    assert (kept.files, kept.moderated) == (2, True)
    assert "48.8" not in repr(said)
    assert "Mardi" not in repr(said)
    assert "Cléo" not in repr(said)


def message(body: Body, *, moderated: bool = False) -> Message:
    ref, sender = Ref("pandalab", "1"), Address("pandalab", "cleo")
    return Message(ref, "chat", sender, Kind.TEXT, body, 0, moderated=moderated)


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b'["a",null]', Body("a")),
        (b'["a",null,0]', Body("a")),
        (b'["a",null,0,1]', Body("a", system=True)),
        (b'["a","<p>a</p>",2,1,1]', Body("a", "<p>a</p>", system=True, urgent=True)),
        (b'["a",null,0,0,0,{"extra":{"is":"Hologram","shape":1}}]', Body("a")),
    ],
)
def test_what_another_version_of_the_hub_has_written_is_read(data: bytes, body: Body) -> None:
    assert bodies.parse(data).body == body


def test_a_correction_of_what_waits_keeps_its_files_and_marks() -> None:
    was = Body("a", None, (File("a.txt", "text/plain", b"a"),), False, True, ("rpps:10000000002",))
    now = bodies.parse(bodies.corrected(bodies.compose(message(was)), Body("b", mentions=("rpps:10000000003",))))
    assert (now.body, now.files) == (Body("b", urgent=True, mentions=("rpps:10000000003",)), 1)


@pytest.mark.parametrize(
    ("vote", "counts"),
    [
        (Vote(("b",)), ("b",)),
        (Vote(("b", "b", "a")), ("b", "a")),
        (Vote(("x", "c")), ("c",)),
        (Vote(("a", "b", "c")), ("a", "b")),
        (Vote(()), ()),
    ],
)
def test_a_vote_counts_as_its_poll_lets_it(vote: Vote, counts: tuple[str, ...]) -> None:
    assert valid(vote, POLL).answers == counts


def test_votes_are_counted_in_the_order_of_the_answers() -> None:
    assert counted(POLL, [Vote(("b", "a")), Vote(("b",)), Vote(()), Vote(("x",))]) == PollResult(POLL, (1, 2, 0), 2)


def test_the_text_says_everything() -> None:
    speak("fr")
    try:
        place = wording.location(Location(48.858370, 2.294481, 35.0, "Urgences"))
        assert place == "📍 Position : Urgences — 48.85837, 2.29448 (± 35 m)\ngeo:48.85837,2.294481;u=35"
        assert wording.poll(POLL) == (
            "📊 Sondage : Quel jour ? (2 réponses au plus)\n1. Mardi\n2. Jeudi\n3. Vendredi\nRépondez par un texte."
        )
        assert wording.counts(PollResult(POLL, (2, 1, 0), 3)) == (
            "📊 Sondage terminé : Quel jour ? (3 votes)\n2 × Mardi\n1 × Jeudi\n0 × Vendredi"
        )
        assert wording.contact(CARD) == "👤 Contact : Cléo Petit\n+33123456789"
        assert wording.handled() == "✅ Traité"
        assert wording.call("https://visio.example/1").endswith("\nAppel : rejoindre : https://visio.example/1")
    finally:
        speak("both")
    assert wording.location(Location(1, 2)) == "📍 Position · Location : 1.00000, 2.00000\ngeo:1,2"
