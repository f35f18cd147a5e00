"""Mail members held against strict clients on both homeservers: ordinary people, threads, files, a killed hub."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage

import pytest

from deploy.demo.mail_story import ANNA_RPPS, LABORATORY, RESULT, text_of, thread_of, to_all
from deploy.world.client import Event, RustClient
from deploy.world.mail_client import Attachment, Mailbox
from deploy.world.mail_space import ANNA, TEAM, TEAM_NAME
from deploy.world.waiting import wait_for
from deploy.world.world import World
from tests.trials.make import assert_clean, bodies, settled, strict

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.peers]


@dataclass
class Circle:
    """anna in her mailbox, cleo in PandaLab, hana and ben in strict clients on either homeserver: one conversation."""

    world: World
    anna: Mailbox
    hana: RustClient
    ben: RustClient
    room: str
    first: EmailMessage
    root: str
    chat: str
    first_arrived: str

    @property
    def ghost(self) -> str:
        """anna as Matrix knows her."""
        return self.world.hub.ghost(ANNA_RPPS)

    async def both_see(self, text: str) -> list[Event]:
        """What both clients show of a message of anna's, each without a warning."""
        events = [await client.wait_text(self.room, text) for client in (self.hana, self.ben)]
        assert_clean(events)
        return events

    async def all_clean(self) -> None:
        """Every event of the room is readable and without a warning, for both."""
        for client in (self.hana, self.ben):
            assert_clean(await client.timeline(self.room))


def unique(text: str) -> str:
    """A text that no other test has written."""
    return f"{text} {secrets.token_hex(4)}"


async def box_of(world: World, client: RustClient, anna: Mailbox) -> str:
    """The mailbox that the hub gives to somebody of no directory: who writes to anna has one."""
    room = await client.create_room(invite=[world.hub.ghost(ANNA_RPPS)], is_direct=True)
    await client.wait_member(room, world.hub.ghost(ANNA_RPPS))
    hello = unique("Bonjour")
    await client.send(room, hello)
    mail = await anna.wait(lambda mail: hello in text_of(mail))
    return str(mail["From"].addresses[0].addr_spec)


@asynccontextmanager
async def circle(world: World) -> AsyncIterator[Circle]:
    """A mail of anna's to the three, seen by all."""
    anna = world.mail.mailbox(ANNA, "Anna Martin")
    async with strict(world.home, "hana") as hana, strict(world.away, "ben") as ben:
        boxes = await asyncio.gather(box_of(world, hana, anna), box_of(world, ben, anna))
        before = {room["room_id"] for client in (hana, ben) for room in await client.rooms()}
        subject, text = unique("Avis"), "Bonjour à tous,\nqui peut la recevoir ?"
        first = anna.compose([*boxes, world.mail.box("Cléo Petit")], subject, text)
        await anna.send(first)
        rooms = [
            await client.wait_room(lambda r: r["room_id"] not in before and r["membership"] == "join")
            for client in (hana, ben)
        ]
        assert rooms[0] == rooms[1]
        seen = [await client.wait_text(rooms[0], f"{subject}\n\n{text}") for client in (hana, ben)]
        assert_clean(seen)
        arrived = await world.products["pandalab"].wait_text("cleo", f"{subject}\n\n{text}")
        yield Circle(
            world, anna, hana, ben, rooms[0], first, seen[0]["event_id"], arrived["conversation"], arrived["id"]
        )


async def test_mail_members_are_ordinary_people(world: World) -> None:
    async with circle(world) as c:
        for client in (c.hana, c.ben):
            members = await client.members(c.room)
            assert members[c.ghost]["displayname"].startswith("Anna Martin")
            (root,) = [e for e in await client.timeline(c.room) if e["event_id"] == c.root]
            assert root["sender"] == c.ghost
            assert thread_of(root) is None
            devices = await client.devices(c.ghost)
            assert [d["signed"] for d in devices] == [True]
        assert len(await world.products["pandalab"].members(c.chat)) == 4
        await c.all_clean()


async def test_threads_and_replies_hold_on_every_side(world: World) -> None:
    panda = world.products["pandalab"]
    async with circle(world) as c:
        question = unique("Jeudi 9 h ?")
        asked = await c.ben.send(c.room, question, thread=c.root)
        got = await c.anna.wait(lambda mail: question in text_of(mail))
        assert str(got["In-Reply-To"]) == str(c.first["Message-ID"])
        assert str(got["References"]).split() == [str(c.first["Message-ID"])]
        assert (await panda.wait_text("cleo", question))["thread"] == c.first_arrived

        answer = unique("Parfait,\nje la préviens.")
        await c.anna.send(to_all(c.anna, got, answer))
        for event in await c.both_see(answer):
            assert thread_of(event) == c.root
            relation = event["content"]["m.relates_to"]
            assert relation["m.in_reply_to"]["event_id"] == asked
            assert relation["is_falling_back"] is False
        assert (await panda.wait_text("cleo", answer))["thread"] == c.first_arrived

        said = unique("Je note")
        await panda.write("cleo", said, conversation=c.chat, thread=c.first_arrived)
        for event in [await client.wait_text(c.room, said) for client in (c.hana, c.ben)]:
            assert thread_of(event) == c.root
        third = await c.anna.wait(lambda mail: said in text_of(mail))
        assert str(third["References"]).split()[0] == str(c.first["Message-ID"])

        apart = unique("Hors du fil")
        await c.hana.send(c.room, apart)
        mail = await c.anna.wait(lambda mail: apart in text_of(mail))
        assert mail["In-Reply-To"] is None
        back = unique("Dans la conversation")
        await c.anna.send(to_all(c.anna, mail, back))
        for event in await c.both_see(back):
            assert thread_of(event) is None
        await settled()
        for client in (c.hana, c.ben):
            assert bodies(await client.timeline(c.room)).count(answer) == 1
        await c.all_clean()


async def test_a_second_mail_is_a_thread_of_its_own_in_the_same_room(world: World) -> None:
    async with circle(world) as c:
        everybody = [a.addr_spec for a in c.first["To"].addresses]
        second = c.anna.compose(everybody, str(c.first["Subject"]), unique("Autre patient, même sujet"))
        await c.anna.send(second)
        shown = f"{second['Subject']}\n\n{second.get_content().strip()}"
        roots = [e["event_id"] for e in await c.both_see(shown)]
        assert roots[0] == roots[1] != c.root
        text = unique("À propos du second")
        await c.hana.send(c.room, text, thread=roots[0])
        mail = await c.anna.wait(lambda mail: text in text_of(mail))
        assert str(mail["In-Reply-To"]) == str(second["Message-ID"])
        assert str(c.first["Message-ID"]) not in str(mail["References"])


async def test_files_are_the_same_bytes_both_ways(world: World) -> None:
    panda = world.products["pandalab"]
    pdf = b"%PDF-1.4 essai\n" + random.Random(3).randbytes(300_000)
    png = b"\x89PNG\r\n\x1a\n" + random.Random(4).randbytes(40_000)
    async with circle(world) as c:
        files = [Attachment("compte rendu été.pdf", "application/pdf", pdf), Attachment("ecg.png", "image/png", png)]
        everybody = [a.addr_spec for a in c.first["To"].addresses]
        await c.anna.send(c.anna.compose(everybody, unique("Documents"), "Voici.", files))
        for client in (c.hana, c.ben):
            for name, kind, data in (("compte rendu été.pdf", "m.file", pdf), ("ecg.png", "m.image", png)):
                event = await client.wait_event(c.room, lambda e, n=name: e["content"].get("filename") == n)  # type: ignore[misc]
                assert_clean([event])
                assert event["content"]["msgtype"] == kind
                assert "url" not in event["content"]
                assert await client.download(event) == data

        async def with_files() -> list[dict[str, str]]:
            arrived = await panda.arrived("cleo", c.chat)
            return next((m["files"] for m in arrived if len(m["files"]) == 2), [])

        kept = {f["name"]: f["id"] for f in await wait_for(with_files, "cleo to have the files")}
        assert await panda.download(kept["compte rendu été.pdf"]) == pdf
        assert await panda.download(kept["ecg.png"]) == png

        for client, name in ((c.hana, "ordonnance n° 2.pdf"), (c.ben, "bilan.pdf")):
            data = b"%PDF-1.4 retour\n" + random.Random(name).randbytes(200_000)
            await client.send_file(c.room, name, data, "application/pdf", thread=c.root)
            mail = await c.anna.wait(lambda mail, n=name: n in [p.get_filename() for p in mail.iter_attachments()])  # type: ignore[misc]
            (part,) = [p for p in mail.iter_attachments() if p.get_filename() == name]
            assert part.get_content() == data
            assert part.get_content_type() == "application/pdf"
            assert str(c.first["Message-ID"]) in str(mail["References"])
        await c.all_clean()


async def test_a_hub_killed_with_mails_under_way(world: World) -> None:
    panda, count = world.products["pandalab"], 12
    mark = secrets.token_hex(3)
    async with circle(world) as c:
        question = unique("Suite")
        await c.ben.send(c.room, question, thread=c.root)
        got = await c.anna.wait(lambda mail: question in text_of(mail))
        mails = [f"mail {mark} {n:02}" for n in range(count)]
        chats = [f"chat {mark} {n:02}" for n in range(count)]

        async def by_anna() -> None:
            for text in mails:
                await c.anna.send(to_all(c.anna, got, text))
                await asyncio.sleep(random.uniform(0, 0.3))

        async def by_hana() -> None:
            for text in chats:
                await c.hana.send(c.room, text, thread=c.root)
                await asyncio.sleep(random.uniform(0, 0.3))

        async def chaos() -> None:
            for _ in range(2):
                await asyncio.sleep(random.uniform(0.5, 1.5))
                await world.hub.process.kill()
                world.hub.process.start()

        async def everything() -> bool:
            arrived = {m["text"] for m in await panda.arrived("cleo", c.chat)}
            inbox = "".join(text_of(mail).partition("-- \n")[0] for mail in await c.anna.messages())
            seen = [set(bodies(await client.timeline(c.room))) for client in (c.hana, c.ben)]
            there = {*mails, *chats}
            return there <= arrived and all(text in inbox for text in chats) and all(there <= one for one in seen)

        await asyncio.gather(by_anna(), by_hana(), chaos())
        await wait_for(everything, "everything that was under way")
        await settled()
        for client in (c.hana, c.ben):
            events = [e for e in await client.timeline(c.room) if e["content"].get("body") in {*mails, *chats}]
            assert sorted(bodies(events)) == sorted([*mails, *chats])
            assert {thread_of(event) for event in events} == {c.root}
        arrived = [m for m in await panda.arrived("cleo", c.chat) if m["text"] in {*mails, *chats}]
        assert sorted(m["text"] for m in arrived) == sorted([*mails, *chats])
        assert {m["thread"] for m in arrived} == {c.first_arrived}
        inbox = "".join(text_of(mail).partition("-- \n")[0] for mail in await c.anna.messages())
        assert [inbox.count(text) for text in chats] == [1] * count
        await c.all_clean()


async def test_a_team_room_handles_a_result(world: World) -> None:
    """ben of the directory is a member, as are cleo and dan."""
    laboratory = world.mail.mailbox(LABORATORY, "Laboratoire des Tilleuls")
    result = laboratory.compose(
        [TEAM], unique("Résultat"), "Potassium à contrôler.", [Attachment("r.hpr", "application/octet-stream", RESULT)]
    )
    async with await RustClient.start(world.away.url, world.ben, world.kept.secrets.password, auto_join=True) as ben:
        await laboratory.send(result)
        room = await ben.wait_room(lambda r: TEAM_NAME in str(r["name"]))
        card = await ben.wait_event(room, lambda e: str(result["Subject"]) in e["content"].get("body", ""))
        assert_clean([card])
        assert "<strong>5.9 ▲</strong>" in card["content"]["formatted_body"]
        assert "Vérifiez" not in card["content"]["body"]
        file = await ben.wait_event(room, lambda e: e["content"].get("filename") == "r.hpr")
        assert_clean([file])
        assert await ben.download(file) == RESULT
        text = unique("Bien reçu")
        await ben.send(room, text, thread=card["event_id"])
        mail = await laboratory.wait(lambda mail: text in text_of(mail))
        assert mail["From"].addresses[0].addr_spec == TEAM
        assert str(mail["In-Reply-To"]) == str(result["Message-ID"])
        mark = await ben.react(room, card["event_id"], "✅")
        taken = await ben.wait_event(room, lambda e: "Pris en charge par Ben Durand" in e["content"].get("body", ""))
        assert_clean([taken])
        assert thread_of(taken) == card["event_id"]
        await ben.redact(room, mark)
        opened = await ben.wait_event(room, lambda e: "Rouvert par Ben Durand" in e["content"].get("body", ""))
        assert_clean([opened])
        assert thread_of(opened) == card["event_id"]
        for product, user in (("pandalab", "cleo"), ("siilo", "dan")):
            arrived = await world.products[product].arrived(user)
            assert any(str(result["Subject"]) in one["text"] for one in arrived)
