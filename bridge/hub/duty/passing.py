"""What nobody on duty has read in time is passed on: to her mailbox, to whoever is on duty next, back to its writer.

Each step is one transaction: what is passed on is accepted in it, and the row says so. Then the step is said in the
conversation, and the row says that, too. A kill between the two repeats nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial

from bridge.db import Tx
from bridge.errors import Refused
from bridge.hub.duty.phrases import copied, told, when
from bridge.hub.duty.saying import Saying
from bridge.hub.duty.seating import FOR_EVER, Seat, Seating
from bridge.hub.duty.watches import PAGED, Unread, Watch, Watches
from bridge.model import FUNCTION, MAIL, Address, Body, File, Ref
from bridge.people.duty.kept_rota import KeptRota
from bridge.people.duty.rota import Duty, Function
from bridge.people.people import People
from bridge.receiver import Receiver
from bridge.store.conversation import Conversation, delivery_id, message_id

log = logging.getLogger(__name__)
_DAY = 86_400_000  # ms
_BORDERS = 3  # hand-overs after which the writer of what is not urgent is told
_FILES = 20_000_000  # bytes that are passed on with a copy


def fitting(files: Sequence[File], most: int = _FILES) -> tuple[tuple[File, ...], str]:
    """As many documents as one message carries, in their order, and the names of those that are left out."""
    taken, left, total = list[File](), list[str](), 0
    for file in files:
        if total + file.size > most:
            left.append(file.name)
        else:
            taken.append(file)
            total += file.size
    return tuple(taken), ", ".join(left)


class Passing:
    """Works on one watch. ``clock`` gives milliseconds since 1970."""

    def __init__(
        self,
        hub: Receiver,
        people: People,
        rota: KeptRota,
        watches: Watches,
        seating: Seating,
        clock: Callable[[], int],
    ) -> None:
        self._hub = hub
        self._people = people
        self._rota = rota
        self._watches = watches
        self._seating = seating
        self._clock = clock
        self._say = Saying(hub, clock)

    async def look(self, conversation: str, slug: str) -> None:
        """Do what is due. Raises Unavailable, SealBroken."""
        watch = await self._watches.one(conversation, slug)
        function = self._rota.now.functions.get(slug)
        if watch is None:
            return
        if function is None:  # it has ended: whoever waits is told
            function = Function(slug, slug, next(iter(self._rota.now.functions.values())).zone)
            return await self._unread(watch, function)
        if await self._taken(watch, function):
            return
        if watch.told < watch.step:
            await self._tell(watch, function)
        elif watch.due_at <= self._clock():
            await self._pass(watch, function)
        else:
            await self._run("duty.look_later", watch, watch.noted)

    # ---- read, or answered

    async def _taken(self, watch: Watch, function: Function) -> bool:
        """Whether somebody has taken it; what she has not read goes on waiting."""
        done = await self._watches.read(watch)
        if not done:
            return False
        who = next(iter(done.values()))
        name = (await self._people.get(who)).name
        since = min((s.since for s in await self._seating.of(watch.conversation) if s.person == who), default=0)
        others = await self._others(watch.conversation, (who,))
        text = told("duty_taken", function, name=name)
        if others:
            ident = f"taken:{watch.conversation}:{watch.function}:{who}:{since}"
            await self._say.notice(ident, watch.conversation, function, text, others)
        for message in done:
            ref = Ref(FUNCTION, delivery_id(message, FUNCTION))
            await self._hub.signs.seen(ref, Address(FUNCTION, watch.function), self._clock())
        async with self._watches.store.db.transaction("duty.taken") as tx:
            await self._watches.over(tx, watch, list(done))
            await tx.run("duty.look_later", watch.conversation, watch.function, watch.noted)
        return True

    async def _others(self, conversation: str, but: Collection[str]) -> list[str]:
        whole: Conversation = await self._watches.store.conversation(conversation)
        return [m.person.id for m in whole.members if m.person.id not in but and m.address.network != FUNCTION]

    # ---- passed on

    async def _pass(self, watch: Watch, function: Function) -> None:
        said = await self._watches.said(watch)
        if not said:
            return await self._run("duty.end_watch", watch)
        now = self._clock()
        duty = self._rota.now.duty(function.slug, now)
        if watch.urgent and watch.asked and await self._page(watch, function, said):
            return
        for person in self._next(watch, function, duty, now):
            if await self._copy(watch, function, said, person, duty):
                return
        if not watch.urgent and watch.step < _BORDERS and (at := self._border(duty, now)) is not None:
            async with self._watches.store.db.transaction("duty.waits") as tx:
                await tx.run("duty.later", watch.conversation, watch.function, at, watch.noted)
            return
        await self._unread(watch, function)

    def _next(self, watch: Watch, function: Function, duty: Duty, now: int) -> list[str]:
        """Who may be asked now: whoever is on duty and was not asked; what is urgent goes to the next duty, too."""
        found = [one for one in duty.people if one not in watch.people]
        if watch.urgent and (then := self._rota.now.following(function.slug, now)) is not None:
            found += [one for one in then.people if one not in watch.people and one not in found]
        return found

    def _border(self, duty: Duty, now: int) -> int | None:
        """When somebody else comes on duty, a day from now at the latest if somebody is."""
        if not duty.people:
            return duty.until
        return min(now + _DAY, duty.until or FOR_EVER)

    async def _page(self, watch: Watch, function: Function, said: Sequence[Unread]) -> bool:
        """The mailbox of the one who was asked last, where she was asked elsewhere; False: there is none."""
        last = watch.asked[-1]
        box = None if last.startswith(PAGED) else await self._box(watch.conversation, last)
        if box is None:
            return False
        ident = f"page:{said[0].message}:{watch.function}:{watch.step + 1}"
        text, files = await self._written(function, said)
        ready = partial(
            self._watches.passed, watch=watch, asked=PAGED + last, due_at=self._clock() + function.after,
            copy=message_id(Ref(FUNCTION, ident)), said=said,
        )  # fmt: skip

        async def within(tx: Tx) -> None:
            await ready(tx)

        chat = f"page:{watch.conversation}:{watch.function}:{last}"
        body = Body(f"{text}\n\n{told('duty_answer', function)}", files=files, system=True, urgent=True)
        try:
            await self._say.copy(ident, chat, function, f"mailto:{box}", body, None, within)
        except Refused as refusal:
            log.warning("%s of %s is not asked by mail: %s", last, watch.function, refusal.code)
            return False
        return True

    async def _box(self, conversation: str, person: str) -> str | None:
        """The mailbox at another operator of somebody who takes part by an application."""
        member = (await self._watches.store.conversation(conversation)).member(person)
        boxes = [a.id for a in (await self._people.get(person)).addresses if a.network == MAIL]
        if member is None or member.address.network == MAIL or not boxes:
            return None
        try:
            found = await self._people.find(f"mailto:{boxes[0]}", FUNCTION, "to")
        except Refused:
            return None
        return boxes[0] if found.address.network == MAIL else None

    async def _copy(
        self, watch: Watch, function: Function, said: Sequence[Unread], person: str, duty: Duty
    ) -> bool:  # fmt: skip
        """Somebody else is asked; False: she cannot be reached."""
        now, ident = self._clock(), f"copy:{said[0].message}:{watch.function}:{watch.step + 1}"
        until = duty.until if person in duty.people else self._until(function, now)
        due_at = now + function.after if watch.urgent else min(now + _DAY, until or FOR_EVER)
        known = (await self._watches.store.conversation(watch.conversation)).member(person) is not None
        seat = Seat(watch.function, person, now, until or FOR_EVER, not known)

        async def within(tx: Tx) -> None:
            copy = message_id(Ref(FUNCTION, ident))
            await self._watches.passed(tx, watch, person, due_at, copy, said)
            await self._seating.sit(tx, watch.conversation, [seat])

        text, files = await self._written(function, said)
        body = Body(text, files=files, system=True, urgent=watch.urgent)
        try:
            await self._say.copy(ident, watch.conversation, function, person, body, person, within)
        except Refused as refusal:
            log.warning("%s of %s is not reached: %s", person, watch.function, refusal.code)
            return False
        return True

    def _until(self, function: Function, now: int) -> int | None:
        then = self._rota.now.following(function.slug, now)
        return None if then is None else then.until

    async def _written(self, function: Function, said: Sequence[Unread]) -> tuple[str, tuple[File, ...]]:
        """A copy of these messages: its text, and the documents that came with them."""
        every = [file for one in said if one.files for file in await self._watches.files(one.message)]
        files, left = fitting(every)
        more = [told("duty_too_large", function, files=left)] if left else []
        return "\n\n".join([copied(function, said), *more]), files

    # ---- said

    async def _tell(self, watch: Watch, function: Function) -> None:
        """The step that was taken last is said in the conversation."""

        async def within(tx: Tx) -> None:
            await tx.run("duty.told", watch.conversation, watch.function, watch.noted)

        first = (await self._watches.said(watch))[0].message
        ident = f"step:{first}:{watch.function}:{watch.step}"
        try:
            await self._say.notice(
                ident, watch.conversation, function, await self._words(watch, function), within=within
            )
        except Refused:
            await self._run("duty.told", watch, watch.noted)

    async def _words(self, watch: Watch, function: Function) -> str:
        last = watch.asked[-1]
        name = (await self._people.get(last.removeprefix(PAGED))).name
        before = [one for one in watch.people if one != last]
        if last.startswith(PAGED):
            return told("duty_mail", function, name=name)
        if not before:
            return told("duty_began", function, name=name)
        code = "duty_passed" if watch.urgent else "duty_relieved"
        return told(code, function, name=name, before=(await self._people.get(before[-1])).name)

    async def nobody(self, conversation: str, function: Function, message: str, then: Duty | None) -> None:
        """Nobody is on duty when something is written: its writer hears at once when somebody will be."""
        if then is None or then.first is None:
            text = told("duty_never", function)
        else:
            name = (await self._people.get(then.first)).name
            text = told("duty_nobody", function, name=name, when=when(function, then.since))
        await self._say.notice(f"nobody:{message}:{function.slug}", conversation, function, text)

    async def _unread(self, watch: Watch, function: Function) -> None:
        """Nobody else can be asked: its writer is told, and the watch ends."""
        said = [one.message for one in await self._watches.said(watch)]

        async def within(tx: Tx) -> None:
            await self._watches.over(tx, watch, said)

        for message in said:
            ref, at = Ref(FUNCTION, delivery_id(message, FUNCTION)), self._clock()
            await self._hub.signs.failed(ref, Address(FUNCTION, watch.function), "not_read_on_duty", at)
        ident = f"unread:{said[0] if said else watch.conversation}:{watch.function}"
        try:
            await self._say.notice(ident, watch.conversation, function, told("duty_unread", function), within=within)
        except Refused:
            async with self._watches.store.db.transaction("duty.unread") as tx:
                await within(tx)

    async def _run(self, name: str, watch: Watch, *more: int) -> None:
        async with self._watches.store.db.transaction(name) as tx:
            await tx.run(name, watch.conversation, watch.function, *more)
