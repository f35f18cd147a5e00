"""The vendors' products: webhooks, tokens and secrets; a new one of these, and events that are sent again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from aiohttp import web

from appservice.console.doing import Doing
from appservice.console.frame import PageFrame
from appservice.console.pages.page import ConsolePage, Json, asked, number, operator, said, to
from appservice.operating.products import unsealed
from bridge.errors import Refused
from bridge.seal import Seal

_HOUR, _DAY = 3_600_000, 86_400_000  # ms
OVERLAPS: Mapping[str, Mapping[str, int | None]] = {
    "token": {"used": None, "hour": _HOUR, "week": 7 * _DAY, "now": 0},
    "secret": {"day": _DAY, "hour": _HOUR, "week": 7 * _DAY, "now": 0},
}
"""How long the old ones stay good, the usual choice first. ``used``: until the new one is used."""


class ProductsPage(ConsolePage):
    """What `liaison product` knows and does. ``seal``: opens what is new, for the page that shows it once."""

    def __init__(self, doing: Doing, frame: PageFrame, seal: Seal) -> None:
        super().__init__(doing, frame)
        self._seal = seal

    def routes(self, app: web.Application) -> None:
        """Add them to an application."""
        app.router.add_get("/products", self.show, name="products")
        app.router.add_get("/product/{id}", self.one, name="product")
        app.router.add_post("/product/{id}/token", self.token, name="new_token")
        app.router.add_post("/product/{id}/secret", self.secret, name="new_secret")
        app.router.add_post("/product/{id}/again", self.again, name="send_again")

    async def show(self, request: web.Request) -> web.Response:
        """All of them."""
        return self._page(request, "products", **await self._doing.see("products"))

    async def one(self, request: web.Request) -> web.Response:
        """One, and what would be sent again if somebody asks for it."""
        name = request.match_info["id"]
        found = (await self._doing.see("products", product=name))["products"][0]
        since, after, event = asked(request, "since"), asked(request, "after"), asked(request, "event")
        stretch: Json | None = None
        if since or after or event:
            if sum(map(bool, (since, after, event))) > 1:
                raise Refused("console_one_start")
            stretch = await self._doing.see(
                "product-events", product=name, since=_moment(since), after=number(request, "after", 0),
                event=event or None,
            )  # fmt: skip
        return self._page(
            request, "product", one=found, stretch=stretch, since=since, after=after, event=event, overlaps=OVERLAPS
        )

    async def token(self, request: web.Request) -> web.Response:
        """A new token, shown once."""
        return await self._new(request, "token")

    async def secret(self, request: web.Request) -> web.Response:
        """A new webhook secret, shown once."""
        return await self._new(request, "secret")

    async def _new(self, request: web.Request, what: str) -> web.Response:
        name, form = request.match_info["id"], await request.post()
        choice, _ = await said(request, "overlap", "sure")
        known = form.get("known", "")  # empty where there was none before
        if choice not in OVERLAPS[what] or not isinstance(known, str):
            raise Refused("console_incomplete")
        overlap = OVERLAPS[what][choice]
        made = await self._doing.do(
            operator(request), f"product-{what}", name, product=name, overlap=overlap, known=known
        )
        return self._page(
            request, "shown_once", what=what, product=name, choice=choice, secret=unsealed(self._seal, made),
            old_until=made["old_until"],
        )  # fmt: skip

    async def again(self, request: web.Request) -> web.Response:
        """What was counted is sent again."""
        name = request.match_info["id"]
        after, upto, _ = await said(request, "after", "upto", "sure")
        if not all(one.isascii() and one.isdecimal() and len(one) <= 18 for one in (after, upto)):
            raise Refused("console_no_number")
        await self._doing.do(operator(request), "product-again", name, product=name, after=int(after), upto=int(upto))
        return to("product", name, done="again")


def _moment(text: str) -> int | None:
    """What the field for a time says, in ms: UTC, unless it names an offset. Raises Refused."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Refused("console_no_number") from None
