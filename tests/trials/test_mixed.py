"""Eight people do many things at random while the hub is killed: in the end every leg shows the same."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import yaml

from deploy.world.waiting import wait_for
from deploy.world.world import World
from tests.scenarios.comings import Comer, Comings, marks_differ, members_differ
from tests.scenarios.ends import Deed, FarEnd, Shown, containing
from tests.scenarios.matrix_end import MatrixEnd
from tests.scenarios.mixed import Life, Talk, lines, numbers, order
from tests.scenarios.product_end import ProductEnd
from tests.trials.correspondence import kill
from tests.trials.far_ends import ACTS, able, mail_end, matrix_end, product_end
from tests.trials.make import strict

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.peers]
USERS = {  # of the directory, each with one address only
    "pauline": ("pandalab", "10001015196"), "elodie": ("pandalab", "10001030391"),
    "violette": ("siilo", "10001021274"), "katia": ("siilo", "10001036469"),
}  # fmt: skip
BOXES = {"olivier": "olivier.boyer@mss-a.example", "therese": "therese.gauthier@mss-b.example"}
GAEL, DIEGO = "10001006079", "10001029378"  # of Siilo and with a mailbox: they come and go
TALKS = {
    "all": ("pauline", "hana", "ben", "elodie", "violette", "katia", "olivier", "therese"),
    "two homes": ("elodie", "hana", "ben", "katia"),
    "four": ("violette", "hana", "pauline", "olivier"),
    "away": ("pauline", "ben", "therese"),
    "products": ("katia", "elodie"),
    "of hana": ("hana", "pauline", "katia", "ben"),
}
MOVING = ("two homes", "products", "of hana")  # a mail to those who were there before begins another conversation

PERSONS = {user: f"rpps:{rpps}" for user, (_, rpps) in USERS.items()} | {
    "olivier": "rpps:10001014183", "therese": "rpps:10001019248",
}  # fmt: skip
MARKED = 80  # things that are no more events than one receipt covers
REST = 120.0  # s in which something must become better, until all is the same everywhere


@asynccontextmanager
async def eight(world: World) -> AsyncIterator[dict[str, FarEnd]]:
    """hana and ben have strict clients on either homeserver, four use products that are able, two write mails."""
    async with strict(world.home, "hana") as hana, strict(world.away, "ben") as ben, able(world, ["pandalab", "siilo"]):
        ends: dict[str, FarEnd] = {
            "hana": matrix_end(world, hana, "hana"),
            "ben": matrix_end(world, ben, "ben"),
        }
        ends |= {user: product_end(world, product, user, *ACTS, called=user) for user, (product, _) in USERS.items()}
        yield ends | {name: mail_end(world, box, name.title(), name) for name, box in BOXES.items()}


@asynccontextmanager
async def patient(world: World) -> AsyncIterator[None]:
    """A hub that waits for the room's order however busy this machine is; by default it goes on after a while."""
    before = world.hub.config.read_text()
    config = yaml.safe_load(before)
    config["delivery"] = config.get("delivery", {}) | {"order_wait": 300}
    world.hub.config.write_text(yaml.safe_dump(config, sort_keys=False))
    await kill(world)
    try:
        yield
    finally:
        world.hub.config.write_text(before)
        await kill(world)


async def meet(world: World, name: str, ends: Sequence[FarEnd]) -> Talk:
    """The first of them writes to the others."""
    first, *others = ends
    hello = f"Bonjour {secrets.token_hex(4)}"
    chat = await _begun(world, first, others, hello)
    talk = Talk(name, ends, {first.name: chat}, members={person(one) for one in ends})
    for one in others:
        if one.network == first.network == "matrix":  # the same room
            talk.chats[one.name] = chat
            continue
        if one.network == first.network:  # it shows its own users what they write to one another
            talk.chats[one.name] = chat
            continue
        shown = await wait_for(lambda one=one: _found(one, hello), f"{hello} at {one.name}")  # type: ignore[misc]
        talk.chats[one.name] = shown.chat
    for one in ends:
        if isinstance(one, MatrixEnd):
            await _known(world, one, talk)
    return talk


def person(end: FarEnd) -> str:
    """As the hub calls them."""
    return PERSONS.get(end.name, end.address)


async def _begun(world: World, first: FarEnd, others: Sequence[FarEnd], hello: str) -> str:
    """The conversation that somebody begins by a first word, as their own program calls it."""
    if isinstance(first, MatrixEnd):
        users = [
            one.client.user_id if isinstance(one, MatrixEnd) else world.hub.ghost(person(one)[5:]) for one in others
        ]
        room = await first.client.create_room(invite=users)
        for user in users:
            await first.client.wait_member(room, user)
            await first.client.devices(user)
        await first.do(Deed("say", hello, room, hello))
        return room
    assert isinstance(first, ProductEnd)
    handles = [one.address if one.address.startswith(("matrix:", "mailto:")) else person(one) for one in others]
    return str((await first.client.write(first.user, hello, to=handles))["conversation"])


async def _known(world: World, one: MatrixEnd, talk: Talk) -> None:
    """Wait until everybody of Matrix has come in, and their devices are known."""
    room = talk.chats[one.name]
    for other in talk.ends:
        if isinstance(other, MatrixEnd) and other is not one:
            await one.client.wait_member(room, other.client.user_id)
            await one.client.devices(other.client.user_id)


def kills(count: int) -> Beside:
    """Kill the hub so often."""

    async def beside(world: World, life: Life, acts: int) -> None:
        await evenly(life, acts, count, lambda: kill(world))

    return beside


async def evenly(life: Life, acts: int, count: int, what: Callable[[], Awaitable[None]]) -> None:
    """Do something so often, at even distances of what people do."""
    for n in range(count):
        while life.done < acts * (n + 1) / (count + 1):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)
        await what()


def differences(talk: Talk, *, ordered: bool) -> list[str]:
    """What an end shows of a conversation that is not as it must be."""
    found = []
    for end in talk.ends:
        if not end.rewrites:
            found += _in_mails(end, talk)
            continue
        have, want = _with_own(end, talk), talk.expected(acts=True)
        for n in sorted(have.keys() | want.keys()):
            if have.get(n) != want.get(n):
                found.append(
                    f"{talk.name}: {end.name} shows {have.get(n)} of m{n} by {talk.facts[n].by}, not {want.get(n)}"
                )
    return found + (_orders(talk) if ordered else [])


def _with_own(end: FarEnd, talk: Talk) -> dict[int, object]:
    """What its product shows: two users of one product see each other's words without the hub."""
    have: dict[int, object] = dict(lines(end, talk))
    for other in talk.ends:
        if other is not end and other.network == end.network and other.network != "matrix":
            have |= {n: line for n, line in lines(other, talk).items() if talk.facts[n].by == other.name}
    return have


def _in_mails(end: FarEnd, talk: Talk) -> list[str]:
    """A mail stays as it left: each message that was not taken back in time is there once, with one of its texts.

    A hub that dies between an operator's 250 and its own commit hands the same mail over again, under the same
    Message-ID, which is all that SMTP has against that (RFC 5321, 4.5.4.1 and 6.1): that is one mail.
    """
    seen = [pair for _, pair in dict.fromkeys((one.id, pair) for one in end.shown() for pair in numbers(one))]
    found = []
    for n, fact in talk.facts.items():
        versions = [version for number, version in seen if number == n]
        if fact.by == end.name:
            continue
        if len(versions) != len(set(versions)):
            found.append(f"{talk.name}: {end.name} has m{n} by {fact.by} more than once: {versions}")
        if not fact.removed and not versions:
            found.append(f"{talk.name}: {end.name} has no mail with m{n} by {fact.by}")
    return found


def repeated_mails(ends: Iterable[FarEnd]) -> int:
    """How often a mailbox has a mail whose Message-ID it had before."""
    ids = [[one.id for one in end.shown()] for end in ends if not end.rewrites]
    return sum(len(each) - len(set(each)) for each in ids)


def _orders(talk: Talk) -> list[str]:
    """What others have said stands in one order on the legs of products: that of the room."""
    room = next((order(end, talk) for end in talk.ends if isinstance(end, MatrixEnd)), None)
    found = []
    for end in talk.ends:
        if not isinstance(end, ProductEnd) or room is None:
            continue
        places = {n: place for place, n in enumerate(room)}
        theirs = [n for n in order(end, talk) if n in places]
        turned = [(one, other) for one, other in itertools.pairwise(theirs) if places[one] > places[other]]
        if turned:
            said = ", ".join(
                f"m{one} by {talk.facts[one].by} before m{n} by {talk.facts[n].by}" for one, n in turned[:8]
            )
            found.append(f"{talk.name}: {end.name} shows {said} ({len(turned)}), the room does not")
    return found


async def at_rest(ends: Sequence[FarEnd], look: Callable[[], list[str]]) -> list[str]:
    """What is wrong once nothing becomes better any more."""
    clock = asyncio.get_running_loop().time
    least, since = None, clock()
    while True:
        await asyncio.gather(*(end.look(everything=True) for end in ends))
        wrong = look()
        if least is None or len(wrong) < least:
            least, since = len(wrong), clock()
        if not wrong or clock() - since > REST:
            return wrong
        await asyncio.sleep(1.0)


@asynccontextmanager
async def comers(world: World, names: Sequence[str]) -> AsyncIterator[list[Comer]]:
    """Those who come and go: zoe has a Matrix client."""
    async with AsyncExitStack() as stack:
        zoe = await stack.enter_async_context(strict(world.home, "zoe")) if "zoe" in names else None
        found = [Comer(n, f"rpps:{one}", world.hub.ghost(one)) for n, one in (("gael", GAEL), ("diego", DIEGO))]
        found += [Comer("zoe", f"matrix:{zoe.user_id}", zoe.user_id, zoe)] if zoe is not None else []
        yield [one for one in found if one.name in names]


Beside = Callable[[World, Life, int], Awaitable[None]]  # what happens to servers while so many things are done


async def carry_out(
    world: World, acts: int, beside: Beside, seed: int, names: Sequence[str] = tuple(TALKS),
    coming: Sequence[str] = ("gael", "diego", "zoe"), ordered: bool = True,
) -> None:  # fmt: skip
    """So many things are done in these conversations; ``ordered``: all show them in one order."""
    async with eight(world) as ends, comers(world, coming) as extra:
        talks = [await meet(world, name, [ends[one] for one in TALKS[name]]) for name in names]
        life, comings = Life(talks, seed), Comings([talk for talk in talks if talk.name in MOVING], extra, seed)
        await asyncio.gather(
            life.live(ends.values(), acts), beside(world, life, acts), comings.live(lambda: life.done < acts)
        )
        wrong = await at_rest(
            [*ends.values()], lambda: [one for talk in talks for one in differences(talk, ordered=ordered)]
        )
        print(
            f"\n{life.done} done: {life.counts}; {sum(len(talk.facts) for talk in talks)} messages; {len(wrong)} differ"
            f"\nmembers: {comings.counts}; mails taken again under one id: {repeated_mails(ends.values())}"
        )
        assert not wrong, "\n".join([*wrong[:60], "told:", *life.told()])
        persons = {end.name: person(end) for end in ends.values()}
        given = [one for talk in talks for one in await marks_differ(talk, persons, all_read=False)]
        assert not given, "\n".join(given[:60])
        await _read(talks)
        wrong = await all_agree(talks, persons, marks=acts <= MARKED)
        assert not wrong, "\n".join(wrong[:60])


async def all_agree(talks: Sequence[Talk], persons: dict[str, str], *, marks: bool) -> list[str]:
    """What members or read marks some end shows otherwise than it is, after all have read the last word.

    ``marks``: none may be missing. A receipt in a room with threads covers a hundred events (decision 18).
    """
    ends = {end.name: end for talk in talks for end in talk.ends}.values()
    clock = asyncio.get_running_loop().time
    until = clock() + REST
    while True:
        await asyncio.gather(*(end.look(everything=True) for end in ends))
        wrong = [one for talk in talks for one in await members_differ(talk)]
        if marks:
            wrong += [one for talk in talks for one in await marks_differ(talk, persons, all_read=True)]
        if not wrong or clock() > until:
            return wrong
        await asyncio.sleep(1.0)


async def _read(talks: Sequence[Talk]) -> None:
    """Whoever reads the last word is seen to have read it, by its writer."""
    for talk in talks:
        word = f"Fin {secrets.token_hex(4)}"
        writer = next(end for end in talk.ends if isinstance(end, ProductEnd))
        ident = await writer.do(Deed("say", f"fin-{word[4:]}", talk.chats[writer.name], word))
        readers = [end for end in talk.ends if end.rewrites and end.network != writer.network]
        for end in readers:
            shown = await wait_for(lambda end=end, word=word: _found(end, word), f"{word} at {end.name}")  # type: ignore[misc]
            await end.read(talk.chats[end.name], shown.id)
        for end in talk.ends:
            if end.rewrites and end not in readers:
                last = [one for one in end.shown() if one.chat == talk.chats[end.name] and not one.own][-1:]
                await asyncio.gather(*(end.read(one.chat, one.id) for one in last))
        await wait_for(
            lambda writer=writer, ident=ident, readers=readers: _has_read(writer, ident, len(readers)),  # type: ignore[misc]
            f"{writer.name} to hear that {len(readers)} have read",
        )


async def _found(end: FarEnd, word: str) -> Shown | None:
    await end.look()
    return next(iter(containing(end, word)), None)


async def _has_read(writer: ProductEnd, ident: str, count: int) -> bool:
    outcome = (await writer.client.message(ident)).get("outcome", ())
    return bool(sum(one["state"] == "read" for one in outcome) == count)


async def test_seventy_things_and_a_kill(world: World) -> None:
    await carry_out(world, 70, kills(1), seed=7, names=["all", "products"], coming=["gael"], ordered=False)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2])
async def test_two_thousand_things_and_three_kills(world: World, seed: int) -> None:
    async with patient(world):
        await carry_out(world, 2000, kills(3), seed=seed)
