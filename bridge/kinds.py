"""One table of what each kind of message is and needs, so that no other file asks for a kind by name. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from bridge.model import Kind, State


class Unable(StrEnum):
    """What happens to a message for people whose network cannot carry its kind."""

    CARRY = "carry"  # every network carries it
    SAY = "say"  # those networks get it as a text
    ANSWER = "answer"  # the network of whoever wrote what it is about gets it as a text; the others do not get it
    COUNT = "count"  # those networks do not get it; it counts in what they get later


@dataclass(frozen=True, slots=True)
class Rule:
    """How the hub treats one kind.

    ``said``: words of a person, which need somebody to hear them. ``recipients``: each person who gets it has a state.
    ``about``: it means nothing without the message that it names. ``own``: only the author of that message may do it.
    ``corrects``: what waits of that message leaves as it says. ``erases``: nothing is left of that message.
    ``of``: the one kind that it can be about. ``instead``: the kind that it is where its own is not known; ``shown``:
    the kind that it is as a text.
    """

    said: bool = False
    recipients: bool = False
    about: bool = False
    own: bool = False
    corrects: bool = False
    erases: bool = False
    unable: Unable = Unable.CARRY
    of: Kind | None = None
    instead: Kind | None = None
    shown: Kind = Kind.TEXT


_WORDS = Rule(said=True, recipients=True)
_CORRECTION = Rule(recipients=True, about=True, own=True, corrects=True, unable=Unable.SAY)

KINDS: Mapping[Kind, Rule] = {
    Kind.TEXT: _WORDS,
    Kind.NOTICE: _WORDS,
    Kind.EMOTE: _WORDS,
    Kind.MEMBERS: Rule(),
    Kind.NAME: Rule(),
    Kind.PICTURE: Rule(unable=Unable.COUNT),
    Kind.EDIT: _CORRECTION,
    Kind.REMOVAL: replace(_CORRECTION, erases=True, shown=Kind.NOTICE),
    Kind.REACTION: Rule(about=True, unable=Unable.ANSWER),
    Kind.HANDLED: Rule(about=True, unable=Unable.SAY, instead=Kind.REACTION),
    Kind.POLL: replace(_WORDS, unable=Unable.SAY),
    Kind.VOTE: Rule(about=True, of=Kind.POLL, unable=Unable.COUNT),
    Kind.POLL_END: Rule(recipients=True, about=True, own=True, of=Kind.POLL, unable=Unable.SAY),
    Kind.CALL: replace(_WORDS, unable=Unable.SAY, shown=Kind.NOTICE),
}

EVERYWHERE = frozenset(kind for kind, rule in KINDS.items() if rule.unable is Unable.CARRY)
"""The kinds that every network carries."""

MOVES: Mapping[State, frozenset[State]] = {
    State.ACCEPTED: frozenset({State.SENT, State.DELIVERED, State.READ, State.REFUSED}),
    State.SENT: frozenset({State.DELIVERED, State.READ, State.REFUSED}),
    State.DELIVERED: frozenset({State.READ, State.REFUSED}),
    State.READ: frozenset(),
    State.REFUSED: frozenset(),
}
"""What may become of a recipient's state. ``read`` and ``refused`` are final."""

Carried = Callable[[Kind], bool]
"""Whether a network carries a kind as it is."""


def becomes(kind: Kind, carried: Carried, answers: bool = True) -> Kind | None:
    """The kind by which a network gets a message; None: it does not get it.

    ``answers``: what the message is about was written in that network.
    """
    rule = KINDS[kind]
    if rule.unable is Unable.CARRY or carried(kind):
        return kind
    if rule.instead is not None and carried(rule.instead):
        return rule.instead
    as_text = rule.unable is Unable.SAY or (rule.unable is Unable.ANSWER and answers)
    return rule.shown if as_text else None


def not_carried(kind: Kind) -> str:
    """The code (of the sentence catalogue) that refuses this kind."""
    return f"{kind.value}_not_carried"
