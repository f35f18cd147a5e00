"""The last good list stays, an older or forged one is refused aloud, one that has ended opens nothing."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest
from aiohttp import web

from bridge.people.federation.federation import Federation
from bridge.people.federation.fetching import ListAddress, from_file
from bridge.people.federation.participants import Capacity, UnusableList
from bridge.people.server_list import ServerList
from deploy.world.ports import free_port
from tests.connect.make import serve
from tests.people.federation.make import DAY, KEY, NOW, OTHER, Used, listed, participant, signed


@pytest.fixture
def used(tmp_path: Path) -> Used:
    return Used(tmp_path)


async def test_a_list_is_used_and_outlives_a_restart(used: Used) -> None:
    assert not used.has("chu.example")
    assert await used.offer(signed(listed(1, participant("chu.example"), participant("mss.example", Capacity.MAIL))))
    assert (used.has("chu.example"), used.has("mss.example"), used.has("mss.example", Capacity.MAIL)) == (
        True,
        False,
        True,
    )
    assert not await used.offer(None)
    assert not await used.offer(
        signed(listed(1, participant("chu.example"), participant("mss.example", Capacity.MAIL)))
    )
    used.again()
    assert used.has("chu.example")
    assert (used.folder / "state/federation.jws").stat().st_mode & 0o77 == 0
    assert await used.offer(signed(listed(2, participant("new.example"))))
    assert (used.has("chu.example"), used.has("new.example")) == (False, True)
    assert not await used.offer(signed(listed(3, participant("new.example"))))  # nothing is different but its number


@pytest.mark.parametrize(
    ("offered", "says"),
    [
        (signed(listed(4, participant("evil.example"))), "4 is older than 5"),
        (signed(listed(5, participant("evil.example"))), "another list has the number 5"),
        (signed(listed(6, participant("evil.example")), OTHER), "not signed by a key that is pinned"),
        (signed(listed(6, participant("evil.example"), issued=NOW - 40 * DAY)), "it has ended"),
        (signed(listed(6, participant("evil.example"), issued=NOW + DAY)), "from the future"),
        (b"<html>404</html>", "signature is not right"),
    ],
    ids=["older", "same number", "other key", "ended", "future", "html"],
)
async def test_what_is_refused_changes_nothing_and_is_loud(
    used: Used, offered: bytes, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await used.offer(signed(listed(5, participant("chu.example"))))
    for _ in range(2):
        caplog.clear()
        assert not await used.offer(offered)
        [alarm] = [one.message for one in caplog.records if one.levelno >= logging.ERROR]
        assert "ALARM trust.federation" in alarm
        assert says in alarm
        assert (used.has("chu.example"), used.has("evil.example")) == (True, False)
    caplog.clear()
    assert not await used.offer(None)  # the address says "as before": that is what was refused
    assert says in caplog.text
    used.again()
    assert (used.has("chu.example"), used.has("evil.example")) == (True, False)
    with pytest.raises(UnusableList, match=says):
        await used.federation.take(offered)


async def test_an_older_one_is_refused_after_a_restart_and_after_its_end(used: Used) -> None:
    old, new = listed(1, participant("gone.example")), listed(2, participant("chu.example"), days=3)
    assert await used.offer(signed(old))
    assert await used.offer(signed(new))
    used.again()
    assert not await used.offer(signed(old))
    used.clock.now += 4 * DAY
    used.again()
    assert (await used.offer(signed(old)), used.has("gone.example")) == (True, False)  # the end of the new one is news
    assert not await used.offer(None)


async def test_its_end_is_told_before_and_opens_nothing(used: Used, caplog: pytest.LogCaptureFixture) -> None:
    await used.offer(signed(listed(1, participant("chu.example"))))
    assert "ALARM" not in caplog.text
    used.clock.now += 24 * DAY
    assert not await used.offer(None)
    assert "list 1 ends in 144 h" in caplog.text
    used.clock.now += 6 * DAY
    assert not used.has("chu.example")  # at once, not at the next look
    assert await used.offer(None)
    assert "has ended: nobody of it takes part" in caplog.text
    assert not await used.offer(None)  # told to the rooms once
    assert used.federation.answer("chu.example", Capacity.MATRIX).why == "list 1 of ANS has ended"
    assert await used.offer(signed(listed(2, participant("chu.example"), issued=used.clock.now)))
    assert used.has("chu.example")


async def test_a_kept_list_that_was_changed_is_not_used(used: Used, caplog: pytest.LogCaptureFixture) -> None:
    await used.offer(signed(listed(1, participant("chu.example"))))
    (used.folder / "state/federation.jws").write_bytes(signed(listed(9, participant("evil.example")), OTHER))
    used.again()
    assert "ALARM" in caplog.text
    assert (used.has("chu.example"), used.has("evil.example")) == (False, False)
    assert await used.offer(signed(listed(1, participant("chu.example"))))


async def test_a_disk_that_is_full_changes_nothing(used: Used, caplog: pytest.LogCaptureFixture) -> None:
    await used.offer(signed(listed(1, participant("chu.example"))))
    (used.folder / "state" / f".federation.jws.{os.getpid()}.new").mkdir()
    assert not await used.offer(signed(listed(2, participant("new.example"))))
    assert "ALARM trust.federation" in caplog.text
    assert (used.has("chu.example"), used.has("new.example")) == (True, False)


async def test_why(used: Used) -> None:
    servers = ServerList(["lyon.example"], used.federation)
    assert servers.why("lyon.example").why == "lyon.example is named by trust.matrix_servers"
    assert servers.why("chu.example").why == "there is no list of the federation yet"
    await used.offer(b"x")
    assert "signature" in servers.why("chu.example").why
    await used.offer(
        signed(listed(1, participant("*.chu.example"), participant("mss.example", Capacity.MAIL, Capacity.PRODUCT)))
    )
    found = {name: servers.why(name) for name in ("a.chu.example", "mss.example", "evil.example")}
    assert {name: (answer.yes, servers.allows(name)) for name, answer in found.items()} == {
        "a.chu.example": (True, True), "mss.example": (False, False), "evil.example": (False, False),
    }  # fmt: skip
    assert found["a.chu.example"].why == "list 1 of ANS: *.chu.example takes part as matrix by CHU de Lyon"
    assert found["mss.example"].why == "list 1 of ANS: mss.example takes part as mail and product only"
    assert found["evil.example"].why == "list 1 of ANS: evil.example is not there"
    assert "no list of a federation" in ServerList([]).why("chu.example").why


async def test_a_large_list_is_looked_up_by_name(used: Used) -> None:
    many = [participant(f"server{n}.region{n % 13}.example") for n in range(20_000)]
    assert await used.offer(signed(listed(1, *many, participant("*.paris.example"))))
    assert all(used.has(name) for name in ("server19999.region5.example", "a.b.paris.example"))
    assert not used.has("server20000.region6.example")


# ---- where it comes from


async def test_an_address_gives_the_list_once(tmp_path: Path) -> None:
    made, asked = signed(listed(1, participant("chu.example"))), list[str | None]()
    status = 200

    async def give(request: web.Request) -> web.Response:
        asked.append(request.headers.get("If-None-Match"))
        if asked[-1] == '"one"':
            return web.Response(status=304)
        return web.Response(status=status, body=made, headers={"ETag": '"one"'})

    app, port = web.Application(), free_port()
    app.router.add_get("/list", give)
    runner = await serve(app, port)
    try:
        address = ListAddress(f"http://127.0.0.1:{port}/list")
        assert (await address.fetch(), await address.fetch()) == (made, None)
        assert asked == [None, '"one"']
        for status in (301, 404, 500):
            with pytest.raises(UnusableList, match=str(status)):
                await ListAddress(f"http://127.0.0.1:{port}/list").fetch()
    finally:
        await runner.cleanup()
    with pytest.raises(OSError, match="cannot be read"):
        await address.fetch()


async def test_what_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.people.federation.fetching.MOST_BYTES", 1000)

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 500)
            await asyncio.sleep(0)

    app, port = web.Application(), free_port()
    app.router.add_get("/list", flood)
    runner = await serve(app, port)
    try:
        with pytest.raises(UnusableList, match="larger than 1000"):
            await ListAddress(f"http://127.0.0.1:{port}/list").fetch()
    finally:
        await runner.cleanup()


async def test_a_file_gives_it(used: Used, tmp_path: Path) -> None:
    path = tmp_path / "list.jws"

    async def fetch() -> bytes | None:
        return await from_file(path)

    assert not await used.federation.renew(fetch)
    path.write_bytes(signed(listed(1, participant("chu.example"))))
    assert await used.federation.renew(fetch)
    assert used.has("chu.example")


def test_a_state_that_cannot_be_read_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with pytest.raises(OSError, match="directory"):
        Federation([KEY.public_key()], tmp_path / "state", lambda: NOW).load()
