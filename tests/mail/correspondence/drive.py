"""Carries a plan out against far ends: many correspondences at once, everybody answers only what they have seen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Protocol

from bridge.networks.mail.mime.mail import Mail
from tests.mail.correspondence.check import Letter, Shown, Verdict, judge
from tests.mail.correspondence.mails import Head, Mails
from tests.mail.correspondence.plan import Plan, Said, Step

TOKEN = re.compile(r"jeton(\d{5})x")
Crash = Callable[[], Awaitable[None]]


class Far(Protocol):
    """The far ends of one world."""

    async def hand_in(self, raw: bytes, recipients: list[str], sender: str) -> None:
        """A peer gives a mail to the hub, again and again until it is taken."""

    async def write(self, said: Said, text: str, parent: Shown | None) -> None:
        """Somebody of the chat side writes; ``parent`` is what they answer, as they see it; None begins a chat."""

    async def seen(self, n: int, person: str) -> Shown:
        """A message as somebody of the chat side sees it, once they do."""

    async def received(self, n: int, person: str) -> Head:
        """The hub's mail that holds a message, once this person has it."""


class Drive:
    """``crash`` ends the hub and brings it back; it is called while the others go on."""

    def __init__(self, plan: Plan, mails: Mails, far: Far, domain: str, *, at_once: int = 8) -> None:
        self.plan = plan
        self.mails = mails
        self.far = far
        self._domain = domain
        self._at_once = at_once
        self._done = 0
        self._ended = False
        self._moved = asyncio.Condition()

    async def run(self, crash: Crash | None = None, crashes: int = 3) -> None:
        """Say everything; the hub crashes at even distances while it goes on."""
        total = sum(map(len, self.plan.steps))
        self._waiting = iter(self.plan.steps)
        async with asyncio.TaskGroup() as group:
            if crash is not None:
                group.create_task(self._crash(crash, [total * (n + 1) // (crashes + 1) for n in range(crashes)]))
            for _ in range(self._at_once):
                group.create_task(self._work())

    async def _work(self) -> None:
        for steps in self._waiting:
            for step in steps:
                await self._step(step)
                async with self._moved:
                    self._done += 1
                    self._moved.notify_all()

    async def _crash(self, crash: Crash, places: list[int]) -> None:
        for place in places:
            async with self._moved:
                await self._moved.wait_for(lambda place=place: self._done >= place)  # type: ignore[misc]
            await crash()

    async def _step(self, step: Step) -> None:
        said = self.plan.said[step.n]
        if not said.mail:
            parent = None if said.parent is None else await self.far.seen(said.parent, said.by.id)
            await self.far.write(said, f"Voici {self.plan.token(said.n)}", parent)
            return
        await self._know(said)
        raw = self.mails.raw(said)
        recipients = self.mails.recipients(said, self._domain)
        for some in [[one] for one in recipients] if step.apart else [recipients]:
            await self.far.hand_in(raw, some, said.by.address)

    async def _know(self, said: Said) -> None:
        """Wait for those of the hub's mails without which nobody could write this answer."""
        for before in self.plan.ancestors(said):
            if not before.mail and before.n not in self.mails.sent:
                reader = self._reader(before, said)
                self.mails.sent[before.n] = await self.far.received(before.n, reader)

    def _reader(self, before: Said, said: Said) -> str:
        """Whoever answered it by mail first, on the way from it to this mail."""
        way = [said, *self.plan.ancestors(said)]
        return way[way.index(before) - 1].by.id if way[way.index(before) - 1].mail else said.by.id

    def judge(self, shown: list[Shown], letters: list[Letter], odd: list[str]) -> Verdict:
        """The verdict, once everything has come to rest. ``odd``: texts that hold no message or several."""
        verdict = judge(self.plan, shown, letters)
        verdict.wrong += odd
        return verdict


def numbers(text: str) -> list[int]:
    """The messages that a text holds."""
    return [int(number) for number in TOKEN.findall(text)]


def head_of(mail: Mail, domain: str) -> Head:
    """What an answer to one of the hub's mails needs to know of it."""
    assert mail.message_id is not None
    sender = mail.sender.address if mail.sender else ""
    room = sender if sender.startswith("salon-") and sender.endswith(f"@{domain}") else None
    answered = mail.in_reply_to[-1] if mail.in_reply_to else None
    return Head(mail.message_id, mail.references, answered, mail.text, room)


def letter_of(mail: Mail, reader: str, who: Callable[[str], str | None]) -> Letter:
    """One of the hub's mails; ``who``: address -> person (None: nobody, the conversation itself)."""
    boxes = [*mail.to, *mail.cc, *([mail.sender] if mail.sender else [])]
    people = frozenset(person for box in boxes if (person := who(box.address.lower())) is not None)
    cites = tuple(dict.fromkeys((*mail.references, *mail.in_reply_to)))
    return Letter(reader, mail.message_id or "", cites, tuple(numbers(mail.text)), people)
