"""Workers that are configured otherwise are told apart by section, and nobody reads anything out of what they say."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.seal import Seal
from bridge.workers.agreement import differences, said

ONE, TWO, OTHER = bytes(32), bytes([2] * 32), bytes([3] * 32)
FIRST, BOTH = Seal({"k1": ONE}, "k1"), Seal({"k1": ONE, "k2": TWO}, "k1")
NEXT, LAST = Seal({"k1": ONE, "k2": TWO}, "k2"), Seal({"k2": TWO}, "k2")
HERE: dict[str, Any] = {"release": "1", "matrix": {"server_name": "chu.example"}, "networks.connect.products.siilo": {}}


@pytest.mark.parametrize(
    ("sections", "seal", "found"),
    [
        (HERE, FIRST, ()),
        (HERE | {"release": "2"}, FIRST, ("release",)),
        (HERE | {"matrix": {"server_name": "b.example"}, "language": "fr"}, FIRST, ("language", "matrix")),
        ({"release": "1", "matrix": HERE["matrix"]}, FIRST, ("networks.connect.products.siilo",)),
        (HERE, BOTH, ("seal",)),
        (HERE, NEXT, ("seal",)),
        (HERE | {"release": "2"}, NEXT, ("release", "seal")),
        (HERE, LAST, ("seal",)),  # they have no key in common: nothing more can be compared
        (HERE, Seal({"k1": OTHER}, "k1"), ("seal.keys.k1",)),
    ],
)
def test_the_sections_that_differ_are_named(sections: dict[str, Any], seal: Seal, found: tuple[str, ...]) -> None:
    mine, theirs = said(HERE, FIRST), said(sections, seal)
    assert differences(mine, theirs) == differences(theirs, mine) == found


def test_one_key_of_several_is_another() -> None:
    mine, theirs = said(HERE, BOTH), said(HERE, Seal({"k1": ONE, "k2": OTHER}, "k1"))
    assert differences(mine, theirs) == ("seal.keys.k2",)


def test_whoever_says_nothing_is_not_judged() -> None:
    assert differences(said(HERE, FIRST), "") == differences("", said(HERE, FIRST)) == ()


@pytest.mark.parametrize("theirs", ["no JSON", "7", "[]", '{"k1": 7}', '{"k1": {}}'])
def test_what_a_release_says_that_this_one_does_not_understand_is_of_another_release(theirs: str) -> None:
    assert differences(said(HERE, FIRST), theirs) == differences(theirs, said(HERE, FIRST)) == ("release",)


def test_nothing_is_read_out_of_it() -> None:
    text = said(HERE, FIRST)
    assert "chu.example" not in text
    assert text != said(HERE, Seal({"k1": OTHER}, "k1"))
    assert text == said(dict(reversed(HERE.items())), FIRST)
