"""A file that passes in pieces of any size, read by a generator that says what it needs next. Pure; little memory.

A parser yields :class:`Take` for bytes to look at, :class:`Pass` and :class:`Until` for what goes through unread, and
bytes of the same length that replace what it took last. So the file keeps its length, and what was taken and not
replaced goes through as it was, also if the parser fails.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias

MOST = 4 * 1024 * 1024  # bytes that a parser may look at in one piece
_LAST_STEPS = 32  # that a parser may take once the file has ended
_TORN = (ValueError, IndexError, KeyError, struct.error, OverflowError)


@dataclass(frozen=True, slots=True)
class Take:
    """Give me so many bytes: fewer only where the file ends before."""

    count: int


@dataclass(frozen=True, slots=True)
class Pass:
    """Let so many bytes go through."""

    count: int


@dataclass(frozen=True, slots=True)
class Until:
    """Let everything before the next match go through, and tell me the match; nothing: there was none.

    ``longest`` is how many bytes a match can have.
    """

    mark: re.Pattern[bytes]
    longest: int


Step: TypeAlias = Take | Pass | Until | bytes
Parser: TypeAlias = Generator[Step, bytes, None]


class Parsing:
    """A parser at work: :meth:`feed` and :meth:`end` give what goes on."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._held = bytearray()  # has come, not yet asked for
        self._taken = b""  # the parser has it, and may still replace it
        self._step: Step | None = None
        self._out = bytearray()
        self._next(None)

    def feed(self, piece: bytes) -> bytes:
        """The next bytes of the file."""
        self._held += piece
        while self._step is not None and self._do(self._step):
            pass
        return self._given()

    def end(self) -> bytes:
        """The file is complete, or torn."""
        left = _LAST_STEPS
        while self._step is not None and left:
            left -= not self._held
            if not self._do(self._step):
                self._finish(self._step)
        self._parser.close()
        self._step = None
        return self._given()

    def _given(self) -> bytes:
        if self._step is None:
            self._flush()
            self._out += self._held
            self._held.clear()
        given = bytes(self._out)
        self._out.clear()
        return given

    def _flush(self) -> None:
        self._out += self._taken
        self._taken = b""

    def _next(self, answer: bytes | None) -> None:
        try:
            self._step = next(self._parser) if answer is None else self._parser.send(answer)
        except StopIteration:
            self._step = None
        except _TORN:
            self._step = None

    def _do(self, step: Step) -> bool:
        """Whether the step could be done with what is here."""
        if isinstance(step, bytes):
            self._replace(step)
            return True
        self._flush()
        if isinstance(step, Take):
            if len(self._held) < min(step.count, MOST):
                return False
            self._take(step.count)
            return True
        return self._pass(step) if isinstance(step, Pass) else self._search(step)

    def _replace(self, data: bytes) -> None:
        if len(data) == len(self._taken):
            self._taken = data
        self._next(b"")

    def _take(self, count: int) -> None:
        count = max(0, min(count, MOST))
        self._taken = bytes(self._held[:count])
        del self._held[:count]
        self._next(self._taken)

    def _pass(self, step: Pass) -> bool:
        count = min(step.count, len(self._held))
        self._move(count)
        if count < step.count:
            self._step = Pass(step.count - count)
            return False
        self._next(b"")
        return True

    def _search(self, step: Until) -> bool:
        found = step.mark.search(self._held)
        if found is None:
            self._move(max(0, len(self._held) - step.longest + 1))
            return False
        match = found.group()
        start = found.start()
        del found  # it holds the buffer
        self._move(start)
        self._next(match)
        return True

    def _move(self, count: int) -> None:
        self._out += self._held[:count]
        del self._held[:count]

    def _finish(self, step: Step) -> None:
        """The file ends within a step."""
        if isinstance(step, Take):
            self._take(len(self._held))
        else:
            self._move(len(self._held))
            self._next(b"")
