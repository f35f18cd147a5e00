"""The addresses of the pages, and what is done there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web
from markupsafe import Markup

from deploy.world.simulator.document import Document
from deploy.world.simulator.pages import frame, lists, messages
from deploy.world.simulator.pages.frame import Look
from deploy.world.simulator.pages.talk import Talk, talk, talks, typing
from deploy.world.simulator.pages.words import Language
from deploy.world.simulator.product import Simulator
from deploy.world.simulator.state import Json
from liaison.connect import NoAnswer

_HERE = Path(__file__).parent
_ANSWER = 8.0  # s in which the hub's answer is waited for
_BYTES = "application/octet-stream"
_COOKIE = "simulator_language"
Act = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pages:
    """The pages of one simulated product."""

    def __init__(self, simulator: Simulator) -> None:
        self._sim = simulator

    def routes(self) -> list[web.RouteDef]:
        """All but ``/``, which programs ask for, too."""
        talk_at = "/u/{user}/c/{conversation}"
        return [
            web.get("/favicon.ico", self._nothing),
            web.get("/static/{name:page\\.(css|js)}", self._static),
            web.get("/u/{user}", self._conversations),
            web.get("/u/{user}/search", self._search),
            web.get("/u/{user}/new", self._new),
            web.post("/u/{user}/new", self._begin),
            web.post("/u/{user}/confirm", self._confirm),
            web.get(talk_at, self._talk),
            web.post(talk_at + "/messages", self._write),
            web.post(talk_at + "/polls", self._ask),
            web.post(talk_at + "/messages/{message}/{act:edits|removals|reactions|votes|end}", self._act),
            web.post(talk_at + "/read", self._read),
            web.post(talk_at + "/typing", self._typing),
            web.post(talk_at + "/members", self._members),
            web.post(talk_at + "/name", self._name),
        ]

    async def _static(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        kind = "text/css" if name.endswith("css") else "text/javascript"
        return web.Response(text=(_HERE / name).read_text("utf-8"), content_type=kind)

    async def _nothing(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=204)

    # ---- looking

    async def root(self, request: web.Request) -> web.Response:
        """Everybody who has an account."""
        look = self._look(request)
        return self._page(request, look, look.say("users"), lists.users(look, self._sim.state.users()))

    async def _conversations(self, request: web.Request) -> web.Response:
        look = self._look(request)
        return self._page(
            request, look, look.say("conversations"), lists.conversations(look, talks(self._sim, _of(look)))
        )

    async def _search(self, request: web.Request) -> web.Response:
        look, words = self._look(request), request.query.get("q", "").strip()
        people: list[Json] = []
        problem = ""
        if words:
            query = {"q": words, "user": _of(look)}
            try:
                answer = await self._sim.outbox.hub.once("GET", "/people", query=query)
                people = answer.body["people"] if answer.done else []
                problem = "" if answer.done else _detail(answer.body)
            except NoAnswer as none:
                problem = none.last
        return self._page(request, look, look.say("search"), lists.found(look, words, people), problem)

    async def _new(self, request: web.Request) -> web.Response:
        look, to = self._look(request), request.query.getall("to", [])
        if not to:
            raise web.HTTPSeeOther(look.home)
        return self._page(request, look, look.say("new"), lists.new(look, to))

    async def _talk(self, request: web.Request, problem: str = "") -> web.Response:
        look = self._look(request)
        where = await self._where(request, look)
        answered = next((one for one in where.messages if one["id"] == request.query.get("reply")), None)
        body = messages.conversation(look, where, typing(self._sim, where), answered)
        return self._page(request, look, where.title, body, problem)

    async def _where(self, request: web.Request, look: Look) -> Talk:
        ident = request.match_info["conversation"]
        if talk(self._sim, _of(look), ident) is None:
            raise web.HTTPNotFound(text="no such conversation")
        if not any(one["id"] == ident and one.get("members") for one in self._sim.state.conversations()):
            await self._learn(ident)
        found = talk(self._sim, _of(look), ident)
        assert found is not None
        return found

    async def _learn(self, conversation: str) -> None:
        """Ask the hub who is in a conversation that began here."""
        try:
            answer = await self._sim.outbox.hub.once("GET", f"/conversations/{quote(conversation, safe='')}")
        except NoAnswer:
            return
        if answer.done:
            kept = {key: answer.body[key] for key in ("members", "name") if key in answer.body}
            self._sim.state.put_conversation(conversation, kept)

    # ---- doing

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        look, form = self._look(request), await request.post()
        given = await _written(form) | {"to": [str(one) for one in form.getall("to", [])]}
        ident, conversation, seq = self._sim.write(_of(look), given)
        await self._sim.outbox.wait(seq, _ANSWER)
        message = self._sim.state.message(ident) or {}
        if message.get("state") != "refused":
            await self._learn(conversation)
        raise web.HTTPSeeOther(look.at(conversation))

    async def _write(self, request: web.Request) -> web.StreamResponse:
        look, form = self._look(request), await request.post()
        conversation = request.match_info["conversation"]
        given = await _written(form) | {"conversation": conversation}
        if not given["text"].strip() and not given["files"]:
            raise web.HTTPSeeOther(look.at(conversation))
        self._sim.write(_of(look), given)
        raise web.HTTPSeeOther(look.at(conversation))

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        look, form = self._look(request), await request.post()
        lines = list(dict.fromkeys(line.strip() for line in str(form.get("answers", "")).splitlines() if line.strip()))
        question, conversation = str(form.get("question", "")).strip(), request.match_info["conversation"]
        if question and lines:
            answers = [{"id": f"a{n}", "text": text} for n, text in enumerate(lines, 1)]
            poll = {"question": question, "answers": answers, "most": len(answers) if form.get("several") else 1}
            self._sim.write(_of(look), {"conversation": conversation, "kind": "poll", "poll": poll})
        raise web.HTTPSeeOther(look.at(conversation))

    async def _act(self, request: web.Request) -> web.StreamResponse:
        look, form = self._look(request), await request.post()
        act, message = request.match_info["act"], request.match_info["message"]
        said: Json = {name: str(form[name]) for name in ("text", "key") if name in form}
        if act == "votes":
            said["answers"] = [str(one) for one in form.getall("answers", [])]
        if act == "reactions" and (given := self._given(look, message, said["key"])):
            act, message, said = "removals", given, {}
        try:
            _, seq = self._sim.act(_of(look), act, message, said)
        except ValueError as error:
            raise web.HTTPNotFound(text=f"{error}") from None
        return await self._done(request, look, seq)

    def _given(self, look: Look, message: str, key: str) -> str | None:
        """The user's own reaction with this key, which the same button takes back."""
        known = self._sim.state.message(message) or {}
        mine = (one["id"] for one in known.get("reactions", []) if (one["by"], one["key"]) == (look.user, key))
        return next(mine, None)

    async def _read(self, request: web.Request) -> web.StreamResponse:
        look = self._look(request)
        where = await self._where(request, look)
        unread = [one for one in where.messages if one["state"] == "arrived"]
        for one in unread[:-1]:
            self._sim.state.set_state(one["id"], "read")
        if unread:
            self._sim.read(_of(look), unread[-1]["id"])
        raise web.HTTPSeeOther(look.at(where.id))

    async def _typing(self, request: web.Request) -> web.StreamResponse:
        look = self._look(request)
        await self._sim.type(_of(look), request.match_info["conversation"], True)
        return web.Response(status=204)

    async def _members(self, request: web.Request) -> web.StreamResponse:
        look, form = self._look(request), await request.post()
        change: Json = {name: [str(form[name])] for name in ("add", "remove") if name in form}
        conversation = request.match_info["conversation"]
        seq = self._sim.change_members(conversation, change | {"by": _of(look)})
        await self._sim.outbox.wait(seq, _ANSWER)
        await self._learn(conversation)
        return await self._done(request, look, seq)

    async def _name(self, request: web.Request) -> web.StreamResponse:
        look, form = self._look(request), await request.post()
        text = str(form.get("text", "")).strip()
        name = {"text": text, "about_patient": "about_patient" in form} if text else None
        conversation = request.match_info["conversation"]
        seq = self._sim.rename(conversation, {"by": _of(look), "name": name})
        await self._sim.outbox.wait(seq, _ANSWER)
        await self._learn(conversation)
        return await self._done(request, look, seq)

    async def _confirm(self, request: web.Request) -> web.StreamResponse:
        look, form = self._look(request), await request.post()
        self._sim.confirm(_of(look), str(form["product"]), str(form["decision"]))
        raise web.HTTPSeeOther("/")

    async def _done(self, request: web.Request, look: Look, seq: int) -> web.StreamResponse:
        """Back to the conversation; with what the hub said if it refused."""
        post = await self._sim.outbox.wait(seq, _ANSWER)
        if post["state"] == "refused":
            return await self._talk(request, _detail(post["answer"]))
        raise web.HTTPSeeOther(look.at(request.match_info["conversation"]))

    # ---- what all have in common

    def _look(self, request: web.Request) -> Look:
        user = request.match_info.get("user")
        if user is not None and not self._sim.state.has_user(user):
            raise web.HTTPNotFound(text="no such user")
        name = self._sim.state.name_of(user) if user else ""
        return Look(self._sim.name, _language(request), user, name)

    def _page(self, request: web.Request, look: Look, title: str, body: Markup, problem: str = "") -> web.Response:
        text = frame.page(look, title, body, problem)
        answer = web.Response(text=text, content_type="text/html")
        if "lang" in request.query:
            answer.set_cookie(_COOKIE, look.language, httponly=True, samesite="Strict", max_age=31_536_000)
        return answer


def _of(look: Look) -> str:
    assert look.user is not None
    return look.user


def _language(request: web.Request) -> Language:
    """What was asked for, now or before; else what the browser prefers, of the two."""
    asked = request.query.get("lang") or request.cookies.get(_COOKIE)
    if asked in ("fr", "en"):
        return "en" if asked == "en" else "fr"
    preferred = [part.split(";")[0].strip()[:2] for part in request.headers.get("Accept-Language", "").split(",")]
    first = next((one for one in preferred if one in ("fr", "en")), "fr")
    return "en" if first == "en" else "fr"


def _detail(problem: Any) -> str:
    return str(problem.get("detail", "")) if isinstance(problem, dict) else ""


async def _written(form: Any) -> Json:
    """What a form of a message says."""
    files = [one for one in form.getall("files", []) if isinstance(one, web.FileField) and one.filename]
    documents = [
        Document(one.filename, one.content_type or "application/octet-stream", one.file.read()) for one in files
    ]
    given: Json = {"text": str(form.get("text", "")).replace("\r\n", "\n"), "files": [one.wire() for one in documents]}
    if form.get("reply_to"):
        given["reply_to"] = str(form["reply_to"])
    if form.get("urgent"):
        given["priority"] = "urgent"
    return given
