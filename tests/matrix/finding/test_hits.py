"""One answer of two: whom a client's search shows, in which order, in which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appservice.finding.hits import Hit, Hits, limit_of, merge, told
from bridge.model import Address, Person

ANNA, CLEO = "@rpps_10000000001:chu.example", "@rpps_10000000003:chu.example"


def person(name: str, *networks: str) -> Person:
    """Somebody of the directory."""
    addresses = tuple(Address(network, name) for network in networks)
    return Person(f"rpps:{name}", name, "Médecin", "Lyon", addresses)


def test_who_is_struck_off_is_said_to_practise_no_more() -> None:
    gone = replace(person("Anna", "pandalab"), active=False)
    assert told(gone).startswith("Anna (inactif")
    assert told(gone).endswith(" — Médecin (Lyon) · n'exerce plus")


def home(*users: str, limited: bool = False) -> dict[str, Any]:
    """What the homeserver found."""
    results = [{"user_id": user, "display_name": user[1:], "avatar_url": f"mxc://{user[1:]}"} for user in users]
    return {"results": results, "limited": limited}


def users(answer: dict[str, Any]) -> list[str]:
    """Who is in an answer, in order."""
    return [one["user_id"] for one in answer["results"]]


@pytest.mark.parametrize(
    ("networks", "says"),
    [
        (("pandalab",), "application"),
        (("matrix",), "application"),
        (("mail",), "messagerie sécurisée"),
        (("mail", "siilo", "matrix"), "application, messagerie sécurisée"),
        ((), "pas encore joignable"),
    ],
)
def test_it_is_said_before_by_which_ways_somebody_is_reached(networks: tuple[str, ...], says: str) -> None:
    assert told(person("Anna", *networks)) == f"Anna — Médecin (Lyon) · {says}"


@pytest.mark.parametrize(
    ("own", "found", "limit", "shown", "limited"),
    [
        ((), (), 10, [], False),
        (("@a",), (), 10, ["@a"], False),
        ((), ("@x", "@y"), 10, ["@x", "@y"], False),
        (("@a",), ("@x",), 10, ["@a", "@x"], False),
        (("@a", "@b", "@c"), ("@x", "@y", "@z"), 4, ["@a", "@b", "@x", "@y"], True),
        (("@a", "@b", "@c"), ("@x",), 4, ["@a", "@b", "@c", "@x"], False),
        (("@a", "@b", "@c"), ("@x",), 3, ["@a", "@b", "@x"], True),
        (("@a",), ("@x", "@y", "@z"), 3, ["@a", "@x", "@y"], True),
        (("@a",), ("@x",), 1, ["@a"], True),
        (("@a",), ("@x",), 0, [], True),
    ],
)
def test_colleagues_of_the_house_come_first_and_leave_half_of_the_room(
    own: tuple[str, ...], found: tuple[str, ...], limit: int, shown: list[str], limited: bool
) -> None:
    answer = merge(home(*own), Hits([Hit(person(user, "mail"), user) for user in found]), limit)
    assert (users(answer), answer["limited"]) == (shown, limited)


def test_somebody_in_both_is_shown_once_in_the_directorys_words_with_their_own_picture() -> None:
    answer = merge(home("@ben", "@cleo"), Hits([Hit(person("Ben Durand", "matrix"), "@ben")]), 10)
    assert users(answer) == ["@cleo", "@ben"]
    assert answer["results"][1]["display_name"] == "Ben Durand — Médecin (Lyon) · application"
    assert answer["results"][1]["avatar_url"] == "mxc://ben"


def test_nobody_hidden_is_shown_and_what_the_homeserver_left_out_is_said() -> None:
    found = Hits([Hit(person("X", "mail"), "@x")], hidden=frozenset({"@me", "@ghost"}))
    answer = merge(home("@me", "@ghost", "@ok", limited=True), found, 10)
    assert (users(answer), answer["limited"]) == (["@ok", "@x"], True)


@pytest.mark.parametrize("odd", [{}, {"results": None}, {"results": [None, {}, {"user_id": 3}]}])
def test_an_odd_answer_of_the_homeserver_is_no_hindrance(odd: dict[str, Any]) -> None:
    assert users(merge(odd, Hits([Hit(person("X", "mail"), "@x")]), 10)) == ["@x"]


@pytest.mark.parametrize(
    ("asked", "limit"), [({}, 10), ({"limit": 3}, 3), ({"limit": 900}, 50), ({"limit": -1}, 0), ({"limit": "x"}, 10)]
)
def test_the_limit_is_the_homeservers(asked: dict[str, Any], limit: int) -> None:
    assert limit_of(asked) == limit
