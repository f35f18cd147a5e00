"""Work that must not end begins again, and says so."""

from __future__ import annotations

import asyncio

import pytest

from bridge.parts import endless as part
from bridge.parts.endless import endless


async def test_what_fails_or_returns_begins_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(part, "_FIRST", 0.001)
    monkeypatch.setattr(part, "_LONGEST", 0.002)
    begun, enough = list[int](), asyncio.Event()

    async def work() -> None:
        begun.append(len(begun))
        if len(begun) > 5:
            enough.set()
            await asyncio.Event().wait()
        if len(begun) % 2:
            raise KeyError("user_id")

    task = asyncio.create_task(endless("heartbeat", work))
    async with asyncio.timeout(60):
        await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert caplog.text.count("heartbeat: failed unexpectedly and begins again: KeyError at test_endless.py") == 3
    assert "user_id" not in caplog.text
