"""Whom somebody lets write first: every source of a choice, and who decides where two say different things."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from liaison_policy.contact import (
    CONTACT,
    IGNORED,
    MSC4155,
    PERMISSION,
    Default,
    Verdict,
    Who,
    decide,
    read,
    refused_users,
)

ADA, GHOST = "@ada:away.example", "@rpps_10000000001:home.example"
WHO = Who(frozenset({ADA, GHOST}), frozenset({"away.example", "mss-a.test"}), frozenset({"profession:médecin"}))
OTHER = Who(frozenset({"@eve:x.org"}), frozenset({"x.org"}))
MONDAY = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)  # 10:00 in Paris
YES, NO, LATER, KNOWN = Verdict.ALLOWED, Verdict.BLOCKED, Verdict.NOT_NOW, Verdict.IF_KNOWN


def contact(**content: Any) -> dict[str, Any]:
    return {CONTACT: content}


def lists(**content: Any) -> dict[str, Any]:
    return {MSC4155: content}


OFFICE = {"days": [1, 2, 3, 4, 5], "from": "08:00", "until": "19:00"}
NIGHT = {"days": [1], "from": "20:00", "until": "06:00"}

TABLE: list[tuple[str, dict[str, Any], Verdict]] = [
    ("nothing chosen", {}, YES),
    ("MSC4380 blocks", {PERMISSION: {"default_action": "block"}}, NO),
    ("MSC4380 allows", {PERMISSION: {"default_action": "allow"}}, YES),
    ("MSC4380 with a word of tomorrow", {PERMISSION: {"default_action": "maybe"}}, YES),
    ("ours goes before MSC4380", {PERMISSION: {"default_action": "block"}} | contact(default="allow"), YES),
    ("lists of MSC4155 under the stable name", {PERMISSION: {"blocked_users": [ADA]}}, NO),
    ("ignored in the client", {IGNORED: {"ignored_users": {ADA: {}}}}, NO),
    ("ignored by the ghost's name", {IGNORED: {"ignored_users": {GHOST: {}}}}, NO),
    (
        "ignored, whatever else is allowed",
        {IGNORED: {"ignored_users": {ADA: {}}}} | lists(allowed_users=[ADA, GHOST]),
        NO,
    ),
    ("somebody else is ignored", {IGNORED: {"ignored_users": {"@x:y": {}}}}, YES),
    ("a user", lists(blocked_users=[ADA]), NO),
    ("a user in other letters", lists(blocked_users=["@ADA:away.example"]), NO),
    ("a glob", lists(blocked_users=["@a?a:*.example"]), NO),
    ("brackets are no glob", lists(blocked_users=["@[a]da:away.example"]), YES),
    ("a glob fits the whole id", lists(blocked_users=["@ada"]), YES),
    ("a server", lists(blocked_servers=["away.example"]), NO),
    ("a mail domain of the person", lists(blocked_servers=["mss-a.test"]), NO),
    ("the hub's server is not hers", lists(blocked_servers=["home.example"]), YES),
    ("ignored counts as blocked", lists(ignored_users=[GHOST]), NO),
    ("ignored servers", lists(ignored_servers=["*.example"]), NO),
    ("of two users the allowing one", lists(allowed_users=[ADA], blocked_users=[GHOST]), YES),
    ("a user goes before a server", lists(allowed_users=[ADA], blocked_servers=["*"]), YES),
    ("the other way", lists(blocked_users=[ADA], allowed_servers=["*"]), NO),
    ("a group", contact(block={"groups": ["profession:Médecin"]}), NO),
    ("another group", contact(block={"groups": ["profession:infirmier"]}), YES),
    ("a group goes before a server", contact(allow={"groups": ["profession:*"]}, block={"servers": ["*"]}), YES),
    ("everybody but", contact(default="block", allow={"servers": ["mss-a.test"]}), YES),
    ("everybody", contact(default="block"), NO),
    ("those I know", contact(default="known"), KNOWN),
    ("those I know, and her", contact(default="known", allow={"users": [ADA]}), YES),
    ("office hours", contact(hours=[OFFICE]), YES),
    ("another time zone", contact(hours=[OFFICE], timezone="Asia/Tokyo"), YES),
    ("the night", contact(hours=[NIGHT]), LATER),
    ("out of hours, but named", contact(hours=[NIGHT], allow={"users": [ADA]}), YES),
    ("out of hours, known people", contact(default="known", hours=[NIGHT]), LATER),
    ("blocked at all hours", contact(default="block", hours=[OFFICE]), NO),
    ("two sources add up", contact(block={"users": ["@x:y"]}) | lists(blocked_users=[ADA]), NO),
]


@pytest.mark.parametrize(("data", "verdict"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_choice(data: dict[str, Any], verdict: Verdict) -> None:
    choice = read(data)
    assert decide(choice, Default.ALLOW, WHO, MONDAY) is verdict
    assert read(frozen(data)) == choice, "Synapse gives what cannot be changed"


def frozen(data: Any) -> Any:
    if isinstance(data, dict):
        return MappingProxyType({key: frozen(value) for key, value in data.items()})
    return tuple(map(frozen, data)) if isinstance(data, list) else data


@pytest.mark.parametrize(("site", "verdict"), [(Default.ALLOW, YES), (Default.BLOCK, NO), (Default.KNOWN, KNOWN)])
def test_the_site_decides_for_whoever_has_chosen_nothing(site: Default, verdict: Verdict) -> None:
    assert decide(read({}), site, OTHER, MONDAY) is verdict
    assert decide(read(contact(default="allow")), site, OTHER, MONDAY) is YES
    assert decide(read(lists(blocked_users=["@eve:x.org"])), site, OTHER, MONDAY) is NO


BROKEN: list[dict[str, Any]] = [
    contact(default="sometimes"),
    contact(allow=[]),
    contact(allow={"user": [ADA]}),
    contact(hours=[{"from": "8"}]),
    contact(hours=[{"from": "08:00", "until": "19:00", "days": [8]}]),
    contact(timezone="Mars/Olympus"),
    contact(hours=3),
    contact(timezone="../../etc/passwd"),
    contact(default=None, block="x"),
    {CONTACT: [1]},
    {CONTACT: "x"},
    lists(blocked_users="x"),
    lists(blocked_users={"a": 1}),
    {PERMISSION: {"default_action": 1}},
    {IGNORED: {"ignored_users": []}},
]


@pytest.mark.parametrize("data", BROKEN)
def test_a_broken_choice_counts_as_none(data: dict[str, Any]) -> None:
    choice = read(data)
    assert choice.broken == tuple(data)
    assert decide(choice, Default.ALLOW, WHO, MONDAY) is YES
    assert decide(choice, Default.BLOCK, WHO, MONDAY) is NO


def test_a_broken_part_leaves_the_others() -> None:
    choice = read({IGNORED: {"ignored_users": {ADA: {}}}} | contact(default="sometimes"))
    assert choice.broken == (CONTACT,)
    assert decide(choice, Default.ALLOW, WHO, MONDAY) is NO


def test_odd_entries_of_a_list_are_left_out() -> None:
    choice = read(lists(blocked_users=[1, "", None, "x" * 300, ADA], blocked_servers=[[]]))
    assert choice.block.users == (ADA,)
    assert not choice.broken


def test_long_lists_are_bounded() -> None:
    assert len(read(lists(blocked_users=[f"@u{n}:x" for n in range(5000)])).block.users) == 1000


@pytest.mark.parametrize(
    ("hour", "day", "there"),
    [(20, 1, True), (23, 1, True), (5, 2, True), (6, 2, False), (19, 1, False), (5, 1, False), (20, 2, False)],
)
def test_a_window_may_end_on_the_next_day(hour: int, day: int, there: bool) -> None:
    choice = read(contact(hours=[NIGHT], timezone="UTC"))
    moment = (
        datetime(2026, 11, 29 + day, hour, tzinfo=UTC) if day == 1 else datetime(2026, 12, day - 1, hour, tzinfo=UTC)
    )
    assert moment.isoweekday() == day
    assert (decide(choice, Default.ALLOW, WHO, moment) is YES) == there


def test_who_is_refused_by_name() -> None:
    data = {IGNORED: {"ignored_users": {ADA: {}}}} | lists(
        blocked_users=[GHOST, "@all*:x", "@b:c"], allowed_users=["@b:c"]
    )
    assert refused_users(read(data)) == {ADA, GHOST}


def test_again_is_the_same() -> None:
    once, twice = (
        read(lists(blocked_users=[ADA])),
        read(lists(blocked_users=[ADA, ADA]) | contact(block={"users": [ADA]})),
    )
    assert once == twice
    assert read({}).plain
    assert not once.plain
