"""Who somebody is and how they are reached; accounts and identities about which somebody has to decide."""

from __future__ import annotations

from aiohttp import web

from appservice.console.pages.page import ConsolePage, Json, asked, operator, said, to
from bridge.errors import Refused
from bridge.model import Standing

_DECISIONS = frozenset({"accept", "refuse"})
_STATES = (Standing.HELD.value, Standing.ACTIVE.value, Standing.REFUSED.value)


class PeoplePage(ConsolePage):
    """What `liaison who`, `accounts`, `why` and `identity` know and do."""

    def routes(self, app: web.Application) -> None:
        """Add them to an application."""
        app.router.add_get("/people", self.search, name="people")
        app.router.add_get("/claims", self.claims, name="claims")
        app.router.add_post("/claims", self.decide, name="decide")
        app.router.add_post("/links/revoke", self.revoke, name="revoke")
        app.router.add_post("/links/restore", self.restore, name="restore")
        app.router.add_post("/identity/accept", self.accept, name="accept_identity")

    async def search(self, request: web.Request) -> web.Response:
        """Somebody; their links; for a Matrix user the encryption identity; whether they may write to another."""
        wanted, other = asked(request, "who"), asked(request, "to")
        found: Json = {"person": None, "links": None, "identity": None, "why": None, "missing": "", "named": ()}
        if wanted:
            found |= await self._found(wanted, other)
        return self._page(request, "people", who=wanted, to=other, **found)

    async def _found(self, wanted: str, other: str) -> Json:
        see, found = self._doing.see, Json()
        if wanted.startswith("@"):
            found["identity"] = await see("identity", user=wanted)
        if other:
            try:
                found["why"] = await see("why", **{"from": wanted, "to": other})
            except Refused as refused:
                found["why"] = {"yes": False, "lines": [refused.code]}
        try:
            who = await see("who", person=wanted)
            if "people" in who:
                return found | {"named": who["people"]}
            found["person"] = who
            first = found["person"]["addresses"]
            named = found["person"]["id"]
            whom = named if named.startswith("rpps:") else (first[0] if first else wanted)
            found["links"] = (await see("links", person=whom))["links"]
        except Refused as refused:
            found["missing"] = refused.code
        return found

    async def claims(self, request: web.Request) -> web.Response:
        """What is to be decided, or was."""
        state = asked(request, "state") or Standing.HELD.value
        if state not in _STATES:
            raise Refused("console_no_number")
        found = await self._doing.see("accounts", state=state)
        return self._page(request, "claims", state=state, states=_STATES, **found)

    async def decide(self, request: web.Request) -> web.Response:
        """A product may vouch for somebody, or not."""
        product, rpps, decision = await said(request, "product", "rpps", "decision")
        if decision not in _DECISIONS:
            raise Refused("console_incomplete")
        about = f"rpps:{rpps}"
        await self._doing.do(operator(request), "decide", about, product=product, rpps=rpps, decision=decision)
        return to("claims", done="decided")

    async def revoke(self, request: web.Request) -> web.Response:
        """An address is nobody's any more."""
        return await self._link(request, "revoke")

    async def restore(self, request: web.Request) -> web.Response:
        """It is theirs again."""
        return await self._link(request, "restore")

    async def _link(self, request: web.Request, what: str) -> web.Response:
        [address] = await said(request, "address")
        found = await self._doing.do(operator(request), what, address, address=address)
        person = found["person"].removeprefix("rpps:")
        return to("people", who=person if found["person"].startswith("rpps:") else address, done="changed")

    async def accept(self, request: web.Request) -> web.Response:
        """Somebody's new encryption identity is theirs, as they have confirmed."""
        user, key, _ = await said(request, "user", "key", "sure")
        await self._doing.do(operator(request), "accept-identity", f"matrix:{user}", user=user, key=key)
        return to("people", who=user, done="changed")
