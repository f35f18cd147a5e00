"""The list of scenarios is whole, and nobody can write one that means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios import pieces
from tests.scenarios.script import ABOUT, NAMES, Step, read, step


def test_the_list_has_what_people_do() -> None:
    scenarios = read()
    assert len(scenarios) >= 60
    assert len({one.name for one in scenarios}) == len(scenarios)
    assert {one.verb for scenario in scenarios for one in scenario.steps} == NAMES | ABOUT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("say a", Step(False, "say", "a")),
        (" far reply b a html", Step(True, "reply", "b", "a", ("html",))),
        ("edit a", Step(False, "edit", "", "a")),
        ("file b pdf reply=a", Step(False, "file", "b", "", ("pdf", "reply=a"))),
    ],
)
def test_a_step_is_read(text: str, expected: Step) -> None:
    assert step(text) == expected
    assert step(str(expected)) == expected


@pytest.mark.parametrize(
    ("moments", "said"),
    [
        ("[edit a]", "nobody has said"), ("[say a, say a]", "is taken"), ("[shout a]", "nobody can shout"),
        ("[say]", "something is missing"), ("[say a, reply b]", "something is missing"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused(moments: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text(f"one: {moments}\n")
    with pytest.raises(ValueError, match=said):
        read(tmp_path / "some.yaml")


def test_files_differ() -> None:
    made = [pieces.file(kind, token) for kind in ("png", "pdf", "audio", "video", "bin") for token in ("q1z", "q2z")]
    assert len({one.sha256 for one in made}) == len(made)
    assert all(len(one.data) < 10_000 for one in made)


def test_a_text_holds_its_word_once() -> None:
    for words in ((), ("html",), ("table",), ("lines",), ("emoji",), ("bidi",), ("link",)):
        assert pieces.text("q1z", words)[0].count("q1z") == 1
