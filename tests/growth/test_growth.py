"""What is done for a message, a receipt or a start costs the same in a hub that is ten times as large."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from deploy.world.postgres import Postgres
from tests.growth.large import BEN, CLEO, DAN, EVE, FAY, LANE, ROOM, conversation, core, delivery, mail, message
from tests.growth.measure import Filled, InPostgres, InSqlite, grew

SIZES = {"sqlite": (500, 10_000), "postgresql": (1_000, 10_000)}

Case = tuple[str, Callable[[int], tuple[Any, ...]], int]
"""A statement, its parameters in a hub of this size, and how many rows it gives or changes (-1: gives none)."""

CASES: dict[str, Case] = {
    "a receipt of somebody who reads everything": ("store.unread", lambda n: (message(n), BEN, "matrix", 0), 2),
    "a receipt repeated": ("store.unread", lambda n: (message(n - 2), BEN, "matrix", 0), 0),
    "a receipt of somebody who never read before": ("store.unread", lambda n: (message(n), DAN, "matrix", 0), 100),
    "a receipt of somebody with old unread ones elsewhere": (
        "store.unread",
        lambda n: (message(n + 7), DAN, "matrix", 0),
        1,
    ),
    "a receipt of somebody who joined late": ("store.unread", lambda n: (message(n), EVE, "matrix", 0), 0),
    "what is read by it": ("store.read", lambda n: (f'["{message(n - 3)}", "{message(n)}"]', BEN, 5, "matrix"), 1),
    "the mark of a receipt": ("store.has_read", lambda n: (ROOM, BEN, "matrix", n), -1),
    "a first mark": ("store.begin_reading", lambda n: (ROOM, CLEO, "matrix"), -1),
    "somebody joins for whom nothing waits": ("store.kept", lambda n: ("matrix", ROOM, DAN), 0),
    "somebody joins for whom something waits": ("store.kept", lambda n: ("matrix", ROOM, FAY), 5),
    "what arrives with them": (
        "store.arrived",
        lambda n: (f'["{message(n)}"]', "matrix", FAY, 5, "delivered", None),
        1,
    ),
    "the next reports of a backlog": ("store.reports", lambda n: ("pandalab", 10, 100), 100),
    "when the next report is due": ("store.next_report", lambda n: ("pandalab",), 1),
    "the next of a long lane": ("store.lane", lambda n: (LANE, "siilo", 20), 20),
    "a lane in which all is held": ("store.lane", lambda n: (LANE, "medipeps", 20), 0),
    "lanes at start": ("store.lanes_of", lambda n: ("siilo", 0, 100), 100),
    "held ones at start": ("store.held", lambda n: (0, 100), 100),
    "what becomes late": ("store.older", lambda n: ("siilo", 0, n, 1, 100), 100),
    "what is given up": ("store.older", lambda n: ("siilo", 1, n, 0, 100), 100),
    "lanes that are due again": ("store.again", lambda n: ("siilo", 5, 100), 5),
    "when the next lane is due again": ("store.next_again", lambda n: ("siilo", 5), 1),
    "a lane that cannot be read": ("store.postpone", lambda n: (LANE, "siilo", 9), -1),
    "the lateness of a message": ("store.late", lambda n: (message(n), "matrix"), 0),
    "a conversation of nobody yet": ("store.among", lambda n: ("nobody", "mail", "x@y"), 0),
    "the place of a new message": (
        "store.add_message",
        lambda n: ("new", ROOM, "pandalab", "new", "chat", CLEO, "cleo", "text", 1, 1),
        -1,
    ),
    "the new place of a message that was held": ("store.place", lambda n: (message(n),), -1),
    "conversations of an earlier version": ("store.without_audience", lambda n: (10,), 0),
    "who waits for an echo": ("store.held_among", lambda n: (f'["{message(n)}", "{message(n // 2)}"]',), 2),
    "something waits in a chat": ("store.on_its_way", lambda n: ("siilo", f"siilo-{LANE}"), 1),
    "files of a message that is over": ("store.end_files", lambda n: (message(n),), -1),
    "the end of a delivery": ("store.end_delivery", lambda n: (delivery(n),), -1),
    "what is left behind by nobody": ("store.chats_at", lambda n: ("nobody", "siilo", "nobody"), 0),
    "somebody leaves a conversation": (
        "store.withdraw",
        lambda n: (BEN, conversation(n + 1), "siilo", 5, "x"),
        0,
    ),
    "what comes back to a mail": ("mail.out_of_mid", lambda n: (f"mid{n}",), 1),
    "a mail's place": ("mail.refs", lambda n: (f'["mailed-{n // 2}", "nowhere"]',), 1),
    "what the next mail of a long thread cites": ("mail.chain", lambda n: ("chat", "mailed", 20), 21),
    "what the first mail of a long talk cites": ("mail.chain", lambda n: ("chat", "said", 20), 0),
    "the last mail of a long thread": ("mail.last_mail", lambda n: ("chat", "mailed"), 1),
    "the last mail of a long talk": ("mail.last_mail", lambda n: ("chat", "said"), 0),
    "the last number of a thread": ("mail.last_n", lambda n: (), 1),
    "the last number of a mail": ("mail.last_out", lambda n: (), 1),
    "mails that came and wait": ("mail.waiting", lambda n: (0, 100), 100),
    "threads that gather": ("mail.gathering", lambda n: ("", "", 100), 100),
    "the next domain": ("mail.domain_after", lambda n: ("d9",), 1),
    "the next mails of a domain": ("mail.due", lambda n: ("one.example", n + 1, 3, 3), 100),
    "the end of a domain's mails": ("mail.due", lambda n: ("one.example", n + 1, n, n), 0),
    "who waits for a mail": ("mail.waits_for", lambda n: (f"o{n - 1}", "one.example", n + 1), 1),
    "when the next mail is due": ("mail.next", lambda n: ("one.example",), 1),
    "outcomes that nobody knows": ("mail.untold", lambda n: (), 3),
    "the end of a mail": ("mail.end_out", lambda n: (f"o{3 * n - 1}",), -1),
    "what waited only for them": ("store.end_withdrawn", lambda n: (conversation(n + 1), "siilo"), 1),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> Postgres | None:
    """PostgreSQL, None for SQLite; asked for outside of any thread, as it ends with the thread that began it."""
    return request.getfixturevalue("postgres") if request.param == "postgresql" else None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two_sizes(server: Postgres | None) -> AsyncIterator[list[tuple[int, Filled]]]:
    pair: list[tuple[int, Filled]] = []
    for size in SIZES["sqlite" if server is None else "postgresql"]:
        db: Filled = InSqlite() if server is None else await InPostgres.open(await server.create_database())
        pair.append((size, db))
        await db.fill(core(size) | mail(size))
    yield pair
    for _, db in pair:
        await db.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES)
async def test_nothing_costs_more_in_a_larger_hub(two_sizes: list[tuple[int, Filled]], case: str) -> None:
    name, args, rows = CASES[case]
    small, large = [await db.cost(name, *args(size)) for size, db in two_sizes]
    assert not grew(small, large), (small, large)
    assert rows < 0 or large[1] == rows
