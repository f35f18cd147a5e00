"""What became of messages, shown where they were written: status, read receipts, a notice for each refusal."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from appservice.client.edge import MatrixEdge
from appservice.client.events import Words
from appservice.client.homeserver import MatrixRefused, part
from appservice.client.names import Names
from appservice.leaving.notices import Notices, failure
from appservice.rooms.roomstate import Room, RoomStore
from bridge.model import MATRIX, Address, RecipientState, Report, State
from bridge.parts.failpoint import failpoint
from bridge.words import GOOD_NEWS, IN_TIME, notice, speaking

log = logging.getLogger(__name__)
_KEPT = 30 * 86_400 * 1000  # ms; later news about a message this old may be told twice
PENDING = "pending"  # the mark of an event that was shown as waiting
_SUCCESS, _FAILED = "success", "failed"
_ONE_NOTICE = 6 * 3600 * 1000  # ms: what waits for the same person that long is said once in a room
_ARRIVED = (State.DELIVERED, State.READ)
_OF_ITS_OWN = frozenset({"late", "at_last"})  # said of the same recipient beside others
_AT_ONCE = 4  # statuses on their way into one room
Told = set[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ToSay:
    """A notice about one recipient of an event, for its sender (a Matrix user)."""

    event: str
    code: str
    name: str
    whom: str  # the ghost of the recipient, or else their name
    to: str

    @property
    def key(self) -> str:
        """What makes it unique. Good news is no failure, and once is enough for all recipients."""
        kind = self.code if self.code in _OF_ITS_OWN else "refused"
        return f"{kind}:{self.event}:{self.code if self.code in IN_TIME else self.whom}"


@dataclass(slots=True)
class RoomNews:
    """What one room has to be told. ``read``: ghost -> newest event read.

    ``success``: events that have left for everybody, and who has them; who is not named may get it yet (mail). A client
    goes by an event's own status, so each has one. ``failed``: event -> code of who will not have it, and who has it.
    ``pending``: events that wait for long. ``said``: notices.
    """

    success: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failed: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    read: dict[str, str] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
    said: list[ToSay] = field(default_factory=list)
    told: Told = field(default_factory=set)


def news_of(reports: Iterable[Report], names: Names, told: Told) -> dict[str, RoomNews]:
    """Pure: what is new in these reports, by room. ``told`` holds what was told before."""
    rooms: dict[str, RoomNews] = defaultdict(RoomNews)
    for report in reports:
        news, event = rooms[report.chat], report.ref.id
        refused = [state for state in report.states if state.state is State.REFUSED]
        arrived = [state for state in report.states if state.state in _ARRIVED]
        users = tuple(sorted(user for state in arrived if (user := names.of(state.person.id)) is not None))
        _whole(news, report, names, users, told)
        _late(news, report, names, told)
        for state in arrived:
            mark, ghost = (event, f"read {state.person.id}"), names.of(state.person.id)
            if state.state is State.READ and ghost is not None and mark not in told:
                news.read[ghost] = event
                news.told.add(mark)
        for state in refused:
            mark = (event, f"{_FAILED} {state.person.id}")
            if mark not in told:
                code = state.reason or "internal_error"
                if code not in GOOD_NEWS:
                    news.failed[event] = code, users
                news.said.append(_to_say(report, state, code, names))
                news.told.add(mark)
    return {room: news for room, news in rooms.items() if news.told}


def _whole(news: RoomNews, report: Report, names: Names, users: tuple[str, ...], told: Told) -> None:
    """What became of the whole message, once it waits for nobody any more; ``users`` are those it arrived with."""
    event, step = report.ref.id, _step(report)
    if step is None or {(event, step), (event, _SUCCESS)} & told:
        return
    refused = [state for state in report.states if state.state is State.REFUSED]
    bad = [state for state in refused if state.reason not in GOOD_NEWS]
    arrived = any(state.state in _ARRIVED for state in report.states)
    if bad and arrived:
        news.failed[event] = bad[0].reason or "internal_error", users
    elif not bad and (arrived or not refused):
        news.success[event] = users
    news.told.add((event, step))


def _late(news: RoomNews, report: Report, names: Names, told: Told) -> None:
    """What waits for long, once for each person and room; and that it went on, where that was said."""
    event = report.ref.id
    for state in report.states:
        said, over = (event, f"late {state.person.id}"), (event, f"at last {state.person.id}")
        if state.state is State.ACCEPTED and state.reason == "late":
            lane = (report.chat, f"{said[1]} {state.at // _ONE_NOTICE}")
            if lane not in told | news.told:
                news.said.append(_to_say(report, state, "late", names))
                news.told |= {lane, said}
            if (event, PENDING) not in told | news.told:
                news.pending.append(event)
                news.told.add((event, PENDING))
        elif state.state in _ARRIVED and said in told and over not in told:
            news.said.append(_to_say(report, state, "at_last", names))
            news.told.add(over)


def _step(report: Report) -> str | None:
    """How far the whole message is: with everybody, or else with whom; None while it waits for somebody."""
    if not report.states or any(state.state is State.ACCEPTED for state in report.states):
        return None
    arrived = sorted(state.person.id for state in report.states if state.state in _ARRIVED)
    if len(arrived) == len(report.states):
        return _SUCCESS
    return "reached " + hashlib.sha256("\n".join(arrived).encode()).hexdigest()[:16]


def _to_say(report: Report, state: RecipientState, code: str, names: Names) -> ToSay:
    name = "" if code in IN_TIME else state.person.name
    return ToSay(report.ref.id, code, name, names.of(state.person.id) or state.person.name, report.sender.id)


class Reports:
    """Tells rooms what is new, once. Raises Unavailable: then everything comes again, and what was told stays told."""

    def __init__(self, edge: MatrixEdge, rooms: RoomStore, notices: Notices) -> None:
        self._db = edge.db
        self._homeserver = edge.homeserver
        self._facts = edge.hub.facts
        self._names = edge.names
        self._rooms = rooms
        self._notices = notices
        self._clock = edge.clock
        self._slots = asyncio.Semaphore(8)

    async def tell(self, reports: Sequence[Report]) -> None:
        """See :meth:`bridge.connector.Connector.report`."""
        ids = orjson.dumps(sorted({ident for report in reports for ident in (report.ref.id, report.chat)})).decode()
        told = {(row["event_id"], row["what"]) for row in await self._db.all("matrix.told", ids)}
        rooms = news_of(reports, self._names, told)
        if not rooms:
            return
        results = await asyncio.gather(*(self._room(r, news) for r, news in rooms.items()), return_exceptions=True)
        failpoint("matrix.told")
        marks = [mark for news, result in zip(rooms.values(), results, strict=True) if not result for mark in news.told]
        if marks:
            async with self._db.transaction("matrix.tell") as tx:
                await tx.many("matrix.tell", [(event, what, self._clock()) for event, what in sorted(marks)])
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _room(self, room_id: str, news: RoomNews) -> None:
        async with self._slots:
            room = await self._rooms.get(room_id)
            await self._successes(room, news.success)
            for event, (code, users) in news.failed.items():
                more = failure(code) | {"delivered_to_users": list(users)}
                await self._notices.status(room, event, "FAIL_PERMANENT", **more)
            for event in news.pending:
                await self._notices.status(room, event, "PENDING", **failure("late"))
            for one in news.said:
                with speaking(await self._facts.language(Address(MATRIX, one.to))):
                    words = Words(notice(one.code, one.name), one.code, one.event, one.to)
                await self._notices.notice(await self._current(room), one.key, words)
            for ghost, event in news.read.items():
                await self._receipt(room, ghost, event)

    async def _successes(self, room: Room, news: Mapping[str, tuple[str, ...]]) -> None:
        """Each message has a status of its own; a burst of them does not wait for one after the other."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def tell(event: str, users: tuple[str, ...]) -> None:
            async with turns:
                await self._notices.status(room, event, "SUCCESS", delivered_to_users=list(users))

        for ended in await asyncio.gather(*(tell(*one) for one in news.items()), return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended

    async def _current(self, room: Room) -> Room:
        while room.facts.successor is not None:
            room = await self._rooms.get(room.facts.successor)
        return room

    async def _receipt(self, room: Room, ghost: str, event: str) -> None:
        if room.membership(ghost) != "join":
            return
        path = f"/_matrix/client/v3/rooms/{part(room.room_id)}/receipt/m.read/{part(event)}"
        try:
            await self._homeserver.call("POST", path, {}, user=ghost)
        except MatrixRefused as refusal:
            log.info("a receipt in %s was refused: %s", room.room_id, refusal)

    async def clean(self) -> None:
        """Forget what was told long ago, a page in a transaction."""
        some = True
        while some:
            async with self._db.transaction("matrix.told-clean") as tx:
                some = bool(await tx.all("matrix.told_clean", self._clock() - _KEPT))
