"""The list of scenarios, read: each a name and its moments, each moment steps that are done at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

FILE = Path(__file__).parent / "scenarios.yaml"
SAYS = frozenset({"say", "reply", "thread", "file", "location", "contact", "poll", "call", "unknown", "mute"})
"""Verbs that make a message, which later steps name."""
ABOUT = frozenset({"reply", "thread", "edit", "remove", "react", "moderate", "again", "vote", "end", "handled"})
"""Verbs that are about a message that was named before."""
NAMES = SAYS | {"react", "handled"}
"""Verbs that give a name."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that somebody does. ``name`` is new; ``about`` was named before. ``words`` say more: ``html``."""

    far: bool
    verb: str
    name: str = ""
    about: str = ""
    words: tuple[str, ...] = ()

    def word(self, name: str) -> str:
        """What stands after ``name=``; empty without."""
        return next((word.removeprefix(f"{name}=") for word in self.words if word.startswith(f"{name}=")), "")

    def __str__(self) -> str:
        said = (self.verb, self.name, self.about, *self.words)
        return " ".join(("far", *filter(None, said)) if self.far else filter(None, said))


@dataclass(frozen=True, slots=True)
class Scenario:
    """A name, and what people do."""

    name: str
    moments: tuple[tuple[Step, ...], ...]

    @property
    def steps(self) -> Iterator[Step]:
        """All of them, in order."""
        return (step for moment in self.moments for step in moment)


def read(path: Path = FILE) -> list[Scenario]:
    """Every scenario. Raises ValueError for a step that cannot be read, or names something that was not said before."""
    found = yaml.safe_load(path.read_text("utf-8"))
    return [_scenario(name, moments) for name, moments in found.items()]


def _scenario(name: str, moments: list[str]) -> Scenario:
    scenario = Scenario(name, tuple(tuple(step(one) for one in moment.split(",")) for moment in moments))
    known: set[str] = set()
    for one in scenario.steps:
        for about in filter(None, (one.about, one.word("reply"), one.word("thread"))):
            if about not in known:
                raise ValueError(f"{name}: {one} is about {about}, which nobody has said before")
        if one.name in known:
            raise ValueError(f"{name}: {one} takes a name that is taken")
        known |= {one.name} - {""}
    return scenario


def step(text: str) -> Step:
    """One step. Raises ValueError."""
    words = text.split()
    far = words[0] == "far"
    verb, *rest = words[far:]
    if verb not in NAMES | ABOUT:
        raise ValueError(f"{text!r}: nobody can {verb}")
    wanted = (verb in NAMES) + (verb in ABOUT)
    if len(rest) < wanted:
        raise ValueError(f"{text!r}: something is missing")
    name = rest.pop(0) if verb in NAMES else ""
    about = rest.pop(0) if verb in ABOUT else ""
    return Step(far, verb, name, about, tuple(rest))
