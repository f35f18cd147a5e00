"""Invitations as cards: French, with the time zone said, and no rule of a file is ever worked out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.documents import ReadDocuments, invitation, read

ZONE = """BEGIN:VTIMEZONE
TZID:Europe/Paris
BEGIN:STANDARD
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
"""
EVENT = """UID:1@example
DTSTAMP:20260301T080000Z
SUMMARY:RCP digestive – dossier à revoir
DTSTART;TZID=Europe/Paris:20260303T140000
DTEND;TZID=Europe/Paris:20260303T153000
LOCATION:Salle B\\, 2e étage
ORGANIZER;CN=Dr Paul Delorme:mailto:paul@clinique.example
DESCRIPTION:Merci de venir.\\nApporter le dossier.
"""


def ics(event: str = EVENT, method: str = "METHOD:REQUEST\n", zone: str = ZONE) -> bytes:
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{method}{zone}BEGIN:VEVENT\n{event}END:VEVENT\nEND:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def reading(data: bytes) -> ReadDocuments:
    return read([File("invite.ics", "text/calendar", data)])


def when(start: str, end: str = "") -> str:
    """The line ``Quand`` of a card."""
    text = invitation.card(ics(f"SUMMARY:x\n{start}\n{end}\n".replace("\n\n", "\n"))).text
    return next(one for one in text.split("\n") if one.startswith("Quand")).removeprefix("Quand : ")


def test_an_invitation() -> None:
    (card,) = reading(ics()).cards
    assert card.text == (
        "Invitation : RCP digestive – dossier à revoir\n"
        "Quand : mardi 3 mars 2026, 14:00 – 15:30 (Europe/Paris, UTC+01:00)\n"
        "Où : Salle B, 2e étage\n"
        "Organisé par : Dr Paul Delorme <paul@clinique.example>\n\n"
        "Merci de venir.\nApporter le dossier."
    )
    assert "<br>Où : Salle B, 2e étage" in card.html


@pytest.mark.parametrize(
    ("method", "word"),
    [
        ("REQUEST", "Invitation"),
        ("CANCEL", "Annulation"),
        ("REPLY", "Réponse à une invitation"),
        ("PUBLISH", "Rendez-vous"),
    ],
)
def test_what_it_asks(method: str, word: str) -> None:
    assert invitation.card(ics(method=f"METHOD:{method}\n")).title.startswith(f"{word} : ")
    assert invitation.card(ics(method="")).title.startswith("Rendez-vous : ")


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        ("DTSTART:20260701T120000Z", "DTEND:20260701T123000Z", "mercredi 1 juillet 2026, 12:00 – 12:30 UTC"),
        ("DTSTART:20260701T120000", "", "mercredi 1 juillet 2026, 12:00 (heure locale)"),
        ("DTSTART;TZID=Europe/Paris:20260701T120000", "DURATION:PT1H",
         "mercredi 1 juillet 2026, 12:00 – 13:00 (Europe/Paris, UTC+02:00)"),
        ("DTSTART;TZID=Romance Standard Time:20260303T140000", "",
         "mardi 3 mars 2026, 14:00 (Romance Standard Time, UTC+01:00)"),
        ("DTSTART;TZID=Cabinet:20260303T140000", "", "mardi 3 mars 2026, 14:00 (heure de Cabinet)"),
        ("DTSTART;VALUE=DATE:20260303", "DTEND;VALUE=DATE:20260304", "mardi 3 mars 2026"),
        ("DTSTART;VALUE=DATE:20260303", "DTEND;VALUE=DATE:20260306", "mardi 3 mars 2026 – jeudi 5 mars 2026"),
        ("DTSTART:20260303T230000Z", "DTEND:20260304T010000Z",
         "mardi 3 mars 2026, 23:00 – mercredi 4 mars 2026, 01:00 UTC"),
        ("DTSTART:20260303T230000Z", "DTEND:20260303T220000Z", "mardi 3 mars 2026, 23:00 UTC"),
        ("DTSTART:20260303T230000Z", "DTEND;VALUE=DATE:20260304", "mardi 3 mars 2026, 23:00 UTC"),
        ("DTSTART:99999999T000000", "", "date illisible"),
        ("X-NOTHING:1", "", "date illisible"),
    ],
)  # fmt: skip
def test_when(start: str, end: str, shown: str) -> None:
    assert when(start, end) == shown


def test_repeated_events_are_said_not_worked_out() -> None:
    assert "Répétition : chaque semaine" in invitation.card(ics(EVENT + "RRULE:FREQ=WEEKLY;COUNT=5\n")).text
    card = invitation.card(ics(EVENT + "RRULE:FREQ=SECONDLY\nRDATE:20260101T000000Z,20260102T000000Z\n"))
    assert "Répétition" not in card.text


def test_endless_zone_rules_are_not_worked_out() -> None:
    zone = ZONE.replace("FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10", "FREQ=SECONDLY").replace("Europe/Paris", "Mine")
    card = invitation.card(ics(EVENT.replace("Europe/Paris", "Mine"), zone=zone * 50))
    assert "14:00 – 15:30 (heure de Mine)" in card.text


def test_zones_that_never_end() -> None:
    data = ics(zone="BEGIN:VTIMEZONE\n" * 4000)
    assert reading(data).problems[0].startswith("unreadable: ics_")


def test_several_events() -> None:
    more = "END:VEVENT\nBEGIN:VEVENT\n".join([EVENT] * 8)
    assert "Autres : 3 autres rendez-vous" in invitation.card(ics(more)).text


def test_markup_is_shown_as_text() -> None:
    (card,) = reading(ics("SUMMARY:<script>x</script>\nLOCATION:<img src=http://e.example>\n")).cards
    assert "<script" not in card.html
    assert "<img" not in card.html


def test_folded_lines_charsets_and_recognition() -> None:
    folded = ics().replace(b"digestive", b"dig\r\n estive")
    assert "RCP digestive" in invitation.card(folded).title
    assert "Salle B, 2e étage" in invitation.card(ics().decode().replace("–", "-").encode("cp1252")).text
    assert read([File("x", "application/octet-stream", b"\xef\xbb\xbf" + ics())]).cards


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "ics_no_event"),
        (b"hello", "ics_damaged"),
        (b"", "ics_damaged"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VALARM\r\n", "ics_damaged"),
        (b"X:1\n" * 10_000, "ics_too_large"),
        (bytes(2 << 20), "ics_too_large"),
    ],
)
def test_what_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(Refused) as no:
        invitation.card(data)
    assert no.value.code in (code, "ics_no_event")


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.data())
def test_damaged_calendars_never_crash(data: st.DataObject) -> None:
    whole = ics().decode()
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(whole)))
        piece = data.draw(
            st.sampled_from(["", ";", ":", "\r\n", "BEGIN:VEVENT\r\n", "END:VEVENT\r\n", "TZID=", "\0", "9", '"'])
        )
        whole = whole[:place] + piece + whole[place + data.draw(st.integers(0, 30)) :]
    found = reading(whole.encode())
    assert "unreadable: calendar" not in found.problems
    assert sum(len(card.html) for card in found.cards) <= 20 * len(whole)
