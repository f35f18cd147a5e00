"""Every answer says how many requests are left; what is to end says so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from bridge.networks.connect.contract.operations import Ending, Operation
from bridge.parts.bucket import Bucket
from tests.connect.make import Json, message, running


def slow(section: Json) -> None:
    section["products"]["pandalab"] |= {"rate_per_second": 0.5, "burst": 6}


async def test_each_answer_says_what_is_left_and_429_when_to_go_on(tmp_path: Path) -> None:
    async with running(tmp_path, slow) as w:
        left = []
        for method, path, body in (
            ("GET", "/capabilities", None),
            ("PUT", "/users/cleo", {"rpps": "10000000003"}),
            ("GET", "/users/nobody", None),  # problems say it, too
            ("POST", "/messages", message("m-1") | {"unknown": 1}),
            ("POST", "/messages", message("m-1")),
        ):
            await w.call(method, path, body)
            assert w.headers["RateLimit-Limit"] == "6"
            left.append(int(w.headers["RateLimit-Remaining"]))
        assert left == sorted(left, reverse=True)
        assert left[-1] <= 2
        while (await w.call("GET", "/capabilities"))[0] != 429:
            pass
        assert w.headers["RateLimit-Remaining"] == "0"
        assert 1 <= int(w.headers["Retry-After"]) <= 2
        assert 10 <= int(w.headers["RateLimit-Reset"]) <= 12
        await w.call("GET", "/capabilities", token="wrong")
        assert "RateLimit-Limit" not in w.headers  # nobody's


def test_a_bucket_says_what_is_left() -> None:
    bucket = Bucket(2.0, 10)
    assert (bucket.burst, bucket.left) == (10, (10, 0.0))
    assert [bucket.take(100.0) for _ in range(10)] == [0.0] * 10
    assert bucket.left == (0, 5.0)
    assert bucket.take(100.0) == 0.5
    assert bucket.take(101.0) == 0.0
    assert bucket.left == (1, 4.5)


def test_what_is_to_end_says_since_when_and_until_when() -> None:
    ending = Ending(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert Operation("x", "GET", "/x", "", 200, deprecated=ending).ends == {
        "Deprecation": "@1767225600", "Sunset": "Fri, 01 Jan 2027 00:00:00 GMT",
    }  # fmt: skip
    assert Operation("x", "GET", "/x", "", 200).ends == {}
