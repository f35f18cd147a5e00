"""A list that is refused changes nothing, and the operator hears of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.networks.mail.trust.kept_list import Shelf
from tests.mail.trust.make import ANNA, ROWS, Place, at, certificate
from tests.mail.trust.test_trustfeed import trust


@pytest.mark.parametrize("bad", [b"", b"garbage", b"<html/>", b"x" * (33 * 1024 * 1024)], ids=len)
async def test_a_bad_list_changes_nothing_and_is_loud(
    tmp_path: Path, bad: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(tmp_path)
    place.publish(ROWS)
    live = trust(place)
    await live.refresh()
    place.list.write_bytes(bad)
    assert await live.refresh() is None
    assert live.trouble in ("not_xml", "not_a_list", "too_large")
    assert live.judge(certificate(ANNA).der).ok
    await live.refresh()
    alarms = [line for line in caplog.messages if line.startswith("ALARM the trust list of")]
    assert len(alarms) == 1  # not for each try
    assert f"is refused: {live.trouble}" in alarms[0]
    kept = Shelf(place.settings.state).trouble()
    assert kept is not None
    assert kept.code == live.trouble
    place.publish(ROWS, at(hours=-0.01))
    await live.refresh()
    assert Shelf(place.settings.state).trouble() is None
