"""A simulated product: users, conversations and messages, webhooks in, posts out, and faults on demand."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import web

from deploy.world.simulator.changes import DONE, MARKS, change
from deploy.world.simulator.document import Document, read_all, without_content
from deploy.world.simulator.fetching import Fetching
from deploy.world.simulator.outbox import Outbox
from deploy.world.simulator.state import Json, State, now_text
from liaison.connect import ConnectError, NotGenuine, Webhooks
from liaison.connect.answers import Found

_WRITTEN = (
    "to", "name", "kind", "html", "priority", "reply_to", "thread", "sent_at", "mentions", "everybody", "location",
    "poll", "contact",
)  # fmt: skip


@dataclass(slots=True)
class Faults:
    """What goes wrong on purpose; rates are from 0 to 1."""

    slow_ms: int = 0
    down: bool = False
    status_5xx: float = 0.0
    retry_after: int = 0
    refuse: bool = False
    duplicate: bool = False
    reorder: bool = False
    lose_answer: float = 0.0
    same_id: bool = False

    @classmethod
    def read(cls, given: Json) -> Faults:
        """From JSON. Raises ValueError."""
        known = {field.name: field for field in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise ValueError(f"unknown fault {name}; known are {', '.join(known)}")
            wanted = type(known[name].default)
            if isinstance(value, bool) != (wanted is bool) or not isinstance(value, bool | int | float) or value < 0:
                raise ValueError(f"{name} must be a {wanted.__name__} of 0 or more")
        return cls(**given)


class Simulator:
    """One simulated product. ``secrets`` are ``whsec_…``: a webhook signed with any of them is genuine."""

    def __init__(
        self,
        name: str,
        hub: str,
        token: str,
        secrets: Sequence[str],
        *,
        state: Path | None = None,
        seed: int | None = None,
    ) -> None:
        self.name = name
        self.state = State(state)
        self.faults = Faults()
        self.typing: list[Json] = []
        self._known: list[str] = []
        self._cursor: str | None = None
        self._read_from_log = ""
        self._chance = random.Random(seed)
        self.fetches = False  # files that webhooks only name
        self._fetching = Fetching(self.state)
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: Counter[str] = Counter()  # how often the hub has told of the members of a conversation
        self.set_secrets(*secrets)
        self.outbox = self._new_outbox(hub, token)

    def _new_outbox(self, hub: str, token: str) -> Outbox:
        return Outbox(self.state, hub, token, self._answered, self._chance)

    def set_secrets(self, *secrets: str) -> None:
        """A webhook signed with any of these is genuine from now on."""
        self._known = list(secrets)
        self._webhooks = Webhooks(secrets)

    async def begin_anew(self, hub: str, token: str, secrets: Sequence[str]) -> None:
        """Forget everything, and belong to this hub."""
        await self.outbox.stop()
        self.state.forget()
        self._cursor = None
        self._known = []
        self.set_secrets(*secrets)
        self.outbox = self._new_outbox(hub, token)
        await self.outbox.start()

    async def start(self) -> None:
        """Send what waits from an earlier life."""
        await self.outbox.start()

    async def stop(self) -> None:
        """Stop sending; everything is on disk."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.outbox.stop()
        self.state.close()

    def set_faults(self, faults: Faults) -> None:
        """From now on."""
        self.faults = faults
        self.outbox.duplicate = faults.duplicate
        self.outbox.reorder = faults.reorder

    # ---- users write

    def add_user(self, user: str, rpps: str) -> int:
        """Make a user; gives the number of the post that declares it."""
        self.state.put_user(user, rpps)
        return self.outbox.put(f"user {user}", "PUT", f"/users/{quote(user, safe='')}", {"rpps": rpps})

    def write(self, user: str, given: Json) -> tuple[str, str, int]:
        """Write as a user; gives the message's id, its conversation and the number of its post. Raises ValueError."""
        files = read_all(given.get("files", []))
        ident = given.get("id") or f"{self.name}-{uuid.uuid4().hex}"
        conversation = given.get("conversation") or f"{self.name}-c-{uuid.uuid4().hex[:12]}"
        body = {"id": ident, "conversation": conversation, "sender": user, "sent_at": now_text()}
        body |= {k: given[k] for k in _WRITTEN if k in given}
        body["text"] = given.get("text", "")
        with self.state.together():
            body["files"] = self.state.put_files(ident, files)
            self.state.put_message(ident, False, "waiting", body, [user])
            seq = self.outbox.put(f"chat {conversation}", "POST", "/messages", body, f"user {user}")
        return ident, conversation, seq

    def able(self, *kinds: str, **switches: bool) -> int:
        """Declare what this product is able to: ``edit``, ``removal``, ``reaction``, ``handled``, ``poll``."""
        body: Json = {"version": "simulator", "kinds": list(kinds)} | switches
        return self.outbox.put("abilities", "PUT", "/capabilities", body)

    def act(self, user: str, kind: str, message: str, given: Json) -> tuple[str, int]:
        """A user edits, removes or reacts to a message; gives the id of that and the number of its post.

        ``kind``: ``edits``, ``removals``, ``reactions``, ``handled``, ``votes``, ``end``. Raises ValueError
        for a message that is not here.
        """
        known = self.state.message(message)
        if known is None:
            raise ValueError("no such message")
        ident, conversation = given.get("id") or f"{self.name}-{uuid.uuid4().hex}", known["conversation"]
        body = {"id": ident, "conversation": conversation, "sender": user, "sent_at": now_text()}
        body |= {k: given[k] for k in ("text", "html", "key", "answers") if k in given}
        with self.state.together():
            if kind in MARKS:
                self.state.put_message(ident, False, "waiting", body | {"about": message}, [user])
            path = f"/messages/{quote(message, safe='')}/{kind}"
            seq = self.outbox.put(f"chat {conversation}", "POST", path, body, f"user {user}")
        return ident, seq

    def confirm(self, user: str, product: str, decision: str) -> int:
        """A user says whether an account in another product is theirs, too: ``accept`` or ``refuse``."""
        path = f"/users/{quote(user, safe='')}/confirmations"
        return self.outbox.put(f"confirm {user}", "POST", path, {"product": product, "decision": decision})

    def change_members(self, conversation: str, given: Json) -> int:
        """Change who is in a conversation."""
        body = {"id": f"{self.name}-m-{uuid.uuid4().hex}", "by": given["by"]}
        body |= {k: given[k] for k in ("add", "remove") if k in given}
        path = f"/conversations/{quote(conversation, safe='')}/members"
        return self.outbox.put(f"chat {conversation}", "POST", path, body)

    def rename(self, conversation: str, given: Json) -> int:
        """Give a conversation a name, or take it away (null)."""
        body = {"id": f"{self.name}-n-{uuid.uuid4().hex}", "by": given["by"], "name": given["name"]}
        path = f"/conversations/{quote(conversation, safe='')}/name"
        return self.outbox.put(f"chat {conversation}", "POST", path, body)

    def read(self, user: str, message: str) -> int:
        """A user has read up to a message."""
        if (known := self.state.message(message)) and "recipients" in known:
            self.state.set_state(message, "read")
        lane = f"receipt {uuid.uuid4().hex}" if self.faults.reorder else f"receipt {user}"
        body = {"message": message, "user": user, "state": "read", "at": now_text()}
        return self.outbox.put(lane, "POST", "/receipts", body)

    async def people(self, user: str, words: str) -> list[Found]:
        """Whom a user's search finds."""
        return list((await self.outbox.hub.people(words, user=user)).items)

    async def type(self, user: str, conversation: str, typing: bool) -> int:
        """A user types; not repeated."""
        body = {"conversation": conversation, "user": user, "typing": typing}
        return await self.outbox.once("POST", "/typing", body)

    def _answered(self, post: Json, taken: bool, answer: Any) -> None:
        path, body = post["path"], post["body"]
        if path == "/messages":
            # The webhook with the state may have been faster than the answer.
            known = self.state.message(body["id"])
            if known and known["state"] == "waiting":
                state = "accepted" if taken else "refused"
                self.state.set_state(body["id"], state, **_told(taken, answer))
        elif path.startswith("/messages/") and taken:
            _, _, about, kind = path.split("/")
            change(self.state, kind, unquote(about), body | {"by": body["sender"]})
        elif path.endswith("/members") and taken:
            self._begin(self._see_members(unquote(path.split("/")[2])))
        elif post["lane"].startswith("user "):
            user = post["lane"].removeprefix("user ")
            self.state.user_declared(user, taken, None if taken else answer)
            if taken:
                self._vouched(user, answer)

    async def _see_members(self, conversation: str) -> None:
        """Whoever changes the members is not told of that: a product knows what it has done."""
        while True:
            before = self._told[conversation]
            try:
                found = await self.outbox.hub.call("GET", f"/conversations/{quote(conversation, safe='')}")
            except ConnectError:
                return
            if before == self._told[conversation]:  # else a webhook was faster, and may know more
                return self.state.put_conversation(conversation, {"members": found["members"]})

    def _vouched(self, user: str, answer: Json) -> None:
        self.state.put_account(user, answer["state"])
        self.state.put_name(user, answer["name"])
        for one in answer["contested_by"]:
            self.state.put_contest(user, one)

    # ---- webhooks

    async def webhook(self, request: web.Request) -> web.StreamResponse:
        """Take one webhook call, or play a fault."""
        body = await request.read()
        webhook_id = request.headers.get("webhook-id", "")
        faults = self.faults
        if faults.slow_ms or faults.reorder:
            await asyncio.sleep(faults.slow_ms / 1000 + (self._chance.uniform(0, 0.2) if faults.reorder else 0))
        if faults.down:
            return self._hang_up(request, webhook_id, "down")
        if problem := self._not_genuine(request, body):
            self.state.log(webhook_id, "", problem.reason, json.dumps(body.decode("utf-8", "replace")))
            return web.json_response({"error": problem.reason}, status=problem.status)
        if self._chance.random() < faults.status_5xx:
            self.state.log(webhook_id, "", "status_5xx", "null")
            after = {"Retry-After": str(faults.retry_after)} if faults.retry_after else {}
            return web.json_response({"error": "fault"}, status=503, headers=after)
        if faults.refuse:
            self.state.log(webhook_id, "", "refuse", "null")
            return web.json_response({"error": "fault"}, status=422)
        try:
            answer = self._take(webhook_id, body)
        except ValueError:
            self.state.log(webhook_id, "", "damaged", "null")
            return web.json_response({"error": "damaged"}, status=503)
        if self._chance.random() < faults.lose_answer:
            return self._hang_up(request, webhook_id, "lose_answer")
        return web.Response(text=answer, content_type="application/json")

    async def catch_up(self) -> None:
        """Read the hub's log of webhooks to its end; what is known already is skipped."""
        while True:
            page = await self.outbox.hub.events(self._cursor)
            for event in page.events:
                self._read_from_log = event.id  # the hub knows what was read there by this id
                try:
                    self._take(event.id, json.dumps(event.raw).encode())
                finally:
                    self._read_from_log = ""
            self._cursor = page.next
            if not page.events:
                return

    def _new_id(self) -> str:
        return self._read_from_log or f"{self.name}-{uuid.uuid4().hex}"

    def _hang_up(self, request: web.Request, webhook_id: str, fault: str) -> web.StreamResponse:
        self.state.log(webhook_id, "", fault, "null")
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)  # goes nowhere

    def _not_genuine(self, request: web.Request, body: bytes) -> NotGenuine | None:
        """Standard Webhooks: one of the signatures must be ours, and the call must be of now."""
        try:
            self._webhooks.read(request.headers, body)
        except NotGenuine as problem:
            return problem
        return None

    def _take(self, webhook_id: str, body: bytes) -> str:
        """Keep a genuine webhook; the answer to it. A repeat gets the first answer again."""
        event = json.loads(body)
        files = event["data"].get("files")
        with self.state.together():
            known = self._known_answer(webhook_id)
            outcome = "taken" if known is None else "repeat"
            self.state.log(webhook_id, event["type"], outcome, json.dumps(_logged(event)) if files else body.decode())
            if known is not None:
                return known
            answer = json.dumps(self._keep(webhook_id, event["type"], event["data"]))
            self.state.saw(webhook_id, answer)
            return answer

    def _known_answer(self, webhook_id: str) -> str | None:
        """What was answered to this webhook before."""
        return self.state.seen(webhook_id)

    def _documents(self, given: Sequence[Json]) -> list[Document]:
        """The files of a webhook. Raises ValueError for one that is damaged."""
        return [Document.read(one) for one in given]

    def _files(self, message: str, given: Sequence[Json]) -> list[Json]:
        """Those that came whole are kept; those that are named are fetched, where this product does so."""
        if not all("content" in one for one in given):
            if not self.fetches:
                return list(given)
            self._begin(self._fetching.fetch(self.outbox, message, given))
            return list(given)
        return self.state.put_files(message, self._documents(given))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _keep(self, webhook_id: str, kind: str, data: Json) -> Json:
        if kind == "message.created":
            ident = self._new_id()
            kept = {k: v for k, v in data.items() if k != "members"} | {"webhook_id": webhook_id}
            kept["files"] = self._files(ident, data.get("files", []))
            self.state.put_message(ident, True, "arrived", kept, data["recipients"])
            self._told[data["conversation"]] += 1
            self.state.put_conversation(data["conversation"], {"members": data["members"], "name": data["name"]})
            return {"id": f"{self.name}-same" if self.faults.same_id else ident}
        if kind in DONE:
            ident = self._new_id()
            said = data | {"id": ident, "by": data["sender"]["person"]}
            if DONE[kind] in MARKS:
                self.state.put_message(ident, True, "arrived", said, data["recipients"])
            change(self.state, DONE[kind], data["about"], said)
            return {"id": ident}
        if kind in ("conversation.members", "conversation.renamed"):
            self._told[data["conversation"]] += 1
            self.state.put_conversation(data["conversation"], {k: data[k] for k in ("members", "name") if k in data})
            return {"id": f"{self.name}-{uuid.uuid4().hex}"}
        if kind == "message.state":
            for one in data["messages"]:
                self.state.set_state(one["id"], one["state"], message=one["message"], outcome=one["recipients"])
        elif kind in ("user.held", "user.accepted", "user.refused"):
            self.state.put_account(data["user"], data["state"])
        elif kind in ("user.contested", "user.settled"):
            self.state.put_contest(data["user"], data)
        elif kind == "typing":
            self.typing = [*self.typing[-99:], {"at": now_text(), **data}]
        return {}

    def shown(self, user: str | None) -> list[Json]:
        """What a user (None: anybody) sees: what came stands by the hub's order; reactions are at their messages."""
        found = self.state.messages(user)
        listed = [one for one in [*found["arrived"], *found["sent"]] if "about" not in one]
        listed.sort(key=lambda one: int(one["seq"]))
        places: dict[str, list[int]] = {}
        for n, one in enumerate(listed):
            if "recipients" in one:
                places.setdefault(one["conversation"], []).append(n)
        for at in places.values():
            for n, one in zip(at, sorted((listed[n] for n in at), key=lambda one: int(one["order"])), strict=True):
                listed[n] = one
        return listed

    def described(self) -> Json:
        """What this is and how it goes."""
        return {
            "simulator": True,
            "name": self.name,
            "label": f"{self.name} (simulator)",
            "faults": asdict(self.faults),
            "users": self.state.users(),
        }


def _logged(event: Json) -> Json:
    data = event["data"]
    return event | {"data": data | {"files": without_content(data["files"])}}


def _told(taken: bool, answer: Any) -> Json:
    if taken:
        return {"message": answer.get("message")} if isinstance(answer, dict) else {}
    return {"problem": answer}
