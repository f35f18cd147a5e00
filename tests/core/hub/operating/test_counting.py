"""Times fall into classes, each up to and with its bound."""

from __future__ import annotations

from bridge.hub.handing.counting import BOUNDS, Counters, Times


def test_classes() -> None:
    times = Times()
    for seconds in (0.0, 0.1, 0.11, 3600.0, 3601.0, -5.0):
        times.add(seconds)
    assert times.classes[:2] == [3, 1]
    assert times.classes[-2:] == [1, 1]
    assert len(times.classes) == len(BOUNDS) + 1
    assert times.total == 0.1 + 0.11 + 3600.0 + 3601.0


def test_a_sent_one_counts_for_its_network() -> None:
    counts = Counters()
    counts.sent("siilo", 0.2)
    counts.sent("siilo", 0.2)
    counts.sent("mail", 90.0)
    assert counts.handed == {("siilo", "sent"): 2, ("mail", "sent"): 1}
    assert {name: sum(times.classes) for name, times in counts.times.items()} == {"siilo": 2, "mail": 1}
