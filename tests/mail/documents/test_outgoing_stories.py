"""Documents written in chat, through the whole hub: conforming mails out, and their answers back."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from bridge.model import Kind, Ref, State
from bridge.networks.mail.documents import read, xdm
from bridge.networks.mail.mime.mail import Mail
from tests.mail.documents import make
from tests.mail.documents.test_outgoing import (
    LOOSE,
    ODILE,
    ODILE_PDF,
    OTHER_INS,
    PAUL,
    PDF_NAME,
    PHOTO,
    SUBJECT,
    document,
)
from tests.mail.hub import ANNA, CLEO_BOX, PEER, TEAM, Node, Written, running
from tests.mail.space import Space


def shows(mail: Mail, *, ins: str = make.INS) -> None:
    """The round trip: who reads this mail finds the same patient and document."""
    found = read(mail.files, mail.subject)
    (patient,) = found.patients
    assert patient.ins == ins
    assert "several_patients" not in found.problems
    assert any("Bilan du 1er mars" in card.title for card in found.cards)
    assert mail.mss["X-MSS-CODECDA"] == "11502-2"


async def states(node: Node, ref: str) -> set[tuple[State, str | None]]:
    status = await node.hub.facts.status(Ref("pandalab", ref))
    assert status is not None
    return {(s.state, s.reason) for s in status.states}


async def test_from_chat_to_mail_and_back(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, product="DEV000000") as node:
        files = (ODILE_PDF, PHOTO)
        await node.write("room-1", "voici", to=[f"mailto:{ANNA}"], files=files)
        ((sender, recipients, mail, _),) = await node.mailed()
        assert (sender, recipients) == (CLEO_BOX, [ANNA])
        assert mail.subject == SUBJECT
        assert mail.text.startswith("voici")
        assert mail.in_reply_to == mail.references == ()
        assert dict(mail.mss) == {"X-MSS-CODECDA": "11502-2", "X-MSS-INS": "O", "X-MSS-NIL": "DEV000000"}
        assert [f.name for f in mail.files] == ["IHE_XDM.ZIP", PDF_NAME, "plaie.jpg"]
        shows(mail)
        (inside,) = xdm.parse(mail.files[0].data).documents
        assert inside.data == ODILE_PDF.data
        answer = Written("Bien reçu", subject=f"Re: {mail.subject}", mid=f"r1@{PEER}", replies=[str(mail.message_id)])
        await node.hand_in(answer.raw(), CLEO_BOX)
        seen = await node.got("Bien reçu")
        assert seen.chat == "room-1"
        assert seen.thread is not None
        await node.write("room-1", "Merci", thread=seen.thread)
        reply = (await node.mailed(2))[1][2]
        assert reply.subject == f"Re: {SUBJECT}"
        assert reply.references == (str(mail.message_id), f"r1@{PEER}")
        assert "X-MSS-CODECDA" not in reply.mss


async def test_a_reply_keeps_the_subject_of_its_thread(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("Avez-vous le bilan ?", mid=f"m1@{PEER}").raw(), CLEO_BOX)
        seen = await node.got("Avez-vous")
        thread = node.products["pandalab"]._refs[seen.id]
        await node.write(str(seen.chat), "le voici", thread=thread, files=(ODILE,))
        mail = (await node.mailed())[0][2]
        assert mail.subject == "Re: Avis"
        assert mail.in_reply_to == (f"m1@{PEER}",)
        shows(mail)
        await node.write(str(seen.chat), "et l'autre", thread=thread, files=(PAUL,), ref="p2")
        await node.rest()
        assert await states(node, "p2") == {(State.REFUSED, "xdm_other_patient")}
        assert len(node.out.sent) == 1
        about = Written("Pour Paul", subject="XDM/1.0/DDM+CR MARTIN Paul 03/04/1971", mid=f"m2@{PEER}")
        about.replies = [str(mail.message_id)]
        await node.hand_in(about.raw(), CLEO_BOX)
        assert "Autre patient" in (await node.got("Pour Paul")).body.text


async def test_chat_goes_on_beside_the_documents(tmp_path: Path, space: Space) -> None:
    """A mail of documents begins a thread of its own; the conversation's own thread neither holds nor cites it."""
    async with running(tmp_path, space) as node:
        await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}"])
        await node.mailed(1)
        await node.write("room-1", "voici", files=(ODILE,))
        await node.mailed(2)
        await node.write("room-1", "à demain")
        first, second, third = (mail for _, _, mail, _ in await node.mailed(3))
        assert second.subject == SUBJECT
        assert second.references == ()
        assert third.references == (str(first.message_id),)
        assert (first.subject, third.subject) == ("Cléo Petit : bonjour", "Cléo Petit : à demain")


async def test_two_patients_gathered_leave_as_two_mails(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, gather={"quiet": 0.4, "longest": 5.0}) as node:
        await node.write("room-1", "pour Odile", to=[f"mailto:{ANNA}"], files=(ODILE,))
        await node.write("room-1", "pour Paul", files=(PAUL,), ref="p2")
        await node.mailed(2)
        await node.rest()
        one, two = (mail for _, _, mail, _ in node.out.sent)
        shows(one)
        shows(two, ins=OTHER_INS)
        assert ("pour Odile" in one.text, "pour Paul" in one.text) == (True, False)
        assert "MARTIN Paul" in two.subject
        assert two.references == ()
        assert {state for state, _ in await states(node, "p2")} == {State.SENT}


async def test_two_patients_in_one_message_are_refused_the_others_leave(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, gather={"quiet": 0.4, "longest": 5.0}) as node:
        await node.write("room-1", "avant", to=[f"mailto:{ANNA}"])
        await node.write("room-1", "les deux", files=(ODILE, PAUL), ref="p2")
        await node.write("room-1", "après")
        await node.mailed(2)
        await node.rest()
        assert await states(node, "p2") == {(State.REFUSED, "xdm_several_patients")}
        texts = [mail.text.split("\n-- ")[0].strip() for _, _, mail, _ in node.out.sent]
        assert texts == ["avant", "après"]
        assert not any(mail.files for _, _, mail, _ in node.out.sent)


async def test_asking_for_it(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, gather={"quiet": 0.4, "longest": 5.0}) as node:
        await node.write("room-1", "/xdm\nvoici", to=[f"mailto:{ANNA}"], html="/xdm<br><b>voici</b>", files=(ODILE,))
        mail = (await node.mailed())[0][2]
        assert mail.text.startswith("voici")
        assert "/xdm" not in mail.text + (mail.html or "")
        await node.write("room-1", "/xdm", files=(LOOSE,), ref="p2")
        await node.write("room-1", "autre chose")
        await node.mailed(2)
        await node.rest()
        assert await states(node, "p2") == {(State.REFUSED, "xdm_no_document")}
        assert node.out.sent[1][2].text.startswith("autre chose")
        assert not node.out.sent[1][2].files


async def test_what_cannot_conform_leaves_as_it_is(tmp_path: Path, space: Space) -> None:
    broken = document("x.xml", b"<ClinicalDocument><broken>")
    async with running(tmp_path, space) as node:
        await node.write("room-1", "voici", to=[f"mailto:{ANNA}"], files=(broken,))
        mail = (await node.mailed())[0][2]
        assert [(f.name, f.data) for f in mail.files] == [("x.xml", broken.data)]
        assert mail.subject == "Cléo Petit : voici"


async def test_a_team_sends_documents_in_its_own_name(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("Le bilan ?", to=[TEAM], mid=f"t1@{PEER}").raw(), TEAM)
        seen = await node.got("Le bilan ?")
        thread = node.products["pandalab"]._refs[seen.id]
        await node.write(str(seen.chat), "ci-joint", by="dan", thread=thread, files=(ODILE,))
        (sender, _, mail, _) = (await node.mailed())[0]
        assert sender == TEAM
        assert mail.subject == "Re: Avis"
        shows(mail)
        with zipfile.ZipFile(io.BytesIO(mail.files[0].data)) as archive:
            assert "Cardiologie" in archive.read("README.TXT").decode()


async def test_a_correction_waits_for_the_conversation_s_own_thread(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.write("room-1", "deux", to=[f"mailto:{ANNA}"], ref="p1")
        await node.mailed(1)
        await node.rest()
        await node.write("room-1", "un", kind=Kind.EDIT, reply_to=Ref("pandalab", "p1"), ref="e1")
        await node.write("room-1", "voici", files=(ODILE,))
        await node.mailed(2)
        await node.write("room-1", "à demain")
        texts = [mail.text for _, _, mail, _ in await node.mailed(3)]
        assert "Correction du message du" not in texts[1]
        assert "Correction du message du" in texts[2]
