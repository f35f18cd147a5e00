"""What has to come of a step: the hub's own table of kinds and capabilities, asked for one reader."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from bridge.connector import Capabilities
from bridge.kinds import KINDS, Unable, becomes
from bridge.model import Kind


class Form(StrEnum):
    """In which form a step reaches its reader."""

    SHOWN = "as what it is"
    TEXT = "as text"
    COUNTED = "in what comes later"
    TOLD = "not at all, and its writer is told"


_VERBS: Mapping[str, Kind] = {
    "edit": Kind.EDIT, "remove": Kind.REMOVAL, "moderate": Kind.REMOVAL, "react": Kind.REACTION,
    "handled": Kind.HANDLED, "poll": Kind.POLL, "vote": Kind.VOTE, "end": Kind.POLL_END, "call": Kind.CALL,
}  # fmt: skip


def form(verb: str, reader: Capabilities, *, files: bool = False, answers: bool = True) -> Form:
    """What the table says of a verb; whatever is no act is a text, or a file.

    ``answers``: the reader has written what it is about. Nobody hears of what has no words at all.
    """
    if verb == "mute" or (files and not reader.files):
        return Form.TOLD
    kind = _VERBS.get(verb, Kind.TEXT)
    became = becomes(kind, lambda one: one in reader.kinds, answers)
    if became is kind:
        return Form.SHOWN
    if became is not None:
        return Form.TEXT
    return Form.COUNTED if KINDS[kind].unable is Unable.COUNT else Form.TOLD
