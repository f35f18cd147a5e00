"""``liaison sandbox``: a hub for vendors in one command; its colleagues answer, and do more when they are asked to."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from aiohttp import web

from bridge.extras import Choice, Location, Poll
from bridge.model import Address, Body, Delivery, File, Kind
from bridge.networks.connect.signing import new_secret
from liaison.connect import new_id
from liaison.kit.colleagues import Said
from liaison.kit.hub import Product, SmallHub, serve, small_hub
from liaison.kit.people import BEN, GAEL, USERS

_THINKS = 0.5  # s between a message and a colleague's reading it, then answering
_PDF = b"%PDF-1.4 compte rendu du bac a sable\n%%EOF\n"
Told = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a vendor may say; nothing has to be said."""
    parser.add_argument("--port", type=int, default=29_301, help="default: 29301; 0: a free one")
    parser.add_argument("--listen", default="127.0.0.1", help="default: 127.0.0.1")
    parser.add_argument(
        "--webhook", default="", help="your product's webhook (default: the sandbox shows webhooks here)"
    )
    parser.add_argument("--name", default="product", help="your product's name (default: product)")
    parser.add_argument("--token", help="default: a new one")
    parser.add_argument("--secret", help="whsec_…; default: a new one")


class Sandbox:
    """What happens in it: colleagues answer what they are sent, and play events on demand."""

    def __init__(self, told: Told, thinks: float = _THINKS) -> None:
        self._told = told
        self._thinks = thinks
        self._tasks: set[asyncio.Task[None]] = set()
        self._chats: dict[str, tuple[str, str]] = {}  # user -> Ben's chat with them, and his last message there
        self._polls: dict[str, tuple[str, str]] = {}
        self.hub: SmallHub | None = None

    def arrived(self, delivery: Delivery) -> None:
        """Somebody of the product wrote to a colleague."""
        if delivery.kind is Kind.TEXT and delivery.network == "colleagues":
            self._do(self._answer(delivery))

    def routes(self, app: web.Application) -> None:
        """What the vendor asks for by curl."""
        app.router.add_get("/sandbox", self._help)
        app.router.add_post("/sandbox/{event}", self._play)

    async def close(self) -> None:
        """Nobody answers any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _do(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def _hub(self) -> SmallHub:
        assert self.hub is not None
        return self.hub

    async def _answer(self, delivery: Delivery) -> None:
        colleagues = self._hub.colleagues
        who = next(one.address.id for one in delivery.members if one.address.network == colleagues.network)
        ident, chat = colleagues.id_of(delivery), colleagues.chat_of(delivery)
        await asyncio.sleep(self._thinks)
        await colleagues.read(who, ident)
        await asyncio.sleep(self._thinks)
        await colleagues.say(who, chat, Said("Bien reçu, merci.", about=ident))
        self._told(f"{who}: lu, répondu — read, answered")

    # ---- events on demand

    async def _help(self, request: web.Request) -> web.Response:
        return web.json_response({"events": sorted(EVENTS), "how": 'POST /sandbox/{event} {"user": your user\'s id}'})

    async def _play(self, request: web.Request) -> web.Response:
        play = EVENTS.get(request.match_info["event"])
        if play is None:
            raise web.HTTPNotFound(text=f"known are {', '.join(sorted(EVENTS))}\n")
        given = json.loads(await request.read() or b"{}")
        user = given.get("user", "") if isinstance(given, dict) else ""
        if not user or not await self._hub.core.hub.facts.who(Address(self._hub.product.name, user)):
            raise web.HTTPUnprocessableEntity(text='{"user": …} is needed: one whom you declared (PUT /users/{id})\n')
        await play(self, user)
        return web.json_response({"played": request.match_info["event"]})

    async def _chat(self, user: str, body: Body | None = None, kind: Kind = Kind.TEXT) -> tuple[str, str]:
        """A message of Ben's to a user: their chat, and the message's id."""
        chat, _ = self._chats.get(user, (f"ben-{new_id()}", ""))
        to = (f"{self._hub.product.name}:{user}",)
        said = Said("Bonjour, avez-vous un instant ?", kind, to=to, body=body)
        ident = await self._hub.colleagues.say(BEN.account, chat, said)
        self._chats[user] = (chat, ident)
        return chat, ident

    async def _last(self, user: str) -> tuple[str, str]:
        return self._chats[user] if user in self._chats else await self._chat(user)

    async def message(self, user: str) -> None:
        """Ben writes."""
        await self._chat(user)

    async def urgent(self, user: str) -> None:
        """Ben writes what cannot wait."""
        await self._chat(user, Body("Urgent : potassium 6,8 mmol/l.", urgent=True))

    async def file(self, user: str) -> None:
        """Ben sends a document."""
        document = File("compte rendu.pdf", "application/pdf", _PDF)
        await self._chat(user, Body("Le compte rendu.", files=(document,)))

    async def burst(self, user: str) -> None:
        """Ben writes twenty messages at once."""
        for n in range(1, 21):
            await self._chat(user, Body(f"Message {n} sur 20"))

    async def edit(self, user: str) -> None:
        """Ben corrects his last message."""
        await self._about(user, Said("Bonjour, avez-vous deux instants ?", Kind.EDIT))

    async def reaction(self, user: str) -> None:
        """Ben reacts to his last message."""
        await self._about(user, Said("👍", Kind.REACTION))

    async def removal(self, user: str) -> None:
        """Ben takes his last message back."""
        await self._about(user, Said("", Kind.REMOVAL))

    async def _about(self, user: str, said: Said) -> None:
        chat, ident = await self._last(user)
        await self._hub.colleagues.say(BEN.account, chat, Said(said.text, said.kind, ident))

    async def members(self, user: str) -> None:
        """Ben brings Gaël into the conversation."""
        chat, _ = await self._last(user)
        await self._hub.colleagues.add(BEN.account, chat, [GAEL.person.id])

    async def name(self, user: str) -> None:
        """Ben names the conversation."""
        chat, _ = await self._last(user)
        await self._hub.colleagues.rename(BEN.account, chat, "Relève du soir")

    async def poll(self, user: str) -> None:
        """Ben asks which day suits."""
        asked = Poll("Quel jour pour la réunion ?", (Choice("a", "Mardi"), Choice("b", "Jeudi")))
        await self._chat(user, Body("", extra=asked), Kind.POLL)
        self._polls[user] = self._chats[user]

    async def poll_end(self, user: str) -> None:
        """Ben ends his poll."""
        if user not in self._polls:
            await self.poll(user)
        chat, ident = self._polls.pop(user)
        await self._hub.colleagues.say(BEN.account, chat, Said("", Kind.POLL_END, ident))

    async def place(self, user: str) -> None:
        """Ben says where he is."""
        await self._chat(user, Body("Je suis ici", extra=Location(45.1885, 5.7245, label="Clinique des Lilas")))

    async def mention(self, user: str) -> None:
        """Ben calls the user by name."""
        person = await self._hub.core.hub.facts.identify(Address(self._hub.product.name, user), "user")
        await self._chat(user, Body(f"@{person.name} pouvez-vous regarder ?", mentions=(person.id,)))

    async def thread(self, user: str) -> None:
        """Ben goes on in a thread below his last message."""
        chat, ident = await self._last(user)
        await self._hub.colleagues.say(BEN.account, chat, Said("Dans le fil : c'est réglé.", thread=ident))

    async def handled(self, user: str) -> None:
        """Ben marks his last message as dealt with."""
        await self._about(user, Said("Traité", Kind.HANDLED))


EVENTS: dict[str, Callable[[Sandbox, str], Awaitable[None]]] = {
    "message": Sandbox.message,
    "urgent": Sandbox.urgent,
    "file": Sandbox.file,
    "burst": Sandbox.burst,
    "edit": Sandbox.edit,
    "reaction": Sandbox.reaction,
    "removal": Sandbox.removal,
    "members": Sandbox.members,
    "name": Sandbox.name,
    "poll": Sandbox.poll,
    "poll_end": Sandbox.poll_end,
    "place": Sandbox.place,
    "mention": Sandbox.mention,
    "thread": Sandbox.thread,
    "handled": Sandbox.handled,
}
"""What ``POST /sandbox/{event}`` plays."""


def shown_here(told: Told) -> web.Application:
    """A webhook for who has none yet: it answers, and shows what came."""

    async def take(request: web.Request) -> web.Response:
        event = json.loads(await request.read())
        told(f"webhook {event['type']} {json.dumps(event['data'], ensure_ascii=False)[:600]}")
        return web.json_response({"id": f"sandbox-{new_id()}"})

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/webhook", take)
    return app


def welcome(url: str, product: Product) -> list[str]:
    """What a vendor needs to begin."""
    api, cleo = f"{url}/connect/v1", USERS[0]
    headers = f"-H 'Authorization: Bearer {product.token}' -H 'Content-Type: application/json'"
    first = json.dumps(
        {"id": "first-1", "conversation": "chat-1", "sender": "cleo", "to": [BEN.person.id], "text": "Bonjour",
         "sent_at": "2026-03-01T08:00:00Z"},
        ensure_ascii=False,
    )  # fmt: skip
    return [
        "Liaison — bac à sable : tout y est inventé, rien n'est gardé / sandbox: all is invented, nothing is kept",
        f"  API                {api}",
        f"  contrat / contract {api}/openapi.json",
        f"  pages / docs       {url}/connect/docs",
        f"  token              {product.token}",
        f"  secret             {product.secret}",
        "",
        "Déclarer un utilisateur, puis écrire / declare a user, then write:",
        f'  curl -X PUT {headers} {api}/users/cleo -d \'{{"rpps": "{cleo.rpps}"}}\'',
        f"  curl {headers} {api}/messages -d '{first}'",
        "",
        "Recevoir / receive:  " + ", ".join(EVENTS),
        f'  curl -X POST {url}/sandbox/message -d \'{{"user": "cleo"}}\'',
        "",
        "Ctrl-C pour arrêter / to stop",
    ]


async def main(asked: argparse.Namespace, told: Told | None = None) -> int:
    """Serve until SIGINT or SIGTERM; gives the exit status."""
    said = told or (lambda line: print(line, flush=True))
    logging.getLogger().addHandler(logging.NullHandler())
    sandbox = Sandbox(said)
    async with AsyncExitStack() as stack:
        try:
            webhook = asked.webhook
            if not webhook:
                webhook = await stack.enter_async_context(serve(shown_here(said), "127.0.0.1", 0)) + "/webhook"
            given = {name: value for name in ("token", "secret") if (value := getattr(asked, name))}
            product = Product(webhook, asked.name, **({"secret": new_secret()} | given))
            made = small_hub(
                product, host=asked.listen, port=asked.port, arrived=sandbox.arrived, routes=sandbox.routes
            )
            sandbox.hub = await stack.enter_async_context(made)
        except (OSError, ValueError) as problem:
            print(f"sandbox: {problem}", file=sys.stderr)
            return 2
        stack.push_async_callback(sandbox.close)
        end = _signalled()
        for line in welcome(sandbox.hub.url, product):
            said(line)
        await end.wait()
    return 0


def _signalled() -> asyncio.Event:
    """Set once somebody wants the end."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(RuntimeError, ValueError):  # not in the main thread
            loop.add_signal_handler(number, end.set)
    return end
