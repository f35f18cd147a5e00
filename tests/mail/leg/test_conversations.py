"""Mails and chat as one conversation: who reads what, which thread, in whose name; against the real hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import Refused, Unavailable
from bridge.model import File, Kind, Ref, State
from bridge.networks.mail.mime.automatic import LOOP_HEADER
from deploy.world.waiting import until
from tests.mail.hub import (
    ANNA,
    BEN_BOX,
    CLEO_BOX,
    DAN_BOX,
    MARC,
    OTHER,
    PEER,
    TEAM,
    Written,
    running,
)
from tests.mail.space import HUB, Space


async def test_a_mail_arrives_and_the_answer_is_a_reply(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("Bonjour Cléo", mid=f"m1@{PEER}").raw(), CLEO_BOX)
        seen = await node.got("Bonjour Cléo")
        assert seen.body.text == "Avis\n\nBonjour Cléo"
        assert seen.sender.name == "Anna Martin"
        assert seen.thread is None
        await node.write(str(seen.chat), "Merci", thread=Ref("pandalab", node.products["pandalab"]._refs[seen.id].id))
        ((sender, recipients, mail, _),) = await node.mailed()
        assert (sender, recipients) == (CLEO_BOX, [ANNA])
        assert mail.subject == "Re: Avis"
        assert mail.in_reply_to == (f"m1@{PEER}",)
        assert mail.text.startswith("Merci")
        await node.hand_in(
            Written("Et encore", mid=f"m2@{PEER}", replies=[f"m1@{PEER}", str(mail.message_id)]).raw(), CLEO_BOX
        )
        again = await node.got("Et encore")
        assert again.conversation == seen.conversation
        assert again.thread == node.products["pandalab"]._refs[seen.id]
        assert again.body.text == "Et encore"


async def test_a_repeated_mail_is_one_message(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        raw = Written("Une fois", mid=f"m1@{PEER}").raw()
        for _ in range(3):
            await node.hand_in(b"Received: from x by y; Sun, 22 Nov 2026 01:00:00 +0000\r\n" + raw, CLEO_BOX)
        await node.got("Une fois")
        await node.rest()
        assert len(node.shown()) == 1


async def test_an_id_used_again_with_other_content_is_another_mail(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("Premier", mid=f"same@{PEER}").raw(), CLEO_BOX)
        await node.got("Premier")
        await node.hand_in(Written("Second", mid=f"same@{PEER}").raw(), CLEO_BOX)
        await node.got("Second")


async def test_a_mail_to_several_makes_one_conversation(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        written = Written("À tous", to=[CLEO_BOX, DAN_BOX], cc=[BEN_BOX, MARC], mid=f"m1@{PEER}").raw()
        await node.hand_in(written, CLEO_BOX)  # a peer may send it once for each recipient
        await node.hand_in(written, DAN_BOX, BEN_BOX)
        seen, there = await node.got("À tous"), await node.got("À tous", "siilo")
        await node.rest()
        assert seen.conversation == there.conversation
        assert len(node.shown()) == len(node.shown("siilo")) == 1
        assert {m.address.id for m in seen.members} == {ANNA, "cleo", "dan", "ben", MARC}
        await node.write(str(seen.chat), "Réponse", thread=node.products["pandalab"]._refs[seen.id])
        await node.mailed(2)
        assert sorted(r for _, rs, _, _ in node.out.sent for r in rs) == [ANNA, MARC]
        mail = node.out.sent[0][2]
        assert {box.address for box in (*mail.to, *mail.cc)} == {ANNA, MARC, DAN_BOX, BEN_BOX}


async def test_who_is_left_out_reads_nothing(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("À deux", to=[CLEO_BOX, BEN_BOX], mid=f"m1@{PEER}").raw(), CLEO_BOX, BEN_BOX)
        first = await node.got("À deux", "siilo")
        answer = Written("Pour Cléo seule", to=[CLEO_BOX], mid=f"m2@{PEER}", replies=[f"m1@{PEER}"]).raw()
        await node.hand_in(answer, CLEO_BOX)
        private = await node.got("Pour Cléo seule")
        await node.rest()
        assert private.conversation != first.conversation
        assert len(node.shown("siilo")) == 1
        wider = Written("Avec Dan", to=[CLEO_BOX, BEN_BOX, DAN_BOX], mid=f"m3@{PEER}", replies=[f"m1@{PEER}"]).raw()
        await node.hand_in(wider, CLEO_BOX, BEN_BOX, DAN_BOX)
        third = await node.got("Avec Dan")
        assert third.conversation not in (first.conversation, private.conversation)
        assert "Suite d'un échange" in third.body.text
        assert third.reply_to is None  # not everybody here has the other conversation
        assert third.continues is not None
        assert third.continues.network == "pandalab"


async def test_a_hidden_recipient_stays_hidden(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("Copie cachée", to=[CLEO_BOX], mid=f"m1@{PEER}").raw(), CLEO_BOX, BEN_BOX)
        open_one, hidden = await node.got("Copie cachée"), await node.got("Copie cachée", "siilo")
        assert {m.address.id for m in open_one.members} == {ANNA, "cleo"}
        assert {m.address.id for m in hidden.members} == {ANNA, "ben"}


async def test_mails_without_reference_are_threads_of_their_own(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        for n in range(2):
            await node.hand_in(Written(f"Sujet {n}", subject="Re: Avis", mid=f"m{n}@{PEER}").raw(), CLEO_BOX)
            await node.got(f"Sujet {n}")
        first, second = node.shown()
        assert first.conversation == second.conversation
        assert first.thread is None
        assert second.thread is None


async def test_a_parent_that_comes_late_heals_the_thread(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        chain = [f"a@{PEER}", f"b@{PEER}"]
        await node.hand_in(Written("Troisième", mid=f"c@{PEER}", replies=chain).raw(), CLEO_BOX)
        root = await node.got("Troisième")
        await node.hand_in(Written("Premier", mid=chain[0]).raw(), CLEO_BOX)
        await node.hand_in(Written("Deuxième", mid=chain[1], replies=chain[:1]).raw(), CLEO_BOX)
        late, later = await node.got("Premier"), await node.got("Deuxième")
        thread = node.products["pandalab"]._refs[root.id]
        assert late.thread == later.thread == thread


async def test_a_late_parent_goes_where_it_is_waited_for(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("Réponse", mid=f"b@{PEER}", replies=[f"a@{PEER}"]).raw(), CLEO_BOX)
        answer = await node.got("Réponse")
        await node.write("room-1", "autre chose", to=[f"mailto:{ANNA}"])  # a newer conversation of the same people
        await node.hand_in(Written("Question", mid=f"a@{PEER}").raw(), CLEO_BOX)
        late = await node.got("Question")
        assert late.conversation == answer.conversation
        assert late.thread == node.products["pandalab"]._refs[answer.id]


async def test_two_patients_never_share_a_thread(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        one = "XDM/1.0/DDM+CR DUPONT Jeanne 01/02/1960"
        two = "Re: XDM/1.0/DDM+CR MARTIN Paul 03/04/1971"
        await node.hand_in(Written("Pour Jeanne", subject=one, mid=f"m1@{PEER}").raw(), CLEO_BOX)
        await node.got("Pour Jeanne")
        await node.hand_in(Written("Pour Paul", subject=two, mid=f"m2@{PEER}", replies=[f"m1@{PEER}"]).raw(), CLEO_BOX)
        other = await node.got("Pour Paul")
        assert other.thread is None
        assert "Autre patient" in other.body.text


async def test_every_state_is_told(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        node.out.answer = lambda domain, r: ("refused", "5.1.1") if domain == OTHER else ("accepted", "2.0.0")
        await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}", f"mailto:{MARC}"], ref="p1")

        async def states() -> dict[str, tuple[State, str | None]]:
            status = await node.hub.facts.status(Ref("pandalab", "p1"))
            assert status is not None
            return {s.person.id: (s.state, s.reason) for s in status.states}

        await node.mailed()
        await node.rest()
        found = await states()
        assert found["rpps:10000000001"] == (State.SENT, None)
        assert found[f"mail:{MARC}"] == (State.REFUSED, "mail_unknown_box")
        told = [r for r in node.products["pandalab"].told if r.ref.id == "p1"]
        assert told
        mid = node.out.sent[0][2].message_id
        await node.hand_in(_mdn(str(mid)), CLEO_BOX, sender="")
        await node.rest()
        assert (await states())["rpps:10000000001"][0] is State.READ


def _mdn(about: str) -> bytes:
    return (
        f"From: Anna Martin <{ANNA}>\r\nTo: {CLEO_BOX}\r\nSubject: Lu\r\nMessage-ID: <mdn@{PEER}>\r\n"
        "MIME-Version: 1.0\r\nDate: Sun, 22 Nov 2026 01:00:00 +0000\r\n"
        'Content-Type: multipart/report; report-type=disposition-notification; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nLu.\r\n"
        "--b\r\nContent-Type: message/disposition-notification\r\n\r\n"
        f"Final-Recipient: rfc822;{ANNA}\r\nOriginal-Message-ID: <{about}>\r\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\r\n\r\n--b--\r\n"
    ).encode()


async def test_a_team_answers_in_the_name_of_its_mailbox(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("Résultat", to=[TEAM], subject="Troponine", mid=f"t1@{PEER}").raw(), TEAM)
        seen = await node.got("Résultat")
        assert seen.sender.name == "Cardiologie"
        assert "Anna Martin" in seen.body.text
        assert "Troponine" in seen.body.text
        await node.write(str(seen.chat), "On en parle entre nous", by="dan")
        await node.write(str(seen.chat), "Vu, merci", by="dan", thread=node.products["pandalab"]._refs[seen.id])
        await node.mailed()
        await node.rest()
        ((sender, recipients, mail, _),) = node.out.sent
        assert (sender, recipients) == (TEAM, [ANNA])
        assert mail.sender is not None
        assert mail.sender.name == "Cardiologie"
        assert "Vu, merci" in mail.text
        assert "Dan Moreau" in mail.text
        assert mail.in_reply_to == (f"t1@{PEER}",)
        assert (await node.got("entre nous", "siilo")).sender.name == "Dan Moreau"


async def test_a_check_mark_says_who_took_a_thread(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("À traiter", to=[TEAM], mid=f"t1@{PEER}").raw(), TEAM)
        seen = await node.got("À traiter")
        about = node.products["pandalab"]._refs[seen.id]
        for n, by in enumerate(("dan", "cleo")):
            await node.write(str(seen.chat), "✅", by=by, kind=Kind.REACTION, reply_to=about, ref=f"reaction-{n}")
        notice = await node.got("Pris en charge par Dan Moreau", "siilo")
        assert notice.thread is not None
        await node.rest()
        assert len([d for d in node.shown("siilo") if "Pris en charge" in d.body.text]) == 1
        assert not node.out.sent


async def test_documents_go_both_ways(tmp_path: Path, space: Space) -> None:
    pdf = File("compte rendu.pdf", "application/pdf", b"%PDF-1.4 essai " + bytes(range(256)) * 40)
    async with running(tmp_path, space) as node:
        await node.write("room-1", "voici", to=[f"mailto:{ANNA}"], files=(pdf,))
        ((_, _, mail, _),) = await node.mailed()
        assert [(f.name, f.mime, f.data) for f in mail.files] == [(pdf.name, pdf.mime, pdf.data)]
        back = node.out.sent[0][3].replace(b"From: ", b"X-From: ", 1).replace(b"To: ", b"X-To: ", 1)
        back = back.replace(LOOP_HEADER.encode(), b"X-Was", 1)
        head = f"From: {ANNA}\r\nTo: {CLEO_BOX}\r\n".encode()
        fresh = back.replace(str(mail.message_id).encode(), f"back@{PEER}".encode())
        await node.hand_in(head + fresh, CLEO_BOX)
        await until(lambda: any(d.body.files for d in node.shown()))
        seen = next(d for d in node.shown() if d.body.files)
        assert seen.body.files[0].data == pdf.data


async def test_an_unknown_room_or_member_is_bounced(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}"])
        await node.mailed()
        conversation = (await node.hub.facts.chat("pandalab", "room-1")).conversation  # type: ignore[union-attr]
        address = str(node.mail.book.room(conversation))
        await node.hand_in(Written("À la salle", to=[address], mid=f"s1@{PEER}").raw(), address)
        assert (await node.got("À la salle")).chat == "room-1"
        stranger = Written("Intrus", to=[address], sender=MARC, mid=f"s2@{OTHER}").raw()
        await node.hand_in(stranger, address, sender=MARC)
        await node.mailed(2)
        sender, recipients, mail, _ = node.out.sent[1]
        assert (sender, recipients) == ("", [MARC])
        assert mail.report is not None
        await node.rest()
        assert not any("Intrus" in d.body.text for d in node.shown())


async def test_nothing_is_lost_or_repeated_by_a_restart(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        for n in range(5):
            await node.hand_in(Written(f"numéro {n}", mid=f"n{n}@{PEER}").raw(), CLEO_BOX)
        first = node.products["pandalab"].delivered
        await node.write("room-1", "en attente", to=[f"mailto:{MARC}"])
    async with running(tmp_path, space) as node:
        await node.mailed()
        await node.rest()
        await until(lambda: len({d.id for d in (*first, *node.shown())}) == 5)
        assert [rs for _, rs, _, _ in node.out.sent] == [[MARC]]


async def test_addresses_are_given_once(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        assert await node.mail._known(CLEO_BOX) == "ok"
        assert await node.mail._known(f"10000000003@{HUB}") == "ok"
        assert await node.mail._known(f"10000000001@{HUB}") == "unknown"  # she has her own operator
        assert await node.mail._known(f"nobody@{HUB}") == "unknown"
        assert await node.mail._known(TEAM) == "ok"


async def test_a_wrong_address_does_not_keep_the_mail_from_the_others(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        nobody = f"salon-{'0' * 24}@{HUB}"
        await node.hand_in(Written("Pour deux", to=[CLEO_BOX, nobody], mid=f"m1@{PEER}").raw(), CLEO_BOX, nobody)
        await node.got("Pour deux")
        ((sender, recipients, mail, _),) = await node.mailed()
        assert (sender, recipients) == ("", [ANNA])
        assert mail.report is not None
        assert [r.address for r in mail.report.recipients] == [nobody]  # type: ignore[union-attr]


async def test_a_team_follows_its_settings(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("Premier", to=[TEAM], mid=f"t1@{PEER}").raw(), TEAM)
        await node.got("Premier", "siilo")
    smaller = [{"address": TEAM, "name": "Cardiologie", "members": ["rpps:10000000003"]}]
    async with running(tmp_path, space, teams=smaller) as node:
        await node.hand_in(Written("Deuxième", to=[TEAM], mid=f"t2@{PEER}").raw(), TEAM)
        seen = await node.got("Deuxième")
        assert {m.address.id for m in seen.members} == {TEAM, "cleo"}
        await node.rest()
        assert not any("Deuxième" in d.body.text for d in node.shown("siilo"))


async def test_a_mail_of_ours_that_comes_back_is_a_loop(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}"])
        ((_, _, _, raw),) = await node.mailed()
        forwarded = raw.replace(f"From: {CLEO_BOX}".encode(), f"From: {ANNA}".encode())
        with pytest.raises(Refused, match="loop"):
            await node.hand_in(forwarded, CLEO_BOX)


async def test_too_much_that_waits_is_put_off(tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.networks.mail.leg.intake._WAITING", 0)
    async with running(tmp_path, space) as node:
        with pytest.raises(Unavailable):
            await node.hand_in(Written("trop", mid=f"m1@{PEER}").raw(), CLEO_BOX)


async def test_what_is_not_in_memory_is_read_from_disk(
    tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.networks.mail.leg.intake._IN_MEMORY", 0)
    async with running(tmp_path, space) as node:
        for n in range(4):
            await node.hand_in(Written(f"sur disque {n}", mid=f"d{n}@{PEER}").raw(), CLEO_BOX)
        await node.got("sur disque 3")
        await node.rest()
        assert len(node.shown()) == 4


async def test_who_is_added_later_reads_nothing_said_before(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, gather={"quiet": 2.0, "longest": 60.0}) as node:
        await node.write("room-1", "pour Anna", to=[f"mailto:{ANNA}"])
        await until(lambda: len(node.mail._gather._lanes) == 1)
        await node.write("room-1", "pour les deux", to=[f"mailto:{MARC}"])
        await node.mailed(3)
        await node.rest()
        read = {r: mail.text for _, rs, mail, _ in node.out.sent for r in rs if "pour les deux" in mail.text}
        assert set(read) == {ANNA, MARC}
        assert "pour Anna" not in read[MARC]
        assert [rs for _, rs, mail, _ in node.out.sent if "pour Anna" in mail.text] == [[ANNA]]
