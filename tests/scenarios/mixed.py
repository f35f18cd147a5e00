"""Many people do many things at random, and in the end every far end has to show the same.

Each is led by what their own program shows: they answer, correct and react to what they see there. The plan keeps what
must be left of each message, and :class:`Transcript` is what an end shows of a conversation.
"""

from __future__ import annotations

import asyncio
import random
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.scenarios import pieces
from tests.scenarios.ends import Deed, FarEnd, Shown

_SAID = re.compile(r"\bm(\d+)v(\d+)e\b")
_FIRST_EMOJI = 0x1F400
_WEIGHTS = {"say": 46, "reply": 12, "edit": 12, "remove": 6, "react": 12, "unreact": 4, "file": 4, "read": 4}


@dataclass
class Fact:
    """What must be left of one message."""

    number: int
    by: str
    version: int = 0
    removed: bool = False
    keys: set[str] = field(default_factory=set)
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """What an end shows of one message."""

    version: int
    keys: frozenset[str] = frozenset()
    times: int = 1


@dataclass
class Talk:
    """One conversation: who is in it, what each end calls it, and what must be left of it."""

    name: str
    ends: Sequence[FarEnd]
    chats: dict[str, str] = field(default_factory=dict)
    facts: dict[int, Fact] = field(default_factory=dict)
    seen: dict[str, set[int]] = field(default_factory=dict)  # by end: the messages up to which its person has read
    members: set[str] = field(default_factory=set)  # persons, as the hub calls them

    def expected(self, *, acts: bool) -> dict[int, Line]:
        """Of every message that is left; without ``acts`` nothing is said of what was done to it."""
        return {
            n: Line(fact.version, frozenset(fact.keys)) if acts else Line(0)
            for n, fact in self.facts.items()
            if not fact.removed or not acts
        }


def numbers(one: Shown) -> list[tuple[int, int]]:
    """The messages that stand in a text, each with its version."""
    return list(dict.fromkeys((int(n), int(version)) for n, version in _SAID.findall(one.text)))


def lines(end: FarEnd, talk: Talk) -> dict[int, Line]:
    """What an end that rewrites messages shows of a conversation now."""
    found: dict[int, Line] = {}
    for one in end.shown():
        if one.chat != talk.chats[end.name] or one.removed or one.system:
            continue
        for n, version in numbers(one)[:1]:
            before = found.get(n)
            keys = one.reactions | (before.keys if before else frozenset())
            with_file = bool(one.files) and before is not None  # the file of a text, as an event of its own
            found[n] = Line(version, keys, before.times + (not with_file) if before else 1)
    return found


def order(end: FarEnd, talk: Talk) -> list[int]:
    """In which order an end shows what others have said."""
    said = [numbers(one) for one in end.shown() if one.chat == talk.chats[end.name] and not one.own and not one.system]
    return list(dict.fromkeys(some[0][0] for some in said if some))


class Life:
    """Everybody's random life. ``refused``: what somebody was told that should have been taken."""

    def __init__(self, talks: Sequence[Talk], seed: int) -> None:
        self.talks = talks
        self._seed = seed
        self._nonce = secrets.token_hex(3)
        self._next = 0
        self.done = 0
        self.counts: dict[str, int] = {}
        self._turns = asyncio.Condition()
        self._busy: Counter[str] = Counter()
        self._resting: set[str] = set()
        self._acts: list[tuple[FarEnd, str, str]] = []
        self._reactions: dict[tuple[str, str], list[tuple[Fact, str, str]]] = {}

    async def live(self, ends: Iterable[FarEnd], acts: int) -> None:
        """All do something until so many things are done."""
        await asyncio.gather(*(self._one(end, acts, random.Random(f"{self._seed} {end.name}")) for end in ends))

    async def _one(self, end: FarEnd, acts: int, chance: random.Random) -> None:
        mine = [talk for talk in self.talks if end in talk.ends]
        while self.done < acts:
            self.done += 1
            verb = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
            if not end.rewrites and verb not in ("say", "reply", "file"):
                verb = "say"
            async with self._taking_part(end.network):
                if self.done % 4 == 0:
                    await end.look()
                await self._do(end, chance.choice(mine), verb, chance)
            await asyncio.sleep(chance.uniform(0, 1 if end.rewrites else 2))

    @asynccontextmanager
    async def _taking_part(self, network: str) -> AsyncIterator[None]:
        async with self._turns:
            await self._turns.wait_for(lambda: network not in self._resting)
            self._busy[network] += 1
        try:
            yield
        finally:
            async with self._turns:
                self._busy[network] -= 1
                self._turns.notify_all()

    @asynccontextmanager
    async def without(self, network: str) -> AsyncIterator[None]:
        """Nobody of this network does anything in the block: their server is away."""
        async with self._turns:
            self._resting.add(network)
            await self._turns.wait_for(lambda: not self._busy[network])
        try:
            yield
        finally:
            async with self._turns:
                self._resting.discard(network)
                self._turns.notify_all()

    async def _do(self, end: FarEnd, talk: Talk, verb: str, chance: random.Random) -> None:
        seen = [
            one
            for one in end.shown()
            if one.chat == talk.chats[end.name] and not one.removed and not one.system and numbers(one)
        ]
        if verb in ("say", "file", "reply") or not seen:
            about = chance.choice(seen) if seen and (verb == "reply" or not end.rewrites) else None
            await self._say(end, talk, "file" if verb == "file" else "say", about)
        elif verb == "read":
            self._count(verb)
            theirs = [one for one in seen if not one.own]
            talk.seen.setdefault(end.name, set()).update(numbers(one)[0][0] for one in theirs)
            if theirs:
                await end.read(talk.chats[end.name], theirs[-1].id)
        elif verb in ("edit", "remove"):
            await self._change(end, talk, verb, chance.choice([one for one in seen if one.own] or seen))
        elif verb == "react":
            await self._react(end, talk, chance.choice(seen))
        else:
            await self._unreact(end, talk, chance)

    def told(self) -> list[str]:
        """What people were told of what they did."""
        return [f"{end.name}: {what}: {sorted(codes)}" for end, ident, what in self._acts if (codes := end.told(ident))]

    async def _done(self, end: FarEnd, deed: Deed, what: str) -> str:
        ident = await end.do(deed)
        self._acts.append((end, ident, what))
        return ident

    def _count(self, verb: str) -> None:
        self.counts[verb] = self.counts.get(verb, 0) + 1

    async def _say(self, end: FarEnd, talk: Talk, verb: str, about: Shown | None) -> None:
        self._count(verb if about is None else "reply")
        number = self._next
        self._next += 1
        fact = talk.facts[number] = Fact(number, end.name)
        token = f"m{number}v0e"
        files = (pieces.file("png", token),) if verb == "file" else ()
        fact.file = files[0].sha256 if files else None
        reply = None if about is None else about.id
        ident, chat = f"{token}{self._nonce}", talk.chats[end.name]
        deed = Deed(verb, ident, chat, f"Dit {token}", reply_to=reply, files=files)
        await self._done(end, deed, f"{verb} {token}")

    async def _change(self, end: FarEnd, talk: Talk, verb: str, one: Shown) -> None:
        fact = talk.facts[numbers(one)[0][0]]
        if fact.by != end.name or fact.removed or (fact.file and verb == "edit"):
            return await self._say(end, talk, "say", None)
        self._count(verb)
        if verb == "remove":
            fact.removed = True
        else:
            fact.version += 1
        token = f"m{fact.number}v{fact.version}e"
        text = "" if verb == "remove" else f"Corrigé {token}"
        deed = Deed(verb, f"{token}{verb}{self._nonce}", talk.chats[end.name], text, about=one.id)
        await self._done(end, deed, f"{verb} {token}")
        return None

    async def _react(self, end: FarEnd, talk: Talk, one: Shown) -> None:
        fact = talk.facts[numbers(one)[0][0]]
        self._count("react")
        key = chr(_FIRST_EMOJI + self._next % 300)
        self._next += 1
        deed = Deed("react", f"r{self._next}-{self._nonce}", talk.chats[end.name], key, about=one.id)
        ident = await self._done(end, deed, f"react {key} m{fact.number}")
        fact.keys.add(key)
        self._reactions.setdefault((end.name, talk.name), []).append((fact, key, ident))

    async def _unreact(self, end: FarEnd, talk: Talk, chance: random.Random) -> None:
        mine = self._reactions.get((end.name, talk.name), [])
        if not mine:
            return
        self._count("unreact")
        fact, key, ident = mine.pop(chance.randrange(len(mine)))
        fact.keys.discard(key)
        self._next += 1
        deed = Deed("remove", f"u{self._next}-{self._nonce}", talk.chats[end.name], about=ident)
        await self._done(end, deed, f"remove {key} m{fact.number}")
