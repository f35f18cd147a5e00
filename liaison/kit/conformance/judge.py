"""The lines of a report: what was asked of the product, whether it did it, and what to mend. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What became of a rule."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line: ``what`` the product does, ``mend`` what to do when it does not. French, then English."""

    id: str
    what: tuple[str, str]
    mend: tuple[str, str]

    @property
    def subject(self) -> str:
        """The scenario to which it belongs."""
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Line:
    """A rule and its verdict; ``seen`` says what the kit saw, in English."""

    rule: Rule
    verdict: Verdict
    seen: str = ""


class Judge:
    """Collects verdicts. A rule that fails once has failed; one that nobody judged was not reached."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = rules
        self._found: dict[str, tuple[Verdict, str]] = {}

    def check(self, rule: str, did: object, seen: str = "") -> bool:
        """Judge a rule; gives whether it is kept. ``seen`` is said of a failure only."""
        assert rule in self._rules, rule
        known = self._found.get(rule)
        if not did and (known is None or known[0] is not Verdict.FAILED):
            self._found[rule] = (Verdict.FAILED, seen)
        elif did and (known is None or known[0] is Verdict.SKIPPED):
            self._found[rule] = (Verdict.PASSED, "")
        return bool(did)

    def skip(self, rule: str, why: str) -> None:
        """Say why a rule cannot be judged."""
        assert rule in self._rules, rule
        self._found.setdefault(rule, (Verdict.SKIPPED, why))

    def lines(self, subjects: Sequence[str]) -> list[Line]:
        """All rules of these scenarios, in the order of the table."""
        missing = (Verdict.SKIPPED, "not reached: mend the lines above first")
        wanted = [rule for rule in self._rules.values() if rule.subject in subjects]
        return [Line(rule, *self._found.get(rule.id, missing)) for rule in wanted]


def failed(lines: Sequence[Line]) -> list[Line]:
    """Those that have to be mended."""
    return [line for line in lines if line.verdict is Verdict.FAILED]
