"""What is meant by what people write to the hub's voice."""

from __future__ import annotations

from typing import Any

import pytest

from appservice.finding.question import Question, Wish, asked, read


@pytest.mark.parametrize(
    ("text", "want", "words"),
    [
        ("petit cardiologue bordeaux", Wish.NAME, "petit cardiologue bordeaux"),
        ("  Dr  Le Goff\n", Wish.NAME, "Dr Le Goff"),
        ("2", Wish.CHOICE, "2"),
        ("2.", Wish.CHOICE, "2"),
        ("n° 3", Wish.CHOICE, "3"),
        ("numéro 12", Wish.CHOICE, "12"),
        ("le 1", Wish.CHOICE, "1"),
        ("33000", Wish.NAME, "33000"),  # a postcode
        ("10001002027", Wish.NUMBER, "10001002027"),
        ("RPPS 10 001 002 027", Wish.NUMBER, "10001002027"),
        ("Prenom.Nom@Hopital.mssante.fr", Wish.MAILBOX, "prenom.nom@hopital.mssante.fr"),
        ("mailto:a@b.mssante.fr", Wish.MAILBOX, "a@b.mssante.fr"),
        ("Bonjour !", Wish.HELP, ""),
        ("aide", Wish.HELP, ""),
        ("?", Wish.HELP, ""),
        ("", Wish.HELP, ""),
        ("Contacts", Wish.CONTACTS, ""),
        ("liaison.vcf", Wish.CONTACTS, ""),
        ("English!", Wish.LANGUAGE, "en"),
        ("en français", Wish.LANGUAGE, "fr"),
        ("Mme English", Wish.NAME, "Mme English"),
        ("x" * 500, Wish.NAME, "x" * 200),
    ],
)
def test_a_text_is_a_question(text: str, want: Wish, words: str) -> None:
    assert asked(text) == Question(want, words)


def _text(body: str, **more: Any) -> dict[str, Any]:
    return {"msgtype": "m.text", "body": body, **more}


@pytest.mark.parametrize(
    ("content", "question"),
    [
        (_text("petit"), Question(Wish.NAME, "petit")),
        (
            _text("* peti", **{"m.new_content": _text("petit"), "m.relates_to": {"rel_type": "m.replace"}}),
            Question(Wish.NAME, "petit"),
        ),
        (_text("2", **{"m.relates_to": {"m.in_reply_to": {"event_id": "$list"}}}), Question(Wish.CHOICE, "2", "$list")),
        (_text("> <@rpps_liaison:x> 1. A\n> 2. B\n\n2"), Question(Wish.CHOICE, "2")),
        ({"msgtype": "m.notice", "body": "petit"}, None),
        ({"msgtype": "m.image", "body": "photo.jpg"}, Question(Wish.HELP)),
        ({"msgtype": "m.text"}, Question(Wish.HELP)),
        ({"msgtype": "m.text", "body": "petit", "m.relates_to": None}, Question(Wish.NAME, "petit")),
    ],
)
def test_a_message_is_read(content: dict[str, Any], question: Question | None) -> None:
    assert read(content) == question
