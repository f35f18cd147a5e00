"""The driver of a chat product: its simulator, by the simulator's own HTTP API, and what the hub has sent there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import aiohttp

from bridge.connector import Capabilities
from bridge.networks.connect.contract.operations import PREFIX
from deploy.world.product import ProductClient
from tests.scenarios import pieces
from tests.scenarios.ends import Deed, Shown, Unsaid

Json = dict[str, Any]
_ACTS = {
    "edit": "edits", "remove": "removals", "react": "reactions", "handled": "handled", "vote": "votes", "end": "end",
}  # fmt: skip
_SAYS = {"say", "reply", "thread", "file", "location", "contact", "poll"}
_LOOKS = 6  # how often it is looked again after the last news: the hub answers what was written a moment later
_ANSWER = 30  # seconds that the hub may take


def _held(deed: Deed) -> Json:
    """What a message holds beside its text."""
    if deed.verb == "location":
        return {
            "kind": "location",
            "location": {"lat": 45.76043, "lon": 4.83567, "uncertainty": 12, "label": deed.text},
        }
    if deed.verb == "contact":
        card = pieces.card(deed.id)
        return {"kind": "contact", "contact": {"name": f"Cléo Petit {deed.id}", "vcard": card.data.decode()}}
    if deed.verb == "poll":
        answers = [{"id": f"a{n}", "text": answer} for n, answer in enumerate(deed.answers, 1)]
        return {"kind": "poll", "poll": {"question": deed.text, "answers": answers}}
    marks: Json = {"mentions": list(deed.mentions)} if deed.mentions else {}
    marks |= {"everybody": True} if "everybody" in deed.words else {}
    return marks | ({"priority": "urgent"} if "urgent" in deed.words else {})


class ProductEnd:
    """See :class:`tests.scenarios.ends.FarEnd`. ``hub`` is where the hub takes calls, ``token`` the product's."""

    rewrites = True

    def __init__(
        self, client: ProductClient, user: str, capabilities: Capabilities, hub: str, token: str, name: str = ""
    ) -> None:
        self.client = client
        self.user = user
        self.network = client.name
        self.name = name or client.name
        self.address = f"{client.name}:{user}"
        self.capabilities = capabilities
        self._hub = hub + PREFIX
        self._token = token
        self._now: dict[str, Shown] = {}
        self._stale = _LOOKS
        self._own: set[str] = set()
        self._readers: dict[str, frozenset[str]] = {}
        self._told: dict[str, set[str]] = {}
        self._after = 0

    # ---- what they do

    async def do(self, deed: Deed) -> str:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        self._stale = _LOOKS
        if deed.verb in _ACTS:
            return await self._act(deed)
        if deed.verb == "again":
            return await self._again(deed.about)
        if deed.verb not in _SAYS:
            raise Unsaid(deed.verb)
        more: Json = {"id": deed.id, "conversation": deed.chat}
        more |= {"html": deed.html} if deed.html else {}
        more |= next(({"kind": word} for word in deed.words if word in ("emote", "notice")), {})
        more |= {"reply_to": deed.reply_to} if deed.reply_to else {}
        more |= {"thread": deed.thread} if deed.thread else {}
        more |= _held(deed)
        files = [(one.name, one.mime, one.data) for one in deed.files]
        return str((await self.client.write(self.user, deed.text, files=files, **more))["id"])

    async def _act(self, deed: Deed) -> str:
        given: Json = {"id": deed.id, "message": deed.about}
        given |= {"key": deed.text} if deed.verb == "react" else {"text": deed.text} if deed.verb == "edit" else {}
        given |= {"html": deed.html} if deed.html else {}
        given |= {"answers": [f"a{deed.words[0]}"]} if deed.verb == "vote" else {}
        path = f"/users/{self.user}/{_ACTS[deed.verb]}?wait={_ANSWER}"
        answer = await self.client.call("POST", path, given)
        if answer["status"] >= 400:
            self._tell(deed.id, str((answer.get("answer") or {}).get("code", answer)))
        return deed.id

    async def _again(self, ident: str) -> str:
        """The very post that has carried a message, once more."""
        posts = (await self.client.call("GET", "/posts"))["posts"]
        post = next(one for one in posts if one["body"].get("id") == ident)
        headers = {"Authorization": f"Bearer {self._token}"}
        url = self._hub + post["path"]
        async with (
            aiohttp.ClientSession(headers=headers, trust_env=False) as session,
            session.post(url, json=post["body"]) as answer,
        ):
            assert answer.status == 202, (answer.status, await answer.text())
        return ident

    async def read(self, chat: str, ident: str) -> None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        await self.client.read(self.user, ident)

    # ---- what they see

    async def look(self, *, everything: bool = False) -> None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        events = (await self.client.call("GET", f"/events?after={self._after}"))["events"]
        for event in events:
            self._after = max(self._after, event["seq"])
            if event["type"] == "message.state" and event["outcome"] == "taken":
                self._states(event["body"]["data"]["messages"])
        self._stale = _LOOKS if events or everything else self._stale - 1
        if self._stale > 0:
            await self._messages()

    async def _messages(self) -> None:
        found = await self.client.call("GET", f"/users/{self.user}/messages")
        self._own = {one["id"] for one in found["sent"]}
        every = [*found["arrived"], *found["sent"]]  # a reaction stands below its message
        self._now = {one["id"]: self._showing(one["id"], one) for one in every if "about" not in one}
        for one in found["sent"]:
            told = one.get("outcome", ())
            self._readers[one["id"]] = frozenset(r["person"] for r in told if r["state"] == "read")
            if one["state"] == "refused":
                self._tell(one["id"], str((one.get("problem") or {}).get("code", "refused")))
        for one in found["arrived"]:
            if one.get("system") and one.get("reply_to"):
                self._tell(one["reply_to"], "system")

    def _states(self, messages: Iterable[Json]) -> None:
        for one in messages:
            for recipient in one["recipients"]:
                if recipient["state"] == "refused":
                    self._tell(one["id"], str(recipient.get("reason") or "refused"))

    def _tell(self, ident: str, code: str) -> None:
        self._told.setdefault(ident, set()).add(code)

    def shown(self) -> Iterable[Shown]:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        return self._now.values()

    def get(self, ident: str) -> Shown | None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        return self._now.get(ident)

    def _showing(self, ident: str, one: Json) -> Shown:
        return Shown(
            id=ident,
            chat=one["conversation"],
            text=f"{one['text']}\n{one.get('html') or ''}".rstrip(),
            own=ident in self._own,
            kind=one.get("kind") or "text",
            files=tuple(file["sha256"] for file in one.get("files", ())),
            reactions=frozenset(reaction["key"] for reaction in one.get("reactions", ())),
            removed=bool(one.get("removed")),
            reply_to=one.get("reply_to"),
            thread=one.get("thread"),
            system=bool(one.get("system")),
        )

    async def members(self, chat: str) -> frozenset[str] | None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        known = (await self.client.call("GET", "/conversations"))["conversations"]
        return frozenset(m["person"] for one in known if one["id"] == chat for m in one["members"])

    async def readers(self, chat: str) -> dict[str, frozenset[str]] | None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        return {ident: self._readers[ident] for ident in self._own & self._now.keys() if self._now[ident].chat == chat}

    async def became(self, ident: str, person: str) -> str:
        """What became of a message for somebody, as its product was told and as the hub says now."""
        headers, url = {"Authorization": f"Bearer {self._token}"}, f"{self._hub}/messages/{quote(ident, safe='')}"
        async with aiohttp.ClientSession(headers=headers, trust_env=False) as session, session.get(url) as answer:
            now = await answer.json()
        told = (await self.client.message(ident)).get("outcome", ())
        states = [[(r["state"], r.get("reason"), r["at"]) for r in some if r["person"] == person]
                  for some in (told, now.get("recipients", ()))]  # fmt: skip
        return f"told {states[0]}, the hub says {states[1]}"

    def told(self, ident: str) -> frozenset[str]:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        return frozenset(self._told.get(ident, ()))
