"""Searches through the hub know with whom somebody has written, and by which account they ask."""

from __future__ import annotations

import pytest

from bridge.model import Address
from bridge.people.directories.flatfile import FlatFile
from tests.core.make import PEOPLE, person, running

CLEO = Address("pandalab", "cleo")
NAMESAKES = [person(f"2000000000{n}", "Léa Roux", f"siilo:lea{n}") for n in range(1, 6)]


async def test_those_with_whom_one_has_written_come_first(url: str) -> None:
    async with running(url, directory=FlatFile([*PEOPLE, *NAMESAKES])) as w:

        async def found(by: Address) -> str:
            return "".join(p.id[-1] for p in await w.hub.facts.find("lea roux", 9, by))

        assert await found(CLEO) == "12345"
        for number in (4, 2):
            await w.pandalab.write(f"m-{number}", f"chat-{number}", "cleo", "Bonjour", to=[f"siilo:lea{number}"])
        assert await found(CLEO) in ("24135", "42135")
        assert await found(Address("siilo", "lea4")) == "12345"
        assert await found(Address("pandalab", "")) == "12345"


@pytest.mark.parametrize("by", ["pandalab:nobody", "matrix:@eve:elsewhere.example", "pandalab:"])
async def test_whoever_is_nobody_may_ask_too(url: str, by: str) -> None:
    async with running(url) as w:
        [one] = await w.hub.facts.find("petit", 9, Address(*by.split(":", 1)))
        assert one.name == "Cléo Petit"
