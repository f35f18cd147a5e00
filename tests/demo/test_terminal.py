"""A story is well told only if every step of it was seen."""

import asyncio
import io

import pytest

from deploy.demo.story import Details, NotSeen, Step, tell
from deploy.demo.terminal import Teller


async def seen() -> Details:
    return ["bonjour"]


async def not_seen() -> Details:
    raise NotSeen("two of them")


async def never() -> Details:
    await asyncio.sleep(60)
    return []


async def test_all_seen() -> None:
    out = io.StringIO()
    assert await tell([Step("un", "one", 1, seen), Step("deux", "two", 1, seen)], Teller(out))
    assert " 1/2  un — one\n" in out.getvalue()
    assert "bonjour" in out.getvalue()
    assert "2/2 étapes" in out.getvalue()


@pytest.mark.parametrize(("act", "why"), [(not_seen, "NotSeen: two of them"), (never, "TimeoutError")])
async def test_it_ends_at_the_first_step_that_is_not_seen(act: object, why: str) -> None:
    out = io.StringIO()
    steps = [Step("un", "one", 1, seen), Step("deux", "two", 0.1, act), Step("trois", "three", 1, seen)]  # type: ignore[arg-type]
    assert not await tell(steps, Teller(out))
    assert why in out.getvalue()
    assert " 3/3  " not in out.getvalue()
    assert "1/3 étapes" in out.getvalue()
