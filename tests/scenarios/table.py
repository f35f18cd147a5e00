"""What has to come of a step: the hub's own table of kinds and capabilities, asked for one reader."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from bridge.connector import Capabilities
from bridge.kinds import KINDS, Unable
from bridge.model import Kind


class Form(StrEnum):
    """In which form a step reaches its reader."""

    SHOWN = "as what it is"
    TEXT = "as text"
    TOLD = "not at all, and its writer is told"


_VERBS: Mapping[str, Kind] = {
    "edit": Kind.EDIT, "remove": Kind.REMOVAL, "moderate": Kind.REMOVAL, "react": Kind.REACTION,
}  # fmt: skip


def form(verb: str, reader: Capabilities, *, files: bool = False) -> Form:
    """What the table says of a verb. Everything that is no act is a text, or a file."""
    kind = _VERBS.get(verb, Kind.TEXT)
    if files and not reader.files:
        return Form.TOLD
    if kind in reader.kinds:
        return Form.SHOWN
    return Form.TEXT if KINDS[kind].unable is Unable.CARRY else Form.TOLD
