"""Plays scenarios over pairs of far ends, all of them side by side, and says what is not as the table has it."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from bridge.forms.wording import DONE
from bridge.words import IN_TIME
from tests.scenarios import pieces
from tests.scenarios.ends import UNHEARD, Deed, FarEnd, Shown, Unsaid, containing
from tests.scenarios.found import Look, Named, Pair, Problem, Report, gone, rang
from tests.scenarios.script import SAYS, Scenario, Step
from tests.scenarios.table import Form, form

ARRIVES = 90.0  # s until a message that has not arrived is left alone
ACTS = 20.0  # s until something else that has had no effect is
ENDS = 60.0  # s until all is as it should be, after the last step
AT_ONCE = 24  # scenarios of one pair: a client sends into its room one after the other
_LOOK = 0.3  # s between two looks
_FIRST_EMOJI, _EMOJI = 0x1F400, 300  # reactions that differ, so that each is found again


class Stage:
    """The far ends under one pair of eyes."""

    def __init__(self, ends: Iterable[FarEnd]) -> None:
        self.ends = list(ends)
        self._looked = asyncio.Condition()
        self._keys = itertools.count()
        self.nonce = secrets.token_hex(3)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look at every end again and again."""
        task = asyncio.create_task(self._look())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            await asyncio.gather(*(end.look() for end in self.ends))
            async with self._looked:
                self._looked.notify_all()
            await asyncio.sleep(_LOOK)

    async def until(self, true: Callable[[], object], patience: float = ARRIVES) -> bool:
        """Wait until something is so; False: it is not so after a while."""
        try:
            async with asyncio.timeout(patience), self._looked:
                await self._looked.wait_for(lambda: bool(true()))
        except TimeoutError:
            return False
        return True

    def key(self) -> str:
        """An emoji that nobody has used."""
        return chr(_FIRST_EMOJI + next(self._keys) % _EMOJI)

    async def play(self, scenarios: Sequence[Scenario], pairs: Sequence[Pair]) -> Report:
        """Every scenario over every pair, all side by side; then what is left at the ends."""
        report, started = Report(), time.monotonic()
        plays = [
            Play(self, one, pair, f"{n:02d}{m:02d}") for m, pair in enumerate(pairs) for n, one in enumerate(scenarios)
        ]
        async with self.looking():
            places = {str(pair): asyncio.Semaphore(AT_ONCE) for pair in pairs}
            await asyncio.gather(*(play.run(report, places[str(play.pair)]) for play in plays))
            for pair in pairs:  # what a mail says of an older one goes with the next
                await pair.near.do(
                    Deed("say", f"{self.nonce}-end-{pair}".replace(" ", ""), pair.chats[pair.near.name], "Fin.")
                )
        report.seconds = time.monotonic() - started
        deadline = time.monotonic() + ENDS
        while True:
            await asyncio.gather(*(end.look(everything=True) for end in self.ends))
            report.problems = [problem for play in plays for problem in play.problems()]
            if not report.problems or time.monotonic() > deadline:
                break
            await asyncio.sleep(1.0)
        report.checked = len(plays) - len(report.unsaid)
        return report


class Play:
    """One scenario over one pair."""

    def __init__(self, stage: Stage, scenario: Scenario, pair: Pair, number: str) -> None:
        self._stage = stage
        self._scenario = scenario
        self._pair = pair
        self._number = f"q{number}{stage.nonce}"
        self._count = itertools.count()
        self._named: dict[str, Named] = {}
        self._checks: list[tuple[Step, Look]] = []
        self._failed = ""

    @property
    def pair(self) -> Pair:
        """Over which it is played."""
        return self._pair

    async def run(self, report: Report, place: asyncio.Semaphore) -> None:
        """Play it, as far as its people can, once there is a place for it."""
        async with place:
            await self._run(report)

    async def _run(self, report: Report) -> None:
        for moment in self._scenario.moments:
            try:
                arrivals = await self._at_once(moment, report)
            except Unsaid as unsaid:
                report.unsaid.append((str(self._pair), self._scenario.name, str(unsaid)))
                self._checks.clear()
                return
            except Exception as error:  # whatever it is: the others are played
                self._failed = f"{type(error).__name__}: {error}"
                return
            patience = [ARRIVES if step.verb in SAYS else ACTS for step in moment]
            await asyncio.gather(*(self._stage.until(*one) for one in zip(arrivals, patience, strict=True)))
            for one in self._named.values():
                self._note(one)
        await self._gather()

    async def _gather(self) -> None:
        """What is done to a mail is said with the next one of its thread: there is one."""
        near, far = self._pair.near, self._pair.far
        for by, to in ((near, far), (far, near)):
            done = next((one.about for one in self._named.values() if one.about is not None and one.by is by), None)
            if not to.rewrites and done is not None and done.by is to:
                ident, chat = f"{self._number}end", self._pair.chats[by.name]
                await by.do(Deed("reply", ident, chat, f"Voilà {ident}.", reply_to=done.ids.get(by.name)))

    async def _at_once(self, moment: Sequence[Step], report: Report) -> list[Callable[[], object]]:
        """Each person does their steps one after the other and waits for nobody."""

        async def one_by_one(steps: Iterable[Step]) -> list[Callable[[], object]]:
            return [await self._do(step, report) for step in steps]

        near, far = (one_by_one([step for step in moment if step.far is far]) for far in (False, True))
        for one in (done := await asyncio.gather(near, far, return_exceptions=True)):
            if isinstance(one, BaseException):  # both have ended: nothing is done any more
                raise one
        return [look for looks in done if not isinstance(looks, BaseException) for look in looks]

    def _note(self, named: Named) -> None:
        if named.to.name not in named.ids and (seen := named.seen()):
            named.ids[named.to.name] = seen[0].id

    def problems(self) -> list[Problem]:
        """What is not as it should be now."""
        found = [Problem(str(self._pair), self._scenario.name, "played", self._failed)] if self._failed else []
        for step, look in self._checks:
            if (what := look()) is not None:
                found.append(Problem(str(self._pair), self._scenario.name, str(step), what))
        return found

    # ---- steps

    async def _do(self, step: Step, report: Report) -> Callable[[], object]:
        """Do it; gives what is so once it has arrived."""
        by, to = (self._pair.far, self._pair.near) if step.far else (self._pair.near, self._pair.far)
        token = f"{self._number}{next(self._count)}z"
        target = self._named.get(step.about)
        deed = self._deed(step, by, token, target)
        if step.verb in SAYS:
            return await self._say(step, Named(step, by, to, [token], next(iter(deed.files), None)), deed, report)
        assert target is not None
        if step.verb == "again":
            await by.do(deed)
            return lambda: True
        return await self._act(step, by, to, target, deed, report)

    def _deed(self, step: Step, by: FarEnd, token: str, target: Named | None) -> Deed:
        def known(name: str) -> str | None:
            return self._named[name].ids.get(by.name, "?") if name else None

        files = (pieces.file(step.words[0], token),) if step.verb == "file" else ()
        text, html = pieces.text(token, step.words)
        if files and "caption" not in step.words:
            text, html = "", None
        if step.verb == "react":
            text = self._stage.key()
        elif step.verb == "handled":
            text = DONE
        elif step.verb in ("remove", "moderate", "again"):
            text = ""
        about = "" if target is None else target.ids.get(by.name, "?")
        reply, thread = known(step.word("reply")), known(step.word("thread"))
        reply = about if step.verb == "reply" else reply
        thread = about if step.verb == "thread" else thread
        if step.verb == "edit" and target is not None and target.file is not None:
            files = (target.file,)
        chat = self._pair.chats[by.name]
        to = self._pair.near if step.far else self._pair.far
        answers = (f"Oui {token}", f"Non {token}") if step.verb == "poll" else ()
        mentions = (self._pair.persons[to.name],) if "mention" in step.words else ()
        return Deed(
            step.verb, token, chat, text, html, step.words, about, reply, thread, files, answers, mentions
        )  # fmt: skip

    async def _say(self, step: Step, named: Named, deed: Deed, report: Report) -> Callable[[], object]:
        named.ids[named.by.name] = await named.by.do(deed)
        self._named[step.name] = named
        became = self._became(step, named.to, report, files=named.file is not None)
        mine = named.ids[named.by.name]
        if step.verb == "call":
            self._checks.append((step, lambda: rang(named, mine)))
            return lambda: rang(named, mine) is None
        if became is Form.TOLD:
            self._checks.append((step, lambda: self._must_be_told(named.by, mine)))
        else:
            self._checks.append((step, lambda: self._left(named)))
        return lambda: named.seen() or named.by.told(mine)

    async def _act(
        self, step: Step, by: FarEnd, to: FarEnd, target: Named, deed: Deed, report: Report
    ) -> Callable[[], object]:
        ident = await by.do(deed)
        became = self._became(step, to, report, answers=target.by is to)
        if step.verb == "moderate":
            target.removed = True  # where it is read
        if self._forbidden(step, by, target):
            became = Form.TOLD
        if step.verb in ("react", "handled"):
            self._named[step.name] = Named(step, by, to, [deed.id], None, {by.name: ident}, about=target, key=deed.text)
        if became is Form.COUNTED:
            return lambda: True
        if became is Form.TOLD:
            sign = step.verb == "react" or target.about is not None
            self._checks.append((step, lambda: self._must_be_told(by, ident, deed.about, sign=sign)))
            return lambda: self._must_be_told(by, ident, sign=sign) is None
        if became is Form.TEXT or not to.rewrites:
            return self._in_text(step, by, to, target, deed, ident)
        return self._in_place(step, to, target, deed, ident, by)

    def _in_place(
        self, step: Step, to: FarEnd, target: Named, deed: Deed, ident: str, by: FarEnd
    ) -> Callable[[], object]:
        """The message at the far end changes."""
        if step.verb in ("vote", "end"):
            self._checks.append((step, lambda: self._poll(step, to, target)))
            return lambda: self._poll(step, to, target) is None or by.told(ident)
        if step.verb == "edit":
            target.tokens.append(deed.id)
            return lambda: target.seen() or by.told(ident)
        if step.verb == "moderate":
            self._checks.append((step, lambda: self._moderated(to, target)))
            return lambda: self._moderated(to, target) is None or by.told(ident)
        if step.verb == "remove":
            target.removed = True
            if (about := target.about) is not None:
                return lambda: target.key not in self._keys_of(to, about) or by.told(ident)
            return lambda: self._left(target) is None or by.told(ident)
        reaction = self._named[step.name]
        self._checks.append((step, lambda: self._reaction(to, reaction, ident)))
        return lambda: deed.text in self._keys_of(to, target) or by.told(ident)

    def _in_text(
        self, step: Step, by: FarEnd, to: FarEnd, target: Named, deed: Deed, ident: str
    ) -> Callable[[], object]:
        """A further message says it: where messages do not change, or in place of what the reader's network lacks."""
        if step.verb == "edit":
            if not to.rewrites:
                target.tokens.append(deed.id)
            self._checks.append(
                (step, lambda: None if by.told(ident) | by.told(deed.about) else self._said(to, deed.id))
            )
        elif step.verb == "end":
            target.ends = 1
            self._checks.append((step, lambda: self._said(to, target.tokens[0], 2)))
            return lambda: not to.rewrites or len(containing(to, target.tokens[0])) > 1 or by.told(ident)
        elif step.verb in ("remove", "moderate"):
            target.removed = target.removed or not to.rewrites or target.about is not None
            self._checks.append((step, lambda: self._removal_said(to, target)))
        else:
            self._checks.append((step, lambda: self._said_once(by, to, ident, deed.text)))
            return lambda: not to.rewrites or containing(to, deed.text) or by.told(ident)
        return lambda: not to.rewrites or containing(to, deed.id) or by.told(ident)

    def _became(self, step: Step, to: FarEnd, report: Report, *, files: bool = False, answers: bool = True) -> Form:
        found = form(step.verb, to.capabilities, files=files, answers=answers)
        report.forms[found.value] = report.forms.get(found.value, 0) + 1
        return found

    @staticmethod
    def _forbidden(step: Step, by: FarEnd, target: Named) -> bool:
        """Whether nobody may do this: correct, or take back, what another one has said."""
        return step.verb in ("edit", "remove") and target.by is not by

    # ---- looks

    @staticmethod
    def _poll(step: Step, to: FarEnd, target: Named) -> str | None:
        shown = to.get(target.ids.get(to.name, ""))
        if shown is not None and (shown.ended if step.verb == "end" else step.words[0] in {v[-1] for v in shown.votes}):
            return None
        return f"{to.name} shows nothing of it: {shown and shown.votes}"

    @staticmethod
    def _removal_said(to: FarEnd, target: Named) -> str | None:
        """That something was taken back is said, or nothing of it has left."""
        if not any(containing(to, token) for token in target.tokens) and target.about is None:
            return None
        return None if any("retir" in one.text for one in to.shown()) else f"{to.name} reads nothing of the removal"

    def _said_once(self, by: FarEnd, to: FarEnd, ident: str, key: str) -> str | None:
        """Signs are said while they are few, and what was taken back in time not at all."""
        reaction = next((one for one in self._named.values() if one.ids.get(by.name) == ident), None)
        if by.told(ident) or reaction is None or reaction.removed:
            return None
        assert reaction.about is not None
        if reaction.about.removed:
            return None
        if any(reaction.step is not one.step for one in self._signs(by, reaction.about)):
            told = self._must_be_told(by, ident, sign=True)  # of one person the first sign about a message is said
            return None if told is None or containing(to, key) else told
        if key == DONE:
            there = key in self._keys_of(to, reaction.about) or any(DONE in one.text for one in to.shown())
            return None if there else f"{to.name} reads nothing of it"
        return self._said(to, key)

    def _signs(self, by: FarEnd, about: Named) -> list[Named]:
        """The first sign of somebody about a message."""
        return [one for one in self._named.values() if one.about is about and one.by is by][:1]

    @staticmethod
    def _moderated(to: FarEnd, target: Named) -> str | None:
        shown = to.get(target.ids[to.name])
        return None if shown is None or shown.removed else f"{to.name} still shows what a moderator has removed"

    @staticmethod
    def _must_be_told(by: FarEnd, *idents: str, sign: bool = False) -> str | None:
        if any(by.told(ident) for ident in idents) or (sign and by.told(UNHEARD)):
            return None
        return f"{by.name} was not told that it does not arrive"

    @staticmethod
    def _said(to: FarEnd, token: str, times: int = 1) -> str | None:
        found = len(containing(to, token))
        return None if found == times else f"{to.name} reads it {found} times"

    @staticmethod
    def _keys_of(to: FarEnd, target: Named) -> frozenset[str]:
        shown = to.get(target.ids.get(to.name, ""))
        return frozenset() if shown is None else shown.reactions

    def _reaction(self, to: FarEnd, reaction: Named, ident: str) -> str | None:
        assert reaction.about is not None
        if reaction.about.removed:
            return None  # nobody looks for it below nothing
        there = reaction.key in self._keys_of(to, reaction.about)
        wanted = not reaction.removed
        if there is wanted or (wanted and reaction.by.told(ident)):
            return None
        return f"{to.name} shows the reaction though it was taken back" if there else f"{to.name} shows no reaction"

    def _left(self, named: Named) -> str | None:
        """What its reader has to find of a message in the end: its last text, once, and nothing of the earlier ones."""
        to, seen = named.to, named.seen()
        if named.removed:
            return gone(named)
        if not seen and IN_TIME & named.by.told(named.ids[named.by.name]):
            return None  # taken back before it left, where a removal is otherwise said as a text
        if not to.rewrites:
            counts = [len(containing(to, token)) for token in named.tokens] if named.file is None else [len(seen)]
            return None if max(counts) == 1 + named.ends else f"{to.name} shows its texts {counts} times"
        if len(seen) != 1 + named.ends:
            older = [token for token in named.tokens[:-1] if containing(to, token)]
            return f"{to.name} shows it {len(seen)} times" + (f", and an older text ({older})" if older else "")
        if any(containing(to, token) for token in named.tokens[:-1]):
            return f"{to.name} shows an older text"
        return self._whole(named, seen[0])

    def _whole(self, named: Named, shown: Shown) -> str | None:
        """Whether a message that arrived says all that was said with it."""
        step, to = named.step, named.to
        calls = {"mention", "everybody", "urgent"} & set(step.words)
        if calls and to.capabilities.mentions and not shown.rings:
            return f"{to.name} is not called by it"
        parts = [one for one in to.shown() if one.id == shown.id or (named.tokens[0] in one.text and not one.own)]
        for word, able in (("reply", to.capabilities.replies), ("thread", to.capabilities.threads)):
            target = self._named.get(step.about if step.verb == word else step.word(word))
            if target is None or not able or target.removed:
                continue
            have = [one.reply_to if word == "reply" else one.thread for one in parts]
            if not named.by.rewrites and any(one.reply_to or one.thread for one in parts):
                continue  # a mail answers a whole mail, in which several messages may be
            if target.ids.get(to.name) not in have:
                return f"{to.name} shows it as a {word} to {have}, not to {target.ids.get(to.name)}"
        return None
