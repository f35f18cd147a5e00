"""The list of servers changes while the hub runs; the same in another order is no change."""

from __future__ import annotations

from bridge.people.server_list import ServerList


def test_the_list_is_what_was_given_last() -> None:
    servers = ServerList(["a.example"])
    assert (servers.allows("a.example"), servers.allows("b.example")) == (True, False)
    assert servers.take(["b.example", "*.c.example"]) == "2 new, 1 gone"
    assert (servers.allows("a.example"), servers.allows("b.example"), servers.allows("x.c.example")) == (
        False,
        True,
        True,
    )
    assert servers.take(["*.c.example", "b.example"]) == ""
    assert servers.take([]) == "0 new, 2 gone"
    assert not servers.allows("b.example")
