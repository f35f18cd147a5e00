"""A simulated product that was built wrongly, one mistake at a time: each is a line of the conformance report."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from aiohttp import web

from deploy.world.simulator.document import Document
from deploy.world.simulator.fetching import Fetching
from deploy.world.simulator.outbox import Outbox
from deploy.world.simulator.product import Simulator
from deploy.world.simulator.state import Json, State
from liaison.connect import Answer, NotGenuine, Webhooks
from liaison.connect.answers import Found
from liaison.connect.events import DATA, MessageCreated

_SLOW = 7.0  # s, more than the kit allows
_AHEAD = timedelta(minutes=5)
_FOR_EVER = 1e12  # s
_FIELDS = {one.name for one in dataclasses.fields(MessageCreated)}


class Mistake(StrEnum):
    """What a vendor may get wrong."""

    TAKES_ANY_SIGNATURE = "takes_any_signature"
    TAKES_ANY_TIME = "takes_any_time"
    KEEPS_OLD_SECRET = "keeps_old_secret"
    IGNORES_NEW_SECRET = "ignores_new_secret"
    TAKES_REPEATS = "takes_repeats"
    ANSWERS_ANEW = "answers_anew"
    SHOWS_BY_ARRIVAL = "shows_by_arrival"
    OLD_EDITS_WIN = "old_edits_win"
    REFUSES_NEW_FIELDS = "refuses_new_fields"
    REFUSES_NEW_EVENTS = "refuses_new_events"
    DROPS_NEW_KINDS = "drops_new_kinds"
    FAILS_FOR_EVER = "fails_for_ever"
    ANSWERS_SLOWLY = "answers_slowly"
    GIVES_NO_ID = "gives_no_id"
    IGNORES_EDITS = "ignores_edits"
    IGNORES_REMOVALS = "ignores_removals"
    IGNORES_REACTIONS = "ignores_reactions"
    IGNORES_MARKS = "ignores_marks"
    IGNORES_STATES = "ignores_states"
    IGNORES_MEMBERS = "ignores_members"
    IGNORES_NAMES = "ignores_names"
    HIDES_URGENCY = "hides_urgency"
    HIDES_REFUSALS = "hides_refusals"
    DAMAGES_FILES = "damages_files"
    TAKES_DAMAGED_FILES = "takes_damaged_files"
    FORGETS_READING = "forgets_reading"
    READS_BY_ITSELF = "reads_by_itself"
    LOSES_REPLIES = "loses_replies"
    CUTS_TEXT = "cuts_text"
    CLOCK_AHEAD = "clock_ahead"
    GIVES_UP = "gives_up"
    HAMMERS = "hammers"
    NEW_IDS_AT_REPEAT = "new_ids_at_repeat"
    USES_IDS_AGAIN = "uses_ids_again"
    SAYS_UNKNOWN_FIELDS = "says_unknown_fields"
    IGNORES_LOG = "ignores_log"
    SENDS_AT_ONCE = "sends_at_once"
    HAS_ONE_QUEUE = "has_one_queue"
    HIDES_FUNCTIONS = "hides_functions"
    WRITES_TO_PEOPLE_ONLY = "writes_to_people_only"
    HIDES_NOTICES = "hides_notices"
    HIDES_POLLS = "hides_polls"
    LOSES_VOTES = "loses_votes"
    IGNORES_POLL_ENDS = "ignores_poll_ends"
    ASKS_AS_TEXT = "asks_as_text"
    HIDES_PLACES = "hides_places"
    LOSES_PLACES = "loses_places"
    HIDES_MENTIONS = "hides_mentions"
    LOSES_MENTIONS = "loses_mentions"
    HIDES_THREADS = "hides_threads"
    LOSES_THREADS = "loses_threads"
    FETCHES_NOTHING = "fetches_nothing"
    FETCHES_ONCE = "fetches_once"


_IGNORED = {
    Mistake.IGNORES_EDITS: ("message.edited",),
    Mistake.IGNORES_REMOVALS: ("message.removed",),
    Mistake.IGNORES_REACTIONS: ("message.reaction",),
    Mistake.IGNORES_MARKS: ("message.handled",),
    Mistake.IGNORES_STATES: ("message.state",),
    Mistake.IGNORES_MEMBERS: ("conversation.members",),
    Mistake.IGNORES_NAMES: ("conversation.renamed",),
    Mistake.IGNORES_POLL_ENDS: ("message.poll_ended",),
}
_HIDDEN: dict[Mistake, Json] = {
    Mistake.HIDES_URGENCY: {"priority": "normal"},
    Mistake.SHOWS_BY_ARRIVAL: {"order": 0},
    Mistake.HIDES_POLLS: {"poll": None},
    Mistake.HIDES_PLACES: {"location": None},
    Mistake.HIDES_MENTIONS: {"mentioned": []},
    Mistake.HIDES_THREADS: {"thread": None},
}
_LOST = {
    Mistake.LOSES_REPLIES: ("reply_to",),
    Mistake.ASKS_AS_TEXT: ("poll",),
    Mistake.LOSES_PLACES: ("location",),
    Mistake.LOSES_MENTIONS: ("mentions",),
    Mistake.LOSES_THREADS: ("thread",),
}
"""What a user says and the product does not pass on."""


class MistakenOutbox(Outbox):
    """Goes wrong on the way to the hub."""

    mistakes: Collection[Mistake] = ()

    def put(self, lane: str, method: str, path: str, body: Json, after: str | None = None) -> int:
        """See :class:`Outbox`."""
        if Mistake.SENDS_AT_ONCE in self.mistakes:
            lane = f"{lane} {uuid.uuid4().hex}"
        if Mistake.HAS_ONE_QUEUE in self.mistakes and lane.startswith("chat "):
            lane = "chat"
        return super().put(lane, method, path, body, after)

    async def _send(self, post: Json) -> Answer:
        post = post | {"body": self._wrong(post)}
        answer = await super()._send(post)
        if Mistake.GIVES_UP in self.mistakes and not answer.final:
            return Answer(400, answer.body)
        if Mistake.HAMMERS in self.mistakes and not answer.final:
            return Answer(answer.status, answer.body)
        return answer

    def _wrong(self, post: Json) -> Json:
        body: Json = dict(post["body"])
        if post["path"] != "/messages":
            return body
        if Mistake.NEW_IDS_AT_REPEAT in self.mistakes and post["attempts"]:
            body["id"] = f"again-{uuid.uuid4().hex}"
        if Mistake.USES_IDS_AGAIN in self.mistakes and ("reply_to" in body or body.get("files")):
            body["id"] = "always-1"
        if Mistake.SAYS_UNKNOWN_FIELDS in self.mistakes:
            body["colour"] = "red"
        return body


class WrongFetching(Fetching):
    """Goes wrong with files that are to be fetched."""

    def __init__(self, state: State, mistakes: Collection[Mistake]) -> None:
        super().__init__(state)
        self._mistakes = mistakes

    async def whole(self, outbox: Outbox, file: Json) -> Document | None:
        """See :class:`Fetching`."""
        if Mistake.FETCHES_NOTHING in self._mistakes:
            return None
        if Mistake.FETCHES_ONCE in self._mistakes:
            answer = await outbox.hub.once("GET", f"/files/{file['id']}", raw=True)
            return Document(file["name"], file["type"], answer.body) if answer.done else None
        return await super().whole(outbox, file)


class Mistaken(Simulator):
    """The simulator with some of the mistakes switched on."""

    mistakes: frozenset[Mistake] = frozenset()

    def _new_outbox(self, hub: str, token: str) -> Outbox:
        outbox = MistakenOutbox(self.state, hub, token, self._answered, self._chance)
        outbox.mistakes = self.mistakes
        return outbox

    def mistake(self, *mistakes: Mistake) -> None:
        """From now on."""
        self.mistakes = frozenset(mistakes)
        assert isinstance(self.outbox, MistakenOutbox)
        self.outbox.mistakes = self.mistakes

        self._fetching = WrongFetching(self.state, self.mistakes)

    # ---- secrets, signatures, clocks

    def set_secrets(self, *secrets: str) -> None:
        """See :class:`Simulator`."""
        if Mistake.IGNORES_NEW_SECRET in self.mistakes and self._known:
            return
        known = [*self._known, *secrets] if Mistake.KEEPS_OLD_SECRET in self.mistakes else list(secrets)
        super().set_secrets(*known)

    def _not_genuine(self, request: web.Request, body: bytes) -> NotGenuine | None:
        if Mistake.TAKES_ANY_TIME in self.mistakes:
            return _problem(Webhooks(self._known, tolerance=_FOR_EVER), request, body)
        problem = super()._not_genuine(request, body)
        if problem is not None and problem.reason == "bad_signature" and Mistake.TAKES_ANY_SIGNATURE in self.mistakes:
            return None
        return problem

    # ---- webhooks

    async def webhook(self, request: web.Request) -> web.StreamResponse:
        """See :class:`Simulator`."""
        if Mistake.ANSWERS_SLOWLY in self.mistakes:
            await asyncio.sleep(_SLOW)
        event = json.loads(await request.read())
        if self._rejects(event):
            return web.json_response({"error": "mistake"}, status=400)
        if Mistake.FAILS_FOR_EVER in self.mistakes and event["type"] == "message.edited":
            return web.json_response({"error": "mistake"}, status=500)
        return await super().webhook(request)

    def _rejects(self, event: Json) -> bool:
        if Mistake.REFUSES_NEW_EVENTS in self.mistakes and event["type"] not in DATA:
            return True
        new = event["type"] == "message.created" and set(event["data"]) - _FIELDS
        return bool(new) and Mistake.REFUSES_NEW_FIELDS in self.mistakes

    def _known_answer(self, webhook_id: str) -> str | None:
        known = super()._known_answer(webhook_id)
        if known is None or Mistake.TAKES_REPEATS in self.mistakes:
            return None
        return json.dumps({"id": f"anew-{uuid.uuid4().hex}"}) if Mistake.ANSWERS_ANEW in self.mistakes else known

    def _keep(self, webhook_id: str, kind: str, data: Json) -> Json:
        if any(mistake in self.mistakes and kind in kinds for mistake, kinds in _IGNORED.items()):
            return {"id": f"ignored-{uuid.uuid4().hex}"}
        if kind == "message.created":
            return self._keep_message(webhook_id, kind, data)
        if kind == "message.edited" and Mistake.OLD_EDITS_WIN in self.mistakes:
            data = data | {"order": 10**9 + len(self.state.events()["events"])}
        return super()._keep(webhook_id, kind, data)

    def _keep_message(self, webhook_id: str, kind: str, data: Json) -> Json:
        if Mistake.DROPS_NEW_KINDS in self.mistakes and data["kind"] not in ("text", "notice", "emote"):
            return {"id": f"dropped-{uuid.uuid4().hex}"}
        if Mistake.HIDES_NOTICES in self.mistakes and data["system"]:
            return {"id": f"dropped-{uuid.uuid4().hex}"}
        for mistake, hidden in _HIDDEN.items():
            data = data | hidden if mistake in self.mistakes else data
        answer = super()._keep(webhook_id, kind, data)
        if Mistake.READS_BY_ITSELF in self.mistakes:
            self.read(data["recipients"][0], answer["id"])
        return {} if Mistake.GIVES_NO_ID in self.mistakes else answer

    def _documents(self, given: Sequence[Json]) -> list[Document]:
        if Mistake.TAKES_DAMAGED_FILES in self.mistakes:
            given = [{key: one[key] for key in one if key != "sha256"} for one in given]
        found = super()._documents(given)
        if Mistake.DAMAGES_FILES in self.mistakes:
            return [Document(one.name, one.type, one.content.replace(b"\n", b"\r\n")) for one in found]
        return found

    # ---- users

    def write(self, user: str, given: Json) -> tuple[str, str, int]:
        """See :class:`Simulator`."""
        lost = {key for mistake, keys in _LOST.items() if mistake in self.mistakes for key in keys}
        lost |= {"kind"} if given.get("kind") in lost else set()
        given = {key: value for key, value in given.items() if key not in lost}
        if Mistake.ASKS_AS_TEXT in self.mistakes and not given.get("text"):
            given = given | {"text": "Sondage"}
        if Mistake.WRITES_TO_PEOPLE_ONLY in self.mistakes and "to" in given:
            given = given | {"to": [one for one in given["to"] if one.startswith("rpps:")]}
        if Mistake.CUTS_TEXT in self.mistakes:
            given = given | {"text": given.get("text", "")[:24]}
        if Mistake.CLOCK_AHEAD in self.mistakes:
            given = given | {"sent_at": (datetime.now(UTC) + _AHEAD).isoformat(timespec="milliseconds")}
        return super().write(user, given)

    def act(self, user: str, kind: str, message: str, given: Json) -> tuple[str, int]:
        """See :class:`Simulator`."""
        return (
            ("lost", 0)
            if kind == "votes" and Mistake.LOSES_VOTES in self.mistakes
            else super().act(user, kind, message, given)
        )

    async def people(self, user: str, words: str) -> list[Found]:
        """See :class:`Simulator`."""
        found = await super().people(user, words)
        return [one for one in found if Mistake.HIDES_FUNCTIONS not in self.mistakes or one.rpps]

    async def catch_up(self) -> None:
        """See :class:`Simulator`."""
        if Mistake.IGNORES_LOG not in self.mistakes:
            await super().catch_up()

    def read(self, user: str, message: str) -> int:
        """See :class:`Simulator`."""
        return 0 if Mistake.FORGETS_READING in self.mistakes else super().read(user, message)

    def _answered(self, post: Json, taken: bool, answer: Any) -> None:
        if taken or Mistake.HIDES_REFUSALS not in self.mistakes:
            super()._answered(post, taken, answer)


def _problem(webhooks: Webhooks, request: web.Request, body: bytes) -> NotGenuine | None:
    try:
        webhooks.read(request.headers, body)
    except NotGenuine as problem:
        return problem
    return None


def mistaken(name: str) -> Mistaken:
    """A product that belongs to no hub yet: its test driver sets it up."""
    return Mistaken(name, "http://127.0.0.1:9", "none", ["whsec_" + "AAAA" * 8], seed=7)
