"""Times that others name."""

from __future__ import annotations

import pytest

from bridge.networks.connect.fields import time_text
from bridge.networks.mail.letters.writing import date_value
from bridge.parts.moments import AHEAD, credible, written

NOW = 1_800_000_000_000


@pytest.mark.parametrize("at", [0, NOW - 1, NOW, NOW + AHEAD])
def test_what_can_be_is_believed(at: int) -> None:
    assert credible(at, NOW) == at


@pytest.mark.parametrize("at", [-1, NOW + AHEAD + 1, 2**53 - 1, 253_402_300_800_000, None, "x", True, 1.5, [], {}])
def test_what_cannot_be_is_now(at: object) -> None:
    assert credible(at, NOW) == NOW


def test_what_is_too_old_for_its_network_is_now() -> None:
    assert credible(0, NOW, NOW - 1000) == NOW
    assert credible(NOW - 1000, NOW, NOW - 1000) == NOW - 1000


@pytest.mark.parametrize("at", [-(2**63), -1, 0, NOW, 253_402_300_799_999, 253_402_300_800_000, 2**53 - 1, 2**63])
def test_no_time_fails_to_be_written(at: int) -> None:
    assert 0 <= written(at) <= 253_402_300_799_999
    assert time_text(at)[4] == "-"
    assert date_value(at).endswith("+0000")
