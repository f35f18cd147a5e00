"""Correspondence made up from a seed: who writes what to whom, and where each message belongs on every leg. Pure.

The rules that make the truth: the people of a message decide its conversation, the message that it answers decides its
thread. A mail that begins a correspondence begins a thread; what is said in chat without a thread belongs to the main
timeline of its conversation; an answer by mail that changes the people goes on elsewhere, among exactly those people.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random

MAIL, MATRIX = "mail", "matrix"
SUBJECTS = ("Avis", "Re: Avis", "Résultats", "Votre patient", "RE: Votre patient", "Question", "Compte rendu")


class Habit(StrEnum):
    """How a mail program says what it answers."""

    FULL = "In-Reply-To and References"
    CHAIN = "References only"
    BARE = "In-Reply-To only"
    OUTLOOK = "both, and Thread-Index"
    INDEX = "Thread-Index only"


@dataclass(frozen=True, slots=True)
class Human:
    """One of the correspondents; ``id`` as in :class:`bridge.model.Person`, the address as their network has it."""

    id: str
    name: str
    network: str
    address: str


@dataclass(frozen=True, slots=True)
class Said:
    """One message. ``people`` are all who take part, its writer too. ``place`` names what must be one thread."""

    n: int
    correspondence: int
    by: Human
    people: frozenset[str]
    parent: int | None
    place: str
    loose: bool = (
        False  # said in chat beside the thread, as an answer to a message of it: a mail puts it into the thread
    )
    habit: Habit = Habit.FULL
    index: str | None = None  # of Outlook: the head of its conversation, in hex
    quotes: bool = False
    subject: str = SUBJECTS[0]

    @property
    def main(self) -> bool:
        """Whether it belongs to the main timeline of its conversation."""
        return self.place.startswith("main")

    @property
    def root(self) -> int | None:
        """The message of the main timeline on which its thread hangs, if it is such a thread."""
        return int(self.place.removeprefix("on")) if self.place.startswith("on") else None

    @property
    def mail(self) -> bool:
        """Whether it is written as a mail."""
        return self.by.network == MAIL


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: say something, hand in the same mail once more, or hand it in once for each recipient."""

    n: int
    again: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything. The shares are of all mails."""

    mails: int
    threads: int
    twice: float = 0.1
    late: float = 0.1
    chat: float = 0.35  # how often somebody of the chat side writes next
    changed: float = 0.06  # how often an answer by mail changes the people
    apart: float = 0.1
    begun_in_chat: float = 0.2  # of the correspondences
    unknowable: bool = False  # also mails that come before all that they cite, into a thread that has begun


@dataclass(frozen=True, slots=True)
class Plan:
    """What is said (by number), and for each correspondence the order in which it comes in."""

    people: dict[str, Human]
    said: tuple[Said, ...]
    steps: tuple[tuple[Step, ...], ...]
    late: frozenset[int] = field(default_factory=frozenset)
    native: frozenset[str] = frozenset()  # networks whose own people's messages are looked for too

    @property
    def mails(self) -> list[Said]:
        """Those written as mails."""
        return [said for said in self.said if said.mail]

    def token(self, n: int) -> str:
        """The word by which a message is recognised wherever it is shown."""
        return f"jeton{n:05}x"

    def ancestors(self, said: Said) -> Iterator[Said]:
        """What it answers, and what that answers, up to the beginning."""
        while said.parent is not None:
            said = self.said[said.parent]
            yield said

    def expected(self, said: Said) -> frozenset[str]:
        """Who must get it: all of its people; those of the writer's own network need no hub, and count if native."""
        own = said.by.network
        others = said.people - {said.by.id}
        return frozenset(p for p in others if self.people[p].network != own or own in self.native)


def pretend(mail: int = 10, product: int = 10, matrix: int = 10, *, server: str = "chu.example") -> list[Human]:
    """Thirty invented people: a third has only a mailbox, a third one of two products, a third Matrix."""
    found = []
    for n in range(mail + product + matrix):
        ident = f"rpps:1000000{n:04}"
        if n < mail:
            human = Human(ident, f"Anna Courrier{n}", MAIL, f"anna{n}@{('mss-a', 'mss-b')[n % 2]}.example")
        elif n < mail + product:
            human = Human(ident, f"Cléo Produit{n}", ("pandalab", "siilo")[n % 2], f"cleo{n}")
        else:
            human = Human(ident, f"Ben Matrice{n}", MATRIX, f"@ben{n}:{server}")
        found.append(human)
    return found


def make(people: Sequence[Human], size: Size, seed: int) -> Plan:
    """The plan of this seed: the same for the same arguments."""
    return _Maker(people, size, Random(seed)).make()


class _Maker:
    """One plan in the making."""

    def __init__(self, people: Sequence[Human], size: Size, random: Random) -> None:
        self.people = {human.id: human for human in people}
        self.size = size
        self.random = random
        self.said: list[Said] = []
        self.circles = [self._circle() for _ in range(max(1, size.threads * 3 // 5))]

    def make(self) -> Plan:
        orders = [self._correspondence(n, count) for n, count in enumerate(self._shares())]
        late: set[int] = set()
        orders = self._delayed(orders, late)
        steps = self._steps(orders)
        return Plan(self.people, tuple(self.said), tuple(tuple(one) for one in steps), frozenset(late))

    def _shares(self) -> list[int]:
        """How many mails each correspondence has: at least one."""
        shares = [1] * self.size.threads
        for _ in range(self.size.mails - self.size.threads):
            shares[self.random.randrange(self.size.threads)] += 1
        return shares

    def _of(self, *networks: str) -> list[str]:
        return [p.id for p in self.people.values() if p.network in networks]

    def _circle(self) -> frozenset[str]:
        """Some people with at least one mailbox and one of the chat side."""
        mail, matrix = self._of(MAIL), self._of(MATRIX)
        product = [p for p in self.people if p not in mail and p not in matrix]
        while True:
            found = [*self.random.sample(mail, self.random.choice((1, 1, 1, 2, 2, 3)))]
            found += self.random.sample(product, min(len(product), self.random.choice((0, 0, 1, 1, 2, 3))))
            found += self.random.sample(matrix, min(len(matrix), self.random.choice((0, 0, 1, 1, 2))))
            if self._mixed(frozenset(found)):
                return frozenset(found)

    def _mixed(self, people: frozenset[str]) -> bool:
        networks = {self.people[p].network for p in people}
        return MAIL in networks and len(networks) > 1

    # -- what is said --------------------------------------------------------------------------------------

    def _correspondence(self, number: int, mails: int) -> list[int]:
        """All of one: the numbers of its messages, each after what it answers."""
        circle = self.random.choice(self.circles)
        mine = [self._first(number, circle)]
        left = mails - self.said[mine[0]].mail
        while left > 0:
            chat = self.random.random() < self.size.chat
            said = self._chat(number, mine) if chat else self._mail(number, mine)
            if said is not None:
                mine.append(self._add(said))
                left -= said.mail
        return mine

    def _add(self, said: Said) -> int:
        self.said.append(said)
        return said.n

    def _first(self, number: int, circle: frozenset[str]) -> int:
        chat = self.random.random() < self.size.begun_in_chat
        writers = [p for p in sorted(circle) if (self.people[p].network == MAIL) != chat]
        by = self.people[self.random.choice(writers)]
        place = _place(number, circle) if by.network == MAIL else f"main{number}"
        said = Said(len(self.said), number, by, circle, None, place, subject=self.random.choice(SUBJECTS))
        return self._add(self._written(said, None) if said.mail else said)

    def _chat(self, number: int, mine: list[int]) -> Said | None:
        """Somebody of the chat side answers: in the thread; on a message of the main timeline in either way."""
        parent = self.said[self.random.choice(mine)]
        if parent.loose:
            return None
        writers = [p for p in sorted(parent.people) if self.people[p].network != MAIL]
        by = self.people[self.random.choice(writers)]
        place, loose, chance = parent.place, False, self.random.random()
        if parent.main and chance < 0.5:
            place = f"on{parent.n}"
        elif not parent.main and chance < 0.05:
            place = f"main{number}/{parent.n}"  # a word beside the thread, in the timeline of the same conversation
        elif not parent.main and chance < 0.15:
            loose = True
        return Said(len(self.said), number, by, parent.people, parent.n, place, loose, subject=parent.subject)

    def _mail(self, number: int, mine: list[int]) -> Said | None:
        parent = self.said[self.random.choice(mine)]
        writers = [p for p in sorted(parent.people) if self.people[p].network == MAIL and p != parent.by.id]
        if not writers and parent.mail:
            writers = [parent.by.id]  # an afterthought to one's own mail
        by = self.people[self.random.choice(writers)]
        people, place = parent.people, parent.place
        if not parent.main and self.random.random() < self.size.changed:
            people = self._changed(people, by.id)
        said = Said(len(self.said), number, by, people, parent.n, place, subject=parent.subject)
        if people != parent.people:
            said = replace(said, place=self._elsewhere(said))
        return self._written(said, parent)

    def _changed(self, people: frozenset[str], by: str) -> frozenset[str]:
        other = self.random.choice(sorted(set(self.people) - {by}))
        changed = people ^ {other}
        return changed if self._mixed(changed) else people

    def _elsewhere(self, said: Said) -> str:
        """The thread of the newest answered message among these people, else one that begins in this correspondence."""
        parent = said.parent
        while parent is not None:
            before = self.said[parent]
            if before.people == said.people:
                return before.place
            parent = before.parent
        return _place(said.correspondence, said.people)

    def _written(self, said: Said, parent: Said | None) -> Said:
        """With the habits of a mail program; a change of people is made with programs that cite everything."""
        free = parent is not None and parent.people == said.people
        habits = [Habit.FULL] * 9 + [Habit.CHAIN] * 2 + [Habit.OUTLOOK] * 5
        habits += [Habit.BARE] * free + [Habit.INDEX] * (2 if free and parent and parent.index else 0)
        habit = self.random.choice(habits)
        index = None
        if habit in (Habit.OUTLOOK, Habit.INDEX):
            known = parent.index if parent is not None else None
            index = known or self.random.randbytes(22).hex()
        quotes = parent is not None and self.random.random() < 0.25
        return replace(said, habit=habit, index=index, quotes=quotes)

    # -- in which order it comes ---------------------------------------------------------------------------

    def _delayed(self, orders: list[list[int]], late: set[int]) -> list[list[int]]:
        """Let some mails come after an answer to them; nobody of the chat side answers what they have not seen."""
        wanted = round(self.size.late * sum(said.mail for said in self.said))
        chances = [(n, p) for n, order in enumerate(orders) for p in order if self.said[p].mail]
        self.random.shuffle(chances)
        for number, ident in chances:
            if len(late) < wanted and self.said[ident].parent not in late and self._delay(orders[number], ident):
                late.add(ident)
        return orders

    def _delay(self, order: list[int], ident: int) -> bool:
        """Move a mail behind the first answer to it, if that is one by mail; whether it was done."""
        at = order.index(ident)
        answers = [i for i in range(at + 1, len(order)) if self.said[order[i]].parent == ident]
        if not answers or not self.said[order[answers[0]]].mail:
            return False
        tried = [*order[:at], *order[at + 1 : answers[0] + 1], ident, *order[answers[0] + 1 :]]
        if self._unknowable(tried) and not self.size.unknowable:
            return False
        order[:] = tried
        return True

    def _unknowable(self, order: list[int]) -> bool:
        """Whether a mail comes that cites nothing that was heard of, while its thread has begun already.

        Nobody could place such a mail when it comes, and what is shown in a room cannot be moved afterwards.
        """
        heard: dict[str, set[str]] = {}
        for ident in order:
            said = self.said[ident]
            names = {*(self.cites(said) if said.mail else ()), str(ident)}
            if said.mail and not names & heard.get(said.place, names):
                return True
            heard.setdefault(said.place, set()).update(names)
        return False

    def cites(self, said: Said) -> list[str]:
        """What the mail's header names: numbers of messages, heads of Outlook's conversations."""
        found = [] if said.parent is None or said.habit is Habit.INDEX else [str(said.parent)]
        if said.parent is not None and said.habit in (Habit.FULL, Habit.CHAIN, Habit.OUTLOOK):
            found += self._chain(self.said[said.parent])
        return found + ([said.index] if said.index else [])

    def _chain(self, said: Said) -> list[str]:
        if not said.mail:
            return []  # what the hub writes into its mails is known to it
        return [name for name in self.cites(said) if name != said.index]

    def _steps(self, orders: list[list[int]]) -> list[list[Step]]:
        mails = [said.n for said in self.said if said.mail]
        again = set(self.random.sample(mails, round(self.size.twice * len(mails))))
        apart = set(self.random.sample(mails, round(self.size.apart * len(mails))))
        found = []
        for order in orders:
            steps = [Step(n, apart=n in apart) for n in order]
            for n in order:
                if n in again:
                    first = next(i for i, step in enumerate(steps) if step.n == n)
                    steps.insert(self.random.randint(first + 1, len(steps)), Step(n, again=True))
            found.append(steps)
        return found


def _place(correspondence: int, people: frozenset[str]) -> str:
    return f"thread{correspondence}/" + ",".join(sorted(p.removeprefix("rpps:") for p in people))
