"""Every column in which something is sealed, how its rows are named, and with what context each is sealed.

A test holds this list against the schema of all components and against everything that the hub seals. The statements
lie with the tables' owners (``*_seals.sql``): ``page`` (rows after a place, with the beginning of what is sealed),
``one``, ``swap``, which changes nothing where somebody else has changed the row.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bridge.db import Component, Row
from bridge.seal import Seal

_MARK = "sealed:"  # before what is sealed and kept as a text
_BEGINNING = 44  # characters of base64 that hold the name of any key
_NUMBERS = frozenset({"n", "stream", "number"})


class Form(Enum):
    """How it is kept."""

    BYTES = "bytes"
    TEXT = "text"  # base64 after a mark; what has no mark was kept in clear by an early version
    PICKLE = "pickle"  # of the key engine, with the key's name in ``key_id``


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """One column. ``context``: of the row's columns; ``or_context`` where that one would be empty."""

    component: str
    table: str
    column: str
    key: tuple[str, ...]
    context: str
    form: Form = Form.BYTES
    or_context: str = ""

    @property
    def name(self) -> str:
        """For people, and for the note of how far it has come."""
        return f"{self.table}.{self.column}"

    @property
    def first(self) -> list[Any]:
        """A place before every row."""
        return [-1 if column in _NUMBERS else "" for column in self.key]

    def statement(self, what: str) -> str:
        """The name of one of its three statements."""
        return f"{self.component}_seals.{self.table}-{self.column}-{what}"

    def key_in(self, mark: Any) -> str:
        """The name of the key in the beginning of what is sealed; empty: nothing is."""
        if mark is None:
            return ""
        if self.form is Form.BYTES:
            return Seal.name_in(bytes(mark))
        if self.form is Form.PICKLE:
            return str(mark)
        text = str(mark)
        return Seal.name_in(b64decode(text[len(_MARK) :][:_BEGINNING])) if text.startswith(_MARK) else ""

    def context_of(self, row: Row) -> str:
        """With what a row is sealed."""
        values = _Columns(row)
        return self.context.format_map(values) or self.or_context.format_map(values)


class _Columns:
    def __init__(self, row: Row) -> None:
        self._row = row

    def __getitem__(self, name: str) -> Any:
        return self._row[name]


SEALED = (
    SealedColumn("bridge", "delivery", "body", ("id",), "{id}"),
    SealedColumn("bridge", "file", "about", ("message", "n"), "{message}/{n}/about"),
    SealedColumn("bridge", "file", "body", ("message", "n"), "{message}/{n}"),
    SealedColumn("bridge", "early", "body", ("network", "id"), "early {network}|{id}"),
    SealedColumn("bridge", "watched", "body", ("message", "function"), "watched:{message}:{function}"),
    SealedColumn("bridge", "conversation", "name", ("id",), "name of {id}"),
    SealedColumn("bridge", "poll", "asked", ("message",), "{message}"),
    SealedColumn("bridge", "vote", "chosen", ("poll", "person"), "{poll}|{person}"),
    SealedColumn("bridge", "name", "name", ("person",), "name {person}", Form.TEXT),
    SealedColumn("bridge", "acquaintance", "entry", ("person",), "name {person}", Form.TEXT),
    SealedColumn("trail", "trail_key", "sealed", ("name",), "trail"),
    SealedColumn("matrix", "matrix_inbox", "sealed", ("stream",), "{event_id}"),
    SealedColumn("matrix", "matrix_dead", "sealed", ("number",), "{event_id}", or_context="{why}"),
    SealedColumn("matrix", "matrix_caption", "content", ("id",), "{id}"),
    SealedColumn("console", "console_session", "token", ("id",), "console token {id}"),
    SealedColumn("e2ee", "e2ee_ghost", "seeds", ("user_id",), "e2ee cross-signing {user_id}"),
    SealedColumn("e2ee", "e2ee_share", "kept", ("session_id", "user_id", "device_id"), "e2ee kept {session_id}"),
    SealedColumn("e2ee", "e2ee_ghost", "account", ("user_id",), "", Form.PICKLE),
    SealedColumn("e2ee", "e2ee_spare", "account", ("ghost",), "", Form.PICKLE),
    SealedColumn("e2ee", "e2ee_olm", "pickle", ("ghost", "curve", "session_id"), "", Form.PICKLE),
    SealedColumn("e2ee", "e2ee_in", "pickle", ("room_id", "session_id", "sender"), "", Form.PICKLE),
    SealedColumn("e2ee", "e2ee_out", "pickle", ("session_id",), "", Form.PICKLE),
    SealedColumn("connect", "connect_event", "body", ("network", "n"), "connect event {network} {id}"),
    SealedColumn("connect", "connect_secret", "secret", ("network", "id"), "connect secret {network} {id}"),
    SealedColumn("connect", "connect_absent", "said", ("network", "id"), "connect absence {network}:{id}"),
    SealedColumn("shelf", "connect_file", "about", ("id",), "connect file {id}"),
    SealedColumn("mail", "mail_in", "envelope", ("n",), "mail envelope"),
    SealedColumn("mail", "mail_in", "raw", ("n",), "mail raw"),
    SealedColumn("mail", "mail_out", "raw", ("id",), "out {id}"),
    SealedColumn("mail", "mail_ref", "about", ("chat", "mid"), "about {chat} {mid}"),
    SealedColumn("mail", "mail_thread", "about", ("chat", "thread"), "thread {chat} {thread}"),
    SealedColumn("mail", "mail_draft", "body", ("id",), "draft {id}"),
)  # fmt: skip


def of(components: Collection[Component]) -> list[SealedColumn]:
    """Those of the tables that this hub has."""
    names = {component.name for component in components}
    return [column for column in SEALED if column.component in names]
