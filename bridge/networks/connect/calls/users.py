"""The users of products: who they are, whom they find, whom they know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bridge import vcard
from bridge.errors import Refused
from bridge.model import Account, Address, File, Standing
from bridge.networks.connect import accounts, translate
from bridge.networks.connect.calls.call import Call, known_id
from bridge.networks.connect.fields import people_query
from bridge.networks.connect.problems import json_answer
from bridge.networks.connect.products import Product
from bridge.networks.connect.teams import Portraying
from bridge.networks.connect.users.endings import Endings
from bridge.vouching import Proof

_CONTACTS = 1_000


class UserCalls:
    """``products`` by name: their users may be one professional."""

    def __init__(self, products: Mapping[str, Product], endings: Endings | None = None) -> None:
        self._products = products
        self._endings = endings

    async def declare(self, call: Call) -> web.Response:
        """PUT /users/{id}."""
        user = Address(call.network, call.id)
        vouched = call.parse(accounts.Vouch)
        if self._endings is not None:
            await self._endings.reopened(user)
        before = await call.hub.facts.account(user)
        given, judge = vouched.proof, call.product.judge
        if judge is None and given is not None:
            raise Refused("proof_refused", "proof")
        brought = None if given is None else (given.kind, given.token)
        proof = Proof.WORD if judge is None else judge(brought, call.id, vouched.rpps)
        account = await call.hub.declare(user, vouched.rpps, proof)
        if self._endings is not None and before is not None and before.person.id != account.person.id:
            await self._endings.replaced(call.hub, user, before.person.id)
        if vouched.language is not None and account.standing is Standing.ACTIVE:
            await call.hub.choose_language(account.address, vouched.language)
        return json_answer(self.view(account))

    async def portray(self, call: Call) -> web.Response:
        """PUT /users/{id}/avatar."""
        user, said = Address(call.network, call.id), call.parse(Portraying)
        picture = None if said.content is None else File("", "", said.content)
        await call.hub.portray(user, picture)
        return web.Response(status=204)

    async def user(self, call: Call) -> web.Response:
        """GET /users/{id}."""
        account = await call.hub.facts.account(Address(call.network, call.id))
        if account is None:
            raise Refused("unknown_user", "id")
        return json_answer(self.view(account))

    def view(self, account: Account) -> dict[str, Any]:
        """A user as their product sees them."""
        contested = [accounts.to_contest(claim, self._label(claim.network)) for claim in account.contested]
        more = {"id": account.address.id, "state": account.standing.value, "contested_by": contested}
        return translate.to_person(account.person) | more

    def _label(self, network: str) -> str:
        product = self._products.get(network)
        return product.label if product is not None else network

    async def confirm(self, call: Call) -> web.Response:
        """POST /users/{id}/confirmations."""
        user = Address(call.network, call.id)
        said = call.parse(accounts.Confirmation)
        claim = await call.hub.confirm(user, said.product, said.decision == "accept")
        return json_answer(accounts.to_confirmed(claim, self._label(claim.network)))

    async def people(self, call: Call) -> web.Response:
        """GET /people."""
        asked = people_query(call.request.query)
        by = Address(call.network, asked.user)
        found = await call.hub.facts.find(asked.words, asked.limit, by, asked.narrowing)
        return json_answer({"people": [translate.to_found(p) for p in found], "next": asked.next(len(found))})

    async def contacts(self, call: Call) -> web.Response:
        """GET /people/contacts.vcf."""
        user = known_id(call.request.query.get("user", ""), "user")
        me = await call.hub.facts.identify(Address(call.network, user), "user")
        people = await call.hub.facts.contacts(me.id, _CONTACTS)
        file = vcard.compose(vcard.Contact(person) for person in people)
        named = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{vcard.NAME}"'}
        return web.Response(body=file, content_type=vcard.MIME, headers=named)
