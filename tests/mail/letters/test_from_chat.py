"""Letters made of chat: whose name stands on them, what is corrected, and how one answers."""

from __future__ import annotations

import pytest

from bridge.networks.mail.letters.compose import Letter, compose
from bridge.networks.mail.letters.from_chat import ChatMessage, Frame, letter
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.mail import parse

CLEO, DAN, ANNA = Box("cleo@hub.example", "Cléo"), Box("dan@hub.example", "Dan"), Box("anna@mss-a.example", "Anna")
ROOM = Box("salon-0123456789@hub.example")


def frame(room: Box = ROOM, team: Box | None = None) -> Frame:
    return Frame((ANNA,), (DAN,), "Message de Cléo", room, None, (), team=team)


def written(*said: ChatMessage, room: Box = ROOM, team: Box | None = None) -> Letter:
    return letter("m1@hub.example", said or (ChatMessage("d1", 1, CLEO, "bonjour"),), frame(room, team))


def test_the_conversation_s_own_address_is_named() -> None:
    made = written()
    last = made.text.rstrip().splitlines()[-1]
    assert last == f"Écrire à toute la conversation · write to the whole conversation: {ROOM.address}"
    assert "répondez à tous" in made.text
    rich = written(ChatMessage("d1", 1, CLEO, "bonjour", "<b>bonjour</b>"))
    assert rich.html is not None
    assert rich.html.count(ROOM.address) == 1


@pytest.mark.parametrize(
    ("room", "team"),
    [(Box("postmaster@hub.example"), None), (ROOM, Box("cardio@hub.example", "Cardio")), (Box("x-salon-1@h.ex"), None)],
)
def test_an_address_that_answers_could_not_use_is_not_named(room: Box, team: Box | None) -> None:
    made = written(ChatMessage("d1", 1, CLEO, "bonjour", "<b>bonjour</b>"), room=room, team=team)
    assert "Écrire à toute" not in made.text + (made.html or "")
    assert "salon-" not in made.text + (made.html or "")
    assert "répondez à tous" in made.text


def test_the_footer_stands_below_the_mark_of_signatures() -> None:
    mail = parse(compose(written()))
    assert mail.text.partition("\n-- \n")[0].strip() == "bonjour"
    assert ROOM.address in mail.text.partition("\n-- \n")[2]


def test_who_wrote_is_said_where_it_is_not_plain() -> None:
    alone = written()
    assert (alone.sender, "Cléo :" in alone.text) == (CLEO, False)
    both = written(ChatMessage("d1", 1, CLEO, "un"), ChatMessage("d2", 2, DAN, "deux"))
    assert both.sender == Box(ROOM.address, "Cléo, Dan")
    assert both.text.startswith("Cléo :\nun\n\nDan :\ndeux\n\n-- \n")
    team = written(ChatMessage("d1", 1, CLEO, "un"), team=Box("cardio@hub.example", "Cardio"))
    assert team.sender.name == "Cardio"
    assert team.text.startswith("Cléo :\nun")


def test_html_is_escaped_and_corrections_are_marked() -> None:
    made = written(ChatMessage("d1", 1, CLEO, "<x>", correction="edit"), ChatMessage("d2", 2, CLEO, "y", "<i>y</i>"))
    assert made.html is not None
    assert "&lt;x&gt;" in made.html
    assert "[Correction d&#x27;un message" in made.html
    at = 1_795_340_520_000  # 2026-11-22
    dated = written(
        ChatMessage("d1", 1, CLEO, "1 mg", correction="edit", corrects=at), ChatMessage("d2", 2, CLEO, "", "<i>y</i>")
    )
    assert dated.text.startswith("[Correction du message du 22/11/2026 10:42 CET · corrects the message of 22/11/2026 ")
    assert "Correction du message du 22/11/2026 10:42 CET" in (dated.html or "")
    gone = written(ChatMessage("d1", 1, CLEO, "", correction="removal", corrects=at))
    assert gone.text.startswith("[Le message du 22/11/2026 10:42 CET a été retiré")
    assert made.text.startswith("[Correction d'un message précédent")
