"""Another server has taken the database over: is it the same place, whole, or an older copy?"""

from __future__ import annotations

import pytest

from appservice.process.restored.primaries import _LONG, _Seen, _whole

BEFORE = _Seen("7001/1/16384/16390", True, 0.0)


@pytest.mark.parametrize(
    ("place", "twice", "at", "whole"),
    [
        ("7001/2/16384/16390", True, 12.0, True),  # a replica that every commit has waited for
        ("7001/4/16384/16390", True, 12.0, True),
        ("7001/2/16384/16390", False, 12.0, False),  # now nobody waits: who knows since when
        ("7001/2/16384/16390", True, _LONG, False),  # there was time to put a copy back
        ("7002/2/16384/16390", True, 12.0, False),  # another server
        ("7001/2/16384/17000", True, 12.0, False),  # other tables: a dump was put back
    ],
)
def test_what_has_all_that_was_acknowledged(place: str, *, twice: bool, at: float, whole: bool) -> None:
    assert _whole(BEFORE, _Seen(place, twice, at)) == whole
    assert not _whole(_Seen(BEFORE.place, False, 0.0), _Seen(place, twice, at))
