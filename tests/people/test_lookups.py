"""Nobody reads the directory out by searching."""

from __future__ import annotations

import logging
from functools import cache
from itertools import product
from string import ascii_lowercase

import pytest

from bridge.errors import Refused
from bridge.model import Address
from bridge.parts.distinct import Distinct
from bridge.people.directories.flatfile import FlatFile
from bridge.people.lookups import Lookups, SearchLimits
from bridge.people.people import People
from bridge.served import Served
from tests.core.make import person

CLEO, DAN, NOBODY = Address("pandalab", "cleo"), Address("pandalab", "dan"), Address("pandalab", "")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@cache
def crowd() -> FlatFile:
    """A directory of 20,000, which no test changes."""
    names = map("".join, product(ascii_lowercase, repeat=3))
    return FlatFile([person(f"1{n:010}", f"Zoé {name}") for n, name in zip(range(20_000), names, strict=False)])


class Desk:
    """A directory of 20,000 and a clock that the test moves."""

    def __init__(self, limits: SearchLimits | None = None) -> None:
        self.clock = Clock()
        self.people = People(
            crowd(),
            lambda server: False,
            lambda mxid: None,
            Served(),
            Lookups(limits or SearchLimits(), self.clock),
        )

    async def read_out(self, by: Address, searches: int, pause: float, limit: int = 50) -> tuple[int, int, str]:
        """Search for one beginning after the other: how many answers, how many people they show, what ended it."""
        seen: set[str] = set()
        for n in range(searches):
            self.clock.now += pause
            letters = f"{ascii_lowercase[n // 26 % 26]}{ascii_lowercase[n % 26]}"
            try:
                seen |= {p.id for p in await self.people.search(f"zoe {letters}", limit, by)}
            except Refused as refused:
                return n, len(seen), refused.code
        return searches, len(seen), ""


@pytest.mark.parametrize(
    ("pause", "limit", "most", "code"),
    [(0.0, 5, 60, "searched_too_fast"), (0.5, 5, 80, "searched_too_fast"), (2.0, 50, 40, "searched_enough")],
)
async def test_ten_thousand_searches_of_one_user_are_stopped_early(
    pause: float, limit: int, most: int, code: str
) -> None:
    searches, people, ended = await Desk().read_out(CLEO, 10_000, pause, limit)
    assert ended == code
    assert searches <= most
    assert people <= 1_100


async def test_others_go_on_and_so_does_the_next_day() -> None:
    desk = Desk()
    assert (await desk.read_out(CLEO, 1_000, 2.0))[2] == "searched_enough"
    assert (await desk.read_out(DAN, 10, 2.0))[2] == ""
    desk.clock.now += 86_400
    assert (await desk.read_out(CLEO, 10, 2.0))[2] == ""


async def test_a_product_has_a_share_too_whatever_it_says_of_its_users() -> None:
    desk = Desk(SearchLimits(network_people=2_000))
    _, people, ended = await desk.read_out(NOBODY, 1_000, 2.0)
    assert people == pytest.approx(2_000, rel=0.05)
    assert ended == "searched_enough"
    for invented in ("x1", "x2", "x3"):
        assert (await desk.read_out(Address("pandalab", invented), 5, 2.0))[:2] == (0, 0)
    assert (await desk.read_out(Address("siilo", "dan"), 5, 2.0))[2] == ""


async def test_the_same_people_again_count_once_and_an_answer_is_short() -> None:
    desk = Desk()
    for _ in range(500):
        desk.clock.now += 2
        assert len(await desk.people.search("zoe", 1_000, CLEO)) == 50


async def test_the_log_has_the_number_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await Desk().people.search("zoe abc", 10, CLEO)
    assert caplog.messages == ["search by pandalab:cleo: 1 found"]


@pytest.mark.parametrize("names", [1, 10, 300, 1_000, 1_500])
def test_different_names_are_counted_nearly(names: int) -> None:
    seen = Distinct(1_000)
    for n in range(names):
        seen.add(f"rpps:{n:011}")
        seen.add(f"rpps:{n:011}")
    assert len(seen) == pytest.approx(names, rel=0.05, abs=1)


def test_a_count_that_is_full_stays_full() -> None:
    seen = Distinct(8)
    for n in range(10_000):
        seen.add(str(n))
    assert not seen.add("again")
    assert len(seen) > 8
