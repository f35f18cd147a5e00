"""Secure mail: taken and brought to rooms, beside a real Postfix that takes the same mails; and how long one takes."""

from __future__ import annotations

import asyncio
import itertools
import math
import re
import secrets
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from deploy.bench import cost, real
from deploy.bench.cost import Bench, joined
from deploy.bench.hub import BEN, rpps
from deploy.bench.operators import OURS, THEIRS, Operators, Sender, operators, sender
from deploy.bench.put import Put, putting
from deploy.bench.real import Bare, Json, World, gathered, native_message, timed
from deploy.bench.sender import Letter
from deploy.world.stub.human import Human

_MARK = re.compile(r"marque-\d+-\d+")
_PATIENCE = 300.0
_PUTS = 400  # bare ones, beside each round
# Mails on a connection. Operators run mail servers as they are delivered: Postfix opens a connection, with the whole
# handshake, for each mail (postconf(5): smtp_tls_connection_reuse = no). Kept ones are what a busy peer may configure.
_WAYS = {"mail": 1, "mail_kept": 0}


@dataclass(slots=True)
class Post:
    """A hub and an operator; ``chats`` people of the operator write to ben, ``lines`` of them at a time."""

    bench: Bench
    operators: Operators
    sender: Sender
    chats: int
    lines: int
    each: int = 0  # mails on a connection; 0: all
    rooms: dict[str, int] = field(default_factory=dict)  # room: who writes there
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def round(self, each: int) -> list[list[Letter]]:
        """A thread of ``each`` mails from everybody; whoever writes stays on one line."""
        number = next(self._ids)
        found: list[list[Letter]] = [[] for _ in range(self.lines)]
        for k, n in itertools.product(range(each), range(self.chats)):
            cites = f"r{number}.{n}.{k - 1}" if k else ""
            mark = f"marque-{number}-{k * self.chats + n}"
            to = f"{rpps(BEN)}@{OURS}"
            letter = Letter(f"r{number}.{n}.{k}", f"a{n}@{THEIRS}", to, mark, cites, html=bool(k % 2))
            found[n % self.lines].append(letter)
        return found

    def one(self) -> Letter:
        """A mail of its own."""
        number = next(self._ids)
        return Letter(f"one.{number}", f"a0@{THEIRS}", f"{rpps(BEN)}@{OURS}", f"marque-{number}-0")


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds until the last mail of a round was taken, and until it was where it belongs."""

    taken: float
    delivered: float


async def to_hub(post: Post, lines: Sequence[Sequence[Letter]]) -> Took:
    """One round to the hub; delivered: a person has read it in a room."""
    marks = [letter.mark for line in lines for letter in line]
    reading = asyncio.create_task(_read(post.bench.ben, marks))
    begin, end = await post.sender.send(post.operators.port, lines, post.each)
    return Took(end - begin, await reading - begin)


async def _read(ben: Human, marks: Iterable[str]) -> float:
    """When the last of these was read."""
    left = set(marks)
    async with asyncio.timeout(_PATIENCE):
        while left:
            await asyncio.sleep(0.005)
            while ben.seen:
                left.difference_update(_MARK.findall(ben.seen.pop().text or ""))
    return time.perf_counter()


async def to_postfix(post: Post, lines: Sequence[Sequence[Letter]]) -> Took:
    """The same to Postfix, for as many mailboxes; delivered: it lies there."""
    boxes = [post.operators.box(f"b{n}") for n in range(post.chats)]
    before, count = _lying(boxes), sum(map(len, lines))
    here = [[_readdressed(letter) for letter in line] for line in lines]
    arriving = asyncio.create_task(_when(lambda: _lying(boxes) >= before + count))
    begin, end = await post.sender.send(post.operators.postfix.port, here, post.each)
    return Took(end - begin, await arriving - begin)


def _readdressed(letter: Letter) -> Letter:
    to = "b" + letter.sender.removeprefix("a")
    return Letter(letter.id, letter.sender, to, letter.mark, letter.cites, html=letter.html)


def _lying(boxes: Iterable[Path]) -> int:
    return sum(len(list(box.iterdir())) for box in boxes if box.exists())


async def _when(true: Callable[[], bool], pause: float = 0.02) -> float:
    async with asyncio.timeout(_PATIENCE):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(pause)
    return time.perf_counter()


# ---- mails a second


async def throughput(w: World, post: Post, bare_rooms: Sequence[str], each: int, rounds: int) -> dict[str, float]:
    """In turns: Postfix, bare sends of an application service as large, the hub."""
    content = _content(post.bench.ben)
    count = post.chats * each
    theirs, ours, bare, spent = list[Took](), list[Took](), list[float](), list[float]()
    for _ in range(rounds):
        theirs.append(await to_postfix(post, post.round(each)))
        bare.append(await timed(_bare(w.bare, bare_rooms, each, content)))
        await post.bench.hub.quiet()
        before = post.bench.hub.cpu_ms()
        ours.append(await to_hub(post, post.round(each)))
        await post.bench.hub.quiet()
        spent.append((post.bench.hub.cpu_ms() - before) / count)
    return _rates(count, theirs, ours, bare) | {"hub_cpu_ms_per_mail": statistics.median(spent)}


async def bare_rooms(w: World, post: Post) -> list[str]:
    """As many rooms of the bare application service."""
    await gathered(w.bare.make(n) for n in range(post.chats))
    return [await w.bare.room(n, post.bench.ben) for n in range(post.chats)]


async def _bare(bare: Bare, found: Sequence[str], each: int, content: Json) -> None:
    """What the hub sends in a round, without the hub: a thread in every room."""

    async def writer(n: int, room: str) -> None:
        root = last = await bare.send(n, room, content)
        for _ in range(each - 1):
            fresh = {"ciphertext": secrets.token_hex(len(content["ciphertext"]) // 2)}
            relation = {"rel_type": "m.thread", "event_id": root, "m.in_reply_to": {"event_id": last}}
            last = await bare.send(n, room, content | fresh | {"m.relates_to": relation})

    await asyncio.gather(*(writer(n, room) for n, room in enumerate(found)))


def _content(ben: Human) -> Json:
    """What the hub sent last: bare sends are as large."""
    events = (e for _, e in reversed(ben.events) if e["type"] == "m.room.encrypted")
    return {key: value for key, value in next(events)["content"].items() if key != "m.relates_to"}


def _rates(count: int, theirs: Sequence[Took], ours: Sequence[Took], bare: Sequence[float]) -> dict[str, float]:
    def rate(seconds: Iterable[float]) -> float:
        return count / statistics.median(seconds)

    def ratio(above: Iterable[float], below: Iterable[float]) -> float:
        return statistics.median(a / b for a, b in zip(above, below, strict=True))

    return {
        "postfix_taken_per_s": rate(t.taken for t in theirs),
        "postfix_delivered_per_s": rate(t.delivered for t in theirs),
        "hub_taken_per_s": rate(t.taken for t in ours),
        "hub_delivered_per_s": rate(t.delivered for t in ours),
        "bare_sends_per_s": rate(bare),
        "taken_share_of_postfix": ratio((t.taken for t in theirs), (t.taken for t in ours)),
        "delivered_share_of_postfix": ratio((t.taken for t in theirs), (t.delivered for t in ours)),
        "delivered_share_of_postfix_delivered": ratio((t.delivered for t in theirs), (t.delivered for t in ours)),
        "bare_share_of_postfix": ratio((t.taken for t in theirs), bare),
        "delivered_share_of_bare": ratio(bare, (t.delivered for t in ours)),
    }


async def alone(post: Post, put: Put, each: int, rounds: int) -> dict[str, float]:
    """The hub beside a homeserver that costs next to nothing: what is left is the hub's own work."""
    count, theirs, ours, multiples = post.chats * each, list[Took](), list[Took](), list[float]()
    content = _content(post.bench.ben)
    for _ in range(rounds):
        theirs.append(await to_postfix(post, post.round(each)))
        one = await put.cpu_ms(content, _PUTS, post.lines)
        before = post.bench.hub.cpu_ms()
        ours.append(await to_hub(post, post.round(each)))
        await post.bench.hub.quiet()
        multiples.append((post.bench.hub.cpu_ms() - before) / count / one)
    shares = [a.taken / b.delivered for a, b in zip(theirs, ours, strict=True)]
    return {
        "alone_delivered_per_s": count / statistics.median(t.delivered for t in ours),
        "alone_share_of_postfix": statistics.median(shares),
        "alone_puts": statistics.median(multiples),
    }


# ---- seconds


async def latency(w: World, post: Post, count: int) -> dict[str, float]:
    """One at a time, in turns: a native message, a mail (with its connection and handshake), an answer to a mailbox.

    Chat is not gathered here (``gather.quiet`` is 0); as delivered, the hub waits 30 s for more before it makes a mail.
    """
    ben = post.bench.ben
    anna = await w.humans("anna")
    private = await anna.create_room(ben.mxid)
    await _when(lambda: private in joined(ben))
    await anna.say(private, "warm native")
    await ben.heard("warm native")
    room = next(room for room, n in post.rooms.items() if n == 0)
    times: dict[str, list[float]] = {"native": [], "mail_to_room": [], "room_to_mail": []}
    for n in range(count + 1):
        ben.seen.clear()
        times["native"].append(await timed(native_message(anna, ben, private, f"native {n}.")))
        times["mail_to_room"].append((await to_hub(post, [[post.one()]])).delivered)
        times["room_to_mail"].append(await _to_mailbox(post, room, f"réponse {n}"))
    found = {}
    for name, seconds in times.items():
        whole = sorted(seconds[1:])  # the first one makes sessions and connections
        prefix = name if name.startswith("mail") else f"mail_{name}"
        found[f"{prefix}_median_s"] = statistics.median(whole)
        found[f"{prefix}_p99_s"] = whole[math.ceil(len(whole) * 0.99) - 1]
    return found


async def _to_mailbox(post: Post, room: str, text: str) -> float:
    box = post.operators.box("a0")
    before = _lying([box])
    arriving = asyncio.create_task(_when(lambda: _lying([box]) > before, pause=0.002))
    begin = time.perf_counter()
    await post.bench.ben.say(room, text)
    return await arriving - begin


# ---- all


async def rooms(post: Post) -> None:
    """Everybody's first mails: rooms are made, keys are shared; Postfix makes its mailboxes."""
    ben = post.bench.ben
    lines = post.round(2)
    marks = {letter.mark: int(letter.sender[1:].partition("@")[0]) for line in lines for letter in line}
    await post.sender.send(post.operators.port, lines)
    async with asyncio.timeout(_PATIENCE):
        while marks:
            await asyncio.sleep(0.02)
            while ben.seen:
                seen = ben.seen.pop()
                for mark in _MARK.findall(seen.text or ""):
                    post.rooms[seen.room] = marks.pop(mark)
    await to_postfix(post, post.round(1))
    await post.bench.hub.quiet()


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """The figures. Raises RuntimeError where Postfix cannot be started (not root, or not there)."""
    chats, lines, each, count, times = (3, 2, 2, 1, 2) if quick else (20, 8, 15, 5, 60)
    found: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(operators(folder / "real"))
        sends = await stack.enter_async_context(sender(made))
        w = await stack.enter_async_context(real.world(folder / "world", 1, 0, made.section()))
        post = Post(w.bench, made, sends, chats, lines)
        await rooms(post)
        found |= await latency(w, post, times)
        others = await bare_rooms(w, post)
        for name, post.each in _WAYS.items():
            found |= _named(name, await throughput(w, post, others, each, count))
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(operators(folder / "stub"))
        sends = await stack.enter_async_context(sender(made))
        bench = await stack.enter_async_context(cost.world(folder / "alone", 1, mail=made.section()))
        post = Post(bench, made, sends, chats, lines)
        await rooms(post)
        setup = bench.hub.setup
        put = await stack.enter_async_context(putting(setup.homeserver, setup.as_token, setup.ghost(0)))
        await put.cpu_ms(_content(bench.ben), _PUTS, lines)  # warm
        for name, post.each in _WAYS.items():
            found |= _named(name, await alone(post, put, each, count))
    return found


def _named(prefix: str, figures: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in figures.items()}
