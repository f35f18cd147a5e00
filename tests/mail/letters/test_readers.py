"""What a reader of mails gets of a conversation: a subject that tells, few questions, no file that says nothing new."""

from __future__ import annotations

from pathlib import Path

from bridge.model import Address, File, GroupName, Ref
from deploy.world.waiting import until
from tests.mail.hub import ANNA, CLEO_BOX, PEER, Written, running
from tests.mail.space import Space

ORIGINAL = "message-original.eml"
SIGNED = "\n\n-- \nDr Anna Martin\nTél. 01 02 03 04 05\n"


def quote(text: str) -> str:
    """As a mail program quotes it."""
    lines = "\n".join(f"> {line}" for line in text.rstrip().split("\n"))
    return f"Le dim. 22 nov. 2026 à 10:42, Cléo Petit <{CLEO_BOX}> a écrit :\n{lines}\n"


async def test_the_original_lies_beside_an_answer_only_where_something_of_it_is_not_shown(
    tmp_path: Path, space: Space
) -> None:
    async with running(tmp_path, space) as node:
        await node.write("room-1", "Bonjour Anna, le potassium est à 5,9 ce matin. Que faire ?", to=[f"mailto:{ANNA}"])
        ((_, _, ours, _),) = await node.mailed()
        first = str(ours.message_id)
        answers = {
            "a": ("Je rappelle.", quote(ours.text), []),
            "b": ("Je signe.", SIGNED, [ORIGINAL]),  # the telephone number stands nowhere else
            "c": ("Je cite et je signe.", SIGNED + "\n" + quote(ours.text), []),
            "d": ("Je corrige.", quote(ours.text.replace("5,9", "6,9")), [ORIGINAL]),
            "e": ("Je signe autrement.", SIGNED.replace("05", "06"), [ORIGINAL]),
        }
        for name, (said, more, files) in answers.items():
            await node.hand_in(
                Written(
                    f"{said}\n\n{more}", subject=f"Re: {ours.subject}", mid=f"{name}@{PEER}", replies=[first]
                ).raw(),
                CLEO_BOX,
            )
            seen = await node.got(said)
            assert seen.body.text == said
            assert [file.name for file in seen.body.files] == files, said
        again = Written(f"Et encore.\n\n{quote('Je rappelle.')}", mid=f"f@{PEER}", replies=[first, f"a@{PEER}"]).raw()
        await node.hand_in(again, CLEO_BOX)  # a quotation of the author's own mail, which was shown
        assert (await node.got("Et encore.")).body.files == ()
        elsewhere = Written(f"Ailleurs.{SIGNED}", sender=f"Marc <marc@{PEER}>", mid=f"g@{PEER}").raw()
        await node.hand_in(elsewhere, CLEO_BOX, sender=f"marc@{PEER}")
        assert [file.name for file in (await node.got("Ailleurs.")).body.files] == [ORIGINAL]


async def test_a_receipt_is_asked_for_what_begins_what_answers_and_documents(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        plan = File("plan.png", "image/png", b"\x89PNG\r\n\x1a\n")
        for text, files in (("un", ()), ("deux", ()), ("trois", (plan,)), ("", (plan,))):
            before = len(node.out.sent)
            to = [f"mailto:{ANNA}"] if not before else []
            await node.write("room-1", text, to=to, files=files)
            await node.mailed(before + 1)
        asked = [mail.mdn_to is not None for _, _, mail, _ in node.out.sent]
        assert asked == [True, False, True, True]
        subjects = [mail.subject for _, _, mail, _ in node.out.sent]
        assert subjects == [f"Cléo Petit : {words}" for words in ("un", "deux", "trois", "plan.png")]
        assert node.out.sent[3][2].text.startswith("[plan.png]\n\n-- \nCléo Petit")
        assert "\n[plan.png]\n" in node.out.sent[2][2].text
        last = str(node.out.sent[3][2].message_id)
        await node.hand_in(Written("Vu", mid=f"v@{PEER}", replies=[last]).raw(), CLEO_BOX)
        await node.got("Vu")
        for text, answers in (("Merci", True), ("Bonne journée", False)):
            await node.write("room-1", text)
            await until(lambda text=text: text in node.out.sent[-1][2].text)  # type: ignore[misc]
            assert (node.out.sent[-1][2].mdn_to is not None) == answers


async def test_a_conversation_s_name_is_in_the_text_and_in_a_subject_only_if_wanted(
    tmp_path: Path, space: Space
) -> None:
    cleo = Address("pandalab", "cleo")
    for wanted in (False, True):
        (tmp_path / str(wanted)).mkdir()
        async with running(tmp_path / str(wanted), space, subject_name=wanted) as node:
            await node.write("room-1", "un", to=[f"mailto:{ANNA}"])
            await node.mailed()
            names = [GroupName("RCP thorax"), GroupName("Mme Perrot", about_patient=True), GroupName("")]
            for number, name in enumerate(names, 2):
                await node.hub.rename(Ref("pandalab", f"n{number}"), "room-1", cleo, name)
                await node.write("room-1", f"message {number}")
                await node.mailed(number)
            mails = [mail for _, _, mail, _ in node.out.sent]
            begins = [mail.text.partition("\n")[0] for mail in mails]
            assert begins == ["un", "« RCP thorax »", "« Mme Perrot »", "message 4"]
            before = "RCP thorax – " if wanted else ""
            expected = ["un", "message 2", "message 3", "message 4"]
            subjects = [f"{before if n == 1 else ''}Cléo Petit : {words}" for n, words in enumerate(expected)]
            assert [mail.subject for mail in mails] == subjects


async def test_the_operator_decides_about_receipts_and_subjects(tmp_path: Path, space: Space) -> None:
    for value, said in ((True, "needed"), (False, "never"), ("always", "always")):
        (tmp_path / said).mkdir()
        async with running(tmp_path / said, space, ask_displayed=value, subject_words=False) as node:
            await node.write("room-1", "un", to=[f"mailto:{ANNA}"])
            await node.mailed()
            await node.write("room-1", "deux")
            await until(lambda node=node: len(node.out.sent) == 2)  # type: ignore[misc]
            asked = [mail.mdn_to is not None for _, _, mail, _ in node.out.sent]
            assert asked == {"needed": [True, False], "never": [False, False], "always": [True, True]}[said]
            assert {mail.subject for _, _, mail, _ in node.out.sent} == {"Message de Cléo Petit"}
