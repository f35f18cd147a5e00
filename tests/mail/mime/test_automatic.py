"""Who must not be answered."""

import pytest

from bridge.networks.mail.mime.automatic import by_system
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.mail import parse


def reason(fields: str, sender: str = "anna@x.fr") -> str | None:
    return parse(f"From: {sender}\nTo: b@y.fr\n{fields}\n\nBonjour\n".replace("\n", "\r\n").encode()).automatic


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("Subject: Demande d'avis", None),
        ("Auto-Submitted: no", None),
        ("Auto-Submitted: NO (really)", None),
        ("Auto-Submitted: auto-replied (vacation)", "auto-replied"),
        ("Auto-Submitted: Auto-Generated; type=x", "auto-generated"),
        ("Auto-Submitted: auto-notified; owner-email=a@b", "auto-notified"),
        ("Auto-Submitted: whatever", "auto-generated"),
        ("List-Id: <l.x.fr>", "list"),
        ("List-Unsubscribe: <mailto:x@y>", "list"),
        ("Precedence: bulk", "bulk"),
        ("Precedence: junk", "junk"),
        ("Precedence: LIST", "list"),
        ("Precedence: auto_reply", "auto-replied"),
        ("Precedence: first-class", None),
        ("X-Auto-Response-Suppress: All", "suppressed"),
        ("X-Auto-Response-Suppress: None", None),
        ("X-Autoreply: yes", "auto-replied"),
        ("Return-Path: <>", "null-sender"),
        ("Return-Path: < >", "null-sender"),
        ("Return-Path: <anna@x.fr>", None),
        ("Subject: Réponse automatique : Demande", "auto-replied"),
        ("Subject: RE: Réponse automatique", "auto-replied"),
        ("Subject: =?utf-8?Q?R=C3=A9ponse_automatique=3A_absence?=", "auto-replied"),
        ("Subject: Absence du bureau", "auto-replied"),
        ("Subject: Message d'absence", "auto-replied"),
        ("Subject: Message d’absence", "auto-replied"),
        ("Subject: Automatic reply: x", "auto-replied"),
        ("Subject: Auto-reply", "auto-replied"),
        ("Subject: Out of office", "auto-replied"),
        ("Subject: Automatische Antwort: x", "auto-replied"),
        ("Subject: Demande pendant l'absence du Dr Martin", None),
        ("Subject: Message non distribué\nReturn-Path: <>", "bounce"),
        ("Subject: Message non distribué : rappel", None),
        ("X-Failed-Recipients: z@z.fr", "bounce"),
        ("Content-Type: multipart/report; report-type=delivery-status; boundary=b", "bounce"),
        ('Content-Type: multipart/report; boundary=b; report-type="disposition-notification"', "mdn"),
        ("Content-Type: multipart/report; report-type=feedback-report; boundary=b", "report"),
    ],
)
def test_reasons(fields: str, expected: str | None) -> None:
    assert reason(fields) == expected


@pytest.mark.parametrize("local", ["MAILER-DAEMON", "mailer-daemon", "Postmaster", "bounces+1=2"])
def test_daemons(local: str) -> None:
    assert reason("Subject: x", f"{local}@x.fr") == "daemon"
    assert reason("Subject: Undelivered Mail Returned to Sender", f"{local}@x.fr") == "bounce"


def test_people_with_similar_names_are_people() -> None:
    assert reason("Subject: x", "postmaster.martin@x.fr") is None


def test_loops_are_seen() -> None:
    raw = (
        b"From: a@x.fr\r\nX-Liaison-Loop: Hub.X.fr\r\nx-liaison-loop: hub.y.fr\r\n"
        + b"Received: by z\r\n" * 31
        + b"\r\n"
    )
    found = parse(raw)
    assert found.loops == ("hub.x.fr", "hub.y.fr")
    assert found.received == 31


@pytest.mark.parametrize(
    ("local", "system"),
    [
        ("MAILER-DAEMON", True), ("postmaster", True), ("MicrosoftExchange329e71ec", True), ("no-reply", True),
        ("noreply", True), ("ne-pas-repondre", True), ("bounces+1", True), ("mail-delivery-subsystem", True),
        ("anna.martin", False), ("microsoft", False), ("noreply.martin", False), ("mta.martin", False),
    ],
)  # fmt: skip
def test_a_mail_system_is_told_from_a_mailbox(local: str, system: bool) -> None:
    assert by_system(Box(f"{local}@mss.example")) is system
    assert by_system(None)
