"""Holds what every far end shows against a plan: lost, twice, strangers, threads, people. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.mail.correspondence.mails import message_id
from tests.mail.correspondence.plan import MAIL, Plan, Said


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as one person sees it on a chat leg; ``own``: they wrote it. ``people`` as the leg tells them."""

    n: int
    reader: str
    network: str
    chat: str
    id: str
    thread: str | None
    people: frozenset[str]
    own: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail of the hub as one person received it; ``said``: the messages that are in it."""

    reader: str
    mid: str
    cites: tuple[str, ...]
    said: tuple[int, ...]
    people: frozenset[str]


@dataclass
class Verdict:
    """Figures for each leg, and the first of what is wrong in words."""

    wanted: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    threads: dict[str, list[int]] = field(default_factory=dict)  # leg -> right, all
    people: dict[str, list[int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def count(self, table: dict[str, list[int]], leg: str, right: bool, about: str) -> None:
        """One message more on this leg."""
        row = table.setdefault(leg, [0, 0])
        row[0] += right
        row[1] += 1
        if not right:
            self.wrong.append(f"{leg}: {about}")

    @property
    def good(self) -> bool:
        """Whether everything is as it must be."""
        return not (self.lost or self.twice or self.strange or self.wrong)

    def __str__(self) -> str:
        def rows(table: dict[str, list[int]]) -> str:
            return ", ".join(f"{leg} {right}/{every}" for leg, (right, every) in sorted(table.items()))

        return (
            f"deliveries wanted {self.wanted}, lost {len(self.lost)}, twice {len(self.twice)}, to others "
            f"{len(self.strange)}; thread right: {rows(self.threads)}; people right: {rows(self.people)}"
            + "".join(f"\n  {line}" for line in [*self.lost, *self.twice, *self.strange, *self.wrong][:60])
        )


def judge(plan: Plan, shown: Iterable[Shown], letters: Iterable[Letter]) -> Verdict:
    """Compare. A message counts as one delivery for each person who is to get it from the hub."""
    shown, letters, verdict = list(shown), list(letters), Verdict()
    _delivered(plan, shown, letters, verdict)
    chats = _Chats(plan, shown)
    chats.judge(verdict)
    _Letters(plan, chats, letters).judge(verdict)
    return verdict


def _delivered(plan: Plan, shown: list[Shown], letters: list[Letter], verdict: Verdict) -> None:
    got = Counter((one.n, one.reader) for one in shown if not one.own)
    got.update((n, letter.reader) for letter in letters for n in letter.said)
    wanted = {(said.n, person) for said in plan.said for person in plan.expected(said)}
    verdict.wanted = len(wanted)
    verdict.lost = [f"lost: {_about(plan, n)} at {_who(plan, who)}" for n, who in sorted(wanted - got.keys())]
    verdict.strange = [f"not for them: {_about(plan, n)} at {_who(plan, p)}" for n, p in sorted(got.keys() - wanted)]
    verdict.twice = [f"{c} times: {_about(plan, n)} at {_who(plan, p)}" for (n, p), c in sorted(got.items()) if c > 1]


class _Chats:
    """Threads and people on the chat legs."""

    def __init__(self, plan: Plan, shown: list[Shown]) -> None:
        self.plan = plan
        self.shown = shown
        self.ids = {(one.network, one.n): one.id for one in shown}
        self.of: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)  # (network, place): chats
        for one in shown:
            self.of[one.network, plan.said[one.n].place][one.chat] += 1
        self._heads = self._most()

    def _most(self) -> Mapping[tuple[str, str], str]:
        """(network, place) -> what most of its messages name as their thread; one head serves one place only."""
        votes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for one in self.shown:
            said = self.plan.said[one.n]
            if not (said.main or said.loose) and said.root is None:
                votes[one.network, said.place][one.thread or one.id] += 1
        heads: dict[tuple[str, str], str] = {}
        for key, counted in sorted(votes.items(), key=lambda item: -item[1].total()):
            head, _ = counted.most_common(1)[0]
            if (key[0], head) not in {(network, taken) for (network, _), taken in heads.items()}:
                heads[key] = head
        return heads

    def judge(self, verdict: Verdict) -> None:
        for one in self.shown:
            said = self.plan.said[one.n]
            about = f"{_about(self.plan, said.n)} at {_who(self.plan, one.reader)}"
            verdict.count(verdict.threads, one.network, self._right(one, said), f"thread of {about}: {one.thread}")
            same = one.people == said.people and self.chat(one.network, said) == one.chat
            verdict.count(verdict.people, one.network, same, f"people of {about}: {sorted(one.people ^ said.people)}")

    def chat(self, network: str, said: Said) -> str | None:
        """Where its place is on this leg."""
        counted = self.of.get((network, said.place))
        return counted.most_common(1)[0][0] if counted else None

    def _right(self, one: Shown, said: Said) -> bool:
        if said.main or said.loose:
            parent = None if said.parent is None else self.chat(one.network, self.plan.said[said.parent])
            return one.thread is None and parent in (None, one.chat)
        if said.root is not None:
            return one.thread is not None and one.thread == self.ids.get((one.network, said.root))
        return self._heads.get((one.network, said.place)) == (one.thread or one.id)


class _Letters:
    """Threads and people of the mails that the hub wrote."""

    def __init__(self, plan: Plan, chats: _Chats, letters: list[Letter]) -> None:
        self.plan = plan
        self.chats = chats
        self.letters = letters
        self.places: dict[str, set[str]] = defaultdict(set)  # message id -> where its messages belong
        self.roots: dict[str, set[int]] = defaultdict(set)  # message id -> the messages in it
        for said in plan.mails:
            self.places[message_id(said)].add(self._place(said))
        for letter in letters:
            self.places[letter.mid] |= {self._place(plan.said[n]) for n in letter.said}
            self.roots[letter.mid] |= set(letter.said)
        for said in plan.mails:
            self.roots[message_id(said)].add(said.n)

    def _place(self, said: Said) -> str:
        """Main timelines of one conversation are one place, whichever correspondence they belong to."""
        if not said.main:
            return said.place
        for network in sorted({self.plan.people[p].network for p in said.people} - {MAIL}):
            if (chat := self.chats.chat(network, said)) is not None:
                return f"main of {network} {chat}"
        return said.place

    def judge(self, verdict: Verdict) -> None:
        for letter in self.letters:
            for n in letter.said:
                said = self.plan.said[n]
                about = f"{_about(self.plan, n)} at {_who(self.plan, letter.reader)}"
                verdict.count(verdict.threads, MAIL, self._right(letter, said), f"thread of {about}: {letter}")
                same = letter.people == said.people
                verdict.count(verdict.people, MAIL, same, f"people of {about}: {sorted(letter.people ^ said.people)}")

    def _right(self, letter: Letter, said: Said) -> bool:
        """All that it cites belongs to its place (or is what its thread hangs on); it cites something, if it can."""
        place = self._place(said)
        wrong = [
            ident for ident in letter.cites
            if place not in self.places.get(ident, ()) and said.root not in self.roots.get(ident, ())
        ]  # fmt: skip
        return not wrong and (bool(letter.cites) or said.main)


def _about(plan: Plan, n: int) -> str:
    said = plan.said[n]
    return f"{n} ({said.by.network}, {said.habit.name}, answers {said.parent}, {said.place})"


def _who(plan: Plan, person: str) -> str:
    human = plan.people[person]
    return f"{human.network}:{human.address}"
