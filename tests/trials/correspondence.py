"""The far ends of a correspondence in the world of real servers: operators, mailboxes, products, encrypted clients."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import secrets
import signal
import smtplib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeVar

import yaml

from bridge.networks.mail.mime.mail import Mail, parse
from deploy.world.client import ClientError, Event, RustClient
from deploy.world.hub import PEOPLE
from deploy.world.mail_space import DOMAIN
from deploy.world.waiting import PATIENCE, wait_for
from deploy.world.world import World
from tests.mail.correspondence.check import Letter, Shown
from tests.mail.correspondence.drive import head_of, letter_of, numbers
from tests.mail.correspondence.mails import Head
from tests.mail.correspondence.plan import MAIL, MATRIX, Human, Plan, Said
from tests.trials.make import strict

Json = dict[str, Any]
T = TypeVar("T")
PRODUCTS = ("pandalab", "siilo")


def listed(network: str, count: int) -> list[Human]:
    """People of the demo's directory who have only a mailbox, or who use this product."""
    found = []
    with PEOPLE.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            ours = dict(account.split(":") for account in row["products"].split() if account.startswith(PRODUCTS))
            address = row["mail"] if network == MAIL and not ours else ours.get(network)
            if address and row["name"] != "Ben Durand" and len(ours) < 2:
                found.append(Human(f"rpps:{row['rpps']}", row["name"], network, address))
    return found[:count]


@asynccontextmanager
async def correspondents(world: World, each: int) -> AsyncIterator[tuple[list[Human], dict[str, RustClient]]]:
    """``each`` people of each kind; every third client is on the other homeserver. The hub is started again twice."""
    people = [*listed(MAIL, each), *listed("pandalab", (each + 1) // 2), *listed("siilo", each // 2)]
    clients: dict[str, RustClient] = {}
    async with AsyncExitStack() as stack:
        servers = [world.away if n % 3 == 2 else world.home for n in range(each)]
        started = [stack.enter_async_context(strict(server, f"corr{n}")) for n, server in enumerate(servers)]
        for client in await asyncio.gather(*started):
            number, word = f"2{secrets.randbelow(10**10):010}", secrets.token_hex(3)
            human = Human(f"rpps:{number}", f"Mireille Essai{word}", MATRIX, client.user_id)
            clients[human.id] = client
            people.append(human)
        joining = [asyncio.create_task(_accept_invitations(client)) for client in clients.values()]
        before = {path: path.read_text() for path in (world.hub.config, world.hub.people)}
        try:
            _settle_in(world, [human for human in people if human.network == MATRIX])
            await kill(world)
            yield people, clients
        finally:
            for task in joining:
                task.cancel()
            for path, text in before.items():
                path.write_text(text)
            await kill(world)


async def _accept_invitations(client: RustClient) -> None:
    """Again until it works, as people do: a server under load refuses to join now and then."""
    while True:
        for room in await client.rooms():
            if room["membership"] == "invite":
                with suppress(ClientError, TimeoutError):
                    await client.join(room["room_id"])
        await asyncio.sleep(1)


def _settle_in(world: World, people: list[Human]) -> None:
    """Into the directory; and chat is gathered for a shorter time, since so many answers wait for mails."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for human in people:
        writer.writerow([human.id[5:], human.name, "Médecin", "Lyon", "", human.address, ""])
    world.hub.people.write_text(world.hub.people.read_text() + out.getvalue())
    config = yaml.safe_load(world.hub.config.read_text())
    config["networks"]["mail"]["gather"] = {"quiet": 0.5, "longest": 3.0}
    world.hub.config.write_text(yaml.safe_dump(config, sort_keys=False))


async def kill(world: World) -> None:
    """SIGKILL, and wait until the hub is back."""
    starts = world.hub.process.starts
    pid = world.hub.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await wait_for(lambda: _started(world, starts), "the hub to be started again")
    await world.hub.ready()


async def _started(world: World, starts: int) -> bool:
    return world.hub.process.starts > starts and world.hub.process.running


class Ends:
    """See :class:`tests.mail.correspondence.drive.Far`."""

    def __init__(self, world: World, plan: Plan, clients: dict[str, RustClient]) -> None:
        self.world = world
        self.plan = plan
        self.own: dict[int, Shown] = {}
        self.odd: list[str] = []
        self.refusals = 0  # attempts to hand a mail in that failed: the hub was away
        self.products = _Products(self)
        self.rooms = {person: _Rooms(self, person, client) for person, client in clients.items()}
        self.boxes = {h.id: _Box(self, h) for h in plan.people.values() if h.network == MAIL}
        self.persons = self._persons()

    def _persons(self) -> dict[str, str]:
        """Addresses and Matrix users -> person."""
        found = {}
        for human in self.plan.people.values():
            if human.network == MAIL:
                found[human.address] = human.id
            if human.network == MATRIX:
                found[human.address] = human.id
            else:
                found[self.world.hub.ghost(human.id[5:])] = human.id
            found[self.world.mail.box(human.name)] = found[f"{human.id[5:]}@{DOMAIN}"] = human.id
        return found

    def addresses(self) -> dict[str, str]:
        """Person -> the address that mails use: of the hub's people the number, or the name if it is given already."""
        found = {}
        for n, human in enumerate(self.plan.people.values()):
            number, name = f"{human.id[5:]}@{DOMAIN}", self.world.mail.box(human.name)
            found[human.id] = human.address if human.network == MAIL else name if self._given(human, n) else number
        return found

    def _given(self, human: Human, n: int) -> bool:
        return human.network in PRODUCTS and bool(n % 2)  # who has only Matrix is given a box when they first write

    # -- what people do ------------------------------------------------------------------------------------

    async def hand_in(self, raw: bytes, recipients: list[str], sender: str) -> None:
        while not await asyncio.to_thread(self._submit, raw, recipients, sender):
            self.refusals += 1
            await asyncio.sleep(0.3)

    def _submit(self, raw: bytes, recipients: list[str], sender: str) -> bool:
        """What an operator does: its certificate, one transaction; False: try again later."""
        own = self.world.mail.operators[sender.rpartition("@")[2]].identity
        context = ssl.create_default_context(cafile=str(own.authority))
        context.check_hostname = False  # by address
        context.load_cert_chain(own.certificate, own.key)
        try:
            port, name = self.world.mail.port, own.hostname
            with smtplib.SMTP("127.0.0.1", port, name, PATIENCE) as client:
                client.starttls(context=context)
                client.sendmail(sender, recipients, raw)
        except (OSError, smtplib.SMTPServerDisconnected):  # SMTPException is an OSError
            return False
        return True

    async def write(self, said: Said, text: str, parent: Shown | None) -> None:
        beside = said.main or said.loose
        thread = None if parent is None or beside else (parent.thread or parent.id)
        cites = said.loose or (said.n % 2 and not said.main)
        about = parent.id if parent is not None and cites else None
        if said.by.network == MATRIX:
            await self.rooms[said.by.id].write(said, text, parent, thread, about)
        else:
            await self.products.write(said, text, parent, thread, about)

    # -- what people see -----------------------------------------------------------------------------------

    async def seen(self, n: int, person: str) -> Shown:
        network = self.plan.people[person].network
        own = self.own.get(n)
        if own is not None and own.network == network and network != MATRIX:
            return own
        found = self.rooms[person].find if network == MATRIX else self.products.find

        async def look() -> Shown | None:
            return await found(n, person)

        return await self._wait(look, n, person)

    async def received(self, n: int, person: str) -> Head:
        async def look() -> Head | None:
            mail = next((m for m in self.boxes[person].look() if n in numbers(m.text)), None)
            return None if mail is None else head_of(mail, DOMAIN)

        return await self._wait(look, n, person)

    async def _wait(self, look: Callable[[], Awaitable[T | None]], n: int, person: str) -> T:
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while (found := await look()) is None:
            if asyncio.get_running_loop().time() > deadline:
                told = await self.rooms[person].told() if person in self.rooms else ""
                raise TimeoutError(f"{self.plan.said[n]} did not come to {self.plan.people[person]}: {told}")
            await asyncio.sleep(0.25)
        return found

    # -- in the end ----------------------------------------------------------------------------------------

    async def everything(self) -> tuple[list[Shown], list[Letter]]:
        """All that there is to see now."""
        shown = await self.products.everything()
        for rooms in self.rooms.values():
            shown += await rooms.everything()
        return shown, [letter for box in self.boxes.values() for letter in box.letters()]


class _Products:
    """What the simulated products show."""

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self.odd: list[str] = []
        self.after = dict.fromkeys(PRODUCTS, 0)
        self._found: dict[tuple[int, str], list[Shown]] = {}

    async def write(
        self, said: Said, text: str, parent: Shown | None, thread: str | None, about: str | None
    ) -> None:  # fmt: skip
        more: Json = {"to": list(self._handles(said))} if parent is None else {"conversation": parent.chat}
        more |= {name: value for name, value in (("thread", thread), ("reply_to", about)) if value}
        client = self.ends.world.products[said.by.network]
        sent = await client.write(said.by.address, text, **more)
        chat = sent["conversation"]
        self.ends.own[said.n] = Shown(
            said.n, said.by.id, said.by.network, chat, sent["id"], thread, said.people, own=True
        )

    def _handles(self, said: Said) -> Iterator[str]:
        for person in sorted(said.people - {said.by.id}):
            human = self.ends.plan.people[person]
            yield f"{human.network}:{human.address}" if human.network == said.by.network else person

    async def find(self, n: int, person: str) -> Shown | None:
        await self._look(self.ends.plan.people[person].network)
        return next(iter(self._found.get((n, person), ())), None)

    async def _look(self, product: str) -> None:
        users = {h.address: h.id for h in self.ends.plan.people.values() if h.network == product}
        answer = await self.ends.world.products[product].call("GET", f"/messages?after={self.after[product]}")
        for one in answer["arrived"]:
            if one["seq"] <= self.after[product]:
                continue  # somebody else has looked meanwhile
            found = numbers(one["text"])
            mine = [users[user] for user in one["recipients"] if user in users]
            if mine and len(found) != 1:
                self.odd.append(f"{product} shows {found} in one text ({one['kind']}, {len(one['text'])} characters)")
            for n in found:
                for person in mine:
                    shown = Shown(n, person, product, one["conversation"], one["id"], one["thread"], frozenset())
                    self._found.setdefault((n, person), []).append(shown)
        self.after[product] = max([self.after[product], *(one["seq"] for one in answer["arrived"])])

    async def everything(self) -> list[Shown]:
        members: dict[tuple[str, str], frozenset[str]] = {}
        for product in PRODUCTS:
            await self._look(product)
            for one in (await self.ends.world.products[product].call("GET", "/conversations"))["conversations"]:
                members[product, one["id"]] = frozenset(m["person"] for m in one["members"])
        every = [one for some in self._found.values() for one in some]
        mine = [one for one in self.ends.own.values() if one.network in PRODUCTS]
        return [_among(one, members[one.network, one.chat]) for one in every] + mine


class _Rooms:
    """What one encrypted client shows."""

    def __init__(self, ends: Ends, person: str, client: RustClient) -> None:
        self.ends = ends
        self.person = person
        self.client = client
        self._read: dict[str, int] = {}
        self._found: dict[int, Shown] = {}
        self._turn = asyncio.Lock()

    async def write(
        self, said: Said, text: str, parent: Shown | None, thread: str | None, about: str | None
    ) -> None:  # fmt: skip
        room = parent.chat if parent is not None else await self._begin(said)
        event = await self.client.send(room, text, thread=thread, reply_to=about)
        self.ends.own[said.n] = Shown(said.n, self.person, MATRIX, room, event, thread, said.people, own=True)

    async def _begin(self, said: Said) -> str:
        everybody = [user for user in self._users(said) if user != self.client.user_id]
        room = await self.client.create_room(invite=everybody)
        for user in everybody:
            await self.client.wait_member(room, user)
            await self.client.wait_devices(user)
        return room

    def _users(self, said: Said) -> Iterator[str]:
        for person in sorted(said.people):
            human = self.ends.plan.people[person]
            yield human.address if human.network == MATRIX else self.ends.world.hub.ghost(person[5:])

    async def find(self, n: int, _: str) -> Shown | None:
        if n not in self._found and not self._turn.locked():
            async with self._turn:
                for room in await self._joined():
                    await self._look(room)
        return self._found.get(n)

    async def told(self) -> str:
        """In a few words: its rooms, and what cannot be read there."""
        rooms = await self.client.rooms()
        unread = [
            (room["room_id"], event["event_id"], event["decryption_failure"])
            for room in rooms if room["membership"] == "join"
            for event in await self.client.timeline(room["room_id"]) if event["decryption_failure"]
        ]  # fmt: skip
        return f"{[(room['room_id'], room['membership']) for room in rooms]}, not readable: {unread}"

    async def _joined(self) -> list[str]:
        return [room["room_id"] for room in await self.client.rooms() if room["membership"] == "join"]

    async def _look(self, room: str) -> None:
        """Read on in a room, up to the first message that cannot be read yet."""
        for event in await self.client.timeline(room, self._read.get(room, 0)):
            if event["decryption_failure"]:
                break
            self._read[room] = self._read.get(room, 0) + 1
            for one in self._shown(room, event):
                self._found.setdefault(one.n, one)

    def _shown(self, room: str, event: Event) -> Iterator[Shown]:
        if event["type"] != "m.room.message" or event["content"].get("msgtype") == "m.file":
            return
        relation = event["wire_content"].get("m.relates_to") or event["content"].get("m.relates_to") or {}
        thread = relation.get("event_id") if relation.get("rel_type") == "m.thread" else None
        for n in numbers(str(event["content"].get("body"))):
            own = event["sender"] == self.client.user_id
            yield Shown(n, self.person, MATRIX, room, event["event_id"], thread, frozenset(), own=own)

    async def everything(self) -> list[Shown]:
        found: list[Shown] = []
        for room in await self._joined():
            voice = self.ends.world.hub.ghost("liaison")  # nobody: it says what became of messages
            members = {user: m["membership"] for user, m in (await self.client.members(room)).items() if user != voice}
            people = frozenset(self.ends.persons.get(u, u) for u, was in members.items() if was in ("join", "invite"))
            for event in await self.client.timeline(room):
                if event["decryption_failure"]:
                    self.ends.odd.append(f"{self.client.user_id} cannot read {event['event_id']}")
                shown = [_among(one, people) for one in self._shown(room, event)]
                if event["encrypted"] and shown and event["shield_colour"]:
                    self.ends.odd.append(f"{self.client.user_id} is warned of {event['event_id']}")
                found += shown
        return found


class _Box:
    """What lies in one mailbox, read where Dovecot has put it."""

    def __init__(self, ends: Ends, human: Human) -> None:
        local, _, domain = human.address.partition("@")
        self.ends = ends
        self.human = human
        self.path = ends.world.mail.operators[domain].directory / "boxes" / domain / local
        self._mails: dict[str, Mail] = {}
        self._before = {path.name for path in self._files()}

    def _files(self) -> Iterator[Any]:
        for folder in ("new", "cur"):
            yield from sorted((self.path / folder).glob("*"))

    def look(self) -> list[Mail]:
        for path in self._files():
            if path.name not in self._mails and path.name not in self._before:
                self._mails[path.name] = parse(path.read_bytes())
        return list(self._mails.values())

    @property
    def repeats(self) -> int:
        """Mails that came again with the same Message-ID."""
        mails = self.look()
        return len(mails) - len({mail.message_id for mail in mails})

    def letters(self) -> list[Letter]:
        mails = {mail.message_id: mail for mail in self.look()}
        for mail in mails.values():
            if not numbers(mail.text):
                self.ends.odd.append(f"{self.human.address} has a mail of no message: {mail.message_id}")
        return [letter_of(mail, self.human.id, self.ends.persons.get) for mail in mails.values()]


def _among(one: Shown, people: frozenset[str]) -> Shown:
    return Shown(one.n, one.reader, one.network, one.chat, one.id, one.thread, people, one.own)
