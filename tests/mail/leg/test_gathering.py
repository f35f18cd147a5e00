"""Chat gathered into one mail: what belongs together, and what is corrected or taken back meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import Refused, Unavailable
from bridge.model import Delivery, File, Kind, Ref, State
from deploy.world.waiting import until
from tests.mail.hub import (
    ANNA,
    BEN,
    CLEO_BOX,
    PEER,
    TEAM,
    Written,
    running,
)
from tests.mail.space import Space


async def test_chat_is_gathered_into_one_mail(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, gather={"quiet": 0.4, "longest": 5.0}) as node:
        await node.write("room-1", "un", to=[f"mailto:{ANNA}"])
        for text in ("deux", "trois"):
            await node.write("room-1", text)
        await node.mailed()
        await node.rest()
        ((_, recipients, mail, _),) = node.out.sent
        assert recipients == [ANNA]
        assert mail.text.split("-- ")[0].split() == ["un", "deux", "trois"]
        await node.hand_in(Written("Réponse d'Anna", mid=f"r@{PEER}", replies=[str(mail.message_id)]).raw(), CLEO_BOX)
        seen = await node.got("Réponse d'Anna")
        assert seen.chat == "room-1"
        assert seen.thread is None
        await node.write("room-1", "quatre")
        await node.mailed(2)
        assert node.out.sent[1][2].references == (str(mail.message_id), f"r@{PEER}")


async def test_a_thread_hangs_on_the_mail_that_holds_what_it_is_about(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, gather={"quiet": 0.3, "longest": 5.0}) as node:
        await node.write("room-1", "un", to=[f"mailto:{ANNA}"])
        await node.write("room-1", "deux", ref="second")
        await node.write("room-1", "à propos de deux", thread=Ref("pandalab", "second"))
        await node.mailed(2)
        first, about = (mail for _, _, mail, _ in node.out.sent)
        assert first.text.split("-- ")[0].split() == ["un", "deux"]
        assert about.text.startswith("à propos de deux")
        assert about.references == about.in_reply_to == (first.message_id,)
        cited = [str(first.message_id), str(about.message_id)]
        await node.hand_in(Written("Oui", mid=f"oui@{PEER}", replies=cited).raw(), CLEO_BOX)
        assert (await node.got("Oui")).thread == Ref("pandalab", "second")


async def test_what_is_corrected_in_time_leaves_corrected(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, gather={"quiet": 2.0, "longest": 60.0}) as node:
        await node.write("room-1", "deux comprimés", to=[f"mailto:{ANNA}"], ref="p1")
        await node.write("room-1", "à oublier", ref="p2")
        await until(lambda: len(node.mail._gather._lanes) == 1)
        await node.write("room-1", "un comprimé", kind=Kind.EDIT, reply_to=Ref("pandalab", "p1"), ref="e1")
        await node.write("room-1", "", kind=Kind.REMOVAL, reply_to=Ref("pandalab", "p2"), ref="e2")
        await node.mailed()
        await node.rest()
        ((_, _, mail, _),) = node.out.sent
        assert "un comprimé" in mail.text
        assert "deux comprimés" not in mail.text
        assert "à oublier" not in mail.text
        for ref, state, reason in (("p1", State.SENT, None), ("p2", State.REFUSED, "taken_back")):
            status = await node.hub.facts.status(Ref("pandalab", ref))
            assert status is not None
            assert [(one.state, one.reason) for one in status.states] == [(state, reason)]


async def test_what_is_taken_back_alone_makes_no_mail_and_no_claim(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, gather={"quiet": 0.4, "longest": 5.0}) as node:
        await node.write("room-1", "à oublier", to=[f"mailto:{ANNA}"], ref="p1")
        await until(lambda: len(node.mail._gather._lanes) == 1)
        await node.write("room-1", "", kind=Kind.REMOVAL, reply_to=Ref("pandalab", "p1"), ref="e1")
        await node.rest(1.0)
        status = await node.hub.facts.status(Ref("pandalab", "p1"))
        assert status is not None
        assert [(one.state, one.reason) for one in status.states] == [(State.REFUSED, "taken_back")]
        assert not node.out.sent
        await node.write("room-1", "/xdm", ref="p2")
        await node.rest(1.0)
        status = await node.hub.facts.status(Ref("pandalab", "p2"))
        assert status is not None
        assert [one.reason for one in status.states] == ["xdm_no_document"]


async def test_a_correction_waits_for_the_next_mail_of_its_thread(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.write("room-1", "deux comprimés", to=[f"mailto:{ANNA}"], ref="p1")
        await node.mailed()
        await node.rest()
        await node.write("room-1", "un comprimé", kind=Kind.EDIT, reply_to=Ref("pandalab", "p1"), ref="e1")
        told = await node.got("L'ancien texte est déjà parti par mail")
        assert (told.kind, told.sender.name, told.chat) == (Kind.NOTICE, "Anna Martin", "room-1")
        assert told.body.system  # not Anna's words, and no name before what is for its writer only
        assert told.body.text.startswith("⚠️ L'ancien texte")
        assert told.reply_to == Ref("pandalab", "p1")
        await node.rest(1.0)
        assert len(node.out.sent) == 1
        await node.write("room-1", "à demain")
        await node.mailed(2)
        text = node.out.sent[1][2].text
        assert text.index("[Correction du message du ") < text.index("un comprimé") < text.index("à demain")
        await node.write("room-1", "", kind=Kind.REMOVAL, reply_to=Ref("pandalab", "p1"), ref="e2")
        await node.got("votre prochain message dira qu'il est retiré")
        await node.rest()
        assert len([d for d in node.shown() if d.kind is Kind.NOTICE]) == 2
        assert len(node.out.sent) == 2


async def test_what_never_left_or_left_nobody_is_corrected_without_a_word(tmp_path: Path, space: Space) -> None:
    """Nobody outside reads an old text: not what a team said among itself, nor what waited."""
    async with running(tmp_path, space, gather={"quiet": 0.4, "longest": 5.0}) as node:
        await node.hand_in(Written("À traiter", to=[TEAM], mid=f"t1@{PEER}").raw(), TEAM)
        chat = str((await node.got("À traiter")).chat)
        await node.write(chat, "entre nous", ref="p1")
        await node.write("room-1", "deux comprimés", to=[f"mailto:{ANNA}"], ref="p2")
        await until(lambda: node.mail._gather._lanes)
        await node.write("room-1", "un comprimé", kind=Kind.EDIT, reply_to=Ref("pandalab", "p2"), ref="e2")
        await node.mailed()
        await node.rest()
        await node.write(chat, "entre nous, bis", kind=Kind.EDIT, reply_to=Ref("pandalab", "p1"), ref="e1")
        await node.rest()
        assert not [d for d in node.shown() if d.kind is Kind.NOTICE]


async def test_a_gathered_message_is_named_by_its_own_time(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}"], ref="p1")
        await node.write("room-1", "deux comprimés", ref="p2")
        await node.mailed()
        await node.rest()
        assert "deux comprimés" in node.out.sent[0][2].text
        await node.write("room-1", "un comprimé", kind=Kind.EDIT, reply_to=Ref("pandalab", "p2"), ref="e1")
        await node.got("L'ancien texte est déjà parti")
        await node.write("room-1", "à demain")
        await node.mailed(2)
        assert "[Correction du message du " in node.out.sent[1][2].text


async def test_only_the_writer_corrects_and_who_cannot_be_corrected_reads_how(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.write("room-1", "un", to=[f"mailto:{ANNA}", f"rpps:{BEN}", "pandalab:dan"], ref="p1")
        await node.got("un", "siilo")
        with pytest.raises(Refused, match="edit_not_carried"):
            await node.write("room-1", "deux", by="dan", kind=Kind.EDIT, reply_to=Ref("pandalab", "p1"), ref="e0")
        await node.write("room-1", "deux", kind=Kind.EDIT, reply_to=Ref("pandalab", "p1"), ref="e1")
        await until(lambda: any(d.body.text.endswith("\ndeux") for d in node.shown("siilo")))
        status = await node.hub.facts.status(Ref("pandalab", "e1"))
        assert status is not None
        assert not [s for s in status.states if s.state is State.REFUSED]


async def test_what_waited_together_stays_one_thread(tmp_path: Path, space: Space) -> None:
    """A product that was away gets a mail and its answers in one go: each finds the one before it."""
    async with running(tmp_path, space) as node:
        away = True

        def closed(delivery: Delivery) -> None:
            if away:
                raise Unavailable("away", 0.05)

        node.products["pandalab"].before = closed
        await node.hand_in(Written("Racine", mid=f"m0@{PEER}").raw(), CLEO_BOX)
        for n in range(1, 4):
            chain = [f"m{i}@{PEER}" for i in range(n)]
            await node.hand_in(Written(f"Réponse {n}", mid=f"m{n}@{PEER}", replies=chain).raw(), CLEO_BOX)
        await node.rest()
        away = False
        await node.got("Réponse 3")
        root, *answers = node.shown()
        assert {d.thread for d in answers} == {node.products["pandalab"]._refs[root.id]}


async def test_what_is_urgent_leaves_at_once_and_comes_in_as_urgent(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, gather={"quiet": 60.0, "longest": 600.0}) as node:
        await node.write("room-1", "un", to=[f"mailto:{ANNA}"])
        await until(lambda: len(node.mail._gather._lanes) == 1)
        await node.write("room-1", "K+ 6,9", urgent=True)
        ((_, _, mail, _),) = await node.mailed()
        assert mail.urgent
        assert mail.text.split("-- ")[0].split("\n\n")[:2] == ["un", "URGENT : K+ 6,9\n\n".strip()]
        assert mail.subject.startswith("URGENT : ")
        answer = Written("Appelez-moi", replies=[str(mail.message_id)])
        await node.hand_in(answer.raw(Importance="high"), CLEO_BOX)
        assert (await node.got("Appelez-moi")).body.urgent
        away = Written("Je suis absente", replies=[str(mail.message_id)])
        await node.hand_in(away.raw(Importance="high", Auto_Submitted="auto-replied"), CLEO_BOX)
        assert not (await node.got("absente")).body.urgent


async def test_a_reaction_stands_at_the_head_of_the_next_mail_unless_it_is_taken_back(
    tmp_path: Path, space: Space
) -> None:
    def about(ref: str) -> Ref:
        return Ref("pandalab", ref)

    async with running(tmp_path, space) as node:
        await node.write("room-1", "un", to=[f"mailto:{ANNA}"], ref="p1")
        ((_, _, first, _),) = await node.mailed()
        await node.hand_in(Written("Réponse d'Anna", replies=[str(first.message_id)]).raw(), CLEO_BOX)
        seen = await node.got("Réponse d'Anna")
        hers = node.products["pandalab"]._refs[seen.id]
        await node.write("room-1", "👍", kind=Kind.REACTION, reply_to=hers, ref="r1")
        await node.write("room-1", "❤️", kind=Kind.REACTION, reply_to=hers, ref="r2")
        await node.write("room-1", "🎉", kind=Kind.REACTION, reply_to=about("p1"), ref="r3")
        await node.write("room-1", "", kind=Kind.REMOVAL, reply_to=about("r2"), ref="x2")
        await node.rest()
        assert len(node.out.sent) == 1
        await node.write("room-1", "deux")
        _, (_, _, second, _) = await node.mailed(2)
        head, *rest = second.text.split("\n\n")
        assert head.startswith("Réactions · reactions: 👍 Cléo Petit, 🎉 Cléo Petit (")
        assert rest[0] == "deux"
        told = [d for d in node.products["pandalab"].delivered if "réactions" in d.body.text]
        assert [d.body.system for d in told] == [True]
        await node.write("room-1", "", kind=Kind.REMOVAL, reply_to=about("r1"), ref="x1")
        await node.write("room-1", "✅", kind=Kind.HANDLED, reply_to=hers, ref="h1")
        _, _, (_, _, third, _) = await node.mailed(3)
        assert third.text.startswith("[Une réaction a été retirée · a reaction was taken back]\n\n✅")


async def test_of_several_late_corrections_the_last_one_leaves(tmp_path: Path, space: Space) -> None:
    def about(ref: str) -> Ref:
        return Ref("pandalab", ref)

    async with running(tmp_path, space) as node:
        await node.write("room-1", "500 mg", to=[f"mailto:{ANNA}"], ref="p1")
        await node.mailed()
        await node.write("room-1", "50 mg", kind=Kind.EDIT, reply_to=about("p1"), ref="e1")
        await node.write("room-1", "5 mg", kind=Kind.EDIT, reply_to=about("e1"), ref="e2")
        await node.rest()
        status = await node.hub.facts.status(about("e1"))
        assert status is not None
        assert [(one.state, one.reason) for one in status.states] == [(State.REFUSED, "corrected")]
        await node.write("room-1", "suite")
        _, (_, _, mail, _) = await node.mailed(2)
        assert "5 mg" in mail.text
        assert "50 mg" not in mail.text


async def test_words_of_a_mail_stay_words_and_a_file_is_corrected_like_a_text(tmp_path: Path, space: Space) -> None:
    plan = File("plan.png", "image/png", b"\x89PNG\r\n\x1a\n")

    def about(ref: str) -> Ref:
        return Ref("pandalab", ref)

    async with running(tmp_path, space, gather={"quiet": 2.0, "longest": 60.0}) as node:
        await node.write("room-1", "légende fausse", to=[f"mailto:{ANNA}"], ref="f1", files=(plan,))
        await node.write("room-1", "", ref="f2", files=(plan,))
        await node.write("room-1", "légende", kind=Kind.EDIT, reply_to=about("f1"), ref="e1")
        await node.write("room-1", "", kind=Kind.REMOVAL, reply_to=about("f2"), ref="x2")
        ((_, _, mail, _),) = await node.mailed()
        assert mail.text.split("\n\n")[0] == "légende\n[plan.png]"
        assert [file.name for file in mail.files] == ["plan.png"]
        for words in ("👍", "OK traité", "✅ vu"):
            await node.hand_in(Written(words, replies=[str(mail.message_id)]).raw(), CLEO_BOX)
            seen = await node.got(words)
            assert (seen.kind, seen.reply_to is None) == (Kind.TEXT, False)
