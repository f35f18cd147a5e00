"""One table of what each kind of message is and needs, so that no other file asks for a kind by name. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from bridge.model import Kind, State


class Unable(StrEnum):
    """What happens to a message for people whose network cannot carry its kind."""

    CARRY = "carry"  # every network carries it
    SAY = "say"  # those networks get it as a text
    COUNT = "count"  # those networks do not get it; it counts in what they get later
    TELL = "tell"  # those people keep the old state, and the writer is told their names; if nobody can, it is refused
    OMIT = "omit"  # those networks do not get it; if none can, it is refused, and the edge need not say so


@dataclass(frozen=True, slots=True)
class Rule:
    """How the hub treats one kind.

    ``said``: words of a person, which need somebody to hear them. ``recipients``: each person who gets it has a state.
    ``about``: it means nothing without the message that it names. ``own``: only the author of that message may do it.
    ``corrects``: what waits of that message leaves as it says. ``erases``: nothing is left of that message.
    ``shown``: what it is where it is said as a text.
    """

    said: bool = False
    recipients: bool = False
    about: bool = False
    own: bool = False
    corrects: bool = False
    erases: bool = False
    unable: Unable = Unable.CARRY
    shown: Kind = Kind.TEXT


_WORDS = Rule(said=True, recipients=True)
_CORRECTION = Rule(recipients=True, about=True, own=True, corrects=True, unable=Unable.TELL)

KINDS: Mapping[Kind, Rule] = {
    Kind.TEXT: _WORDS,
    Kind.NOTICE: _WORDS,
    Kind.EMOTE: _WORDS,
    Kind.MEMBERS: Rule(),
    Kind.NAME: Rule(),
    Kind.EDIT: _CORRECTION,
    Kind.REMOVAL: replace(_CORRECTION, erases=True),
    Kind.REACTION: Rule(about=True, unable=Unable.OMIT),
    Kind.HANDLED: Rule(about=True, unable=Unable.OMIT),
    Kind.POLL: replace(_WORDS, unable=Unable.SAY),
    Kind.VOTE: Rule(about=True, unable=Unable.COUNT),
    Kind.POLL_END: Rule(recipients=True, about=True, own=True, unable=Unable.SAY),
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


def not_carried(kind: Kind) -> str:
    """The code (of the sentence catalogue) that refuses this kind."""
    return f"{kind.value}_not_carried"
