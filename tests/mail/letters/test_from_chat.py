"""Letters made of chat: whose name stands on them, what is corrected, and how one answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.model import File
from bridge.networks.mail.letters.compose import Letter, compose
from bridge.networks.mail.letters.from_chat import ChatMessage, Frame, letter, subject_of
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.mail import parse

NOON = 1_795_340_520_000  # 2026-11-22 10:42 in Paris
MINUTE = 60_000
CLEO, DAN, ANNA = Box("cleo@hub.example", "Cléo"), Box("dan@hub.example", "Dan"), Box("anna@mss-a.example", "Anna")
ROOM = Box("salon-0123456789@hub.example")


def frame(room: Box = ROOM, team: Box | None = None) -> Frame:
    return Frame((ANNA,), (DAN,), "Message de Cléo", room, None, (), team=team)


def written(*said: ChatMessage, room: Box = ROOM, team: Box | None = None) -> Letter:
    return letter("m1@hub.example", said or (ChatMessage("d1", 1, CLEO, "bonjour"),), frame(room, team))


def test_the_name_of_the_conversation_stands_above_what_was_said() -> None:
    said = ChatMessage("d1", 1, CLEO, "bonjour", "<b>bonjour</b>")
    made = letter("m1@hub.example", (said,), replace(frame(), name="RCP <thorax>"))
    assert made.text.startswith("« RCP <thorax> »\n\nbonjour\n\n-- \n")
    assert "<p><b>« RCP &lt;thorax&gt; »</b></p><b>bonjour</b>" in (made.html or "")
    assert made.subject == "Message de Cléo"
    assert subject_of([said], "RCP thorax", words=True) == "RCP thorax – Cléo : bonjour"


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
    assert (alone.sender, "Cléo ·" in alone.text) == (CLEO, False)
    both = written(ChatMessage("d1", NOON, CLEO, "un"), ChatMessage("d2", NOON + MINUTE, DAN, "deux"))
    assert both.sender == Box(ROOM.address, "Cléo, Dan")
    assert both.text.startswith("Cléo · 10:42\nun\n\nDan · 10:43\ndeux\n\n-- \n")
    assert "conversation Liaison (heures de Paris) :" in both.text
    team = written(ChatMessage("d1", NOON, CLEO, "un"), team=Box("cardio@hub.example", "Cardio"))
    assert team.sender.name == "Cardio"
    assert team.text.startswith("Cléo · 10:42\nun")


def test_one_heading_for_each_run_of_one_writer_with_profession_and_time() -> None:
    def by(number: int, minute: int, sender: Box, profession: str) -> ChatMessage:
        at = NOON + minute * MINUTE
        return ChatMessage(f"d{number}", at, sender, f"mot {number}", f"<i>mot {number}</i>", profession=profession)

    made = written(
        by(1, -1440, CLEO, "Pharmacien"), by(2, 0, CLEO, "Pharmacien"), by(3, 2, CLEO, "Pharmacien"),
        by(4, 3, DAN, "IDE"), by(5, 4, CLEO, "Pharmacien"), by(6, 14, CLEO, "Pharmacien"),
    )  # fmt: skip
    assert made.text.partition("\n\n-- \n")[0] == (
        "Cléo, pharmacien · 21/11/2026 10:42\nmot 1\n\nCléo, pharmacien · 10:42\nmot 2\n\nmot 3\n\n"
        "Dan, IDE · 10:45\nmot 4\n\nCléo, pharmacien · 10:46\nmot 5\n\nCléo, pharmacien · 10:56\nmot 6"
    )
    assert made.html is not None
    assert made.html.count("<p><b>Cléo, pharmacien · 10:42</b></p><i>mot 2</i><i>mot 3</i>") == 1
    assert made.html.count("<b>") == 5


def test_one_writer_signs_with_profession_and_place() -> None:
    made = written(ChatMessage("d1", NOON, CLEO, "bonjour", profession="Pharmacien", place="Cabinet du Parc, Annecy"))
    assert made.text.startswith("bonjour\n\n-- \nCléo, pharmacien, Cabinet du Parc, Annecy\nMessage d'une conversation")
    assert "heures de" not in made.text
    after_an_hour = written(
        ChatMessage("d1", NOON, CLEO, "un", profession="Pharmacien"),
        ChatMessage("d2", NOON + 60 * MINUTE, CLEO, "deux", profession="Pharmacien"),
    )
    assert after_an_hour.text.startswith(
        "Cléo, pharmacien · 10:42\nun\n\nCléo, pharmacien · 11:42\ndeux\n\n-- \nMessage"
    )


def test_a_picture_s_name_stands_where_it_was_sent() -> None:
    plan, scan = File("plan.png", "image/png", b"1"), File("../scan.pdf", "application/pdf", b"2")
    inside = File("logo.png", "image/png", b"3", "logo@x")
    made = written(
        ChatMessage("d1", NOON, CLEO, "", files=(plan,)),
        ChatMessage("d2", NOON, CLEO, "voici", "<b>voici</b>", files=(scan,)),
        ChatMessage("d3", NOON, DAN, "plan.png", files=(plan,)),
        ChatMessage("d4", NOON, DAN, "x", '<img src="cid:logo@x">', files=(inside,)),
    )
    assert made.text.startswith(
        "Cléo · 10:42\n[plan.png]\n\nvoici\n[scan.pdf]\n\nDan · 10:42\nplan.png\n\nx\n[logo.png]\n\n-- "
    )
    assert made.html is not None
    assert "<p><b>Cléo · 10:42</b></p><p>[plan.png]</p><b>voici</b><p>[scan.pdf]</p>" in made.html
    assert "[logo.png]" not in made.html
    assert "<p></p>" not in made.html


def test_the_page_says_its_language_and_charset() -> None:
    made = written(ChatMessage("d1", NOON, CLEO, "été", "<b>été</b>"))
    assert made.html is not None
    assert made.html.startswith('<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8">')
    assert made.html.endswith("</body></html>")


@pytest.mark.parametrize(
    ("texts", "subject"),
    [
        (["Bonjour Anna,\npouvez-vous revoir Mme Roux demain ?"], "Cléo : pouvez-vous revoir Mme Roux demain ?"),
        (["Chère consœur, merci"], "Cléo : merci"),
        (["Bonjour"], "Cléo : Bonjour"),
        (["Bonjour !", "deux"], "Cléo : Bonjour !"),
        (["", "deux"], "Cléo : deux"),
        (["  "], "Message de Cléo"),
        (["a\r\nBcc: eve@x.example\u202e"], "Cléo : a Bcc: eve@x.example"),
        (["Résultats de la biopsie de ce matin, à discuter ensemble avant la réunion de jeudi prochain"],
         "Cléo : Résultats de la biopsie de ce matin, à discuter ensemble avant la…"),
        (["x" * 200], "Cléo : " + "x" * 70 + "…"),
    ],
)  # fmt: skip
def test_a_subject_tells_one_mail_from_another(texts: list[str], subject: str) -> None:
    said = [ChatMessage(f"d{n}", NOON, CLEO, text) for n, text in enumerate(texts)]
    assert subject_of(said, words=True) == subject
    assert subject_of(said, words=False) == "Message de Cléo"


def test_the_subject_of_files_corrections_and_several_writers() -> None:
    fix = ChatMessage("d0", NOON, DAN, "faux", correction="edit")
    plan = ChatMessage("d1", NOON, CLEO, "", files=(File("plan.png", "image/png", b"1"),))
    assert subject_of([fix, plan], words=True) == "Cléo : plan.png"
    others = [ChatMessage(f"d{n}", NOON, Box(f"u{n}@hub.example", f"U{n}"), "oui") for n in range(4)]
    assert subject_of([plan, *others], words=True) == "Cléo, U0, U1 … : plan.png"


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


def test_what_is_urgent_says_so_to_programs_and_in_the_subject() -> None:
    plain = ChatMessage("d1", NOON, CLEO, "bonjour")
    pressing = ChatMessage("d2", NOON, CLEO, "URGENT : Bonjour, K+ 6,9", urgent=True)
    mail = parse(compose(written(plain, pressing)))
    assert mail.urgent
    assert [mail.headers.get(name) for name in ("importance", "priority", "x-priority")] == [
        "high", "urgent", "1 (Highest)",
    ]  # fmt: skip
    assert not parse(compose(written(plain))).urgent
    assert subject_of([pressing], words=True) == "URGENT : Cléo : K+ 6,9"
    assert subject_of([plain, pressing], "RCP", words=False) == "URGENT : RCP – Message de Cléo"


@pytest.mark.parametrize(
    ("line", "pressing"),
    [
        ("X-Priority: 1 (Highest)", True), ("X-Priority: 2", True), ("X-Priority: 3 (Normal)", False),
        ("X-Priority: 10", False),
        ("Importance: High", True), ("Importance: low", False), ("Priority: urgent", True),
        ("Priority: non-urgent", False),
        ("X-MSMail-Priority: High", True), ("X-MSMail-Priority: Normal", False), ("X-Priority:", False),
    ],
)  # fmt: skip
def test_programs_mark_what_is_urgent_in_many_ways(line: str, pressing: bool) -> None:
    raw = f"From: anna@mss-a.example\r\n{line}\r\n\r\nx\r\n"
    assert parse(raw.encode()).urgent is pressing


def test_reactions_are_one_line_and_files_say_what_they_are() -> None:
    voice = File("note.ogg", "audio/ogg", b"1", duration_ms=72_400, voice=True)
    smile = File("smile.png", "image/png", b"1", sticker=True)
    film = File("geste.mp4", "video/mp4", b"1", duration_ms=5_000)
    made = written(
        ChatMessage("d0", NOON, DAN, "", reaction="👍", corrects=NOON - 1440 * MINUTE),
        ChatMessage("d1", NOON, DAN, "", reaction="❤️"),
        ChatMessage("d2", NOON, CLEO, "x", "<i>x</i>", files=(voice, smile, film)),
    )
    assert made.sender == CLEO
    assert made.text.startswith(
        "Réactions · reactions: 👍 Dan (21/11/2026 10:42), ❤️ Dan\n\nx\n"
        "[message vocal · voice message, 1:12: note.ogg]\n[autocollant · sticker: smile.png]\n[0:05 · geste.mp4]\n\n"
    )
    assert "<p><b>Réactions · reactions: 👍 Dan (21/11/2026 10:42), ❤️ Dan</b></p><i>x</i>" in (made.html or "")


def test_who_took_a_message_back_is_said_as_it_was() -> None:
    gone = ChatMessage("d1", 1, CLEO, "", correction="removal", corrects=NOON, moderated=True)
    text = written(gone, ChatMessage("d2", NOON, CLEO, "y")).text
    assert "a été retiré par un modérateur · the message of 22/11/2026 10:42 CET was taken back by a moderator]" in text
