"""Pure: what the hub says in a conversation about its functions, in the languages of the house."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from bridge.hub.duty.watches import Unread
from bridge.people.duty.rota import Function
from bridge.words import sentence

_URGENT = re.compile(r"\W*URGENT")


def is_urgent(text: str) -> bool:
    """Whether a text begins with the word URGENT: so says who writes where no field can say it."""
    return _URGENT.match(text) is not None


def told(code: str, function: Function, **names: str) -> str:
    """A sentence about a function, in every language of the house."""
    return sentence(code).format(function=function.name, **names)


def when(function: Function, at: int) -> str:
    """A time as the clocks show it where the function is."""
    return f"{datetime.fromtimestamp(at / 1000, function.zone.time):%d/%m/%Y %H:%M}"


def copied(function: Function, said: Sequence[Unread]) -> str:
    """Messages as they are passed on to somebody who has not got them: who wrote, when, and what."""
    parts = []
    for one in said:
        urgent = "URGENT : " if one.urgent and not is_urgent(one.text) else ""
        names = {"urgent": urgent, "writer": one.writer, "when": when(function, one.at)}
        parts.append(f"{told('duty_copy', function, **names).partition(chr(10))[0]}\n{one.text}".rstrip())
    return "\n\n".join(parts)
