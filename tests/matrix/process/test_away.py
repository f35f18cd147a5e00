"""A worker that cannot work because the database is away waits; one that has a fault ends."""

from __future__ import annotations

import pytest

from appservice.process.service import is_away
from bridge.errors import Refused, Unavailable

AWAY = Unavailable("database")


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (AWAY, True),
        (ExceptionGroup("tasks", [AWAY, ExceptionGroup("more", [Unavailable("homeserver")])]), True),
        (ExceptionGroup("tasks", [AWAY, ValueError("a fault")]), False),
        (BaseExceptionGroup("tasks", [AWAY, KeyboardInterrupt()]), False),
        (Refused("never"), False),
    ],
)
def test_who_is_away_is_told_from_a_fault(error: BaseException, *, away: bool) -> None:
    assert is_away(error) == away
