"""The story of the demo, second part: anna has a secure mailbox at another operator, a secretariat one at the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.message import EmailMessage

from deploy.demo.story import Details, Step, expect, unshielded
from deploy.world.client import Event, RustClient
from deploy.world.mail_client import Attachment, Mailbox
from deploy.world.mail_space import ANNA, TEAM, TEAM_NAME, UNLISTED
from deploy.world.product import Json
from deploy.world.waiting import wait_for
from deploy.world.world import World

ANNA_RPPS, CLEO_RPPS = "10001000001", "10001002027"
LABORATORY, LABORATORY_NAME = "resultats@mss-b.example", "Laboratoire des Tilleuls"
RESULT = "\r\n".join(
    [
        "0000002718", "CHARPENTIER", "Lucienne", "5 allée des Ormes", "", "38000 GRENOBLE", "23/03/1951",
        "2510338185012 76", "T2026-314", "12/06/2026", "LAB0000027 Laboratoire des Tilleuls",
        "0000000000 Secrétariat de cardiologie", "", "Prélèvement de 7 h 30, à jeun.", "****LAB****",
        "TEX|BIOCHIMIE", "RES|Potassium|K|N|5.9|mmol/L|3.5|5.1|H|F", "RES|Créatinine|CREA|N|74|µmol/L|45|84|N|F",
        "RES|BNP|BNP|N|412|ng/L||100|H|F", "****FIN****", "****FINFICHIER****", "",
    ]
).encode("cp1252")  # fmt: skip
Wanted = Callable[[Event], bool]


class MailStory:
    """anna's mails and ben's room and cleo's product are one conversation."""

    def __init__(self, world: World, ben: RustClient) -> None:
        self.world = world
        self.ben = ben
        self.pandalab = world.products["pandalab"]
        self.anna = world.mail.mailbox(ANNA, "Anna Martin")
        self.laboratory = world.mail.mailbox(LABORATORY, LABORATORY_NAME)
        self.ghost = world.hub.ghost(ANNA_RPPS)
        self.boxes = [world.mail.box(name) for name in ("Cléo Petit", "Ben Durand")]
        self.room, self.root = "", ""  # as ben knows the conversation, and anna's first mail in it
        self.chat = ""  # the same in PandaLab
        self.first: Json = {}
        self.mail = EmailMessage()  # anna's first mail
        self.answer = EmailMessage()  # what she got as ben's answer
        self.answered = ""  # the same as ben's event
        self.team_room, self.team_root = "", ""
        self.result = EmailMessage()

    def steps(self) -> list[Step]:
        """In order."""
        return [
            Step("Anna écrit de sa messagerie sécurisée à Cléo et Ben : un seul salon",
                 "Anna writes from her secure mailbox to Cleo and Ben: one room", 60, self.anna_writes),
            Step("Ben répond dans le fil ; Anna lit une réponse à son mail",
                 "Ben answers in the thread; Anna reads a reply to her mail", 60, self.ben_answers),
            Step("Anna répond en citant tout : seuls ses nouveaux mots apparaissent",
                 "Anna replies quoting everything: only her new words appear", 60, self.anna_replies),
            Step("Ben voit sa réponse remise, puis lue : accusés de l'opérateur et d'Anna",
                 "Ben sees his answer delivered, then read: reports of the operator and of Anna", 60, self.told),
            Step("Trois messages du salon deviennent un seul mail",
                 "three messages of the room become one mail", 60, self.chat_is_gathered),
            Step("Un résultat HPRIM arrive au secrétariat : une fiche lisible, le fichier intact",
                 "an HPRIM result at the secretariat: a card to read, the file untouched", 60, self.result_arrives),
            Step("Ben répond au nom du secrétariat et marque le fil ✅",
                 "Ben answers in the secretariat's name and marks the thread ✅", 60, self.team_answers),
            Step("Le hub est tué, des mails en route : rien de perdu, rien en double",
                 "the hub is killed with mails under way: nothing lost, nothing twice", 120, self.hub_dies),
            Step("Un domaine hors de la liste blanche est refusé, et c'est dit",
                 "a domain outside of the trust list is refused, and it is said", 60, self.refused),
        ]  # fmt: skip

    # ---- anna, cleo and ben

    async def anna_writes(self) -> Details:
        """From a real mailbox at a real operator to a strict Matrix client and a product."""
        subject, text = "Avis pour une patiente", "Bonjour à vous deux,\nquand pouvez-vous la recevoir ?"
        self.mail = self.anna.compose(self.boxes, subject, text)
        known = {room["room_id"] for room in await self.ben.rooms()}
        await self.anna.send(self.mail)
        self.room = await self._new_room(known)
        event = await self.ben.wait_text(self.room, f"{subject}\n\n{text}")
        unshielded(event, self.ghost)
        expect("m.relates_to" not in event["content"], "the first mail is not the root of its thread")
        self.root = event["event_id"]
        members = [m for m in (await self.ben.members(self.room)).values() if m["membership"] == "join"]
        names = {m["displayname"].partition(" — ")[0] for m in members}
        expect(names == {"Anna Martin", "Cléo Petit", "Ben Durand"}, f"ben sees {names}")
        self.first = await self.pandalab.wait_text("cleo", f"{subject}\n\n{text}")
        self.chat = self.first["conversation"]
        expect(self.first["sender"]["name"] == "Anna Martin", f"cleo sees {self.first['sender']}")
        return [
            f"Ben et Cléo : {subject!r} — {text.splitlines()[-1]!r}",
            f"chiffré, signé : {', '.join(sorted(names))}",
        ]

    async def ben_answers(self) -> Details:
        """In Matrix's thread; anna's mail program shows it below her own mail."""
        text = "Jeudi à 9 h, si elle est à jeun."
        self.answered = await self.ben.send(self.room, text, thread=self.root)
        self.answer = await self.anna.wait(lambda mail: text in text_of(mail))
        cites(self.answer, self.mail)
        expect(str(self.answer["From"]) == f"Ben Durand <{self.boxes[1]}>", f"it is from {self.answer['From']}")
        seen = await self.pandalab.wait_text("cleo", text)
        expect(seen["thread"] == self.first["id"], "cleo does not see it in anna's thread")
        return [f"Anna : {self.answer['From']}, {str(self.answer['Subject'])!r}, In-Reply-To {self.mail['Message-ID']}"]

    async def anna_replies(self) -> Details:
        """Everything that was said is below her words, as mail programs do."""
        text = "Parfait, je la préviens."
        reply = to_all(self.anna, self.answer, text)
        expect("Jeudi à 9 h" in reply.get_content(), "she quotes nothing")
        await self.anna.send(reply)
        event = await self.ben.wait_text(self.room, text)
        unshielded(event, self.ghost)
        expect(thread_of(event) == self.root, f"it is in another thread: {event['content'].get('m.relates_to')}")
        seen = await self.pandalab.wait_text("cleo", text)
        expect(seen["thread"] == self.first["id"], "cleo does not see it in anna's thread")
        return [f"envoyé — sent: {len(text_of(reply).split())} mots ; vu — seen: {text!r}, dans le fil — in the thread"]

    async def told(self) -> Details:
        """By a report of the operator that has the mailbox (DSN), then by a receipt of anna's mail program (MDN)."""

        def delivered(event: Event) -> bool:
            content = event["content"]
            about = content.get("m.relates_to", {}).get("event_id")
            return self.answered == about and self.ghost in content.get("delivered_to_users", [])

        await self._ben_sees(self.room, delivered)
        await self.anna.send(self.anna.displayed(self.answer))
        await wait_for(self._anna_has_read, "anna's reading receipt in ben's room")
        return ["DSN → delivered_to_users ; MDN → m.read"]

    async def _anna_has_read(self) -> bool:
        return (await self.ben.receipts(self.room)).get(self.ghost) == self.answered

    async def chat_is_gathered(self) -> Details:
        """Outside of a thread; ten short messages are not ten mails."""
        before = len(await self.anna.messages())
        texts = ["Autre chose :", "la réunion de service", "passe à mardi."]
        for text in texts:
            await self.ben.send(self.room, text)
        mail = await self.anna.wait(lambda mail: texts[-1] in text_of(mail))
        own = text_of(mail).partition("-- \n")[0].split("\n\n")
        expect([line.strip() for line in own if line.strip()] == texts, f"the mail says {own}")
        expect(mail["In-Reply-To"] is None, "it is in the thread of another mail")
        expect(len(await self.anna.messages()) == before + 1, "it is more than one mail")
        return [f"Anna : 1 mail, {' · '.join(texts)}"]

    # ---- the secretariat

    async def result_arrives(self) -> Details:
        """To a mailbox of the hub that several people read."""
        sheet = Attachment("resultat.hpr", "application/octet-stream", RESULT)
        self.result = self.laboratory.compose([TEAM], "Résultat urgent", "Potassium à contrôler.", [sheet])
        known = {room["room_id"] for room in await self.ben.rooms()}
        await self.laboratory.send(self.result)
        self.team_room = await self._new_room(known)
        card = await self._ben_sees(self.team_room, lambda e: "Hors limites : 2 sur 3" in e["content"].get("body", ""))
        self.team_root = card["event_id"]
        unshielded(card, card["sender"])
        name = (await self.ben.members(self.team_room))[card["sender"]]["displayname"].partition(" (")[0]
        expect(name == TEAM_NAME, f"it is from {name}")
        for part in ("<table>", "5.9 ▲", "CHARPENTIER Lucienne"):
            expect(part in card["content"].get("formatted_body", ""), f"the card has no {part}")
        file = await self._ben_sees(self.team_room, lambda e: e["content"].get("msgtype") == "m.file")
        expect(await self.ben.download(file) == RESULT, "the file is not the one that was sent")
        await wait_for(self._cleo_has_card, "cleo to see the card")
        return [f"{name} : « Potassium : 5.9 mmol/L ▲ », « BNP : 412 ng/L ▲ »", f"{sheet.name} : {len(RESULT)} octets"]

    async def team_answers(self) -> Details:
        """The laboratory sees the mailbox, the colleagues see who it was."""
        text = "Bien reçu, la patiente est rappelée ce matin."
        await self.ben.send(self.team_room, text, thread=self.team_root)
        mail = await self.laboratory.wait(lambda mail: text in text_of(mail))
        cites(mail, self.result)
        sender = mail["From"].addresses[0]
        expect((sender.display_name, sender.addr_spec) == (TEAM_NAME, TEAM), f"it is from {sender}")
        await self.ben.react(self.team_room, self.team_root, "✅")
        taken = "✅ Pris en charge par Ben Durand"
        await wait_for(lambda: self._cleo_sees(taken), "cleo to see who has taken it")
        return [f"{LABORATORY_NAME} : {mail['From']}", f"Cléo : {taken}"]

    # ---- things break

    async def hub_dies(self) -> Details:
        """SIGKILL after some mails were taken; the others wait at the operators, what ben writes at his homeserver."""
        mails = [to_all(self.anna, self.answer, f"Précision {number} d'Anna") for number in range(1, 7)]
        for mail in mails[:3]:
            await self.anna.send(mail)
        await self.world.hub.process.kill()
        old = self.world.hub.process.pid
        for mail in mails[3:]:
            await self.anna.send(mail)
        written = [f"Précision {number} de Ben" for number in range(1, 4)]
        for text in written:
            await self.ben.send(self.room, text, thread=self.root)
        self.world.hub.process.start()
        texts = [f"Précision {number} d'Anna" for number in range(1, 7)]
        await wait_for(lambda: self._all_there(texts, written), "everything that was under way")
        await asyncio.sleep(1.0)  # what comes twice comes now
        for view in (await self._room_texts(), [m["text"] for m in await self.pandalab.arrived("cleo", self.chat)]):
            expect(all(view.count(text) == 1 for text in texts), "a mail was shown twice")
        inbox = "".join(text_of(mail) for mail in await self.anna.messages())
        expect(all(inbox.count(text) == 1 for text in written), "anna has a message twice")
        return [
            f"hub {old} → {self.world.hub.process.pid} ; 6 mails d'Anna, 3 messages de Ben, chacun une fois — each once"
        ]

    async def refused(self) -> Details:
        """Nobody writes to a domain that the list does not have, nor from one."""
        written = await self.pandalab.write("cleo", "Bonjour", to=[f"mailto:eve@{UNLISTED}"])
        problem = (await self.pandalab.wait_state(written["id"], "refused"))["problem"]
        forged = self.anna.compose([self.boxes[0]], "Bonjour", "Je ne suis pas de la liste.")
        forged.replace_header("From", f"eve@{UNLISTED}")
        await self.anna.send(forged)
        bounce = await self.anna.wait(lambda mail: "Undelivered" in str(mail["Subject"]))
        expect("5.7.1" in bounce.as_string(), "the bounce does not say why")
        expect(not await self._cleo_sees("Je ne suis pas de la liste."), "cleo was shown the mail")
        return [f"Cléo : {problem['code']} — {problem['detail']}", f"eve@{UNLISTED} : {_reason(bounce)}"]

    # ---- looking

    async def _new_room(self, known: set[str]) -> str:
        room = await self.ben.wait_room(lambda r: r["membership"] == "invite" and r["room_id"] not in known)
        await self.ben.join(room)
        return room

    async def _ben_sees(self, room: str, wanted: Wanted) -> Event:
        return await self.ben.wait_event(room, wanted)

    async def _cleo_sees(self, text: str) -> bool:
        return any(text in one["text"] for one in await self.pandalab.arrived("cleo"))

    async def _cleo_has_card(self) -> bool:
        return await self._cleo_sees("Hors limites : 2 sur 3")

    async def _room_texts(self) -> list[str]:
        return [str(event["content"].get("body")) for event in await self.ben.timeline(self.room)]

    async def _all_there(self, texts: list[str], written: list[str]) -> bool:
        product = {one["text"] for one in await self.pandalab.arrived("cleo", self.chat)}
        if not ({*texts, *written} <= product and set(texts) <= set(await self._room_texts())):
            return False
        inbox = "".join(text_of(mail) for mail in await self.anna.messages())
        return all(text in inbox for text in written)


def to_all(box: Mailbox, mail: EmailMessage, text: str) -> EmailMessage:
    """An answer to everybody, with the original quoted."""
    reply = box.reply(mail, text)
    everyone = [a.addr_spec for name in ("To", "Cc") for header in mail.get_all(name, []) for a in header.addresses]
    others = [address for address in everyone if address != box.address and address not in str(reply["To"])]
    if others:
        reply["Cc"] = ", ".join(others)
    return reply


def text_of(mail: EmailMessage) -> str:
    """The text of a mail, with all that it quotes."""
    body = mail.get_body(("plain",))
    return "" if body is None else str(body.get_content()).replace("\r\n", "\n")


def cites(mail: EmailMessage, original: EmailMessage) -> None:
    """A mail answers another one that began its thread. Raises NotSeen."""
    ident = str(original["Message-ID"])
    expect(str(mail["In-Reply-To"]) == ident, f"it answers {mail['In-Reply-To']}")
    expect(str(mail["References"]).split()[0] == ident, f"it refers to {mail['References']}")


def thread_of(event: Event) -> str | None:
    """The first event of the thread that an event is in."""
    relation = event["content"].get("m.relates_to") or event["wire_content"].get("m.relates_to") or {}
    return relation.get("event_id") if relation.get("rel_type") == "m.thread" else None


def _reason(bounce: EmailMessage) -> str:
    """What the hub said to the operator."""
    said = " ".join(text_of(bounce).split()).partition(" said: ")[2]
    return said.partition(" (in reply")[0]
