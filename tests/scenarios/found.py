"""What is played over which far ends, and what was found there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.scenarios.ends import Attached, FarEnd, Shown, containing
from tests.scenarios.script import Step


@dataclass(frozen=True, slots=True)
class Pair:
    """Who writes, who reads, and what their conversation is called at either end."""

    near: FarEnd
    far: FarEnd
    chats: dict[str, str]
    persons: dict[str, str]

    def __str__(self) -> str:
        return f"{self.near.name} → {self.far.name}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be."""

    pair: str
    scenario: str
    step: str
    what: str

    def __str__(self) -> str:
        return f"{self.pair} · {self.scenario} · {self.step}: {self.what}"


@dataclass
class Named:
    """A message or a reaction of a scenario, and what has to be left of it in the end."""

    step: Step
    by: FarEnd
    to: FarEnd
    tokens: list[str]
    file: Attached | None = None
    ids: dict[str, str] = field(default_factory=dict)
    removed: bool = False
    ends: int = 0  # texts that tell its end
    about: Named | None = None
    key: str = ""

    def seen(self) -> list[Shown]:
        """Where its reader finds it."""
        if self.file is not None:
            return [one for one in self.to.shown() if self.file.sha256 in one.files and not one.own]
        found = containing(self.to, self.tokens[-1])
        if self.step.verb == "contact":  # the file of a card may be an event of its own, which is called like it
            return [one for one in found if not one.files] or found
        return found


Look = Callable[[], str | None]
"""None, or what is wrong."""


@dataclass
class Report:
    """What came of everything. ``unsaid``: what people of an end cannot do. ``told``: how often a writer was told."""

    checked: int = 0
    forms: dict[str, int] = field(default_factory=dict)
    unsaid: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        forms = ", ".join(f"{n} {name}" for name, n in sorted(self.forms.items()))
        failed = "".join(f"\n  {problem}" for problem in self.problems)
        head = f"{self.checked} scenarios in {self.seconds:.1f} s; steps: {forms}; {len(self.unsaid)} cannot be played"
        return f"{head}; {len(self.problems)} problems{failed}"


def gone(named: Named) -> str | None:
    to = named.to
    there = [token for token in named.tokens if containing(to, token)] or (named.file is not None and named.seen())
    if not there:
        return None
    if not to.rewrites and any("retiré" in one.text for one in to.shown()):
        return None
    return f"{to.name} still shows what was taken back"


def rang(named: Named, mine: str) -> str | None:
    """A call rings into nothing: its caller is told, or those who were called read of it."""
    if named.by.told(mine) or any("📞" in one.text for one in named.to.shown()):
        return None
    return f"{named.to.name} reads nothing of the call, and {named.by.name} was not told"
