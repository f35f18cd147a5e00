"""People who come and go at random while others talk, and who is shown to have read what."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from deploy.world.client import RustClient
from deploy.world.waiting import PATIENCE, wait_for
from tests.scenarios.ends import FarEnd
from tests.scenarios.matrix_end import MatrixEnd
from tests.scenarios.mixed import Talk, numbers
from tests.scenarios.product_end import ProductEnd

_PATIENCE = 8 * PATIENCE  # s: whoever comes or goes does so behind everything that was said before

Way = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Comer:
    """Somebody who is in a conversation at some times. ``person`` is the hub's name of them, ``user`` their Matrix user
    or ghost; ``own`` is their own Matrix client."""

    name: str
    person: str
    user: str
    own: RustClient | None = None


class Comings:
    """One after the other of these people comes or goes in each conversation, by whoever can do that there."""

    def __init__(self, talks: Sequence[Talk], comers: Sequence[Comer], seed: int) -> None:
        self._talks, self._comers, self._seed = talks, comers, seed
        self.counts: dict[str, int] = {}

    async def live(self, going_on: Callable[[], bool]) -> None:
        """Until the others have done what they do."""
        await asyncio.gather(*(self._one(talk, one, going_on) for talk in self._talks for one in self._comers))

    async def _one(self, talk: Talk, comer: Comer, going_on: Callable[[], bool]) -> None:
        chance = random.Random(f"{self._seed} {talk.name} {comer.name}")
        while going_on():
            comes = comer.person not in talk.members
            ways = _adding(talk, comer) if comes else _removing(talk, comer)
            if ways:
                name, way = chance.choice(ways)
                self.counts[name] = self.counts.get(name, 0) + 1
                await way()
                (talk.members.add if comes else talk.members.discard)(comer.person)
                await wait_for(lambda: _all_show(talk), f"{name} of {comer.name} in {talk.name}", _PATIENCE)
            await asyncio.sleep(chance.uniform(2, 12))


def _adding(talk: Talk, comer: Comer) -> list[tuple[str, Way]]:
    """How somebody can be brought in."""
    ways: list[tuple[str, Way]] = []
    for end in talk.ends:
        chat = talk.chats[end.name]
        if isinstance(end, ProductEnd):
            ways.append((f"{end.network} adds", _change(end, chat, end.user, add=[comer.person])))
        elif isinstance(end, MatrixEnd):
            ways.append(("matrix invites", partial(end.client.invite, chat, comer.user)))
    return ways


def _removing(talk: Talk, comer: Comer) -> list[tuple[str, Way]]:
    """How somebody can go: by themselves, by a product's user, by whoever has the power in the room.

    In a room that a person has made no ghost may remove a Matrix user: whoever asks for that is told that they stay.
    """
    ways: list[tuple[str, Way]] = []
    for end in talk.ends:
        chat = talk.chats[end.name]
        if isinstance(end, ProductEnd) and (comer.own is None or isinstance(talk.ends[0], ProductEnd)):
            ways.append((f"{end.network} removes", _change(end, chat, end.user, remove=[comer.person])))
        if isinstance(end, MatrixEnd):
            if comer.own is not None:
                ways.append(("matrix leaves", partial(comer.own.leave, chat)))
            if end is talk.ends[0]:  # who made the room
                ways.append(("matrix kicks", partial(end.client.kick, chat, comer.user)))
    return ways


def _change(end: ProductEnd, chat: str, by: str, **who: list[str]) -> Way:
    path = f"/conversations/{chat}/members?wait=60"

    async def way() -> None:
        answer = await end.client.call("POST", path, {"by": by} | who)
        assert answer["status"] == 202, answer

    return way


async def _all_show(talk: Talk) -> bool:
    return not await members_differ(talk)


async def members_differ(talk: Talk) -> list[str]:
    """The ends that show others than those who are in a conversation."""
    found = []
    for end in talk.ends:
        shown = await end.members(talk.chats[end.name])
        if shown is not None and shown != talk.members:
            more, less = sorted(shown - talk.members), sorted(talk.members - shown)
            found.append(f"{talk.name}: {end.name} shows the members {more} too many, {less} missing")
    return found


async def marks_differ(talk: Talk, persons: dict[str, str], *, all_read: bool) -> list[str]:
    """Marks that nobody gave; with ``all_read`` those that are missing after all have read the last word.

    ``persons``: of each end's name. A Matrix client takes whoever speaks for somebody who has read all before.
    """
    found = []
    for end in talk.ends:
        if isinstance(end, MatrixEnd) and not all_read:
            continue
        for ident, read in (await end.readers(talk.chats[end.name]) or {}).items():
            shown = end.get(ident)
            said = numbers(shown) if shown is not None and not shown.removed else []
            for n, _ in said[:1]:
                for other in (one for one in talk.ends if one.rewrites and one.network != end.network):
                    has, is_shown = n in talk.seen.get(other.name, ()), persons[other.name] in read
                    if is_shown is not all_read and not (is_shown and has):
                        what = "shows unduly" if is_shown else "does not show"
                        how = await _how(end, ident, n, other, persons[other.name])
                        found.append(f"{talk.name}: {end.name} {what} that {other.name} has read m{n}: {how}")
    return found


async def _how(end: FarEnd, ident: str, n: int, reader: FarEnd, person: str) -> str:
    """Where a mark is, or is missing: in the hub or only in the product, and whether its reader had the key at once."""
    said = [await end.became(ident, person)] if isinstance(end, ProductEnd) else []
    if isinstance(reader, MatrixEnd):
        said += [f"read at {one} after {why or 'no failure'}" for one, why in reader.at_first(n)]
    return "; ".join(said)
