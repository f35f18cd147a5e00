"""Who of ours is asked for the order of a room, and whose answer counts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from appservice.arriving.gaps import Gaps


class _Asked(Gaps):
    """With what /sync says to each ghost, and whether that is all."""

    def __init__(self, says: dict[str, tuple[list[str], bool]]) -> None:
        doors = SimpleNamespace(ghosts_in=lambda room: list(says))
        self._rooms: Any = SimpleNamespace(store=SimpleNamespace(get=_nothing), doors=doors)
        self._inboxes: Any = SimpleNamespace(anchor=lambda one: "s1")
        self.says, self.asked = says, list[str]()

    async def _timeline(self, room_id: str, reader: str) -> tuple[list[str], bool]:
        self.asked.append(reader)
        return self.says[reader]


async def _nothing(_: str) -> None:
    """A room."""


async def test_of_many_who_have_just_come_few_are_asked_and_the_first_answer_counts() -> None:
    came = [{"type": "m.room.member", "state_key": ghost} for ghost in ("@a:x", "@b:x", "@c:x", "@d:x")]
    part = {ghost: ([ghost], False) for ghost in ("@a:x", "@b:x", "@c:x", "@d:x")}
    before = _Asked({**part, "@z:x": (["whole"], True)})
    assert await before._stream("!r", came) == ["whole"]
    assert before.asked == ["@z:x"]
    nobody = _Asked({"@a:x": ([], False), **{ghost: said for ghost, said in part.items() if ghost != "@a:x"}})
    assert await nobody._stream("!r", came) == ["@b:x"]
    assert nobody.asked == ["@a:x", "@b:x", "@c:x"]
