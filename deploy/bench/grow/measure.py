"""What messages cost a hub as it is now, beside a small hub which takes turns with it.

So the machine's moods cancel out. Processor time is also given in bare PUTs, see :mod:`deploy.bench.put`.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from deploy.bench.cost import TEXT
from deploy.bench.grow.world import Chat, Grown
from deploy.bench.put import Put

_IDLE = 4.0  # s in which a hub that has nothing to do is watched
AFTER = 0.8  # s that belong to messages: reports, echoes, some of the audit trail
_PAUSE = 0.004  # s between two messages whose latency is looked at


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured at each size: messages of a round, rounds, messages one by one.

    ``after``: s after the messages of a round that are measured with them.
    """

    messages: int = 320
    rounds: int = 5
    alone: int = 200
    after: float = AFTER


@dataclass(frozen=True, slots=True)
class Point:
    """A hub of one size. ``puts``: processor time for a message, in PUTs; ``share``: of the small hub's.

    ``small_p99_ms`` is the small hub's latency in the same minute. ``start_cpu_s``: processor time until ``/ready``.
    ``beside``: the share of a core that is used after the start without any message.
    """

    size: int
    puts_to_matrix: float
    puts_to_product: float
    share_to_matrix: float
    share_to_product: float
    put_ms: float
    median_ms: float
    p99_ms: float
    small_p99_ms: float
    memory_mib: float
    database_mib: float
    ready_s: float
    start_cpu_s: float
    beside: float

    def json(self) -> dict[str, Any]:
        """As it is written down."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


async def point(one: Grown, small: Grown, put: Put, database: int, effort: Effort, size: int) -> Point:
    """Measure the hub, which has just been started; ``database``: its bytes."""
    beside = await _beside(one)
    content = next(e["content"] for _, e in reversed(one.ben.events) if e["type"] == "m.room.encrypted")
    puts, ways = list[float](), dict[tuple[str, bool], list[float]]()
    hubs = ((True, one), (False, small))
    for _, each in hubs:
        await warm(each)
    for _ in range(effort.rounds):
        puts.append(await put.cpu_ms(content, effort.messages, len(one.chats)))
        for name, way in (("matrix", to_matrix), ("product", to_product)):
            for is_large, each in hubs:
                ways.setdefault((name, is_large), []).append(await way(each, each.chats, effort.messages, effort.after))
    alone: tuple[list[float], list[float]] = ([], [])
    for n in range(effort.alone):
        alone[0].append(await _alone(one, n))
        alone[1].append(await _alone(small, n))

    def of(name: str, others: Sequence[float]) -> float:
        return statistics.median(a / b for a, b in zip(ways[name, True], others, strict=True))

    return Point(
        size, of("matrix", puts), of("product", puts), of("matrix", ways["matrix", False]),
        of("product", ways["product", False]), statistics.median(puts), statistics.median(alone[0]), _p99(alone[0]),
        _p99(alone[1]), one.running.rss_kib() / 1024, database / 2**20, one.ready_s, one.start_cpu_s, beside,
    )  # fmt: skip


def _p99(took: Sequence[float]) -> float:
    return statistics.quantiles(took, n=100)[98]


async def warm(one: Grown) -> None:
    """A message each way in every conversation in use."""
    await to_matrix(one, one.chats, len(one.chats))
    await to_product(one, one.chats, len(one.chats))


async def _beside(one: Grown) -> float:
    await asyncio.sleep(3.0)
    before = one.running.cpu_ms()
    await asyncio.sleep(_IDLE)
    return (one.running.cpu_ms() - before) / (_IDLE * 1000)


async def to_matrix(one: Grown, chats: Sequence[Chat], count: int, after: float = AFTER) -> float:
    """Milliseconds of the hub's processor for a message of a product, whatever comes of it included."""
    before, each = one.running.cpu_ms(), count // len(chats)

    async def writer(chat: Chat) -> None:
        sent = [await chat.product.write(chat.user, chat.name, f"{TEXT}{k}") for k in range(each)]
        await chat.product.delivered(sent)

    await asyncio.gather(*(writer(chat) for chat in chats))
    await asyncio.sleep(after)
    return (one.running.cpu_ms() - before) / (each * len(chats))


async def to_product(one: Grown, chats: Sequence[Chat], count: int, after: float = AFTER) -> float:
    """The same for a message that is said in an encrypted room."""
    before, each, begun = one.running.cpu_ms(), count // len(chats), time.monotonic()

    async def talker(n: int, chat: Chat) -> None:
        said = [f"{TEXT}{n}/{k}/{begun}" for k in range(each)]
        for text in said:
            await one.ben.say(chat.room, text)
        await chat.product.until(lambda: all(text in chat.product.arrived for text in said))

    await asyncio.gather(*(talker(n, chat) for n, chat in enumerate(chats)))
    await asyncio.sleep(after)
    return (one.running.cpu_ms() - before) / (each * len(chats))


async def _alone(one: Grown, n: int) -> float:
    """Milliseconds from the human's call to the product's webhook, when nothing else is under way."""
    chat, begun = one.chats[n % len(one.chats)], time.perf_counter()
    text = f"alone {n} {begun}"
    await one.ben.say(chat.room, text)
    await chat.product.until(lambda: text in chat.product.arrived)
    await asyncio.sleep(_PAUSE)
    return (chat.product.arrived[text] - begun) * 1000
