"""The story of the demo: each step does something at one end and is over when the other end has seen it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from bridge.networks.connect.contract.operations import PREFIX
from deploy.demo.terminal import Outcome, Teller
from deploy.world.client import ClientError, Event, RustClient
from deploy.world.hub import BEN
from deploy.world.product import Json, ProductError
from deploy.world.waiting import wait_for
from deploy.world.world import World

Details = Sequence[str]
NOBODY = "10009999999"
_SLOWEST = 4  # a machine that is so many times slower than usual still tells the whole story


class NotSeen(Exception):
    """The far end shows something else."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is, how long it may take in seconds on a usual machine, and the doing."""

    fr: str
    en: str
    limit: float
    act: Callable[[], Awaitable[Details]]


class Story:
    """Cleo uses PandaLab, dan and gael use Siilo, ben has a Matrix client on the other homeserver."""

    def __init__(self, world: World, ben: RustClient) -> None:
        self.world = world
        self.ben = ben
        self.pandalab = world.products["pandalab"]
        self.siilo = world.products["siilo"]
        ghosts = {name: world.hub.ghost(rpps) for p in world.products for name, rpps in world.hub.users(p).items()}
        self.cleo, self.dan, self.gael = ghosts["cleo"], ghosts["dan"], ghosts["gael"]
        self.room = ""  # as ben knows the conversation of the three,
        self.chat = ""  # as PandaLab does,
        self.siilo_chat = ""  # and as Siilo does
        self.first: Json = {}
        self.first_event = ""
        self.said: dict[str, str] = {}  # what was written since dan came, and by whom

    def steps(self) -> list[Step]:
        """In order."""
        return [
            Step("Cléo (PandaLab) écrit à Ben (Matrix, autre serveur)",
                 "Cleo writes to Ben on a federated homeserver", 60, self.cleo_writes),
            Step("Ben répond à ce message", "Ben replies to it", 60, self.ben_replies),
            Step("Chacun voit que l'autre a lu", "each sees that the other has read", 60, self.both_read),
            Step("Cléo ajoute Dan (Siilo) ; tous se répondent",
                 "Cleo adds Dan; all answer one another", 60, self.dan_is_added),
            Step("Tous trois écrivent en même temps", "all three write at once", 75, self.all_write),
            Step("Le hub est tué ; tous continuent d'écrire, avec de nouvelles clés",
                 "the hub is killed; all go on writing, with new keys", 60, self.hub_dies),
            Step("Le hub revient : rien de perdu, rien en double",
                 "the hub is back: nothing lost, nothing twice", 120, self.hub_is_back),
            Step("Siilo est en panne : les autres n'attendent pas",
                 "Siilo is down: the others do not wait", 75, self.siilo_dies),
            Step("Siilo revient et reçoit tout", "Siilo is back and gets everything", 120, self.siilo_is_back),
            Step("Ben ouvre un salon avec Gaël (Siilo)", "Ben opens a room with Gael", 75, self.ben_begins),
            Step("Ben cherche un confrère dans l'annuaire",
                 "Ben looks for a colleague in the directory", 90, self.ben_searches),
            Step("Un message refusé est dit tel", "a refused message is said to be refused", 60, self.refused),
            Step("Cléo sait ce qu'est devenu chaque message",
                 "Cleo knows what became of every message", 60, self.status),
        ]  # fmt: skip

    # ---- two people

    async def cleo_writes(self) -> Details:
        """From PandaLab to a strict Matrix client."""
        text = "Bonjour Ben, peux-tu revoir le dossier de ce matin ?"
        self.first = await self.pandalab.write("cleo", text, to=[f"rpps:{BEN}"])
        self.chat = self.first["conversation"]
        self.room = await self.ben.wait_room(lambda room: room["membership"] == "invite")
        await self.ben.join(self.room)
        await self.pandalab.wait_state(self.first["id"], "delivered")
        event = await self._ben_sees(text, self.cleo)
        self.first_event = event["event_id"]
        return [f"Ben : « {text} »", "chiffré, signé, sans avertissement — encrypted, signed, no shield"]

    async def ben_replies(self) -> Details:
        """From Matrix to PandaLab, as a reply."""
        text = "Oui, dans dix minutes."
        await self.ben.send(self.room, text, reply_to=self.first_event)
        seen = await self.pandalab.wait_text("cleo", text)
        expect(seen["reply_to"] == self.first["id"], "the reply does not cite cleo's message")
        expect(seen["sender"]["rpps"] == BEN, "the reply is not from ben")
        return [f"Cléo : {seen['sender']['name']} « {text} » (réponse à son message — a reply to her message)"]

    async def both_read(self) -> Details:
        """Read receipts both ways."""
        await self.ben.read_receipt(self.room, self.first_event)
        await self.pandalab.wait_state(self.first["id"], "read")
        answer = (await self.pandalab.arrived("cleo", self.chat))[-1]
        mine = await self.ben.wait_text(self.room, answer["text"])
        await self.ben.wait_event(self.room, _delivered(mine["event_id"]))
        early = await self.ben.has_read(self.room, self.cleo, mine["event_id"])
        expect(not early, "ben's client shows as read what was only delivered")
        await self.pandalab.read("cleo", answer["id"])

        async def look() -> bool:
            return await self.ben.has_read(self.room, self.cleo, mine["event_id"])

        await wait_for(look, "ben to see that cleo has read")
        return ["PandaLab : « lu »", f"Ben : lu par {self.cleo} — read by her"]

    # ---- three people

    async def dan_is_added(self) -> Details:
        """Somebody of another product joins the same room and conversation."""
        await self.pandalab.add(self.chat, "cleo", ["siilo:dan"])
        await self.ben.wait_member(self.room, self.dan)
        text = "Dan nous rejoint pour l'avis cardiologique."
        await self.pandalab.write("cleo", text, conversation=self.chat)
        self.siilo_chat = (await self.siilo.wait_text("dan", text))["conversation"]
        answers = ["Dan : bonjour à tous deux.", "Ben : bonjour Dan."]
        await self.siilo.write("dan", answers[0], conversation=self.siilo_chat)
        await self.ben.wait_text(self.room, answers[0])
        await self.ben.send(self.room, answers[1])
        await self.pandalab.wait_text("cleo", answers[1])
        self.said |= {text: "Cléo", answers[0]: "Dan", answers[1]: "Ben"}
        await self._all_seen(self.said)
        seen = [one for one in await self._texts("Ben") if one in self.said]
        expect(seen == list(self.said), f"who answers one another is seen as {seen}")
        names = await self.siilo.members(self.siilo_chat)
        expect(len(names) == 3, f"Siilo shows the members {names}")
        return [f"Dan : {', '.join(sorted(names))}", f"tous — all: « {' » « '.join(seen)} »"]

    async def all_write(self) -> Details:
        """Three writers at once: each sees all once, and all see the same order."""
        texts = await self._everybody_writes("en même temps", 3)
        order = await self._all_seen(texts)
        return [f"{len(order)} messages, un ordre — one order: {' · '.join(order)}"]

    async def _everybody_writes(self, about: str, each: int) -> dict[str, str]:
        """Each writes in turn, all three side by side; gives the texts and their authors."""

        async def by(name: str, write: Callable[[str], Awaitable[Any]]) -> list[str]:
            texts = [f"{name} {number}, {about}" for number in range(1, each + 1)]
            for text in texts:
                await write(text)
            return texts

        written = await asyncio.gather(
            by("Ben", lambda text: self.ben.send(self.room, text)),
            by("Cléo", lambda text: self.pandalab.write("cleo", text, conversation=self.chat)),
            by("Dan", lambda text: self.siilo.write("dan", text, conversation=self.siilo_chat)),
        )
        texts = {text: author for author, one in zip(("Ben", "Cléo", "Dan"), written, strict=True) for text in one}
        self.said |= texts
        return texts

    # ---- things break

    async def hub_dies(self) -> Details:
        """SIGKILL; what is written meanwhile waits where it was written."""
        old = self.world.hub.process.pid
        await self.world.hub.process.kill()
        await self.ben.rotate(self.room)  # the next key goes to ghosts whose hub is dead
        texts = await self._everybody_writes("pendant la panne", 2)
        await self.ben.rotate(self.room)
        texts |= await self._everybody_writes("toujours en panne", 1)
        waiting = [one for p in (self.pandalab, self.siilo) for one in await _sent(p, "waiting")]
        expect(not self.world.hub.process.running, "the hub is still there")
        expect(len(waiting) == 6, f"{len(waiting)} messages wait in the products, not 6")
        return [f"hub (pid {old}) : SIGKILL ; {len(texts)} messages attendent — wait, 3 × Ben, 3 × Cléo, 3 × Dan"]

    async def hub_is_back(self) -> Details:
        """Everything that was written while it was away arrives once, in one order, readable at first sight."""
        self.world.hub.process.start()
        order = await self._all_seen(self.said)
        return [
            f"hub (pid {self.world.hub.process.pid})",
            f"{len(order)} messages : chacun une fois, un ordre, sans avertissement — each once, one order, no shield",
        ]

    async def siilo_dies(self) -> Details:
        """One product away does not stop the others."""
        await self.world.simulators["siilo"].kill()
        text = "Dan est injoignable, mais Ben lit ceci tout de suite."
        written = await self.pandalab.write("cleo", text, conversation=self.chat)
        await self._ben_sees(text, self.cleo)
        answer = "Bien reçu."
        await self.ben.send(self.room, answer)
        await self.pandalab.wait_text("cleo", answer)
        self.said |= {text: "Cléo", answer: "Ben"}
        known = await self._status(written["id"])
        states = {one["name"]: one["state"] for one in known["recipients"]}
        expect(states.get("Dan Moreau") == "accepted", f"the states are {states}")
        return [f"Cléo ↔ Ben ; états — states: {_states(known)}"]

    async def siilo_is_back(self) -> Details:
        """It gets what it missed, and the senders hear of it."""
        self.world.simulators["siilo"].start()
        await self.world.simulated("siilo")
        await self._all_seen(self.said)
        last = (await _sent(self.pandalab))[-1]
        await self.pandalab.wait_state(last["id"], "delivered", "read")
        await self.siilo.read("dan", (await self.siilo.arrived("dan", self.siilo_chat))[-1]["id"])
        return ["Dan a tout, une fois, dans l'ordre — Dan has everything, once, in order ; PandaLab : « remis »"]

    # ---- the rest

    async def ben_begins(self) -> Details:
        """From Matrix: a new encrypted room with somebody of a product."""
        room = await self.ben.create_room(invite=[self.gael], is_direct=True)
        await self.ben.wait_member(room, self.gael)
        text = "Bonjour Gaël, un avis chirurgical ?"
        await self.ben.send(room, text)
        seen = await self.siilo.wait_text("gael", text)
        answer = "Avec plaisir, appelez-moi."
        await self.siilo.write("gael", answer, conversation=seen["conversation"])
        unshielded(await self.ben.wait_text(room, answer), self.gael)
        return [f"Gaël : « {text} »", f"Ben : « {answer} »"]

    async def ben_searches(self) -> Details:
        """He asks the hub's own user, as anybody can whose homeserver sends no search to a hub."""
        asked = await self.ben.create_room(invite=[self.world.hub.voice], is_direct=True)
        await self.ben.wait_member(asked, self.world.hub.voice)
        await self.ben.send(asked, "chirurgien annecy")
        found = await self.ben.wait_event(asked, lambda event: "Masson" in event["content"].get("body", ""))
        line = found["content"]["body"].partition("\n")[0]
        expect(line.startswith("1. ") and "Élodie Masson" in line, f"he is answered {line!r}")
        known = {room["room_id"] for room in await self.ben.rooms()}
        await self.ben.send(asked, "1")
        room = await self.ben.wait_room(lambda one: one["membership"] == "invite" and one["room_id"] not in known)
        await self.ben.join(room)
        elodie = self.world.hub.ghost(self.world.hub.users("pandalab")["elodie"])
        await self.ben.wait_devices(elodie)
        await self.ben.send(room, text := "Bonjour, un avis pour demain ?")
        seen = await self.pandalab.wait_text("elodie", text)
        await self.pandalab.write("elodie", answer := "Oui, à 9 h.", conversation=seen["conversation"])
        unshielded(await self.ben.wait_text(room, answer), elodie)
        return [f"Liaison : « {line} »", f"Élodie : « {text} »", f"Ben : « {answer} »"]

    async def refused(self) -> Details:
        """To somebody whom the directory does not know."""
        written = await self.pandalab.write("cleo", "Y a-t-il quelqu'un ?", to=[f"rpps:{NOBODY}"])
        seen = await self.pandalab.wait_state(written["id"], "refused")
        problem = seen["problem"]
        expect(problem["code"] == "unknown_recipient" and problem["field"] == "to.0", f"the problem is {problem}")
        return [f"PandaLab : {problem['status']} {problem['code']} ({problem['field']}) {problem['detail']}"]

    async def status(self) -> Details:
        """Every message of cleo's has reached everybody, or says why not."""

        async def look() -> bool:
            return all(one["state"] != "accepted" for one in await _sent(self.pandalab))

        await wait_for(look, "every message to be delivered or refused")
        sent = await _sent(self.pandalab)
        counts = {state: sum(one["state"] == state for one in sent) for state in ("delivered", "read", "refused")}
        last = await self._status(next(one["id"] for one in reversed(sent) if one["state"] != "refused"))
        expect(counts["refused"] == 1 and sum(counts.values()) == len(sent), f"the states are {counts}")
        return [
            f"{len(sent)} messages de Cléo — by Cleo: {counts}",
            f"le dernier — the last: {_states(last)}",
        ]

    # ---- looking

    async def _status(self, ident: str) -> Json:
        """What the hub answers a product about one of its messages."""
        url = f"{self.world.hub.connect}{PREFIX}/messages/{ident}"
        headers = {"Authorization": f"Bearer {self.world.kept.products['pandalab'].token}"}
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            known: Json = await answer.json()
        return known

    async def _ben_sees(self, text: str, sender: str) -> Event:
        event = await self.ben.wait_text(self.room, text)
        unshielded(event, sender)
        return event

    async def _all_seen(self, written: Mapping[str, str]) -> list[str]:
        """Wait until each of the three sees all that the others wrote; gives the hub's order of it.

        Each text must be there once, each author's in the order of writing, and both products must have been told the
        same order. (Between homeservers Matrix itself leaves the order of simultaneous messages open.)
        """

        async def missing() -> dict[str, set[str]]:
            views = {name: set(await self._texts(name)) for name in ("Ben", "Cléo", "Dan")}
            lacks = {name: {t for t, by in written.items() if by != name} - view for name, view in views.items()}
            return {name: texts for name, texts in lacks.items() if texts}

        async def look() -> bool:
            return not await missing()

        try:
            await wait_for(look, "all three to see everything")
        except TimeoutError:
            raise NotSeen(f"missing: {await missing()}") from None
        await asyncio.sleep(1.0)  # what comes twice comes now
        for name in ("Ben", "Cléo", "Dan"):
            _once_and_in_order([t for t in await self._texts(name) if t in written], written, name)
        for event in await self.ben.timeline(self.room):
            if written.get(event["content"].get("body", ""), "Ben") != "Ben":
                unshielded(event, {"Cléo": self.cleo, "Dan": self.dan}[written[event["content"]["body"]]])
        return await self._order(written)

    async def _order(self, written: Mapping[str, str]) -> list[str]:
        """The order of the conversation, which every product is told."""
        known: dict[str, int] = {}
        for view in (await self.pandalab.arrived("cleo", self.chat), await self.siilo.arrived("dan", self.siilo_chat)):
            told = [(one["text"], one["order"]) for one in view if one["text"] in written]
            expect(all(known.setdefault(text, order) == order for text, order in told), "two orders of one message")
            expect(told == sorted(told, key=lambda one: one[1]), f"it arrived in another order: {told}")
        return sorted(known, key=lambda text: known[text])

    async def _texts(self, name: str) -> list[str]:
        """What one of the three sees of the conversation."""
        if name == "Ben":
            return [e["content"]["body"] for e in await self.ben.timeline(self.room) if e["content"].get("body")]
        product, chat = (self.pandalab, self.chat) if name == "Cléo" else (self.siilo, self.siilo_chat)
        return [one["text"] for one in await product.arrived("cleo" if name == "Cléo" else "dan", chat)]


def _once_and_in_order(seen: Sequence[str], written: Mapping[str, str], name: str) -> None:
    twice = {text for text in seen if seen.count(text) > 1}
    expect(not twice, f"{name} sees twice: {twice}")
    for author in set(written.values()):
        mine = [text for text in seen if written[text] == author]
        expect(mine == [text for text in written if text in set(mine)], f"{name} sees of {author}: {mine}")


async def _sent(product: Any, *states: str) -> list[Json]:
    sent = (await product.call("GET", "/messages"))["sent"]
    return [one for one in sent if not states or one["state"] in states]


def _states(known: Json) -> str:
    return ", ".join(f"{one['name']} {one['state']}" for one in known["recipients"])


def _delivered(event_id: str) -> Callable[[Event], bool]:
    """Whether an event says that another one is delivered."""

    def is_it(event: Event) -> bool:
        content = event["content"]
        return content.get("status") == "SUCCESS" and content["m.relates_to"]["event_id"] == event_id

    return is_it


def unshielded(event: Event, sender: str) -> None:
    """An event of this sender was encrypted, is readable, and carries no warning. Raises NotSeen."""
    expect(event["sender"] == sender, f"it is from {event['sender']}, not {sender}")
    expect(event["encrypted"] and event["decryption_failure"] is None, "it is not encrypted, or cannot be read")
    expect(event["shield_colour"] == 0, f"it carries a warning ({event['shield_reason']})")


def expect(true: bool, otherwise: str) -> None:
    """Raise NotSeen unless it is true."""
    if not true:
        raise NotSeen(otherwise)


async def tell(steps: Sequence[Step], teller: Teller) -> bool:
    """Tell a story up to its end or its first failure; say whether every step was seen."""
    outcomes = [Outcome(step.fr, step.en) for step in steps]
    for number, (step, outcome) in enumerate(zip(steps, outcomes, strict=True), 1):
        teller.step(number, len(steps), outcome)
        details = await _act(step, outcome)
        teller.outcome(outcome, details)
        if not outcome.seen:
            break
    teller.table(outcomes)
    return all(outcome.seen for outcome in outcomes)


async def _act(step: Step, outcome: Outcome) -> Details:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(step.limit * _SLOWEST):
            details = await step.act()
        outcome.seen = True
    except (TimeoutError, NotSeen, ClientError, ProductError, aiohttp.ClientError, KeyError, IndexError) as error:
        details = [f"{type(error).__name__}: {error}"]
    outcome.seconds = loop.time() - began
    return details
